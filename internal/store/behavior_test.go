package store

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
)

const heard = behavior.Moment(1_800_000_000)

func shopWeb(image string) behavior.Subject {
	return behavior.Subject{Namespace: "shop", Kind: "Deployment", Name: "web", Container: "web", Image: image}
}

// told is a behavior of a few of many possible facts and intervals.
func told(r *rand.Rand, subject behavior.Subject, facts int) *behavior.Behavior {
	b := behavior.New(subject)
	for range facts {
		o := behavior.Observation{Kind: behavior.Write, Origin: behavior.Entrypoint, Program: behavior.File{Path: "/bin/web", Layer: behavior.InImage},
			File: behavior.File{Path: fmt.Sprintf("/d%d/f%d", r.IntN(6), r.IntN(1+r.IntN(40))), Layer: behavior.InImage}}
		b.Observe(o.Fact(), behavior.SeenAt(heard+behavior.Moment(r.IntN(9*86400)), fmt.Sprint("web-", r.IntN(9)), ""))
	}
	for range r.IntN(4) {
		from := heard + behavior.Moment(r.IntN(9)*3600)
		b.Coverage.Watch(behavior.Interval{Replica: fmt.Sprint("web-", r.IntN(3)), Session: "1", From: from, To: from + behavior.Moment(r.IntN(9000)), Lost: uint64(r.IntN(3))})
	}
	return b
}

// TestLearn tells a store of behaviors in many parts, some twice, and in another
// order: it knows what a merge of all of them knows, also when it is opened again.
func TestLearn(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		want := map[string]*behavior.Behavior{}
		var parts []*behavior.Behavior
		for range 20 {
			image := fmt.Sprint("sha256:", r.IntN(2))
			part := told(r, shopWeb(image), r.IntN(80))
			if want[image] == nil {
				want[image] = behavior.New(part.Subject)
			}
			if err := want[image].Merge(part); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part, part)
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		s := open(t, dir, Options{})
		for i, part := range parts {
			if i == len(parts)/2 {
				s = open(t, dir, Options{})
				if _, err := s.db.Exec("UPDATE behavior SET weighed = 0; DELETE FROM weight"); err != nil { // as an older program left it
					t.Fatal(err)
				}
			}
			if err := s.Learn(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
		subjects, err := s.Subjects(t.Context())
		if err != nil || len(subjects) != len(want) {
			t.Fatalf("%d subjects of %d: %v", len(subjects), len(want), err)
		}
		for image, b := range want {
			got, err := s.Behavior(t.Context(), b.Subject)
			if err != nil || got == nil || !got.Equal(b) {
				t.Errorf("%s: %v, %v", image, err, got)
			}
			folded := false
			for f := range b.Facts() {
				folded = folded || f.Folded()
			}
			if !folded {
				t.Errorf("%s: nothing folded, so that nothing was to be dropped", image)
			}
			for f, n := range b.Weights() {
				var kept int
				key, _ := json.Marshal(f)
				if err := s.db.QueryRow("SELECT facts FROM weight JOIN behavior ON id = behavior WHERE subject LIKE ? AND fact = ?", "%"+image+"%", string(key)).Scan(&kept); err != nil || kept != n {
					t.Errorf("%s: %s weighs %d, not %d: %v", image, f, kept, n, err)
				}
			}
			var rows int
			if err := s.db.QueryRow("SELECT COUNT(*) FROM fact JOIN behavior ON id = behavior WHERE subject LIKE ?", "%"+image+"%").Scan(&rows); err != nil || rows != b.Len() {
				t.Errorf("%s: %d rows for %d facts: %v", image, rows, b.Len(), err)
			}
		}
	}
}

// TestBehaviorsAreForgotten: what nothing was told of for long goes, and its facts
// with it.
func TestBehaviorsAreForgotten(t *testing.T) {
	c := &clock{time.Unix(int64(heard), 0)}
	s := open(t, t.TempDir(), Options{Now: c.now})
	r := rand.New(rand.NewPCG(1, 1))
	for _, image := range []string{"old", "new"} {
		if err := s.Learn(t.Context(), told(r, shopWeb(image), 5)); err != nil {
			t.Fatal(err)
		}
		c.at = c.at.Add(keptBehavior + time.Hour)
	}
	if b, err := s.Behavior(t.Context(), shopWeb("old")); b != nil || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	var facts int
	if err := s.db.QueryRow("SELECT COUNT(*) FROM fact WHERE behavior NOT IN (SELECT id FROM behavior)").Scan(&facts); err != nil || facts != 0 {
		t.Errorf("%d facts of nothing: %v", facts, err)
	}
	if _, err := s.db.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20100)
		INSERT INTO behavior (subject, normalizer, coverage, last) SELECT '{"kind":"Pod","name":"' || i || '"}', 1, '{}', i + ? FROM n`, c.at.Unix()-30_000); err != nil {
		t.Fatal(err)
	}
	if err := s.Learn(t.Context(), told(r, shopWeb("next"), 5)); err != nil {
		t.Fatal(err)
	}
	subjects, err := s.Subjects(t.Context())
	if err != nil || len(subjects) != mostBehaviors {
		t.Errorf("%d subjects are kept: %v", len(subjects), err)
	}
	if b, err := s.Behavior(t.Context(), shopWeb("next")); b == nil || err != nil {
		t.Errorf("what was told last is gone: %v", err)
	}
}

// TestLearnCoverage tells of many intervals, each again and again while it grows: what
// is kept is what a coverage that was told the same holds.
func TestLearnCoverage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	want := behavior.New(shopWeb("sha256:1"))
	for n := range 3 * mostWatched {
		b := behavior.New(want.Subject)
		from := heard + behavior.Moment(n/2*100)
		b.Coverage.Watch(behavior.Interval{Replica: "web", Session: "1", From: from, To: from + behavior.Moment(n), Lost: uint64(n)})
		if err := want.Merge(b); err != nil {
			t.Fatal(err)
		}
		if err := s.Learn(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open(t, dir, Options{}).Behavior(t.Context(), want.Subject)
	if err != nil || !got.Equal(want) {
		t.Errorf("%d intervals, not %d: %v", len(got.Coverage.Intervals()), len(want.Coverage.Intervals()), err)
	}
	var rows int
	if err := s.db.QueryRow("SELECT COUNT(*) FROM watched").Scan(&rows); err != nil || rows > mostWatched {
		t.Errorf("%d intervals are kept one by one: %v", rows, err)
	}
}

// BenchmarkLearn tells a store that knows many facts of one: of one that it knows, and
// of a new one.
func BenchmarkLearn(b *testing.B) {
	s, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fact := func(program, n int) *behavior.Behavior {
		x := behavior.New(shopWeb("sha256:1"))
		o := behavior.Observation{Kind: behavior.Syscall, Origin: behavior.Entrypoint, Program: behavior.File{Path: fmt.Sprintf("/bin/p%d", program), Layer: behavior.InImage}, Name: fmt.Sprint("call", n)}
		x.Observe(o.Fact(), behavior.SeenAt(heard, "web-1", ""))
		return x
	}
	for _, known := range []int{100, 900} { // more would fold
		whole := behavior.New(shopWeb("sha256:1"))
		for n := range known {
			if err := whole.Merge(fact(n%20, n)); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Learn(b.Context(), whole); err != nil {
			b.Fatal(err)
		}
		for name, of := range map[string]func(i int) *behavior.Behavior{
			"known": func(int) *behavior.Behavior { return fact(0, 0) },
			"new":   func(i int) *behavior.Behavior { return fact(21+i%2, 10*known+i%20) },
		} {
			b.Run(fmt.Sprintf("%s of %d", name, known), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					if err := s.Learn(b.Context(), of(i)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
