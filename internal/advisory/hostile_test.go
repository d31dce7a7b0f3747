package advisory

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/vuln"
)

func testIntake(t *testing.T, feed string) *intake {
	t.Helper()
	in := &intake{feed: feed, rows: newSorter(t.TempDir()), from: Provenance{Feed: feed, Fetched: noon}}
	t.Cleanup(in.rows.close)
	return in
}

// bomb is an archive whose one entry unpacks to more than a record may be, and
// lies about it when told to.
func bomb(t *testing.T, lie bool) []byte {
	t.Helper()
	var b, packed bytes.Buffer
	z, err := flate.NewWriter(&packed, 9)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte("["), 1<<20)
	for range 20 {
		z.Write(chunk)
	}
	z.Close()
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "GO-1.json", Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: 20 << 20}
	if lie {
		h.UncompressedSize64 = 100
	}
	part, err := w.CreateRaw(h)
	if err != nil {
		t.Fatal(err)
	}
	part.Write(packed.Bytes())
	good, err := w.Create("GO-2.json")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(good, `{"id":"GO-2","affected":[{"package":{"ecosystem":"Go","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`)
	w.Close()
	return b.Bytes()
}

// TestHostileRecords holds that one bad record is a problem, and the next one read.
func TestHostileRecords(t *testing.T) {
	good := `{"id":"GO-2","affected":[{"package":{"ecosystem":"Go","name":"x"},"versions":["1.0.0"]}]}`
	for name, text := range map[string][]byte{
		"bomb": bomb(t, false), "lying bomb": bomb(t, true),
		"garbage":       archive(t, [2]string{"a.json", "\x00\xff{{{"}, [2]string{"b.json", good}),
		"deep":          archive(t, [2]string{"a.json", strings.Repeat(`{"affected":[`, 20000)}, [2]string{"b.json", good}),
		"wrong types":   archive(t, [2]string{"a.json", `{"id": 7}`}, [2]string{"b.json", good}),
		"control":       archive(t, [2]string{"a.json", `{"id":"GO-1\u0001p"}`}, [2]string{"b.json", good}),
		"control name":  archive(t, [2]string{"a.json", `{"id":"GO-1","affected":[{"package":{"ecosystem":"Go","name":"x\u0000y"},"versions":["1"]}]}`}, [2]string{"b.json", good}),
		"unknown event": archive(t, [2]string{"a.json", `{"id":"GO-1","affected":[{"package":{"ecosystem":"Go","name":"x"},"ranges":[{"type":"SEMVER","events":[{"began":"1"}]}]}]}`}, [2]string{"b.json", good}),
	} {
		in := testIntake(t, "osv/Go")
		if err := osvZip(bytes.NewReader(text), int64(len(text)), in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if in.from.Records != 1 || in.from.Unread != 1 || len(in.problems) != 1 {
			t.Errorf("%s: %d records, %d not read, problems %v", name, in.from.Records, in.from.Unread, in.problems)
		}
	}
}

// TestHostileStreams holds that feeds in one file end with an error and not with
// the memory.
func TestHostileStreams(t *testing.T) {
	endless := func(head string) io.Reader { return io.MultiReader(strings.NewReader(head), zeros{'a'}) }
	for name, err := range map[string]error{
		"debian": debianTracker(endless(`{"openssl":{"CVE-2024-1":{"description":"`), testIntake(t, "debian")),
		"kev":    kevCatalog(endless(`{"vulnerabilities":[{"cveID":"`), testIntake(t, "kev")),
		"alpine": alpineSecdb(endless(`{"distroversion":"`), testIntake(t, "alpine/v3.20/main")),
	} {
		if err == nil {
			t.Errorf("%s: an endless text is read", name)
		}
	}
	in := testIntake(t, "epss")
	if err := epssScores(strings.NewReader("cve,epss,percentile\nCVE-2024-1,NaN,0.5\nCVE-2024-2,2,0.5\n,,\nCVE-2024-3,0.5,0.5\n"), in); err != nil || in.from.Records != 1 || in.from.Unread != 3 {
		t.Errorf("EPSS: %v, %+v", err, in.from)
	}
}

type zeros struct{ c byte }

func (z zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = z.c
	}
	return len(p), nil
}

// TestDamage flips bytes of a database: whatever is read of it then is right or an
// error, and reading all of it is an error.
func TestDamage(t *testing.T) {
	m, s := full(t), &Store{Dir: t.TempDir()}
	m.update(t, s, noon, testFeeds...)
	whole := read(t, s.Path())
	r := rand.New(rand.NewPCG(5, 5))
	want := lookups(t, whole)
	for n := range 300 {
		b := bytes.Clone(whole)
		at := r.IntN(len(b))
		if n%2 == 0 { // most of a small file is the index
			at = r.IntN(4000)
		}
		b[at] ^= byte(1 + r.IntN(255))
		if n%10 == 0 {
			b = b[:at]
		}
		db, err := openTable(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue
		}
		if err := db.verify(); err == nil {
			t.Fatalf("byte %d is another one and the digest holds", at)
		}
		if got := lookups(t, b); got != want && !strings.Contains(got, errDamaged.Error()) {
			t.Fatalf("byte %d is another one, and lookups give\n%s\nnot\n%s", at, got, want)
		}
	}
}

func lookups(t *testing.T, b []byte) string {
	t.Helper()
	table, err := openTable(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err.Error()
	}
	return lookupsIn(table)
}

func lookupsIn(table *table) string {
	db := &Database{table: table}
	var out strings.Builder
	for _, p := range [][2]string{{"Go", "stdlib"}, {"PyPI", "requests"}, {"Debian:12", "openssl"}, {"Alpine:v3.20", "openssl"}} {
		err := db.Affected(p[0], p[1], func(a *vuln.Affected) { fmt.Fprintf(&out, "%+v\n", *a) })
		fmt.Fprintln(&out, err)
	}
	rec, err := db.Record("CVE-2023-44487")
	fmt.Fprintln(&out, rec.Exploited, rec.EPSS, err)
	return out.String()
}

// FuzzOpen holds that no file makes reading crash or run away.
func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	w, err := newTableWriter(&b)
	if err != nil {
		f.Fatal(err)
	}
	key := packageGroup("Go", "stdlib") + partEnd + "osv/Go" + partEnd + "GO-1"
	record := vuln.Record{Names: []string{"GO-1"}, Aliases: []string{"GHSA-1", "GO-1"}, Published: 1, Summary: "s", Exploited: &vuln.Exploited{Added: "2026-01-01"}, EPSS: &vuln.EPSS{Probability: 0.5}}
	record.Rating.Score, record.Rating.Vector, record.Rating.By = 7.5, "CVSS:3.1/AV:N", "GO-1"
	folded := row{[]byte(foldedGroup("CVE-2026-1") + partEnd + partEnd), appendRecord(nil, &record)}
	if err := errors.Join(w.add(row{[]byte(key), appendAffected(nil, &vuln.Affected{Versions: []string{"1"}})}), w.add(folded), w.close(&Description{})); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), appendAdvisory(nil, &vuln.Advisory{Aliases: []string{"x"}}))
	f.Add(b.Bytes(), folded.value)
	f.Fuzz(func(t *testing.T, text, value []byte) {
		var a vuln.Affected
		var d vuln.Advisory
		var l lists
		l.affected(string(value), &a)
		l.advisory(string(value), &d)
		if r, err := l.record(string(value)); err == nil {
			again, err := l.record(string(appendRecord(nil, &r)))
			if err != nil || !slices.Equal(again.Names, r.Names) || !slices.Equal(again.Aliases, r.Aliases) || again.Summary != r.Summary || again.Rating.Vector != r.Rating.Vector ||
				(again.Exploited == nil) != (r.Exploited == nil) || (again.EPSS == nil) != (r.EPSS == nil) {
				t.Errorf("%+v is read back as %+v, %v", r, again, err)
			}
		}
		table, err := openTable(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		if len(value)%2 == 0 {
			table.mapTo(text)
		}
		db := &Database{table: table}
		db.Affected("Go", "stdlib", func(*vuln.Affected) {})
		db.Record("GO-1")
		db.Record("CVE-2026-1")
		s := &scan{t: table, keep: func(string, string, string) bool { return true }}
		for range 1000 {
			if _, err := s.next(); err != nil {
				return
			}
		}
	})
}

// FuzzFeeds holds that no text breaks a reader of feeds.
func FuzzFeeds(f *testing.F) {
	for _, path := range []string{"osv/Go/GO-2023-2102.json", "debian/tracker.json", "alpine/v3.20/main.json", "kev/known_exploited_vulnerabilities.json", "epss/scores.csv",
		"kubernetes/official-cve-feed.json", "ubuntu/vex-all.tar.xz", "redhat/vex/2026/cve-2026-3002.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", path))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in := testIntake(t, "osv/Go")
		osvOne(text, "x", in)
		debianTracker(bytes.NewReader(text), in)
		alpineSecdb(bytes.NewReader(text), in)
		kevCatalog(bytes.NewReader(text), in)
		ubuntuArchive(bytes.NewReader(text), in)
		ubuntuOne(text, "CVE-2026-1.json", in)
		redHatArchive(bytes.NewReader(text), in)
		redHatOne(bytes.NewReader(text), "x", in)
		kubernetesFeed(bytes.NewReader(text), in)
		epssScores(bytes.NewReader(text), in)
		if r, err := unpacked(bytes.NewReader(text)); err == nil {
			debianTracker(r, in)
		}
		osvZip(bytes.NewReader(text), int64(len(text)), in)
	})
}
