package store

import (
	"testing"
	"time"
)

// TestSuccessor holds that a vulnerability keeps its age in a package of another
// distribution, that one of a language's package does not, nor one that stays beside it.
func TestSuccessor(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	s := open(t, t.TempDir(), Options{Now: c.now})
	first := c.at
	apk := func(name, vulnerability, fixed string) Finding {
		return Finding{Key{"Alpine", name, "3", vulnerability}, "high", "fixed", fixed}
	}
	gem := Finding{Key{"RubyGems", "openssl", "3", "CVE-1"}, "high", "fixed", "4"}
	see(t, s, "web:1", "A")
	match(t, s, "A", finding("libssl3", "1", "CVE-1", "2"), finding("zlib1g", "1", "CVE-2", "2"), finding("libc6", "1", "CVE-3", ""))
	c.at = first.AddDate(0, 0, 5)
	see(t, s, "web:1", "B")
	match(t, s, "B", apk("libssl3", "CVE-1", "4"), apk("libcrypto3", "CVE-1", ""), gem, finding("libc6", "2", "CVE-3", ""), finding("libc-bin", "2", "CVE-3", ""))
	lives, err := s.Lives(t.Context(), "B")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[Key]Life{
		apk("libssl3", "CVE-1", "").Key:           {Since: first, FixSince: first},
		apk("libcrypto3", "CVE-1", "").Key:        {Since: first},
		gem.Key:                                   {Since: c.at, FixSince: c.at},
		finding("libc6", "2", "CVE-3", "").Key:    {Since: first},
		finding("libc-bin", "2", "CVE-3", "").Key: {Since: c.at},
	} {
		if got := lives[key]; !got.Since.Equal(want.Since) || !got.FixSince.Equal(want.FixSince) {
			t.Errorf("%v: since %v, fix since %v, want %v, %v", key, got.Since, got.FixSince, want.Since, want.FixSince)
		}
	}
	h, err := s.History(t.Context(), "web:1", "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, course := range h.Courses {
		if key := course.Key; key == finding("libssl3", "1", "CVE-1", "").Key {
			if course.As == nil || course.As.Key != apk("libssl3", "CVE-1", "").Key || course.FixedIn != "" || course.Open {
				t.Errorf("course %+v, as %+v", course, course.As)
			}
		} else if course.As != nil {
			t.Errorf("%v is taken for %v", key, course.As.Key)
		}
	}
	m, err := s.Difference(t.Context(), "A", "B")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Came) != 2 || len(m.Went) != 1 || m.Went[0].Vulnerability != "CVE-2" || len(m.Stayed) != 2 || m.Stayed[0].Was.Package != "libssl3" {
		t.Errorf("%+v", m)
	}
}
