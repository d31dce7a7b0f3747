package reach

import "ullage.dev/ullage/internal/tree"

// Explanation says what decides about one port between two endpoints.
type Explanation struct {
	Answer  Answer
	Egress  Decision // of the policies of the source
	Ingress Decision // of those of the destination
	Why     Reasons  // when the answer is Maybe
}

// Cause is what decides in one direction.
type Cause uint8

// The causes.
const (
	ByDefault   Cause = iota // no policy decides, so it is allowed
	ByRule                   // a rule allows or denies
	ByIsolation              // policies isolate the pods, and no rule allows
	ByNobody                 // the end is outside of what policies are about
)

func (c Cause) String() string {
	return [...]string{"default", "rule", "isolation", "nobody"}[c]
}

// Decision is what decides in one direction. When Answer is Maybe, Cause is what
// decides if nothing holds that is in doubt, and Doubts is what may decide
// otherwise.
type Decision struct {
	Answer    Answer
	Cause     Cause
	Rule      Step      // with ByRule
	Isolating []*Policy // with ByIsolation
	Doubts    []Step
	Passed    []Step // rules that handed over to the next tier
	Selecting []*Policy
	Why       Reasons
}

// Step is a rule that matches the other end and the port.
type Step struct {
	Policy   *Policy
	Rule     *tree.Node // nil for a policy that is not decided
	List     string     // of the policy that the rule stands in, such as ingressDeny
	Index    int        // of the rule in it
	Action   Action
	Requests bool    // the requests are looked into as well, which is not decided
	Why      Reasons // it is not known whether it matches
}

// Why explains what is between two endpoints on a port.
func (g *Graph) Why(from, to ID, port Port) Explanation {
	e := Explanation{
		Egress:  g.decision(Egress, g.unit(from), g.unit(to), g.unit(to), port),
		Ingress: g.decision(Ingress, g.unit(to), g.unit(from), g.unit(to), port),
	}
	v := g.Ports(from, to)
	e.Answer = v.On(port)
	if e.Answer == Maybe {
		e.Why = v.Why
	}
	return e
}

// tracer follows one port through the policies of one end.
type tracer struct {
	*Graph
	found     Decision
	direction Direction
	peer, to  int32
	port      Port
	done      bool
	first     *Step // of a tier of priorities, that decides or passes on
}

func (g *Graph) decision(d Direction, self, peer, to int32, port Port) Decision {
	t := &tracer{Graph: g, direction: d, peer: peer, to: to, port: port}
	sign := g.signOf[d][self]
	cell := g.verdict(g.cell(d, sign, peer))
	t.found.Answer = cell.On(port)
	if t.found.Answer == Maybe {
		t.found.Why = cell.Why
	}
	if self > g.node {
		t.found.Cause = ByNobody
		return t.found
	}
	if sign >= 0 {
		t.run(g.signatures[d][sign].policies)
	}
	return t.found
}

func (t *tracer) run(list []applied) {
	passed := false
	for i, a := range list {
		t.found.Selecting = append(t.found.Selecting, a.Policy)
		if a.mayDeny[t.direction]|a.mayAllow[t.direction] != 0 {
			t.found.Doubts = append(t.found.Doubts, Step{Policy: a.Policy, Why: a.mayDeny[t.direction] | a.mayAllow[t.direction]})
		}
		if i == 0 || a.Tier != list[i-1].Tier {
			passed, t.first = false, nil // that was the tier before
		}
		if t.first != nil && a.Priority == t.first.Policy.Priority && a.Policy != t.first.Policy {
			t.rival(a)
		}
		if t.done {
			continue
		}
		switch {
		case a.Tier == TierNetwork && (i == 0 || list[i-1].Tier != TierNetwork):
			t.network(list[i:])
		case a.Tier != TierNetwork && !passed:
			passed = t.ordered(a)
		}
	}
}

// ordered follows the rules of one policy of a tier of priorities. It reports
// whether one hands over.
func (t *tracer) ordered(a applied) (passed bool) {
	for _, r := range a.rules[t.direction] {
		s, sure := t.match(a, r)
		if sure {
			t.first = &s
		}
		switch {
		case !sure:
		case r.action == Pass:
			t.found.Passed = append(t.found.Passed, s)
			return true
		default:
			t.found.Cause, t.found.Rule, t.done = ByRule, s, true
			return false
		}
	}
	return false
}

// rival notes what a policy would do that has the priority of the one that decides,
// and might come first.
func (t *tracer) rival(a applied) {
	for _, r := range a.rules[t.direction] {
		s, sure := t.match(a, r)
		if !sure {
			continue
		}
		if s.Action != t.first.Action {
			s.Why |= whyEqualPriority
			t.found.Doubts = append(t.found.Doubts, s)
		}
		return
	}
}

// network follows the rules of the tier of NetworkPolicies, those that deny
// first, and ends where pods are isolated.
func (t *tracer) network(list []applied) {
	var isolating []*Policy
	for _, action := range [...]Action{Deny, Allow} {
		for _, a := range list {
			if a.Tier != TierNetwork || t.done {
				break
			}
			if action == Deny && a.sure && a.isolates[t.direction] {
				isolating = append(isolating, a.Policy)
			}
			for _, r := range a.rules[t.direction] {
				if r.action != action {
					continue
				}
				if s, sure := t.match(a, r); sure {
					t.found.Cause, t.found.Rule, t.done = ByRule, s, true
					break
				}
			}
		}
	}
	if len(isolating) > 0 && !t.done {
		t.found.Cause, t.found.Isolating, t.done = ByIsolation, isolating, true
	}
}

// match reports whether a rule matches for certain; one that may match is among
// the doubts.
func (t *tracer) match(a applied, r *rule) (Step, bool) {
	s := Step{Policy: a.Policy, Rule: r.node, List: r.list, Index: r.index, Action: r.action, Requests: r.requests}
	if !r.ports.at(t.portMaps[t.portMapOf(t.to)]).Contains(t.port) {
		return s, false
	}
	t.mu.Lock()
	t.resolve(a.Policy)
	t.mu.Unlock()
	m := match{}
	if r.all {
		m.answer = Yes
	}
	for i := range r.parts {
		if r.parts[i].bits.has(t.peer) {
			m.add(&r.parts[i])
		}
	}
	if m.answer == Yes && a.sure {
		return s, true
	}
	if m.answer != No {
		s.Why = m.why | a.why
		t.found.Doubts = append(t.found.Doubts, s)
	}
	return s, false
}
