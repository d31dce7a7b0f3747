package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Verdict is the answer of one rule for one element.
type Verdict uint8

// The verdicts. Skip says that the rule is not about the element.
const (
	Skip Verdict = iota
	Pass
	Fail
	Unknown
	Error
)

func (v Verdict) String() string {
	return [...]string{"skip", "pass", "fail", "unknown", "error"}[v]
}

// verdict is what is cached: why is the reason of an unknown or an error, and
// at the validation that failed.
type verdict struct {
	Verdict
	at  int
	why string
}

// Outcome is a verdict other than Pass and Skip.
type Outcome struct {
	Verdict Verdict
	Rule    *Rule
	Finding *model.Finding // for Fail
	Reason  string         // for Unknown and Error
	Subject string
	Place   model.Place
	Element tree.Path // from the object's root to the element
}

// Tally counts verdicts.
type Tally struct{ Evaluated, Passed, Unknown int }

// Worker evaluates the rules of an engine. It keeps the verdicts that it has
// seen, and is for one goroutine.
type Worker struct {
	engine *Engine
	facts  Facts
	cache  []map[uint64][]verdict // by group
	frame  frame
}

// NewWorker makes a worker that asks facts about other objects.
func (e *Engine) NewWorker(facts Facts) *Worker { return &Worker{engine: e, facts: facts} }

// Evaluate judges one object by all rules. Outcomes come in the order of the
// rules within one element, elements in the order of the object.
func (w *Worker) Evaluate(o *model.Object, tally *Tally) []Outcome {
	p := w.engine.plan(o.Key.GroupKind, len(o.Pods()) > 0 || o.Key.PodSpecPath() != nil)
	run := &run{Worker: w, object: o, tally: tally}
	for _, b := range p.broken {
		run.outcomes = append(run.outcomes, Outcome{Verdict: Error, Reason: b.err.Error(), Place: o.Place()})
	}
	for rest := p.groups; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].subject.key() == rest[0].subject.key() {
			n++
		}
		run.subject(rest[:n])
		rest = rest[n:]
	}
	return run.outcomes
}

// run is the evaluation of one object.
type run struct {
	*Worker
	object   *model.Object
	tally    *Tally
	outcomes []Outcome
}

// subject evaluates groups of one subject for each of its elements.
func (r *run) subject(groups []*group) {
	s := &groups[0].subject
	f := &r.frame
	*f = frame{object: r.object, facts: r.facts, minor: r.engine.options.KubernetesMinor, bound: f.bound[:0]}
	switch {
	case s.References:
		for _, ref := range r.facts.References(r.object) {
			f.bound = append(f.bound[:0], binding{node: &ref.Value, path: ref.Path})
			r.element(groups)
		}
	case s.Pod:
		pods := r.object.Pods()
		for i := range pods {
			f.pod, f.related = &pods[i], nil
			r.levels(groups, s.Levels, pods[i].Spec)
		}
	default:
		r.levels(groups, s.Levels, r.object.Root)
	}
}

// levels binds the items of nested lists and evaluates the groups for each
// innermost one.
func (r *run) levels(groups []*group, levels []Level, under *tree.Node) {
	if len(levels) == 0 {
		r.element(groups)
		return
	}
	level := &levels[0]
	for _, list := range level.Lists {
		items := under.Follow(list)
		for i := range items.Children() {
			item := items.At(i)
			if item == nil {
				break // a map where a list belongs
			}
			r.frame.bound = append(r.frame.bound, binding{level: level, list: list, index: i, node: item})
			r.levels(groups, levels[1:], item)
			r.frame.bound = r.frame.bound[:len(r.frame.bound)-1]
		}
	}
}

// element evaluates groups for what the frame is bound to.
func (r *run) element(groups []*group) {
	f := &r.frame
	for _, g := range groups {
		unknown := ""
		if g.match != nil {
			var matches bool
			matches, unknown = g.match.selects(r.object, func() *tree.Node { return r.facts.Namespace(r.object) })
			if !matches {
				continue
			}
		}
		verdicts := r.verdicts(g)
		for i, v := range verdicts {
			if v.Verdict == Skip {
				continue
			}
			r.tally.Evaluated++
			if unknown != "" && v.Verdict != Pass {
				v = verdict{Verdict: Unknown, why: unknown}
			}
			switch v.Verdict {
			case Pass:
				r.tally.Passed++
			case Unknown:
				r.tally.Unknown++
				r.outcomes = append(r.outcomes, f.outcome(g.rules[i], v))
			default:
				r.outcomes = append(r.outcomes, f.outcome(g.rules[i], v))
			}
		}
	}
}

// maxCached bounds the verdicts kept for one group, so that content that never
// repeats does not fill the memory.
const maxCached = 1 << 14

// verdicts returns those of all rules of a group, from the cache if the same
// content was judged before.
func (r *run) verdicts(g *group) []verdict {
	key := r.frame.hash(g.footprint)
	for len(r.cache) <= g.serial {
		r.cache = append(r.cache, nil)
	}
	cache := r.cache[g.serial]
	if verdicts, seen := cache[key]; seen {
		return verdicts
	}
	verdicts := make([]verdict, len(g.rules))
	for i, b := range g.rules {
		verdicts[i] = r.frame.judge(b)
	}
	if cache == nil || len(cache) >= maxCached {
		cache = map[uint64][]verdict{}
		r.cache[g.serial] = cache
	}
	cache[key] = verdicts
	return verdicts
}

// judge runs a rule on what the frame is bound to.
func (f *frame) judge(b *built) verdict {
	f.rule, f.cached = b, nil
	for _, x := range b.compiled.conditions {
		switch v := f.test(x); v.Verdict {
		case Fail:
			return verdict{}
		case Unknown, Error:
			return v
		}
	}
	worst := verdict{Verdict: Pass}
	for i, x := range b.compiled.validation {
		v := f.test(x)
		v.at = i
		if v.Verdict == Fail {
			return v
		}
		worst = slices.MaxFunc([]verdict{worst, v}, func(a, b verdict) int { return int(a.Verdict) - int(b.Verdict) })
	}
	return worst
}

// test runs one boolean expression.
func (f *frame) test(x *expression) verdict {
	switch out := evaluate(x, f).(type) {
	case types.Bool:
		if out {
			return verdict{Verdict: Pass}
		}
		return verdict{Verdict: Fail}
	case *types.Unknown:
		return verdict{Verdict: Unknown, why: reasons(out)}
	case *types.Err:
		return verdict{Verdict: Error, why: withoutQuotes(out.Error())}
	default:
		return verdict{Verdict: Error, why: "the expression yields a " + out.Type().TypeName() + ", not a boolean"}
	}
}

var quoted = regexp.MustCompile("\"[^\"]*\"|'[^']*'|`[^`]*`")

// withoutQuotes takes out of an error what may be a value of the object.
func withoutQuotes(s string) string { return quoted.ReplaceAllString(s, "...") }

// outcome describes a verdict for people.
func (f *frame) outcome(b *built, v verdict) Outcome {
	rule := b.compiled.Rule
	o := Outcome{Verdict: v.Verdict, Rule: rule, Reason: v.why, Subject: f.label(), Element: f.element(len(f.bound))}
	field := b.compiled.field
	if v.Verdict == Fail && b.compiled.fields[v.at] != nil {
		field = b.compiled.fields[v.at]
	}
	path := o.Element
	if full, ok := f.resolve(field); ok {
		path = full
	}
	o.Place = f.object.Source.Place(f.object.Root.Nearest(path))
	if v.Verdict == Fail {
		o.Finding = f.finding(b, v.at, path, o)
	}
	return o
}

func (f *frame) finding(b *built, at int, path tree.Path, o Outcome) *model.Finding {
	rule := b.compiled.Rule
	finding := &model.Finding{
		Rule: &rule.RuleInfo, Object: f.object, Subject: o.Subject, Element: o.Element, Path: path, Place: o.Place, Message: rule.Validations[at].Message,
		Fingerprint: f.fingerprint(rule),
	}
	f.rule, f.cached = b, nil
	if x := b.compiled.messages[at]; x != nil {
		if s, ok := evaluate(x, f).(types.String); ok && s != "" {
			finding.Message = strings.TrimSpace(string(s))
		}
	}
	for i, t := range rule.Fixes {
		if x := b.compiled.whens[i]; x != nil && evaluate(x, f) != types.True {
			continue
		}
		fix := model.Fix{Class: t.Class, Question: t.Question}
		for j, e := range t.Edits {
			if full, ok := f.resolve(b.compiled.edits[i][j]); ok {
				fix.Edits = append(fix.Edits, model.Edit{Path: full, Value: e.Value, Append: e.Append})
			}
		}
		finding.Fixes = append(finding.Fixes, fix)
	}
	return finding
}

// resolve turns a path that starts with a variable into one from the object's
// root.
func (f *frame) resolve(path tree.Path) (tree.Path, bool) {
	if len(path) == 0 {
		return nil, false
	}
	name, rest := path[0].Key, path[1:]
	if name == "variables" && len(rest) > 0 {
		name, rest = rest[0].Key, rest[1:]
	}
	base, ok := f.path(name)
	if !ok {
		return nil, false
	}
	return base.Join(rest...), true
}

// label names the element for people; it is empty for the object and its only
// pod.
func (f *frame) label() string {
	var parts []string
	for i := range f.bound {
		b := &f.bound[i]
		if b.level == nil {
			parts = append(parts, strings.TrimSpace(b.node.Get("kind").Str()+" "+quote(b.node.Get("name").Str())))
			continue
		}
		l := *b.level
		if l.As == "container" && len(b.list) > 0 && b.list[0].Key != "containers" {
			l.As = map[string]string{"initContainers": "init container", "ephemeralContainers": "ephemeral container"}[b.list[0].Key]
		}
		parts = append(parts, l.label(b.node, b.index))
	}
	if f.pod != nil && len(f.object.Pods()) > 1 {
		parts = append([]string{"pod at " + f.pod.SpecPath.String()}, parts...)
	}
	return strings.Join(parts, ", ")
}

func quote(s string) string { return `"` + s + `"` }
