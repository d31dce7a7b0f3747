package attack

import (
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// Most of making a graph is waiting for the memory of objects. What one object
// says does not change while the object is the same, so a graph keeps what it
// read, and the next one is made of it.

// Rebuild returns what New returns for another snapshot, and reads only objects
// that this graph's snapshot does not hold.
func (g *Graph) Rebuild(s *model.Snapshot, network *reach.Graph, rights *access.Analysis) *Graph {
	return build(s, network, rights, g.options, g)
}

// memory is what was read of the objects of a graph, in the order of the snapshot.
type memory struct {
	pods     []podFact
	makers   []makerFact // ReplicaSets and Jobs
	secrets  []secretFact
	accounts []accountFact
}

// place is the namespace and the name of an object, which are looked at without
// its memory. Namespaces are the strings of the graph, so that equal ones are one.
type place struct {
	namespace, name string
}

func (b *builder) placeOf(o *model.Object) place {
	if o.Key.Namespace != b.lastNamespace || b.lastNamespace == "" { // objects come by namespace
		b.lastNamespace = b.namespaces[b.namespace(o.Key.Namespace)]
	}
	return place{b.lastNamespace, o.Key.Name}
}

// podFact is what is kept of a Pod. Hashes of 0 stand for what is not there.
type podFact struct {
	object *model.Object
	place
	node  string
	hash  uint64 // of node
	maker uint64 // the uid of its controller
	ipv6  answer // it has such an address
	of    int32  // the workload that it is a pod of, where placed; else none or unplaced
}

// unplaced says that it was not looked for whose pod one is.
const unplaced = none - 1

// makerFact is what is kept of an object that makes pods and that others make.
type makerFact struct {
	object *model.Object
	place
	uid, maker uint64
}

type secretFact struct {
	object *model.Object
	place
	hash      uint64 // of the name
	token     bool
	bootstrap bool // the type of bootstrap tokens
}

type accountFact struct {
	object *model.Object
	place
	hash uint64 // of the name
	says bool   // more than its name
}

// lookahead is how many facts a cursor passes over for objects that are gone.
const lookahead = 8

// cursor walks facts along with the objects of a kind: both are in key order.
type cursor[F any] struct {
	facts []F
	at    int
}

// find returns the fact about an object, where it was read before.
func (c *cursor[F]) find(o *model.Object, object func(*F) *model.Object) *F {
	for i := c.at; i < len(c.facts) && i < c.at+lookahead; i++ {
		if object(&c.facts[i]) == o {
			c.at = i + 1
			return &c.facts[i]
		}
	}
	return nil
}

// remembered returns for each object of a kind what was read of it, which read makes when
// it was not read before. Where nothing has changed that is before itself.
func remembered[F any](b *builder, gk model.GroupKind, before []F, object func(*F) *model.Object, read func(*model.Object) F) []F {
	total := func() (n int) {
		for shard := range b.snapshot.Shards(gk) {
			n += len(shard.Objects())
		}
		return n
	}
	if len(before) == 0 {
		all := make([]F, 0, total())
		b.each(gk, func(o *model.Object) { all = append(all, read(o)) })
		return all
	}
	c := cursor[F]{facts: before}
	var all []F // nil as long as nothing has changed
	for o := range b.snapshot.Kind(gk) {
		if all == nil {
			if c.at < len(before) && object(&before[c.at]) == o {
				c.at++
				continue
			}
			all = append(make([]F, 0, total()), before[:c.at]...)
		}
		if f := c.find(o, object); f != nil {
			all = append(all, *f)
		} else {
			all = append(all, read(o))
		}
	}
	if all == nil {
		return before[:c.at:c.at]
	}
	return all
}

func (b *builder) readPod(o *model.Object) podFact {
	f := podFact{object: o, place: b.placeOf(o), maker: makerOf(o), ipv6: hasIPv6(o.Root), of: unplaced}
	if name := o.Root.Get("spec").Get("nodeName"); name.Str() != "" && !o.Ended() {
		f.node, f.hash = name.Str(), name.Hash()
	}
	return f
}

func (b *builder) readMaker(o *model.Object) makerFact {
	return makerFact{o, b.placeOf(o), hashOf(o.Root.Get("metadata").Get("uid")), makerOf(o)}
}

func (b *builder) readSecret(o *model.Object) secretFact {
	f := secretFact{object: o, place: b.placeOf(o), hash: nameOf(o).Hash()}
	switch kind := o.Root.Get("type"); {
	case kind == nil:
	case kind.Is(tree.Unknown): // of a cluster's Secrets only the metadata is read
		// The controller that fills a token in writes the account's uid.
		f.token = o.Root.Get("metadata").Get("annotations").Get("kubernetes.io/service-account.uid") != nil
		f.bootstrap = strings.HasPrefix(o.Key.Name, "bootstrap-token-")
	default:
		f.token, f.bootstrap = kind.Hash() == tokenType, kind.Hash() == bootstrapType
	}
	return f
}

func (b *builder) readAccount(o *model.Object) accountFact {
	return accountFact{o, b.placeOf(o), nameOf(o).Hash(), o.Root.Get("metadata").Get("annotations") != nil || o.Root.Get("automountServiceAccountToken") != nil}
}

// makerOf returns the uid of an object's controller.
func makerOf(o *model.Object) uint64 {
	owners := o.Root.Get("metadata").Get("ownerReferences")
	for i := range owners.Children() {
		if ref := owners.At(i); ref.Get("controller").True() {
			return hashOf(ref.Get("uid"))
		}
	}
	return 0
}

func hashOf(n *tree.Node) uint64 {
	if n.Str() == "" {
		return 0
	}
	return n.Hash()
}

// recall adds a workload as the graph before has it, when its object is the same.
func (b *builder) recall(template model.Workload, ns int32) bool {
	if b.before == nil {
		return false
	}
	list := b.before.workloads
	for i := b.recalled; i < len(list) && i < b.recalled+lookahead; i++ {
		old := &list[i]
		if old.Object != template.Object || old.Pod.Spec != template.Pod.Spec {
			continue
		}
		b.recalled = i + 1
		w := *old
		w.namespace, w.account = ns, b.account(ns, old.accountHash, b.before.accounts[old.account].Name)
		w.root, w.files, w.endpoint, w.placed, w.targets = none, none, none, span{}, span{}
		w.first = int32(len(b.Graph.containers))
		for _, c := range b.before.containers[old.first:old.last] {
			ports := b.before.listens[c.declared.first:c.declared.last]
			c.workload, c.declared.first = int32(len(b.Graph.workloads)), int32(len(b.listens))
			b.listens = append(b.listens, ports...)
			c.declared.last = int32(len(b.listens))
			c.listens = c.declared
			uses := b.before.uses[c.uses.first:c.uses.last]
			c.uses.first = int32(len(b.uses))
			b.uses = append(b.uses, uses...)
			c.uses.last = int32(len(b.uses))
			b.Graph.containers = append(b.Graph.containers, c)
		}
		w.last = int32(len(b.Graph.containers))
		b.append(&w)
		return true
	}
	return false
}

// sameMakers reports whether all that makes pods is what it was in the graph before,
// so that its pods are those of the same workloads.
func (b *builder) sameMakers() bool {
	old := b.before
	if old == nil || len(old.workloads) != len(b.Graph.workloads) || len(old.memory.makers) != len(b.memory.makers) {
		return false
	}
	for i := range b.Graph.workloads {
		x, y := &b.Graph.workloads[i], &old.workloads[i]
		if x.Object != y.Object && (x.Object.Key != y.Object.Key || x.uid != y.uid) {
			return false
		}
	}
	for i := range b.memory.makers {
		if b.memory.makers[i].object != old.memory.makers[i].object {
			return false
		}
	}
	return true
}

// sameEndpoints takes over where workloads are in the network, when neither the
// network nor the keys of workloads have changed.
func (b *builder) sameEndpoints() bool {
	old := b.before
	if old == nil || old.network != b.network || len(old.workloads) != len(b.Graph.workloads) {
		return false
	}
	for i := range b.Graph.workloads {
		x, y := &b.Graph.workloads[i], &old.workloads[i]
		if x.Object != y.Object && (x.Object.Key != y.Object.Key || len(x.Object.Pods()) != 1 || len(y.Object.Pods()) != 1) {
			return false
		}
	}
	for i := range b.Graph.workloads {
		b.Graph.workloads[i].endpoint, b.Graph.workloads[i].targets = old.workloads[i].endpoint, old.workloads[i].targets
	}
	b.workloadOf, b.further, b.ways, b.targets = old.workloadOf, old.further, old.ways, old.targets
	return true
}
