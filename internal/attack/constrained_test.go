package attack

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// other binds another subject, as YAML, to rules: in namespace data, or in the
// cluster.
func other(cluster bool, subject string, rules ...string) string {
	yaml := strings.NewReplacer("name: r}", "name: o}", "name: r,", "name: o,", "name: b}", "name: ob}", "name: b,", "name: ob,", "name: r\n", "name: o\n",
		"namespace: shop}\n", "namespace: data}\n", "{kind: ServiceAccount, name: default, namespace: shop}", subject).Replace(role(cluster, rules...))
	return yaml
}

// TestConstrained holds what constrained impersonation leads to: what both the
// subject may do as another, and the other may do.
func TestConstrained(t *testing.T) {
	const jo, ops, robot, nodes = "{kind: User, name: jo}", "{kind: Group, name: ops}", "{kind: ServiceAccount, name: robot, namespace: data}", "{kind: Group, name: 'system:nodes'}"
	act := func(mode, resource string) string { return rule("'impersonate:"+mode+"'", authnGroup, resource) }
	name := func(rule, name string) string { return strings.Replace(rule, "}", ", resourceNames: ['"+name+"']}", 1) }
	on := func(mode, verb, resource string) string {
		return rule("'impersonate-on:"+mode+":"+verb+"'", "", resource)
	}
	get := rule("get", "", "secrets")
	users, accounts := act("user-info", "users"), act("serviceaccount", "serviceaccounts")
	read := on("user-info", "get", "secrets")
	all, data := "all secrets of the cluster", "all secrets in namespace data"
	pod := "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: data}, spec: {nodeName: one, serviceAccountName: db, containers: [{name: c, image: x, envFrom: [{secretRef: {name: key}}]}]}}"
	agent := strings.Replace(strings.ReplaceAll(pod, "serviceAccountName: db, ", ""), "name: db, namespace: data", "name: agent, namespace: shop", 1)
	elsewhere := strings.NewReplacer("name: db,", "name: db2,", "nodeName: one", "nodeName: two", "Name: db", "Name: db2").Replace(pod)
	node := "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}}\n---\n{apiVersion: v1, kind: Node, metadata: {name: two}}"
	kubelet := []string{on("arbitrary-node", "create", "serviceaccounts/token"), on("associated-node", "create", "serviceaccounts/token")}
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{"both may", role(true, users, read) + other(true, jo, get), []string{all}},
		{"by its name", role(true, name(users, "jo"), read) + other(true, jo, get), []string{all}},
		{"by another name", role(true, name(users, "ben"), read) + other(true, jo, get), nil},
		{"the other may not", role(true, users, read) + other(true, jo, rule("list", "", "secrets")), nil},
		{"it may not for this request", role(true, users, on("user-info", "list", "secrets")) + other(true, jo, get), nil},
		{"it may do nothing as another", role(true, users) + other(true, jo, get), nil},
		{"it may act as nobody", role(true, read) + other(true, jo, get), nil},
		{"the old verb does not do", role(true, rule("impersonate", authnGroup, "users"), read) + other(true, jo, get), nil},
		{"the core group does not do", role(true, rule("'impersonate:user-info'", "", "users"), read) + other(true, jo, get), nil},
		{"where the other may", role(true, users, read) + other(false, jo, get), []string{data}},
		{"where it may", role(true, users) + other(true, jo, get) + strings.NewReplacer("name: r,", "name: s,", "name: b,", "name: c,", "name: r}", "name: s}").Replace(role(false, read)), []string{"all secrets in namespace shop"}},
		{"a group, with some user", role(true, act("user-info", "groups, users"), read) + other(true, ops, get), []string{all}},
		{"a group, with one user", role(true, act("user-info", "groups"), name(users, "ben"), read) + other(true, ops, get), []string{all}},
		{"a group, with no user", role(true, act("user-info", "groups"), read) + other(true, ops, get), nil},
		{"the masters are nobody", role(true, act("user-info", "groups, users"), read), nil},
		{"no account in the mode for users", role(true, users, read) + other(true, robot, get), nil},
		{"an account", role(true, accounts, on("serviceaccount", "get", "secrets")) + other(true, robot, get), []string{all}},
		{"an account, for another mode", role(true, accounts, read) + other(true, robot, get), nil},
		{"accounts of another namespace", role(false, accounts, on("serviceaccount", "get", "secrets")) + other(true, robot, get), nil},
		{"what an administrator binds", role(true, users, rule("'impersonate-on:user-info:create'", "rbac.authorization.k8s.io", "clusterrolebindings")) + other(true, jo, rule("'*'", "*", "'*'")), []string{"cluster-admin"}},
		{"what another binds", role(true, users, rule("'impersonate-on:user-info:create'", "rbac.authorization.k8s.io", "clusterrolebindings")) + other(true, jo, get), nil},
		{"workloads", deploy("web", "", "") + role(true, users, rule("'impersonate-on:user-info:patch'", "apps", "deployments")) + other(true, jo, rule("patch", "apps", "deployments")), []string{"own pods of the cluster"}},
		{"workloads that are not there", deploy("web", "", "") + role(true, users, rule("'impersonate-on:user-info:patch'", "apps", "statefulsets")) + other(true, jo, rule("patch", "apps", "statefulsets")), nil},
		{"any node's tokens", pod + node + role(true, act("arbitrary-node", "nodes"), kubelet[0]), []string{"service account data/db"}},
		{"any node's secrets", pod + node + role(true, act("arbitrary-node", "nodes"), on("arbitrary-node", "get", "secrets")), []string{"secret data/key"}},
		{"one node's", pod + elsewhere + node + role(true, name(act("arbitrary-node", "nodes"), "one"), kubelet[0]), []string{"service account data/db"}},
		{"what nodes are bound to", role(true, act("arbitrary-node", "nodes"), on("arbitrary-node", "get", "secrets")) + other(true, nodes, get), []string{all}},
		{"its node's", pod + elsewhere + agent + node + role(true, act("associated-node", "nodes"), kubelet[1]), []string{"service account data/db", "service account shop/default"}},
		{"its node's, by the name that is asked for", pod + elsewhere + agent + node + role(true, name(act("associated-node", "nodes"), "*"), kubelet[1]), []string{"service account data/db", "service account shop/default"}},
		{"its node's, by the node's name", pod + agent + node + role(true, name(act("associated-node", "nodes"), "one"), kubelet[1]), nil},
		{"a node, by another mode", pod + node + role(true, act("arbitrary-node", "nodes"), kubelet[1]), nil},
	} {
		s := model.NewSnapshot(parse(t, c.yaml+everyRole), true) // so kube-controller-manager is not assumed
		for minor, certainty := range map[int]string{34: "", 35: ", unknown", 36: ", likely"} {
			var got, want []string
			g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: minor})
			for _, told := range g.told() {
				if rest, ok := strings.CutPrefix(told, "impersonate-constrained: service account shop/default -> "); ok {
					got = append(got, rest)
				}
			}
			for _, to := range c.want {
				if certainty != "" {
					want = append(want, to+certainty)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, 1.%d: %q, want %q", c.name, minor, got, want)
			}
		}
	}
}

// TestConstrainedOwn holds that what a group may by itself is no step of each of its
// members, and that a member's part with its group's is one.
func TestConstrainedOwn(t *testing.T) {
	users, read := rule("'impersonate:user-info'", authnGroup, "users"), rule("'impersonate-on:user-info:get'", "", "secrets")
	jo := other(true, "{kind: User, name: jo}", rule("get", "", "secrets"))
	for want, yaml := range map[string]string{
		"group system:serviceaccounts -> all secrets of the cluster, likely": role(true, rule("get", "", "pods")) + everybody(users+", "+read) + jo,
		"service account shop/default -> all secrets of the cluster, likely": role(true, read) + everybody(users) + jo,
	} {
		var got []string
		for _, told := range graphOf(t, true, parse(t, yaml)...).told() {
			if rest, ok := strings.CutPrefix(told, "impersonate-constrained: "); ok {
				got = append(got, rest)
			}
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
