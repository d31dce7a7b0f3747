package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// powerUniverse makes rules about roles and bindings only.
func powerUniverse() universe {
	return universe{
		verbs: append(powerVerbWords[:], "get"), groups: []string{rbacGroup, "apps"}, resources: append(powerResourceWords[:], "pods"),
		names: []string{"c1", "r0", "b1", "x", ""}, urls: []string{"/metrics"},
	}
}

// named restricts most rules to names.
func named(r *rand.Rand, u *universe, c *cluster) {
	for _, list := range []func(each func([]rbacv1.PolicyRule)){
		func(each func([]rbacv1.PolicyRule)) {
			for i := range c.clusterRoles {
				each(c.clusterRoles[i].Rules)
			}
		},
		func(each func([]rbacv1.PolicyRule)) {
			for i := range c.roles {
				each(c.roles[i].Rules)
			}
		},
	} {
		list(func(rules []rbacv1.PolicyRule) {
			for i := range rules {
				if len(rules[i].NonResourceURLs) == 0 && r.IntN(2) == 0 {
					rules[i].ResourceNames = u.some(r, u.names, 4)
				}
			}
		})
	}
}

// everyAsk yields all requests by a power for some namespaces and names.
func everyAsk(names []string, each func(ask)) {
	for verb := range powerVerbs {
		for resource := range powerResources {
			for _, namespace := range append(testNamespaces, "", "other") {
				for _, name := range append(names, freshName) {
					each(ask{verb.on(resource), namespace, name})
				}
			}
		}
	}
}

// The index of powers answers what a search through all bindings does: with the
// first binding that allows it, those of the groups before the subject's own, and
// the rule by which it does.
func TestPowersAsRequests(t *testing.T) {
	u := powerUniverse()
	r := rand.New(rand.NewPCG(11, 12))
	found, byName := 0, 0
	for range 150 {
		c := u.cluster(r)
		named(r, &u, c)
		a := New(c.snapshot(t))
		for _, s := range []Subject{ServiceAccount("a", "x"), ServiceAccount("b", "y"), User("jo"), Group(serviceAccounts)} {
			tk := taker{x: a.powers(), subject: s, own: &powers{}}
			if id := a.id(s); id != none {
				tk.own = a.powers().powers(id)
			}
			for _, group := range groupsOf(s) {
				if id := a.id(Group(group)); id != none {
					tk.groups, tk.groupNames = append(tk.groups, a.powers().powers(id)), append(tk.groupNames, Group(group))
				}
			}
			everyAsk(u.names, func(q ask) {
				request := q.request()
				want := a.Can(s, &request)
				at, by := tk.first(q)
				if (at != none) != (want.Verdict == Yes) || (at != none) != c.allows(s, request) {
					t.Fatalf("%s %+v: binding %d, want %s", s, request, at, want.Verdict)
				}
				if at == none {
					return
				}
				found++
				proof := tk.takeovers([]way{{asks: []ask{q}}})[0].Proofs[0]
				if !slices.Contains(proof.Binding.Subjects(), by) || !proof.Binding.covers(&request) || !proof.Rule.Allows(&request) {
					t.Fatalf("%s %+v: the proof does not allow it: %+v", s, request, proof)
				}
				if proof.Source != proof.Binding.Role() && len(proof.Rule.Names()) > 0 {
					byName++
				}
				if plain := firstAllowing(a, &request, s); at != plain {
					t.Fatalf("%s %+v: binding %d, the first is %d", s, request, at, plain)
				}
			})
		}
		compareNames(t, a, &u)
	}
	if found < 5000 || byName < 100 {
		t.Errorf("only %d were allowed, %d of them for a name by aggregation: the test shows little", found, byName)
	}
}

// firstAllowing tries all bindings: those of groups, then those of the subject.
func firstAllowing(a *Analysis, q *Request, s Subject) int32 {
	for _, groups := range []bool{true, false} {
		for b := range a.All() {
			role := b.Role()
			if role == nil || !b.covers(q) {
				continue
			}
			_, _, allows := q.finder().In(role)
			holds := slices.ContainsFunc(b.Subjects(), func(other Subject) bool {
				if groups {
					return other.Kind == kindGroup && slices.Contains(groupsOf(s), other.Name)
				}
				return other == s
			})
			if allows && holds {
				return b.id
			}
		}
	}
	return none
}

// compareNames holds the names over which a subject has powers against asking for
// each name.
func compareNames(t *testing.T, a *Analysis, u *universe) {
	t.Helper()
	x := a.powers()
	for id := range int32(len(a.subjects)) {
		p := x.powers(id)
		for verb := range powerVerbs {
			for _, namespace := range append(testNamespaces, "") {
				on := verb.on(onClusterRoles)
				got := x.namesOf([]*powers{p}, namespace, 1<<on)
				for _, name := range u.names {
					q := ask{on, namespace, name}
					wide := q
					wide.name = freshName
					request := q.request()
					if p.first(x, q) != none && p.first(x, wide) == none && !slices.Contains(got, name) {
						t.Fatalf("%s %+v: the name is not listed in %q", a.subject(id), request, got)
					}
					if slices.Contains(got, name) && p.first(x, q) == none {
						t.Fatalf("%s %+v: the name is listed", a.subject(id), request)
					}
				}
			}
		}
	}
}

// A role may name any number of roles that somebody may bind or write into, by
// aggregation too: the last of them counts as the first does.
func TestPowersOverManyNames(t *testing.T) {
	var names, parts strings.Builder
	for i := range 50 {
		fmt.Fprintf(&names, "n%02d, ", i)
		fmt.Fprintf(&parts, "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a%02d, labels: {to: r}}, rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [VERBS], resourceNames: [n%02d]}]}\n", i, i)
	}
	const top = `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: n00}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: r}}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: top}, roleRef: {kind: ClusterRole, name: n00}, subjects: [{kind: User, name: jo}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: rest}, rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [create]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: rest}, roleRef: {kind: ClusterRole, name: rest}, subjects: [{kind: User, name: jo}]}
`
	one := "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: zz, labels: {to: r}}, rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [VERBS], resourceNames: [%s]}]}\n"
	for _, c := range []struct {
		verbs, last string
		want        Right // 0 for none
	}{
		{"bind", "cluster-admin", GrantAnyRole},
		{"bind", "view", 0},
		{"'escalate', update", "view", RewriteRoles},
		{"update", "view", 0},
	} {
		for shape, text := range map[string]string{
			"many parts":    parts.String() + fmt.Sprintf(one, c.last),
			"one with many": fmt.Sprintf(one, names.String()+c.last),
		} {
			a := New(snapshot(t, strings.TrimPrefix(strings.ReplaceAll(text, "VERBS", c.verbs)+top, "---\n")))
			got := Right(0)
			for _, d := range a.Dangers() {
				if d.Right == GrantAnyRole || d.Right == RewriteRoles {
					got = d.Right
				}
			}
			if got != c.want {
				t.Errorf("%s on %s by %s: %s, want %s", c.verbs, c.last, shape, got, c.want)
			}
		}
	}
}
