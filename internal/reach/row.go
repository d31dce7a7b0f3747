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
	var r row
	if old := g.olderRow(d, sign); old != nil {
		r = g.refined(old)
	} else {
		r = g.compute(&g.signatures[d][sign], d)
	}
	g.rows[d][sign].Store(&r)
	return r
}

// olderRow returns the row that the graph which this one refines has, if any.
func (g *Graph) olderRow(d Direction, sign int32) row {
	if g.older[d] == nil {
		return nil
	}
	return g.older[d][sign]
}

// refined returns such a row for the universe of this graph.
func (g *Graph) refined(old row) row {
	r := make(row, g.size)
	for i, parent := range g.parents {
		r[i] = old[parent]
	}
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
	child []int32 // of each block in this round, 0 for none and between rounds
}

// blockOf is a block: what its parent is, and matched by one more part.
type blockOf struct {
	parent int32 // -1 for the first, which none matches
	match  int32 // of that part
	part   *part
}

func (b *blocks) reset(n int32) {
	if int32(len(b.of)) != n {
		b.of = make([]int32, n)
	}
	clear(b.of)
	b.all = append(b.all[:0], blockOf{parent: -1})
}

// divide moves the endpoints of a part to blocks of their own.
func (b *blocks) divide(m int32, p *part) {
	first := int32(len(b.all))
	for len(b.child) < len(b.all) {
		b.child = append(b.child, 0)
	}
	p.each(func(i int32) {
		old := b.of[i]
		to := b.child[old]
		if to == 0 {
			to = int32(len(b.all))
			b.child[old] = to
			b.all = append(b.all, blockOf{old, m, p})
		}
		b.of[i] = to
	})
	for _, made := range b.all[first:] {
		b.child[made.parent] = 0
	}
}

// compute evaluates the policies of a signature for every peer.
func (g *Graph) compute(s *signature, d Direction) row {
	e := g.newEvaluator(s, d)
	e.blocks.reset(g.size)
	for i := range e.matches {
		for j := range e.matches[i].rule.parts {
			e.blocks.divide(int32(i), &e.matches[i].rule.parts[j])
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
	for ; block > 0; block = e.blocks.all[block].parent {
		e.hit(e.blocks.all[block].match, e.blocks.all[block].part)
	}
	return e.run()
}

// cell returns one answer of a row, without computing the others unless they
// were before. Callers hold no lock.
func (g *Graph) cell(d Direction, sign, peer int32) answerID {
	if sign < 0 {
		return allowed
	}
	if r := g.rows[d][sign].Load(); r != nil {
		return (*r)[peer]
	}
	if old := g.olderRow(d, sign); old != nil {
		return old[g.parents[peer]]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.signatures[d][sign]
	if s.translated != noPorts && peer >= g.firstAddress() {
		r := g.compute(s, d) // the cell of the node counts, too
		g.rows[d][sign].Store(&r)
		return r[peer]
	}
	return g.evaluateCell(s, d, peer)
}

// evaluateCell evaluates the policies of a signature for one peer. Callers hold the
// lock.
func (g *Graph) evaluateCell(s *signature, d Direction, peer int32) answerID {
	e := g.newEvaluator(s, d)
	e.reset()
	for i := range e.matches {
		for j := range e.matches[i].rule.parts {
			if p := &e.matches[i].rule.parts[j]; p.bits.has(peer) {
				e.hit(int32(i), p)
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
