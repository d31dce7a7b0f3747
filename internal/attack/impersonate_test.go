package attack

import (
	"strings"
	"testing"
)

// adminOf binds a subject, as YAML, to cluster-admin.
func adminOf(subject string) string {
	return "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: boss}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [" + subject + "]}"
}

const everyRole = "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cluster-admin}, rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]}"

// TestImpersonate holds whom the right to impersonate lets act as. The API server
// asks for users, and for serviceaccounts in their namespace where the user's name
// is that of one; who names no groups gets those that the name gives, and nobody
// gets the group of nodes but by its name.
func TestImpersonate(t *testing.T) {
	named := func(resource, name string) string {
		return "{apiGroups: [''], resources: [" + resource + "], verbs: [impersonate], resourceNames: ['" + name + "']}"
	}
	users, accounts := rule("impersonate", "", "users"), rule("impersonate", "", "serviceaccounts")
	const jo, robot, ops, nodes, one = "{kind: User, name: jo}", "{kind: ServiceAccount, name: robot, namespace: data}", "{kind: Group, name: ops}", "{kind: Group, name: 'system:nodes'}", "{kind: User, name: 'system:node:one'}"
	const anonymous = "{kind: User, name: 'system:anonymous'}"
	for _, c := range []struct {
		name  string
		rules []string
		admin string
		want  bool
	}{
		{"any user", []string{users}, jo, true},
		{"any user, no account", []string{users}, robot, false},
		{"any user, no group", []string{users}, ops, false},
		{"any user, not the group of nodes", []string{users}, nodes, false},
		{"the anonymous user", []string{users}, anonymous, true},
		{"the anonymous user's group", []string{users}, "{kind: Group, name: 'system:unauthenticated'}", true},
		{"any account", []string{accounts}, robot, true},
		{"any account, no user", []string{accounts}, jo, false},
		{"any account, in the groups of accounts", []string{accounts}, "{kind: Group, name: 'system:serviceaccounts:data'}", true},
		{"accounts in a namespace, by a group of them", []string{accounts}, "{kind: Group, name: 'system:serviceaccounts:other'}", false},
		{"an account as a user", []string{named("users", "system:serviceaccount:data:robot")}, robot, false},
		{"an account by its name", []string{named("serviceaccounts", "robot")}, robot, true},
		{"an account by its name as a user", []string{named("serviceaccounts", "system:serviceaccount:data:robot")}, robot, false},
		{"any user and a group", []string{users, named("groups", "ops")}, ops, true},
		{"an account and a group", []string{named("serviceaccounts", "robot"), named("groups", "ops")}, ops, true},
		{"a node, not its group", []string{named("users", "system:node:one")}, nodes, false},
		{"a node with its group", []string{named("users", "system:node:one"), named("groups", "system:nodes")}, nodes, true},
		{"a node that is bound by its name", []string{named("users", "system:node:one")}, one, true},
		{"another name that stands for all", []string{named("users", "system:admin")}, jo, false},
	} {
		yaml := role(true, c.rules...) + everyRole + adminOf(c.admin) + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: data}}"
		g := graphOf(t, true, parse(t, yaml)...)
		if got := reachesFrom(t, g, "sa/shop/default", "cluster-admin"); got != c.want {
			t.Errorf("%s: path to cluster-admin: %t\n%s", c.name, got, strings.Join(g.told(), "\n"))
		}
	}
}

// TestImpersonateAdmin holds that a name that is an administrator's in some
// clusters is one user, and not all.
func TestImpersonateAdmin(t *testing.T) {
	yaml := role(true, "{apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: ['system:admin']}")
	for _, told := range graphOf(t, false, parse(t, yaml)...).told() {
		if strings.Contains(told, "any user") {
			t.Error(told)
		}
	}
}
