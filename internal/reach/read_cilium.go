package reach

import (
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// readCilium reads a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy: the
// rules of spec and of each of specs.
func readCilium(r *reader, o *model.Object) []*Policy {
	var policies []*Policy
	if spec := o.Root.Get("spec"); spec.Is(tree.Map) {
		policies = append(policies, r.ciliumRule(o, spec)...)
	}
	specs := o.Root.Get("specs")
	for i := range specs.Children() {
		policies = append(policies, r.ciliumRule(o, specs.At(i))...)
	}
	return policies
}

// ciliumRule reads one rule of Cilium, which is a policy here.
func (r *reader) ciliumRule(o *model.Object, spec *tree.Node) []*Policy {
	p := &Policy{Object: o, Spec: spec, Tier: TierNetwork}
	endpoints, nodes := present(spec.Get("endpointSelector")), present(spec.Get("nodeSelector"))
	c := ciliumReader{reader: r, policy: p}
	if o.Key.Kind == "CiliumNetworkPolicy" {
		c.namespace = o.Key.Namespace
	}
	switch {
	case (endpoints == nil) == (nodes == nil), nodes != nil && c.namespace != "":
		return nil // refused; a namespace has no nodes
	case nodes != nil:
		p.onNodes, p.hosts = true, Yes
		p.mayDeny = [2]Reasons{whyHostPolicy, whyHostPolicy}
		return []*Policy{p}
	}
	subject := readCiliumSelector(endpoints, c.namespace != "")
	if slices.ContainsFunc(subject.reserved, requirement.wants) {
		return nil // what Cilium itself runs, such as its ingress proxy
	}
	p.subject = subject.selector
	p.subject.within = c.namespace
	for d, keys := range [...][2]string{Ingress: {"ingress", "from"}, Egress: {"egress", "to"}} {
		c.direction(Direction(d), keys[0], keys[1])
	}
	return []*Policy{p}
}

// ciliumReader reads the sections of one rule.
type ciliumReader struct {
	*reader
	policy    *Policy
	namespace string // "" for a cluster-wide policy
}

func (c *ciliumReader) direction(d Direction, key, prefix string) {
	p := c.policy
	allow, deny := p.Spec.Get(key), p.Spec.Get(key+"Deny")
	p.isolates[d] = allow.Len()+deny.Len() > 0
	if set := p.Spec.Get("enableDefaultDeny").Get(key); set.Is(tree.Bool) {
		p.isolates[d] = set.True()
	}
	for i := range deny.Children() {
		c.add(d, &rule{node: deny.At(i), list: key + "Deny", index: i, action: Deny}, prefix)
	}
	for i := range allow.Children() {
		c.add(d, &rule{node: allow.At(i), list: key, index: i, action: Allow}, prefix)
	}
}

// add reads the entry of a section that is the node of a rule. Without peers it is about every peer if it
// has ports, and about none otherwise.
func (c *ciliumReader) add(d Direction, r *rule, prefix string) {
	n := r.node
	r.ports, r.requests = readCiliumPorts(n)
	listed := false
	for i := range n.Children() {
		field := &n.Children()[i]
		if suffix, ok := strings.CutPrefix(field.Key(), prefix); ok && suffix != "Ports" && field.Is(tree.List) {
			if suffix == "Requires" {
				c.policy.mayDeny[d] |= whyRequires
				continue
			}
			listed = true
			for j := range field.Children() {
				r.peers = append(r.peers, c.peers(suffix, field.At(j))...)
			}
		}
	}
	r.peers = joinBlocks(append(r.peers, entityPeers(texts(n.Get(prefix+"Entities")))...))
	if !listed && n.Get("toPorts").Len() > 0 {
		r.all = true
	}
	c.policy.rules[d] = append(c.policy.rules[d], r)
}

// peers reads an entry of the list with a name such as fromEndpoints, of which
// suffix is the end.
func (c *ciliumReader) peers(suffix string, n *tree.Node) []peer {
	switch suffix {
	case "Endpoints":
		return c.endpoints(n)
	case "CIDR":
		return ciliumBlock(n, nil)
	case "CIDRSet":
		return c.cidrSet(n)
	case "FQDNs":
		return ciliumName(n)
	case "Services":
		return c.service(n)
	case "Entities":
		return nil // taken together, as host and remote-node make all nodes
	case "Nodes":
		return []peer{{kinds: &kindPeer{node: Maybe, hosts: Maybe, why: whyNode}}}
	case "Groups":
		return []peer{{kinds: &kindPeer{ipv4: Maybe, ipv6: Maybe, names: Maybe, api: Maybe, why: whyReference}}}
	}
	return []peer{anything(whyField)}
}

// endpoints reads a selector of pods. One that does not speak of namespaces is
// about that of the policy.
func (c *ciliumReader) endpoints(n *tree.Node) []peer {
	s := readCiliumSelector(n, false)
	switch {
	case s.pods.never:
	case len(s.reserved) == 1 && s.reserved[0].wants() && len(s.namespaces.list)+len(s.pods.list) == 0 && s.why == 0:
		return entityPeers([]string{s.reserved[0].key})
	case len(s.reserved) > 0:
		return []peer{anything(whyReserved)}
	}
	if s.namespaces.id == 0 {
		s.within = c.namespace
	}
	return append(c.besidePods(s), peer{pods: &podPeer{selector: s.selector}})
}

// besidePods returns what is no pod, and has none of their labels, if a selector
// matches it. One that wants no label does, unless Cilium adds that it wants a
// namespace: where none is spoken of, and in cluster-wide policies where only
// labels of namespaces are.
func (c *ciliumReader) besidePods(s ciliumSelector) []peer {
	spoken := s.byName || c.namespace != "" && len(s.namespaces.list) > 0
	if !spoken || s.pods.never || slices.ContainsFunc(slices.Concat(s.namespaces.list, s.pods.list), requirement.wants) {
		return nil
	}
	if s.why != 0 {
		return []peer{{kinds: &kindPeer{No, Maybe, Maybe, Maybe, Maybe, Maybe, Maybe, s.why}}}
	}
	node := Yes
	if len(s.pods.list) > 0 {
		node = Maybe // nodes may have labels of their own
	}
	return []peer{{kinds: &kindPeer{api: Yes, ipv4: Yes, ipv6: Yes, names: Yes}}, {kinds: &kindPeer{node: node, hosts: node, why: whyNode}}}
}

const (
	podNamespace    = "io.kubernetes.pod.namespace"
	namespaceLabels = "io.cilium.k8s.namespace.labels."
	accountLabel    = "io.cilium.k8s.policy.serviceaccount"
	clusterLabel    = "io.cilium.k8s.policy.cluster"
)

// ciliumSelector is a selector over Cilium's labels, in which those of the namespace
// stand among those of the pod.
type ciliumSelector struct {
	selector
	reserved []requirement // of labels that pods do not have, without their prefix
	byName   bool          // it speaks of the name of the namespace
}

// readCiliumSelector reads a selector. For the subject of a policy in a namespace,
// that namespace replaces the one among the labels to match.
func readCiliumSelector(n *tree.Node, replaced bool) (s ciliumSelector) {
	var namespaces, pods []requirement
	read := readTerms(n)
	for i, r := range read.list {
		source, rest, ok := strings.Cut(r.key, ":")
		if !ok {
			source, rest = "any", r.key
		}
		label, isLabel := strings.CutPrefix(rest, namespaceLabels)
		switch {
		case source == "reserved":
			s.reserved = append(s.reserved, requirement{rest, r.op, r.values})
		case source != "k8s" && source != "any", rest == clusterLabel:
			s.why = whyField
		case rest == podNamespace:
			if s.byName = true; !replaced || source != "k8s" || i >= n.Get("matchLabels").Len() {
				namespaces = append(namespaces, requirement{nameLabel, r.op, r.values})
			}
		case isLabel:
			namespaces = append(namespaces, requirement{label, r.op, r.values})
		default:
			pods = append(pods, requirement{rest, r.op, r.values})
		}
	}
	s.namespaces, s.pods = termsOf(namespaces), termsOf(pods)
	if read.never {
		s.pods = terms{id: 1, never: true}
	}
	return s
}

// wants reports whether what has no such label does not meet the requirement.
func (r requirement) wants() bool { return r.op == opIn || r.op == opExists }

func texts(n *tree.Node) []string {
	var list []string
	for i := range n.Children() {
		list = append(list, n.At(i).Str())
	}
	return list
}

// entityPeers returns what names of entities stand for: what they match for
// certain, and one peer for each reason for which they may match more.
func entityPeers(entities []string) []peer {
	if len(entities) == 0 {
		return nil
	}
	sure, node := &kindPeer{}, &kindPeer{why: whyNode}
	place, name := &kindPeer{why: whyAPIServer}, &kindPeer{why: whyName}
	for _, entity := range entities {
		switch entity {
		case "all":
			return []peer{{kinds: &kindPeer{Yes, Yes, Yes, Yes, Yes, Yes, Yes, 0}}}
		case "cluster":
			sure.pods, sure.hosts, sure.node, sure.api = Yes, Yes, Yes, Yes
		case "world":
			sure.ipv4, sure.ipv6, sure.names, place.api = Yes, Yes, Yes, Maybe
		case "world-ipv4":
			sure.ipv4, name.names, place.api = Yes, Maybe, Maybe
		case "world-ipv6":
			sure.ipv6, name.names, place.api = Yes, Maybe, Maybe
		case "host", "remote-node":
			node.node, node.hosts, place.api = Maybe, Maybe, Maybe
		case "kube-apiserver":
			sure.api, place.node, place.hosts = Yes, Maybe, Maybe
		}
	}
	if slices.Contains(entities, "host") && slices.Contains(entities, "remote-node") {
		sure.node, sure.hosts = Yes, Yes
	}
	return []peer{{kinds: sure}, {kinds: node}, {kinds: place}, {kinds: name}}
}

// ciliumName reads an entry of toFQDNs.
func ciliumName(n *tree.Node) []peer {
	name, pattern := normalName(n.Get("matchName").Str()), normalName(n.Get("matchPattern").Str())
	switch {
	case (name == "") == (pattern == ""):
		return nil
	case name != "":
		return []peer{{name: name}}
	}
	return []peer{{name: pattern, deep: pattern == "*" || strings.HasPrefix(pattern, "**.")}}
}

// normalName writes a DNS name as it is compared.
func normalName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// readCiliumPorts reads toPorts. Without it the rule is about every port, unless
// it is about ICMP alone. requests says that something looks further.
func readCiliumPorts(n *tree.Node) (spec portSpec, requests bool) {
	requests = n.Get("authentication") != nil
	toPorts := n.Get("toPorts")
	if toPorts.Len() == 0 {
		if n.Get("icmps").Len() == 0 {
			spec.set = everyPort
		}
		return spec, requests
	}
	for i := range toPorts.Children() {
		entry := toPorts.At(i)
		for _, key := range []string{"rules", "serverNames", "terminatingTLS", "originatingTLS", "listener"} {
			requests = requests || entry.Get(key) != nil
		}
		for j := range entry.Get("ports").Children() {
			spec.addCiliumPort(entry.Get("ports").At(j))
		}
	}
	return spec, requests
}

func (s *portSpec) addCiliumPort(n *tree.Node) {
	protocols := []Protocol{TCP, UDP, SCTP}
	if text := n.Get("protocol").Str(); text != "" && !strings.EqualFold(text, "ANY") {
		p, ok := ParseProtocol(text)
		if !ok {
			return
		}
		protocols = []Protocol{p}
	}
	text := n.Get("port").Text()
	number, err := strconv.ParseUint(text, 10, 16)
	for _, p := range protocols {
		switch end, _ := n.Get("endPort").Int(); {
		case text == "":
		case err != nil:
			s.named = append(s.named, namedPort{strings.ToLower(text), p})
		case number == 0:
			s.add(p, 0, maxPort)
		default:
			s.addRange(p, int64(number), max(int64(number), end))
		}
	}
}
