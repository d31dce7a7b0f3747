package access

import (
	"iter"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// RoleName identifies a Role, or a ClusterRole where Namespace is empty.
type RoleName struct{ Namespace, Name string }

// Role is a Role or a ClusterRole.
type Role struct {
	RoleName
	Object *model.Object // nil for a ClusterRole that every cluster has
	// Aggregates are the ClusterRoles whose rules are included, directly or
	// through others.
	Aggregates []*Role
	// Aggregated says that ClusterRoles which were not read may add rules.
	Aggregated bool

	id        int32            // position in the roles of the Analysis
	selectors []model.Selector // of an aggregationRule
	rules     *tree.Node       // as written
	labels    *tree.Node
	own, all  *ruleSet // without and with what it aggregates
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
		return r.all.cluster
	}
	return r.all.namespaced
}

// Rules yields the rules that hold for the role, each with the role that it is
// written in: the role itself, or one that it aggregates.
func (r *Role) Rules() iter.Seq2[*Role, Rule] {
	return func(yield func(*Role, Rule) bool) {
		for i := -1; i < len(r.Aggregates); i++ {
			from := r
			if i >= 0 {
				from = r.Aggregates[i]
			}
			for j := range from.rules.Children() {
				if !yield(from, Rule{from.rules.At(j)}) {
					return
				}
			}
		}
	}
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
	role.all = role.own
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

// aggregate adds to each aggregating ClusterRole the rules of those that its
// selectors choose, through any number of steps. Rules that are written in an
// aggregating role count too: in a live cluster they are the aggregate itself.
func (a *Analysis) aggregate(clusterRoles []Role) {
	var labelled, aggregating []*Role
	for i := range clusterRoles {
		r := &clusterRoles[i]
		if r.labels.Len() > 0 {
			labelled = append(labelled, r)
		}
		if len(r.selectors) > 0 {
			aggregating = append(aggregating, r)
		}
	}
	chosen := map[*Role][]*Role{}
	for _, r := range aggregating {
		candidates := labelled
		if slices.ContainsFunc(r.selectors, func(s model.Selector) bool { return s.Matches(nil) }) {
			candidates = pointers(clusterRoles)
		}
		for _, other := range candidates {
			if other != r && slices.ContainsFunc(r.selectors, func(s model.Selector) bool { return s.Matches(other.labels) }) {
				chosen[r] = append(chosen[r], other)
			}
		}
	}
	for _, r := range aggregating {
		r.Aggregates = closure(r, chosen)
		slices.SortFunc(r.Aggregates, func(a, b *Role) int { return strings.Compare(a.Name, b.Name) })
		sets := []*ruleSet{r.own}
		for _, other := range r.Aggregates {
			sets = append(sets, other.own)
			a.aggregators[other] = append(a.aggregators[other], r)
		}
		r.all = union(sets)
	}
}

func pointers(roles []Role) []*Role {
	all := make([]*Role, len(roles))
	for i := range roles {
		all[i] = &roles[i]
	}
	return all
}

// closure returns what can be reached from a role, without the role itself.
func closure(from *Role, next map[*Role][]*Role) []*Role {
	seen := map[*Role]bool{from: true}
	var found []*Role
	for queue := next[from]; len(queue) > 0; {
		r := queue[0]
		queue = queue[1:len(queue):len(queue)]
		if !seen[r] {
			seen[r] = true
			found = append(found, r)
			queue = append(queue, next[r]...)
		}
	}
	return found
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
