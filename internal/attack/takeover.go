package attack

import (
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

// takeovers adds what subjects get by changing roles and bindings.
func (b *builder) takeovers() {
	for s, ways := range b.access.Takeovers() {
		for _, w := range ways {
			for _, to := range b.gains(w) {
				b.prove(b.subject(s), to, wayKind(&w), w.Right, w.Proofs)
			}
		}
		b.together(s, ways)
	}
}

// gains returns what rights lead to where they hold.
func (b *builder) gains(w access.Takeover) []ID {
	ns := int32(none)
	if w.Namespace != "" && w.Namespace != access.AnyNamespace {
		ns = b.namespace(w.Namespace)
	}
	if w.Rights.Has(access.WildcardAll) {
		if w.Namespace == "" {
			return []ID{b.admin}
		}
		var all []ID
		for _, kind := range []VertexKind{RunPods, AnyPod, AnySecret, AnyAccount} {
			all = append(all, b.at(kind, ns))
		}
		return all
	}
	var all []ID
	seen := map[ID]bool{}
	for _, s := range steps {
		if !w.Rights.Has(s.right) || s.wide && w.Namespace != "" || s.to == ClusterAdmin {
			continue
		}
		if to := b.target(s.to, ns); !seen[to] {
			seen[to] = true
			all = append(all, to)
		}
	}
	return all
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
