package attack

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// benchSize is that of a generated cluster.
type benchSize struct{ namespaces, nodes, workloads, replicas, secrets int }

func (s benchSize) String() string {
	return fmt.Sprintf("%d-pods-%d-workloads-%d-nodes-%d-secrets", s.workloads*s.replicas, s.workloads, s.nodes, s.secrets)
}

// write makes what a live cluster has: Deployments with their ReplicaSets and
// Pods on nodes, service accounts, secrets that pods mount, roles and bindings, of
// which some are dangerous, Services, routes, policies in two thirds of the
// namespaces, Pod Security levels in half.
func (s benchSize) write(b *strings.Builder) {
	for i := range s.nodes {
		label := ""
		if i < 3 {
			label = ", labels: {node-role.kubernetes.io/control-plane: ''}"
		}
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-%d%s}\n", i, label)
	}
	for i := range s.namespaces {
		level := []string{"", "pod-security.kubernetes.io/enforce: baseline", "pod-security.kubernetes.io/enforce: restricted", "pod-security.kubernetes.io/enforce: privileged"}[i%4]
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns-%d, labels: {team: t-%d%s}}\n", i, i%17, strings.Replace(", "+level, ", \n", "", 1))
		if i%3 == 0 {
			fmt.Fprintf(b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ns-%d}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n", i)
		}
		if i%3 == 1 {
			fmt.Fprintf(b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: own, namespace: ns-%d}\nspec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}\n", i)
		}
	}
	for i := range s.secrets {
		kind := "Opaque"
		annotation := ""
		if i%50 == 0 {
			kind, annotation = "kubernetes.io/service-account-token", fmt.Sprintf(", annotations: {kubernetes.io/service-account.name: w-%d}", i/s.namespaces)
		}
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s-%d, namespace: ns-%d%s}\ntype: %s\n", i, i%s.namespaces, annotation, kind)
	}
	for i := range s.workloads {
		s.workload(b, i)
	}
	for i, verbs := range []string{
		"{apiGroups: [''], resources: [secrets], verbs: [get, list]}", "{apiGroups: [''], resources: [pods/exec], verbs: [create]}",
		"{apiGroups: [''], resources: [pods], verbs: [create]}", "{apiGroups: [apps], resources: [deployments], verbs: [create, patch]}",
		"{apiGroups: [''], resources: [configmaps], verbs: [get]}", "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}",
		"{apiGroups: [''], resources: [pods, services], verbs: [get, list, watch]}", "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}",
	} {
		fmt.Fprintf(b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: role-%d}\nrules: [%s]\n", i, verbs)
	}
}

func (s benchSize) workload(b *strings.Builder, i int) {
	ns, n := i%s.namespaces, i/s.namespaces
	security := "allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}"
	volumes, mounts := fmt.Sprintf("{name: s, secret: {secretName: s-%d}}", i), "{name: s, mountPath: /s}"
	switch {
	case i%97 == 0:
		security = "privileged: true, runAsUser: 0"
	case i%89 == 0:
		security = "runAsUser: 0, capabilities: {add: [SYS_ADMIN]}"
	case i%61 == 0:
		security = "runAsUser: 0"
		volumes += ", {name: h, hostPath: {path: /var/log}}"
		mounts += ", {name: h, mountPath: /host}"
	}
	spec := fmt.Sprintf(`serviceAccountName: w-%d, volumes: [%s], containers: [{name: c, image: "registry.example/app:%d", ports: [{name: http, containerPort: 8080}], env: [{name: P, valueFrom: {secretKeyRef: {name: s-%d, key: p}}}, {name: A, value: b}], resources: {requests: {cpu: 100m}}, securityContext: {%s}, volumeMounts: [%s]}]`,
		n, volumes, i, (i+s.namespaces)%s.secrets, security, mounts)
	labels := fmt.Sprintf("app: a-%d", n)
	fmt.Fprintf(b, "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: w-%d, namespace: ns-%d}\n", n, ns)
	fmt.Fprintf(b, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w-%d, namespace: ns-%d, uid: d-%d}\nspec: {selector: {matchLabels: {%s}}, template: {metadata: {labels: {%s}}, spec: {%s}}}\n", n, ns, i, labels, labels, spec)
	owner := func(kind, name, uid string) string {
		return fmt.Sprintf("ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, uid: %s, controller: true}]", kind, name, uid)
	}
	fmt.Fprintf(b, "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: w-%d-x, namespace: ns-%d, uid: r-%d, %s}\nspec: {selector: {matchLabels: {%s}}, template: {metadata: {labels: {%s}}, spec: {%s}}}\n",
		n, ns, i, owner("Deployment", fmt.Sprint("w-", n), fmt.Sprint("d-", i)), labels, labels, spec)
	for k := range s.replicas {
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: w-%d-x-%d, namespace: ns-%d, labels: {%s}, %s}\nspec: {nodeName: node-%d, %s}\n",
			n, k, ns, labels, owner("ReplicaSet", fmt.Sprintf("w-%d-x", n), fmt.Sprint("r-", i)), 3+(i*7+k*131)%(s.nodes-3), spec)
	}
	if i%2 == 0 {
		kind := "ClusterIP"
		if i%40 == 2 {
			kind = "LoadBalancer"
		}
		fmt.Fprintf(b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: w-%d, namespace: ns-%d}\nspec: {type: %s, selector: {%s}, ports: [{port: 80, targetPort: http}]}\n", n, ns, kind, labels)
	}
	if i%4 == 0 {
		fmt.Fprintf(b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b-%d, namespace: ns-%d}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role-%d}\nsubjects: [{kind: ServiceAccount, name: w-%d, namespace: ns-%d}]\n",
			i, ns, (i/4)%7, n, ns)
	}
	if i%500 == 0 {
		fmt.Fprintf(b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: admin-%d}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role-7}\nsubjects: [{kind: ServiceAccount, name: w-%d, namespace: ns-%d}]\n",
			i, n, ns)
	}
}

func (s benchSize) snapshot(tb testing.TB) *model.Snapshot {
	var text strings.Builder
	s.write(&text)
	return model.NewSnapshot(parse(tb, text.String()), true)
}

func parse(tb testing.TB, text string) []*model.Object {
	tb.Helper()
	file := &tree.File{Name: "test.yaml", Text: text}
	var objects []*model.Object
	for doc := range tree.Parse(file) {
		if doc.Root == nil && doc.Err == nil {
			continue
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
		if doc.Err != nil || err != nil || o == nil {
			tb.Fatal(doc.Err, err)
		}
		objects = append(objects, o)
	}
	return objects
}

// BenchmarkGraph times the graph of a snapshot whose network and rights are there:
// the first one, and one rebuilt of it, as after a change elsewhere; then searches
// on it, with the rows of the network that a search before has asked for.
func BenchmarkGraph(b *testing.B) {
	size := benchSize{300, 500, 5000, 5, 20000}
	s := size.snapshot(b)
	network, rights := reach.New(s), access.New(s)
	o := Options{KubernetesMinor: 37}
	g := New(s, network, rights, o)
	target, _ := g.Target("cluster-admin")
	anywhere, _ := g.Source("any")
	internet, _ := g.Source("internet")
	d := g.Distances(target...)
	reached := 0
	for _, v := range anywhere {
		if _, ok := d.From(v); ok {
			reached++
		}
	}
	b.Logf("%d vertices, %d edges, %d of %d containers reach cluster-admin, %d entries", g.Len(), g.Edges(), reached, len(anywhere), len(g.Entries(internet)))
	run := func(name string, f func()) {
		b.Run(name+"/"+size.String(), func(b *testing.B) {
			b.ReportAllocs()
			runtime.GC()
			defer cpu(b)()
			for b.Loop() {
				f()
			}
		})
	}
	run("first", func() { New(s, network, rights, o) })
	run("rebuild", func() { g.Rebuild(s, network, rights) })
	run("distances", func() { g.Distances(target...) })
	run("top10-internet", func() { d.lists = nil; d.Paths(internet, 10) })
	run("top10-any", func() { d.lists = nil; d.Paths(anywhere, 10) })
	run("chokes", func() { d.Chokes(anywhere, target, 10) })
	query := Query{From: "internet", To: "cluster-admin"}
	run("remedies", func() { _, _ = g.Remedies(query, 3) })
	run("plan", func() { _, _ = g.Plan(query) })
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
