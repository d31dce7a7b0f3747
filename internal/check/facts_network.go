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
	networkKinds = slices.Concat(policyKinds, workloadKinds, []model.GroupKind{model.NamespaceKind})
	// idleKinds are those that policies select.
	idleKinds = append([]model.GroupKind{model.NamespaceKind}, workloadKinds...)
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
	if len(o.UnknownFields) > 0 {
		return unknown(o.Key.String() + " has fields that do not exist, so what it means is not known")
	}
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

func (f *Facts) indexIdle() map[*model.Object][]reach.Idle {
	index := map[*model.Object][]reach.Idle{}
	for _, idle := range f.network().Idle() {
		index[idle.Policy.Object] = append(index[idle.Policy.Object], idle)
	}
	return index
}

// policyIdle lists what is written in a policy and does nothing.
func (f *Facts) policyIdle(o *model.Object) tree.Node {
	switch {
	case f.snapshot.Get(o.Key) != o:
		return unknown(notInView)
	case slices.Contains(f.network().AllOthers(), o):
		return notUnderstood(o)
	}
	found := f.idle()[o]
	if len(found) > 0 && !f.snapshot.Complete("", idleKinds...) {
		return unknown(f.whyOpen("parts of the policy match nothing here, and what they match may live elsewhere", "", idleKinds...))
	}
	var items []tree.Node
	for _, idle := range found {
		path := ""
		if idle.Rule != nil {
			path = pathTo(o.Root, idle.Rule)
		}
		items = append(items, entries("policy", idle.Rule == nil, "path", path))
	}
	return list(items)
}

// pathTo returns the path from a node to one below it, or "".
func pathTo(from, to *tree.Node) string {
	var find func(n *tree.Node, path tree.Path) tree.Path
	find = func(n *tree.Node, path tree.Path) tree.Path {
		if n == to {
			return path
		}
		for i := range n.Children() {
			step := tree.Step{Index: i}
			if n.Is(tree.Map) {
				step = tree.Step{Key: n.Children()[i].Key()}
			}
			if found := find(&n.Children()[i], path.Join(step)); found != nil {
				return found
			}
		}
		return nil
	}
	return find(from, nil).String()
}

func (f *Facts) indexTies() map[*model.Object][]*model.Object {
	index := map[*model.Object][]*model.Object{}
	for _, tie := range f.network().Ties() {
		for i, p := range tie {
			index[p.Object] = append(index[p.Object], tie[1-i].Object)
		}
	}
	return index
}

// policyTies lists the policies whose order against this one is not defined.
func (f *Facts) policyTies(o *model.Object) tree.Node {
	if f.snapshot.Get(o.Key) != o {
		return unknown(notInView)
	}
	if !slices.ContainsFunc(f.network().Policies(), func(p *reach.Policy) bool { return p.Object == o && p.Tier != reach.TierNetwork }) {
		return list(nil) // these have no order
	}
	return f.listOr(names(f.ties()[o]), "no policy here has the same priority for the same pods, and one that does may live elsewhere", "", networkKinds...)
}
