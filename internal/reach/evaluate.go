package reach

import "slices"

// evaluator computes one row. What it does for a block costs as much as there are
// rules that match it, and not as there are policies.
type evaluator struct {
	*Graph
	sign      *signature
	direction Direction
	matches   []match // of all rules, policy by policy
	always    []int32 // those that match every peer
	tiers     []tier
	mayDeny   Reasons // of policies that are not decided
	mayAllow  Reasons
	hits      []int32 // the matches of the block at hand
	portMap   int32   // of the destination
	blocks    *blocks
	sureSets  []setID // buffers
	allowSets []setID
	nearby    bool // the destination may be the node of the source
	state
}

// match is a rule in a row.
type match struct {
	rule   *rule
	of     *applied
	answer Answer // for the block at hand
	why    Reasons
}

func (m *match) add(p *part) { m.answer, m.why = max(m.answer, p.answer), m.why|p.why }

// tier is the policies of a row that are of one tier.
type tier struct {
	Tier
	end       int32     // of its matches
	isolating []applied // that isolate, and may not hold
	doubts    Reasons   // of those
	isolates  bool      // some policy isolates for certain
	spared    bool      // and all those are of an API that spares the node
	onPods    bool      // some policy is not for nodes
}

// state is what may have become of the ports of a block.
type state struct {
	left        setID // undecided
	allow, deny setID // may be allowed, or denied
	why         Reasons
	passed      setID // handed over to the next tier
}

// newEvaluator makes one. Callers hold the lock, or have the graph for themselves.
func (g *Graph) newEvaluator(s *signature, d Direction) *evaluator {
	e := &evaluator{Graph: g, sign: s, direction: d, portMap: s.ports, blocks: &g.scratch}
	for i := range s.policies {
		a := &s.policies[i]
		if i == 0 || a.Tier != s.policies[i-1].Tier {
			e.tiers = append(e.tiers, tier{Tier: a.Tier, spared: true})
		}
		for _, r := range a.rules[d] {
			m := match{rule: r, of: a}
			if r.all {
				m.answer = Yes
				e.always = append(e.always, int32(len(e.matches)))
			}
			e.matches = append(e.matches, m)
		}
		g.resolve(a.Policy)
		t := &e.tiers[len(e.tiers)-1]
		t.end = int32(len(e.matches))
		t.note(a, d)
		e.mayDeny, e.mayAllow = e.mayDeny|a.mayDeny[d], e.mayAllow|a.mayAllow[d]
	}
	return e
}

func (t *tier) note(a *applied, d Direction) {
	t.onPods = t.onPods || !a.onNodes
	switch {
	case !a.isolates[d]:
	case a.sure:
		t.isolates, t.spared = true, t.spared && a.sparesNode()
	default:
		t.isolating, t.doubts = append(t.isolating, *a), t.doubts|a.why
	}
}

// reset makes ready for another block.
func (e *evaluator) reset() {
	for _, i := range e.hits {
		m := &e.matches[i]
		m.answer, m.why = No, 0
		if m.rule.all {
			m.answer = Yes
		}
	}
	e.hits = append(e.hits[:0], e.always...)
}

// hit notes that a part of a rule matches the block.
func (e *evaluator) hit(i int32, p *part) {
	m := &e.matches[i]
	if m.answer == No {
		e.hits = append(e.hits, i)
	}
	m.add(p)
}

// run goes through the tiers.
func (e *evaluator) run() answerID {
	e.state = state{left: allPorts}
	slices.Sort(e.hits)
	hits := e.hits
	for i := range e.tiers {
		t := &e.tiers[i]
		n := 0
		for n < len(hits) && hits[n] < t.end {
			n++
		}
		if t.Tier == TierNetwork {
			e.network(t, hits[:n])
		} else {
			e.ordered(hits[:n])
		}
		hits = hits[n:]
	}
	e.allow = e.sets.union(e.allow, e.left)
	if e.mayDeny != 0 {
		e.deny, e.why = allPorts, e.why|e.mayDeny
	}
	if e.mayAllow != 0 {
		e.allow, e.why = allPorts, e.why|e.mayAllow
	}
	return e.sets.answer(answer{e.sets.minus(allPorts, e.deny), e.allow, e.why})
}

// same returns how many of the first hits are of one policy, or of one priority.
func (e *evaluator) same(hits []int32, same func(a, b *applied) bool) int {
	n := 1
	for n < len(hits) && same(e.matches[hits[0]].of, e.matches[hits[n]].of) {
		n++
	}
	return n
}

// ordered evaluates a tier of priorities.
func (e *evaluator) ordered(hits []int32) {
	e.passed = noPorts
	for len(hits) > 0 {
		n := e.same(hits, func(a, b *applied) bool { return a.Priority == b.Priority })
		e.equals(hits[:n])
		hits = hits[n:]
	}
	e.left = e.sets.union(e.left, e.passed)
}

// outcome is what one policy may do with ports.
type outcome struct {
	by   [3]setID // by Action
	left setID
}

// equals evaluates policies of one priority, of which any may decide.
func (e *evaluator) equals(hits []int32) {
	in := e.sets
	left, first := e.left, true
	var seen [3]setID
	for len(hits) > 0 {
		n := e.same(hits, func(a, b *applied) bool { return a == b })
		o := e.policy(hits[:n])
		hits = hits[n:]
		for x := range o.by {
			for y := range seen {
				if !first && x != y && in.intersect(o.by[x], seen[y]) != noPorts {
					e.why |= whyEqualPriority
				}
			}
		}
		for x := range seen {
			seen[x] = in.union(seen[x], o.by[x])
		}
		left, first = in.intersect(left, o.left), false
	}
	e.allow, e.deny = in.union(e.allow, seen[Allow]), in.union(e.deny, seen[Deny])
	e.passed = in.union(e.passed, seen[Pass])
	e.left = left
}

// policy evaluates the rules of one policy in their order.
func (e *evaluator) policy(hits []int32) outcome {
	in := e.sets
	o := outcome{left: e.left}
	a := e.matches[hits[0]].of
	for _, i := range hits {
		m := &e.matches[i]
		ports := e.portsOf(m.rule)
		hit := in.intersect(o.left, ports)
		if hit == noPorts {
			continue
		}
		o.by[m.rule.action] = in.union(o.by[m.rule.action], hit)
		e.why |= m.why | a.why
		if m.answer == Yes {
			o.left = in.minus(o.left, ports)
		}
	}
	if !a.sure {
		o.left = e.left
	}
	return o
}

// ownPorts is what unsure policies allow and deny for certain if they hold.
type ownPorts map[*Policy]*[2]setID

// network evaluates the tier of NetworkPolicies: what is denied, then what some
// rule allows, and nothing else for pods that are isolated.
func (e *evaluator) network(t *tier, hits []int32) {
	in := e.sets
	if e.sign.host && t.onPods {
		before := e.state
		defer func() { // in another world none of it holds
			e.left, e.why = in.union(e.left, before.left), e.why|whyHostSubject
		}()
	}
	own := ownPorts{}
	for _, i := range hits {
		if m := &e.matches[i]; m.rule.action == Deny {
			ports := e.portsOf(m.rule)
			e.deny = in.union(e.deny, in.intersect(e.left, ports))
			e.why |= m.why | m.of.why
			e.settle(m, ports, own)
		}
	}
	sure, allow := e.sureSets[:0], append(e.allowSets[:0], e.allow)
	for _, i := range hits {
		m := &e.matches[i]
		if m.rule.action != Allow {
			continue
		}
		ports := in.intersect(e.left, e.portsOf(m.rule))
		if o := own[m.of.Policy]; o != nil {
			ports = in.minus(ports, o[Deny])
		}
		allow = append(allow, ports)
		e.why |= m.why | m.of.why
		if m.of.sure && m.answer == Yes {
			sure = append(sure, ports)
		} else {
			e.settle(m, ports, own)
		}
	}
	e.allow, e.left = in.unionAll(allow), in.minus(e.left, in.unionAll(sure))
	e.sureSets, e.allowSets = sure, allow
	e.isolate(t, own)
}

// isolate denies what no rule allows to pods that are isolated.
func (e *evaluator) isolate(t *tier, own ownPorts) {
	in := e.sets
	deny := func(ports setID, why Reasons) {
		if ports != noPorts {
			e.deny, e.why = in.union(e.deny, ports), e.why|why
		}
	}
	near := func(why Reasons, spares bool) Reasons {
		if e.nearby && spares {
			return why | whyNodeLocal
		}
		return why
	}
	if len(own) == 0 && len(t.isolating) > 0 {
		deny(e.left, near(t.doubts, slices.ContainsFunc(t.isolating, func(a applied) bool { return a.sparesNode() })))
	} else {
		for _, a := range t.isolating {
			denied := e.left
			if o := own[a.Policy]; o != nil {
				denied = in.minus(denied, o[Allow])
			}
			deny(denied, near(a.why, a.sparesNode()))
		}
	}
	if t.isolates {
		deny(e.left, near(0, t.spared))
		if !e.nearby || !t.spared {
			e.left = noPorts
		}
	}
}

// settle takes what a rule decides for certain out of the undecided ports, or
// notes it for a policy that may not hold at all.
func (e *evaluator) settle(m *match, ports setID, own ownPorts) {
	switch {
	case m.answer != Yes:
	case m.of.sure:
		e.left = e.sets.minus(e.left, ports)
	default:
		if own[m.of.Policy] == nil {
			own[m.of.Policy] = new([2]setID)
		}
		mine := &own[m.of.Policy][m.rule.action]
		*mine = e.sets.union(*mine, ports)
	}
}

type namedRule struct {
	rule, ports int32
}

// portsOf returns the ports of a rule at the destination.
func (e *evaluator) portsOf(r *rule) setID {
	if len(r.ports.named) == 0 {
		return r.set
	}
	key := namedRule{r.id, e.portMap}
	id, ok := e.named[key]
	if !ok {
		id = e.sets.set(r.ports.at(e.portMaps[e.portMap]))
		e.named[key] = id
	}
	return id
}
