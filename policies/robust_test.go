package policies_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"

	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// objectRules are the rules of the library that need only the object.
func objectRules(t *testing.T) []*policy.Rule {
	t.Helper()
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	var rules []*policy.Rule
	for _, r := range all {
		f, err := policy.NewEngine([]*policy.Rule{r}, policy.Options{}).Footprint(r)
		if err == nil && !r.Subject.Image && !f.Reads("related") && !f.Reads("reference") && !f.Reads("namespaceObject") {
			rules = append(rules, r)
		}
	}
	return rules
}

// randomPod fills any field that the type has, with nothing, something
// plausible or something odd.
func randomPod(seed int64) *corev1.Pod {
	words := []string{"", "web", "ALL", "/", "/etc", "a/b:1", "--x", "Memory", "0", "latest"}
	filler := randfill.New().RandSource(rand.NewSource(seed)).NilChance(0.4).NumElements(0, 2).MaxDepth(12).Funcs(
		func(s *string, c randfill.Continue) { *s = words[c.Intn(len(words))] },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(c.Int63n(1<<40), resource.BinarySI)
		},
		func(v *intstr.IntOrString, c randfill.Continue) {
			*v = intstr.FromInt32(c.Int31n(70000))
			if c.Intn(2) == 0 {
				*v = intstr.FromString(words[c.Intn(len(words))])
			}
		},
		func(m *metav1.FieldsV1, _ randfill.Continue) { *m = *metav1.NewFieldsV1("{}") },
		func(m *metav1.Time, _ randfill.Continue) { *m = metav1.Unix(0, 0) },
	)
	pod := &corev1.Pod{}
	filler.Fill(&pod.Spec)
	filler.Fill(&pod.Annotations)
	filler.Fill(&pod.Labels)
	pod.APIVersion, pod.Kind, pod.Name = "v1", "Pod", fmt.Sprintf("pod-%d", seed)
	return pod
}

// requiredSettings are those of the examples of rules that cannot do without.
func requiredSettings(t *testing.T) map[string]*tree.Node {
	t.Helper()
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	settings := exampleSettings(t)
	for _, r := range all {
		if len(r.Required) == 0 {
			delete(settings, r.ID)
		}
	}
	return settings
}

// exampleSettings are the settings that the examples of rules are judged with.
func exampleSettings(t *testing.T) map[string]*tree.Node {
	t.Helper()
	files, err := policy.Files(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]*tree.Node{}
	for _, f := range files {
		rules, err := policy.Load(f)
		examples, errExamples := policy.LoadExamples(f)
		if err != nil || errExamples != nil {
			t.Fatal(err, errExamples)
		}
		for _, e := range examples {
			if e.Settings != nil {
				settings[rules[0].ID] = e.Settings
			}
		}
	}
	return settings
}

// TestRulesNeverErr requires an answer of every rule for every pod that the
// API's types allow.
func TestRulesNeverErr(t *testing.T) {
	rules := objectRules(t)
	if len(rules) < 100 {
		t.Errorf("%d rules need only the object, want at least 100", len(rules))
	}
	var tally policy.Tally
	for _, minor := range []int{policy.OldestMinor, newestMinor} {
		w := policy.NewEngine(rules, policy.Options{KubernetesMinor: minor, Settings: requiredSettings(t)}).NewWorker(nil)
		for seed := range int64(250) {
			text, err := json.Marshal(randomPod(seed))
			if err != nil {
				t.Fatal(err)
			}
			o, _, err := object(string(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, out := range w.Evaluate(o, &tally) {
				if out.Verdict != policy.Fail {
					t.Fatalf("rule %s: %s: %s\n%s", out.Rule.ID, out.Verdict, out.Reason, text)
				}
			}
		}
	}
	if tally.Passed == 0 || tally.Passed == tally.Evaluated {
		t.Errorf("%d of %d verdicts are passes, want some of both", tally.Passed, tally.Evaluated)
	}
	t.Logf("%d rules gave %d verdicts, %d of them passes", len(rules), tally.Evaluated, tally.Passed)
}
