package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// binding is what is kept of a binding. Lists with positions take far less
// memory than slices.
type binding struct {
	object      *model.Object // nil for one that every cluster has
	namespace   int32
	role        int32 // none when it was not read
	first, last int32 // its part of holders
}

// subject is what is kept of a Subject.
type subject struct {
	name      string
	namespace int32
	kind      subjectKind
}

type subjectKind uint8

const (
	user subjectKind = iota
	group
	account
	granted
)

var kindNames = [...]string{user: kindUser, group: kindGroup, account: kindAccount, granted: kindGranted}

const none = -1

// namespace returns the id of a namespace.
func (a *Analysis) namespace(name string, hash uint64) int32 {
	id, added := a.namespaceIDs.add(hash)
	if added {
		a.namespaces = append(a.namespaces, name)
	}
	return id
}

func (a *Analysis) readBindings() {
	total := count(a.snapshot, model.ClusterRoleBindingKind) + count(a.snapshot, model.RoleBindingKind) + len(builtinBindings)
	a.bindings = make([]binding, 0, total)
	a.holders = make([]int32, 0, total)
	a.subjects = make([]subject, 0, total)
	a.subjectIDs = newTable(total)
	a.assumeBindings()
	for _, gk := range bindingKinds {
		for shard := range a.snapshot.Shards(gk) {
			a.addBindings(shard, model.ViewOf(shard, readBindings))
		}
		if gk == model.ClusterRoleBindingKind {
			a.clusterWide = int32(len(a.bindings))
		}
	}
}

func count(s *model.Snapshot, gk model.GroupKind) int {
	n := 0
	for shard := range s.Shards(gk) {
		n += len(shard.Objects())
	}
	return n
}

// addBindings adds the bindings of a namespace.
func (a *Analysis) addBindings(shard *model.Shard, written *writtenBindings) {
	namespace, first := a.namespace(shard.Namespace(), written.namespace), int32(len(a.bindings))
	for i, o := range shard.Objects() {
		w := &written.bindings[i]
		b := binding{object: o, namespace: namespace, role: a.roleIDs.get(w.role), first: int32(len(a.holders))}
		for j := w.first; j < w.last; j++ {
			a.holders = append(a.holders, a.holder(&written.subjects[j], namespace))
		}
		b.last = int32(len(a.holders))
		a.bindings = append(a.bindings, b)
	}
	if more := len(a.namespaces) - len(a.within); more > 0 {
		a.within = append(a.within, make([]span, more)...)
	}
	if namespace != 0 {
		a.within[namespace] = span{first, int32(len(a.bindings))}
	}
}

// holder returns the id of a subject of a binding in a namespace.
func (a *Analysis) holder(s *writtenSubject, namespace int32) int32 {
	id, added := a.subjectIDs.add(s.key)
	if added {
		switch {
		case s.kind != account:
			namespace = 0
		case s.namespaceHash != 0:
			namespace = a.namespace(s.namespace, s.namespaceHash)
		}
		a.subjects = append(a.subjects, subject{s.name, namespace, s.kind})
	}
	return id
}

func (s Subject) key() uint64 {
	switch s.Kind {
	case kindAccount:
		return identity(accountHash, hashOf(s.Namespace), hashOf(s.Name))
	case kindGroup:
		return identity(groupHash, emptyHash, hashOf(s.Name))
	}
	return identity(userHash, emptyHash, hashOf(s.Name))
}

// id returns the id of a subject, or none when no binding names it.
func (a *Analysis) id(s Subject) int32 {
	if s.Granted() {
		return a.grants.id(s)
	}
	return a.subjectIDs.get(s.canonical().key())
}

func (a *Analysis) subject(id int32) Subject {
	s := &a.subjects[id]
	return Subject{kindNames[s.kind], a.namespaces[s.namespace], s.name}
}

// index gives each subject its bindings, in order, and its masks.
func (a *Analysis) index() {
	n := len(a.subjects)
	start := make([]int32, n+1)
	for _, s := range a.holders {
		start[s+1]++
	}
	for s := range n {
		start[s+1] += start[s]
	}
	held, next := make([]int32, len(a.holders)), slices.Clone(start[:n])
	for id := range a.bindings {
		b := &a.bindings[id]
		for _, s := range a.holders[b.first:b.last] {
			held[next[s]] = int32(id)
			next[s]++
		}
	}
	a.held, a.heldStart = held, start
	a.gives = make([]bothScopes, len(a.roles))
	for i := range a.roles {
		a.gives[i] = a.roles[i].gives
	}
	a.cluster = make([]Rights, n)
	a.scoped = make([]Scoped, 0, len(held))
	a.scopedStart = make([]int32, n+1)
	for s := range n {
		a.mask(int32(s))
		a.scopedStart[s+1] = int32(len(a.scoped))
	}
	a.indexGroups()
}

// mask computes the rights of one subject by the bindings that name it. Those of
// the whole cluster come first, and those of one namespace together.
func (a *Analysis) mask(s int32) {
	first := len(a.scoped)
	var cluster Rights
	for _, id := range a.held[a.heldStart[s]:a.heldStart[s+1]] {
		b := &a.bindings[id]
		if b.role == none {
			continue
		}
		rights := a.gives[b.role]
		if b.namespace == 0 {
			cluster |= rights.cluster
			continue
		}
		if rights.namespaced == 0 {
			continue
		}
		name := a.namespaces[b.namespace]
		if last := len(a.scoped) - 1; last >= first && a.scoped[last].Namespace == name {
			a.scoped[last].Rights |= rights.namespaced
		} else {
			a.scoped = append(a.scoped, Scoped{name, rights.namespaced})
		}
	}
	if a.subjects[s].kind == group && a.subjects[s].name == masters {
		cluster = everything
	}
	a.cluster[s] = cluster
}

// indexGroups prepares what the groups give that Kubernetes puts service
// accounts into.
func (a *Analysis) indexGroups() {
	a.everybody = a.members(authenticated, serviceAccounts)
	a.accountsIn = make([]int32, len(a.namespaces))
	for i := range a.accountsIn {
		a.accountsIn[i] = none
	}
	for id := range a.subjects {
		s := &a.subjects[id]
		namespace, ok := strings.CutPrefix(s.name, serviceAccounts+":")
		if s.kind != group || !ok {
			continue
		}
		if ns := a.namespaceIDs.get(hashOf(namespace)); ns != none {
			a.accountsIn[ns] = int32(id)
		}
	}
}

// members returns what bindings give to all members of groups.
func (a *Analysis) members(groups ...string) Held {
	var h Held
	for _, name := range groups {
		if id := a.id(Group(name)); id != none {
			h.add(a.own(id))
		}
	}
	return h
}
