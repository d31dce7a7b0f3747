package access

import (
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

var (
	roleKind               = model.GroupKind{Group: rbacGroup, Kind: "Role"}
	clusterRoleKind        = model.GroupKind{Group: rbacGroup, Kind: "ClusterRole"}
	roleBindingKind        = model.GroupKind{Group: rbacGroup, Kind: "RoleBinding"}
	clusterRoleBindingKind = model.GroupKind{Group: rbacGroup, Kind: "ClusterRoleBinding"}
)

// Analysis is the RBAC of one snapshot. It is immutable.
type Analysis struct {
	roles    map[RoleName]*Role
	bindings []Binding
	subjects []Subject         // of all bindings; each has a part of it
	last     map[Subject]int32 // position in links of the last binding of a subject, plus one
	links    []link

	aggregators map[*Role][]*Role // the ClusterRoles that include a role's rules
}

// link is one binding of a subject. Lists of links take far less memory than a
// slice for each subject, most of which have one binding.
type link struct {
	binding  int32
	previous int32 // position in links, plus one; 0 at the first binding of the subject
}

// RoleName identifies a Role, or a ClusterRole where Namespace is empty.
type RoleName struct{ Namespace, Name string }

// Role is a Role or a ClusterRole with the rules that hold for it.
type Role struct {
	RoleName
	Object *model.Object // nil for a ClusterRole that every cluster has
	// Rules are those written in the role, and those of the ClusterRoles that
	// it aggregates.
	Rules []Rule
	// Aggregates are the ClusterRoles whose rules are included, directly or
	// through others.
	Aggregates []*Role
	// Aggregated says that ClusterRoles which were not read may add rules.
	Aggregated bool

	selectors  []model.Selector // of an aggregationRule
	labels     *tree.Node
	cluster    Rights
	namespaced Rights
	bindings   []int32 // positions in the bindings of the Analysis
}

// Rights returns the dangerous rights that the role gives, when it is bound in
// the whole cluster or in one namespace.
func (r *Role) Rights(clusterWide bool) Rights {
	if clusterWide {
		return r.cluster
	}
	return r.namespaced
}

// Binding gives a role to subjects.
type Binding struct {
	Object *model.Object
	Kind   string // of the role: Role or ClusterRole
	Name   RoleName
	Role   *Role // nil when it was not read
	// Namespace is where the binding holds; "" is the whole cluster.
	Namespace string
	Subjects  []Subject
}

// Subject is a ServiceAccount, a User or a Group; only the first has a
// namespace.
type Subject struct{ Kind, Namespace, Name string }

// ServiceAccount returns the subject of a service account.
func ServiceAccount(namespace, name string) Subject {
	return Subject{"ServiceAccount", namespace, name}
}

// New reads the roles and bindings of a snapshot.
func New(s *model.Snapshot) *Analysis {
	a := &Analysis{roles: map[RoleName]*Role{}, aggregators: map[*Role][]*Role{}}
	for _, r := range builtinRoles() {
		a.roles[r.RoleName] = r
	}
	for _, gk := range []model.GroupKind{clusterRoleKind, roleKind} {
		for o := range s.Kind(gk) {
			r := readRole(o)
			a.roles[r.RoleName] = r
		}
	}
	a.aggregate()
	for _, r := range a.roles {
		r.cluster, r.namespaced = RightsOf(r.Rules)
	}
	objects := slices.AppendSeq(slices.Collect(s.Kind(clusterRoleBindingKind)), s.Kind(roleBindingKind))
	a.bindings = make([]Binding, 0, len(objects))
	a.subjects = make([]Subject, 0, len(objects))
	a.links = make([]link, 0, len(objects))
	a.last = make(map[Subject]int32, len(objects))
	for _, o := range objects {
		a.bind(o)
	}
	return a
}

func readRole(o *model.Object) *Role {
	r := &Role{RoleName: RoleName{o.Key.Namespace, o.Key.Name}, Object: o, Rules: RulesOf(o.Root.Get("rules")), labels: o.Labels()}
	selectors := o.Root.Dig("aggregationRule", "clusterRoleSelectors")
	for i := range selectors.Children() {
		r.selectors = append(r.selectors, model.NewSelector(selectors.At(i)))
	}
	r.Aggregated = len(r.selectors) > 0
	return r
}

func (a *Analysis) bind(o *model.Object) {
	b := Binding{Object: o, Namespace: o.Key.Namespace}
	b.Kind, b.Name, b.Role = a.RoleOf(o)
	id, first := int32(len(a.bindings)), len(a.subjects)
	for _, n := range o.Root.Get("subjects").Children() {
		subject := Subject{Kind: n.Get("kind").Str(), Name: n.Get("name").Str()}
		if subject.Kind == "ServiceAccount" {
			if subject.Namespace = n.Get("namespace").Str(); subject.Namespace == "" {
				subject.Namespace = o.Key.Namespace
			}
		}
		a.subjects = append(a.subjects, subject)
		previous := a.last[subject]
		if previous == 0 || a.links[previous-1].binding != id {
			a.links = append(a.links, link{id, previous})
			a.last[subject] = int32(len(a.links))
		}
	}
	b.Subjects = a.subjects[first:len(a.subjects):len(a.subjects)]
	if b.Role != nil {
		b.Role.bindings = append(b.Role.bindings, id)
	}
	a.bindings = append(a.bindings, b)
}

// Role returns a role that was read, or one that every cluster has; nil
// otherwise.
func (a *Analysis) Role(name RoleName) *Role { return a.roles[name] }

// RoleOf returns the role that a RoleBinding or ClusterRoleBinding refers to;
// it is nil when it was not read.
func (a *Analysis) RoleOf(binding *model.Object) (kind string, name RoleName, role *Role) {
	ref := binding.Root.Get("roleRef")
	kind, name = ref.Get("kind").Str(), RoleName{Name: ref.Get("name").Str()}
	switch {
	case kind == "ClusterRole":
		return kind, name, a.roles[name]
	case kind == "Role" && binding.Key.Namespace != "":
		name.Namespace = binding.Key.Namespace
		return kind, name, a.roles[name]
	}
	return kind, name, nil // the API server refuses it
}

// Bindings yields the bindings that hold for a subject: cluster-wide ones
// first, each kind in key order. Those of the groups that Kubernetes puts the
// subject into are included.
func (a *Analysis) Bindings(subject Subject) iter.Seq[*Binding] {
	return func(yield func(*Binding) bool) {
		for _, id := range a.held(subject) {
			if !yield(&a.bindings[id]) {
				return
			}
		}
	}
}

// BindingsTo yields the bindings that give a role, whether directly or by
// giving a ClusterRole that aggregates it.
func (a *Analysis) BindingsTo(role *Role) iter.Seq[*Binding] {
	return func(yield func(*Binding) bool) {
		for _, id := range role.bindings {
			if !yield(&a.bindings[id]) {
				return
			}
		}
		for _, by := range a.aggregators[role] {
			for _, id := range by.bindings {
				if !yield(&a.bindings[id]) {
					return
				}
			}
		}
	}
}

// Allows reports whether RBAC lets the subject make the request.
func (a *Analysis) Allows(subject Subject, q *Request) bool {
	for b := range a.Bindings(subject) {
		if b.Role == nil || b.Namespace != "" && (b.Namespace != q.Namespace || q.URL != "") {
			continue
		}
		for i := range b.Role.Rules {
			if b.Role.Rules[i].Allows(q) {
				return true
			}
		}
	}
	return false
}

// Rights returns the dangerous rights of a subject in the whole cluster, and
// those that it holds beyond them in single namespaces.
func (a *Analysis) Rights(subject Subject) (cluster Rights, namespaces map[string]Rights) {
	for b := range a.Bindings(subject) {
		switch {
		case b.Role == nil:
		case b.Namespace == "":
			cluster |= b.Role.cluster
		case b.Role.namespaced&^cluster != 0:
			if namespaces == nil {
				namespaces = map[string]Rights{}
			}
			namespaces[b.Namespace] |= b.Role.namespaced &^ cluster
		}
	}
	return cluster, namespaces
}
