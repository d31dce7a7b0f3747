package attack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// link is an edge of the reference.
type link struct {
	from, to ID
	weight   int
}

// links returns all edges of a graph, those of the network asked pair by pair.
func (g *Graph) links() []link {
	var all []link
	for i := range g.edges {
		all = append(all, link{g.edges[i].from, g.edges[i].to, int(g.edges[i].certainty)})
	}
	for w := range g.workloads {
		for c := range g.containers {
			best := reach.No
			for _, from := range g.endpointsOf(int32(w)) {
				for _, to := range g.endpointsOf(g.containers[c].workload) {
					for _, p := range g.ports(int32(c)) {
						best = max(best, g.network.Ports(from, to).On(p))
					}
				}
			}
			if best == reach.Yes && (g.unread != nil || g.workloads[g.containers[c].workload].asleep != nil || g.workloads[g.containers[c].workload].refused != nil) { // there are no pods
				best = reach.Maybe
			}
			if best == reach.Yes || best == reach.Maybe && !g.options.Known {
				weight := map[reach.Answer]int{reach.Yes: 3, reach.Maybe: 4}[best]
				all = append(all, link{g.workloadVertex(int32(w), positionAt), g.containerVertex(int32(c)), weight})
			}
		}
	}
	for v := range g.vertices {
		if guest, ok := g.guestOf(ID(v)); ok {
			for c := range g.containers {
				best := reach.No
				for _, to := range g.endpointsOf(g.containers[c].workload) {
					for _, p := range g.ports(int32(c)) {
						best = max(best, g.network.Passage(guest, to, []reach.Port{p}).Answer)
					}
				}
				if w := &g.workloads[g.containers[c].workload]; best == reach.Yes && (g.unread != nil || w.asleep != nil || w.refused != nil) {
					best = reach.Maybe
				}
				if best == reach.Yes || best == reach.Maybe && !g.options.Known {
					all = append(all, link{ID(v), g.containerVertex(int32(c)), map[reach.Answer]int{reach.Yes: 3, reach.Maybe: 4}[best]})
				}
			}
		}
	}
	return all
}

const far = 1 << 20

// relaxed is the reference for distances: every edge is relaxed until nothing
// changes.
func relaxed(n int, links []link, target []ID) []int {
	of := make([]int, n)
	for i := range of {
		of[i] = far
	}
	for _, t := range target {
		of[t] = 0
	}
	for changed := true; changed; {
		changed = false
		for _, l := range links {
			if of[l.to] < far && of[l.to]+l.weight < of[l.from] {
				of[l.from], changed = of[l.to]+l.weight, true
			}
		}
	}
	return of
}

// randomGraph has vertices without meaning.
func randomGraph(r *rand.Rand, vertices, edges int) *Graph {
	b := &builder{Graph: &Graph{}}
	for range vertices {
		b.vertex(User, 0, 0)
	}
	for range edges {
		b.edge(ID(r.IntN(vertices)), ID(r.IntN(vertices)), Everything, Certainty(r.IntN(maxWeight+1)), none)
	}
	b.index()
	return b.Graph
}

func compareDistances(t *testing.T, g *Graph, target []ID) *Distances {
	t.Helper()
	d := g.Distances(target...)
	links := g.links()
	want := relaxed(g.Len(), links, target)
	for v := range want {
		got, ok := d.From(ID(v))
		if ok != (want[v] < far) || ok && got != want[v] {
			t.Fatalf("%s: distance %d (%t), want %d", g.Vertex(ID(v)), got, ok, want[v])
		}
		if ok {
			checkPath(t, g, links, d.Shortest(ID(v)), ID(v), target, want[v])
		}
	}
	return d
}

// checkPath holds a path against the edges that there are.
func checkPath(t *testing.T, g *Graph, links []link, p Path, from ID, target []ID, weight int) {
	t.Helper()
	if len(p.Vertices) == 0 || p.Vertices[0] != from || !slices.Contains(target, p.Vertices[len(p.Vertices)-1]) || p.Weight != weight {
		t.Fatalf("path %v of weight %d from %d to %v, want weight %d", p.Vertices, p.Weight, from, target, weight)
	}
	sum := 0
	for i, v := range p.Vertices {
		if slices.Contains(p.Vertices[:i], v) {
			t.Fatalf("path %v visits %d twice", p.Vertices, v)
		}
		if i == 0 {
			continue
		}
		best := far
		for _, l := range links {
			if l.from == p.Vertices[i-1] && l.to == v {
				best = min(best, l.weight)
			}
		}
		sum += best
	}
	if sum != weight {
		t.Fatalf("path %v weighs %d, not %d", p.Vertices, sum, weight)
	}
}

// TestDistances holds the search against a reference that relaxes every edge
// until nothing changes.
func TestDistances(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 1 + r.IntN(30)
		g := randomGraph(r, n, r.IntN(4*n))
		target := []ID{ID(r.IntN(n))}
		for r.IntN(3) == 0 {
			target = append(target, ID(r.IntN(n)))
		}
		compareDistances(t, g, target)
	}
}

// simple enumerates the paths from any source to the first target on them.
func simple(links []link, from, target []ID) []Path {
	weight := map[[2]ID]int{}
	next := map[ID][]ID{}
	for _, l := range links {
		key := [2]ID{l.from, l.to}
		if w, ok := weight[key]; !ok {
			weight[key] = l.weight
			next[l.from] = append(next[l.from], l.to)
		} else {
			weight[key] = min(w, l.weight)
		}
	}
	var all []Path
	var walk func(path []ID, sum int)
	walk = func(path []ID, sum int) {
		last := path[len(path)-1]
		if slices.Contains(target, last) {
			all = append(all, Path{slices.Clone(path), sum})
			return
		}
		for _, to := range next[last] {
			if !slices.Contains(path, to) {
				walk(append(path, to), sum+weight[[2]ID{last, to}])
			}
		}
	}
	for _, v := range from {
		walk([]ID{v}, 0)
	}
	slices.SortFunc(all, func(a, b Path) int { return a.Weight - b.Weight })
	return all
}

func comparePaths(t *testing.T, g *Graph, from, target []ID, k int) int {
	t.Helper()
	links := g.links()
	want := simple(links, from, target)
	found := 0
	for _, effort := range []int{-1, 2, g.Len() + len(links)} { // always anew, now and then, hardly
		d := g.Distances(target...)
		d.effort = effort
		found += comparePathsOf(t, d, links, want, from, target, k)
	}
	return found / 3
}

func comparePathsOf(t *testing.T, d *Distances, links []link, want []Path, from, target []ID, k int) int {
	t.Helper()
	g, got := d.g, d.Paths(from, k)
	if len(got) != min(k, len(want)) {
		t.Fatalf("%d paths, want %d of %d: %v; all are %v", len(got), k, len(want), got, want)
	}
	seen := map[string]bool{}
	for i, p := range got {
		checkPath(t, g, links, p, p.Vertices[0], target, want[i].Weight)
		if key := fmt.Sprint(p.Vertices); seen[key] || !slices.Contains(from, p.Vertices[0]) {
			t.Fatalf("path %v comes twice, or from nowhere", p.Vertices)
		} else {
			seen[key] = true
		}
	}
	return len(got)
}

// TestPaths holds the best paths against all paths there are.
func TestPaths(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 3000 {
		n := 2 + r.IntN(7)
		g := randomGraph(r, n, n+r.IntN(4*n))
		from := []ID{ID(r.IntN(n))}
		if r.IntN(3) == 0 && !slices.Contains(from, ID(n/2)) {
			from = append(from, ID(n/2))
		}
		found += comparePaths(t, g, from, []ID{ID(r.IntN(n)), ID(r.IntN(n))}, 1+r.IntN(12))
	}
	if found < 5000 {
		t.Errorf("only %d paths were compared", found)
	}
}

// TestPathsWithin holds paths from the internet to some namespaces against those of
// a graph without its steps elsewhere.
func TestPathsWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	found, left := 0, 0
	for range 300 {
		g := graphOf(t, false, parse(t, clusterYAML(r))...)
		e, err := g.Ends(Query{From: "internet", To: "cluster-admin", Namespaces: []string{"a", "c"}[:1+r.IntN(2)]})
		if err != nil {
			t.Fatal(err)
		}
		other := &builder{Graph: &Graph{}}
		*other.Graph = *g
		for i := range g.edges {
			if from, to := g.edges[i].from, g.edges[i].to; from != g.internet || slices.Contains(e.Entries, to) {
				other.made = append(other.made, g.edges[i])
			} else {
				left++
			}
		}
		other.index()
		want := other.Distances(g.admin).Paths([]ID{g.internet}, 8)
		got := g.Distances(g.admin).PathsOf(e, 8)
		if len(got) != len(want) {
			t.Fatalf("%d paths, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i].Weight != want[i].Weight {
				t.Fatalf("path %d weighs %d, want %d", i, got[i].Weight, want[i].Weight)
			}
			checkPath(t, g, g.links(), got[i], g.internet, []ID{g.admin}, want[i].Weight)
			if v := g.Vertex(got[i].Vertices[1]); !slices.Contains(e.Entries, v.ID) {
				t.Fatalf("a path begins in %s", v)
			}
			found++
		}
	}
	if found < 300 || left < 100 {
		t.Errorf("%d paths, and %d steps left out", found, left)
	}
}

// clusterYAML is a small random cluster, with all that edges are made of.
func clusterYAML(r *rand.Rand) string {
	var b strings.Builder
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	namespaces := []string{"a", "b", "c"}
	ns := func() string { return pick(namespaces...) }
	for _, name := range namespaces {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {team: %[1]s%s}}\n", name,
			pick("", enforce+"baseline", enforce+"restricted", enforce+"privileged"))
	}
	for i := range 3 + r.IntN(5) {
		spec := pick("", "hostPID: true", "hostUsers: false", "automountServiceAccountToken: false", "hostNetwork: true", "tolerations: [{operator: Exists}]", "shareProcessNamespace: true")
		if i > 0 && r.IntN(2) == 0 {
			spec += fmt.Sprintf("\n      serviceAccountName: s%d", r.IntN(3))
		}
		spec += pick("", "\n      volumes: [{name: host, hostPath: {path: "+pick("/", "/etc", "/var/log", "/run/docker.sock", "/var/lib/kubelet", "/var/lib/etcd", "/opt")+"}}]",
			"\n      volumes: [{name: host, persistentVolumeClaim: {claimName: shared}}]", "\n      volumes: [{name: host, secret: {secretName: t"+pick("0", "1")+"}}]")
		c := pick("", "ports: [{containerPort: 80}]", "ports: [{containerPort: 8080, name: http}]", "ports: [{containerPort: 80, hostPort: 80}]")
		security := pick("runAsUser: 0", "privileged: true", "capabilities: {add: [SYS_ADMIN]}", "runAsUser: 7, runAsNonRoot: true", "allowPrivilegeEscalation: false")
		c += "\n          securityContext: {" + security + "}"
		if strings.Contains(spec, "volumes") {
			c += "\n          volumeMounts: [{name: host, mountPath: /host" + pick("", ", readOnly: true") + "}]"
		}
		b.WriteString(strings.NewReplacer("namespace: shop}\nspec:", "namespace: "+ns()+"}\nspec:"+pick("", "", "\n  replicas: 0", "\n  replicas: 2")).Replace(deploy(fmt.Sprintf("w%d", i), spec, strings.TrimSpace(c))))
	}
	for i := range r.IntN(5) {
		fmt.Fprintf(&b, "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: v%d, namespace: %s}\nspec: {type: %s, selector: {app: w%[1]d}, ports: [{port: 80, targetPort: %s}]}\n", i, ns(), pick("LoadBalancer", "NodePort", "ClusterIP"), pick("80", "8080", "http"))
	}
	for i := range r.IntN(4) {
		peer := pick("", "ingress: [{from: [{podSelector: {}}]}]", "ingress: [{}]", "egress: [{to: [{namespaceSelector: {matchLabels: {team: a}}}]}]", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}]")
		types := pick("policyTypes: [Ingress]", "policyTypes: [Ingress, Egress]", "policyTypes: [Egress]")
		if peer != "" {
			peer = ", " + peer
		}
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p%d, namespace: %s}\nspec: {podSelector: {%s}, %s%s}\n", i, ns(), pick("", "matchLabels: {app: w1}", "matchLabels: {app: w0}"), types, peer)
	}
	for i := range 2 {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: t%d, namespace: %s, annotations: {kubernetes.io/service-account.name: s%d}}\ntype: kubernetes.io/service-account-token\n", i, ns(), r.IntN(3))
	}
	for i := range 1 + r.IntN(6) {
		rules := pick(rule("get, list", "", "secrets"), rule("create", "", "pods/exec"), rule("create", "", "pods"), rule("patch", "apps", "deployments"), rule("create", "", "serviceaccounts/token"),
			rule("patch", "", "pods/ephemeralcontainers"), rule("get", "", "nodes/proxy"), rule("'*'", "*", "'*'"), rule("impersonate", "", "serviceaccounts"), rule("get", "", "pods/log"),
			rule("create", "", "pods/portforward"), rule("patch, create", "", "namespaces, pods"), rule("patch", "", "nodes"), rule("create", "certificates.k8s.io", "certificatesigningrequests, certificatesigningrequests/nodeclient"),
			rule("patch", "apiextensions.k8s.io", "customresourcedefinitions"), rule("create", "", "secrets"), "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [t0]}")
		kind, scope := "ClusterRoleBinding", ""
		if r.IntN(3) > 0 {
			kind, scope = "RoleBinding", ", namespace: "+ns()
		}
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r%d}\nrules: [%s]\n", i, rules)
		subject := pick(fmt.Sprintf("{kind: ServiceAccount, name: s%d, namespace: %s}", r.IntN(3), ns()), fmt.Sprintf("{kind: ServiceAccount, name: default, namespace: %s}", ns()),
			"{kind: Group, name: 'system:serviceaccounts', apiGroup: rbac.authorization.k8s.io}")
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: b%d%s}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r%[2]d}\nsubjects: [%[4]s, %[5]s]\n",
			kind, i, scope, subject, fmt.Sprintf("{kind: ServiceAccount, name: s%d, namespace: %s}", r.IntN(3), ns()))
	}
	return b.String()
}

// TestClusterDistances holds the search over random clusters, network included,
// against the reference.
func TestClusterDistances(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	reached := 0
	for range 600 {
		g := graphOf(t, r.IntN(2) == 0, parse(t, clusterYAML(r))...)
		d := compareDistances(t, g, []ID{g.admin})
		if _, ok := d.From(g.internet); ok {
			reached++
		}
		compareDistances(t, g, g.all(NodeRoot))
		known := New(g.snapshot, g.network, g.access, Options{KubernetesMinor: 37, Known: true})
		compareDistances(t, known, []ID{known.admin})
		for _, l := range known.links() {
			if l.weight == int(Unknown) {
				t.Fatalf("%s -> %s is unknown", known.Vertex(l.from), known.Vertex(l.to))
			}
		}
	}
	if reached < 100 || reached > 590 {
		t.Errorf("the internet reaches cluster-admin in %d of 600 clusters", reached)
	}
}

// TestOrder holds that the order of objects says nothing.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		yaml := clusterYAML(r)
		g := graphOf(t, false, parse(t, yaml)...)
		objects := parse(t, yaml)
		r.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		h := graphOf(t, false, objects...)
		if a, b := g.told(), h.told(); !slices.Equal(a, b) {
			t.Fatalf("%v\n%v", a, b)
		}
		a, b := g.Distances(g.admin).Paths([]ID{g.internet}, 5), h.Distances(h.admin).Paths([]ID{h.internet}, 5)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%v\n%v", a, b)
		}
	}
}

// lost counts with the reference alone how many sources of one snapshot have a
// path, lose every path in another, and have a longer one there.
func lost(q Query, before, after *model.Snapshot) (closed, longer, sources int, err error) {
	reaching := func(s *model.Snapshot) (map[string]int, error) {
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		target, err := g.Target(q.To)
		if err != nil {
			return nil, err
		}
		source, err := g.Source(q.From)
		if err != nil {
			return nil, err
		}
		of := relaxed(g.Len(), g.links(), target)
		names := map[string]int{}
		for _, v := range g.Entries(source) {
			if of[v] < far {
				names[g.Vertex(v).String()] = of[v]
			}
		}
		return names, nil
	}
	was, err := reaching(before)
	if err != nil {
		return 0, 0, 0, err
	}
	is, err := reaching(after)
	if err != nil {
		return 0, 0, 0, err
	}
	for name, weight := range was {
		if now, ok := is[name]; !ok {
			closed++
		} else if now > weight {
			longer++
		}
	}
	return closed, longer, len(was), nil
}

// TestRemedies makes each change that is promised to close paths and counts.
func TestRemedies(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	promised := 0
	kinds := map[string]int{}
	for range 120 {
		s := model.NewSnapshot(parse(t, clusterYAML(r)), false)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		for _, q := range []Query{{From: "internet", To: "cluster-admin"}, {From: "any", To: "cluster-admin"}, {From: "any", To: "node"}, {From: "any", To: "secret/a/t0"}} {
			remedies, err := g.Remedies(q, 3)
			if err != nil {
				continue // there is no such secret
			}
			last := far
			for _, m := range remedies {
				closed, longer, sources, err := lost(q, s, s.With(m.Changes...))
				if err != nil || closed != m.Closed || longer != m.Longer || sources != m.Sources || m.Closed+m.Longer == 0 || m.Closed > last {
					t.Fatalf("%v: %s: closes %d, lengthens %d of %d, promised %d, %d of %d (%v)", q, m.Title, closed, longer, sources, m.Closed, m.Longer, m.Sources, err)
				}
				last = m.Closed
				promised++
				kinds[strings.Fields(m.Title)[0]]++
			}
		}
	}
	for _, kind := range []string{"add", "drop", "enforce", "remove", "set", "take"} {
		if kinds[kind] == 0 {
			t.Errorf("%d changes of kinds %v, and none to %s", promised, kinds, kind)
		}
	}
}

// TestChokes holds cuts against the reference without the vertex.
func TestChokes(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	cuts := 0
	for range 150 {
		g := graphOf(t, false, parse(t, clusterYAML(r))...)
		target := []ID{g.admin}
		from, _ := g.Source("any")
		d := g.Distances(target...)
		links := g.links()
		was := relaxed(g.Len(), links, target)
		for _, c := range d.Chokes(from, target, 5) {
			left := slices.DeleteFunc(slices.Clone(links), func(l link) bool { return l.from == c.Vertex || l.to == c.Vertex })
			is := relaxed(g.Len(), left, target)
			cut, passing := 0, 0
			for _, v := range from {
				if v != c.Vertex && was[v] < far && is[v] == far {
					cut++
				}
				if v != c.Vertex && slices.Contains(d.Shortest(v).Vertices, c.Vertex) {
					passing++
				}
			}
			if cut != c.Cut || passing != c.Passing {
				t.Fatalf("%s: cuts %d and is passed by %d, want %d and %d", g.Vertex(c.Vertex), c.Cut, c.Passing, cut, passing)
			}
			cuts += cut
		}
	}
	if cuts == 0 {
		t.Error("nothing was cut")
	}
}
