package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// TestAttackPathsOfSavedCluster finds a path in a saved cluster, for certain where
// all was read, and not where network policies were not.
func TestAttackPathsOfSavedCluster(t *testing.T) {
	objects := []string{
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
			"spec": {"serviceAccountName": "web", "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}]}]}}`,
		`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
			"spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}`,
		`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "web"},
			"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin-of-all"}, "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]}`,
		`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "admin-of-all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}`,
	}
	policies := model.Gap{Kind: model.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}, Reason: "networkpolicies may not be listed"}
	whole, gapped := savedCluster(t, "v1.34.1", nil, objects...), savedCluster(t, "v1.34.1", []model.Gap{policies}, objects...)
	secrets := model.Gap{Kind: model.GroupKind{Kind: "Secret"}, Reason: "secrets may not be listed"}
	secretless := savedCluster(t, "v1.34.1", []model.Gap{secrets}, objects[:2]...)
	unlisted := savedCluster(t, "v1.34.1", []model.Gap{secrets}, objects...)
	exec := func(server string) string {
		return savedCluster(t, server, nil, objects[0], `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "web", "namespace": "shop"},
			"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"}, "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]}`,
			`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "web", "namespace": "shop"}, "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}]}`)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"attack-paths --start sa/shop/web --to pod/shop/web --from " + exec("v1.34.1"), exitFindings, "takes no flaw in a program"},
		{"attack-paths --start sa/shop/web --to pod/shop/web --from " + exec("v1.35.0"), exitFindings, "hangs on what the input does not say"},
		{"attack-paths --start sa/shop/web --to pod/shop/web -o json --from " + exec("v1.34.1"), exitFindings, `"kubernetes": "1.34"`},
		{"attack-paths --to secret/shop/key --from " + secretless, exitIncomplete, "Whether there is a path from internet to secret/shop/key is unknown: secrets may not be listed."},
		{"attack-paths --to secret/shop/key -o json --from " + secretless, exitIncomplete, `"unread": "secrets may not be listed"`},
		{"attack-paths --to secret/shop/key --from " + whole, exitUsage, ""},
		{"attack-paths --to secret/shop/key --start sa/shop/web --from " + unlisted, exitFindings, "Secrets may not be listed, so secret shop/key may not exist."},
		{"attack-paths --to secret/gone/key --start sa/shop/web --from " + unlisted, exitIncomplete, "is unknown: secrets may not be listed."},
		{"attack-paths --kube-version 1.34 --from " + whole, exitUsage, ""},
		{"attack-paths --from " + whole, exitFindings, "takes a flaw in a program"},
		{"attack-paths --start sa/shop/web --from " + whole, exitFindings, "takes no flaw in a program"},
		{"attack-paths --from " + gapped, exitFindings, "networkpolicies may not be listed, so what closes the connection may not have been read"},
		{"attack-paths --known --from " + gapped, exitClean, "No path from internet to cluster-admin"},
		{"attack-paths --from " + secretless, exitIncomplete, "No path from internet to cluster-admin. secrets may not be listed, so there may be one."},
		{"attack-paths -o json --from " + secretless, exitIncomplete, `"unread": "secrets may not be listed"`},
		{"check --rule attack-path-cluster-admin --from " + secretless, exitClean, "1 question open: secrets may not be listed"},
		{"check --rule attack-path-cluster-admin --from " + whole, exitFindings, "a path of 3 steps leads from the internet to cluster-admin"},
		{"check --rule attack-path-cluster-admin --from " + gapped, exitClean, "1 question open: whether an attacker from the internet gets to cluster-admin over these pods hangs on what was not read"},
	} {
		o := ullage(t, strings.Fields(c.args)...)
		if o.code != c.code || !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), c.want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", c.args, o.code, c.code, c.want, o.stdout, o.stderr)
		}
	}
}

// TestAttackPathsOfAggregatedNames tells that there may be more paths where
// aggregated rules name more objects than are looked at.
func TestAttackPathsOfAggregatedNames(t *testing.T) {
	var b strings.Builder
	for i := range 2 * access.MaxNamed {
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {uid: u, name: r%02d, labels: {l: x%d}}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {l: x%d}}]}\n"+
			"rules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [s%d]}]\n", i, i, i+1, i)
	}
	b.WriteString("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r00}\n" +
		"subjects: [{kind: ServiceAccount, name: web, namespace: shop}]\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\n")
	file := filepath.Join(t.TempDir(), "chain.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"attack-paths --closed-world":         "There may be more paths: more rights over objects of some names come by aggregated ClusterRoles than are looked at.",
		"attack-paths --closed-world -o json": `"incomplete": "more rights over objects`,
	} {
		o := ullage(t, append(strings.Fields(args), file)...)
		if o.code != exitIncomplete || !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", args, o.code, exitIncomplete, want, o.stdout, o.stderr)
		}
	}
	o := ullage(t, "check", "--closed-world", "--rule", "service-account-takeover-path", "-v", file)
	if !strings.Contains(o.stdout, "come by aggregated ClusterRoles") {
		t.Errorf("the rule is not left open:\n%s%s", o.stdout, o.stderr)
	}
}
