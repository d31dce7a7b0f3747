package attack

import (
	"fmt"
	"testing"

	"k8s.io/pod-security-admission/api"

	"ullage.dev/ullage/internal/tree"
)

// TestEnforced holds how the labels of a namespace are read against what the API server
// takes from them.
func TestEnforced(t *testing.T) {
	const latest = 37
	restricting := 0
	for _, level := range []string{"", "privileged", "baseline", "restricted", "Baseline", "none", "0"} {
		for _, version := range []string{"", "latest", "v1.0", "v1.7", "v1.24", "v1.37", "v1.40", "v1.024", "v1.", "v1.x", "v1.-3", "v1.+3", "v2.3", "1.24", "V1.24", "v1.24.1", " v1.24", "v1.99999999999999999999"} {
			labels := map[string]string{}
			text := ""
			if level != "" {
				labels[api.EnforceLevelLabel] = level
				text += fmt.Sprintf("%s: '%s', ", api.EnforceLevelLabel, level)
			}
			if version != "" {
				labels[api.EnforceVersionLabel] = version
				text += fmt.Sprintf("%s: '%s', ", api.EnforceVersionLabel, version)
			}
			root := namespaceRoot(t, text)
			restricts, minor, label := enforced(root, latest)
			policy, _ := api.PolicyToEvaluate(labels, api.Policy{Enforce: api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}})
			want := policy.Enforce
			wantMinor := latest
			if !want.Version.Latest() {
				wantMinor = min(want.Version.Minor(), latest)
			}
			if restricts != (want.Level != api.LevelPrivileged) || (label != nil) != (level != "") || restricts && minor != wantMinor {
				t.Errorf("%q in %q: %t of 1.%d, the API server takes %v", level, version, restricts, minor, want)
			}
			if restricts {
				restricting++
			}
		}
	}
	if restricting == 0 {
		t.Error("no level restricts")
	}
}

func namespaceRoot(t *testing.T, labels string) *tree.Node {
	t.Helper()
	return parse(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {"+labels+"}}}")[0].Root
}
