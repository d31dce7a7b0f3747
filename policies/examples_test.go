package policies_test

import (
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// TestExamples judges the examples of every rule and each of their mutations.
func TestExamples(t *testing.T) {
	files, err := policy.Files(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	behavior, err := policy.Files(policies.Behavior(), "policies/behavior")
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, f := range append(files, behavior...) {
		rules, err := policy.Load(f)
		examples, errExamples := policy.LoadExamples(f)
		if err != nil || errExamples != nil || len(rules) != 1 {
			t.Fatal(f.Name, err, errExamples, len(rules))
		}
		n, err := check.TestRule(rules[0], examples, newestMinor)
		if err != nil {
			t.Error(err)
		}
		judged += n
	}
	if judged < 1000 {
		t.Errorf("only %d examples and mutations were judged", judged)
	}
}
