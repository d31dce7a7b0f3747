package attack

import (
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// relabels notes that a subject may take the Pod Security label off a namespace,
// or any, and start pods there.
func (b *builder) relabels(v ID, ns int32) {
	b.relabel = append(b.relabel, relabel{v, ns, nil})
}

type relabel struct {
	subject   ID
	namespace int32
	proofs    []access.Proof // where the right is over the namespace by its name
}

// relabelsNamed adds who may change the labels of a namespace by its name and have
// pods there.
func (b *builder) relabelsNamed(s access.Subject, r access.NamedRight, name string) {
	all := b.access.Rights(s)
	held := all.In(name)
	if held&runs == 0 || held.Has(access.PatchNamespaces) || r.Namespace != "" && r.Namespace != name {
		return
	}
	resource, sub, _ := strings.Cut(r.Resource, "/")
	proofs, ok := b.asked(s, access.Request{Resource: resource, Subresource: sub, Namespace: name, Name: name}, change[1:]...)
	for _, right := range (held & runs).All() {
		in := name
		if all.Cluster.Has(right) {
			in = ""
		}
		if p, may := b.provenOnce(s, right, in); ok && may {
			b.relabel = append(b.relabel, relabel{b.subject(s), b.namespace(name), append(proofs, p)})
			return
		}
	}
}

// heldRight is a right of a subject in a namespace, or in all where that is "".
type heldRight struct {
	subject   access.Subject
	right     access.Right
	namespace string
}

// provenOnce returns by what a subject holds a right, which is asked for many names.
func (b *builder) provenOnce(s access.Subject, r access.Right, namespace string) (access.Proof, bool) {
	key := heldRight{s, r, namespace}
	p, known := b.proofs[key]
	if !known {
		if found, ok := b.access.Prove(s, r, namespace); ok {
			p = &found
		}
		if b.proofs == nil {
			b.proofs = map[heldRight]*access.Proof{}
		}
		b.proofs[key] = p
	}
	if p == nil {
		return access.Proof{}, false
	}
	return *p, true
}

// namespaceEdges adds what the wide vertices hold. Those of the cluster hold
// those of each namespace.
func (b *builder) namespaceEdges() {
	b.namespace(systemNamespace) // is there, read or not
	b.administrator()
	b.system()
	b.users()
	for _, kind := range []VertexKind{RunPods, Debug, AnyPod, AnyAccount, AnySecret, Connect, Routed} {
		if b.hasWide(kind, none) {
			for ns := range b.namespaces {
				b.edge(b.at(kind, none), b.at(kind, int32(ns)), Member, Given, none)
			}
		}
		if kind == RunPods {
			b.runPods()
			b.inGuise()
		}
	}
	b.guarded()
	for ns := range b.namespaces {
		b.members(int32(ns))
		b.routed(int32(ns))
	}
	for id, s := range b.Graph.secrets {
		if b.hasWide(AnySecret, s.namespace) {
			b.edge(b.at(AnySecret, s.namespace), b.secretVertex[id], Member, Given, none)
		}
	}
	for id, s := range b.accounts {
		if s.Kind != "ServiceAccount" {
			continue
		}
		if ns := b.namespaceIDs[s.Namespace]; b.hasWide(AnyAccount, ns) {
			b.edge(b.at(AnyAccount, ns), b.accountAt(int32(id)), Member, Given, none)
		}
	}
	b.takeovers()
	b.memberships()
}

// aggregationController is a service account in kube-system that may write every
// rule into every ClusterRole.
const aggregationController = "clusterrole-aggregation-controller"

// assumesSystem reports whether the input lacks what every cluster has. A
// ClusterRole that the API server makes says that the rest was read with it.
func (b *builder) assumesSystem() bool {
	return b.snapshot.Get(model.Key{Cluster: b.cluster(), GroupKind: model.ClusterRoleKind, Name: "cluster-admin"}) == nil
}

// system adds what the part of Kubernetes gives that every cluster has in its own
// namespace, where files are read, which do not hold it.
func (b *builder) system() {
	if !b.assumesSystem() {
		return
	}
	ns := b.namespaceIDs[systemNamespace]
	if id, ok := b.accountIDs[tree.Mix(b.namespaceHash[ns], nameHash(aggregationController))]; ok {
		b.edge(b.accountAt(id), b.admin, SystemAccounts, Likely, none)
	}
	b.edge(b.at(AnyAccount, ns), b.admin, SystemAccounts, Likely, none)
	if in := b.inNamespace[ns]; in.first < in.last {
		return
	}
	b.edge(b.at(AnyPod, ns), b.anyNode(), SystemPods, Likely, none)
	if b.hasWide(Debug, none) || b.hasWide(Debug, ns) {
		b.edge(b.at(Debug, ns), b.anyNode(), SystemPods, Likely, none)
	}
}

// systemWorkloads adds what rewriting the workloads gives that nearly every
// cluster has in its own namespace, kube-proxy and the DNS server, for who may in
// a namespace, or in all where ns is none.
func (b *builder) systemWorkloads(v ID, ns int32) {
	system := b.namespace(systemNamespace)
	if in := b.inNamespace[system]; !b.assumesSystem() || in.first < in.last {
		return
	}
	s := b.accounts[b.vertices[v].at]
	for _, resource := range []string{"daemonsets", "deployments", "replicasets"} {
		if _, ok := b.asked(s, access.Request{Group: "apps", Resource: resource, Namespace: systemNamespace}, change[1:]...); ok {
			b.give(v, b.at(RunPods, system), ChangeWorkloads, Likely, access.ModifyControllers, ns)
			b.give(v, b.at(AnyPod, system), ChangeWorkloads, Likely, access.ModifyControllers, ns)
			return
		}
	}
}

// administrator adds what an administrator of the cluster has besides the name.
func (b *builder) administrator() {
	for _, kind := range []VertexKind{AnySecret, AnyPod, AnyAccount} {
		b.edge(b.admin, b.at(kind, none), UseAdmin, Certain, none)
	}
	b.edge(b.admin, b.anyNode(), UseAdmin, Certain, none)
	for _, volume := range b.volumeVertex {
		b.edge(b.admin, volume, UseAdmin, Certain, none)
	}
}

// members adds the workloads of a namespace to its wide vertices.
func (b *builder) members(ns int32) {
	pods, connect, debug := b.hasWide(AnyPod, ns), b.hasWide(Connect, ns), b.hasWide(Debug, ns)
	if !pods && !connect && !debug {
		return
	}
	in := b.inNamespace[ns]
	for w := in.first; w < in.last; w++ {
		if pods {
			b.edge(b.at(AnyPod, ns), b.workloadVertex(w, anyContainerAt), Member, Given, none)
		}
		if debug {
			b.edge(b.at(Debug, ns), b.workloadVertex(w, anyContainerAt), Member, Given, none)
		}
		for c := b.Graph.workloads[w].first; connect && c < b.Graph.workloads[w].last; c++ {
			if len(b.ports(c)) > 0 {
				b.edge(b.at(Connect, ns), b.containerVertex(c), ProxyService, NeedsExploit, none)
			}
		}
	}
}

// runPods adds what a pod of the attacker's own making gives in a namespace: any
// of its service accounts, secrets, volumes and places in the network.
func (b *builder) runPods() {
	for ns := range b.namespaces {
		id := int32(ns)
		if !b.hasWide(RunPods, id) {
			continue
		}
		run := b.at(RunPods, id)
		b.edge(run, b.at(AnyAccount, id), RunAs, Certain, none)
		b.edge(run, b.at(AnySecret, id), MountAny, Certain, none)
		for _, volume := range b.volumesIn[ns] {
			b.edge(run, b.volumeVertex[volume], MountAny, Certain, none)
		}
		for w := b.inNamespace[ns].first; w < b.inNamespace[ns].last; w++ {
			b.edge(run, b.workloadVertex(w, positionAt), Member, Given, none)
		}
	}
	for _, account := range b.cloudAccounts() {
		ns := b.namespaceIDs[b.accounts[account].Namespace]
		if !b.hasWide(RunPods, ns) {
			continue
		}
		for _, m := range b.cloud(account) {
			b.because(b.at(RunPods, ns), m.identity, RunAs, Likely, m.why.object, m.why.node)
		}
	}
}

// users adds whom one may be who may be any user, and who may have any name and
// group: the API server signs no certificate for system:masters. A user who is
// impersonated is in the groups that its name gives and that no right is asked for;
// that of nodes is not among these.
func (b *builder) users() {
	if b.anyIdentity != none {
		b.edge(b.anyIdentity, b.one(&b.anyUser, AnyUser), Member, Given, none)
		b.edge(b.anyIdentity, b.at(AnyAccount, none), Member, Given, none)
	}
	for id, s := range b.accounts {
		v := b.accountVertex[id]
		anyUser := s.Kind == "User" && !b.nodeByName(s) || s == access.Group(unauthenticatedGroup) // as the anonymous user
		switch {
		case v == none || s.Kind == "ServiceAccount" || s.Granted() || s == access.Group(mastersGroup):
		case b.anyUser != none && anyUser:
			b.edge(b.anyUser, v, Member, Given, none)
		case b.anyIdentity != none && !anyUser:
			b.edge(b.anyIdentity, v, Member, Given, none)
		}
	}
}

// nodeByName reports whether a user has the name of a node and the group of nodes
// has rights, which the name alone does not give.
func (b *builder) nodeByName(user access.Subject) bool {
	return b.nodesBound && strings.HasPrefix(user.Name, nodePrefix)
}

// runs are the rights to have pods of one's own.
const runs access.Rights = 1<<access.CreatePods | 1<<access.CreateWorkloads | 1<<access.ModifyControllers
