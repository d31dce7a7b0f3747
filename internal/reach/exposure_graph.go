package reach

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// wellKnown are controllers that forward requests from pods of their own: the
// names that IngressClasses give them, the class that people name, and a part of
// the image of those pods.
var wellKnown = []struct{ controller, class, image string }{
	{"k8s.io/ingress-nginx", "nginx", "ingress-nginx/controller"},
	{"nginx.org/ingress-controller", "nginx", "nginx/nginx-ingress"},
	{"traefik.io/ingress-controller", "traefik", "traefik"},
	{"haproxy-ingress.github.io/controller", "haproxy", "haproxy-ingress"},
	{"haproxy.org/ingress-controller", "haproxy", "haproxytech/kubernetes-ingress"},
	{"ingress-controllers.konghq.com/kong", "kong", "kong"},
}

// gatewayLabels name, on the pods of a Gateway, the Gateway.
var gatewayLabels = []string{"gateway.networking.k8s.io/gateway-name", "gateway.envoyproxy.io/owning-gateway-name"}

// controllerPods are pods that forward requests.
type controllerPods struct {
	model.Workload
	known int // in wellKnown, -1 for those of Gateways
}

func (x *Exposure) findControllers() []controllerPods {
	var found []controllerPods
	for _, namespace := range x.snapshot.Namespaces() {
		index := x.snapshot.Workloads(namespace)
		if index == nil {
			continue
		}
		for _, w := range index.Workloads {
			if slices.ContainsFunc(gatewayLabels, func(l string) bool { return w.Pod.Labels().Get(l) != nil }) {
				found = append(found, controllerPods{w, -1})
			}
			containers := w.Pod.Spec.Get("containers")
			for i := range containers.Children() {
				image := containers.At(i).Get("image").Str()
				if k := slices.IndexFunc(wellKnown, func(k struct{ controller, class, image string }) bool { return imageHas(image, k.image) }); k >= 0 {
					found = append(found, controllerPods{w, k})
					break
				}
			}
		}
	}
	return found
}

// imageHas reports whether whole elements of the path of an image are the words.
func imageHas(image, words string) bool {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return strings.HasSuffix("/"+name, "/"+words)
}

// controllersOf returns the pods that forward what a route routes, as far as they
// were read and are of a controller that is known.
func (x *Exposure) controllersOf(r route) (pods []model.Workload) {
	if r.via == ViaGateway {
		for _, g := range r.gateways {
			for _, c := range x.controllers() {
				labels := c.Pod.Labels()
				if slices.ContainsFunc(gatewayLabels, func(l string) bool { return labels.Get(l).Str() == g.Key.Name }) &&
					(c.Object.Key.Namespace == g.Key.Namespace || labels.Get("gateway.envoyproxy.io/owning-gateway-namespace").Str() == g.Key.Namespace) {
					pods = append(pods, c.Workload)
				}
			}
		}
		return pods
	}
	class := ingressClass(r.object)
	name := class
	if o := x.snapshot.Get(model.Key{Cluster: r.object.Key.Cluster, GroupKind: model.IngressClassKind, Name: class}); o != nil {
		name = o.Root.Dig("spec", "controller").Str()
	}
	for _, c := range x.controllers() {
		if c.known >= 0 && r.object.Key.Kind == "Ingress" && (class == "" || wellKnown[c.known].class == name || wellKnown[c.known].controller == name) {
			pods = append(pods, c.Workload)
		}
	}
	return pods
}

// Exposed is a way in to an endpoint, with what network policies leave of it.
type Exposed struct {
	Endpoint ID
	Way
	// Must and May are the ports of the pods that somebody at the outer end reaches:
	// in every case, and in some. Without any, policies close the way.
	Must, May PortSet
	// From are the only addresses from which that is so; nil when it is so from all
	// that the way is open to, and for routes.
	From []netip.Prefix
}

// State reports whether the way leads in.
func (e *Exposed) State() Answer {
	switch {
	case e.May.Empty() && !(e.AnyPort && e.Ports.Empty()):
		return No
	case e.Must.Empty():
		return Maybe
	}
	return e.Answer
}

// Exposed yields the ways in to each endpoint that has some, by id, those that
// policies close included. x must be of the snapshot of g.
func (g *Graph) Exposed(x *Exposure) iter.Seq2[ID, []Exposed] {
	return func(yield func(ID, []Exposed) bool) {
		for id := range ID(len(g.workloads)) {
			var all []Exposed
			for _, w := range x.Ways(g.workloads[id]) {
				if w.Via != ViaHostPort || !w.Node.Has(tree.Implied) { // else the host network says it
					all = append(all, g.exposed(x, id, w))
				}
			}
			if len(all) > 0 && !yield(id, all) {
				return
			}
		}
	}
}

func (g *Graph) exposed(x *Exposure, id ID, w Way) Exposed {
	e := Exposed{Endpoint: id, Way: w}
	if w.Via == ViaIngress || w.Via == ViaGateway {
		g.exposedByRoute(x, &e)
	} else {
		g.exposedToAddresses(&e)
	}
	if e.Answer == Maybe {
		e.Must = nil
	}
	return e
}

// Internet returns the endpoints that hold addresses of the internet.
func (g *Graph) Internet() []ID {
	var ids []ID
	for id := g.id(g.firstAddress()); id < g.id(g.firstName()); id++ {
		if slices.ContainsFunc(g.addresses.prefixes(g.unit(id)-g.firstAddress()), isPublic) {
			ids = append(ids, id)
		}
	}
	return ids
}

// exposedToAddresses finds what addresses at the outer end reach.
func (g *Graph) exposedToAddresses(e *Exposed) {
	var why Reasons
	all, some := true, []netip.Prefix(nil)
	for id := g.id(g.firstAddress()); id < g.id(g.firstName()); id++ {
		part := meeting(g.addresses.prefixes(g.unit(id)-g.firstAddress()), e.Sources)
		if e.Audience == Internet {
			part = slices.DeleteFunc(part, func(p netip.Prefix) bool { return !isPublic(p) })
		}
		if len(part) == 0 {
			continue
		}
		v := g.Ports(id, e.Endpoint)
		e.open(v.Must, v.May)
		if e.restrict(v.May).Empty() && !(e.AnyPort && !v.May.Empty()) {
			all = false
			continue
		}
		some = append(some, part...)
		if !v.Must.Equal(v.May) {
			why |= v.Why
		}
	}
	if !all {
		e.From = some
	}
	if !e.Must.Equal(e.May) {
		e.Why = append(e.Why, why.Texts()...)
	}
}

func (e *Exposed) restrict(s PortSet) PortSet {
	if e.AnyPort && e.Ports.Empty() {
		return s
	}
	return s.intersect(e.Ports)
}

// open adds ports that policies allow.
func (e *Exposed) open(must, may PortSet) {
	e.Must, e.May = e.Must.union(e.restrict(must)), e.May.union(e.restrict(may))
}

// meeting returns the parts of ranges that lie in one of others; in all, when
// there are no others.
func meeting(ranges, others []netip.Prefix) []netip.Prefix {
	if len(others) == 0 {
		return slices.Clone(ranges)
	}
	var found []netip.Prefix
	for _, r := range ranges {
		for _, o := range others {
			switch {
			case !r.Overlaps(o):
			case r.Bits() >= o.Bits():
				found = append(found, r)
			default:
				found = append(found, o)
			}
		}
	}
	return found
}

// exposedByRoute finds what the controller of a route reaches.
func (g *Graph) exposedByRoute(x *Exposure, e *Exposed) {
	var why Reasons
	for _, c := range e.controllers {
		for _, from := range g.Find(c.Object.Key) {
			v := g.Ports(from, e.Endpoint)
			e.open(v.Must, v.May)
			why |= v.Why
		}
	}
	if !e.Must.Equal(e.May) {
		e.Why = append(e.Why, why.Texts()...)
	}
	if len(e.controllers) > 0 {
		e.controllerAudience(x)
		return
	}
	switch unit := g.unit(e.Endpoint); {
	case g.signOf[Ingress][unit] < 0: // nobody is turned away
		e.open(everyPort, everyPort)
	case g.admitsSome(unit, e):
		e.Why = append(e.Why, "network policies admit some, and the pods of the controller that forwards the requests were not read")
	default:
		e.Must, e.May = nil, nil
	}
}

// controllerAudience makes the way no wider than those to the controller.
func (e *Exposed) controllerAudience(x *Exposure) {
	best, found := Private, false
	for _, c := range e.controllers {
		for _, l := range x.leads(c) {
			for _, w := range serviceWays(l, c.Pod) {
				best, found = min(best, w.Audience), true
			}
		}
		for _, w := range hostWays(c) {
			best, found = min(best, w.Audience), true
		}
	}
	switch {
	case found:
		e.Audience = max(e.Audience, best)
	case x.Complete():
		e.Answer, e.Why = Maybe, append(e.Why, "nothing leads from outside to the pods that forward the requests")
	}
}

// admitsSome adds to May the ports on which policies may admit pods that were not
// read, and reports whether there are any.
func (g *Graph) admitsSome(unit int32, e *Exposed) bool {
	for _, a := range g.subjects[Ingress][unit] {
		if a.mesh {
			continue
		}
		if a.mayAllow[Ingress] != 0 || !a.isolates[Ingress] && len(a.rules[Ingress]) == 0 {
			e.open(nil, everyPort)
		}
		for _, r := range a.rules[Ingress] {
			if r.allows() || r.action == Pass {
				e.open(nil, r.ports.at(g.portMaps[g.portMapOf(unit)]))
			}
		}
	}
	if !slices.ContainsFunc(g.subjects[Ingress][unit], func(a applied) bool { return a.isolates[Ingress] }) {
		e.open(nil, everyPort) // only the tiers Admin and Baseline decide, and may not be about them
	}
	return !e.May.Empty()
}
