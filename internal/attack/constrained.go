package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/tree"
)

// Constrained impersonation (KEP-5284) takes two rights: to act as somebody, and to
// do so for a request. What a subject wins is what both it may do so and whom it
// acts as may do.

// The minor versions since which the API server knows constrained impersonation,
// behind a feature gate, and since which the gate is on by default.
const (
	constrainedKnown = 35
	constrainedOn    = 36
)

const authnGroup = "authentication.k8s.io"

// mode is a way of constrained impersonation.
type mode struct {
	name     string
	resource string // of whom one acts as
}

var (
	asUser           = mode{"user-info", "users"}
	asAccount        = mode{"serviceaccount", "serviceaccounts"}
	asArbitraryNode  = mode{"arbitrary-node", "nodes"}
	asAssociatedNode = mode{"associated-node", "nodes"}
)

// constrained adds what subjects win by acting as others for some requests.
func (b *builder) constrained() {
	if b.options.KubernetesMinor < constrainedKnown || !b.someConstrained {
		return
	}
	var holders []access.Subject
	for s, held := range b.access.Subjects() {
		if !held.Cluster.Has(access.WildcardAll) && b.mayConstrained(s, held) {
			holders = append(holders, s)
		}
	}
	for _, s := range holders {
		i := impersonator{builder: b, subject: s, certainty: Likely, won: map[ID]bool{}}
		if b.options.KubernetesMinor < constrainedOn {
			i.certainty = Unknown
		}
		for _, m := range []mode{asUser, asAccount, asArbitraryNode, asAssociatedNode} {
			i.look(m)
		}
	}
}

// constrains reports whether a role lets act as others for some requests. Of who
// may do everything it says nothing.
func constrains(role *access.Role, named []access.Named) bool {
	rights := role.Rights(true)
	return rights.Has(access.ImpersonateConstrained) && !rights.Has(access.WildcardAll) ||
		slices.ContainsFunc(named, func(n access.Named) bool { return n.Right == access.ImpersonateConstrained })
}

// mayConstrained reports whether a subject has a part in constrained impersonation.
func (b *builder) mayConstrained(s access.Subject, held access.Held) bool {
	any := held.Cluster
	for _, scoped := range held.Namespaces {
		any |= scoped.Rights
	}
	if any.Has(access.ImpersonateConstrained) {
		return true
	}
	for r := range b.access.Restricted(s) {
		if r.Right == access.ImpersonateConstrained {
			return true
		}
	}
	return false
}

// impersonator finds what a subject wins by acting as others.
type impersonator struct {
	*builder
	subject   access.Subject
	certainty Certainty
	won       map[ID]bool
}

// request is one that the subject may make as somebody else, with what proves it,
// and the step that it is a part of.
type request struct {
	access.Request
	step
	proofs []access.Proof
}

// constrainedSteps are the steps that single requests are. One may not impersonate
// twice, and what takes several rights is left out.
var constrainedSteps = append(slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
	return len(s.right.Needs()) == 0 || s.kind == ImpersonateAccount || s.kind == ImpersonateUser
}), step{access.ModifyControllers, ChangeWorkloads, RunPods, false, Certain})

// look adds what one mode gives.
func (i *impersonator) look(m mode) {
	requests := i.requests(m)
	switch m {
	case asArbitraryNode:
		i.arbitraryNode(requests)
		return
	case asAssociatedNode:
		i.associatedNode(requests)
		return
	}
	admin, administers := i.bindsAs(m)
	spots := i.spotsAs(m)
	if len(requests)+len(spots) == 0 && !administers {
		return
	}
	for whom, held := range i.access.Subjects() {
		acts, ok := i.actsAs(m, whom)
		if !ok {
			continue
		}
		if administers && held.Cluster.Has(access.WildcardAll) {
			all, _ := i.access.Prove(whom, access.WildcardAll, "")
			i.win(i.admin, Certain, acts, admin, []access.Proof{all})
		}
		i.intersect(whom, acts, requests)
		i.meet(m, whom, acts, spots)
		if len(requests) > 0 {
			i.meet(m, whom, acts, i.spotsOf(whom))
		}
	}
}

// spot is a request about an object of a name, and the right that it is a part of.
type spot struct {
	access.Request
	right access.Right
}

// spotsAs returns the requests about names that rules of the subject let it make in a
// mode.
func (i *impersonator) spotsAs(m mode) []spot {
	var all []spot
	for binding := range i.access.Bindings(i.subject) {
		role := binding.Role()
		if role == nil || binding.Namespace() == access.AnyNamespace {
			continue
		}
		for _, rule := range role.Rules() {
			if len(rule.Names()) == 0 || !slices.ContainsFunc(rule.Verbs(), func(verb string) bool { return strings.HasPrefix(verb, "impersonate-on:"+m.name+":") }) {
				continue
			}
			for _, s := range constrainedSteps {
				all = i.spots(all, s.right, "", binding.Namespace(), rule.Names(), func(q access.Request) bool {
					q.Verb = "impersonate-on:" + m.name + ":" + q.Verb
					return rule.Allows(&q)
				})
			}
		}
	}
	return all
}

// spotsOf returns the requests that somebody may make about some names.
func (i *impersonator) spotsOf(whom access.Subject) []spot {
	var all []spot
	for r := range i.access.Restricted(whom) {
		if slices.ContainsFunc(constrainedSteps, func(s step) bool { return s.right == r.Right }) {
			all = i.spots(all, r.Right, r.Resource, r.Namespace, r.Names, func(access.Request) bool { return true })
		}
	}
	return all
}

// spots adds the requests about names that give a right, by one resource or by all.
func (i *impersonator) spots(all []spot, right access.Right, resource, namespace string, names []string, allows func(access.Request) bool) []spot {
	for _, need := range right.Needs() {
		for _, one := range need.Resources {
			for _, verb := range need.Verbs {
				for _, name := range names {
					q := access.Request{Verb: verb, Group: need.Group, Namespace: namespace, Name: name}
					q.Resource, q.Subresource, _ = strings.Cut(one, "/")
					if (resource == "" || resource == one) && (verb != "create" || q.Subresource != "") && allows(q) {
						all = append(all, spot{q, right})
					}
				}
			}
		}
	}
	return all
}

// meet adds the steps by requests about names that both the subject may make as another,
// and that one may make.
func (i *impersonator) meet(m mode, whom access.Subject, acts []access.Proof, spots []spot) {
	if len(spots) > 0 && i.withName == nil {
		i.indexNames()
	}
	for _, s := range spots {
		namespaces := []int32{}
		if s.Namespace != "" {
			namespaces = append(namespaces, i.namespace(s.Namespace))
		} else {
			namespaces = i.namespacesOf(s.Name, s.Resource)
		}
		for _, ns := range namespaces {
			if i.lookups++; i.lookups > namedLookups {
				i.lacks(lookupsBeyond)
				return
			}
			q, exists := s.Request, s.Namespace != ""
			q.Namespace = i.namespaces[ns]
			on, ok := i.askOn(m, q)
			his, may := i.asked(whom, q, q.Verb)
			if !ok || !may {
				continue
			}
			resource := q.Resource
			if q.Subresource != "" {
				resource += "/" + q.Subresource
			}
			i.namedIn(s.right, resource, q.Name, ns, exists, func(to ID, _ EdgeKind, c Certainty) {
				if q.Verb == "get" && i.upgraded(s.right) {
					c = Unknown
				}
				i.win(to, c, acts, on, his)
			})
		}
	}
}

// actsAs returns what proves that the subject may act as another in a mode. A group
// takes some user besides, and nobody becomes one of system:masters, or a node.
func (i *impersonator) actsAs(m mode, whom access.Subject) ([]access.Proof, bool) {
	switch {
	case m == asAccount && whom.Kind == "ServiceAccount":
		return i.askTo(m, m.resource, whom.Namespace, whom.Name)
	case m == asUser && whom.Kind == "User" && !strings.HasPrefix(whom.Name, nodePrefix):
		return i.askTo(m, m.resource, "", whom.Name)
	case m == asUser && whom.Kind == "Group" && whom.Name != mastersGroup && i.someUser():
		return i.askTo(m, "groups", "", whom.Name)
	}
	return nil, false
}

// askTo asks whether the subject may act as somebody in a mode.
func (i *impersonator) askTo(m mode, resource, namespace, name string) ([]access.Proof, bool) {
	q := access.Request{Group: authnGroup, Resource: resource, Namespace: namespace, Name: name}
	return i.asked(i.subject, q, "impersonate:"+m.name)
}

// askOn asks whether the subject may make a request as somebody else.
func (i *impersonator) askOn(m mode, q access.Request) ([]access.Proof, bool) {
	return i.asked(i.subject, q, "impersonate-on:"+m.name+":"+q.Verb)
}

// someUser reports whether the subject may act as some user in the mode for users.
func (i *impersonator) someUser() bool {
	_, any := i.askTo(asUser, asUser.resource, "", "")
	return any || len(i.names(asUser)) > 0
}

// names returns those that the subject may act as by rules about names, in the whole
// cluster.
func (i *impersonator) names(m mode) []string {
	var all []string
	for r := range i.access.Restricted(i.subject) {
		if r.Right == access.ImpersonateConstrained && r.Resource == m.resource && r.Namespace == "" {
			for _, name := range r.Names {
				if _, ok := i.askTo(m, m.resource, "", name); ok && !slices.Contains(all, name) {
					all = append(all, name)
				}
			}
		}
	}
	return all
}

// requests returns those that the subject may make in a mode: in the whole cluster,
// and in the namespaces that its bindings are in.
func (i *impersonator) requests(m mode) []request {
	scopes := []string{""}
	for binding := range i.access.Bindings(i.subject) {
		if ns := binding.Namespace(); ns != access.AnyNamespace && !slices.Contains(scopes, ns) {
			scopes = append(scopes, ns)
		}
	}
	var all []request
	for _, s := range constrainedSteps {
		for _, need := range s.right.Needs() {
			for _, resource := range need.Resources {
				for _, verb := range need.Verbs {
					for _, ns := range scopes {
						q := access.Request{Verb: verb, Group: need.Group, Namespace: ns}
						q.Resource, q.Subresource, _ = strings.Cut(resource, "/")
						if proofs, ok := i.askOn(m, q); ok && (ns == "" || !need.Cluster) {
							all = append(all, request{q, s, proofs})
						}
					}
				}
			}
		}
	}
	return all
}

// bindsAs returns what proves that the subject may write bindings of the whole
// cluster as somebody else: the API server then asks about the rights of that one.
func (i *impersonator) bindsAs(m mode) ([]access.Proof, bool) {
	for _, verb := range change {
		if proofs, ok := i.askOn(m, access.Request{Verb: verb, Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"}); ok {
			return proofs, true
		}
	}
	return nil, false
}

// intersect adds the steps by requests that both the subject may make as another,
// and that one may make: where the narrower of both is.
func (i *impersonator) intersect(whom access.Subject, acts []access.Proof, requests []request) {
	held := i.access.Rights(whom)
	for _, r := range requests {
		scopes := []string{r.Namespace}
		if r.Namespace == "" && !held.Cluster.Has(r.right) {
			scopes = nil
			for _, scoped := range held.Namespaces {
				if scoped.Rights.Has(r.right) && !r.wide {
					scopes = append(scopes, scoped.Namespace)
				}
			}
		}
		for _, namespace := range scopes {
			if i.lookups++; i.lookups > namedLookups {
				i.lacks(lookupsBeyond)
				return
			}
			r.Namespace = namespace
			proofs, ok := i.asked(whom, r.Request, r.Verb)
			if !ok || r.right == access.ModifyControllers && !i.hasWorkload(&r.Request) {
				continue
			}
			ns := int32(none)
			if namespace != "" {
				ns = i.namespace(namespace)
			}
			c := Certain
			if r.Verb == "get" && i.upgraded(r.right) {
				c = Unknown
			}
			i.win(i.target(r.to, ns), c, acts, r.proofs, proofs)
		}
	}
}

// hasWorkload reports whether there is a workload that a request would change.
func (i *impersonator) hasWorkload(q *access.Request) bool {
	return slices.ContainsFunc(i.Graph.workloads, func(w workload) bool {
		key := &w.Object.Key
		return key.Group == q.Group && slices.Contains(rewritten(key.GroupKind), q.Resource) && (q.Namespace == "" || q.Namespace == key.Namespace)
	})
}

// arbitraryNode adds what acting as a node of one's choice gives.
func (i *impersonator) arbitraryNode(requests []request) {
	if acts, ok := i.askTo(asArbitraryNode, asArbitraryNode.resource, "", ""); ok {
		i.intersect(access.Group(nodesGroup), acts, requests)
		for w := range i.Graph.workloads {
			i.asKubelet(asArbitraryNode, int32(w), Certain, acts)
		}
		return
	}
	for _, name := range i.names(asArbitraryNode) {
		acts, _ := i.askTo(asArbitraryNode, asArbitraryNode.resource, "", name)
		i.intersect(access.Group(nodesGroup), acts, requests)
		i.onNode(name, func(w int32, c Certainty) { i.asKubelet(asArbitraryNode, w, c, acts) })
	}
}

// associatedNode adds what acting as the node gives on which a pod of the service
// account runs. The API server asks for the name "*", as it keeps the answer for all
// nodes.
func (i *impersonator) associatedNode(requests []request) {
	acts, ok := i.askTo(asAssociatedNode, asAssociatedNode.resource, "", "*")
	if !ok || i.subject.Kind != "ServiceAccount" {
		return
	}
	i.intersect(access.Group(nodesGroup), acts, requests)
	for at := range i.Graph.workloads {
		w := &i.Graph.workloads[at]
		if i.accounts[w.account] != i.subject {
			continue
		}
		placed := i.placements[w.placed.first:w.placed.last]
		for _, n := range placed {
			i.onNode(strings.TrimPrefix(i.nodes[n].name, "node "), func(w int32, c Certainty) { i.asKubelet(asAssociatedNode, w, c, acts) })
		}
		for other := range i.Graph.workloads {
			if len(placed) == 0 {
				i.asKubelet(asAssociatedNode, int32(other), Unknown, acts)
			}
		}
	}
}

// asKubelet adds what the Node authorizer allows for a workload on the node that the
// subject acts as: a token for its service account, and its secrets.
func (i *impersonator) asKubelet(m mode, at int32, c Certainty, acts []access.Proof) {
	w := &i.Graph.workloads[at]
	namespace := i.namespaces[w.namespace]
	if proofs, ok := i.askOn(m, access.Request{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: namespace}); ok {
		i.win(i.accountAt(w.account), c, acts, proofs)
	}
	if proofs, ok := i.askOn(m, access.Request{Verb: "get", Resource: "secrets", Namespace: namespace}); ok {
		i.secretsOf(w, func(hash uint64, _ *tree.Node, text string) {
			i.win(i.secretVertex[i.secret(w.namespace, hash, text, nil)], c, acts, proofs)
		})
	}
}

// win adds a step, unless the subject has no part in it by itself: then a group of
// its has it.
func (i *impersonator) win(to ID, c Certainty, acts, on []access.Proof, whom ...[]access.Proof) {
	proofs := slices.Concat(acts, on)
	own := slices.ContainsFunc(proofs, func(p access.Proof) bool { return p.Subject == i.subject })
	if !own || i.won[to] {
		return
	}
	i.won[to] = true
	i.proven(i.builder.subject(i.subject), to, ImpersonateConstrained, max(c, i.certainty), append(proofs, slices.Concat(whom...)...))
}
