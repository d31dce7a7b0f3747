package reach

import (
	"cmp"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Tier is where in the order of evaluation a policy stands.
type Tier uint8

// The tiers, in the order in which they decide.
const (
	TierAdmin    Tier = iota // AdminNetworkPolicy, ClusterNetworkPolicy
	TierNetwork              // NetworkPolicy, Cilium's policies
	TierBaseline             // BaselineAdminNetworkPolicy, ClusterNetworkPolicy
)

func (t Tier) String() string { return [...]string{"Admin", "NetworkPolicy", "Baseline"}[t] }

// Action is what a rule does with what it matches.
type Action uint8

// The actions. Pass hands over to the next tier.
const (
	Allow Action = iota
	Deny
	Pass
)

func (a Action) String() string { return [...]string{"allow", "deny", "pass"}[a] }

// Policy is one policy. An object of Cilium may hold several.
type Policy struct {
	Object   *model.Object
	Spec     *tree.Node
	Tier     Tier
	Priority int // within the tiers Admin and Baseline; the lowest decides first

	subject  selector
	hosts    Answer     // whether it holds for pods on the host network that it selects
	onNodes  bool       // selects nodes and not pods
	chosen   bitset     // namespaces of which it may select pods
	selected labelMatch // classes of pods, and the node
	serial   uint32     // of its reading
	found    bool       // its rules know what they match
	isolates [2]bool    // by Direction
	rules    [2][]*rule

	// What is not decided may deny, or allow, anything in these directions.
	mayDeny, mayAllow [2]Reasons
	mesh              bool // of a service mesh
}

// Isolates reports whether the pods that the policy selects may in a direction
// do only what some policy allows.
func (p *Policy) Isolates(d Direction) bool { return p.isolates[d] }

func (p *Policy) concerns(d Direction) bool {
	return p.isolates[d] || len(p.rules[d]) > 0 || p.mayDeny[d] != 0 || p.mayAllow[d] != 0
}

// compare orders policies as they decide; of one priority by key, which decides
// nothing.
func (p *Policy) compare(q *Policy) int {
	return cmp.Or(cmp.Compare(p.Tier, q.Tier), cmp.Compare(p.Priority, q.Priority), p.Object.Key.Compare(q.Object.Key),
		cmp.Compare(p.Spec.Start(), q.Spec.Start()))
}

// rule does something with connections with any of the peers to any of the
// ports.
type rule struct {
	node     *tree.Node
	list     string // of the policy that it stands in, such as ingressDeny
	index    int    // in that list
	action   Action
	all      bool // with every peer, addresses outside the cluster included
	peers    []peer
	ports    portSpec
	requests bool // something looks into the requests as well, which is not decided

	parts []part // of the peers, once the endpoints are known
	id    int32
	set   setID // of ports.set
}

// portSpec is the ports of a rule: a set, and names that each destination
// numbers for itself.
type portSpec struct {
	set   PortSet
	named []namedPort
}

type namedPort struct {
	name     string
	protocol Protocol
}

// peer is an entry of the peers of a rule, of which one field is set.
type peer struct {
	pods   *podPeer
	blocks *blockPeer
	kinds  *kindPeer
	name   string // outside the cluster, may hold *
	deep   bool   // * in the name stands for dots as well
}

type podPeer struct {
	selector selector
	hosts    Answer // whether it matches pods on the host network that it selects
}

// blockPeer is addresses.
type blockPeer struct {
	ranges rangeSet
	key    string // equal for equal ranges
	pods   Answer // No when ranges never match pods; Yes when they match pods whose address they cover
}

// kindPeer matches kinds of endpoints as a whole.
type kindPeer struct {
	pods, hosts, node, api, ipv4, ipv6, names Answer
	why                                       Reasons // of what is Maybe
}

// part is endpoints that a rule matches with one answer.
type part struct {
	bits   bitset
	few    []int32 // the same, when they are few
	answer Answer  // Yes or Maybe
	why    Reasons
}

func (p *part) each(do func(int32)) {
	if p.few == nil {
		p.bits.each(do)
	}
	for _, i := range p.few {
		do(i)
	}
}
