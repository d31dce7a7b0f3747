package reach

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func declarations(t testing.TB, text string) []*model.Declaration {
	t.Helper()
	var all []*model.Declaration
	file := &tree.File{Name: "ullage.yaml", Text: text}
	for doc := range tree.Parse(file) {
		if doc.Root == nil {
			continue
		}
		d, err := model.ParseDeclaration(doc.Root, &model.Source{File: file})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func isolate(t testing.TB, closed bool, declared, namespace string, text ...string) (*Isolation, *model.Snapshot) {
	s := model.NewSnapshot(parse(t, strings.Join(text, "")), closed)
	return Isolate(s, New(s), NewExposure(s), declarations(t, declared), namespace, nil), s
}

func declare(kind, namespace, name, peers string) string {
	return fmt.Sprintf("---\napiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: [{kind: %s, name: %s, namespace: %s}]\npeers: {%s}\n", kind, name, namespace, peers)
}

func TestIsolate(t *testing.T) {
	web, db := pod("shop", "web", "app: web, pod-template-hash: x1", "{name: http, containerPort: 8080}"), pod("data", "db", "app: db", "{containerPort: 5432}")
	jobs := pod("shop", "job", "app: web, role: job", "")
	i, _ := isolate(t, true, declare("Pod", "shop", "web", "in: [{namespace: edge, ports: [80]}], out: [{service: db, namespace: data, ports: [5000]}, {dns: api.example.com, ports: [443]}, {workload: gone}]"),
		"shop", web, jobs, db, pod("edge", "proxy", "", ""), svc("web", "ports: [{port: 80, targetPort: http}]"),
		object("v1", "Service", "data", "db", "spec: {selector: {app: db}, ports: [{port: 5000, targetPort: 5432}]}"),
		object("v1", "Service", "kube-system", "kube-dns", "spec: {selector: {k8s-app: dns}, ports: [{port: 53, protocol: UDP, targetPort: dns}]}"),
		pod("kube-system", "dns", "k8s-app: dns", "{name: dns, containerPort: 5353, protocol: UDP}"))
	var text strings.Builder
	for _, p := range i.Policies {
		text.WriteString(p.Text)
	}
	for _, want := range []string{
		"podSelector: {matchLabels: {app: web}, matchExpressions: [{key: role, operator: DoesNotExist}]}", // not the job, and no hash
		"podSelector: {matchLabels: {k8s-app: dns}}}\n      ports: [{protocol: UDP, port: 5353}]",         // the pod port
		"kubernetes.io/metadata.name: data}}, podSelector: {matchLabels: {app: db}}}\n      ports: [{protocol: TCP, port: 5432}]",
		"kubernetes.io/metadata.name: edge}}}\n      ports: [{protocol: TCP, port: 8080}]", // behind the Service
		"{ipBlock: {cidr: \"0.0.0.0/0\", except: [",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is not in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "x1") || len(i.Questions) != 3 || !strings.Contains(i.Questions[0].Text, "gone") {
		t.Errorf("%v\n%s", i.Questions, text.String())
	}
	if k := i.Kept[0]; k.Answer != No || k.To != "workload shop/gone" || len(i.Kept) != 4 {
		t.Errorf("what was not read is not counted: %v", i.Kept)
	}
	if a := i.Proof.After; a.Within.Most != 0 || a.From != (Extent{1, 1}) || a.To.Least != 3 {
		t.Errorf("%+v", a)
	}
}

// Settings that name a Service are questions, and nothing is allowed by them.
func TestIsolateAsks(t *testing.T) {
	web := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: a, " +
		"env: [{name: A, value: \"http://db.data:5432/x\"}, {name: B, value: api}, {name: C, value: \"the cache is nice\"}]}]}\n"
	services := object("v1", "Service", "data", "db", "spec: {selector: {app: db}, ports: [{port: 5432}]}") + svc("api", "ports: [{port: 80}]") + svc("cache", "ports: [{port: 80}]")
	i, s := isolate(t, true, "", "shop", web, services, pod("data", "db", "app: db", ""))
	all := fmt.Sprint(i.Questions)
	if !strings.Contains(all, "Service/data/db, Service/shop/api false}") || i.Proof.After.To.Most != 0 {
		t.Error(all, i.Proof.After)
	}
	j := Isolate(s, New(s), NewExposure(s), nil, "data", nil)
	if !strings.Contains(fmt.Sprint(j.Questions), "does it connect to Service/data/db?") {
		t.Error(j.Questions)
	}
}

// On random clusters with random declarations: what is declared stays as open as
// policies of others let it, what the set can close is closed, and pairs without an
// end in the namespace do not change.
func TestIsolateRandom(t *testing.T) {
	var kept [3]int
	for seed := range uint64(300) {
		r := &maker{Rand: rand.New(rand.NewPCG(seed, 7)), t: t}
		r.cluster(int(seed % 5))
		if r.chance(2) {
			r.add("v1", "Service", "svc", "n0", nil, m{"selector": m{"app": "a"}, "ports": []any{m{"port": 80, "targetPort": pick[any](r, 8080, "http")}}})
		}
		s := r.snapshot(true)
		var docs strings.Builder
		for _, ns := range s.Namespaces() {
			if index := s.Workloads(ns); index != nil {
				for _, w := range index.Workloads {
					docs.WriteString(r.declaration(s, w))
				}
			}
		}
		checkIsolation(t, seed, s, declarations(t, docs.String()), &kept)
	}
	if kept[Yes] < 200 {
		t.Errorf("%v connections: the declarations are too plain", kept)
	}
}

func (r *maker) declaration(s *model.Snapshot, w model.Workload) string {
	peers := func() string {
		var list []string
		for range r.IntN(3) {
			ns := pick(r, namespaces...)
			peer := pick(r, "cidr: "+pick(r, "203.0.113.0/24", "198.51.100.0/25"), "namespace: "+ns, "workload: w-"+fmt.Sprint(r.IntN(5))+", namespace: "+ns, "service: svc, namespace: n0")
			list = append(list, fmt.Sprintf("{%s, ports: [%s]}", peer, pick(r, "80", "8080", "443, 53/UDP")))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	if r.chance(3) {
		return ""
	}
	return declare(w.Object.Key.Kind, w.Object.Key.Namespace, w.Object.Key.Name, "in: "+peers()+", out: "+peers())
}

func checkIsolation(t *testing.T, seed uint64, s *model.Snapshot, declared []*model.Declaration, kept *[3]int) {
	before := New(s)
	i := Isolate(s, before, NewExposure(s), declared, "n1", nil)
	if len(i.Policies) == 0 {
		return
	}
	var changes []model.Change
	for _, p := range i.Policies {
		changes = append(changes, model.Change{Key: p.Object.Key, Object: p.Object})
	}
	after := New(s.With(changes...))
	only := New(model.NewSnapshot(append(withoutPolicies(s), objectsOf(i.Policies)...), true)) // the set alone
	end := func(g *Graph, e Endpoint) ID { return g.Find(e.Workload.Object.Key)[0] }
	inside := func(e Endpoint) bool { return e.Workload.Object.Key.Namespace == "n1" }
	bare := model.NewSnapshot(withoutPolicies(s), true)
	for _, k := range Isolate(bare, New(bare), NewExposure(bare), declared, "n1", nil).Kept {
		if unread := strings.Contains(strings.Join(k.Why, ""), "is not known"); k.Answer == No && !unread || k.Answer == Maybe && len(k.Why) == 0 {
			t.Errorf("seed %d: %s -> %s on %s: %s by the set itself (%s)", seed, k.From, k.To, k.Ports, k.Answer, k.Because)
		}
		kept[k.Answer]++
	}
	allowed := declaredPairs(s, i, declared)
	for x := range before.Endpoints() {
		for y := range before.Endpoints() {
			if x.Kind != Pods || y.Kind != Pods || x.ID == y.ID || x.HostNetwork || y.HostNetwork {
				continue
			}
			was, is, alone := before.Ports(x.ID, y.ID), after.Ports(end(after, x), end(after, y)), only.Ports(end(only, x), end(only, y))
			switch pair := [2]model.Key{x.Workload.Object.Key, y.Workload.Object.Key}; {
			case !inside(x) && !inside(y):
				if !was.Equal(is) {
					t.Fatalf("seed %d: %s -> %s changed from %v to %v", seed, pair[0], pair[1], was, is)
				}
			case !allowed[pair] && !alone.Must.Empty():
				t.Fatalf("seed %d: %s -> %s is open on %s, and nobody declares it\n%v", seed, pair[0], pair[1], alone.Must, i.Policies)
			}
		}
	}
}

func objectsOf(list []Generated) []*model.Object {
	var all []*model.Object
	for _, p := range list {
		all = append(all, p.Object)
	}
	return all
}

func withoutPolicies(s *model.Snapshot) []*model.Object {
	var all []*model.Object
	for _, o := range s.All() {
		if !strings.Contains(o.Key.Kind, "Polic") {
			all = append(all, o)
		}
	}
	return all
}

// declaredPairs returns the pairs that may be open, read plainly from the
// declarations. Workloads with the same labels cannot be told apart.
func declaredPairs(s *model.Snapshot, i *Isolation, declared []*model.Declaration) map[[2]model.Key]bool {
	var all []model.Workload
	for _, ns := range s.Namespaces() {
		if index := s.Workloads(ns); index != nil {
			all = append(all, index.Workloads...)
		}
	}
	alike := func(a, b model.Workload) bool {
		return a.Object.Key.Namespace == b.Object.Key.Namespace && labelsText(stableLabels(a.Pod)) == labelsText(stableLabels(b.Pod))
	}
	means := func(p model.Peer, of, w model.Workload) bool {
		ns := p.Namespace
		if ns == "" {
			ns = of.Object.Key.Namespace
		}
		switch {
		case w.Object.Key.Namespace != ns || p.CIDR != "":
			return false
		case p.Service != "":
			o := s.Get(model.Key{Namespace: ns, GroupKind: model.ServiceKind, Name: p.Service})
			return o != nil && model.MatchLabels(o.Root.Dig("spec", "selector")).Matches(w.Pod.Labels())
		case p.Workload == "":
			return true
		}
		return slices.ContainsFunc(all, func(x model.Workload) bool {
			return x.Object.Key.Namespace == ns && x.Object.Key.Name == p.Workload && alike(x, w)
		})
	}
	open := map[[2]model.Key]bool{}
	for _, d := range declared {
		for _, of := range all {
			if !d.Covers(of.Object) {
				continue
			}
			for _, w := range all {
				for _, same := range all {
					if !alike(of, same) {
						continue
					}
					for _, p := range d.Peers.In {
						if means(p, of, w) {
							open[[2]model.Key{w.Object.Key, same.Object.Key}] = true
						}
					}
					for _, p := range d.Peers.Out {
						if means(p, of, w) {
							open[[2]model.Key{same.Object.Key, w.Object.Key}] = true
						}
					}
				}
			}
		}
	}
	return open
}

// A way in that policies close is asked about, and a declaration of what was not
// read is told.
func TestIsolateOpensNothingByItself(t *testing.T) {
	web := pod("shop", "web", "app: web", "{containerPort: 8080}") + svc("web", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80, targetPort: 8080}]")
	wrong := declare("Pod", "shop", "wbe", "in: [{namespace: edge, ports: [8080]}]")
	for _, c := range []struct {
		policy string
		asks   bool
	}{{"", false}, {netpol("shop", "deny", "podSelector: {}, policyTypes: [Ingress]"), true}} {
		i, _ := isolate(t, true, wrong, "shop", web, c.policy)
		if got := strings.Contains(fmt.Sprint(i.Questions), "shall it be open to LoadBalancer Service/shop/web?"); got != c.asks {
			t.Errorf("%v", i.Questions)
		}
		if opens := len(i.Proof.Opens) > 0; opens {
			t.Errorf("what was closed opens: %v", i.Proof.Opens)
		}
		if notes := strings.Join(i.Notes, "; "); !strings.Contains(notes, "ullage.yaml:4:1 declares peers of Pod/wbe, which was not read") {
			t.Errorf("notes: %s", notes)
		}
	}
}

// A way in lets in whom policies let in today, and no others. That the address of a
// node may stand for anybody's opens nothing.
func TestIsolateOpensNoMoreThanPolicies(t *testing.T) {
	db := pod("shop", "web", "app: web", "{name: pg, containerPort: 5432}, {containerPort: 80}") + pod("other", "cli", "app: cli", "")
	balancer := func(more string) string {
		return svc("web", "type: LoadBalancer, "+more+"ports: [{name: a, port: 5432, targetPort: pg}, {name: b, port: 80}]")
	}
	from := func(cidr, port string) string {
		return netpol("shop", "in", "podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: "+cidr+"}], ports: [{port: "+port+"}]}]")
	}
	ingress := object("networking.k8s.io/v1", "Ingress", "shop", "in", "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}")
	plain := svc("web", "ports: [{name: b, port: 80}]")
	local := "externalTrafficPolicy: Local, "
	for _, c := range []struct{ name, text, want, asks string }{
		{"a range", balancer(local) + from(`{cidr: 192.0.2.0/24}`, "pg"), `{ipBlock: {cidr: "192.0.2.0/24"}} [{protocol: TCP, port: 5432}]`, ""},
		{"a range behind translation", balancer("") + from(`{cidr: 192.0.2.0/24}`, "pg"), `{ipBlock: {cidr: "192.0.2.0/24"}} [{protocol: TCP, port: 5432}]`, ""},
		{"a range of which the balancer lets in a part", balancer(local+"loadBalancerSourceRanges: [192.0.2.0/25], allocateLoadBalancerNodePorts: false, ") + from(`{cidr: 192.0.2.0/24}`, "80"), `{ipBlock: {cidr: "192.0.2.0/25"}} [{protocol: TCP, port: 80}]`, ""},
		{"a balancer for some, with node ports", balancer(local + "loadBalancerSourceRanges: [192.0.2.0/25], "), `{ipBlock: {cidr: "192.0.2.0/25"}} [{protocol: TCP, port: 80}, {protocol: TCP, port: 5432}]`, "shall it be open to everybody at the node ports of Service/shop/web?"},
		{"all but some", balancer(local) + from(`{cidr: 0.0.0.0/0, except: [198.51.100.0/24]}`, "80"), `{ipBlock: {cidr: "0.0.0.0/0", except: ["198.51.100.0/24"]}} [{protocol: TCP, port: 80}]`, ""},
		{"all but some of a range", balancer(local) + from(`{cidr: "2001:db8::/32", except: ["2001:db8:1::/48"]}`, "80"), `{ipBlock: {cidr: "2001:db8::/32", except: ["2001:db8:1::/48"]}} [{protocol: TCP, port: 80}]`, ""},
		{"nobody behind translation", balancer("") + netpol("shop", "deny", "podSelector: {}, policyTypes: [Ingress]"), "", "policies close it today"},
		{"no policy", balancer(local), `{ipBlock: {cidr: "0.0.0.0/0"}} {ipBlock: {cidr: "::/0"}} [{protocol: TCP, port: 80}, {protocol: TCP, port: 5432}]`, ""},
		{"a route of unread pods, and policies for some", plain + ingress + from(`{cidr: 192.0.2.0/24}`, "80"), "", "whom policies let in today is not certain"},
	} {
		i, s := isolate(t, true, "", "shop", db, c.text)
		var got []string
		for _, p := range i.Policies {
			for _, in := range p.Object.Root.Dig("spec", "ingress").Children() {
				for _, peer := range in.Get("from").Children() {
					got = append(got, blockOfPeer(&peer))
				}
				got = append(got, portsOfRule(&in))
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: allows %s, want %s", c.name, text, c.want)
		}
		if asks := fmt.Sprint(i.Questions); (c.asks == "") == strings.Contains(asks, "shall it be open") || !strings.Contains(asks, c.asks) {
			t.Errorf("%s: %s", c.name, asks)
		}
		before := New(s)
		cli, web := model.Key{Namespace: "other", GroupKind: model.PodKind, Name: "cli"}, model.Key{Namespace: "shop", GroupKind: model.PodKind, Name: "web"}
		was, is := before.Ports(before.Find(cli)[0], before.Find(web)[0]), i.Proof.Graph.Ports(i.Proof.Graph.Find(cli)[0], i.Proof.Graph.Find(web)[0])
		if strings.Contains(c.text, "kind: NetworkPolicy") && !is.Equal(was) {
			t.Errorf("%s: another pod had %v, and has %v", c.name, was, is)
		}
	}
}

func blockOfPeer(n *tree.Node) string {
	prefix := netip.MustParsePrefix(n.Dig("ipBlock", "cidr").Str())
	var except []netip.Prefix
	for _, e := range n.Dig("ipBlock", "except").Children() {
		except = append(except, netip.MustParsePrefix(e.Str()))
	}
	return blockText(prefix, except...)
}

func portsOfRule(n *tree.Node) string {
	var list []string
	for _, p := range n.Get("ports").Children() {
		list = append(list, "{protocol: "+p.Get("protocol").Str()+", port: "+p.Get("port").Text()+"}")
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// TestIsolateAPI holds what is said of connections with the API server.
func TestIsolateAPI(t *testing.T) {
	const api = "---\napiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: [{kind: Pod, name: op, namespace: shop}]\napi: [{apiGroups: [''], resources: [pods], verbs: [get]}]\npeers: {%s}\n"
	op := pod("shop", "op", "app: op", "{containerPort: 9443}")
	slice := strings.Replace(endpointSlice("kubernetes", "kubernetes", "", "ports: [{name: https, port: 6443}]\nendpoints: [{addresses: [10.0.0.1]}]"), "namespace: shop", "namespace: default", 1)
	service := object("v1", "Service", "shop", "op", "spec: {selector: {app: op}, ports: [{port: 443, targetPort: 9443}]}")
	hook := func(kind, policy string) string {
		return object("admissionregistration.k8s.io/v1", kind, "", "hook", "webhooks: [{name: a.example.com, failurePolicy: "+policy+", clientConfig: {service: {name: op, namespace: shop}}}]")
	}
	bound := func(namespace, account string) bool { return namespace == "shop" && account == "default" }
	for _, c := range []struct {
		name, declared string
		text           []string
		rights         Rights
		kept           string // answers of what is declared
		want           string // in a question, "" for none of these
		needed         bool
	}{
		{"rights of unknown addresses", fmt.Sprintf(api, ""), []string{op}, bound, "no", "", false},
		{"a rule on the port for others", fmt.Sprintf(api, "out: [{namespace: shop, ports: [443]}]"), []string{op}, nil, "yes no", "", false},
		{"rights and an address", fmt.Sprintf(api, "out: [{cidr: 10.0.0.1/32, ports: [6443]}]"), []string{op}, nil, "yes", "", false},
		{"rights and an EndpointSlice", fmt.Sprintf(api, ""), []string{op, slice}, nil, "yes", "", false},
		{"bound and not declared", "", []string{op}, bound, "", "does it connect to the API server?", false},
		{"bound without a token", "", []string{strings.Replace(op, "spec: {", "spec: {automountServiceAccountToken: false, ", 1)}, bound, "", "", false},
		{"an account without a token", "", []string{op, "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}, automountServiceAccountToken: false}\n"}, bound, "", "", false},
		{"not bound", "", []string{op}, func(string, string) bool { return false }, "", "", false},
		{"a validating webhook", "", []string{op, service, hook("ValidatingWebhookConfiguration", "Fail")}, nil, "", "connect to it on TCP 9443 (failurePolicy Fail: ", true},
		{"a mutating webhook", "", []string{op, service, hook("MutatingWebhookConfiguration", "Ignore")}, nil, "", "connect to it on TCP 9443 (failurePolicy Ignore: ", true},
		{"a webhook that addresses are declared for", declare("Pod", "shop", "op", "in: [{cidr: 10.0.0.0/24, ports: [9443]}]"), []string{op, service, hook("MutatingWebhookConfiguration", "Fail")}, nil, "yes", "", false},
		{"a webhook of another namespace", "", []string{op, service, strings.Replace(hook("MutatingWebhookConfiguration", "Fail"), "namespace: shop", "namespace: a", 1)}, nil, "", "", false},
		{"an APIService", "", []string{op, service, object("apiregistration.k8s.io/v1", "APIService", "", "v1.x.example.com", "spec: {service: {name: op, namespace: shop}}")}, nil, "", "its API answers nobody", true},
		{"a conversion", "", []string{op, service, object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "a.x.example.com", "spec: {conversion: {strategy: Webhook, webhook: {clientConfig: {service: {name: op, namespace: shop}}}}}")},
			nil, "", "objects are not converted", true},
	} {
		s := model.NewSnapshot(parse(t, strings.Join(c.text, "")), true)
		i := Isolate(s, New(s), NewExposure(s), declarations(t, c.declared), "shop", c.rights)
		var kept, asked []string
		needed := false
		for _, k := range i.Kept {
			kept = append(kept, map[Answer]string{Yes: "yes", Maybe: "maybe", No: "no"}[k.Answer])
		}
		for _, q := range i.Questions {
			if strings.Contains(q.Text, "API server") {
				asked, needed = append(asked, q.Text), needed || q.Needed
			}
		}
		text := strings.Join(asked, "\n")
		if strings.Join(kept, " ") != c.kept || needed != c.needed || (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s: kept %v, needed %t, asked:\n%s", c.name, kept, needed, text)
		}
	}
}
