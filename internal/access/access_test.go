package access

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func snapshot(t testing.TB, text string) *model.Snapshot {
	file := &tree.File{Name: "test.yaml", Text: text}
	var objects []*model.Object
	for doc := range tree.Parse(file) {
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
		if doc.Err != nil || err != nil || o == nil {
			t.Fatal(doc.Err, err)
		}
		objects = append(objects, o)
	}
	return model.NewSnapshot(objects, false)
}

func names(rights Rights) string {
	var l []string
	for _, r := range rights.All() {
		l = append(l, r.String())
	}
	return strings.Join(l, " ")
}

// What the catalogue means, in the words of manifests.
func TestRightsOfRules(t *testing.T) {
	for _, c := range []struct{ rules, cluster, namespaced string }{
		{`[{apiGroups: [""], resources: [secrets], verbs: [watch]}]`, "read-secrets list-secrets", "read-secrets list-secrets"},
		{`[{apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [one]}]`, "", ""},
		{`[{apiGroups: [apps], resources: [secrets], verbs: [get]}]`, "", ""},
		{`[{apiGroups: [""], resources: [pods], verbs: [get, list]}]`, "", ""},
		{`[{apiGroups: [""], resources: [pods/exec], verbs: [get]}]`, "exec-pods", "exec-pods"},
		{`[{apiGroups: [""], resources: ["*/exec"], verbs: [create]}]`, "exec-pods", "exec-pods"},
		{`[{apiGroups: [""], resources: ["pods/*"], verbs: [create]}]`, "", ""},
		{`[{apiGroups: [""], resources: [pods], verbs: [patch]}]`, "modify-workloads", "modify-workloads"},
		{`[{apiGroups: [""], resources: [nodes/proxy], verbs: [get]}]`, "node-proxy", ""},
		{`[{apiGroups: [""], resources: [groups], verbs: [impersonate], resourceNames: ["system:masters"]}]`, "impersonate", ""},
		{`[{apiGroups: [""], resources: [groups], verbs: [impersonate], resourceNames: [readers]}]`, "", ""},
		{`[{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate]}]`, "impersonate", "impersonate"},
		{`[{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [cluster-admin]}]`, "bind-roles", "bind-roles"},
		{`[{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}]`, "escalate-roles", ""},
		{`[{apiGroups: ["*"], resources: ["*"], verbs: [list]}]`, "wildcard-resources read-all read-secrets list-secrets", "wildcard-resources read-all read-secrets list-secrets"},
		{`[{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]`, "wildcard-verbs", "wildcard-verbs"},
		{`[{nonResourceURLs: ["*"], verbs: ["*"]}]`, "", ""},
		{`[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}]`, "approve-csr", ""},
		{`[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [example.org/tls]}]`, "", ""},
	} {
		for doc := range tree.Parse(&tree.File{Text: "rules: " + c.rules}) {
			cluster, namespaced := RightsOf(RulesOf(doc.Root.Get("rules")))
			if names(cluster) != c.cluster || names(namespaced) != c.namespaced {
				t.Errorf("%s:\n got %q, %q\nwant %q, %q", c.rules, names(cluster), names(namespaced), c.cluster, c.namespaced)
			}
		}
	}
}

const bindings = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, namespace: ops, name: robot}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit, namespace: shop}
roleRef: {kind: ClusterRole, name: edit}
subjects: [{kind: Group, name: "system:serviceaccounts:shop"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: extra, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [""], resources: [nodes/proxy], verbs: [get]}, {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gone, namespace: shop}
roleRef: {kind: Role, name: gone}
subjects: [{kind: ServiceAccount, name: web}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: refused}
roleRef: {kind: Role, name: cluster-admin}
subjects: [{kind: ServiceAccount, namespace: shop, name: refused}]
`

func TestRightsOfSubjects(t *testing.T) {
	a := New(snapshot(t, bindings))
	cluster, _ := a.Rights(ServiceAccount("ops", "robot"))
	if len(cluster.All()) != len(catalogue) {
		t.Errorf("cluster-admin lacks rights: %s", names(cluster))
	}
	cluster, in := a.Rights(ServiceAccount("shop", "web"))
	want := "read-secrets list-secrets write-secrets exec-pods create-pods create-workloads modify-workloads port-forward impersonate mint-tokens write-network-policies delete-events"
	if cluster != 0 || names(in["shop"]) != want || len(in) != 1 {
		t.Errorf("edit in a namespace: %s, %v", names(cluster), names(in["shop"]))
	}
	if cluster, in := a.Rights(ServiceAccount("other", "web")); cluster != 0 || in != nil {
		t.Errorf("another namespace: %s %v", names(cluster), in)
	}
	var roles []string
	for b := range a.Bindings(ServiceAccount("shop", "web")) {
		roles = append(roles, fmt.Sprint(b.Name.Name, b.Role != nil))
	}
	if !slices.Equal(roles, []string{"edittrue", "gonefalse"}) {
		t.Errorf("bindings: %v", roles)
	}
	for b := range a.Bindings(ServiceAccount("shop", "refused")) {
		if b.Kind == "Role" && b.Role != nil {
			t.Error("a ClusterRoleBinding gives a Role")
		}
	}
}

func TestAggregationReachesThroughBuiltinRoles(t *testing.T) {
	a := New(snapshot(t, bindings))
	for name, want := range map[string]bool{"view": true, "edit": true, "admin": true, "system:monitoring": false} {
		if got := a.Role(RoleName{Name: name}).Rights(true).Has(rightNamed(t, "node-proxy")); got != want {
			t.Errorf("%s has the rules of a role that aggregates to view: %t", name, got)
		}
	}
	found := 0
	for b := range a.BindingsTo(a.Role(RoleName{Name: "extra"})) {
		found++
		if b.Object.Key.Name != "edit" {
			t.Errorf("bound by %s", b.Object.Key.Name)
		}
	}
	if found != 1 {
		t.Errorf("%d bindings give the role, want 1", found)
	}
}

func rightNamed(t *testing.T, name string) Right {
	i := slices.Index(Names(), name)
	if i < 0 {
		t.Fatalf("no right %s", name)
	}
	return Right(i)
}

func TestCatalogue(t *testing.T) {
	all := Names()
	if len(all) > 64 {
		t.Fatal("Rights has no room")
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != len(catalogue) {
		t.Error("a right is there twice")
	}
	if len(compiled.verbs) > 31 {
		t.Errorf("%d verbs do not fit", len(compiled.verbs))
	}
}

// BenchmarkAnalysis: 20,000 service accounts, 5,000 roles, 25,000 bindings.
func BenchmarkAnalysis(b *testing.B) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: role-%d}\nrules:\n", i)
		for j := range 3 {
			fmt.Fprintf(&text, "- {apiGroups: [%s], resources: [%s, thing-%d], verbs: [get, list, %s]}\n",
				[]string{`""`, "apps", "batch"}[j], []string{"pods", "deployments", "jobs", "secrets"}[(i+j)%4], i%50, []string{"watch", "create", "update"}[i%3])
		}
	}
	for i := range 25000 {
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b-%d, namespace: ns-%d}\n"+
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role-%d}\nsubjects: [{kind: ServiceAccount, name: sa-%d, namespace: ns-%d}]\n",
			i, i%1000, i*7%5000, i%20000/1000, i%1000)
	}
	s := snapshot(b, text.String())
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			New(s)
		}
	})
	a := New(s)
	subjects := make([]Subject, 20000)
	for i := range subjects {
		subjects[i] = ServiceAccount(fmt.Sprint("ns-", i%1000), fmt.Sprint("sa-", i/1000))
	}
	b.Run("rights", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			for _, subject := range subjects {
				a.Rights(subject)
			}
		}
	})
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
