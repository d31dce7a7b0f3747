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
	reshaping  = 1<<EscalateRoles | 1<<BindRoles
	inCluster  = ""
	roleWord   = "roles"
	clRoleWord = "clusterroles"
)

// Takeovers yields the subjects that may escalate or bind, those of them left out
// that hold every right, with the ways that lead somewhere.
//
// A role gives its rights to who is bound to it, where the binding holds. So to
// write all rights into a role helps those who are bound to it, to make one helps
// where a binding names it already or a bound role aggregates it, and a
// RoleBinding gives nothing outside of its namespace.
func (a *Analysis) Takeovers() iter.Seq2[Subject, []Takeover] {
	return func(yield func(Subject, []Takeover) bool) {
		byName := a.reshapeByName()
		for id := range a.subjects {
			held, s := a.rights(int32(id)), a.subject(int32(id))
			any := held.Cluster
			for _, scoped := range held.Namespaces {
				any |= scoped.Rights
			}
			if held.Cluster.Has(WildcardAll) || any&reshaping == 0 && !byName[s] {
				continue
			}
			t := taker{a: a, subject: s}
			t.read()
			t.rewrites()
			t.grants()
			if len(t.found) > 0 && !yield(s, t.found) {
				return
			}
		}
	}
}

// reshapeByName returns the subjects of bindings to roles that allow to escalate
// or bind some roles by name.
func (a *Analysis) reshapeByName() map[Subject]bool {
	all := map[Subject]bool{}
	roles := map[*Role]bool{}
	for b := range a.All() {
		role := b.Role()
		if role == nil {
			continue
		}
		has, known := roles[role]
		if !known {
			list, _ := role.Named()
			has = slices.ContainsFunc(list, func(n Named) bool { return n.Right == EscalateRoles || n.Right == BindRoles })
			roles[role] = has
		}
		if has {
			for _, s := range b.Subjects() {
				all[s] = true
			}
		}
	}
	return all
}

// taker finds the takeovers of a subject.
type taker struct {
	a        *Analysis
	subject  Subject
	bindings []Binding
	scopes   []string // "" and the namespaces of its bindings
	bindable []string // names of ClusterRoles that it may be allowed to bind
	written  []string // and to escalate
	byRoles  bool     // it may be allowed to bind Roles
	found    []Takeover
}

func (t *taker) read() {
	t.scopes, t.bindable = []string{inCluster}, []string{"cluster-admin"}
	for b := range t.a.Bindings(t.subject) {
		t.bindings = append(t.bindings, b)
		if !slices.Contains(t.scopes, b.Namespace()) {
			t.scopes = append(t.scopes, b.Namespace())
		}
		for _, source := range t.sources(b) {
			clusterRoles := slices.Contains(source.rule.Resources(), clRoleWord) || slices.Contains(source.rule.Resources(), "*")
			switch {
			case source.right == BindRoles:
				t.byRoles = t.byRoles || slices.Contains(source.rule.Resources(), roleWord) || slices.Contains(source.rule.Resources(), "*")
				if clusterRoles {
					t.bindable = append(t.bindable, source.rule.Names()...)
				}
			case source.right == EscalateRoles && clusterRoles:
				t.written = append(t.written, source.rule.Names()...)
			}
		}
	}
	slices.Sort(t.bindable)
	t.bindable = slices.Compact(t.bindable)
}

func (t *taker) sources(b Binding) []source {
	if role := b.Role(); role != nil {
		return role.sources().sources
	}
	return nil
}

// may returns the proofs that a request with each of the verbs is allowed; a verb
// may be several, any of which will do. It is nil where one is not.
func (t *taker) may(resource, namespace, name string, verbs ...[]string) []Proof {
	var all []Proof
	for _, any := range verbs {
		found := false
		for _, verb := range any {
			q := Request{Verb: verb, Group: rbacGroup, Resource: resource, Namespace: namespace, Name: name}
			if answer := t.a.Can(t.subject, &q); answer.Proof != nil {
				all, found = append(all, *answer.Proof), true
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

func (t *taker) take(r Right, namespace string, rights Rights, proofs ...Proof) {
	if slices.ContainsFunc(t.found, func(f Takeover) bool { return f.Right == r && f.Namespace == namespace && f.Rights == rights }) {
		return
	}
	t.found = append(t.found, Takeover{r, namespace, rights, proofs})
}

func (t *taker) rewrites() {
	for _, b := range t.bindings {
		kind, name := b.RoleRef()
		resource := clRoleWord
		if kind == model.RoleKind.Kind {
			resource = roleWord
		}
		if p := t.may(resource, name.Namespace, name.Name, toEscalate, toChange); p != nil {
			t.take(RewriteRoles, b.Namespace(), everything, p...)
			continue
		}
		role := b.Role()
		if role != nil && len(role.selectors) == 0 {
			continue
		}
		if p := t.may(resource, name.Namespace, "", toEscalate, toCreate); p != nil {
			t.take(RewriteRoles, b.Namespace(), everything, p...)
		}
	}
	t.rewriteParts()
	for _, scope := range t.scopes { // makes a role without rules, binds itself to it and writes into it then
		p := t.may(roleWord, scope, "", toEscalate, toChange, toCreate)
		q := t.may("rolebindings", scope, "", toCreate)
		if p != nil && q != nil {
			t.take(RewriteRoles, everywhere(scope), everything, append(p, q...)...)
		}
	}
}

// rewriteParts finds roles that those which the subject is bound to aggregate.
func (t *taker) rewriteParts() {
	for _, name := range t.written {
		p := t.may(clRoleWord, "", name, toEscalate, toChange)
		if p == nil {
			continue
		}
		bound, _ := t.a.BindingsTo(t.a.Role(RoleName{Name: name}))
		for _, b := range bound {
			if slices.Contains(t.bindings, b) {
				t.take(RewriteRoles, b.Namespace(), everything, p...)
			}
		}
	}
}

func everywhere(scope string) string {
	if scope == inCluster {
		return AnyNamespace
	}
	return scope
}

func (t *taker) grants() {
	for _, name := range t.bindable {
		if role := t.a.Role(RoleName{Name: name}); role != nil {
			rights := role.Rights(true).Complete()
			within := role.Rights(false).Complete()
			if t.may(clRoleWord, "", name, toEscalate, toChange) != nil || rights.Has(WildcardAll) {
				rights, within = everything, everything
			}
			t.grant(clRoleWord, RoleName{Name: name}, "clusterrolebindings", inCluster, inCluster, rights)
			for _, scope := range t.scopes {
				t.grant(clRoleWord, RoleName{Name: name}, "rolebindings", scope, everywhere(scope), within)
			}
		}
	}
	if !t.byRoles {
		return
	}
	for i := range t.a.roles {
		if role := &t.a.roles[i]; role.Namespace != "" {
			rights := role.Rights(false).Complete()
			if rights.Has(WildcardAll) {
				rights = everything
			}
			t.grant(roleWord, role.RoleName, "rolebindings", role.Namespace, role.Namespace, rights)
		}
	}
}

// grant looks for a binding to a role that the subject may make, or be added to.
func (t *taker) grant(resource string, role RoleName, bindings, scope, holds string, rights Rights) {
	p := t.may(resource, scope, role.Name, toBind)
	if p == nil {
		return
	}
	how := t.may(bindings, scope, "", toCreate)
	if how == nil {
		how = t.joins(role, bindings, scope)
	}
	if how != nil {
		t.take(GrantAnyRole, holds, rights, append(p, how...)...)
	}
}

// joins returns the proofs that the subject may add itself to a binding.
func (t *taker) joins(role RoleName, bindings, scope string) []Proof {
	if bindings == "rolebindings" && scope == inCluster {
		return nil
	}
	known := t.a.Role(role)
	to, _ := t.a.BindingsTo(known)
	for _, b := range to {
		if b.Namespace() != scope || b.Role() != known {
			continue
		}
		if p := t.may(bindings, scope, b.Name(), toChange); p != nil {
			return p
		}
	}
	return nil
}
