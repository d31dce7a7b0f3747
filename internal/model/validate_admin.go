package model

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// adminForm is what a kind of policy.networking.k8s.io has in its own way.
type adminForm struct {
	spec    []string // fields
	tiers   []string
	ports   string // the field of a rule
	actions []string
	rules   int // at most, of a direction
	refuse  func(*tree.Node) *refusal
}

var adminForms = map[string]adminForm{
	"AdminNetworkPolicy":         {[]string{"priority"}, nil, "ports", []string{"Allow", "Deny", "Pass"}, 100, refuseAdminPort},
	"BaselineAdminNetworkPolicy": {nil, nil, "ports", []string{"Allow", "Deny"}, 100, refuseAdminPort},
	"ClusterNetworkPolicy": {[]string{"priority", "tier"}, []string{"Admin", "Baseline"}, "protocols",
		[]string{"Accept", "Deny", "Pass"}, 25, refuseAdminProtocol},
}

// refuseAdminPolicy does as the schemas of the kinds. Fields that a spec or a rule
// does not have are refused as well, for kubectl does that: a rule without what was
// meant would match more. Peers of other kinds are left to who reads them, for newer
// schemas have more.
func refuseAdminPolicy(o *Object) *refusal {
	spec, form := o.Root.Get("spec"), adminForms[o.Key.Kind]
	switch {
	case spec.Is(tree.Unknown):
		return nil
	case !spec.Is(tree.Map):
		return refuse(o.Root, "has no spec")
	case o.Key.Kind == "BaselineAdminNetworkPolicy" && o.Key.Name != "default":
		return refuse(o.Name(), "is %s, and the only one of the cluster is named default", quoted(o.Name()))
	}
	for _, key := range append(slices.Clone(form.spec), "subject") {
		if spec.Get(key).Kind() == tree.Null {
			return refuse(spec, "has no %s", key)
		}
	}
	return cmp.Or(
		refuseFields(spec, append(slices.Clone(form.spec), "subject", "ingress", "egress")...),
		oneOf(spec.Get("tier"), form.tiers...),
		intWithin(spec.Get("priority"), 0, 1000),
		refuseAdminPods(spec.Get("subject")),
		form.refuseRules(spec.Get("ingress"), "from"),
		form.refuseRules(spec.Get("egress"), "to"))
}

// refuseFields refuses fields that are not among the known.
func refuseFields(n *tree.Node, known ...string) *refusal {
	for i := range n.Children() {
		if field := &n.Children()[i]; !slices.Contains(known, field.Key()) {
			return refuse(field, "is no field; there are %s", strings.Join(known, ", "))
		}
	}
	return nil
}

func (f adminForm) refuseRules(rules *tree.Node, peersKey string) *refusal {
	if rules.Len() > f.rules {
		return refuse(rules, "has more than %d rules", f.rules)
	}
	return eachOf(rules, func(n *tree.Node) *refusal {
		action, peers, ports := n.Get("action"), n.Get(peersKey), n.Get(f.ports)
		if r := refuseFields(n, "name", "action", peersKey, f.ports); r != nil {
			return r
		}
		switch {
		case action.Kind() == tree.Null:
			return refuse(n, "has no action")
		case !peers.Is(tree.Unknown) && peers.Len() == 0:
			return refuse(n, "has no peers in %s", peersKey)
		case ports.Is(tree.List) && ports.Len() == 0:
			return refuse(ports, "is empty; leave it out to mean all")
		}
		return cmp.Or(oneOf(action, f.actions...), eachOf(peers, refuseAdminPeer), eachOf(ports, f.refuse))
	})
}

func refuseAdminPeer(n *tree.Node) *refusal {
	if n.Len() != 1 {
		return refuse(n, "has %d fields, not one", n.Len())
	}
	switch field := &n.Children()[0]; field.Key() {
	case "namespaces", "pods":
		return refuseAdminPods(n)
	case "nodes":
		return refuseSelector(field)
	case "networks":
		return eachOf(field, refuseRange)
	}
	return nil
}

// refuseAdminPods checks a choice of pods: by namespaces, or by both selectors.
func refuseAdminPods(n *tree.Node) *refusal {
	if n.Is(tree.Unknown) {
		return nil
	}
	namespaces, pods := n.Get("namespaces"), n.Get("pods")
	if n.Len() != 1 || namespaces == nil && pods == nil {
		return refuse(n, "has not one of namespaces and pods")
	}
	if pods.Is(tree.Map) {
		for _, key := range []string{"namespaceSelector", "podSelector"} {
			if pods.Get(key).Kind() == tree.Null {
				return refuse(pods, "has no %s ({} selects all)", key)
			}
		}
	}
	return cmp.Or(refuseSelector(namespaces), refuseSelector(pods.Get("namespaceSelector")), refuseSelector(pods.Get("podSelector")))
}

// refuseAdminPort checks an entry of ports, which v1alpha1 has.
func refuseAdminPort(n *tree.Node) *refusal {
	if n.Len() != 1 {
		return refuse(n, "has %d fields, not one", n.Len())
	}
	field := &n.Children()[0]
	switch field.Key() {
	case "portNumber":
		return refusePortFields(field, "port")
	case "portRange":
		return refusePortFields(field, "start", "end")
	case "namedPort":
		return nil
	}
	return refuse(field, "is no field; there are portNumber, portRange, namedPort")
}

// refuseAdminProtocol checks an entry of protocols, which v1alpha2 has.
func refuseAdminProtocol(n *tree.Node) *refusal {
	if n.Len() != 1 {
		return refuse(n, "has %d fields, not one", n.Len())
	}
	field := &n.Children()[0]
	switch field.Key() {
	case "destinationNamedPort":
		return nil
	case "tcp", "udp", "sctp":
	default:
		return refuse(field, "is no field; there are tcp, udp, sctp, destinationNamedPort")
	}
	if field.Len() == 0 && !field.Is(tree.Unknown) {
		return refuse(field, "is empty")
	}
	if r := refuseFields(field, "destinationPort"); r != nil {
		return r
	}
	port := field.Get("destinationPort")
	if port.Is(tree.Unknown) {
		return nil
	}
	span := port.Get("range")
	switch {
	case port.Len() != 1:
		return refuse(port, "has %d fields, not one", port.Len())
	case span == nil:
		return refusePortFields(port, "number")
	}
	if r := refusePortFields(span, "start", "end"); r != nil {
		return r
	}
	start, ok := span.Get("start").Int()
	end, also := span.Get("end").Int()
	if ok && also && start >= end {
		return refuse(span, "starts at %d, which is not below its end", start)
	}
	return nil
}

func refusePortFields(n *tree.Node, keys ...string) *refusal {
	if n.Is(tree.Unknown) {
		return nil
	}
	for _, key := range keys {
		switch port := n.Get(key); {
		case port.Kind() == tree.Null:
			return refuse(n, "has no %s", key)
		default:
			if r := intWithin(port, 1, 65535); r != nil {
				return r
			}
		}
	}
	return nil
}
