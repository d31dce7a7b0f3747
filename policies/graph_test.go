package policies_test

import (
	"slices"
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// failedBy returns the rules that an object fails, in a snapshot of it alone.
func failedBy(t *testing.T, rules []*policy.Rule, root *tree.Node, closed bool) []string {
	t.Helper()
	o, err := model.NewObject(root.Seal(), &model.Source{File: &tree.File{}}, "", "shop")
	if err != nil {
		t.Fatal(err)
	}
	engine := policy.NewEngine(rules, policy.Options{KubernetesMinor: newestMinor, FactNames: check.FactNames()})
	facts := check.NewFacts(model.NewSnapshot([]*model.Object{o}, closed), nil)
	var failed []string
	for _, outcome := range engine.NewWorker(facts).Evaluate(o, &policy.Tally{}) {
		if outcome.Verdict == policy.Fail {
			failed = append(failed, outcome.Rule.ID)
		}
	}
	return failed
}

// TestEveryPolicyKindIsJudged holds the kinds that rules list against those that
// reachability reads: what it evaluates can be idle, and of the rest a rule says
// that it does not.
func TestEveryPolicyKindIsJudged(t *testing.T) {
	library, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Find(library, []string{"network-policy-ineffective", "network-policy-not-evaluated"})
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{
		"networking.k8s.io NetworkPolicy": "v1", "extensions NetworkPolicy": "v1beta1", "cilium.io CiliumNetworkPolicy": "v2", "cilium.io CiliumClusterwideNetworkPolicy": "v2",
		"policy.networking.k8s.io AdminNetworkPolicy": "v1alpha1", "policy.networking.k8s.io BaselineAdminNetworkPolicy": "v1alpha1",
		"policy.networking.k8s.io ClusterNetworkPolicy": "v1alpha2",
	}
	pods := tree.MapOf(tree.Entry("namespaces", tree.MapOf()))
	denied := []tree.Node{tree.MapOf(tree.Entry("action", "Deny"), tree.Entry("from", []tree.Node{tree.MapOf(tree.Entry("namespaces", tree.MapOf()))}))}
	subject, ingress, priority := tree.Entry("subject", pods), tree.Entry("ingress", denied), tree.Entry("priority", 1)
	specs := map[string][]tree.Node{
		"NetworkPolicy":                  {tree.Entry("podSelector", tree.MapOf())},
		"CiliumNetworkPolicy":            {tree.Entry("endpointSelector", tree.MapOf()), ingress},
		"CiliumClusterwideNetworkPolicy": {tree.Entry("endpointSelector", tree.MapOf()), ingress},
		"AdminNetworkPolicy":             {priority, subject, ingress},
		"BaselineAdminNetworkPolicy":     {subject, ingress},
		"ClusterNetworkPolicy":           {priority, tree.Entry("tier", "Admin"), subject, ingress},
	}
	for _, gk := range reach.PolicyKinds() {
		version, evaluated := versions[gk.Group+" "+gk.Kind]
		if !evaluated {
			version = "v1"
		}
		root := tree.MapOf(tree.Entry("apiVersion", gk.Group+"/"+version), tree.Entry("kind", gk.Kind), tree.Entry("metadata", tree.MapOf(tree.Entry("name", "default"))),
			tree.Entry("spec", tree.MapOf(specs[gk.Kind]...)))
		want := "network-policy-not-evaluated"
		if evaluated {
			want = "network-policy-ineffective"
		}
		if got := failedBy(t, rules, &root, true); !slices.Equal(got, []string{want}) {
			t.Errorf("%s %s: fails %v, want %s", gk.Group, gk.Kind, got, want)
		}
	}
}
