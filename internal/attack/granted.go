package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// A subject that gives itself rights goes on with them as one that has them: each
// way leads to what its rights do alone, and here is what they do together, with
// each other and with those that the subject has.

// grants are the ways of a subject to rights that it does not hold.
type grants struct {
	*builder
	subject access.Subject
	held    access.Held
	ways    []access.Takeover
}

// together adds what the ways of a subject lead to besides what stands in steps.
func (b *builder) together(s access.Subject, ways []access.Takeover) {
	g := grants{b, s, b.access.Rights(s), ways}
	if all := g.has("") | g.given(""); all.Has(access.WritePersistentVolumes) && !all.Has(access.WildcardAll) {
		b.hostVolumes = append(b.hostVolumes, volumeMaker{b.subject(s), &g})
	}
	for _, namespace := range g.namespaces() {
		if namespace == "" && g.given(namespace).Has(access.WildcardAll) {
			continue // cluster-admin
		}
		has := g.has(namespace)
		added := (has | g.given(namespace)).Complete() &^ has
		ns := int32(none)
		if namespace != "" && namespace != access.AnyNamespace {
			ns = b.namespace(namespace)
		}
		g.rightsIn(added, namespace, ns)
	}
	for r := range b.access.Restricted(s) {
		if r.Right == access.PatchNamespaces {
			g.relabelsNamed(r)
		}
	}
}

// relabelsNamed adds that a subject which may change the labels of a namespace by
// its name gives itself the right to have pods there.
func (g grants) relabelsNamed(r access.NamedRight) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	for _, name := range r.Names {
		if r.Namespace != "" && r.Namespace != name || g.has(name)&runs != 0 || g.given(name).Has(access.PatchNamespaces) {
			continue
		}
		proofs, way := g.by(runs, name)
		own, ok := g.asked(g.subject, access.Request{Resource: resource, Subresource: sub, Namespace: name, Name: name}, change[1:]...)
		if ok && way != nil {
			g.relabel = append(g.relabel, relabel{g.builder.subject(g.subject), g.namespace(name), append(own, proofs...), wayKind(way), way.Right})
		}
	}
}

// namespaces are those in which the ways give something, once each.
func (g grants) namespaces() []string {
	var all []string
	wide := false
	for _, w := range g.ways {
		all = append(all, w.Namespace)
		wide = wide || w.Namespace == "" || w.Namespace == access.AnyNamespace
	}
	for _, scoped := range g.held.Namespaces {
		if wide {
			all = append(all, scoped.Namespace)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func holdsIn(w *access.Takeover, namespace string) bool {
	return w.Namespace == namespace || w.Namespace == "" || w.Namespace == access.AnyNamespace && namespace != ""
}

// has returns the rights that the subject has in a namespace already.
func (g grants) has(namespace string) access.Rights {
	if namespace == access.AnyNamespace {
		return g.held.Cluster
	}
	return g.held.In(namespace)
}

// given returns the rights that the ways give in a namespace.
func (g grants) given(namespace string) (rights access.Rights) {
	for i := range g.ways {
		if holdsIn(&g.ways[i], namespace) {
			rights |= g.ways[i].Rights
		}
	}
	return rights
}

// by returns what proves that the subject comes to one of some rights in a
// namespace: it has it, or a way gives it, the kind of which is returned as well.
func (g grants) by(any access.Rights, namespace string) ([]access.Proof, *access.Takeover) {
	for _, right := range (any & g.has(namespace)).All() {
		of := namespace
		if of == access.AnyNamespace {
			of = ""
		}
		if proofs := g.proofs(g.subject, right, g.scope(of)); len(proofs) > 0 {
			return proofs, nil
		}
	}
	for i := range g.ways {
		if w := &g.ways[i]; holdsIn(w, namespace) && w.Rights&any != 0 {
			return w.Proofs, w
		}
	}
	return nil, nil
}

func (g grants) scope(namespace string) int32 {
	if namespace == "" {
		return none
	}
	return g.namespace(namespace)
}

// parts returns what proves that the subject comes to a right in a namespace, of
// which others may be parts, and the way that one of them takes.
func (g grants) parts(r access.Right, namespace string) (proofs []access.Proof, way *access.Takeover) {
	if p, w := g.by(1<<r, namespace); w != nil {
		return p, w
	}
	for _, any := range r.Together() {
		p, w := g.by(any, namespace)
		if proofs = append(proofs, p...); w != nil {
			way = w
		}
	}
	return proofs, way
}

// rightsIn adds what rights lead to that the subject comes to in a namespace; ns is
// none for all.
func (g grants) rightsIn(rights access.Rights, namespace string, ns int32) {
	lead := func(r access.Right, to ID, c Certainty) {
		if proofs, w := g.parts(r, namespace); w != nil {
			g.proveAs(g.builder.subject(g.subject), to, w, c, proofs)
		}
	}
	if rights.Has(access.BypassPodSecurity) {
		if proofs, w := g.parts(access.BypassPodSecurity, namespace); w != nil {
			g.relabel = append(g.relabel, relabel{g.builder.subject(g.subject), ns, proofs, wayKind(w), w.Right})
		}
	}
	if rights.Has(access.ForgeToken) && !rights.Has(access.WildcardAll) {
		lead(access.ForgeToken, g.at(AnyAccount, ns), Certain)
	}
	if rights.Has(access.ModifyControllers) && rights&(1<<access.CreatePods|1<<access.CreateWorkloads) == 0 {
		for id, in := range g.inNamespace {
			if (ns == none || ns == int32(id)) && slices.ContainsFunc(g.Graph.workloads[in.first:in.last], func(w workload) bool { return rewritten(w.Object.Key.GroupKind) != nil }) {
				lead(access.ModifyControllers, g.at(RunPods, int32(id)), Likely)
			}
		}
	}
	if rights.Has(access.MintTokens) {
		for _, id := range g.cloudAccounts() {
			if in := g.namespaceIDs[g.accounts[id].Namespace]; ns == none || ns == in {
				for _, m := range g.cloud(id) {
					lead(access.MintTokens, m.identity, Likely)
				}
			}
		}
	}
	if ns != none && g.builder.namespaces[ns] != systemNamespace {
		return
	}
	aws := model.Key{Cluster: g.cluster(), Namespace: systemNamespace, GroupKind: model.ConfigMapKind, Name: awsAuth}
	if rights.Has(access.WriteAWSAuth) && g.snapshot.Get(aws) != nil {
		lead(access.WriteAWSAuth, g.admin, Likely)
	}
}

// volumes returns what proves that the subject may make persistent volumes, and pods
// in a namespace, and the way that it takes to one of them.
func (g grants) volumes(namespace string) ([]access.Proof, *access.Takeover) {
	proofs, way := g.by(1<<access.WritePersistentVolumes, "")
	more, also := g.by(runs, namespace)
	if way == nil {
		way = also
	}
	return append(slices.Clip(proofs), more...), way
}

// proveAs adds an edge that a way to rights makes.
func (b *builder) proveAs(from, to ID, w *access.Takeover, c Certainty, proofs []access.Proof) {
	b.Graph.proven = append(b.Graph.proven, proofs)
	b.give(from, to, wayKind(w), c, byProof|w.Right, int32(len(b.Graph.proven)-1))
}

func wayKind(w *access.Takeover) EdgeKind {
	if w.Right == access.RewriteRoles {
		return RewriteRole
	}
	return GrantRole
}
