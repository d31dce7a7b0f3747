// Package access answers what Kubernetes RBAC lets subjects do.
//
// [New] reads the roles and bindings of one snapshot, and knows the ClusterRoles
// and bindings that every cluster has. [Analysis.Can], [Analysis.WhoCan] and
// [Analysis.List] answer with the binding, the role and the rule, as the RBAC
// authorizer of the API server decides. [Analysis.Rights] answers in terms of a
// catalogue of [Right]s that are dangerous to hold, at the cost of a lookup: one
// mask for each subject and namespace. [Analysis.Dangers] lists who holds them.
//
// The group system:masters is above all rules. What other authorizers allow
// (that for nodes, webhooks) is not known here.
package access

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
)

// Analysis is the RBAC of one snapshot, which holds the objects of one cluster.
// It is immutable.
type Analysis struct {
	snapshot     *model.Snapshot
	clusterName  string // of the roles and bindings
	roles        []Role
	roleIDs      table
	bindings     []binding
	clusterWide  int32    // how many bindings hold in the whole cluster: they come first
	within       []span   // the other bindings, by namespace
	assumed      []string // names of the bindings that every cluster has, the first of all
	holders      []int32  // subjects of all bindings; each has a part of it
	subjects     []subject
	subjectIDs   table
	namespaces   []string // "" first
	namespaceIDs table

	// Bindings of each subject, and its rights in namespaces: those of subject s
	// are at [start[s]:start[s+1]].
	held, heldStart []int32
	gives           []bothScopes // of each role
	scoped          []Scoped
	scopedStart     []int32
	cluster         []Rights // of each subject, in the whole cluster

	everybody  Held             // what the groups give that hold every service account
	accountsIn []int32          // the group of a namespace's service accounts, or none
	byRole     func() [][]int32 // bindings of each role
	lookups    *lookups
	powers     func() *powerIndex
	granting   func() *Analysis
	grants     *grants // of an Analysis of Granting, or nil
}

// span is a part of a list.
type span struct{ first, last int32 }

// New reads the roles and bindings of a snapshot.
func New(s *model.Snapshot) *Analysis {
	a := &Analysis{snapshot: s, clusterName: clusterOf(s), lookups: &lookups{}}
	a.namespace("", emptyHash)
	a.readRoles()
	a.readBindings()
	a.index()
	a.byRole = sync.OnceValue(a.indexRoles)
	a.powers = sync.OnceValue(func() *powerIndex { return newPowerIndex(a) })
	a.granting = sync.OnceValue(a.grow)
	return a
}

// everything is what is held by those whom no rule limits.
const everything = Rights(1<<rightCount - 1)

// Scoped are rights in one namespace.
type Scoped struct {
	Namespace string
	Rights    Rights
}

// Held are the dangerous rights of a subject.
type Held struct {
	Cluster    Rights   // in the whole cluster
	Namespaces []Scoped // in single namespaces, by name; some may be held in the whole cluster too
}

// In returns the rights in one namespace: those of the whole cluster, those of
// the namespace, and what they make together.
func (h Held) In(namespace string) Rights {
	rights := h.Cluster
	i, ok := slices.BinarySearchFunc(h.Namespaces, namespace, func(s Scoped, name string) int { return strings.Compare(s.Namespace, name) })
	if ok {
		rights |= h.Namespaces[i].Rights
	}
	return rights.Complete()
}

// add merges other rights into these.
func (h *Held) add(other Held) {
	h.Cluster |= other.Cluster
	h.Namespaces = merge(h.Namespaces, other.Namespaces)
}

// merge returns the union of two lists, both by namespace.
func merge(a, b []Scoped) []Scoped {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	all := make([]Scoped, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := strings.Compare(a[0].Namespace, b[0].Namespace); {
		case order < 0:
			all, a = append(all, a[0]), a[1:]
		case order > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			all = append(all, Scoped{a[0].Namespace, a[0].Rights | b[0].Rights})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// Rights returns the dangerous rights of a subject, those of the groups included
// that Kubernetes puts it into by its name. The result shares memory: it must
// not be changed.
//
// Rights over objects of some names only are not in it: see [Analysis.Restricted].
func (a *Analysis) Rights(s Subject) Held {
	if id := a.id(s); id != none {
		return a.rights(id)
	}
	h := a.members(groupsOf(s.canonical())...)
	h.Cluster = h.Cluster.Complete()
	return h
}

func (a *Analysis) rights(id int32) Held {
	h := a.own(id)
	switch s := &a.subjects[id]; s.kind {
	case account:
		h.add(a.everybody)
		if in := a.accountsIn[s.namespace]; in != none {
			h.add(a.own(in))
		}
	case granted:
		h.add(a.Rights(a.grantedBy(a.subject(id)).Base))
	default:
		h.add(a.members(groupsOf(a.subject(id))...))
	}
	h.Cluster = h.Cluster.Complete()
	return h
}

// own returns the rights by the bindings that name a subject.
func (a *Analysis) own(id int32) Held {
	first, last := a.scopedStart[id], a.scopedStart[id+1]
	return Held{a.cluster[id], a.scoped[first:last:last]}
}

// Subjects yields the subjects that bindings name, each once, with its rights.
func (a *Analysis) Subjects() iter.Seq2[Subject, Held] {
	return func(yield func(Subject, Held) bool) {
		for id := range a.subjects {
			if !yield(a.subject(int32(id)), a.rights(int32(id))) {
				return
			}
		}
	}
}
