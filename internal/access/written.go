package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// What stands in roles and bindings is kept with the shards of the snapshot (see
// [model.ViewOf]): nearly all of the time of reading an object is spent waiting
// for memory. So an analysis of objects that one was made of before, as after a
// change of few, reads only what changed.

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

// writtenBindings is what stands in the bindings of one namespace.
type writtenBindings struct {
	namespace uint64           // hash
	bindings  []writtenBinding // in the order of the objects
	subjects  []writtenSubject
	touched   uint64 // see touch
}

type writtenBinding struct {
	role        uint64 // key, 0 for what is none
	first, last int32  // its part of subjects
}

type writtenSubject struct {
	key           uint64
	name          string
	namespace     string // of a service account, where it is not that of the binding
	namespaceHash uint64 // 0 where it is
	kind          subjectKind
}

// bindingReader reads bindings.
type bindingReader struct {
	*writtenBindings
	clusterWide bool
}

func readBindings(shard *model.Shard) *writtenBindings {
	objects := shard.Objects()
	w := &writtenBindings{namespace: hashOf(shard.Namespace()), bindings: make([]writtenBinding, 0, len(objects)), subjects: make([]writtenSubject, 0, len(objects))}
	r := bindingReader{w, shard.Namespace() == ""}
	for block := range slices.Chunk(objects, blockSize) {
		w.touched += touch(block)
		for _, o := range block {
			r.read(o)
		}
	}
	return w
}

func (r *bindingReader) read(o *model.Object) {
	b := writtenBinding{first: int32(len(r.subjects))}
	kids := o.Root.Children()
	for i := range kids {
		switch kid := &kids[i]; {
		case kid.Is(tree.Map) && kid.Key() == "roleRef":
			b.role = r.role(kid)
		case kid.Is(tree.List) && kid.Key() == "subjects":
			for j := range kid.Children() {
				if s, ok := r.subject(&kid.Children()[j]); ok {
					r.subjects = append(r.subjects, s)
				}
			}
		}
	}
	b.last = int32(len(r.subjects))
	r.bindings = append(r.bindings, b)
}

// role returns the key of the role that a binding refers to.
func (r *bindingReader) role(ref *tree.Node) uint64 {
	kind, name := textHash(ref.Get("kind")), textHash(ref.Get("name"))
	switch {
	case kind == clusterRoleHash:
		return identity(clusterRoleHash, emptyHash, name)
	case kind == roleHash && !r.clusterWide:
		return identity(roleHash, r.namespace, name)
	}
	return 0
}

// subject reads a subject; ok is false for what the API server takes for none.
func (r *bindingReader) subject(n *tree.Node) (s writtenSubject, ok bool) {
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
		hash := r.namespace
		if h := textHash(namespace); h != emptyHash && h != hash {
			hash, s.namespace, s.namespaceHash = h, namespace.Str(), h
		}
		s.key, s.name, s.kind = identity(accountHash, hash, textHash(name)), name.Str(), account
		return s, hash != emptyHash
	case userHash:
		if strings.HasPrefix(name.Str(), accountPrefix) {
			return writtenOf(User(name.Str())), true
		}
		return writtenSubject{key: identity(userHash, emptyHash, textHash(name)), name: name.Str(), kind: user}, true
	case groupHash:
		return writtenSubject{key: identity(groupHash, emptyHash, textHash(name)), name: name.Str(), kind: group}, true
	}
	return s, false
}

// writtenOf returns a subject that no node has.
func writtenOf(s Subject) writtenSubject {
	w := writtenSubject{key: s.key(), name: s.Name}
	switch s.Kind {
	case kindAccount:
		w.kind, w.namespace, w.namespaceHash = account, s.Namespace, hashOf(s.Namespace)
	case kindGroup:
		w.kind = group
	}
	return w
}

// writtenRoles is what stands in the roles of one namespace.
type writtenRoles struct {
	roles   []Role // with the rights of their own rules, without ids
	keys    []uint64
	touched uint64 // see touch
}

// roleReader compiles equal lists of rules once.
type roleReader struct {
	*writtenRoles
	rules           table // lists of rules, by hash
	sets            []*ruleSet
	kind, namespace uint64
}

func readRoles(shard *model.Shard, kind uint64) *writtenRoles {
	objects := shard.Objects()
	w := &writtenRoles{roles: make([]Role, 0, len(objects)), keys: make([]uint64, 0, len(objects))}
	r := roleReader{writtenRoles: w, rules: newTable(len(objects)), kind: kind, namespace: hashOf(shard.Namespace())}
	for block := range slices.Chunk(objects, blockSize) {
		w.touched += touch(block)
		for _, o := range block {
			r.read(o)
		}
	}
	return w
}

func (r *roleReader) read(o *model.Object) {
	role := Role{RoleName: RoleName{o.Key.Namespace, o.Key.Name}, Object: o}
	name, returned := emptyHash, false
	kids := o.Root.Children()
	for i := range kids {
		switch kid := &kids[i]; kid.Key() {
		case "rules":
			role.rules = kid
		case "metadata":
			name, returned = textHash(kid.Get("name")), kid.Get("uid") != nil
			role.labels = kid.Get("labels")
		case "aggregationRule":
			selectors := kid.Get("clusterRoleSelectors")
			role.selected = selectors.Hash()
			for j := range selectors.Children() {
				role.selectors = append(role.selectors, model.NewSelector(selectors.At(j)))
			}
		}
	}
	if r.kind == roleHash { // which the API server lets aggregate nothing
		role.selectors, role.labels = nil, nil
	}
	if role.labels.Len() > 0 {
		role.labelled = role.labels.Hash()
	}
	if role.Aggregated = len(role.selectors) > 0; role.Aggregated && !returned {
		role.rules, role.replaced = nil, role.rules
	}
	role.own = r.compile(role.rules)
	role.gives = role.own.bothScopes
	if name == emptyHash { // it has a generated one, which nothing refers to
		name = hashOf(o.Key.Name)
	}
	r.roles = append(r.roles, role)
	r.keys = append(r.keys, identity(r.kind, r.namespace, name))
}

func (r *roleReader) compile(rules *tree.Node) *ruleSet {
	at, added := r.rules.add(rules.Hash())
	if added {
		r.sets = append(r.sets, compileRules(rules))
	}
	return r.sets[at]
}

const blockSize = 16

// touch looks at what reading a block of objects will look at: along their last
// children, where subjects and rules stand. Waits for memory overlap here, and
// all together take less than half. The result only keeps the compiler from
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
