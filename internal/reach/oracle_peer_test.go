package reach

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// podAddresses are private addresses, one on each side of every boundary of the
// blocks that the tests make.
var podAddresses = []string{"10.0.0.1", "10.127.0.1", "10.128.0.1", "10.200.0.1", "172.16.0.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"}

func (b *oBlock) holds(a netip.Addr) bool {
	in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(a) }
	return in(b.CIDR) && !slices.ContainsFunc(b.Except, in)
}

// holdsSome reports whether the block has a private address, and whether it has
// any.
func (q *question) holdsSome(blocks []oBlock) (private, some, all bool) {
	all = true
	for _, a := range podAddresses {
		private = private || holdsAny(blocks, netip.MustParseAddr(a))
	}
	for _, a := range append(slices.Clone(q.addresses), netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::")) {
		some = some || holdsAny(blocks, a)
		all = all && holdsAny(blocks, a)
	}
	return private, some, all
}

func holdsAny(blocks []oBlock, a netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(b oBlock) bool { return b.holds(a) })
}

func atMost(t tri, ok bool) tri {
	if ok {
		return t
	}
	return no
}

func (q *question) hostPeer() bool { return q.peer.pod != nil && q.peer.pod.spec.HostNetwork }

func (q *question) networkPeer(p *oPeer, namespace string) tri {
	if p.IPBlock != nil {
		if q.peer.addr.IsValid() {
			return sure(p.IPBlock.holds(q.peer.addr))
		}
		private, some, _ := q.holdsSome([]oBlock{*p.IPBlock})
		if q.peer.pod != nil && !q.hostPeer() {
			return atMost(maybe, private)
		}
		return atMost(maybe, some)
	}
	if q.peer.pod == nil {
		return no
	}
	is := sure(q.peer.pod.namespace == namespace)
	if p.NamespaceSelector != nil {
		is = q.namespaceIs(p.NamespaceSelector, q.peer.pod.namespace)
	}
	if p.PodSelector != nil {
		is = min(is, q.podIs(p.PodSelector, q.peer.pod))
	}
	if q.hostPeer() {
		is = min(is, maybe)
	}
	return is
}

func (q *question) adminPeer(p *oPeer, action string) tri {
	switch {
	case p.Namespaces != nil || p.Pods != nil:
		if q.peer.pod == nil || q.hostPeer() {
			return no
		}
		return q.choice(p.Namespaces, p.Pods, q.peer.pod)
	case p.Nodes != nil:
		if q.hostPeer() || q.peer.node {
			if len(p.Nodes.MatchLabels)+len(p.Nodes.MatchExpressions) > 0 {
				return maybe
			}
			return yes
		}
		return no
	case p.DomainNames != nil && action == "Deny" || p.DomainNames != nil && action == "Pass":
		return atMost(maybe, q.peer.name != "")
	case p.DomainNames != nil:
		best := no
		for _, n := range p.DomainNames {
			best = max(best, q.nameIs(n, true))
		}
		return best
	}
	var blocks []oBlock
	for _, n := range p.Networks {
		blocks = append(blocks, oBlock{CIDR: n})
	}
	if q.peer.addr.IsValid() {
		return sure(holdsAny(blocks, q.peer.addr))
	}
	private, some, all := q.holdsSome(blocks)
	switch {
	case all:
		return yes
	case q.peer.pod != nil && !q.hostPeer():
		return atMost(maybe, private)
	}
	return atMost(maybe, some)
}

// nameIs reports whether a pattern is about the name of the peer. Names with *
// stand for those that some policy means by it.
func (q *question) nameIs(pattern string, dots bool) tri {
	name := q.peer.name
	switch {
	case name == "":
		return no
	case pattern == name || pattern == "*":
		return yes
	}
	separate := strings.NewReplacer(".", "/")
	if dots && strings.HasPrefix(pattern, "*.") {
		if !strings.HasSuffix(name, pattern[1:]) || len(name) <= len(pattern)-1 {
			return no
		}
	} else if ok, err := path.Match(separate.Replace(pattern), separate.Replace(name)); err != nil || !ok {
		return no
	}
	if strings.Contains(name, "*") {
		return maybe
	}
	return yes
}

const namespaceOfPod = "io.kubernetes.pod.namespace"

// ciliumLabels are the labels that Cilium gives to a pod.
func (q *question) ciliumIs(s *oSelector, p *oPod, own string, keepName bool) tri {
	labels := map[string]string{namespaceOfPod: p.namespace, "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": p.namespace}
	for k, v := range p.labels {
		labels[k] = v
	}
	nsLabels, read := q.namespaces[p.namespace]
	for k, v := range nsLabels {
		labels["io.cilium.k8s.namespace.labels."+k] = v
	}
	bare := func(key string) string { return strings.TrimPrefix(strings.TrimPrefix(key, "k8s:"), "any:") }
	var plain oSelector
	mentions := false
	plain.MatchLabels = map[string]string{}
	for k, v := range s.MatchLabels {
		if keepName && own != "" && k == "k8s:"+namespaceOfPod {
			continue // Cilium puts its own there
		}
		mentions = mentions || bare(k) == namespaceOfPod || strings.HasPrefix(bare(k), "io.cilium.k8s.namespace.labels.")
		plain.MatchLabels[bare(k)] = v
	}
	for _, e := range s.MatchExpressions {
		e.Key = bare(e.Key)
		mentions = mentions || e.Key == namespaceOfPod || strings.HasPrefix(e.Key, "io.cilium.k8s.namespace.labels.")
		plain.MatchExpressions = append(plain.MatchExpressions, e)
	}
	if own != "" && (!mentions || keepName) && p.namespace != own {
		return no
	}
	return plain.selects(labels, func(key string) bool {
		return strings.HasPrefix(key, "io.cilium.k8s.namespace.labels.") && !read && !q.closed ||
			p.kind == "StatefulSet" && key == "statefulset.kubernetes.io/pod-name"
	})
}

// besidePods reports whether a selector matches what has none of the labels of pods,
// with what Cilium adds to it.
func (q *question) besidePods(s *oSelector, own string) tri {
	var named, labelled, others bool
	note := func(key string) {
		key = key[strings.Index(key, ":")+1:]
		switch {
		case key == namespaceOfPod:
			named = true
		case strings.HasPrefix(key, "io.cilium.k8s.namespace.labels."):
			labelled = true
		default:
			others = true
		}
	}
	for k := range s.MatchLabels {
		note(k)
	}
	for _, e := range s.MatchExpressions {
		note(e.Key)
	}
	is := s.selects(nil, func(string) bool { return false })
	if !named && (own == "" || !labelled) {
		return no
	}
	if others && (q.peer.node || q.hostPeer()) {
		return min(is, maybe)
	}
	return is
}

func (q *question) ciliumSubject(p *oObject) tri {
	if p.Spec.EndpointSelector == nil || p.Spec.NodeSelector != nil {
		return no
	}
	return q.ciliumIs(p.Spec.EndpointSelector, q.self.pod, p.Metadata.Namespace, true)
}

func (q *question) ciliumIsolates(p *oObject) bool {
	set, rules := p.Spec.EnableDefaultDeny.Ingress, len(p.Spec.Ingress)+len(p.Spec.IngressDeny)
	if q.direction == "egress" {
		set, rules = p.Spec.EnableDefaultDeny.Egress, len(p.Spec.Egress)+len(p.Spec.EgressDeny)
	}
	if set != nil {
		return *set
	}
	return rules > 0
}

func (q *question) ciliumRules(w *world, p *oObject, rules []oRule, name string) bool {
	any := false
	for i := range rules {
		if r := &rules[i]; q.ciliumPorts(r) {
			any = w.decide(q.ciliumPeers(p, r), name+string(rune(i))) || any
		}
	}
	return any
}

func (q *question) ciliumPorts(r *oRule) bool {
	if len(r.ToPorts) == 0 {
		return len(r.ICMPs) == 0
	}
	for _, t := range r.ToPorts {
		for _, p := range t.Ports {
			if p.Protocol != "" && p.Protocol != "ANY" && p.Protocol != q.protocol {
				continue
			}
			number, err := strconv.Atoi(p.Port)
			if err != nil && q.named(p.Port, q.protocol) || err == nil && (number == 0 || number == q.port || number <= q.port && q.port <= p.EndPort) {
				return true
			}
		}
	}
	return false
}

func (q *question) ciliumPeers(p *oObject, r *oRule) tri {
	lists := r.FromEndpoints != nil || r.ToEndpoints != nil || r.FromCIDR != nil || r.ToCIDR != nil || r.FromCIDRSet != nil || r.ToCIDRSet != nil ||
		r.FromEntities != nil || r.ToEntities != nil || r.ToFQDNs != nil || r.ToServices != nil
	best := sure(!lists && len(r.ToPorts) > 0)
	if q.peer.pod != nil && !q.hostPeer() {
		for _, s := range append(slices.Clone(r.FromEndpoints), r.ToEndpoints...) {
			best = max(best, q.ciliumIs(&s, q.peer.pod, p.Metadata.Namespace, false))
		}
	}
	if q.peer.pod == nil || q.hostPeer() {
		for _, s := range append(slices.Clone(r.FromEndpoints), r.ToEndpoints...) {
			best = max(best, q.besidePods(&s, p.Metadata.Namespace))
		}
	}
	for _, s := range r.ToServices {
		best = max(best, q.service(s.K8sService.ServiceName, s.K8sService.Namespace))
	}
	blocks := append(slices.Clone(r.FromCIDRSet), r.ToCIDRSet...)
	for _, c := range append(slices.Clone(r.FromCIDR), r.ToCIDR...) {
		blocks = append(blocks, oBlock{CIDR: c})
	}
	for _, b := range blocks {
		best = max(best, q.ciliumBlock(b))
	}
	for _, n := range r.ToFQDNs {
		best = max(best, q.nameIs(n.MatchName+n.MatchPattern, false))
	}
	return max(best, q.entities(append(slices.Clone(r.FromEntities), r.ToEntities...)))
}

func (q *question) ciliumBlock(b oBlock) tri {
	switch {
	case q.peer.addr.IsValid():
		return sure(b.holds(q.peer.addr))
	case q.peer.pod != nil && !q.hostPeer():
		return no
	}
	_, some, _ := q.holdsSome([]oBlock{b})
	return atMost(maybe, some)
}

func (q *question) service(name, namespace string) tri {
	for _, s := range q.services {
		if s.Metadata.Name == name && s.Metadata.Namespace == namespace {
			return sure(q.peer.pod != nil && !q.hostPeer() && q.serves(s, q.peer.pod))
		}
	}
	return atMost(maybe, !q.closed)
}

func (q *question) entities(list []string) tri {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
	}
	node := q.peer.node || q.hostPeer()
	api := !node && q.peer.pod == nil && !q.peer.addr.IsValid() && q.peer.name == ""
	switch {
	case has("all"):
		return yes
	case node:
		if has("cluster") || has("host") && has("remote-node") {
			return yes
		}
		return atMost(maybe, has("host", "remote-node", "kube-apiserver"))
	case api:
		if has("cluster", "kube-apiserver") {
			return yes
		}
		return atMost(maybe, has("world", "world-ipv4", "world-ipv6", "host", "remote-node"))
	case q.peer.pod != nil:
		return sure(has("cluster"))
	case q.peer.name != "":
		return max(sure(has("world")), atMost(maybe, has("world-ipv4", "world-ipv6")))
	case q.peer.addr.Is4():
		return sure(has("world", "world-ipv4"))
	}
	return sure(has("world", "world-ipv6"))
}

// foreign reports whether a policy that nobody understands is about this side.
func (q *question) foreign(p *oObject) bool {
	if !strings.HasPrefix(p.APIVersion, "projectcalico.org") {
		return false
	}
	if p.Metadata.Namespace == "" {
		return q.self.pod != nil
	}
	return q.self.pod != nil && q.self.pod.namespace == p.Metadata.Namespace
}

// partlyRead reports whether a policy may deny more than is decided.
func (q *question) partlyRead(p *oObject) bool {
	if !strings.HasPrefix(p.Kind, "Cilium") {
		return false
	}
	if p.Spec.NodeSelector != nil {
		return q.host()
	}
	if q.host() || q.ciliumSubject(p) == no {
		return false
	}
	for _, r := range append(slices.Clone(q.rules(p)), q.pick(p.Spec.IngressDeny, p.Spec.EgressDeny)...) {
		if len(r.FromRequires)+len(r.ToRequires) > 0 {
			return true
		}
	}
	return false
}
