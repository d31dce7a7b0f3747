package attack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

func graphOf(t testing.TB, closed bool, objects ...*model.Object) *Graph {
	t.Helper()
	return graphFrom(model.NewSnapshot(objects, closed))
}

func graphFrom(s *model.Snapshot) *Graph {
	return New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
}

// told lists the edges of a graph, those of the network included.
func (g *Graph) told() []string { return slices.Sorted(maps.Keys(g.shapes())) }

// shapes returns for each edge, as it is told, its kind and the kinds of its ends,
// where subjects are one.
func (g *Graph) shapes() map[string]string {
	all := map[string]string{}
	end := func(id ID) string {
		switch k := g.Kind(id); k {
		case User, Group, Granted:
			return Account.String()
		default:
			return k.String()
		}
	}
	tell := func(e Edge) {
		all[fmt.Sprintf("%s: %s -> %s, %s", e.Kind, g.Vertex(e.From), g.Vertex(e.To), e.Certainty)] = fmt.Sprintf("%s: %s -> %s", e.Kind, end(e.From), end(e.To))
	}
	for i := range g.edges {
		tell(g.public(&g.edges[i]))
	}
	for v := range g.vertices {
		for c := range g.containers {
			if e, ok := g.networkEdge(ID(v), g.containerVertex(int32(c))); ok {
				tell(e)
			}
		}
	}
	return all
}

// deploy writes a Deployment in namespace shop with one container, app.
func deploy(name, spec, container string) string {
	return fmt.Sprintf(`
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: shop}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      %s
      containers:
        - name: app
          image: registry.example/app:1
          %s
`, name, spec, container)
}

// role binds the default service account of namespace shop to a rule, in the
// namespace or in the cluster.
func role(cluster bool, rules ...string) string {
	kind, meta := "Role", ", namespace: shop"
	if cluster {
		kind, meta = "ClusterRole", ""
	}
	return fmt.Sprintf(`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: %s
metadata: {name: r%s}
rules: [%s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: %[1]sBinding
metadata: {name: b%[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %[1]s, name: r}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
`, kind, meta, strings.Join(rules, ", "))
}

func rule(verbs, group, resources string) string {
	return fmt.Sprintf("{apiGroups: ['%s'], resources: [%s], verbs: [%s]}", group, resources, verbs)
}

func namespaceOf(name, labels string) string {
	return fmt.Sprintf("\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {team: web%s}}\n", name, labels)
}

const (
	root     = "securityContext: {runAsUser: 0}"
	hostPath = "volumes: [{name: host, hostPath: {path: %s}}]"
	mounted  = "securityContext: {runAsUser: 0}\n          volumeMounts: [{name: host, mountPath: /host}]"
	web      = "ports: [{name: http, containerPort: 8080}]"
	enforce  = ", pod-security.kubernetes.io/enforce: "
	gone     = "spec:\n  selector => other:\n  selector" // makes the first workload none
	nobody   = "name: default, namespace: shop}] => name: default, namespace: kube-system}]"
	secret   = "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}}"
	pvc      = "\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}}"
	cloud    = "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}, spec: {providerID: 'aws:///a/i-1'}}"
)

func at(path string) string { return fmt.Sprintf(hostPath, path) }

// always are the edges that every graph of files has: they have no twin without.
var always = []string{
	"use-admin: cluster-admin -> any node", "use-admin: cluster-admin -> any pod", "use-admin: cluster-admin -> any secret", "use-admin: cluster-admin -> any service account",
	"node-placement: any node -> node", // of the control plane, which files need not show
}

// TestKinds holds every kind of edge to its cases, each of which makes the edge,
// and makes it no more when one precondition is left away. So it does every shape
// of edges that some case makes by the way.
func TestKinds(t *testing.T) {
	made, gone := [edgeKinds]bool{}, [edgeKinds]bool{}
	shapes := map[string]bool{}
	for _, c := range slices.Concat(kindCases, pathCases, operatorCases, openCases) {
		made[c.kind] = true
		if slices.ContainsFunc(c.not, func(change string) bool { return !strings.HasPrefix(change, "~") }) {
			gone[c.kind] = true
			for told, shape := range graphOf(t, false, parse(t, c.yaml)...).shapes() {
				shapes[shape] = shapes[shape] || told == c.told()
			}
		}
		t.Run(c.kind.String(), c.test)
	}
	for kind := range edgeKinds {
		if !made[kind] || !gone[kind] {
			t.Errorf("%s: a case that makes the edge %t, one that makes it no more %t", kind, made[kind], gone[kind])
		}
	}
	for shape, covered := range shapes {
		if !covered && !slices.Contains(always, shape) {
			t.Errorf("no case that makes and unmakes %s", shape)
		}
	}
}

func (c *kindCase) told() string { return c.kind.String() + ": " + c.want }

func (c kindCase) test(t *testing.T) {
	shapes := graphOf(t, false, parse(t, c.yaml)...).shapes()
	shape, ok := shapes[c.told()]
	if !ok {
		t.Fatalf("no edge %q in\n%s\nof%s", c.told(), strings.Join(slices.Sorted(maps.Keys(shapes)), "\n"), c.yaml)
	}
	alike := func(shapes map[string]string) (n int) {
		for _, other := range shapes {
			if other == shape {
				n++
			}
		}
		return n
	}
	ends, _, _ := strings.Cut(c.told(), ", ")
	for _, change := range c.not {
		change, weaker := strings.CutPrefix(change, "~")
		old, new, _ := strings.Cut(change, " => ")
		if !strings.Contains(c.yaml, old) {
			t.Fatalf("%q is not in%s", old, c.yaml)
		}
		twin := graphOf(t, false, parse(t, strings.Replace(c.yaml, old, new, 1))...).shapes()
		left := slices.DeleteFunc(slices.Collect(maps.Keys(twin)), func(edge string) bool { return !strings.HasPrefix(edge, ends+", ") })
		switch {
		case weaker && (len(left) != 1 || left[0] == c.told()):
			t.Errorf("with %q there is %q", change, left)
		case !weaker && len(left) > 0:
			t.Errorf("with %q there is still %q", change, left)
		case !weaker && alike(twin) >= alike(shapes): // another object has the edge: the change only renames
			t.Errorf("with %q there are as many edges like %q", change, c.told())
		}
	}
}

// TestLiveSecrets reads Secrets as a cluster shows them, without their type.
func TestLiveSecrets(t *testing.T) {
	const account = "metadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: web, kubernetes.io/service-account.uid: u}}}"
	for _, c := range []struct{ yaml, want string }{
		{"{apiVersion: v1, kind: Secret, " + account, "secret-token: secret shop/t -> service account shop/web, likely"},
		{"{apiVersion: v1, kind: Secret, " + strings.Replace(account, ", kubernetes.io/service-account.uid: u", "", 1), ""},
		{"{apiVersion: v1, kind: Secret, metadata: {name: bootstrap-token-abcdef, namespace: kube-system}}" + bootstrapRole, "bootstrap-token: secret kube-system/bootstrap-token-abcdef -> group system:bootstrappers:join, likely"},
		{"{apiVersion: v1, kind: Secret, metadata: {name: other-token-abcdef, namespace: kube-system}}" + bootstrapRole, ""},
	} {
		objects := parse(t, c.yaml)
		kids := slices.DeleteFunc(slices.Clone(tree.Clone(objects[0].Root).Children()), func(n tree.Node) bool { return n.Key() == "type" })
		root := tree.MapOf(append(kids, tree.Entry("type", tree.UnknownBecause("only the metadata of Secrets is read")))...)
		o, err := model.NewLiveObject(&root, model.Live{Interner: tree.NewInterner()})
		if err != nil || o == nil {
			t.Fatal(err)
		}
		objects[0] = o
		var got string
		for _, told := range graphOf(t, true, objects...).told() {
			if strings.HasPrefix(told, "secret-token") || strings.HasPrefix(told, "bootstrap-token") {
				got = told
			}
		}
		if got != c.want {
			t.Errorf("%q, want %q, of %s", got, c.want, c.yaml)
		}
	}
}

// TestTable holds the table of kinds to what is printed from it.
func TestTable(t *testing.T) {
	names := map[string]bool{}
	for kind, info := range edgeTable {
		if info.name == "" || names[info.name] {
			t.Errorf("kind %d has the name %q", kind, info.name)
		}
		names[info.name] = true
		if EdgeKind(kind) != Member && (info.attack == "" || info.does == "" || info.closes == "") {
			t.Errorf("%s is not described", info.name)
		}
		if label := EdgeKind(kind).Label(); label == "" || len(label) > labelLength {
			t.Errorf("%s has the label %q", info.name, label)
		}
	}
	for kind, name := range vertexNames {
		if name == "" {
			t.Errorf("vertex kind %d has no name", kind)
		}
	}
}
