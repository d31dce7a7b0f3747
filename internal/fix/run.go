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
	count map[identity]int // how many have an identity, but for its number

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
	r.ids, r.count = map[*model.Finding]identity{}, map[identity]int{}
	var walk func([]*model.Finding)
	walk = func(findings []*model.Finding) {
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
			walk(f.Symptoms)
		}
	}
	walk(findings)
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
		if r.allowed(fix) && r.refused[key] == "" && r.untouchable(f) == "" {
			return candidate{key, f.Rule, fix}, true
		}
	}
	return candidate{}, false
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
		c.fix = f.Fixes[c.key.fix]
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
		if len(e.changes) == 0 {
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
	for _, m := range a.made {
		e := a.files[m.finding.Object.Source.File.Name]
		proven := m.fix.Class == model.Inert && r.proven(e, m)
		e.source.applied = append(e.source.applied, Applied{Finding: m.finding, Fix: m.fix, Proven: proven})
	}
	for name, text := range a.texts {
		r.files[name].text, r.files[name].objects = text, a.objects[name]
	}
	for p, o := range a.owned {
		if list, item := cutIndex(p.path); item && o.value == nil { // the items behind it have moved
			maps.DeleteFunc(r.owned, func(q place, _ owner) bool {
				return q.file == p.file && q.document == p.document && strings.HasPrefix(q.path, list+"[")
			})
		} else {
			r.owned[p] = o
		}
	}
	r.take(a.findings)
}

// proven makes a fix alone, in its document as it was before the attempt, and
// reports whether the completed objects stay the same.
func (r *run) proven(e *edits, m made) bool {
	doc := e.docs[m.finding.Object.Source.Document]
	base, _ := rootPath(doc.Root, m.finding.Object.Root.Start(), 0)
	file := func(text string) *tree.File { return &tree.File{Name: e.source.file.Name, Text: text} }
	before := file(doc.File.Text[doc.Start:doc.End])
	text, err := tree.Edit(before, changesOf(m.finding, m.fix, base, 0))
	if err != nil {
		return false
	}
	was, err1 := r.Load(before)
	is, err2 := r.Load(file(text))
	return err1 == nil && err2 == nil && slices.EqualFunc(was, is, func(a, b *model.Object) bool {
		return a.Key == b.Key && a.Root.Hash() == b.Root.Hash()
	})
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

// edits gathers what is to change in one file.
type edits struct {
	run     *run
	attempt *attempt
	source  *source
	docs    []tree.Document
	changes []tree.Change
	of      map[int][]int // indices of changes by document
}

func newEdits(r *run, a *attempt, s *source) *edits {
	return &edits{run: r, attempt: a, source: s, of: map[int][]int{}, docs: slices.Collect(tree.Parse(&tree.File{Name: s.file.Name, Text: s.text}))}
}

// add adds the edits of a fix; refusal says why they can never be made. ok is
// false when they must wait for others.
func (e *edits) add(f *model.Finding, fix model.Fix) (ok bool, refusal string) {
	o := f.Object
	if o.Source.Document >= len(e.docs) {
		return false, "the document is no longer there"
	}
	base, found := rootPath(e.docs[o.Source.Document].Root, o.Root.Start(), 0)
	if !found {
		return false, "the object is written in a way that is not edited"
	}
	var changes []tree.Change
	var at []place
	for _, c := range changesOf(f, fix, base, o.Source.Document) {
		p := place{e.source.file.Name, c.Document, c.Path.String()}
		if was, taken := e.run.owned[p]; taken && !c.Append && !same(was.value, c.Value) {
			return false, fmt.Sprintf("it conflicts with the fix of %s, which was made", was.rule)
		}
		duplicate := false
		for _, i := range e.of[c.Document] {
			other := &e.changes[i]
			if !overlap(other.Path, c.Path) {
				continue
			}
			if !slices.Equal(other.Path, c.Path) || other.Append != c.Append || !same(other.Value, c.Value) {
				return false, ""
			}
			duplicate = true
		}
		if !duplicate {
			changes, at = append(changes, c), append(at, p)
		}
	}
	for i, c := range changes {
		if !c.Append { // more may be added, or all be set
			e.attempt.owned[at[i]] = owner{f.Rule.ID, c.Value}
		}
	}
	for _, c := range changes {
		e.of[c.Document] = append(e.of[c.Document], len(e.changes))
		e.changes = append(e.changes, c)
	}
	return true, ""
}

func same(a, b *tree.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return tree.Equal(a, b)
}

// overlap reports whether one path leads through the end of the other.
func overlap(a, b tree.Path) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// maxListDepth bounds lists within lists.
const maxListDepth = 8

// rootPath returns the path from a document's root to the object that starts
// at an offset: the document itself, or an item of a list.
func rootPath(root *tree.Node, start, depth int) (tree.Path, bool) {
	if !root.Is(tree.Map) || depth > maxListDepth {
		return nil, false
	}
	if root.Start() == start {
		return nil, true
	}
	items := root.Get("items")
	for i := range items.Children() {
		if p, ok := rootPath(items.At(i), start, depth+1); ok {
			return append(tree.Path{{Key: "items"}, {Index: i}}, p...), true
		}
	}
	return nil, false
}

// make edits the text and makes its objects. Removals come last, the later
// items of lists before the earlier ones, so that paths stay right.
func (e *edits) make() (text string, objects []*model.Object, refusal string) {
	slices.SortStableFunc(e.changes, func(a, b tree.Change) int {
		switch {
		case (a.Value == nil) != (b.Value == nil):
			return map[bool]int{true: 1, false: -1}[a.Value == nil]
		case a.Value == nil:
			return comparePaths(b.Path, a.Path)
		}
		return 0
	})
	text, err := tree.Edit(&tree.File{Name: e.source.file.Name, Text: e.source.text}, e.changes)
	if err != nil {
		return "", nil, err.Error()
	}
	if text == e.source.text {
		return "", nil, "it would change nothing"
	}
	objects, err = e.run.Load(&tree.File{Name: e.source.file.Name, Text: text})
	if err != nil {
		return "", nil, "the edited file could not be read: " + err.Error()
	}
	same := func(a, b *model.Object) bool { return a.Key == b.Key && a.Source.Document == b.Source.Document }
	if !slices.EqualFunc(objects, e.source.objects, same) {
		return "", nil, "the edited file would not hold the same objects"
	}
	return text, objects, ""
}

func comparePaths(a, b tree.Path) int {
	return slices.CompareFunc(a, b, func(a, b tree.Step) int {
		if a.Key != b.Key {
			if a.Key < b.Key {
				return -1
			}
			return 1
		}
		return a.Index - b.Index
	})
}
