package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// usedAgain is how old the time of the last use may grow before it is written
// again, so that reading mostly writes nothing.
const usedAgain = time.Hour

// Get returns what is cached under a key. What cannot be read is not there, and
// the reason is in [Store.Err].
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool) {
	var value []byte
	var used int64
	err := s.db.QueryRowContext(ctx, "SELECT value, used FROM cache WHERE key = ?", key).Scan(&value, &used)
	if err != nil {
		if !errors.Is(err, sql.ErrNoRows) {
			s.failed(err)
		}
		return nil, false
	}
	if now := s.now().Unix(); now-used >= int64(usedAgain/time.Second) {
		s.failed(s.changeCache(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE cache SET used = ? WHERE key = ?", now, key)
			return err
		}))
	}
	return value, true
}

// Put caches a value, and drops others where there would be too much. One that
// cannot be written is not there, and the reason is in [Store.Err].
func (s *Store) Put(ctx context.Context, key string, value []byte) {
	size := int64(len(key) + len(value))
	if size > s.most/4 {
		return
	}
	s.failed(s.changeCache(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO cache (key, value, size, used) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, size = excluded.size, used = excluded.used",
			key, append([]byte{}, value...), size, s.now().Unix()); err != nil {
			return err
		}
		var total int64
		if err := tx.QueryRowContext(ctx, "SELECT SUM(size) FROM cache").Scan(&total); err != nil || total <= s.most {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM cache WHERE rowid IN (SELECT rowid FROM
			(SELECT rowid, SUM(size) OVER (ORDER BY used DESC, rowid DESC) AS kept FROM cache) WHERE kept > ?)`, s.most/10*9)
		return err
	}))
}
