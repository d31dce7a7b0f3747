// Package reach answers which pods may open connections to which, by the
// network policies of one snapshot.
//
// It models NetworkPolicy of networking.k8s.io/v1 in full. Policies of other
// kinds are only noticed, see [Graph.Others]. Answers have three values: what
// depends on something that was not read, or that network plugins do
// differently, is Maybe.
package reach

import (
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Direction is that of a connection, as the selected pods see it.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota
	Egress
)

func (d Direction) String() string { return [...]string{"Ingress", "Egress"}[d] }

// Policy is a NetworkPolicy.
type Policy struct {
	Object *model.Object

	selector model.Selector
	isolates [2]bool // by Direction
	rules    [2][]rule
}

// Isolates reports whether the pods that the policy selects may in a direction
// do only what some policy allows.
func (p *Policy) Isolates(d Direction) bool { return p.isolates[d] }

// DeniesAll reports whether the policy selects all pods of its namespace and
// allows nothing in a direction.
func (p *Policy) DeniesAll(d Direction) bool {
	return p.isolates[d] && p.selector.Empty() && len(p.rules[d]) == 0
}

// rule allows connections with any of the peers to any of the ports.
type rule struct {
	id    int     // from 0, within a Graph
	all   bool    // with every peer, addresses outside the cluster included
	peers []*peer // when not all
	ports portSet // by number; all of them where the rule names none
	named []namedPort
}

// namedPort is a port that each destination numbers for itself.
type namedPort struct {
	name     string
	protocol uint32
}

// readPolicy compiles a NetworkPolicy. What the API server would refuse
// matches nothing.
func (b *builder) readPolicy(o *model.Object) *Policy {
	spec := o.Root.Get("spec")
	p := &Policy{Object: o, selector: model.NewSelector(spec.Get("podSelector"))}
	p.isolates[Ingress], p.isolates[Egress] = policyTypes(spec)
	for d, keys := range [...][2]string{Ingress: {"ingress", "from"}, Egress: {"egress", "to"}} {
		rules := spec.Get(keys[0])
		if !p.isolates[d] {
			continue // rules of a direction that is not among the types do nothing
		}
		for i := range rules.Children() {
			p.rules[d] = append(p.rules[d], b.readRule(o.Key.Namespace, rules.At(i), keys[1]))
		}
	}
	return p
}

// policyTypes returns for which directions a policy is. Without policyTypes it
// is for ingress, and for egress if it has egress rules.
func policyTypes(spec *tree.Node) (ingress, egress bool) {
	types := spec.Get("policyTypes")
	if types.Len() == 0 {
		return true, spec.Get("egress").Len() > 0
	}
	for _, t := range types.Children() {
		ingress = ingress || t.Str() == "Ingress"
		egress = egress || t.Str() == "Egress"
	}
	return ingress, egress
}

func (b *builder) readRule(namespace string, n *tree.Node, peersKey string) rule {
	r := rule{id: b.rules}
	b.rules++
	r.ports, r.named = readPorts(n.Get("ports"))
	peers := n.Get(peersKey)
	r.all = peers.Len() == 0
	for i := range peers.Children() {
		if p := b.peer(namespace, peers.At(i)); p != nil {
			r.peers = append(r.peers, p)
		}
	}
	return r
}

// readPorts reads the ports of a rule. An absent or empty list is all ports.
func readPorts(n *tree.Node) (portSet, []namedPort) {
	if n.Len() == 0 {
		return everyPort, nil
	}
	var set portSet
	var named []namedPort
	for i := range n.Children() {
		entry := n.At(i)
		protocol, ok := protocolOf(entry.Get("protocol"))
		if !ok {
			continue
		}
		port := entry.Get("port")
		number, isNumber := port.Int()
		switch {
		case port.Kind() == tree.Null:
			set = set.union(portSet{{protocol, protocol | maxPort}})
		case isNumber && number > 0 && number <= maxPort:
			end := number
			if last, ok := entry.Get("endPort").Int(); ok {
				end = min(last, maxPort)
			}
			if end >= number {
				set = set.union(portSet{{protocol | uint32(number), protocol | uint32(end)}})
			}
		case port.Str() != "":
			named = append(named, namedPort{port.Str(), protocol})
		}
	}
	return set, named
}

// protocols are shifted so that a port fits below.
var protocols = map[string]uint32{"TCP": 0, "UDP": 1 << 16, "SCTP": 2 << 16}

func protocolOf(n *tree.Node) (uint32, bool) {
	if n.Kind() == tree.Null {
		return protocols["TCP"], true
	}
	protocol, ok := protocols[strings.ToUpper(n.Str())]
	return protocol, ok
}
