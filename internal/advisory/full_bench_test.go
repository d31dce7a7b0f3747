//go:build unix

package advisory

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/vuln"
)

// sized is a feed of the size that it has: how many records there are (by what
// osv.dev lists and the projects serve in 2026), and how many packages in how many
// releases one speaks of on average.
type sized struct {
	feed, id          string
	records, packages int
	names             int // of packages that there are
	scopes            []string
	summary           bool
}

func releases(ecosystem string, names ...string) []string {
	for i := range names {
		names[i] = ecosystem + ":" + names[i]
	}
	return names
}

var fullSize = []sized{
	{"osv/Debian", "DEBIAN-CVE-%d-%d", 72436, 1, 6000, releases("Debian", "11", "12", "13", "14"), false},
	{"debian", "CVE-%d-%d", 48000, 1, 6000, releases("Debian", "11", "12", "13", "14"), true},
	{"osv/Ubuntu", "UBUNTU-CVE-%d-%d", 69306, 6, 9000, releases("Ubuntu", "16.04:LTS", "18.04:LTS", "20.04:LTS", "22.04:LTS", "24.04:LTS", "25.10"), true},
	{"ubuntu", "CVE-%d-%d", 60000, 6, 9000, releases("Ubuntu", "18.04:LTS", "20.04:LTS", "22.04:LTS", "24.04:LTS", "25.10"), false},
	{"osv/Red Hat", "RHSA-%d:%d", 23995, 30, 12000, releases("Red Hat", "8", "9"), true},
	{"redhat", "CVE-%d-%d", 60000, 2, 4000, releases("Red Hat", "7", "8", "9", "10"), true},
	{"osv/SUSE", "SUSE-SU-%d:%d-1", 24084, 8, 6000, releases("SUSE", "12 SP5", "15 SP4", "15 SP5", "15 SP6"), true},
	{"osv/openSUSE", "openSUSE-SU-%d:%d-1", 15036, 6, 6000, releases("openSUSE", "Leap 15.5", "Leap 15.6"), true},
	{"osv/Rocky Linux", "RLSA-%d:%d", 4652, 20, 5000, releases("Rocky Linux", "9"), true},
	{"osv/AlmaLinux", "ALSA-%d:%d", 6331, 20, 5000, releases("AlmaLinux", "9"), true},
	{"osv/Alpine", "ALPINE-CVE-%d-%d", 4775, 1, 1500, releases("Alpine", "v3.19", "v3.20", "v3.21", "v3.22", "v3.23"), false},
	{"alpine/v3.20/main", "CVE-%d-%d", 3500, 1, 1200, releases("Alpine", "v3.20"), false},
	{"osv/Wolfi", "CGA-%d-%d", 339676, 1, 4000, []string{"Wolfi"}, false},
	{"osv/npm", "GHSA-%d-%d", 230251, 1, 200000, []string{"npm"}, true},
	{"osv/PyPI", "PYSEC-%d-%d", 26144, 1, 15000, []string{"PyPI"}, true},
	{"osv/Go", "GO-%d-%d", 9633, 2, 3000, []string{"Go"}, true},
	{"osv/Maven", "GHSA-m%d-%d", 7104, 2, 3500, []string{"Maven"}, true},
	{"osv/Packagist", "GHSA-p%d-%d", 7242, 2, 2000, []string{"Packagist"}, true},
	{"osv/RubyGems", "GHSA-r%d-%d", 5402, 1, 1200, []string{"RubyGems"}, true},
	{"osv/NuGet", "GHSA-n%d-%d", 1926, 3, 900, []string{"NuGet"}, true},
	{"osv/crates.io", "RUSTSEC-%d-%d", 2904, 1, 1300, []string{"crates.io"}, true},
}

// fill makes the records of a feed. Texts are of random words, so that they do not
// compress better than those of people.
func (f *sized) fill(b *testing.B, in *intake, r *rand.Rand, words []string) {
	b.Helper()
	for n := range f.records {
		year := 2005 + n%22
		cve := fmt.Sprintf("CVE-%d-%d", year, 1000+n)
		a := vuln.Advisory{ID: fmt.Sprintf(f.id, year, 1000+n), Published: 1.6e9 + r.Int64N(1e8), Modified: 1.7e9 + r.Int64N(1e8)}
		if a.ID != cve {
			a.Aliases = []string{cve}
		}
		if f.summary {
			for range 12 {
				a.Summary += words[r.IntN(len(words))] + " "
			}
			a.Vectors = []string{fmt.Sprintf("CVSS:3.1/AV:%c/AC:%c/PR:%c/UI:N/S:U/C:%c/I:%c/A:%c", "NALP"[r.IntN(4)], "LH"[r.IntN(2)], "NLH"[r.IntN(3)], "NLH"[r.IntN(3)], "NLH"[r.IntN(3)], "NLH"[r.IntN(3)])}
		}
		var statements []statement
		for range f.packages {
			name := fmt.Sprintf("package-%d", int(r.ExpFloat64()*float64(f.names)/5)%f.names)
			for _, scope := range f.scopes {
				s := statement{scope: scope, name: name}
				switch r.IntN(6) {
				case 0:
					s.Intervals = []vuln.Interval{{}}
				case 1:
					s.Verdict = vuln.NotAffected
				default:
					s.Intervals = []vuln.Interval{{From: "0", To: fmt.Sprintf("%d.%d.%d-%d", r.IntN(9), r.IntN(30), r.IntN(20), 1+r.IntN(9))}}
				}
				if len(f.scopes) == 1 && strings.HasPrefix(f.feed, "osv/") && r.IntN(3) == 0 {
					s.Intervals, s.Verdict = []vuln.Interval{{From: "0", To: fmt.Sprintf("%d.%d.%d", r.IntN(9), r.IntN(30), r.IntN(20))}, {From: "9.0.0", To: fmt.Sprintf("9.%d.%d", r.IntN(30), r.IntN(20))}}, vuln.NoVerdict
				}
				statements = append(statements, s)
			}
		}
		if err := in.advisory(&a, statements); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFull makes a database of feeds of their full size, and matches an image of
// 500 packages against it: 250 of Ubuntu, 250 of npm and PyPI.
func BenchmarkFull(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	var words []string
	for range 20000 {
		word := make([]byte, 3+r.IntN(8))
		for i := range word {
			word[i] = byte('a' + r.IntN(26))
		}
		words = append(words, string(word))
	}
	dir := b.TempDir()
	var changes []*change
	began := processorTime()
	for i := range fullSize {
		in := &intake{feed: fullSize[i].feed, rows: newSorter(dir), from: Provenance{Feed: fullSize[i].feed}}
		defer in.rows.close()
		fullSize[i].fill(b, in, r, words)
		changes = append(changes, &change{intake: in})
	}
	scores := &intake{feed: feedEPSS, rows: newSorter(dir), from: Provenance{Feed: feedEPSS}}
	defer scores.rows.close()
	for n := range 330000 {
		if err := scores.score(fmt.Sprintf("CVE-%d-%d,%.5f,%.5f", 2005+n%22, 1000+n, r.Float64(), r.Float64()), n); err != nil {
			b.Fatal(err)
		}
	}
	changes = append(changes, &change{intake: scores})
	path := filepath.Join(dir, DatabaseName)
	if err := build(path, nil, changes); err != nil {
		b.Fatal(err)
	}
	made := processorTime() - began
	var packages []vuln.Package
	for n := range 250 {
		packages = append(packages,
			vuln.Package{Ecosystem: "Ubuntu", Name: fmt.Sprintf("package-%d", 300+n*34), Version: "7.12.3-2", Owner: -1},
			vuln.Package{Ecosystem: []string{"npm", "PyPI"}[n%2], Name: fmt.Sprintf("package-%d", n*90), Version: "5.2.1", Owner: -1})
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(1600)) // as the program begins with
	matches, records, size, before := 0, 0, int64(0), processorTime()
	for b.Loop() {
		db, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		result, err := vuln.Run(packages, vuln.Release{ID: "ubuntu", Version: "22.04"}, db)
		if err != nil {
			b.Fatal(err)
		}
		matches, size, records = len(result.Matches), db.Size(), 0
		for _, f := range db.Describe().Feeds {
			records += f.Records
		}
		db.Close()
	}
	b.ReportMetric(float64(processorTime()-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportMetric(float64(matches), "matches")
	b.ReportMetric(float64(records), "records")
	b.ReportMetric(made.Seconds(), "cpu-s-to-make")
}
