package vuln

import (
	"slices"
	"testing"
)

func TestNoteUse(t *testing.T) {
	severe := folded("CVE-2024-1", Advisory{ID: "CVE-2024-1", Vectors: []string{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}})
	source := &memory{map[string][]Affected{
		"npm a": {{ID: "CVE-2024-1", Intervals: []Interval{{}}}, {ID: "CVE-2024-2", Intervals: []Interval{{}}}},
		"npm b": {{ID: "CVE-2024-3", Intervals: []Interval{{}}}},
	}, map[string]Record{"CVE-2024-1": severe}}
	r, err := Run([]Package{{Ecosystem: "npm", Name: "a", Version: "1.0.0", Owner: -1}, {Ecosystem: "npm", Name: "b", Version: "1.0.0", Owner: -1}}, Release{}, source)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(r.Matches)
	r.NoteUse(map[int]string{0: "Deployment/shop/web"})
	if len(r.Matches) != len(before) {
		t.Fatalf("%d matches of %d", len(r.Matches), len(before))
	}
	for i, want := range []struct {
		id   string
		more int
	}{{"CVE-2024-1", weightInUse}, {"CVE-2024-2", weightInUse}, {"CVE-2024-3", 0}} {
		m := &r.Matches[i]
		if m.ID != want.id || m.Priority-before[i].Priority != want.more {
			t.Errorf("%s has %d more, not %s %d", m.ID, m.Priority-before[i].Priority, want.id, want.more)
		}
		if said := slices.Contains(m.Reasons(), "in use (Deployment/shop/web)"); said != (want.more > 0) || !slices.Contains(m.Reasons(), "not fixed") {
			t.Errorf("%s: %q", m.ID, m.Reasons())
		}
		if len(before[i].Reasons()) != len(m.Reasons())-map[bool]int{true: 1}[want.more > 0] {
			t.Errorf("%s: the reasons %q of a copy changed", m.ID, before[i].Reasons())
		}
	}
}
