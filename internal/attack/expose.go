package attack

import (
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// exposedWay is a way in to a workload that network policies leave open.
type exposedWay struct {
	workload int32
	reach.Exposed
}

// findWays finds the ways in. What leads in is part of the network: where that is
// as before, so are they.
func (b *builder) findWays() {
	for id, all := range b.network.Exposed(reach.NewExposure(b.snapshot)) {
		w := b.workloadOf[id]
		if w == none {
			continue
		}
		for i := range all {
			if e := &all[i]; e.Audience != reach.Private && e.State() != reach.No {
				b.ways = append(b.ways, exposedWay{w, *e})
			}
		}
	}
}

// exposure adds the ways from the internet to containers. Whether the internet
// reaches nodes is not in a snapshot.
func (b *builder) exposure() {
	for i := range b.ways {
		e := &b.ways[i]
		kind := ExposeService
		switch e.Via {
		case reach.ViaIngress, reach.ViaGateway:
			kind = ExposeIngress
		case reach.ViaHostNetwork, reach.ViaHostPort:
			kind = ExposeHost
		}
		w := &b.Graph.workloads[e.workload]
		for c := w.first; c < w.last; c++ {
			best := reach.No
			for _, p := range b.ports(c) {
				switch {
				case e.Must.Contains(p) && e.Answer == reach.Yes && e.Audience == reach.Internet:
					best = reach.Yes
				case e.May.Contains(p):
					best = max(best, reach.Maybe)
				}
			}
			if best == reach.No {
				continue
			}
			certainty := NeedsExploit
			if best == reach.Maybe || b.unread != nil {
				certainty = Unknown
			}
			object, node := e.Object, e.Node
			if kind == ExposeHost && object != w.Object { // the way was found when the object was another
				object, node = w.Object, sameField(object.Root, node, w.Object.Root)
			}
			b.because(b.internet, b.containerVertex(c), kind, certainty, object, node)
		}
	}
	b.metadata()
}

// sameField returns the field of one object that stands where a field of another
// does and is equal to it, or nil.
func sameField(from, field, to *tree.Node) *tree.Node {
	at := pathTo(from, field)
	if at == nil {
		return nil
	}
	if n := to.Follow(at); n.Key() == field.Key() && tree.Equal(n, field) {
		return n
	}
	return nil
}
