package store

import (
	"context"
	"database/sql"
)

// rename gives what is known of vulnerabilities under ids that they had before the ids
// under which they are found now, in all images: it is the same vulnerability, and as old
// as it was. An id under which something of the package is still found stays.
func rename(ctx context.Context, tx *sql.Tx, found []Finding, names map[Key][]string) error {
	if len(names) == 0 {
		return nil
	}
	known, err := otherNames(ctx, tx)
	if err != nil || len(known) == 0 {
		return err
	}
	now := map[lineage]bool{}
	for i := range found {
		now[found[i].lineage()] = true
	}
	for i := range found {
		f := &found[i]
		for _, name := range names[f.Key] {
			l := f.lineage()
			if l.vulnerability = name; !known[l] || now[l] {
				continue
			}
			delete(known, l)
			if err := renameOne(ctx, tx, l, f.Vulnerability); err != nil {
				return err
			}
		}
	}
	return nil
}

// otherNames are what is known by an id that is no CVE: a CVE is kept.
func otherNames(ctx context.Context, tx *sql.Tx) (map[lineage]bool, error) {
	rows, err := tx.QueryContext(ctx, "SELECT DISTINCT ecosystem, package, vulnerability FROM finding WHERE vulnerability NOT LIKE 'CVE-%'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[lineage]bool{}
	for rows.Next() {
		var l lineage
		if err := rows.Scan(&l.ecosystem, &l.name, &l.vulnerability); err != nil {
			return nil, err
		}
		all[l] = true
	}
	return all, rows.Err()
}

func renameOne(ctx context.Context, tx *sql.Tx, l lineage, to string) error {
	for _, statement := range []string{
		// Where an image has both, the older one says since when.
		`UPDATE finding AS f SET since = MIN(since, COALESCE((SELECT MIN(o.since) FROM finding o WHERE o.image = f.image AND o.ecosystem = ?1 AND o.package = ?2 AND o.vulnerability = ?3), since))
			WHERE ecosystem = ?1 AND package = ?2 AND vulnerability = ?4`,
		"UPDATE OR IGNORE finding SET vulnerability = ?4 WHERE ecosystem = ?1 AND package = ?2 AND vulnerability = ?3",
		"DELETE FROM finding WHERE ecosystem = ?1 AND package = ?2 AND vulnerability = ?3",
	} {
		if _, err := tx.ExecContext(ctx, statement, l.ecosystem, l.name, l.vulnerability, to); err != nil {
			return err
		}
	}
	return nil
}
