package attack

import (
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// The instance metadata service of a cloud gives the credentials of the machine to
// who asks from it. All clouds answer at one address, and some at a second one of IPv6.
var (
	metadataAddress = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	metadataPort    = reach.Port{Number: 80}
	metadataIPv6    = []metadataService{
		{"aws", netip.MustParseAddr("fd00:ec2::254"), "the service of EC2 answers when IPv6 is switched on for it"},
		{"gce", netip.MustParseAddr("fd20:ce::254"), "the service of Google Cloud answers machines with IPv6"},
	}
)

// metadataService is that of one cloud, by IPv6.
type metadataService struct {
	provider string
	address  netip.Addr
	answers  string // when it does, a clause
}

// Providers as the field providerID of nodes names them.
var (
	// credentialed are the clouds whose service gives credentials.
	credentialed = []string{"aws", "gce", "azure"}
	// uncredentialed are providers without such a service, or whose service gives none.
	uncredentialed = []string{"kind", "k3s", "k3d", "minikube", "vsphere", "metal3", "proxmox", "libvirt", "hcloud", "digitalocean", "linode"}
)

// cloudState says whether the nodes run in a cloud whose metadata service gives
// credentials.
type cloudState struct {
	in       answer
	why      evidence // what says that they do
	provider string   // of the nodes, or "" where it may be any
	open     string   // why it is not known, in a clause
	ipv6     answer   // pods have addresses of IPv6
}

// readCloud finds out where the nodes run.
func (b *builder) readCloud() cloudState {
	c := cloudState{open: "no Node is in the input", ipv6: b.podsHaveIPv6()}
	nodes, known := 0, 0
	for i := range b.nodes {
		o := b.nodes[i].object
		if o == nil {
			continue
		}
		id := o.Root.Dig("spec", "providerID")
		provider, _, _ := strings.Cut(id.Str(), "://")
		nodes++
		switch {
		case slices.Contains(credentialed, provider):
			return cloudState{in: yes, why: evidence{o, id}, provider: provider, ipv6: c.ipv6}
		case slices.Contains(uncredentialed, provider):
			known++
		case provider == "":
			c.open = o.Key.String() + " has no providerID"
		default:
			c.open = o.Key.String() + " is of a provider that is not known here: " + id.Str()
		}
	}
	for _, id := range b.cloudAccounts() {
		if all := b.cloud(id); len(all) > 0 {
			return cloudState{in: yes, why: all[0].why, provider: providerOf(b.clouds[b.vertices[all[0].identity].at]), ipv6: c.ipv6}
		}
	}
	if nodes == 0 || known < nodes {
		c.in = perhaps
		if gap := b.snapshot.Gap("", model.NodeKind); gap != nil {
			c.open = gap.Reason
		}
	}
	return c
}

// providerOf returns the cloud of an identity.
func providerOf(identity string) string {
	switch {
	case strings.HasPrefix(identity, "arn:"):
		return "aws"
	case strings.HasPrefix(identity, "azure:"):
		return "azure"
	}
	return "gce"
}

// podsHaveIPv6 says whether pods have addresses of IPv6, as far as Pods tell that
// run.
func (b *builder) podsHaveIPv6() answer {
	found := perhaps
	for i := range b.memory.pods {
		switch b.memory.pods[i].ipv6 {
		case yes:
			return yes
		case no:
			found = no
		}
	}
	return found
}

// hasIPv6 says whether a Pod has an address of IPv6; perhaps where it has none
// yet, or those of its node.
func hasIPv6(pod *tree.Node) answer {
	ips := pod.Get("status").Get("podIPs")
	if ips.Len() == 0 || pod.Get("spec").Get("hostNetwork").True() {
		return perhaps
	}
	for i := range ips.Children() {
		if strings.Contains(ips.At(i).Get("ip").Str(), ":") {
			return yes
		}
	}
	return no
}

// metadata adds the instance metadata service, for pods that policies let connect
// to it. Whether it answers pods is a setting of the cloud.
func (b *builder) metadata() {
	b.inCloud = b.readCloud()
	if b.inCloud.in == no {
		return
	}
	ofHosts, ofNodes := Likely, Certain
	if b.inCloud.in == perhaps {
		ofHosts, ofNodes = Unknown, Unknown
	}
	b.nodeIdentity = b.vertex(NodeIdentity, none, 0)
	identity := b.nodeIdentity
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		certainty := Unknown
		if w.hostNetwork != nil {
			certainty = ofHosts
		}
		asks := func(at netip.Addr) bool { return b.asksMetadata(int32(i), at) }
		if asks(metadataAddress) || b.byIPv6(asks) != nil {
			b.because(b.workloadVertex(int32(i), positionAt), identity, NodeMetadata, certainty, w.Object, w.Pod.Spec)
		}
	}
	for i := range b.nodes {
		why := b.inCloud.why
		if o := b.nodes[i].object; o != nil && o.Root.Dig("spec", "providerID") != nil {
			why = evidence{o, o.Root.Dig("spec", "providerID")}
		}
		b.because(b.nodes[i].root, identity, NodeMetadata, ofNodes, why.object, why.node)
	}
}

// byIPv6 returns a service that may answer by IPv6 pods which policies let connect to
// it, or nil.
func (g *Graph) byIPv6(asks func(netip.Addr) bool) *metadataService {
	for i := range metadataIPv6 {
		s := &metadataIPv6[i]
		if g.inCloud.ipv6 != no && (g.inCloud.provider == "" || g.inCloud.provider == s.provider) && asks(s.address) {
			return s
		}
	}
	return nil
}

// closedButIPv6 says that policies close the address of IPv4 alone to some pods.
func (g *Graph) closedButIPv6(pods string, s *metadataService) string {
	text := "network policies close 169.254.169.254 to " + pods + ", but not " + s.address.String() + ", where " + s.answers
	if g.inCloud.ipv6 == perhaps {
		text += "; whether pods have IPv6 is not in the input"
	}
	return text
}

// asksMetadata reports whether policies may let a workload connect to an address
// of the metadata service.
func (g *Graph) asksMetadata(w int32, address netip.Addr) bool {
	to := g.network.Address(address)
	return slices.ContainsFunc(g.endpointsOf(w), func(from reach.ID) bool { return g.network.Ports(from, to).On(metadataPort) != reach.No })
}

// whyMetadata says why a workload or a node may ask the metadata service, and what
// it hangs on.
func (g *Graph) whyMetadata(e Edge) []Evidence {
	why := g.evidence[e.note]
	var all []Evidence
	doubt := func(text string) { all = append(all, Evidence{Text: text}) }
	guest, guised := g.guestOf(e.From)
	if at := g.vertices[e.From]; at.kind == Position || guised {
		if guised {
			all = append(all, g.whyGuestAsks(guest, why))
		} else {
			all = append(all, g.whyAsked(at.at, why)...)
		}
		if guised || g.workloads[at.at].hostNetwork == nil {
			doubt("whether the service answers pods is a setting of the cloud that the input does not hold: EC2 keeps them out where IMDSv2 is required with a hop limit of 1, GKE where Workload Identity is on")
		}
		why = g.inCloud.why
	}
	if g.inCloud.in == perhaps {
		doubt("whether the nodes are in a cloud that gives them credentials is not in the input: " + g.inCloud.open)
	} else if why.object != nil {
		all = append(all, written(why))
	}
	return all
}

// whyAsked says why policies let a workload connect to the metadata service.
func (g *Graph) whyAsked(workload int32, why evidence) []Evidence {
	w, name := &g.workloads[workload], why.object.Key.String()
	address, text := metadataAddress, "no network policy closes 169.254.169.254 to "+name
	if asks := func(at netip.Addr) bool { return g.asksMetadata(workload, at) }; !asks(address) {
		if s := g.byIPv6(asks); s != nil {
			address, text = s.address, g.closedButIPv6(name, s)
		}
	}
	if w.hostNetwork != nil {
		return []Evidence{{"hostNetwork of " + name + ": it asks with its node's address, which network policies do not see", why.object, w.hostNetwork}}
	}
	all := []Evidence{{text, why.object, why.node}}
	for _, from := range g.endpointsOf(workload) {
		for _, found := range doubted(g.network.Why(from, g.network.Address(address), metadataPort).Egress) {
			if !slices.Contains(all, found) {
				all = append(all, found)
			}
		}
	}
	if g.unread != nil {
		all = append(all, Evidence{Text: g.unread.Reason + ", so what closes the connection may not have been read"})
	}
	return all
}

// closeMetadata keeps a workload from the instance metadata service.
func (p *proposer) closeMetadata(e Edge) {
	if p.vertices[e.From].kind != Position {
		return
	}
	w := &p.workloads[p.vertices[e.From].at]
	if w.hostNetwork != nil || w.Pod.Labels().Len() == 0 {
		return
	}
	block := func(cidr string, except ...netip.Addr) tree.Node {
		var all []string
		for _, at := range except {
			all = append(all, netip.PrefixFrom(at, at.BitLen()).String())
		}
		return tree.MapOf(tree.Entry("ipBlock", tree.MapOf(tree.Entry("cidr", cidr), tree.Entry("except", all))))
	}
	var addresses []netip.Addr
	for _, s := range metadataIPv6 {
		addresses = append(addresses, s.address)
	}
	to := tree.MapOf(tree.Entry("to", []tree.Node{
		tree.MapOf(tree.Entry("namespaceSelector", tree.MapOf())), block("0.0.0.0/0", metadataAddress), block("::/0", addresses...),
	}))
	p.policy(w, "no-metadata", "add a NetworkPolicy that keeps "+w.Object.Key.String()+" from 169.254.169.254, fd00:ec2::254 and fd20:ce::254",
		tree.Entry("policyTypes", []string{"Egress"}), tree.Entry("egress", []tree.Node{to}))
}
