package model

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/tree"
)

// adminForm is what a kind of policy.networking.k8s.io has in its own way.
type adminForm struct {
	spec    []string // fields
	tiers   []string
	ports   string // the field of a rule
	actions []string
	most    int      // rules of a direction, and peers and ports of a rule
	pods    []string // what a choice of pods must have
	refuse  func(*tree.Node) *refusal
}

var adminForms = map[string]adminForm{
	"AdminNetworkPolicy": {[]string{"priority"}, nil, "ports", []string{"Allow", "Deny", "Pass"}, 100,
		[]string{"namespaceSelector", "podSelector"}, refuseAdminPort},
	"BaselineAdminNetworkPolicy": {nil, nil, "ports", []string{"Allow", "Deny"}, 100,
		[]string{"namespaceSelector", "podSelector"}, refuseAdminPort},
	"ClusterNetworkPolicy": {[]string{"priority", "tier"}, []string{"Admin", "Baseline"}, "protocols", []string{"Accept", "Deny", "Pass"}, 25,
		[]string{"podSelector"}, refuseAdminProtocol},
}

// refuseAdminPolicy does as the schemas of the kinds, those of the experimental
// channel: it has all that the standard one has. Fields that a spec or a rule does not
// have are refused as well, for kubectl does that: a rule without what was meant would
// match more. Peers of other kinds are left to who reads them, for newer schemas have
// more, and so are selectors that ask for what no label can be.
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
		form.refusePods(spec.Get("subject")),
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
	return cmp.Or(itemsWithin(rules, 0, f.most), eachOf(rules, func(n *tree.Node) *refusal { return f.refuseRule(n, peersKey) }))
}

func (f adminForm) refuseRule(n *tree.Node, peersKey string) *refusal {
	name, action, peers, ports := n.Get("name"), n.Get("action"), n.Get(peersKey), n.Get(f.ports)
	if r := refuseFields(n, "name", "action", peersKey, f.ports); r != nil {
		return r
	}
	switch {
	case action.Kind() == tree.Null:
		return refuse(n, "has no action")
	case peers.Kind() == tree.Null:
		return refuse(n, "has no peers in %s", peersKey)
	case utf8.RuneCountInString(name.Str()) > 100:
		return refuse(name, "has more than 100 characters")
	}
	return cmp.Or(oneOf(action, f.actions...), itemsWithin(peers, 1, f.most), itemsWithin(ports, 1, f.most),
		eachOf(peers, f.refusePeer), eachOf(ports, f.refuse), f.refuseNames(peers, ports))
}

// refuseNames refuses names of ports for peers that are no pods. The standard channel
// of ClusterNetworkPolicy lets them pass.
func (f adminForm) refuseNames(peers, ports *tree.Node) *refusal {
	if f.ports == "protocols" {
		return nil
	}
	return eachOf(peers, func(peer *tree.Node) *refusal {
		if peer.Get("namespaces") != nil || peer.Get("pods") != nil {
			return nil
		}
		return eachOf(ports, func(n *tree.Node) *refusal {
			if name := n.Get("namedPort"); name != nil {
				return refuse(name, "may not be given for peers that are no pods")
			}
			return nil
		})
	})
}

// itemsWithin refuses lists that are shorter or longer. Absent ones pass.
func itemsWithin(n *tree.Node, least, most int) *refusal {
	switch {
	case !n.Is(tree.List):
		return nil
	case n.Len() < least:
		return refuse(n, "is empty")
	case n.Len() > most:
		return refuse(n, "has %d items, more than %d", n.Len(), most)
	}
	return nil
}

func (f adminForm) refusePeer(n *tree.Node) *refusal {
	if n.Len() != 1 {
		return refuse(n, "has %d fields, not one", n.Len())
	}
	switch field := &n.Children()[0]; field.Key() {
	case "namespaces", "pods":
		return f.refusePods(n)
	case "nodes":
		return refuseAdminSelector(field)
	case "networks":
		return refuseSet(field, refuseNetwork)
	case "domainNames":
		return refuseSet(field, refuseDomain)
	}
	return nil
}

// refuseSet checks a list of texts that are all different.
func refuseSet(list *tree.Node, check func(*tree.Node) *refusal) *refusal {
	if r := itemsWithin(list, 1, 25); r != nil {
		return r
	}
	seen := map[string]bool{}
	return eachOf(list, func(n *tree.Node) *refusal {
		if seen[n.Str()] {
			return refuse(n, "is %s, which is there twice", quoted(n))
		}
		seen[n.Str()] = true
		return check(n)
	})
}

func refuseNetwork(n *tree.Node) *refusal {
	if len(n.Str()) > 43 {
		return refuse(n, "is %s, which has more than 43 characters", quoted(n))
	}
	return refuseRange(n)
}

// refuseDomain refuses what is no name of at least two labels, of which the first may
// be a star.
func refuseDomain(n *tree.Node) *refusal {
	labels := strings.Split(strings.TrimSuffix(strings.TrimPrefix(n.Str(), "*."), "."), ".")
	if len(labels) >= 2 && !slices.ContainsFunc(labels, func(l string) bool { return !domainLabel(l) }) {
		return nil
	}
	return refuse(n, "is %s, not a name such as example.com or *.example.com", quoted(n))
}

// domainLabel does as the schema, whose range of letters ends with a small z: a label
// may begin with what lies between Z and a.
func domainLabel(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case alphanumeric(c), i == 0 && c > 'Z' && c < 'a':
		case i == 0 || i == len(s)-1 || c != '-' && c != '_':
			return false
		}
	}
	return s != ""
}

// refusePods checks a choice of pods: by namespaces, or by selectors.
func (f adminForm) refusePods(n *tree.Node) *refusal {
	if n.Is(tree.Unknown) {
		return nil
	}
	namespaces, pods := n.Get("namespaces"), n.Get("pods")
	if n.Len() != 1 || namespaces == nil && pods == nil {
		return refuse(n, "has not one of namespaces and pods")
	}
	if pods.Is(tree.Map) {
		for _, key := range f.pods {
			if pods.Get(key).Kind() == tree.Null {
				return refuse(pods, "has no %s ({} selects all)", key)
			}
		}
	}
	return cmp.Or(refuseFields(pods, "namespaceSelector", "podSelector"),
		refuseAdminSelector(namespaces), refuseAdminSelector(pods.Get("namespaceSelector")), refuseAdminSelector(pods.Get("podSelector")))
}

// refuseAdminSelector checks as much of a selector as the schemas do.
func refuseAdminSelector(n *tree.Node) *refusal {
	if r := refuseFields(n, "matchLabels", "matchExpressions"); r != nil {
		return r
	}
	return eachOf(n.Get("matchExpressions"), func(n *tree.Node) *refusal {
		for _, key := range []string{"key", "operator"} {
			if n.Get(key).Kind() == tree.Null {
				return refuse(n, "has no %s", key)
			}
		}
		return refuseFields(n, "key", "operator", "values")
	})
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
	known := keys
	if n.Key() == "portNumber" || n.Key() == "portRange" {
		known = append(slices.Clone(keys), "protocol")
	}
	if r := refuseFields(n, known...); r != nil {
		return r
	}
	for _, key := range keys {
		port := n.Get(key)
		if port.Kind() == tree.Null {
			return refuse(n, "has no %s", key)
		}
		if r := intWithin(port, 1, 65535); r != nil {
			return r
		}
	}
	return nil
}
