package reach

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// otherRouteKinds are kinds of objects that route requests in a language of their
// controller, which is not understood beyond the names of Services in it.
var otherRouteKinds = []model.GroupKind{
	{Group: "apisix.apache.org", Kind: "ApisixRoute"},
	{Group: "configuration.konghq.com", Kind: "TCPIngress"},
	{Group: "configuration.konghq.com", Kind: "UDPIngress"},
	{Group: "getambassador.io", Kind: "Mapping"},
	{Group: "getambassador.io", Kind: "TCPMapping"},
	{Group: "k8s.nginx.org", Kind: "TransportServer"},
	{Group: "k8s.nginx.org", Kind: "VirtualServer"},
	{Group: "k8s.nginx.org", Kind: "VirtualServerRoute"},
	{Group: "networking.istio.io", Kind: "VirtualService"},
	{Group: "projectcontour.io", Kind: "HTTPProxy"},
	{Group: "traefik.containo.us", Kind: "IngressRoute"},
	{Group: "traefik.containo.us", Kind: "IngressRouteTCP"},
	{Group: "traefik.containo.us", Kind: "IngressRouteUDP"},
	{Group: "traefik.io", Kind: "IngressRoute"},
	{Group: "traefik.io", Kind: "IngressRouteTCP"},
	{Group: "traefik.io", Kind: "IngressRouteUDP"},
	{Group: "zalando.org", Kind: "RouteGroup"},
}

// OtherRouteKinds returns the kinds of objects that may route requests from outside
// the cluster to the Services that they name; whether they do is not known.
func OtherRouteKinds() []model.GroupKind { return slices.Clone(otherRouteKinds) }

// serviceKeys are the fields by which routes of other kinds name Services.
var serviceKeys = []string{"name", "service", "serviceName", "host"}

// addOther adds ways that an object of another kind may open: to each Service that
// was read and that it names.
func (x *Exposure) addOther(o *model.Object) {
	if o.Key.Group == "networking.istio.io" && insideMesh(o.Root.Dig("spec", "gateways")) {
		return
	}
	a := attached{Answer: Maybe, why: []string{fmt.Sprintf("%s of %s is not understood beyond the names in it", o.Key.Kind, o.Key.Group)}}
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		for _, key := range serviceKeys {
			at := n.Get(key)
			name, ok := serviceNamed(at.Str(), o.Key.Namespace)
			if namespace := n.Get("namespace").Str(); namespace != "" && key == "name" {
				name.namespace = namespace
			}
			if ok && x.snapshot.Get(model.Key{Cluster: o.Key.Cluster, Namespace: name.namespace, GroupKind: model.ServiceKind, Name: name.name}) != nil {
				x.routes[name] = append(x.routes[name], route{ViaIngress, o, Backend{Namespace: name.namespace, Name: name.name, Node: at}, a, Yes})
			}
		}
		for i := range n.Children() {
			walk(&n.Children()[i])
		}
	}
	walk(o.Root.Get("spec"))
}

// insideMesh reports whether a VirtualService is for requests inside the mesh only.
func insideMesh(gateways *tree.Node) bool {
	return !slices.ContainsFunc(gateways.Children(), func(n tree.Node) bool { return n.Str() != "mesh" })
}

// serviceNamed reads a name of a Service: its own, or as DNS has it, with a port or
// without.
func serviceNamed(text, namespace string) (objectName, bool) {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	text, _, _ = strings.Cut(text, ":")
	labels := strings.Split(text, ".")
	switch {
	case text == "" || len(labels) > 2 && labels[2] != "svc":
		return objectName{}, false
	case len(labels) > 1:
		namespace = labels[1]
	}
	return objectName{namespace, labels[0]}, true
}

// chainBound is how many names of the cluster a name may lead over.
const chainBound = 8

// followNames lets routes to an ExternalName that names a Service of the cluster lead
// there: controllers that forward to its addresses do, others refuse it.
func (x *Exposure) followNames() {
	var names []*model.Object
	for o := range x.snapshot.Kind(model.ServiceKind) {
		if spec := o.Root.Get("spec"); spec.Get("type").Str() == "ExternalName" && strings.Contains(spec.Get("externalName").Str(), ".svc") {
			names = append(names, o)
		}
	}
	for range chainBound {
		added := false
		for _, o := range names {
			added = x.followName(o) || added
		}
		if !added {
			return
		}
	}
}

// followName lets the routes to one ExternalName lead to what it names. It reports
// whether some did not before.
func (x *Exposure) followName(o *model.Object) (added bool) {
	to, ok := serviceNamed(o.Root.Dig("spec", "externalName").Str(), "")
	from := x.routes[objectName{o.Key.Namespace, o.Key.Name}]
	if !ok || len(from) == 0 {
		return false
	}
	known := map[*tree.Node]bool{} // places in routes
	for _, r := range x.routes[to] {
		known[r.backend.Node] = true
	}
	for _, r := range from {
		if known[r.backend.Node] {
			continue
		}
		r.Answer = min(r.Answer, Maybe)
		r.why = append(slices.Clip(r.why), o.Key.String()+" is an ExternalName for it, which not every controller follows")
		r.backend.Port = numberOf(o.Root.Get("spec"), r.backend.Port)
		x.routes[to] = append(x.routes[to], r)
		added = true
	}
	return added
}

// numberOf returns the number of a Service's port that is named.
func numberOf(spec, port *tree.Node) *tree.Node {
	ports := spec.Get("ports")
	for i := range ports.Children() {
		if p := ports.At(i); port != nil && p.Get("name") != nil && p.Get("name").Text() == port.Text() {
			return p.Get("port")
		}
	}
	return port
}
