package attack

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// endpoints finds the workloads of the network's endpoints. The network may be
// that of another snapshot whose pods have the same keys.
func (b *builder) endpoints() {
	bySpec := make(map[*tree.Node]int32, len(b.Graph.workloads))
	for i := range b.Graph.workloads {
		bySpec[b.Graph.workloads[i].Pod.Spec] = int32(i)
	}
	b.workloadOf = make([]int32, b.network.Len())
	b.further = map[int32][]reach.ID{}
	var byKey map[model.Key]int32
	for e := range b.network.Endpoints() {
		b.workloadOf[e.ID] = none
		if e.Kind != reach.Pods {
			continue
		}
		w, ok := bySpec[e.Workload.Pod.Spec]
		if !ok {
			if byKey == nil {
				byKey = b.workloadsByKey()
			}
			if w, ok = byKey[e.Workload.Object.Key]; !ok {
				if w, ok = b.ownerOf(byKey, e.Workload.Object.Key); !ok {
					continue
				}
			}
		}
		b.workloadOf[e.ID] = w
		if b.Graph.workloads[w].endpoint == none {
			b.Graph.workloads[w].endpoint = e.ID
		} else {
			b.further[w] = append(b.further[w], e.ID)
		}
	}
}

func (b *builder) workloadsByKey() map[model.Key]int32 {
	byKey := make(map[model.Key]int32, len(b.Graph.workloads))
	for i := range b.Graph.workloads {
		byKey[b.Graph.workloads[i].Object.Key] = int32(i)
	}
	return byKey
}

// ownerOf returns the workload that made a pod with a place of its own in the
// network.
func (b *builder) ownerOf(byKey map[model.Key]int32, pod model.Key) (int32, bool) {
	o := b.snapshot.Get(pod)
	if o == nil {
		return none, false
	}
	w, ok := byKey[b.snapshot.Controller(o).Key]
	return w, ok
}

// endpointsOf returns the endpoints of a workload.
func (g *Graph) endpointsOf(w int32) []reach.ID {
	if g.workloads[w].endpoint == none {
		return nil
	}
	return append([]reach.ID{g.workloads[w].endpoint}, g.further[w]...)
}

// ports returns the ports on which a container is known to listen.
func (g *Graph) ports(c int32) []reach.Port {
	s := g.containers[c].listens
	return g.listens[s.first:s.last]
}

func portOf(n *tree.Node, key string) (reach.Port, bool) {
	number, ok := n.Get(key).Int()
	if !ok || number < 1 || number > 65535 {
		return reach.Port{}, false
	}
	protocol, _ := reach.ParseProtocol(n.Get("protocol").Str())
	return reach.Port{Protocol: protocol, Number: uint16(number)}, true
}

// target is what a Service leads to.
type target struct {
	selector model.Selector
	ports    []reach.Port
}

// findTargets finds the ports that Services lead to by number and that no
// container of the pods declares: to declare a port only informs.
func (b *builder) findTargets() {
	services := b.targetsByLabel()
	if len(services) == 0 {
		return
	}
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		w.targets.first = int32(len(b.targets))
		labels := w.Pod.Labels()
		for j := range labels.Children() {
			label := &labels.Children()[j]
			for _, s := range services[labelHash(w.Object.Key.Namespace, label.Key(), label.Str())] {
				if !s.selector.Matches(labels) {
					continue
				}
				for _, p := range s.ports {
					if !b.declares(w, p) && !slices.Contains(b.targets[w.targets.first:], p) {
						b.targets = append(b.targets, p)
					}
				}
			}
		}
		w.targets.last = int32(len(b.targets))
	}
}

// targetsByLabel returns the ports of Services, by namespace and the first label
// of their selectors.
func (b *builder) targetsByLabel() map[uint64][]target {
	services := map[uint64][]target{}
	for o := range b.snapshot.Kind(model.ServiceKind) {
		selector := o.Root.Get("spec").Get("selector")
		if selector.Len() == 0 {
			continue
		}
		s := target{selector: model.MatchLabels(selector)}
		ports := o.Root.Get("spec").Get("ports")
		for i := range ports.Children() {
			key := "targetPort"
			if ports.At(i).Get(key) == nil {
				key = "port"
			}
			if port, ok := portOf(ports.At(i), key); ok {
				s.ports = append(s.ports, port)
			}
		}
		if first := &selector.Children()[0]; len(s.ports) > 0 {
			at := labelHash(o.Key.Namespace, first.Key(), first.Str())
			services[at] = append(services[at], s)
		}
	}
	return services
}

func labelHash(namespace, key, value string) uint64 {
	return tree.Mix(nameHash(namespace), tree.Mix(nameHash(key), nameHash(value)))
}

// declares reports whether a container of a workload declares a port.
func (b *builder) declares(w *workload, p reach.Port) bool {
	for c := w.first; c < w.last; c++ {
		if s := b.Graph.containers[c].declared; slices.Contains(b.listens[s.first:s.last], p) {
			return true
		}
	}
	return false
}

// listeners adds the ports that Services lead to, and that no container declares,
// to each container of the pod: any of them may listen.
func (b *builder) listeners() {
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		if w.targets.first == w.targets.last {
			continue
		}
		for j := w.first; j < w.last; j++ {
			c := &b.Graph.containers[j]
			c.listens.first = int32(len(b.listens))
			b.listens = append(b.listens, b.listens[c.declared.first:c.declared.last]...)
			b.listens = append(b.listens, b.targets[w.targets.first:w.targets.last]...)
			c.listens.last = int32(len(b.listens))
		}
	}
}

// reaches reports whether one of some endpoints may connect to a port of a
// container.
func (g *Graph) reaches(from []reach.ID, c int32) reach.Answer {
	best := reach.No
	ports := g.ports(c)
	for _, to := range g.endpointsOf(g.containers[c].workload) {
		for _, source := range from {
			verdict := g.network.Ports(source, to)
			for _, p := range ports {
				best = max(best, verdict.On(p))
			}
		}
	}
	if best == reach.Yes && !g.listening(c) {
		best = reach.Maybe
	}
	if best == reach.Maybe && g.options.Known {
		return reach.No
	}
	return best
}

// listening reports whether it is known that connections which the network lets
// pass find a container: its pods run, and all policies were read.
func (g *Graph) listening(c int32) bool {
	return g.unread == nil && !g.workloads[g.containers[c].workload].sleeps()
}

// networkEdge returns the edge from a place in the network to a container, which
// is not stored.
func (g *Graph) networkEdge(from, to ID) (Edge, bool) {
	if g.vertices[to].kind != Container {
		return Edge{}, false
	}
	c, answer := g.vertices[to].part, reach.No
	if guest, ok := g.guestOf(from); ok {
		answer = g.passes(guest, c).Answer
	} else if g.vertices[from].kind == Position {
		answer = g.reaches(g.endpointsOf(g.vertices[from].at), c)
	}
	certainty := NeedsExploit
	switch answer {
	case reach.No:
		return Edge{}, false
	case reach.Maybe:
		certainty = Unknown
	}
	return Edge{from, to, ExploitService, certainty, none, 0}, true
}
