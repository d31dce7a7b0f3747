package reach

import (
	"slices"

	"ullage.dev/ullage/internal/model"
)

// With returns the graph of s, which must be the snapshot that g was made of with
// the changes made. Where only policies change it costs little: what rows both
// have, and pods and addresses that are divided alike, are shared with g; see
// [builder.refine] for what has the graph made anew. Both graphs also share the
// memory of what was computed, so after very many changes a New one is smaller.
func (g *Graph) With(s *model.Snapshot, changes ...model.Change) *Graph {
	b := &builder{snapshot: s, Graph: &Graph{}}
	fresh, ok := b.readChanges(g, changes)
	if !ok {
		return New(s)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	b.copyFrom(g)
	var more []looked
	for _, p := range fresh {
		b.survey(p, func(l looked) {
			if !b.knows(l) {
				more = append(more, l)
			}
		})
	}
	if !b.refine(g, more) {
		return New(s)
	}
	b.keepPolicies(g, changes)
	for _, p := range fresh {
		b.enter(p)
		b.choose(p)
		b.policies = append(b.policies, p)
	}
	slices.SortStableFunc(b.policies, (*Policy).compare)
	b.apply()
	b.sign()
	b.inherit(g)
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

// copyFrom takes over all that does not depend on policies.
func (b *builder) copyFrom(g *Graph) {
	b.Closed, b.shared, b.basis, b.context, b.others = g.Closed, g.shared, g.basis, g.context, g.others
	b.namespaces, b.workloads, b.workloadClass, b.endOf, b.classes, b.portMaps = g.namespaces, g.workloads, g.workloadClass, g.endOf, g.classes, g.portMaps
	b.standIn, b.several, b.replicas, b.byKey = g.standIn, g.several, g.replicas, g.byKey
	b.outsideNames, b.node, b.size, b.hostBits, b.ipv4, b.ipv6 = g.outsideNames, g.node, g.size, g.hostBits, g.ipv4, g.ipv6
}

// keepPolicies takes over those that did not change.
func (b *builder) keepPolicies(g *Graph, changes []model.Change) {
	changed := map[model.Key]bool{}
	for _, c := range changes {
		changed[c.Key] = true
	}
	for _, p := range g.policies {
		if changed[p.Object.Key] {
			continue
		}
		if b.basis != g.basis {
			p = p.unresolved()
			b.choose(p)
		}
		b.policies = append(b.policies, p)
	}
}

// unresolved returns a copy that knows of no endpoints.
func (p *Policy) unresolved() *Policy {
	q := *p
	q.found = false
	for d := range q.rules {
		rules := make([]rule, len(p.rules[d]))
		q.rules[d] = make([]*rule, len(rules))
		for i := range rules {
			rules[i] = *p.rules[d][i]
			rules[i].parts = nil
			q.rules[d][i] = &rules[i]
		}
	}
	return &q
}

// inherit takes over the rows of an older graph that hold here, too.
func (b *builder) inherit(g *Graph) {
	for _, d := range directions {
		b.older[d] = make([]row, len(b.signatures[d]))
		for key, id := range b.keys[d] {
			of, ok := g.keys[d][key]
			if !ok {
				continue
			}
			r := g.rows[d][of].Load()
			switch old := g.olderRow(d, of); {
			case b.basis == g.basis:
				b.rows[d][id].Store(r)
				b.older[d][id] = old
			case r != nil:
				b.older[d][id] = *r
			case old != nil:
				b.older[d][id] = g.refined(old)
			}
		}
	}
}
