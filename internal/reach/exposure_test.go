package reach

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

func object(apiVersion, kind, namespace, name, rest string) string {
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\n%s\n", apiVersion, kind, name, namespace, rest)
}

func svc(name, spec string) string {
	return object("v1", "Service", "shop", name, "spec: {selector: {app: web}, "+spec+"}")
}

// told writes what leads in to the workloads of a snapshot.
func told(t *testing.T, closed bool, text string) string {
	s := model.NewSnapshot(parse(t, text), closed)
	x := NewExposure(s)
	var lines []string
	for _, all := range New(s).Exposed(x) {
		for _, e := range all {
			line := fmt.Sprintf("%s %s %s %s", e.Via, e.Audience, e.State(), e.Must)
			if !e.Must.Equal(e.May) {
				line += "/" + e.May.String()
			}
			if e.From != nil {
				line += fmt.Sprint(" from ", len(e.From))
			}
			if (e.Via == ViaIngress || e.Via == ViaGateway) && e.Sources != nil && e.Audience == Internet {
				line += fmt.Sprint(" of ", len(e.Sources))
			}
			if e.Node == nil {
				line += " without a place"
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func TestWaysIn(t *testing.T) {
	web := pod("shop", "web", "app: web", "{name: http, containerPort: 8080}")
	gw := "gateway.networking.k8s.io/v1"
	gateway := object(gw, "Gateway", "edge", "gw", "spec: {gatewayClassName: c, listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}")
	route := func(kind, spec string) string {
		return object(gw, kind, "shop", "r", "spec: {"+spec+", rules: [{backendRefs: [{name: web, port: 80}]}]}")
	}
	toGateway := "parentRefs: [{name: gw, namespace: edge}]"
	clusterIP := svc("web", "ports: [{port: 80, targetPort: http}]")
	ingress := object("networking.k8s.io/v1", "Ingress", "shop", "in", "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}")
	annotated := func(annotations string) string {
		return strings.Replace(svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]"), "namespace: shop}", "namespace: shop, annotations: {"+annotations+"}}", 1)
	}
	limited := func(class, annotations string) string {
		return strings.NewReplacer("namespace: shop}", "namespace: shop, annotations: {"+annotations+"}}", "spec: {", "spec: {ingressClassName: "+class+", ").Replace(ingress)
	}
	deny := netpol("shop", "deny", "podSelector: {}, policyTypes: [Ingress]")
	controller := strings.Replace(pod("edge", "ctl", "app: ctl", ""), "image: a", "image: registry.example/ingress-nginx/controller:v1", 1)
	front := object("v1", "Service", "edge", "ctl", "spec: {type: LoadBalancer, selector: {app: ctl}, ports: [{port: 80}]}")
	open := strings.Replace(gateway, "gatewayClassName: c,", "gatewayClassName: c, allowedListeners: {namespaces: {from: All}},", 1)
	set := object(gw, "ListenerSet", "shop", "set", "spec: {parentRef: {name: gw, namespace: edge}, listeners: [{name: b, port: 81, protocol: HTTP}]}")
	toSet := "parentRefs: [{kind: ListenerSet, name: set, namespace: shop}]"
	alias := func(name string) string {
		return object("v1", "Service", "edge", "alias", "spec: {type: ExternalName, externalName: "+name+", ports: [{name: web, port: 80}]}")
	}
	toAlias := strings.NewReplacer("namespace: shop", "namespace: edge", "name: web", "name: alias", "number: 80", "name: web").Replace(ingress)
	for _, c := range []struct{ name, text, want string }{
		{"a Service inside", web + clusterIP, ""},
		{"a balancer", web + svc("web", "type: LoadBalancer, ports: [{port: 80, targetPort: http}]"), "LoadBalancer internet yes TCP 8080"},
		{"another protocol", web + svc("web", "type: LoadBalancer, ports: [{port: 53, protocol: UDP}]"), "LoadBalancer internet yes UDP 53"},
		{"a name that the pods do not declare", web + svc("web", "type: LoadBalancer, ports: [{port: 80, targetPort: nope}]"), "LoadBalancer internet no none"},
		{"other pods", web + strings.ReplaceAll(svc("web", "type: LoadBalancer, ports: [{port: 80}]"), "app: web", "app: api"), ""},
		{"an internal balancer", web + strings.Replace(svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]"), "namespace: shop}",
			"namespace: shop, annotations: {networking.gke.io/load-balancer-type: Internal}}", 1), "LoadBalancer private yes TCP 80"},
		{"an internal balancer with node ports", web + strings.Replace(svc("web", "type: LoadBalancer, ports: [{port: 80}]"), "namespace: shop}",
			"namespace: shop, annotations: {service.beta.kubernetes.io/aws-load-balancer-internal: \"true\"}}", 1), "LoadBalancer nodes yes TCP 80"},
		{"a balancer that an annotation may limit", web + strings.Replace(svc("web", "type: LoadBalancer, ports: [{port: 80}]"), "namespace: shop}",
			"namespace: shop, annotations: {service.beta.kubernetes.io/load-balancer-source-ranges: 10.0.0.0/8}}", 1), "LoadBalancer internet maybe none/TCP 80; NodePort nodes yes TCP 80"},
		{"a balancer for private addresses", web + svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]"), "LoadBalancer private yes TCP 80"},
		{"a balancer for private addresses, with node ports", web + svc("web", "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]"), "LoadBalancer private yes TCP 80; NodePort nodes yes TCP 80"},
		{"a balancer for some of the internet, with node ports", web + svc("web", "type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24], ports: [{port: 80}]"), "LoadBalancer internet yes TCP 80; NodePort nodes yes TCP 80"},
		{"a balancer for some of the internet, with spaces", web + svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [10.0.0.0/8, \" 203.0.113.0/24 \"], ports: [{port: 80}]"), "LoadBalancer internet yes TCP 80"},
		{"a balancer for some of the internet", web + svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [203.0.113.0/24], ports: [{port: 80}]"), "LoadBalancer internet yes TCP 80"},
		{"a balancer with private addresses", web + svc("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]") + "status: {loadBalancer: {ingress: [{ip: 10.1.2.3}]}}\n", "LoadBalancer private yes TCP 80"},
		{"a balancer of AWS without a scheme", web + svc("web", "type: LoadBalancer, loadBalancerClass: service.k8s.aws/nlb, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]"), "LoadBalancer private yes TCP 80"},
		{"a balancer of AWS by its type", web + annotated("service.beta.kubernetes.io/aws-load-balancer-type: external"), "LoadBalancer private yes TCP 80"},
		{"a balancer of AWS for the internet", web + annotated("service.beta.kubernetes.io/aws-load-balancer-type: external, service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing"), "LoadBalancer internet yes TCP 80"},
		{"a balancer of AWS's older controller", web + annotated("service.beta.kubernetes.io/aws-load-balancer-type: nlb"), "LoadBalancer internet yes TCP 80"},
		{"a balancer in a tailnet", web + svc("web", "type: LoadBalancer, loadBalancerClass: tailscale, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]"), "LoadBalancer private yes TCP 80"},
		{"a balancer that waits for an address", web + strings.Replace(svc("web", "type: LoadBalancer, ports: [{port: 80}]"), "namespace: shop}", "namespace: shop, uid: u}", 1) + "status: {loadBalancer: {}}\n", "LoadBalancer internet maybe none/TCP 80; NodePort nodes yes TCP 80"},
		{"a balancer of a file that was dumped", web + svc("web", "type: LoadBalancer, ports: [{port: 80}]") + "status: {loadBalancer: {}}\n", "LoadBalancer internet yes TCP 80"},
		{"node port", web + svc("web", "type: NodePort, ports: [{port: 80}]"), "NodePort nodes yes TCP 80"},
		{"external addresses", web + svc("web", "externalIPs: [192.0.2.1], ports: [{port: 80}]"), "ExternalIP nodes yes TCP 80"},
		{"an external name", web + object("v1", "Service", "shop", "web", "spec: {type: ExternalName, externalName: a.example, selector: {app: web}}"), ""},
		{"the host network", "---\napiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: shop}\nspec: {hostNetwork: true, containers: [{name: c, image: a, ports: [{containerPort: 9100}]}]}\n", "HostNetwork nodes yes TCP 9100"},
		{"a host port", pod("shop", "web", "app: web", "{containerPort: 8080, hostPort: 80}"), "HostPort nodes yes TCP 8080"},
		{"a host port of the loopback", pod("shop", "web", "app: web", "{containerPort: 8080, hostPort: 80, hostIP: 127.0.0.1}"), ""},
		{"an Ingress", web + clusterIP + ingress, "Ingress internet yes TCP 8080"},
		{"an Ingress by another port", web + clusterIP + strings.Replace(ingress, "number: 80", "number: 81", 1), "Ingress internet no none"},
		{"a default backend", web + clusterIP + object("networking.k8s.io/v1", "Ingress", "shop", "in", "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}"), "Ingress internet yes TCP 8080"},
		{"an internal class", web + clusterIP + strings.Replace(ingress, "spec: {", "spec: {ingressClassName: alb, ", 1), "Ingress private yes TCP 8080"},
		{"an Ingress of a tailnet", web + clusterIP + strings.Replace(ingress, "spec: {", "spec: {ingressClassName: tailscale, ", 1), "Ingress private yes TCP 8080"},
		{"an Ingress with a funnel", web + clusterIP + limited("tailscale", "tailscale.com/funnel: \"true\""), "Ingress internet yes TCP 8080"},
		{"an Ingress for private addresses", web + clusterIP + limited("nginx", "nginx.ingress.kubernetes.io/whitelist-source-range: \"10.0.0.0/8, 192.168.1.1\""), "Ingress private yes TCP 8080"},
		{"an Ingress for an office", web + clusterIP + limited("alb", "alb.ingress.kubernetes.io/scheme: internet-facing, alb.ingress.kubernetes.io/inbound-cidrs: 203.0.113.0/24"), "Ingress internet yes TCP 8080 of 1"},
		{"an Ingress with security groups of its own", web + clusterIP + limited("alb", "alb.ingress.kubernetes.io/scheme: internet-facing, alb.ingress.kubernetes.io/security-groups: sg-1, alb.ingress.kubernetes.io/inbound-cidrs: 203.0.113.0/24"), "Ingress internet maybe none/TCP 8080"},
		{"an Ingress with another's limit", web + clusterIP + limited("traefik", "nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8"), "Ingress internet maybe none/TCP 8080"},
		{"an Ingress with a limit that is none", web + clusterIP + limited("nginx", "nginx.ingress.kubernetes.io/whitelist-source-range: office"), "Ingress internet maybe none/TCP 8080"},
		{"an Ingress whose controller is not known", web + clusterIP + ingress + netpol("shop", "some", "podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 8080}]}]"), "Ingress internet maybe none/TCP 8080"},
		{"policies that let nobody in", web + clusterIP + ingress + deny, "Ingress internet no none"},
		{"a controller that policies let in", web + clusterIP + ingress + controller + front + netpol("shop", "ctl", "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]}]"),
			"LoadBalancer internet yes TCP 80; Ingress internet yes TCP 8080"},
		{"a controller that policies keep out", web + clusterIP + ingress + controller + front + netpol("shop", "own", "podSelector: {}, ingress: [{from: [{podSelector: {}}]}]"),
			"LoadBalancer internet yes TCP 80; Ingress internet no none"},
		{"a controller for nodes only", web + clusterIP + ingress + controller + strings.Replace(front, "LoadBalancer", "NodePort", 1), "NodePort nodes yes TCP 80; Ingress nodes yes TCP 8080"},
		{"a controller that nothing leads to", web + clusterIP + ingress + controller, "Ingress internet maybe none/TCP 8080"},
		{"an image that is only called alike", web + clusterIP + ingress + strings.Replace(controller, "/controller:", "/controller-chroot:", 1) + deny, "Ingress internet no none"},
		{"a route", web + clusterIP + gateway + route("HTTPRoute", toGateway), "Gateway internet yes TCP 8080"},
		{"a route of an unfit kind", web + clusterIP + gateway + route("TCPRoute", toGateway), ""},
		{"a route to a section that is not there", web + clusterIP + gateway + route("HTTPRoute", "parentRefs: [{name: gw, namespace: edge, sectionName: b}]"), ""},
		{"a route to a port that is not there", web + clusterIP + gateway + route("HTTPRoute", "parentRefs: [{name: gw, namespace: edge, port: 81}]"), ""},
		{"a gateway for its own namespace", web + clusterIP + strings.Replace(gateway, "from: All", "from: Same", 1) + route("HTTPRoute", toGateway), ""},
		{"a gateway for labelled namespaces", web + clusterIP + strings.Replace(gateway, "from: All", "from: Selector, selector: {matchLabels: {a: b}}", 1) + route("HTTPRoute", toGateway) +
			"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n", "Gateway internet yes TCP 8080"},
		{"a gateway for other labels", web + clusterIP + strings.Replace(gateway, "from: All", "from: Selector, selector: {matchLabels: {a: c}}", 1) + route("HTTPRoute", toGateway), ""},
		{"no gateway", web + clusterIP + route("HTTPRoute", toGateway), ""},
		{"a route of a mesh", web + clusterIP + route("HTTPRoute", "parentRefs: [{kind: Service, group: \"\", name: web}]"), ""},
		{"a gateway inside", web + clusterIP + strings.Replace(gateway, "gatewayClassName: c", "gatewayClassName: gke-l7-rilb", 1) + route("HTTPRoute", toGateway), "Gateway private yes TCP 8080"},
		{"a route from elsewhere without a grant", web + clusterIP + gateway + object(gw, "HTTPRoute", "edge", "r", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]}"), ""},
		{"a route from elsewhere", web + clusterIP + gateway + object(gw, "HTTPRoute", "edge", "r", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]}") +
			object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "shop", "g", "spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}], to: [{group: \"\", kind: Service, name: web}]}"), "Gateway internet yes TCP 8080"},
		{"a listener for another name", web + clusterIP + strings.Replace(gateway, "protocol: HTTP", "protocol: HTTP, hostname: a.example.com", 1) + route("HTTPRoute", toGateway+", hostnames: [a.example.org, b.example.com]"), ""},
		{"a listener for one of the names", web + clusterIP + strings.Replace(gateway, "protocol: HTTP", "protocol: HTTP, hostname: \"*.example.com\"", 1) + route("HTTPRoute", toGateway+", hostnames: [example.com, a.b.example.com]"), "Gateway internet yes TCP 8080"},
		{"a listener for names below", web + clusterIP + strings.Replace(gateway, "protocol: HTTP", "protocol: HTTP, hostname: \"*.example.com\"", 1) + route("HTTPRoute", toGateway+", hostnames: [example.com, aexample.com]"), ""},
		{"a route for names below", web + clusterIP + strings.Replace(gateway, "protocol: HTTP", "protocol: HTTP, hostname: a.example.com", 1) + route("HTTPRoute", toGateway+", hostnames: [\"*.example.com\"]"), "Gateway internet yes TCP 8080"},
		{"a backend without weight", web + clusterIP + gateway + strings.Replace(route("HTTPRoute", toGateway), "port: 80", "port: 80, weight: 0", 1), ""},
		{"copies of requests", web + clusterIP + gateway + strings.Replace(route("HTTPRoute", toGateway), "{backendRefs: [{name: web, port: 80}]}", "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]}", 1), "Gateway internet yes TCP 8080"},
		{"copies of a backend's requests", web + clusterIP + gateway + strings.Replace(route("HTTPRoute", toGateway), "{name: web, port: 80}", "{name: other, port: 80, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]}", 1), "Gateway internet yes TCP 8080"},
		{"a set of listeners", web + clusterIP + open + set + route("HTTPRoute", toSet), "Gateway internet yes TCP 8080"},
		{"a set of listeners for another namespace", web + clusterIP + open + set + strings.Replace(route("HTTPRoute", toSet+", hostnames: [a.example]"), "namespace: shop", "namespace: other", 1), ""},
		{"a set of listeners that the gateway does not take", web + clusterIP + gateway + set + route("HTTPRoute", toSet), ""},
		{"a set of listeners of no gateway", web + clusterIP + set + route("HTTPRoute", toSet), ""},
		{"a name for a Service of the cluster", web + clusterIP + alias("web.shop.svc.cluster.local") + toAlias, "Ingress internet maybe none/TCP 8080"},
		{"a name for a name", web + clusterIP + alias("again.edge.svc") + strings.Replace(alias("web.shop.svc"), "name: alias", "name: again", 1) + toAlias, "Ingress internet maybe none/TCP 8080"},
		{"names in a circle", web + clusterIP + alias("again.edge.svc") + strings.Replace(alias("alias.edge.svc"), "name: alias", "name: again", 1) + toAlias, ""},
		{"a name outside", web + clusterIP + alias("web.shop.example") + toAlias, ""},
		{"a name that is searched for nowhere", web + clusterIP + alias("web.shop") + toAlias, ""},
		{"a name that nothing leads to", web + clusterIP + alias("web.shop.svc"), ""},
		{"a route of Traefik", web + clusterIP + object("traefik.io/v1alpha1", "IngressRoute", "edge", "r", "spec: {routes: [{match: a, services: [{name: web, namespace: shop, port: 80}]}]}"), "Ingress internet maybe none/TCP 8080"},
		{"a route of Traefik to its own namespace", web + clusterIP + object("traefik.io/v1alpha1", "IngressRoute", "edge", "r", "spec: {routes: [{match: a, services: [{name: web, port: 80}]}]}"), ""},
		{"a virtual service", web + clusterIP + object("networking.istio.io/v1", "VirtualService", "edge", "r", "spec: {gateways: [mesh, gw], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}"), "Ingress internet maybe none/TCP 8080"},
		{"a virtual service inside", web + clusterIP + object("networking.istio.io/v1", "VirtualService", "shop", "r", "spec: {gateways: [mesh], http: [{route: [{destination: {host: web}}]}]}"), ""},
		{"a mapping", web + clusterIP + object("getambassador.io/v3alpha1", "Mapping", "edge", "r", "spec: {prefix: /, service: \"http://web.shop:80\"}"), "Ingress internet maybe none/TCP 8080"},
		{"a balancer that policies close", web + svc("web", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]") + deny, "LoadBalancer internet no none"},
		{"a balancer whose source may be translated", web + svc("web", "type: LoadBalancer, ports: [{port: 80}]") + netpol("shop", "nodes", "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"), "LoadBalancer internet maybe none/TCP 80"},
		{"a balancer whose source may be translated, and pods that are let in", web + svc("web", "type: LoadBalancer, ports: [{port: 80}]") + netpol("shop", "pods", "podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]"), "LoadBalancer internet maybe none/TCP 80"},
		{"a node port whose source may be translated, and nobody is let in", web + svc("web", "type: NodePort, ports: [{port: 80, targetPort: 8080}]") + deny, "NodePort nodes maybe none/TCP 8080"},
		{"external addresses whose source may be translated, and nobody is let in", web + svc("web", "externalIPs: [192.0.2.1], ports: [{port: 80}]") + deny, "ExternalIP nodes maybe none/TCP 80"},
		{"a balancer of which everybody is let in", web + svc("web", "type: LoadBalancer, ports: [{port: 80}]") + netpol("shop", "all", "podSelector: {}, ingress: [{ports: [{port: 80}]}]"), "LoadBalancer internet yes TCP 80"},
		{"a balancer beside which all is closed", web + svc("web", "type: LoadBalancer, ports: [{port: 80}]") + strings.Replace(svc("web", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 81}]"), "name: web", "name: other", 1) + deny, "LoadBalancer internet no none; LoadBalancer internet maybe none/TCP 80"},
		{"a balancer for some", web + svc("web", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]") + netpol("shop", "some", "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]"),
			"LoadBalancer internet yes TCP 80 from 1"},
		{"policies for another port", web + svc("web", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]") + netpol("shop", "other", "podSelector: {}, ingress: [{ports: [{port: 81}]}]"), "LoadBalancer internet no none"},
	} {
		if got := told(t, true, c.text); got != c.want {
			t.Errorf("%s:\n  %s\nwant\n  %s", c.name, got, c.want)
		}
	}
}

// What was not read leaves a route open or in doubt, never away.
func TestWaysInOfAnOpenWorld(t *testing.T) {
	web := pod("shop", "web", "app: web", "{name: http, containerPort: 8080}") + svc("web", "ports: [{port: 80, targetPort: http}]")
	for _, c := range []struct{ name, text, want string }{
		{"a gateway", object("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", "r", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}"), "Gateway internet maybe none/TCP 8080"},
		{"a grant", object("gateway.networking.k8s.io/v1", "HTTPRoute", "edge", "r", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]}"), "Gateway internet maybe none/TCP 8080"},
	} {
		if got := told(t, false, web+c.text); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
