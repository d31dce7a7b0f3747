package reach

import (
	"maps"
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// Guest is pods that are not in the snapshot: somebody may make them, or give labels
// to those that there are. They are not on the host network.
type Guest struct {
	Namespace string
	// Labels are those of the pods; nil means any that are of use.
	Labels *tree.Node
	// Relabelled says that the namespace has any labels that are of use, beside the one
	// of its name.
	Relabelled bool
}

// Passage is how a guest connects to something.
type Passage struct {
	Answer          Answer
	Labels          map[string]string // that it takes, where it may have any
	NamespaceLabels map[string]string // that the namespace takes, where it may have any
	// Policy admits it by Rule; nil where none has to.
	Policy *Policy
	Rule   *tree.Node
}

// Passage says whether there are labels with which a guest may connect to one of
// some ports, and the first that are found. Those are tried by which rules let it in,
// and with them those by which policies of its own namespace let it out or pass it
// over: what takes the labels of several such policies at once is not found, and
// neither are labels by which a policy that denies passes it over.
func (g *Graph) Passage(of Guest, to ID, ports []Port) Passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := passageKey{of, g.unit(to), portsKey(ports)}
	if known, ok := g.guests.passages[key]; ok {
		return known
	}
	p := g.passage(of, to, ports)
	if g.guests.passages == nil {
		g.guests.passages = map[passageKey]Passage{}
	}
	g.guests.passages[key] = p
	return p
}

// guestMemory is what is known of guests.
type guestMemory struct {
	passages map[passageKey]Passage
	demands  map[int32][]demand // by signature of ingress
	admitted map[int32]bitset   // namespaces of which guests may be let in, by the same
	leaving  map[string][]*Policy
}

type passageKey struct {
	guest Guest
	to    int32
	ports string
}

func portsKey(ports []Port) string {
	key := make([]byte, 0, 3*len(ports))
	for _, p := range ports {
		key = append(key, byte(p.Protocol), byte(p.Number>>8), byte(p.Number))
	}
	return string(key)
}

// demand is a rule that lets pods in, and which; a nil selector stands for all.
type demand struct {
	policy   *Policy
	rule     *rule
	selector *selector
}

// demandsOf returns the rules that let pods in to what has a signature.
func (g *Graph) demandsOf(sign int32) []demand {
	if sign < 0 {
		return []demand{{}}
	}
	if known, ok := g.guests.demands[sign]; ok {
		return known
	}
	var all []demand
	isolated, of := false, &g.signatures[Ingress][sign]
	for _, a := range of.policies {
		isolated = isolated || a.sure && a.isolates[Ingress] && !of.host
		for _, r := range a.rules[Ingress] {
			if r.action == Deny {
				continue
			}
			if r.all {
				all = append(all, demand{a.Policy, r, nil})
			}
			for i := range r.peers {
				switch p := &r.peers[i]; {
				case p.pods != nil:
					all = append(all, demand{a.Policy, r, &p.pods.selector})
				case p.name == "" && g.podsOf(p) != No:
					all = append(all, demand{a.Policy, r, nil})
				}
			}
		}
		if a.mayAllow[Ingress] != 0 {
			all = append(all, demand{policy: a.Policy})
		}
	}
	if !isolated {
		all = append(all, demand{})
	}
	if g.guests.demands == nil {
		g.guests.demands = map[int32][]demand{}
	}
	g.guests.demands[sign] = all
	return all
}

// podsOf says whether a peer that is no selector matches pods.
func (g *Graph) podsOf(p *peer) Answer {
	switch {
	case p.kinds != nil:
		return p.kinds.pods
	case p.blocks != nil:
		return g.podsWithin(p.blocks)
	}
	return No
}

func (g *Graph) passage(of Guest, to ID, ports []Port) (best Passage) {
	for _, d := range g.demandsOf(g.signOf[Ingress][g.unit(to)]) {
		v, ok := g.meet(of, d.selector)
		if !ok {
			continue
		}
		for _, v := range g.variants(of, v, d.selector) {
			a := g.sets.answers[g.between(&v, to)]
			verdict := Verdict{g.sets.sets[a.must], g.sets.sets[a.may], a.why}
			for _, p := range ports {
				if is := verdict.On(p); is > best.Answer {
					best = Passage{Answer: is, Policy: d.policy}
					if best.Labels = v.labels; of.Labels != nil {
						best.Labels = nil
					}
					if of.Relabelled {
						best.NamespaceLabels = maps.Clone(v.namespace)
						delete(best.NamespaceLabels, nameLabel)
					}
					if d.rule != nil {
						best.Rule = d.rule.node
					}
				}
			}
			if best.Answer == Yes {
				return best
			}
		}
	}
	return best
}

// visitor is a guest with labels.
type visitor struct {
	of        string
	labels    map[string]string
	namespace map[string]string // nil where the namespace has those that were read
}

// meet returns the guest with the labels that a selector asks for, and no others that
// it chooses.
func (g *Graph) meet(of Guest, s *selector) (visitor, bool) {
	v := visitor{of: of.Namespace, labels: map[string]string{}}
	if of.Relabelled {
		v.namespace = map[string]string{nameLabel: of.Namespace}
	}
	for i := range of.Labels.Children() {
		l := &of.Labels.Children()[i]
		v.labels[l.Key()] = l.Str()
	}
	if s == nil {
		return v, true
	}
	if s.within != "" && s.within != of.Namespace || s.namespaces.never || s.pods.never {
		return v, false
	}
	if of.Relabelled && !give(v.namespace, s.namespaces, nameLabel) || of.Labels == nil && !give(v.labels, s.pods, "") {
		return v, false
	}
	return v, g.selectsVisitor(s, &v) != No
}

// give adds labels so that they meet terms. It reports false where those that there
// are would have to be others.
func give(labels map[string]string, t terms, fixed string) bool {
	for _, r := range t.list {
		_, is := labels[r.key]
		switch r.op {
		case opIn:
			if !is {
				i := slices.IndexFunc(r.values, func(v string) bool { return meets(t, r.key, v) })
				if i < 0 || r.key == fixed {
					return false
				}
				labels[r.key] = r.values[i]
			}
		case opExists:
			value := "any"
			for ; !is && !meets(t, r.key, value); value += "x" {
				if len(value) > 63 || slices.ContainsFunc(t.list, func(o requirement) bool { return o.key == r.key && o.op == opIn }) {
					break // the other requirement gives it
				}
			}
			if !is && meets(t, r.key, value) {
				labels[r.key] = value
			}
		}
	}
	return matches(t, labels)
}

// meets reports whether a value meets all that terms ask of its key.
func meets(t terms, key, value string) bool {
	for _, r := range t.list {
		if r.key == key && !r.holds(value, true) {
			return false
		}
	}
	return true
}

func matches(t terms, labels map[string]string) bool {
	for _, r := range t.list {
		if value, is := labels[r.key]; !r.holds(value, is) {
			return false
		}
	}
	return !t.never
}

// selectsVisitor reports whether a selector selects a guest with its labels.
func (g *Graph) selectsVisitor(s *selector, v *visitor) Answer {
	if s.within != "" && s.within != v.of || !matches(s.pods, v.labels) {
		return No
	}
	in := g.inNamespace(s.namespaces, v)
	if s.why != 0 {
		in = min(in, Maybe)
	}
	return in
}

// inNamespace reports whether terms match the namespace of a guest.
func (g *Graph) inNamespace(t terms, v *visitor) Answer {
	switch i, known := g.namespaceIndex(v.of); {
	case len(t.list) == 0 && !t.never:
		return Yes
	case v.namespace != nil:
		if matches(t, v.namespace) {
			return Yes
		}
		return No
	case known:
		m := g.byNamespace.match(t)
		switch {
		case m.must.has(int32(i)):
			return Yes
		case m.may.has(int32(i)):
			return Maybe
		}
		return No
	case slices.ContainsFunc(t.list, func(r requirement) bool { return r.key == nameLabel && !r.holds(v.of, true) }):
		return No
	}
	return Maybe
}

// mostVariants bounds the labels that are tried for one way in.
const mostVariants = 64

// variants returns a guest as it is, and with labels more by which policies let it
// out, where some policy may keep it in.
func (g *Graph) variants(of Guest, v visitor, s *selector) []visitor {
	all := []visitor{v}
	if of.Labels != nil || len(g.leaves(&v)) == 0 {
		return all
	}
	try := func(key, value string, t terms) {
		more := v
		more.labels = maps.Clone(v.labels)
		if key != "" {
			more.labels[key] = value
		}
		if give(more.labels, t, "") && (s == nil || g.selectsVisitor(s, &more) != No) && len(all) < mostVariants {
			all = append(all, more)
		}
	}
	for _, p := range g.leavingOf(of.Namespace) {
		if len(p.rules[Egress]) > 0 {
			try("", "", p.subject.pods)
		}
		for _, r := range p.subject.pods.list {
			switch _, has := v.labels[r.key]; {
			case has:
			case r.op == opNotIn:
				try(r.key, r.values[0], terms{})
			case r.op == opDoesNotExist:
				try(r.key, "any", terms{})
			}
		}
	}
	return all
}

// leavingOf returns the policies that may decide about what leaves pods of a
// namespace.
func (g *Graph) leavingOf(namespace string) []*Policy {
	if g.guests.leaving == nil {
		g.guests.leaving = map[string][]*Policy{}
		for _, p := range g.policies {
			if p.concerns(Egress) && !p.onNodes {
				g.guests.leaving[p.subject.within] = append(g.guests.leaving[p.subject.within], p)
			}
		}
	}
	own, wide := g.guests.leaving[namespace], g.guests.leaving[""]
	if len(wide) == 0 || len(own) == 0 {
		return append(own, wide...)
	}
	return slices.SortedStableFunc(slices.Values(slices.Concat(own, wide)), (*Policy).compare)
}

// Discerns reports whether some policy that was read looks at labels, and at those of
// namespaces beside their names.
func (g *Graph) Discerns() (pods, namespaces bool) {
	look := func(s *selector) {
		pods = pods || len(s.pods.list) > 0
		namespaces = namespaces || slices.ContainsFunc(s.namespaces.list, func(r requirement) bool { return r.key != nameLabel })
	}
	for _, p := range g.policies {
		look(&p.subject)
		for _, d := range directions {
			for _, r := range p.rules[d] {
				for i := range r.peers {
					if r.peers[i].pods != nil {
						look(&r.peers[i].pods.selector)
					}
				}
			}
		}
	}
	return pods, namespaces
}

// leaves returns the policies that decide about what leaves a guest.
func (g *Graph) leaves(v *visitor) []applied {
	var all []applied
	for _, p := range g.leavingOf(v.of) {
		switch g.selectsVisitor(&p.subject, v) {
		case Yes:
			all = append(all, applied{Policy: p, sure: true})
		case Maybe:
			all = append(all, applied{Policy: p, why: p.subject.why | whyNamespaceLabels})
		}
	}
	return all
}

// keptIn reports whether a policy lets nothing leave any pod of the namespace of a
// guest, and no other one does.
func (g *Graph) keptIn(of Guest) bool {
	v, shut := visitor{of: of.Namespace}, false
	if of.Relabelled {
		v.namespace = map[string]string{nameLabel: of.Namespace}
	}
	for _, p := range g.leavingOf(of.Namespace) {
		if p.mayAllow[Egress] != 0 || slices.ContainsFunc(p.rules[Egress], func(r *rule) bool { return r.action != Deny }) {
			return false
		}
		within := p.subject.within != "" || len(p.subject.namespaces.list) == 0
		shut = shut || within && p.isolates[Egress] && len(p.subject.pods.list) == 0 && g.selectsVisitor(&p.subject, &v) == Yes
	}
	return shut
}

// between returns what is between a guest and something.
func (g *Graph) between(v *visitor, to ID) answerID {
	peer := g.unit(to)
	out, in := allowed, allowed
	if list := g.leaves(v); len(list) > 0 {
		out = g.evaluateCell(&signature{policies: list}, Egress, peer)
	}
	if sign := g.signOf[Ingress][peer]; sign >= 0 {
		e := g.newEvaluator(&g.signatures[Ingress][sign], Ingress)
		e.reset()
		for i := range e.matches {
			for j := range e.matches[i].rule.peers {
				if part := g.partOf(v, &e.matches[i].rule.peers[j]); part.answer != No {
					e.hit(int32(i), &part)
				}
			}
		}
		in = e.run()
	}
	return g.sets.meet(out, in)
}

// partOf says how a peer matches a guest.
func (g *Graph) partOf(v *visitor, p *peer) part {
	if p.pods == nil {
		return part{answer: g.podsOf(p), why: whyAddress}
	}
	why := p.pods.selector.why
	a := g.selectsVisitor(&p.pods.selector, v)
	if a == Maybe && why == 0 {
		why = whyNamespaceLabels
	}
	return part{answer: a, why: why}
}

// GuestVisit answers, for one destination after the other, which guests may connect
// to it that could connect to none before, as [Visit] does for pods.
type GuestVisit struct {
	g       *Graph
	guests  []Guest
	left    []int
	number  []int // of the namespaces of guests; -1 where there is nothing in them
	shut    []bool
	certain bool
}

// VisitGuests starts one.
func (g *Graph) VisitGuests(guests []Guest, certain bool) *GuestVisit {
	v := &GuestVisit{g: g, guests: guests, number: make([]int, len(guests)), shut: make([]bool, len(guests)), certain: certain}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range guests {
		if v.shut[i] = g.keptIn(guests[i]); !v.shut[i] || !certain { // they may reach their own node
			v.left = append(v.left, i)
		}
		v.number[i] = -1
		if n, ok := g.namespaceIndex(guests[i].Namespace); ok {
			v.number[i] = n
		}
	}
	return v
}

// Take calls do with the positions of the guests that can connect to one of the ports
// of a destination, and that it was not called for before.
func (v *GuestVisit) Take(to ID, ports []Port, do func(int)) {
	if len(v.left) == 0 {
		return
	}
	in := v.g.admitting(to)
	unit := v.g.unit(to)
	onNode := unit == v.g.node || unit < v.g.node && v.g.classes[unit].host
	kept := v.left[:0]
	for _, i := range v.left {
		if v.shut[i] && !onNode || in != nil && !v.guests[i].Relabelled && v.number[i] >= 0 && !in.has(int32(v.number[i])) {
			kept = append(kept, i)
			continue
		}
		if a := v.g.Passage(v.guests[i], to, ports).Answer; a == Yes || a == Maybe && !v.certain {
			do(i)
		} else {
			kept = append(kept, i)
		}
	}
	v.left = kept
}

// admitting returns the namespaces of which a destination may let pods in, nil for all.
func (g *Graph) admitting(to ID) bitset {
	sign := g.signOf[Ingress][g.unit(to)]
	if sign < 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.guests.admitted[sign]; ok {
		return known
	}
	all := newBits(len(g.namespaces))
	for _, d := range g.demandsOf(sign) {
		switch {
		case d.selector == nil:
			all = nil
		case d.selector.within != "":
			if i, ok := g.namespaceIndex(d.selector.within); ok {
				all.add(int32(i))
			}
		default:
			all.or(g.byNamespace.match(d.selector.namespaces).may)
		}
		if all == nil {
			break
		}
	}
	if g.guests.admitted == nil {
		g.guests.admitted = map[int32]bitset{}
	}
	g.guests.admitted[sign] = all
	return all
}
