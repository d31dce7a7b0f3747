package reach

import (
	"net/netip"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Answer is yes, no, or that it cannot be told.
type Answer uint8

// The answers, from the least.
const (
	No Answer = iota
	Maybe
	Yes
)

func (a Answer) String() string { return [...]string{"no", "maybe", "yes"}[a] }

// peer is an entry of from or to: the groups of pods that it matches.
type peer struct {
	must, may bitset
	why       string // of what is in may alone
}

// bitset holds group ids.
type bitset []uint64

func (s bitset) has(id int32) bool { return s[id>>6]>>(id&63)&1 != 0 }
func (s bitset) add(id int32)      { s[id>>6] |= 1 << (id & 63) }

// peerKey identifies the peers that match the same pods.
type peerKey struct {
	namespace        string // of the policy, where the peer has no namespaceSelector
	namespaces, pods uint64 // hashes of the selectors
	block            uint64
}

// peer returns the peer that n describes in a policy of a namespace; nil when
// it matches nothing, as the API server would refuse it.
func (b *builder) peer(namespace string, n *tree.Node) *peer {
	namespaces, pods, block := present(n.Get("namespaceSelector")), present(n.Get("podSelector")), present(n.Get("ipBlock"))
	if (namespaces == nil && pods == nil) == (block == nil) {
		return nil
	}
	key := peerKey{namespaces: namespaces.Hash(), pods: pods.Hash(), block: block.Hash()}
	if namespaces == nil && block == nil {
		key.namespace = namespace
	}
	if known, ok := b.peers[key]; ok {
		return known
	}
	words := (len(b.groups) + 63) / 64
	p := &peer{must: make(bitset, words), may: make(bitset, words)}
	switch {
	case block != nil:
		b.matchBlock(p, block)
	case namespaces == nil:
		b.matchPods(p, namespace, Yes, pods)
	default:
		for _, m := range b.matchNamespaces(namespaces) {
			b.matchPods(p, m.namespace, m.answer, pods)
			if m.answer == Maybe {
				p.why = "the labels of Namespace " + m.namespace + " were not read"
			}
		}
	}
	b.peers[key] = p
	return p
}

func present(n *tree.Node) *tree.Node {
	if n.Is(tree.Map) {
		return n
	}
	return nil
}

// matchPods adds the groups of a namespace whose pods the selector matches; nil
// matches all.
func (b *builder) matchPods(p *peer, namespace string, answer Answer, pods *tree.Node) {
	for _, w := range b.snapshot.Workloads(namespace).Select(model.NewSelector(pods)) {
		id := b.groupOf[w.Pod.Spec]
		p.may.add(id)
		switch {
		case b.groups[id].hostNetwork:
			p.why = hostNetworkPeer
		case answer == Yes:
			p.must.add(id)
		}
	}
}

const (
	hostNetworkPeer = "pods on the host network have the address of their node, which selectors match in some network plugins only"
	addressPeer     = "whether an ipBlock covers pods depends on their addresses and on the network plugin"
	nameLabel       = "kubernetes.io/metadata.name"
)

// namespaceMatch is a namespace that a selector matches, or may match.
type namespaceMatch struct {
	namespace string
	answer    Answer
}

// matchNamespaces returns the namespaces that a namespaceSelector matches.
// Their names are known always, their other labels only when the object was
// read.
func (b *builder) matchNamespaces(selector *tree.Node) []namespaceMatch {
	if known, ok := b.matches[selector.Hash()]; ok {
		return known
	}
	var found []namespaceMatch
	onlyName, other := splitSelector(selector)
	all, byName := model.NewSelector(selector), model.NewSelector(&onlyName)
	for _, name := range b.namespaces {
		l := b.labelsOf(name)
		switch {
		case l.read && all.Matches(&l.labels), !other && byName.Matches(&l.labels):
			found = append(found, namespaceMatch{name, Yes})
		case !l.read && byName.Matches(&l.labels):
			found = append(found, namespaceMatch{name, Maybe})
		}
	}
	b.matches[selector.Hash()] = found
	return found
}

// namespaceLabels are the labels of a namespace, as far as they are known.
type namespaceLabels struct {
	labels tree.Node
	read   bool
}

func (b *builder) labelsOf(name string) *namespaceLabels {
	if known := b.known[name]; known != nil {
		return known
	}
	l := &namespaceLabels{labels: tree.MapOf(tree.Entry(nameLabel, name)), read: b.snapshot.Closed}
	key := model.Key{Cluster: b.cluster, GroupKind: model.GroupKind{Kind: "Namespace"}, Name: name}
	if o := b.snapshot.Get(key); o != nil {
		l.read = true
		for _, label := range o.Labels().Children() {
			if label.Key() != nameLabel {
				l.labels.Add(label.Key(), label)
			}
		}
	}
	b.known[name] = l
	return l
}

// splitSelector returns the part of a selector that asks for the name of a
// namespace, and whether it asks for more.
func splitSelector(selector *tree.Node) (byName tree.Node, other bool) {
	var labels, expressions []tree.Node
	for _, l := range selector.Get("matchLabels").Children() {
		if l.Key() == nameLabel {
			labels = append(labels, l)
		} else {
			other = true
		}
	}
	for _, e := range selector.Get("matchExpressions").Children() {
		if e.Get("key").Str() == nameLabel {
			expressions = append(expressions, e)
		} else {
			other = true
		}
	}
	return tree.MapOf(tree.Entry("matchLabels", tree.MapOf(labels...)), tree.Entry("matchExpressions", expressions)), other
}

// podRanges are the private ranges, from which networks take the addresses of
// pods.
var podRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

// matchBlock adds the pods that an ipBlock may cover: none when it leaves out
// all private addresses.
func (b *builder) matchBlock(p *peer, block *tree.Node) {
	cidr, err := netip.ParsePrefix(block.Get("cidr").Str())
	if err != nil {
		return
	}
	var except []netip.Prefix
	for _, n := range block.Get("except").Children() {
		if e, err := netip.ParsePrefix(n.Str()); err == nil {
			except = append(except, e.Masked())
		}
	}
	pods := false
	for _, private := range podRanges {
		if common, ok := intersection(cidr.Masked(), private); ok && !covered(common, except) {
			pods = true
		}
	}
	for id := range b.groups {
		if pods || b.groups[id].hostNetwork {
			p.may.add(int32(id))
			p.why = addressPeer
		}
	}
}

func intersection(a, b netip.Prefix) (netip.Prefix, bool) {
	if !a.Overlaps(b) {
		return netip.Prefix{}, false
	}
	if a.Bits() > b.Bits() {
		return a, true
	}
	return b, true
}

// covered reports whether all addresses of p are in one of the ranges.
func covered(p netip.Prefix, ranges []netip.Prefix) bool {
	inside := false
	for _, r := range ranges {
		if !r.Overlaps(p) {
			continue
		}
		if r.Bits() <= p.Bits() {
			return true
		}
		inside = true
	}
	if !inside {
		return false
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	raw := p.Addr().AsSlice()
	raw[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(raw)
	return covered(low, ranges) && covered(netip.PrefixFrom(addr, p.Bits()+1), ranges)
}
