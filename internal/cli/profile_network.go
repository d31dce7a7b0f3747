package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// beside is what else is known of a container than what it does.
type beside struct {
	need   *behavior.Need // nil when its workload is in nothing that was read
	grants *grants        // likewise
	owned  ownedImages
}

func (b *beside) declared(f behavior.Fact) (behavior.Answer, string) {
	if b == nil || b.need == nil {
		return behavior.Unknown, ""
	}
	return b.need.Declared(f)
}

func (b *beside) granted(f behavior.Fact) (behavior.Answer, string) {
	if b == nil || b.need == nil {
		return behavior.Unknown, ""
	}
	if answer := b.grants.of(f); answer != behavior.Unknown {
		return answer, "network policies"
	}
	return b.need.Granted(f)
}

// grants are what network policies let a container of a workload do.
type grants struct {
	snapshot *model.Snapshot
	graph    *reach.Graph
	self     []reach.ID
}

// grantsOf finds what is granted to a workload by the snapshot that has it.
func (w *world) grantsOf(o *model.Object) *grants {
	if o == nil {
		return nil
	}
	for _, s := range w.snapshots {
		if s.Get(o.Key) != o {
			continue
		}
		if w.graphs[s] == nil {
			if w.graphs == nil {
				w.graphs = map[*model.Snapshot]*reach.Graph{}
			}
			w.graphs[s] = reach.New(s)
		}
		g := &grants{s, w.graphs[s], w.graphs[s].Find(o.Key)}
		if len(g.self) > 0 {
			return g
		}
	}
	return nil
}

// of says whether policies let a connection be.
func (g *grants) of(f behavior.Fact) behavior.Answer {
	protocol, ok := reach.ParseProtocol(f.Peer.Protocol)
	// Where policies may live elsewhere, these neither grant nor forbid for certain.
	if g == nil || !g.graph.Closed || f.Kind != behavior.Connect && f.Kind != behavior.Accept || f.Folded() || !ok || f.Peer.Port == 0 {
		return behavior.Unknown
	}
	if a := f.Peer.Address; a.IsLoopback() {
		return behavior.Yes // which stays in the pod
	}
	ends, known := g.ends(&f.Peer, protocol)
	if !known {
		return behavior.Unknown
	}
	var said []behavior.Answer
	for _, self := range g.self {
		for _, end := range ends {
			from, to := self, end.id
			if f.Kind == behavior.Accept {
				from, to, end.port = end.id, self, reach.Port{Protocol: protocol, Number: f.Peer.Port}
			}
			answer := map[reach.Answer]behavior.Answer{reach.Yes: behavior.Yes, reach.No: behavior.No}[g.graph.Ports(from, to).On(end.port)]
			said = append(said, answer)
		}
	}
	slices.Sort(said)
	if said = slices.Compact(said); len(said) != 1 || said[0] == "" {
		return behavior.Unknown
	}
	return said[0]
}

// peerEnd is an end of the network that may be a peer, and the port there.
type peerEnd struct {
	id   reach.ID
	port reach.Port
}

// ends finds who a peer is.
func (g *grants) ends(p *behavior.Peer, protocol reach.Protocol) (all []peerEnd, known bool) {
	port := reach.Port{Protocol: protocol, Number: p.Port}
	switch {
	case p.Workload != "":
		for _, id := range g.workload(p.Workload) {
			all = append(all, peerEnd{id, port})
		}
	case p.Name == behavior.Many:
	case strings.HasSuffix(p.Name, ".svc"):
		all = g.service(strings.TrimSuffix(p.Name, ".svc"), port)
	case p.Name != "":
		id, _ := g.graph.Name(p.Name)
		all = []peerEnd{{id, port}}
	case p.Address.IsValid() && !isPrivate(p.Address): // of another it is not known whether it is in the cluster
		all = []peerEnd{{g.graph.Address(p.Address), port}}
	}
	return all, len(all) > 0
}

func isPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}

// workload finds the ends of a workload by its name, Kind/namespace/name.
func (g *grants) workload(name string) []reach.ID {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return nil
	}
	for _, gk := range model.WorkloadKinds() {
		if gk.Kind != parts[0] {
			continue
		}
		for o := range g.snapshot.Kind(gk) {
			if o.Key.Namespace == parts[1] && o.Key.Name == parts[2] {
				return g.graph.Find(o.Key)
			}
		}
	}
	return nil
}

// service finds the ends of a Service by its name and namespace, with the port to which
// it leads.
func (g *grants) service(name string, port reach.Port) (all []peerEnd) {
	for o := range g.snapshot.Kind(model.ServiceKind) {
		if o.Key.Name+"."+o.Key.Namespace != name {
			continue
		}
		spec := o.Root.Get("spec")
		number := portBehind(o, port)
		if number == 0 || spec.Get("selector").Len() == 0 {
			return nil
		}
		for _, w := range g.snapshot.Workloads(o.Key.Namespace).Select(model.MatchLabels(spec.Get("selector"))) {
			for _, id := range g.graph.Find(w.Object.Key) {
				all = append(all, peerEnd{id, reach.Port{Protocol: port.Protocol, Number: number}})
			}
		}
	}
	return all
}

// portBehind is the port to which a port of a Service leads; 0 when it has a name there,
// which each pod may give another number.
func portBehind(o *model.Object, port reach.Port) uint16 {
	ports := o.Root.Dig("spec", "ports")
	for i := range ports.Children() {
		p := ports.At(i)
		protocol := p.Get("protocol").Str()
		if number, _ := p.Get("port").Int(); number != int64(port.Number) || protocol != "" && !strings.EqualFold(protocol, port.Protocol.String()) {
			continue
		}
		target := p.Get("targetPort")
		if target == nil {
			return port.Number
		}
		number, _ := target.Int()
		return uint16(number)
	}
	return 0
}

// unusedPeers are workloads that policies let a container connect to, and that it was
// not seen to connect to, or why that is not said.
func (g *grants) unusedPeers(p *behavior.Profile) (names []string, why string) {
	used := map[reach.ID]bool{}
	switch {
	case g == nil:
		return nil, "not known: the workload is in no cluster or manifest that was read"
	case p.Lacking != "":
		return nil, "not known: " + p.Lacking
	case p.Summary.Lost > 0:
		return nil, "not known: not all that was seen could be kept"
	case !g.graph.Closed:
		return nil, "not known: there may be other network policies than were read; --cluster, or --from with a saved one, knows all"
	}
	for i := range p.Deeds {
		d := &p.Deeds[i]
		if d.Kind != behavior.Connect || d.Peer.Address.IsLoopback() {
			continue
		}
		protocol, _ := reach.ParseProtocol(d.Peer.Protocol)
		ends, known := g.ends(&d.Peer, protocol)
		if !known {
			return nil, "not known: it connects to " + d.Peer.String() + ", and who that is is not known"
		}
		for _, end := range ends {
			used[end.id] = true
		}
	}
	for _, self := range g.self {
		if g.graph.Ports(self, g.graph.Address(netip.MustParseAddr("192.0.2.1"))).Must.All() {
			return nil, "any peer is granted: no network policy restricts whom it connects to"
		}
		for id, verdict := range g.graph.From(self) {
			if e := g.graph.Endpoint(id); e.Kind == reach.Pods && id != self && !used[id] && !verdict.Must.Empty() {
				names = append(names, fmt.Sprintf("%s on %s", e.Workload.Object.Key.String(), verdict.Must))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), ""
}
