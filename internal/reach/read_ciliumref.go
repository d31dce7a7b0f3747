package reach

import (
	"net/netip"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// What rules of Cilium refer to: ranges, groups of ranges, Services.

// ciliumBlock reads a range or a single address. Ranges are about what Cilium
// does not manage, so they match no pods.
func ciliumBlock(cidr, except *tree.Node) []peer {
	p, err := netip.ParsePrefix(cidr.Str())
	if addr, isAddr := netip.ParseAddr(cidr.Str()); isAddr == nil {
		p, err, except = netip.PrefixFrom(addr, addr.BitLen()), nil, nil
	}
	if err != nil {
		return nil
	}
	return []peer{{blocks: newBlockPeer(No, []netip.Prefix{p.Masked()}, readRanges(except))}}
}

func (c *ciliumReader) cidrSet(n *tree.Node) []peer {
	ref, selector := n.Get("cidrGroupRef").Str(), present(n.Get("cidrGroupSelector"))
	if ref == "" && selector == nil {
		return ciliumBlock(n.Get("cidr"), n.Get("except"))
	}
	var ranges []netip.Prefix
	for o := range c.snapshot.Kind(cidrGroupKind) {
		if o.Key.Name != ref && (selector == nil || !model.NewSelector(selector).Matches(o.Labels())) {
			continue
		}
		ranges = append(ranges, readRanges(o.Root.Dig("spec", "externalCIDRs"))...)
	}
	peers := []peer{{blocks: newBlockPeer(No, ranges, readRanges(n.Get("except")))}}
	if !c.snapshot.Complete("", cidrGroupKind) && (ref == "" || len(ranges) == 0) {
		peers = append(peers, peer{kinds: &kindPeer{ipv4: Maybe, ipv6: Maybe, names: Maybe, api: Maybe, why: whyReference}})
	}
	return peers
}

var (
	cidrGroupKind = model.GroupKind{Group: "cilium.io", Kind: "CiliumCIDRGroup"}
)

// service reads an entry of toServices: the pods that the Services select.
func (c *ciliumReader) service(n *tree.Node) []peer {
	var peers []peer
	found := false
	if named := n.Get("k8sService"); named != nil {
		for o := range c.snapshot.Kind(model.ServiceKind) {
			if o.Key.Name == named.Get("serviceName").Str() && inNamespace(o, named) {
				peers, found = append(peers, c.servicePeers(o)...), true
			}
		}
	}
	if by := n.Get("k8sServiceSelector"); by != nil {
		selector := model.NewSelector(by.Get("selector"))
		for o := range c.snapshot.Kind(model.ServiceKind) {
			if inNamespace(o, by) && selector.Matches(o.Labels()) {
				peers = append(peers, c.servicePeers(o)...)
			}
		}
	}
	if !c.snapshot.Complete("", model.ServiceKind) && !found {
		peers = append(peers, anything(whyReference))
	}
	return peers
}

func inNamespace(o *model.Object, n *tree.Node) bool {
	namespace := n.Get("namespace").Str()
	return namespace == "" || namespace == o.Key.Namespace
}

// servicePeers returns the pods of a Service. The endpoints of one without a
// selector are made by hand, and never pods for Cilium.
func (c *ciliumReader) servicePeers(o *model.Object) []peer {
	selected := o.Root.Dig("spec", "selector")
	if selected.Len() == 0 {
		return c.handmadePeers(o)
	}
	var list []requirement
	for i := range selected.Children() {
		l := &selected.Children()[i]
		list = append(list, requirement{key: l.Key(), values: []string{l.Str()}})
	}
	return []peer{{pods: &podPeer{selector: selector{within: o.Key.Namespace, pods: termsOf(list)}}}}
}

func (c *ciliumReader) handmadePeers(o *model.Object) []peer {
	var ranges []netip.Prefix
	doubt := &kindPeer{why: whyReference}
	for _, e := range c.hand().services[objectName{o.Key.Namespace, o.Key.Name}] {
		switch {
		case e.onAPI, e.onNode:
			doubt.node, doubt.hosts, doubt.api = Maybe, Maybe, Maybe
		case len(e.pods) == 0:
			ranges = append(ranges, netip.PrefixFrom(e.addr, e.addr.BitLen()))
		}
	}
	if len(ranges) == 0 && doubt.node == No || !c.snapshot.Complete(o.Key.Namespace, sliceKind) {
		doubt = &kindPeer{ipv4: Maybe, ipv6: Maybe, names: Maybe, api: Maybe, node: Maybe, hosts: Maybe, why: whyReference}
	}
	peers := []peer{{kinds: doubt}}
	if len(ranges) > 0 {
		peers = append(peers, peer{blocks: newBlockPeer(No, ranges, nil)})
	}
	return peers
}
