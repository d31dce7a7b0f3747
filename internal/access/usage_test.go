package access

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// usedIn makes random requests, of which those count that the oracle allows.
func usedIn(r *rand.Rand, u *universe, c *cluster, usage *Usage) map[Subject][]Request {
	made := map[Subject][]Request{}
	for _, s := range []Subject{ServiceAccount("a", "x"), ServiceAccount("b", "y"), User("jo"), User("system:node:one")} {
		for range 60 {
			q := u.requestNear(r, c)
			if c.allows(s, q) {
				made[s] = append(made[s], q)
				usage.Add(s, nil, q, time.Unix(int64(r.IntN(1e6)), 0))
			}
		}
	}
	return made
}

// A right was used if a rule that holds nothing else allows a request that was made.
func TestUsageAgainstSingleRules(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(21, 22))
	used, unused := 0, 0
	for range 150 {
		c := u.cluster(r)
		usage := NewUsage(New(c.snapshot(t)))
		made := usedIn(r, &u, c, usage)
		for _, g := range usage.Grants() {
			for i := range g.Rights {
				right := &g.Rights[i]
				alone := rbacv1.PolicyRule{Verbs: []string{right.Verb}, ResourceNames: right.Names}
				if right.URL != "" {
					alone.NonResourceURLs = []string{right.URL}
				} else {
					alone.APIGroups, alone.Resources = []string{right.Group}, []string{right.Resource}
				}
				want := false
				for s, requests := range made {
					names := append(slices.Collect(s.Groups()), s)
					if !slices.Contains(names, g.Subject) {
						continue
					}
					want = want || slices.ContainsFunc(requests, func(q Request) bool {
						in := g.Binding.Namespace()
						return (in == "" || q.URL == "" && q.Namespace == in) && anyRule([]rbacv1.PolicyRule{alone}, q)
					})
				}
				if got := len(right.Used) > 0; got != want {
					t.Fatalf("%s by %s %s: %+v used: %v, want %v", g.Subject, g.Binding.Kind(), g.Binding.Name(), right.Requests, got, want)
				}
				if want {
					used++
				} else {
					unused++
				}
			}
		}
		for s, q := range usage.Unexplained() {
			t.Fatalf("%s %+v was allowed, and nothing explains it", s, q.Request)
		}
	}
	if used < 500 || unused < 1000 {
		t.Errorf("%d rights used, %d not: the test shows little", used, unused)
	}
}

// Narrowed roles allow all that was used, nothing that was not allowed before, and
// nothing that nobody used.
func TestNarrowedRoles(t *testing.T) {
	u := newUniverse()
	r := rand.New(rand.NewPCG(23, 24))
	narrowed, gone := 0, 0
	for range 150 {
		c := u.cluster(r)
		snapshot := c.snapshot(t)
		usage := NewUsage(New(snapshot))
		made := usedIn(r, &u, c, usage)
		var changes []model.Change
		changed := map[string]bool{}
		for _, n := range Narrow(usage.Grants(), func(*GrantUse) bool { return true }, func(*GrantUse, *RightUse) bool { return false }) {
			objects, err := n.Objects()
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				changes = append(changes, model.Change{Key: o.Key, Object: o})
			}
			narrowed++
			changed[n.Key().String()] = true
		}
		after := New(snapshot.With(changes...))
		again := NewUsage(after)
		for s, requests := range made {
			for _, q := range requests {
				if got := after.Can(s, &q).Verdict; got != Yes {
					t.Fatalf("%s %+v was used, and is %s now", s, q, got)
				}
				again.Add(s, nil, q, time.Unix(0, 0))
			}
			for range 200 {
				if q := u.requestNear(r, c); after.Can(s, &q).Verdict == Yes && !c.allows(s, q) {
					t.Fatalf("%s %+v was not allowed, and is now", s, q)
				} else if c.allows(s, q) && after.Can(s, &q).Verdict != Yes {
					gone++
				}
			}
		}
		nobodyUses(t, again, changed)
	}
	if narrowed < 100 || gone < 1000 {
		t.Errorf("%d narrowed roles, %d requests that they do not allow any more: the test shows little", narrowed, gone)
	}
}

// nobodyUses fails where one of some roles has a right that no holder uses.
func nobodyUses(t *testing.T, usage *Usage, roles map[string]bool) {
	t.Helper()
	use := map[cell]bool{}
	for _, g := range usage.Grants() {
		for i := range g.Rights {
			if right := &g.Rights[i]; right.Source.Object != nil && roles[right.Source.Object.Key.String()] {
				at := cell{right.Rule.Node, right.Verb, right.Group, right.Resource, right.URL}
				use[at] = use[at] || len(right.Used) > 0
			}
		}
	}
	for at, used := range use {
		if !used {
			t.Fatalf("a narrowed role has a right that nobody uses: %s %s %s%s", at.verb, at.group, at.resource, at.url)
		}
	}
}

// What a log does not show is said with its reason, unless what would show it was not
// done.
func TestBlindRights(t *testing.T) {
	for _, c := range []struct {
		verb, group, resource, url string
		made                       []Request
		want                       Blind
	}{
		{verb: "get", resource: "pods"},
		{verb: "*", group: "*", resource: "*"},
		{verb: "impersonate", resource: "users"},
		{verb: "impersonate-on:user-info:get", resource: "pods"},
		{verb: "get", resource: "nodes"},
		{verb: "get", resource: "nodes/status"},
		{verb: "get", resource: "nodes/proxy", want: BlindElsewhere},
		{verb: "update", group: "apps", resource: "deployments/finalizers", want: BlindInside},
		{verb: "use", group: "policy", resource: "podsecuritypolicies", want: BlindInside},
		{verb: "approve", group: "example.org", resource: "requests", want: ""},
		{verb: "bind", group: rbacGroup, resource: "clusterroles"},
		{verb: "bind", group: rbacGroup, resource: "clusterroles", made: []Request{{Verb: "patch", Group: rbacGroup, Resource: "rolebindings"}}, want: BlindInside},
		{verb: "escalate", group: rbacGroup, resource: "roles", made: []Request{{Verb: "patch", Group: rbacGroup, Resource: "rolebindings"}}},
		{verb: "escalate", group: rbacGroup, resource: "roles", made: []Request{{Verb: "update", Group: rbacGroup, Resource: "roles"}}, want: BlindInside},
		{verb: "sign", group: "certificates.k8s.io", resource: "signers", made: []Request{{Verb: "update", Group: "certificates.k8s.io", Resource: "certificatesigningrequests", Subresource: "status"}}, want: BlindInside},
		{verb: "get", url: "/healthz*"},
		{verb: "get", url: "/metrics", want: BlindElsewhere},
		{verb: "get", url: "*", want: BlindElsewhere},
	} {
		var uses []*Used
		for _, q := range c.made {
			uses = append(uses, &Used{Request: q})
		}
		if got := blind(&Requests{Verb: c.verb, Group: c.group, Resource: c.resource, URL: c.url}, usedFor(uses)); got != c.want {
			t.Errorf("%s %s %s%s after %+v: %q, want %q", c.verb, c.group, c.resource, c.url, c.made, got, c.want)
		}
	}
}

// What no API has is no right: groups and resources stand in rules side by side.
func TestRightsThatAreNone(t *testing.T) {
	both := tree.MapOf(tree.Entry("apiGroups", []string{"", "apps", "example.org", rbacGroup}))
	for _, c := range []struct {
		verb, group, resource string
		cluster, namespaced   bool
	}{
		{"get", "", "pods", true, true},
		{"get", "apps", "pods", false, false},
		{"get", "apps", "deployments/scale", true, true},
		{"get", "example.org", "pods", true, true}, // nobody knows
		{"get", "apps", "futures", true, true},
		{"get", "", "nodes", true, false},
		{"get", "", "namespaces", true, true},
		{"get", "", "pods/*", false, false},
		{"get", "", "*/scale", true, true},
		{"impersonate", "", "users", true, true},
		{"bind", rbacGroup, "clusterroles", true, true},
		{"get", rbacGroup, "clusterroles", true, false},
		{"*", rbacGroup, "clusterroles", true, true},
	} {
		r := Requests{Verb: c.verb, Group: c.group, Resource: c.resource}
		if cluster, namespaced := !r.nothing(Rule{&both}, true), !r.nothing(Rule{&both}, false); cluster != c.cluster || namespaced != c.namespaced {
			t.Errorf("%+v: %v in the cluster, %v in a namespace", c, cluster, namespaced)
		}
	}
}

// A binding of a role that is Kubernetes' own gets another, and the role stays.
func TestRolesOfKubernetesStay(t *testing.T) {
	var objects []*model.Object
	for d := range tree.Parse(&tree.File{Name: "rbac.yaml", Text: strings.TrimLeft(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ci}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: jo}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: User, name: jo}]
`, "\n")}) {
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		o, err := model.NewObject(d.Root, &model.Source{File: d.File}, "", "default")
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	usage := NewUsage(New(model.NewSnapshot(objects, true)))
	usage.Add(User("jo"), nil, Request{Verb: "get", Resource: "pods", Namespace: "shop", Name: "web"}, time.Unix(0, 0))
	usage.Add(User("jo"), nil, Request{Verb: "list", Resource: "nodes"}, time.Unix(0, 0))
	var keys []string
	for _, n := range Narrow(usage.Grants(), func(*GrantUse) bool { return true }, func(*GrantUse, *RightUse) bool { return false }) {
		made, err := n.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range made {
			keys = append(keys, o.Key.String()+" "+o.Root.Dig("roleRef", "name").Str())
		}
	}
	slices.Sort(keys)
	want := []string{"ClusterRole/ci-used ", "ClusterRoleBinding/ci ci-used", "Role/shop/team-used ", "RoleBinding/shop/team team-used"}
	if !slices.Equal(keys, want) {
		t.Errorf("%q, want %q", keys, want)
	}
}
