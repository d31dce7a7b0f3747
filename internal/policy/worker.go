package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

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
	Verdict       Verdict
	Rule          *Rule          // nil for an Error of a rule that does not compile
	Finding       *model.Finding // for Fail
	model.Unknown                // for Unknown and Error: what could not be told, and why
}

// Tally counts verdicts.
type Tally struct{ Evaluated, Passed, Unknown int }

// Worker evaluates the rules of an engine. It keeps the verdicts that it has
// seen, and is for one goroutine.
type Worker struct {
	engine    *Engine
	facts     Facts
	request   *tree.Node // the admission request that is judged, or nil
	authority Authority  // on its sender, or nil
	caches    []cache    // by group
	frame     frame
	kept      kept

	scratch  []verdict
	outcomes []Outcome
}

// NewWorker makes a worker that asks facts about other objects.
func (e *Engine) NewWorker(facts Facts) *Worker { return &Worker{engine: e, facts: facts} }

// Evaluate judges one object by all rules. Outcomes come in the order of the
// rules within one element, elements in the order of the object. They are valid
// until the next call.
func (w *Worker) Evaluate(o *model.Object, tally *Tally) []Outcome {
	p := w.engine.plan(o.Key.GroupKind, len(o.Pods()) > 0 || o.Key.PodSpecPath() != nil)
	w.outcomes = w.outcomes[:0]
	clear(w.frame.related)
	w.frame.bind(objectScope)
	run := &run{Worker: w, object: o, tally: tally}
	for _, b := range p.broken {
		run.outcomes = append(run.outcomes, Outcome{Verdict: Error, Unknown: model.Unknown{Element: &model.Element{Object: o}, Question: &model.Question{Reason: b.err.Error()}, Written: o.Name()}})
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
	object *model.Object
	tally  *Tally
}

// subject evaluates groups of one subject for each of its elements.
func (r *run) subject(groups []*group) {
	s := &groups[0].subject
	f := &r.frame
	*f = frame{
		object: r.object, facts: r.facts, request: r.request, authority: r.authority, minor: r.engine.options.KubernetesMinor,
		bound: f.bound[:0], related: f.related, cached: f.cached[:0], kept: &r.kept, identity: f.identity[:0], text: f.text,
		said: f.said, asked: f.asked, knowns: f.knowns, clock: f.clock, bindAt: f.bindAt, digests: f.digests,
	}
	f.bind(podScope)
	switch {
	case s.Found != "":
		for _, found := range r.found(s.Found) {
			f.bound = append(f.bound[:0], binding{found: s.Found, node: &found.Value, path: found.Path})
			f.bind(itemScope)
			r.element(groups)
		}
	case r.object.Key.GroupKind == model.ImageKind:
		f.pod, f.all = &model.PodTemplate{Spec: emptyMap}, nil
		f.bound = append(f.bound[:0], binding{found: "container", node: r.object.Root})
		f.bind(itemScope)
		r.element(groups)
	case s.Pod:
		pods := r.object.Pods()
		for i := range pods {
			f.pod, f.all, f.wide = &pods[i], nil, nil
			f.bind(podScope)
			r.levels(groups, s.Levels, pods[i].Spec)
		}
	default:
		r.levels(groups, s.Levels, r.object.Root)
	}
}

// found returns what a subject of that name has found in the object.
func (r *run) found(subject string) []Reference {
	var all []Reference
	switch subject {
	case "reference":
		return r.facts.References(r.object)
	case "credential":
		for _, c := range r.object.Credentials {
			n := tree.MapOf(tree.Entry("path", c.Path.String()), tree.Entry("type", c.Type))
			all = append(all, Reference{*n.Seal(), c.Path})
		}
	case "unknownField":
		for _, path := range r.object.UnknownFields {
			n := tree.MapOf(tree.Entry("path", path.String()))
			all = append(all, Reference{*n.Seal(), path})
		}
	}
	return all
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
			r.frame.bind(itemScope + scope(len(r.frame.bound)-1))
			r.levels(groups, levels[1:], item)
			r.frame.bound = r.frame.bound[:len(r.frame.bound)-1]
		}
	}
}

// element evaluates groups for what the frame is bound to.
func (r *run) element(groups []*group) {
	f := &r.frame
	f.judged, f.identity = nil, f.identity[:0]
	if groups[0].subject.Image && !r.seen(groups) {
		return
	}
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

// seen reports whether rules can be asked about the image of the container: there
// is one, and it was read. Of an image that was not, all verdicts are unknown for
// one reason, which is said once.
func (r *run) seen(groups []*group) bool {
	image := r.frame.image()
	if image == nil || !image.Is(tree.Unknown) {
		return image != nil
	}
	rules := 0
	for _, g := range groups {
		rules += len(g.rules)
	}
	r.tally.Evaluated += rules
	r.tally.Unknown += rules
	element := r.frame.element()
	r.outcomes = append(r.outcomes, Outcome{Verdict: Unknown, Unknown: model.Unknown{
		Element: element, Question: r.frame.question(model.Question{Reason: image.Text()}), Written: r.frame.nearest(element.Path, imageField),
	}})
	return false
}

// imageField is where a container names its image.
var imageField = model.Target{Path: tree.Keys(imageName)}

// cache holds the verdicts of one group by the digest of what it reads.
type cache struct {
	verdicts    map[uint64]*[]verdict
	recent      [2]recent       // those asked for last, as most content is that of the element before
	common      []*[]verdict    // verdicts that were given often, each once in memory
	gates       map[uint64]bool // true where no rule of the group applies
	asked, hits int
}

const (
	maxCached  = 1 << 11 // verdicts kept for a group; content may never repeat
	maxCommon  = 8       // verdicts of a group that share their memory
	trialCalls = 1 << 10 // after which a cache that hits too rarely is given up
)

// shut reports whether the match conditions keep every rule of a group from
// judging the element. They often read less than the rule does, and so are
// answered by less content.
func (r *run) shut(g *group, c *cache) bool {
	key := r.frame.hash(g.gate)
	shut, seen := c.gates[key]
	if seen {
		return shut
	}
	shut = !slices.ContainsFunc(g.rules, func(b *built) bool {
		r.frame.enter(b)
		return !slices.ContainsFunc(b.compiled.conditions, func(x *expression) bool { return r.frame.test(x).Verdict == Fail })
	})
	if c.gates == nil || len(c.gates) >= maxCached {
		c.gates = map[uint64]bool{}
	}
	c.gates[key] = shut
	return shut
}

// verdicts returns those of all rules of a group, from the cache if the same
// content was judged before. They are valid until the next call.
func (r *run) verdicts(g *group) []verdict {
	for len(r.caches) <= g.serial {
		r.caches = append(r.caches, cache{})
	}
	c := &r.caches[g.serial]
	if len(g.gate) > 0 && r.shut(g, c) {
		return g.skipped
	}
	useful := c.asked < trialCalls || c.hits*4 > c.asked
	var key uint64
	if useful {
		key = r.frame.hash(g.inputs)
		c.asked++
		if verdicts := c.find(key); verdicts != nil {
			c.hits++
			return *verdicts
		}
	} else {
		*c = cache{gates: c.gates, asked: c.asked, hits: c.hits}
	}
	r.scratch = r.scratch[:0]
	for _, b := range g.rules {
		r.scratch = append(r.scratch, r.frame.judge(b))
	}
	if !useful {
		return r.scratch
	}
	if c.verdicts == nil || len(c.verdicts) >= maxCached {
		c.verdicts = map[uint64]*[]verdict{}
	}
	kept := c.keep(r.scratch)
	c.verdicts[key] = kept
	return *kept
}

// recent is an entry of the cache.
type recent struct {
	key      uint64
	verdicts *[]verdict
}

// find returns the verdicts of content, or nil.
func (c *cache) find(key uint64) *[]verdict {
	if c.recent[0].key == key && c.recent[0].verdicts != nil {
		return c.recent[0].verdicts
	}
	found := c.recent[1].verdicts
	if c.recent[1].key != key || found == nil {
		found = c.verdicts[key]
	}
	if found != nil {
		c.recent[1] = c.recent[0]
		c.recent[0] = recent{key, found}
	}
	return found
}

// keep returns a lasting copy of verdicts. There are few different ones.
func (c *cache) keep(verdicts []verdict) *[]verdict {
	for _, known := range c.common {
		if slices.Equal(*known, verdicts) {
			return known
		}
	}
	kept := slices.Clone(verdicts)
	if len(c.common) < maxCommon {
		c.common = append(c.common, &kept)
	}
	return &kept
}

// judge runs a rule on what the frame is bound to.
func (f *frame) judge(b *built) verdict {
	f.enter(b)
	worst := verdict{Verdict: Pass}
	for _, x := range b.compiled.conditions {
		v := f.test(x)
		if v.Verdict == Fail {
			return verdict{} // whatever the others say
		}
		worst = worse(worst, v)
	}
	if worst.Verdict == Error && b.compiled.IgnoreErrors {
		return verdict{}
	}
	if worst.Verdict != Pass {
		return worst
	}
	for i, x := range b.compiled.validation {
		v := f.test(x)
		v.at = i
		if v.Verdict == Fail {
			return v
		}
		if v.Verdict == Error && b.compiled.IgnoreErrors {
			continue
		}
		worst = worse(worst, v)
	}
	return worst
}

// worse returns the verdict that weighs more: an error more than an unknown.
func worse(a, b verdict) verdict {
	if b.Verdict > a.Verdict {
		return b
	}
	return a
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
		return verdict{Verdict: Error, why: withoutValues(out.Error(), x.text)}
	default:
		return verdict{Verdict: Error, why: "the expression yields a " + out.Type().TypeName() + ", not a boolean"}
	}
}

// outcome describes a verdict for people.
func (f *frame) outcome(b *built, v verdict) Outcome {
	o := Outcome{Verdict: v.Verdict, Rule: b.compiled.Rule, Unknown: model.Unknown{Question: answered}}
	element, field := f.element(), &b.compiled.fields[v.at]
	written := f.nearest(element.Path, *field)
	if v.Verdict != Fail {
		o.Unknown = model.Unknown{Element: element, Question: f.question(model.Question{Rule: &b.compiled.RuleInfo, Reason: v.why}), Written: written}
		return o
	}
	o.Finding = f.kept.finding(model.Finding{Element: element, Statement: f.statement(b, v.at), Written: written, Fingerprint: f.fingerprint(b.compiled.Rule)})
	return o
}

// nearest returns the node of a target, or the nearest one above it that is
// written.
func (f *frame) nearest(element tree.Path, t model.Target) *tree.Node {
	n := f.object.Root
	if base := element[:max(len(element)-t.Up, 0)]; len(base) > 0 {
		n = n.Nearest(base)
	}
	return n.Nearest(t.Path)
}

// answered is the question of a verdict that leaves none open.
var answered = &model.Question{}

// question returns the one that all share who ask the same.
func (f *frame) question(q model.Question) *model.Question {
	known := f.asked[q]
	if known == nil {
		if f.asked == nil || len(f.asked) >= maxCached {
			f.asked = map[model.Question]*model.Question{}
		}
		known = &q
		f.asked[q] = known
	}
	return known
}

// saying is a statement without its lists: what tells it from others of a rule.
type saying struct {
	rule    *built
	at      int    // the validation that failed
	message string // "" for the static one
	offered uint64 // bits of the fixes whose conditions hold
}

// statement says what a rule found.
func (f *frame) statement(b *built, at int) *model.Statement {
	f.enter(b)
	says := saying{rule: b, at: at}
	if x := b.compiled.messages[at]; x != nil {
		if s, ok := f.tell(b, x).(types.String); ok && printable(string(s)) {
			says.message = strings.TrimSpace(string(s))
		}
	}
	for i, x := range b.compiled.whens {
		if x == nil || f.offers(x, b.compiled.fixes[i].Class) {
			says.offered |= 1 << i
		}
	}
	s := f.said[says]
	if s == nil {
		if f.said == nil || len(f.said) >= maxCached {
			f.said = map[saying]*model.Statement{}
		}
		s = says.statement()
		f.said[says] = s
	}
	return s
}

// tell runs a message expression of a rule.
func (f *frame) tell(b *built, x *expression) ref.Val {
	if !b.compiled.Subject.Image {
		return evaluate(x, f)
	}
	f.telling, f.rule = true, nil // variables are other ones now
	f.enter(b)
	told := evaluate(x, f)
	f.telling, f.rule = false, nil
	f.enter(b)
	return told
}

func (s saying) statement() *model.Statement {
	c := s.rule.compiled
	out := &model.Statement{Rule: &c.RuleInfo, Field: &c.fields[s.at], Message: cmp.Or(s.message, c.Validations[s.at].Message)}
	for i := range c.fixes {
		if s.offered&(1<<i) != 0 {
			out.Fixes = append(out.Fixes, c.fixes[i])
		}
	}
	return out
}

// offers reports whether the condition of a fix holds. A question is asked where
// that is not known, too.
func (f *frame) offers(when *expression, class model.FixClass) bool {
	holds := evaluate(when, f)
	return holds == types.True || class == model.Decision && types.IsUnknown(holds)
}

// printable reports whether the API server would show the result of a message
// expression; else the static message stands in.
func printable(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && len(s) <= celconfig.MaxEvaluatedMessageExpressionSizeBytes && !strings.Contains(s, "\n")
}
