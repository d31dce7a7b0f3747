package model

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestKnownResources holds the table against the types of k8s.io/api: every kind
// of a group that Kubernetes serves exists, and none is there twice. What a server
// says of them is held by TestRealClusterServesWhatIsKnown.
func TestKnownResources(t *testing.T) {
	noTypes := map[string]bool{"apiextensions.k8s.io": true, "apiregistration.k8s.io": true}
	seen := map[GroupKind]bool{}
	custom := false
	for r := range Resources() {
		if seen[r.GroupKind] {
			t.Errorf("%s is there twice", r.GroupKind)
		}
		seen[r.GroupKind] = true
		custom = custom || !r.Builtin()
		if custom && r.Builtin() {
			t.Errorf("%s comes after custom ones, and would lose its short name to them", r.GroupKind)
		}
		if r.Plural == "" || r.Plural != strings.ToLower(r.Plural) || r.Kind != strings.Trim(r.Kind, "*=/: ") {
			t.Errorf("%+v", r)
		}
		found := noTypes[r.Group] || !r.Builtin() || r.Kind == "PodSecurityPolicy"
		for apiVersion := range builtinVersions {
			found = found || GroupOf(apiVersion) == r.Group && builtin.lookup(apiVersion, r.Kind) != nil
		}
		if !found {
			t.Errorf("k8s.io/api has no %s in group %q", r.Kind, r.Group)
		}
	}
	if len(seen) < 120 {
		t.Errorf("only %d kinds: the test shows nothing", len(seen))
	}
	for _, gk := range WorkloadKinds() {
		if !seen[gk] {
			t.Errorf("%s is not known", gk)
		}
	}
}

func TestPlural(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod": "pods", "Endpoints": "endpoints", "Thing": "things", "Gateway": "gateways", "Glass": "glasses", "Prefix": "prefixes", "Batch": "batches",
		"Copy": "copies", "Y": "ys",
	} {
		if got := (GroupKind{Kind: kind}).Plural(); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

func TestParseKind(t *testing.T) {
	for text, want := range map[string]GroupKind{
		"Pod":            PodKind,
		"Ingress":        IngressKind,
		"NetworkPolicy":  NetworkPolicyKind,
		"Gateway":        GatewayKind,
		"VolumeSnapshot": VolumeSnapshotKind,
		"Rollout":        {}, // of nobody in particular
		"Rollout.x.org":  {"x.org", "Rollout"},
		"pods":           {},
		"":               {},
		".apps":          {},
	} {
		gk, ok := ParseKind(text)
		if ok != (want.Kind != "") || ok && gk != want {
			t.Errorf("%q: %v, %v", text, gk, ok)
		}
	}
}

func TestDefined(t *testing.T) {
	text := `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: oxen.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {kind: Ox, plural: oxen, singular: bullock, shortNames: [bo]}
`
	var r *Resource
	for doc := range tree.Parse(&tree.File{Name: "crd.yaml", Text: text}) {
		r = Defined(&Object{Root: doc.Root})
	}
	if r.GroupKind != (GroupKind{"example.org", "Ox"}) || !r.ClusterScoped {
		t.Errorf("%+v", r)
	}
	for name, want := range map[string]bool{"oxen": true, "ox": true, "bullock": true, "bo": true, "oxes": false, "": false} {
		if r.Called(name) != want {
			t.Errorf("called %q: %v", name, !want)
		}
	}
}
