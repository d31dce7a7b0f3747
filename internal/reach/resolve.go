package reach

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"

	"ullage.dev/ullage/internal/model"
)

// The universe of what a policy can match is numbered: first the classes of
// pods, then the node, the API server, the classes of addresses and the names.

// number fixes the numbers of the universe.
func (b *builder) number() {
	for name := range b.names {
		b.outsideNames = append(b.outsideNames, name)
	}
	slices.Sort(b.outsideNames)
	b.outsideNames = append(b.outsideNames, "") // any other
	b.node = int32(len(b.classes))
	b.size = b.node + 2 + b.addresses.classes + int32(len(b.outsideNames))
	b.hostBits = newBits(int(b.size))
	for i := range b.classes {
		if b.classes[i].host {
			b.hostBits.add(int32(i))
		}
	}
	b.ipv4, b.ipv6 = newBits(int(b.size)), newBits(int(b.size))
	for i, start := range b.addresses.starts {
		if start.Is4() {
			b.ipv4.add(b.firstAddress() + b.addresses.class[i])
		} else {
			b.ipv6.add(b.firstAddress() + b.addresses.class[i])
		}
	}
}

// indexPods prepares the search for labels of pods.
func (b *builder) indexPods() {
	b.byPod = newLabelled(len(b.classes), int(b.size), whyControllerLabels)
	for i := range b.classes {
		for _, l := range b.classes[i].labels {
			b.byPod.add(int32(i), l.key, l.value)
		}
		for _, key := range b.classes[i].automatic {
			b.byPod.doubt(int32(i), key)
		}
	}
}

// indexNamespaces prepares the search for labels of namespaces.
func (b *builder) indexNamespaces() {
	objects := map[string]*model.Object{}
	for o := range b.snapshot.Kind(model.NamespaceKind) {
		objects[o.Key.Name] = o
	}
	b.byNamespace = newLabelled(len(b.namespaces), len(b.namespaces), whyNamespaceLabels)
	for i, ns := range b.namespaces {
		b.byNamespace.add(int32(i), nameLabel, ns.name)
		o := objects[ns.name]
		if o == nil && !b.snapshot.Complete("", model.NamespaceKind) {
			b.byNamespace.opaque.add(int32(i))
		}
		if o == nil {
			continue
		}
		labels := o.Labels()
		for j := range labels.Children() {
			if l := &labels.Children()[j]; l.Key() != nameLabel {
				b.byNamespace.add(int32(i), l.Key(), l.Str())
			}
		}
	}
}

// selects returns the classes of pods that a selector matches, those on the
// host network included.
func (g *Graph) selects(s selector) *labelMatch {
	key := selectorKey{s.within, s.namespaces.id, s.pods.id}
	m := g.selected[key]
	if m == nil {
		pods := g.byPod.match(s.pods)
		in := g.spreadOver(s.namespaces)
		m = &labelMatch{must: slices.Clone(in.must), may: slices.Clone(in.may)}
		if s.within != "" {
			only := newBits(int(g.size))
			if i, ok := g.namespaceIndex(s.within); ok {
				only.fill(g.namespaces[i].first, g.namespaces[i].last)
			}
			m.must.and(only)
			m.may.and(only)
		}
		m.must.and(pods.must)
		m.may.and(pods.may)
		if !slices.Equal(m.must, m.may) {
			m.why = in.why | pods.why
		}
		g.selected[key] = m
	}
	if s.why != 0 {
		return &labelMatch{must: newBits(int(g.size)), may: m.may, why: m.why | s.why}
	}
	return m
}

// spreadOver returns the classes of the namespaces that terms match.
func (g *Graph) spreadOver(t terms) *labelMatch {
	if known := g.spread[t.id]; known != nil {
		return known
	}
	in := g.byNamespace.match(t)
	m := &labelMatch{must: newBits(int(g.size)), may: newBits(int(g.size)), why: in.why}
	in.must.each(func(i int32) { m.must.fill(g.namespaces[i].first, g.namespaces[i].last) })
	in.may.each(func(i int32) { m.may.fill(g.namespaces[i].first, g.namespaces[i].last) })
	g.spread[t.id] = m
	return m
}

// resolve finds what the peers of a policy match, when that is first asked. Callers
// hold the lock.
func (g *Graph) resolve(p *Policy) {
	if p.found {
		return
	}
	p.found = true
	for _, d := range directions {
		for _, r := range p.rules[d] {
			for i := range r.peers {
				g.resolvePeer(r, &r.peers[i])
			}
		}
	}
}

func (r *rule) add(bits bitset, a Answer, why Reasons) {
	if a != No && !bits.empty() {
		r.parts = append(r.parts, part{bits, bits.few(), a, why})
	}
}

func (g *Graph) resolvePeer(r *rule, p *peer) {
	switch {
	case p.pods != nil:
		m := g.selects(p.pods.selector)
		r.add(m.must.without(g.hostBits), Yes, 0)
		if m.why != 0 {
			doubt := m.may.without(m.must)
			doubt.andNot(g.hostBits)
			r.add(doubt, Maybe, m.why)
		}
		r.add(m.may.meeting(g.hostBits), p.pods.hosts, whyHostPeer)
	case p.blocks != nil:
		g.resolveBlocks(r, p.blocks)
	case p.kinds != nil:
		g.resolveKinds(r, p.kinds)
	default:
		g.resolveName(r, p)
	}
}

func (g *Graph) resolveBlocks(r *rule, p *blockPeer) {
	set := g.addresses.index[p.key]
	k := &kindPeer{why: whyAddress}
	k.pods = g.podsWithin(p)
	k.node = set.everywhere
	if p.pods != Yes {
		k.node = min(k.node, Maybe)
	}
	k.hosts, k.api = k.node, k.node
	g.resolveKinds(r, k)
	if !set.known {
		g.resolveKinds(r, &kindPeer{ipv4: Maybe, ipv6: Maybe, names: Maybe, why: whyRanges})
		return
	}
	bits := newBits(int(g.size))
	for _, class := range set.within {
		bits.add(g.firstAddress() + class)
	}
	r.add(bits, Yes, 0)
	g.resolveKinds(r, &kindPeer{names: k.node, why: whyName})
}

// podsWithin says whether ranges match pods.
func (g *Graph) podsWithin(p *blockPeer) Answer {
	if p.pods == No {
		return No
	}
	set := g.addresses.index[p.key]
	pods := min(set.everywhere, p.pods)
	if pods == Maybe {
		return min(Maybe, set.private)
	}
	return pods
}

// resolveKinds adds kinds of endpoints as a whole.
func (g *Graph) resolveKinds(r *rule, k *kindPeer) {
	yes, maybe := newBits(int(g.size)), newBits(int(g.size))
	to := func(a Answer) bitset {
		if a == Yes {
			return yes
		}
		return maybe
	}
	if k.pods != No {
		to(k.pods).fill(0, g.node)
		to(k.pods).andNot(g.hostBits)
	}
	for _, some := range []struct {
		answer Answer
		bits   bitset
	}{{k.hosts, g.hostBits}, {k.ipv4, g.ipv4}, {k.ipv6, g.ipv6}} {
		if some.answer != No {
			to(some.answer).or(some.bits)
		}
	}
	if k.node != No {
		to(k.node).add(g.node)
	}
	if k.api != No {
		to(k.api).add(g.node + 1)
	}
	if k.names != No {
		to(k.names).fill(g.firstName(), g.size)
	}
	r.add(yes, Yes, 0)
	r.add(maybe, Maybe, k.why)
}

// resolveName adds the names that a name or pattern stands for. Ranges of
// addresses are meant without those that names resolve to.
func (g *Graph) resolveName(r *rule, p *peer) {
	yes, maybe := newBits(int(g.size)), newBits(int(g.size))
	for i, name := range g.outsideNames {
		switch id := g.firstName() + int32(i); {
		case name == p.name:
			yes.add(id)
		case name == "" && p.name == "*":
			yes.add(id)
		case name == "" || !matchName(p.name, strings.ReplaceAll(name, "*", "x"), p.deep):
		case strings.Contains(name, "*") && p.name != "*":
			maybe.add(id)
		default:
			yes.add(id)
		}
	}
	r.add(yes, Yes, 0)
	r.add(maybe, Maybe, whyName)
}

// matchName reports whether a pattern, in which * stands for any characters,
// matches a name; only if deep for dots as well.
func matchName(pattern, name string, deep bool) bool {
	reached := make([]bool, len(pattern)+1) // beginnings of the pattern that match what was read of the name
	next := make([]bool, len(pattern)+1)
	reached[0] = true
	for k := 0; ; k++ {
		for i := range pattern {
			reached[i+1] = reached[i+1] || reached[i] && pattern[i] == '*'
		}
		if k == len(name) {
			return reached[len(pattern)]
		}
		clear(next)
		for i := range pattern {
			if pattern[i] == '*' {
				next[i] = reached[i] && (deep || name[k] != '.')
			} else {
				next[i+1] = reached[i] && pattern[i] == name[k]
			}
		}
		reached, next = next, reached
	}
}

// choose finds which pods a policy selects.
func (b *builder) choose(p *Policy) {
	if p.onNodes {
		p.selected = labelMatch{must: newBits(int(b.size)), may: slices.Clone(b.hostBits), why: whyHostPolicy}
		p.selected.may.add(b.node)
		return
	}
	p.chosen = b.byNamespace.match(p.subject.namespaces).may
	if p.subject.within != "" {
		p.chosen = newBits(len(b.namespaces))
		if i, ok := b.namespaceIndex(p.subject.within); ok {
			p.chosen.add(int32(i))
		}
	}
	p.selected = *b.selects(p.subject)
	if p.hosts == No {
		p.selected.must, p.selected.may = p.selected.must.without(b.hostBits), p.selected.may.without(b.hostBits)
	}
}

// apply finds what decides for each class.
func (b *builder) apply() {
	for _, d := range directions {
		b.subjects[d] = make([][]applied, b.node+2)
	}
	for _, p := range b.policies {
		p.selected.may.each(func(i int32) {
			a := applied{Policy: p, sure: p.selected.must.has(i)}
			if !a.sure {
				a.why = p.selected.why
			}
			for _, d := range directions {
				if p.concerns(d) {
					b.subjects[d][i] = append(b.subjects[d][i], a)
				}
			}
		})
	}
}

// applied is a policy that decides for some pods.
type applied struct {
	*Policy
	sure bool
	why  Reasons // when not sure
}

// signature is what decides for classes in one direction; classes share it.
type signature struct {
	policies   []applied
	ports      int32 // for ingress, that of the class when a rule has names
	host       bool
	translated setID // for ingress, that of the class
}

// sign finds the classes for which the same policies decide.
func (b *builder) sign() {
	for _, d := range directions {
		b.signOf[d] = make([]int32, b.size)
		for i := range b.signOf[d] {
			b.signOf[d][i] = -1
		}
		b.keys[d] = map[string]int32{}
		for i, list := range b.subjects[d] {
			if len(list) == 0 {
				continue
			}
			s := b.signature(int32(i), list, d)
			key := b.signatureKey(&s)
			id, ok := b.keys[d][string(key)]
			if !ok {
				id = int32(len(b.signatures[d]))
				b.keys[d][string(key)] = id
				b.signatures[d] = append(b.signatures[d], s)
			}
			b.signOf[d][i] = id
		}
		b.rows[d] = make([]atomic.Pointer[row], len(b.signatures[d]))
	}
}

func (b *builder) signature(i int32, list []applied, d Direction) signature {
	s := signature{policies: list, host: i >= b.node}
	if i < b.node {
		c := &b.classes[i]
		s.host = c.host
		if d == Ingress {
			s.translated = c.translated
			if names(list, d) {
				s.ports = c.ports
			}
		}
	}
	return s
}

// signatureKey writes down what makes a signature. It is valid until the next
// call.
func (b *builder) signatureKey(s *signature) []byte {
	key := binary.BigEndian.AppendUint32(b.buffer[:0], uint32(s.ports))
	key = append(binary.BigEndian.AppendUint32(key, uint32(s.translated)), byte(boolToInt(s.host)))
	for _, a := range s.policies {
		key = append(binary.BigEndian.AppendUint32(key, a.serial), byte(boolToInt(a.sure)))
	}
	b.buffer = key
	if len(key) > sha256.Size { // there may be as many policies as pods
		sum := sha256.Sum256(key)
		return sum[:]
	}
	return key
}

// names reports whether some rule has a named port.
func names(list []applied, d Direction) bool {
	return slices.ContainsFunc(list, func(a applied) bool {
		return slices.ContainsFunc(a.rules[d], func(r *rule) bool { return len(r.ports.named) > 0 })
	})
}
