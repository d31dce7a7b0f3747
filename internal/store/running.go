package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

// Running is what runs in the clusters that were looked at, met with the images of
// the store.
type Running struct {
	Looks  []Looked
	Images []RunningImage // that run, those with the most places first
	// Unread are runs of what is not in the store, one for each digest and place.
	Unread []Ran
	// Gone are findings that are gone from places where they ran, the last first.
	Gone []GoneFinding
	// Open are findings that ran in a place of which is not known whether it still has
	// them, by run: it runs an image that was not read, or not judged on them.
	Open []OpenRun
}

// RunningImage is an image of the store that runs.
type RunningImage struct {
	Config, Platform string
	References       []string // that lead to it, or led
	Matched          bool     // it was held against advisories
	Unjudged         string   // why the findings may not be all, "" when everything was judged
	Runs             []Ran
	Findings         []RunningFinding
}

// RunningFinding is a finding of an image that runs.
type RunningFinding struct {
	Finding
	Life
	// FixedIn is the configuration of the image that a reference of the image leads to
	// now, and that is known not to have the finding; "" when there is none.
	FixedIn string
	FixedAs string    // that reference
	FixedAt time.Time // when it was first seen to lead there
}

// GoneFinding is a finding that a container of a workload had, and has no more.
type GoneFinding struct {
	Finding
	From Ran // the last run with it; its Gone is when the finding was
}

// OpenRun is a run in the place of another one, of which not all is known.
type OpenRun struct {
	Run      Ran
	Findings []Finding // that its predecessors had
}

// Running tells what runs in a cluster, by what tells it from others, or in all when
// that is "".
func (s *Store) Running(ctx context.Context, cluster string) (r Running, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		f, err := loadFleet(ctx, tx, cluster)
		if err != nil {
			return err
		}
		all, err := seen(ctx, tx, f)
		if err != nil {
			return err
		}
		r = Running{Looks: f.looks}
		if err := r.runs(ctx, tx, f, all); err != nil {
			return err
		}
		return r.gone(ctx, tx, f)
	})
	return r, err
}

// runs finds the images that run.
func (r *Running) runs(ctx context.Context, tx *sql.Tx, f *fleet, all []Seen) error {
	at := map[int64]int{}
	for i := range f.runs {
		run := &f.runs[i]
		if !run.Gone.IsZero() {
			continue
		}
		images := f.imagesOf(run)
		if len(images) == 0 {
			r.Unread = append(r.Unread, *run)
		}
		for _, x := range images {
			k, known := at[x.id]
			if !known {
				k = len(r.Images)
				at[x.id] = k
				r.Images = append(r.Images, RunningImage{Config: x.config, Platform: x.platform, Matched: x.matched})
			}
			r.Images[k].Runs = append(r.Images[k].Runs, *run)
		}
	}
	for id, k := range at {
		if err := r.Images[k].complete(ctx, tx, f, f.images[id], all); err != nil {
			return err
		}
	}
	slices.SortFunc(r.Images, func(a, b RunningImage) int {
		return cmp.Or(len(b.Runs)-len(a.Runs), strings.Compare(a.Config, b.Config))
	})
	return nil
}

// complete adds the findings of an image and where they are fixed.
func (m *RunningImage) complete(ctx context.Context, tx *sql.Tx, f *fleet, x *fleetImage, all []Seen) error {
	names := map[string]bool{}
	for i := range m.Runs {
		names[m.Runs[i].Reference] = true
	}
	for i := range all {
		if all[i].id == x.id {
			m.References, m.Unjudged = append(m.References, all[i].Reference), all[i].Unjudged
			names[all[i].Reference] = true
		}
	}
	found, err := f.findingsOf(ctx, tx, x)
	if err != nil {
		return err
	}
	fixed := map[lineage]*Seen{}
	for i := range all {
		next := &all[i]
		if !next.Current || !next.Matched || next.id == x.id || next.Platform != x.platform || !names[next.Reference] {
			continue
		}
		there, err := findings(ctx, tx, next.id)
		if err != nil {
			return err
		}
		has := map[lineage]lived{}
		for _, l := range there {
			if l.life.Gone.IsZero() {
				has[l.lineage()] = l
			}
		}
		system := systemFindingsOf(has, lived.finding)
		for l := range found {
			_, there := has[l]
			_, stays := successor(l, found, system)
			if !there && !stays && next.open.proves(l) && fixed[l] == nil {
				fixed[l] = next
			}
		}
	}
	for key, l := range found {
		finding := RunningFinding{Finding: l.Finding, Life: l.life}
		if next := fixed[key]; next != nil {
			finding.FixedIn, finding.FixedAs, finding.FixedAt = next.Config, next.Reference, next.First
		}
		m.Findings = append(m.Findings, finding)
	}
	slices.SortFunc(m.Findings, func(a, b RunningFinding) int { return compareFindings(a.Finding, b.Finding) })
	return nil
}

// gone finds what is gone from the places where it ran, and what may be.
func (r *Running) gone(ctx context.Context, tx *sql.Tx, f *fleet) error {
	open := map[runKey]int{}
	type gone struct {
		place
		lineage
	}
	last := map[gone]*GoneFinding{}
	for i := range f.runs {
		run := &f.runs[i]
		if run.Gone.IsZero() {
			continue
		}
		for _, x := range f.imagesOf(run) {
			found, err := f.findingsOf(ctx, tx, x)
			if err != nil {
				return err
			}
			for key, l := range found {
				o, err := f.outcome(ctx, tx, key, []Ran{*run})
				switch {
				case err != nil:
					return err
				case !o.Gone.IsZero():
					k := gone{run.place(), key}
					if was := last[k]; was == nil || was.From.Gone.Before(run.Gone) {
						last[k] = &GoneFinding{l.Finding, *run}
					}
				}
				for _, unknown := range o.Unknown {
					r.open(open, unknown, l.Finding)
				}
			}
		}
	}
	for _, g := range last {
		r.Gone = append(r.Gone, *g)
	}
	slices.SortFunc(r.Gone, func(a, b GoneFinding) int {
		return cmp.Or(b.From.Gone.Compare(a.From.Gone), strings.Compare(a.From.Workload, b.From.Workload), strings.Compare(a.From.Container, b.From.Container), compareFindings(a.Finding, b.Finding))
	})
	for i := range r.Open {
		sortFindings(r.Open[i].Findings)
		r.Open[i].Findings = slices.CompactFunc(r.Open[i].Findings, func(a, b Finding) bool { return a.lineage() == b.lineage() })
	}
	return nil
}

func (r *Running) open(at map[runKey]int, run Ran, found Finding) {
	key := run.key()
	key.workload = run.cluster + " " + key.workload
	i, known := at[key]
	if !known {
		i = len(r.Open)
		at[key] = i
		r.Open = append(r.Open, OpenRun{Run: run})
	}
	r.Open[i].Findings = append(r.Open[i].Findings, found)
}
