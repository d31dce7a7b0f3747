package reach

import (
	"slices"

	"ullage.dev/ullage/internal/model"
)

// Proof says what policies change, by recomputing the network with them.
type Proof struct {
	Graph         *Graph // with the policies
	Before, After Openness
	// Others are the policies of the namespace that allow something and stay.
	// Alone is what would be open without them.
	Others         []*model.Object
	Alone          Openness
	Closes, Opens  []Change // in what way the policies change the network
	Unknown        Reasons  // why something of After is not certain
	AloneIsUnknown Reasons  // the same of Alone
}

// Openness counts what is open to and from the workloads of a namespace: at least
// what is certain, at most what may be.
type Openness struct {
	Within      Extent // pairs of workloads of the namespace
	From, To    Extent // pairs with workloads of other namespaces
	FromOutside Extent // workloads that some address outside the cluster reaches
	ToOutside   Extent // workloads that reach some address outside the cluster
}

// Openness counts what is open to and from a namespace on any port. Reasons say
// why the extents differ.
func (g *Graph) Openness(namespace string) (Openness, Reasons) {
	var o Openness
	var why Reasons
	i, ok := g.namespaceIndex(namespace)
	if !ok {
		return o, 0
	}
	first, last := g.namespaces[i].first, g.namespaces[i].last
	inside := func(unit int32) bool { return first <= unit && unit < last }
	verdict := g.verdicts()
	own := g.units(first, last)
	// count adds the pairs of a class of the namespace and another.
	count := func(self, other int32, a answerID, peer *Extent, outside []Answer) {
		v := verdict(a)
		answer := v.Answer()
		if answer == Maybe {
			why |= v.Why
		}
		switch kind := g.kind(other); {
		case kind == Addresses:
			outside[self-first] = max(outside[self-first], answer)
		case kind != Pods:
		case self == other:
			o.Within.add(g.weight(self)*(g.weight(self)-1), answer)
		case inside(other):
			o.Within.add(g.weight(self)*g.weight(other), answer)
		default:
			peer.add(g.weight(self)*g.weight(other), answer)
		}
	}
	out, in := make([]Answer, len(own)), make([]Answer, len(own))
	g.walk(own, g.units(0, g.size), func(from, to int32, a answerID) { count(from, to, a, &o.To, out) })
	others := slices.DeleteFunc(g.units(0, g.firstName()), inside)
	g.walk(others, own, func(from, to int32, a answerID) { count(to, from, a, &o.From, in) })
	for k, unit := range own {
		o.ToOutside.add(g.weight(unit), out[k])
		o.FromOutside.add(g.weight(unit), in[k])
	}
	return o, why
}

// prove recomputes the network with the policies, and looks up what is declared.
func (b *isolator) prove() {
	var add, remove []model.Change
	for _, p := range b.Policies {
		add = append(add, model.Change{Key: p.Object.Key, Object: p.Object})
	}
	after := b.graph.With(b.snapshot.With(add...), add...)
	p := &b.Proof
	p.Graph = after
	p.Before, _ = b.graph.Openness(b.Namespace)
	p.After, p.Unknown = after.Openness(b.Namespace)
	for _, c := range Diff(b.graph, after) {
		if !c.Closes().Empty() {
			p.Closes = append(p.Closes, c)
		}
		if !c.Opens().Empty() {
			p.Opens = append(p.Opens, c)
		}
	}
	for _, policy := range b.graph.Policies() {
		o := policy.Object
		if o.Key.Namespace == b.Namespace && policy.Tier == TierNetwork && policy.allows() && !slices.Contains(p.Others, o) {
			p.Others = append(p.Others, o)
			remove = append(remove, model.Change{Key: o.Key})
		}
	}
	p.Alone, p.AloneIsUnknown = p.After, p.Unknown
	if len(remove) > 0 {
		all := append(add, remove...)
		p.Alone, p.AloneIsUnknown = b.graph.With(b.snapshot.With(all...), all...).Openness(b.Namespace)
	}
	b.Kept = b.lost
	m := after.newMixer()
	for _, f := range b.flows {
		b.Kept = append(b.Kept, b.keep(m, f))
	}
}

func (p *Policy) allows() bool {
	return slices.ContainsFunc(directions[:], func(d Direction) bool { return slices.ContainsFunc(p.rules[d], (*rule).allows) })
}

// keep looks a declared connection up.
func (b *isolator) keep(after *mixer, f declaredFlow) Kept {
	k := Kept{From: f.from.text, To: f.to.text, Ports: f.ports, Because: f.because, Answer: Yes}
	from, to := b.endsOf(after.Graph, f.from, false), b.endsOf(after.Graph, f.to, true)
	if len(from) == 0 || len(to) == 0 {
		k.Answer, k.Why = Maybe, []string{"an end of it was not read"}
		return k
	}
	answer, why := after.everyPair(from, to, f.ports)
	k.Answer, k.Why = answer, why.Texts()
	if k.Answer == No {
		k.Why = append(k.Why, "policies of the other end, or of another kind, do not allow it")
	}
	return k
}

// everyPair reports whether all of some ports are allowed between each two of some
// endpoints; of all ports, whether some are.
func (m *mixer) everyPair(from, to []ID, ports PortSet) (Answer, Reasons) {
	worst, why := Yes, Reasons(0)
	add := func(v Verdict) {
		a := v.Answer()
		if !ports.All() {
			a = v.covers(ports)
		}
		if a == Maybe {
			why |= v.Why
		}
		worst = min(worst, a)
	}
	seen := map[answerID]bool{}
	for _, x := range from {
		unit := m.unit(x)
		out := m.row(Egress, unit)
		for _, y := range to {
			if x == y && m.isOnePod(x) {
				add(m.Ports(x, y))
				continue
			}
			peer := m.unit(y)
			if a := m.meet(out.at(peer), m.row(Ingress, peer).at(unit)); !seen[a] {
				seen[a] = true
				add(m.verdict(a))
			}
		}
	}
	return worst, why
}

// covers reports whether all of some ports are allowed.
func (v Verdict) covers(ports PortSet) Answer {
	switch {
	case ports.minus(v.Must).Empty():
		return Yes
	case ports.minus(v.May).Empty():
		return Maybe
	}
	return No
}

// ends returns the endpoints of a side of a declared connection.
func (g *Graph) ends(s side, destination bool) []ID {
	var ids []ID
	for _, w := range s.workloads {
		ids = append(ids, g.Find(w.Object.Key)...)
	}
	for _, r := range s.ranges {
		ids = append(ids, g.Within(r)...)
	}
	if s.name != "" && destination {
		id, _ := g.Name(s.name)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
