package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
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
)

var kindNames = [...]string{user: kindUser, group: kindGroup, account: kindAccount}

const none = -1

// Subjects and roles are found by keys made of the hashes that sealing gave to
// nodes: reading a binding compares and copies no text of values.
var (
	emptyHash       = hashOf("")
	accountHash     = hashOf(kindAccount)
	userHash        = hashOf(kindUser)
	groupHash       = hashOf(kindGroup)
	roleHash        = hashOf("Role")
	clusterRoleHash = hashOf("ClusterRole")
)

// identity is the key of a subject, and of a role.
func identity(kind, namespace, name uint64) uint64 { return tree.Mix(tree.Mix(kind, namespace), name) }

// textHash returns the hash of a text, and that of "" for what is none.
func textHash(n *tree.Node) uint64 {
	if n.Is(tree.String) {
		return n.Hash()
	}
	return emptyHash
}

// namespace returns the id of a namespace.
func (a *Analysis) namespace(name string, hash uint64) int32 {
	id, added := a.namespaceIDs.add(hash)
	if added {
		a.namespaces = append(a.namespaces, name)
	}
	return id
}

// bindingReader reads bindings, those of one namespace after the other.
type bindingReader struct {
	*Analysis
	refs   table   // references to ClusterRoles, by hash
	roleOf []int32 // for each of refs
	id     int32   // of the namespace of the binding
	hash   uint64
}

func (a *Analysis) readBindings() {
	total := count(a.snapshot, clusterRoleBindingKind) + count(a.snapshot, roleBindingKind) + len(builtinBindings)
	a.bindings = make([]binding, 0, total)
	a.holders = make([]int32, 0, total)
	a.subjects = make([]subject, 0, total)
	a.subjectIDs = newTable(total)
	a.assumeBindings()
	r := bindingReader{Analysis: a, refs: newTable(len(a.roles)), roleOf: make([]int32, 0, len(a.roles))}
	for _, gk := range bindingKinds {
		for namespace, objects := range a.snapshot.ByNamespace(gk) {
			r.hash = hashOf(namespace)
			r.id = a.namespace(namespace, r.hash)
			for block := range slices.Chunk(objects, blockSize) {
				r.touched += touch(block)
				for _, o := range block {
					r.read(o)
				}
			}
		}
	}
}

func count(s *model.Snapshot, gk model.GroupKind) int {
	n := 0
	for _, objects := range s.ByNamespace(gk) {
		n += len(objects)
	}
	return n
}

const blockSize = 16

// touch looks at what reading a block of objects will look at: along their last
// children, where subjects and rules stand. Nearly all of the time of reading is
// spent waiting for memory, for one object after the other; these waits overlap,
// and all together take less than half. The result only keeps the compiler from
// leaving them out.
func touch(block []*model.Object) (sum uint64) {
	var at [blockSize]*tree.Node
	for i, o := range block {
		at[i] = o.Root
		sum += o.Root.Hash()
	}
	for range 3 {
		for i, n := range at[:len(block)] {
			kids := n.Children()
			for j := range kids {
				sum += kids[j].Hash()
				if key := kids[j].Key(); key != "" {
					sum += uint64(key[0])
				}
			}
			if len(kids) > 0 {
				at[i] = &kids[len(kids)-1]
			}
		}
	}
	return sum
}

func (r *bindingReader) read(o *model.Object) {
	b := binding{object: o, namespace: r.id, role: none, first: int32(len(r.holders))}
	kids := o.Root.Children()
	for i := range kids {
		switch kid := &kids[i]; {
		case kid.Is(tree.Map) && kid.Key() == "roleRef":
			b.role = r.role(kid)
		case kid.Is(tree.List) && kid.Key() == "subjects":
			for j := range kid.Children() {
				if id := r.subject(&kid.Children()[j]); id != none {
					r.holders = append(r.holders, id)
				}
			}
		}
	}
	b.last = int32(len(r.holders))
	r.bindings = append(r.bindings, b)
}

func (r *bindingReader) role(ref *tree.Node) int32 {
	if at := r.refs.get(ref.Hash()); at != none {
		return r.roleOf[at]
	}
	kind, name := textHash(ref.Get("kind")), textHash(ref.Get("name"))
	switch {
	case kind == clusterRoleHash:
		r.refs.add(ref.Hash())
		r.roleOf = append(r.roleOf, r.roleIDs.get(identity(clusterRoleHash, emptyHash, name)))
		return r.roleOf[len(r.roleOf)-1]
	case kind == roleHash && r.id != 0:
		return r.roleIDs.get(identity(roleHash, r.hash, name))
	}
	return none
}

// subject returns the id of a subject of a binding, or none for what the API
// server takes for no subject.
func (r *bindingReader) subject(n *tree.Node) int32 {
	var kind, namespace, name *tree.Node
	kids := n.Children()
	for i := range kids {
		switch kids[i].Key() {
		case "kind":
			kind = &kids[i]
		case "name":
			name = &kids[i]
		case "namespace":
			namespace = &kids[i]
		}
	}
	switch textHash(kind) {
	case accountHash:
		id, hash := r.id, r.hash
		if h := textHash(namespace); h != emptyHash && h != hash {
			id, hash = r.namespace(namespace.Str(), h), h
		}
		if id == 0 {
			return none
		}
		return r.intern(identity(accountHash, hash, textHash(name)), subject{name.Str(), id, account})
	case userHash:
		if strings.HasPrefix(name.Str(), accountPrefix) {
			return r.add(User(name.Str()))
		}
		return r.intern(identity(userHash, emptyHash, textHash(name)), subject{name: name.Str(), kind: user})
	case groupHash:
		return r.intern(identity(groupHash, emptyHash, textHash(name)), subject{name: name.Str(), kind: group})
	}
	return none
}

func (a *Analysis) intern(key uint64, s subject) int32 {
	id, added := a.subjectIDs.add(key)
	if added {
		a.subjects = append(a.subjects, s)
	}
	return id
}

// add returns the id of a subject that no node has.
func (a *Analysis) add(s Subject) int32 {
	switch s.Kind {
	case kindAccount:
		return a.intern(s.key(), subject{s.Name, a.namespace(s.Namespace, hashOf(s.Namespace)), account})
	case kindGroup:
		return a.intern(s.key(), subject{name: s.Name, kind: group})
	}
	return a.intern(s.key(), subject{name: s.Name, kind: user})
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
func (a *Analysis) id(s Subject) int32 { return a.subjectIDs.get(s.canonical().key()) }

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
