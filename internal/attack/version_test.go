package attack

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// What hangs on the version of Kubernetes is certain, unknown or no step by it.
func TestVersions(t *testing.T) {
	userns := deploy("web", "hostUsers: false", "securityContext: {privileged: true}")
	for _, c := range []struct {
		name, yaml, edge string
		old, new         string // certainty before and since the version; "" for no edge
		since            int
	}{
		{"get pods/exec", role(false, rule("get", "", "pods/exec")), "exec-pods: service account shop/default -> all pods in namespace shop", "certain", "unknown", createsUpgrades},
		{"get pods/portforward", role(false, rule("get", "", "pods/portforward")), "forward-ports: service account shop/default -> ports of pods in namespace shop", "certain", "unknown", createsUpgrades},
		{"create pods/exec", role(false, rule("create", "", "pods/exec")), "exec-pods: service account shop/default -> all pods in namespace shop", "certain", "certain", createsUpgrades},
		{"hostUsers: false", userns, "escape-mount: container app of Deployment shop/web -> a node of Deployment shop/web", "unknown", "", userNamespaces},
	} {
		for minor, want := range map[int]string{c.since - 1: c.old, c.since: c.new} {
			s := model.NewSnapshot(parse(t, c.yaml), true)
			told := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: minor}).told()
			at := slices.IndexFunc(told, func(edge string) bool { return strings.HasPrefix(edge, c.edge+", ") })
			got := ""
			if at >= 0 {
				got = strings.TrimPrefix(told[at], c.edge+", ")
			}
			if got != want {
				t.Errorf("%s at 1.%d: %q, want %q", c.name, minor, got, want)
			}
		}
	}
}
