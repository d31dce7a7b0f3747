package attack

import (
	"strings"
	"testing"
)

const rbac = "rbac.authorization.k8s.io"

// only is a rule about objects of a name.
func only(verbs, group, resources, name string) string {
	return strings.TrimSuffix(rule(verbs, group, resources), "}") + ", resourceNames: ['" + name + "']}"
}

const adminAccount = `
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: boss, namespace: shop}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: boss}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: boss, namespace: shop}]
`

const danglingBinding = `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lost}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gone}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
`

const ownRole = `
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: own, namespace: shop}, rules: []}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: own, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: own}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
`

// everybody gives all service accounts a ClusterRole of one rule.
func everybody(rule string) string {
	return "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: all}, rules: [" + rule + "]}" +
		"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: all}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all}, " +
		"subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts'}]}"
}

// TestTakeoverByRoles holds what rights over roles and bindings lead to, and how
// certain the worst step of the best path to cluster administrator is.
func TestTakeoverByRoles(t *testing.T) {
	aggregating := strings.Replace(role(true, rule("create, escalate", rbac, "clusterroles")), "metadata: {name: r}\nrules:", "metadata: {name: r, uid: u}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {to: r}}]}\nrules:", 1)
	labelled := strings.NewReplacer("metadata: {name: r}\nrules: [", "metadata: {name: part, labels: {to: r}}\nrules: [").Replace(role(true, only("escalate, update", rbac, "clusterroles", "part"))) +
		"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: r}}]}}"
	bind := only("bind", rbac, "clusterroles", "cluster-admin")
	for _, c := range []struct {
		name, yaml string
		want       string // "" for no path
	}{
		{"the role that it is bound to", role(true, only("escalate, update", rbac, "clusterroles", "r")), "certain"},
		{"by patch", role(true, only("escalate, patch", rbac, "clusterroles", "r")), "certain"},
		{"another role", role(true, only("escalate, update", rbac, "clusterroles", "other")), ""},
		{"without escalate", role(true, only("update", rbac, "clusterroles", "r")), ""},
		{"any ClusterRole", role(true, rule("escalate, update", rbac, "clusterroles")), "certain"},
		{"the Role that it is bound to", role(false, only("escalate, update", rbac, "roles", "r")) + adminAccount, "certain"},
		{"another Role", role(false, only("escalate, update", rbac, "roles", "other")) + adminAccount, ""},
		{"a Role, with nobody there", role(false, only("escalate, update", rbac, "roles", "r")), "unknown"}, // a pod that the namespace may refuse
		{"any Role, bound to none", role(true, rule("escalate, update", rbac, "roles")) + adminAccount, ""},
		{"any Role, bound to one", role(true, rule("escalate, update", rbac, "roles")) + ownRole + adminAccount, "certain"},
		{"any Role, and bindings", role(true, rule("escalate, update, create", rbac, "roles"), rule("create", rbac, "rolebindings")) + adminAccount, "certain"},
		{"any Role, and bindings, with nobody there", role(true, rule("escalate, update, create", rbac, "roles"), rule("create", rbac, "rolebindings")), "likely"},
		{"new ClusterRoles", role(true, rule("escalate, create", rbac, "clusterroles")), ""},
		{"new ClusterRoles that a bound one aggregates", aggregating, "certain"},
		{"a part of the role that it is bound to", labelled, "certain"},
		{"new ClusterRoles, and a binding to one", role(true, rule("escalate, create", rbac, "clusterroles")) + danglingBinding, "certain"},
		{"bindings in namespaces", role(true, rule("create", rbac, "rolebindings"), bind), "likely"},
		{"bindings in the cluster", role(true, rule("create", rbac, "clusterrolebindings"), bind), "certain"},
		{"the administrators' binding", role(true, only("update", rbac, "clusterrolebindings", "cluster-admin"), bind), "certain"},
		{"another binding", role(true, only("update", rbac, "clusterrolebindings", "other"), bind), ""},
		{"the role that its group is bound to", ownRole + everybody(only("escalate, update", rbac, "clusterroles", "all")), "certain"},
		{"another role than its group is bound to", ownRole + everybody(only("escalate, update", rbac, "clusterroles", "other")), ""},
		{"a binding, to the role of its group's choice", ownRole + everybody(bind) + "\n---\n" + role(true, rule("create", rbac, "clusterrolebindings")), "certain"},
		{"tokens in Secrets, which its group reads", role(true, rule("create", "", "secrets")) + everybody(rule("get", "", "secrets")) + adminAccount, "certain"},
		{"certificates that its group asks for", role(true, rule("update", csrGroup, csrResource+"/approval"), rule("approve", csrGroup, "signers")) + everybody(rule("create", csrGroup, csrResource)), "likely"},
		{"certificates, for some other signer", role(true, rule("update", csrGroup, csrResource+"/approval"), only("approve", csrGroup, "signers", "example.com/own")) + everybody(rule("create", csrGroup, csrResource)), ""},
		{"a user, in the groups that its group may be", role(true, rule("impersonate", "", "users")) + everybody(rule("impersonate", "", "groups")), "certain"},
		{"the binding alone", role(true, only("update", rbac, "clusterrolebindings", "cluster-admin")), ""},
		{"binds role admin", role(false, rule("create", rbac, "rolebindings"), only("bind", rbac, "clusterroles", "admin")) + adminAccount, "certain"},
		{"binds role view", role(false, rule("create", rbac, "rolebindings"), only("bind", rbac, "clusterroles", "view")) + adminAccount, ""},
		{"binds role admin, with nobody there", role(false, rule("create", rbac, "rolebindings"), only("bind", rbac, "clusterroles", "admin")), "unknown"},
		{"binds Roles that give nothing", role(false, rule("create", rbac, "rolebindings"), rule("bind", rbac, "roles")) + adminAccount, ""},
		{"a token Secret of a name that it may read", role(false, rule("create", "", "secrets"), only("get", "", "secrets", "mine")) + adminAccount, "certain"},
		{"a token Secret that it applies and reads by its name", role(false, only("create, patch", "", "secrets", "mine")) + adminAccount, "certain"},
		{"a token Secret that it applies by its name", role(false, only("create", "", "secrets", "mine"), only("update, get", "", "secrets", "mine")) + adminAccount, ""},
		{"a Secret that is there", role(false, rule("create", "", "secrets"), only("get", "", "secrets", "mine")) + adminAccount +
			"\n---\n{apiVersion: v1, kind: Secret, metadata: {name: mine, namespace: shop}}", ""},
		{"a token of the aggregation controller", role(true, only("create", "", "serviceaccounts/token", "clusterrole-aggregation-controller")), "likely"},
		{"as the aggregation controller", role(true, only("impersonate", "", "serviceaccounts", "clusterrole-aggregation-controller")), "likely"},
		{"as another controller", role(true, only("impersonate", "", "serviceaccounts", "pod-garbage-collector")), ""},
		{"as the masters", role(true, only("impersonate", "", "groups", "system:masters")), ""},
		{"as any group", role(true, rule("impersonate", "", "groups")), ""},
		{"as jane of the masters", role(true, only("impersonate", "", "groups", "system:masters"), only("impersonate", "", "users", "jane")), "certain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graphOf(t, true, parse(t, c.yaml)...)
			from, err := g.Source("sa/shop/default")
			if err != nil && c.want != "" {
				t.Fatal(err)
			}
			got := ""
			if paths := g.Distances(g.admin).Paths(from, 1); len(paths) > 0 {
				worst := Given
				for _, stage := range g.Stages(paths[0])[1:] {
					worst = max(worst, stage.Step.Certainty)
					if len(stage.Step.Evidence) == 0 && stage.Step.Certainty == Certain {
						t.Errorf("%s: no evidence", stage.Step.Does)
					}
				}
				got = worst.String()
			}
			if got != c.want {
				t.Errorf("%q, want %q\n%s", got, c.want, strings.Join(g.told(), "\n"))
			}
		})
	}
}

// In an open world somebody else may hold the right to impersonate a user for it.
func TestGroupsInAnOpenWorld(t *testing.T) {
	g := graphOf(t, false, parse(t, role(true, rule("impersonate", "", "groups")))...)
	from, err := g.Source("sa/shop/default")
	if err != nil {
		t.Fatal(err)
	}
	stages := g.Stages(g.Distances(g.admin).Shortest(from[0]))
	if len(stages) < 2 || stages[1].Step.Certainty != Unknown {
		t.Errorf("%+v", stages)
	}
}
