package reach

import (
	"net/netip"
	"slices"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Via is the kind of a way from outside the cluster to pods.
type Via string

// The kinds of ways.
const (
	ViaLoadBalancer Via = "LoadBalancer"
	ViaNodePort     Via = "NodePort"
	ViaExternalIP   Via = "ExternalIP"
	ViaIngress      Via = "Ingress" // also OpenShift's Route, and routes of other controllers
	ViaGateway      Via = "Gateway" // a route of the Gateway API
	ViaHostNetwork  Via = "HostNetwork"
	ViaHostPort     Via = "HostPort"
)

// Audience says who stands at the outer end of a way, from the most.
type Audience uint8

// The audiences. Whether the internet reaches nodes is not in a snapshot.
const (
	Internet Audience = iota // anybody, or those in Way.Sources
	Nodes                    // whoever reaches an address of a node
	Private                  // the network around the cluster only
)

func (a Audience) String() string { return [...]string{"internet", "nodes", "private"}[a] }

// Way leads from outside the cluster to the pods of a workload, network policies
// left aside: [Graph.Exposed] has what they let through.
type Way struct {
	Via      Via
	Audience Audience
	Sources  []netip.Prefix // that a load balancer lets in; nil for all
	Object   *model.Object  // what opens the way: the Service, the route, or the workload
	Node     *tree.Node     // where in Object
	Service  *model.Object  // that it leads through; nil on the host
	Gateway  *model.Object  // of a route, when it was read
	// Ports are those of the pods. With AnyPort the way is open to every port on
	// which the pods listen, and Ports are those that they declare.
	Ports   PortSet
	AnyPort bool
	Answer  Answer   // Yes or Maybe
	Why     []string // sentences without a full stop; of Maybe, and of what else is worth knowing

	controllers []model.Workload // that forward requests; of routes
}

// Exposure knows what leads from outside the cluster to pods: Services, Ingresses,
// routes of the Gateway API and of OpenShift, the host network and host ports. An
// ExternalName leads out and is no way in, unless it names a Service of the cluster
// and a route leads to it. Of [OtherRouteKinds] only the names are understood.
//
// It is safe for concurrent use, and belongs to one snapshot.
type Exposure struct {
	snapshot    *model.Snapshot
	services    map[serviceLabel][]service
	routes      map[objectName][]route
	controllers func() []controllerPods
	hand        func() *handIndex
	handmade    []*model.Object // Services without a selector that are open to the outside
}

// objectName names an object of a kind that is clear from the context.
type objectName struct{ namespace, name string }

// service is a Service that selects pods.
type service struct {
	*model.Object
	selector model.Selector
}

// serviceLabel is a label that a Service selects by, and its namespace.
type serviceLabel struct{ namespace, key, value string }

// NewExposure reads the Services and routes of a snapshot.
func NewExposure(s *model.Snapshot) *Exposure {
	x := &Exposure{snapshot: s, services: map[serviceLabel][]service{}, routes: map[objectName][]route{}}
	x.controllers = sync.OnceValue(x.findControllers)
	x.hand = sync.OnceValue(func() *handIndex { return readHandmade(s) })
	for _, gk := range RouteKinds() {
		for o := range s.Kind(gk) {
			x.addRoute(o)
		}
	}
	for _, gk := range otherRouteKinds {
		for o := range s.Kind(gk) {
			x.addOther(o)
		}
	}
	x.followNames()
	for o := range s.Kind(model.ServiceKind) {
		if selector, ok := ServiceSelector(o); ok {
			first := &selector.Children()[0]
			at := serviceLabel{o.Key.Namespace, first.Key(), first.Str()}
			x.services[at] = append(x.services[at], service{o, model.MatchLabels(selector)})
		} else if o.Root.Dig("spec", "type").Str() != "ExternalName" && (outward(o) || len(x.routes[objectName{o.Key.Namespace, o.Key.Name}]) > 0) {
			x.handmade = append(x.handmade, o)
		}
	}
	return x
}

// outward reports whether a Service is open to the outside itself.
func outward(o *model.Object) bool {
	t := o.Root.Dig("spec", "type").Str()
	return t == "LoadBalancer" || t == "NodePort" || o.Root.Dig("spec", "externalIPs").Len() > 0
}

// ServiceSelector returns the labels by which a Service selects pods, and false
// when it selects none: without a selector its endpoints are made by hand, and an
// ExternalName has none.
func ServiceSelector(o *model.Object) (*tree.Node, bool) {
	selector := o.Root.Dig("spec", "selector")
	return selector, selector.Len() > 0 && o.Root.Dig("spec", "type").Str() != "ExternalName"
}

// Services returns the Services that lead to the pods of a workload, by their
// selector or by endpoints made by hand, in key order.
func (x *Exposure) Services(w model.Workload) []*model.Object {
	var found []*model.Object
	for _, l := range x.leads(w) {
		found = append(found, l.Object)
	}
	return found
}

// lead is a Service that leads to pods.
type lead struct {
	*model.Object
	selects bool       // them
	hand    []handPort // of endpoints made by hand
}

// leads returns the Services that lead to the pods of a workload, in key order. Pods
// that have ended are no endpoints.
func (x *Exposure) leads(w model.Workload) []lead {
	var found []lead
	if w.Object.Ended() {
		return nil
	}
	labels := w.Pod.Labels()
	for i := range labels.Children() {
		l := &labels.Children()[i]
		for _, s := range x.services[serviceLabel{w.Object.Key.Namespace, l.Key(), l.Str()}] {
			if s.selector.Matches(labels) {
				found = append(found, lead{Object: s.Object, selects: true})
			}
		}
	}
	for _, h := range x.hand().pods[w.Object.Key] {
		if i := slices.IndexFunc(found, func(l lead) bool { return l.Object == h.service }); i >= 0 {
			found[i].hand = h.ports
		} else {
			found = append(found, lead{Object: h.service, hand: h.ports})
		}
	}
	slices.SortFunc(found, func(a, b lead) int { return a.Key.Compare(b.Key) })
	return found
}

// ports returns the ports of a pod to which those of the Service lead; with a port
// given only that one, by number or name.
func (l lead) ports(pod model.PodTemplate, only *tree.Node) PortSet {
	var set PortSet
	if l.selects {
		set = targetPorts(l.Root.Get("spec"), pod, only)
	}
	return set.union(handPorts(l.Root.Get("spec"), l.hand, only))
}

// Routes returns the objects that route requests to a Service, in the order of
// [RouteKinds], then by key. Routes that lead nowhere are left out.
func (x *Exposure) Routes(service model.Key) []*model.Object {
	var found []*model.Object
	for _, r := range x.routes[objectName{service.Namespace, service.Name}] {
		if !slices.Contains(found, r.object) && r.attached.Answer != No {
			found = append(found, r.object)
		}
	}
	return found
}

// Complete reports whether every object was read that opens a way in.
func (x *Exposure) Complete() bool {
	return x.snapshot.Complete("", slices.Concat(RouteKinds(), otherRouteKinds, []model.GroupKind{model.ServiceKind})...)
}

// Ways returns the ways in to pods: those of Services in key order, each followed
// by those of its routes, then those on the host. The node ports of a load balancer
// with source ranges are a way of their own, as the ranges do not hold for them. On the host network each port
// that is declared is one on the host as well.
func (x *Exposure) Ways(w model.Workload) []Way {
	var ways []Way
	for _, l := range x.leads(w) {
		ways = append(ways, serviceWays(l, w.Pod)...)
		ways = append(ways, x.routeWays(l, w.Pod)...)
	}
	if w.Object.Ended() {
		return ways
	}
	return append(ways, hostWays(w)...)
}

// serviceWays returns the ways that a Service opens itself.
func serviceWays(l lead, pod model.PodTemplate) []Way {
	var ways []Way
	spec := l.Root.Get("spec")
	way := Way{Object: l.Object, Service: l.Object, Answer: Yes, Node: spec.Get("type"), Audience: Nodes}
	way.Ports = l.ports(pod, nil)
	if way.Ports.Empty() {
		way.Answer, way.Why = Maybe, []string{"no port of the Service leads to a port that the pods declare"}
	}
	switch spec.Get("type").Str() {
	case "LoadBalancer":
		b := balancerWay(way)
		ways = append(ways, b)
		if (len(b.Sources) > 0 || b.Answer < way.Answer) && allocatesNodePorts(spec) {
			nodes := way
			nodes.Via = ViaNodePort
			if !pending(l.Object) {
				nodes.Why = append(slices.Clip(way.Why), "the source ranges of the load balancer do not hold for its node ports")
			}
			ways = append(ways, nodes)
		}
	case "NodePort":
		way.Via = ViaNodePort
		ways = append(ways, way)
	}
	if spec.Get("externalIPs").Len() > 0 {
		way.Via, way.Node = ViaExternalIP, spec.Get("externalIPs")
		ways = append(ways, way)
	}
	return ways
}

// localRanges are those of no use on the internet.
var localRanges = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

// isPublic reports whether a range holds addresses of the internet.
func isPublic(p netip.Prefix) bool {
	return !slices.ContainsFunc(localRanges, func(l netip.Prefix) bool { return l.Bits() <= p.Bits() && l.Contains(p.Addr()) })
}

// targetPorts returns the ports of a pod to which those of a Service lead; with a
// port given only that one, by number or name.
func targetPorts(spec *tree.Node, pod model.PodTemplate, only *tree.Node) PortSet {
	var set PortSet
	eachServicePort(spec, only, func(p *tree.Node, protocol Protocol) {
		target := p.Get("targetPort")
		if target.Kind() == tree.Null {
			target = p.Get("port")
		}
		if number, isNumber := target.Int(); isNumber && number > 0 && number <= maxPort {
			set = set.union(portsFrom(protocol, uint16(number), uint16(number)))
		} else if name := target.Str(); name != "" {
			set = set.union(namedPorts(pod, name, protocol))
		}
	})
	return set
}

// eachServicePort calls do with the ports of a Service; with a port given only with
// that one, by number or name.
func eachServicePort(spec, only *tree.Node, do func(*tree.Node, Protocol)) {
	ports := spec.Get("ports")
	for i := range ports.Children() {
		p := ports.At(i)
		if only != nil && only.Text() != p.Get("port").Text() && (p.Get("name") == nil || only.Text() != p.Get("name").Text()) {
			continue
		}
		if protocol, ok := protocolOf(p.Get("protocol")); ok {
			do(p, protocol)
		}
	}
}

// NamedPorts returns the ports that a pod declares under a name.
func NamedPorts(pod model.PodTemplate, name string) PortSet {
	var set PortSet
	for _, p := range [...]Protocol{TCP, UDP, SCTP} {
		set = set.union(namedPorts(pod, name, p))
	}
	return set
}

func namedPorts(pod model.PodTemplate, name string, protocol Protocol) PortSet {
	var set PortSet
	eachPort(pod, func(p *tree.Node, port Port) {
		if port.Protocol == protocol && p.Get("name").Str() == name {
			set = set.union(portsFrom(protocol, port.Number, port.Number))
		}
	})
	return set
}

// eachPort calls do with the ports that the containers of a pod declare which run
// as long as it does.
func eachPort(pod model.PodTemplate, do func(*tree.Node, Port)) {
	for _, key := range []string{"containers", "initContainers"} {
		containers := pod.Spec.Get(key)
		for i := range containers.Children() {
			c := containers.At(i)
			if key == "initContainers" && c.Get("restartPolicy").Str() != "Always" {
				continue
			}
			ports := c.Get("ports")
			for j := range ports.Children() {
				p := ports.At(j)
				protocol, ok := protocolOf(p.Get("protocol"))
				if number, isNumber := p.Get("containerPort").Int(); ok && isNumber && number > 0 && number <= maxPort {
					do(p, Port{protocol, uint16(number)})
				}
			}
		}
	}
}

// DeclaredPorts returns the ports that the containers of a pod declare.
func DeclaredPorts(pod model.PodTemplate) PortSet {
	var set PortSet
	eachPort(pod, func(_ *tree.Node, port Port) { set = set.union(portsFrom(port.Protocol, port.Number, port.Number)) })
	return set
}

// hostWays returns the ways in by addresses of the node.
func hostWays(w model.Workload) []Way {
	var ways []Way
	if host := w.Pod.Spec.Get("hostNetwork"); host.True() {
		way := Way{Via: ViaHostNetwork, Audience: Nodes, Object: w.Object, Node: host, AnyPort: true, Ports: DeclaredPorts(w.Pod), Answer: Yes}
		if way.Ports.Empty() {
			way.Why = append(way.Why, "the pods declare no ports, so on which they listen is not known")
		}
		ways = append(ways, way)
	}
	eachPort(w.Pod, func(p *tree.Node, port Port) {
		number, ok := p.Get("hostPort").Int()
		if !ok || number <= 0 {
			return
		}
		if ip, err := netip.ParseAddr(p.Get("hostIP").Str()); err == nil && ip.IsLoopback() {
			return
		}
		ways = append(ways, Way{Via: ViaHostPort, Audience: Nodes, Object: w.Object, Node: p.Get("hostPort"),
			Ports: portsFrom(port.Protocol, port.Number, port.Number), Answer: Yes})
	})
	return ways
}
