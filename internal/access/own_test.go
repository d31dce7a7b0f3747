package access

import (
	"math/rand/v2"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// What subjects have by themselves and what their groups have by themselves is,
// put together, all that they have, and nothing of a group stands at its members.
func TestOwn(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(7, 8))
	part := func(verb, group, resource string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}}
	}
	parts := []rbacv1.PolicyRule{ // of the rights that others make together
		part("create", "", "secrets"), part("get", "", "secrets"), part("create", "", "pods"), part("patch", "", "namespaces"),
		part("create", "certificates.k8s.io", "certificatesigningrequests"), part("update", "certificates.k8s.io", "certificatesigningrequests/approval"), part("approve", "certificates.k8s.io", "signers"),
	}
	mixed := 0
	for range 200 {
		c := u.cluster(r)
		for i := range c.clusterRoles[1:] {
			c.clusterRoles[1+i].Rules = parts[r.IntN(len(parts)):][:1]
		}
		for i := range c.roles {
			c.roles[i].Rules = parts[r.IntN(len(parts)):][:1]
		}
		a := New(c.snapshot(t))
		own := map[Subject]Own{}
		for s, held := range a.Own() {
			if _, twice := own[s]; twice {
				t.Fatalf("%v twice", s)
			}
			own[s] = held
		}
		for s, all := range a.Subjects() {
			if got := (own[s].Cluster | own[s].Inherited).Complete(); got != all.Cluster {
				t.Fatalf("%v in the cluster: %b, want %b", s, got, all.Cluster)
			}
			for _, namespace := range append(testNamespaces, "") {
				in := func(h Held) Rights {
					if namespace == "" {
						return h.Cluster
					}
					return h.In(namespace)
				}
				alone := in(a.own(a.id(s))).Complete()
				groups, together := Rights(0), in(own[s].Held)
				for group := range s.Groups() {
					groups |= in(a.Rights(group))
					together |= in(own[group].Held)
					for outer := range group.Groups() {
						together |= in(own[outer].Held)
					}
				}
				if together != in(all) {
					t.Fatalf("%v in %q: %b, want %b", s, namespace, together, in(all))
				}
				if more := in(own[s].Held) &^ alone; more&groups != 0 {
					t.Fatalf("%v in %q: %b is of its groups", s, namespace, more&groups)
				} else if more != 0 {
					mixed++
				}
			}
		}
	}
	if mixed < 20 {
		t.Errorf("only %d rights made together with a group: the test shows little", mixed)
	}
}
