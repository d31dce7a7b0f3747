package reach

import (
	"maps"
	"slices"
	"weak"

	"ullage.dev/ullage/internal/model"
)

// refine makes ready for policies that look at more than those of g: where that
// tells pods or addresses apart that were of one class, it divides what g has.
// It reports false where the graph has to be made anew: names outside are new, a
// pod differs from the endpoint that it counts as, or ranges are too many.
func (b *builder) refine(g *Graph, more []looked) bool {
	if len(more) == 0 {
		return true
	}
	a := newAspects(b.snapshot, g)
	blocks, ok := a.gather(more)
	if !ok || !a.compare(g) {
		return false
	}
	r := refiner{b: b, old: g, aspects: a, parents: make([]int32, 0, g.size)}
	r.divide()
	if len(blocks) == 0 && len(r.parents) == len(g.classes) && len(b.portMaps) == len(g.portMaps) {
		r.extend(more)
		return true
	}
	return r.replace(more, blocks)
}

// aspects says what pods are like where no policy looked before.
type aspects struct {
	builder
	known map[string]int32
	of    []int32 // by workload
}

func newAspects(s *model.Snapshot, g *Graph) *aspects {
	return &aspects{
		builder: builder{
			Graph:    &Graph{shared: g.shared, basis: &basis{labels: map[string]map[string]bool{}, portNames: map[string]bool{}}},
			snapshot: s, portSets: map[string]int32{},
		},
		known: map[string]int32{}, of: make([]int32, len(g.workloads)),
	}
}

// gather notes what is new, and returns the ranges of it. It reports false where
// names are.
func (a *aspects) gather(more []looked) ([]*blockPeer, bool) {
	var blocks []*blockPeer
	for _, l := range more {
		switch {
		case l.name != "":
			return nil, false
		case l.blocks != nil:
			blocks = append(blocks, l.blocks)
		default:
			a.note(l)
		}
	}
	return blocks, true
}

// compare numbers what workloads are like. It reports false where a pod is not
// like the endpoint that it counts as.
func (a *aspects) compare(g *Graph) bool {
	if len(a.labels)+len(a.portNames) == 0 {
		return true
	}
	number := func(key []byte) int32 {
		n, ok := a.known[string(key)]
		if !ok {
			n = int32(len(a.known))
			a.known[string(key)] = n
		}
		return n
	}
	for _, ns := range g.namespaces {
		for c := ns.first; c < ns.last; c++ {
			for _, id := range g.classes[c].members {
				a.of[id] = number(a.project(0, g.workloads[id]))
			}
		}
	}
	for _, r := range g.replicas {
		if number(a.project(0, model.Workload{Object: r.pod, Pod: r.pod.Pods()[0]})) != a.of[r.as] {
			return false
		}
	}
	return true
}

// refiner divides what an older graph has.
type refiner struct {
	b       *builder
	old     *Graph
	aspects *aspects
	parents []int32 // the older class of each class
}

// divide makes classes of the pods that nothing tells apart, old and new.
func (r *refiner) divide() {
	b := r.b
	b.classes, b.namespaces, b.workloadClass = nil, make([]namespace, len(r.old.namespaces)), make([]int32, len(b.workloads))
	b.portMaps, b.portSets = slices.Clip(b.portMaps), map[string]int32{}
	for i, ports := range b.portMaps {
		b.portSets[portKey(ports)] = int32(i)
	}
	in := map[int32]int32{} // of one older class, by what its members are like
	for i, ns := range r.old.namespaces {
		b.namespaces[i] = namespace{name: ns.name, first: int32(len(b.classes))}
		for c := ns.first; c < ns.last; c++ {
			clear(in)
			for _, id := range r.old.classes[c].members {
				n, ok := in[r.aspects.of[id]]
				if !ok {
					n = int32(len(b.classes))
					in[r.aspects.of[id]] = n
					b.classes = append(b.classes, r.describe(&r.old.classes[c], b.workloads[id]))
					r.parents = append(r.parents, c)
				}
				b.classes[n].members = append(b.classes[n].members, id)
				b.workloadClass[id] = n
			}
		}
		b.namespaces[i].last = int32(len(b.classes))
	}
}

// describe returns the class of a pod that is of an older class.
func (r *refiner) describe(old *class, w model.Workload) class {
	c, more := *old, r.aspects.describe(0, w)
	c.members, c.labels = nil, slices.Clip(c.labels)
	for _, l := range more.labels {
		at := slices.IndexFunc(c.labels, func(known labelValue) bool { return known.key == l.key })
		switch {
		case at < 0:
			c.labels = append(c.labels, l)
		case l.value != otherValue:
			c.labels = slices.Clone(c.labels)
			c.labels[at] = l
		}
	}
	c.automatic = append(slices.Clip(c.automatic), more.automatic...)
	if ports := r.aspects.portMaps[more.ports]; len(ports) > 0 {
		c.ports = r.b.portMap(slices.Concat(r.old.portMaps[c.ports], ports))
	}
	return c
}

// extend notes what tells no pods apart, for all graphs that are divided alike.
func (r *refiner) extend(more []looked) {
	b, old := r.b, r.old
	for _, l := range more {
		b.note(l)
	}
	for i := range b.classes {
		c, was := &b.classes[i], &old.classes[i]
		for _, l := range c.labels {
			if !slices.Contains(was.labels, l) {
				b.byPod.add(int32(i), l.key, l.value)
			}
		}
		for _, key := range c.automatic {
			b.byPod.doubt(int32(i), key)
		}
		was.labels, was.automatic = c.labels, c.automatic
	}
	b.copyFrom(old)
}

// replace makes a basis that divides what the older one does further.
func (r *refiner) replace(more []looked, blocks []*blockPeer) bool {
	b, old := r.b, r.old
	ranges, parts, ok := old.addresses.with(blocks)
	if !ok {
		return false
	}
	b.basis = &basis{
		labels: map[string]map[string]bool{}, portNames: maps.Clone(old.portNames), names: old.names, addresses: ranges,
		named: map[namedRule]setID{}, byNamespace: old.byNamespace, spread: map[uint64]*labelMatch{}, selected: map[selectorKey]*labelMatch{},
		of: weak.Make(old.basis), parents: r.parents,
	}
	for key, values := range old.labels {
		b.labels[key] = maps.Clone(values)
	}
	for _, l := range more {
		if l.blocks == nil {
			b.note(l)
		}
	}
	b.outsideNames = nil
	b.number()
	b.indexPods()
	b.basis.parents = append(b.basis.parents, old.node, old.node+1)
	for _, class := range parts {
		b.basis.parents = append(b.basis.parents, old.firstAddress()+class)
	}
	for i := range b.outsideNames {
		b.basis.parents = append(b.basis.parents, old.firstName()+int32(i))
	}
	return true
}
