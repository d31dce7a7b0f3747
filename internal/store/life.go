package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Sighting is an image that was seen somewhere.
type Sighting struct {
	Reference string // in full, so that the same place has the same one
	Platform  string
	Config    string // digest of the configuration, by which images are told apart
	Manifest  string // digest of the platform's manifest, "" when not known
	Index     string // digest of the index, "" when there is none
}

// Key tells the findings of an image apart.
type Key struct{ Ecosystem, Package, Version, Vulnerability string }

// Finding is a vulnerability of a package of an image.
type Finding struct {
	Key
	Severity string
	State    string
	Fixed    string // version that mends it, "" when there is none
}

// lineage is what stays the same of a finding when an image is built anew.
type lineage struct{ ecosystem, name, vulnerability string }

func (k *Key) lineage() lineage { return lineage{k.Ecosystem, k.Package, k.Vulnerability} }

// Life is what is known of a finding over time. A zero time means that it did not
// come to pass.
type Life struct {
	// Since is when the vulnerability was first seen in the package, in this image or
	// in one that the same reference led to before.
	Since time.Time
	// FixSince is when a version was first seen to mend it; zero when none does now, as
	// after an advisory took its fix back.
	FixSince time.Time
	// Gone is when it was no longer reported, as after an advisory was withdrawn.
	Gone time.Time
}

// Change is what a matching found different from the one before.
type Change struct {
	First   bool      // there was none before: then all are new
	New     []Finding // were not there
	Fixes   []Finding // had no version that mends them
	Unfixed []Finding // had one, and have none now
	Gone    []Finding // are not reported any more
}

// Empty says whether nothing is different.
func (c *Change) Empty() bool { return len(c.New)+len(c.Fixes)+len(c.Unfixed)+len(c.Gone) == 0 }

// See notes that an image was seen now. Of one that is new, or was last read by
// another version of the analyzers, it asks for the inventory, which [Store.Images]
// gives back. The version is "" where not all of the image was read: what was read
// then takes the place of nothing that was read as a whole. It returns the digest of the configuration that the reference led to
// before, "" when that was nowhere.
func (s *Store) See(ctx context.Context, at Sighting, version string, inventory func() ([]byte, error)) (before string, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		now := s.now().Unix()
		var id int64
		var known string
		err := tx.QueryRowContext(ctx, "SELECT id, version FROM image WHERE config = ?", at.Config).Scan(&id, &known)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			id = 0
		case err != nil:
			return err
		}
		if id == 0 || known != version && version != "" || known == "" {
			bytes, err := inventory()
			if err != nil {
				return err
			}
			if err := tx.QueryRowContext(ctx, `INSERT INTO image (config, platform, version, inventory, first, last) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
				ON CONFLICT (config) DO UPDATE SET version = ?3, inventory = ?4 RETURNING id`, at.Config, at.Platform, version, bytes, now).Scan(&id); err != nil {
				return err
			}
		}
		for _, digest := range []string{at.Config, at.Manifest, at.Index} {
			if digest == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO digest (digest, image) VALUES (?, ?) ON CONFLICT DO NOTHING", digest, id); err != nil {
				return err
			}
		}
		err = tx.QueryRowContext(ctx, `SELECT config FROM sighting JOIN image ON image.id = sighting.image
			WHERE reference = ? AND sighting.platform = ? ORDER BY turn DESC LIMIT 1`, at.Reference, at.Platform).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE image SET last = MAX(last, ?) WHERE id = ?", now, id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sighting (reference, platform, image, manifest, indexed, first, last, turn) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, (SELECT COALESCE(MAX(turn), 0) + 1 FROM sighting))
			ON CONFLICT (reference, platform, image) DO UPDATE SET last = MAX(last, ?6), turn = excluded.turn, manifest = ?4, indexed = ?5`, at.Reference, at.Platform, id, at.Manifest, at.Index, now)
		return err
	})
	return before, err
}

// Match notes what is found in an image now. What was found before and is not now
// is gone, as far as the image was judged.
func (s *Store) Match(ctx context.Context, config string, found []Finding, judged Judged) (c Change, err error) {
	sum := digestOf(found, &judged)
	err = s.change(ctx, func(tx *sql.Tx) error {
		var id int64
		var before sql.NullString
		if err := tx.QueryRowContext(ctx, "SELECT id, found FROM image WHERE config = ?", config).Scan(&id, &before); err != nil {
			return err
		}
		if c.First = !before.Valid; before.String == sum {
			_, err := tx.ExecContext(ctx, "UPDATE image SET unjudged = ?1 WHERE id = ?2 AND unjudged <> ?1", judged.Why, id)
			return err
		}
		if err := s.reconcile(ctx, tx, id, found, &judged, &c); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE image SET found = ?, unjudged = ?, open = ? WHERE id = ?", sum, judged.Why, judged.open(), id)
		return err
	})
	return c, err
}

// reconcile brings the findings of an image up to date.
func (s *Store) reconcile(ctx context.Context, tx *sql.Tx, id int64, found []Finding, judged *Judged, c *Change) error {
	if err := rename(ctx, tx, found, judged.Names); err != nil {
		return err
	}
	before, err := findings(ctx, tx, id)
	if err != nil {
		return err
	}
	earlier, err := earlierFindings(ctx, tx, id)
	if err != nil {
		return err
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO finding (image, ecosystem, package, version, vulnerability, severity, state, fixed, since, fix, gone)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET severity = excluded.severity, state = excluded.state, fixed = excluded.fixed, fix = excluded.fix, gone = NULL`)
	if err != nil {
		return err
	}
	defer put.Close()
	now, inherited := s.now(), inheritanceOf(earlier, found)
	there, proves := map[Key]bool{}, judged.Proves()
	for i := range found {
		f := &found[i]
		if there[f.Key] {
			continue
		}
		there[f.Key] = true
		was, known := before[f.Key]
		life := was.life
		if !known {
			life = inherited.of(f, now)
			if e, ok := earlier[f.lineage()]; ok {
				life = e
			}
		}
		life = life.mended(f, now)
		switch {
		case !known || !was.life.Gone.IsZero():
			c.New = append(c.New, *f)
		case f.Fixed != "" && was.Fixed == "":
			c.Fixes = append(c.Fixes, *f)
		case f.Fixed == "" && was.Fixed != "":
			c.Unfixed = append(c.Unfixed, *f)
		}
		if _, err := put.ExecContext(ctx, id, f.Ecosystem, f.Package, f.Version, f.Vulnerability, f.Severity, f.State, f.Fixed, life.Since.Unix(), seconds(life.FixSince)); err != nil {
			return err
		}
	}
	for key, was := range before {
		if there[key] || !was.life.Gone.IsZero() || !proves(&key) {
			continue
		}
		c.Gone = append(c.Gone, was.Finding)
		if _, err := tx.ExecContext(ctx, "UPDATE finding SET gone = ? WHERE image = ? AND ecosystem = ? AND package = ? AND version = ? AND vulnerability = ?",
			now.Unix(), id, key.Ecosystem, key.Package, key.Version, key.Vulnerability); err != nil {
			return err
		}
	}
	sortFindings(c.Gone)
	return nil
}

// mended is the life of a finding of which it is known now whether a version mends it.
func (l Life) mended(f *Finding, now time.Time) Life {
	switch {
	case f.Fixed == "":
		l.FixSince = time.Time{}
	case l.FixSince.IsZero():
		l.FixSince = now
	}
	return l
}

type lived struct {
	Finding
	life Life
}

func findings(ctx context.Context, tx *sql.Tx, image int64) (map[Key]lived, error) {
	rows, err := tx.QueryContext(ctx, "SELECT ecosystem, package, version, vulnerability, severity, state, fixed, since, fix, gone FROM finding WHERE image = ?", image)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[Key]lived{}
	for rows.Next() {
		var l lived
		var since int64
		var fix, gone sql.NullInt64
		if err := rows.Scan(&l.Ecosystem, &l.Package, &l.Version, &l.Vulnerability, &l.Severity, &l.State, &l.Fixed, &since, &fix, &gone); err != nil {
			return nil, err
		}
		fix.Valid = fix.Valid && l.Fixed != ""
		l.life = Life{time.Unix(since, 0), timeOf(fix), timeOf(gone)}
		all[l.Key] = l
	}
	return all, rows.Err()
}

// earlierFindings are those of the images that the references of an image led to
// before it, by ecosystem, package and vulnerability.
func earlierFindings(ctx context.Context, tx *sql.Tx, image int64) (map[lineage]Life, error) {
	rows, err := tx.QueryContext(ctx, `SELECT f.ecosystem, f.package, f.vulnerability, MIN(f.since), MIN(CASE WHEN f.fixed <> '' THEN f.fix END) FROM sighting b
		JOIN sighting a ON a.reference = b.reference AND a.platform = b.platform AND a.image <> b.image AND a.turn < b.turn
		JOIN finding f ON f.image = a.image WHERE b.image = ? AND f.gone IS NULL GROUP BY 1, 2, 3`, image)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[lineage]Life{}
	for rows.Next() {
		var key lineage
		var since int64
		var fix sql.NullInt64
		if err := rows.Scan(&key.ecosystem, &key.name, &key.vulnerability, &since, &fix); err != nil {
			return nil, err
		}
		all[key] = Life{Since: time.Unix(since, 0), FixSince: timeOf(fix)}
	}
	return all, rows.Err()
}

// seconds gives NULL for a time that did not come to pass.
func seconds(t time.Time) sql.NullInt64 { return sql.NullInt64{Int64: t.Unix(), Valid: !t.IsZero()} }

func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(n.Int64, 0)
}

// Lives returns what is known over time of the findings of an image, those that
// are gone included.
func (s *Store) Lives(ctx context.Context, config string) (map[Key]Life, error) {
	all := map[Key]Life{}
	err := s.view(ctx, func(tx *sql.Tx) error {
		var id int64
		if err := tx.QueryRowContext(ctx, "SELECT id FROM image WHERE config = ?", config).Scan(&id); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		found, err := findings(ctx, tx, id)
		for _, l := range found {
			all[l.Key] = l.life
		}
		return err
	})
	return all, err
}
