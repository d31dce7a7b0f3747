package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Run is an image in the containers of a workload.
type Run struct {
	Namespace  string
	Workload   string // with its kind and namespace: Deployment shop/web
	Container  string
	Reference  string // as the containers name the image, in full where that can be
	Digest     string // as the runtime says it: of an index, a manifest or a configuration
	Platform   string // os/architecture of the nodes, "" when not known
	Containers int    // that run
}

// Ran is a run over time.
type Ran struct {
	Run
	Cluster     string    // its name
	First, Last time.Time // looks that found it
	Gone        time.Time // the first look that did not find it, zero while it runs

	cluster string
}

// Look is one look at what runs in a cluster.
type Look struct {
	Cluster string // what tells it from others
	Name    string
	At      time.Time
	Gap     string // why there may be more, "" when all pods were read
	Runs    []Run
	// Ended says whether it is known that something that is not in Runs does not run.
	Ended func(*Run) bool
}

// Looked is a cluster as it was last looked at.
type Looked struct {
	Cluster, Name string
	At            time.Time
	Gap           string
}

// keptRuns is how long it is remembered what ran, and does not any more.
const keptRuns = 400 * 24 * time.Hour

// Observe notes what runs in a cluster. It does nothing, and returns false, when a
// later look was noted.
func (s *Store) Observe(ctx context.Context, l *Look) (noted bool, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		noted = false
		var last int64
		err := tx.QueryRowContext(ctx, "SELECT at FROM look WHERE cluster = ?", l.Cluster).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || err == nil && last > l.At.Unix() {
			return err
		}
		noted = true
		if _, err := tx.ExecContext(ctx, "INSERT INTO look (cluster, name, at, gap) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (cluster) DO UPDATE SET name = ?2, at = ?3, gap = ?4",
			l.Cluster, l.Name, l.At.Unix(), l.Gap); err != nil {
			return err
		}
		if err := l.put(ctx, tx); err != nil {
			return err
		}
		return l.end(ctx, tx)
	})
	return noted && err == nil, err
}

// runKey tells the runs of a cluster apart.
type runKey struct{ workload, container, digest, platform string }

func (r *Run) key() runKey { return runKey{r.Workload, r.Container, r.Digest, r.Platform} }

func (l *Look) put(ctx context.Context, tx *sql.Tx) error {
	put, err := tx.PrepareContext(ctx, `INSERT INTO run (cluster, namespace, workload, container, digest, platform, reference, containers, first, last)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT DO UPDATE SET reference = ?7, containers = ?8, last = ?9, gone = NULL`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, r := range l.Runs {
		if _, err := put.ExecContext(ctx, l.Cluster, r.Namespace, r.Workload, r.Container, r.Digest, r.Platform, r.Reference, r.Containers, l.At.Unix()); err != nil {
			return err
		}
	}
	return nil
}

// end marks what does not run any more, and forgets what has not for long.
func (l *Look) end(ctx context.Context, tx *sql.Tx) error {
	runs, err := loadRuns(ctx, tx, l.Cluster)
	if err != nil {
		return err
	}
	there := map[runKey]bool{}
	for i := range l.Runs {
		there[l.Runs[i].key()] = true
	}
	for i := range runs {
		r := &runs[i]
		if !r.Gone.IsZero() || there[r.key()] || !l.Ended(&r.Run) {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE run SET gone = ?, containers = 0 WHERE cluster = ? AND workload = ? AND container = ? AND digest = ? AND platform = ?",
			l.At.Unix(), l.Cluster, r.Workload, r.Container, r.Digest, r.Platform); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM run WHERE cluster = ? AND gone < ?", l.Cluster, l.At.Add(-keptRuns).Unix())
	return err
}

// Looks lists the clusters that were looked at, by name.
func (s *Store) Looks(ctx context.Context) (all []Looked, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		all, err = looks(ctx, tx)
		return err
	})
	return all, err
}

func looks(ctx context.Context, tx *sql.Tx) ([]Looked, error) {
	rows, err := tx.QueryContext(ctx, "SELECT cluster, name, at, gap FROM look ORDER BY name, cluster")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Looked
	for rows.Next() {
		var l Looked
		var at int64
		if err := rows.Scan(&l.Cluster, &l.Name, &at, &l.Gap); err != nil {
			return nil, err
		}
		l.At = time.Unix(at, 0)
		all = append(all, l)
	}
	return all, rows.Err()
}

// ForgetCluster drops what ran in clusters of a name, and says whether there were any.
func (s *Store) ForgetCluster(ctx context.Context, name string) (bool, error) {
	var n int64
	err := s.change(ctx, func(tx *sql.Tx) error {
		gone, err := tx.ExecContext(ctx, "DELETE FROM look WHERE name = ?", name)
		if err == nil {
			n, err = gone.RowsAffected()
		}
		return err
	})
	return n > 0, err
}

// loadRuns gives the runs of a cluster, of all when it is "".
func loadRuns(ctx context.Context, tx *sql.Tx, cluster string) ([]Ran, error) {
	rows, err := tx.QueryContext(ctx, `SELECT cluster, name, namespace, workload, container, digest, platform, reference, containers, first, last, gone
		FROM run JOIN look USING (cluster) WHERE ?1 = '' OR cluster = ?1 ORDER BY name, cluster, workload, container, first, digest, platform`, cluster)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Ran
	for rows.Next() {
		var r Ran
		var first, last int64
		var gone sql.NullInt64
		if err := rows.Scan(&r.cluster, &r.Cluster, &r.Namespace, &r.Workload, &r.Container, &r.Digest, &r.Platform, &r.Reference, &r.Containers, &first, &last, &gone); err != nil {
			return nil, err
		}
		r.First, r.Last, r.Gone = time.Unix(first, 0), time.Unix(last, 0), timeOf(gone)
		all = append(all, r)
	}
	return all, rows.Err()
}
