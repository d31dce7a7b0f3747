package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Blast is what a compromise of some workloads reaches in the network.
type Blast struct {
	Of      []ID
	Direct  Extent         // other workloads that some of them may connect to
	Further Extent         // workloads that can be got to from there in any number of steps, Direct included
	Nodes   Answer         // whether nodes are reached, and so what runs on them
	Outside Answer         // whether some address outside the cluster is reached
	Reached []BlastPeer    // endpoints that are or may be reached, by id
	From    []BlastPeer    // endpoints that reach them, by id
	Why     Reasons        // why the extents differ
	Cuts    []Cut          // what makes Direct smaller, most first
	Untried int            // changes that FindCuts left out, as each takes very long in this network
	own     map[ID]bool    // Of
	graph   *Graph         // that it was computed in
	spaces  map[string]int // number of reached workloads by namespace
}

// BlastPeer is one endpoint, with the ports that any of the workloads reaches, or
// on which it reaches them.
type BlastPeer struct {
	ID ID
	Verdict
}

// Cut is one change of policies and what it leaves, recomputed with it.
type Cut struct {
	Text    string
	Changes []model.Change
	YAML    string // of what is added; "" when something is taken away
	Assumed string // what the change takes for granted, as a sentence without a full stop
	Removes []*model.Object
	Direct  Extent
	Further Extent
}

func newBlast(g *Graph, ids []ID) *Blast {
	b := &Blast{Of: ids, own: map[ID]bool{}, graph: g, spaces: map[string]int{}}
	for _, id := range ids {
		b.own[id] = true
	}
	return b
}

// Blast computes what workloads reach. ids are of workloads.
func (g *Graph) Blast(ids []ID) *Blast {
	b := newBlast(g, ids)
	b.reach()
	units := g.unitsOf(ids)
	b.From = b.together(func(add func(int32, answerID)) {
		g.walk(g.units(0, g.firstName()), units, func(from, _ int32, a answerID) { add(from, a) })
	})
	return b
}

// reach finds what is reached.
func (b *Blast) reach() {
	g := b.graph
	units := g.unitsOf(b.Of)
	b.Reached = b.together(func(add func(int32, answerID)) {
		g.walk(units, g.units(0, g.size), func(_, to int32, a answerID) { add(to, a) })
	})
	for _, p := range b.Reached {
		a := p.Answer()
		switch g.kind(g.unit(p.ID)) {
		case Pods:
			b.Direct.add(1, a)
			b.spaces[g.workloads[p.ID].Object.Key.Namespace]++
			if a == Maybe {
				b.Why |= p.Why
			}
		case Node:
			b.Nodes = max(b.Nodes, a)
		case Addresses:
			b.Outside = max(b.Outside, a)
		}
	}
	b.Further = Extent{b.closure(true), b.closure(false)}
}

// unitsOf returns the numbers of endpoints in the universe, each once.
func (g *Graph) unitsOf(ids []ID) []int32 {
	units := make([]int32, len(ids))
	for i, id := range ids {
		units[i] = g.unit(id)
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// together returns the peers of all of the workloads, those among them left out.
// pairs calls its argument with each peer of each of them.
func (b *Blast) together(pairs func(add func(int32, answerID))) []BlastPeer {
	g := b.graph
	all, verdict := make([]Verdict, g.size), g.verdicts()
	last := make([]answerID, g.size) // what was added last is most often what comes next
	for i := range last {
		last[i] = unknownAnswer
	}
	pairs(func(unit int32, a answerID) {
		if a == last[unit] {
			return
		}
		last[unit] = a
		if x := &all[unit]; !x.Must.All() {
			v := verdict(a)
			*x = Verdict{x.Must.union(v.Must), x.May.union(v.May), x.Why | v.Why}
		}
	})
	var found []BlastPeer
	for id := range ID(g.Len()) {
		if v := all[g.unit(id)]; !v.May.Empty() && !b.own[id] {
			if v.Must.Equal(v.May) {
				v.Why = 0
			}
			found = append(found, BlastPeer{id, v})
		}
	}
	return found
}

// closure returns how many other workloads can be got to in any number of steps
// from pods to pods.
func (b *Blast) closure(certain bool) int {
	g := b.graph
	m, verdict := g.newMixer(), g.verdicts()
	var queue []int32 // a class of those at hand may hold others, which are to be got to
	queued := newBits(int(g.node))
	push := func(unit int32) {
		if !queued.has(unit) {
			queued.add(unit)
			queue = append(queue, unit)
		}
	}
	for _, id := range b.Of {
		push(g.unit(id))
	}
	left := make([]int32, g.node)
	for unit := range left {
		left[unit] = int32(unit)
	}
	n := 0
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		out := g.row(Egress, from)
		kept := left[:0]
		for _, to := range left {
			v := verdict(m.meet(out.at(to), g.row(Ingress, to).at(from)))
			if certain && v.Must.Empty() || v.May.Empty() {
				kept = append(kept, to)
				continue
			}
			push(to)
			for _, id := range g.classes[to].members {
				if !b.own[id] {
					n++
				}
			}
		}
		left = kept
	}
	return n
}

// most is how many candidates of a kind are recomputed.
const most = 24

// FindCuts tries single changes of policies and keeps those that make the blast
// smaller, with what each leaves, recomputed: for each namespace that is reached, a
// policy that lets only that namespace itself in; one that keeps the connections of
// the workloads' own namespaces to pods within them; and each policy whose removal
// closes something.
func (b *Blast) FindCuts(s *model.Snapshot) {
	var cuts []Cut
	cuts = append(cuts, b.removals()...)
	cuts = append(cuts, b.splits(s)...)
	kept := cuts[:0]
	for i, c := range cuts {
		if b.graph.full() {
			b.Untried = len(cuts) - i
			break
		}
		g := b.graph.With(s.With(c.Changes...), c.Changes...)
		after := newBlast(g, b.sameIn(g))
		after.reach()
		c.Direct, c.Further = after.Direct, after.Further
		if c.Direct.Most < b.Direct.Most || c.Direct.Most == b.Direct.Most && c.Direct.Least < b.Direct.Least {
			kept = append(kept, c)
		}
	}
	slices.SortStableFunc(kept, func(x, y Cut) int {
		return cmp.Or(cmp.Compare(x.Direct.Most, y.Direct.Most), cmp.Compare(x.Direct.Least, y.Direct.Least), cmp.Compare(x.Further.Most, y.Further.Most))
	})
	b.Cuts = kept
}

// sameIn returns the workloads in another graph of the same pods.
func (b *Blast) sameIn(g *Graph) []ID {
	if g.basis == b.graph.basis {
		return b.Of
	}
	var ids []ID
	for _, id := range b.Of {
		for _, other := range g.Find(b.graph.workloads[id].Object.Key) {
			if b.graph.key(id) == g.key(other) {
				ids = append(ids, other)
			}
		}
	}
	return ids
}

// splits returns policies that split a namespace off: those that are reached most
// first.
func (b *Blast) splits(s *model.Snapshot) []Cut {
	var names []string
	for name := range b.spaces {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(b.spaces[y], b.spaces[x]), cmp.Compare(x, y)) })
	own := map[string]bool{}
	for _, id := range b.Of {
		own[b.graph.workloads[id].Object.Key.Namespace] = true
	}
	var cuts []Cut
	for _, name := range names[:min(len(names), most)] {
		if !own[name] {
			cuts = append(cuts, splitCut(s, name, Ingress, "let only pods of namespace "+name+" itself connect to pods there"))
		}
	}
	for name := range own {
		cuts = append(cuts, splitCut(s, name, Egress, "let pods of namespace "+name+" connect to pods of that namespace only, and look up names"))
	}
	slices.SortStableFunc(cuts, func(x, y Cut) int { return cmp.Compare(x.Text, y.Text) })
	return slices.DeleteFunc(cuts, func(c Cut) bool { return c.Changes == nil })
}

func splitCut(s *model.Snapshot, namespace string, d Direction, text string) Cut {
	name, key, peers := "split-ingress", "ingress", "from"
	if d == Egress {
		name, key, peers = "split-egress", "egress", "to"
	}
	var t strings.Builder
	fmt.Fprintf(&t, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  podSelector: {}\n  policyTypes: [%s]\n  %s:\n    - %s:\n        - podSelector: {}\n",
		name, quoted(namespace), d, key, peers)
	assumed := ""
	if d == Egress {
		names := resolverOf(s)
		if names.assumed {
			assumed = assumedResolver
		}
		fmt.Fprintf(&t, "    # %s\n", comment(names.because))
		writeRule(&t, peers, allowance{peer: names.peers, ports: names.ports})
	}
	yaml := t.String()
	cluster := ""
	if index := s.Workloads(namespace); index != nil {
		cluster = index.Workloads[0].Object.Key.Cluster
	}
	o := parsePolicy(yaml, cluster, namespace)
	if o == nil || s.Get(o.Key) != nil {
		return Cut{}
	}
	return Cut{Text: text, YAML: yaml, Assumed: assumed, Changes: []model.Change{{Key: o.Key, Object: o}}}
}

// parsePolicy reads a policy that was generated.
func parsePolicy(yaml, cluster, namespace string) *model.Object {
	file := &tree.File{Name: "generated", Text: yaml}
	for doc := range tree.Parse(file) {
		if doc.Err != nil || doc.Root == nil {
			continue
		}
		if o, err := model.NewObject(doc.Root, &model.Source{File: file}, cluster, namespace); err == nil {
			return o
		}
	}
	return nil
}

// removals returns the policies that allow something and select pods that are
// reached or their sources, each to be taken away.
func (b *Blast) removals() []Cut {
	var cuts []Cut
	counts := map[*model.Object]int{}
	note := func(d Direction, id ID) {
		unit := b.graph.unit(id)
		if unit >= b.graph.node {
			return
		}
		for _, a := range b.graph.subjects[d][unit] {
			if a.Policy.allows() && a.Tier == TierNetwork && a.mayAllow[d] == 0 {
				counts[a.Object]++
			}
		}
	}
	for _, p := range b.Reached {
		note(Ingress, p.ID)
	}
	for _, id := range b.Of {
		note(Egress, id)
	}
	var objects []*model.Object
	for o := range counts {
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(x, y *model.Object) int { return cmp.Or(cmp.Compare(counts[y], counts[x]), x.Key.Compare(y.Key)) })
	for _, o := range objects[:min(len(objects), most)] {
		cuts = append(cuts, Cut{Text: "take away " + o.Key.String(), Removes: []*model.Object{o}, Changes: []model.Change{{Key: o.Key}}})
	}
	return cuts
}
