package store

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/behavior"
)

// writeUntilKilled writes for ever: for each number an image with five findings, what
// runs it, what it does and a cached value, and says the number when all of it was acknowledged.
func writeUntilKilled(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		config := fmt.Sprint("image ", n)
		at := Sighting{Reference: "registry.example/web:1", Config: config, Manifest: "m" + config}
		if _, err := s.See(ctx, at, "1", func() ([]byte, error) { return []byte(config), nil }); err != nil {
			return err
		}
		var found []Finding
		for k := range 5 {
			found = append(found, finding("zlib", "1", fmt.Sprint("CVE-", k), ""))
		}
		if _, err := s.Match(ctx, config, found, Judged{}); err != nil {
			return err
		}
		if _, err := s.Observe(ctx, &Look{Cluster: "1", Name: "dev", At: s.now(), Runs: []Run{web(config, "")}, Ended: func(*Run) bool { return true }}); err != nil {
			return err
		}
		b := behavior.New(shopWeb(""))
		b.Coverage.Watch(behavior.Interval{Replica: config, Session: "1", From: heard + behavior.Moment(n), To: heard + behavior.Moment(n)})
		deed := behavior.Observation{Kind: behavior.Resolve, Program: behavior.File{Path: "/bin/web"}, Name: fmt.Sprintf("n%d.example", n)}
		b.Observe(deed.Fact(), behavior.SeenAt(heard, config, ""))
		if err := s.Learn(ctx, b); err != nil {
			return err
		}
		s.Put(ctx, config, []byte(strings.Repeat("x", 5000)))
		if err := s.Err(); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilled kills a process in the middle of its writes, several times on one store:
// what it acknowledged is there, and of the rest all or nothing.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_WRITE"); dir != "" {
		t.Fatal(writeUntilKilled(dir))
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		dir := t.TempDir()
		cmd := exec.Command(program, "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "STORE_TEST_WRITE="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := -1
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			if acknowledged == 3+5*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if acknowledged < 3+5*round {
			t.Fatalf("it ended after %d", acknowledged)
		}
		whole(t, open(t, dir, Options{}), acknowledged)
	}
}

// whole holds a store to what was acknowledged.
func whole(t *testing.T, s *Store, acknowledged int) {
	t.Helper()
	var health string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&health); err != nil || health != "ok" {
		t.Fatalf("%s, %v", health, err)
	}
	seen, err := s.Seen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	matched := map[string]bool{}
	for _, x := range seen {
		if n := x.Found["high"]; x.Matched && n != 5 || !x.Matched && n != 0 {
			t.Errorf("%s has %d findings, matched %v", x.Config, n, x.Matched)
		}
		matched[x.Config] = x.Matched
	}
	runs := map[string]bool{}
	rows, err := s.db.Query("SELECT digest FROM run")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var digest string
		if err := rows.Scan(&digest); err != nil {
			t.Fatal(err)
		}
		runs[digest] = true
	}
	rows.Close()
	b, err := s.Behavior(t.Context(), shopWeb(""))
	if err != nil || b == nil {
		t.Fatalf("%v, %v", b, err)
	}
	if n := len(b.Coverage.Intervals()); n <= acknowledged || n > acknowledged+2 || b.Len() != n {
		t.Errorf("%d intervals and %d facts, %d acknowledged", n, b.Len(), acknowledged+1)
	}
	for n := range acknowledged + 1 {
		config := fmt.Sprint("image ", n)
		value, cached := s.Get(t.Context(), config)
		if !matched[config] || !runs[config] || !cached || len(value) != 5000 {
			t.Errorf("%s of %d was acknowledged: matched %v, ran %v, cached %v", config, acknowledged, matched[config], runs[config], cached)
		}
	}
	if len(seen) > acknowledged+2 {
		t.Errorf("%d images, %d acknowledged", len(seen), acknowledged+1)
	}
	images, err := s.Images(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range images {
		if string(x.Inventory) != x.Config {
			t.Errorf("%s has the inventory %q", x.Config, x.Inventory)
		}
	}
}

// TestDurability: what is cached does not wait for the disk, and all else does.
func TestDurability(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	mode := func(db interface {
		QueryRow(string, ...any) *sql.Row
	}) (n int) {
		if err := db.QueryRow("PRAGMA synchronous").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const normal, full = 1, 2
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.changeCache(ctx, func(tx *sql.Tx) error {
		if got := mode(tx); got != normal {
			t.Errorf("within the cache %d", got)
		}
		cancel()
		return ctx.Err()
	}); err == nil {
		t.Error("a change that failed did not")
	}
	if err := s.change(t.Context(), func(tx *sql.Tx) error {
		if got := mode(tx); got != full {
			t.Errorf("elsewhere %d", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
