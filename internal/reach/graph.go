package reach

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Graph is the network of one snapshot. It is immutable, and small: workloads
// that no policy can tell apart are one group, and who reaches whom is computed
// when asked.
type Graph struct {
	namespaces []string
	policies   map[string][]*Policy // by namespace, in order
	groups     []group              // ordered by namespace
	span       map[string][2]int32  // the groups of a namespace: first, and one behind the last
	groupOf    map[*tree.Node]int32 // by pod spec
	signatures [2][]*signature
	others     []*model.Object
	rules      int // number of rules in all policies
}

// group holds workloads of one namespace that differ in nothing that a policy
// looks at.
type group struct {
	namespace   string
	workloads   int
	hostNetwork bool
	named       []declaredPort // of those that some policy names
	policies    [2][]*Policy
	signature   [2]int32
}

type declaredPort struct {
	namedPort
	number uint32 // with its protocol in the bits above
}

// signature is what decides for a group in one direction; groups share it.
type signature struct {
	isolated bool
	ignored  bool // the policies may not hold, as the pods are on the host network
	rules    []*rule
}

// New makes the graph of a snapshot.
func New(s *model.Snapshot) *Graph {
	b := &builder{
		Graph: &Graph{
			namespaces: s.Namespaces(), policies: map[string][]*Policy{}, span: map[string][2]int32{}, groupOf: map[*tree.Node]int32{},
		},
		snapshot: s, peers: map[peerKey]*peer{}, labels: map[string]bool{}, ports: map[namedPort]bool{},
		matches: map[uint64][]namespaceMatch{}, known: map[string]*namespaceLabels{},
	}
	var objects []*model.Object
	for _, gk := range policyKinds {
		for o := range s.Kind(gk) {
			objects = append(objects, o)
			b.cluster = o.Key.Cluster
			b.survey(o.Root.Get("spec"))
		}
	}
	b.group()
	for _, o := range objects {
		p := b.readPolicy(o)
		b.policies[o.Key.Namespace] = append(b.policies[o.Key.Namespace], p)
		b.apply(p)
	}
	b.sign()
	for _, gk := range otherKinds {
		b.others = slices.AppendSeq(b.others, s.Kind(gk))
	}
	return b.Graph
}

var policyKinds = []model.GroupKind{{Group: "networking.k8s.io", Kind: "NetworkPolicy"}, {Group: "extensions", Kind: "NetworkPolicy"}}

// otherKinds are policies that change who may connect to whom, and that this
// package does not understand.
var otherKinds = []model.GroupKind{
	{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"},
	{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"},
	{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"},
	{Group: "cilium.io", Kind: "CiliumNetworkPolicy"},
	{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"},
	{Group: "projectcalico.org", Kind: "NetworkPolicy"},
	{Group: "projectcalico.org", Kind: "GlobalNetworkPolicy"},
	{Group: "crd.projectcalico.org", Kind: "NetworkPolicy"},
	{Group: "crd.projectcalico.org", Kind: "GlobalNetworkPolicy"},
	{Group: "crd.antrea.io", Kind: "NetworkPolicy"},
	{Group: "crd.antrea.io", Kind: "ClusterNetworkPolicy"},
}

// Others returns the policies of kinds that this package does not understand
// and that may concern pods of a namespace, in the order of their kinds. Where
// there are any, answers about that namespace hold for NetworkPolicies alone.
func (g *Graph) Others(namespace string) []*model.Object {
	var found []*model.Object
	for _, o := range g.others {
		if o.Key.Namespace == "" || o.Key.Namespace == namespace {
			found = append(found, o)
		}
	}
	return found
}

// AllOthers returns what Others returns for any namespace.
func (g *Graph) AllOthers() []*model.Object { return g.others }

// Policies returns the policies of a direction that select pods with the given
// labels in a namespace, in key order.
func (g *Graph) Policies(namespace string, pod *model.PodTemplate, d Direction) []*Policy {
	if id, ok := g.groupOf[pod.Spec]; ok {
		return g.groups[id].policies[d]
	}
	var found []*Policy // a pod that a controller made: there is no group for it
	for _, p := range g.policies[namespace] {
		if p.isolates[d] && p.selector.Matches(pod.Labels()) {
			found = append(found, p)
		}
	}
	return found
}

// DefaultDeny returns a policy that selects all pods of a namespace and allows
// nothing in a direction, or nil.
func (g *Graph) DefaultDeny(namespace string, d Direction) *Policy {
	for _, p := range g.policies[namespace] {
		if p.DeniesAll(d) {
			return p
		}
	}
	return nil
}

// builder makes a Graph.
type builder struct {
	*Graph
	snapshot *model.Snapshot
	cluster  string
	peers    map[peerKey]*peer
	labels   map[string]bool             // label keys that some policy looks at
	ports    map[namedPort]bool          // that some policy names
	matches  map[uint64][]namespaceMatch // by hash of the namespaceSelector
	known    map[string]*namespaceLabels
}

// survey notes which labels and port names a policy looks at.
func (b *builder) survey(n *tree.Node) {
	switch n.Key() {
	case "podSelector":
		for _, l := range n.Get("matchLabels").Children() {
			b.labels[l.Key()] = true
		}
		for _, e := range n.Get("matchExpressions").Children() {
			b.labels[e.Get("key").Str()] = true
		}
		return
	case "ports":
		_, named := readPorts(n)
		for _, p := range named {
			b.ports[p] = true
		}
		return
	}
	for i := range n.Children() {
		b.survey(&n.Children()[i])
	}
}

// group puts the workloads that no policy can tell apart together.
func (b *builder) group() {
	for _, namespace := range b.namespaces {
		index := b.snapshot.Workloads(namespace)
		if index == nil {
			continue
		}
		first := int32(len(b.groups))
		known := map[string]int32{}
		for i := range index.Workloads {
			pod := &index.Workloads[i].Pod
			key := b.project(pod)
			id, ok := known[key]
			if !ok {
				id = int32(len(b.groups))
				known[key] = id
				b.groups = append(b.groups, group{
					namespace: namespace, hostNetwork: pod.Spec.Get("hostNetwork").True(), named: b.declared(pod),
				})
			}
			b.groups[id].workloads++
			b.groupOf[pod.Spec] = id
		}
		b.span[namespace] = [2]int32{first, int32(len(b.groups))}
	}
}

// project writes down all of a pod that a policy can look at.
func (b *builder) project(pod *model.PodTemplate) string {
	var parts []string
	for _, l := range pod.Labels().Children() {
		if b.labels[l.Key()] {
			parts = append(parts, fmt.Sprintf("%q=%q", l.Key(), l.Str()))
		}
	}
	slices.Sort(parts)
	for _, p := range b.declared(pod) {
		parts = append(parts, fmt.Sprintf("%#v", p))
	}
	if pod.Spec.Get("hostNetwork").True() {
		parts = append(parts, "host")
	}
	return strings.Join(parts, " ")
}

// declared returns the ports of a pod that some policy names.
func (b *builder) declared(pod *model.PodTemplate) []declaredPort {
	if len(b.ports) == 0 {
		return nil
	}
	var found []declaredPort
	for _, key := range []string{"containers", "initContainers"} {
		for _, c := range pod.Spec.Get(key).Children() {
			if key == "initContainers" && c.Get("restartPolicy").Str() != "Always" {
				continue // it has ended when others could connect
			}
			for _, p := range c.Get("ports").Children() {
				protocol, ok := protocolOf(p.Get("protocol"))
				number, isNumber := p.Get("containerPort").Int()
				name := namedPort{p.Get("name").Str(), protocol}
				if ok && isNumber && number > 0 && number <= maxPort && b.ports[name] {
					found = append(found, declaredPort{name, protocol | uint32(number)})
				}
			}
		}
	}
	return found
}

// apply adds a policy to the groups that it selects.
func (b *builder) apply(p *Policy) {
	last := int32(-1)
	seen := map[int32]bool{}
	for _, w := range b.snapshot.Workloads(p.Object.Key.Namespace).Select(p.selector) {
		id := b.groupOf[w.Pod.Spec]
		if id == last || seen[id] {
			continue
		}
		last, seen[id] = id, true
		for _, d := range []Direction{Ingress, Egress} {
			if p.isolates[d] {
				b.groups[id].policies[d] = append(b.groups[id].policies[d], p)
			}
		}
	}
}

// sign finds the groups for which the same policies decide. In the direction of
// ingress their named ports count too, as they are the destination.
func (b *builder) sign() {
	for _, d := range []Direction{Ingress, Egress} {
		known := map[string]int32{}
		for i := range b.groups {
			g := &b.groups[i]
			var key strings.Builder
			fmt.Fprintf(&key, "%t", g.hostNetwork)
			for _, p := range g.policies[d] {
				fmt.Fprintf(&key, " %p", p)
			}
			if d == Ingress && len(g.policies[d]) > 0 {
				fmt.Fprintf(&key, "%#v", g.named)
			}
			id, ok := known[key.String()]
			if !ok {
				id = int32(len(b.signatures[d]))
				known[key.String()] = id
				b.signatures[d] = append(b.signatures[d], sign(g, d))
			}
			g.signature[d] = id
		}
	}
}

func sign(g *group, d Direction) *signature {
	s := &signature{isolated: len(g.policies[d]) > 0, ignored: g.hostNetwork}
	for _, p := range g.policies[d] {
		for i := range p.rules[d] {
			s.rules = append(s.rules, &p.rules[d][i])
		}
	}
	return s
}
