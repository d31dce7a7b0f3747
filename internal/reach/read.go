package reach

import (
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// api is a kind of policies that is read.
type api struct {
	kind model.GroupKind
	read func(*reader, *model.Object) []*Policy
}

var apis = []api{
	{model.NetworkPolicyKind, readNetworkPolicy},
	{model.GroupKind{Group: "extensions", Kind: "NetworkPolicy"}, readNetworkPolicy},
	{model.GroupKind{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"}, readAdminPolicy},
	{model.GroupKind{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"}, readAdminPolicy},
	{model.GroupKind{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"}, readAdminPolicy},
	{model.GroupKind{Group: "cilium.io", Kind: "CiliumNetworkPolicy"}, readCilium},
	{model.GroupKind{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"}, readCilium},
}

// otherKinds are policies that change who may connect to whom, and that this
// package does not understand.
var otherKinds = []struct {
	kind model.GroupKind
	in   bool // for ingress, too
}{
	{model.GroupKind{Group: "projectcalico.org", Kind: "NetworkPolicy"}, true},
	{model.GroupKind{Group: "projectcalico.org", Kind: "GlobalNetworkPolicy"}, true},
	{model.GroupKind{Group: "crd.projectcalico.org", Kind: "NetworkPolicy"}, true},
	{model.GroupKind{Group: "crd.projectcalico.org", Kind: "GlobalNetworkPolicy"}, true},
	{model.GroupKind{Group: "crd.antrea.io", Kind: "NetworkPolicy"}, true},
	{model.GroupKind{Group: "crd.antrea.io", Kind: "ClusterNetworkPolicy"}, true},
	{model.GroupKind{Group: "networking.k8s.aws", Kind: "ApplicationNetworkPolicy"}, true},
	{model.GroupKind{Group: "networking.k8s.aws", Kind: "ClusterNetworkPolicy"}, true},
	{model.GroupKind{Group: "k8s.ovn.org", Kind: "EgressFirewall"}, false},
	{model.GroupKind{Group: "network.openshift.io", Kind: "EgressNetworkPolicy"}, false},
}

// globalKinds are those of otherKinds that live in no namespace, whatever the
// snapshot says.
var globalKinds = []string{"GlobalNetworkPolicy", "ClusterNetworkPolicy"}

// reader reads policies.
type reader struct {
	snapshot *model.Snapshot
	made     *handIndex // once it was asked for
}

// hand returns the endpoints that were made by hand.
func (r *reader) hand() *handIndex {
	if r.made == nil {
		r.made = readHandmade(r.snapshot)
	}
	return r.made
}

// readAll returns the policies of a snapshot in the order in which they decide,
// and the objects that are not understood.
func readAll(s *model.Snapshot) (policies []*Policy, others []*model.Object) {
	r := &reader{snapshot: s}
	for _, api := range apis {
		for o := range s.Kind(api.kind) {
			if unclear(o) {
				others = append(others, o)
			}
			policies = append(policies, r.policiesOf(api, o)...)
		}
	}
	for _, other := range otherKinds {
		for o := range s.Kind(other.kind) {
			others = append(others, o)
			policies = append(policies, foreignPolicy(o, other.in))
		}
	}
	policies = append(policies, meshPolicies(s)...)
	slices.SortStableFunc(policies, (*Policy).compare)
	return policies, others
}

// policiesOf reads an object.
func (r *reader) policiesOf(a api, o *model.Object) []*Policy {
	if unclear(o) {
		p := foreignPolicy(o, true)
		p.mayDeny, p.mayAllow = [2]Reasons{whyField, whyField}, [2]Reasons{whyField, whyField}
		return []*Policy{p}
	}
	return a.read(r, o)
}

// unclear reports whether what a policy means is not known as a whole.
func unclear(o *model.Object) bool { return misspelt(o) || undefinedAdmin(o) }

// misspelt reports whether the spec has fields that its kind does not have. What
// was meant is not known: kubectl refuses them, and the API server may drop them,
// after which a rule matches more.
func misspelt(o *model.Object) bool {
	return slices.ContainsFunc(o.UnknownFields, func(p tree.Path) bool { return len(p) > 0 && p[0].Key == "spec" })
}

// foreignPolicy stands for one that is not understood: it may do anything to
// the pods of its namespace, or of all.
func foreignPolicy(o *model.Object, ingress bool) *Policy {
	p := &Policy{Object: o, Spec: o.Root.Get("spec"), Tier: TierNetwork, hosts: Maybe}
	if !slices.Contains(globalKinds, o.Key.Kind) {
		p.subject.within = o.Key.Namespace
	}
	p.mayDeny[Egress], p.mayAllow[Egress] = whyForeign, whyForeign
	if ingress {
		p.mayDeny[Ingress], p.mayAllow[Ingress] = whyForeign, whyForeign
	}
	return p
}

// readNetworkPolicy reads a NetworkPolicy. What the API server would refuse
// matches nothing.
func readNetworkPolicy(_ *reader, o *model.Object) []*Policy {
	spec := o.Root.Get("spec")
	p := &Policy{Object: o, Spec: spec, Tier: TierNetwork, hosts: Maybe}
	p.subject = selector{within: o.Key.Namespace, pods: readTerms(spec.Get("podSelector"))}
	p.isolates[Ingress], p.isolates[Egress] = policyTypes(spec)
	for d, keys := range [...][2]string{Ingress: {"ingress", "from"}, Egress: {"egress", "to"}} {
		rules := spec.Get(keys[0])
		if !p.isolates[d] {
			continue // rules of a direction that is not among the types do nothing
		}
		for i := range rules.Children() {
			r := readNetworkRule(o.Key.Namespace, rules.At(i), keys[1])
			r.list, r.index = keys[0], i
			p.rules[d] = append(p.rules[d], r)
		}
	}
	return []*Policy{p}
}

// policyTypes returns for which directions a policy is. Without policyTypes it
// is for ingress, and for egress if it has egress rules.
func policyTypes(spec *tree.Node) (ingress, egress bool) {
	types := spec.Get("policyTypes")
	if types.Len() == 0 {
		return true, spec.Get("egress").Len() > 0
	}
	for _, t := range types.Children() {
		ingress = ingress || t.Str() == "Ingress"
		egress = egress || t.Str() == "Egress"
	}
	return ingress, egress
}

func readNetworkRule(namespace string, n *tree.Node, peersKey string) *rule {
	r := &rule{node: n, ports: readNetworkPorts(n.Get("ports"))}
	peers := n.Get(peersKey)
	r.all = peers.Len() == 0
	for i := range peers.Children() {
		if p, ok := readNetworkPeer(namespace, peers.At(i)); ok {
			r.peers = append(r.peers, p)
		}
	}
	r.peers = joinBlocks(r.peers)
	return r
}

func readNetworkPeer(namespace string, n *tree.Node) (peer, bool) {
	namespaces, pods, blockNode := present(n.Get("namespaceSelector")), present(n.Get("podSelector")), present(n.Get("ipBlock"))
	if (namespaces == nil && pods == nil) == (blockNode == nil) {
		return peer{}, false
	}
	if blockNode != nil {
		return readIPBlock(blockNode)
	}
	p := &podPeer{hosts: Maybe}
	p.selector.pods = readTerms(pods)
	if namespaces == nil {
		p.selector.within = namespace
	} else {
		p.selector.namespaces = readTerms(namespaces)
	}
	return peer{pods: p}, true
}

// readIPBlock reads addresses with exceptions. Kubernetes before 1.36 lets pass
// notations that not everything reads alike; what no version lets pass matches nothing.
func readIPBlock(n *tree.Node) (peer, bool) {
	cidr, plain, ok := readRange(n.Get("cidr").Str())
	var except []netip.Prefix
	for i := range n.Get("except").Children() {
		p, isPlain, isRange := readRange(n.Get("except").At(i).Str())
		except = append(except, p)
		plain, ok = plain && isPlain, ok && isRange
	}
	switch {
	case !ok:
		return peer{}, false
	case !plain:
		return anything(whyNotation), true
	}
	return peer{blocks: newBlockPeer(Maybe, []netip.Prefix{cidr}, except)}, true
}

// readRange reads a range. One of IPv4 is not plain when it is written as one of
// IPv6, or with zeros in front of its numbers.
func readRange(text string) (p netip.Prefix, plain, ok bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), !p.Addr().Is4In6(), true
	}
	_, err := netip.ParsePrefix(withoutZeros(text))
	return netip.Prefix{}, false, err == nil
}

// withoutZeros drops the zeros in front of the numbers of a range.
func withoutZeros(text string) string {
	address, bits, _ := strings.Cut(text, "/")
	numbers := append(strings.Split(address, "."), bits)
	for i, n := range numbers {
		last := max(len(n)-1, 0)
		numbers[i] = strings.TrimLeft(n[:last], "0") + n[last:]
	}
	return strings.Join(numbers[:len(numbers)-1], ".") + "/" + numbers[len(numbers)-1]
}

func present(n *tree.Node) *tree.Node {
	if n.Is(tree.Map) {
		return n
	}
	return nil
}

// readRanges reads a list of ranges. Those that are none are left out.
func readRanges(n *tree.Node) []netip.Prefix {
	var ranges []netip.Prefix
	for i := range n.Children() {
		if p, err := netip.ParsePrefix(n.At(i).Str()); err == nil {
			ranges = append(ranges, p.Masked())
		}
	}
	return ranges
}

// readNetworkPorts reads the ports of a rule. An absent or empty list is all
// ports.
func readNetworkPorts(n *tree.Node) portSpec {
	if n.Len() == 0 {
		return portSpec{set: everyPort}
	}
	var spec portSpec
	for i := range n.Children() {
		entry := n.At(i)
		protocol, ok := protocolOf(entry.Get("protocol"))
		if !ok {
			continue
		}
		port := entry.Get("port")
		number, isNumber := port.Int()
		switch {
		case port.Kind() == tree.Null:
			spec.add(protocol, 0, maxPort)
		case isNumber:
			end := number
			if last, ok := entry.Get("endPort").Int(); ok {
				end = min(last, maxPort)
			}
			spec.addRange(protocol, number, end)
		case port.Str() != "":
			spec.named = append(spec.named, namedPort{port.Str(), protocol})
		}
	}
	return spec
}

func (s *portSpec) add(p Protocol, first, last uint16) {
	s.set = s.set.union(portsFrom(p, first, last))
}

// addRange adds ports from first to last, if they are ports.
func (s *portSpec) addRange(p Protocol, first, last int64) {
	if first > 0 && first <= last && last <= maxPort {
		s.add(p, uint16(first), uint16(last))
	}
}

// protocolOf reads a protocol, which is TCP where it is absent.
func protocolOf(n *tree.Node) (Protocol, bool) {
	if n.Kind() == tree.Null {
		return TCP, true
	}
	return ParseProtocol(n.Str())
}

// DecidingKinds returns the kinds of all that decides who may connect to whom: of
// policies and of workloads. While some of them were not read, [Graph.Closed] is false.
func DecidingKinds() []model.GroupKind { return append(PolicyKinds(), model.WorkloadKinds()...) }

// PolicyKinds returns the kinds of policies that change who may connect to whom,
// those included that are not understood: while some of them were not read,
// there may be more policies.
func PolicyKinds() []model.GroupKind {
	var kinds []model.GroupKind
	for _, api := range apis {
		kinds = append(kinds, api.kind)
	}
	for _, other := range otherKinds {
		kinds = append(kinds, other.kind)
	}
	for _, m := range meshes {
		kinds = append(kinds, m.kind)
	}
	return kinds
}
