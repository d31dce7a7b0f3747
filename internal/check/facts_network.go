package check

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// policiesFact returns the fact that lists the network policies of a direction.
func policiesFact(d reach.Direction) podFact {
	return func(f *Facts, o *model.Object, pod *model.PodTemplate) tree.Node {
		var items []tree.Node
		for _, p := range f.network().Policies(o.Key.Namespace, pod, d) {
			items = append(items, tree.Of(p.Object.Key.Name))
		}
		if others := f.network().Others(o.Key.Namespace); len(items) == 0 && len(others) > 0 {
			return notUnderstood(others[0])
		}
		return f.listOr(items, "no NetworkPolicy here selects these pods, and others may live elsewhere")
	}
}

func notUnderstood(o *model.Object) tree.Node {
	return unknown(o.Key.String() + " is not a NetworkPolicy and is not understood")
}

func (f *Facts) defaultDeny(o *model.Object) tree.Node {
	direction := func(d reach.Direction) tree.Node {
		switch others := f.network().Others(o.Key.Name); {
		case f.network().DefaultDeny(o.Key.Name, d) != nil:
			return tree.Of(true)
		case len(others) > 0:
			return notUnderstood(others[0])
		case f.snapshot.Closed:
			return tree.Of(false)
		}
		return tree.UnknownBecause("no NetworkPolicy here denies everything in this namespace, and others may live elsewhere")
	}
	return sealed(entries("ingress", direction(reach.Ingress), "egress", direction(reach.Egress)))
}

func (f *Facts) namespaceReach(o *model.Object) tree.Node {
	if others := f.network().AllOthers(); len(others) > 0 {
		return notUnderstood(others[0])
	}
	if !f.snapshot.Closed {
		return unknown("NetworkPolicies and workloads may live elsewhere")
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
	if count == 0 && !f.snapshot.Closed {
		return unknown("no workload of this namespace was read, and some may live elsewhere")
	}
	return sealed(tree.Of(count))
}
