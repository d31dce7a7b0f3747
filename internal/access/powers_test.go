package access

import (
	"fmt"
	"strings"
	"testing"
)

// A group may hold one half of a way and its member the other.
func TestTakeoverByGroupAndMember(t *testing.T) {
	const half = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [%[2]s], verbs: [%[3]s]%[4]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {kind: ClusterRole, name: %[1]s}
subjects: [{kind: %[5]s}]
---
`
	const web, all = "ServiceAccount, namespace: shop, name: web", "Group, name: 'system:serviceaccounts'"
	admin := ", resourceNames: [cluster-admin]"
	for _, c := range []struct {
		group, member string
		want          Right // 0 for none
	}{
		{fmt.Sprintf(half, "bind", "clusterroles", "bind", admin, all), fmt.Sprintf(half, "write", "clusterrolebindings", "create", "", web), GrantAnyRole},
		{fmt.Sprintf(half, "write", "clusterrolebindings", "create", "", all), fmt.Sprintf(half, "bind", "clusterroles", "bind", admin, web), GrantAnyRole},
		{fmt.Sprintf(half, "escalate", "clusterroles", "escalate", ", resourceNames: [write]", all), fmt.Sprintf(half, "write", "clusterroles", "update", "", web), RewriteRoles},
		{fmt.Sprintf(half, "escalate", "clusterroles", "escalate", ", resourceNames: [other]", all), fmt.Sprintf(half, "write", "clusterroles", "update", "", web), 0},
		{fmt.Sprintf(half, "bind", "clusterroles", "bind", ", resourceNames: [view]", all), fmt.Sprintf(half, "write", "clusterrolebindings", "create", "", web), 0},
	} {
		a := New(snapshot(t, strings.TrimSuffix(c.group+c.member, "---\n")))
		got := Right(0)
		for s, ways := range a.Takeovers() {
			for _, way := range ways {
				if way.Rights == everything && s == ServiceAccount("shop", "web") {
					got = way.Right
				} else if way.Rights == everything {
					t.Errorf("%s: %s", s, way.Right)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s, want %s:\n%s%s", got, c.want, c.group, c.member)
		}
	}
}

// What a role gives alone: to write into roles helps who is bound to them.
func TestRightsOfARoleAlone(t *testing.T) {
	for _, c := range []struct {
		resources, verbs string
		want             Rights
	}{
		{"roles", "escalate, update", 0},
		{"clusterroles", "escalate, update", 1 << RewriteRoles},
		{"roles, rolebindings", "escalate, update, create", 1 << RewriteRoles},
		{"clusterroles", "bind, create", 0},
		{"clusterroles, clusterrolebindings", "bind, create", 1 << GrantAnyRole},
		{"roles, rolebindings", "bind, create", 0},
	} {
		a := New(snapshot(t, fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [%s], verbs: [%s]}]}", c.resources, c.verbs)))
		if got := a.Alone(a.Role(RoleName{Name: "r"}), "") & ByRoles; got != c.want {
			t.Errorf("%s on %s: %s, want %s", c.verbs, c.resources, names(got), names(c.want))
		}
	}
}

// What a group holds in many namespaces is looked at once and not for each member:
// the ways of a member are those that take a binding of its own.
func TestWaysOfAGroupAreNotThoseOfItsMembers(t *testing.T) {
	const rules = `{apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [bind, escalate, update, create]}`
	a := everywhereBound(t, 100, rules)
	ways := map[Subject]int{}
	for s, found := range a.Takeovers() {
		ways[s] = len(found)
	}
	if ways[Group(serviceAccounts)] < 100 || ways[ServiceAccount("n0", "web")] > 3 {
		t.Errorf("%v", ways)
	}
}
