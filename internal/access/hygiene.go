package access

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Note is something about roles and bindings that is not a right, but leads to
// rights that nobody meant to give.
type Note struct {
	ID      string // permanent, such as dangling-binding
	Text    string // what it means, one sentence
	Subject Subject
	Binding Binding // the zero Binding for notes about roles
	Role    *Role
}

// The notes, in the order of reports.
var notes = []struct{ id, text string }{
	{"anonymous-bound", "Everybody who reaches the API server has these rights, without a login."},
	{"authenticated-bound", "Everybody with a login has these rights, and every pod with a token."},
	{"all-accounts-bound", "Every service account of the cluster has these rights."},
	{"namespace-accounts-bound", "Every service account of the namespace has these rights, those still to be made included."},
	{"masters-bound", "Members of system:masters are above all rules already; a binding for them hides who they are."},
	{"default-account-bound", "Every pod that names no service account has these rights."},
	{"dangling-binding", "The role was not read: whoever may create it decides what the binding gives."},
	{"unknown-subject", "A subject is none that RBAC knows: a User, a Group, or a ServiceAccount with a namespace. The API server refuses the binding."},
	{"missing-account", "The service account does not exist: whoever may create it has these rights."},
	{"replaced-rules", "Rules beside an aggregationRule give nothing: the controller replaces them by those of the ClusterRoles that it selects."},
	{"aggregated-role", "Whoever may label a ClusterRole adds its rules to this role."},
}

func textOf(id string) string {
	for _, n := range notes {
		if n.id == id {
			return n.text
		}
	}
	return ""
}

// Notes returns what is untidy in roles and bindings, in the order of their
// meaning. What every cluster has is left out.
func (a *Analysis) Notes() []Note {
	var found []Note
	add := func(id string, n Note) {
		n.ID, n.Text = id, textOf(id)
		found = append(found, n)
	}
	for b := range a.All() {
		if b.Assumed() {
			continue
		}
		if b.Role() == nil {
			add("dangling-binding", Note{Binding: b})
		}
		if b.Refused() {
			add("unknown-subject", Note{Binding: b, Role: b.Role()})
		}
		for _, s := range b.Subjects() {
			if id := a.untidy(s); id != "" {
				add(id, Note{Binding: b, Role: b.Role(), Subject: s})
			}
		}
	}
	for i := range a.roles {
		if r := &a.roles[i]; r.Aggregated && r.Object != nil && !AssumedRole(r.Name) {
			add("aggregated-role", Note{Role: r})
		}
		if a.roles[i].replaced.Len() > 0 {
			add("replaced-rules", Note{Role: &a.roles[i]})
		}
	}
	position := func(id string) int {
		return slices.IndexFunc(notes, func(n struct{ id, text string }) bool { return n.id == id })
	}
	slices.SortStableFunc(found, func(x, y Note) int { return position(x.ID) - position(y.ID) })
	return found
}

// Refused reports whether the binding has a subject that was not taken for one, and
// that the API server refuses it for.
func (b Binding) Refused() bool {
	if b.Object() == nil {
		return false
	}
	r := bindingReader{&writtenBindings{namespace: hashOf(b.Namespace())}, b.Namespace() == ""}
	list := b.Object().Root.Get("subjects").Children()
	return slices.ContainsFunc(list, func(n tree.Node) bool {
		_, ok := r.subject(&n)
		return !ok
	})
}

// untidy returns the id of the note about a subject of a binding, or "".
func (a *Analysis) untidy(s Subject) string {
	switch {
	case s.Kind == kindAccount && s.Name == "default":
		return "default-account-bound"
	case s.Kind == kindAccount:
		key := model.Key{Cluster: a.clusterName, Namespace: s.Namespace, GroupKind: model.GroupKind{Kind: kindAccount}, Name: s.Name}
		if a.snapshot.Complete(s.Namespace, key.GroupKind) && a.snapshot.Get(key) == nil {
			return "missing-account"
		}
	case s == Group(unauthenticated) || s == User(anonymous):
		return "anonymous-bound"
	case s == Group(authenticated):
		return "authenticated-bound"
	case s == Group(serviceAccounts):
		return "all-accounts-bound"
	case s == Group(masters):
		return "masters-bound"
	}
	if namespace, ok := AccountsOf(s); ok && namespace != "" && !systemNamespace(namespace) {
		return "namespace-accounts-bound"
	}
	return ""
}
