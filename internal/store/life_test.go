package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func finding(name, version, vulnerability, fixed string) Finding {
	return Finding{Key{"Debian", name, version, vulnerability}, "high", "fixed", fixed}
}

func see(t *testing.T, s *Store, reference, config string) string {
	t.Helper()
	before, err := s.See(t.Context(), Sighting{Reference: reference, Platform: "linux/amd64", Config: config, Manifest: "m" + config}, "1",
		func() ([]byte, error) { return []byte("inventory of " + config), nil })
	if err != nil {
		t.Fatal(err)
	}
	return before
}

func match(t *testing.T, s *Store, config string, found ...Finding) Change {
	t.Helper()
	c, err := s.Match(t.Context(), config, found, Judged{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLife follows two vulnerabilities over three images of one tag and four
// states of the database, each time in a store that was just opened.
func TestLife(t *testing.T) {
	dir, c := t.TempDir(), &clock{time.Unix(1_800_000_000, 0)}
	day := func(n int) time.Time { return time.Unix(1_800_000_000+int64(n)*86400, 0) }
	at := func(n int) *Store {
		c.at = day(n)
		return open(t, dir, Options{Now: c.now})
	}
	const ref = "registry.example/web:1"
	old, cve1, cve2 := finding("zlib", "1", "CVE-0", "2"), finding("zlib", "1", "CVE-1", ""), finding("zlib", "1", "CVE-2", "")

	s := at(0)
	if before := see(t, s, ref, "A"); before != "" {
		t.Errorf("before the first there was %q", before)
	}
	if got := match(t, s, "A", old, cve1); !got.First || len(got.New) != 2 {
		t.Errorf("first matching: %+v", got)
	}
	s = at(1)
	if got := match(t, s, "A", old, cve1); !got.Empty() || got.First {
		t.Errorf("nothing changed: %+v", got)
	}
	s = at(2) // an advisory comes, one gets a fix, one is withdrawn
	fixed := finding("zlib", "1", "CVE-1", "3")
	if got := match(t, s, "A", fixed, cve2); !reflect.DeepEqual(got, Change{New: []Finding{cve2}, Fixes: []Finding{fixed}, Gone: []Finding{old}}) {
		t.Errorf("after an update: %+v", got)
	}
	lives, err := s.Lives(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[Key]Life{cve1.Key: {day(0), day(2), time.Time{}}, cve2.Key: {day(2), time.Time{}, time.Time{}}, old.Key: {day(0), day(0), day(2)}} {
		if lives[key] != want {
			t.Errorf("%v: %+v, want %+v", key, lives[key], want)
		}
	}
	s = at(5) // built anew: the package is newer, one is mended
	if before := see(t, s, ref, "B"); before != "A" {
		t.Errorf("before B there was %q", before)
	}
	newer := finding("zlib", "2", "CVE-2", "")
	match(t, s, "B", newer)
	if lives, err = s.Lives(t.Context(), "B"); err != nil || lives[newer.Key].Since != day(2) {
		t.Errorf("a new image makes an old finding young: %+v, %v", lives, err)
	}
	moved, err := s.Difference(t.Context(), "A", "B")
	if err != nil || len(moved.Came)+len(moved.Open) != 0 || !slices.Equal(moved.Went, []Finding{fixed}) {
		t.Errorf("difference: %+v, %v", moved, err)
	}
	h, err := s.History(t.Context(), ref, "linux/amd64")
	if err != nil || len(h.Images) != 2 || h.Images[0].Config != "B" || !h.Images[0].Current || h.Images[1].Current || !h.Images[1].First.Equal(day(0)) {
		t.Fatalf("history: %+v, %v", h.Images, err)
	}
	want := []Course{
		{Finding: old, Life: Life{day(0), day(0), day(2)}, LastSeen: "A"},
		{Finding: fixed, Life: Life{day(0), day(2), time.Time{}}, LastSeen: "A", FixedIn: "B", FixedAt: day(5)},
		{Finding: newer, Life: Life{Since: day(2)}, LastSeen: "B", In: true},
	}
	if !reflect.DeepEqual(h.Courses, want) {
		t.Errorf("courses\n%+v\nwant\n%+v", h.Courses, want)
	}

	s = at(6) // rolled back
	if before := see(t, s, ref, "A"); before != "B" {
		t.Errorf("before the rollback there was %q", before)
	}
	images, err := s.Images(t.Context(), false)
	if err != nil || len(images) != 1 || images[0].Config != "A" || string(images[0].Inventory) != "inventory of A" {
		t.Errorf("what the tag leads to: %+v, %v", images, err)
	}
	if images, err = s.Images(t.Context(), true); err != nil || len(images) != 2 {
		t.Errorf("all images: %+v, %v", images, err)
	}
	if gone, err := s.Forget(t.Context(), ref); !gone || err != nil {
		t.Errorf("forget: %v, %v", gone, err)
	}
	if seen, err := s.Seen(t.Context()); len(seen) != 0 || err != nil {
		t.Errorf("after it was forgotten: %+v, %v", seen, err)
	}
	if lives, _ := s.Lives(t.Context(), "A"); len(lives) != 0 {
		t.Errorf("findings of an image that was forgotten: %v", lives)
	}
}

// TestPartlyRead does not take what could not be seen for gone.
func TestPartlyRead(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	see(t, s, "a", "A")
	match(t, s, "A", finding("x", "1", "CVE-1", ""), finding("y", "1", "CVE-2", ""))
	c, err := s.Match(t.Context(), "A", []Finding{finding("x", "1", "CVE-1", "")}, Judged{Partly: true, Why: "a part was not read"})
	if err != nil || !c.Empty() {
		t.Errorf("%+v, %v", c, err)
	}
	if seen, err := s.Seen(t.Context()); err != nil || len(seen) != 1 || seen[0].Unjudged != "a part was not read" {
		t.Errorf("seen %+v, %v", seen, err)
	}
	if c := match(t, s, "A", finding("x", "1", "CVE-1", "")); len(c.Gone) != 1 {
		t.Errorf("read as a whole: %+v", c)
	}
}

// TestInventory asks for it when the image or the analyzers are new, or what it has is
// not whole, and keeps nothing of a sighting of which it could not be had.
func TestInventory(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	asked := 0
	at := Sighting{Reference: "a", Config: "A"}
	for i, step := range []struct {
		version string
		asked   int
		has     string
	}{{"", 1, "0"}, {"", 2, "1"}, {"1", 3, "2"}, {"1", 3, "2"}, {"", 3, "2"}, {"2", 4, "5"}, {"2", 4, "5"}} {
		if _, err := s.See(t.Context(), at, step.version, func() ([]byte, error) { asked++; return []byte(fmt.Sprint(i)), nil }); err != nil {
			t.Fatal(err)
		}
		if images, _ := s.Images(t.Context(), true); asked != step.asked || string(images[0].Inventory) != step.has {
			t.Errorf("step %d: asked %d times, have %+v", i, asked, images)
		}
	}
	failure := errors.New("failure")
	if _, err := s.See(t.Context(), Sighting{Reference: "b", Config: "B"}, "1", func() ([]byte, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Error(err)
	}
	if seen, _ := s.Seen(t.Context()); len(seen) != 1 {
		t.Errorf("seen %+v", seen)
	}
}

// TestChangesAddUp matches at random and adds the changes up: they give what is
// found, and Since never grows.
func TestChangesAddUp(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	s := open(t, t.TempDir(), Options{Now: c.now})
	see(t, s, "a", "A")
	r := rand.New(rand.NewPCG(1, 1))
	have, since := map[Key]bool{}, map[Key]time.Time{}
	for range 80 {
		c.at = c.at.Add(time.Hour)
		var found []Finding
		now := map[Key]bool{}
		for range r.IntN(8) {
			f := finding(fmt.Sprint("p", r.IntN(3)), "1", fmt.Sprint("CVE-", r.IntN(4)), []string{"", "2"}[r.IntN(2)])
			found = append(found, f)
			now[f.Key] = true
		}
		change := match(t, s, "A", found...)
		for _, f := range change.New {
			if have[f.Key] {
				t.Fatalf("%v is new twice", f)
			}
			have[f.Key] = true
		}
		for _, f := range change.Gone {
			if !have[f.Key] {
				t.Fatalf("%v went, and was not there", f)
			}
			delete(have, f.Key)
		}
		if !reflect.DeepEqual(have, now) {
			t.Fatalf("by changes %v, found %v", have, now)
		}
		lives, err := s.Lives(t.Context(), "A")
		if err != nil {
			t.Fatal(err)
		}
		for key, l := range lives {
			if was, ok := since[key]; ok && !was.Equal(l.Since) || l.Gone.IsZero() != now[key] {
				t.Fatalf("%v: %+v, since %v before", key, l, was)
			}
			since[key] = l.Since
		}
	}
}

// TestGoneAsFarAsJudged takes for gone what is missing of that which was judged, and
// nothing else.
func TestGoneAsFarAsJudged(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	see(t, s, "a", "A")
	npm := finding("left-pad", "1", "CVE-2", "")
	npm.Ecosystem = "npm"
	all := []Finding{finding("zlib", "1", "CVE-1", ""), finding("zlib", "1", "CVE-3", ""), npm}
	for _, x := range []struct {
		judged Judged
		gone   []string
	}{
		{Judged{NoData: []string{"npm"}}, []string{"CVE-1", "CVE-3"}},
		{Judged{NoData: []string{"Debian"}}, []string{"CVE-2"}},
		{Judged{NoData: []string{"Alpine"}}, []string{"CVE-2"}},
		{Judged{Undecided: []Key{{"Debian", "zlib", "1", "CVE-3"}}}, []string{"CVE-1", "CVE-2"}},
		{Judged{Undecided: []Key{{"npm", "zlib", "1", "CVE-3"}}}, []string{"CVE-1", "CVE-2", "CVE-3"}},
		{Judged{Partly: true}, nil},
		{Judged{}, []string{"CVE-1", "CVE-2", "CVE-3"}},
	} {
		match(t, s, "A", all...)
		c, err := s.Match(t.Context(), "A", nil, x.judged)
		if err != nil {
			t.Fatal(err)
		}
		var gone []string
		for _, f := range c.Gone {
			gone = append(gone, f.Vulnerability)
		}
		if slices.Sort(gone); !slices.Equal(gone, x.gone) {
			t.Errorf("%+v: gone %v, want %v", x.judged, gone, x.gone)
		}
	}
}

// TestMovedToAnotherSystem leads a tag to an image of a distribution without data: what
// was found before is neither gone nor there.
func TestMovedToAnotherSystem(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	npm := finding("left-pad", "1", "CVE-2", "")
	npm.Ecosystem = "npm"
	see(t, s, "a", "A")
	match(t, s, "A", finding("zlib", "1", "CVE-1", ""), npm)
	see(t, s, "a", "B")
	for _, x := range []struct {
		judged     *Judged // nil: not held against advisories
		went, open int
	}{{nil, 0, 2}, {&Judged{NoData: []string{"Ubuntu"}}, 1, 1}, {&Judged{NoData: []string{"npm"}}, 1, 1}, {&Judged{}, 2, 0}} {
		if x.judged != nil {
			if _, err := s.Match(t.Context(), "B", nil, *x.judged); err != nil {
				t.Fatal(err)
			}
		}
		m, err := s.Difference(t.Context(), "A", "B")
		if err != nil || len(m.Went) != x.went || len(m.Open) != x.open {
			t.Errorf("%+v: %+v, %v", x.judged, m, err)
		}
	}
}

// TestFixTakenBack holds that what nothing mends any more has no fix since some day, and
// that this is told.
func TestFixTakenBack(t *testing.T) {
	dir, c := t.TempDir(), &clock{time.Unix(1_800_000_000, 0)}
	day := func(n int) time.Time { return time.Unix(1_800_000_000+int64(n)*86400, 0) }
	fixed, not := finding("zlib", "1", "CVE-1", "3"), finding("zlib", "1", "CVE-1", "")
	const ref = "registry.example/web:1"
	for n, step := range []struct {
		found Finding
		want  Change
		fix   time.Time
	}{
		{fixed, Change{First: true, New: []Finding{fixed}}, day(0)},
		{not, Change{Unfixed: []Finding{not}}, time.Time{}},
		{fixed, Change{Fixes: []Finding{fixed}}, day(2)},
	} {
		c.at = day(n)
		s := open(t, dir, Options{Now: c.now})
		see(t, s, ref, "A")
		if got := match(t, s, "A", step.found); !reflect.DeepEqual(got, step.want) || got.Empty() {
			t.Errorf("day %d: %+v", n, got)
		}
		want := Life{Since: day(0), FixSince: step.fix}
		if lives, err := s.Lives(t.Context(), "A"); err != nil || lives[not.Key] != want {
			t.Errorf("day %d: %+v, %v", n, lives, err)
		}
		if h, err := s.History(t.Context(), ref, "linux/amd64"); err != nil || len(h.Courses) != 1 || h.Courses[0].Life != want {
			t.Errorf("day %d: %+v, %v", n, h.Courses, err)
		}
	}
}
