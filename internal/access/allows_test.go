package access

import (
	"fmt"
	"math/rand/v2"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// What is answered for a subject of many bindings is what a search through all of them
// answers, by the same rule.
func TestAllowsAsCan(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(21, 22))
	allowed, looked := 0, 0
	for range 60 {
		c := u.cluster(r)
		named(r, &u, c)
		for i := range 3 * fewBindings {
			b := rbacv1.RoleBinding{Subjects: []rbacv1.Subject{{Kind: "User", Name: "jo"}}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: fmt.Sprint("c", r.IntN(6))}}
			if r.IntN(2) == 0 {
				b.RoleRef = rbacv1.RoleRef{Kind: "Role", Name: fmt.Sprint("r", r.IntN(3))}
			}
			b.APIVersion, b.Kind, b.Name, b.Namespace = rbacv1.SchemeGroupVersion.String(), "RoleBinding", fmt.Sprint("many", i), testNamespaces[r.IntN(2)]
			c.binds = append(c.binds, b)
		}
		a := New(c.snapshot(t))
		for range 400 {
			q := u.requestNear(r, c)
			if q.URL == "" && r.IntN(4) == 0 {
				q.Namespace = AnyNamespace
			}
			for _, s := range who {
				want := a.Can(s, &q)
				proof, ok := a.Allows(s, &q)
				if ok != (want.Verdict == Yes) || ok && *proof != *want.Proof {
					t.Fatalf("%s %+v: %t by %+v, want %s by %+v", s, q, ok, proof, want.Verdict, want.Proof)
				}
				if ok {
					allowed++
				}
			}
		}
		a.lookups.bySubject.Range(func(any, any) bool { looked++; return true })
	}
	if allowed < 2000 || looked < 60 {
		t.Errorf("%d were allowed, and %d subjects looked up: the test shows little", allowed, looked)
	}
}
