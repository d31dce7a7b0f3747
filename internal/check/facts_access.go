package check

import (
	"math"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const clusterScope = "cluster"

func scopeOf(namespace string) string {
	if namespace == "" {
		return clusterScope
	}
	return namespace
}

func (f *Facts) podRights(o *model.Object, pod *model.PodTemplate) tree.Node {
	return f.rights(o.Key.Namespace, pod.ServiceAccount())
}

func (f *Facts) accountRights(o *model.Object) tree.Node {
	return f.rights(o.Key.Namespace, o.Key.Name)
}

const (
	// listedScopes is how many bindings are listed for a right of a service account,
	// and how many namespaces for one that others make together, where the bindings
	// that apply to the service accounts of all pods are more than allListed.
	listedScopes = 20
	allListed    = 4 << 20
)

// scopesBeyond is why the scope of a right is not known that is held in more.
const scopesBeyond = "the right is held by more bindings than are listed"

// rightsList is a list of rights, each for at most some scopes. What comes after
// is one item whose scope is not known, so that the work for an account does not
// grow with all that its groups hold.
type rightsList struct {
	items  []tree.Node
	most   int
	count  [64]int // of each right, of which Rights has a bit
	unread int     // bindings whose roles were not read
}

// room reports whether one more scope of a right is listed.
func (l *rightsList) room(r access.Right) bool {
	l.count[r]++
	if l.count[r] == l.most+1 {
		beyond := tree.UnknownBecause(scopesBeyond)
		l.items = append(l.items, entries("right", r.String(), "scope", beyond, "role", beyond, "binding", beyond))
	}
	return l.count[r] <= l.most
}

// scopesListed returns how many scopes are listed for a right.
func (f *Facts) scopesListed() int {
	all := 0
	for o, pod := range f.snapshot.PodTemplates() {
		if all += f.access().Holdings(o.Key.Namespace, pod.ServiceAccount()); all > allListed {
			return listedScopes
		}
	}
	return math.MaxInt
}

// rights returns the rights of a service account. Those that hold the same by their
// groups alone share the list.
func (f *Facts) rights(namespace, account string) tree.Node {
	holding, alone := f.access().HoldingOf(namespace, account)
	if alone {
		return f.listRights(namespace, account)
	}
	known, _ := f.alike.LoadOrStore(holding, sync.OnceValue(func() tree.Node { return f.listRights(namespace, account) }))
	return known.(func() tree.Node)()
}

// listRights lists each right once for each binding that gives it. A binding whose
// role was not read gives an unknown right.
func (f *Facts) listRights(namespace, account string) tree.Node {
	l := rightsList{most: f.mostScopes()}
	for b := range f.access().Bindings(access.ServiceAccount(namespace, account)) {
		role := b.Role()
		if role == nil {
			if kind, name := b.RoleRef(); !f.snapshot.Complete(name.Namespace, roleKinds...) && l.unread < l.most {
				l.unread++
				l.items = append(l.items, entries("right", tree.UnknownBecause(kind+" "+name.Name+" was not read"), "scope", scopeOf(b.Namespace()), "role", name.Name, "binding", b.Name()))
			}
			continue
		}
		for _, r := range (role.Rights(b.Namespace() == "") & access.Facts).All() {
			if l.room(r) {
				l.items = append(l.items, entries("right", r.String(), "scope", scopeOf(b.Namespace()), "role", role.Name, "binding", b.Name()))
			}
		}
	}
	f.combinedRights(&l, access.ServiceAccount(namespace, account))
	return f.listOr(l.items, "nothing here gives the service account dangerous rights, and what does may live elsewhere", "", bindingKinds...)
}

// combinedRights lists the rights that others make together, in the whole
// cluster or in a namespace, with the roles and bindings that give these. Who may
// do everything has them all.
func (f *Facts) combinedRights(l *rightsList, s access.Subject) {
	held := f.access().Rights(s)
	if held.Cluster.Has(access.WildcardAll) {
		return
	}
	const masked = access.Combined &^ access.ByRoles
	f.combinedIn(l, s, "", held.Cluster&masked)
	for _, scoped := range held.Namespaces {
		rights := (scoped.Rights | held.Cluster).Complete()
		if rights&masked&^held.Cluster != 0 && !rights.Has(access.WildcardAll) {
			f.combinedIn(l, s, scoped.Namespace, rights&masked&^held.Cluster)
		}
	}
	for _, way := range f.takeovers()[s] {
		f.takeover(l, way)
	}
	for group := range s.Groups() {
		for _, way := range f.takeovers()[group] {
			f.takeover(l, way)
		}
	}
}

// takeover lists a way to every right. One to all of each namespace counts as one
// to the cluster.
func (f *Facts) takeover(l *rightsList, way access.Takeover) {
	if !way.Rights.Has(access.WildcardAll) || !l.room(way.Right) {
		return
	}
	namespace := way.Namespace
	if namespace == access.AnyNamespace {
		namespace = ""
	}
	var roles, bindings []string
	for _, proof := range way.Proofs {
		_, role := proof.Binding.RoleRef()
		roles, bindings = append(roles, role.Name), append(bindings, proof.Binding.Name())
	}
	l.items = append(l.items, entries("right", way.Right.String(), "scope", scopeOf(namespace), "role", joined(roles), "binding", joined(bindings)))
}

func (f *Facts) combinedIn(l *rightsList, s access.Subject, namespace string, rights access.Rights) {
	for _, r := range rights.All() {
		if !l.room(r) {
			continue
		}
		var roles, bindings []string
		for _, parts := range r.Together() {
			for _, part := range parts.All() {
				if proof, ok := f.access().Prove(s, part, namespace); ok {
					_, role := proof.Binding.RoleRef()
					roles, bindings = append(roles, role.Name), append(bindings, proof.Binding.Name())
					break
				}
			}
		}
		l.items = append(l.items, entries("right", r.String(), "scope", scopeOf(namespace), "role", joined(roles), "binding", joined(bindings)))
	}
}

// joined names each of a few things once.
func joined(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " and ")
}

func (f *Facts) podBound(o *model.Object, pod *model.PodTemplate) tree.Node {
	return f.bound(o.Key.Namespace, pod.ServiceAccount())
}

func (f *Facts) accountBound(o *model.Object) tree.Node {
	return f.bound(o.Key.Namespace, o.Key.Name)
}

func (f *Facts) bound(namespace, account string) tree.Node {
	named := f.access().Named(namespace, account)
	if !named && !f.snapshot.Complete("", bindingKinds...) {
		return unknown(f.whyOpen("nothing here binds the service account, and what does may live elsewhere", "", bindingKinds...))
	}
	return sealed(tree.Of(named))
}

// runCounts says how many workloads run as each service account.
type runCounts struct {
	byAccount   map[objectName]int
	byNamespace map[string]int
	all         int
}

func (f *Facts) countRuns() runCounts {
	c := runCounts{byAccount: map[objectName]int{}, byNamespace: map[string]int{}}
	for o, pod := range f.snapshot.PodTemplates() {
		if o.Ended() {
			continue
		}
		c.byAccount[objectName{o.Key.Namespace, pod.ServiceAccount()}]++
		c.byNamespace[o.Key.Namespace]++
		c.all++
	}
	return c
}

// of returns how many workloads run as a subject.
func (c runCounts) of(s access.Subject) int {
	if s.Kind == "ServiceAccount" {
		return c.byAccount[objectName{s.Namespace, s.Name}]
	}
	switch namespace, ok := access.AccountsOf(s); {
	case !ok:
		return 0
	case namespace == "":
		return c.all
	default:
		return c.byNamespace[namespace]
	}
}

func (f *Facts) roleHolders(o *model.Object) tree.Node {
	a := f.access()
	role := a.Role(access.RoleName{Namespace: o.Key.Namespace, Name: o.Key.Name})
	bindings, more := a.BindingsTo(role)
	var items []tree.Node
	aggregated := 0
	for _, b := range bindings {
		for _, s := range b.Subjects() {
			if b.Role() != role {
				if aggregated++; aggregated > access.MaxAggregated {
					more = true
					break
				}
			}
			items = append(items, entries("kind", s.Kind, "name", s.Name, "namespace", s.Namespace, "binding", b.Name(),
				"scope", scopeOf(b.Namespace()), "workloads", f.runs().of(s)))
		}
	}
	if more {
		items = append(items, tree.UnknownBecause("more hold the role by aggregation than are listed"))
	}
	return f.listOr(items, "nothing here binds this role, and what does may live elsewhere", o.Key.Namespace, bindingKinds...)
}

func (f *Facts) roleGrants(o *model.Object) tree.Node {
	role := f.access().Role(access.RoleName{Namespace: o.Key.Namespace, Name: o.Key.Name})
	if role == nil {
		return unknown("the role is not part of what was read")
	}
	return f.grants(role, o.Key.Namespace)
}

func (f *Facts) bindingGrants(o *model.Object) tree.Node {
	kind, name, role := f.access().RoleOf(o)
	switch {
	case role != nil:
		return f.grants(role, o.Key.Namespace)
	case f.snapshot.Complete(name.Namespace, roleKinds...):
		return list(nil)
	}
	return unknown(kind + " " + name.Name + " was not read")
}

// grants lists the rights that a role gives. Only roles that were not read can
// add to them, and that only where the role aggregates others.
func (f *Facts) grants(role *access.Role, namespace string) tree.Node {
	var items []tree.Node
	for _, g := range role.Grants(namespace == "") {
		if access.Facts.Has(g.Right) {
			items = append(items, entries("right", g.Right.String(), "resources", resourcesOf(g)))
		}
	}
	if rights := f.access().Alone(role, namespace); !rights.Has(access.WildcardAll) {
		for _, r := range (rights & access.Combined).All() {
			items = append(items, entries("right", r.String(), "resources", []string(nil)))
		}
	}
	if role.Aggregated && role.Object != nil {
		return f.listOr(items, "no ClusterRole here that this one aggregates gives dangerous rights, and others may live elsewhere", "", model.ClusterRoleKind)
	}
	return list(items)
}

// resourcesOf lists the resources of a grant. One that is not known stands for
// those that are not listed.
func resourcesOf(g access.Grant) tree.Node {
	if !g.More {
		return tree.Of(g.Resources)
	}
	items := make([]tree.Node, len(g.Resources), len(g.Resources)+1)
	for i, name := range g.Resources {
		items[i] = tree.Of(name)
	}
	return tree.Of(append(items, tree.UnknownBecause("roles that are aggregated name more resources than are listed")))
}
