package model

import (
	"slices"
	"testing"
)

func TestComplete(t *testing.T) {
	pods, secrets, roles := GroupKind{"", "Pod"}, GroupKind{"", "Secret"}, GroupKind{"rbac.authorization.k8s.io", "Role"}
	gaps := []Gap{
		{Kind: secrets, Except: []string{"shop"}, Reason: "secrets may not be listed"}, {Kind: secrets, Reason: "a second reason"},
		{Kind: GroupKind{Group: roles.Group}, Reason: "the group could not be read"},
	}
	for _, c := range []struct {
		closed    bool
		gaps      []Gap
		namespace string
		kinds     []GroupKind
		complete  bool
		why       string
	}{
		{true, nil, "", []GroupKind{pods, secrets, roles}, true, ""},
		{false, nil, "", []GroupKind{pods}, false, ""},
		{false, gaps, "", []GroupKind{secrets}, false, "secrets may not be listed"},
		{true, gaps, "", []GroupKind{pods}, true, ""},
		{true, gaps, "", []GroupKind{pods, secrets}, false, "secrets may not be listed"},
		{true, gaps, "shop", []GroupKind{secrets}, true, ""},
		{true, gaps, "other", []GroupKind{secrets}, false, "secrets may not be listed"},
		{true, gaps, "shop", []GroupKind{roles}, false, "the group could not be read"},
		{true, gaps, "", nil, true, ""},
	} {
		s := NewSnapshot(nil, c.closed, c.gaps...)
		for _, s := range []*Snapshot{s, s.With()} {
			why := ""
			if g := s.Gap(c.namespace, c.kinds...); g != nil {
				why = g.Reason
			}
			if s.Complete(c.namespace, c.kinds...) != c.complete || why != c.why {
				t.Errorf("%+v: complete %t, gap %q", c, s.Complete(c.namespace, c.kinds...), why)
			}
		}
	}
}

func TestGaps(t *testing.T) {
	pods, group := GroupKind{"", "Pod"}, GroupKind{Group: "x.example"}
	s := NewSnapshot(nil, true, Gap{Kind: pods, Except: []string{"shop"}, Reason: "a"}, Gap{Kind: group, Reason: "b"}, Gap{Kind: pods, Reason: "c"})
	var got []string
	for g := range s.Gaps() {
		got = append(got, g.Reason)
		if g.In("shop") != (g.Reason == "b") || !g.In("other") || !g.In("") {
			t.Errorf("%+v: in shop %t", g, g.In("shop"))
		}
	}
	if !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%q", got)
	}
}
