package store

import (
	"context"
	"database/sql"
	"time"
)

// Seen is an image at one of the places where it was seen.
type Seen struct {
	Sighting
	First, Last time.Time // at this place
	// Current says that the reference led to this image when it was last looked at.
	Current bool
	Matched bool           // it was held against advisories
	Found   map[string]int // findings that are there, by severity
	Fixable int            // of these, those that a version mends
	// Unjudged says why the findings may not be all, "" when everything was judged.
	Unjudged string
	// Runs are where the image runs or ran, as far as clusters were looked at.
	Runs []Ran

	id   int64
	open openness
}

// Seen lists what was seen, by reference and platform, the newest first.
func (s *Store) Seen(ctx context.Context) (all []Seen, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		f, err := loadFleet(ctx, tx, "")
		if err != nil {
			return err
		}
		all, err = seen(ctx, tx, f)
		return err
	})
	return all, err
}

func seen(ctx context.Context, tx *sql.Tx, f *fleet) ([]Seen, error) {
	counts, fixable, err := countFindings(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT reference, sighting.platform, image.id, config, manifest, indexed, sighting.first, sighting.last, found IS NOT NULL, unjudged, open
		FROM sighting JOIN image ON image.id = sighting.image ORDER BY reference, sighting.platform, turn DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Seen
	for rows.Next() {
		var x Seen
		var first, last int64
		var open string
		if err := rows.Scan(&x.Reference, &x.Platform, &x.id, &x.Config, &x.Manifest, &x.Index, &first, &last, &x.Matched, &x.Unjudged, &open); err != nil {
			return nil, err
		}
		x.First, x.Last = time.Unix(first, 0), time.Unix(last, 0)
		x.Found, x.Fixable, x.Runs, x.open = counts[x.id], fixable[x.id], f.runsOf(x.id), parseOpen(open)
		n := len(all)
		x.Current = n == 0 || all[n-1].Reference != x.Reference || all[n-1].Platform != x.Platform
		all = append(all, x)
	}
	return all, rows.Err()
}

func countFindings(ctx context.Context, tx *sql.Tx) (counts map[int64]map[string]int, fixable map[int64]int, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT image, severity, COUNT(*), SUM(fixed <> '') FROM finding WHERE gone IS NULL GROUP BY image, severity")
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	counts, fixable = map[int64]map[string]int{}, map[int64]int{}
	for rows.Next() {
		var id int64
		var severity string
		var n, fixed int
		if err := rows.Scan(&id, &severity, &n, &fixed); err != nil {
			return nil, nil, err
		}
		if counts[id] == nil {
			counts[id] = map[string]int{}
		}
		counts[id][severity] = n
		fixable[id] += fixed
	}
	return counts, fixable, rows.Err()
}

// Stored is an image with its inventory, as [Store.See] was given it.
type Stored struct {
	Config, Platform string
	Inventory        []byte
	References       []string // that lead to it now, or led to it last
	// Manifest and Index are what one of these was seen to lead to, "" when there is
	// none.
	Manifest, Index string
}

// Images lists the images that a reference still leads to, as far as is known, or
// all of them.
func (s *Store) Images(ctx context.Context, all bool) ([]Stored, error) {
	var list []Stored
	err := s.view(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT image.id, config, image.platform, inventory, reference, manifest, indexed FROM sighting JOIN image ON image.id = sighting.image
			WHERE ? OR NOT EXISTS (SELECT 1 FROM sighting later WHERE later.reference = sighting.reference AND later.platform = sighting.platform AND later.turn > sighting.turn)
			ORDER BY image.id, reference`, all)
		if err != nil {
			return err
		}
		defer rows.Close()
		last := int64(-1)
		for rows.Next() {
			var id int64
			var x Stored
			var reference string
			if err := rows.Scan(&id, &x.Config, &x.Platform, &x.Inventory, &reference, &x.Manifest, &x.Index); err != nil {
				return err
			}
			if id != last {
				list, last = append(list, x), id
			}
			list[len(list)-1].References = append(list[len(list)-1].References, reference)
		}
		return rows.Err()
	})
	return list, err
}

// Forget drops all sightings of a reference, and the images that nothing leads to
// any more, with their findings. It says whether there were any.
func (s *Store) Forget(ctx context.Context, reference string) (bool, error) {
	var n int64
	err := s.change(ctx, func(tx *sql.Tx) error {
		gone, err := tx.ExecContext(ctx, "DELETE FROM sighting WHERE reference = ?", reference)
		if err != nil {
			return err
		}
		if n, err = gone.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM image WHERE id NOT IN (SELECT image FROM sighting)")
		return err
	})
	return n > 0, err
}
