package reach

import (
	"fmt"
	"slices"

	"ullage.dev/ullage/internal/model"
)

// exposed allows what leads in from outside. A way that policies close today is no
// more than a question: nobody declares that it shall be open.
func (b *isolator) exposed() {
	for id, ways := range b.graph.Exposed(b.exposure) {
		w := b.graph.workloads[id]
		gr := b.groupOf(w)
		if gr == nil {
			continue
		}
		for i := range ways {
			switch way := &ways[i]; {
			case way.Ports.Empty():
			case way.State() == No:
				b.question(w.Object, "shall it be open to %s? It leads in on %s, and policies close it today", viaText(way.Way), way.Ports)
			default:
				b.exposedWay(gr, w, way.Way)
			}
		}
	}
}

// viaText names what opens a way.
func viaText(w Way) string {
	if w.Via == ViaHostPort {
		return "its host port"
	}
	return fmt.Sprintf("%s %s", w.Via, w.Object.Key)
}

func (b *isolator) exposedWay(gr *podGroup, w model.Workload, way Way) {
	because := fmt.Sprintf("%s %s leads in from outside", way.Via, way.Object.Key)
	from := side{text: "outside", ranges: way.Sources}
	if len(from.ranges) == 0 {
		from.ranges = everyAddress[:]
	}
	switch {
	case way.Via == ViaHostPort:
		because = "it has a host port"
	case len(way.controllers) > 0:
		from = side{}
		for _, c := range way.controllers {
			s := b.sideOf(c)
			from.text, from.workloads, from.peer = s.text, append(from.workloads, c), append(from.peer, s.peer...)
		}
	case way.Via == ViaIngress || way.Via == ViaGateway:
		if hasRule(gr, Ingress, way.Ports) {
			b.note("%s leads to %s, and the pods that forward its requests were not read: what is declared is taken to name them", way.Object.Key, w.Object.Key)
			return
		}
		b.note("%s leads to %s, and the pods that forward its requests were not read: everybody is allowed on %s", way.Object.Key, w.Object.Key, way.Ports)
		gr.allow(Ingress, nil, way.Ports, because+"; the pods that forward were not read")
		return
	}
	for _, p := range from.ranges {
		from.peer = append(from.peer, blockText(p))
	}
	gr.allow(Ingress, from.peer, way.Ports, because)
	if !way.Ports.Empty() {
		b.flows = append(b.flows, declaredFlow{from, side{text: w.Object.Key.String(), workloads: []model.Workload{w}}, way.Ports, because})
	}
}

// hasRule reports whether something is allowed on some of the ports.
func hasRule(gr *podGroup, d Direction, ports PortSet) bool {
	return slices.ContainsFunc(gr.allows[d], func(a allowance) bool { return !a.ports.intersect(ports).Empty() })
}
