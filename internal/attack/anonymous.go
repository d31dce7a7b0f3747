package attack

import (
	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/reach"
)

// apiPorts are those on which API servers listen, and that of their Service.
var apiPorts = []reach.Port{{Number: 443}, {Number: 6443}}

// anybody leads to what needs no login: from the internet, of which the input does
// not say that it reaches the API server, from pods whose policies let them connect to
// it, and from all who have a login and do not use it.
func (b *builder) anybody() {
	if b.asksForLogin() {
		return
	}
	for _, s := range []access.Subject{access.Group(unauthenticatedGroup), access.User(anonymousUser)} {
		id, ok := b.subjects[s]
		if !ok {
			continue
		}
		b.edge(b.internet, b.accountVertex[id], AnonymousAPI, Unknown, none)
		b.edge(b.subject(access.Group(authenticatedGroup)), b.accountVertex[id], AnonymousAPI, Likely, none)
		for w := range b.Graph.workloads {
			switch b.asks(int32(w)) {
			case reach.Yes:
				b.edge(b.workloadVertex(int32(w), positionAt), b.accountVertex[id], AnonymousAPI, Likely, none)
			case reach.Maybe:
				b.edge(b.workloadVertex(int32(w), positionAt), b.accountVertex[id], AnonymousAPI, Unknown, none)
			}
		}
	}
}

// asksForLogin reports whether the API servers of the input take no requests without a
// login: all of them, as one that does is enough.
func (b *builder) asksForLogin() bool {
	in := b.inNamespace[b.namespace(systemNamespace)]
	ask := false
	for i := in.first; i < in.last; i++ {
		w := &b.Graph.workloads[i]
		for c := w.first; c < w.last; c++ {
			k := &b.Graph.containers[c]
			p := program{k, imageName(k.node.Get("image").Str()), programWords(k.node)}
			if !p.runs("", apiServerProgram) {
				continue
			}
			if value, given := p.flag("--anonymous-auth"); !given || value == "" || isTrue(value) {
				return false
			}
			ask = true
		}
	}
	return ask
}

// asks reports whether the pods of a workload may connect to the API server.
func (g *Graph) asks(w int32) reach.Answer {
	best := reach.No
	for _, from := range g.endpointsOf(w) {
		ports := g.network.Ports(from, g.network.APIServer())
		for _, p := range apiPorts {
			best = max(best, ports.On(p))
		}
	}
	if best == reach.Yes && g.unread != nil {
		return reach.Maybe
	}
	return best
}

// whyAsks says why a place in the network may connect to the API server.
func (g *Graph) whyAsks(from vertex) []Evidence {
	if from.kind != Position {
		return nil
	}
	w := &g.workloads[from.at]
	var all []Evidence
	for _, at := range g.endpointsOf(from.at) {
		for _, p := range apiPorts {
			if g.network.Ports(at, g.network.APIServer()).On(p) == reach.No {
				continue
			}
			why := g.network.Why(at, g.network.APIServer(), p).Egress
			all = doubted(why)
			switch {
			case why.Cause == reach.ByRule && why.Rule.Policy != nil:
				all = append(all, Evidence{why.Rule.Policy.Object.Key.String() + " lets the connection pass", why.Rule.Policy.Object, why.Rule.Rule})
			case why.Cause == reach.ByDefault && len(why.Doubts) == 0:
				all = append(all, Evidence{"no network policy limits egress of " + w.Object.Key.String(), nil, nil})
			}
			return all
		}
	}
	return all
}
