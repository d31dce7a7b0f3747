package access

import (
	"iter"
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
	rules     *tree.Node       // as written, where they count
	replaced  *tree.Node       // as written, where the controller replaces them
	labels    *tree.Node
	labelled  uint64     // hash of the labels, 0 for none
	selected  uint64     // hash of the selectors as written, 0 for none
	own       *ruleSet   // without what it aggregates
	gives     bothScopes // with it
	component *component // nil when it neither aggregates nor is aggregated
}

// Kind returns Role or ClusterRole.
func (r *Role) Kind() string {
	if r.Namespace == "" {
		return model.ClusterRoleKind.Kind
	}
	return model.RoleKind.Kind
}

// Replaced yields the rules that are written in a ClusterRole with an
// aggregationRule and count for nothing: the controller replaces them by those of
// the ClusterRoles that it selects. In one that a cluster returned, which has a
// uid, it has done so, and its rules are those of the role.
func (r *Role) Replaced() iter.Seq[Rule] {
	if r == nil {
		return rulesOf(nil)
	}
	return rulesOf(r.replaced)
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
	total := count(a.snapshot, model.ClusterRoleKind) + count(a.snapshot, model.RoleKind)
	a.roles = make([]Role, 0, total+len(builtins))
	a.roleIDs = newTable(cap(a.roles))
	if !a.complete() {
		for _, r := range builtinRoles() {
			if a.snapshot.Get(model.Key{Cluster: a.clusterName, GroupKind: model.ClusterRoleKind, Name: r.Name}) == nil {
				r.id, _ = a.roleIDs.add(identity(clusterRoleHash, emptyHash, hashOf(r.Name)))
				a.roles = append(a.roles, r)
			}
		}
	}
	a.addRoles(model.ClusterRoleKind, clusterRoleHash)
	clusterRoles := len(a.roles)
	a.addRoles(model.RoleKind, roleHash)
	a.aggregate(a.roles[:clusterRoles])
}

func (a *Analysis) addRoles(gk model.GroupKind, kind uint64) {
	for shard := range a.snapshot.Shards(gk) {
		written := model.ViewOf(shard, func(s *model.Shard) *writtenRoles { return readRoles(s, kind) })
		for i := range written.roles {
			r := written.roles[i]
			r.id, _ = a.roleIDs.add(written.keys[i])
			a.roles = append(a.roles, r)
		}
	}
}

// clusterOf returns the name of the cluster that the roles and bindings are of.
// Looking for one goes through the whole snapshot, so it is done once.
func clusterOf(s *model.Snapshot) string {
	for _, gk := range slices.Concat(roleKinds, bindingKinds) {
		for o := range s.Kind(gk) {
			return o.Key.Cluster
		}
	}
	return ""
}

// complete reports whether the snapshot has the roles that every cluster has: it
// was read from a cluster, and what it does not have is not there.
func (a *Analysis) complete() bool {
	return a.snapshot.Get(model.Key{Cluster: a.clusterName, GroupKind: model.ClusterRoleKind, Name: "cluster-admin"}) != nil
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
