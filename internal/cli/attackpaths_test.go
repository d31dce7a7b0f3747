package cli

import (
	"strings"
	"testing"

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
	for _, c := range []struct {
		args string
		code int
		want string
	}{
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
