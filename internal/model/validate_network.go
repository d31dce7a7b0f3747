package model

import (
	"cmp"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/tree"
)

// refuseNetworkPolicy does as the API server of Kubernetes 1.37, but for ranges
// whose address has bits behind the mask: that refuses them since 1.36, and what
// they mean is clear.
func refuseNetworkPolicy(o *Object) *refusal {
	spec := o.Root.Get("spec")
	types := spec.Get("policyTypes")
	if types.Len() > 2 {
		return refuse(types, "has more than two entries")
	}
	return cmp.Or(
		refuseSelector(spec.Get("podSelector")),
		eachOf(types, func(n *tree.Node) *refusal { return oneOf(n, "Ingress", "Egress") }),
		refuseNetworkRules(spec.Get("ingress"), "from"),
		refuseNetworkRules(spec.Get("egress"), "to"))
}

func refuseNetworkRules(rules *tree.Node, peersKey string) *refusal {
	return eachOf(rules, func(n *tree.Node) *refusal {
		return cmp.Or(eachOf(n.Get("ports"), refuseNetworkPort), eachOf(n.Get(peersKey), refuseNetworkPeer))
	})
}

func refuseNetworkPort(n *tree.Node) *refusal {
	if r := oneOf(n.Get("protocol"), "TCP", "UDP", "SCTP"); r != nil {
		return r
	}
	port, end := n.Get("port"), n.Get("endPort")
	if port.Is(tree.Unknown) {
		return nil
	}
	if port.Is(tree.String) && len(validation.IsValidPortName(port.Str())) > 0 {
		hint := ""
		if len(validation.IsValidPortName("a"+port.Str())) == 0 {
			hint = " (for the number, take the quotes off)"
		}
		return refuse(port, "is %s, which is not the name of a port%s", quoted(port), hint)
	}
	if r := intOfPort(port); r != nil {
		return r
	}
	if absent(end) {
		return nil
	}
	first, ok := port.Int()
	if !ok {
		return refuse(end, "may be given only with a port that is a number")
	}
	if last, ok := end.Int(); ok && last < first {
		return refuse(end, "is %d, less than port", last)
	}
	return intWithin(end, 1, 65535)
}

func intOfPort(n *tree.Node) *refusal {
	if n.Is(tree.String) {
		return nil
	}
	return intWithin(n, 1, 65535)
}

func refuseNetworkPeer(n *tree.Node) *refusal {
	namespaces, pods, block := n.Get("namespaceSelector"), n.Get("podSelector"), n.Get("ipBlock")
	selects := namespaces.Kind() != tree.Null || pods.Kind() != tree.Null
	switch {
	case selects && block.Kind() != tree.Null:
		return refuse(block, "may not stand beside a selector")
	case selects:
		return cmp.Or(refuseSelector(pods), refuseSelector(namespaces))
	case block.Kind() == tree.Null:
		return refuse(n, "has none of podSelector, namespaceSelector and ipBlock")
	}
	return refuseBlock(block)
}

func refuseBlock(n *tree.Node) *refusal {
	cidr := n.Get("cidr")
	switch {
	case n.Is(tree.Unknown) || cidr.Is(tree.Unknown):
		return nil
	case cidr.Kind() == tree.Null:
		return refuse(n, "has no cidr")
	}
	if r := refuseRange(cidr); r != nil {
		return r
	}
	whole := netip.MustParsePrefix(cidr.Str())
	return eachOf(n.Get("except"), func(n *tree.Node) *refusal {
		if r := refuseRange(n); r != nil {
			return r
		}
		if p := netip.MustParsePrefix(n.Str()); !whole.Contains(p.Addr()) || p.Bits() <= whole.Bits() {
			return refuse(n, "is %s, which is not a part of %s", quoted(n), whole)
		}
		return nil
	})
}

// refuseRange refuses what is not an address range with a mask.
func refuseRange(n *tree.Node) *refusal {
	p, err := netip.ParsePrefix(n.Str())
	if err == nil && !p.Addr().Is4In6() {
		return nil
	}
	hint := ""
	if a, err := netip.ParseAddr(n.Str()); err == nil && a.Zone() == "" && !a.Is4In6() {
		hint = " (" + netip.PrefixFrom(a, a.BitLen()).String() + " is the address alone)"
	}
	return refuse(n, "is %s, which is not a range of addresses such as 10.0.0.0/8%s", quoted(n), hint)
}
