package policies_test

import (
	"math/rand/v2"
	"testing"

	oracle "k8s.io/pod-security-admission/api"

	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// TestPodSecurityLabels holds the rule about labels of Pod Security against the
// library that reads them, which also tells what they are taken for.
func TestPodSecurityLabels(t *testing.T) {
	library, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Find(library, []string{"pod-security-label-invalid"})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	const group = "pod-security.kubernetes.io/"
	refused := 0
	const rounds = 3000
	for range rounds {
		labels := map[string]string{"team": "web"}
		for _, mode := range []string{"enforce", "warn", "audit"} {
			if r.IntN(2) == 0 {
				labels[group+mode] = pick("privileged", "baseline", "restricted", "restricted", "baseline", "restrict", "Baseline", "", "none")
			}
			if r.IntN(3) == 0 {
				labels[group+mode+"-version"] = pick("latest", "v1.0", "v1.37", "v1.9", "v1.100", "v1.x", "1.37", "v1.037", "v2.0", "v1.-1", "v1.+1", "Latest", "", "v1.37.2")
			}
		}
		_, errs := oracle.PolicyToEvaluate(labels, oracle.Policy{})
		var entries []tree.Node
		for key, value := range labels {
			entries = append(entries, tree.Entry(key, value))
		}
		root := tree.MapOf(tree.Entry("apiVersion", "v1"), tree.Entry("kind", "Namespace"), tree.Entry("metadata", tree.MapOf(tree.Entry("name", "shop"), tree.Entry("labels", tree.MapOf(entries...)))))
		if failed := len(failedBy(t, rules, &root, true)) > 0; failed != (len(errs) > 0) {
			t.Fatalf("%v: refused %t, want %v", labels, failed, errs)
		}
		if len(errs) > 0 {
			refused++
		}
	}
	if refused < rounds/4 || refused > rounds*9/10 {
		t.Errorf("%d of %d refused", refused, rounds)
	}
	if level, _ := oracle.ParseLevel("restrict"); level != oracle.LevelRestricted { // as the rule and the attack graph have it
		t.Errorf("an unknown level is %s", level)
	}
}
