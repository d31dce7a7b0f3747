package access

import (
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// Binding gives a role to subjects.
type Binding struct {
	a  *Analysis
	id int32
}

func (b Binding) data() *binding { return &b.a.bindings[b.id] }

// Object returns the binding itself; nil for one that every cluster has, or that is made.
func (b Binding) Object() *model.Object { return b.data().object }

// Assumed reports whether every cluster has the binding, under this name.
func (b Binding) Assumed() bool {
	return b.Object() == nil || b.Namespace() == "" && slices.ContainsFunc(builtinBindings, func(o builtinBinding) bool { return o.name == b.Name() })
}

// Name returns the name of the binding; "" of one that is made.
func (b Binding) Name() string {
	if o := b.Object(); o != nil {
		return o.Key.Name
	}
	if b.Made() {
		return ""
	}
	return b.a.assumed[b.id]
}

// Kind returns RoleBinding or ClusterRoleBinding.
func (b Binding) Kind() string {
	if b.data().namespace == 0 {
		return model.ClusterRoleBindingKind.Kind
	}
	return model.RoleBindingKind.Kind
}

// Namespace is where the binding holds; "" is the whole cluster.
func (b Binding) Namespace() string { return b.a.namespaces[b.data().namespace] }

// Role returns the role; nil when it was not read.
func (b Binding) Role() *Role {
	if id := b.data().role; id != none {
		return &b.a.roles[id]
	}
	return nil
}

// RoleRef returns the kind and the name of the role as the binding has them.
func (b Binding) RoleRef() (kind string, name RoleName) {
	if r := b.Role(); r != nil {
		return r.Kind(), r.RoleName
	}
	return refOf(b.Object())
}

func refOf(o *model.Object) (kind string, name RoleName) {
	ref := o.Root.Get("roleRef")
	kind, name = ref.Get("kind").Str(), RoleName{Name: ref.Get("name").Str()}
	if kind == model.RoleKind.Kind {
		name.Namespace = o.Key.Namespace
	}
	return kind, name
}

// Subjects returns the subjects, users that are service accounts as such.
func (b Binding) Subjects() []Subject {
	d := b.data()
	all := make([]Subject, 0, d.last-d.first)
	last := int32(none)
	for _, id := range b.a.holders[d.first:d.last] {
		if id != last { // named twice in a row
			all = append(all, b.a.subject(id))
		}
		last = id
	}
	return all
}

// RoleOf returns the role that a RoleBinding or ClusterRoleBinding refers to;
// it is nil when it was not read, or when the API server refuses the reference.
func (a *Analysis) RoleOf(object *model.Object) (kind string, name RoleName, role *Role) {
	kind, name = refOf(object)
	if kind == model.ClusterRoleKind.Kind || kind == model.RoleKind.Kind && name.Namespace != "" {
		role = a.Role(name)
	}
	return kind, name, role
}

// in returns the positions of a list, in order, that are of bindings which hold
// in a namespace: those in the whole cluster, and those that are in it.
func (a *Analysis) in(namespace string, list []int32) (cluster, within []int32) {
	at, _ := slices.BinarySearch(list, a.clusterWide)
	cluster, list = list[:at], list[at:]
	part := a.inside(namespace)
	first, _ := slices.BinarySearch(list, part.first)
	last, _ := slices.BinarySearch(list, part.last)
	within = list[first:max(first, last)]
	for ; len(list) > 0 && a.made(list[len(list)-1]); list = list[:len(list)-1] {
		switch id := list[len(list)-1]; a.namespaces[a.bindings[id].namespace] {
		case inCluster, AnyNamespace, namespace:
			within = append(slices.Clip(within), id)
		}
	}
	return cluster, within
}

// inside returns the positions of the RoleBindings of a namespace.
func (a *Analysis) inside(namespace string) span {
	if id := a.namespaceIDs.get(hashOf(namespace)); id != none && int(id) < len(a.within) {
		return a.within[id]
	}
	return span{}
}

// BindingsIn yields those of [Analysis.Bindings] that hold in a namespace; where
// it is "", those that hold in the whole cluster. It does not look at others.
func (a *Analysis) BindingsIn(namespace string, subject Subject, groups ...string) iter.Seq[Binding] {
	return func(yield func(Binding) bool) {
		var all []int32
		a.lists(subject, groups, func(id int32) {
			cluster, within := a.in(namespace, a.heldOf(id))
			all = append(append(all, cluster...), within...)
		})
		slices.Sort(all)
		for _, id := range slices.Compact(all) {
			if !yield(Binding{a, id}) {
				return
			}
		}
	}
}

// lists calls each for the numbers of a subject, and of each group that it is in, as
// far as bindings name them.
func (a *Analysis) lists(subject Subject, groups []string, each func(id int32)) {
	subject = subject.canonical()
	add := func(s Subject) {
		if id := a.id(s); id != none {
			each(id)
		}
	}
	add(subject)
	for ; subject.Granted(); add(subject) {
		subject = a.grantedBy(subject).Base
	}
	for _, group := range groupsOf(subject) {
		add(Group(group))
	}
	for _, group := range groups {
		add(Group(group))
	}
}

// heldOf returns the positions of the bindings that name a subject, in order.
func (a *Analysis) heldOf(id int32) []int32 { return a.held[a.heldStart[id]:a.heldStart[id+1]] }

// heldBy returns the positions of the bindings that hold for a subject, in
// order.
func (a *Analysis) heldBy(subject Subject, groups ...string) []int32 {
	var all []int32
	a.lists(subject, groups, func(id int32) { all = append(all, a.heldOf(id)...) })
	slices.Sort(all)
	return slices.Compact(all)
}

// Bindings yields the bindings that hold for a subject: cluster-wide ones
// first, each kind in key order. Those of the groups that Kubernetes puts the
// subject into are included, and those of further groups.
func (a *Analysis) Bindings(subject Subject, groups ...string) iter.Seq[Binding] {
	return func(yield func(Binding) bool) {
		for _, id := range a.heldBy(subject, groups...) {
			if !yield(Binding{a, id}) {
				return
			}
		}
	}
}

// All yields all bindings, cluster-wide ones first, each kind in key order.
func (a *Analysis) All() iter.Seq[Binding] {
	return func(yield func(Binding) bool) {
		for id := range a.bindings {
			if !yield(Binding{a, int32(id)}) {
				return
			}
		}
	}
}

// BindingsTo returns the bindings that give a role: those that name it, and
// behind them those that give a ClusterRole which aggregates it. more says that
// there are more than MaxAggregated of the latter, of which these are the first.
func (a *Analysis) BindingsTo(role *Role) (bindings []Binding, more bool) {
	if role == nil {
		return nil, false
	}
	own := a.byRole()[role.id]
	for _, id := range own {
		bindings = append(bindings, Binding{a, id})
	}
	if role.component == nil {
		return bindings, false
	}
	listed := role.component.bound(a.byRole())
	for _, id := range listed[:min(len(listed), MaxAggregated)] {
		if a.bindings[id].role != role.id {
			bindings = append(bindings, Binding{a, id})
		}
	}
	return bindings, len(listed) > MaxAggregated
}

// indexRoles returns the bindings of each role.
func (a *Analysis) indexRoles() [][]int32 {
	all := make([][]int32, len(a.roles))
	for id := range a.bindings {
		if role := a.bindings[id].role; role != none {
			all[role] = append(all[role], int32(id))
		}
	}
	return all
}

// NamedRight is a right over objects of some names only, in a scope.
type NamedRight struct {
	Named
	Namespace string // "" for the whole cluster
	Binding   Binding
}

// Restricted yields the rights of a subject over objects of some names only, as
// far as [Role.Named] lists them. Several bindings to one role give them several
// times. Those of a made binding in every namespace are said to be of the cluster.
func (a *Analysis) Restricted(subject Subject) iter.Seq[NamedRight] {
	return func(yield func(NamedRight) bool) { a.restricted(a.heldBy(subject), yield) }
}

// RestrictedBy yields those of [Analysis.Restricted] by bindings that name the subject
// itself.
func (a *Analysis) RestrictedBy(subject Subject) iter.Seq[NamedRight] {
	return func(yield func(NamedRight) bool) {
		if id := a.id(subject); id != none {
			a.restricted(a.heldOf(id), yield)
		}
	}
}

func (a *Analysis) restricted(bindings []int32, yield func(NamedRight) bool) {
	for _, id := range bindings {
		b := Binding{a, id}
		role := b.Role()
		if role == nil {
			continue
		}
		list, _ := role.Named()
		for _, n := range list {
			in := b.Namespace()
			if in == AnyNamespace {
				in = inCluster
			}
			if (b.Namespace() == inCluster || !n.cluster) && !yield(NamedRight{n, in, b}) {
				return
			}
		}
	}
}

// Named reports whether a binding names a service account itself, and not only a
// group that it is in.
func (a *Analysis) Named(namespace, account string) bool {
	return a.id(ServiceAccount(namespace, account)) != none
}

// Holding tells what a subject holds from what others hold: it is equal for those
// service accounts to which the same bindings apply, by groups alone.
type Holding struct{ own, accounts int32 }

// HoldingOf returns what a service account holds. alone says that a binding names
// it, so that no other holds the same.
func (a *Analysis) HoldingOf(namespace, name string) (h Holding, alone bool) {
	h = Holding{a.id(ServiceAccount(namespace, name)), a.id(Group(serviceAccounts + ":" + namespace))}
	return h, h.own != none
}

// Holdings returns how many bindings apply to a service account, those of its
// groups included.
func (a *Analysis) Holdings(namespace, name string) int {
	n := 0
	a.lists(ServiceAccount(namespace, name), nil, func(id int32) { n += len(a.heldOf(id)) })
	return n
}
