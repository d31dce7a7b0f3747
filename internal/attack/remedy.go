package attack

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// Remedy is one change of the cluster, and what it does to paths. The figures are
// those of a graph made anew from the snapshot with the change.
type Remedy struct {
	Title   string
	Object  *model.Object // that is changed; nil when one is added
	Node    *tree.Node    // the field, nil for the object itself
	Changes []model.Change
	Closed  int // sources that lose every path
	Longer  int // sources whose shortest path gets longer
	Sources int // that have a path before
}

// Place is where the change is to be made; ok is false for what is added.
func (r *Remedy) Place() (model.Place, bool) { return Evidence{"", r.Object, r.Node}.Place() }

// tried bounds how many changes are tried out: each costs a graph.
const tried = 24

// Remedies returns up to n changes that close paths, the one that closes all
// paths of the most sources first; of those that close equally many, the one
// that makes more shortest paths longer. Changes that do neither are left out.
//
// Candidates come from the evidence of the shortest paths. As a source that loses
// every path loses its shortest one, how many shortest paths a change touches
// bounds what it can do, and the search ends when nothing better can come, or
// after a bounded number of trials.
func (g *Graph) Remedies(q Query, n int) ([]Remedy, error) {
	ends, err := g.Ends(q)
	if err != nil {
		return nil, err
	}
	d := g.Distances(ends.To...)
	before := g.reaching(d, ends)
	var found []Remedy
	var known networks
	for i, c := range d.proposals(ends.Entries) {
		if i == tried || len(found) >= n && found[n-1].Closed >= c.touches {
			break
		}
		after, err := g.with(c.changes, &known).reachingAfter(q)
		if err != nil {
			continue // the change takes the target itself away
		}
		r := Remedy{Title: c.title, Object: c.object, Node: c.node, Changes: c.changes, Sources: len(before)}
		for key, weight := range before {
			if now, ok := after[key]; !ok {
				r.Closed++
			} else if now > weight {
				r.Longer++
			}
		}
		if r.Closed > 0 || r.Longer > 0 {
			found = append(found, r)
			slices.SortStableFunc(found, func(a, b Remedy) int {
				return cmp.Or(-cmp.Compare(a.Closed, b.Closed), -cmp.Compare(a.Longer, b.Longer))
			})
		}
	}
	return found[:min(n, len(found))], nil
}

// with returns the graph of the snapshot with changes. What they do not touch is
// not made again.
func (g *Graph) with(changes []model.Change, known *networks) *Graph {
	s := g.snapshot.With(changes...)
	network, rights := g.network, g.access
	var connects []model.Change // what the network reads
	for _, c := range changes {
		switch {
		case c.Key.Group == model.RoleKind.Group:
			rights = nil
		case c.Key.GroupKind == model.SecretKind:
		case c.Object != nil && len(c.Object.Pods()) == 1 && sameNetwork(g.snapshot.Get(c.Key), c.Object):
		default:
			connects = append(connects, c)
		}
	}
	if rights == nil {
		rights = access.New(s)
	}
	if len(connects) > 0 {
		network = known.with(network, s, connects)
	}
	return g.Rebuild(s, network, rights)
}

// networks are those that changes make of others. The same change is tried again
// after others that the network does not read.
type networks struct {
	mu    sync.Mutex
	known map[networkAfter]*reach.Graph
}

type networkAfter struct {
	of      *reach.Graph
	changes uint64
}

// mostNetworks bounds how many are kept, as each may be large.
const mostNetworks = 4

func (n *networks) with(of *reach.Graph, s *model.Snapshot, changes []model.Change) *reach.Graph {
	key := networkAfter{of, 0}
	for _, c := range changes {
		key.changes = tree.Mix(key.changes, nameHash(c.Key.Cluster+"/"+c.Key.String()))
		if c.Object != nil {
			key.changes = tree.Mix(key.changes, c.Object.Root.Hash())
		}
	}
	n.mu.Lock()
	network := n.known[key]
	n.mu.Unlock()
	if network != nil {
		return network
	}
	network = of.With(s, changes...)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) >= mostNetworks || n.known == nil {
		n.known = map[networkAfter]*reach.Graph{}
	}
	n.known[key] = network
	return network
}

// sameNetwork reports whether the pods of a workload have the same place in the
// network before and after a change: their labels, ports and host network.
func sameNetwork(before, after *model.Object) bool {
	if before == nil || len(before.Pods()) != 1 {
		return false
	}
	a, b := before.Pods()[0], after.Pods()[0]
	if !tree.Equal(a.Labels(), b.Labels()) || a.Spec.Get("hostNetwork").True() != b.Spec.Get("hostNetwork").True() {
		return false
	}
	for _, list := range model.ContainerLists {
		x, y := a.Spec.Get(list), b.Spec.Get(list)
		if x.Len() != y.Len() {
			return false
		}
		for i := range x.Children() {
			if !tree.Equal(x.At(i).Get("ports"), y.At(i).Get("ports")) {
				return false
			}
		}
	}
	return true
}

// proposal is a change that may close paths.
type proposal struct {
	title   string
	object  *model.Object
	node    *tree.Node
	changes []model.Change
	touches int // sources whose shortest path it is about, at most
}

// proposals returns the changes that the shortest paths of some sources suggest,
// those first that touch the most.
func (d *Distances) proposals(from []ID) []proposal {
	g := d.g
	byTitle := map[string]*proposal{}
	p := proposer{Graph: g, add: func(made proposal) {
		if old := byTitle[made.title]; old != nil {
			old.touches += made.touches
		} else {
			byTitle[made.title] = &made
		}
	}}
	entry := map[ID]bool{}
	for _, v := range from {
		entry[v] = true
	}
	for v, count := range d.passing(from) {
		next := ID(none)
		if count > 0 {
			next = d.next[v]
		}
		if next == none {
			continue
		}
		p.touches = int(count)
		for _, e := range g.Between(ID(v), next) {
			p.propose(e)
		}
		if g.vertices[v].kind == Container {
			p.confine(ID(v))
		}
	}
	for _, v := range from {
		if d.of[v] != unreachable {
			p.touches = 1
			for _, e := range g.Between(g.internet, v) {
				p.propose(e)
			}
		}
	}
	all := make([]proposal, 0, len(byTitle))
	for _, title := range slices.Sorted(maps.Keys(byTitle)) {
		all = append(all, *byTitle[title])
	}
	slices.SortStableFunc(all, func(a, b proposal) int { return -cmp.Compare(a.touches, b.touches) })
	return all
}
