package reach

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// With returns the graph of s, which must be the snapshot that g was made of
// with the changes made. Where only policies change that look at no port name, range
// or name that others did not, nor at a label that some pod has, it costs little:
// pods, addresses and rows are shared with g. Both graphs also share the memory of what was computed,
// so after very many changes a New one is smaller.
func (g *Graph) With(s *model.Snapshot, changes ...model.Change) *Graph {
	b := &builder{snapshot: s, Graph: &Graph{}}
	fresh, ok := b.readChanges(g, changes)
	if !ok {
		return New(s)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	b.copyFrom(g)
	for _, p := range fresh {
		b.survey(p, func(l looked) {
			if ok = ok && (b.knows(l) || b.nobodyHas(l)); ok {
				b.note(l) // what no pod has tells none apart
			}
		})
	}
	if !ok {
		return New(s)
	}
	changed := map[model.Key]bool{}
	for _, c := range changes {
		changed[c.Key] = true
	}
	b.policies = slices.DeleteFunc(slices.Clone(g.policies), func(p *Policy) bool { return changed[p.Object.Key] })
	for _, p := range fresh {
		b.enter(p)
		b.resolve(p)
		b.policies = append(b.policies, p)
	}
	slices.SortStableFunc(b.policies, (*Policy).compare)
	b.apply()
	var rows [2]map[string]*row
	for _, d := range directions {
		rows[d] = map[string]*row{}
		for key, id := range g.keys[d] {
			rows[d][key] = g.rows[d][id].Load()
		}
	}
	b.sign(&rows)
	return b.Graph
}

// readChanges reads the policies among changes. It reports false when there is
// anything else among them.
func (b *builder) readChanges(g *Graph, changes []model.Change) ([]*Policy, bool) {
	latest := map[model.Key]*model.Object{}
	for _, c := range changes {
		latest[c.Key] = c.Object
	}
	var fresh []*Policy
	for key, o := range latest {
		i := slices.IndexFunc(apis, func(a api) bool { return a.kind == key.GroupKind })
		if i < 0 {
			return nil, false
		}
		if o != nil && unclear(o) || slices.ContainsFunc(g.others, func(other *model.Object) bool { return other.Key == key }) {
			return nil, false
		}
		if o != nil {
			fresh = append(fresh, apis[i].read(&reader{snapshot: b.snapshot}, o)...)
		}
	}
	slices.SortStableFunc(fresh, (*Policy).compare)
	return fresh, true
}

// nobodyHas reports whether what a policy looks at is a label, or a value of one that
// others look at, which no pod has and no controller or network plugin gives.
func (b *builder) nobodyHas(l looked) bool {
	if l.label == "" || l.label == accountLabel {
		return false
	}
	for _, keys := range automaticLabels {
		if slices.Contains(keys, l.label) {
			return false
		}
	}
	has := func(labels *tree.Node) bool {
		n := labels.Get(l.label)
		return n != nil && (b.labels[l.label] == nil || slices.Contains(l.values, n.Str()) && !b.labels[l.label][n.Str()])
	}
	for i := range b.workloads {
		if has(b.workloads[i].Pod.Labels()) {
			return false
		}
	}
	for o := range b.snapshot.Kind(model.PodKind) { // also those that are like others
		if has(o.Labels()) {
			return false
		}
	}
	return true
}

// copyFrom takes over all that does not depend on policies.
func (b *builder) copyFrom(g *Graph) {
	b.Closed, b.shared, b.basis, b.context, b.others = g.Closed, g.shared, g.basis, g.context, g.others
	b.namespaces, b.workloads, b.workloadClass, b.classOf, b.classes, b.portMaps = g.namespaces, g.workloads, g.workloadClass, g.classOf, g.classes, g.portMaps
	b.standIn, b.several, b.byKey = g.standIn, g.several, g.byKey
	b.outsideNames, b.node, b.size, b.hostBits, b.ipv4, b.ipv6 = g.outsideNames, g.node, g.size, g.hostBits, g.ipv4, g.ipv6
}
