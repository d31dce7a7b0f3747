package model

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// bare makes an object of which only the key and the tree count.
func bare(t testing.TB, key Key, owner string) *Object {
	t.Helper()
	refs := ""
	if owner != "" {
		refs = fmt.Sprintf(", ownerReferences: [{controller: true, apiVersion: apps/v1, kind: ReplicaSet, name: %s, uid: u-%s}]", owner, owner)
	}
	root, source := parse(t, fmt.Sprintf("metadata: {name: '%s', uid: 'u-%s'%s}\n", key.Name, key.Name, refs))
	return &Object{Key: key, Root: root, Source: source, pods: []PodTemplate{{}}}
}

func randomKey(r *rand.Rand) Key {
	kinds := []GroupKind{{"", "Pod"}, {"apps", "Deployment"}, {"apps", "ReplicaSet"}, {"", "Namespace"}}
	key := Key{GroupKind: kinds[r.IntN(len(kinds))], Name: fmt.Sprintf("n%d", r.IntN(6))}
	if !key.ClusterScoped() {
		key.Namespace = fmt.Sprintf("ns%d", r.IntN(3))
	}
	key.Cluster = []string{"", "b"}[r.IntN(2)]
	return key
}

// TestWithAgreesWithAMap makes random changes to snapshots and to a map, and
// compares all that can be asked; snapshots made before must not change.
func TestWithAgreesWithAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	for range 40 {
		s, model := NewSnapshot(nil, r.IntN(2) == 0), map[Key]*Object{}
		type version struct {
			s     *Snapshot
			model map[Key]*Object
		}
		var versions []version
		for range 15 {
			var changes []Change
			for range r.IntN(8) {
				key := randomKey(r)
				c := Change{Key: key}
				if r.IntN(3) > 0 {
					c.Object = bare(t, key, "")
					model[key] = c.Object
				} else {
					delete(model, key)
				}
				changes = append(changes, c)
			}
			next := s.With(changes...)
			if next.Closed != s.Closed {
				t.Fatal("With changes Closed")
			}
			s = next
			versions = append(versions, version{s, maps.Clone(model)})
		}
		for _, v := range versions {
			compareSnapshot(t, v.s, v.model)
			compareSnapshot(t, NewSnapshot(slices.Collect(maps.Values(v.model)), false), v.model)
		}
	}
}

func compareSnapshot(t *testing.T, s *Snapshot, model map[Key]*Object) {
	t.Helper()
	keys := slices.SortedFunc(maps.Keys(model), Key.Compare)
	var got []Key
	for id, o := range s.All() {
		if int(id) != len(got) {
			t.Fatalf("id %d at place %d", id, len(got))
		}
		got = append(got, o.Key)
		if model[o.Key] != o || s.Get(o.Key) != o {
			t.Fatalf("%s is another object", o.Key)
		}
	}
	if !slices.Equal(got, keys) || s.Len() != len(keys) {
		t.Fatalf("keys %v (%d), want %v", got, s.Len(), keys)
	}
	r := rand.New(rand.NewPCG(1, uint64(len(keys))))
	for range 20 {
		key := randomKey(r)
		if s.Get(key) != model[key] {
			t.Fatalf("Get(%s) differs", key)
		}
		var kind, namespace []Key
		for o := range s.Kind(key.GroupKind) {
			kind = append(kind, o.Key)
		}
		for o := range s.InNamespace(key.Cluster, key.Namespace, key.GroupKind) {
			namespace = append(namespace, o.Key)
		}
		ofKind := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.GroupKind != key.GroupKind })
		if !slices.Equal(kind, ofKind) {
			t.Fatalf("Kind(%s) yields %v, want %v", key.GroupKind, kind, ofKind)
		}
		inNamespace := slices.DeleteFunc(ofKind, func(k Key) bool { return k.Cluster != key.Cluster || k.Namespace != key.Namespace })
		if !slices.Equal(namespace, inNamespace) {
			t.Fatalf("InNamespace(%s) yields %v, want %v", key, namespace, inNamespace)
		}
	}
}

func TestLastOfEqualKeysWins(t *testing.T) {
	key := Key{Namespace: "a", GroupKind: GroupKind{"", "Pod"}, Name: "p"}
	first, last := bare(t, key, ""), bare(t, key, "")
	if s := NewSnapshot([]*Object{first, last}, false); s.Get(key) != last || s.Len() != 1 {
		t.Errorf("%d objects, the first: %v", s.Len(), s.Get(key) == first)
	}
}

func TestController(t *testing.T) {
	set := func(name string) Key {
		return Key{Namespace: "a", GroupKind: GroupKind{"apps", "ReplicaSet"}, Name: name}
	}
	pod := Key{Namespace: "a", GroupKind: GroupKind{"", "Pod"}, Name: "p"}
	chain := []*Object{bare(t, pod, "s1"), bare(t, set("s1"), "s2"), bare(t, set("s2"), "gone")}
	s := NewSnapshot(chain, false)
	if got := s.Controller(chain[0]); got != chain[2] {
		t.Errorf("the controller is %s", got.Key)
	}
	if got := s.With(Change{Key: set("s2")}).Controller(chain[0]); got != chain[1] {
		t.Errorf("without the top the controller is %s", got.Key)
	}
	self := bare(t, set("s"), "s")
	if got := NewSnapshot([]*Object{self}, false).Controller(self); got != self {
		t.Errorf("the controller of what owns itself is %s", got.Key)
	}
	elsewhere := bare(t, Key{Namespace: "b", GroupKind: pod.GroupKind, Name: "p"}, "s1")
	if got := s.Controller(elsewhere); got != elsewhere {
		t.Errorf("a controller in another namespace: %s", got.Key)
	}
	// A ring has no top: every member stands for itself.
	ring := []*Object{bare(t, set("r1"), "r2"), bare(t, set("r2"), "r1")}
	if got := NewSnapshot(ring, false).Controller(ring[0]); got != ring[0] {
		t.Errorf("the controller in a ring is %s", got.Key)
	}
	// Whoever names an owner without its uid, or one that is no workload, is judged.
	claim := bare(t, pod, "s2")
	claim.Root, claim.Source = parse(t, "metadata: {name: p, ownerReferences: [{controller: true, apiVersion: apps/v1, kind: ReplicaSet, name: s2}]}")
	if got := s.Controller(claim); got != claim {
		t.Errorf("a reference without a uid leads to %s", got.Key)
	}
	chain[2].pods = nil
	if got := s.Controller(chain[1]); got != chain[1] {
		t.Errorf("an owner without pods controls: %s", got.Key)
	}
}

func manyObjects(b *testing.B, count int) []*Object {
	b.Helper()
	objects := make([]*Object, count)
	for i := range objects {
		key := Key{Namespace: fmt.Sprintf("ns%d", i%100), GroupKind: GroupKind{"apps", "Deployment"}, Name: fmt.Sprintf("app-%d", i)}
		objects[i] = bare(b, key, "")
	}
	return objects
}

func BenchmarkNewSnapshot10000(b *testing.B) {
	objects := manyObjects(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		NewSnapshot(objects, false)
	}
}

func BenchmarkWithOneChange(b *testing.B) {
	objects := manyObjects(b, 10_000)
	s := NewSnapshot(objects, false)
	b.ReportAllocs()
	for b.Loop() {
		s.With(Change{Key: objects[77].Key, Object: objects[77]})
	}
}

// TestViewIsReadOnce asks for views from several goroutines and of several
// snapshots: a shard is read once, and again only where it was changed.
func TestViewIsReadOnce(t *testing.T) {
	var reads atomic.Int64
	count := func(sh *Shard) *int { reads.Add(1); n := len(sh.Objects()); return &n }
	pods := GroupKind{Kind: "Pod"}
	var objects []*Object
	for i := range 4 {
		objects = append(objects, bare(t, Key{GroupKind: pods, Namespace: fmt.Sprint("ns", i/2), Name: fmt.Sprint("p", i)}, ""))
	}
	s := NewSnapshot(objects, true)
	views := func(s *Snapshot) (all []*int) {
		for sh := range s.Shards(pods) {
			all = append(all, ViewOf(sh, count))
		}
		return all
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { views(s) })
	}
	group.Wait()
	if reads.Load() != 2 {
		t.Errorf("2 shards were read %d times", reads.Load())
	}
	before, after := views(s), views(s.With(Change{Key: objects[3].Key}))
	if reads.Load() != 3 || before[0] != after[0] || *before[1] != 2 || *after[1] != 1 {
		t.Errorf("after a change in one shard: %d reads, %v and %v", reads.Load(), before, after)
	}
	for sh := range s.Shards(pods) {
		if name := ViewOf(sh, func(sh *Shard) *string { n := sh.Namespace(); return &n }); *name != sh.Namespace() {
			t.Errorf("the view of another type is %q", *name)
		}
	}
	if slices.ContainsFunc(views(s), func(n *int) bool { return *n != 2 }) || reads.Load() != 3 {
		t.Error("a view of another type took the place of the first")
	}
}
