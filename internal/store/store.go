// Package store keeps on disk what was learned of images: results, so that what is
// known by its content is not read again, and which images were seen with which
// vulnerabilities and when. And what containers were seen to do.
//
// It is one SQLite database in a directory of the user. Several processes may use
// it at the same time. What the process acknowledged is there after it was killed,
// and what is there is whole. Sightings, findings, behavior and what runs are on disk when they
// are acknowledged, and so survive a loss of power; of what is cached, which can be
// read anew, the last seconds may be missing then.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Options say how a store is used.
type Options struct {
	// MostCached bounds the results that are cached, in bytes; 0 means 1 GiB. Those
	// that were not used for the longest time go first.
	MostCached int64
	// Now is the clock. Nil means the system's.
	Now func() time.Time
}

// Store is an opened store. It is safe for concurrent use.
type Store struct {
	db   *sql.DB
	most int64
	now  func() time.Time

	mu  sync.Mutex
	err error
}

const (
	fileName      = "store.db"
	patience      = 3 * time.Second // a process that has to wait longer goes on without the store
	applicationID = 0x756c6c67      // "ullg", which file(1) and we know the database by
)

// Open opens the store in a directory, and makes both where they are missing. A
// file that is there and is no store, or one of a newer version, is an error and
// stays as it is.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	path := filepath.Join(dir, fileName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	// SQLite would let everybody read it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{most: o.MostCached, now: o.Now}
	if s.most == 0 {
		s.most = 1 << 30
	}
	if s.now == nil {
		s.now = time.Now
	}
	settings := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()), "synchronous(FULL)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	if s.db, err = sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: settings.Encode()}).String()); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s.db.SetMaxOpenConns(1)
	if err := s.prepareWhenFree(ctx); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, errors.Join(err, s.db.Close()))
	}
	return s, nil
}

// Exists says whether there is a store in a directory.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, fileName))
	return !errors.Is(err, fs.ErrNotExist)
}

// Close closes the store.
func (s *Store) Close() error { return s.db.Close() }

// Err is the first error of those functions that go on without the store, such as
// a full disk.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Store) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && err != nil && !errors.Is(err, context.Canceled) {
		s.err = fmt.Errorf("store: %w", err)
	}
}

// prepareWhenFree prepares, and waits for others. SQLite itself does not wait where
// it changes the journal of a new file, or while another process is the last to
// close it.
func (s *Store) prepareWhenFree(ctx context.Context) error {
	last := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause *= 2 {
		err := s.prepare(ctx)
		var busy *sqlite.Error
		if !errors.As(err, &busy) || busy.Code()&0xff != lib.SQLITE_BUSY || time.Now().Add(pause).After(last) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// prepare makes the tables that are missing, and refuses what is no store.
func (s *Store) prepare(ctx context.Context) error {
	from, err := version(ctx, s.db)
	if err != nil || from == len(migrations) {
		return err
	}
	if from == 0 {
		if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
			return err
		}
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		from, err := version(ctx, tx) // another process may have been faster
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, strings.Join(migrations[from:], "")+fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, len(migrations)))
		return err
	})
}

// version says how many migrations a database has seen.
func version(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (int, error) {
	var application, version, tables int
	const ask = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT COUNT(*) FROM sqlite_schema)"
	if err := db.QueryRowContext(ctx, ask).Scan(&application, &version, &tables); err != nil {
		return 0, err
	}
	switch {
	case application == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, errors.New("it is the database of another program")
	case version > len(migrations):
		return 0, fmt.Errorf("it has version %d, and this program knows version %d at most", version, len(migrations))
	}
	return version, nil
}

// view reads at one state of the store. It waits for nobody who changes it, and nobody for
// it.
func (s *Store) view(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(do(tx), tx.Rollback())
}

// change does something wholly or not at all.
func (s *Store) change(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// changeCache is change for what can be read anew: it does not wait for the disk.
func (s *Store) changeCache(ctx context.Context, do func(*sql.Tx) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		return err
	}
	defer func() { // also when the caller gave up: the next change is to be on disk
		_, restored := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous = FULL")
		err = errors.Join(err, restored)
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
