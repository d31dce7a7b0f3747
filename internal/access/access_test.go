package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
		{`[{apiGroups: [""], resources: [secrets], verbs: [patch]}]`, "read-secrets write-secrets", "read-secrets write-secrets"},
		{`[{apiGroups: [""], resources: [secrets], verbs: [update]}]`, "write-secrets", "write-secrets"},
		{`[{apiGroups: [""], resources: [secrets], verbs: [deletecollection]}]`, "read-secrets list-secrets", "read-secrets list-secrets"},
		{`[{apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [""]}]`, "", ""},
		{`[{apiGroups: [""], resources: [secrets], verbs: [list], resourceNames: [""]}]`, "read-secrets list-secrets", "read-secrets list-secrets"},
		{`[{apiGroups: [""], resources: [pods], verbs: [create], resourceNames: ["", one]}]`, "create-pods", "create-pods"},
		{`[{apiGroups: [""], resources: [pods], verbs: [create, patch], resourceNames: [one]}]`, "", ""},
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
		{`[{apiGroups: [""], resources: [namespaces], verbs: [create]}]`, "write-namespaces", ""},
		{`[{apiGroups: [""], resources: [namespaces], verbs: [patch]}]`, "write-namespaces", "write-namespaces"},
		{`[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}]`, "approve-csr", ""},
		{`[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [example.org/tls]}]`, "", ""},
	} {
		for doc := range tree.Parse(&tree.File{Text: "rules: " + c.rules}) {
			set := compileRules(doc.Root.Seal().Get("rules"))
			cluster, namespaced := set.cluster&Facts, set.namespaced&Facts
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
	if held := a.Rights(ServiceAccount("ops", "robot")); held.Cluster != everything {
		t.Errorf("cluster-admin lacks rights: %s", names(everything&^held.Cluster))
	}
	if held := a.Rights(Group(masters)); held.Cluster != everything {
		t.Errorf("system:masters lacks rights: %s", names(everything&^held.Cluster))
	}
	held := a.Rights(ServiceAccount("shop", "web"))
	want := "read-secrets list-secrets write-secrets exec-pods create-pods create-workloads modify-workloads port-forward impersonate mint-tokens write-network-policies delete-events"
	if held.Cluster != 0 || names(held.In("shop")&Facts) != want || len(held.Namespaces) != 1 {
		t.Errorf("edit in a namespace: %s, %v", names(held.Cluster), names(held.In("shop")))
	}
	if !held.In("shop").Has(ForgeToken) || held.In("shop").Has(GrantAnyRole) || held.In("other") != 0 {
		t.Errorf("made together: %s", names(held.In("shop")))
	}
	if held := a.Rights(ServiceAccount("other", "web")); held.Cluster != 0 || held.Namespaces != nil {
		t.Errorf("another namespace: %+v", held)
	}
	var roles []string
	for b := range a.Bindings(ServiceAccount("shop", "web")) {
		if b.Object() != nil {
			_, name := b.RoleRef()
			roles = append(roles, fmt.Sprint(name.Name, b.Role() != nil))
		}
	}
	if !slices.Equal(roles, []string{"edittrue", "gonefalse"}) {
		t.Errorf("bindings: %v", roles)
	}
	for b := range a.Bindings(ServiceAccount("shop", "refused")) {
		if kind, _ := b.RoleRef(); kind == "Role" && b.Role() != nil {
			t.Error("a ClusterRoleBinding gives a Role")
		}
	}
}

func TestAggregationReachesThroughBuiltinRoles(t *testing.T) {
	a := New(snapshot(t, bindings))
	for name, want := range map[string]bool{"view": true, "edit": true, "admin": true, "system:monitoring": false} {
		if got := a.Role(RoleName{Name: name}).Rights(true).Has(NodeProxy); got != want {
			t.Errorf("%s has the rules of a role that aggregates to view: %t", name, got)
		}
	}
	found := 0
	bindings, more := a.BindingsTo(a.Role(RoleName{Name: "extra"}))
	for _, b := range bindings {
		found++
		if b.Name() != "edit" {
			t.Errorf("bound by %s", b.Name())
		}
	}
	if found != 1 || more {
		t.Errorf("%d bindings give the role, want 1 and no more: %t", found, more)
	}
}

func TestCatalogue(t *testing.T) {
	if len(catalogue) > 64 {
		t.Fatal("Rights has no room")
	}
	var all []string
	for r := range catalogue {
		all = append(all, Right(r).String())
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != len(catalogue) {
		t.Error("a right is there twice")
	}
	if len(compiled.verbs) > 31 {
		t.Errorf("%d verbs do not fit", len(compiled.verbs))
	}
	for r := range catalogue {
		d := &catalogue[r]
		if !slices.Contains(Groups, d.group) || d.attack == "" || !strings.HasSuffix(d.gain, ".") {
			t.Errorf("%q: group %q, techniques %q, gain %q", d.name, d.group, d.attack, d.gain)
		}
		if d.part != "" && !slices.Contains(all, d.part) {
			t.Errorf("%s is a part of %s, which is no right", d.name, d.part)
		}
		if (Right(r) >= firstTogether) != (d.all != nil) || Right(r) > ReadAll && (d.all == nil) == (d.needs == nil) {
			t.Errorf("%s has neither or both definitions", d.name)
		}
	}
}
