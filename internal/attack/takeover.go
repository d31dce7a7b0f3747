package attack

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// byProof marks an edge whose note is a position in Graph.proven.
const byProof access.Right = 1 << 6

// prove adds an edge for which something is to be proven.
func (b *builder) prove(from, to ID, kind EdgeKind, r access.Right, proofs []access.Proof) {
	b.Graph.proven = append(b.Graph.proven, proofs)
	b.give(from, to, kind, Certain, byProof|r, int32(len(b.Graph.proven)-1))
}

// takeovers leads from subjects to what they are with the roles that they may give
// themselves. What these lead to stands at the vertex of it, as that of any subject.
func (b *builder) takeovers() {
	list, more := b.access.Granted()
	if more {
		b.lacks(grantsBeyond)
	}
	for _, g := range slices.Backward(list) { // what comes of one may be all that it is worth
		first := &g.Ways[0]
		if first.Administers() {
			b.prove(b.subject(g.Base), b.admin, wayKind(first), first.Right, first.Proofs)
			continue
		}
		at, known := b.subjects[g.Subject]
		if !known {
			continue
		}
		v := b.accountVertex[at]
		b.edge(v, b.subject(g.Base), Member, Given, none)
		if len(g.Parts) == 0 {
			b.prove(b.subject(g.Base), v, wayKind(first), first.Right, first.Proofs)
			continue
		}
		for i, part := range g.Parts {
			var proofs []access.Proof
			var way *access.Takeover
			for j := range g.Ways {
				if j != i {
					way, proofs = &g.Ways[j], append(proofs, g.Ways[j].Proofs...)
				}
			}
			b.prove(b.subject(part), v, wayKind(way), way.Right, proofs)
		}
	}
}

// grantsBeyond is a reason for which a graph is incomplete.
const grantsBeyond = "subjects may give themselves more roles, one by another, than are looked at"

func wayKind(w *access.Takeover) EdgeKind {
	if w.Right == access.RewriteRoles {
		return RewriteRole
	}
	return GrantRole
}

// grantedRoles names the roles that a subject has given itself, and where.
func (g *Graph) grantedRoles(s access.Subject) string {
	var all []string
	for _, w := range g.access.WaysOf(s) {
		text := "a role with every right"
		if w.Role != nil {
			text = w.Role.Kind() + " " + w.Role.Name
		}
		switch w.Namespace {
		case "":
		case access.AnyNamespace:
			text += " in every namespace"
		default:
			text += " in namespace " + w.Namespace
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > 3 {
		all = append(all[:3], fmt.Sprintf("%d more", len(all)-3))
	}
	return strings.Join(all, ", and ")
}

// scope returns where the rights of a subject hold that it has in every namespace:
// "" in the whole cluster.
func (b *builder) scope(v ID) string {
	if s := b.accounts[b.vertices[v].at]; s.Granted() {
		for _, w := range b.access.WaysOf(s) {
			if w.Namespace == access.AnyNamespace {
				return access.AnyNamespace
			}
		}
	}
	return ""
}

// somebody are the rights to impersonate a user or a service account.
const somebody access.Rights = 1<<access.ImpersonateUsers | 1<<access.ImpersonateAccounts

// asSomebody says how certain it is that a subject may impersonate some user or
// service account: the API server takes a group with one only. It is Given where
// it may not.
func (b *builder) asSomebody(s access.Subject) Certainty {
	held := b.access.Rights(s)
	any := held.Cluster
	for _, scoped := range held.Namespaces {
		any |= scoped.Rights
	}
	if any&somebody != 0 {
		return Certain
	}
	for r := range b.access.Restricted(s) {
		if somebody>>r.Right&1 != 0 {
			return Certain
		}
	}
	if b.snapshot.Closed {
		return Given
	}
	return Unknown
}

// forgesNamed adds the tokens that come by making a Secret of a name that the
// subject may read, in namespaces that have none of it. Who may patch what has the
// name may make it with the right to create for the name alone.
func (b *builder) forgesNamed(s access.Subject, r access.NamedRight, name string) {
	if _, ok := b.asked(s, access.Request{Resource: "secrets", Namespace: access.AnyNamespace, Name: name}, "create"); !ok {
		return
	}
	held := b.access.Rights(s)
	namespaces := []string{r.Namespace}
	if r.Namespace == "" {
		namespaces = b.namespaces
		b.lookups += len(namespaces)
	}
	for _, namespace := range namespaces {
		if held.In(namespace).Has(access.ForgeToken) {
			continue
		}
		ns := b.namespace(namespace)
		if b.get(model.SecretKind, ns, name) != nil {
			continue // what is there cannot be made
		}
		q := access.Request{Resource: "secrets", Namespace: namespace}
		proofs, ok := b.asked(s, q, "create")
		q.Name = name
		verbs := access.SecretVerbs()
		if !ok {
			proofs, ok = b.asked(s, q, "create")
			verbs = []string{"patch"} // by which it is made, and read
		}
		if read, may := b.asked(s, q, verbs...); ok && may {
			b.prove(b.subject(s), b.at(AnyAccount, ns), ForgeToken, access.ForgeToken, append(proofs, read...))
		}
	}
}
