package advisory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// TestMain lets the test program be an update that a test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ADVISORY_TEST_UPDATE"); dir != "" {
		feeds, err := Feeds(testFeeds, os.Getenv("ADVISORY_TEST_MIRROR"), nil)
		if err == nil {
			_, err = (&Store{Dir: dir}).Update(context.Background(), Options{Feeds: feeds, Now: noon})
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// found lists the matches of one package in a database.
func found(t *testing.T, s *Store, p vuln.Package, r vuln.Release) string {
	t.Helper()
	p.Owner = -1
	result, err := vuln.Run([]vuln.Package{p}, r, opened(t, s))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range result.Matches {
		list = append(list, strings.TrimSpace(m.ID+" "+string(m.State)+" "+m.Fixed))
	}
	for _, scope := range result.NoData {
		list = append(list, "no data "+scope)
	}
	return strings.Join(list, ", ")
}

// TestGolden matches real records; the reasons stand beside them.
func TestGolden(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	full(t).update(t, s, noon, testFeeds...)
	debian := vuln.Release{ID: "debian", Version: "12"}
	for _, c := range []struct {
		ecosystem, name, version string
		release                  vuln.Release
		want                     string
	}{
		// GO-2023-2102: stdlib [0, 1.20.10) and [1.21.0-0, 1.21.3); x/net [0, 0.17.0).
		{"Go", "stdlib", "1.20.9", debian, "CVE-2023-39325 fixed 1.20.10"},
		{"Go", "stdlib", "1.20.10", debian, ""},                                // the fix of the first range
		{"Go", "stdlib", "1.21.0-rc.2", debian, "CVE-2023-39325 fixed 1.21.3"}, // 1.21.0-0 is before every pre-release of 1.21
		{"Go", "stdlib", "go1.21.2", debian, "CVE-2023-39325 fixed 1.21.3"},    // as binaries name it
		{"Go", "golang.org/x/net", "v0.16.0", debian, "CVE-2023-39325 fixed 0.17.0"},
		{"Go", "golang.org/x/net", "v0.17.0", debian, ""},
		{"Go", "golang.org/x/net", "v0.0.0-20220101000000-abcdef123456", debian, "CVE-2023-39325 fixed 0.17.0"}, // a pseudo-version is a pre-release of 0.0.0
		// GO-2026-5919: v1 of the module never fixed, v2 with four ranges.
		{"Go", "github.com/Coder/coder", "v0.27.3", debian, "CVE-2026-55437 not fixed"}, // nobody can have the other case
		{"Go", "github.com/coder/coder", "v0.27.3", debian, "CVE-2026-55437 not fixed"},
		{"Go", "github.com/coder/coder/v2", "v2.31.0", debian, "CVE-2026-55437 fixed 2.32.7"},
		{"Go", "github.com/coder/coder/v2", "v2.29.20", debian, ""}, // between 2.29.17 and 2.30.0
		{"Go", "k8s.io/kubernetes", "v1.20.0", debian, ""},          // GO-2022-0617 was withdrawn
		// PYSEC-2023-74: [2.3.0, 2.31.0); its GIT range says nothing about releases.
		{"PyPI", "requests", "2.28.1", debian, "CVE-2023-32681 fixed 2.31.0"},
		{"PyPI", "Requests", "2.31.0", debian, ""},
		{"PyPI", "requests", "2.2.1", debian, ""},
		{"PyPI", "requests", "2.31.0rc1", debian, "CVE-2023-32681 fixed 2.31.0"}, // a candidate is before the release
		// PYSEC-2023-159: [6.0, 6.2) and [0, 5.4).
		{"PyPI", "RestrictedPython", "5.4", debian, ""},
		{"PyPI", "RestrictedPython", "6.1", debian, "CVE-2023-41039 fixed 6.2"},
		{"PyPI", "RestrictedPython", "5.3a1.dev0", debian, "CVE-2023-41039 fixed 5.4"},
		// The tracker: 2023-5363 was fixed in 3.0.11-1~deb12u2, 2024-2511 in 3.0.14; 2010-0928 stays open.
		{"Debian", "openssl", "3.0.11-1~deb12u2", debian, "CVE-2024-2511 fixed 3.0.14-1~deb12u1, CVE-2010-0928 will not fix"},
		{"Debian", "openssl", "3.0.11-1~deb12u1", debian, "CVE-2023-5363 fixed 3.0.11-1~deb12u2, CVE-2024-2511 fixed 3.0.14-1~deb12u1, CVE-2010-0928 will not fix"},
		{"Debian", "openssl", "1.1.1w-0+deb11u1", vuln.Release{ID: "debian", Version: "11"}, ""},                         // bullseye is not affected
		{"Debian", "openssl", "3.0.11-1~deb12u2", vuln.Release{ID: "debian", Version: "10"}, "no data Debian:10"},        // never zero
		{"Alpine", "openssl", "3.3.0-r2", vuln.Release{ID: "alpine", Version: "3.20.1"}, "CVE-2024-5535 fixed 3.3.1-r1"}, // 4603 is fixed in r2 itself
		{"Alpine", "openssl", "3.3.0-r1", vuln.Release{ID: "alpine", Version: "3.20.1"}, "CVE-2024-4603 fixed 3.3.0-r2, CVE-2024-5535 fixed 3.3.1-r1"},
	} {
		p := vuln.Package{Ecosystem: c.ecosystem, Name: c.name, Version: c.version}
		if got := found(t, s, p, c.release); got != c.want {
			t.Errorf("%s %s %s: %q, not %q", c.ecosystem, c.name, c.version, got, c.want)
		}
	}
	rec, err := opened(t, s).Record("CVE-2023-44487")
	if err != nil || rec.Exploited == nil || rec.Exploited.Added != "2023-10-10" || rec.Exploited.Ransomware || rec.EPSS == nil || rec.EPSS.Probability != 0.94423 {
		t.Errorf("CVE-2023-44487 is %+v, %v", rec, err)
	}
}

// TestTraps matches what is easily matched wrong.
func TestTraps(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	record := func(id, ecosystem, name, ranges, more string) [2]string {
		return [2]string{id + ".json", `{"id":"` + id + `","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"` + ecosystem + `","name":"` + name + `"},"ranges":[{"type":"ECOSYSTEM","events":[` + ranges + `]}]` + more + `}]}`}
	}
	const upTo2 = `{"introduced":"0"},{"fixed":"2.0.0"}`
	m.Put("osv/npm/all.zip", archive(t, record("GHSA-1", "npm", "lodash", upTo2, ""), record("GHSA-2", "npm", "@scope/x", upTo2, "")))
	m.Put("osv/Packagist/all.zip", archive(t, record("GHSA-3", "Packagist", "Vendor/Name", upTo2, "")))
	m.Put("osv/Maven/all.zip", archive(t, record("GHSA-4", "Maven", "org.example:library", `{"introduced":"0"},{"fixed":"2.0"}`, "")))
	m.Put("osv/Go/all.zip", archive(t,
		record("GO-1", "Go", "example.com/v0", `{"introduced":"0"},{"fixed":"2.0.0+incompatible"}`, ""),
		record("GO-2", "Go", "example.com/windows", `{"introduced":"0"}`, `,"ecosystem_specific":{"imports":[{"path":"x","goos":["windows"]}]}`),
		record("GO-3", "Go", "example.com/both", `{"introduced":"0"}`, `,"ecosystem_specific":{"imports":[{"path":"x","goos":["windows"]},{"path":"y"}]}`),
		record("GO-4", "Go", "stdlib", `{"introduced":"0"},{"fixed":"1.21.10"},{"introduced":"1.22.0-0"},{"fixed":"1.22.3"}`, ""),
		record("GO-5", "Go", "example.com/limit", `{"introduced":"0"},{"limit":"1.5.0"}`, "")))
	both := func(id, aliases string) [2]string {
		r := record(id, "PyPI", "both", upTo2, "")
		r[1] = strings.Replace(r[1], `"modified"`, `"aliases":[`+aliases+`],"modified"`, 1)
		return r
	}
	m.Put("osv/PyPI/all.zip", archive(t, both("GHSA-a", `"CVE-2026-1","PYSEC-1"`), both("PYSEC-1", ``), both("GHSA-b", ``), both("PYSEC-2", `"GHSA-b"`),
		both("PYSEC-3", `"CVE-2026-2","CVE-2026-3","GHSA-c"`), both("GHSA-c", ``)))
	m.Put("osv/crates.io/all.zip", archive(t,
		record("RUSTSEC-1", "crates.io", "unread", `{"introduced":"0"},{"fixed":"xyz"}`, ""),
		record("RUSTSEC-2", "crates.io", "unread-from", `{"introduced":"abc"},{"fixed":"2.0.0"}`, `,"versions":["1.0.0"]`),
		record("RUSTSEC-3", "crates.io", "partly", `{"introduced":"0"},{"fixed":"1.0.0"}]},{"type":"SEMVER","events":[{"introduced":"x"}`, ""),
		[2]string{"RUSTSEC-4.json", `{"id":"RUSTSEC-4","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"crates.io","name":"commits"},"ranges":[{"type":"GIT","repo":"https://git.example/a","events":[{"introduced":"0"}]}]}]}`}))
	m.Put("osv/Bitnami/all.zip", archive(t, record("BIT-1", "Bitnami", "nginx", `{"introduced":"0"},{"fixed":"1.25.3"}`, "")))
	m.update(t, s, noon, "osv/Bitnami", "osv/crates.io", "osv/npm", "osv/Packagist", "osv/Maven", "osv/Go", "osv/PyPI", "debian", "alpine/v3.20/main")
	debian, alpine := vuln.Release{ID: "debian", Version: "12"}, vuln.Release{ID: "alpine", Version: "3.20.1"}
	for _, c := range []struct {
		p       vuln.Package
		release vuln.Release
		want    string
	}{
		// What stands behind the version is the build of it.
		{vuln.Package{Ecosystem: "Bitnami", Name: "nginx", Version: "1.25.3-0"}, debian, ""},
		{vuln.Package{Ecosystem: "Bitnami", Name: "nginx", Version: "1.25.2-14"}, debian, "BIT-1 fixed 1.25.3"},
		// A binary rebuild: +b1 is of the binary package, the fix is in the source's version.
		{vuln.Package{Ecosystem: "Debian", Name: "libssl3", Version: "3.0.14-1~deb12u1+b1", Source: "openssl", SourceVersion: "3.0.14-1~deb12u1"}, debian, "CVE-2010-0928 will not fix"},
		{vuln.Package{Ecosystem: "Debian", Name: "libssl3", Version: "3.0.14-1~deb12u1+b1", Source: "openssl"}, debian, "CVE-2010-0928 will not fix"},
		// The binary package has a version of its own, with an epoch that its source has not.
		{vuln.Package{Ecosystem: "Debian", Name: "libfoo", Version: "9:1.0", Source: "openssl", SourceVersion: "3.0.11-1~deb12u2"}, debian, "CVE-2024-2511 fixed 3.0.14-1~deb12u1, CVE-2010-0928 will not fix"},
		// The source package is what counts, not a source package of the binary's name.
		{vuln.Package{Ecosystem: "Debian", Name: "openssl", Version: "3.0.11-1~deb12u1", Source: "openssl-other"}, debian, ""},
		{vuln.Package{Ecosystem: "Alpine", Name: "libssl3", Version: "3.3.0-r2", Source: "openssl"}, alpine, "CVE-2024-5535 fixed 3.3.1-r1"},
		{vuln.Package{Ecosystem: "npm", Name: "lodash", Version: "1.9.9"}, debian, "GHSA-1 fixed 2.0.0"},
		{vuln.Package{Ecosystem: "npm", Name: "@scope/x", Version: "2.0.0-rc.1"}, debian, "GHSA-2 fixed 2.0.0"},
		{vuln.Package{Ecosystem: "npm", Name: "x", Version: "1.0.0"}, debian, ""},
		{vuln.Package{Ecosystem: "Packagist", Name: "vendor/name", Version: "v1.2.3"}, debian, "GHSA-3 fixed 2.0.0"},
		{vuln.Package{Ecosystem: "Packagist", Name: "vendor/name", Version: "2.0.0-RC1"}, debian, "GHSA-3 fixed 2.0.0"},
		{vuln.Package{Ecosystem: "Maven", Name: "org.example:library", Version: "2.0-SNAPSHOT"}, debian, "GHSA-4 fixed 2.0"},
		{vuln.Package{Ecosystem: "Maven", Name: "org.example:library", Version: "2.0.0.Final"}, debian, ""},
		{vuln.Package{Ecosystem: "Go", Name: "example.com/v0", Version: "v1.5.0+incompatible"}, debian, "GO-1 fixed 2.0.0+incompatible"},
		{vuln.Package{Ecosystem: "Go", Name: "example.com/v0", Version: "v2.0.0+incompatible"}, debian, ""},
		{vuln.Package{Ecosystem: "Go", Name: "example.com/windows", Version: "v1.0.0"}, debian, ""}, // no code of it is built for Linux
		{vuln.Package{Ecosystem: "Go", Name: "example.com/both", Version: "v1.0.0"}, debian, "GO-3 not fixed"},
		{vuln.Package{Ecosystem: "Go", Name: "example.com/limit", Version: "v1.4.9"}, debian, "GO-5 not fixed"}, // a limit is no fix
		{vuln.Package{Ecosystem: "Go", Name: "example.com/limit", Version: "v1.5.0"}, debian, ""},
		// An alias holds both ways, but of what is on several vulnerabilities.
		{vuln.Package{Ecosystem: "PyPI", Name: "both", Version: "1.0.0"}, debian, "CVE-2026-1 fixed 2.0.0, CVE-2026-2 fixed 2.0.0, CVE-2026-3 fixed 2.0.0, GHSA-b fixed 2.0.0, GHSA-c fixed 2.0.0"},
		{vuln.Package{Ecosystem: "Go", Name: "stdlib", Version: "go1.22.2"}, debian, "GO-4 fixed 1.22.3"},
		{vuln.Package{Ecosystem: "Go", Name: "stdlib", Version: "1.22.3"}, debian, ""},
		{vuln.Package{Ecosystem: "Go", Name: "stdlib", Version: "1.22rc1"}, debian, "GO-4 fixed 1.22.3"},
		{vuln.Package{Ecosystem: "Go", Name: "stdlib", Version: "1.22.0"}, debian, "GO-4 fixed 1.22.3"},
		{vuln.Package{Ecosystem: "Go", Name: "stdlib", Version: "1.22"}, debian, "GO-4 fixed 1.22.3"}, // toolchains before 1.21 were named so
	} {
		if got := found(t, s, c.p, c.release); got != c.want {
			t.Errorf("%s %s %s: %q, not %q", c.p.Ecosystem, c.p.Name, c.p.Version, got, c.want)
		}
	}
	for _, c := range []struct{ name, version, match, undecided string }{
		{"unread", "1.0.0", "", "RUSTSEC-1"},
		{"unread-from", "1.0.0", "RUSTSEC-2 not fixed", ""}, // named one by one
		{"unread-from", "1.1.0", "", "RUSTSEC-2"},
		{"partly", "0.9.0", "RUSTSEC-3 fixed 1.0.0", ""},
		{"partly", "1.0.0", "", "RUSTSEC-3"},
		{"commits", "1.0.0", "", "RUSTSEC-4"},
	} {
		p := vuln.Package{Ecosystem: "crates.io", Name: c.name, Version: c.version, Owner: -1}
		r, err := vuln.Run([]vuln.Package{p}, debian, opened(t, s))
		var undecided []string
		for _, u := range r.Undecided {
			undecided = append(undecided, u.ID)
		}
		if got := found(t, s, p, debian); err != nil || strings.Join(undecided, ", ") != c.undecided || got != c.match {
			t.Errorf("%s %s: %q, undecided %q, %v; not %q and %q", c.name, c.version, got, undecided, err, c.match, c.undecided)
		}
	}
	branch := vuln.Package{Ecosystem: "Packagist", Name: "vendor/name", Version: "dev-main", Owner: -1}
	if r, err := vuln.Run([]vuln.Package{branch}, debian, opened(t, s)); err != nil || len(r.Matches) != 0 || len(r.Undecided) != 1 {
		t.Errorf("a branch is decided: %+v, %v", r, err)
	}
}

// TestRoundTrip is the life of a database: an update killed in the middle leaves
// the last one in place and the next goes on with it; changes, withdrawals and
// removals come through.
func TestRoundTrip(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	requests := vuln.Package{Ecosystem: "PyPI", Name: "requests", Version: "2.28.1"}
	m.update(t, s, noon, "osv/Go")
	before := read(t, s.Path())
	m.Asked()

	m.StallAt("osv/PyPI/all.zip")
	killUpdate(t, m, s)
	if !bytes.Equal(read(t, s.Path()), before) {
		t.Fatal("the killed update changed the database")
	}
	if got := found(t, s, requests, vuln.Release{}); got != "no data PyPI" {
		t.Errorf("after the kill: %q", got)
	}
	left, err := os.Stat(filepath.Join(s.Dir, "download", "osv_PyPI"))
	if err != nil || left.Size() == 0 {
		t.Fatalf("nothing is left of the download: %v", err)
	}

	m.StallAt("")
	m.Asked()
	m.update(t, s, noon, testFeeds...)
	asked := m.Asked()
	if want := fmt.Sprintf("/osv/PyPI/all.zip 206 bytes=%d-", left.Size()); !strings.Contains(asked, want) {
		t.Errorf("the download did not go on: no %q in\n%s", want, asked)
	}
	if got := found(t, s, requests, vuln.Release{}); got != "CVE-2023-32681 fixed 2.31.0" {
		t.Errorf("after the resumed update: %q", got)
	}

	// A record changes: only it is fetched.
	record := string(read(t, "testdata/osv/PyPI/PYSEC-2023-74.json"))
	at := noon.Add(time.Hour)
	changed := strings.Replace(record, `"fixed": "2.31.0"`, `"fixed": "2.32.9"`, 1)
	m.change("PyPI", "PYSEC-2023-74", changed, at)
	r := m.update(t, s, at, "osv/PyPI")
	if o := r.Outcomes[0]; !o.Changes || o.Read != 1 {
		t.Errorf("the change was not read alone: %+v", o)
	}
	if asked := m.Asked(); strings.Contains(asked, "all.zip") {
		t.Errorf("the whole feed was fetched for one record:\n%s", asked)
	}
	if got := found(t, s, requests, vuln.Release{}); got != "CVE-2023-32681 fixed 2.32.9" {
		t.Errorf("after the change: %q", got)
	}
	if got := found(t, s, vuln.Package{Ecosystem: "PyPI", Name: "restrictedpython", Version: "6.1"}, vuln.Release{}); got == "" {
		t.Error("a record that did not change is gone")
	}

	// It is withdrawn, and another one is new.
	at = at.Add(time.Hour)
	m.change("PyPI", "PYSEC-2023-74", strings.Replace(changed, `"id":`, `"withdrawn": "2026-11-20T13:30:00Z", "id":`, 1), at)
	m.update(t, s, at, "osv/PyPI")
	if got := found(t, s, requests, vuln.Release{}); got != "" {
		t.Errorf("after the withdrawal: %q", got)
	}
	if p := opened(t, s).Describe().Feed("osv/PyPI"); p.Records != 2 || p.Withdrawn != 1 {
		t.Errorf("the feed has %d records, %d withdrawn", p.Records, p.Withdrawn)
	}
	m.Asked()
	if r := m.update(t, s, at, "osv/PyPI"); r.Built || r.Outcomes[0].State != Unchanged {
		t.Errorf("nothing changed, and yet: %+v", r)
	}
}

// change puts a record and the list of changes on the mirror.
func (m *mirror) change(ecosystem, id, record string, at time.Time) {
	stamp := at.UTC().Format(time.RFC3339)
	i := strings.Index(record, `"modified": "`) + len(`"modified": "`)
	record = record[:i] + stamp + record[i+strings.Index(record[i:], `"`):]
	m.Put("osv/"+ecosystem+"/"+id+".json", []byte(record))
	m.Put("osv/"+ecosystem+"/modified_id.csv", []byte(stamp+","+id+"\n2023-09-05T16:32:17.658660Z,PYSEC-2023-159\n"))
}

// killUpdate starts an update as a process of its own and kills it while a download
// stands halfway.
func killUpdate(t *testing.T, m *mirror, s *Store) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ADVISORY_TEST_UPDATE="+s.Dir, "ADVISORY_TEST_MIRROR="+m.URL)
	m.Kill(t, cmd, filepath.Join(s.Dir, "download", "osv_PyPI"))
}

// TestFailures holds that whatever a server does, what was there stays.
func TestFailures(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	m.Put("osv/npm/all.zip", archive(t))
	if r := m.update(t, s, noon, "osv/npm"); r.Outcomes[0].State != Failed || r.Built {
		t.Errorf("an empty feed was taken: %+v", r)
	}
	m.update(t, s, noon, testFeeds...)
	before := read(t, s.Path())
	for name, break_ := range map[string]func(){
		"gone":      func() { m.Remove("osv/PyPI/all.zip") },
		"no zip":    func() { m.Put("osv/PyPI/all.zip", []byte("<html>not found</html>")) },
		"cut off":   func() { b := archive(t, records(t, "osv/PyPI")...); m.Put("osv/PyPI/all.zip", b[:len(b)-30]) },
		"empty":     func() { m.Put("osv/PyPI/all.zip", archive(t)) },
		"garbage":   func() { m.Put("osv/PyPI/all.zip", archive(t, [2]string{"a.json", "{"}, [2]string{"b.json", "[]"})) },
		"tiny json": func() { m.Put("osv/PyPI/all.zip", archive(t, [2]string{"a.json", `{"id":""}`})) },
	} {
		break_()
		r := m.update(t, s, noon.Add(30*24*time.Hour), "osv/PyPI")
		if o := r.Outcomes[0]; o.State != Failed || o.Err == nil || r.Built {
			t.Errorf("%s: %+v", name, o)
		}
		if !bytes.Equal(read(t, s.Path()), before) {
			t.Fatalf("%s: the database changed", name)
		}
	}
	// One feed fails, the other one comes in.
	m.Put("debian/tracker.json", []byte(`{"openssl": {`))
	m.Put("kev/known_exploited_vulnerabilities.json", []byte(`{"vulnerabilities": [{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10"}, {"cveID": "nonsense", "dateAdded": "x"}]}`))
	r := m.update(t, s, noon.Add(time.Hour), "debian", "kev")
	if r.Outcomes[0].State != Failed || r.Outcomes[1].State != Updated || r.Outcomes[1].Unread != 1 || len(r.Problems) != 1 {
		t.Errorf("outcomes %+v, problems %v", r.Outcomes, r.Problems)
	}
	if got := found(t, s, vuln.Package{Ecosystem: "Debian", Name: "openssl", Version: "3.0.13-1~deb12u1"}, vuln.Release{ID: "debian", Version: "12"}); !strings.HasPrefix(got, "CVE-2024-2511") {
		t.Errorf("the feed that failed lost its rows: %q", got)
	}
}

// TestDeterminism holds that the same feeds make the same bytes, whether rows fit
// into memory or not, and whether they come at once or one after another.
func TestDeterminism(t *testing.T) {
	m := full(t)
	var first []byte
	for i := range 3 {
		s := &Store{Dir: t.TempDir()}
		names := slices.Clone(testFeeds)
		if i == 1 {
			slices.Reverse(names)
		}
		if i == 2 {
			for _, name := range names {
				m.update(t, s, noon, name)
			}
		} else {
			m.update(t, s, noon, names...)
		}
		if b := read(t, s.Path()); first == nil {
			first = b
		} else if !bytes.Equal(b, first) {
			t.Errorf("way %d made other bytes: %d, not %d", i, len(b), len(first))
		}
	}
}

// TestOneUpdate holds that two updates do not meet.
func TestOneUpdate(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	unlock, err := lock(filepath.Join(s.Dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.try(t, s, noon, "kev"); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a second update: %v", err)
	}
	unlock()
	m.update(t, s, noon, "kev")
}

// TestOldFormat makes a database of an older format anew, and keeps it until the new
// one is there. One of a newer format is nobody's to remove.
func TestOldFormat(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	m.update(t, s, noon, "osv/Go", "kev")
	made := read(t, s.Path())
	format := func(v uint32) {
		b := bytes.Clone(made)
		footer := b[len(b)-footerSize:]
		binary.LittleEndian.PutUint32(footer[8:], v)
		binary.LittleEndian.PutUint32(footer[footerSize-4:], crc32.Checksum(footer[:footerSize-4], castagnoli))
		if err := os.WriteFile(s.Path(), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	format(fileFormat - 1)
	if _, err := Open(s.Path()); !errors.Is(err, ErrOldFormat) || !strings.HasSuffix(Mend(err).Error(), fmt.Sprintf("reads %d: run ullage db update", fileFormat)) {
		t.Errorf("opened as %v", err)
	}
	before := read(t, s.Path())
	if r := m.update(t, s, noon, "epss"); r.Outcomes[0].State != Updated {
		t.Errorf("%+v", r.Outcomes)
	}
	if d := opened(t, s).Describe(); len(d.Feeds) != 1 {
		t.Errorf("feeds %+v", d.Feeds)
	}
	if err := os.WriteFile(s.Path(), before, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := m.update(t, s, noon, "osv/npm"); r.Outcomes[0].State != Failed || !bytes.Equal(read(t, s.Path()), before) {
		t.Errorf("the old one did not stay: %+v", r.Outcomes)
	}
	format(fileFormat + 1)
	before = read(t, s.Path())
	if _, err := m.try(t, s, noon, "osv/Go"); err == nil || !strings.Contains(err.Error(), "a newer one made it") || !bytes.Equal(read(t, s.Path()), before) {
		t.Errorf("a newer one: %v", err)
	}
}

func TestSecdbNames(t *testing.T) {
	for entry, want := range map[string]map[string][]string{
		"CVE-2026-1":                       {"CVE-2026-1": nil},
		"CVE-2026-1 GHSA-a-b-c XSA-1":      {"CVE-2026-1": {"GHSA-a-b-c", "XSA-1"}},
		"GHSA-a-b-c CVE-2026-1":            {"CVE-2026-1": {"GHSA-a-b-c"}},
		"XSA-1 ALPINE-2":                   {"XSA-1": {"ALPINE-2"}},
		"CVE-2026-1 CVE-2026-2 XSA-1":      {"CVE-2026-1": nil, "CVE-2026-2": nil, "XSA-1": nil},
		"CVE-2026-1 (+ regression fix ) ?": {"CVE-2026-1": nil},
		"":                                 {},
	} {
		if got := secdbNames(entry); !maps.EqualFunc(got, want, func(a, b []string) bool { return slices.Equal(a, b) }) {
			t.Errorf("%q: %v, not %v", entry, got, want)
		}
	}
}

// TestDamagedRecords holds that a record which cannot be read takes back nothing of what was
// read of it before, in a whole feed and among changes, and that it is told until it is mended.
func TestDamagedRecords(t *testing.T) {
	m, s := newMirror(t), &Store{Dir: t.TempDir()}
	record := func(id, fixed string) string {
		return `{"id":"` + id + `","modified":"2026-11-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"` + fixed + `"}]}]}]}`
	}
	tracker := func(status string) []byte {
		return []byte(`{"x":{"CVE-2026-1":{"releases":{"bookworm":{"status":` + status + `,"fixed_version":"2"}}},"CVE-2026-2":{"releases":{"bookworm":{"status":"open"}}}},
			"y":{"CVE-2026-1":{"releases":{"bookworm":{"status":"open"}}}}}`)
	}
	secdb := func(version string) []byte {
		return []byte(`{"distroversion":"v3.20","packages":[{"pkg":{"name":"x","secfixes":{"` + version + `":["CVE-2026-3"],"1.1":["CVE-2026-4"]}}}]}`)
	}
	kev := func(added string) []byte {
		return []byte(`{"vulnerabilities":[{"cveID":"CVE-2026-1","dateAdded":"` + added + `"},{"cveID":"CVE-2026-2","dateAdded":"2026-11-02"}]}`)
	}
	m.Put("osv/npm/all.zip", archive(t, [2]string{"GHSA-1.json", record("GHSA-1", "2.0.0")}, [2]string{"GHSA-2.json", record("GHSA-2", "2.0.0")}, [2]string{"GHSA-3.json", record("GHSA-3", "2.0.0")}))
	m.Put("debian/tracker.json", tracker(`"resolved"`))
	m.Put("alpine/v3.20/main.json", secdb("1.2"))
	m.Put("kev/known_exploited_vulnerabilities.json", kev("2026-11-01"))
	feeds := []string{"alpine/v3.20/main", "debian", "kev", "osv/npm"}
	m.update(t, s, noon, feeds...)

	// The whole feeds come again: GHSA-3 is gone, the others are damaged or better.
	m.Put("osv/npm/all.zip", archive(t, [2]string{"GHSA-1.json", `{"id":"GHSA-1","affec`}, [2]string{"GHSA-2.json", record("GHSA-2", "3.0.0")}))
	m.Put("debian/tracker.json", tracker(`["resolved"]`))
	m.Put("alpine/v3.20/main.json", secdb("one"))
	m.Put("kev/known_exploited_vulnerabilities.json", kev("yesterday"))
	holds := func(when, npm string) {
		t.Helper()
		for _, c := range []struct {
			ecosystem, name, want string
			release               vuln.Release
		}{
			{"npm", "x", npm, vuln.Release{}},
			{"Debian", "x", "CVE-2026-1 fixed 2, CVE-2026-2 not fixed", vuln.Release{ID: "debian", Version: "12"}},
			{"Debian", "y", "CVE-2026-1 not fixed", vuln.Release{ID: "debian", Version: "12"}},
			{"Alpine", "x", "CVE-2026-3 fixed 1.2, CVE-2026-4 fixed 1.1", vuln.Release{ID: "alpine", Version: "3.20.1"}},
		} {
			if got := found(t, s, vuln.Package{Ecosystem: c.ecosystem, Name: c.name, Version: "1"}, c.release); got != c.want {
				t.Errorf("%s: %s %s: %q, not %q", when, c.ecosystem, c.name, got, c.want)
			}
		}
		if rec, err := opened(t, s).Record("CVE-2026-1"); err != nil || rec.Exploited == nil || rec.Exploited.Added != "2026-11-01" {
			t.Errorf("%s: CVE-2026-1 is no longer exploited: %+v, %v", when, rec, err)
		}
	}
	r := m.update(t, s, noon.Add(30*24*time.Hour), feeds...)
	for _, o := range r.Outcomes {
		if o.State != Updated || o.Unread != 1 {
			t.Errorf("%+v", o)
		}
	}
	if len(r.Problems) != len(feeds) {
		t.Errorf("problems %v", r.Problems)
	}
	holds("damaged", "GHSA-1 fixed 2.0.0, GHSA-2 fixed 3.0.0")

	// Among changes too, and what is damaged does not keep the others out.
	at := noon.Add(31 * 24 * time.Hour)
	m.Put("osv/npm/modified_id.csv", []byte("2026-12-20T01:00:00Z,GHSA-2\n2026-12-20T00:00:00Z,GHSA-4\n"))
	m.Put("osv/npm/GHSA-2.json", []byte(`{"id":"GHSA-2","affected":[{"package":7}]}`))
	m.Put("osv/npm/GHSA-4.json", []byte(strings.Replace(record("GHSA-4", "4.0.0"), "2026-11-01", "2026-12-20", 1)))
	unread := func(when string, lost string) {
		t.Helper()
		r := m.update(t, s, at, "debian", "osv/npm")
		p := opened(t, s).Describe().Feed("osv/npm")
		if o := r.Outcomes[1]; o.Err != nil || o.Unread != strings.Count(lost, "GHSA") || p.Unread != o.Unread || strings.Join(p.Lost, " ") != lost {
			t.Errorf("%s: %+v; the database says %d not read: %v", when, o, p.Unread, p.Lost)
		}
		if o := r.Outcomes[0]; o.State != Unchanged || o.Unread != 1 {
			t.Errorf("%s: a feed that did not change: %+v", when, o)
		}
	}
	unread("a change is damaged", "GHSA-1 GHSA-2")
	holds("changes", "GHSA-1 fixed 2.0.0, GHSA-2 fixed 3.0.0, GHSA-4 fixed 4.0.0")
	unread("it still is", "GHSA-1 GHSA-2")
	m.Put("osv/npm/GHSA-2.json", []byte(strings.Replace(record("GHSA-2", "5.0.0"), "2026-11-01T00", "2026-12-20T01", 1)))
	unread("it was mended", "GHSA-1")
	holds("mended", "GHSA-1 fixed 2.0.0, GHSA-2 fixed 5.0.0, GHSA-4 fixed 4.0.0")
}
