package access

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// RoleName identifies a Role, or a ClusterRole where Namespace is empty.
type RoleName struct{ Namespace, Name string }

// Role is a Role or a ClusterRole.
type Role struct {
	RoleName
	Object *model.Object // nil for a ClusterRole that every cluster has
	// Aggregated says that ClusterRoles which were not read may add rules.
	Aggregated bool

	id        int32            // position in the roles of the Analysis
	selectors []model.Selector // of an aggregationRule
	rules     *tree.Node       // as written
	labels    *tree.Node
	selected  uint64     // hash of the selectors as written, 0 for none
	own       *ruleSet   // without what it aggregates
	gives     bothScopes // with it
	component *component // nil when it neither aggregates nor is aggregated
}

// Kind returns Role or ClusterRole.
func (r *Role) Kind() string {
	if r.Namespace == "" {
		return clusterRoleKind.Kind
	}
	return roleKind.Kind
}

// Rights returns the dangerous rights that the role gives, when it is bound in
// the whole cluster or in one namespace.
func (r *Role) Rights(clusterWide bool) Rights {
	if clusterWide {
		return r.gives.cluster
	}
	return r.gives.namespaced
}

func (a *Analysis) readRoles() {
	total := count(a.snapshot, clusterRoleKind) + count(a.snapshot, roleKind)
	a.roles = make([]Role, 0, total+len(builtins))
	a.roleIDs = newTable(cap(a.roles))
	if !a.complete() {
		for _, r := range builtinRoles() {
			if a.snapshot.Get(model.Key{Cluster: a.clusterName(), GroupKind: clusterRoleKind, Name: r.Name}) == nil {
				r.id, _ = a.roleIDs.add(identity(clusterRoleHash, emptyHash, hashOf(r.Name)))
				a.roles = append(a.roles, r)
			}
		}
	}
	r := roleReader{Analysis: a, rules: newTable(total), sets: make([]*ruleSet, 0, total)}
	r.readKind(clusterRoleKind, clusterRoleHash)
	clusterRoles := len(a.roles)
	r.readKind(roleKind, roleHash)
	a.aggregate(a.roles[:clusterRoles])
}

// roleReader compiles equal lists of rules once.
type roleReader struct {
	*Analysis
	rules table // lists of rules, by hash
	sets  []*ruleSet
}

func (r *roleReader) readKind(gk model.GroupKind, kind uint64) {
	for namespace, objects := range r.snapshot.ByNamespace(gk) {
		hash := hashOf(namespace)
		for block := range slices.Chunk(objects, blockSize) {
			r.touched += touch(block)
			for _, o := range block {
				r.read(o, kind, hash)
			}
		}
	}
}

// clusterName returns the name of the cluster that the objects are of.
func (a *Analysis) clusterName() string {
	for _, gk := range []model.GroupKind{clusterRoleKind, clusterRoleBindingKind, roleKind, roleBindingKind} {
		for o := range a.snapshot.Kind(gk) {
			return o.Key.Cluster
		}
	}
	return ""
}

// complete reports whether the snapshot has the roles that every cluster has: it
// was read from a cluster, and what it does not have is not there.
func (a *Analysis) complete() bool {
	return a.snapshot.Get(model.Key{Cluster: a.clusterName(), GroupKind: clusterRoleKind, Name: "cluster-admin"}) != nil
}

func (r *roleReader) read(o *model.Object, kind, namespace uint64) {
	role := Role{RoleName: RoleName{o.Key.Namespace, o.Key.Name}, Object: o}
	name := emptyHash
	kids := o.Root.Children()
	for i := range kids {
		switch kid := &kids[i]; kid.Key() {
		case "rules":
			role.rules = kid
		case "metadata":
			name = textHash(kid.Get("name"))
			role.labels = kid.Get("labels")
		case "aggregationRule":
			selectors := kid.Get("clusterRoleSelectors")
			role.selected = selectors.Hash()
			for j := range selectors.Children() {
				role.selectors = append(role.selectors, model.NewSelector(selectors.At(j)))
			}
		}
	}
	if kind == roleHash { // which the API server lets aggregate nothing
		role.selectors, role.labels = nil, nil
	}
	role.Aggregated = len(role.selectors) > 0
	role.own = r.compile(role.rules)
	role.gives = role.own.bothScopes
	if name == emptyHash { // it has a generated one, which nothing refers to
		name = hashOf(o.Key.Name)
	}
	role.id, _ = r.roleIDs.add(identity(kind, namespace, name))
	r.roles = append(r.roles, role)
}

func (r *roleReader) compile(rules *tree.Node) *ruleSet {
	at, added := r.rules.add(rules.Hash())
	if added {
		r.sets = append(r.sets, compileRules(rules))
	}
	return r.sets[at]
}

// Role returns a role that was read, or one that every cluster has; nil
// otherwise.
func (a *Analysis) Role(name RoleName) *Role {
	kind := roleHash
	if name.Namespace == "" {
		kind = clusterRoleHash
	}
	if id := a.roleIDs.get(identity(kind, hashOf(name.Namespace), hashOf(name.Name))); id != none {
		return &a.roles[id]
	}
	return nil
}
