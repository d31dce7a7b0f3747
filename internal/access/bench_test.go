package access

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/test/cputime"
)

// benchSnapshot holds 20,000 service accounts in 1,000 namespaces, 5,000 roles
// and 25,000 bindings. Where distinct is set, no two roles have the same rules.
func benchSnapshot(b *testing.B, distinct bool) *model.Snapshot {
	var text strings.Builder
	for i := range 5000 {
		kind, meta := "ClusterRole", fmt.Sprintf("{name: role-%d, labels: {app: a%d}}", i, i%40)
		if i%5 == 0 {
			kind, meta = "Role", fmt.Sprintf("{name: role-%d, namespace: ns-%d}", i, i%1000)
		}
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: %s\nrules:\n", kind, meta)
		own := i % 300
		if distinct {
			own = i
		}
		for j := range 3 {
			fmt.Fprintf(&text, "- {apiGroups: [%s], resources: [%s, thing-%d], verbs: [get, list, %s]}\n",
				[]string{`""`, "apps", "batch"}[j], []string{"pods", "deployments", "jobs", "secrets"}[(i+j)%4], own, []string{"watch", "create", "update"}[i%3])
		}
	}
	for i := range 25000 {
		kind, role := "ClusterRole", i*7%5000
		if role%5 == 0 && role%1000 == i%1000 {
			kind = "Role"
		} else if role%5 == 0 {
			role++
		}
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b-%d, namespace: ns-%d}\n"+
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: role-%d}\nsubjects: [{kind: ServiceAccount, name: sa-%d, namespace: ns-%d}]\n",
			i, i%1000, kind, role, i%20000/1000, i%1000)
	}
	text.WriteString("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: all}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role-1}\nsubjects: [{kind: Group, name: 'system:serviceaccounts:ns-7'}]\n")
	return snapshot(b, text.String())
}

// BenchmarkMasks goes from the parsed objects of a snapshot to the rights of
// every subject in every scope.
func BenchmarkMasks(b *testing.B) {
	for _, distinct := range []bool{false, true} {
		s := benchSnapshot(b, distinct)
		b.Run(map[bool]string{false: "300 rule lists", true: "5000 rule lists"}[distinct], func(b *testing.B) {
			b.ReportAllocs()
			runtime.GC()
			defer cputime.Report(b)()
			for b.Loop() {
				subjects, scopes := 0, 0
				for _, held := range New(s).Subjects() {
					subjects++
					scopes += len(held.Namespaces)
				}
				if subjects < 20000 || scopes < 5000 {
					b.Fatal(subjects, scopes)
				}
			}
		})
		if !distinct {
			a := New(s)
			// Without reading the objects: from bindings and compiled roles.
			b.Run("bindings", func(b *testing.B) {
				b.ReportAllocs()
				runtime.GC()
				defer cputime.Report(b)()
				for b.Loop() {
					a.index()
					for range a.Subjects() {
					}
				}
			})
			b.Run("subject", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a.Rights(ServiceAccount("ns-7", "sa-3"))
				}
			})
		}
	}
}
