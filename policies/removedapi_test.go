package policies_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// lifecycle is what types of k8s.io/api say about the end of their version.
type lifecycle interface {
	APILifecycleRemoved() (major, minor int)
}

// requests are kinds that nobody keeps in files: they are answered, not stored.
var requests = map[string]bool{"Scale": true, "DeploymentRollback": true, "Eviction": true, "EvictionRequest": true, "APIGroupDiscovery": true}

// required is what the API server refuses objects of a kind without.
var required = map[string]string{"EndpointSlice": ", addressType: IPv4"}

// TestRemovedAPIs holds the table of the rules against the Kubernetes types.
func TestRemovedAPIs(t *testing.T) {
	removed, deprecated := oneRule(t, "correctness/removed-api.yaml"), oneRule(t, "correctness/deprecated-api.yaml")
	compared := 0
	for minor := policy.OldestMinor; minor <= newestMinor; minor++ {
		e := policy.NewEngine([]*policy.Rule{removed, deprecated}, policy.Options{KubernetesMinor: minor})
		w := e.NewWorker(nil)
		for gvk, goType := range scheme.Scheme.AllKnownTypes() {
			l, ok := reflect.New(goType).Interface().(lifecycle)
			if !ok || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Review") || requests[gvk.Kind] {
				continue
			}
			_, end := l.APILifecycleRemoved()
			apiVersion, kind := gvk.ToAPIVersionAndKind()
			got := failing(t, w, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: web}%s}", apiVersion, kind, required[kind]))
			want := map[string]bool{}
			if minor >= end {
				want[removed.ID] = true
			} else if minor+3 >= end {
				want[deprecated.ID] = true
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("v1.%d: %s %s, which ends with 1.%d: %v, want %v", minor, apiVersion, kind, end, got, want)
			}
			compared++
		}
	}
	if compared < 200 {
		t.Errorf("%d verdicts were compared, want at least 200", compared)
	}
	t.Logf("%d verdicts compared", compared)
}

func oneRule(t *testing.T, name string) *policy.Rule {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Load(&tree.File{Name: name, Text: string(text)})
	if err != nil || len(rules) != 1 {
		t.Fatalf("%s: %d rules: %v", name, len(rules), err)
	}
	return rules[0]
}

// failing returns the rules that an object violates.
func failing(t *testing.T, w *policy.Worker, text string) map[string]bool {
	t.Helper()
	f := &tree.File{Name: "object.yaml", Text: text}
	ids := map[string]bool{}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: f}, "", "default")
		if err != nil {
			t.Fatal(err)
		}
		for _, out := range w.Evaluate(o, &policy.Tally{}) {
			if out.Verdict != policy.Fail {
				t.Fatalf("%s: %s: %s", text, out.Verdict, out.Reason)
			}
			ids[out.Rule.ID] = true
		}
	}
	return ids
}
