package fix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// run holds the state of one [Make]. Findings and texts are always those after
// what was applied so far.
type run struct {
	Options

	top   []*model.Finding // as reported
	flat  []*model.Finding // symptoms included
	ids   map[*model.Finding]identity
	cause map[*model.Finding]*model.Finding // of symptoms
	count map[identity]int                  // how many have an identity, but for its number

	reported map[identity]bool // unnumbered: of the active findings first given
	passed   []passed          // those first given that do not count
	passing  map[identity]int  // how many of them have an identity, unnumbered

	files   map[string]*source
	order   []string // of files, by first finding
	refused map[attemptKey]string
	owned   map[place]owner
}

// identity finds a finding again in another round.
type identity struct {
	fingerprint model.Fingerprint
	file        string
	document    int
	number      int // among those that agree in all else
}

func (id identity) unnumbered() identity {
	id.number = 0
	return id
}

// attemptKey names one of the fixes of a finding.
type attemptKey struct {
	id  identity
	fix int
}

// passed is a finding that an exception or the baseline lets pass.
type passed struct {
	id   identity // unnumbered
	rule string
}

// place is a path in an object of a file.
type place struct {
	file     string
	document int
	path     string
}

// owner is the fix that gave a place its value.
type owner struct {
	rule  string
	value *tree.Node
}

// candidate is a fix to be tried.
type candidate struct {
	key  attemptKey
	rule *model.RuleInfo
	fix  model.Fix
}

// source is a file of the input.
type source struct {
	file      *tree.File
	old, text string
	reason    string // why it is not touched, or ""
	before    []*model.Object
	objects   []*model.Object
	applied   []Applied
}

// take makes findings the current ones.
func (r *run) take(findings []*model.Finding) {
	r.top, r.flat = findings, r.flat[:0:0]
	r.ids, r.count, r.cause = map[*model.Finding]identity{}, map[identity]int{}, map[*model.Finding]*model.Finding{}
	var walk func([]*model.Finding, *model.Finding)
	walk = func(findings []*model.Finding, cause *model.Finding) {
		for _, f := range findings {
			id := identity{fingerprint: f.Fingerprint}
			if s := f.Object.Source; s != nil && s.File != nil {
				id.file, id.document = s.File.Name, s.Document
			}
			n := r.count[id]
			r.count[id] = n + 1
			id.number = n
			r.ids[f] = id
			r.flat = append(r.flat, f)
			if cause != nil {
				r.cause[f] = cause
			}
			walk(f.Symptoms, f)
		}
	}
	walk(findings, nil)
}

// limit remembers which of the current findings count. Only those are fixed:
// later ones are judged without exceptions and baseline.
func (r *run) limit() {
	r.reported, r.passing = map[identity]bool{}, map[identity]int{}
	for _, f := range r.flat {
		id := r.ids[f].unnumbered()
		if f.Active() {
			r.reported[id] = true
		} else {
			r.passed = append(r.passed, passed{id, f.Rule.ID})
			r.passing[id]++
		}
	}
}

// open returns the state of a file, which it reads when it is first asked for.
func (r *run) open(f *tree.File) *source {
	s := r.files[f.Name]
	if s != nil {
		return s
	}
	s = &source{file: f, old: f.Text, text: f.Text}
	r.files[f.Name] = s
	r.order = append(r.order, f.Name)
	text, err := r.Read(f.Name)
	switch {
	case err != nil && f.Name == "stdin":
		s.reason = "read from standard input"
	case err != nil:
		s.reason = err.Error()
	case text != f.Text:
		s.reason = "the file changed since it was read"
	default:
		if s.before, err = r.Load(f); err != nil {
			s.reason = err.Error()
		}
		s.objects = s.before
	}
	return s
}

// candidates returns the fixes to try next. The symptoms of a finding wait
// until it is known whether they vanish with it.
func (r *run) candidates() []candidate {
	var set []candidate
	var walk func([]*model.Finding)
	walk = func(findings []*model.Finding) {
		for _, f := range findings {
			if c, ok := r.pick(f); ok {
				set = append(set, c)
			} else {
				walk(f.Symptoms)
			}
		}
	}
	walk(r.top)
	return set
}

func (r *run) pick(f *model.Finding) (candidate, bool) {
	id := r.ids[f]
	if !r.reported[id.unnumbered()] || r.passing[id.unnumbered()] > 0 {
		return candidate{}, false
	}
	for i, fix := range f.Fixes {
		key := attemptKey{id, i}
		if r.allowed(fix) && r.refused[key] == "" && !r.undecided(f, fix) && r.untouchable(f) == "" {
			return candidate{key, f.Rule, fix}, true
		}
	}
	return candidate{}, false
}

// undecided reports whether a fix of a symptom touches a field about which a
// person must decide for the sake of a cause that counts: the fix would decide.
func (r *run) undecided(f *model.Finding, fix model.Fix) bool {
	for cause := r.cause[f]; cause != nil; cause = r.cause[cause] {
		decides := func(fix model.Fix) bool { return fix.Class == model.Decision }
		if !r.reported[r.ids[cause].unnumbered()] || len(cause.Field.Path) == 0 || !slices.ContainsFunc(cause.Fixes, decides) {
			continue
		}
		field := cause.Path()
		if slices.ContainsFunc(fix.Edits, func(e model.Edit) bool { return nested(field, f.At(e.Target)) }) {
			return true
		}
	}
	return false
}

// nested reports whether one of two paths leads to what the other leads to, or
// below it.
func nested(a, b tree.Path) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// apply makes as many of the fixes as can be: all together, or where that
// fails, in halves.
func (r *run) apply(ctx context.Context, set []candidate) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := r.attempt(set)
	if len(a.made) == 0 && a.refusal == "" {
		return nil
	}
	if a.refusal == "" {
		if err := r.judge(ctx, a); err != nil {
			return err
		}
	}
	switch {
	case a.refusal == "":
		r.commit(a)
	case len(set) == 1:
		r.refused[set[0].key] = a.refusal
	default:
		half := len(set) / 2
		return errors.Join(r.apply(ctx, set[:half]), r.apply(ctx, set[half:]))
	}
	return nil
}

// attempt is a set of fixes made in texts that nobody sees yet.
type attempt struct {
	made     []made
	files    map[string]*edits
	texts    map[string]string
	objects  map[string][]*model.Object
	owned    map[place]owner
	findings []*model.Finding // after it
	refusal  string           // why it does not do, or ""
}

type made struct {
	candidate
	finding *model.Finding
}

func (m *made) file() string { return m.finding.Object.Source.File.Name }

// attempt makes the fixes of a set that still apply. Those that touch a place
// which another one of the set touches wait for the next round.
func (r *run) attempt(set []candidate) *attempt {
	a := &attempt{files: map[string]*edits{}, texts: map[string]string{}, objects: map[string][]*model.Object{}, owned: map[place]owner{}}
	byID := make(map[identity]*model.Finding, len(r.flat))
	for _, f := range r.flat {
		byID[r.ids[f]] = f
	}
	for _, c := range set {
		f := byID[c.key.id]
		if f == nil || c.key.fix >= len(f.Fixes) {
			continue // another fix has ended it
		}
		if c.fix = f.Fixes[c.key.fix]; r.undecided(f, c.fix) {
			continue
		}
		name := f.Object.Source.File.Name
		if a.files[name] == nil {
			a.files[name] = newEdits(r, a, r.files[name])
		}
		ok, refusal := a.files[name].add(f, c.fix)
		if refusal != "" {
			r.refused[c.key] = refusal
		} else if ok {
			a.made = append(a.made, made{c, f})
		}
	}
	for name, e := range a.files {
		if len(e.changed) == 0 {
			continue
		}
		if a.texts[name], a.objects[name], a.refusal = e.make(); a.refusal != "" {
			break
		}
	}
	return a
}

// judge has the changed objects checked, and refuses the attempt when a
// finding stayed, or when one came that is as severe as one that went.
func (r *run) judge(ctx context.Context, a *attempt) error {
	replaced := map[string][]*model.Object{}
	for name, s := range r.files {
		if s.text != s.old {
			replaced[name] = s.objects
		}
	}
	least := model.Critical
	for _, m := range a.made {
		least = min(least, m.rule.Severity)
	}
	for name, objects := range a.objects {
		replaced[name] = objects
	}
	var err error
	if a.findings, err = r.Recheck(ctx, replaced); err != nil {
		return err
	}
	after := &run{}
	after.take(a.findings)
	if a.refusal = r.undoes(after); a.refusal != "" {
		return nil
	}
	gone := map[identity]int{}
	for _, m := range a.made {
		gone[m.key.id.unnumbered()]++
	}
	for id, n := range gone {
		if after.count[id] > r.count[id]-n {
			a.refusal = "the finding would stay"
			return nil
		}
	}
	for _, f := range after.flat {
		id := after.ids[f].unnumbered()
		if after.count[id] > r.count[id] && f.Rule.Severity >= least {
			a.refusal = fmt.Sprintf("it would cause another finding: %s", f.Rule.ID)
			return nil
		}
	}
	return nil
}

// undoes says why the state after an attempt lacks what was to be let pass, or
// "".
func (r *run) undoes(after *run) string {
	for _, p := range r.passed {
		if after.count[p.id] < r.passing[p.id] {
			return "it would undo what an exception or the baseline lets pass: " + p.rule
		}
	}
	return ""
}

// commit makes an attempt the current state.
func (r *run) commit(a *attempt) {
	proven := r.proven(a)
	for i, m := range a.made {
		s := a.files[m.file()].source
		s.applied = append(s.applied, Applied{Finding: m.finding, Fix: m.fix, Proven: proven[i]})
	}
	for name, text := range a.texts {
		r.files[name].text, r.files[name].objects = text, a.objects[name]
	}
	moved := map[place]bool{} // lists: the items behind a removed one have moved
	for p, o := range a.owned {
		if list, item := cutIndex(p.path); item && o.value == nil {
			moved[place{p.file, p.document, list}] = true
		} else {
			r.owned[p] = o
		}
	}
	maps.DeleteFunc(r.owned, func(p place, _ owner) bool {
		for list := range above(p) {
			if moved[list] {
				return true
			}
		}
		return false
	})
	r.take(a.findings)
}

// changesOf returns the edits of a fix as changes of a document, in which base
// leads to the object.
func changesOf(f *model.Finding, fix model.Fix, base tree.Path, document int) []tree.Change {
	all := make([]tree.Change, len(fix.Edits))
	for i, e := range fix.Edits {
		all[i] = tree.Change{Document: document, Path: base.Join(f.At(e.Target)...), Value: e.Value, Append: e.Append}
	}
	return all
}

// cutIndex splits a path that ends in an index.
func cutIndex(path string) (list string, ok bool) {
	i := strings.LastIndexByte(path, '[')
	if i < 0 || !strings.HasSuffix(path, "]") || strings.HasSuffix(path, `"]`) {
		return path, false
	}
	return path[:i], true
}
