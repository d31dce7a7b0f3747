package reach

import (
	"net/netip"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// ciliumOut is a pod and a policy that lets it out to some peers only.
func ciliumOut(t *testing.T, peers string) (g *Graph, web, other ID) {
	t.Helper()
	pod := func(namespace string) string {
		return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: " + namespace + ", labels: {app: web}}\nspec: {containers: [{name: c, image: a}]}\n"
	}
	g = New(model.NewSnapshot(parse(t, pod("shop")+pod("bank")+"---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: out, namespace: shop}\n"+
		"spec: {endpointSelector: {matchExpressions: [{key: 'reserved:init', operator: DoesNotExist}]}, egress: [{"+peers+"}]}\n"), true))
	find := func(namespace string) ID {
		return g.Find(model.Key{Namespace: namespace, GroupKind: model.PodKind, Name: "web"})[0]
	}
	return g, find("shop"), find("bank")
}

// TestEntities asks for the answer and its reason.
func TestEntities(t *testing.T) {
	const none, v4, v6 = Reasons(0), "192.0.2.1", "2001:db8::1"
	type want struct {
		answer Answer
		why    Reasons
	}
	yes, no := want{Yes, none}, want{No, none}
	reserved := want{Maybe, whyReserved}
	for _, c := range []struct {
		peers                        string
		pod, node, api, v4, v6, name want
	}{
		{"toEntities: [world]", no, no, want{Maybe, whyAPIServer}, yes, yes, yes},
		{"toEntities: [world-ipv4]", no, no, want{Maybe, whyAPIServer}, yes, no, want{Maybe, whyName}},
		{"toEntities: [world-ipv6]", no, no, want{Maybe, whyAPIServer}, no, yes, want{Maybe, whyName}},
		{"toEntities: [remote-node]", no, want{Maybe, whyNode}, want{Maybe, whyAPIServer}, no, no, no},
		{"toEntities: [kube-apiserver]", no, want{Maybe, whyAPIServer}, yes, no, no, no},
		{"toEntities: [kube-apiserver, remote-node, host]", no, yes, yes, no, no, no},
		{"toEntities: [cluster, world]", yes, yes, yes, yes, yes, yes},
		{"toCIDR: [0.0.0.0/0]", no, want{Maybe, whyAddress}, want{Maybe, whyAddress}, yes, no, want{Maybe, whyName}},
		{"toEndpoints: [{matchLabels: {'reserved:world': ''}}]", no, no, want{Maybe, whyAPIServer}, yes, yes, yes},
		{"toEndpoints: [{matchExpressions: [{key: 'reserved:world', operator: Exists}]}]", no, no, want{Maybe, whyAPIServer}, yes, yes, yes},
		{"toEndpoints: [{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}]", reserved, reserved, reserved, reserved, reserved, reserved},
		{"toEndpoints: [{matchExpressions: [{key: 'reserved:world', operator: NotIn, values: ['']}]}]", reserved, reserved, reserved, reserved, reserved, reserved},
		{"toEndpoints: [{matchLabels: {'reserved:world': '', app: web}}]", reserved, reserved, reserved, reserved, reserved, reserved},
	} {
		g, web, other := ciliumOut(t, c.peers)
		name, _ := g.Name("example.org")
		for _, end := range []struct {
			name string
			id   ID
			want want
		}{
			{"pod", other, c.pod}, {"node", g.Node(), c.node}, {"API server", g.APIServer(), c.api},
			{"IPv4", g.Address(netip.MustParseAddr(v4)), c.v4}, {"IPv6", g.Address(netip.MustParseAddr(v6)), c.v6}, {"name", name, c.name},
		} {
			v := g.Ports(web, end.id)
			got := want{answer: v.On(Port{TCP, 80})}
			if got.answer == Maybe {
				got.why = v.Why
			}
			if got != end.want {
				t.Errorf("%s: %s: %s (%s), want %s (%s)", c.peers, end.name, got.answer, got.why, end.want.answer, end.want.why)
			}
		}
	}
}

// A star of Cilium stands for no dots, two in front and those of domainNames do.
func TestNamesByPattern(t *testing.T) {
	web := pod("shop", "web", "app: web", "")
	cilium := func(pattern string) string {
		return object("cilium.io/v2", "CiliumNetworkPolicy", "shop", "p", `spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: "`+pattern+`"}]}]}`)
	}
	admin := object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "", "p",
		`spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{domainNames: ["*.example.org"]}]}, {action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]}`)
	for _, c := range []struct {
		name, text    string
		shallow, deep Answer
	}{
		{"a star", cilium("*.example.org"), Yes, No},
		{"two stars", cilium("**.example.org"), Yes, Yes},
		{"every name", cilium("*"), Yes, Yes},
		{"domainNames", strings.Replace(admin, ", namespace: ", "", 1), Yes, Yes},
	} {
		g := graph(t, true, web, c.text)
		from := g.InNamespace("shop")[0]
		x, _ := g.Name("a.example.org")
		y, _ := g.Name("a.b.example.org")
		if got := [2]Answer{g.Ports(from, x).Answer(), g.Ports(from, y).Answer()}; got != [2]Answer{c.shallow, c.deep} {
			t.Errorf("%s: %v, want %v and %v", c.name, got, c.shallow, c.deep)
		}
	}
}
