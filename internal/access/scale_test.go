package access

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// everywhereBound gives all service accounts a Role in each of n namespaces, and
// the account web of the first namespace a role of its own there.
func everywhereBound(t testing.TB, n int, rules string) *Analysis {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: n%d}, rules: [%s]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all, namespace: n%d}
roleRef: {kind: Role, name: r}
subjects: [{kind: Group, name: "system:serviceaccounts"}]
`, i, rules, i)
	}
	text.WriteString(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: own, namespace: n0}
roleRef: {kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: web}]
`)
	return New(snapshot(t, text.String()))
}

// BindingsIn is Bindings, without those that hold elsewhere.
func TestBindingsInNamespace(t *testing.T) {
	a := New(snapshot(t, bindings))
	for _, s := range []Subject{ServiceAccount("shop", "web"), ServiceAccount("ops", "robot"), ServiceAccount("other", "web"), Group(masters), User("jane")} {
		for _, namespace := range []string{"", "shop", "ops", "nowhere"} {
			var want []Binding
			for b := range a.Bindings(s, "extra") {
				if b.Namespace() == "" || b.Namespace() == namespace {
					want = append(want, b)
				}
			}
			if got := slices.Collect(a.BindingsIn(namespace, s, "extra")); !slices.Equal(got, want) {
				t.Errorf("%s in %q: %v, want %v", s, namespace, got, want)
			}
		}
	}
}

// A question about one namespace costs nothing for what is bound in others.
func TestQuestionsDoNotGrowWithOtherNamespaces(t *testing.T) {
	const rules = `{apiGroups: [""], resources: [secrets], verbs: [get]}`
	small, large := everywhereBound(t, 50, rules), everywhereBound(t, 1000, rules)
	web := ServiceAccount("n0", "web")
	for name, ask := range map[string]func(*Analysis){
		"prove": func(a *Analysis) {
			if _, ok := a.Prove(web, ReadSecrets, "n1"); !ok {
				t.Error("not proven")
			}
		},
		"can": func(a *Analysis) {
			if a.Can(web, &Request{Verb: "get", Resource: "secrets", Namespace: "n1"}).Verdict != Yes {
				t.Error("not allowed")
			}
		},
		"who can": func(a *Analysis) {
			if proofs, _ := a.WhoCan(&Request{Verb: "get", Resource: "secrets", Namespace: "n1"}); len(proofs) == 0 {
				t.Error("nobody")
			}
		},
	} {
		few, many := allocated(func() { ask(small) }), allocated(func() { ask(large) })
		if many > 2*few+1000 {
			t.Errorf("%s takes %d bytes with 50 namespaces and %d with 1000", name, few, many)
		}
	}
}

// allocated returns the least that a call allocates of some, in bytes.
func allocated(call func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
