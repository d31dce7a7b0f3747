package attack

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// vertex is what is kept of a Vertex: positions in the lists of the graph.
type vertex struct {
	kind VertexKind
	at   int32 // of the workload, account, node, ...; the namespace of wide kinds, none for all
	part int32 // the container
}

// edge is what is kept of an Edge. About what note refers to see explain.go.
type edge struct {
	from, to  ID
	note      int32
	kind      EdgeKind
	certainty Certainty
	right     access.Right
}

// Vertex is something that an attacker may hold.
type Vertex struct {
	ID        ID
	Kind      VertexKind
	Namespace string
	Name      string
	Container string        // of kind Container
	Object    *model.Object // nil when it was not read, or when there is none
	SpecPath  tree.Path     // of kind Container: that of its pod template
}

// Edge is a step from one vertex to another.
type Edge struct {
	From, To  ID
	Kind      EdgeKind
	Certainty Certainty
	note      int32
	right     access.Right
}

// Weight is what a path pays for the step.
func (e Edge) Weight() int { return int(e.Certainty) }

const maxWeight = int(Unknown)

func (g *Graph) public(e *edge) Edge {
	return Edge{e.from, e.to, e.kind, e.certainty, e.note, e.right}
}

// Len returns the number of vertices: ids run from 0 to just before it.
func (g *Graph) Len() int { return len(g.vertices) }

// Kind returns the kind of a vertex.
func (g *Graph) Kind(id ID) VertexKind { return g.vertices[id].kind }

// Edges returns the number of edges, those of the network left out: they are
// followed and not stored.
func (g *Graph) Edges() int { return len(g.edges) }

// Vertex returns a vertex.
func (g *Graph) Vertex(id ID) Vertex {
	v := g.vertices[id]
	out := Vertex{ID: id, Kind: v.kind}
	switch v.kind {
	case Container, AnyContainer, PodData, Position, NodesOf, FilesOf, Processes, Inside, Scratch, OpenPort:
		o := g.workloads[v.at].Object
		out.Namespace, out.Name, out.Object = o.Key.Namespace, o.Key.Name, o
		if v.kind == Container {
			out.Container, out.SpecPath = g.containers[v.part].name, g.workloads[v.at].Pod.SpecPath
		}
	case NodeRoot, NodeFiles:
		out.Name, out.Object = g.nodes[v.at].name, g.nodes[v.at].object
	case Account, User, Group:
		s := g.accounts[v.at]
		out.Namespace, out.Name = s.Namespace, s.Name
		out.Object = g.accountObject(s)
	case Granted:
		out.Name = g.grantedRoles(g.accounts[v.at])
	case Secret:
		s := g.secrets[v.at]
		out.Namespace, out.Name, out.Object = g.namespaces[s.namespace], s.name, s.object
	case Volume, SharedVolume:
		s := g.volumes[v.at]
		out.Namespace, out.Name, out.Object = g.namespaces[s.namespace], s.name, s.object
	case CloudIdentity:
		out.Name = g.clouds[v.at]
	case Relabelled:
		x := &g.guises[v.at]
		out.Namespace, out.Name, out.Object = x.Namespace, x.String(), g.guiseObject(x)
	default:
		if v.kind >= firstWide && v.at >= 0 {
			out.Namespace = g.namespaces[v.at]
		}
	}
	return out
}

func (g *Graph) cluster() string {
	for _, o := range g.snapshot.All() {
		return o.Key.Cluster
	}
	return ""
}

// String writes the vertex for people.
func (v Vertex) String() string {
	scope := v.Namespace + "/" + v.Name
	switch v.Kind {
	case Container:
		return "container " + v.Container + " of " + v.Object.Key.Kind + " " + scope
	case AnyContainer, PodData, Position:
		return v.Object.Key.Kind + " " + scope
	case NodesOf, FilesOf:
		return "a node of " + v.Object.Key.Kind + " " + scope
	case NodeRoot:
		return v.Name
	case NodeFiles:
		return "the files of " + v.Name
	case Inside:
		return "the inside of " + v.Object.Key.Kind + " " + scope
	case OpenPort:
		return "a port without a login of " + v.Object.Key.Kind + " " + scope
	case Scratch:
		return "files that containers of " + v.Object.Key.Kind + " " + scope + " share"
	case Processes:
		return "the processes of " + v.Object.Key.Kind + " " + scope
	case AnyNode:
		return "any node"
	case Account, Secret, Volume:
		return v.Kind.String() + " " + scope
	case SharedVolume:
		return "shared volume " + scope
	case Relabelled:
		return v.Name
	case User, Group, CloudIdentity:
		return v.Kind.String() + " " + v.Name
	case Granted:
		return v.Name
	case Internet:
		return "the internet"
	case Kubelet:
		return "the kubelet of any node"
	case MovablePods:
		return "the pods that can move"
	case CustomObjects:
		return "the custom objects of the cluster"
	}
	if v.Kind >= firstWide {
		word := [...]string{"pods", "service accounts", "secrets", "own pods", "ports of pods", "running pods", "pods with labels of its choice", "ports of pods behind Services"}[v.Kind-firstWide]
		if v.Kind == AnyPod || v.Kind == AnyAccount || v.Kind == AnySecret {
			word = "all " + word
		}
		if v.Namespace == "" {
			return word + " of the cluster"
		}
		return word + " in namespace " + v.Namespace
	}
	return v.Kind.String()
}

// Held says what it is to hold the vertex, as a noun phrase.
func (v Vertex) Held() string {
	name := v.String()
	switch v.Kind {
	case Container, AnyPod, AnyContainer:
		return "code in " + name
	case PodData:
		return "what the node keeps of " + name + ": tokens, secrets and volumes"
	case Position, Labelled, Relabelled:
		return "the place of " + name + " in the network"
	case NodesOf, NodeRoot, AnyNode:
		return "root on " + name
	case FilesOf:
		return "all files of " + strings.TrimPrefix(name, "the files of ")
	case NodeFiles:
		return "all " + strings.TrimPrefix(name, "the ")
	case Account, User, AnyUser, AnyIdentity, AnyAccount:
		return "the identity of " + name
	case CloudIdentity, NodeIdentity:
		return "the " + name
	case Granted:
		return "the rights of " + name
	case Group:
		return "what members of " + name + " may do"
	case Secret, AnySecret:
		return "the content of " + name
	case Volume:
		return "the data of " + name
	case SharedVolume:
		return "data of " + name + " that others read"
	case Kubelet:
		return "the rights of " + name
	case MovablePods:
		return name + ", on its own node"
	case CustomObjects:
		return "control over " + name
	case ClusterAdmin:
		return "every right in the cluster"
	case RunPods:
		return "pods of its own" + strings.TrimPrefix(name, "own pods")
	case OpenPort:
		return "a connection to " + name
	case Connect, Routed:
		return "connections to " + name
	case Debug:
		return "a container of its own in " + name
	}
	return name
}

// out returns the stored edges that leave a vertex.
func (g *Graph) out(v ID) []edge { return g.edges[g.first[v]:g.first[v+1]] }

// index orders the edges and builds the way back. Of parallel edges the most
// certain stands first.
func (b *builder) index() {
	g := b.Graph
	n := len(g.vertices)
	b.doubtSleepers()
	if g.options.Known {
		b.made = slices.DeleteFunc(b.made, func(e edge) bool { return e.certainty == Unknown })
	}
	g.first = make([]int32, n+1)
	for i := range b.made {
		g.first[b.made[i].from+1]++
	}
	for v := range n {
		g.first[v+1] += g.first[v]
	}
	g.edges = make([]edge, len(b.made))
	next := slices.Clone(g.first)
	for i := range b.made {
		from := b.made[i].from
		g.edges[next[from]] = b.made[i]
		next[from]++
	}
	g.backAt = make([]int32, n+1)
	for i := range g.edges {
		g.backAt[g.edges[i].to+1]++
	}
	for v := range n {
		g.backAt[v+1] += g.backAt[v]
	}
	g.back = make([]int32, len(g.edges))
	copy(next, g.backAt)
	for i := range g.edges {
		to := g.edges[i].to
		g.back[next[to]] = int32(i)
		next[to]++
	}
}

// Between returns the edges from one vertex to another, the most certain first.
func (g *Graph) Between(from, to ID) []Edge {
	var all []Edge
	out, in := g.out(from), g.back[g.backAt[to]:g.backAt[to+1]]
	if len(out) <= len(in) {
		for i := range out {
			if out[i].to == to {
				all = append(all, g.public(&out[i]))
			}
		}
	} else { // few lead to what a group leads to besides many others
		for _, i := range in {
			if g.edges[i].from == from {
				all = append(all, g.public(&g.edges[i]))
			}
		}
	}
	if e, ok := g.networkEdge(from, to); ok {
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Certainty, b.Certainty), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.right, b.right))
	})
	return all
}

// nameHash is the hash of a text as a node of a tree has it.
func nameHash(text string) uint64 {
	n := tree.Of(text)
	return n.Seal().Hash()
}
