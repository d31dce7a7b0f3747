package check

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

var (
	// policyKinds are those that isolate or restrict pods.
	policyKinds = reach.PolicyKinds()
	// networkKinds are those that say who reaches whom.
	networkKinds = slices.Concat(policyKinds, workloadKinds, []model.GroupKind{namespaceKind})
)

// policiesFact returns the fact that lists the network policies that isolate
// pods in a direction.
func policiesFact(d reach.Direction) podFact {
	return func(f *Facts, o *model.Object, pod *model.PodTemplate) tree.Node {
		var items []tree.Node
		network := f.network()
		for _, p := range network.Isolating(o.Key.Namespace, pod, d) {
			items = append(items, tree.Of(p.Object.Key.Name))
		}
		if len(items) == 0 {
			if others := network.Others(o.Key.Namespace); len(others) > 0 {
				return notUnderstood(others[0])
			}
			if denying := network.Denying(o.Key.Namespace, pod, d); len(denying) > 0 {
				return partlyDenied(denying[0])
			}
		}
		return f.listOr(items, "no NetworkPolicy here selects these pods, and others may live elsewhere", o.Key.Namespace, policyKinds...)
	}
}

func notUnderstood(o *model.Object) tree.Node {
	return unknown(o.Key.String() + " is not a NetworkPolicy and is not understood")
}

func partlyDenied(p *reach.Policy) tree.Node {
	return unknown(p.Object.Key.String() + " denies some connections of these pods")
}

func (f *Facts) defaultDeny(o *model.Object) tree.Node {
	network := f.network()
	direction := func(d reach.Direction) tree.Node {
		others, denying := network.Others(o.Key.Name), network.DenyingIn(o.Key.Name, d)
		switch {
		case network.DefaultDeny(o.Key.Name, d) != nil:
			return tree.Of(true)
		case len(others) > 0:
			return notUnderstood(others[0])
		case denying != nil:
			return partlyDenied(denying)
		case f.snapshot.Complete(o.Key.Name, policyKinds...):
			return tree.Of(false)
		}
		return tree.UnknownBecause(f.whyOpen("no NetworkPolicy here denies everything in this namespace, and others may live elsewhere", o.Key.Name, policyKinds...))
	}
	return sealed(entries("ingress", direction(reach.Ingress), "egress", direction(reach.Egress)))
}

func (f *Facts) namespaceReach(o *model.Object) tree.Node {
	if !f.snapshot.Complete("", networkKinds...) {
		return unknown(f.whyOpen("NetworkPolicies and workloads may live elsewhere", "", networkKinds...))
	}
	r := f.network().Reach(o.Key.Name)
	number := func(e reach.Extent) tree.Node {
		if e.Known() {
			return tree.Of(e.Least)
		}
		return tree.UnknownBecause(r.Why)
	}
	return sealed(entries("workloads", number(r.Workloads), "namespaces", number(r.Namespaces)))
}

func (f *Facts) namespaceWorkloads(o *model.Object) tree.Node {
	count := 0
	if index := f.snapshot.Workloads(o.Key.Name); index != nil {
		count = len(index.Workloads)
	}
	if count == 0 && !f.snapshot.Complete(o.Key.Name, workloadKinds...) {
		return unknown(f.whyOpen("no workload of this namespace was read, and some may live elsewhere", o.Key.Name, workloadKinds...))
	}
	return sealed(tree.Of(count))
}
