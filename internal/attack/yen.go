package attack

import (
	"cmp"
	"container/heap"
	"slices"

	"ullage.dev/ullage/internal/reach"
)

// Paths returns up to k paths from any of some vertices to the target, the
// shortest first, and of those of equal weight in an order that does not change.
// No path visits a vertex twice. Parallel edges make one path: the lightest
// counts.
//
// It is Yen's algorithm: every path is the best one that leaves an earlier path
// at some vertex. Each search for that is led by the exact distances, so it
// rarely looks at more than it returns. Where it does, because all that is near
// leads over what the path has passed, distances without that are made.
func (d *Distances) Paths(from []ID, k int) []Path {
	starts := make([]hop, len(from))
	for i, v := range from {
		starts[i].to = v
	}
	y := yen{d: d, starts: d.starts(starts)}
	return y.paths(k)
}

// PathsOf returns such paths between the ends of a query.
func (d *Distances) PathsOf(e Ends, k int) []Path {
	if !e.within || !slices.Contains(e.From, d.g.internet) {
		return d.Paths(e.From, k)
	}
	var starts []hop // behind the internet, which is no place within
	out := d.g.out(d.g.internet)
	for i := range out {
		if slices.Contains(e.Entries, out[i].to) {
			starts = append(starts, hop{to: out[i].to, weight: int32(out[i].certainty)})
		}
	}
	y := yen{d: d, starts: d.starts(starts)}
	paths := y.paths(k)
	for i := range paths {
		paths[i].Vertices = slices.Insert(paths[i].Vertices, 0, d.g.internet)
	}
	return paths
}

func (y *yen) paths(k int) []Path {
	first, ok := y.complete(nil, 0, nil)
	if !ok || k < 1 {
		return nil
	}
	candidates := &pathHeap{{Path: first}}
	var found []deviation
	for len(found) < k && candidates.Len() > 0 {
		best := heap.Pop(candidates).(deviation)
		found = append(found, best)
		for _, c := range y.deviations(best, found) {
			heap.Push(candidates, c)
		}
	}
	paths := make([]Path, len(found))
	for i := range found {
		paths[i] = found[i].Path
	}
	return paths
}

// deviation is a path, and how many of its vertices it shares with the path that
// it was found from.
type deviation struct {
	Path
	shared int
}

type pathHeap []deviation

func (h pathHeap) Len() int { return len(h) }
func (h pathHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].Weight, h[j].Weight), cmp.Compare(len(h[i].Vertices), len(h[j].Vertices)), slices.Compare(h[i].Vertices, h[j].Vertices)) < 0
}
func (h pathHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *pathHeap) Push(x any)   { *h = append(*h, x.(deviation)) }
func (h *pathHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// yen finds paths. starts stands for the steps to the sources.
type yen struct {
	d      *Distances
	starts *hops
}

// deviations returns the best paths that leave a path at each of its vertices
// from where it left its own origin.
func (y *yen) deviations(p deviation, found []deviation) []deviation {
	var all []deviation
	for i := p.shared; i < len(p.Vertices); i++ { // i vertices stay
		banned := map[ID]bool{}
		for _, f := range found {
			if len(f.Vertices) > i && slices.Equal(f.Vertices[:i], p.Vertices[:i]) {
				banned[f.Vertices[i]] = true
			}
		}
		weight := y.weight(p.Vertices[:i])
		if next, ok := y.complete(p.Vertices[:i], weight, banned); ok {
			all = append(all, deviation{next, i})
		}
	}
	return all
}

func (y *yen) weight(prefix []ID) int32 {
	var sum int32
	from := ID(none)
	for _, v := range prefix {
		for j := 0; ; j++ {
			if h, _ := y.hop(from, j); h.to == v {
				sum += h.weight
				break
			}
		}
		from = v
	}
	return sum
}

// branch is a vertex with the next of its hops to try.
type branch struct {
	from  ID
	index int
	so    int32 // weight from the end of the prefix to the vertex
	total int32
	turn  int // in which they came, for ties
}

type branches []branch

func (h branches) Len() int { return len(h) }
func (h branches) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].total, h[j].total), -cmp.Compare(h[i].turn, h[j].turn)) < 0
}
func (h branches) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *branches) Push(x any)   { *h = append(*h, x.(branch)) }
func (h *branches) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// complete returns the best path that begins with a prefix and does not go on to
// a banned vertex from there.
func (y *yen) complete(prefix []ID, weight int32, banned map[ID]bool) (Path, bool) {
	end := ID(none) // before the sources
	if len(prefix) > 0 {
		end = prefix[len(prefix)-1]
	}
	if end != none && y.d.next[end] == none {
		return Path{}, false // the prefix ends at a target
	}
	if path, ok, cheap := y.led(prefix, end, weight, banned); cheap {
		return path, ok
	}
	return y.anew(prefix, end, weight, banned)
}

// cheapSearch is how many steps are looked at for one path before distances are
// made anew: it is little against what these cost where that many are.
const cheapSearch = 2048

// led looks for the path by the distances, as long as that is cheap.
func (y *yen) led(prefix []ID, end ID, weight int32, banned map[ID]bool) (path Path, ok, cheap bool) {
	most := y.d.work + y.d.effort
	cameFrom := make(map[ID]ID, 16)
	for _, v := range prefix {
		cameFrom[v] = none
	}
	var q branches
	turn := 0
	push := func(from ID, index int, so int32) {
		h, ok := y.hop(from, index)
		if !ok {
			return
		}
		turn++
		heap.Push(&q, branch{from, index, so, so + h.total, turn})
	}
	push(end, 0, 0)
	for q.Len() > 0 {
		if y.d.work++; y.d.work > most {
			return Path{}, false, false
		}
		o := heap.Pop(&q).(branch)
		h, _ := y.hop(o.from, o.index)
		push(o.from, o.index+1, o.so)
		if _, seen := cameFrom[h.to]; seen || o.from == end && banned[h.to] {
			continue
		}
		cameFrom[h.to] = o.from
		if y.d.next[h.to] == none {
			return y.trace(prefix, end, h.to, cameFrom, weight+o.so+h.weight), true, true
		}
		push(h.to, 0, o.so+h.weight)
	}
	return Path{}, false, true
}

// anew looks for the path by distances without the prefix.
func (y *yen) anew(prefix []ID, end ID, weight int32, banned map[ID]bool) (Path, bool) {
	m := y.d.measure
	m.without = slices.Concat(m.without, prefix)
	rest := y.d.g.distances(y.d.target, m)
	best := hop{total: unreachable}
	for i := 0; ; i++ {
		h, ok := y.hop(end, i)
		if !ok || h.total >= best.total { // without the prefix nothing is nearer
			break
		}
		if rest.of[h.to] != unreachable && !banned[h.to] && h.weight+rest.of[h.to] < best.total {
			best = hop{h.to, h.weight, h.weight + rest.of[h.to]}
		}
	}
	if best.total == unreachable {
		return Path{}, false
	}
	tail := rest.Shortest(best.to)
	return Path{append(slices.Clone(prefix), tail.Vertices...), int(weight + best.total)}, true
}

func (y *yen) hop(from ID, index int) (hop, bool) {
	if from == none {
		return y.starts.at(y.d, index)
	}
	return y.d.hop(from, index)
}

func (y *yen) trace(prefix []ID, end, last ID, cameFrom map[ID]ID, weight int32) Path {
	var tail []ID
	for v := last; v != end; v = cameFrom[v] {
		tail = append(tail, v)
	}
	slices.Reverse(tail)
	return Path{append(slices.Clone(prefix), tail...), int(weight)}
}

// hop is a step to a vertex from which the target is reached, and the length of
// the shortest path over it.
type hop struct {
	to     ID
	weight int32
	total  int32
}

func byTotal(a, b hop) int {
	return cmp.Or(cmp.Compare(a.total, b.total), cmp.Compare(a.to, b.to))
}

// hops are the steps from a vertex, the best first. Those over the network are
// looked for when they are asked for.
type hops struct {
	sorted    []hop
	waiting   []hop        // found, and not yet known to be the next
	endpoints []reach.ID   // of the source
	guest     *reach.Guest // that the source is, or nil
	next      int          // in Distances.listening
}

// hop returns a step from a vertex by its index.
func (d *Distances) hop(v ID, index int) (hop, bool) {
	l := d.lists[v]
	if l == nil {
		l = d.newHops(v)
		if d.lists == nil {
			d.lists = map[ID]*hops{}
		}
		d.lists[v] = l
	}
	return l.at(d, index)
}

func (d *Distances) newHops(v ID) *hops {
	l := &hops{}
	for i := range d.g.out(v) {
		e := &d.g.out(v)[i]
		if d.of[e.to] != unreachable {
			l.sorted = append(l.sorted, hop{e.to, int32(e.certainty), int32(e.certainty) + d.of[e.to]})
		}
	}
	slices.SortFunc(l.sorted, func(a, b hop) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.weight, b.weight)) })
	l.sorted = slices.CompactFunc(l.sorted, func(a, b hop) bool { return a.to == b.to })
	slices.SortFunc(l.sorted, byTotal)
	if x := &d.g.vertices[v]; x.kind == Position {
		l.endpoints = d.g.endpointsOf(x.at)
		l.sorted, l.waiting = nil, l.sorted
	} else if guest, ok := d.g.guestOf(v); ok {
		l.guest = &guest
		l.sorted, l.waiting = nil, l.sorted
	}
	return l
}

// starts returns the steps to some sources, each of a weight.
func (d *Distances) starts(from []hop) *hops {
	l := &hops{}
	for _, h := range from {
		if d.of[h.to] != unreachable {
			h.total = h.weight + d.of[h.to]
			l.sorted = append(l.sorted, h)
		}
	}
	slices.SortFunc(l.sorted, func(a, b hop) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.weight, b.weight)) })
	l.sorted = slices.CompactFunc(l.sorted, func(a, b hop) bool { return a.to == b.to })
	slices.SortFunc(l.sorted, byTotal)
	return l
}

func (l *hops) at(d *Distances, index int) (hop, bool) {
	for index >= len(l.sorted) && l.more(d) {
	}
	if index >= len(l.sorted) {
		return hop{}, false
	}
	return l.sorted[index], true
}

// more finds one more step over the network, or of those that wait.
func (l *hops) more(d *Distances) bool {
	for {
		least := unreachable // what the next container that listens can come to
		if (l.endpoints != nil || l.guest != nil) && l.next < len(d.listening) {
			least = d.of[d.listening[l.next]] + int32(NeedsExploit)
		}
		if len(l.waiting) > 0 && l.waiting[0].total < least || least == unreachable {
			if len(l.waiting) == 0 {
				return false
			}
			l.sorted = append(l.sorted, l.waiting[0])
			l.waiting = l.waiting[1:]
			return true
		}
		to := d.listening[l.next]
		l.next++
		d.work++
		weight := int32(NeedsExploit)
		switch l.reaches(d.g, d.g.vertices[to].part) {
		case reach.No:
			continue
		case reach.Maybe:
			weight = int32(Unknown)
		}
		h := hop{to, weight, weight + d.of[to]}
		at, _ := slices.BinarySearchFunc(l.waiting, h, byTotal)
		l.waiting = slices.Insert(l.waiting, at, h)
	}
}

// reaches reports whether the source may connect to a port of a container.
func (l *hops) reaches(g *Graph, c int32) reach.Answer {
	if l.guest != nil {
		return g.passes(*l.guest, c).Answer
	}
	return g.reaches(l.endpoints, c)
}
