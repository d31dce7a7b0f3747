package access

import (
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// Takeover is a way of a subject to rights that it does not hold, by what it may
// do with roles and bindings.
type Takeover struct {
	Right Right // GrantAnyRole or RewriteRoles
	// Namespace is where the rights then hold: "" is the whole cluster, and
	// AnyNamespace each namespace, without what is outside of them.
	Namespace string
	Rights    Rights // with those that they make together
	Proofs    []Proof
}

const (
	reshaping     = 1<<EscalateRoles | 1<<BindRoles
	inCluster     = ""
	roleWord      = "roles"
	clRoleWord    = "clusterroles"
	bindingWord   = "rolebindings"
	clBindingWord = "clusterrolebindings"
)

// Takeovers yields the subjects that may escalate or bind, those of them left out
// that hold every right, with the ways that lead somewhere. What a group may by
// itself, its members may too: a way of a member is one that takes a binding of its
// own.
//
// A role gives its rights to who is bound to it, where the binding holds. So to
// write all rights into a role helps those who are bound to it, to make one helps
// where a binding names it already or a bound role aggregates it, and a
// RoleBinding gives nothing outside of its namespace.
func (a *Analysis) Takeovers() iter.Seq2[Subject, []Takeover] {
	return func(yield func(Subject, []Takeover) bool) {
		reader := &powerReader{a, map[int32]*powers{}}
		for id := range a.subjects {
			t := taker{a: a, subject: a.subject(int32(id)), own: reader.of(int32(id)), found: map[found]bool{}}
			for _, group := range groupsOf(t.subject) {
				if in := a.id(Group(group)); in != none {
					t.groups = append(t.groups, reader.of(in))
				}
			}
			if !t.reshapes() || a.rights(int32(id)).Cluster.Has(WildcardAll) {
				continue
			}
			t.rewrites()
			t.grants()
			if len(t.ways) > 0 && !yield(t.subject, t.ways) {
				return
			}
		}
	}
}

// taker finds the takeovers of a subject.
type taker struct {
	a       *Analysis
	subject Subject
	own     *powers
	groups  []*powers
	ways    []Takeover
	found   map[found]bool
}

// found tells ways apart.
type found struct {
	right     Right
	namespace string
	rights    Rights
}

// reshapes reports whether there may be a way: some power, and the right to
// escalate or bind among them.
func (t *taker) reshapes() bool {
	for p := range t.holders() {
		for of := range p.by {
			if of.verb == "escalate" || of.verb == "bind" {
				return true
			}
		}
	}
	return false
}

// holders yields the powers of the subject, then those of its groups.
func (t *taker) holders() iter.Seq[*powers] {
	return func(yield func(*powers) bool) {
		if !yield(t.own) {
			return
		}
		for _, p := range t.groups {
			if !yield(p) {
				return
			}
		}
	}
}

// first returns by what the subject may make a request: of several bindings the
// first.
func (t *taker) first(verb, resource, namespace, name string) (first Proof, ok bool) {
	look := func(p *powers, key power) {
		if proof, has := p.by[key]; has && (!ok || proof.Binding.id < first.Binding.id) {
			first, ok = proof, true
		}
	}
	for p := range t.holders() {
		if len(p.by) == 0 {
			continue
		}
		look(p, power{verb, resource, "", ""})
		if name != "" {
			look(p, power{verb, resource, "", name})
		}
		if namespace == "" {
			continue
		}
		look(p, power{verb, resource, namespace, ""})
		if name != "" {
			look(p, power{verb, resource, namespace, name})
		}
	}
	return first, ok
}

// may returns the proofs that a request with each of the verbs is allowed; a verb
// may be several, any of which will do. It is nil where one is not.
func (t *taker) may(resource, namespace, name string, verbs ...[]string) []Proof {
	var all []Proof
	for _, any := range verbs {
		found := false
		for _, verb := range any {
			if proof, ok := t.first(verb, resource, namespace, name); ok {
				all, found = append(all, proof), true
				break
			}
		}
		if !found {
			return nil
		}
	}
	return all
}

var (
	toEscalate = []string{"escalate"}
	toBind     = []string{"bind"}
	toCreate   = []string{"create"}
	toChange   = []string{"update", "patch"}
)

// direct reports whether a way takes a binding of the subject's own.
func (t *taker) direct(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Subject == t.subject })
}

func (t *taker) take(r Right, namespace string, rights Rights, proofs []Proof) {
	if way := (found{r, namespace, rights}); !t.found[way] {
		t.found[way] = true
		t.ways = append(t.ways, Takeover{r, namespace, rights, proofs})
	}
}

// rewrites finds the roles that give the subject what it writes into them.
func (t *taker) rewrites() {
	for _, id := range t.own.held {
		t.rewriteBound(Binding{t.a, id}, true)
	}
	for _, p := range t.groups {
		for _, scope := range t.own.scopes {
			list := p.held
			if scope != inCluster { // roles of the cluster are not written by powers in a namespace
				_, list = t.a.in(scope, p.held)
			}
			for _, id := range list {
				t.rewriteBound(Binding{t.a, id}, false)
			}
			if scope == inCluster {
				break
			}
		}
	}
	t.rewriteParts()
	t.rewriteNew()
}

func (t *taker) rewriteNew() {
	for _, scope := range t.own.scopes { // makes a role without rules, binds itself to it and writes into it then
		p := t.may(roleWord, scope, "", toEscalate, toChange, toCreate)
		q := t.may(bindingWord, scope, "", toCreate)
		if p != nil && q != nil && t.direct(slices.Concat(p, q)) {
			t.take(RewriteRoles, everywhere(scope), everything, append(p, q...))
		}
	}
}

// rewriteBound looks at the role of a binding that holds for the subject.
func (t *taker) rewriteBound(b Binding, own bool) {
	kind, name := b.RoleRef()
	t.rewrite(kind, name, b.Role(), b.Namespace(), own)
}

// rewrite looks whether the subject may write into a role that it is bound to in
// a scope; own says that the binding names it. The role is nil where it is not
// there.
func (t *taker) rewrite(kind string, name RoleName, role *Role, scope string, own bool) {
	resource := clRoleWord
	if kind == model.RoleKind.Kind {
		resource = roleWord
	}
	p := t.may(resource, name.Namespace, name.Name, toEscalate, toChange)
	if p == nil {
		if role != nil && len(role.selectors) == 0 {
			return
		}
		p = t.may(resource, name.Namespace, "", toEscalate, toCreate)
	}
	if p != nil && (own || t.direct(p)) {
		t.take(RewriteRoles, scope, everything, p)
	}
}

// Alone returns the rights that a role gives by itself to who is bound to it and to
// nothing else, those included that its rights make together: in the whole cluster,
// or in a namespace where that is not "".
func (a *Analysis) Alone(role *Role, namespace string) Rights {
	rights := role.Rights(namespace == "").Complete() &^ ByRoles
	if rights.Has(WildcardAll) {
		return rights | ByRoles
	}
	own := &powers{}
	for _, w := range role.allowed() {
		own.add(w, namespace, Proof{Source: w.from, Rule: w.rule})
	}
	t := taker{a: a, own: own, found: map[found]bool{}}
	if !t.reshapes() {
		return rights
	}
	t.rewrite(role.Kind(), role.RoleName, role, namespace, true)
	t.rewriteNew()
	t.grants()
	for _, way := range t.ways {
		if way.Rights == everything {
			rights |= 1 << way.Right
		}
	}
	return rights
}

// rewriteParts finds roles that those which the subject is bound to aggregate.
func (t *taker) rewriteParts() {
	for p := range t.holders() {
		if p != t.own && !t.own.any() && !t.boundToAggregates() {
			continue
		}
		for _, name := range p.parts {
			proofs := t.may(clRoleWord, "", name, toEscalate, toChange)
			if proofs == nil {
				continue
			}
			bound, _ := t.a.BindingsTo(t.a.Role(RoleName{Name: name}))
			for _, b := range bound {
				_, own := slices.BinarySearch(t.own.held, b.id)
				if own || t.direct(proofs) && t.bound(b) {
					t.take(RewriteRoles, b.Namespace(), everything, proofs)
				}
			}
		}
	}
}

func (t *taker) bound(b Binding) bool {
	return slices.ContainsFunc(t.groups, func(p *powers) bool {
		_, held := slices.BinarySearch(p.held, b.id)
		return held
	})
}

// boundToAggregates reports whether a binding of the subject's own is to a role
// that aggregates or is aggregated.
func (t *taker) boundToAggregates() bool {
	return slices.ContainsFunc(t.own.held, func(id int32) bool {
		role := Binding{t.a, id}.Role()
		return role != nil && role.component != nil
	})
}

func everywhere(scope string) string {
	if scope == inCluster {
		return AnyNamespace
	}
	return scope
}

// grants finds the roles that the subject may bind itself to.
func (t *taker) grants() {
	if !t.own.any() {
		return
	}
	scopes := t.own.scopes
	if scopes[0] == inCluster {
		for _, p := range t.groups {
			scopes = append(slices.Clip(scopes), p.scopes...)
		}
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	t.grantClusterRole("cluster-admin", scopes)
	for p := range t.holders() {
		for _, b := range p.bound {
			at := scopes
			if b.namespace != "" {
				if _, here := slices.BinarySearch(scopes, b.namespace); !here {
					continue
				}
				at = []string{b.namespace}
			}
			if b.resource == clRoleWord {
				t.grantClusterRole(b.name, at)
				continue
			}
			for _, scope := range at {
				if role := t.a.Role(RoleName{scope, b.name}); role != nil && scope != inCluster {
					t.grantRole(role)
				}
			}
		}
	}
	for _, scope := range scopes {
		if _, ok := t.first("bind", roleWord, scope, ""); ok {
			t.grantRoles(scope)
		}
	}
}

// grantRoles looks at the Roles of a namespace, or at all.
func (t *taker) grantRoles(scope string) {
	for i := range t.a.roles {
		if role := &t.a.roles[i]; role.Namespace != "" && (scope == inCluster || role.Namespace == scope) {
			t.grantRole(role)
		}
	}
}

func (t *taker) grantRole(role *Role) {
	rights := role.Rights(false).Complete()
	if rights.Has(WildcardAll) {
		rights = everything
	}
	t.grant(roleWord, role.RoleName, bindingWord, role.Namespace, role.Namespace, rights)
}

func (t *taker) grantClusterRole(name string, scopes []string) {
	role := t.a.Role(RoleName{Name: name})
	if role == nil {
		return
	}
	rights, within := role.Rights(true).Complete(), role.Rights(false).Complete()
	if t.may(clRoleWord, "", name, toEscalate, toChange) != nil || rights.Has(WildcardAll) {
		rights, within = everything, everything
	}
	t.grant(clRoleWord, role.RoleName, clBindingWord, inCluster, inCluster, rights)
	for _, scope := range scopes {
		t.grant(clRoleWord, role.RoleName, bindingWord, scope, everywhere(scope), within)
	}
}

// grant looks for a binding to a role that the subject may make, or be added to.
func (t *taker) grant(resource string, role RoleName, bindings, scope, holds string, rights Rights) {
	if t.found[found{GrantAnyRole, holds, rights}] {
		return
	}
	p := t.may(resource, scope, role.Name, toBind)
	if p == nil {
		return
	}
	how := t.may(bindings, scope, "", toCreate)
	if how == nil {
		how = t.joins(role, bindings, scope)
	}
	if p = append(p, how...); how != nil && t.direct(p) {
		t.take(GrantAnyRole, holds, rights, p)
	}
}

// joins returns the proofs that the subject may add itself to a binding.
func (t *taker) joins(role RoleName, bindings, scope string) []Proof {
	known := t.a.Role(role)
	if known == nil || bindings == bindingWord && scope == inCluster {
		return nil
	}
	cluster, within := t.a.in(scope, t.a.byRole()[known.id])
	list := within
	if bindings == clBindingWord {
		list = cluster
	}
	for _, id := range list {
		if p := t.may(bindings, scope, Binding{t.a, id}.Name(), toChange); p != nil {
			return p
		}
	}
	return nil
}
