package reach

import (
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const gatewayGroup = "gateway.networking.k8s.io"

// Sets of listeners that are added to a Gateway.
var (
	listenerSetKind    = model.GroupKind{Group: gatewayGroup, Kind: "ListenerSet"}
	oldListenerSetKind = model.GroupKind{Group: "gateway.networking.x-k8s.io", Kind: "XListenerSet"}
)

// routeKinds are the kinds of routes in key order, and what protocols listeners
// of a Gateway have for them.
var routeKinds = []struct {
	kind      model.GroupKind
	via       Via
	protocols []string
}{
	{model.GroupKind{Group: gatewayGroup, Kind: "GRPCRoute"}, ViaGateway, []string{"HTTP", "HTTPS"}},
	{model.GroupKind{Group: gatewayGroup, Kind: "HTTPRoute"}, ViaGateway, []string{"HTTP", "HTTPS"}},
	{model.OldIngressKind, ViaIngress, nil},
	{model.IngressKind, ViaIngress, nil},
	{model.GroupKind{Group: "route.openshift.io", Kind: "Route"}, ViaIngress, nil},
	{model.GroupKind{Group: gatewayGroup, Kind: "TCPRoute"}, ViaGateway, []string{"TCP", "TLS"}},
	{model.GroupKind{Group: gatewayGroup, Kind: "TLSRoute"}, ViaGateway, []string{"TLS"}},
	{model.GroupKind{Group: gatewayGroup, Kind: "UDPRoute"}, ViaGateway, []string{"UDP"}},
}

// RouteKinds returns the kinds of objects that route requests from outside the
// cluster to Services.
func RouteKinds() []model.GroupKind {
	var kinds []model.GroupKind
	for _, k := range routeKinds {
		kinds = append(kinds, k.kind)
	}
	return kinds
}

// Backend is a place in a route that names a Service.
type Backend struct {
	Namespace, Name string
	Path            tree.Path  // to the name
	Node            *tree.Node // the name
	Port            *tree.Node // of the Service: a number or a name; nil when any will do
}

// Backends returns the places where an object of [RouteKinds] names Services.
func Backends(o *model.Object) []Backend {
	var found []Backend
	add := func(at tree.Path, namespace, key string, port *tree.Node) {
		n := o.Root.Follow(at).Get(key)
		if n.Str() == "" {
			return
		}
		if namespace == "" {
			namespace = o.Key.Namespace
		}
		found = append(found, Backend{namespace, n.Str(), at.Join(tree.Step{Key: key}), n, port})
	}
	spec := o.Root.Get("spec")
	switch {
	case o.Key.Kind == "Ingress":
		for _, at := range ingressBackends(spec) {
			n := o.Root.Follow(at)
			if service := n.Get("service"); service != nil {
				port := service.Dig("port", "number")
				if port == nil {
					port = service.Dig("port", "name")
				}
				add(at.Join(tree.Step{Key: "service"}), "", "name", port)
			} else { // before networking.k8s.io/v1
				add(at, "", "serviceName", n.Get("servicePort"))
			}
		}
	case o.Key.Group == "route.openshift.io":
		add(tree.Keys("spec", "to"), "", "name", nil)
		for i := range spec.Get("alternateBackends").Children() {
			add(tree.Path{{Key: "spec"}, {Key: "alternateBackends"}, {Index: i}}, "", "name", nil)
		}
	default:
		for _, at := range gatewayBackends(o.Root) {
			n := o.Root.Follow(at)
			if kind := n.Get("kind").Str(); (kind == "" || kind == "Service") && n.Get("group").Str() == "" {
				add(at, n.Get("namespace").Str(), "name", n.Get("port"))
			}
		}
	}
	return found
}

// gatewayBackends returns the places where a route of the Gateway API says where
// requests go, and where copies of them do.
func gatewayBackends(root *tree.Node) []tree.Path {
	var found []tree.Path
	mirrors := func(at tree.Path) {
		filters := root.Follow(at)
		for k := range filters.Children() {
			if filters.At(k).Dig("requestMirror", "backendRef") != nil {
				found = append(found, at.Join(tree.Step{Index: k}, tree.Step{Key: "requestMirror"}, tree.Step{Key: "backendRef"}))
			}
		}
	}
	rules := root.Dig("spec", "rules")
	for i := range rules.Children() {
		rule := tree.Path{{Key: "spec"}, {Key: "rules"}, {Index: i}}
		mirrors(rule.Join(tree.Step{Key: "filters"}))
		refs := rules.At(i).Get("backendRefs")
		for j := range refs.Children() {
			at := rule.Join(tree.Step{Key: "backendRefs"}, tree.Step{Index: j})
			found = append(found, at)
			mirrors(at.Join(tree.Step{Key: "filters"}))
		}
	}
	return found
}

func ingressBackends(spec *tree.Node) []tree.Path {
	var found []tree.Path
	for _, key := range []string{"defaultBackend", "backend"} {
		if spec.Get(key) != nil {
			found = append(found, tree.Keys("spec", key))
		}
	}
	rules := spec.Get("rules")
	for i := range rules.Children() {
		paths := rules.At(i).Dig("http", "paths")
		for j := range paths.Children() {
			found = append(found, tree.Path{{Key: "spec"}, {Key: "rules"}, {Index: i}, {Key: "http"}, {Key: "paths"}, {Index: j}, {Key: "backend"}})
		}
	}
	return found
}

// route leads from outside to a Service.
type route struct {
	via     Via
	object  *model.Object
	backend Backend
	attached
	granted Answer // whether it may name a Service of another namespace
}

// attached says whether something accepts a route, and who can send requests.
type attached struct {
	Answer   Answer
	why      []string
	audience Audience
	sources  []netip.Prefix  // that are let in; nil for all
	gateways []*model.Object // that were read
}

func (x *Exposure) addRoute(o *model.Object) {
	var kind = routeKinds[slices.IndexFunc(RouteKinds(), func(gk model.GroupKind) bool { return gk == o.Key.GroupKind })]
	a := attached{Answer: Yes}
	if kind.via == ViaGateway {
		a = x.attach(o, kind.protocols)
	} else if o.Key.Kind == "Ingress" {
		a.audience, a.why = ingressAudience(o)
		x.limitSources(o, &a)
	}
	for _, b := range Backends(o) {
		if weight, ok := o.Root.Follow(b.Path[:len(b.Path)-1]).Get("weight").Int(); ok && weight == 0 {
			continue // it gets nothing
		}
		granted := Yes
		if b.Namespace != o.Key.Namespace {
			granted = x.granted(o, b)
		}
		if granted != No {
			to := objectName{b.Namespace, b.Name}
			x.routes[to] = append(x.routes[to], route{kind.via, o, b, a, granted})
		}
	}
}

// ingressAudience reports Private for an Ingress that asks for a balancer which
// the internet does not reach.
func ingressAudience(o *model.Object) (Audience, []string) {
	class := ingressClass(o)
	scheme := o.Annotation("alb.ingress.kubernetes.io/scheme")
	switch {
	case class == "alb" && scheme == "":
		return Private, []string{"the load balancer is internal, as nothing sets its scheme"}
	case class == "tailscale" && o.Annotation("tailscale.com/funnel") != "true":
		return Private, []string{"it is in a tailnet only, as no annotation opens a funnel"}
	case scheme == "internal", class == "gce-internal", o.Annotation("appgw.ingress.kubernetes.io/use-private-ip") == "true":
		return Private, []string{"its class or an annotation makes the load balancer internal"}
	case privateAddresses(o.Root.Dig("status", "loadBalancer", "ingress"), "ip"):
		return Private, []string{"it has private addresses only"}
	}
	return Internet, nil
}

// sourceAnnotations limit who may come by an Ingress, to ranges with commas between,
// in controllers with these names and classes.
var sourceAnnotations = []struct {
	key   string
	heeds []string
}{
	{"nginx.ingress.kubernetes.io/whitelist-source-range", []string{"nginx", "k8s.io/ingress-nginx"}},
	{"nginx.ingress.kubernetes.io/allowlist-source-range", []string{"nginx", "k8s.io/ingress-nginx"}},
	{"alb.ingress.kubernetes.io/inbound-cidrs", []string{"alb", "ingress.k8s.aws/alb"}},
	{"haproxy.org/whitelist", []string{"haproxy", "haproxy.org/ingress-controller/haproxy"}},
	{"haproxy.org/allow-list", []string{"haproxy", "haproxy.org/ingress-controller/haproxy"}},
	{"haproxy-ingress.github.io/allowlist-source-range", []string{"haproxy", "haproxy-ingress.github.io/controller"}},
	{"haproxy-ingress.github.io/whitelist-source-range", []string{"haproxy", "haproxy-ingress.github.io/controller"}},
}

// limitSources notes the ranges to which an annotation limits an Ingress. Where its
// controller may not heed that, or not all of it is understood, it is a doubt.
func (x *Exposure) limitSources(o *model.Object, a *attached) {
	class := ingressClass(o)
	controller := class
	if c := x.snapshot.Get(model.Key{Cluster: o.Key.Cluster, GroupKind: model.IngressClassKind, Name: class}); c != nil {
		controller = c.Root.Dig("spec", "controller").Str()
	}
	for _, s := range sourceAnnotations {
		text := o.Annotation(s.key)
		if strings.TrimSpace(text) == "" {
			continue
		}
		ranges, ok := commaRanges(text)
		known := slices.Contains(s.heeds, class) || slices.Contains(s.heeds, controller)
		if !ok || !known || o.Annotation("alb.ingress.kubernetes.io/security-groups") != "" {
			a.Answer = min(a.Answer, Maybe)
			a.why = append(a.why, "an annotation limits who may come, which its controller may not heed")
			continue
		}
		a.sources = append(a.sources, ranges...)
		if !slices.ContainsFunc(a.sources, isPublic) {
			a.audience = Private
			a.why = append(a.why, "an annotation lets in private addresses only")
		}
	}
}

// commaRanges reads ranges and addresses with commas between.
func commaRanges(text string) ([]netip.Prefix, bool) {
	var ranges []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		p, err := netip.ParsePrefix(part)
		if addr, bad := netip.ParseAddr(part); bad == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, false
		}
		ranges = append(ranges, p.Masked())
	}
	return ranges, true
}

func ingressClass(o *model.Object) string {
	if class := o.Root.Dig("spec", "ingressClassName").Str(); class != "" {
		return class
	}
	return o.Annotation("kubernetes.io/ingress.class")
}

// attach finds the Gateways to which a route is attached.
func (x *Exposure) attach(o *model.Object, protocols []string) attached {
	parents := o.Root.Dig("spec", "parentRefs")
	if parents.Len() == 0 {
		return attached{Answer: Maybe, why: []string{"the route names no Gateway"}}
	}
	best := attached{Answer: No, audience: Private}
	for i := range parents.Children() {
		ref := parents.At(i)
		key, ok := parentKey(o, ref)
		if !ok {
			continue // a mesh routes between Services with it
		}
		a := x.attachTo(o, key, ref, protocols)
		best.gateways = append(best.gateways, a.gateways...)
		switch {
		case a.Answer > best.Answer:
			a.gateways = best.gateways
			best = a
		case a.Answer == best.Answer && a.audience < best.audience:
			best.audience = a.audience
		}
	}
	return best
}

// parentKey names what a reference to a parent leads to; false when that is nothing
// that listens.
func parentKey(o *model.Object, ref *tree.Node) (model.Key, bool) {
	key := model.Key{Cluster: o.Key.Cluster, Namespace: ref.Get("namespace").Str(), GroupKind: model.GatewayKind, Name: ref.Get("name").Str()}
	if key.Namespace == "" {
		key.Namespace = o.Key.Namespace
	}
	switch kind := ref.Get("kind").Str(); kind {
	case "", "Gateway":
	case listenerSetKind.Kind:
		key.GroupKind = listenerSetKind
	case oldListenerSetKind.Kind:
		key.GroupKind = oldListenerSetKind
	default:
		return key, false
	}
	return key, true
}

func (x *Exposure) attachTo(o *model.Object, key model.Key, ref *tree.Node, protocols []string) attached {
	parent := x.snapshot.Get(key)
	switch {
	case parent == nil && x.snapshot.Complete(key.Namespace, key.GroupKind):
		return attached{Answer: No}
	case parent == nil:
		return attached{Answer: Maybe, why: []string{key.String() + " was not read"}}
	}
	a := x.behind(parent)
	answer := No
	listeners := parent.Root.Dig("spec", "listeners")
	for i := range listeners.Children() {
		l := listeners.At(i)
		name, port := ref.Get("sectionName").Str(), ref.Get("port")
		if name != "" && name != l.Get("name").Str() || port != nil && port.Text() != l.Get("port").Text() || !accepts(l, o, protocols) {
			continue
		}
		answer = max(answer, x.admits(l.Dig("allowedRoutes", "namespaces"), "Same", parent, o))
	}
	if answer == Maybe {
		a.why = append(a.why, key.String()+" admits routes by labels of Namespaces, and that of the route was not read")
	}
	if a.Answer = min(a.Answer, answer); a.Answer == No {
		a.gateways = nil
	}
	return a
}

// behind says whether what has listeners opens them, and to whom: a Gateway does, a
// set of listeners when its Gateway takes it.
func (x *Exposure) behind(parent *model.Object) attached {
	if parent.Key.GroupKind == model.GatewayKind {
		return attached{Answer: Yes, audience: gatewayAudience(parent), gateways: []*model.Object{parent}}
	}
	key, ok := parentKey(parent, parent.Root.Dig("spec", "parentRef"))
	if !ok || key.GroupKind != model.GatewayKind {
		return attached{Answer: No}
	}
	gateway := x.snapshot.Get(key)
	switch {
	case gateway == nil && x.snapshot.Complete(key.Namespace, key.GroupKind):
		return attached{Answer: No}
	case gateway == nil:
		return attached{Answer: Maybe, why: []string{key.String() + " was not read"}}
	}
	a := x.behind(gateway)
	a.Answer = x.admits(gateway.Root.Dig("spec", "allowedListeners", "namespaces"), "None", gateway, parent)
	if a.Answer == Maybe {
		a.why = []string{key.String() + " admits listeners by labels of Namespaces, and that of " + parent.Key.String() + " was not read"}
	}
	return a
}

// gatewayAudience reports Private for a Gateway that asks for a balancer which the
// internet does not reach.
func gatewayAudience(o *model.Object) Audience {
	spec := o.Root.Get("spec")
	switch {
	case strings.HasPrefix(spec.Get("gatewayClassName").Str(), "gke-l7-rilb"), internalBalancer(spec.Dig("infrastructure", "annotations")),
		internalBalancer(o.Root.Dig("metadata", "annotations")), privateAddresses(spec.Get("addresses"), "value"), privateAddresses(o.Root.Dig("status", "addresses"), "value"):
		return Private
	}
	return Internet
}

// accepts reports whether a listener takes routes of a kind.
func accepts(l *tree.Node, o *model.Object, protocols []string) bool {
	if p := l.Get("protocol").Str(); !slices.Contains(protocols, p) && !strings.Contains(p, "/") { // with a slash it is an implementation's own
		return false
	}
	if !hostsMeet(l.Get("hostname").Str(), o.Root.Dig("spec", "hostnames")) {
		return false
	}
	kinds := l.Dig("allowedRoutes", "kinds")
	for i := range kinds.Children() {
		if group := kinds.At(i).Get("group"); kinds.At(i).Get("kind").Str() == o.Key.Kind && (group == nil || group.Str() == gatewayGroup) {
			return true
		}
	}
	return kinds.Len() == 0
}

// admits reports whether what is of one object is taken from another one by the
// namespace of that; with nothing written, otherwise says which are.
func (x *Exposure) admits(namespaces *tree.Node, otherwise string, of, from *model.Object) Answer {
	which := namespaces.Get("from").Str()
	if which == "" {
		which = otherwise
	}
	switch which {
	case "All":
		return Yes
	case "Same":
		if from.Key.Namespace == of.Key.Namespace {
			return Yes
		}
	case "Selector":
		ns := x.snapshot.Get(model.Key{Cluster: from.Key.Cluster, GroupKind: model.NamespaceKind, Name: from.Key.Namespace})
		if ns == nil && !x.snapshot.Complete("", model.NamespaceKind) {
			return Maybe
		}
		if ns != nil && model.NewSelector(namespaces.Get("selector")).Matches(ns.Labels()) {
			return Yes
		}
	}
	return No
}

// hostsMeet reports whether a listener for a name, or for all with "", takes requests
// for one of the names of a route, which are all without any.
func hostsMeet(listener string, route *tree.Node) bool {
	if listener == "" || route.Len() == 0 {
		return true
	}
	return slices.ContainsFunc(route.Children(), func(n tree.Node) bool {
		return hostHolds(listener, n.Str()) || hostHolds(n.Str(), listener)
	})
}

// hostHolds reports whether a name, or a pattern that begins with "*.", holds another.
func hostHolds(pattern, name string) bool {
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(name) > len(domain) && strings.HasSuffix(strings.ToLower(name), strings.ToLower(domain))
	}
	return strings.EqualFold(pattern, name)
}

// granted reports whether a ReferenceGrant lets a route name a Service of another
// namespace. Only routes of the Gateway API can.
func (x *Exposure) granted(o *model.Object, b Backend) Answer {
	for grant := range x.snapshot.InNamespace(o.Key.Cluster, b.Namespace, model.ReferenceGrantKind) {
		spec := grant.Root.Get("spec")
		from := slices.ContainsFunc(spec.Get("from").Children(), func(n tree.Node) bool {
			return n.Get("group").Str() == o.Key.Group && n.Get("kind").Str() == o.Key.Kind && n.Get("namespace").Str() == o.Key.Namespace
		})
		to := slices.ContainsFunc(spec.Get("to").Children(), func(n tree.Node) bool {
			return n.Get("group").Str() == "" && n.Get("kind").Str() == "Service" && (n.Get("name").Str() == "" || n.Get("name").Str() == b.Name)
		})
		if from && to {
			return Yes
		}
	}
	if x.snapshot.Complete(b.Namespace, model.ReferenceGrantKind) {
		return No
	}
	return Maybe
}

// routeWays returns the ways that routes open by a Service, one for each route.
func (x *Exposure) routeWays(l lead, pod model.PodTemplate) []Way {
	var ways []Way
	at := map[*model.Object]int{} // in ways
	for _, r := range x.routes[objectName{l.Key.Namespace, l.Key.Name}] {
		if r.attached.Answer == No {
			continue
		}
		ports := l.ports(pod, r.backend.Port)
		if i, ok := at[r.object]; ok {
			ways[i].Ports = ways[i].Ports.union(ports)
			continue
		}
		w := Way{Via: r.via, Audience: r.audience, Sources: r.sources, Object: r.object, Node: r.backend.Node, Service: l.Object, Ports: ports, Answer: min(r.attached.Answer, r.granted), Why: slices.Clone(r.why)}
		if len(r.gateways) > 0 {
			w.Gateway = r.gateways[0]
		}
		if r.granted == Maybe {
			w.Why = append(w.Why, "no ReferenceGrant was read that lets the route name a Service of another namespace")
		}
		w.controllers = x.controllersOf(r)
		at[r.object], ways = len(ways), append(ways, w)
	}
	for i := range ways {
		if ways[i].Ports.Empty() {
			ways[i].Answer = Maybe
			ways[i].Why = append(ways[i].Why, "the port that it names leads to no port that the pods declare")
		}
	}
	return ways
}
