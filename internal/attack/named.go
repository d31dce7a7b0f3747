package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// namedLookups bounds how many names in namespaces are looked up for rights over
// objects of some names only: each subject has each name of each rule that it has.
const namedLookups = 4 << 20

// Reasons for which a graph is incomplete.
const (
	namesBeyond   = "more rights over objects of some names come by aggregated ClusterRoles than are looked at"
	lookupsBeyond = "subjects have rights over more objects by name than are looked at"
)

// namedRights adds rights over objects of some names only.
func (b *builder) namedRights() {
	type names struct{ any, more bool }
	narrow := map[*access.Role]names{}
	seen := map[access.Subject]bool{}
	for binding := range b.access.All() {
		role := binding.Role()
		if role == nil {
			continue
		}
		is, known := narrow[role]
		if !known {
			list, more := role.Named()
			is = names{len(list) > 0, more&^role.Rights(false)&stepRights != 0}
			narrow[role] = is
			b.someConstrained = b.someConstrained || constrains(role, list)
		}
		if is.more {
			b.lacks(namesBeyond)
		}
		if !is.any {
			continue
		}
		if b.withName == nil {
			b.indexNames()
		}
		for _, s := range binding.Subjects() {
			if seen[s] || s.Granted() {
				continue
			}
			seen[s] = true
			for r := range b.access.Restricted(s) {
				if b.lookups > namedLookups {
					b.lacks(lookupsBeyond)
					return
				}
				b.namedRight(s, r)
			}
		}
	}
	b.grantedNames()
}

// grantedNames adds rights over some names of those that have given themselves rights:
// by these, and what they make of those that they had.
func (b *builder) grantedNames() {
	const mixed = 1<<access.PatchNamespaces | 1<<access.ReadSecrets | 1<<access.ImpersonateUsers | 1<<access.ImpersonateGroups
	list, _ := b.access.Granted()
	mixes := map[access.Subject]bool{} // bases that have such
	for i := range list {
		g := &list[i]
		if g.Ways[0].Administers() {
			continue
		}
		if _, known := mixes[g.Base]; !known {
			mixes[g.Base] = false
			for r := range b.access.Restricted(g.Base) {
				if mixed>>r.Right&1 != 0 {
					mixes[g.Base] = true
					break
				}
			}
		}
		rights := b.access.RestrictedBy(g.Subject)
		if mixes[g.Base] {
			rights = b.access.Restricted(g.Subject)
		}
		for r := range rights {
			if b.lookups > namedLookups {
				b.lacks(lookupsBeyond)
				return
			}
			if !r.Binding.Made() && mixed>>r.Right&1 == 0 {
				continue
			}
			if b.withName == nil {
				b.indexNames()
			}
			b.namedRight(g.Subject, r)
		}
	}
}

// appliedRights adds pods and workloads that subjects may make by a name, which one
// role lets them create and another patch.
func (b *builder) appliedRights() {
	for s, n := range b.access.Applied() {
		if n.Right != access.CreatePods && n.Right != access.CreateWorkloads {
			continue
		}
		ns := int32(none)
		if n.Namespace != "" && n.Namespace != access.AnyNamespace {
			ns = b.namespace(n.Namespace)
		}
		b.prove(b.subject(s), b.target(RunPods, ns), CreatePods, n.Right, n.Proofs)
	}
}

// lacks notes why steps are missing.
func (b *builder) lacks(reason string) {
	if !slices.Contains(b.incomplete, reason) {
		b.incomplete = append(b.incomplete, reason)
	}
}

// nameIndex finds objects by name.
type nameIndex struct {
	namespaces map[uint64][]int32            // with an account, secret or workload of a name
	workloads  map[uint64][]int32            // by namespace and name
	made       map[string]map[string][]int32 // namespaces with a Pod, or a ReplicaSet, of a name, by resource
}

func (x *nameIndex) add(name uint64, ns int32) {
	if x == nil {
		return
	}
	list := x.namespaces[name]
	if at, found := slices.BinarySearch(list, ns); !found {
		x.namespaces[name] = slices.Insert(list, at, ns)
	}
}

func (b *builder) indexNames() {
	x := &nameIndex{map[uint64][]int32{}, map[uint64][]int32{}, map[string]map[string][]int32{}}
	for i := range b.accounts {
		if s := &b.accounts[i]; s.Kind == "ServiceAccount" {
			x.add(nameHash(s.Name), b.namespaceIDs[s.Namespace])
		}
	}
	for i := range b.Graph.secrets {
		x.add(nameHash(b.Graph.secrets[i].name), b.Graph.secrets[i].namespace)
	}
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		name := nameHash(w.Object.Key.Name)
		x.add(name, w.namespace)
		key := tree.Mix(b.namespaceHash[w.namespace], name)
		x.workloads[key] = append(x.workloads[key], int32(i))
	}
	b.withName = x
}

func (b *builder) namedRight(s access.Subject, r access.NamedRight) {
	note := int32(len(b.restricted))
	before := len(b.made)
	give := func(to ID, kind EdgeKind, c Certainty) {
		b.made = append(b.made, edge{b.subject(s), to, note, kind, c, byName | r.Right})
	}
	for _, name := range r.Names {
		resource, _, _ := strings.Cut(r.Resource, "/")
		namespaces := b.namespacesOf(name, resource)
		if r.Namespace != "" {
			namespaces = []int32{b.namespace(r.Namespace)}
		}
		if system := b.namespace(systemNamespace); name == aggregationController && b.assumesSystem() && r.Namespace == "" && !slices.Contains(namespaces, system) {
			namespaces = append(namespaces, system)
		}
		b.lookups += 1 + len(namespaces)
		for _, ns := range namespaces {
			exists := r.Namespace != "" || name == aggregationController && b.namespaces[ns] == systemNamespace && b.assumesSystem()
			of := b.upgrades(s, step{right: r.Right, certainty: Certain}, b.namespaces[ns], name)
			b.namedIn(r.Right, r.Resource, name, ns, exists, func(to ID, kind EdgeKind, c Certainty) { give(to, kind, max(c, of)) })
		}
		switch r.Right {
		case access.ReadSecrets:
			b.forgesNamed(s, r, name)
		case access.WriteWebhooks, access.WriteAdmissionPolicies, access.WriteAPIServices, access.WriteCRDs:
			b.hijacksNamed(s, r, name)
			if v := b.subject(s); strings.HasPrefix(r.Resource, "validatingadmission") && !slices.Contains(b.droppers, v) {
				b.droppers = append(b.droppers, v)
			}
		case access.PatchNamespaces:
			b.relabelsNamed(s, r, name)
			if r.Namespace == "" || r.Namespace == name {
				b.renamers = append(b.renamers, renamer{b.subject(s), b.namespace(name)})
			}
		case access.CustomWorkloads, access.WriteReleases:
			b.operatesNamed(s, r, name)
		case access.NodeProxy:
			b.onNode(name, func(w int32, c Certainty) { give(b.workloadVertex(w, anyContainerAt), ProxyKubelet, c) })
		}
		switch {
		case r.Right == access.CreatePods || r.Right == access.CreateWorkloads:
			where := int32(none)
			if r.Namespace != "" {
				where = b.namespace(r.Namespace)
			}
			give(b.target(RunPods, where), CreatePods, Certain)
		case r.Right == access.ImpersonateUsers && strings.HasPrefix(name, "system:serviceaccount:"):
			// The API server asks for the service account in place of the user.
		case r.Right == access.ImpersonateUsers && r.Namespace == "" && r.Resource == "users":
			node, ok := strings.CutPrefix(name, nodePrefix)
			if ok = ok && b.inNodes(s); ok {
				b.asNode(node, give)
			}
			if user := access.User(name); ok || !b.nodeByName(user) {
				give(b.subject(user), ImpersonateUser, Certain)
			}
		case r.Right == access.ImpersonateGroups && r.Namespace == "" && r.Resource == "groups":
			if c := b.asSomebody(s); c != Given {
				give(b.subject(access.Group(name)), ImpersonateGroup, c)
			}
			if name == nodesGroup && b.access.Rights(s).Cluster.Has(access.ImpersonateUsers) {
				give(b.kubelet(), ImpersonateGroup, Certain)
			}
		}
	}
	if len(b.made) > before {
		b.restricted = append(b.restricted, r)
	}
}

// inNodes reports whether a subject may impersonate the group of nodes.
func (b *builder) inNodes(s access.Subject) bool {
	_, ok := b.asked(s, access.Request{Resource: "groups", Name: nodesGroup}, "impersonate")
	return ok
}

// asNode adds what the Node authorizer allows who impersonates a node with its
// group: tokens for the service accounts of its pods, and their secrets.
func (b *builder) asNode(node string, give func(ID, EdgeKind, Certainty)) {
	b.onNode(node, func(i int32, c Certainty) {
		w := &b.Graph.workloads[i]
		give(b.accountAt(w.account), ActAsKubelet, c)
		b.secretsOf(w, func(hash uint64, name *tree.Node, text string) {
			give(b.secretVertex[b.secret(w.namespace, hash, text, nil)], ActAsKubelet, c)
		})
	})
}

// onNode calls each for the workloads that have a pod on the node of a name, and
// for those that may: of which it is not known where their pods run.
func (b *builder) onNode(name string, each func(workload int32, c Certainty)) {
	id, known := b.nodeIDs["node "+name]
	if !known && b.snapshot.Complete("", model.NodeKind) && len(b.nodes) > firstNode {
		return
	}
	b.lookups += len(b.Graph.workloads)
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		switch placed := b.placements[w.placed.first:w.placed.last]; {
		case known && slices.Contains(placed, id):
			each(int32(i), Certain)
		case len(placed) == 0:
			each(int32(i), Unknown)
		}
	}
}

// namespacesOf returns the namespaces with an account, a secret or a workload of
// a name, or a StatefulSet whose pod may have it, or a pod or a ReplicaSet of a
// workload, where the resource is these.
func (b *builder) namespacesOf(name, resource string) []int32 {
	all := slices.Clone(b.withName.namespaces[nameHash(name)])
	if set, ok := setOf(name); ok {
		all = append(all, b.withName.namespaces[nameHash(set)]...)
	}
	if kind, ok := map[string]model.GroupKind{"pods": model.PodKind, replicaSets: model.ReplicaSetKind}[resource]; ok {
		made := b.withName.made[resource]
		if made == nil {
			made = map[string][]int32{}
			for o := range b.snapshot.Kind(kind) {
				made[o.Key.Name] = append(made[o.Key.Name], b.namespace(o.Key.Namespace))
			}
			b.withName.made[resource] = made
		}
		all = append(all, made[name]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// byName marks the right of an edge as one over some names: its note is then a
// position in Graph.restricted.
const byName access.Right = 1 << 7

// namedIn adds what a right over an object of one name gives in a namespace.
// exists says that the object counts although it was not read.
func (b *builder) namedIn(r access.Right, resource, name string, ns int32, exists bool, give func(ID, EdgeKind, Certainty)) {
	hash := nameHash(name)
	key := tree.Mix(b.namespaceHash[ns], hash)
	account := func(kind EdgeKind) {
		if id, ok := b.accountIDs[key]; ok || exists {
			if !ok {
				id = b.account(ns, hash, name)
			}
			give(b.accountAt(id), kind, Certain)
		}
	}
	switch r {
	case access.ReadSecrets:
		if id, ok := b.secretIDs[key]; ok || exists {
			if !ok {
				id = b.secret(ns, hash, name, nil)
			}
			give(b.secretVertex[id], ReadSecrets, Certain)
		}
	case access.MintTokens:
		account(MintToken)
		if id, ok := b.accountIDs[key]; ok {
			for _, m := range b.cloud(id) {
				give(m.identity, MintToken, Likely)
			}
		}
	case access.ImpersonateAccounts:
		account(ImpersonateAccount)
	case access.ExecPods, access.ModifyPods, access.EphemeralContainers:
		kind := map[access.Right]EdgeKind{access.ExecPods: ExecPods, access.ModifyPods: PatchPods, access.EphemeralContainers: DebugPods}[r]
		for _, w := range b.withPod(ns, name) {
			give(b.workloadVertex(w, anyContainerAt), kind, Certain)
		}
	case access.ModifyControllers:
		for _, w := range b.withName.workloads[key] {
			if gk := b.Graph.workloads[w].Object.Key.GroupKind; slices.Index(rewritten(gk), resource) == 0 {
				give(b.at(RunPods, ns), ChangeWorkloads, Certain)
			}
		}
		if resource == replicaSets && b.get(model.ReplicaSetKind, ns, name) != nil {
			give(b.at(RunPods, ns), ChangeWorkloads, Certain)
		}
	}
}

// get returns an object of the snapshot, or nil.
func (b *builder) get(gk model.GroupKind, ns int32, name string) *model.Object {
	return b.snapshot.Get(model.Key{Cluster: b.cluster(), Namespace: b.namespaces[ns], GroupKind: gk, Name: name})
}

// withPod returns the workloads of a namespace that have a pod of a name, as far
// as the pod was read or names of pods are known beforehand, in order.
func (b *builder) withPod(ns int32, name string) []int32 {
	var all []int32
	add := func(kind, name string) {
		for _, w := range b.withName.workloads[tree.Mix(b.namespaceHash[ns], nameHash(name))] {
			if b.Graph.workloads[w].Object.Key.Kind == kind {
				all = append(all, w)
			}
		}
	}
	add(model.PodKind.Kind, name)
	if set, ok := setOf(name); ok {
		add("StatefulSet", set)
	}
	if o := b.get(model.PodKind, ns, name); o != nil {
		if by := b.snapshot.Controller(o); by != o {
			add(by.Key.Kind, by.Key.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// setOf returns the name of the StatefulSet that makes a pod of a name.
func setOf(pod string) (set string, ok bool) {
	at := strings.LastIndexByte(pod, '-')
	if at <= 0 || at == len(pod)-1 || strings.Trim(pod[at+1:], "0123456789") != "" {
		return "", false
	}
	return pod[:at], true
}
