package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

// fleet is what runs in all clusters, and ran, met with the images of the store.
type fleet struct {
	looks   []Looked
	runs    []Ran
	digests map[string][]int64 // ids of images, by a digest that runs
	images  map[int64]*fleetImage
	now     map[place][]*Ran // that run
}

// fleetImage is an image of the store that runs or ran.
type fleetImage struct {
	id               int64
	config, platform string
	matched          bool
	open             openness
	found            map[lineage]lived // that are there; nil before they were asked for
	system           systemFindings    // of these; nil before they were asked for
}

// place is a container of a workload.
type place struct{ cluster, workload, container string }

func (r *Ran) place() place { return place{r.cluster, r.Workload, r.Container} }

// loadFleet loads what runs in a cluster, in all when it is "".
func loadFleet(ctx context.Context, tx *sql.Tx, cluster string) (*fleet, error) {
	f := &fleet{digests: map[string][]int64{}, images: map[int64]*fleetImage{}, now: map[place][]*Ran{}}
	var err error
	if f.looks, err = looks(ctx, tx); err != nil || len(f.looks) == 0 {
		return f, err
	}
	if cluster != "" {
		f.looks = slices.DeleteFunc(f.looks, func(l Looked) bool { return l.Cluster != cluster })
	}
	if f.runs, err = loadRuns(ctx, tx, cluster); err != nil {
		return nil, err
	}
	for i := range f.runs {
		if r := &f.runs[i]; r.Gone.IsZero() {
			f.now[r.place()] = append(f.now[r.place()], r)
		}
	}
	rows, err := tx.QueryContext(ctx, `SELECT digest, id, config, platform, found IS NOT NULL, open FROM digest JOIN image ON image.id = digest.image
		WHERE digest IN (SELECT digest FROM run) ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var digest, open string
		var x fleetImage
		if err := rows.Scan(&digest, &x.id, &x.config, &x.platform, &x.matched, &open); err != nil {
			return nil, err
		}
		x.open = parseOpen(open)
		f.digests[digest] = append(f.digests[digest], x.id)
		f.images[x.id] = &x
	}
	return f, rows.Err()
}

// imagesOf gives the images that a run may be of: one, unless it is known by the
// digest of an index and the platform of its nodes is not.
func (f *fleet) imagesOf(r *Ran) []*fleetImage {
	var list []*fleetImage
	for _, id := range f.digests[r.Digest] {
		if x := f.images[id]; fits(x.platform, r.Platform) {
			list = append(list, x)
		}
	}
	return list
}

// runsOf gives the runs of an image.
func (f *fleet) runsOf(id int64) []Ran {
	var list []Ran
	if f.images[id] == nil {
		return nil
	}
	for i := range f.runs {
		if slices.ContainsFunc(f.imagesOf(&f.runs[i]), func(x *fleetImage) bool { return x.id == id }) {
			list = append(list, f.runs[i])
		}
	}
	return list
}

// fits says whether an image of a platform, os/architecture[/variant], runs on nodes
// of another, os/architecture. What is not known fits, so that nothing is called
// gone that may run.
func fits(image, node string) bool {
	return image == "" || node == "" || image == node || strings.HasPrefix(image, node+"/")
}

// findingsOf gives what is found in an image and is there.
func (f *fleet) findingsOf(ctx context.Context, tx *sql.Tx, x *fleetImage) (map[lineage]lived, error) {
	if x.found != nil {
		return x.found, nil
	}
	all, err := findings(ctx, tx, x.id)
	x.found = map[lineage]lived{}
	for _, l := range all {
		if l.life.Gone.IsZero() {
			x.found[l.lineage()] = l
		}
	}
	return x.found, err
}

// Outcome is what became of a finding where images with it ran.
type Outcome struct {
	Runs []Ran // of images that have it, now
	// Gone is when the last image with it was first seen not to run any more. It is
	// zero while one runs, when none ever did, when that is not known, and when what
	// runs in its place has the vulnerability in another package.
	Gone time.Time
	// Unknown are runs, now, of images in the place of those with the finding, of
	// which it is not known whether they have it: not read, or not judged on it.
	Unknown []Ran
}

// outcome follows a finding through the places where images with it ran.
func (f *fleet) outcome(ctx context.Context, tx *sql.Tx, l lineage, ran []Ran) (Outcome, error) {
	var o Outcome
	var gone time.Time
	done, stays := map[place]bool{}, false
	for i := range ran {
		if ran[i].Gone.After(gone) {
			gone = ran[i].Gone
		}
		at := ran[i].place()
		if done[at] {
			continue
		}
		done[at] = true
		for _, r := range f.now[at] {
			has, known, err := f.has(ctx, tx, r, l)
			if err == nil && !has {
				has, err = f.stays(ctx, tx, &ran[i], r, l)
				stays = stays || has
				if has {
					continue
				}
			}
			switch {
			case err != nil:
				return o, err
			case has:
				o.Runs = append(o.Runs, *r)
			case !known:
				o.Unknown = append(o.Unknown, *r)
			}
		}
	}
	if len(o.Runs)+len(o.Unknown) == 0 && !stays {
		o.Gone = gone
	}
	return o, nil
}

// stays says whether what runs has the vulnerability in another package of its operating
// system than what ran before.
func (f *fleet) stays(ctx context.Context, tx *sql.Tx, before, now *Ran, l lineage) (bool, error) {
	for _, x := range f.imagesOf(now) {
		second, err := f.findingsOf(ctx, tx, x)
		if err != nil {
			return false, err
		}
		if x.system == nil {
			x.system = systemFindingsOf(second, lived.finding)
		}
		for _, y := range f.imagesOf(before) {
			first, err := f.findingsOf(ctx, tx, y)
			if err != nil {
				return false, err
			}
			if _, had := first[l]; !had {
				continue
			}
			if _, ok := successor(l, first, x.system); ok {
				return true, nil
			}
		}
	}
	return false, nil
}

// has says whether what runs has a finding, and whether that is known.
func (f *fleet) has(ctx context.Context, tx *sql.Tx, r *Ran, l lineage) (has, known bool, err error) {
	images := f.imagesOf(r)
	known = len(images) > 0
	for _, x := range images {
		found, err := f.findingsOf(ctx, tx, x)
		if err != nil {
			return false, false, err
		}
		if _, there := found[l]; there {
			return true, true, nil
		}
		known = known && x.matched && x.open.proves(l)
	}
	return false, known, nil
}
