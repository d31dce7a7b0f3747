package reach

import (
	"fmt"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// exposed allows what leads in from outside. A way that policies close today is no
// more than a question: nobody declares that it shall be open.
func (b *isolator) exposed() {
	declared := map[*podGroup]PortSet{} // what routes and other ways open comes on top of it
	for _, gr := range b.groups {
		for _, a := range gr.allows[Ingress] {
			declared[gr] = declared[gr].union(a.ports)
		}
	}
	for id, ways := range b.graph.Exposed(b.exposure) {
		w := b.graph.workloads[id]
		gr := b.groupOf(w)
		if gr == nil {
			continue
		}
		var unforwarded []routesWithout
		for i := range ways {
			switch way := &ways[i]; {
			case way.Ports.Empty():
			case way.Via == ViaNodePort && way.Service.Root.Dig("spec", "type").Str() == "LoadBalancer":
				b.question(w.Object, "shall it be open to everybody at the node ports of %s? The source ranges of its load balancer do not hold there, and allocateLoadBalancerNodePorts: false takes them away", way.Service.Key)
			case way.State() == No:
				b.closedWay(w, way.Way)
			case (way.Via == ViaIngress || way.Via == ViaGateway) && len(way.controllers) == 0:
				unforwarded = b.unforwarded(unforwarded, id, way.Way, !declared[gr].intersect(way.Ports).Empty())
			case way.Via == ViaIngress || way.Via == ViaGateway:
				b.routedWay(gr, id, way.Way)
			default:
				b.addressWay(gr, id, way.Way)
			}
		}
		for _, r := range unforwarded {
			b.routeWithout(gr, w, r)
		}
	}
}

// routesWithout is routes to a workload on the same ports, the pods that forward the
// requests of which were not read. There may be thousands.
type routesWithout struct {
	first    Way
	more     int
	declared bool // peers of the workload are declared on its ports
}

// unforwarded puts one more route to those of a workload.
func (b *isolator) unforwarded(routes []routesWithout, id ID, way Way, declared bool) []routesWithout {
	if !declared && b.graph.signOf[Ingress][b.graph.unit(id)] >= 0 {
		b.unsureWay(b.graph.workloads[id], way)
		return routes
	}
	i := slices.IndexFunc(routes, func(r routesWithout) bool { return r.declared == declared && r.first.Ports.Equal(way.Ports) })
	if i < 0 {
		return append(routes, routesWithout{first: way, declared: declared})
	}
	routes[i].more++
	return routes
}

// routeWithout allows everybody what routes lead to, unless peers are declared.
func (b *isolator) routeWithout(gr *podGroup, w model.Workload, r routesWithout) {
	name, leads := r.first.Object.Key.String(), "leads"
	if r.more > 0 {
		name, leads = fmt.Sprintf("%s and %d more", name, r.more), "lead"
	}
	if r.declared {
		b.note("%s %s to %s, and the pods that forward requests were not read: what is declared is taken to name them", name, leads, w.Object.Key)
		return
	}
	b.note("%s %s to %s, and the pods that forward requests were not read: everybody is allowed on %s", name, leads, w.Object.Key, r.first.Ports)
	gr.allow(Ingress, nil, r.first.Ports, fmt.Sprintf("%s %s %s in from outside; the pods that forward were not read", r.first.Via, name, leads))
}

func (b *isolator) closedWay(w model.Workload, way Way) {
	b.question(w.Object, "shall it be open to %s? It leads in on %s, and policies close it today", viaText(way), way.Ports)
}

func (b *isolator) unsureWay(w model.Workload, way Way) {
	b.question(w.Object, "shall it be open to %s? It leads in on %s, and whom policies let in today is not certain", viaText(way), way.Ports)
}

// viaText names what opens a way.
func viaText(w Way) string {
	if w.Via == ViaHostPort {
		return "its host port"
	}
	return fmt.Sprintf("%s %s", w.Via, w.Object.Key)
}

// routedWay allows the pods that forward the requests of a route, of those that
// policies let in today.
func (b *isolator) routedWay(gr *podGroup, id ID, way Way) {
	w := b.graph.workloads[id]
	because := fmt.Sprintf("%s %s leads in from outside", way.Via, way.Object.Key)
	sure := false
	for _, c := range way.controllers {
		open := way.Ports
		for _, from := range b.graph.Find(c.Object.Key) {
			open = open.intersect(b.graph.Ports(from, id).Must)
		}
		if !open.Empty() {
			sure = true
			b.openWay(gr, b.sideOf(c), w, open, because)
		}
	}
	if !sure {
		b.unsureWay(w, way)
	}
}

// addressWay allows the addresses of those to which a way is open that policies let
// in today, each on the ports on which they do. That the address of a node may
// stand for theirs is left aside: it would open the pods to everybody.
func (b *isolator) addressWay(gr *podGroup, id ID, way Way) {
	w := b.graph.workloads[id]
	because := fmt.Sprintf("%s %s leads in from outside", way.Via, way.Object.Key)
	if way.Via == ViaHostPort {
		because = "it has a host port"
	}
	opened, sure := b.opened(id, way)
	for _, o := range opened {
		from := side{text: "outside", ranges: o.ranges.prefixes(), peer: o.ranges.blocks()}
		b.openWay(gr, from, w, o.ports, because)
	}
	switch {
	case !sure:
		b.unsureWay(w, way)
	case len(opened) == 0:
		b.closedWay(w, way)
	}
}

func (b *isolator) openWay(gr *podGroup, from side, w model.Workload, ports PortSet, because string) {
	gr.allow(Ingress, from.peer, ports, because)
	b.flows = append(b.flows, declaredFlow{from, side{text: w.Object.Key.String(), workloads: []model.Workload{w}}, ports, because})
}

// openRanges is addresses that are let in on the same ports.
type openRanges struct {
	ranges rangeSet
	ports  PortSet
}

// opened returns who is let in by a way today, and false when that is not certain of
// some.
func (b *isolator) opened(id ID, way Way) (list []openRanges, sure bool) {
	spans, sure := map[string][]span{}, true
	g := b.graph
	row := b.untranslated(g.signOf[Ingress][g.unit(id)])
	for unit := g.firstAddress(); unit < g.firstName(); unit++ {
		part := meeting(g.addresses.prefixes(unit-g.firstAddress()), way.Sources)
		if len(part) == 0 {
			continue
		}
		v := g.verdict(row.at(unit))
		open := v.Must.intersect(way.Ports)
		sure = sure && open.Equal(v.May.intersect(way.Ports))
		if open.Empty() {
			continue
		}
		key := open.String()
		if spans[key] == nil {
			list = append(list, openRanges{ports: open})
		}
		spans[key] = append(spans[key], spansOf(part)...)
	}
	for i := range list {
		list[i].ranges = joined(spans[list[i].ports.String()])
	}
	return list, sure
}

// untranslated returns the row of a signature for addresses that nothing translates.
func (b *isolator) untranslated(sign int32) row {
	if sign < 0 {
		return nil
	}
	r, ok := b.rows[sign]
	if !ok {
		g := b.graph
		g.mu.Lock()
		s := g.signatures[Ingress][sign]
		s.translated = noPorts
		r = g.compute(&s, Ingress)
		g.mu.Unlock()
		b.rows[sign] = r
	}
	return r
}
