package reach

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Graph is the network of one snapshot.
type Graph struct {
	// Closed says that the snapshot holds every policy and workload there is.
	Closed bool

	*shared
	*basis
	policies      []*Policy
	others        []*model.Object
	namespaces    []namespace
	workloads     []model.Workload
	workloadClass []int32
	endOf         map[*tree.Node]ID // by pod spec
	replicas      []replicaOf
	standIn       map[model.Key]ID // of pods that differ from their template as another does: that
	several       map[ID]bool      // endpoints that stand for such pods
	classes       []class
	portMaps      [][]declared // named ports of pods, by number
	outsideNames  []string     // the last is "", any other
	byKey         func() map[model.Key][]ID
	context       []uint64 // see contextOf

	node, size int32 // of the universe; see resolve.go
	hostBits   bitset
	ipv4, ipv6 bitset
	subjects   [2][][]applied // by direction and class, or node
	signOf     [2][]int32     // -1 when nothing decides
	signatures [2][]signature
	keys       [2]map[string]int32 // signatures, by what makes them
	rows       [2][]atomic.Pointer[row]
	guests     guestMemory // guarded by mu
	older      [2][]row    // rows of the graph that this one refines, for those here that are not made yet
}

// replicaOf is a pod that counts as an endpoint which is another object.
type replicaOf struct {
	pod *model.Object
	as  ID
}

// shared is what graphs have together that were made of one another.
type shared struct {
	mu      sync.Mutex // guards what follows, and the memories of basis
	sets    *interner
	scratch blocks
	rules   int32  // read so far
	serial  uint32 // of the last policy read
}

// namespace has the classes from first to just before last.
type namespace struct {
	name        string
	first, last int32
}

func (g *Graph) firstAddress() int32 { return g.node + 2 }
func (g *Graph) firstName() int32    { return g.size - int32(len(g.outsideNames)) }

func (g *Graph) namespaceIndex(name string) (int, bool) {
	return slices.BinarySearchFunc(g.namespaces, name, func(n namespace, name string) int { return strings.Compare(n.name, name) })
}

// ID numbers an endpoint within one Graph.
type ID int32

// Kind says what an endpoint is.
type Kind uint8

// The kinds of endpoints.
const (
	Pods      Kind = iota // the pods of a workload
	Node                  // any node of the cluster, and what runs on it outside of pods
	APIServer             // the Kubernetes API server, wherever it runs
	Addresses             // ranges outside of the cluster that no policy tells apart
	Name                  // a DNS name outside of the cluster, a destination only
)

func (k Kind) String() string {
	return [...]string{"pods", "node", "API server", "addresses", "name"}[k]
}

// Endpoint is one end of connections.
type Endpoint struct {
	ID   ID
	Kind Kind
	// Workload is that of Pods: a controller, or a Pod. A Pod that differs from
	// the template it was made of where a policy looks, or in the Services and host
	// ports that lead to it, is an endpoint beside its controller, and stands for
	// those that differ alike.
	Workload    model.Workload
	HostNetwork bool           // of Pods
	Prefixes    []netip.Prefix // of Addresses, those that no pod, node or name has
	Name        string         // of Name; may be a pattern with *, and is "" for all other names
}

// Outside reports whether the endpoint is no part of the cluster.
func (e *Endpoint) Outside() bool { return e.Kind == Addresses || e.Kind == Name }

// Public reports whether the endpoint holds addresses of the internet.
func (e *Endpoint) Public() bool { return slices.ContainsFunc(e.Prefixes, isPublic) }

// String writes the endpoint for people.
func (e *Endpoint) String() string {
	switch {
	case e.Kind == Pods:
		return e.Workload.Object.Key.String()
	case e.Kind == Addresses:
		var parts []string
		for _, p := range e.Prefixes {
			parts = append(parts, p.String())
		}
		return strings.Join(parts, ",")
	case e.Kind == Name && e.Name != "":
		return e.Name
	case e.Kind == Name:
		return "other names"
	}
	return e.Kind.String()
}

// unit returns the number of an endpoint in the universe.
func (g *Graph) unit(id ID) int32 {
	if int(id) < len(g.workloadClass) {
		return g.workloadClass[id]
	}
	return int32(id) - int32(len(g.workloads)) + g.node
}

// Class returns a number that endpoints share which no policy tells apart.
func (g *Graph) Class(id ID) int { return int(g.unit(id)) }

// idsOf returns the endpoints of a number in the universe.
func (g *Graph) idsOf(unit int32) []ID {
	if unit < g.node {
		return g.classes[unit].members
	}
	return []ID{g.id(unit)}
}

// id returns the endpoint of a number behind the classes of pods.
func (g *Graph) id(unit int32) ID { return ID(unit - g.node + int32(len(g.workloads))) }

// Len returns the number of endpoints: their ids run from 0 to just before it.
func (g *Graph) Len() int { return len(g.workloads) + int(g.size-g.node) }

func (g *Graph) kind(unit int32) Kind {
	switch {
	case unit < g.node:
		return Pods
	case unit == g.node:
		return Node
	case unit == g.node+1:
		return APIServer
	case unit < g.firstName():
		return Addresses
	}
	return Name
}

// Endpoint returns an endpoint.
func (g *Graph) Endpoint(id ID) Endpoint {
	unit := g.unit(id)
	e := Endpoint{ID: id, Kind: g.kind(unit)}
	switch e.Kind {
	case Pods:
		e.Workload, e.HostNetwork = g.workloads[id], g.classes[unit].host
	case Addresses:
		e.Prefixes = g.addresses.prefixes(unit - g.firstAddress())
	case Name:
		e.Name = g.outsideNames[unit-g.firstName()]
	}
	return e
}

// Endpoints yields all endpoints by id: the workloads by namespace, then the
// node, the API server, the addresses and the names.
func (g *Graph) Endpoints() iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) {
		for id := range ID(g.Len()) {
			if !yield(g.Endpoint(id)) {
				return
			}
		}
	}
}

// Find returns the endpoints of an object, one for each of its pod templates,
// and none when it is not the top of a chain of controllers.
func (g *Graph) Find(key model.Key) []ID {
	ids := slices.Clone(g.byKey()[key])
	if id, ok := g.standIn[key]; ok {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// index finds the endpoints of objects.
func (g *Graph) index() map[model.Key][]ID {
	ids := make(map[model.Key][]ID, len(g.workloads))
	for id := range g.workloads {
		key := g.workloads[id].Object.Key
		ids[key] = append(ids[key], ID(id))
	}
	return ids
}

// InNamespace returns the workloads of a namespace.
func (g *Graph) InNamespace(name string) []ID {
	i, ok := g.namespaceIndex(name)
	if !ok {
		return nil
	}
	var ids []ID
	for c := g.namespaces[i].first; c < g.namespaces[i].last; c++ {
		ids = append(ids, g.classes[c].members...)
	}
	slices.Sort(ids)
	return ids
}

// Node returns the endpoint of nodes.
func (g *Graph) Node() ID { return g.id(g.node) }

// APIServer returns the endpoint of the API server.
func (g *Graph) APIServer() ID { return g.id(g.node + 1) }

// Address returns the endpoint of an address outside the cluster.
func (g *Graph) Address(addr netip.Addr) ID {
	return g.id(g.firstAddress() + g.addresses.class[g.addresses.piece(addr.WithZone(""))])
}

// Within returns the endpoints that hold addresses of a range.
func (g *Graph) Within(p netip.Prefix) []ID {
	var ids []ID
	p = p.Masked()
	last := lastOf(p)
	for i := g.addresses.piece(p.Addr()); i < int32(len(g.addresses.starts)) && g.addresses.starts[i].Compare(last) <= 0; i++ {
		ids = append(ids, g.id(g.firstAddress()+g.addresses.class[i]))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Name returns the endpoint that a DNS name outside the cluster belongs to. exact
// is false when no policy names it, and the answer is about all such names; one
// that only a pattern matches belongs to the first such pattern.
func (g *Graph) Name(name string) (id ID, exact bool) {
	name = normalName(name)
	best := len(g.outsideNames) - 1
	for i, n := range g.outsideNames {
		if n == name {
			return g.id(g.firstName() + int32(i)), true
		}
		if n != "" && len(n) > len(g.outsideNames[best]) && matchName(n, name, g.names[n]) {
			best = i
		}
	}
	return g.id(g.firstName() + int32(best)), false
}

// Verdict says on which ports connections are allowed.
type Verdict struct {
	Must PortSet // for certain
	May  PortSet // in some case; holds Must
	Why  Reasons // of the difference
}

// Answer reports whether some port is allowed.
func (v Verdict) Answer() Answer {
	switch {
	case !v.Must.Empty():
		return Yes
	case !v.May.Empty():
		return Maybe
	}
	return No
}

// On reports whether a port is allowed.
func (v Verdict) On(p Port) Answer {
	switch {
	case v.Must.Contains(p):
		return Yes
	case v.May.Contains(p):
		return Maybe
	}
	return No
}

// Equal reports whether two verdicts allow the same.
func (v Verdict) Equal(w Verdict) bool { return v.Must.Equal(w.Must) && v.May.Equal(w.May) }

// Ports returns on which ports one endpoint may connect to another. A workload
// with itself means two of its pods, or the one that it is. What is between two
// ends outside the cluster no policy says, so all is allowed.
func (g *Graph) Ports(from, to ID) Verdict {
	a := g.pair(g.unit(from), g.unit(to))
	if from == to && g.isOnePod(from) {
		a = g.loopback(a)
	}
	return g.verdict(a)
}

// pair returns what both directions say of two members of the universe.
func (g *Graph) pair(from, to int32) answerID {
	out, in := allowed, allowed
	if g.signOf[Egress][from] >= 0 {
		out = g.rowOf(Egress, g.signOf[Egress][from])[to]
	}
	if g.signOf[Ingress][to] >= 0 {
		in = g.rowOf(Ingress, g.signOf[Ingress][to])[from]
	}
	if out == allowed || out == in {
		return in
	}
	if in == allowed {
		return out
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sets.meet(out, in)
}

// isOnePod reports whether an endpoint is no more than one pod.
func (g *Graph) isOnePod(id ID) bool {
	return int(id) < len(g.workloads) && g.workloads[id].Object.Key.Kind == "Pod" && !g.several[id]
}

// loopback adds that policies may not hold within a pod.
func (g *Graph) loopback(a answerID) answerID {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.sets.answers[a]
	return g.sets.answer(answer{x.must, allPorts, x.why | whyLoopback})
}

func (g *Graph) verdict(id answerID) Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.sets.answers[id]
	return Verdict{g.sets.sets[a.must], g.sets.sets[a.may], a.why}
}
