package attack

import (
	"cmp"
	"slices"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/reach"
)

// Unfollowed is a dangerous right from which the graph has no step: alone it leads
// nowhere, or it disturbs, or what it changes is not followed.
type Unfollowed struct {
	Right     access.Right
	Holder    access.Subject // a group where the right is its
	Namespace string         // "" for the whole cluster
}

// Unfollowed returns the rights for every name without a step that an attacker holds
// who starts at some vertices, there and wherever steps lead: the gravest first.
func (g *Graph) Unfollowed(from []ID) []Unfollowed {
	seen := map[Unfollowed]bool{}
	var all []Unfollowed
	stealers := g.stealers()
	for v, reached := range g.reachedFrom(from) {
		if k := g.vertices[v].kind; !reached || k != Account && k != User && k != Group && k != Granted {
			continue
		}
		s := g.accounts[g.vertices[v].at]
		followed := g.followed(s, ID(v))
		if stealers[s] {
			followed |= 1 << access.WriteNodes
		}
		held := g.access.Rights(s)
		var before access.Held // of what it has without, its base tells
		if s.Granted() {
			before = g.access.Rights(g.access.Base(s))
		}
		if held.Cluster.Has(access.WildcardAll) {
			continue
		}
		add := func(rights access.Rights, namespace string) {
			for _, r := range (rights & told &^ followed).All() {
				p, ok := g.access.Prove(s, r, namespace)
				if u := (Unfollowed{r, g.access.Base(p.Subject), namespace}); ok && !seen[u] {
					seen[u] = true
					all = append(all, u)
				}
			}
		}
		add(held.Cluster&^before.Cluster, "")
		for _, scoped := range held.Namespaces {
			if !scoped.Rights.Has(access.WildcardAll) {
				add(scoped.Rights&^held.Cluster&^before.In(scoped.Namespace), scoped.Namespace)
			}
		}
	}
	slices.SortFunc(all, func(x, y Unfollowed) int {
		return cmp.Or(-cmp.Compare(x.Right.Info().Severity, y.Right.Info().Severity), cmp.Compare(x.Right, y.Right), cmp.Compare(x.Namespace, y.Namespace),
			cmp.Compare(x.Holder.String(), y.Holder.String()))
	})
	return all
}

// told are the rights that say by themselves what they give.
const told = access.Reported &^ (access.Combined | 1<<access.WildcardAll | 1<<access.WildcardResources | 1<<access.WildcardVerbs)

// kindRights are the rights of edges that do not name theirs.
var kindRights = map[EdgeKind]access.Rights{
	DropPolicies: 1 << access.WriteAdmissionPolicies, ChangeWebhooks: 1 << access.WriteWebhooks, ReadByWebhook: 1 << access.WriteWebhooks, ChangePolicies: 1 << access.WriteAdmissionPolicies,
	HijackAPI: 1 << access.WriteAPIServices, HijackConversion: 1 << access.WriteCRDs, OpenNetwork: 1 << access.WriteNetworkPolicies, KubeletCertificate: 1 << access.ForgeCertificate,
	RelabelNamespace: 1 << access.BypassPodSecurity, RelabelToReach: 1 << access.PatchNamespaces, ImpersonateConstrained: 1 << access.ImpersonateConstrained,
	StartByOperator: 1 << access.CustomWorkloads, StartMachine: 1 << access.CustomWorkloads, DriveDeployer: 1 << access.WriteReleases,
}

// followed returns the rights from which edges lead away from a subject, or from its
// groups, with those that make them and those that they are parts of.
func (g *Graph) followed(s access.Subject, v ID) access.Rights {
	var rights access.Rights
	add := func(v ID) {
		for i := range g.out(v) {
			e := &g.out(v)[i]
			if rights |= kindRights[e.kind]; e.kind >= Everything && e.right&byName == 0 {
				rights |= 1 << (e.right &^ byProof)
			}
		}
	}
	add(v)
	for group := range s.Groups() {
		for i := range g.out(v) {
			to := &g.vertices[g.out(v)[i].to]
			if to.kind == Group && g.accounts[to.at] == group {
				add(g.out(v)[i].to)
			}
		}
	}
	for _, r := range rights.All() {
		for _, any := range r.Together() {
			rights |= any
		}
	}
	for _, r := range rights.All() {
		if part := r.Info().Part; part != "" {
			rights |= 1 << rightNamed(part)
		}
	}
	if rights.Has(access.ReadSecrets) {
		rights |= 1 << access.ReadAll
	}
	return rights
}

// rightNamed returns the right of a name.
func rightNamed(name string) access.Right {
	r := access.Right(0)
	for r.String() != name {
		r++
	}
	return r
}

// stealers returns the subjects whose right to write nodes a step follows from: it
// leads from their nodes.
func (g *Graph) stealers() map[access.Subject]bool {
	all := map[access.Subject]bool{}
	for i := range g.edges {
		if e := &g.edges[i]; e.kind == StealPods {
			for _, p := range g.proven[e.note] {
				all[p.Subject] = true
			}
		}
	}
	return all
}

// reachedFrom says of each vertex whether steps lead there from some.
func (g *Graph) reachedFrom(from []ID) []bool {
	reached := make([]bool, len(g.vertices))
	silent := 0 // containers that listen and were not reached
	for c := range g.containers {
		if len(g.ports(int32(c))) > 0 {
			silent++
		}
	}
	var next []ID
	take := func(v ID) {
		if reached[v] {
			return
		}
		reached[v] = true
		next = append(next, v)
		if x := &g.vertices[v]; x.kind == Container && len(g.ports(x.part)) > 0 {
			silent--
		}
	}
	for _, v := range from {
		take(v)
	}
	rows := map[int]bool{} // of the network that were followed
	for len(next) > 0 {
		v := next[len(next)-1]
		next = next[:len(next)-1]
		for i := range g.out(v) {
			take(g.out(v)[i].to)
		}
		if guest, ok := g.guestOf(v); ok && silent > 0 {
			for c := range g.containers {
				if to := g.containerVertex(int32(c)); !reached[to] && len(g.ports(int32(c))) > 0 && g.passes(guest, int32(c)).Answer != reach.No {
					take(to)
				}
			}
		}
		if g.vertices[v].kind != Position || silent == 0 {
			continue
		}
		for _, endpoint := range g.endpointsOf(g.vertices[v].at) {
			if class := g.network.Class(endpoint); !rows[class] {
				rows[class] = true
				g.connects(endpoint, take)
			}
		}
	}
	return reached
}

// connects calls take for the containers to which there may be a connection from an
// endpoint.
func (g *Graph) connects(endpoint reach.ID, take func(ID)) {
	for to, verdict := range g.network.From(endpoint) {
		w := g.workloadOf[to]
		if w == none {
			continue
		}
		for c := g.workloads[w].first; c < g.workloads[w].last; c++ {
			least := reach.Maybe
			if g.options.Known {
				least = reach.Yes
			}
			if slices.ContainsFunc(g.ports(c), func(p reach.Port) bool { return verdict.On(p) >= least }) && (g.listening(c) || !g.options.Known) {
				take(g.containerVertex(c))
			}
		}
	}
}
