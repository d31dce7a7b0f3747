package attack

import (
	"slices"

	"ullage.dev/ullage/internal/reach"
)

// Distances are the weights of the shortest paths from every vertex to a target.
// They are for one goroutine.
type Distances struct {
	g         *Graph
	of        []int32
	next      []ID // of a shortest path; none at targets
	order     []ID // reached vertices, the nearest first
	listening []ID // of these, containers that listen
	lists     map[ID]*hops
	target    []ID
	measure   measure
	work      int // what looking for paths has cost, see yen.complete
	effort    int // how much of it one path may cost before it is looked for otherwise
}

const unreachable = int32(1<<31 - 1)

// Distances searches from the target backwards. The target is any of some
// vertices.
func (g *Graph) Distances(target ...ID) *Distances {
	return g.distances(target, measure{known: g.options.Known})
}

// KnownDistances leaves out steps of certainty Unknown, and all that lead over
// some vertices. Of the result only From and Shortest may be used.
func (g *Graph) KnownDistances(target []ID, without ...ID) *Distances {
	return g.distances(target, measure{known: true, without: without})
}

// KnownSteps leaves out steps of certainty Unknown, and counts the others: what
// weighs least has the fewest. Of the result only From and Shortest may be used.
func (g *Graph) KnownSteps(target ...ID) *Distances {
	return g.distances(target, measure{known: true, even: true})
}

// measure says which paths are looked for.
type measure struct {
	known   bool // by known steps only
	even    bool // each step weighs one, whatever its certainty
	without []ID // not over these vertices
}

func (m *measure) weight(c Certainty) int32 {
	if m.even {
		return int32(min(c, 1))
	}
	return int32(c)
}

// queue holds vertices by distance: a bucket for each weight and one more, used
// in turn.
type queue [maxWeight + 1][]ID

func (g *Graph) distances(target []ID, m measure) *Distances {
	n := len(g.vertices)
	d := &Distances{g: g, target: target, measure: m, effort: cheapSearch, of: make([]int32, n), next: make([]ID, n), order: make([]ID, 0, n)}
	for i := range d.of {
		d.of[i] = unreachable
	}
	s := search{Distances: d, measure: m, worst: Unknown, settled: make([]bool, n)}
	if m.known {
		s.worst = NeedsExploit
	}
	for _, v := range m.without {
		s.settled[v] = true
	}
	for _, t := range target {
		if !s.settled[t] && d.of[t] != 0 {
			d.of[t], d.next[t] = 0, none
			s.queue[0] = append(s.queue[0], t)
		}
	}
	for at, empty := int32(0), 0; empty < len(s.queue); at++ {
		bucket := &s.queue[int(at)%len(s.queue)]
		if empty++; len(*bucket) > 0 {
			empty = 0
		}
		for i := 0; i < len(*bucket); i++ { // edges of no weight add to it
			if v := (*bucket)[i]; d.of[v] == at && !s.settled[v] {
				s.settle(v, at)
			}
		}
		*bucket = (*bucket)[:0]
	}
	return d
}

// search is one run.
type search struct {
	*Distances
	measure
	queue     queue
	worst     Certainty // of the steps that count
	settled   []bool
	certainly *reach.Visit
	perhaps   *reach.Visit
	guests    [2]*reach.GuestVisit // certain, and not
}

// settle follows the edges that lead to a vertex.
func (s *search) settle(v ID, at int32) {
	g := s.g
	s.settled[v] = true
	s.order = append(s.order, v)
	for _, i := range g.back[g.backAt[v]:g.backAt[v+1]] {
		if e := &g.edges[i]; e.certainty <= s.worst {
			s.relax(e.from, v, at+s.weight(e.certainty))
		}
	}
	if x := &g.vertices[v]; x.kind == Container && len(g.ports(x.part)) > 0 {
		s.listening = append(s.listening, v)
		s.connect(v, x, at)
	}
}

func (s *search) relax(from, to ID, total int32) {
	if total < s.of[from] && !s.settled[from] {
		s.of[from], s.next[from] = total, to
		bucket := int(total) % len(s.queue)
		s.queue[bucket] = append(s.queue[bucket], from)
	}
}

// connect follows connections to a container. A source that reached another
// container before is no nearer by this one, so each is found once.
func (s *search) connect(v ID, x *vertex, at int32) {
	g := s.g
	if s.certainly == nil {
		s.certainly, s.perhaps = g.network.Visit(true), g.network.Visit(false)
		s.guests = [2]*reach.GuestVisit{g.network.VisitGuests(g.guests, true), g.network.VisitGuests(g.guests, false)}
	}
	ports, certain := g.ports(x.part), g.listening(x.part)
	take := func(to reach.ID) {
		if certain {
			s.certainly.Take(to, ports, func(from reach.ID) { s.from(from, v, at+s.weight(NeedsExploit)) })
			s.guests[0].Take(to, ports, func(i int) { s.relax(g.guestAt[i], v, at+s.weight(NeedsExploit)) })
		}
		if s.known {
			return
		}
		s.perhaps.Take(to, ports, func(from reach.ID) { s.from(from, v, at+s.weight(Unknown)) })
		s.guests[1].Take(to, ports, func(i int) { s.relax(g.guestAt[i], v, at+s.weight(Unknown)) })
	}
	if to := g.workloads[x.at].endpoint; to != none {
		take(to)
	}
	for _, to := range g.further[x.at] {
		take(to)
	}
}

func (s *search) from(endpoint reach.ID, to ID, total int32) {
	if w := s.g.workloadOf[endpoint]; w != none {
		s.relax(s.g.workloadVertex(w, positionAt), to, total)
	}
}

// From returns the weight of the shortest path from a vertex; ok is false when
// there is none.
func (d *Distances) From(v ID) (weight int, ok bool) {
	return int(d.of[v]), d.of[v] != unreachable
}

// Unheard returns the containers from which a path leads to the target and on
// which nothing is known to listen, as far as an attacker who starts at some vertices
// may connect to them: that none is reached over the network hangs on that.
func (d *Distances) Unheard(from []ID) []ID {
	g := d.g
	found := map[int32]bool{}
	for more := true; more; { // those that were found reach others
		more = false
		reach := g.silence(from)
		for c := range g.containers {
			if id := int32(c); !found[id] && len(g.ports(id)) == 0 && reach(id) {
				found[id], more = true, true
				from = append(slices.Clip(from), g.containerVertex(id))
			}
		}
	}
	var all []ID
	for c := range g.containers {
		if v := g.containerVertex(int32(c)); found[int32(c)] && d.of[v] != unreachable {
			all = append(all, v)
		}
	}
	return all
}

// silence returns whether somebody who starts at some vertices may connect to a
// container, at any port.
func (g *Graph) silence(from []ID) func(container int32) bool {
	sources, internet := map[int]reach.ID{}, false
	shares := map[int32]bool{} // the network of a pod
	for v, reached := range g.reachedFrom(from) {
		switch x := &g.vertices[v]; {
		case !reached:
		case x.kind == Internet:
			internet = true
		case x.kind == Position:
			shares[x.at] = true
			for _, e := range g.endpointsOf(x.at) {
				sources[g.network.Class(e)] = e
			}
		}
	}
	return func(c int32) bool {
		at := g.containers[c].workload
		w := &g.workloads[at]
		if shares[at] || internet && w.hostNetwork != nil {
			return true
		}
		for _, to := range g.endpointsOf(at) {
			for _, e := range sources {
				if answer := g.network.Ports(e, to).Answer(); answer == reach.Yes || answer == reach.Maybe && !g.options.Known {
					return true
				}
			}
		}
		return false
	}
}

// Path is a way to the target: vertices in order, none twice.
type Path struct {
	Vertices []ID
	Weight   int
}

// Shortest returns a shortest path from a vertex; of several of equal weight
// always the same. It has no vertices when there is none.
func (d *Distances) Shortest(from ID) Path {
	if d.of[from] == unreachable {
		return Path{}
	}
	p := Path{Weight: int(d.of[from])}
	for v := from; v != none; v = d.next[v] {
		p.Vertices = append(p.Vertices, v)
	}
	return p
}
