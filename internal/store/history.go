package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Course is what became of a vulnerability of a package under one reference, over
// all the images that it led to.
type Course struct {
	Finding       // as it was last
	Life          // Gone only when it went without a change of image
	In       bool // the image that the reference leads to has it
	FixedIn  string
	FixedAt  time.Time // when the reference was first seen to lead to FixedIn
	LastSeen string    // digest of the configuration of the last image that has it
	// Open says that no image after the last one with it was judged on it: whether it is
	// fixed is not known.
	Open bool
	// As is the finding that took its place in an image of another release or
	// distribution, and has a course of its own; nil when none did.
	As *Successor
	// Running is what became of it where the images ran that have it.
	Running Outcome
}

// Successor is a vulnerability in the package that has it now.
type Successor struct {
	Finding
	Config string    // of the first image with it
	At     time.Time // when the reference was first seen to lead there
}

// History is what was seen of one reference and platform.
type History struct {
	Images  []Seen // in the order in which they were seen last, the newest first
	Courses []Course
	Looks   []Looked // at what runs; none: nothing is known of that
}

// History tells what became of what was found under a reference. FixedIn is the
// configuration of the image that came after the last one with the finding. It is
// empty when there is no such reference.
func (s *Store) History(ctx context.Context, reference, platform string) (h History, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		h = History{}
		f, err := loadFleet(ctx, tx, "")
		if err != nil {
			return err
		}
		all, err := seen(ctx, tx, f)
		if err != nil {
			return err
		}
		h.Looks = f.looks
		for _, x := range all {
			if x.Reference == reference && x.Platform == platform {
				h.Images = append(h.Images, x)
			}
		}
		return h.follow(ctx, tx, f)
	})
	slices.SortFunc(h.Courses, func(a, b Course) int {
		return cmp.Or(cmp.Compare(a.Since.Unix(), b.Since.Unix()), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Vulnerability, b.Vulnerability), cmp.Compare(a.Ecosystem, b.Ecosystem))
	})
	return h, err
}

// follow makes the courses of what the images have.
func (h *History) follow(ctx context.Context, tx *sql.Tx, f *fleet) error {
	courses, ran := map[lineage]*Course{}, map[lineage][]Ran{}
	present, system := make([]map[lineage]lived, len(h.Images)), make([]systemFindings, len(h.Images))
	for i, x := range slices.Backward(h.Images) { // from the oldest
		found, err := findings(ctx, tx, x.id)
		if err != nil {
			return err
		}
		there := map[lineage]lived{}
		for _, l := range found {
			follow(courses, l, h.Images, i)
			if key := l.lineage(); l.life.Gone.IsZero() {
				if _, again := there[key]; !again {
					ran[key] = append(ran[key], x.Runs...)
				}
				there[key] = l
			}
		}
		present[i], system[i] = there, systemFindingsOf(there, lived.finding)
	}
	for key, c := range courses {
		if last := slices.IndexFunc(h.Images, func(x Seen) bool { return x.Config == c.LastSeen }); last > 0 && c.Gone.IsZero() {
			c.fixedBy(key, h.Images[:last], present[last], system)
		}
		var err error
		if c.Running, err = f.outcome(ctx, tx, key, ran[key]); err != nil {
			return err
		}
		h.Courses = append(h.Courses, *c)
	}
	return nil
}

// follow takes in what the i-th image has.
func follow(courses map[lineage]*Course, l lived, images []Seen, i int) {
	c := courses[l.lineage()]
	if c == nil {
		c = &Course{Life: l.life}
		courses[l.lineage()] = c
	}
	there := l.life.Gone.IsZero()
	if c.LastSeen == images[i].Config && c.Gone.IsZero() && !there {
		return // another version of the package in the same image still has it
	}
	since, fix := c.Since, c.FixSince
	if l.life.Since.Before(since) {
		since = l.life.Since
	}
	if fix.IsZero() || !l.life.FixSince.IsZero() && l.life.FixSince.Before(fix) {
		fix = l.life.FixSince
	}
	if l.Fixed == "" {
		fix = time.Time{}
	}
	*c = Course{Finding: l.Finding, Life: Life{since, fix, l.life.Gone}, LastSeen: images[i].Config, In: i == 0 && there}
}

// fixedBy finds the first of later images that is known not to have it, or to have it in
// another package than the last image with it, of which all findings are given.
func (c *Course) fixedBy(l lineage, later []Seen, last map[lineage]lived, system []systemFindings) {
	c.Open = true
	for i, x := range slices.Backward(later) {
		if next, ok := successor(l, last, system[i]); ok {
			c.As, c.Open = &Successor{next, x.Config, x.First}, false
			return
		}
		if x.Matched && x.open.proves(l) {
			c.FixedIn, c.FixedAt, c.Open = x.Config, x.First, false
			return
		}
	}
}

// Moved is what is found in one of two images only. A finding is the same when
// package and vulnerability are.
type Moved struct {
	Came, Went []Finding
	// Stayed are neither: the second image has the vulnerability in another package of
	// its operating system.
	Stayed []Stay
	// Open were found in the first image, and the second was not judged on them.
	Open []Finding
}

// Difference compares what is found in two images, as far as they were matched.
func (s *Store) Difference(ctx context.Context, first, second string) (m Moved, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		m = Moved{}
		a, _, err := present(ctx, tx, first)
		if err != nil {
			return err
		}
		b, open, err := present(ctx, tx, second)
		if err != nil {
			return err
		}
		m.Came = missing(b, a)
		for _, f := range missing(a, b) {
			if open.proves(f.lineage()) {
				m.Went = append(m.Went, f)
			} else {
				m.Open = append(m.Open, f)
			}
		}
		m.settle(a, b)
		return nil
	})
	return m, err
}

// present gives what is there in an image, and what it was not judged on.
func present(ctx context.Context, tx *sql.Tx, config string) (map[lineage]Finding, openness, error) {
	var id int64
	var open string
	if err := tx.QueryRowContext(ctx, "SELECT id, CASE WHEN found IS NULL THEN ? ELSE open END FROM image WHERE config = ?", everything, config).Scan(&id, &open); err != nil {
		return nil, openness{}, err
	}
	found, err := findings(ctx, tx, id)
	all := map[lineage]Finding{}
	for _, l := range found {
		if l.life.Gone.IsZero() {
			all[l.lineage()] = l.Finding
		}
	}
	return all, parseOpen(open), err
}

// missing gives what only the first has, sorted.
func missing(in, from map[lineage]Finding) []Finding {
	var list []Finding
	for key, f := range in {
		if _, there := from[key]; !there {
			list = append(list, f)
		}
	}
	sortFindings(list)
	return list
}

func sortFindings(list []Finding) { slices.SortFunc(list, compareFindings) }

func compareFindings(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Vulnerability, b.Vulnerability), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Ecosystem, b.Ecosystem))
}
