package check

import (
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestAttackGraphOnDemand holds that no graph is made for what no path may begin
// at: a check of one file pays nothing.
func TestAttackGraphOnDemand(t *testing.T) {
	for _, c := range []struct {
		fact, text string
		graph      bool
	}{
		{"attackPaths", workload("Deployment", "web") + adminWeb, false},
		{"attackPaths", exposedWeb, true},
		{"attackChoke", workload("Deployment", "web") + adminWeb, false},
		{"attackChoke", workload("Deployment", "other") + exposedWeb, true},
		{"takeover", object("v1", "ServiceAccount", "idle", "") + exposedWeb + adminWeb, false},
		{"takeover", object("v1", "ServiceAccount", "web", "") + adminWeb, true},
	} {
		for _, closed := range []bool{false, true} {
			o, s := world(t, c.text, closed)
			f := NewFacts(s, nil)
			made := 0
			f.attack = func() *attackIndex {
				made++
				return f.indexAttack()
			}
			f.Fact(o, nil, c.fact)
			if (made > 0) != c.graph {
				t.Errorf("%s of %s: %d graphs\n%s", c.fact, o.Key, made, c.text)
			}
		}
	}
}

// TestAttackFactsWithGaps leaves out one kind at a time: that there is no path is
// then unknown, and that there is one where network policies may close it.
func TestAttackFactsWithGaps(t *testing.T) {
	account := object("v1", "ServiceAccount", "idle", "")
	none := map[string]struct{ text, complete, gap string }{
		"attackPaths": {exposedWeb, "{clusterAdmin:[] node:[]}", "{clusterAdmin:? node:?}"},
		"attackChoke": {exposedWeb, "{passing:0 of:0 every:false}", "{passing:0 of:? every:?}"},
		"takeover":    {account, "[]", "?"},
	}
	for fact, c := range none {
		_, s := world(t, c.text, true)
		var objects []*model.Object
		for _, o := range s.All() {
			objects = append(objects, o)
		}
		o, _ := world(t, c.text, true)
		ask := func(gaps ...model.Gap) string {
			value, _ := NewFacts(model.NewSnapshot(objects, true, gaps...), nil).Fact(s.Get(o.Key), nil, fact)
			return show(&value)
		}
		if got := ask(); got != c.complete {
			t.Errorf("%s: %s, want %s", fact, got, c.complete)
		}
		for _, gk := range attackKinds {
			if got := ask(model.Gap{Kind: gk, Reason: "the test did not read it"}); got != c.gap {
				t.Errorf("%s without %s: %s, want %s", fact, gk, got, c.gap)
			}
		}
	}
	o, s := world(t, exposedWeb+adminWeb, true)
	var objects []*model.Object
	for _, object := range s.All() {
		objects = append(objects, object)
	}
	f := NewFacts(model.NewSnapshot(objects, true, model.Gap{Kind: networkPolicyKind, Reason: "the test did not read it"}), nil)
	if value, _ := f.Fact(o, nil, "attackPaths"); show(&value) != "{clusterAdmin:? node:?}" {
		t.Errorf("without NetworkPolicies: %s", show(&value))
	}
}
