package reach

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// oddPods is a namespace of pods that call port http differently, and two others.
var oddPods = strings.Join([]string{
	"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n",
	"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bank, labels: {team: b}}\n",
	"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n",
	pod("shop", "web", "app: web", "{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}"),
	pod("shop", "db", "app: db", "{name: http, containerPort: 9090}"),
	pod("bank", "web", "app: web", "{name: http, containerPort: 80, protocol: SCTP}"),
	pod("bare", "job", "", ""),
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: bank, labels: {kind: front}}\nspec: {selector: {app: web}, ports: [{port: 443, targetPort: 8443}]}\n",
}, "")

// odd is a policy that is odd but legal, and what its specification says.
type odd struct {
	name, text string
	want       string // questions such as shop/db>shop/web:80/TCP, each with its answer
}

func admin(kind, spec string) string {
	version := "v1alpha1"
	if kind == "ClusterNetworkPolicy" {
		version = "v1alpha2"
	}
	name := "odd"
	if kind == "BaselineAdminNetworkPolicy" {
		name = "default"
	}
	return fmt.Sprintf("---\napiVersion: policy.networking.k8s.io/%s\nkind: %s\nmetadata: {name: %s}\nspec: {%s}\n", version, kind, name, spec)
}

func cilium(namespace, spec string) string {
	if namespace == "" {
		return "---\napiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: odd}\nspec: {" + spec + "}\n"
	}
	return object("cilium.io/v2", "CiliumNetworkPolicy", namespace, "odd", "spec: {"+spec+"}")
}

func (c odd) check(t *testing.T) {
	g := graph(t, true, oddPods, c.text)
	f := strings.Fields(c.want)
	for i := 0; i+1 < len(f); i += 2 {
		from, to, _ := strings.Cut(f[i], ">")
		to, at, _ := strings.Cut(to, "@")
		p := Port{}
		number, protocol, _ := strings.Cut(at, "/")
		if _, err := fmt.Sscan(number, &p.Number); err != nil {
			t.Fatal(c.name, err)
		}
		if protocol != "" {
			p.Protocol, _ = ParseProtocol(protocol)
		}
		x, y := oddEnd(t, g, from), oddEnd(t, g, to)
		if got := g.Ports(x, y).On(p).String(); got != f[i+1] {
			t.Errorf("%s: %s: %s, want %s", c.name, f[i], got, f[i+1])
		}
		if got := g.Why(x, y, p).Answer.String(); got != f[i+1] {
			t.Errorf("%s: %s explained as %s", c.name, f[i], got)
		}
	}
}

func oddEnd(t *testing.T, g *Graph, name string) ID {
	switch addr, err := netip.ParseAddr(name); {
	case err == nil:
		return g.Address(addr)
	case name == "node":
		return g.Node()
	case name == "api":
		return g.APIServer()
	case !strings.Contains(name, "/"):
		id, _ := g.Name(name)
		return id
	}
	return find(t, g, name)
}

func TestOddNetworkPolicies(t *testing.T) {
	for _, c := range []odd{
		{"a named port is the one of each pod", netpol("shop", "p", "podSelector: {}, ingress: [{ports: [{port: http}]}]"),
			"bank/web>shop/web@8080 yes bank/web>shop/web@9090 no bank/web>shop/db@9090 yes bank/web>shop/db@8080 no 192.0.2.1>shop/db@9090 yes"},
		{"a named port is of its protocol", netpol("shop", "p", "podSelector: {}, egress: [{ports: [{port: http}, {port: dns}]}], policyTypes: [Egress]"),
			"shop/db>bank/web@80/SCTP no shop/db>bank/web@80 no shop/db>shop/web@53/UDP no shop/db>shop/web@53 no shop/db>shop/web@8080 yes"},
		{"a named port outside", netpol("shop", "p", "podSelector: {}, egress: [{ports: [{port: http}], to: [{ipBlock: {cidr: 0.0.0.0/0}}]}], policyTypes: [Egress]"),
			"shop/db>192.0.2.1@8080 no shop/db>192.0.2.1@80 no"},
		{"endPort is within", netpol("shop", "p", "podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 8080}, {port: 65535, endPort: 65535}]}]"),
			"bank/web>shop/web@8080 yes bank/web>shop/web@8081 no bank/web>shop/web@65535 yes bank/web>shop/web@65534 no bank/web>shop/web@8000/UDP no"},
		{"a port of nothing is all of TCP", netpol("shop", "p", "podSelector: {}, ingress: [{ports: [{}]}]"), "bank/web>shop/web@1 yes bank/web>shop/web@1/UDP no bank/web>shop/web@1/SCTP no"},
		{"a protocol alone", netpol("shop", "p", "podSelector: {}, ingress: [{ports: [{protocol: SCTP}]}]"), "bank/web>shop/web@1 no bank/web>shop/web@1/SCTP yes"},
		{"ports of null", netpol("shop", "p", "podSelector: {}, ingress: [{ports: null, from: []}]"), "bank/web>shop/web@1/UDP yes 2001:db8::1>shop/web@1 yes"},
		{"except covers all, by halves", netpol("shop", "p", "podSelector: {}, egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25, 192.0.2.128/25]}}]}]"),
			"shop/web>192.0.2.1@80 no shop/web>192.0.2.129@80 no bank/web>shop/web@80 no"},
		{"an address in the except of one peer and the range of another", netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.1/32]}}, {ipBlock: {cidr: 192.0.2.1/32}}]}]"),
			"shop/web>192.0.2.1@80 yes shop/web>192.0.2.2@80 yes shop/web>192.0.3.1@80 no"},
		{"an address in the except of one rule and the range of another", netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.1/32]}}]}, {ports: [{port: 80}], to: [{ipBlock: {cidr: 192.0.2.1/32}}]}]"),
			"shop/web>192.0.2.1@80 yes shop/web>192.0.2.1@81 no shop/web>192.0.2.2@81 yes"},
		{"bits behind the mask", netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.77/24}}]}]"), "shop/web>192.0.2.1@80 yes shop/web>192.0.3.1@80 no"},
		{"a family of its own", netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: \"::/0\"}}]}]"), "shop/web>192.0.2.1@80 no shop/web>2001:db8::1@80 yes"},
		{"egress only, with ingress listed", netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]"), "bank/web>shop/web@80 yes shop/web>bank/web@80 no shop/web>shop/db@80 no"},
		{"ingress only, with egress listed", netpol("shop", "p", "podSelector: {}, policyTypes: [Ingress], egress: [{}]"), "bank/web>shop/web@80 no shop/web>bank/web@80 yes"},
		{"no types, and egress without rules", netpol("shop", "p", "podSelector: {}, egress: []"), "bank/web>shop/web@80 no shop/web>bank/web@80 yes"},
		{"no types, and an egress rule", netpol("shop", "p", "podSelector: {}, policyTypes: [], egress: [{ports: [{port: 80}]}]"), "bank/web>shop/web@80 no shop/web>bank/web@80 yes shop/web>bank/web@81 no"},
		{"no podSelector", netpol("shop", "p", "ingress: []"), "bank/web>shop/web@80 no"},
		{"NotIn of a key that is missing", netpol("shop", "p", "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}}]}]"), "bank/web>shop/web@80 no bare/job>shop/web@80 yes shop/db>shop/web@80 yes"},
		{"DoesNotExist of a key that is missing", netpol("shop", "p", "podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}]}]"), "bank/web>shop/web@80 no bare/job>shop/web@80 yes shop/db>shop/web@80 no"},
		{"the label that every namespace has", netpol("shop", "p", "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [bare, other]}]}}]}]"), "bank/web>shop/web@80 no bare/job>shop/web@80 yes"},
		{"requirements that exclude each other", netpol("shop", "p", "podSelector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: NotIn, values: [web]}]}"), "bank/web>shop/web@80 yes"},
		{"an empty value is not a missing one", netpol("shop", "p", "podSelector: {matchLabels: {app: \"\"}}"), "bank/web>shop/web@80 yes"},
	} {
		c.check(t)
	}
}

func TestOddAdminPolicies(t *testing.T) {
	const anp, banp, cnp = "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"
	closed := netpol("shop", "p", "podSelector: {}")
	for _, c := range []odd{
		{"a baseline does not decide for whom a NetworkPolicy selects", closed + admin(banp, "subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}]"), "bank/web>shop/web@80 no bank/web>bare/job@80 yes"},
		{"nor for one direction when it selects in the other", closed + admin(banp, "subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}]}]"), "shop/web>bank/web@80 no shop/web>192.0.2.1@80 yes"},
		{"the first rule decides", admin(anp, "priority: 0, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [{portRange: {start: 80, end: 90}}]}, {action: Deny, from: [{namespaces: {}}]}]"),
			"bank/web>shop/web@80 yes bank/web>shop/web@91 no bank/web>shop/web@80/UDP no 192.0.2.1>shop/web@91 yes"},
		{"a name has any protocol", admin(anp, "priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{namedPort: http}]}]"),
			"shop/web>bank/web@80/SCTP no shop/web>bank/web@80 yes bank/web>shop/db@9090 no bank/web>shop/db@9090/UDP yes"},
		{"a name toward addresses", admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0, \"::/0\"]}], protocols: [{destinationNamedPort: http}]}]"),
			"shop/web>192.0.2.1@8080 yes bank/web>shop/db@9090 no bank/web>shop/db@9091 yes"},
		{"a pass hands over to a NetworkPolicy", closed + admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}, {action: Accept, from: [{namespaces: {}}]}]"),
			"bank/web>shop/web@80 no bank/web>shop/web@81 yes bank/web>bare/job@80 yes"},
		{"a pass in the baseline is the end", admin(cnp, "tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {}}}]}, {action: Deny, from: [{namespaces: {}}]}]"),
			"shop/web>bank/web@80 yes bare/job>bank/web@80 no"},
		{"NotIn takes in what has no label", admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [a, b]}]}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]"), "shop/web>bare/job@80 no shop/web>bank/web@80 yes"},
		{"a rule without what it matches", admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: []"), "shop/web>bare/job@80 yes"},
		{"networks are for pods, too", admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [\"::/0\", 0.0.0.0/0]}]}]"), "shop/web>bank/web@80 no shop/web>192.0.2.1@80 no shop/web>node@80 no"},
		{"all nodes", admin(cnp, "tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]"), "shop/web>bank/web@80 yes shop/web>node@80 no shop/web>192.0.2.1@80 yes"},
		{"a range of ports", admin(cnp, "tier: Admin, priority: 1000, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {range: {start: 1, end: 65535}}}}]}]"), "shop/web>bank/web@53/UDP no shop/web>bank/web@53 yes"},
	} {
		c.check(t)
	}
}

func TestOddCiliumPolicies(t *testing.T) {
	from := func(peers string) string { return cilium("shop", "endpointSelector: {}, ingress: [{"+peers+"}]") }
	for _, c := range []odd{
		{"an empty rule closes", from(""), "bank/web>shop/web@80 no shop/db>shop/web@80 no"},
		{"no rules close nothing", cilium("shop", "endpointSelector: {}, ingress: []"), "bank/web>shop/web@80 yes"},
		{"an empty selector is the namespace", from("fromEndpoints: [{}]"), "bank/web>shop/web@80 no shop/db>shop/web@80 yes 192.0.2.1>shop/web@80 no node>shop/web@80 maybe"},
		{"an empty selector of a cluster-wide policy is every pod", cilium("", "endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]"), "bank/web>shop/web@80 yes 192.0.2.1>shop/web@80 no"},
		{"an empty list is nobody, with ports, too", from("fromEndpoints: [], toPorts: [{ports: [{port: \"80\"}]}]"), "bank/web>shop/web@80 no shop/db>shop/web@80 no"},
		{"ports alone are everybody", from("toPorts: [{ports: [{port: \"80\", protocol: TCP}]}]"), "bank/web>shop/web@80 yes 192.0.2.1>shop/web@80 yes bank/web>shop/web@81 no"},
		{"ports without a list of ports are none", from("fromEntities: [all], toPorts: [{}]"), "bank/web>shop/web@80 no"},
		{"port 0 is every port", from("fromEntities: [all], toPorts: [{ports: [{port: \"0\", protocol: UDP}]}]"), "bank/web>shop/web@80 no bank/web>shop/web@80/UDP yes"},
		{"a name in capitals", from("fromEntities: [all], toPorts: [{ports: [{port: HTTP}]}]"), "bank/web>shop/web@8080 yes bank/web>shop/db@9090 yes bank/web>shop/db@8080 no"},
		{"an end below the port", from("fromEntities: [all], toPorts: [{ports: [{port: \"80\", endPort: 70}]}]"), "bank/web>shop/web@80 yes bank/web>shop/web@79 no"},
		{"ICMP alone opens no port", from("fromEndpoints: [{}], icmps: [{fields: [{type: 8}]}]"), "shop/db>shop/web@80 no"},
		{"labels of namespaces", from("fromEndpoints: [{matchLabels: {\"k8s:io.cilium.k8s.namespace.labels.team\": b}}]"), "bank/web>shop/web@80 yes shop/db>shop/web@80 no 192.0.2.1>shop/web@80 no"},
		{"a selector that only excludes pods of a namespace matches what is no pod", from("fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [bank]}]}]"),
			"bank/web>shop/web@80 no bare/job>shop/web@80 yes 192.0.2.1>shop/web@80 yes node>shop/web@80 yes api>shop/web@80 yes"},
		{"and so does one that excludes labels of namespaces", from("fromEndpoints: [{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: DoesNotExist}]}]"),
			"bank/web>shop/web@80 no bare/job>shop/web@80 yes 192.0.2.1>shop/web@80 yes"},
		{"but not in a cluster-wide policy, which asks for a namespace", cilium("", "endpointSelector: {}, ingress: [{fromEndpoints: [{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: DoesNotExist}]}]}]"),
			"bank/web>shop/web@80 no bare/job>shop/web@80 yes 192.0.2.1>shop/web@80 no"},
		{"where the namespace itself makes it so", cilium("", "endpointSelector: {}, egress: [{toEndpoints: [{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: DoesNotExist}]}]}]"),
			"bank/web>shop/web@80 no bare/job>192.0.2.1@80 yes bare/job>example.org@80 yes"},
		{"a label that is wanted is of pods only", from("fromEndpoints: [{matchLabels: {app: web}, matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [bare]}]}]"),
			"bank/web>shop/db@80 yes shop/web>shop/db@80 yes bare/job>shop/db@80 no 192.0.2.1>shop/db@80 no"},
		{"a denial of all but a namespace denies what is no pod", cilium("shop", "endpointSelector: {}, egressDeny: [{toEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [bank]}]}]}], egress: [{toEntities: [all]}]"),
			"shop/web>bank/web@80 yes shop/web>bare/job@80 no shop/web>192.0.2.1@80 no"},
		{"what the subject says of its own namespace is dropped", cilium("shop", "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': bank}}, ingress: [{}]"), "bare/job>shop/web@80 no bare/job>bank/web@80 yes"},
		{"without the prefix it contradicts", cilium("shop", "endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: bank}}, ingress: [{}]"), "bare/job>shop/web@80 yes bare/job>bank/web@80 yes"},
		{"as an expression, too", cilium("shop", "endpointSelector: {matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: NotIn, values: [shop]}]}, ingress: [{}]"), "bare/job>shop/web@80 yes bare/job>bank/web@80 yes"},
		{"labels of the own namespace", cilium("shop", "endpointSelector: {matchLabels: {'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': bank}}, ingress: [{}]"), "bare/job>shop/web@80 yes"},
		{"deny before allow, of another policy, too", from("fromEntities: [all]") + strings.Replace(cilium("shop", "endpointSelector: {}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: db}}], toPorts: [{ports: [{port: \"80\", endPort: 90}]}]}]"), "name: odd", "name: deny", 1),
			"shop/db>shop/web@85 no shop/db>shop/web@91 yes"},
		{"a NetworkPolicy does not overrule a denial", netpol("shop", "p", "podSelector: {}, ingress: [{}]") + cilium("shop", "endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]"), "192.0.2.1>shop/web@80 no bank/web>shop/web@80 yes"},
		{"a denial alone closes", cilium("shop", "endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]"), "bank/web>shop/web@80 no"},
		{"a denial that says it does not", cilium("shop", "endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: db}}]}]"), "bank/web>shop/web@80 yes shop/db>shop/web@80 no"},
		{"an empty denial denies nobody", cilium("shop", "endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{}]"), "bank/web>shop/web@80 yes"},
		{"closed without rules of the direction", cilium("shop", "endpointSelector: {}, enableDefaultDeny: {egress: true}, ingress: [{fromEntities: [all]}]"), "bank/web>shop/web@80 yes shop/web>bank/web@80 no"},
		{"ranges are not of pods", cilium("shop", "endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}]}, {toCIDR: [192.0.2.1]}]"), "shop/web>bank/web@80 no shop/web>192.0.2.1@80 yes shop/web>192.0.2.2@80 no shop/web>198.51.100.1@80 yes"},
		{"a Service is its pods", cilium("shop", "endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: web, namespace: bank}}]}]"), "shop/web>bank/web@8443 yes shop/web>bank/web@9 yes shop/web>shop/db@80 no"},
		{"a Service by its labels", cilium("shop", "endpointSelector: {}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchExpressions: [{key: kind, operator: Exists}]}}}]}]"), "shop/web>bank/web@8443 yes shop/web>shop/db@80 no"},
		{"a name and its pattern", cilium("shop", "endpointSelector: {}, egress: [{toFQDNs: [{matchName: Example.ORG.}, {matchPattern: \"*.example.com\"}]}]"), "shop/web>example.org@80 yes shop/web>a.example.com@80 yes shop/web>example.com@80 no shop/web>192.0.2.1@80 no"},
		{"nodes in a namespace are refused", cilium("shop", "nodeSelector: {}, ingress: [{}]"), "bank/web>node@80 yes bank/web>shop/web@80 yes"},
		{"nodes are not decided", cilium("", "nodeSelector: {}, ingress: [{}]"), "bank/web>node@80 maybe bank/web>shop/web@80 yes"},
		{"a name for nobody", from("fromEntities: [none]"), "bank/web>shop/web@80 no 192.0.2.1>shop/web@80 no"},
		{"every rule of specs", object("cilium.io/v2", "CiliumNetworkPolicy", "shop", "odd", "specs: [{endpointSelector: {matchLabels: {app: web}}, ingress: [{}]}, {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [world]}]}]"),
			"bank/web>shop/web@80 no bank/web>shop/db@80 no 192.0.2.1>shop/db@80 yes"},
	} {
		c.check(t)
	}
}

// Clusters may hold ranges that are refused of files: an older API server let them
// pass. What nothing reads alike is not decided, and no exception is lost.
func TestOddRangesOfACluster(t *testing.T) {
	for _, c := range []struct{ name, block, address, want string }{
		{"an IPv4 range written as IPv6", "cidr: '::ffff:192.0.2.0/120'", "192.0.2.1", "maybe"},
		{"zeros in front", "cidr: 192.0.002.000/24", "192.0.2.1", "maybe"},
		{"zeros in front of the mask", "cidr: 192.0.2.0/024", "192.0.2.1", "maybe"},
		{"zeros in front of an exception", "cidr: 192.0.2.0/24, except: [192.0.2.010/32]", "192.0.2.8", "maybe"},
		{"bits behind the mask", "cidr: 192.0.2.77/24, except: [192.0.2.8/31]", "192.0.2.9", "no"},
		{"an exception that is no range", "cidr: 192.0.2.0/24, except: [192.0.2.0/33]", "192.0.2.8", "no"},
		{"a single zero", "cidr: 0.0.0.0/0", "192.0.2.8", "yes"},
	} {
		file := &tree.File{Name: "live", Text: netpol("shop", "p", "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {"+c.block+"}}]}]")}
		objects := parse(t, oddPods)
		for doc := range tree.Parse(file) {
			o, err := model.NewLiveObject(doc.Root, model.Live{Interner: tree.NewInterner()})
			if doc.Root == nil || err != nil {
				t.Fatal(c.name, doc.Err, err)
			}
			objects = append(objects, o)
		}
		g := New(model.NewSnapshot(objects, true))
		if got := g.Ports(find(t, g, "shop/web"), oddEnd(t, g, c.address)).Answer().String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
