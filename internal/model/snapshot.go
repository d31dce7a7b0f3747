package model

import (
	"iter"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// Snapshot is an immutable set of objects, at most one for each key.
//
// Ids number the objects from 0 in key order and are valid within one snapshot
// only; across snapshots use keys.
type Snapshot struct {
	// Closed says that the snapshot holds everything there is, but for its gaps.
	// In an open snapshot the absence of an object is unknown. Ask Complete
	// whether the absence of objects of a kind means anything.
	Closed bool

	gaps   map[GroupKind]*Gap
	shards []*Shard // ordered by shardKey

	labels  atomic.Pointer[map[string]*LabelIndex] // see byNamespace
	indexed sync.Once
	// before is the index of the snapshot that this one was made of, where it had
	// one, and stale the namespaces in which it does not hold.
	before map[string]*LabelIndex
	stale  map[string]bool
}

// Shard holds the objects of one type in one namespace, by name. It never
// changes, and snapshots share it: [Snapshot.With] replaces those that it touches.
type Shard struct {
	key     Key // without a name
	objects []*Object

	once sync.Once
	view any // see ViewOf
}

// Namespace returns the namespace of the objects, "" for cluster-scoped ones.
func (s *Shard) Namespace() string { return s.key.Namespace }

// Objects returns the objects, which must not be changed.
func (s *Shard) Objects() []*Object { return s.objects }

// ViewOf returns what read makes of a shard. That is kept with the shard: who
// asks again, of this snapshot or of any that shares the shard, is given the same
// value. A shard keeps one view, so a type of objects should have one reader; for
// a view of another type, read is called each time.
func ViewOf[T any](s *Shard, read func(*Shard) *T) *T {
	s.once.Do(func() { s.view = read(s) })
	if view, ok := s.view.(*T); ok {
		return view
	}
	return read(s)
}

// Change puts an object in place of the one with the same key, or removes it
// when Object is nil.
type Change struct {
	Key    Key
	Object *Object
}

// NewSnapshot makes a snapshot. Of several objects with one key the last wins,
// and of several gaps in one kind the first.
func NewSnapshot(objects []*Object, closed bool, gaps ...Gap) *Snapshot {
	changes := make([]Change, len(objects))
	for i, o := range objects {
		changes[i] = Change{o.Key, o}
	}
	return (&Snapshot{Closed: closed, gaps: byKind(gaps)}).With(changes...)
}

// With returns a snapshot in which the changes were made in order. It shares
// all that did not change: the cost is that of the touched types in the touched
// namespaces, not that of the snapshot.
func (s *Snapshot) With(changes ...Change) *Snapshot {
	byShard := map[Key][]Change{}
	for _, c := range changes {
		byShard[shardKey(c.Key)] = append(byShard[shardKey(c.Key)], c)
	}
	next := &Snapshot{Closed: s.Closed, gaps: s.gaps, shards: make([]*Shard, 0, len(s.shards)+len(byShard))}
	for _, old := range s.shards {
		if changes, touched := byShard[old.key]; touched {
			old = old.with(changes)
			delete(byShard, old.key)
		}
		if len(old.objects) > 0 {
			next.shards = append(next.shards, old)
		}
	}
	for key, changes := range byShard {
		if made := (&Shard{key: key}).with(changes); len(made.objects) > 0 {
			next.shards = append(next.shards, made)
		}
	}
	slices.SortFunc(next.shards, func(a, b *Shard) int { return a.key.Compare(b.key) })
	if known := s.labels.Load(); known != nil {
		next.before, next.stale = *known, s.touches(changes)
	}
	return next
}

// touches returns the namespaces in which changes are of workloads, or of what may
// make some.
func (s *Snapshot) touches(changes []Change) map[string]bool {
	touched := map[string]bool{}
	for _, c := range changes {
		old := s.Get(c.Key)
		if old != nil && len(old.pods) > 0 || c.Object != nil && len(c.Object.pods) > 0 {
			touched[c.Key.Namespace] = true
		}
	}
	return touched
}

func shardKey(k Key) Key {
	k.Name = ""
	return k
}

func (s *Shard) with(changes []Change) *Shard {
	latest := make(map[string]*Object, len(changes))
	for _, c := range changes {
		latest[c.Key.Name] = c.Object
	}
	next := &Shard{key: s.key, objects: make([]*Object, 0, len(s.objects)+len(latest))}
	for _, o := range s.objects {
		if _, touched := latest[o.Key.Name]; !touched {
			next.objects = append(next.objects, o)
		}
	}
	for _, o := range latest {
		if o != nil {
			next.objects = append(next.objects, o)
		}
	}
	slices.SortFunc(next.objects, func(a, b *Object) int { return a.Key.Compare(b.Key) })
	return next
}

// Get returns the object with the key, or nil.
func (s *Snapshot) Get(key Key) *Object {
	want := shardKey(key)
	i := sort.Search(len(s.shards), func(i int) bool { return s.shards[i].key.Compare(want) >= 0 })
	if i == len(s.shards) || s.shards[i].key != want {
		return nil
	}
	objects := s.shards[i].objects
	j := sort.Search(len(objects), func(j int) bool { return objects[j].Key.Name >= key.Name })
	if j == len(objects) || objects[j].Key.Name != key.Name {
		return nil
	}
	return objects[j]
}

// Len returns the number of objects.
func (s *Snapshot) Len() int {
	n := 0
	for _, sh := range s.shards {
		n += len(sh.objects)
	}
	return n
}

// All yields the objects with their ids, in key order.
func (s *Snapshot) All() iter.Seq2[ID, *Object] {
	return func(yield func(ID, *Object) bool) {
		id := ID(0)
		for _, sh := range s.shards {
			for _, o := range sh.objects {
				if !yield(id, o) {
					return
				}
				id++
			}
		}
	}
}

// ID numbers an object within one snapshot.
type ID uint32

// Kind yields the objects of a type in all namespaces, in key order.
func (s *Snapshot) Kind(gk GroupKind) iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		for _, sh := range s.shards {
			if sh.key.GroupKind != gk {
				continue
			}
			for _, o := range sh.objects {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// Shards yields the objects of a type, those of each namespace together, in key
// order.
func (s *Snapshot) Shards(gk GroupKind) iter.Seq[*Shard] {
	return func(yield func(*Shard) bool) {
		for _, sh := range s.shards {
			if sh.key.GroupKind == gk && !yield(sh) {
				return
			}
		}
	}
}

// InNamespace yields the objects of a type in one namespace, in key order.
func (s *Snapshot) InNamespace(cluster, namespace string, gk GroupKind) iter.Seq[*Object] {
	want := Key{Cluster: cluster, Namespace: namespace, GroupKind: gk}
	return func(yield func(*Object) bool) {
		i := sort.Search(len(s.shards), func(i int) bool { return s.shards[i].key.Compare(want) >= 0 })
		if i == len(s.shards) || s.shards[i].key != want {
			return
		}
		for _, o := range s.shards[i].objects {
			if !yield(o) {
				return
			}
		}
	}
}

// Controller returns the workload at the top of the chain of controllers that
// made o, as far as the snapshot holds it; o itself when nothing did.
//
// Only a workload that a workload made is followed, and only where the reference
// has the owner's uid: else whoever writes an object could claim an owner and be
// judged by it.
func (s *Snapshot) Controller(o *Object) *Object {
	top := o
	for range longestChain {
		owner := s.controller(top)
		if owner == nil {
			return top
		}
		top = owner
	}
	return o
}

// longestChain is of how many controllers a chain is at most: one without an end has
// no top.
const longestChain = 8

// Controllers returns the chain at whose top [Snapshot.Controller] is, the nearest
// first: of a pod its ReplicaSet and that one's Deployment.
func (s *Snapshot) Controllers(o *Object) (chain []*Object) {
	for owner := s.controller(o); owner != nil; owner = s.controller(owner) {
		if chain = append(chain, owner); len(chain) == longestChain {
			return nil
		}
	}
	return chain
}

// controller returns the workload that made o, or nil.
func (s *Snapshot) controller(o *Object) *Object {
	if len(o.pods) == 0 {
		return nil
	}
	refs := o.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		ref := refs.At(i)
		if !ref.Get("controller").True() {
			continue
		}
		gk := GroupKind{Group: GroupOf(ref.Get("apiVersion").Str()), Kind: ref.Get("kind").Str()}
		owner := s.Get(Key{Cluster: o.Key.Cluster, Namespace: o.Key.Namespace, GroupKind: gk, Name: ref.Get("name").Str()})
		if owner == nil || len(owner.pods) == 0 {
			return nil
		}
		if uid := owner.Root.Dig("metadata", "uid").Str(); uid == "" || uid != ref.Get("uid").Str() {
			return nil
		}
		return owner
	}
	return nil
}

// Made reports whether another object of the snapshot made the pods of o: what o
// says of them is said there.
func (s *Snapshot) Made(o *Object) bool { return len(o.pods) > 0 && s.Controller(o) != o }

// PodTemplates yields the pod templates that no other object of the snapshot made,
// in key order.
func (s *Snapshot) PodTemplates() iter.Seq2[*Object, *PodTemplate] {
	return s.podTemplates(func(string) bool { return true })
}

// podTemplates yields those of some namespaces.
func (s *Snapshot) podTemplates(in func(namespace string) bool) iter.Seq2[*Object, *PodTemplate] {
	return func(yield func(*Object, *PodTemplate) bool) {
		for _, sh := range s.shards {
			if !in(sh.key.Namespace) {
				continue
			}
			for _, o := range sh.objects {
				if s.Made(o) {
					continue
				}
				for i := range o.pods {
					if !yield(o, &o.pods[i]) {
						return
					}
				}
			}
		}
	}
}
