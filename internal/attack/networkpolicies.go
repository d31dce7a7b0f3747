package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// Network policies add up: who writes one opens what others of its namespace close,
// and who takes one away what that one closed.

const networkPolicies = "networkpolicies"

// openingVerbs are those by which a network policy opens something.
var openingVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}

// isolation is what network policies of a namespace close.
type isolation struct {
	ingress []*model.Object // that close connections to pods
	egress  []*model.Object // that close connections from them
}

func (b *builder) isolated() map[string]*isolation {
	found := map[string]*isolation{}
	for o := range b.snapshot.Kind(model.NetworkPolicyKind) {
		n := found[o.Key.Namespace]
		if n == nil {
			n = &isolation{}
			found[o.Key.Namespace] = n
		}
		types := o.Root.Dig("spec", "policyTypes")
		is := func(direction string) bool {
			for i := range types.Children() {
				if types.At(i).Str() == direction {
					return true
				}
			}
			return false
		}
		if is("Ingress") || types.Len() == 0 {
			n.ingress = append(n.ingress, o)
		}
		if is("Egress") || types.Len() == 0 && o.Root.Dig("spec", "egress") != nil {
			n.egress = append(n.egress, o)
		}
	}
	return found
}

// openedNetworks leads from who may write network policies to the ports of the pods
// that such policies close.
func (b *builder) openedNetworks() {
	closed := b.isolated()
	if !slices.ContainsFunc(b.namespaces, func(ns string) bool { return closed[ns] != nil && len(closed[ns].ingress) > 0 }) {
		return
	}
	o := openings{b, closed, b.otherPolicies(), map[int32][]int32{}}
	for i := range b.Graph.workloads {
		if w := &b.Graph.workloads[i]; w.mounts && w.asleep == nil {
			o.running[w.account] = append(o.running[w.account], int32(i))
		}
	}
	for s, held := range b.access.Own() {
		switch {
		case held.Cluster.Has(access.WildcardAll):
		case held.Cluster.Has(access.WriteNetworkPolicies):
			o.open(s, none)
		default:
			for _, scoped := range held.Namespaces {
				if in := closed[scoped.Namespace]; scoped.Rights.Has(access.WriteNetworkPolicies) && in != nil && len(in.ingress) > 0 {
					o.open(s, b.namespace(scoped.Namespace))
				}
			}
		}
	}
}

// otherPolicies reports whether there are policies of other kinds, which may close
// what network policies open.
func (b *builder) otherPolicies() bool {
	for _, kind := range reach.PolicyKinds() {
		for range b.snapshot.Kind(kind) {
			if kind != model.NetworkPolicyKind {
				return true
			}
			break
		}
	}
	return b.unread != nil
}

type openings struct {
	*builder
	closed  map[string]*isolation
	others  bool
	running map[int32][]int32 // workloads with the token of an account
}

// open adds what a subject opens in a namespace, or in all.
func (o *openings) open(s access.Subject, ns int32) {
	v := o.subject(s)
	in := o.scope(v)
	if ns != none {
		in = o.namespaces[ns]
	}
	proofs, ok := o.asked(s, access.Request{Group: model.NetworkPolicyKind.Group, Resource: networkPolicies, Namespace: in}, openingVerbs...)
	if !ok {
		return
	}
	o.proven(v, o.at(Connect, ns), OpenNetwork, o.certainty(o.access.Base(s), ns), proofs)
}

// certainty says how certain it is that a subject is in the network of the pods, and
// that nothing but network policies in its reach keeps it from them.
func (o *openings) certainty(s access.Subject, ns int32) Certainty {
	switch {
	case o.others:
		return Unknown
	case s.Kind == "ServiceAccount":
		if slices.ContainsFunc(o.running[o.vertices[o.subject(s)].at], func(w int32) bool { return o.letsOut(w, ns) }) {
			return Certain
		}
	case s.Kind == "Group" && (s.Name == authenticatedGroup || s.Name == accountsGroup || strings.HasPrefix(s.Name, accountsGroup+":")):
		return Likely // its members run somewhere
	}
	return Unknown
}

// letsOut reports whether no policy closes connections from a workload, save those
// that the right reaches.
func (o *openings) letsOut(at, ns int32) bool {
	w := &o.Graph.workloads[at]
	in := o.closed[w.Object.Key.Namespace]
	if in == nil || ns == none || ns == w.namespace {
		return true
	}
	return !slices.ContainsFunc(in.egress, func(p *model.Object) bool { return selects(p.Root.Dig("spec", "podSelector"), w.Pod.Labels()) })
}

func selects(selector, labels *tree.Node) bool {
	s := model.NewSelector(selector)
	return s.Matches(labels)
}
