//go:build unix

package advisory

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// madeTracker is a Debian tracker of the size of the real one: about 45,000 pairs
// of source package and CVE in three releases, a tenth of them of the kernel.
func madeTracker(r *rand.Rand) []byte {
	packages := map[string]map[string]debianCVE{}
	words := strings.Fields("a flaw was found in the way that handles input of remote users leads to memory corruption out of bounds read write denial service")
	for n := range 45000 {
		name := fmt.Sprintf("source%d", int(r.ExpFloat64()*400))
		if n%10 == 0 {
			name = "linux"
		}
		cve := debianCVE{Releases: map[string]debianRelease{}}
		for range 14 {
			cve.Description += words[r.IntN(len(words))] + " "
		}
		for _, release := range []string{"bullseye", "bookworm", "trixie"} {
			x := debianRelease{Status: "resolved", FixedVersion: fmt.Sprintf("%d.%d.%d-%d", r.IntN(9), r.IntN(20), r.IntN(9), 1+r.IntN(3)), Urgency: "not yet assigned"}
			if r.IntN(6) == 0 {
				x.Status, x.FixedVersion = "open", ""
			}
			cve.Releases[release] = x
		}
		if packages[name] == nil {
			packages[name] = map[string]debianCVE{}
		}
		packages[name][fmt.Sprintf("CVE-%d-%04d", 2005+n%20, n/2)] = cve
	}
	text, err := json.Marshal(packages)
	if err != nil {
		panic(err)
	}
	return text
}

func madeScores(r *rand.Rand) []byte {
	var b bytes.Buffer
	for n := range 250000 {
		fmt.Fprintf(&b, "CVE-%d-%04d,%.5f,%.5f\n", 2005+n%20, n/2, r.Float64(), r.Float64())
	}
	return b.Bytes()
}

// madeOSV is like the records of an ecosystem of OSV.
func madeOSV(b *testing.B, r *rand.Rand, ecosystem string, count int) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for n := range count {
		rec := map[string]any{
			"id": fmt.Sprintf("GHSA-%04x-%04x-%04x", r.IntN(1<<16), r.IntN(1<<16), n), "modified": "2026-01-02T03:04:05Z", "published": "2025-01-02T03:04:05Z",
			"aliases": []string{fmt.Sprintf("CVE-%d-%04d", 2005+n%20, n)}, "summary": "A package lets remote users read files outside of its directory",
			"details":  strings.Repeat("Some long text on what it is and how it came about. ", 30),
			"severity": []map[string]string{{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}},
			"affected": []map[string]any{{"package": map[string]string{"ecosystem": ecosystem, "name": fmt.Sprintf("package%d", r.IntN(count/2))},
				"ranges": []map[string]any{{"type": "SEMVER", "events": []map[string]string{{"introduced": "0"}, {"fixed": fmt.Sprintf("%d.%d.0", r.IntN(5), r.IntN(20))}}}}}},
			"database_specific": map[string]string{"severity": "HIGH"},
		}
		text, err := json.Marshal(rec)
		if err != nil {
			b.Fatal(err)
		}
		part, err := w.Create(rec["id"].(string) + ".json")
		if err != nil {
			b.Fatal(err)
		}
		part.Write(text)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// made builds a database of 45,000 statements of a tracker, 250,000 scores and
// 20,000 records of OSV.
func made(b *testing.B) (*Database, int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	path := filepath.Join(b.TempDir(), DatabaseName)
	var changes []*change
	records := 0
	zipFile := madeOSV(b, r, "npm", 20000)
	for feed, read := range map[string]func(*intake) error{
		"debian":  func(in *intake) error { return debianTracker(bytes.NewReader(madeTracker(r)), in) },
		feedEPSS:  func(in *intake) error { return epssScores(bytes.NewReader(madeScores(r)), in) },
		"osv/npm": func(in *intake) error { return osvZip(bytes.NewReader(zipFile), int64(len(zipFile)), in) },
	} {
		in := &intake{feed: feed, rows: newSorter(b.TempDir()), from: Provenance{Feed: feed}}
		defer in.rows.close()
		if err := read(in); err != nil {
			b.Fatal(err)
		}
		records += in.from.Records
		changes = append(changes, &change{intake: in})
	}
	if err := build(path, nil, changes); err != nil {
		b.Fatal(err)
	}
	db, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db, records
}

// BenchmarkLookup matches an image of 500 packages: 200 of Debian, the kernel among
// them, and 300 of npm, of which about 3,000 vulnerabilities match, most for want
// of a fix. Opening the database is part of it.
func BenchmarkLookup(b *testing.B) {
	db, records := made(b)
	packages := []vuln.Package{{Ecosystem: "Debian", Name: "linux-libc-dev", Version: "8.1.100-1", Source: "linux", Owner: -1}}
	for n := range 199 {
		packages = append(packages, vuln.Package{Ecosystem: "Debian", Name: "lib", Version: "8.10.2-1", Source: fmt.Sprintf("source%d", n*5), Owner: -1})
	}
	for n := range 300 {
		packages = append(packages, vuln.Package{Ecosystem: "npm", Name: fmt.Sprintf("package%d", n*30), Version: "2.3.4", Owner: -1})
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1600)) // as the program begins with
	runtime.GC()
	matches, before := 0, processorTime()
	for b.Loop() {
		again, err := Open(db.file.Name())
		if err != nil {
			b.Fatal(err)
		}
		r, err := vuln.Run(packages, vuln.Release{ID: "debian", Version: "12"}, again)
		if err != nil {
			b.Fatal(err)
		}
		matches = len(r.Matches)
		again.Close()
	}
	b.ReportMetric(float64(processorTime()-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(matches), "matches")
	b.ReportMetric(float64(db.Size())/float64(records), "B/record")
}

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkOpen(b *testing.B) {
	db, _ := made(b)
	for b.Loop() {
		again, err := Open(db.file.Name())
		if err != nil {
			b.Fatal(err)
		}
		again.Close()
	}
}

// BenchmarkImport reads an archive of OSV and writes a database; MB/s are of JSON.
func BenchmarkImport(b *testing.B) {
	archive := madeOSV(b, rand.New(rand.NewPCG(1, 1)), "npm", 5000)
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	for _, f := range z.File {
		size += int64(f.UncompressedSize64)
	}
	b.SetBytes(size)
	for b.Loop() {
		in := &intake{feed: "osv/npm", rows: newSorter(b.TempDir())}
		if err := osvZip(bytes.NewReader(archive), int64(len(archive)), in); err != nil {
			b.Fatal(err)
		}
		if err := build(filepath.Join(b.TempDir(), "db"), nil, []*change{{intake: in}}); err != nil {
			b.Fatal(err)
		}
		in.rows.close()
	}
}

// BenchmarkUbuntu reads a document like those on the kernel: of a hundred source
// packages, each with a thousand binary packages that repeat it.
func BenchmarkUbuntu(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"metadata": {"timestamp": "2026-06-01T05:44:58.206255"}, "statements": [{"vulnerability": {"name": "CVE-2026-1"}, "products": [`)
	for n := range 100 {
		if n > 0 {
			text.WriteString(",")
		}
		fmt.Fprintf(&text, `{"@id": "pkg:deb/ubuntu/linux-%d@5.15.0-105.115?arch=source&distro=jammy"}`, n)
		for k := range 1000 {
			fmt.Fprintf(&text, ",\n        {\n          \"@id\": \"pkg:deb/ubuntu/linux-image-unsigned-5.15.0-%d-generic-%d@5.15.0-105.115?arch=amd64\"\n        }", k, n)
		}
	}
	text.WriteString(`], "status": "under_investigation", "status_notes": "x"}]}`)
	doc := []byte(text.String())
	b.SetBytes(int64(len(doc)))
	before := processorTime()
	for b.Loop() {
		in := &intake{feed: feedUbuntu, rows: newSorter(b.TempDir()), from: Provenance{Feed: feedUbuntu}}
		if err := ubuntuOne(doc, "CVE-2026-1.json", in); err != nil || in.rows.rows < 100 {
			b.Fatal(in.rows.rows, err)
		}
		in.rows.close()
	}
	b.ReportMetric(float64(len(doc))*float64(b.N)/1e6/(processorTime()-before).Seconds(), "MB/cpu-s")
}
