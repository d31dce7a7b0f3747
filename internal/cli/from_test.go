package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/report"
	"ullage.dev/ullage/internal/tree"
)

// savedCluster saves a cluster of some objects to a file.
func savedCluster(t *testing.T, server string, gaps []model.Gap, objects ...string) string {
	t.Helper()
	return savedClusterAt(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), server, gaps, objects...)
}

func savedClusterAt(t *testing.T, at time.Time, server string, gaps []model.Gap, objects ...string) string {
	t.Helper()
	in := &cluster.Input{Name: "dev", Server: server, Time: at, Gaps: gaps,
		Resources: []model.ResourceCount{{Resource: "pods", Objects: len(objects)}}}
	for _, text := range objects {
		root, err := tree.FromJSON([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		o, err := model.NewLiveObject(root, model.Live{Cluster: in.Name, Interner: tree.NewInterner()})
		if err != nil {
			t.Fatal(err)
		}
		in.Objects = append(in.Objects, o)
	}
	var file bytes.Buffer
	if err := cluster.Save(&file, in); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "saved.gz")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func livePod(namespace string) string {
	return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "` + namespace + `", "labels": {"app": "web"}},
		"spec": {"containers": [{"name": "web", "image": "web:1", "securityContext": {"privileged": true}, "env": [{"name": "PASSWORD", "value": "c4n4ry-value"}]}]}}`
}

// TestCheckFromFile judges a saved cluster in all formats.
func TestCheckFromFile(t *testing.T) {
	path := savedCluster(t, "v1.34.1", nil, livePod("shop"), livePod("other"))
	for _, format := range report.Formats() {
		o := ullage(t, "check", "--from", path, "-o", format, "-n", "shop")
		again := ullage(t, "check", "--from", path, "-o", format, "-n", "shop")
		if o.code != exitFindings || o != again {
			t.Errorf("-o %s: exit code %d: %s", format, o.code, o.stderr)
		}
		if strings.Contains(o.stdout, "c4n4ry") || !strings.Contains(o.stdout, "privileged") {
			t.Errorf("-o %s: %s", format, o.stdout)
		}
		if strings.Contains(o.stdout, "other") && strings.Contains(o.stdout, "/other/") {
			t.Errorf("-o %s speaks of a namespace that was not asked for", format)
		}
	}
	text := ullage(t, "check", "--from", path).stdout
	if !strings.Contains(text, "Pod/shop/web in cluster dev") || strings.Contains(text, "(cluster dev)") {
		t.Errorf("the place of an object is said once, with its name:\n%s", text)
	}
	r := ullage(t, "check", "--from", path, "-o", "json").stdout
	for _, want := range []string{`"2026-01-02T03:04:05Z"`, `"1.34"`, `"closed"`, `"v1.34.1"`, `"resource"`} {
		if !strings.Contains(r, want) {
			t.Errorf("the report lacks %s", want)
		}
	}
	if newer := ullage(t, "check", "--from", savedCluster(t, "v1.99.0", nil, livePod("shop")), "-o", "json"); newer.code != exitFindings {
		t.Errorf("a server that is newer than the rules: exit code %d: %s", newer.code, newer.stderr)
	}
}

// TestCheckWithGaps shows that what could not be read is unknown.
func TestCheckWithGaps(t *testing.T) {
	gap := model.Gap{Kind: model.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}, Reason: "networkpolicies may not be listed"}
	run := func(gaps ...model.Gap) string {
		o := ullage(t, "check", "--from", savedCluster(t, "v1.37.0", gaps, livePod("shop")), "--profile", "all", "-v")
		return strings.Join(strings.Fields(o.stdout), " ")
	}
	const unknown, finding = "No network policy limits who connects to the pods? networkpolicies may not be listed", "no network policy selects these pods for ingress"
	if text := run(gap); strings.Contains(text, finding) || !strings.Contains(text, unknown) {
		t.Errorf("want %q in\n%s", unknown, text)
	}
	if text := run(); !strings.Contains(text, finding) || strings.Contains(text, unknown) {
		t.Errorf("want a finding in\n%s", text)
	}
}

// TestDangersWithGaps shows that nothing was found only where all was read.
func TestDangersWithGaps(t *testing.T) {
	for kind, want := range map[string]int{"ClusterRoleBinding": exitIncomplete, "Role": exitIncomplete, "NetworkPolicy": exitClean} {
		gap := model.Gap{Kind: model.GroupKind{Group: "rbac.authorization.k8s.io", Kind: kind}, Reason: "they may not be listed"}
		if o := ullage(t, "access", "dangers", "--from", savedCluster(t, "v1.37.0", []model.Gap{gap}, livePod("shop"))); o.code != want {
			t.Errorf("without %ss: exit code %d, want %d: %s%s", kind, o.code, want, o.stdout, o.stderr)
		}
	}
}

// TestParamsWithGaps shows that parameters of a policy which could not be read are
// not taken for missing.
func TestParamsWithGaps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	policy := `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limits}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: "object.metadata.name != params.data.name"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: limits}
spec: {policyName: limits, validationActions: [Deny], paramRef: {name: limits, namespace: ops, parameterNotFoundAction: Deny}}
`
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(gaps ...model.Gap) string {
		o := ullage(t, "check", "--from", savedCluster(t, "v1.37.0", gaps, livePod("shop")), "--policies", file, "--profile", "all", "-v")
		return strings.Join(strings.Fields(o.stdout), " ")
	}
	const missing, unread = "the binding denies what it has no parameters for", "the parameters of policy limits were not read"
	if text := run(model.Gap{Kind: model.GroupKind{Kind: "ConfigMap"}, Reason: "configmaps may not be listed"}); strings.Contains(text, missing) || !strings.Contains(text, unread) {
		t.Errorf("want %q in\n%s", unread, text)
	}
	if text := run(); !strings.Contains(text, missing) || strings.Contains(text, unread) {
		t.Errorf("want %q in\n%s", missing, text)
	}
}
