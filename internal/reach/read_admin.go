package reach

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const adminGroup = "policy.networking.k8s.io"

// readAdminPolicy reads the three cluster-scoped kinds of
// policy.networking.k8s.io: AdminNetworkPolicy and BaselineAdminNetworkPolicy of
// v1alpha1, and ClusterNetworkPolicy of v1alpha2, which has both tiers.
func readAdminPolicy(_ *reader, o *model.Object) []*Policy {
	spec := o.Root.Get("spec")
	p := &Policy{Object: o, Spec: spec}
	if !p.readTier(o.Key.Kind, spec) {
		return nil
	}
	subject, ok := readAdminPods(spec.Get("subject"))
	if !ok {
		return nil
	}
	p.subject = subject
	for d, keys := range [...][2]string{Ingress: {"ingress", "from"}, Egress: {"egress", "to"}} {
		rules := spec.Get(keys[0])
		for i := range rules.Children() {
			if r := readAdminRule(rules.At(i), keys[1], Direction(d)); r != nil {
				r.list, r.index = keys[0], i
				p.rules[d] = append(p.rules[d], r)
			}
		}
	}
	return []*Policy{p}
}

// undefinedAdmin reports whether a policy has what the schemas of policy.networking.k8s.io
// let pass and nothing says the meaning of: selectors that cannot be evaluated, and
// protocols that have no ports. Implementations differ in what they drop then.
func undefinedAdmin(o *model.Object) bool {
	if o.Key.Group != adminGroup {
		return false
	}
	spec := o.Root.Get("spec")
	return undefinedPods(spec.Get("subject")) || undefinedRules(spec.Get("ingress"), "from") || undefinedRules(spec.Get("egress"), "to")
}

func undefinedRules(rules *tree.Node, peersKey string) bool {
	for i := range rules.Children() {
		peers, ports := rules.At(i).Get(peersKey), rules.At(i).Get("ports")
		for j := range peers.Children() {
			if undefinedPods(peers.At(j)) {
				return true
			}
		}
		for j := range ports.Children() {
			for k := range ports.At(j).Children() {
				protocol := ports.At(j).Children()[k].Get("protocol")
				if _, ok := protocolOf(protocol); !ok {
					return true
				}
			}
		}
	}
	return false
}

// undefinedPods reports whether a selector of a subject or peer cannot be evaluated.
func undefinedPods(n *tree.Node) bool {
	pods := n.Get("pods")
	for _, selector := range []*tree.Node{n.Get("namespaces"), n.Get("nodes"), pods.Get("namespaceSelector"), pods.Get("podSelector")} {
		if !model.ValidSelector(selector) {
			return true
		}
	}
	return false
}

// readTier reads where a policy stands. It reports false for what the API
// server refuses.
func (p *Policy) readTier(kind string, spec *tree.Node) bool {
	switch tier := spec.Get("tier").Str(); {
	case kind == "BaselineAdminNetworkPolicy":
		p.Tier = TierBaseline
		return true // there is but one, which has no priority
	case kind == "AdminNetworkPolicy", tier == "Admin":
		p.Tier = TierAdmin
	case tier == "Baseline":
		p.Tier = TierBaseline
	default:
		return false
	}
	priority, ok := spec.Get("priority").Int()
	p.Priority = int(priority)
	return ok && priority >= 0 && priority <= 1000
}

// readAdminPods reads a choice of pods: by namespaces, or by both selectors.
func readAdminPods(n *tree.Node) (selector, bool) {
	namespaces, pods := present(n.Get("namespaces")), present(n.Get("pods"))
	switch {
	case (namespaces == nil) == (pods == nil):
		return selector{}, false
	case namespaces != nil:
		return selector{namespaces: readTerms(namespaces)}, true
	}
	return selector{namespaces: readTerms(pods.Get("namespaceSelector")), pods: readTerms(pods.Get("podSelector"))}, true
}

var adminActions = map[string]Action{"Allow": Allow, "Accept": Allow, "Deny": Deny, "Pass": Pass}

func readAdminRule(n *tree.Node, peersKey string, d Direction) *rule {
	action, ok := adminActions[n.Get("action").Str()]
	if !ok {
		return nil
	}
	r := &rule{node: n, action: action, ports: readAdminPorts(n)}
	peers := n.Get(peersKey)
	for i := range peers.Children() {
		r.peers = append(r.peers, readAdminPeer(peers.At(i), d, action)...)
	}
	return r
}

// readAdminPeer reads a peer, which has one field. The host network is never
// part of what selectors choose.
func readAdminPeer(n *tree.Node, d Direction, action Action) []peer {
	if n.Len() != 1 {
		return nil
	}
	field := &n.Children()[0]
	switch {
	case field.Key() == "namespaces" || field.Key() == "pods":
		if s, ok := readAdminPods(n); ok {
			return []peer{{pods: &podPeer{selector: s}}}
		}
		return nil
	case d == Egress && field.Key() == "nodes":
		node := Yes
		if readTerms(field).id != 0 {
			node = Maybe // labels of nodes are not looked at
		}
		return []peer{{kinds: &kindPeer{node: node, hosts: node, why: whyNode}}}
	case d == Egress && field.Key() == "networks":
		return readNetworks(field)
	case d == Egress && field.Key() == "domainNames":
		return readDomainNames(field, action)
	}
	return []peer{anything(whyField)}
}

func readNetworks(n *tree.Node) []peer {
	return []peer{{blocks: newBlockPeer(Yes, readRanges(n), nil)}}
}

// readDomainNames reads names, which are for rules that allow only.
func readDomainNames(n *tree.Node, action Action) []peer {
	if action != Allow {
		return []peer{{kinds: &kindPeer{names: Maybe, why: whyName}}}
	}
	var peers []peer
	for i := range n.Children() {
		if name := normalName(n.At(i).Str()); name != "" {
			peers = append(peers, peer{name: name, deep: true})
		}
	}
	return peers
}

// anything may match every endpoint.
func anything(why Reasons) peer {
	return peer{kinds: &kindPeer{Maybe, Maybe, Maybe, Maybe, Maybe, Maybe, Maybe, why}}
}

// readAdminPorts reads ports (v1alpha1) or protocols (v1alpha2). Absent is all
// ports.
func readAdminPorts(n *tree.Node) portSpec {
	ports, protocols := n.Get("ports"), n.Get("protocols")
	if ports.Kind() == tree.Null && protocols.Kind() == tree.Null {
		return portSpec{set: everyPort}
	}
	var spec portSpec
	for i := range ports.Children() {
		spec.addAdminPort(ports.At(i))
	}
	for i := range protocols.Children() {
		spec.addAdminProtocol(protocols.At(i))
	}
	return spec
}

func (s *portSpec) addAdminPort(n *tree.Node) {
	number, span := n.Get("portNumber"), n.Get("portRange")
	switch {
	case n.Len() != 1:
	case number != nil:
		if protocol, ok := protocolOf(number.Get("protocol")); ok {
			s.addInts(protocol, number.Get("port"), number.Get("port"))
		}
	case span != nil:
		if protocol, ok := protocolOf(span.Get("protocol")); ok {
			s.addInts(protocol, span.Get("start"), span.Get("end"))
		}
	default:
		s.addName(n.Get("namedPort").Str())
	}
}

func (s *portSpec) addAdminProtocol(n *tree.Node) {
	if n.Len() != 1 {
		return
	}
	field := &n.Children()[0]
	if field.Key() == "destinationNamedPort" {
		s.addName(field.Str())
		return
	}
	protocol, ok := ParseProtocol(field.Key())
	port := field.Get("destinationPort")
	if !ok || port.Len() != 1 {
		return
	}
	if span := port.Get("range"); span != nil {
		s.addInts(protocol, span.Get("start"), span.Get("end"))
	} else {
		s.addInts(protocol, port.Get("number"), port.Get("number"))
	}
}

func (s *portSpec) addInts(p Protocol, first, last *tree.Node) {
	from, ok := first.Int()
	to, also := last.Int()
	if ok && also {
		s.addRange(p, from, to)
	}
}

func (s *portSpec) addName(name string) {
	if name != "" {
		s.named = append(s.named, namedPort{name, anyProtocol})
	}
}
