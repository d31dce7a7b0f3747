package cluster

import (
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/policies"
)

// TestWhatIsAskedForIsRead holds the resources that are read against the kinds
// that the rules and the network analysis are about.
func TestWhatIsAskedForIsRead(t *testing.T) {
	gone := map[string]bool{"extensions": true} // no server that is still kept serves it
	want := func(who string, gk model.GroupKind) {
		if !wants(gk.Group, policy.Resource(gk)) && !gone[gk.Group] && gk.Kind != "PodSecurityPolicy" {
			t.Errorf("%s asks for %s, which is not read", who, gk)
		}
	}
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		for _, gk := range r.Match.Kinds {
			want("rule "+r.ID, gk)
		}
	}
	for _, gk := range append(reach.PolicyKinds(), model.WorkloadKinds()...) {
		want("the analysis", gk)
	}
	if len(rules) < 100 || wants("", "events") || wants("apps", "none") {
		t.Error("the test shows nothing")
	}
}
