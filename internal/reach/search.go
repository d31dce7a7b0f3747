package reach

import (
	"slices"

	"ullage.dev/ullage/internal/model"
)

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
// namespace may connect, when the egress policies of the one and the ingress
// policies of the other allow a common port. It takes the policies of the
// snapshot for all there are.
func (g *Graph) Reach(namespace string) Reach {
	var r Reach
	s := g.search(namespace)
	for _, other := range g.namespaces {
		if other == namespace {
			continue
		}
		best := No
		span := g.span[other]
		for id := span[0]; id < span[1]; id++ {
			answer, why := s.connects(id)
			r.Workloads.add(g.groups[id].workloads, answer)
			if answer == Maybe {
				r.Why = why
			}
			best = max(best, answer)
		}
		r.Namespaces.add(1, best)
	}
	return r
}

// Connects reports whether some pod of a namespace may connect to a workload of
// the snapshot on some port, and why it cannot be told.
func (g *Graph) Connects(namespace string, to model.Workload) (Answer, string) {
	id, ok := g.groupOf[to.Pod.Spec]
	if !ok {
		return Maybe, "the workload is not part of the snapshot"
	}
	return g.search(namespace).connects(id)
}

// search answers for the pods of one namespace as sources.
type search struct {
	*Graph
	ports    *interner
	numbered []setID           // one above the ports that rules give by number; 0 is not known yet
	signs    []int32           // egress signatures of the sources, in order
	bySign   map[int32][]int32 // sources by egress signature
	seen     map[[2]int32][]allowed
}

func (g *Graph) search(namespace string) *search {
	s := &search{Graph: g, ports: newInterner(), numbered: make([]setID, g.rules), bySign: map[int32][]int32{}, seen: map[[2]int32][]allowed{}}
	span := g.span[namespace]
	for id := span[0]; id < span[1]; id++ {
		sign := g.groups[id].signature[Egress]
		if s.bySign[sign] == nil {
			s.signs = append(s.signs, sign)
		}
		s.bySign[sign] = append(s.bySign[sign], id)
	}
	return s
}

// allowed holds the ports that one side of a connection allows for certain,
// and those that it may allow.
type allowed struct {
	must, may setID
	why       string // of what is in may alone
}

// connects reports whether some source may connect to a group.
func (s *search) connects(to int32) (Answer, string) {
	best, reason := No, ""
	for _, sign := range s.signs {
		out := s.side(s.signatures[Egress][sign], to, to)
		if out.may == noPorts {
			continue
		}
		for _, in := range s.ingress(sign, to) {
			switch {
			case s.ports.meets(out.must, in.must):
				return Yes, ""
			case best == No && s.ports.meets(out.may, in.may):
				best, reason = Maybe, out.why
				if reason == "" {
					reason = in.why
				}
			}
		}
	}
	return best, reason
}

// ingress returns what the ingress policies of a group allow to the sources
// with an egress signature, each different answer once.
func (s *search) ingress(egress, to int32) []allowed {
	ingress := s.groups[to].signature[Ingress]
	key := [2]int32{egress, ingress}
	known, ok := s.seen[key]
	if !ok {
		for _, from := range s.bySign[egress] {
			if a := s.side(s.signatures[Ingress][ingress], from, to); a.may != noPorts && !slices.Contains(known, a) {
				known = append(known, a)
			}
		}
		s.seen[key] = known
	}
	return known
}

// side returns the ports that the policies of one side allow with a peer. to is
// the destination, which numbers named ports.
func (s *search) side(sign *signature, peer, to int32) allowed {
	if !sign.isolated {
		return allowed{must: allPorts, may: allPorts}
	}
	var a allowed
	for _, r := range sign.rules {
		answer, why := r.matches(peer)
		if answer == No {
			continue
		}
		ports := s.portsOf(r, to)
		a.may = s.ports.union(a.may, ports)
		if answer == Yes {
			a.must = s.ports.union(a.must, ports)
		} else {
			a.why = why
		}
	}
	if sign.ignored && a.must != allPorts {
		a.may, a.why = allPorts, "network policies hold for pods on the host network in some network plugins only"
	}
	return a
}

// matches reports whether a rule allows connections with a group.
func (r *rule) matches(group int32) (Answer, string) {
	if r.all {
		return Yes, ""
	}
	best, reason := No, ""
	for _, p := range r.peers {
		if p.must.has(group) {
			return Yes, ""
		}
		if p.may.has(group) {
			best, reason = Maybe, p.why
		}
	}
	return best, reason
}

// portsOf returns the ports of a rule at a destination.
func (s *search) portsOf(r *rule, to int32) setID {
	if s.numbered[r.id] == 0 {
		s.numbered[r.id] = s.ports.id(r.ports) + 1
	}
	id := s.numbered[r.id] - 1
	for _, name := range r.named {
		for _, p := range s.groups[to].named {
			if p.namedPort == name {
				id = s.ports.union(id, s.ports.id(portSet{{p.number, p.number}}))
			}
		}
	}
	return id
}
