package reach

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/test/cputime"
)

func parse(t testing.TB, text string) []*model.Object {
	t.Helper()
	objects, ok := tryParse(text)
	if !ok {
		t.Fatal("cannot be read: ", text)
	}
	return objects
}

func tryParse(text string) (objects []*model.Object, ok bool) {
	file := &tree.File{Name: "test.yaml", Text: text}
	for doc := range tree.Parse(file) {
		if doc.Root == nil && doc.Err == nil {
			continue
		}
		if doc.Err != nil {
			return nil, false
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
		if err != nil || o == nil {
			return nil, false
		}
		objects = append(objects, o)
	}
	return objects, true
}

// size is that of a generated cluster.
type size struct{ namespaces, workloads, pods, policies int }

func (s size) String() string {
	return fmt.Sprintf("%d-namespaces-%d-workloads-%d-pods-%d-policies", s.namespaces, s.workloads, s.pods, s.policies)
}

// cluster writes Deployments with their ReplicaSets and Pods, as a live cluster
// has them, and policies: 30 % of the namespaces deny by default, selectors of
// all operators, ports of all forms, ranges with exceptions, egress to DNS.
func (s size) cluster() string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for i := range s.namespaces {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns-%d, labels: {team: t-%d, env: e-%d}}\n", i, i%17, i%3)
	}
	for i := range s.workloads {
		s.workload(&b, i)
	}
	for i := range s.policies {
		ns := i % s.namespaces
		spec := ""
		switch {
		case i < s.namespaces && i%10 < 3:
			spec = "podSelector: {}, policyTypes: [Ingress, Egress]"
		case i < 2*s.namespaces && i >= s.namespaces && ns%10 < 3:
			spec = "podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ns-0}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]"
		default:
			spec = s.policy(r)
		}
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p-%d, namespace: ns-%d}\nspec: {%s}\n", i, ns, spec)
	}
	return b.String()
}

func (s size) workload(b *strings.Builder, i int) {
	ns, n := i%s.namespaces, i/s.namespaces
	labels := fmt.Sprintf("app: app-%d, tier: t-%d, team: w-%d", n, i%4, i%7)
	if i%5 == 0 {
		labels += ", canary: yes-please"
	}
	labels += fmt.Sprintf(", release: r-%d", i%11) // no policy looks at it
	if i%50 == 0 {
		labels += ", tenant: three"
	}
	spec := "spec: {containers: [{name: c, image: a, ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]}]}"
	if i%3 == 0 {
		spec = "spec: {containers: [{name: c, image: a, ports: [{name: http, containerPort: 80}]}]}"
	}
	fmt.Fprintf(b, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w-%d, namespace: ns-%d, uid: d-%d}\nspec: {selector: {matchLabels: {app: app-%d}}, template: {metadata: {labels: {%s}}, %s}}\n", i, ns, i, n, labels, spec)
	owner := func(kind string, id string, name string) string {
		return fmt.Sprintf("ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, uid: %s, controller: true}]", kind, name, id)
	}
	if s.pods == s.workloads {
		return
	}
	fmt.Fprintf(b, "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: r-%d, namespace: ns-%d, uid: r-%d, %s}\nspec: {selector: {matchLabels: {app: app-%d}}, template: {metadata: {labels: {%s, pod-template-hash: h%d}}, %s}}\n",
		i, ns, i, owner("Deployment", fmt.Sprint("d-", i), fmt.Sprint("w-", i)), n, labels, i, spec)
	for k := range s.pods / s.workloads {
		single := ""
		if k == 0 && i%50 == 0 {
			single = fmt.Sprintf(", single-%d: x", i/50)
		}
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p-%d-%d, namespace: ns-%d, labels: {%s, pod-template-hash: h%d%s}, %s}\n%s\n",
			i, k, ns, labels, i, single, owner("ReplicaSet", fmt.Sprint("r-", i), fmt.Sprint("r-", i)), spec)
	}
}

func (s size) policy(r *rand.Rand) string {
	pods := func() string {
		return []string{
			fmt.Sprintf("matchLabels: {app: app-%d}", r.IntN(s.workloads/s.namespaces)),
			fmt.Sprintf("matchLabels: {app: app-%d, tier: t-%d}", r.IntN(s.workloads/s.namespaces), r.IntN(4)),
			fmt.Sprintf("matchExpressions: [{key: tier, operator: NotIn, values: [t-%d]}]", r.IntN(4)),
			fmt.Sprintf("matchExpressions: [{key: team, operator: In, values: [w-%d, w-%d]}]", r.IntN(7), r.IntN(7)),
			"matchExpressions: [{key: canary, operator: Exists}]", "matchExpressions: [{key: canary, operator: DoesNotExist}]",
		}[r.IntN(6)]
	}
	peer := func() string {
		return []string{
			"{podSelector: {" + pods() + "}}",
			fmt.Sprintf("{namespaceSelector: {matchLabels: {team: t-%d}}}", r.IntN(17)),
			fmt.Sprintf("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ns-%d}}, podSelector: {%s}}", r.IntN(s.namespaces), pods()),
			fmt.Sprintf("{namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [e-%d]}]}, podSelector: {%s}}", r.IntN(3), pods()),
			fmt.Sprintf("{ipBlock: {cidr: %d.%d.0.0/16, except: [%[1]d.%[2]d.%d.0/24]}}", 20+r.IntN(180), r.IntN(256), r.IntN(256)),
			"{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]}}",
		}[r.IntN(6)]
	}
	ports := func() string {
		return []string{", ports: [{port: http}]", ", ports: [{port: 8080}, {port: 443}]", ", ports: [{port: 9000, endPort: 9100}]", ", ports: [{port: 5353, protocol: UDP}]", ""}[r.IntN(5)]
	}
	rule := func(key string) string { return fmt.Sprintf("{%s: [%s, %s]%s}", key, peer(), peer(), ports()) }
	spec := fmt.Sprintf("podSelector: {%s}, ingress: [%s, %s]", pods(), rule("from"), rule("from"))
	if r.IntN(3) == 0 {
		return spec + fmt.Sprintf(", policyTypes: [Ingress, Egress], egress: [%s, %s]", rule("to"), rule("to"))
	}
	return spec + ", policyTypes: [Ingress]"
}

var sizes = []size{{100, 2000, 10000, 1000}, {200, 5000, 25000, 3000}}

func BenchmarkAllPairs(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.String(), func(b *testing.B) {
			s := model.NewSnapshot(parse(b, size.cluster()), true)
			s.Workloads("ns-0") // the label index is the snapshot's
			b.ReportAllocs()
			defer cputime.Report(b)()
			var g *Graph
			var t Totals
			for b.Loop() {
				g = New(s)
				t = g.Count()
			}
			b.ReportMetric(float64(len(g.classes)), "classes")
			b.ReportMetric(float64(len(g.signatures[Ingress])), "ingress-rows")
			b.ReportMetric(float64(len(g.signatures[Egress])), "egress-rows")
			b.ReportMetric(float64(g.addresses.classes), "address-classes")
			b.ReportMetric(float64(t.Yes), "pairs")
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.String(), func(b *testing.B) {
			s := model.NewSnapshot(parse(b, size.cluster()), true)
			s.Workloads("ns-0")
			b.ReportAllocs()
			defer cputime.Report(b)()
			for b.Loop() {
				New(s)
			}
		})
	}
}

func BenchmarkWarmPair(b *testing.B) {
	g := New(model.NewSnapshot(parse(b, sizes[0].cluster()), true))
	g.Count()
	i := 0
	for b.Loop() {
		g.Ports(ID(i%2000), ID(i*7%2000))
		i++
	}
}

// One policy is added to a namespace of a warm graph, taken away or changed, and
// what that changes is asked.
func BenchmarkWhatIf(b *testing.B) {
	for _, size := range sizes {
		s := model.NewSnapshot(parse(b, size.cluster()), true)
		g := New(s)
		g.Count()
		for _, c := range whatIfs(b, s) {
			b.Run(size.String()+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				defer cputime.Report(b)()
				changes, n := 0, 0
				for b.Loop() {
					change := c.change(n)
					changes = len(Diff(g, g.With(s.With(change), change)))
					n++
				}
				b.ReportMetric(float64(changes), "changes")
			})
		}
	}
}

type whatIf struct {
	name   string
	change func(n int) model.Change // the nth time, so that what it looks at is new
}

// whatIfs are changes of one policy each.
func whatIfs(t testing.TB, s *model.Snapshot) []whatIf {
	added := func(name, peer, port string) whatIf {
		return whatIf{name, func(n int) model.Change {
			text := netpol("ns-14", "added", "podSelector: {}, ingress: [{from: ["+strings.ReplaceAll(peer, "@", fmt.Sprint(n))+"], ports: [{port: "+port+"}]}]")
			o := parse(t, text)[0]
			return model.Change{Key: o.Key, Object: o}
		}}
	}
	pods := func(key string) string {
		return "{podSelector: {matchExpressions: [{key: " + key + ", operator: NotIn, values: [new-@, r-1, three, yes-please]}]}}"
	}
	list := []whatIf{
		added("known", "{podSelector: {matchLabels: {app: app-1}}}", "8080"),
		added("label-of-none", pods("role"), "8080"),
		added("label-of-some", pods("tenant"), "8080"),
		added("label-of-all", pods("release"), "8080"),
		added("label-of-one-pod", pods("single-@"), "8080"),
		added("port-name", "{podSelector: {matchLabels: {app: app-1}}}", "metrics"),
		added("range", "{ipBlock: {cidr: 198.51.100.0/24}}", "8080"),
	}
	for o := range s.Kind(apis[0].kind) {
		switch o.Key.Name {
		case "p-11", "p-614":
			list = append(list, whatIf{"removed-" + o.Key.Name, func(int) model.Change { return model.Change{Key: o.Key} }})
		case "p-410":
			changed := parse(t, netpol(o.Key.Namespace, o.Key.Name, "podSelector: {}, ingress: [{}]"))[0]
			list = append(list, whatIf{"changed", func(int) model.Change { return model.Change{Key: o.Key, Object: changed} }})
		}
	}
	return list
}
