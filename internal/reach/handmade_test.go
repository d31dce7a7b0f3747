package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

func endpointSlice(name, service, labels, rest string) string {
	family := "IPv4"
	if strings.Contains(rest, "::") {
		family = "IPv6"
	}
	return fmt.Sprintf("---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, namespace: shop, labels: {kubernetes.io/service-name: %s, %s}}\naddressType: %s\n%s\n", name, service, labels, family, rest)
}

// at gives a pod addresses.
func at(pod, addresses string) string {
	return pod + "status: {podIPs: [" + addresses + "]}\n"
}

func TestWaysInByHand(t *testing.T) {
	web, other := pod("shop", "web", "app: web", "{containerPort: 8080}"), pod("shop", "other", "app: other", "{containerPort: 8080}")
	front := object("v1", "Service", "shop", "front", "spec: {type: LoadBalancer, ports: [{name: http, port: 80, targetPort: 99}]}")
	inside := strings.Replace(front, "type: LoadBalancer, ", "", 1)
	ref := func(pod string) string {
		return "ports: [{name: http, port: 8080}]\nendpoints: [{addresses: [10.1.0.1], targetRef: {kind: Pod, name: " + pod + ", namespace: shop}}]"
	}
	ingress := object("networking.k8s.io/v1", "Ingress", "shop", "in", "spec: {defaultBackend: {service: {name: front, port: {number: 80}}}}")
	legacy := object("v1", "Endpoints", "shop", "front", "subsets: [{notReadyAddresses: [{ip: 10.1.0.1}], ports: [{name: http, port: 8080}]}]")
	deployment := "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: shop, uid: d}\nspec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: a}]}}}\n"
	replica := strings.Replace(at(pod("shop", "d-1", "app: d", ""), "{ip: 10.1.0.1}"), "namespace: shop,", "namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: d, uid: d, controller: true}],", 1)
	for _, c := range []struct{ name, text, want string }{
		{"nothing by hand", web + front, ""},
		{"a pod by reference", web + other + front + endpointSlice("s", "front", "", ref("web")), "LoadBalancer internet yes TCP 8080"},
		{"a pod by address", at(web, "{ip: 10.1.0.1}") + front + endpointSlice("s", "front", "", strings.Replace(ref("gone"), "targetRef", "x", 1)), "LoadBalancer internet yes TCP 8080"},
		{"of two families", at(web, "{ip: 10.9.9.9}, {ip: \"fd00::1\"}") + front + endpointSlice("s", "front", "", strings.Replace(ref("web"), "[10.1.0.1]", "[\"fd00:0::1\"]", 1)), "LoadBalancer internet yes TCP 8080"},
		{"the address counts and not the reference", at(web, "{ip: 10.9.9.9}") + front + endpointSlice("s", "front", "", ref("web")), ""},
		{"the pod that had the address has ended", strings.NewReplacer("status: {", "status: {phase: Failed, ", "name: web", "uid: w, name: web").Replace(at(web, "{ip: 10.1.0.1}")) + front + endpointSlice("s", "front", "", strings.Replace(ref("gone"), "targetRef", "x", 1)), ""},
		{"a port of another name", web + front + endpointSlice("s", "front", "", strings.Replace(ref("web"), "name: http", "name: https", 1)), "LoadBalancer internet no none"},
		{"a port of another protocol", web + front + endpointSlice("s", "front", "", strings.Replace(ref("web"), "name: http", "protocol: UDP, name: http", 1)), "LoadBalancer internet no none"},
		{"another Service", web + front + endpointSlice("s", "back", "", ref("web")), ""},
		{"a Service inside", web + inside + endpointSlice("s", "front", "", ref("web")), ""},
		{"an Ingress", web + inside + ingress + endpointSlice("s", "front", "", ref("web")), "Ingress internet yes TCP 8080"},
		{"Endpoints", at(web, "{ip: 10.1.0.1}") + front + legacy, "LoadBalancer internet yes TCP 8080"},
		{"Endpoints that are not copied", at(web, "{ip: 10.1.0.1}") + front + strings.Replace(legacy, "namespace: shop", "namespace: shop, labels: {endpointslice.kubernetes.io/skip-mirror: \"true\"}", 1), ""},
		{"what a controller keeps", web + other + svc("front", "type: NodePort, ports: [{name: http, port: 80}]") +
			endpointSlice("s", "front", "endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io", ref("other")), "NodePort nodes yes TCP 80"},
		{"more than a selector", web + other + svc("front", "type: NodePort, ports: [{name: http, port: 80}]") + endpointSlice("s", "front", "", ref("other")),
			"NodePort nodes yes TCP 8080; NodePort nodes yes TCP 80"},
		{"a pod of a Deployment", deployment + replica + front + endpointSlice("s", "front", "", strings.Replace(ref("gone"), "targetRef", "x", 1)), "LoadBalancer internet yes TCP 8080"},
		{"sources are translated", web + front + endpointSlice("s", "front", "", ref("web")) + netpol("shop", "nodes", "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"), "LoadBalancer internet maybe none/TCP 8080"},
	} {
		if got := told(t, true, c.text); got != c.want {
			t.Errorf("%s:\n  %s\nwant\n  %s", c.name, got, c.want)
		}
	}
}

func TestHandmadeServices(t *testing.T) {
	outward := object("v1", "Service", "shop", "open", "spec: {type: NodePort, ports: [{port: 80}]}") + object("v1", "Service", "shop", "inside", "spec: {ports: [{port: 80}]}")
	to := func(addresses string) string {
		return endpointSlice("s", "open", "", "ports: [{name: \"\", port: 8080}]\nendpoints: [{addresses: ["+addresses+"]}]")
	}
	node := "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-1}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.5}]}\n"
	api := "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}\naddressType: IPv4\nendpoints: [{addresses: [10.0.0.6]}]\nports: [{name: https, port: 6443}]\n"
	for _, c := range []struct {
		name   string
		closed bool
		text   string
		want   string
	}{
		{"nothing was read, and there may be more", false, outward, "open false"},
		{"there is nothing", true, outward, ""},
		{"an address outside", true, outward + to("192.0.2.7"), "open true addresses 192.0.2.7 TCP 8080"},
		{"an address outside in an open world", false, outward + to("192.0.2.7"), "open true addresses 192.0.2.7 TCP 8080"},
		{"a node", true, outward + node + to("10.0.0.5"), "open true node 10.0.0.5 TCP 8080"},
		{"the API server", true, outward + node + api + to("10.0.0.6"), "open true API server 10.0.0.6 TCP 8080"},
		{"a pod", true, outward + at(pod("shop", "web", "app: web", ""), "{ip: 10.1.0.1}") + to("10.1.0.1"), ""},
	} {
		s := model.NewSnapshot(parse(t, c.text), c.closed)
		var got []string
		for _, h := range NewExposure(s).Handmade() {
			text := fmt.Sprint(h.Service.Key.Name, " ", h.Known)
			for _, e := range h.To {
				text += fmt.Sprint(" ", e.Kind, " ", e.Address, " ", e.Ports)
			}
			got = append(got, text)
		}
		if all := strings.Join(got, "; "); all != c.want {
			t.Errorf("%s: %s, want %s", c.name, all, c.want)
		}
	}
}

// leadsTo writes where a Service leads to.
func leadsTo(t *testing.T, closed bool, key model.Key, port, text string) string {
	s := model.NewSnapshot(parse(t, text), closed)
	g := New(s)
	leads, known := g.Leads(NewExposure(s), s.Get(key), port)
	var parts []string
	for _, l := range leads {
		e := g.Endpoint(l.ID)
		parts = append(parts, e.Kind.String()+" "+l.Ports.String())
	}
	if !known {
		parts = append(parts, "not known")
	}
	return strings.Join(parts, ", ")
}

func TestLeads(t *testing.T) {
	key := model.Key{Namespace: "shop", GroupKind: model.ServiceKind, Name: "db"}
	api := model.Key{Namespace: "default", GroupKind: model.ServiceKind, Name: "kubernetes"}
	service := func(spec string) string { return object("v1", "Service", "shop", "db", "spec: {"+spec+"}") }
	slice := endpointSlice("s", "db", "", "ports: [{name: a, port: 5432}, {name: b, port: 6000}]\nendpoints: [{addresses: [192.0.2.7]}]")
	kubernetes := object("v1", "Service", "default", "kubernetes", "spec: {ports: [{name: https, port: 443, targetPort: 6443}]}")
	for _, c := range []struct {
		name   string
		closed bool
		key    model.Key
		port   string
		text   string
		want   string
	}{
		{"outside", true, key, "", service("ports: [{name: a, port: 1}, {name: c, port: 2}]") + slice, "addresses TCP 5432"},
		{"one port", true, key, "3", service("ports: [{name: a, port: 1}, {name: b, port: 3}]") + slice, "addresses TCP 6000"},
		{"one port by name", true, key, "b", service("ports: [{name: a, port: 1}, {name: b, port: 3}]") + slice, "addresses TCP 6000"},
		{"no such port", true, key, "4", service("ports: [{name: a, port: 1}]") + slice, "addresses none"},
		{"headless without ports", true, key, "", service("clusterIP: None") + slice, "addresses TCP 5432,6000"},
		{"headless: ports are not translated", true, key, "80", service("clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]") + pod("shop", "web", "app: web", ""), "pods TCP 80"},
		{"translated", true, key, "80", service("selector: {app: web}, ports: [{port: 80, targetPort: 8080}]") + pod("shop", "web", "app: web", ""), "pods TCP 8080"},
		{"nothing was read", false, key, "", service("ports: [{port: 1}]"), "not known"},
		{"there is nothing", true, key, "", service("ports: [{port: 1}]"), ""},
		{"a name outside", false, key, "", service("type: ExternalName, externalName: a.example"), ""},
		{"the API server", false, api, "443", kubernetes, "API server TCP 6443"},
	} {
		if got := leadsTo(t, c.closed, c.key, c.port, c.text); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Cilium takes the addresses of Services without a selector for ranges.
func TestCiliumServiceByHand(t *testing.T) {
	text := pod("shop", "web", "app: web", "") + object("v1", "Service", "shop", "db", "spec: {ports: [{port: 1}]}") +
		object("cilium.io/v2", "CiliumNetworkPolicy", "shop", "p", "spec: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: db, namespace: shop}}]}]}")
	slice := endpointSlice("s", "db", "", "ports: [{port: 5432}]\nendpoints: [{addresses: [192.0.2.7]}]")
	for _, c := range []struct {
		name       string
		closed     bool
		text       string
		in, beside Answer
	}{
		{"no endpoints", true, text, Maybe, Maybe},
		{"an address", true, text + slice, Yes, No},
		{"there may be more", false, text + slice, Yes, Maybe},
	} {
		g := graph(t, c.closed, c.text)
		web := g.InNamespace("shop")[0]
		in, beside := g.Ports(web, g.Address(netip.MustParseAddr("192.0.2.7"))).Answer(), g.Ports(web, g.Address(netip.MustParseAddr("192.0.2.8"))).Answer()
		if in != c.in || beside != c.beside {
			t.Errorf("%s: %s and %s, want %s and %s", c.name, in, beside, c.in, c.beside)
		}
	}
}

// Pods that differ from their template only where nobody looks are no endpoints of
// their own; a label that somebody added and a policy looks at makes them one.
func TestLivePodsBesideTheirTemplate(t *testing.T) {
	deployment := "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, uid: d}\nspec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: a}]}}}\n"
	replica := func(name, labels, spec string) string {
		return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: shop, labels: {app: web" + labels + "}, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}\n" +
			"spec: {" + spec + "containers: [{name: c, image: a}, {name: proxy, image: b, ports: [{containerPort: 15090}]}]}\n"
	}
	balancer := svc("web", "type: LoadBalancer, ports: [{port: 80}]")
	mesh := netpol("shop", "mesh", "podSelector: {matchLabels: {mesh: \"on\"}}, policyTypes: [Ingress]")
	for _, c := range []struct{ name, text, want string }{
		{"alike", deployment + replica("a", "", "") + replica("b", "", ""), "Deployment"},
		{"behind a load balancer", deployment + balancer + replica("a", "", "") + replica("b", "", ""), "Deployment"},
		{"a label that nobody looks at", deployment + balancer + replica("a", ", mesh: \"on\"", ""), "Deployment"},
		{"a label that a policy looks at", deployment + balancer + mesh + replica("a", ", mesh: \"on\"", "") + replica("b", "", ""), "Deployment Pod"},
		{"a label that takes it from a load balancer", deployment + strings.Replace(balancer, "app: web", "app: web, mesh: \"off\"", 1) + replica("a", ", mesh: \"off\"", ""), "Deployment Pod"},
		{"three that differ in two ways", deployment + mesh + replica("a", ", mesh: \"on\"", "") + replica("b", ", mesh: \"off\"", "") + replica("c", ", mesh: \"on\"", ""), "Deployment Pod Pod"},
		{"the host network", deployment + replica("a", "", "hostNetwork: true, "), "Deployment Pod"},
	} {
		g := graph(t, true, c.text)
		var kinds []string
		for _, id := range g.InNamespace("shop") {
			kinds = append(kinds, g.Endpoint(id).Workload.Object.Key.Kind)
		}
		if got := strings.Join(kinds, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	g := graph(t, true, deployment+mesh+replica("a", ", mesh: \"on\"", "")+replica("b", "", ""))
	if internet := g.Internet()[0]; g.Ports(internet, g.InNamespace("shop")[0]).Answer() != Yes || g.Ports(internet, g.InNamespace("shop")[1]).Answer() != No {
		t.Error("the pod is not judged by its own labels")
	}
	// One that differs alike is found by its own name, and is not the same pod.
	g = graph(t, true, deployment+mesh+replica("a", ", mesh: \"on\"", "")+replica("c", ", mesh: \"on\"", ""))
	ids := g.Find(model.Key{Namespace: "shop", GroupKind: model.PodKind, Name: "c"})
	if len(ids) != 1 || ids[0] != g.InNamespace("shop")[1] || g.Ports(ids[0], ids[0]).Answer() != No {
		t.Error(ids)
	}
}

// A pod that goes changes what policies mean that refer to a Service with its
// address, though nothing that they name changes.
func TestDiffOfPodsBehindEndpoints(t *testing.T) {
	text := at(pod("shop", "a", "app: a", ""), "{ip: 10.0.0.1}") + pod("shop", "client", "app: client", "") + object("v1", "Service", "shop", "hand", "spec: {ports: [{port: 80}]}") +
		endpointSlice("s", "hand", "", "endpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 8080}]") +
		object("cilium.io/v2", "CiliumNetworkPolicy", "shop", "c", "spec: {endpointSelector: {matchLabels: {app: client}}, egress: [{toServices: [{k8sService: {serviceName: hand, namespace: shop}}]}]}")
	s := model.NewSnapshot(parse(t, text), true)
	before, after := New(s), New(s.With(model.Change{Key: model.Key{Namespace: "shop", GroupKind: model.PodKind, Name: "a"}}))
	client, address := find(t, after, "shop/client"), netip.MustParseAddr("10.0.0.1")
	was, is := before.Ports(find(t, before, "shop/client"), before.Address(address)), after.Ports(client, after.Address(address))
	if was.Equal(is) {
		t.Fatalf("%v and %v: the policy means the same", was, is)
	}
	if sameContext(before, after) {
		t.Error("where the Service leads to is no part of what policies refer to")
	}
	for _, c := range Diff(before, after) {
		for i := range c.To {
			if len(c.From) == 1 && c.From[0].ID == client && slices.ContainsFunc(c.To[i].Prefixes, func(p netip.Prefix) bool { return p.Contains(address) }) {
				return
			}
		}
	}
	t.Error("the change is not among the differences")
}

// Endpoints that were read do not answer what EndpointSlices would say that may
// not be listed; slices of names do.
func TestHandmadeIsKnownBySlices(t *testing.T) {
	open := object("v1", "Service", "shop", "open", "spec: {type: NodePort, ports: [{port: 80}]}")
	legacy := object("v1", "Endpoints", "shop", "open", "subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 8080}]}]")
	gap := model.Gap{Kind: sliceKind, Reason: "forbidden"}
	names := strings.Replace(endpointSlice("s", "open", "", "endpoints: [{addresses: [a.example]}]"), "IPv4", "FQDN", 1)
	for _, c := range []struct {
		name, text string
		s          func(...*model.Object) *model.Snapshot
		want       string
	}{
		{"a gap", open + legacy, func(o ...*model.Object) *model.Snapshot { return model.NewSnapshot(o, true, gap) }, "[false 1]"},
		{"an open world", open + legacy, func(o ...*model.Object) *model.Snapshot { return model.NewSnapshot(o, false) }, "[false 1]"},
		{"a closed world", open + legacy, func(o ...*model.Object) *model.Snapshot { return model.NewSnapshot(o, true) }, "[true 1]"},
		{"names", open + names, func(o ...*model.Object) *model.Snapshot { return model.NewSnapshot(o, false) }, "[]"},
	} {
		var got []any
		for _, h := range NewExposure(c.s(parse(t, c.text)...)).Handmade() {
			got = append(got, h.Known, len(h.To))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
