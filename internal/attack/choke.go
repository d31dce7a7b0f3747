package attack

import (
	"cmp"
	"slices"
)

// Choke is a vertex that many paths pass.
type Choke struct {
	Vertex  ID
	Passing int // sources whose shortest path passes it
	Cut     int // sources that have no path without it
}

// chokeKinds are the vertices that one can do something about.
var chokeKinds = [vertexKinds]bool{
	Container: true, NodeRoot: true, NodeFiles: true, Account: true, User: true, Group: true, Secret: true, SharedVolume: true, CloudIdentity: true,
	RunPods: true, AnyPod: true, AnyAccount: true, AnySecret: true, AnyUser: true, AnyIdentity: true,
}

// Chokes returns the vertices that the shortest paths of most sources to the
// target pass, ends left out, and for each how many sources lose every path with
// it: the most first, at most n.
func (d *Distances) Chokes(from, target []ID, n int) []Choke {
	g := d.g
	passing := d.passing(from)
	ends, starts := make([]bool, len(passing)), make([]bool, len(passing))
	for _, v := range target {
		ends[v] = true
	}
	for _, v := range from {
		starts[v] = d.of[v] != unreachable
	}
	var all []Choke
	for id, count := range passing {
		if v := ID(id); count > 0 && chokeKinds[g.vertices[v].kind] && !ends[v] {
			if starts[v] {
				count--
			}
			if count > 0 {
				all = append(all, Choke{Vertex: v, Passing: int(count)})
			}
		}
	}
	slices.SortFunc(all, func(a, b Choke) int {
		return cmp.Or(-cmp.Compare(a.Passing, b.Passing), cmp.Compare(a.Vertex, b.Vertex))
	})
	all = all[:min(len(all), n)]
	for i := range all {
		without := g.distances(target, measure{known: g.options.Known, without: []ID{all[i].Vertex}})
		for _, v := range from {
			if v != all[i].Vertex && d.of[v] != unreachable && without.of[v] == unreachable {
				all[i].Cut++
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Choke) int { return -cmp.Compare(a.Cut, b.Cut) })
	return all
}

// passing counts, for each vertex, the sources whose shortest path passes it.
func (d *Distances) passing(from []ID) []int32 {
	count := make([]int32, len(d.of))
	for _, v := range from {
		if d.of[v] != unreachable {
			count[v]++
		}
	}
	for _, v := range slices.Backward(d.order) {
		if next := d.next[v]; next != none {
			count[next] += count[v]
		}
	}
	return count
}

// Entries returns where paths from some vertices begin for counting: the
// containers that the internet reaches for the internet, and otherwise the
// vertices themselves.
func (g *Graph) Entries(from []ID) []ID {
	var all []ID
	for _, v := range from {
		if v != g.internet {
			all = append(all, v)
			continue
		}
		for i := range g.out(v) {
			all = append(all, g.out(v)[i].to)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
