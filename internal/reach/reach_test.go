package reach

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

func pod(namespace, name, labels, ports string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, labels: {%s}}\nspec: {containers: [{name: c, image: a, ports: [%s]}]}\n", name, namespace, labels, ports)
}

func netpol(namespace, name, spec string) string {
	return fmt.Sprintf("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, namespace: %s}\nspec: {%s}\n", name, namespace, spec)
}

func graph(t testing.TB, closed bool, text ...string) *Graph {
	return New(model.NewSnapshot(parse(t, strings.Join(text, "")), closed))
}

func TestReachCases(t *testing.T) {
	front := pod("front", "web", "app: web", "")
	back := pod("back", "a", "app: api", "{name: http, containerPort: 80}") + pod("back", "b", "app: api", "{name: http, containerPort: 8080}")
	anp := func(egress string) string {
		return "---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: c}\nspec: {priority: 1, subject: {namespaces: {}}, egress: [" + egress + "]}\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"no policies", front + back, "{2 2} {1 1}"},
		{"both sides must share a port", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]`) +
			netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: 443}]}]`), "{0 0} {0 0}"},
		{"a name is another port in each pod", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]`) +
			netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: http}]}]`), "{1 1} {1 1}"},
		{"a name that nobody declares", front + back + netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: admin}]}]`), "{0 0} {0 0}"},
		{"a named port with an address", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: http}]}]`), "{0 0} {0 0}"},
		{"an empty from is everybody", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: []}]`), "{2 2} {1 1}"},
		{"labels of an unread namespace", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]`), "{0 2} {0 1}"},
		{"a name rules an unread namespace out", front + back + netpol("back", "in",
			`podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a, kubernetes.io/metadata.name: other}}}]}]`), "{0 0} {0 0}"},
		{"all addresses", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]`), "{0 2} {0 1}"},
		{"addresses outside", front + back + netpol("front", "out",
			`podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]}}]}]`), "{0 0} {0 0}"},
		{"a field that a NetworkPolicy does not have", front + back + netpol("back", "in", `podSelector: {}, ingress: [{form: [{podSelector: {}}]}]`), "{0 2} {0 1}"},
		{"an unknown field of a peer", front + back + "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\n" +
			"spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{planets: [mars]}]}]}\n", "{0 2} {0 1}"},
		{"a selector that cannot be evaluated", front + back + anp("{action: Deny, to: [{namespaces: {matchExpressions: [{key: a, operator: Foo}]}}]}"), "{0 2} {0 1}"},
		{"a label that cannot be", front + back + anp("{action: Deny, to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {a: b c}}}}]}"), "{0 2} {0 1}"},
		{"a protocol without ports", front + back + anp("{action: Deny, to: [{namespaces: {}}], ports: [{portNumber: {protocol: ICMP, port: 80}}]}"), "{0 2} {0 1}"},
		{"a protocol with ports", front + back + anp("{action: Deny, to: [{namespaces: {}}], ports: [{portRange: {protocol: SCTP, start: 1, end: 2}}]}"), "{2 2} {1 1}"},
		{"pods of all namespaces", front + back + "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\n" +
			"spec: {tier: Admin, priority: 1, subject: {pods: {podSelector: {}}}, egress: [{action: Deny, to: [{pods: {podSelector: {}}}]}]}\n", "{0 0} {0 0}"},
	} {
		r := graph(t, false, c.text).Reach("front")
		if got := fmt.Sprint(r.Workloads, r.Namespaces); got != c.want || (r.Why == "") != r.Workloads.Known() {
			t.Errorf("%s: %s (%s), want %s", c.name, got, r.Why, c.want)
		}
	}
}

// A policy that is misspelt and then mended, or the other way round, is as if read anew.
func TestMisspeltPolicyChanges(t *testing.T) {
	text := pod("front", "web", "app: web", "") + pod("back", "a", "app: api", "")
	wrong, right := netpol("back", "in", "podSelector: {}, ingress: [{form: []}]"), netpol("back", "in", "podSelector: {}, ingress: []")
	for _, c := range []struct{ before, after, want string }{{wrong, right, "{0 0}"}, {right, wrong, "{0 1}"}} {
		before := model.NewSnapshot(parse(t, text+c.before), true)
		o := parse(t, c.after)[0]
		change := model.Change{Key: o.Key, Object: o}
		if got := fmt.Sprint(New(before).With(before.With(change), change).Reach("front").Workloads); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestDefaultDeny(t *testing.T) {
	cilium := "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: e}\nspec: {endpointSelector: {}, egress: [{}]}\n"
	g := graph(t, true,
		netpol("a", "in", "podSelector: {}"), netpol("b", "some", "podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress, Egress]"),
		netpol("c", "allow", "podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]"), cilium)
	for _, c := range []struct {
		namespace string
		want      [2]bool
	}{{"a", [2]bool{true, false}}, {"b", [2]bool{}}, {"c", [2]bool{false, true}}, {"d", [2]bool{}}, {"e", [2]bool{false, true}}} {
		for d, want := range c.want {
			if got := g.DefaultDeny(c.namespace, Direction(d)) != nil; got != want {
				t.Errorf("%s, %s: %t", c.namespace, Direction(d), got)
			}
		}
	}
}

func TestOtherKindsAreNoticed(t *testing.T) {
	g := graph(t, true, "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: c, namespace: a}\n",
		"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: anp}\n")
	if len(g.Others("a")) != 2 || len(g.Others("b")) != 1 || len(g.AllOthers()) != 2 {
		t.Errorf("%d in a, %d in b, %d", len(g.Others("a")), len(g.Others("b")), len(g.AllOthers()))
	}
}

// A live cluster: pods are part of what made them, but for one that was
// relabelled.
func TestPodsOfAWorkload(t *testing.T) {
	owned := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: a, labels: {%s}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: u, controller: true}]}\nspec: {containers: [{name: c, image: a}]}\n"
	text := "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: rs, namespace: a, uid: u}\nspec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: a}]}}}\n" +
		fmt.Sprintf(owned, "p", "app: web, other: x") + fmt.Sprintf(owned, "q", "app: debug") +
		netpol("a", "in", "podSelector: {matchLabels: {app: web}}") + netpol("a", "other", "podSelector: {matchLabels: {app: db}}")
	s := model.NewSnapshot(parse(t, text), true)
	g := New(s)
	var names []string
	for _, id := range g.InNamespace("a") {
		e := g.Endpoint(id)
		names = append(names, e.String())
	}
	if got := strings.Join(names, " "); got != "ReplicaSet/a/rs Pod/a/q" {
		t.Error(got)
	}
	for kind, want := range map[string]int{"p": 1, "q": 0} {
		o := s.Get(model.Key{Namespace: "a", GroupKind: model.PodKind, Name: kind})
		if found := g.Isolating("a", &o.Pods()[0], Ingress); len(found) != want {
			t.Errorf("%s: %d policies", o.Key, len(found))
		}
	}
}

func TestAddressesAreDivided(t *testing.T) {
	g := graph(t, true, pod("a", "w", "", ""), netpol("a", "np",
		"podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 2001:db8::/32}}]}]"))
	var all []netip.Prefix
	for e := range g.Endpoints() {
		if e.Kind != Addresses {
			continue
		}
		all = append(all, e.Prefixes...)
		for _, p := range e.Prefixes {
			if g.Address(p.Addr()) != e.ID || g.Address(lastOf(p)) != e.ID || len(g.Within(p)) != 1 {
				t.Errorf("%s is not in its endpoint", p)
			}
		}
	}
	for i, p := range all {
		for _, q := range all[:i] {
			if p.Overlaps(q) {
				t.Errorf("%s and %s overlap", p, q)
			}
		}
	}
	if got := len(g.Within(netip.MustParsePrefix("10.0.0.0/8"))); got != 2 {
		t.Errorf("10.0.0.0/8 is in %d endpoints", got)
	}
}

func TestPortSets(t *testing.T) {
	s := portsFrom(TCP, 80, 80).union(portsFrom(TCP, 443, 445)).union(portsFrom(UDP, 0, maxPort))
	if got := s.String(); got != "TCP 80,443-445; UDP all" || !s.Contains(Port{TCP, 444}) || s.Contains(Port{TCP, 81}) || s.Contains(Port{SCTP, 80}) {
		t.Error(got)
	}
	if rest := everyPort.minus(s); !rest.union(s).All() || !rest.intersect(s).Empty() {
		t.Error(rest)
	}
}

// FuzzPolicy reads any spec as any kind of policy, and asks everything.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{`podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0", except: [10.0.0.0/33]}}], ports: [{port: a, endPort: -1}]}]`,
		`endpointSelector: {matchExpressions: [{key: "reserved:host", operator: Exists}]}, egress: [{toFQDNs: [{matchPattern: "*.*"}], toPorts: [{ports: [{port: "99999"}]}]}]`,
		`tier: Admin, priority: 1, subject: {pods: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}], protocols: [{tcp: {destinationPort: {range: {start: 9, end: 1}}}}]}]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		for _, a := range apis {
			version := "/v1"
			if a.kind.Group == "policy.networking.k8s.io" {
				version = "/v1alpha2"
			}
			text := pod("a", "w", "app: a", "{name: http, containerPort: 80}") +
				"---\napiVersion: " + a.kind.Group + version + "\nkind: " + a.kind.Kind + "\nmetadata: {name: p, namespace: a}\nspec: {" + spec + "}\n"
			objects, ok := tryParse(text)
			if !ok {
				return
			}
			g := New(model.NewSnapshot(objects, true))
			for pair, v := range g.All() {
				if e := g.Why(pair[0], pair[1], Port{TCP, 80}); e.Answer != v.On(Port{TCP, 80}) || !v.Must.minus(v.May).Empty() {
					t.Fatalf("%s: %v", e.Answer, v)
				}
			}
			g.Idle()
			for range g.Compact(nil) {
			}
		}
	})
}

func TestWhyNamesWhatDecides(t *testing.T) {
	admin := func(name, tier, priority, action string) string {
		return fmt.Sprintf("---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: %s}\nspec: {tier: %s, priority: %s, subject: {namespaces: {}}, ingress: [{action: %s, from: [{namespaces: {}}]}]}\n",
			name, tier, priority, action)
	}
	cilium := "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: b}\nspec: {endpointSelector: {}, ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [cluster], toPorts: [{ports: [{port: '80'}]}]}]}\n"
	pods := pod("a", "one", "", "") + pod("b", "two", "", "")
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "yes default"},
		{"isolation", netpol("b", "deny", "podSelector: {}"), "no isolation NetworkPolicy/b/deny"},
		{"a rule", netpol("b", "deny", "podSelector: {}") + netpol("b", "np", "podSelector: {}, ingress: [{ports: [{port: 81}]}, {ports: [{port: 80}]}]"), "yes rule NetworkPolicy/b/np ingress[1] line 20"},
		{"a first tier", admin("first", "Admin", "1", "Deny") + admin("second", "Admin", "2", "Accept"), "no rule ClusterNetworkPolicy.policy.networking.k8s.io/first ingress[0] line 15"},
		{"handed over", admin("first", "Admin", "1", "Pass") + admin("second", "Admin", "2", "Deny") + netpol("b", "np", "podSelector: {}, ingress: [{}]"), "yes rule NetworkPolicy/b/np ingress[0] line 25"},
		{"handed over to nobody", admin("first", "Admin", "1", "Pass") + admin("second", "Admin", "2", "Deny"), "yes default"},
		{"equal priorities", admin("first", "Admin", "1", "Deny") + admin("second", "Admin", "1", "Accept"), "maybe rule ClusterNetworkPolicy.policy.networking.k8s.io/first ingress[0] line 15"},
		{"allowed by Cilium", strings.Replace(cilium, "port: '80'", "port: '81'", 1), "yes rule CiliumNetworkPolicy.cilium.io/b/c ingress[0] line 15"},
		{"denied by Cilium", cilium, "no rule CiliumNetworkPolicy.cilium.io/b/c ingressDeny[0] line 15"},
	} {
		g := graph(t, true, pods, c.text)
		e := g.Why(find(t, g, "a/one"), find(t, g, "b/two"), Port{TCP, 80})
		got := e.Answer.String() + " " + e.Ingress.Cause.String()
		for _, p := range e.Ingress.Isolating {
			got += " " + p.Object.Key.String()
		}
		if s := e.Ingress.Rule; s.Policy != nil {
			place := s.Policy.Object.Source.Place(s.Rule)
			got += fmt.Sprintf(" %s %s[%d] line %d", s.Policy.Object.Key, s.List, s.Index, place.Line)
		}
		if got != c.want || e.Egress.Cause != ByDefault {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A NetworkPolicy does not close what goes to the pod's own node; policies of the
// admin tiers and of Cilium do.
func TestToTheNodeOfThePod(t *testing.T) {
	pods := pod("a", "p", "app: p", "") + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: hn, namespace: b}\nspec: {hostNetwork: true, containers: [{name: c, image: a}]}\n"
	deny := netpol("a", "deny", "podSelector: {}, policyTypes: [Egress]")
	cilium := "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: a}\nspec: {endpointSelector: {}, egress: [{}]}\n"
	admin := "---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: adm}\nspec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]}\n"
	for _, c := range []struct {
		name, text string
		node, host Answer
	}{
		{"no policy", "", Yes, Yes},
		{"a NetworkPolicy", deny, Maybe, Maybe},
		{"Cilium's", cilium, No, No},
		{"both", deny + cilium, No, No},
		{"an admin's", deny + admin, No, No},
	} {
		g := New(model.NewSnapshot(parse(t, pods+c.text), true))
		from, host := find(t, g, "a/p"), find(t, g, "b/hn")
		for to, want := range map[ID]Answer{g.Node(): c.node, host: c.host} {
			why := g.Why(from, to, Port{TCP, 80}) // before the row is there
			if v := g.Ports(from, to); v.Answer() != want || why.Answer != want || why.Egress.Answer != want || want == Maybe && c.text == deny && v.Why&whyNodeLocal == 0 {
				t.Errorf("%s, to %d: %s (%s), explained as %s", c.name, to, v.Answer(), v.Why, why.Answer)
			}
		}
	}
}

// TestMeshPolicies doubts what policies of a service mesh may refuse, and nothing else.
func TestMeshPolicies(t *testing.T) {
	pods := pod("a", "web", "app: web", "{containerPort: 80}") + pod("a", "other", "app: other", "") + pod("b", "db", "app: db", "")
	istio := func(kind, namespace, spec string) string {
		return object("security.istio.io/v1", kind, namespace, "p", "spec: {"+spec+"}")
	}
	deny := netpol("a", "deny", "podSelector: {}")
	for _, c := range []struct {
		name, text string
		web, other Answer // from b/db
	}{
		{"none", "", Yes, Yes},
		{"of the namespace", istio("AuthorizationPolicy", "a", ""), Maybe, Maybe},
		{"of some pods", istio("AuthorizationPolicy", "a", "selector: {matchLabels: {app: web}}, rules: [{}]"), Maybe, Yes},
		{"of another namespace", istio("AuthorizationPolicy", "b", ""), Yes, Yes},
		{"of the mesh", istio("AuthorizationPolicy", "istio-system", ""), Maybe, Maybe},
		{"that only writes down", istio("AuthorizationPolicy", "a", "action: AUDIT"), Yes, Yes},
		{"strict", istio("PeerAuthentication", "a", "mtls: {mode: STRICT}"), Maybe, Maybe},
		{"permissive", istio("PeerAuthentication", "a", "mtls: {mode: PERMISSIVE}"), Yes, Yes},
		{"strict on a port", istio("PeerAuthentication", "a", "selector: {matchLabels: {app: other}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}}"), Yes, Maybe},
		{"closed by a network policy", istio("AuthorizationPolicy", "a", "rules: [{}]") + deny, No, No},
		{"Linkerd", object("policy.linkerd.io/v1beta3", "Server", "a", "p", "spec: {podSelector: {matchLabels: {app: web}}, port: 80}"), Maybe, Yes},
		{"Kuma", object("kuma.io/v1alpha1", "MeshTrafficPermission", "kuma-system", "p", "spec: {}"), Maybe, Maybe},
		{"Consul", object("consul.hashicorp.com/v1alpha1", "ServiceIntentions", "a", "p", "spec: {destination: {name: web}}"), Maybe, Maybe},
	} {
		g := graph(t, true, pods, c.text)
		for name, want := range map[string]Answer{"web": c.web, "other": c.other} {
			v := g.Ports(find(t, g, "b/db"), find(t, g, "a/"+name))
			if v.Answer() != want || (want == Maybe) != (v.Why == whyMesh) {
				t.Errorf("%s: b/db -> a/%s is %s because %s", c.name, name, v.Answer(), v.Why)
			}
			if out := g.Ports(find(t, g, "a/"+name), find(t, g, "b/db")); !strings.Contains(c.text, "namespace: b") && c.name != "of the mesh" && c.name != "Kuma" && c.name != "closed by a network policy" && out.Answer() != Yes {
				t.Errorf("%s: a/%s -> b/db is %s", c.name, name, out.Answer())
			}
		}
		if got := len(g.AllOthers()); got != 0 {
			t.Errorf("%s: %d policies are said to be network policies that are not understood", c.name, got)
		}
	}
}
