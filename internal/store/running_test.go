package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleetBench is a store and a clock for looks at one cluster.
type fleetBench struct {
	t *testing.T
	s *Store
	c *clock
}

func newFleetBench(t *testing.T) *fleetBench {
	c := &clock{time.Unix(1_800_000_000, 0)}
	return &fleetBench{t, open(t, t.TempDir(), Options{Now: c.now}), c}
}

func web(digest, platform string) Run {
	return Run{Namespace: "shop", Workload: "Deployment shop/web", Container: "web", Reference: "registry.example/web:1", Digest: digest, Platform: platform, Containers: 2}
}

// look looks a day later.
func (b *fleetBench) look(runs ...Run) { b.lookWith(func(*Run) bool { return true }, runs...) }

func (b *fleetBench) lookWith(ended func(*Run) bool, runs ...Run) {
	b.t.Helper()
	b.c.at = b.c.at.AddDate(0, 0, 1)
	if noted, err := b.s.Observe(b.t.Context(), &Look{Cluster: "1", Name: "dev", At: b.c.at, Runs: runs, Ended: ended}); err != nil || !noted {
		b.t.Fatal(noted, err)
	}
}

// see notes an image of a platform under an index.
func (b *fleetBench) see(config, platform, index string, judged Judged, found ...Finding) {
	b.t.Helper()
	_, err := b.s.See(b.t.Context(), Sighting{"registry.example/web:1", platform, config, "manifest of " + config, index}, "1", func() ([]byte, error) { return []byte("{}"), nil })
	if err == nil {
		_, err = b.s.Match(b.t.Context(), config, found, judged)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// text writes what is told of what runs.
func (b *fleetBench) text() string {
	b.t.Helper()
	r, err := b.s.Running(b.t.Context(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	var parts []string
	for _, m := range r.Images {
		for _, f := range m.Findings {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s has %s %s", m.Config, f.Vulnerability, f.FixedIn)))
		}
		if len(m.Findings) == 0 {
			parts = append(parts, m.Config+" clean")
		}
	}
	for _, x := range r.Unread {
		parts = append(parts, "unread "+x.Digest)
	}
	for _, g := range r.Gone {
		parts = append(parts, fmt.Sprintf("gone %s on day %d", g.Vulnerability, int(g.From.Gone.Sub(time.Unix(1_800_000_000, 0)).Hours()/24)))
	}
	for _, o := range r.Open {
		parts = append(parts, fmt.Sprintf("open %s in %s", o.Findings[0].Vulnerability, o.Run.Digest))
	}
	return strings.Join(parts, "; ")
}

func (b *fleetBench) want(text string) {
	b.t.Helper()
	if got := b.text(); got != text {
		b.t.Errorf("%q, want %q", got, text)
	}
}

// TestRunning follows a vulnerability from the tag that mends it to the last
// container that has it.
func TestRunning(t *testing.T) {
	b := newFleetBench(t)
	zlib, other := finding("zlib", "1", "CVE-1", "2"), finding("zlib", "1", "CVE-2", "")
	b.look(web("index1", "linux/amd64"))
	b.want("unread index1")
	b.see("A", "linux/amd64", "index1", Judged{}, zlib, other)
	b.see("arm", "linux/arm64/v8", "index1", Judged{}, zlib)
	b.want("A has CVE-1; A has CVE-2") // by the platform of the node
	b.see("B", "linux/amd64", "index2", Judged{}, other)
	b.want("A has CVE-1 B; A has CVE-2")
	b.look(web("index1", "linux/amd64"), web("manifest of B", "linux/amd64"))
	b.want("A has CVE-1 B; A has CVE-2; B has CVE-2")
	b.lookWith(func(*Run) bool { return false }, web("manifest of B", "linux/amd64"))
	b.want("A has CVE-1 B; A has CVE-2; B has CVE-2") // not all was read
	b.look(web("B", "linux/amd64"))
	b.want("B has CVE-2; gone CVE-1 on day 4")
	h, err := b.s.History(t.Context(), "registry.example/web:1", "linux/amd64")
	if err != nil || len(h.Courses) != 2 || len(h.Looks) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	for _, c := range h.Courses {
		if gone := c.Vulnerability == "CVE-1"; c.Running.Gone.IsZero() == gone || (len(c.Running.Runs) == 0) != gone {
			t.Errorf("%+v", c)
		}
	}
	b.look()
	b.want("gone CVE-2 on day 5; gone CVE-1 on day 4")
	b.look(web("A", "linux/amd64")) // rolled back
	b.want("A has CVE-1 B; A has CVE-2")
	if known, err := b.s.ForgetCluster(t.Context(), "dev"); err != nil || !known {
		t.Error(known, err)
	}
	b.want("")
}

// TestRunningNotKnown runs images that were not read or not judged in the place of
// one with a vulnerability: it is not gone, and not there.
func TestRunningNotKnown(t *testing.T) {
	zlib := finding("zlib", "1", "CVE-1", "2")
	for name, x := range map[string]struct {
		next Judged
		read bool
		want string
	}{
		"not read":            {Judged{}, false, "unread B; open CVE-1 in B"},
		"read":                {Judged{}, true, "B clean; gone CVE-1 on day 2"},
		"no data on it":       {Judged{NoData: []string{"Debian"}}, true, "B clean; open CVE-1 in B"},
		"another system":      {Judged{NoData: []string{"Ubuntu"}}, true, "B clean; open CVE-1 in B"},
		"no data on another":  {Judged{NoData: []string{"npm"}}, true, "B clean; gone CVE-1 on day 2"},
		"read in part":        {Judged{Partly: true}, true, "B clean; open CVE-1 in B"},
		"undecided":           {Judged{Undecided: []Key{{"Debian", "zlib", "2", "CVE-1"}}}, true, "B clean; open CVE-1 in B"},
		"another one is open": {Judged{Undecided: []Key{{"Debian", "zlib", "2", "CVE-2"}}}, true, "B clean; gone CVE-1 on day 2"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFleetBench(t)
			b.see("A", "linux/amd64", "", Judged{}, zlib)
			b.look(web("A", ""))
			if x.read {
				b.see("B", "linux/amd64", "", x.next)
			}
			b.look(web("B", ""))
			b.want(x.want)
			h, err := b.s.History(t.Context(), "registry.example/web:1", "linux/amd64")
			if err != nil {
				t.Fatal(err)
			}
			if gone := strings.Contains(x.want, "gone"); len(h.Courses) != 1 || h.Courses[0].Running.Gone.IsZero() == gone || x.read && h.Courses[0].Open == gone {
				t.Errorf("%+v", h.Courses)
			}
		})
	}
}

// TestLooksInOrder ignores a look from before the last one, and keeps digests that a
// tag has no more.
func TestLooksInOrder(t *testing.T) {
	b := newFleetBench(t)
	b.see("A", "linux/amd64", "index1", Judged{}, finding("zlib", "1", "CVE-1", ""))
	b.see("A", "linux/amd64", "index2", Judged{}, finding("zlib", "1", "CVE-1", "")) // another platform was built anew
	b.look(web("index1", "linux/amd64"))
	b.want("A has CVE-1")
	early := &Look{Cluster: "1", Name: "dev", At: b.c.at.Add(-time.Hour), Ended: func(*Run) bool { return true }}
	if noted, err := b.s.Observe(t.Context(), early); noted || err != nil {
		t.Error(noted, err)
	}
	b.want("A has CVE-1")
	early.Cluster = "2" // another one of that name
	if noted, err := b.s.Observe(t.Context(), early); !noted || err != nil {
		t.Error(noted, err)
	}
	b.want("A has CVE-1")
	if r, err := b.s.Running(t.Context(), "2"); err != nil || len(r.Looks) != 1 || len(r.Images) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRunningAtRandom rolls images of random findings out to random workloads: what
// is told to run is what the last look found, and what is gone is what a workload
// had and has no more.
func TestRunningAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := newFleetBench(t)
		has := map[string][]string{}
		for i := range 4 {
			config := fmt.Sprint("I", i)
			var found []Finding
			for k := range 4 {
				if r.IntN(2) == 0 {
					id := fmt.Sprint("CVE-", k)
					found, has[config] = append(found, finding("zlib", "1", id, "")), append(has[config], id)
				}
			}
			b.see(config, "linux/amd64", "", Judged{}, found...)
		}
		now, had := map[string][]string{}, map[string]map[string]bool{}
		for range 6 {
			var runs []Run
			clear(now)
			for w := range 3 {
				run := web("", "linux/amd64")
				run.Workload = fmt.Sprint("Deployment shop/", w)
				if had[run.Workload] == nil {
					had[run.Workload] = map[string]bool{}
				}
				for _, i := range r.Perm(4)[:r.IntN(3)] {
					run.Digest = fmt.Sprint("I", i)
					runs = append(runs, run)
					for _, id := range has[run.Digest] {
						now[run.Workload], had[run.Workload][id] = append(now[run.Workload], id), true
					}
				}
			}
			b.look(runs...)
		}
		got, err := b.s.Running(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		gone := map[string]bool{}
		for _, g := range got.Gone {
			gone[g.From.Workload+" "+g.Vulnerability] = true
		}
		runs := map[string]bool{}
		for _, m := range got.Images {
			for _, run := range m.Runs {
				for _, f := range m.Findings {
					runs[run.Workload+" "+f.Vulnerability] = true
				}
			}
		}
		for workload, ids := range had {
			for id := range ids {
				if at, there := workload+" "+id, slices.Contains(now[workload], id); runs[at] != there || gone[at] == there {
					t.Fatalf("%s: there %v, told to run %v and gone %v", at, there, runs[at], gone[at])
				}
			}
		}
		if len(got.Unread)+len(got.Open) > 0 {
			t.Fatalf("%+v", got)
		}
	}
}

// TestOlderStore opens a store from before what runs was remembered.
func TestOlderStore(t *testing.T) {
	dir := t.TempDir()
	now := migrations
	migrations = now[:3]
	defer func() { migrations = now }()
	s := open(t, dir, Options{})
	if _, err := s.db.Exec(`INSERT INTO image (id, config, platform, version, inventory, found, first, last, unjudged) VALUES (7, 'A', 'linux/amd64', '1', '{}', 'x', 1, 1, 'no data on npm');
		INSERT INTO sighting VALUES ('registry.example/web:1', 'linux/amd64', 7, 'manifest', 'index', 1, 1, 1);
		INSERT INTO finding VALUES (7, 'Debian', 'zlib', '1', 'CVE-1', 'high', 'fixed', '2', 1, 1, NULL)`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	migrations = now
	b := &fleetBench{t, open(t, dir, Options{}), &clock{time.Unix(1_800_000_000, 0)}}
	b.look(web("index", "linux/amd64"))
	b.want("A has CVE-1")
	b.see("B", "linux/amd64", "index2", Judged{})
	b.look(web("index2", "linux/amd64"))
	b.want("B clean; gone CVE-1 on day 2")
}
