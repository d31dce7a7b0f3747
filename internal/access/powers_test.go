package access

import (
	"fmt"
	"slices"
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

// Ways that take no binding or role of cluster-admin: who may write into a role, and
// bind itself, empties it before and fills it then.
func TestTakeoverWays(t *testing.T) {
	const rbac = "{apiGroups: [rbac.authorization.k8s.io], resources: [%s], verbs: [%s]%s}"
	rule := func(resources, verbs string, names ...string) string {
		only := ""
		if len(names) > 0 {
			only = ", resourceNames: [" + strings.Join(names, ", ") + "]"
		}
		return fmt.Sprintf(rbac, resources, verbs, only)
	}
	const there = `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: there, namespace: shop}, rules: []}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: old, namespace: shop}, roleRef: {kind: Role, name: there}, subjects: [{kind: User, name: sue}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: admins, namespace: shop}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: sue}]}
`
	for _, c := range []struct {
		name, kind string // of the role that jo is bound to in namespace shop, or in the cluster
		rules      []string
		want       string
	}{
		{"a role there, and new bindings", "Role", []string{rule("roles", "escalate, update"), rule("rolebindings", "create")}, "rewrite-roles in shop"},
		{"the same by name", "Role", []string{rule("roles", "escalate, patch", "there"), rule("rolebindings", "create")}, "rewrite-roles in shop"},
		{"a role of another name", "Role", []string{rule("roles", "escalate, patch", "gone"), rule("rolebindings", "create")}, ""},
		{"one that it makes", "Role", []string{rule("roles", "escalate, patch, create", "gone"), rule("rolebindings", "create")}, "rewrite-roles in shop"},
		{"one that it makes, but not by apply", "Role", []string{rule("roles", "escalate, create", "gone"), rule("rolebindings", "create")}, ""},
		{"a role there, and its binding", "Role", []string{rule("roles", "escalate, update", "there"), rule("rolebindings", "update", "old")}, "rewrite-roles in shop"},
		{"a role there, and another binding", "Role", []string{rule("roles", "escalate, update", "there"), rule("rolebindings", "update", "admins")}, ""},
		{"a binding that it applies", "Role", []string{rule("roles", "escalate, update", "there"), rule("rolebindings", "create, patch", "new")}, "rewrite-roles in shop"},
		{"a binding that it cannot apply", "Role", []string{rule("roles", "escalate, update", "there"), rule("rolebindings", "create", "new")}, ""},
		{"new roles and bind", "Role", []string{rule("roles", "escalate, create, bind"), rule("rolebindings", "create")}, "grant-any-role in shop"},
		{"new roles without bind", "Role", []string{rule("roles", "escalate, create"), rule("rolebindings", "create")}, ""},
		{"a ClusterRole there, and bindings", "ClusterRole", []string{rule("clusterroles", "escalate, update", "view"), rule("clusterrolebindings", "create")}, "rewrite-roles in "},
		{"bindings in namespaces", "ClusterRole", []string{rule("clusterroles", "escalate, update", "view"), rule("rolebindings", "create")}, "rewrite-roles in *"},
		{"a ClusterRole that is not there", "ClusterRole", []string{rule("clusterroles", "escalate, update", "gone"), rule("clusterrolebindings", "create")}, ""},
		{"one that it makes then", "ClusterRole", []string{rule("clusterroles", "escalate, update", "gone"), rule("clusterroles, clusterrolebindings", "create")}, "rewrite-roles in "},
		{"the binding of a namespace's administrators", "ClusterRole", []string{rule("clusterroles", "bind", "cluster-admin"), rule("rolebindings", "update")}, "grant-any-role in shop"},
		{"the same without bind", "ClusterRole", []string{rule("rolebindings", "update")}, ""},
		{"roles everywhere, and their bindings", "ClusterRole", []string{rule("roles", "escalate, update"), rule("rolebindings", "update")}, "rewrite-roles in shop"},
	} {
		kind, meta := c.kind, "{name: own}"
		if kind == "Role" {
			meta = "{name: own, namespace: shop}"
		}
		own := fmt.Sprintf("---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: %s, metadata: %s, rules: [%s]}\n---\n"+
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: %sBinding, metadata: %s, roleRef: {kind: %s, name: own}, subjects: [{kind: User, name: jo}]}\n", kind, meta, strings.Join(c.rules, ", "), kind, meta, kind)
		got := []string{}
		for s, ways := range New(snapshot(t, strings.TrimPrefix(there+own, "---\n"))).Takeovers() {
			for _, w := range ways {
				if s == User("jo") && w.Rights == everything {
					got = append(got, w.Right.String()+" in "+w.Namespace)
				}
				for _, p := range w.Proofs {
					if !slices.Contains(p.Binding.Subjects(), p.Subject) || p.Source == nil {
						t.Errorf("%s: the proof is none: %+v", c.name, p)
					}
				}
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Who is bound to a role that aggregates others has any right by writing into one
// of these, or into one that it then labels, though it may escalate on all.
func TestTakeoverByParts(t *testing.T) {
	const text = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: whole}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: whole}}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: part, labels: {to: whole}}, rules: [
  {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}, {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [update], resourceNames: [%s]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {kind: ClusterRole, name: whole}, subjects: [{kind: User, name: jo}]}
`
	for name, want := range map[string]bool{"part": true, "view": true, "gone": false} {
		got := false
		for _, ways := range New(snapshot(t, fmt.Sprintf(text, name))).Takeovers() {
			got = got || slices.ContainsFunc(ways, func(w Takeover) bool { return w.Right == RewriteRoles && w.Rights == everything })
		}
		if got != want {
			t.Errorf("writes into %s: %t", name, got)
		}
	}
}
