package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
)

// userBound binds a user to a ClusterRole in the whole cluster.
func userBound(user, role string) string {
	return fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: %s}\nroleRef: {kind: ClusterRole, name: %s}\nsubjects: [{kind: User, name: %[1]s}]\n", user, role)
}

// Rights over names that hold in the whole cluster are about what has the name in
// any namespace, and about nothing else.
func TestNamedInTheWholeCluster(t *testing.T) {
	text := userBound("jo", "named") + `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: named}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [one, absent]}
- {apiGroups: [""], resources: [serviceaccounts/token], verbs: [create], resourceNames: [robot]}
- {apiGroups: [""], resources: [pods/exec], verbs: [create], resourceNames: [set-10, one-x, plain]}
- {apiGroups: [apps], resources: [statefulsets], verbs: [update], resourceNames: [set]}
`
	for _, ns := range []string{"a", "b"} {
		text += fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: one, namespace: %[1]s}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: two, namespace: %[1]s}\n"+
			"---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: %[1]s}\n"+
			"---\napiVersion: v1\nkind: Pod\nmetadata: {name: plain, namespace: %[1]s}\nspec: {containers: [{name: c, image: i}]}\n"+
			"---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: set, namespace: %[1]s}\nspec: {template: {spec: {containers: [{name: c, image: i}]}}}\n", ns)
	}
	g := graphOf(t, true, parse(t, text)...)
	var got []string
	for _, e := range g.told() {
		if strings.Contains(e, ": user jo -> ") {
			got = append(got, strings.Replace(e, ": user jo -> ", " ", 1))
		}
	}
	var want []string
	for _, ns := range []string{"a", "b"} {
		want = append(want, "read-secrets secret "+ns+"/one, certain", "mint-token service account "+ns+"/robot, certain",
			"exec-pods Pod "+ns+"/plain, certain", "exec-pods StatefulSet "+ns+"/set, certain",
			"change-workloads own pods in namespace "+ns+", certain")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if g.Incomplete() != "" {
		t.Errorf("incomplete: %s", g.Incomplete())
	}
}

// A graph says when it does not look at all rights over names.
func TestIncomplete(t *testing.T) {
	chain := userBound("jo", "r00")
	for i := range 2 * access.MaxNamed {
		chain += fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {uid: u, name: r%02d, labels: {l: x%d}}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {l: x%d}}]}\n"+
			"rules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [s%d]}]\n", i, i, i+1, i)
	}
	var names, subjects []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("s%d", i))
		subjects = append(subjects, fmt.Sprintf("{kind: User, name: u%d}", i))
	}
	many := func(n int) string {
		return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [" + strings.Join(names, ", ") + "]}]\n" +
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: r}\nsubjects: [" + strings.Join(subjects[:n], ", ") + "]\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"chain", chain, namesBeyond},
		{"many subjects", many(3000), lookupsBeyond},
		{"some subjects", many(30), ""},
	} {
		if got := graphOf(t, true, parse(t, c.text)...).Incomplete(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestClosed holds what only a closed snapshot decides, and what takes a look at
// what the API server asks for.
func TestClosed(t *testing.T) {
	hook := "\n---\n{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: mw}}\n"
	byName := func(resource, verb, name string) string {
		return role(true, "{apiGroups: ['*'], resources: ["+resource+"], verbs: ["+verb+"], resourceNames: ['"+name+"']}")
	}
	for _, c := range []struct{ yaml, want string }{
		{role(true, rule("patch", admissionGroup, "mutatingwebhookconfigurations")), ""},
		{role(true, rule("patch", admissionGroup, "mutatingwebhookconfigurations")) + hook, "change-webhooks: service account shop/default -> cluster-admin, likely"},
		{byName("mutatingwebhookconfigurations", "patch", "mw"), ""},
		{byName("mutatingwebhookconfigurations", "patch", "mw") + hook, "change-webhooks: service account shop/default -> cluster-admin, likely"},
		{role(true, rule("create", admissionGroup, "mutatingwebhookconfigurations")), "change-webhooks: service account shop/default -> cluster-admin, likely"},
		{byName("apiservices", "update", "v1.apps"), "hijack-api: service account shop/default -> cluster-admin, likely"},
		{byName("apiservices", "update", "v1.example.com"), ""},
		{byName("users", "impersonate", "system:serviceaccount:shop:web"), ""},
		{byName("users", "impersonate", "jo"), "impersonate-user: service account shop/default -> user jo, certain"},
	} {
		var got string
		for _, told := range graphOf(t, true, parse(t, c.yaml)...).told() {
			if strings.Contains(told, "service account shop/default -> ") && !strings.HasPrefix(told, "member") {
				got = told
			}
		}
		if got != c.want {
			t.Errorf("%q, want %q, of %s", got, c.want, c.yaml)
		}
	}
}

// TestNamedOfWorkloads follows rights over pods and ReplicaSets of the names that
// a Deployment's have, where they were read.
func TestNamedOfWorkloads(t *testing.T) {
	byName := func(cluster bool, group, resource, verb, name string) string {
		return role(cluster, "{apiGroups: ['"+group+"'], resources: ["+resource+"], verbs: ["+verb+"], resourceNames: ["+name+"]}")
	}
	subject := strings.NewReplacer("namespace: shop}\nr", "namespace: a}\nr", "{name: r, namespace: shop}", "{name: r, namespace: a}", "{name: b, namespace: shop}", "{name: b, namespace: a}").Replace
	const job = "\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: once, namespace: a}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}}"
	for _, c := range []struct{ yaml, want string }{
		{byName(true, "", "pods/exec", "create", "live-1-2"), "exec-pods: service account shop/default -> Deployment a/live, certain"},
		{byName(false, "", "pods/exec", "create", "live-1-2"), "exec-pods: service account shop/default -> Deployment a/live, certain"},
		{byName(false, "", "pods/exec", "create", "live-1-9"), ""},
		{byName(true, "apps", "replicasets", "patch", "live-1"), "change-workloads: service account shop/default -> own pods in namespace a, certain"},
		{byName(false, "apps", "replicasets", "patch", "live-1"), "change-workloads: service account shop/default -> own pods in namespace a, certain"},
		{byName(false, "apps", "replicasets", "patch", "live"), ""},
		{byName(false, "apps", "deployments", "patch", "live"), "change-workloads: service account shop/default -> own pods in namespace a, certain"},
		{byName(false, "batch", "jobs", "patch", "once"), ""},
		{role(true, rule("patch", "batch", "jobs")), ""},
	} {
		var got string
		for _, told := range graphOf(t, true, parse(t, liveYAML+job+subject(c.yaml))...).told() {
			if strings.Contains(told, "service account shop/default -> ") && !strings.HasPrefix(told, "member") {
				got = told
			}
		}
		if got != c.want {
			t.Errorf("%q, want %q, of %s", got, c.want, c.yaml)
		}
	}
}
