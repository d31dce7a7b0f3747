package access

import (
	"fmt"
	"runtime"
	"slices"
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
// every subject in every scope: of objects that nobody has read before, of the
// same once more, and after one binding has changed.
func BenchmarkMasks(b *testing.B) {
	for _, distinct := range []bool{false, true} {
		s := benchSnapshot(b, distinct)
		name := map[bool]string{false: "300 rule lists", true: "5000 rule lists"}[distinct]
		b.Run(name+"/first", func(b *testing.B) { benchMasks(b, func() *model.Snapshot { return unread(s) }) })
		b.Run(name+"/again", func(b *testing.B) { benchMasks(b, func() *model.Snapshot { return s }) })
		b.Run(name+"/change", func(b *testing.B) {
			objects := slices.Collect(s.Kind(model.RoleBindingKind))
			next := 0
			benchMasks(b, func() *model.Snapshot {
				next++
				return s.With(model.Change{Key: objects[next%len(objects)].Key})
			})
		})
	}
}

// benchMasks measures the analysis of snapshots, and not the making of these.
func benchMasks(b *testing.B, next func() *model.Snapshot) {
	snapshots := make([]*model.Snapshot, b.N)
	for i := range snapshots {
		snapshots[i] = next()
	}
	b.ReportAllocs()
	runtime.GC()
	b.ResetTimer()
	defer cputime.Report(b)()
	for i, s := range snapshots {
		subjects, scopes := 0, 0
		for _, held := range New(s).Subjects() {
			subjects++
			scopes += len(held.Namespaces)
		}
		if subjects < 19999 || scopes < 5000 {
			b.Fatal(subjects, scopes)
		}
		snapshots[i] = nil
	}
}

// unread returns a snapshot of the same objects that shares nothing else.
func unread(s *model.Snapshot) *model.Snapshot {
	var objects []*model.Object
	for _, o := range s.All() {
		objects = append(objects, o)
	}
	return model.NewSnapshot(objects, s.Closed)
}

// BenchmarkRights looks up what one service account holds.
func BenchmarkRights(b *testing.B) {
	a := New(benchSnapshot(b, false))
	b.ReportAllocs()
	for b.Loop() {
		a.Rights(ServiceAccount("ns-7", "sa-3"))
	}
}
