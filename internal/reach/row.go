package reach

import (
	"slices"
)

// row holds the answers of one signature for every peer of the universe.
type row []answerID

// row returns the row of a subject, nil when all is allowed.
func (g *Graph) row(d Direction, subject int32) row {
	sign := g.signOf[d][subject]
	if sign < 0 {
		return nil
	}
	return g.rowOf(d, sign)
}

func (g *Graph) rowOf(d Direction, sign int32) row {
	if r := g.rows[d][sign].Load(); r != nil {
		return *r
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.rows[d][sign].Load(); r != nil {
		return *r
	}
	r := g.compute(&g.signatures[d][sign], d)
	g.rows[d][sign].Store(&r)
	return r
}

func (r row) at(i int32) answerID {
	if r == nil {
		return allowed
	}
	return r[i]
}

// blocks divides the universe into blocks of endpoints that the same rules
// match.
type blocks struct {
	of    []int32 // block of each endpoint
	all   []blockOf
	child []int32 // of each block in this round, 0 for none
}

// blockOf is a block: what its parent is, and matched by one more part.
type blockOf struct {
	parent int32
	match  *match // of that part; changed by none in the first
	part   *part
}

// match is a rule in a row.
type match struct {
	rule   *rule
	answer Answer // for the block at hand
	why    Reasons
}

func (b *blocks) reset(n int32) {
	if int32(len(b.of)) != n {
		b.of = make([]int32, n)
	}
	clear(b.of)
	b.all = append(b.all[:0], blockOf{parent: -1})
}

// divide moves the endpoints of a part to blocks of their own.
func (b *blocks) divide(m *match, p *part) {
	first := int32(len(b.all))
	b.child = append(b.child[:0], make([]int32, first)...)
	p.bits.each(func(i int32) {
		old := b.of[i]
		to := b.child[old]
		if to == 0 {
			to = int32(len(b.all))
			b.child[old] = to
			b.all = append(b.all, blockOf{old, m, p})
		}
		b.of[i] = to
	})
}

// evaluator computes one row.
type evaluator struct {
	*Graph
	sign      *signature
	direction Direction
	matches   []match // of all rules, policy by policy
	portMap   int32   // of the destination
	blocks    *blocks
	nearby    bool // the destination may be the node of the source
	state
}

// state is what may have become of the ports of a block.
type state struct {
	left        setID // undecided
	allow, deny setID // may be allowed, or denied
	why         Reasons
	passed      setID // handed over to the next tier
}

// compute evaluates the policies of a signature for every peer.
func (g *Graph) compute(s *signature, d Direction) row {
	e := g.newEvaluator(s, d)
	e.blocks.reset(g.size)
	for i := range e.matches {
		for j := range e.matches[i].rule.parts {
			e.blocks.divide(&e.matches[i], &e.matches[i].rule.parts[j])
		}
	}
	r := make(row, g.size)
	if d == Egress && names(s.policies, d) {
		e.fillByPorts(r)
	} else {
		e.fill(r)
	}
	if d == Ingress {
		e.adjust(r)
	} else {
		e.adjustNodes(r)
	}
	return r
}

func (g *Graph) newEvaluator(s *signature, d Direction) *evaluator {
	e := &evaluator{Graph: g, sign: s, direction: d, portMap: s.ports, blocks: &g.scratch}
	for _, a := range s.policies {
		for _, r := range a.rules[d] {
			e.matches = append(e.matches, match{rule: r})
		}
	}
	return e
}

// unknownAnswer marks blocks that were not evaluated yet.
const unknownAnswer = ^answerID(0)

// fill evaluates each block once.
func (e *evaluator) fill(r row) {
	answers := make([]answerID, len(e.blocks.all))
	for i := range answers {
		answers[i] = unknownAnswer
	}
	for i, block := range e.blocks.of {
		if answers[block] == unknownAnswer {
			answers[block] = e.evaluate(block)
		}
		r[i] = answers[block]
	}
}

// fillByPorts evaluates each block once for each different destination port
// map.
func (e *evaluator) fillByPorts(r row) {
	known := map[[2]int32]answerID{}
	for i, block := range e.blocks.of {
		e.portMap = e.portMapOf(int32(i))
		key := [2]int32{block, e.portMap}
		a, ok := known[key]
		if !ok {
			a = e.evaluate(block)
			known[key] = a
		}
		r[i] = a
	}
}

// adjust adds what network plugins may do beside policies to what comes in: a
// node reaches its pods, and addresses outside may appear as those of nodes.
func (e *evaluator) adjust(r row) {
	r[e.node] = e.local(r[e.node])
	e.hostBits.each(func(i int32) { r[i] = e.local(r[i]) })
	if e.sign.translated != noPorts {
		node := e.sets.answers[r[e.node]]
		for i := e.firstAddress(); i < e.size; i++ {
			r[i] = e.throughNode(e.sets.answers[r[i]], node)
		}
	}
}

// throughNode adds that connections from outside may come with the address of a
// node, which may be the one of the pod.
func (e *evaluator) throughNode(a, node answer) answerID {
	in, ports := e.sets, e.sign.translated
	return in.answer(answer{
		in.minus(a.must, in.minus(ports, node.must)), in.union(a.may, in.intersect(ports, node.may)), a.why | node.why | whyTranslated,
	})
}

// adjustNodes evaluates once more what goes to nodes and to pods with the address
// of one, which may be the node of the source.
func (e *evaluator) adjustNodes(r row) {
	if !slices.ContainsFunc(e.sign.policies, func(a applied) bool { return a.isolates[Egress] && a.sparesNode() }) {
		return
	}
	e.nearby = true
	known := map[[2]int32]answerID{}
	one := func(i int32) {
		e.portMap = e.portMapOf(i)
		key := [2]int32{e.blocks.of[i], e.portMap}
		a, ok := known[key]
		if !ok {
			a = e.evaluate(key[0])
			known[key] = a
		}
		r[i] = a
	}
	one(e.node)
	e.hostBits.each(one)
}

// sparesNode reports whether the policy is of an API that leaves connections
// between a pod and its node alone, which not every network plugin does.
func (p *Policy) sparesNode() bool { return p.Object.Key.Group == "networking.k8s.io" }

// evaluate runs through the tiers for a block.
func (e *evaluator) evaluate(block int32) answerID {
	e.reset()
	for ; e.blocks.all[block].match != nil; block = e.blocks.all[block].parent {
		e.blocks.all[block].match.add(e.blocks.all[block].part)
	}
	return e.run()
}

func (e *evaluator) reset() {
	for i := range e.matches {
		m := &e.matches[i]
		m.answer, m.why = No, 0
		if m.rule.all {
			m.answer = Yes
		}
	}
}

func (m *match) add(p *part) { m.answer, m.why = max(m.answer, p.answer), m.why|p.why }

// cell returns one answer of a row, without computing the others unless they
// were before. Callers hold no lock.
func (g *Graph) cell(d Direction, sign, peer int32) answerID {
	if sign < 0 {
		return allowed
	}
	if r := g.rows[d][sign].Load(); r != nil {
		return (*r)[peer]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.signatures[d][sign]
	if s.translated != noPorts && peer >= g.firstAddress() {
		r := g.compute(s, d) // the cell of the node counts, too
		g.rows[d][sign].Store(&r)
		return r[peer]
	}
	e := g.newEvaluator(s, d)
	e.reset()
	for i := range e.matches {
		for j := range e.matches[i].rule.parts {
			if p := &e.matches[i].rule.parts[j]; p.bits.has(peer) {
				e.matches[i].add(p)
			}
		}
	}
	onNode := peer == g.node || peer < g.node && g.classes[peer].host
	if d == Egress {
		e.portMap, e.nearby = g.portMapOf(peer), onNode
	}
	a := e.run()
	if d == Ingress && onNode {
		a = e.local(a)
	}
	return a
}

func (g *Graph) portMapOf(unit int32) int32 {
	if unit < g.node {
		return g.classes[unit].ports
	}
	return 0
}

// local adds that a node reaches its pods.
func (e *evaluator) local(id answerID) answerID {
	a := e.sets.answers[id]
	return e.sets.answer(answer{a.must, allPorts, a.why | whyNodeLocal})
}

// run goes through the tiers.
func (e *evaluator) run() answerID {
	e.state = state{left: allPorts}
	matches := e.matches
	for list := e.sign.policies; len(list) > 0; {
		n, rules := e.tierEnd(list)
		if list[0].Tier == TierNetwork {
			e.network(list[:n], matches[:rules])
		} else {
			e.ordered(list[:n], matches[:rules])
		}
		list, matches = list[n:], matches[rules:]
	}
	e.allow = e.sets.union(e.allow, e.left)
	for _, a := range e.sign.policies {
		if why := a.mayDeny[e.direction]; why != 0 {
			e.deny, e.why = allPorts, e.why|why
		}
		if why := a.mayAllow[e.direction]; why != 0 {
			e.allow, e.why = allPorts, e.why|why
		}
	}
	return e.sets.answer(answer{e.sets.minus(allPorts, e.deny), e.allow, e.why})
}

// tierEnd returns how many policies, and how many rules, are of the first tier.
func (e *evaluator) tierEnd(list []applied) (policies, rules int) {
	for _, a := range list {
		if a.Tier != list[0].Tier {
			break
		}
		policies++
		rules += len(a.rules[e.direction])
	}
	return policies, rules
}

// ordered evaluates a tier of priorities.
func (e *evaluator) ordered(list []applied, matches []match) {
	e.passed = noPorts
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Priority == list[0].Priority {
			n++
		}
		matches = matches[e.equals(list[:n], matches):]
		list = list[n:]
	}
	e.left = e.sets.union(e.left, e.passed)
}

// outcome is what one policy may do with ports.
type outcome struct {
	by   [3]setID // by Action
	left setID
}

// equals evaluates policies of one priority, of which any may decide. It
// returns how many rules they have.
func (e *evaluator) equals(list []applied, matches []match) int {
	in := e.sets
	left, rules := e.left, 0
	var seen [3]setID
	for i, a := range list {
		n := len(a.rules[e.direction])
		o := e.policy(a, matches[rules:rules+n])
		rules += n
		for x := range o.by {
			for y := range seen {
				if i > 0 && x != y && in.intersect(o.by[x], seen[y]) != noPorts {
					e.why |= whyEqualPriority
				}
			}
		}
		for x := range seen {
			seen[x] = in.union(seen[x], o.by[x])
		}
		left = in.intersect(left, o.left)
	}
	e.allow, e.deny = in.union(e.allow, seen[Allow]), in.union(e.deny, seen[Deny])
	e.passed = in.union(e.passed, seen[Pass])
	e.left = left
	return rules
}

// policy evaluates the rules of one policy in their order.
func (e *evaluator) policy(a applied, matches []match) outcome {
	in := e.sets
	o := outcome{left: e.left}
	for i := range matches {
		m := &matches[i]
		if m.answer == No {
			continue
		}
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

// network evaluates the tier of NetworkPolicies: what is denied, then what some
// rule allows, and nothing else for pods that are isolated.
func (e *evaluator) network(list []applied, matches []match) {
	in := e.sets
	if e.sign.host && slices.ContainsFunc(list, func(a applied) bool { return !a.onNodes }) {
		before := e.state
		defer func() { // in another world none of it holds
			e.left, e.why = in.union(e.left, before.left), e.why|whyHostSubject
		}()
	}
	own := map[*Policy]*[2]setID{} // what unsure policies allow and deny for certain if they hold
	each(list, matches, e.direction, func(a applied, m *match) {
		if m.rule.action == Deny && m.answer != No {
			ports := e.portsOf(m.rule)
			e.deny = in.union(e.deny, in.intersect(e.left, ports))
			e.why |= m.why | a.why
			e.settle(a, m, ports, own)
		}
	})
	sure, isolated := setID(noPorts), false
	each(list, matches, e.direction, func(a applied, m *match) {
		if m.rule.action != Allow || m.answer == No {
			return
		}
		ports := in.intersect(e.left, e.portsOf(m.rule))
		if o := own[a.Policy]; o != nil {
			ports = in.minus(ports, o[Deny])
		}
		e.allow = in.union(e.allow, ports)
		e.why |= m.why | a.why
		if a.sure && m.answer == Yes {
			sure = in.union(sure, ports)
		} else {
			e.settle(a, m, ports, own)
		}
	})
	e.left = in.minus(e.left, sure)
	for _, a := range list {
		if !a.isolates[e.direction] {
			continue
		}
		why := a.why
		if e.nearby && a.sparesNode() {
			why |= whyNodeLocal
		} else {
			isolated = isolated || a.sure
		}
		denied := e.left
		if o := own[a.Policy]; o != nil {
			denied = in.minus(denied, o[Allow])
		}
		if denied != noPorts {
			e.deny, e.why = in.union(e.deny, denied), e.why|why
		}
	}
	if isolated {
		e.left = noPorts
	}
}

// settle takes what a rule decides for certain out of the undecided ports, or
// notes it for a policy that may not hold at all.
func (e *evaluator) settle(a applied, m *match, ports setID, own map[*Policy]*[2]setID) {
	switch {
	case m.answer != Yes:
	case a.sure:
		e.left = e.sets.minus(e.left, ports)
	default:
		if own[a.Policy] == nil {
			own[a.Policy] = new([2]setID)
		}
		mine := &own[a.Policy][m.rule.action]
		*mine = e.sets.union(*mine, ports)
	}
}

func each(list []applied, matches []match, d Direction, do func(applied, *match)) {
	for _, a := range list {
		n := len(a.rules[d])
		for i := range matches[:n] {
			do(a, &matches[i])
		}
		matches = matches[n:]
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
