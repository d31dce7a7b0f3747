package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// node is a node of the cluster, or one that stands for several.
type node struct {
	name    string
	object  *model.Object
	control answer // it runs the control plane
	root    ID
	files   ID
}

// someNode stands for the nodes of pods of which it is not known where they run,
// controlNode for those of the control plane when they were not read.
const (
	someNode    = 0
	controlNode = 1
	firstNode   = 2
)

func (b *builder) node(name string, o *model.Object) int32 {
	id, ok := b.nodeIDs[name]
	if !ok {
		id = int32(len(b.nodes))
		b.nodeIDs[name] = id
		n := node{name: name, object: o}
		n.root, n.files = b.vertex(NodeRoot, id, 0), b.vertex(NodeFiles, id, 0)
		b.nodes = append(b.nodes, n)
	}
	return id
}

// placePods reads the nodes, and on which of them the pods of workloads run.
func (b *builder) placePods() {
	b.node("some node", nil)
	b.node("a control-plane node", nil)
	b.nodes[controlNode].control = yes
	for o := range b.snapshot.Kind(model.NodeKind) {
		id := b.node("node "+o.Key.Name, o)
		labels := o.Labels()
		if labels.Get(controlPlaneLabel) != nil || labels.Get(masterLabel) != nil {
			b.nodes[id].control = yes
		}
	}
	old := b.remembered()
	b.memory.pods = remembered(b, model.PodKind, old.pods, func(f *podFact) *model.Object { return f.object }, b.readPod)
	b.readMakers()
	var of func(*podFact) int32 // nil until some pod is to be placed
	same := b.sameMakers()
	shared := len(b.memory.pods) > 0 && len(old.pods) > 0 && &b.memory.pods[0] == &old.pods[0]
	type on struct{ workload, node int32 }
	found := make([]on, 0, len(b.memory.pods))
	names := map[uint64]int32{}
	for i := range b.memory.pods {
		f := &b.memory.pods[i]
		if f.hash == 0 {
			continue
		}
		n, ok := names[f.hash]
		if !ok {
			n = b.node("node "+f.node, nil)
			names[f.hash] = n
		}
		if !same || f.of == unplaced {
			if of == nil {
				of = b.placer()
			}
			if shared { // others read those of the graph before
				shared, b.memory.pods = false, slices.Clone(b.memory.pods)
				f = &b.memory.pods[i]
			}
			f.of = of(f)
		}
		if f.of != none {
			found = append(found, on{f.of, n})
		}
	}
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		if w.pinned.Str() != "" && w.asleep == nil && w.Object.Key.GroupKind != model.PodKind {
			found = append(found, on{int32(i), b.node("node "+w.pinned.Str(), nil)})
		}
	}
	b.placedAnything = len(found) > 0
	count := make([]int32, len(b.Graph.workloads)+1)
	for _, p := range found {
		count[p.workload+1]++
	}
	for i := range b.Graph.workloads {
		count[i+1] += count[i]
		b.Graph.workloads[i].placed = span{count[i], count[i]}
	}
	b.placements = make([]int32, len(found))
	for _, p := range found {
		w := &b.Graph.workloads[p.workload]
		if w.placed.first < w.placed.last && b.placements[w.placed.last-1] == p.node {
			continue
		}
		b.placements[w.placed.last] = p.node
		w.placed.last++
	}
}

// readMakers reads what workloads make and makes pods: ReplicaSets and Jobs.
func (b *builder) readMakers() {
	old := b.remembered().makers
	for _, gk := range []model.GroupKind{model.ReplicaSetKind, model.JobKind} {
		for len(old) > 0 && old[0].object.Key.GroupKind != gk {
			old = old[1:]
		}
		b.memory.makers = append(b.memory.makers, remembered(b, gk, old, func(f *makerFact) *model.Object { return f.object }, b.readMaker)...)
	}
}

// placer returns a function that finds the workload of a pod by the uid of its
// controller. Unlike [model.Snapshot.Controller] it believes the uid alone, which
// is the same where the API server has made it.
func (b *builder) placer() func(*podFact) int32 {
	byObject := map[*model.Object]int32{} // of pods that nothing made
	byUID := make(map[uint64]int32, 2*len(b.Graph.workloads))
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		if w.Object.Key.GroupKind == model.PodKind {
			byObject[w.Object] = int32(i)
		} else if w.uid != 0 {
			byUID[w.uid] = int32(i)
		}
	}
	made := func(namespace string, uid uint64) int32 {
		if w, ok := byUID[uid]; ok && uid != 0 && b.namespaces[b.Graph.workloads[w].namespace] == namespace {
			return w
		}
		return none
	}
	for i := range b.memory.makers {
		f := &b.memory.makers[i]
		if w := made(f.namespace, f.maker); w != none && f.uid != 0 {
			byUID[f.uid] = w
		}
	}
	return func(f *podFact) int32 {
		if w := made(f.namespace, f.maker); w != none {
			return w
		}
		if w, ok := byObject[f.object]; ok {
			return w
		}
		return none
	}
}

// nodesOf returns the vertices of root, and of the files, on nodes that run a
// workload, and makes them with what they lead to.
func (b *builder) nodesOf(i int32) (root, files ID) {
	w := &b.Graph.workloads[i]
	if w.root != none {
		return w.root, w.files
	}
	w.root, w.files = b.vertex(NodesOf, i, 0), b.vertex(FilesOf, i, 0)
	on := func(n int32, c Certainty) {
		kind := Member
		if c != Given {
			kind = NodePlacement
		}
		b.edge(w.root, b.nodes[n].root, kind, c, none)
		b.edge(w.files, b.nodes[n].files, kind, c, none)
	}
	for _, n := range b.placements[w.placed.first:w.placed.last] {
		on(n, Given)
	}
	if w.placed.first == w.placed.last {
		if w.onControl != yes {
			on(someNode, Given)
		}
		if b.controlPlaneUnknown() && w.onControl != no {
			on(controlNode, map[answer]Certainty{yes: Given, perhaps: Unknown}[w.onControl])
		}
		for n := int32(firstNode); n < int32(len(b.nodes)) && w.asleep == nil; n++ {
			switch runs := w.runsOn(&b.nodes[n]); {
			case runs == yes:
				on(n, Given)
			case runs == perhaps && (w.onControl != yes || b.nodes[n].control == yes):
				on(n, Unknown)
			}
		}
	}
	return w.root, w.files
}

func (n *node) taints() *tree.Node {
	if n.object == nil {
		return nil
	}
	return n.object.Root.Dig("spec", "taints")
}

// runsOn says whether a workload that nothing binds to a node has a pod on a node:
// what a DaemonSet has on each node whose taints it tolerates, others may have
// anywhere.
func (w *workload) runsOn(n *node) answer {
	taints := n.taints()
	for i := range taints.Children() {
		if taint := taints.At(i); taint.Get("effect").Str() != "PreferNoSchedule" && !w.bears(taint) {
			return no
		}
	}
	switch {
	case taints == nil && n.control == yes && w.onControl == no: // the label comes with a taint
		return no
	case w.everyNode:
		return yes
	}
	return perhaps
}

// bears reports whether a workload tolerates a taint.
func (w *workload) bears(taint *tree.Node) bool {
	key, effect := taint.Get("key").Str(), taint.Get("effect").Str()
	if w.Object.Key.Kind == "DaemonSet" && strings.HasPrefix(key, "node.kubernetes.io/") { // its controller adds these
		return true
	}
	for i := range w.tolerates.Children() {
		t := w.tolerates.At(i)
		exists := t.Get("operator").Str() == "Exists"
		if of := t.Get("key").Str(); of != key && (of != "" || !exists) {
			continue
		}
		if of := t.Get("effect").Str(); (of == "" || of == effect) && (exists || t.Get("value").Str() == taint.Get("value").Str()) {
			return true
		}
	}
	return false
}

// controlPlaneUnknown reports whether there may be nodes of the control plane
// that were not read.
func (b *builder) controlPlaneUnknown() bool {
	return len(b.nodes) == firstNode || !b.snapshot.Complete("", model.NodeKind)
}

// nodeEdges leads from nodes to the pods on them, and to the control plane.
func (b *builder) nodeEdges() {
	for i := range b.nodes {
		n := &b.nodes[i]
		b.edge(n.root, n.files, Member, Given, none)
		if n.control == yes {
			b.because(n.files, b.admin, NodeControlPlane, Certain, n.object, nil)
		}
		if b.nodeRights != none {
			b.because(n.files, b.nodeRights, KubeletCredentials, Certain, n.object, nil)
		}
	}
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		for _, n := range b.placements[w.placed.first:w.placed.last] {
			b.holdsPods(&b.nodes[n], int32(i), Certain)
		}
		if w.placed.first < w.placed.last {
			continue
		}
		if w.onControl != yes {
			c := Unknown
			if w.everyNode {
				c = Certain
			}
			b.holdsPods(&b.nodes[someNode], int32(i), c)
		}
	}
	b.meetings()
	for i := range b.nodes {
		if b.wideNode == none {
			break
		}
		switch {
		case i == someNode && !b.unnamedNodes(), i == controlNode && !b.controlPlaneUnknown():
			continue
		case i == controlNode:
			b.edge(b.wideNode, b.nodes[i].root, NodePlacement, Unknown, none)
			continue
		}
		b.edge(b.wideNode, b.nodes[i].root, Member, Given, none)
	}
}

// holdsPods leads from the files of a node to what it keeps of the pods of a workload, and
// from root on it into their containers.
func (b *builder) holdsPods(n *node, i int32, c Certainty) {
	w := &b.Graph.workloads[i]
	b.because(n.files, b.workloadVertex(i, podDataAt), NodePods, c, w.Object, nil)
	if w.sleeps() {
		c = Unknown
	}
	b.edge(n.root, b.workloadVertex(i, anyContainerAt), NodeContainers, c, int32(len(b.evidence)-1))
}

// meetings leads from the nodes that are known by name to the pods of workloads of
// which it is not known where they run. Those that may or may not be there share
// one edge of each node, as there may be many of both.
func (b *builder) meetings() {
	var unplaced []int32
	for i := range b.Graph.workloads {
		if w := &b.Graph.workloads[i]; w.placed.first == w.placed.last && w.asleep == nil && w.onControl != yes {
			unplaced = append(unplaced, int32(i))
		}
	}
	for i := firstNode; i < len(b.nodes); i++ {
		n, shared := &b.nodes[i], false
		for _, at := range unplaced {
			w := &b.Graph.workloads[at]
			if shared && !w.everyNode {
				continue
			}
			switch w.runsOn(n) {
			case yes:
				b.holdsPods(n, at, Certain)
			case perhaps:
				shared = true
			}
		}
		if shared {
			b.edge(n.files, b.nodes[someNode].files, NodePlacement, Unknown, none)
			b.edge(n.root, b.nodes[someNode].root, NodePlacement, Unknown, none)
		}
	}
}

// unnamedNodes reports whether pods may be on nodes that nothing names.
func (g *Graph) unnamedNodes() bool { return len(g.nodes) == firstNode || !g.placedAnything }

// anyNode returns the vertex of root on a node of the attacker's choice.
func (b *builder) anyNode() ID { return b.one(&b.wideNode, AnyNode) }
