package check

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/attack"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// attackKinds are those that attack paths are made of.
var attackKinds = attack.Kinds()

// attackIndex is the attack graph, with what rules ask of it. It is made when an
// object is first asked about that a path may begin at.
type attackIndex struct {
	graph      *attack.Graph
	containers map[*model.Object][]attack.ID
	accounts   map[objectName]attack.ID
	entries    []attack.ID // containers that the internet reaches for certain
	targets    map[string]*attackTarget
}

// attackTarget is the search for one target: by steps that are known, and by all.
type attackTarget struct {
	known, all *attack.Distances
	passing    map[*model.Object]int // entries whose shortest known path passes a workload, its own left out
	reaching   int                   // entries that have a known path
}

// The targets of rules, as attack.Graph.Target names them.
const (
	adminTarget = "cluster-admin"
	nodeTarget  = "node"
)

func (f *Facts) indexAttack() *attackIndex {
	g := attack.New(f.snapshot, f.network(), f.access(), attack.Options{KubernetesMinor: f.minor})
	x := &attackIndex{graph: g, containers: map[*model.Object][]attack.ID{}, accounts: map[objectName]attack.ID{}, targets: map[string]*attackTarget{}}
	for id := range attack.ID(g.Len()) {
		switch g.Kind(id) {
		case attack.Container:
			o := g.Vertex(id).Object
			x.containers[o] = append(x.containers[o], id)
		case attack.Account:
			v := g.Vertex(id)
			x.accounts[objectName{v.Namespace, v.Name}] = id
		}
	}
	internet, _ := g.Source("internet")
	for _, id := range g.Entries(internet) {
		if g.Kind(id) == attack.Container && slices.ContainsFunc(g.Between(internet[0], id), known) {
			x.entries = append(x.entries, id)
		}
	}
	for _, name := range []string{adminTarget, nodeTarget} {
		target, _ := g.Target(name)
		x.targets[name] = x.search(target)
	}
	return x
}

func known(e attack.Edge) bool { return e.Certainty != attack.Unknown }

func (x *attackIndex) search(target []attack.ID) *attackTarget {
	t := &attackTarget{known: x.graph.KnownDistances(target...), all: x.graph.Distances(target...), passing: map[*model.Object]int{}}
	for _, id := range x.entries {
		path := t.known.Shortest(id)
		if len(path.Vertices) == 0 {
			continue
		}
		t.reaching++
		own := x.graph.Vertex(id).Object
		var passed []*model.Object
		for _, v := range path.Vertices {
			if x.graph.Kind(v) != attack.Container {
				continue
			}
			if o := x.graph.Vertex(v).Object; o != own && !slices.Contains(passed, o) {
				passed = append(passed, o)
				t.passing[o]++
			}
		}
	}
	return t
}

// podAttackPaths tells, for each target, the shortest path from the internet over
// these pods: a list of at most one. A path with a step that hangs on what was not
// read makes it unknown, and so does an open world.
func (f *Facts) podAttackPaths(o *model.Object, pod *model.PodTemplate) tree.Node {
	if why, none := f.notExposed(o, pod); none {
		return sealed(entries("clusterAdmin", why, "node", why))
	}
	return sealed(entries("clusterAdmin", f.attackPath(o, adminTarget), "node", f.attackPath(o, nodeTarget)))
}

// notExposed answers for pods that nothing leads to from outside, without a graph.
func (f *Facts) notExposed(o *model.Object, pod *model.PodTemplate) (tree.Node, bool) {
	for _, w := range f.exposure().Ways(model.Workload{Object: o, Pod: *pod}) {
		if w.Answer != reach.No {
			return tree.Node{}, false
		}
	}
	return f.listOr(nil, "nothing here leads to these pods from outside the cluster, and what does may live elsewhere", "", wayInKinds...), true
}

func (f *Facts) attackPath(o *model.Object, name string) tree.Node {
	x := f.attack()
	t := x.targets[name]
	entry, doubtful := attack.ID(-1), attack.ID(-1)
	for _, id := range x.containers[o] {
		if slices.Contains(x.entries, id) && closer(t.known, id, entry) {
			entry = id
		}
		if closer(t.all, id, doubtful) {
			doubtful = id
		}
	}
	switch {
	case entry >= 0:
		return list([]tree.Node{x.told(t.known.Shortest(entry), 1)})
	case doubtful >= 0:
		return unknown("whether an attacker from the internet gets to " + name + " over these pods hangs on what was not read: " + x.hangsOn(t.all.Shortest(doubtful)))
	}
	return f.listOr(nil, "no path from these pods leads to "+name+" here, and what opens one may live elsewhere", "", attackKinds...)
}

// hangsOn says what is not known about a path from a container that the internet
// may reach.
func (x *attackIndex) hangsOn(p attack.Path) string {
	for _, s := range x.graph.Stages(p)[1:] {
		if s.Step.Certainty == attack.Unknown && s.Step.Needs != "" {
			return "whether " + s.Step.Needs
		}
	}
	return "whether the internet reaches the pods"
}

// closer reports whether a vertex has a path, and a shorter one than another,
// which may be none.
func closer(d *attack.Distances, id, than attack.ID) bool {
	weight, ok := d.From(id)
	if !ok || than < 0 {
		return ok
	}
	other, _ := d.From(than)
	return weight < other
}

// told describes a path by the number of its steps, those before it included, and
// what the attacker does.
func (x *attackIndex) told(p attack.Path, before int) tree.Node {
	stages := x.graph.Stages(p)
	does := make([]string, 0, len(stages))
	for _, s := range stages[1:] {
		does = append(does, s.Step.Does)
	}
	return entries("steps", len(does)+before, "story", strings.Join(does, "; "))
}

// podChoke says how many ways from the internet to cluster-admin pass pods that
// are not themselves their beginning, and whether every one does.
func (f *Facts) podChoke(o *model.Object, _ *model.PodTemplate) tree.Node {
	if !f.anyExposed() {
		return f.choke(0, 0)
	}
	t := f.attack().targets[adminTarget]
	return f.choke(t.passing[o], t.reaching)
}

func (f *Facts) choke(passing, of int) tree.Node {
	number, every := tree.Of(of), tree.Of(of > 0 && passing == of)
	if !every.True() && !f.snapshot.Complete("", attackKinds...) {
		every = tree.UnknownBecause(f.whyOpen("paths from the internet to cluster-admin may begin or end at objects that live elsewhere", "", attackKinds...))
		number = every
	}
	return sealed(entries("passing", passing, "of", number, "every", every))
}

// accountTakeover tells the shortest path from a service account to
// cluster-admin: a list of at most one.
func (f *Facts) accountTakeover(o *model.Object) tree.Node {
	open := func() tree.Node {
		return f.listOr(nil, "nothing here leads from the service account to cluster-admin, and what does may live elsewhere", "", attackKinds...)
	}
	held := f.access().Rights(access.ServiceAccount(o.Key.Namespace, o.Key.Name))
	if held.Cluster == 0 && len(held.Namespaces) == 0 && !f.access().Named(o.Key.Namespace, o.Key.Name) {
		return open()
	}
	x := f.attack()
	id, ok := x.accounts[objectName{o.Key.Namespace, o.Key.Name}]
	if !ok {
		return open()
	}
	t := x.targets[adminTarget]
	if path := t.known.Shortest(id); len(path.Vertices) > 0 {
		return list([]tree.Node{x.told(path, 0)})
	}
	if _, ok := t.all.From(id); ok {
		return unknown(fmt.Sprintf("whether service account %s leads to cluster-admin hangs on what was not read", o.Key.Name))
	}
	return open()
}

// findExposed reports whether anything leads to some pods from outside.
func (f *Facts) findExposed() bool {
	for _, ns := range f.snapshot.Namespaces() {
		index := f.snapshot.Workloads(ns)
		if index == nil {
			continue
		}
		for _, w := range index.Workloads {
			for _, way := range f.exposure().Ways(w) {
				if way.Answer != reach.No {
					return true
				}
			}
		}
	}
	return false
}
