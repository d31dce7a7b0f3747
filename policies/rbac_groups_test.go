package policies_test

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// TestDangerousRightsNameTheirGroups gives a role everything in one API group:
// in a group that no rule is about, nothing of it is dangerous; in the one that
// a rule is about, the rule says so.
func TestDangerousRightsNameTheirGroups(t *testing.T) {
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	var rules []*policy.Rule
	for _, r := range all {
		// rbac-wildcard-verbs is about how a rule is written, in any group.
		if strings.HasPrefix(r.ID, "rbac-") && r.Subject.Name == "roleRule" && r.ID != "rbac-wildcard-verbs" {
			r.CoveredBy = nil
			rules = append(rules, r)
		}
	}
	inGroups := func(groups ...string) map[string]bool {
		var objects []*model.Object
		for i, group := range groups {
			for _, kind := range []string{"Role", "ClusterRole"} {
				objects = append(objects, read(t, map[string]any{
					"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
					"metadata": map[string]any{"name": fmt.Sprintf("operator-%d", i)},
					"rules":    []any{map[string]any{"apiGroups": []any{group}, "resources": []any{"*"}, "verbs": []any{"*"}}},
				}))
			}
		}
		r, err := check.Run(t.Context(), objects, check.Options{Rules: rules, KubernetesMinor: newestMinor})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, finding := range r.Findings {
			found[finding.Rule.ID] = true
		}
		return found
	}
	for id := range inGroups("postgresql.cnpg.io", "shop.example") {
		t.Errorf("%s fails a role over an operator's own API group", id)
	}
	found := inGroups("*", "", "rbac.authorization.k8s.io", "authentication.k8s.io")
	for _, r := range rules {
		if !found[r.ID] {
			t.Errorf("%s passes a role over everything", r.ID)
		}
	}
}
