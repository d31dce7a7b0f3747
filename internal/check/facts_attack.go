package check

import (
	"fmt"
	"iter"
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

// attackIndex is what rules ask of the attack graph. It is made, all at once, when
// an object is first asked about that a path may begin at: the graph itself takes
// a tenth of what a large check keeps in memory.
type attackIndex struct {
	// paths are the ways to each target from pods that something leads to from
	// outside the cluster, and takeovers those from accounts to cluster-admin.
	paths     map[string]map[podOf]attackPath
	takeovers map[objectName]attackPath
	reaching  int // containers that the internet reaches and from which a known path leads to cluster-admin
	// incomplete says why the graph lacks steps; "" when it does not.
	incomplete string
	chokes     map[podOf]bool // pods, none of them such a beginning, that every shortest of these paths passes
}

// podOf is a pod template; the path is "" for the only one of its object.
type podOf struct {
	object *model.Object
	path   string
}

func newPodOf(o *model.Object, specPath tree.Path) podOf {
	if len(o.Pods()) < 2 {
		return podOf{object: o}
	}
	return podOf{o, specPath.String()}
}

// attackPath is the path to a target that has the fewest steps, of those of which
// all steps are known; or, where there is none, what the shortest of all hangs on.
type attackPath struct {
	steps        int
	story, doubt string
}

// The targets of rules, as attack.Graph.Target names them.
const (
	adminTarget = "cluster-admin"
	nodeTarget  = "node"
)

func (f *Facts) indexAttack() *attackIndex {
	g := attack.New(f.snapshot, f.network(), f.access(), attack.Options{KubernetesMinor: f.minor})
	r := attackReader{Graph: g, containers: map[podOf][]attack.ID{}}
	x := &attackIndex{paths: map[string]map[podOf]attackPath{}, takeovers: map[objectName]attackPath{}, incomplete: g.Incomplete()}
	var accounts []attack.ID
	for id := range attack.ID(g.Len()) {
		switch g.Kind(id) {
		case attack.Container:
			pod := r.podOf(id)
			r.containers[pod] = append(r.containers[pod], id)
		case attack.Account:
			accounts = append(accounts, id)
		}
	}
	internet, _ := g.Source("internet")
	for _, id := range g.Entries(internet) {
		if g.Kind(id) == attack.Container && slices.ContainsFunc(g.Between(internet[0], id), known) {
			r.entries = append(r.entries, id)
		}
	}
	for _, name := range []string{nodeTarget, adminTarget} {
		r.search(name)
		paths := map[podOf]attackPath{}
		for w := range f.exposed() {
			pod := newPodOf(w.Object, w.Pod.SpecPath)
			if p, ok := r.path(pod); ok {
				paths[pod] = p
			}
		}
		x.paths[name] = paths
	}
	x.reaching, x.chokes = r.pass()
	for _, id := range accounts {
		if v := g.Vertex(id); f.holds(v.Namespace, v.Name) {
			if p, ok := r.from(id); ok {
				x.takeovers[objectName{v.Namespace, v.Name}] = p
			}
		}
	}
	return x
}

func known(e attack.Edge) bool { return e.Certainty != attack.Unknown }

// attackReader asks a graph, for one target at a time.
type attackReader struct {
	*attack.Graph
	containers map[podOf][]attack.ID
	entries    []attack.ID // containers that the internet reaches for certain

	name   string // of the target
	target []attack.ID
	fewest *attack.Distances // by the number of steps, all of them known
	all    *attack.Distances
}

func (r *attackReader) podOf(container attack.ID) podOf {
	v := r.Vertex(container)
	return newPodOf(v.Object, v.SpecPath)
}

func (r *attackReader) search(name string) {
	r.name = name
	r.target, _ = r.Target(name)
	r.fewest, r.all = r.KnownSteps(r.target...), r.Distances(r.target...)
}

// pass returns how many entries have a known path, and the pods that every
// shortest path of all of them passes: without these, each is longer or gone.
func (r *attackReader) pass() (reaching int, chokes map[podOf]bool) {
	known := r.KnownDistances(r.target)
	passing, own := map[podOf]int{}, map[podOf]bool{}
	var from []attack.ID
	for _, id := range r.entries {
		path := known.Shortest(id)
		if len(path.Vertices) == 0 {
			continue
		}
		from = append(from, id)
		own[r.podOf(id)] = true
		passed := map[podOf]bool{}
		for _, v := range path.Vertices {
			if r.Kind(v) == attack.Container && !passed[r.podOf(v)] {
				passed[r.podOf(v)] = true
				passing[r.podOf(v)]++
			}
		}
	}
	chokes = map[podOf]bool{}
	for pod, n := range passing {
		if n == len(from) && !own[pod] {
			without := r.KnownDistances(r.target, r.containers[pod]...)
			chokes[pod] = !slices.ContainsFunc(from, func(id attack.ID) bool {
				with, _ := known.From(id)
				other, ok := without.From(id)
				return ok && other <= with
			})
		}
	}
	return len(from), chokes
}

// path returns the shortest path from the internet over pods.
func (r *attackReader) path(pod podOf) (attackPath, bool) {
	entry, doubtful := attack.ID(-1), attack.ID(-1)
	for _, id := range r.containers[pod] {
		if slices.Contains(r.entries, id) && closer(r.fewest, id, entry) {
			entry = id
		}
		if closer(r.all, id, doubtful) {
			doubtful = id
		}
	}
	switch {
	case entry >= 0:
		return r.told(r.fewest.Shortest(entry), 1), true
	case doubtful >= 0:
		return attackPath{doubt: "whether an attacker from the internet gets to " + r.name + " over these pods hangs on what was not read: " + r.hangsOn(r.all.Shortest(doubtful))}, true
	}
	return attackPath{}, false
}

// from returns the shortest path from a service account.
func (r *attackReader) from(id attack.ID) (attackPath, bool) {
	if path := r.fewest.Shortest(id); len(path.Vertices) > 0 {
		return r.told(path, 0), true
	}
	_, ok := r.all.From(id)
	return attackPath{doubt: fmt.Sprintf("whether service account %s leads to %s hangs on what was not read", r.Vertex(id).Name, r.name)}, ok
}

// podAttackPaths tells, for each target, the shortest path from the internet over
// these pods: a list of at most one. A path with a step that hangs on what was not
// read makes it unknown, and so does an open world.
func (f *Facts) podAttackPaths(o *model.Object, pod *model.PodTemplate) tree.Node {
	if why, none := f.notExposed(o, pod); none {
		return sealed(entries("clusterAdmin", why, "node", why))
	}
	key := newPodOf(o, pod.SpecPath)
	return sealed(entries("clusterAdmin", f.attackPath(key, adminTarget), "node", f.attackPath(key, nodeTarget)))
}

// notExposed answers for pods that nothing leads to from outside, without a graph.
func (f *Facts) notExposed(o *model.Object, pod *model.PodTemplate) (tree.Node, bool) {
	for _, w := range f.exposure().Ways(model.Workload{Object: o, Pod: *pod}) {
		if w.Answer != reach.No {
			return tree.Node{}, false
		}
	}
	if why, unread := f.unreadEndpoints(); unread {
		return why, true
	}
	return f.listOr(nil, "nothing here leads to these pods from outside the cluster, and what does may live elsewhere", "", wayInKinds...), true
}

// shorter says whether there may be a path of fewer steps than the one that is known:
// over what a cluster holds and could not be read. Files are taken as they are.
func (f *Facts) shorter() tree.Node {
	if why := f.attack().incomplete; why != "" {
		return unknown(why)
	}
	if gap := f.snapshot.Gap("", attackKinds...); gap != nil && f.snapshot.Closed {
		return unknown(gap.Reason)
	}
	return tree.Of(false)
}

func (f *Facts) attackPath(pod podOf, name string) tree.Node {
	if p, ok := f.attack().paths[name][pod]; ok {
		return p.node(f.shorter())
	}
	if why := f.attack().incomplete; why != "" {
		return unknown(why)
	}
	return f.listOr(nil, "no path from these pods leads to "+name+" here, and what opens one may live elsewhere", "", attackKinds...)
}

// node is a list of the path, or what it hangs on.
func (p attackPath) node(shorter tree.Node) tree.Node {
	if p.doubt != "" {
		return unknown(p.doubt)
	}
	return list([]tree.Node{entries("steps", p.steps, "story", p.story, "shorter", shorter)})
}

// hangsOn says what is not known about a path from a container that the internet
// may reach.
func (r *attackReader) hangsOn(p attack.Path) string {
	for _, s := range r.Stages(p)[1:] {
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
func (r *attackReader) told(p attack.Path, before int) attackPath {
	stages := r.Stages(p)
	does := make([]string, 0, len(stages))
	for _, s := range stages[1:] {
		does = append(does, s.Step.Does)
	}
	return attackPath{steps: len(does) + before, story: strings.Join(does, "; ")}
}

// podChoke says of how many containers the internet gets to cluster-admin, and
// whether every shortest path from them passes these pods.
func (f *Facts) podChoke(o *model.Object, pod *model.PodTemplate) tree.Node {
	if !f.snapshot.Complete("", attackKinds...) {
		every := tree.UnknownBecause(f.whyOpen("paths from the internet to cluster-admin may begin or end at objects that live elsewhere", "", attackKinds...))
		return sealed(entries("of", every, "every", every))
	}
	if !f.anyExposed() {
		return sealed(entries("of", 0, "every", false))
	}
	x := f.attack()
	if x.incomplete != "" {
		every := tree.UnknownBecause(x.incomplete)
		return sealed(entries("of", every, "every", every))
	}
	return sealed(entries("of", x.reaching, "every", x.chokes[newPodOf(o, pod.SpecPath)]))
}

// accountTakeover tells the shortest path from a service account to
// cluster-admin: a list of at most one.
func (f *Facts) accountTakeover(o *model.Object) tree.Node {
	if f.holds(o.Key.Namespace, o.Key.Name) {
		x := f.attack()
		if p, ok := x.takeovers[objectName{o.Key.Namespace, o.Key.Name}]; ok {
			return p.node(f.shorter())
		}
		if x.incomplete != "" {
			return unknown(x.incomplete)
		}
	}
	return f.listOr(nil, "nothing here leads from the service account to cluster-admin, and what does may live elsewhere", "", attackKinds...)
}

// holds reports whether a service account has rights, or a binding names it.
func (f *Facts) holds(namespace, account string) bool {
	held := f.access().Rights(access.ServiceAccount(namespace, account))
	return held.Cluster != 0 || len(held.Namespaces) > 0 || f.access().Named(namespace, account)
}

// exposed yields the pods that something may lead to from outside.
func (f *Facts) exposed() iter.Seq[model.Workload] {
	return func(yield func(model.Workload) bool) {
		for _, ns := range f.snapshot.Namespaces() {
			index := f.snapshot.Workloads(ns)
			if index == nil {
				continue
			}
			for _, w := range index.Workloads {
				for _, way := range f.exposure().Ways(w) {
					if way.Answer != reach.No {
						if !yield(w) {
							return
						}
						break
					}
				}
			}
		}
	}
}

// findExposed reports whether anything leads to some pods from outside.
func (f *Facts) findExposed() bool {
	for range f.exposed() {
		return true
	}
	return false
}
