package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// step is what a right leads to, wherever it is held.
type step struct {
	right access.Right
	kind  EdgeKind
	to    VertexKind // wide, or ClusterAdmin
	// wide says that the right means something in the whole cluster only.
	wide      bool
	certainty Certainty
}

// steps are the rights that lead somewhere. What is missing is no step: it
// disturbs, or needs another right that stands here.
var steps = []step{
	{access.WildcardAll, Everything, ClusterAdmin, true, Certain},
	{access.ReadSecrets, ReadSecrets, AnySecret, false, Certain},
	{access.ExecPods, ExecPods, AnyPod, false, Certain},
	{access.EphemeralContainers, DebugPods, Debug, false, Certain},
	{access.ModifyPods, PatchPods, AnyPod, false, Certain},
	{access.ModifyPods, RelabelPods, Labelled, false, Certain},
	{access.CreatePods, CreatePods, RunPods, false, Certain},
	{access.CreateWorkloads, CreatePods, RunPods, false, Certain},
	{access.NodeProxy, ProxyKubelet, AnyPod, true, Certain},
	{access.PortForward, ForwardPorts, Connect, false, Certain},
	{access.ProxyPods, ForwardPorts, Connect, false, Certain},
	{access.MintTokens, MintToken, AnyAccount, false, Certain},
	{access.ForgeToken, ForgeToken, AnyAccount, false, Certain},
	{access.ImpersonateAccounts, ImpersonateAccount, AnyAccount, false, Certain},
	{access.ImpersonateUsers, ImpersonateUser, AnyUser, true, Certain},
}

const stepRights = 1<<access.WildcardAll | 1<<access.ReadSecrets | 1<<access.ExecPods | 1<<access.EphemeralContainers | 1<<access.ModifyPods |
	1<<access.CreatePods | 1<<access.CreateWorkloads | 1<<access.NodeProxy | 1<<access.PortForward | 1<<access.ProxyPods | 1<<access.MintTokens |
	1<<access.ForgeToken | 1<<access.ImpersonateAccounts | 1<<access.ImpersonateUsers | 1<<access.GrantAnyRole | 1<<access.RewriteRoles |
	1<<access.CreateCSR | 1<<access.WriteWebhooks | 1<<access.WriteAdmissionPolicies | 1<<access.WriteAPIServices | 1<<access.WriteCRDs |
	1<<access.WriteNodes | 1<<access.CreateSecrets |
	1<<access.ModifyControllers | 1<<access.ImpersonateGroups | 1<<access.WriteAWSAuth | 1<<access.BypassPodSecurity | 1<<access.WritePersistentVolumes | 1<<access.PatchNamespaces |
	1<<access.WriteRoutes | 1<<access.CustomWorkloads | 1<<access.WriteReleases

const (
	mastersGroup         = "system:masters"
	nodesGroup           = "system:nodes"
	nodePrefix           = "system:node:"
	authenticatedGroup   = "system:authenticated"
	unauthenticatedGroup = "system:unauthenticated"
	accountsGroup        = "system:serviceaccounts"
	anonymousUser        = "system:anonymous"
)

// rights adds what subjects may do through the API.
func (b *builder) rights() {
	b.subjects = map[access.Subject]int32{}
	b.subjectEdges(access.Group(mastersGroup), access.Own{Held: access.Held{Cluster: 1 << access.WildcardAll}})
	for subject, held := range b.access.Own() {
		b.nodesBound = b.nodesBound || subject == access.Group(nodesGroup)
		if subject != access.Group(mastersGroup) {
			b.subjectEdges(subject, held)
		}
	}
	b.namedRights()
	b.appliedRights()
	b.constrained()
	b.anybody()
	b.bootstrap()
	b.startingNode()
	b.mintedForCloud()
	if id, ok := b.subjects[access.Group(nodesGroup)]; ok {
		b.nodeRights = b.accountVertex[id]
	}
}

// subject returns the vertex of a subject.
func (b *builder) subject(s access.Subject) ID {
	if s.Kind == "ServiceAccount" {
		return b.accountAt(b.account(b.namespace(s.Namespace), nameHash(s.Name), s.Name))
	}
	id, ok := b.subjects[s]
	if !ok {
		id = int32(len(b.accounts))
		b.subjects[s] = id
		b.accounts = append(b.accounts, s)
		b.accountVertex = append(b.accountVertex, none)
	}
	return b.accountAt(id)
}

// subjectEdges adds what a subject has beyond its groups, of which it is a member.
func (b *builder) subjectEdges(s access.Subject, held access.Own) {
	if held.Cluster&(stepRights|1<<access.UpdateApproval|1<<access.ApproveSigners) == 0 && len(held.Namespaces) == 0 {
		if s.Kind == "ServiceAccount" {
			b.bound(s)
		}
		return
	}
	if s.Granted() && held.Cluster.Has(access.WildcardAll) {
		return // its base has a step to cluster-admin
	}
	v := b.subject(s)
	b.bound(s)
	b.clusterRights(v, held.Cluster)
	if held.Cluster.Has(access.WildcardAll) {
		return
	}
	b.sharedRights(v, held)
	for i := range held.Namespaces {
		if rights := held.Namespaces[i].Rights | held.Cluster; rights&^held.Cluster != 0 {
			b.namespaceRights(v, held.In(held.Namespaces[i].Namespace), held.Cluster, b.namespace(held.Namespaces[i].Namespace))
		}
	}
}

// bound adds an account that a binding names: it is there, read or not.
func (b *builder) bound(s access.Subject) {
	if s.Kind == "ServiceAccount" {
		b.account(b.namespace(s.Namespace), nameHash(s.Name), s.Name)
	}
}

func (b *builder) clusterRights(v ID, rights access.Rights) {
	if rights.Has(access.WildcardAll) {
		b.give(v, b.admin, Everything, Certain, access.WildcardAll, none)
		return
	}
	for _, s := range steps {
		if !rights.Has(s.right) || s.to == Labelled && !b.relabelsPods(none) {
			continue
		}
		if s.to == ClusterAdmin {
			b.give(v, b.admin, s.kind, s.certainty, s.right, none)
		} else {
			b.give(v, b.target(s.to, none), s.kind, b.upgrades(b.accounts[b.vertices[v].at], s, b.scope(v), ""), s.right, none)
		}
	}
	if rights.Has(access.ModifyControllers) {
		r := b.rewriter(v, b.scope(v))
		for ns, in := range b.inNamespace {
			if r.some(in) {
				b.give(v, b.at(RunPods, int32(ns)), ChangeWorkloads, Certain, access.ModifyControllers, none)
			}
		}
		b.systemWorkloads(v, none)
	}
	if rights.Has(access.WriteAWSAuth) {
		b.mapsAWS(v, none)
	}
	if rights.Has(access.BypassPodSecurity) {
		b.relabels(v, none)
	}
	if rights.Has(access.PatchNamespaces) {
		b.renamers = append(b.renamers, renamer{v, none})
	}
	b.noteRights(v, rights, none)
	b.operators(v, rights, 0, none)
	b.hijacks(v, rights)
}

// sharedRights adds what takes several rights in the whole cluster, of which a
// subject has one at least by itself and may have the others by its groups.
func (b *builder) sharedRights(v ID, held access.Own) {
	all, own := held.Cluster|held.Inherited, held.Cluster
	for _, scoped := range held.Namespaces {
		own |= scoped.Rights
	}
	with := func(key access.Right, others access.Rights) bool { return all.Has(key) && own&(1<<key|others) != 0 }
	if with(access.ImpersonateGroups, somebody) {
		if c := b.asSomebody(b.accounts[b.vertices[v].at]); c != Given {
			b.give(v, b.subject(access.Group(mastersGroup)), ImpersonateGroup, c, access.ImpersonateGroups, none)
		}
	}
	if with(access.CreateCSR, 1<<access.UpdateApproval|1<<access.ApproveSigners) {
		b.certificates(v, all)
	}
	if with(access.WriteAdmissionPolicies, runs) {
		b.droppers = append(b.droppers, v)
	}
	if with(access.WritePersistentVolumes, runs) {
		b.hostVolumes = append(b.hostVolumes, v)
	}
}

// createsUpgrades is the minor version since which the API server asks for create,
// too, where a client gets a connection to a pod: with get alone it is the request
// of a WebSocket (the feature AuthorizePodWebsocketUpgradeCreatePermission, which
// can be switched off).
const createsUpgrades = 35

// upgrades says how certain a step is that may be a connection to a pod, or to the
// one of a name. The version is assumed, so what get alone gives since is unknown.
func (b *builder) upgrades(s access.Subject, of step, namespace, name string) Certainty {
	if !b.upgraded(of.right) {
		return of.certainty
	}
	for _, part := range map[access.Right][]string{access.ExecPods: {"exec", "attach"}, access.PortForward: {"portforward"}}[of.right] {
		if _, ok := b.asked(s, access.Request{Resource: "pods", Subresource: part, Namespace: namespace, Name: name}, "create"); ok {
			return of.certainty
		}
	}
	return Unknown
}

// upgraded reports whether a right may be a connection for which get alone may not
// be enough.
func (b *builder) upgraded(r access.Right) bool {
	return (r == access.ExecPods || r == access.PortForward) && b.options.KubernetesMinor >= createsUpgrades
}

// target returns the vertex of what a right leads to.
func (b *builder) target(kind VertexKind, ns int32) ID {
	if kind == AnyUser {
		return b.one(&b.anyUser, AnyUser)
	}
	return b.at(kind, ns)
}

// namespaceRights adds what is held in one namespace and not in the cluster.
func (b *builder) namespaceRights(v ID, rights, cluster access.Rights, ns int32) {
	b.operators(v, rights, cluster, ns)
	rights &^= cluster
	for _, s := range steps {
		if rights.Has(s.right) && !s.wide && (s.to != Labelled || b.relabelsPods(ns)) {
			b.give(v, b.target(s.to, ns), s.kind, b.upgrades(b.accounts[b.vertices[v].at], s, b.namespaces[ns], ""), s.right, ns)
		}
	}
	if rights.Has(access.ModifyControllers) && b.rewriter(v, b.namespaces[ns]).some(b.inNamespace[ns]) {
		b.give(v, b.at(RunPods, ns), ChangeWorkloads, Certain, access.ModifyControllers, ns)
	}
	if rights.Has(access.ModifyControllers) && b.namespaces[ns] == systemNamespace {
		b.systemWorkloads(v, ns)
	}
	if rights.Has(access.WriteAWSAuth) && b.namespaces[ns] == systemNamespace {
		b.mapsAWS(v, ns)
	}
	if rights.Has(access.BypassPodSecurity) {
		b.relabels(v, ns)
	}
	if rights.Has(access.PatchNamespaces) {
		b.renamers = append(b.renamers, renamer{v, ns})
	}
	b.noteRights(v, rights, ns)
}

func (b *builder) give(from, to ID, kind EdgeKind, c Certainty, r access.Right, ns int32) {
	b.made = append(b.made, edge{from: from, to: to, note: ns, kind: kind, certainty: c, right: r})
}

// rewriter says which kinds of workloads a subject may rewrite, in a namespace or
// in all where that is "".
type rewriter struct {
	*builder
	subject   access.Subject
	namespace string
	may       map[model.GroupKind]bool
}

func (b *builder) rewriter(v ID, namespace string) rewriter {
	return rewriter{b, b.accounts[b.vertices[v].at], namespace, map[model.GroupKind]bool{}}
}

// some reports whether the subject may rewrite one of some workloads.
func (r rewriter) some(in span) bool {
	for w := in.first; w < in.last; w++ {
		gk := r.Graph.workloads[w].Object.Key.GroupKind
		may, known := r.may[gk]
		if !known {
			may = slices.ContainsFunc(rewritten(gk), func(resource string) bool {
				_, ok := r.asked(r.subject, access.Request{Group: gk.Group, Resource: resource, Namespace: r.namespace}, change[1:]...)
				return ok
			})
			r.may[gk] = may
		}
		if may {
			return true
		}
	}
	return false
}

const replicaSets = "replicasets"

// rewritten returns the resources of which an object gives pods by another template,
// where there is a workload of a kind. The ReplicaSets of a Deployment start pods as
// they say until it scales them down, and go on when their labels are no longer its
// own. The template of a Job does not change, nor does a pod's, save for images.
func rewritten(gk model.GroupKind) []string {
	switch gk {
	case model.PodKind, model.JobKind:
		return nil
	case model.DeploymentKind:
		return []string{"deployments", replicaSets}
	}
	return []string{strings.ToLower(gk.Kind) + "s"}
}

// awsAuth is the ConfigMap that maps AWS identities.
const awsAuth = "aws-auth"

// mapsAWS leads from who may change the ConfigMap that maps AWS identities to
// cluster-admin: where there is one, or where a rule names it, which may be left
// out of files.
func (b *builder) mapsAWS(v ID, ns int32) {
	c := Likely
	if b.snapshot.Get(model.Key{Cluster: b.cluster(), Namespace: systemNamespace, GroupKind: model.ConfigMapKind, Name: awsAuth}) == nil {
		c = Unknown
		named := func(p access.Proof) bool { return slices.Contains(p.Rule.Names(), awsAuth) }
		if p, ok := b.access.Prove(b.accounts[b.vertices[v].at], access.WriteAWSAuth, b.namespaceName(ns)); !ok || !named(p) {
			return
		}
	}
	b.give(v, b.admin, MapAWSIdentity, c, access.WriteAWSAuth, ns)
}

// namespaceName returns the name of a namespace, "" for all.
func (b *builder) namespaceName(ns int32) string {
	if ns == none {
		return ""
	}
	return b.namespaces[ns]
}

// memberships leads from subjects to the groups that they are in by their names,
// where these have rights: what a group has over some names, and by changing roles
// and bindings, stands at the group alone.
func (b *builder) memberships() {
	for i, s := range b.accounts {
		if b.accountVertex[i] == none {
			continue
		}
		for group := range s.Groups() {
			if at, known := b.subjects[group]; known && b.accountVertex[at] != none {
				b.edge(b.accountVertex[i], b.accountVertex[at], Member, Given, none)
			}
		}
	}
}
