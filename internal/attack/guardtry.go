package attack

import (
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// refusal says whether admission policies refuse a danger.
type refusal struct {
	answer answer
	policy string // that may refuse it, where the answer is perhaps
	why    string // that this is not known
	image  bool   // it passes with an image that policies ask for only
	given  string // what it passes with, a phrase to follow a noun
}

// certainty says how certain it is that the danger gets in where the namespace
// leaves it open. Whether an image of somebody's registry serves the attacker, no
// policy says.
func (r refusal) certainty(open Certainty) Certainty {
	switch {
	case r.answer == perhaps:
		return Unknown
	case r.image:
		return max(open, Likely)
	}
	return open
}

// guardMemory is what policies were found to say, for the next graph: to ask them is
// most of its work where nothing that they read has changed.
type guardMemory struct {
	policies []*model.Object // and their bindings
	verdicts map[guardQuestion]guardVerdict
}

// guardQuestion is all that a verdict hangs on, besides the policies.
type guardQuestion struct {
	name            string
	namespace       *model.Object
	pods            [mostPods]*model.Object
	debug, relabels bool
	claim           string
	sender          access.Subject
	account         *model.Object // of the sender
}

func (g *guards) question(namespace string) guardQuestion {
	q := guardQuestion{name: namespace, namespace: g.namespaceObject(namespace), relabels: g.relabels}
	if g.worker != nil {
		for i, w := range g.workloadsOf(namespace) {
			q.pods[i] = w.Object
		}
	}
	return q
}

// remembering returns what the graph before knows, or else finds it out.
func (g *guards) remembering(q guardQuestion, find func() guardVerdict) guardVerdict {
	if len(g.without) > 0 {
		v, known := g.own[q]
		if !known {
			v = find()
			g.own[q] = v
		}
		return v
	}
	m := &g.Graph.guardMemory
	v, known := m.verdicts[q]
	if !known && g.before != nil && slices.Equal(m.policies, g.before.guardMemory.policies) {
		v, known = g.before.guardMemory.verdicts[q]
	}
	if !known {
		v = find()
	}
	if m.verdicts != nil {
		m.verdicts[q] = v
	}
	return v
}

// remember begins the memory.
func (g *guards) remember() {
	m := &g.Graph.guardMemory
	if m.verdicts == nil {
		m.verdicts = map[guardQuestion]guardVerdict{}
		for _, kind := range []model.GroupKind{model.PolicyKind, model.PolicyBindingKind} {
			m.policies = slices.AppendSeq(m.policies, g.snapshot.Kind(kind))
		}
	}
}

// failing are the rules that refuse a pod.
type failing map[*policy.Rule]bool

// tries are the bases of one namespace, and which rules refuse a harmless pod with
// each, in one list of containers.
type tries struct {
	namespace string
	from      access.Subject
	bases     []base
	harmless  map[slot][]failing // nil where not yet asked
}

func (g *guards) tried(namespace string) *tries {
	if t := &g.tries; t.bases == nil || t.namespace != namespace {
		*t = tries{namespace, g.from, g.bases(namespace), map[slot][]failing{}}
	} else if t.from != g.from {
		t.from, t.harmless = g.from, map[slot][]failing{}
	}
	return &g.tries
}

// refused reports whether admission policies refuse a danger whatever else a pod
// is like.
func (g *guards) refused(at slot, name, namespace string, spec func() tree.Node) refusal {
	if g.judging(at) == nil {
		return refusal{}
	}
	always, open := g.judged(at, g.pod(at, name, namespace, spec))
	if len(always) == 0 {
		return open
	}
	bearing := failing{} // rules that refuse the danger and not the pod
	g.bear(bearing, always, at, 0, namespace)
	for r := range always {
		if g.refusesAll(r) || bearing[r] && steadfast(r) {
			return refusal{answer: yes}
		}
	}
	var doubt *refusal
	t := g.tried(namespace)
	for i := 1; i < len(t.bases); i++ {
		fails, open := g.judged(at, podOf(at, namespace, spec, t.bases[i]))
		switch {
		case len(fails) == 0 && open.answer == no:
			open.image, open.given = t.bases[i].image != plain.image, " and what policies ask for besides"
			return open
		case len(fails) == 0:
			doubt = &open
		}
		g.bear(bearing, fails, at, i, namespace)
		for r := range always {
			if !fails[r] {
				delete(always, r)
			}
		}
	}
	if doubt != nil {
		return *doubt
	}
	return unmet(always, bearing, g.rules)
}

// unmet says what rules mean that refuse a danger with every base.
func unmet(always, bearing failing, rules []*policy.Rule) refusal {
	for r := range always {
		if bearing[r] {
			return refusal{answer: yes}
		}
	}
	named := refusal{answer: perhaps, why: "what else it asks for was not found out"}
	for _, r := range rules { // the first, so that the answer is always the same
		if always[r] || named.policy == "" && len(always) == 0 {
			named.policy = r.Checks[0]
			break
		}
	}
	return named
}

// bear notes the rules that refuse a danger with a base and not a harmless pod.
func (g *guards) bear(bearing, fails failing, at slot, i int, namespace string) {
	if len(fails) == 0 {
		return
	}
	t := g.tried(namespace)
	if t.harmless[at] == nil {
		t.harmless[at] = make([]failing, len(t.bases))
	}
	if t.harmless[at][i] == nil {
		t.harmless[at][i], _ = g.judged(at, podOf(at, namespace, harmless, t.bases[i]))
	}
	for r := range fails {
		if !t.harmless[at][i][r] {
			bearing[r] = true
		}
	}
}

// judged returns the rules that refuse a pod, and what is not known of others. What
// cannot be evaluated is refused, as the API server does where the failure policy
// is not Ignore.
func (g *guards) judged(at slot, pod *model.Object) (failing, refusal) {
	fails, open := failing{}, refusal{}
	var tally policy.Tally
	for _, o := range g.judging(at).Evaluate(pod, &tally) {
		switch {
		case o.Rule == nil: // it does not compile: the API server takes no such policy
		case o.Verdict == policy.Unknown && open.answer == no:
			open = refusal{answer: perhaps, policy: o.Rule.Checks[0], why: o.Question.Reason}
		case o.Verdict == policy.Fail, o.Verdict == policy.Error:
			fails[o.Rule] = true
		}
	}
	return fails, open
}

// refusesAll reports whether a rule that refuses one pod lets none pass, as those do that
// close a namespace, that lack their parameters or that ask for nothing but who it is.
func (g *guards) refusesAll(r *policy.Rule) bool {
	if len(r.Conditions) == 0 && slices.ContainsFunc(r.Validations, func(v policy.Validation) bool { return strings.TrimSpace(v.Expression) == "false" }) {
		return true
	}
	return !g.relabels && !selectsObjects(r) && !says(r, objectWord.MatchString)
}

// objectWord is the object that is judged in an expression, which may have a field of
// this name where it is about something else.
var objectWord = regexp.MustCompile(`\bobject\b`)

// selectsObjects reports whether a rule, or its binding, leaves objects out by labels.
func selectsObjects(r *policy.Rule) bool {
	return slices.ContainsFunc([]*model.Selector{r.Match.ObjectSelector, r.Match.Bound.ObjectSelector}, func(s *model.Selector) bool { return s != nil && !s.Empty() })
}

// says reports whether an expression of a rule is like something.
func says(r *policy.Rule, like func(text string) bool) bool {
	named := func(e policy.Expression) bool { return like(e.Expression) }
	return slices.ContainsFunc(r.Conditions, named) || slices.ContainsFunc(r.Variables, named) ||
		slices.ContainsFunc(r.Validations, func(v policy.Validation) bool { return like(v.Expression) })
}

// pod returns a candidate in a namespace.
func (g *guards) pod(at slot, name, namespace string, spec func() tree.Node) *model.Object {
	key := at.list + "/" + name + "/" + namespace
	if g.pods[key] == nil {
		g.pods[key] = podOf(at, namespace, spec, plain)
	}
	return g.pods[key]
}

// candidateName is the name of candidates.
const candidateName = "tool"

// podOf makes a candidate with what a base has.
func podOf(at slot, namespace string, spec func() tree.Node, b base) *model.Object {
	metadata := []tree.Node{tree.Entry("name", candidateName), tree.Entry("namespace", namespace)}
	if len(b.labels) > 0 {
		metadata = append(metadata, tree.Entry("labels", tree.MapOf(b.labels...)), tree.Entry("annotations", tree.MapOf(b.labels...)))
	}
	root := tree.MapOf(tree.Entry("apiVersion", "v1"), tree.Entry("kind", "Pod"), tree.Entry("metadata", tree.MapOf(metadata...)), tree.Entry("spec", b.put(at.spec(spec()))))
	o, err := model.NewObject(&root, &model.Source{File: &tree.File{}, Live: "Pod/" + namespace + "/" + candidateName}, "", namespace)
	if err != nil || o == nil {
		return &model.Object{Root: &root} // never: bases hold what pods may
	}
	return o
}
