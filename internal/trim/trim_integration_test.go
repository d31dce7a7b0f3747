//go:build integration && linux && (amd64 || arm64)

package trim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Real programs in real containers are watched, trimmed, and do all that they did. Of
// what an attacker could do by system calls and capabilities four fifths are gone.
func TestTrimmedContainersWork(t *testing.T) {
	requireContainers(t)
	for _, c := range []struct {
		name    string
		program string // which is installed as the one that runs
		args    []string
		use     func(*container) error
	}{
		{"database", "redis-check-rdb", []string{"/usr/bin/redis-server", "--port", "0", "--unixsocket", "/shared/socket", "--dir", "/shared", "--save", "", "--appendonly", "yes"}, func(c *container) error {
			_ = os.Remove(filepath.Join(c.dir, "shared/socket")) // of the start before
			files := filepath.Join(c.dir, "shared/appendonlydir/appendonly.aof.manifest")
			if err := c.exchange("SET a 1\r\nGET a\r\n", "+OK\r\n$1\r\n1\r\n"); err != nil {
				return err
			}
			before, err := os.ReadFile(files)
			if err != nil {
				return err
			}
			return errors.Join(c.exchange("BGREWRITEAOF\r\n", "+Background append only file rewriting started\r\n"), eventually(func() error {
				if after, err := os.ReadFile(files); err != nil || string(after) == string(before) {
					return errors.Join(errors.New("the files were not written anew"), err)
				}
				return nil
			}))
		}},
		{"queue worker", "busybox", []string{"/usr/bin/busybox", "sh", "-c",
			`while :; do for f in /shared/in-*; do [ -e "$f" ] && busybox sort "$f" > /shared/sorted && busybox rm "$f"; done; busybox sleep 0.1; done`}, func(c *container) error {
			_ = os.Remove(filepath.Join(c.dir, "shared/sorted"))
			if err := os.WriteFile(filepath.Join(c.dir, "shared/in-1"), []byte("b\na\n"), 0o600); err != nil {
				return err
			}
			return c.holds("sorted", "a\nb\n")
		}},
		{"scheduled job", "sqlite3", []string{"/usr/bin/sqlite3", "/shared/base", "create table if not exists t(a); insert into t values(41); insert into t select a+1 from t; select 'sum '||sum(a) from t;", ".output /shared/report", "select 'done '||max(a) from t;"}, func(c *container) error {
			_ = os.Remove(filepath.Join(c.dir, "shared/report"))
			return c.holds("report", "done 4")
		}},
		{"text filter", "gawk", []string{"/usr/bin/gawk", `BEGIN { while (i++ < 600) { while ((getline line < "/shared/words") > 0) print toupper(line) > "/shared/upper"; close("/shared/words"); close("/shared/upper"); system(""); t = systime(); while (systime() == t && j++ % 100000) ; } }`}, func(c *container) error {
			_ = os.Remove(filepath.Join(c.dir, "shared/upper"))
			if err := os.WriteFile(filepath.Join(c.dir, "shared/words"), []byte("privilege\n"), 0o600); err != nil {
				return err
			}
			return c.holds("upper", "PRIVILEGE")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newContainer(t, c.args...)
			b.install(t, c.program, c.args[0])
			use := func() error { return c.use(b) }
			bundle, err := ReadBundle(b.config)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := Make(b.watched(t, use), bundle.Grant())
			if err != nil {
				t.Fatal(err)
			}
			if plan.Lacking != "" || len(plan.Left) > 0 || len(plan.Cuts) != 3 || plan.Replayed == 0 {
				t.Fatalf("%s: %+v %+v, %d replayed", plan.Lacking, plan.Cuts, plan.Left, plan.Replayed)
			}
			if b.config, err = bundle.Apply(&plan.After); err != nil {
				t.Fatal(err)
			}
			if err := b.while(t, use); err != nil {
				t.Errorf("trimmed it does not work: %v\n%v", err, plan.After.Calls.names())
			}
			t.Logf("%d system calls, capabilities %v; of %d acts %d remain: %v", len(plan.After.Calls.Allowed), plan.After.Capabilities, len(plan.Possible), len(plan.Remain), actNames(plan.Remain))
			if len(plan.Possible) < 20 || len(plan.Remain)*5 > len(plan.Possible) {
				t.Errorf("of %d acts %d remain: %v", len(plan.Possible), len(plan.Remain), actNames(plan.Remain))
			}
			b.lacks(t, plan, use)
		})
	}
}

func actNames(acts []Act) (names []string) {
	for _, a := range acts {
		names = append(names, a.Name)
	}
	return names
}

// lacks takes one call more than the plan, which the program cannot do without: so the
// filter is one that counts.
func (c *container) lacks(t *testing.T, plan *Plan, use func() error) {
	t.Helper()
	less := plan.After.clone()
	less.Calls = &Filter{Allowed: map[string]bool{}}
	for name := range plan.After.Calls.Allowed {
		less.Calls.Allowed[name] = !strings.HasPrefix(name, "open")
		if !less.Calls.Allowed[name] {
			delete(less.Calls.Allowed, name)
		}
	}
	bundle, err := ReadBundle(c.config)
	if err != nil {
		t.Fatal(err)
	}
	if c.config, err = bundle.Apply(&less); err != nil {
		t.Fatal(err)
	}
	out, err := c.run(t)
	if err == nil {
		t.Errorf("without openat it runs all the same: %s", out)
	}
}

// A bundle that is narrowed is the same but for the grant.
func TestBundleStaysTheSame(t *testing.T) {
	c := newContainer(t, "/bin/test")
	b, err := ReadBundle(c.config)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Grant()
	out, err := b.Apply(&g)
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	if err := errors.Join(json.Unmarshal(c.config, &before), json.Unmarshal(out, &after)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("%v\n%v", before, after)
	}
}
