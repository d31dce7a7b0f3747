package check

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/secrets"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// Facts answers what the other objects of a snapshot say about one. It is safe
// for concurrent use. Each index is built when a fact first needs it; after
// that an answer costs as much as it is long.
//
// The snapshot holds the objects of one cluster.
type Facts struct {
	snapshot *model.Snapshot
	declared func(*model.Object) *tree.Node
	minor    int // the Kubernetes version that is assumed, for attack paths
	images   map[string]*tree.Node

	exposure       func() *reach.Exposure
	budgets        func() selectorIndex
	autoscalers    func() map[targetName][]autoscaler
	shares         func() *storage.Shares
	bindings       func() *storage.Bindings
	consumers      func() map[used][]consumer
	claimTemplates func() map[objectName]bool // their claims without the number of the replica
	created        func() map[secrets.Name][]*model.Object
	mentions       func() *secrets.Mentions
	namedAnywhere  func() map[used]bool // without their namespaces
	runs           func() runCounts
	access         func() *access.Analysis
	network        func() *reach.Graph
	idle           func() map[*model.Object][]reach.Idle
	ties           func() map[*model.Object][]*model.Object
	storage        func() *storageIndex
	readers        func() *secretReaders
	alike          sync.Map // what access.Holding gives, a func() tree.Node each
	mostScopes     func() int
	takeovers      func() map[access.Subject][]access.Takeover
	anyPersistent  func() bool
	attack         func() *attackIndex
	anyExposed     func() bool
	uses           *secrets.Uses
}

var _ policy.Facts = (*Facts)(nil)

// NewFacts prepares the facts of a snapshot. declared returns the spec of the
// Declaration that covers an object, or nil; it may itself be nil, and must be
// safe for concurrent use.
func NewFacts(s *model.Snapshot, declared func(*model.Object) *tree.Node) *Facts {
	f := &Facts{snapshot: s, declared: declared, uses: secrets.UsesIn(s)}
	f.exposure = sync.OnceValue(func() *reach.Exposure { return reach.NewExposure(s) })
	f.budgets = sync.OnceValue(f.indexBudgets)
	f.autoscalers = sync.OnceValue(f.indexAutoscalers)
	f.shares = sync.OnceValue(func() *storage.Shares { return storage.ReadShares(s) })
	f.bindings = sync.OnceValue(func() *storage.Bindings { return storage.ReadBindings(s) })
	f.consumers = sync.OnceValue(f.indexConsumers)
	f.claimTemplates = sync.OnceValue(f.indexClaimTemplates)
	f.created = sync.OnceValue(func() map[secrets.Name][]*model.Object { return secrets.MadeIn(s) })
	f.mentions = sync.OnceValue(func() *secrets.Mentions { return secrets.MentionsIn(s) })
	f.namedAnywhere = sync.OnceValue(f.indexNames)
	f.runs = sync.OnceValue(f.countRuns)
	f.access = sync.OnceValue(func() *access.Analysis { return access.New(s) })
	f.mostScopes = sync.OnceValue(f.scopesListed)
	f.takeovers = sync.OnceValue(func() map[access.Subject][]access.Takeover { return maps.Collect(f.access().Takeovers()) })
	f.network = sync.OnceValue(func() *reach.Graph { return reach.New(s) })
	f.idle = sync.OnceValue(f.indexIdle)
	f.ties = sync.OnceValue(f.indexTies)
	f.storage = sync.OnceValue(f.indexStorage)
	f.anyPersistent = sync.OnceValue(func() bool {
		for range s.Kind(model.PersistentVolumeKind) {
			return true
		}
		return false
	})
	f.attack = sync.OnceValue(f.indexAttack)
	f.anyExposed = sync.OnceValue(f.findExposed)
	f.readers = sync.OnceValue(func() *secretReaders { return newSecretReaders(f.access()) })
	return f
}

// FactInfo says for what a fact exists.
type FactInfo struct {
	Name  string
	All   bool              // for every object
	Pods  bool              // for pod templates, and objects that have one
	Kinds []model.GroupKind // for these kinds
}

// FactNames returns the names that `related` has.
func FactNames() []string {
	var names []string
	for _, info := range FactInfos() {
		names = append(names, info.Name)
	}
	return names
}

// FactInfos returns all facts in the order of their names.
func FactInfos() []FactInfo {
	var infos []FactInfo
	for name, fact := range factTable {
		info := FactInfo{Name: name, All: fact.all != nil, Pods: fact.pod != nil}
		for gk := range fact.kinds {
			info.Kinds = append(info.Kinds, gk)
		}
		slices.SortFunc(info.Kinds, compareKinds)
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b FactInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// fact holds the ways to compute one fact.
type fact struct {
	all   objectFact
	pod   podFact
	kinds map[model.GroupKind]objectFact
}

// Facts return nodes that are sealed, or taken from a sealed tree.
type (
	objectFact func(*Facts, *model.Object) tree.Node
	podFact    func(*Facts, *model.Object, *model.PodTemplate) tree.Node
)

var (
	scaledObjectKind = model.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
)

// Kinds that facts are made of together.
var (
	workloadKinds = model.WorkloadKinds() // what runs, runs as one of them: a custom resource's pods are Pods
	roleKinds     = []model.GroupKind{model.RoleKind, model.ClusterRoleKind}
	bindingKinds  = []model.GroupKind{model.RoleBindingKind, model.ClusterRoleBindingKind}
	copyKinds     = []model.GroupKind{model.VolumeSnapshotKind, model.VolumeSnapshotContentKind, model.ReferenceGrantKind, model.PersistentVolumeClaimKind} // that give the data of a snapshot away
	routingKinds  = reach.RouteKinds()
	wayInKinds    = slices.Concat(routingKinds, []model.GroupKind{model.ServiceKind})
	consumerKinds = append([]model.GroupKind{{Group: "networking.k8s.io", Kind: "Ingress"}, {Group: gatewayGroup, Kind: "Gateway"}, model.ServiceAccountKind}, workloadKinds...)
)

func compareKinds(a, b model.GroupKind) int {
	return model.Key{GroupKind: a}.Compare(model.Key{GroupKind: b})
}

func forKinds(value objectFact, kinds ...model.GroupKind) map[model.GroupKind]objectFact {
	m := map[model.GroupKind]objectFact{}
	for _, gk := range kinds {
		m[gk] = value
	}
	return m
}

// factTable is the table of docs/rules.md.
var factTable = map[string]fact{
	"credentials":       {all: (*Facts).credentials},
	"unknownFields":     {all: (*Facts).unknownFields},
	"declared":          {all: (*Facts).declaration},
	"services":          {pod: (*Facts).podServices},
	"exposure":          {pod: (*Facts).podExposure},
	"ingressPolicies":   {pod: policiesFact(reach.Ingress)},
	"egressPolicies":    {pod: policiesFact(reach.Egress)},
	"disruptionBudgets": {pod: (*Facts).podBudgets},
	"autoscalers":       {pod: (*Facts).podAutoscalers},
	"rights":            {pod: (*Facts).podRights, kinds: forKinds((*Facts).accountRights, model.ServiceAccountKind)},
	"bound":             {pod: (*Facts).podBound, kinds: forKinds((*Facts).accountBound, model.ServiceAccountKind)},
	"serviceAccount":    {pod: (*Facts).podServiceAccount},
	"sharedVolumes":     {pod: (*Facts).podSharedVolumes},
	"selected": {kinds: map[model.GroupKind]objectFact{
		model.ServiceKind:       (*Facts).serviceSelected,
		model.NetworkPolicyKind: (*Facts).policySelected,
		model.BudgetKind:        (*Facts).budgetSelected,
		model.AutoscalerKind:    (*Facts).autoscalerSelected,
	}},
	"routes":      {kinds: forKinds((*Facts).serviceRoutes, model.ServiceKind)},
	"defaultDeny": {kinds: forKinds((*Facts).defaultDeny, model.NamespaceKind)},
	"reach":       {kinds: forKinds((*Facts).namespaceReach, model.NamespaceKind)},
	"workloads":   {kinds: forKinds((*Facts).namespaceWorkloads, model.NamespaceKind)},
	"holders":     {kinds: forKinds((*Facts).roleHolders, model.RoleKind, model.ClusterRoleKind)},
	"grants": {kinds: map[model.GroupKind]objectFact{
		model.RoleKind: (*Facts).roleGrants, model.ClusterRoleKind: (*Facts).roleGrants,
		model.RoleBindingKind: (*Facts).bindingGrants, model.ClusterRoleBindingKind: (*Facts).bindingGrants,
	}},
	"encryption": {kinds: map[model.GroupKind]objectFact{
		model.StorageClassKind: (*Facts).classEncryption, model.PersistentVolumeClaimKind: (*Facts).volumeEncryption, model.PersistentVolumeKind: (*Facts).volumeEncryption,
	}},
	"orphaned":       {kinds: map[model.GroupKind]objectFact{model.PersistentVolumeKind: (*Facts).volumeOrphaned, model.VolumeSnapshotContentKind: (*Facts).contentOrphaned}},
	"copies":         {kinds: forKinds((*Facts).snapshotCopies, model.VolumeSnapshotKind)},
	"outlives":       {kinds: forKinds((*Facts).snapshotOutlives, model.VolumeSnapshotKind)},
	"onePod":         {kinds: forKinds((*Facts).claimOnePod, model.PersistentVolumeClaimKind)},
	"leftBehind":     {kinds: forKinds((*Facts).claimLeftBehind, model.PersistentVolumeClaimKind)},
	"dataNamespaces": {kinds: forKinds((*Facts).volumeNamespaces, model.PersistentVolumeKind)},
	"nodePaths":      {pod: (*Facts).podNodePaths},
	"attackPaths":    {pod: (*Facts).podAttackPaths},
	"attackChoke":    {pod: (*Facts).podChoke},
	"takeover":       {kinds: forKinds((*Facts).accountTakeover, model.ServiceAccountKind)},
	"readers":        {kinds: forKinds((*Facts).secretReaders, model.SecretKind)},
	"used":           {kinds: forKinds((*Facts).secretUsed, model.SecretKind)},
	"idle":           {kinds: forKinds((*Facts).policyIdle, policyKinds...)},
	"ties":           {kinds: forKinds((*Facts).policyTies, policyKinds...)},
	"consumers":      {kinds: forKinds((*Facts).objectConsumers, model.ServiceAccountKind, model.PersistentVolumeClaimKind, model.SecretKind, model.ConfigMapKind)},
}

// Fact returns the value of related.NAME for an object, or for one of its pod
// templates. Facts about pods may also be asked of an object that has pods, by
// a nil pod. ok is false when there is no such fact for this kind. The node is
// sealed.
func (f *Facts) Fact(o *model.Object, pod *model.PodTemplate, name string) (value tree.Node, ok bool) {
	fact, ok := factTable[name]
	if !ok {
		return tree.Node{}, false
	}
	switch kind := fact.kinds[o.Key.GroupKind]; {
	case fact.all != nil:
		return fact.all(f, o), true
	case kind != nil:
		return kind(f, o), true
	case fact.pod == nil:
		return tree.Node{}, false
	case pod != nil:
		return fact.pod(f, o, pod), true
	}
	switch pods := o.Pods(); len(pods) {
	case 0:
		return tree.Node{}, false
	case 1:
		return fact.pod(f, o, &pods[0]), true
	}
	return unknown("the object has several pod templates, and the fact differs between them"), true
}

// Namespace returns the root of the object's Namespace, and nil for objects that
// are in no namespace. One that was not read is an Unknown node; in a closed
// snapshot it has only the label that every Namespace has.
func (f *Facts) Namespace(o *model.Object) *tree.Node {
	if o.Key.Namespace == "" {
		return nil
	}
	key := model.Key{Cluster: o.Key.Cluster, GroupKind: model.NamespaceKind, Name: o.Key.Namespace}
	if ns := f.snapshot.Get(key); ns != nil {
		return ns.Root
	}
	n := unknown("Namespace " + o.Key.Namespace + " was not read")
	if f.snapshot.Complete("", model.NamespaceKind) {
		labels := entries("kubernetes.io/metadata.name", o.Key.Namespace)
		n = sealed(entries("apiVersion", "v1", "kind", "Namespace", "metadata", entries("name", o.Key.Namespace, "labels", labels)))
	}
	return &n
}

func (f *Facts) credentials(o *model.Object) tree.Node {
	var items []tree.Node
	for _, c := range o.Credentials {
		items = append(items, entries("path", c.Path.String(), "type", c.Type))
	}
	return list(items)
}

func (f *Facts) unknownFields(o *model.Object) tree.Node {
	var items []tree.Node
	for _, path := range o.UnknownFields {
		items = append(items, tree.Of(path.String()))
	}
	return list(items)
}

func (f *Facts) declaration(o *model.Object) tree.Node {
	if f.declared != nil {
		if spec := f.declared(o); spec != nil {
			return *spec
		}
	}
	return sealed(tree.Of(nil))
}

// listOr returns a list. An empty one is unknown, unless the snapshot holds all
// objects of the kinds in the namespace ("" is the whole cluster); the reason is
// that of an open snapshot.
func (f *Facts) listOr(items []tree.Node, reason, namespace string, kinds ...model.GroupKind) tree.Node {
	if len(items) > 0 || f.snapshot.Complete(namespace, kinds...) {
		return list(items)
	}
	return unknown(f.whyOpen(reason, namespace, kinds...))
}

// whyOpen says why objects of the kinds may be missing. The reason given is that
// of an open snapshot.
func (f *Facts) whyOpen(reason, namespace string, kinds ...model.GroupKind) string {
	if gap := f.snapshot.Gap(namespace, kinds...); gap != nil && f.snapshot.Closed {
		return gap.Reason
	}
	return reason
}

func (f *Facts) get(o *model.Object, gk model.GroupKind, namespace, name string) *model.Object {
	return f.snapshot.Get(model.Key{Cluster: o.Key.Cluster, Namespace: namespace, GroupKind: gk, Name: name})
}

func list(items []tree.Node) tree.Node { return sealed(tree.Of(items)) }

func names(objects []*model.Object) []tree.Node {
	items := make([]tree.Node, len(objects))
	for i, o := range objects {
		items[i] = tree.Of(o.Key.Name)
	}
	return items
}

// entries builds a map of alternating keys and values.
func entries(keysAndValues ...any) tree.Node {
	kids := make([]tree.Node, 0, len(keysAndValues)/2)
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		kids = append(kids, tree.Entry(keysAndValues[i].(string), keysAndValues[i+1]))
	}
	return tree.MapOf(kids...)
}

func sealed(n tree.Node) tree.Node { return *n.Seal() }

func unknown(reason string) tree.Node { return sealed(tree.UnknownBecause(reason)) }
