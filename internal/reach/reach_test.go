package reach

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
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
	for _, c := range []struct{ name, text, want string }{
		{"no policies", front + back, "{2 2} {1 1}"},
		{"both sides must share a port", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]`) +
			netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: 443}]}]`), "{0 0} {0 0}"},
		{"a name is another port in each pod", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]`) +
			netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: http}]}]`), "{1 1} {1 1}"},
		{"a name that nobody declares", front + back + netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: admin}]}]`), "{0 0} {0 0}"},
		{"a named port with an address", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: http}]}]`), "{0 0} {0 0}"},
		{"the protocol matters", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]`) +
			netpol("back", "in", `podSelector: {}, ingress: [{ports: [{port: 53}]}]`), "{0 0} {0 0}"},
		{"an empty from is everybody", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: []}]`), "{2 2} {1 1}"},
		{"a podSelector is of this namespace", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{podSelector: {}}]}]`), "{0 0} {0 0}"},
		{"a namespaceSelector by name", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}]}]`), "{2 2} {1 1}"},
		{"two peers are one or the other", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: nobody}}}]}]`), "{2 2} {1 1}"},
		{"one peer is both", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: nobody}}}]}]`), "{0 0} {0 0}"},
		{"rules of a direction that is no type", front + back + netpol("back", "in", `podSelector: {}, policyTypes: [Egress], ingress: []`), "{2 2} {1 1}"},
		{"labels of an unread namespace", front + back + netpol("back", "in", `podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]`), "{0 2} {0 1}"},
		{"a name rules an unread namespace out", front + back + netpol("back", "in",
			`podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a, kubernetes.io/metadata.name: other}}}]}]`), "{0 0} {0 0}"},
		{"all addresses", front + back + netpol("front", "out", `podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]`), "{0 2} {0 1}"},
		{"addresses outside", front + back + netpol("front", "out",
			`podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]}}]}]`), "{0 0} {0 0}"},
	} {
		r := graph(t, false, c.text).Reach("front")
		if got := fmt.Sprint(r.Workloads, r.Namespaces); got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, r.Why, c.want)
		}
	}
}

func TestPolicyTypesAreImplied(t *testing.T) {
	for text, want := range map[string][2]bool{
		"a: b":                                   {true, false},
		"ingress: [{}]":                          {true, false},
		"egress: []":                             {true, false},
		"egress: [{}]":                           {true, true},
		"policyTypes: [Egress]":                  {false, true},
		"{policyTypes: [Ingress], egress: [{}]}": {true, false},
	} {
		for doc := range tree.Parse(&tree.File{Text: text}) {
			if ingress, egress := policyTypes(doc.Root); [2]bool{ingress, egress} != want {
				t.Errorf("%s: %t, %t", text, ingress, egress)
			}
		}
	}
}

func TestDefaultDeny(t *testing.T) {
	g := graph(t, true,
		netpol("a", "in", "podSelector: {}"), netpol("b", "some", "podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress, Egress]"),
		netpol("c", "allow", "podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]"))
	for _, c := range []struct {
		namespace string
		want      [2]bool
	}{{"a", [2]bool{true, false}}, {"b", [2]bool{}}, {"c", [2]bool{false, true}}, {"d", [2]bool{}}} {
		for d, want := range c.want {
			if got := g.DefaultDeny(c.namespace, Direction(d)) != nil; got != want {
				t.Errorf("%s, %s: %t", c.namespace, Direction(d), got)
			}
		}
	}
}

func TestOtherKindsAreNoticed(t *testing.T) {
	g := graph(t, true, "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: a}\n",
		"---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: anp}\n")
	if len(g.Others("a")) != 2 || len(g.Others("b")) != 1 || len(g.AllOthers()) != 2 {
		t.Errorf("%d in a, %d in b, %d", len(g.Others("a")), len(g.Others("b")), len(g.AllOthers()))
	}
}

func TestPoliciesOfOwnedPods(t *testing.T) {
	text := "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: rs, namespace: a, uid: u}\nspec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: a}]}}}\n" +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: u, controller: true}]}\nspec: {containers: [{name: c, image: a}]}\n" +
		netpol("a", "in", "podSelector: {matchLabels: {app: web}}") + netpol("a", "other", "podSelector: {matchLabels: {app: db}}")
	s := model.NewSnapshot(parse(t, text), true)
	g := New(s)
	for _, kind := range []model.GroupKind{{Kind: "Pod"}, {Group: "apps", Kind: "ReplicaSet"}} {
		for o := range s.Kind(kind) {
			found := g.Policies("a", &o.Pods()[0], Ingress)
			if len(found) != 1 || found[0].Object.Key.Name != "in" {
				t.Errorf("%s: %d policies", o.Key, len(found))
			}
		}
	}
}

// benchmarkNetwork has selectors of all kinds; a third of the namespaces denies
// by default.
func benchmarkNetwork(namespaces, workloads, policies int) string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for i := range namespaces {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns-%d, labels: {team: t-%d, env: e-%d}}\n", i, i%17, i%3)
		if i%3 == 0 {
			b.WriteString(netpol(fmt.Sprint("ns-", i), "deny", "podSelector: {}, policyTypes: [Ingress, Egress]"))
		}
	}
	for i := range workloads {
		ns := i % namespaces
		b.WriteString(pod(fmt.Sprint("ns-", ns), fmt.Sprint("w-", i), fmt.Sprintf("app: app-%d, tier: t-%d, hash: h-%d", i/namespaces, i%4, i), "{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}"))
	}
	peers := func() string {
		return []string{
			fmt.Sprintf("{podSelector: {matchLabels: {app: app-%d}}}", r.IntN(20)),
			fmt.Sprintf("{namespaceSelector: {matchLabels: {team: t-%d}}}", r.IntN(17)),
			fmt.Sprintf("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ns-%d}}, podSelector: {matchLabels: {app: app-%d}}}", r.IntN(namespaces), r.IntN(20)),
			fmt.Sprintf("{namespaceSelector: {}, podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [t-%d]}]}}", r.IntN(4)),
			"{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]}}",
		}[r.IntN(5)]
	}
	ports := []string{"{port: http}", "{port: 8080}", "{port: 9000, endPort: 9100}", "{port: 53, protocol: UDP}"}
	for i := range policies {
		b.WriteString(netpol(fmt.Sprint("ns-", r.IntN(namespaces)), fmt.Sprint("p-", i), fmt.Sprintf(
			"podSelector: {matchLabels: {app: app-%d}}, policyTypes: [Ingress, Egress], ingress: [{from: [%s, %s], ports: [%s]}], egress: [{to: [%s]}, {to: [%s], ports: [%s]}]",
			r.IntN(20), peers(), peers(), ports[r.IntN(4)], peers(), peers(), ports[r.IntN(4)])))
	}
	return b.String()
}

func BenchmarkReach(b *testing.B) {
	for _, size := range [][3]int{{100, 2000, 1000}, {100, 10000, 1000}, {200, 5000, 3000}} {
		s := model.NewSnapshot(parse(b, benchmarkNetwork(size[0], size[1], size[2])), true)
		s.Workloads("ns-0") // the label index is the snapshot's
		name := fmt.Sprintf("%d-namespaces-%d-workloads-%d-policies", size[0], size[1], size[2])
		b.Run(name+"/build", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				New(s)
			}
		})
		g := New(s)
		b.Run(name+"/all", func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				for _, ns := range g.namespaces {
					g.Reach(ns)
				}
			}
			b.ReportMetric(float64(len(g.groups)), "groups")
			b.ReportMetric(float64(len(g.signatures[Ingress])), "ingress")
			b.ReportMetric(float64(len(g.signatures[Egress])), "egress")
		})
	}
}

// cpu reports the processor time of a benchmark, which other programs on the
// machine do not change, and returns what to call at its end.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64((used()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}
