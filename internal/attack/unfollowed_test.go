package attack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestReached holds the search forwards against the edges, network included.
func TestReached(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for round := range 200 {
		g := graphOf(t, r.IntN(2) == 0, parse(t, clusterYAML(r))...)
		if round%2 == 0 {
			g = New(g.snapshot, g.network, g.access, Options{KubernetesMinor: 37, Known: true})
		}
		links := g.links()
		for range 4 {
			from := []ID{ID(r.IntN(g.Len())), g.internet}[:1+r.IntN(2)]
			want := make([]bool, g.Len())
			for _, v := range from {
				want[v] = true
			}
			for changed := true; changed; {
				changed = false
				for _, l := range links {
					if want[l.from] && !want[l.to] {
						want[l.to], changed = true, true
					}
				}
			}
			if got := g.reachedFrom(from); !slices.Equal(got, want) {
				t.Fatalf("from %s: %v, want %v", g.Vertex(from[0]), got, want)
			}
		}
	}
}

// TestUnfollowed names the rights that no step follows from, of the start and of
// whom it reaches, and of nobody else.
func TestUnfollowed(t *testing.T) {
	policies, requests := rule("create", "networking.k8s.io", "networkpolicies"), rule("create", csrGroup, csrResource)
	const here, everywhere = " sa:shop/default in shop", " sa:shop/default in "
	agent := daemon + "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {nodeName: one, serviceAccountName: default, containers: [{name: c, image: x}]}}"
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{"policies", role(false, policies), []string{"write-network-policies" + here}},
		{"requests that nobody approves", role(true, requests), []string{"csr-create" + everywhere}},
		{"certificates", signs + everyRole, nil},
		{"certificates for nodes", role(true, rule("create", csrGroup, csrResource+", "+csrResource+"/nodeclient")), nil},
		{"secrets", role(false, rule("get, list", "", "secrets")), nil},
		{"everything is read", role(false, "{apiGroups: ['*'], resources: ['*'], verbs: [get]}"), []string{"read-logs" + here}},
		{"a namespace, and pods there", role(false, rule("patch", "", "namespaces"), rule("create", "", "pods")), nil},
		{"a namespace", role(false, rule("patch", "", "namespaces")), []string{"write-namespaces" + here}},
		{"bindings alone", role(false, rule("create", "rbac.authorization.k8s.io", "rolebindings")), []string{"write-bindings" + here}},
		{"bindings, and what to bind", role(false, rule("create", "rbac.authorization.k8s.io", "rolebindings"), rule("bind", "rbac.authorization.k8s.io", "clusterroles")), nil},
		{"webhooks", role(true, rule("create", admissionGroup, "mutatingwebhookconfigurations")), nil},
		{"webhooks that are deleted", role(true, rule("delete", admissionGroup, "mutatingwebhookconfigurations")), []string{"write-webhooks" + everywhere}},
		{"workloads that are not there", role(false, rule("patch", "apps", "deployments")), []string{"modify-controllers" + here}},
		{"nodes", role(true, rule("patch", "", "nodes")), []string{"write-nodes" + everywhere}},
		{"nodes, from a node", agent + role(true, rule("patch", "", "nodes")), nil},
		{"its group's", everybody(policies), []string{"write-network-policies group:system:serviceaccounts in "}},
		{"whom it reaches", role(true, rule("impersonate", "", "users")) + other(false, "{kind: User, name: jo}", policies) + everyRole, []string{"write-network-policies user:jo in data"}},
		{"whom it does not reach", role(true, rule("impersonate", "", "groups")) + other(false, "{kind: User, name: jo}", policies) + everyRole, []string{"impersonate-groups" + everywhere}},
		{"an administrator", role(true, rule("'*'", "*", "'*'")), nil},
	} {
		g := graphOf(t, true, parse(t, c.yaml+"\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}")...)
		from, err := g.Source("sa/shop/default")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range g.Unfollowed(from) {
			got = append(got, fmt.Sprintf("%s %s in %s", u.Right, u.Holder, u.Namespace))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
