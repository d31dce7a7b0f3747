// Package check is the one pipeline from what was read to what is reported:
// objects become a snapshot, rules are evaluated over it, exceptions and the
// baseline are applied, and symptoms are folded under their causes. The command
// line, and whatever else asks "may this ship?", calls [Run].
package check

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// Options say how to check. The zero value checks nothing: it has no rules.
type Options struct {
	Rules           []*policy.Rule
	Settings        map[string]*tree.Node // params of rules, by rule id
	KubernetesMinor int                   // the version that is assumed
	Closed          bool                  // the input holds everything there is, but for the gaps
	Gaps            []model.Gap
	Declarations    []*model.Declaration
	Exceptions      *policy.Exceptions // may be nil
	Baseline        *policy.Baseline   // may be nil
	// Images are the facts about images by the reference that containers give, as
	// [ImageFacts] and [UnreadImage] make them. Nil leaves the rules about images
	// out: they are then counted as not evaluated and give no verdicts.
	Images map[string]*tree.Node
	// Selected limits what is judged; what is left out still counts as
	// surroundings. Nil selects everything.
	Selected func(*model.Object) bool
	// Progress, when set, is told now and then how many objects are judged.
	Progress func(done, total int)
}

// Run judges objects and reports what is wrong with them. It is a function of
// its input: the same objects and options give the same report, whatever the
// number of processors. The report lacks the counts and problems of reading.
func Run(ctx context.Context, objects []*model.Object, o Options) (*model.Report, error) {
	rules, left := o.rules()
	o.Rules = rules
	snapshot := model.NewSnapshot(objects, o.Closed, o.Gaps...)
	engine := policy.NewEngine(o.Rules, policy.Options{KubernetesMinor: o.KubernetesMinor, Settings: o.Settings, FactNames: FactNames()})
	facts := NewFacts(snapshot, declared(o.Declarations))
	facts.minor, facts.images = o.KubernetesMinor, o.Images
	var judged []*model.Object
	for _, object := range objects {
		if (o.Selected == nil || o.Selected(object)) && snapshot.Controller(object) == object {
			judged = append(judged, object)
		}
	}
	judgements, tally, err := evaluate(ctx, engine, facts, judged, o.Progress)
	if err != nil {
		return nil, err
	}
	r := &model.Report{}
	r.Counts = model.Counts{Read: len(objects), Rules: len(o.Rules), Evaluated: tally.Evaluated, Passed: tally.Passed, Unknown: tally.Unknown}
	for _, object := range judged {
		r.Counts.Objects++
		if object.Key.GroupKind == model.ImageKind {
			r.Counts.Images++
		}
		if len(object.Pods()) > 0 {
			r.Counts.Workloads++
		}
		if object.System {
			r.Counts.System++
		}
		if gk := object.Key.GroupKind; object.PodsNotUnderstood() {
			r.Counts.NotUnderstood++
			if !slices.Contains(r.NotUnderstood, gk) {
				r.NotUnderstood = append(r.NotUnderstood, gk)
			}
		}
	}
	if r.Counts.Workloads > 0 {
		r.Counts.ImageRules = left
	}
	slices.SortFunc(r.NotUnderstood, func(a, b model.GroupKind) int { return cmp.Compare(a.String(), b.String()) })
	collect(r, judged, judgements, &o)
	return r, nil
}

// rules returns those that can be evaluated, and how many need images that were
// not read.
func (o *Options) rules() (rules []*policy.Rule, left int) {
	if o.Images != nil {
		return o.Rules, 0
	}
	for _, r := range o.Rules {
		if r.Subject.Image {
			left++
		} else {
			rules = append(rules, r)
		}
	}
	return rules, left
}

// declared finds the declaration that covers an object.
func declared(all []*model.Declaration) func(*model.Object) *tree.Node {
	return func(o *model.Object) *tree.Node {
		for _, d := range all {
			if d.Covers(o) {
				return d.Node()
			}
		}
		return nil
	}
}

// chunk is how many objects a worker takes at a time.
const chunk = 64

// judgement is what the rules say about one object.
type judgement struct {
	findings []*model.Finding
	unknowns []model.Unknown
	errors   []policy.Outcome
}

func judge(outcomes []policy.Outcome) judgement {
	var j judgement
	counts := [policy.Error + 1]int{}
	for _, out := range outcomes {
		counts[out.Verdict]++
	}
	j.findings = make([]*model.Finding, 0, counts[policy.Fail])
	j.unknowns = make([]model.Unknown, 0, counts[policy.Unknown])
	for _, out := range outcomes {
		switch out.Verdict {
		case policy.Fail:
			j.findings = append(j.findings, out.Finding)
		case policy.Unknown:
			j.unknowns = append(j.unknowns, out.Unknown)
		default:
			j.errors = append(j.errors, out)
		}
	}
	return j
}

// evaluate judges the objects with all processors; judgements are by object.
func evaluate(ctx context.Context, engine *policy.Engine, facts policy.Facts, objects []*model.Object, progress func(int, int)) ([]judgement, policy.Tally, error) {
	judgements := make([]judgement, len(objects))
	var (
		next  atomic.Int64
		mu    sync.Mutex
		total policy.Tally
		done  int
		wg    sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), len(objects)/chunk+1) {
		wg.Go(func() {
			worker := engine.NewWorker(facts)
			for ctx.Err() == nil {
				end := int(next.Add(chunk))
				begin := end - chunk
				if begin >= len(objects) {
					return
				}
				var tally policy.Tally
				for i := begin; i < min(end, len(objects)); i++ {
					judgements[i] = judge(worker.Evaluate(objects[i], &tally))
				}
				mu.Lock()
				total.Evaluated += tally.Evaluated
				total.Passed += tally.Passed
				total.Unknown += tally.Unknown
				done += min(end, len(objects)) - begin
				if progress != nil {
					progress(done, len(objects))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return judgements, total, ctx.Err()
}

// collect turns judgements into the parts of a report.
func collect(r *model.Report, objects []*model.Object, judgements []judgement, o *Options) {
	errors := failures{}
	findings, unknowns := 0, 0
	for _, j := range judgements {
		findings += len(j.findings)
		unknowns += len(j.unknowns)
	}
	folding := newFolding(o.Rules)
	var byObject [][]*model.Finding
	r.Unknowns = make([]model.Unknown, 0, unknowns)
	for i, j := range judgements {
		note(r, objects[i], o)
		judgements[i] = judgement{} // half of what a large run holds
		for _, out := range j.errors {
			errors.add(out)
		}
		for _, f := range j.findings {
			settle(f, o)
		}
		if len(j.findings) > 0 {
			byObject = append(byObject, folding.fold(j.findings))
		}
		r.Unknowns = append(r.Unknowns, j.unknowns...)
	}
	r.Problems = slices.Concat(r.Problems, errors.problems(), missingInput(r.Unknowns))
	r.Fixed = o.Baseline.Left()
	if o.Exceptions != nil {
		r.Expired, r.Unused = o.Exceptions.Leftover()
	}
	order(byObject)
	r.Findings = make([]*model.Finding, 0, findings)
	for _, found := range byObject {
		r.Findings = append(r.Findings, found...)
	}
}

// settle decides whether a finding counts.
func settle(f *model.Finding, o *Options) {
	if o.Exceptions != nil {
		f.Exception = o.Exceptions.Apply(f)
	}
	if f.Exception == nil {
		f.Baselined = o.Baseline.Take(f.Fingerprint)
	}
}

// note reads the exceptions in an object's annotations.
func note(r *model.Report, object *model.Object, o *Options) {
	if o.Exceptions == nil {
		return
	}
	if err := o.Exceptions.Note(object); err != nil {
		for reason := range strings.SplitSeq(err.Error(), "\n") {
			r.Problems = append(r.Problems, model.Problem{Reason: reason, Hint: "until it is mended, the exception does not work"})
		}
	}
}

// fold puts the findings of one object that have another one as their cause under
// it. The cause is on the same element or on one that contains it, counts no less
// than its symptom, and neither is excepted: who excepts a cause has not said
// anything about its symptoms.
func (g *folding) fold(found []*model.Finding) []*model.Finding {
	clear(g.first)
	symptoms := false
	for i, f := range found {
		symptoms = symptoms || len(g.coveredBy[f.Rule]) > 0
		if !g.covers[f.Rule] || f.Exception != nil {
			continue
		}
		if key := (causeKey{f.Rule, g.last(f.Element), f.Baselined}); g.first[key] == 0 {
			g.first[key] = i + 1
		}
	}
	if !symptoms || len(g.first) == 0 {
		return found
	}
	causes := make([]int, len(found)) // index+1 of the cause, 0 without one
	for i, f := range found {
		if rules := g.coveredBy[f.Rule]; len(rules) > 0 && f.Exception == nil {
			causes[i] = g.cause(found, i, rules)
		}
	}
	top := make([]*model.Finding, 0, len(found))
	for i, f := range found {
		first := i
		for range g.coveredBy { // to the first cause; rules that name each other must not loop
			if causes[first] == 0 {
				break
			}
			first = causes[first] - 1
		}
		if first == i || causes[first] != 0 {
			top = append(top, f)
		} else {
			found[first].Symptoms = append(found[first].Symptoms, f)
		}
	}
	return top
}

// folding knows which rules are causes of which.
type folding struct {
	coveredBy map[*model.RuleInfo][]*model.RuleInfo // what may be the cause of a rule's findings
	covers    map[*model.RuleInfo]bool
	first     map[causeKey]int // index+1 of the first finding of one object

	element *model.Element // whose hashes are known
	hashes  []uint64       // of its path and of all that it begins with, the empty path first
}

func newFolding(rules []*policy.Rule) *folding {
	g := &folding{coveredBy: map[*model.RuleInfo][]*model.RuleInfo{}, covers: map[*model.RuleInfo]bool{}, first: map[causeKey]int{}}
	byID := map[string]*model.RuleInfo{}
	for _, r := range rules {
		byID[r.ID] = &r.RuleInfo
	}
	for _, r := range rules {
		for _, id := range r.CoveredBy {
			if cause := byID[id]; cause != nil {
				g.coveredBy[&r.RuleInfo] = append(g.coveredBy[&r.RuleInfo], cause)
				g.covers[cause] = true
			}
		}
	}
	return g
}

// causeKey is where a cause is looked up, as an object may have tens of
// thousands of findings: a rule and the hash of the path to an element.
type causeKey struct {
	rule      *model.RuleInfo
	path      uint64
	baselined bool
}

// cause returns the index+1 of the first finding that found[i] is a symptom of,
// or 0.
func (g *folding) cause(found []*model.Finding, i int, rules []*model.RuleInfo) int {
	first := 0
	g.last(found[i].Element)
	for _, path := range g.hashes {
		for _, rule := range rules {
			j := g.first[causeKey{rule, path, found[i].Baselined}]
			if j != 0 && j != i+1 && (first == 0 || j < first) && encloses(found[j-1].Element.Path, found[i].Element.Path) {
				first = j
			}
		}
	}
	return first
}

var stepSeed = maphash.MakeSeed()

// last returns the hash of the path to an element. Findings about one element
// stand together, so it is mostly known.
func (g *folding) last(e *model.Element) uint64 {
	if g.element != e {
		g.element, g.hashes = e, append(g.hashes[:0], 0)
		for i, step := range e.Path {
			g.hashes = append(g.hashes, tree.Mix(g.hashes[i], maphash.Comparable(stepSeed, step)))
		}
	}
	return g.hashes[len(g.hashes)-1]
}

func encloses(outer, inner tree.Path) bool {
	return len(outer) <= len(inner) && slices.Equal(outer, inner[:len(outer)])
}

// order puts the object with the worst active finding first, then by key; within
// an object the worst finding comes first, then by position.
func order(objects [][]*model.Finding) {
	worst := func(findings []*model.Finding) int {
		rank := 0
		for _, f := range findings {
			if f.Active() {
				rank = max(rank, int(f.Rule.Severity)+1)
			}
		}
		return rank
	}
	type ranked struct {
		findings  []*model.Finding
		worst, at int
	}
	all := make([]ranked, len(objects))
	var sorter findingSorter
	for i, findings := range objects {
		all[i] = ranked{findings, worst(findings), i}
		sorter.sort(findings)
	}
	slices.SortFunc(all, func(x, y ranked) int {
		if x.worst != y.worst {
			return y.worst - x.worst
		}
		a, b := x.findings[0], y.findings[0]
		if c := a.Object.Key.Compare(b.Object.Key); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.Place().File, b.Place().File), x.at-y.at)
	})
	for i := range all {
		objects[i] = all[i].findings
	}
}

// findingSorter sorts the findings of one object after the other. What decides
// is gathered first: the findings themselves are spread over the memory.
type findingSorter []sortedFinding

type sortedFinding struct {
	rank    uint64 // the worst first, then the place
	rule    string
	at      int // where it stood
	finding *model.Finding
}

func (s *findingSorter) sort(findings []*model.Finding) {
	all := (*s)[:0]
	for i, f := range findings {
		rank := uint64(model.Critical-f.Rule.Severity)<<32 | uint64(uint32(f.Written.KeyStart()))
		all = append(all, sortedFinding{rank, f.Rule.ID, i, f})
	}
	slices.SortFunc(all, func(a, b sortedFinding) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return cmp.Or(strings.Compare(a.rule, b.rule), a.at-b.at)
	})
	for i := range all {
		findings[i] = all[i].finding
	}
	*s = all
}

// failures gathers evaluation errors, so that one broken rule is one problem
// and not one for each object.
type failures map[string]*failure

type failure struct {
	first policy.Outcome
	count int
	order int
}

func (f failures) add(out policy.Outcome) {
	key := out.Reason
	if out.Rule != nil {
		key = out.Rule.ID + "\x00" + key
	}
	if f[key] == nil {
		f[key] = &failure{first: out, order: len(f)}
	}
	f[key].count++
}

func (f failures) problems() []model.Problem {
	all := make([]*failure, 0, len(f))
	for _, one := range f {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *failure) int { return a.order - b.order })
	var problems []model.Problem
	for _, one := range all {
		p := model.Problem{Place: one.first.Place(), Reason: one.first.Reason, Hint: "mend the rule; until then it says nothing about these objects"}
		if r := one.first.Rule; r != nil {
			p.Reason = fmt.Sprintf("rule %s could not be evaluated: %s", r.ID, one.first.Reason)
		}
		if one.count > 1 {
			p.Reason += fmt.Sprintf(" (here and for %d more)", one.count-1)
		}
		problems = append(problems, p)
	}
	return problems
}
