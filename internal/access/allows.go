package access

import (
	"slices"
	"sync"

	"ullage.dev/ullage/internal/tree"
)

// Allows returns by what a subject may make a request about a resource, as
// [Analysis.Can] does, and nothing else. The proof is nil for the group
// system:masters. Whoever asks many questions about a subject of many bindings asks
// here: bindings that cannot allow the request are not looked at.
func (a *Analysis) Allows(s Subject, q *Request) (*Proof, bool) {
	if s == Group(masters) {
		return nil, true
	}
	var all []int32
	add := func(list []int32) {
		if q.Namespace == AnyNamespace {
			all = append(all, list...)
			return
		}
		cluster, within := a.in(q.Namespace, list)
		all = append(append(all, cluster...), within...)
	}
	a.lists(s, nil, func(id int32) {
		if list := a.heldOf(id); len(list) <= fewBindings || q.URL != "" {
			add(list)
			return
		}
		a.lookups.of(a, id).candidates(q, add)
	})
	slices.Sort(all)
	find := q.finder()
	for _, id := range slices.Compact(all) {
		b := Binding{a, id}
		if role := b.Role(); role != nil && b.covers(q) {
			if source, rule, ok := find.In(role); ok {
				return &Proof{b.As(s, nil), b, source, rule}, true
			}
		}
	}
	return nil, false
}

// fewBindings are looked at one by one.
const fewBindings = 32

// lookups finds bindings of subjects that have many, by what their rules name. It is
// made when first asked for, and for any number of goroutines.
type lookups struct{ bySubject sync.Map }

func (l *lookups) of(a *Analysis, subject int32) *lookup {
	if known, ok := l.bySubject.Load(subject); ok {
		return known.(*lookup)
	}
	made, _ := l.bySubject.LoadOrStore(subject, newLookup(a, a.heldOf(subject)))
	return made.(*lookup)
}

// lookup are bindings of one subject, in order.
type lookup struct {
	always []int32            // whose roles aggregate others, which are not looked through
	by     map[uint64][]int32 // by a resource and a name of their rules
}

// anyName stands for the names of a rule that is about all.
const anyName uint64 = 1

func newLookup(a *Analysis, held []int32) *lookup {
	l := &lookup{by: map[uint64][]int32{}}
	for _, id := range held {
		if a.bindings[id].role == none {
			continue
		}
		role := &a.roles[a.bindings[id].role]
		if role.component != nil {
			l.always = append(l.always, id)
			continue
		}
		for rule := range role.written() {
			l.add(rule, id)
		}
	}
	return l
}

func (l *lookup) add(rule Rule, binding int32) {
	names := rule.Node.Get("resourceNames").Children()
	resources := rule.Node.Get("resources").Children()
	put := func(key uint64) {
		if list := l.by[key]; len(list) == 0 || list[len(list)-1] != binding {
			l.by[key] = append(list, binding)
		}
	}
	for i := range resources {
		if len(names) == 0 {
			put(tree.Mix(resources[i].Hash(), anyName))
		}
		for j := range names {
			put(tree.Mix(resources[i].Hash(), names[j].Hash()))
		}
	}
}

// candidates calls each for lists of the bindings that may allow a request, each in
// order.
func (l *lookup) candidates(q *Request, each func([]int32)) {
	each(l.always)
	whole := q.Resource
	if q.Subresource != "" {
		whole += "/" + q.Subresource
	}
	name := hashOf(q.Name)
	for i, resource := range []string{whole, "*", "*/" + q.Subresource} {
		if i == 2 && q.Subresource == "" {
			break
		}
		at := hashOf(resource)
		each(l.by[tree.Mix(at, anyName)])
		each(l.by[tree.Mix(at, name)])
	}
}
