package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a directory? #1 %2f")
	s := open(t, dir, Options{})
	if _, ok := s.Get(t.Context(), "a"); ok {
		t.Error("something is in a new store")
	}
	s.Put(t.Context(), "a", []byte("one"))
	s.Put(t.Context(), "a", []byte("two"))
	s.Put(t.Context(), "empty", nil)
	s = open(t, dir, Options{})
	for key, want := range map[string]string{"a": "two", "empty": ""} {
		if got, ok := s.Get(t.Context(), key); !ok || string(got) != want {
			t.Errorf("%s: %q, %v", key, got, ok)
		}
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, _ := d.Info(); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: others may use it: %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestEviction fills a store beyond its bound: what was used last stays.
func TestEviction(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	s := open(t, t.TempDir(), Options{MostCached: 100_000, Now: c.now})
	value := bytes.Repeat([]byte("x"), 1000)
	for i := range 500 {
		c.at = c.at.Add(2 * time.Hour)
		s.Put(t.Context(), fmt.Sprint(i), value)
		if _, ok := s.Get(t.Context(), "0"); !ok { // used all the time
			t.Fatalf("what is used was dropped at %d", i)
		}
	}
	s.Put(t.Context(), "large", bytes.Repeat(value, 30)) // more than a quarter
	var total, count int64
	if err := s.db.QueryRow("SELECT SUM(LENGTH(key) + LENGTH(value)), COUNT(*) FROM cache").Scan(&total, &count); err != nil {
		t.Fatal(err)
	}
	if total > 100_000 || count < 80 {
		t.Errorf("%d bytes in %d entries", total, count)
	}
	for i := 499; i > 420; i-- {
		if _, ok := s.Get(t.Context(), fmt.Sprint(i)); !ok {
			t.Errorf("%d is gone", i)
		}
	}
	if _, ok := s.Get(t.Context(), "200"); ok {
		t.Error("an old one is there")
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce opens one new store several times and writes from all sides.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			s, err := Open(context.Background(), dir, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for i := range 30 {
				key := fmt.Sprint(i)
				s.Put(context.Background(), key, []byte(strings.Repeat(key, 1000)))
				if got, ok := s.Get(context.Background(), key); !ok || string(got) != strings.Repeat(key, 1000) {
					t.Errorf("worker %d: %s is there: %v", worker, key, ok)
				}
			}
			if err := s.Err(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestWhatIsNoStore opens what it cannot use, and leaves it as it is.
func TestWhatIsNoStore(t *testing.T) {
	foreign := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(foreign, fileName))
	if err == nil {
		_, err = db.Exec("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	s := open(t, newer, Options{})
	if _, err := s.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	text := t.TempDir()
	if err := os.WriteFile(filepath.Join(text, fileName), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(text, fileName)
	for _, dir := range []string{foreign, newer, text, file} {
		before, _ := os.ReadFile(filepath.Join(dir, fileName))
		if s, err := Open(t.Context(), dir, Options{}); err == nil {
			s.Close()
			t.Errorf("%s was opened", dir)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, fileName)); !bytes.Equal(before, after) {
			t.Errorf("%s was changed", dir)
		}
	}
}

// TestDamage overwrites parts of the file: it is noticed or it is not, and nothing
// worse happens. What is cached has checksums of its own.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 50 {
		s.Put(t.Context(), fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 5000))
	}
	s.Close()
	path := filepath.Join(dir, fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	told := 0
	for range 40 {
		b := bytes.Clone(whole)
		for range 1 + r.IntN(4) {
			at := r.IntN(len(b) - 600)
			for i := range 512 {
				b[at+i] = byte(r.Uint32())
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			told++
			continue
		}
		for i := range 50 {
			s.Get(t.Context(), fmt.Sprint(i))
		}
		if s.Err() != nil {
			told++
		}
		s.Close()
	}
	if told == 0 {
		t.Error("no damage was noticed")
	}
}

// TestReadsWaitForNobody reads while another one is in the middle of a change.
func TestReadsWaitForNobody(t *testing.T) {
	dir := t.TempDir()
	writer, reader := open(t, dir, Options{}), open(t, dir, Options{})
	if _, err := writer.See(t.Context(), Sighting{Reference: "web:1", Platform: "linux/amd64", Config: "sha256:1"}, "1", func() ([]byte, error) { return []byte("{}"), nil }); err != nil {
		t.Fatal(err)
	}
	err := writer.change(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), "DELETE FROM sighting"); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience/2) // a change would wait that long for this one
		defer cancel()
		if seen, err := reader.Seen(ctx); err != nil || len(seen) != 1 {
			t.Errorf("Seen: %v, %v", seen, err)
		}
		images, err := reader.Images(ctx, false)
		if err != nil || len(images) != 1 {
			t.Errorf("Images: %v, %v", images, err)
		}
		_, err1 := reader.Running(ctx, "")
		_, err2 := reader.Lives(ctx, "sha256:1")
		_, err3 := reader.History(ctx, "web:1", "linux/amd64")
		_, err4 := reader.Difference(ctx, "sha256:1", "sha256:1")
		return errors.Join(err1, err2, err3, err4)
	})
	if err != nil {
		t.Error(err)
	}
	if seen, err := reader.Seen(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("after the change: %v, %v", seen, err)
	}
}
