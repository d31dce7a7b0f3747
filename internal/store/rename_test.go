package store

import (
	"testing"
	"time"
)

// An advisory that gets its CVE is the same vulnerability, as old as it was, in every image.
func TestVulnerabilityGetsAnotherName(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	s := open(t, t.TempDir(), Options{Now: c.now})
	day := func(n int) time.Time { return time.Unix(1_800_000_000+int64(n)*86400, 0) }
	key := func(id string) Key { return Key{"npm", "lodash", "4.17.20", id} }
	ghsa, other := Finding{key("GHSA-1"), "high", "fixed", "4.17.21"}, Finding{key("GHSA-2"), "high", "fixed", "4.17.21"}
	cve := ghsa
	cve.Vulnerability = "CVE-2026-1"
	see(t, s, "shop:1", "A")
	match(t, s, "A", ghsa, other)
	c.at = day(1)
	see(t, s, "shop:1", "B")
	match(t, s, "B", ghsa, other)
	c.at = day(2)
	judged := Judged{Names: map[Key][]string{cve.Key: {"GHSA-1", "GHSA-2"}, other.Key: {"GHSA-2"}}}
	change, err := s.Match(t.Context(), "B", []Finding{cve, other}, judged)
	if err != nil || !change.Empty() {
		t.Errorf("%v %+v", err, change)
	}
	lives, err := s.Lives(t.Context(), "B")
	if life := lives[cve.Key]; err != nil || len(lives) != 2 || !life.Since.Equal(day(0)) || !life.FixSince.Equal(day(0)) || !life.Gone.IsZero() {
		t.Errorf("%v %+v", err, lives)
	}
	h, err := s.History(t.Context(), "shop:1", "linux/amd64")
	if err != nil || len(h.Courses) != 2 || !h.Courses[0].In || !h.Courses[1].In {
		t.Errorf("%v %+v", err, h)
	}
	// An image that is new by now.
	c.at = day(3)
	see(t, s, "shop:1", "C")
	if _, err := s.Match(t.Context(), "C", []Finding{cve, other}, judged); err != nil {
		t.Fatal(err)
	}
	if lives, err = s.Lives(t.Context(), "C"); err != nil || !lives[cve.Key].Since.Equal(day(0)) {
		t.Errorf("%v %+v", err, lives)
	}
}
