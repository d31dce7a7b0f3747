package policies_test

import (
	"slices"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// TestRightsOfRules holds rules about single rules of a role to the catalogue of
// rights: one is found where it gives the right, for every name.
func TestRightsOfRules(t *testing.T) {
	all, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	for id, rights := range map[string]access.Rights{
		"rbac-api-extension-write": 1<<access.WriteCRDs | 1<<access.WriteAPIServices,
		"rbac-webhook-config":      1<<access.WriteWebhooks | 1<<access.WriteAdmissionPolicies,
		"rbac-token-create":        1 << access.MintTokens,
	} {
		rules := slices.DeleteFunc(slices.Clone(all), func(r *policy.Rule) bool { return r.ID != id })
		var resources []string
		groups := []string{"", "apps", "*"}
		for _, right := range rights.All() {
			for _, need := range right.Needs() {
				resources, groups = append(resources, need.Resources...), append(groups, need.Group)
			}
		}
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"} {
			for _, group := range groups {
				for _, resource := range append(resources, "pods", "*") {
					o := read(t, map[string]any{
						"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "r"},
						"rules": []any{map[string]any{"apiGroups": []any{group}, "resources": []any{resource}, "verbs": []any{verb}}},
					})
					r, err := check.Run(t.Context(), []*model.Object{o}, check.Options{Rules: rules, KubernetesMinor: newestMinor})
					if err != nil {
						t.Fatal(err)
					}
					role := access.New(model.NewSnapshot([]*model.Object{o}, true)).Role(access.RoleName{Name: "r"})
					if want := role.Rights(true)&rights != 0; want != (len(r.Findings) > 0) {
						t.Errorf("%s: %s on %s of %q is found %t, and the right is given %t", id, verb, resource, group, !want, want)
					}
				}
			}
		}
	}
}
