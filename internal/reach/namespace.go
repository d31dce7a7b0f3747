package reach

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Others returns the policies that this package does not understand, for their
// kind or for fields that their kind does not have, and that may concern pods of a namespace. Answers about that namespace are
// unknown where there are any.
func (g *Graph) Others(namespace string) []*model.Object {
	var found []*model.Object
	for _, o := range g.others {
		if o.Key.Namespace == namespace || o.Key.Namespace == "" || slices.Contains(globalKinds, o.Key.Kind) {
			found = append(found, o)
		}
	}
	return found
}

// AllOthers returns what Others returns for any namespace.
func (g *Graph) AllOthers() []*model.Object { return g.others }

// Policies returns all policies in the order in which they decide.
func (g *Graph) Policies() []*Policy {
	return slices.DeleteFunc(slices.Clone(g.policies), func(p *Policy) bool { return !p.decided() })
}

// Isolating returns the policies that isolate pods of a namespace with the given
// template in a direction, in key order.
func (g *Graph) Isolating(namespace string, pod *model.PodTemplate, d Direction) []*Policy {
	return g.selecting(namespace, pod, d, func(p *Policy) bool { return p.isolates[d] })
}

// Denying returns the policies of the tiers Admin and Baseline that may select
// pods with the given template and deny something in a direction.
func (g *Graph) Denying(namespace string, pod *model.PodTemplate, d Direction) []*Policy {
	return g.selecting(namespace, pod, d, func(p *Policy) bool { return p.denies(d) })
}

func (p *Policy) denies(d Direction) bool {
	return p.Tier != TierNetwork && slices.ContainsFunc(p.rules[d], func(r *rule) bool { return r.action == Deny })
}

// DenyingIn returns a policy of the tiers Admin and Baseline that may select
// pods of a namespace and denies something in a direction, or nil.
func (g *Graph) DenyingIn(namespace string, d Direction) *Policy {
	i, ok := g.namespaceIndex(namespace)
	for _, p := range g.policies {
		if ok && p.denies(d) && p.mayChoose(int32(i)) {
			return p
		}
	}
	return nil
}

// selecting returns the policies that may select pods, of those that are asked
// for.
func (g *Graph) selecting(namespace string, pod *model.PodTemplate, d Direction, ask func(*Policy) bool) []*Policy {
	var found []*Policy
	if id, ok := g.endOf[pod.Spec]; ok {
		for _, a := range g.subjects[d][g.workloadClass[id]] {
			if !a.onNodes && ask(a.Policy) {
				found = append(found, a.Policy)
			}
		}
	} else if i, ok := g.namespaceIndex(namespace); ok { // a pod that a controller made, or one that ended
		for _, p := range g.policies {
			if !p.onNodes && p.mayChoose(int32(i)) && ask(p) && p.subject.pods.matches(pod.Labels()) {
				found = append(found, p)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *Policy) int { return a.Object.Key.Compare(b.Object.Key) })
	return found
}

// mayChoose reports whether the policy may be about pods of a namespace.
func (p *Policy) mayChoose(ns int32) bool { return p.chosen != nil && p.chosen.has(ns) }

// matches reports whether labels meet the terms.
func (t terms) matches(labels *tree.Node) bool {
	return !t.never && !slices.ContainsFunc(t.list, func(r requirement) bool { return !r.met(labels.Get(r.key)) })
}

func (r requirement) met(label *tree.Node) bool { return r.holds(label.Str(), label != nil) }

// holds reports whether a label, if it is there, meets the requirement by its value.
func (r requirement) holds(value string, is bool) bool {
	switch r.op {
	case opIn:
		return is && slices.Contains(r.values, value)
	case opNotIn:
		return !is || !slices.Contains(r.values, value)
	case opExists:
		return is
	}
	return !is
}

// DefaultDeny returns a policy that isolates all pods of a namespace in a
// direction and allows nothing, or nil.
func (g *Graph) DefaultDeny(namespace string, d Direction) *Policy {
	i, ok := g.namespaceIndex(namespace)
	for _, p := range g.policies {
		here := p.subject.within == namespace || ok && p.subject.within == "" && p.subject.namespaces.id == 0 && p.mayChoose(int32(i))
		if p.isolates[d] && here && p.subject.all() && !slices.ContainsFunc(p.rules[d], (*rule).allows) {
			return p
		}
	}
	return nil
}

// all reports whether the selector matches all pods of the namespaces that it is
// about.
func (s *selector) all() bool {
	return s.pods.id == 0 && s.namespaces.id == 0 && s.why == 0
}

func (r *rule) allows() bool {
	return r.action == Allow && (r.all || len(r.peers) > 0)
}

// Extent is a number that is at least Least and at most Most.
type Extent struct{ Least, Most int }

// Known reports whether there is one number only.
func (e Extent) Known() bool { return e.Least == e.Most }

func (e *Extent) add(n int, a Answer) {
	if a != No {
		e.Most += n
	}
	if a == Yes {
		e.Least += n
	}
}

// Reach says how far connections from a namespace get.
type Reach struct {
	Workloads  Extent // in other namespaces, to which some pod may connect on some port
	Namespaces Extent // that hold them
	Why        string // it cannot be told exactly; "" when it can
}

// Reach returns to how many workloads in how many other namespaces pods of a
// namespace may connect.
func (g *Graph) Reach(name string) Reach {
	var r Reach
	var why Reasons
	self, ok := g.namespaceIndex(name)
	if !ok {
		return r
	}
	m, verdict := g.newMixer(), g.verdicts()
	for i, other := range g.namespaces {
		if i == self {
			continue
		}
		best := No
		for to := other.first; to < other.last; to++ {
			answer, reasons := g.reaches(g.namespaces[self], to, m, verdict)
			r.Workloads.add(len(g.classes[to].members), answer)
			if answer == Maybe {
				why |= reasons
			}
			best = max(best, answer)
		}
		r.Namespaces.add(1, best)
	}
	if texts := why.Texts(); len(texts) > 0 {
		r.Why = texts[0]
	}
	return r
}

// reaches reports whether some pod of a namespace may connect to a class.
func (g *Graph) reaches(from namespace, to int32, m *mixer, verdict func(answerID) *Verdict) (Answer, Reasons) {
	best, why := No, Reasons(0)
	in := g.row(Ingress, to)
	for unit := from.first; unit < from.last; unit++ {
		v := verdict(m.meet(g.row(Egress, unit).at(to), in.at(unit)))
		switch v.Answer() {
		case Yes:
			return Yes, 0
		case Maybe:
			best, why = Maybe, why|v.Why
		}
	}
	return best, why
}

// Idle is something written in a policy that does nothing.
type Idle struct {
	Policy *Policy
	Rule   *tree.Node // that matches no endpoint, or nil when the policy selects no pods
}

// Idle returns the policies that select no pods of the snapshot, and the rules
// of the others that match nothing in it nor outside.
func (g *Graph) Idle() []Idle {
	selects := map[*Policy]bool{}
	for _, d := range directions {
		for _, list := range g.subjects[d] {
			for _, a := range list {
				selects[a.Policy] = true
			}
		}
	}
	var idle []Idle
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.Policies() {
		switch {
		case p.onNodes || !p.concerns(Ingress) && !p.concerns(Egress):
			continue
		case !selects[p]:
			idle = append(idle, Idle{p, nil})
			continue
		}
		g.resolve(p)
		for _, d := range directions {
			for _, r := range p.rules[d] {
				if !r.all && len(r.parts) == 0 {
					idle = append(idle, Idle{p, r.node})
				}
			}
		}
	}
	return idle
}

// Ties returns the pairs of policies of the tiers Admin and Baseline that have
// the same priority and select pods in common, so that it is not defined which
// decides first. The two are of different objects.
func (g *Graph) Ties() [][2]*Policy {
	var ties [][2]*Policy
	known := map[[2]*Policy]bool{}
	for _, d := range directions {
		for _, s := range g.signatures[d] {
			for i, a := range s.policies {
				if a.Tier == TierNetwork || !a.sure {
					continue
				}
				for _, b := range s.policies[i+1:] { // which are in order
					if a.Tier != b.Tier || a.Priority != b.Priority {
						break
					}
					tie := [2]*Policy{a.Policy, b.Policy}
					if b.sure && a.Object != b.Object && !known[tie] {
						known[tie], ties = true, append(ties, tie)
					}
				}
			}
		}
	}
	return ties
}
