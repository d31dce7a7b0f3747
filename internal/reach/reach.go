// Package reach answers which pods may open connections to which, to which
// addresses and names outside, and why, by the network policies of one snapshot.
//
// It reads NetworkPolicy (networking.k8s.io/v1), AdminNetworkPolicy and
// BaselineAdminNetworkPolicy (policy.networking.k8s.io/v1alpha1),
// ClusterNetworkPolicy (v1alpha2), and the layers 3 and 4 of
// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2). A
// policy of a kind that it does not read makes the answers it may touch
// unknown, see [Graph.Others].
//
// # What an answer means
//
// A connection goes from one endpoint to a port of another. It is allowed when
// the egress of the one and the ingress of the other allow that port. What
// depends on something that was not read, that network plugins do differently,
// or that the API leaves undefined has several possible outcomes: [Verdict.Must]
// holds the ports that are allowed in every case, [Verdict.May] those that are
// in some, and [Verdict.Why] the reasons of the difference. Doubts count as
// independent of each other, so that two that exclude each other may leave a
// port unknown that is not.
//
// Ends are what is left after address translation: pods, and not the virtual
// addresses of Services. Connections that exist when a policy changes, and
// protocols other than TCP, UDP and SCTP, are outside of this model. So are
// rules about requests (layer 7): the connection is allowed where they apply.
//
// # The open world
//
// Answers hold for the policies and pods of the snapshot, as if there were no
// others. In an open snapshot more policies may live elsewhere: a further one
// may isolate what is open here, and allow what is closed here. Callers that
// need certainty ask [Graph.Closed]. Labels of a namespace that was not read
// are doubted here, not there: they change the meaning of a policy at hand.
//
// A Graph is immutable and safe for concurrent use. Its ids are valid within it
// only. Input that is legal but odd never fails; what the API server would
// refuse matches nothing.
package reach

import "strings"

// Direction is that of a connection, as the selected pods see it.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota
	Egress
)

func (d Direction) String() string { return [...]string{"Ingress", "Egress"}[d] }

var directions = [...]Direction{Ingress, Egress}

// Answer is yes, no, or that it cannot be told.
type Answer uint8

// The answers, from the least.
const (
	No Answer = iota
	Maybe
	Yes
)

func (a Answer) String() string { return [...]string{"no", "maybe", "yes"}[a] }

// Reasons is a set of reasons why something cannot be told.
type Reasons uint32

const (
	whyNamespaceLabels Reasons = 1 << iota
	whyControllerLabels
	whyHostPeer
	whyHostSubject
	whyAddress
	whyNodeLocal
	whyTranslated
	whyLoopback
	whyEqualPriority
	whyForeign
	whyHostPolicy
	whyNode
	whyName
	whyReference
	whyField
	whyRequires
	whyRanges
	whyAPIServer
	whyReserved
	whyNotation
	whyMesh
)

var reasonTexts = [...]string{
	"a policy looks at labels of a Namespace that was not read",
	"a policy looks at labels that a controller gives to each pod",
	"pods on the host network have the address of their node, which selectors match in some network plugins only",
	"network policies hold for pods on the host network in some network plugins only",
	"whether a range of addresses covers pods, nodes or the API server depends on their addresses and on the network plugin",
	"a node and the pods that run on it always reach each other",
	"the source of connections from outside through a Service may be translated to the address of a node",
	"whether policies hold for connections of a pod with itself depends on the network plugin",
	"policies of equal priority decide differently, and which one wins is undefined",
	"there are policies of a kind that is not understood",
	"policies for nodes are not decided",
	"which node is meant depends on where the pods run and on labels of nodes",
	"the addresses of a name are not known",
	"a policy refers to an object that was not read or that lives outside the cluster",
	"a policy has a field that is not understood",
	"fromRequires and toRequires are not decided",
	"the policies have too many ranges of addresses to tell them apart",
	"where the API server runs is not known",
	"a selector of reserved labels asks for more than to have one",
	"a range of addresses has zeros in front of its numbers or is IPv4 written as IPv6, which not everything reads alike",
	"the proxies of a service mesh have policies that are not decided, which may refuse what network policies allow",
}

// Texts returns the reasons as sentences without a full stop.
func (r Reasons) Texts() []string {
	var texts []string
	for i, text := range reasonTexts {
		if r>>i&1 != 0 {
			texts = append(texts, text)
		}
	}
	return texts
}

func (r Reasons) String() string { return strings.Join(r.Texts(), "; ") }
