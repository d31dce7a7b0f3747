package check

import (
	"strconv"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// objectName names an object of a kind that is clear from the context.
type objectName struct{ namespace, name string }

// route leads traffic from outside the cluster to a Service.
type route struct {
	object *model.Object
	via    string // Ingress or Gateway
}

// routeKinds are the kinds of routes, and by what way they lead in.
var routeKinds = map[model.GroupKind]string{
	{Group: "networking.k8s.io", Kind: "Ingress"}:           "Ingress",
	{Group: "extensions", Kind: "Ingress"}:                  "Ingress",
	{Group: "route.openshift.io", Kind: "Route"}:            "Ingress",
	{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}: "Gateway",
	{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"}: "Gateway",
	{Group: "gateway.networking.k8s.io", Kind: "TLSRoute"}:  "Gateway",
	{Group: "gateway.networking.k8s.io", Kind: "TCPRoute"}:  "Gateway",
	{Group: "gateway.networking.k8s.io", Kind: "UDPRoute"}:  "Gateway",
}

// backend is a place in a route that names a Service.
type backend struct {
	service objectName
	path    tree.Path  // to the name
	port    *tree.Node // of the Service: a number or a name; nil when any will do
}

// backends returns the places where a route names Services.
func backends(o *model.Object) []backend {
	var found []backend
	add := func(at tree.Path, namespace, nameKey string, port *tree.Node) {
		name := o.Root.Follow(at).Get(nameKey).Str()
		if name == "" {
			return
		}
		if namespace == "" {
			namespace = o.Key.Namespace
		}
		found = append(found, backend{objectName{namespace, name}, at.Join(tree.Step{Key: nameKey}), port})
	}
	switch {
	case o.Key.Kind == "Ingress":
		for _, at := range ingressBackends(o.Root.Get("spec")) {
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
		for at := range items(o.Root, tree.Keys("spec", "alternateBackends")) {
			add(at, "", "name", nil)
		}
	default:
		for rule := range items(o.Root, tree.Keys("spec", "rules")) {
			for at, n := range items(o.Root, rule.Join(tree.Step{Key: "backendRefs"})) {
				if kind := n.Get("kind").Str(); (kind == "" || kind == "Service") && n.Get("group").Str() == "" {
					add(at, n.Get("namespace").Str(), "name", n.Get("port"))
				}
			}
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

func (f *Facts) indexRoutes() map[objectName][]route {
	index := map[objectName][]route{}
	for _, o := range f.snapshot.All() {
		via, ok := routeKinds[o.Key.GroupKind]
		if !ok {
			continue
		}
		seen := map[objectName]bool{}
		for _, b := range backends(o) {
			if !seen[b.service] {
				seen[b.service] = true
				index[b.service] = append(index[b.service], route{o, via})
			}
		}
	}
	return index
}

func (f *Facts) serviceRoutes(o *model.Object) tree.Node {
	var items []tree.Node
	for _, r := range f.routes()[objectName{o.Key.Namespace, o.Key.Name}] {
		items = append(items, entries("kind", r.object.Key.Kind, "name", r.object.Key.Name))
	}
	return f.listOr(items, "no Ingress or route here leads to this Service, and others may live elsewhere", "", routingKinds...)
}

func (f *Facts) podServices(o *model.Object, pod *model.PodTemplate) tree.Node {
	var items []tree.Node
	for _, s := range f.services().find(o.Key.Namespace, pod.Labels()) {
		items = append(items, entries("name", s.Key.Name, "type", serviceType(s)))
	}
	return f.listOr(items, "no Service here selects these pods, and others may live elsewhere", o.Key.Namespace, serviceKind)
}

func (f *Facts) podExposure(o *model.Object, pod *model.PodTemplate) tree.Node {
	var ways []tree.Node
	add := func(via, name string) { ways = append(ways, entries("via", via, "name", name)) }
	for _, s := range f.services().find(o.Key.Namespace, pod.Labels()) {
		if t := serviceType(s); t == "LoadBalancer" || t == "NodePort" {
			add(t, s.Key.Name)
		}
		if s.Root.Dig("spec", "externalIPs").Len() > 0 {
			add("ExternalIP", s.Key.Name)
		}
		for _, r := range f.routes()[objectName{s.Key.Namespace, s.Key.Name}] {
			add(r.via, r.object.Key.Name)
		}
	}
	if pod.Spec.Get("hostNetwork").True() {
		add("HostNetwork", "")
	}
	for _, c := range containers(pod) {
		ports := c.Get("ports")
		for i := range ports.Children() {
			if port, ok := ports.At(i).Get("hostPort").Int(); ok && port > 0 {
				add("HostPort", strconv.FormatInt(port, 10))
			}
		}
	}
	return f.listOr(ways, "nothing here leads to these pods from outside the cluster, and what does may live elsewhere", "", wayInKinds...)
}

// containers returns the containers of all kinds of a pod.
func containers(pod *model.PodTemplate) []*tree.Node {
	var found []*tree.Node
	for _, key := range model.ContainerLists {
		l := pod.Spec.Get(key)
		for i := range l.Children() {
			found = append(found, l.At(i))
		}
	}
	return found
}
