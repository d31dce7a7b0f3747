package model

import (
	"cmp"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation"
	fields "k8s.io/apimachinery/pkg/util/validation/field"

	"ullage.dev/ullage/internal/tree"
)

// refuseEndpointSlice does as the API server of Kubernetes 1.37, but for hints and
// labels of topology, which say nothing of where a Service leads to. It takes ports
// that are no numbers of a port.
func refuseEndpointSlice(o *Object) *refusal {
	family, ports := o.Root.Get("addressType"), o.Root.Get("ports")
	if family.Kind() == tree.Null {
		return refuse(o.Root, "has no addressType")
	}
	names := map[string]bool{}
	return cmp.Or(
		oneOf(family, "IPv4", "IPv6", "FQDN"),
		itemsWithin(ports, 0, 20000),
		eachOf(ports, func(n *tree.Node) *refusal { return refuseSlicePort(n, names) }),
		itemsWithin(o.Root.Get("endpoints"), 0, 1000),
		eachOf(o.Root.Get("endpoints"), func(n *tree.Node) *refusal { return refuseSliceEndpoint(n, family.Str()) }))
}

func refuseSlicePort(n *tree.Node, names map[string]bool) *refusal {
	name, app := n.Get("name"), n.Get("appProtocol")
	switch {
	case name.Is(tree.Unknown):
	case names[name.Str()]:
		return refuse(cmp.Or(name, n), "is a second port named %q", name.Str())
	case name.Str() != "" && len(validation.IsDNS1123Label(name.Str())) > 0:
		return refuse(name, "is %s, which is not the name of a port", quoted(name))
	default:
		names[name.Str()] = true
	}
	if !absent(app) && len(validation.IsQualifiedName(app.Str())) > 0 {
		return refuse(app, "is %s, which is not the name of a protocol", quoted(app))
	}
	return oneOf(n.Get("protocol"), "TCP", "UDP", "SCTP")
}

func refuseSliceEndpoint(n *tree.Node, family string) *refusal {
	addresses, host, node := n.Get("addresses"), n.Get("hostname"), n.Get("nodeName")
	switch {
	case addresses.Kind() == tree.Null:
		return refuse(n, "has no addresses")
	case !absent(host) && len(validation.IsDNS1123Label(host.Str())) > 0:
		return refuse(host, "is %s, which is not the name of a host", quoted(host))
	case !absent(node) && len(validation.IsDNS1123Subdomain(node.Str())) > 0:
		return refuse(node, "is %s, which is not the name of a node", quoted(node))
	}
	return cmp.Or(itemsWithin(addresses, 1, 100), eachOf(addresses, func(n *tree.Node) *refusal {
		if family == "FQDN" {
			if len(validation.IsFullyQualifiedDomainName(fields.NewPath(""), n.Str())) > 0 {
				return refuse(n, "is %s, not a name such as example.com", quoted(n))
			}
			return nil
		}
		return refuseAddress(n, family)
	}))
}

func refuseAddress(n *tree.Node, family string) *refusal {
	switch addr, err := netip.ParseAddr(n.Str()); {
	case err != nil || addr.Zone() != "" || addr.Is4In6() || addr.Is4() != (family == "IPv4"):
		return refuse(n, "is %s, which is not an address of %s", quoted(n), family)
	case addr.IsUnspecified() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast():
		return refuse(n, "is %s, which means this machine, or its own network", quoted(n))
	}
	return nil
}
