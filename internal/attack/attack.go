// Package attack finds how an attacker gets from one place of a cluster to
// another: from the internet to cluster-admin, from a pod to a secret.
//
// New makes a graph of one snapshot, its network and its access rights. A vertex
// is something that an attacker may hold, such as code in a container, root on a
// node or the identity of a service account. An edge is a step from one to the
// next. It has a kind, which names the technique, and a certainty, from which
// its weight follows. [Graph.Explain] says why the step is possible, and by what
// field, binding or rule.
//
// # What a path means
//
// The graph is about what configuration lets happen, not about which programs
// have flaws: an edge of certainty NeedsExploit takes a flaw in a program that
// listens, and everything behind it is possible once there is one. A pod made by
// an edge is one that the guards of its namespace let in: the enforced Pod
// Security level and ValidatingAdmissionPolicies with a binding that denies.
// Validating webhooks and policies of other engines are not evaluated, so a pod
// that they refuse counts as possible. Exemptions from Pod Security are not
// visible in the API, and ignored.
//
// Placement is known where the snapshot holds pods with their nodes. Elsewhere
// one vertex stands for some node, and that another pod runs on the same node is
// unknown.
//
// Init containers that have ended cannot be attacked over the network, and what
// images contain is not looked at. Writing roles or bindings without the rights
// escalate or bind gives nothing that the writer does not hold, so it is no edge.
//
// A Graph is immutable and safe for concurrent use. Its ids are valid within it
// only.
package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// ID numbers a vertex within one Graph.
type ID int32

const none = -1

// Options are settings of a Graph.
type Options struct {
	// KubernetesMinor is the minor version that is assumed; it decides what Pod
	// Security's level "latest" means.
	KubernetesMinor int
	// Known leaves out edges whose certainty is Unknown.
	Known bool
	// Target is what paths are looked for to, as [Graph.Target] takes it, or "". Where
	// it may be in the cluster and is not in the snapshot, the graph has a vertex for it
	// all the same: see [Graph.Assumed].
	Target string
	// Source is where they begin, as [Graph.Source] takes it, or "". What the kubelet of
	// one node may do is in the graph only where it is that one.
	Source string
}

// Graph is all steps that an attacker may take in one snapshot.
type Graph struct {
	snapshot *model.Snapshot
	network  *reach.Graph
	access   *access.Analysis
	options  Options

	vertices []vertex
	edges    []edge  // by source
	first    []int32 // edges of vertex v are at [first[v]:first[v+1]]
	back     []int32 // positions in edges, by target
	backAt   []int32

	namespaces     []string
	workloads      []workload
	containers     []container // of all workloads
	accounts       []access.Subject
	nodes          []node
	secrets        []named
	volumes        []named
	clouds         []string
	placedAnything bool // some pod is known to be on a node
	evidence       []evidence
	restricted     []access.NamedRight
	guardVerdicts  []guardVerdict
	guardMemory    guardMemory
	proven         [][]access.Proof
	memory         memory
	inCloud        cloudState

	uses        []use        // of containers
	listens     []reach.Port // of containers
	ways        []exposedWay
	targets     []reach.Port         // of workloads
	workloadOf  []int32              // by endpoint of the network; none for what is no workload
	further     map[int32][]reach.ID // endpoints of a workload beside its own
	wide        [wideKinds]ID
	narrow      [wideKinds][]ID // by namespace
	unplaced    []evidence      // servers that the API server asks and that are not in the input
	guises      []guise
	openServers []openServer
	guests      []reach.Guest // pods with other labels than those that were read
	guestAt     []ID          // their vertices
	incomplete  []string      // why steps are missing of which there are more than are looked at
	unread      *model.Gap    // network policies that were not read, which may close connections, or nil
	internet    ID
	admin       ID
	nodeRights  ID // of the group system:nodes, or none
	assumed     ID // that of Options.Target, where the snapshot does not hold it, or none
}

// Incomplete says why the graph lacks steps, in a clause: parts of the input are
// so large that not all of them are looked at. It is "" when it lacks none. What
// objects that were not read would add, [model.Snapshot.Gap] tells.
func (g *Graph) Incomplete() string { return strings.Join(g.incomplete, ", and ") }

// span is a part of a list.
type span struct{ first, last int32 }

// named is an object that may not have been read.
type named struct {
	namespace int32
	name      string
	object    *model.Object
}

// evidence is where in which object something stands; node may be nil.
type evidence struct {
	object *model.Object
	node   *tree.Node
}

// Kinds returns the types whose objects open paths: where one of them was not
// read, that there is no path is unknown. It is a new slice.
func Kinds() []model.GroupKind {
	return slices.Concat(associationKinds(), hijackKinds(), model.WorkloadKinds(), reach.RouteKinds(), reach.OtherRouteKinds(), reach.EndpointKinds(), []model.GroupKind{
		model.ConfigMapKind, model.ServiceKind, model.ServiceAccountKind, model.SecretKind, model.NodeKind, model.NamespaceKind,
		model.PersistentVolumeKind, model.PersistentVolumeClaimKind,
		model.RoleKind, model.ClusterRoleKind, model.RoleBindingKind, model.ClusterRoleBindingKind,
	})
}

// New makes the graph of a snapshot. The network and the access analysis must be
// of the same snapshot, or of one that differs in nothing that they read.
func New(s *model.Snapshot, network *reach.Graph, rights *access.Analysis, o Options) *Graph {
	return build(s, network, rights, o, nil)
}

func build(s *model.Snapshot, network *reach.Graph, rights *access.Analysis, o Options, before *Graph) *Graph {
	b := newBuilder(s, network, rights, o, before)
	b.readWorkloads()
	b.readObjects()
	b.placePods()
	if !b.sameEndpoints() {
		b.endpoints()
		b.findWays()
		b.findTargets()
	}
	b.listeners()
	b.podEdges()
	b.secretEdges()
	b.volumeEdges()
	b.assume()
	b.exposure()
	b.openKubelets()
	b.rights()
	b.openedNetworks()
	b.webhookServers()
	b.namespaceEdges()
	b.nodeEdges()
	b.kubeletEdges()
	b.stealing()
	b.doubtQuotas()
	b.findGuests()
	b.openServers()
	b.index()
	return b.Graph
}
