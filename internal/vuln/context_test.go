package vuln

import (
	"reflect"
	"slices"
	"testing"
)

func TestInContext(t *testing.T) {
	severe := func(id string) Record {
		return folded(id, Advisory{ID: id, Vectors: []string{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}})
	}
	source := &memory{map[string][]Affected{
		"npm a": {{ID: "CVE-2024-1", Intervals: []Interval{{}}}, {ID: "CVE-2024-2", Intervals: []Interval{{}}}},
		"npm b": {{ID: "CVE-2024-3", Intervals: []Interval{{}}}},
		"npm c": {{ID: "CVE-2024-4", Intervals: []Interval{{}}}},
	}, map[string]Record{"CVE-2024-1": severe("CVE-2024-1")}}
	var packages []Package
	for _, name := range []string{"a", "b", "c"} {
		packages = append(packages, Package{Ecosystem: "npm", Name: name, Version: "1.0.0", Owner: -1})
	}
	r, err := Run(packages, Release{}, source)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(r.Matches)
	got := InContext(r.Matches, &Context{Exposed: Yes, ExposedBy: "Service shop/web", Privileged: Yes, PrivilegedBy: "container web is privileged", Uses: []Use{InUse, Present}})
	if !reflect.DeepEqual(r.Matches, before) {
		t.Error("the matches that were given are changed")
	}
	if len(got) != len(before) {
		t.Fatalf("%d matches of %d", len(got), len(before))
	}
	for i, want := range []struct {
		id     string
		more   int
		reason string
	}{
		{"CVE-2024-1", 28, "in use"}, {"CVE-2024-2", 28, "in use"}, {"CVE-2024-3", 8, "present, and never used while it was watched"}, {"CVE-2024-4", 18, "not known whether it is used"},
	} {
		m := &got[i]
		if m.ID != want.id || m.Priority-before[i].Priority != want.more {
			t.Errorf("%s has %d more, not %s %d", m.ID, m.Priority-before[i].Priority, want.id, want.more)
		}
		for _, reason := range []string{want.reason, "reachable from the internet (Service shop/web)", "in a workload that can take over its node (container web is privileged)", "not fixed"} {
			if !slices.Contains(m.Reasons(), reason) {
				t.Errorf("%s: %q has no %q", m.ID, m.Reasons(), reason)
			}
		}
	}
	// Nothing is known of the workload: the rank stays, and that is said.
	for i, m := range InContext(r.Matches, &Context{}) {
		if m.Priority != before[i].Priority || !slices.Contains(m.Reasons(), "not known whether it is reachable from the internet") {
			t.Errorf("%s: %d, %q", m.ID, m.Priority, m.Reasons())
		}
	}
	no := InContext(r.Matches, &Context{Exposed: No, Privileged: No})
	if no[0].Priority != before[0].Priority || !slices.Contains(no[0].Reasons(), "not reachable from the internet") {
		t.Errorf("%d, %q", no[0].Priority, no[0].Reasons())
	}
}
