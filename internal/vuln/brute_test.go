package vuln

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The evaluation of the OSV schema, written down plainly and slowly:
// https://ossf.github.io/osv-schema/#evaluation. It is what ours is held against.

type plainRange struct{ events []Event }

type plainAffected struct {
	ecosystem, name string
	versions        []string
	ranges          []plainRange
}

type plainRecord struct {
	id        string
	aliases   []string
	withdrawn bool
	affected  []plainAffected
}

// plainVulnerable says whether a version of a package is affected by a record.
func plainVulnerable(p Package, rec plainRecord) bool {
	if rec.withdrawn {
		return false
	}
	o := OrderOf(p.Ecosystem)
	for _, a := range rec.affected {
		if a.ecosystem != p.Ecosystem || NormalName(a.ecosystem, a.name) != NormalName(p.Ecosystem, p.Name) {
			continue
		}
		for _, v := range a.versions {
			if o.Compare(v, p.Version) == 0 {
				return true
			}
		}
		for _, r := range a.ranges {
			if plainIncluded(o, p.Version, r) {
				return true
			}
		}
	}
	return false
}

// plainIncluded goes through the sorted events of a range: introduced and below
// turns on, fixed and above, and beyond the last affected one, turns off.
func plainIncluded(o Order, version string, r plainRange) bool {
	limited, before := false, false
	for _, e := range r.events {
		if e.Kind == Limit {
			limited = true
			before = before || e.Version == "*" || e.Version != "0" && o.Compare(version, e.Version) < 0
		}
	}
	if limited && !before {
		return false
	}
	compare := func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == "0":
			return -1
		case b == "0":
			return 1
		}
		return o.Compare(a, b)
	}
	events := slices.Clone(r.events)
	slices.SortStableFunc(events, func(a, b Event) int {
		if c := compare(a.Version, b.Version); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
	if len(events) == 2 && events[0].Kind == Fixed && events[1].Kind == Introduced && compare(events[0].Version, events[1].Version) == 0 {
		return false
	}
	vulnerable := false
	for _, e := range events {
		switch {
		case e.Kind == Introduced && compare(version, e.Version) >= 0:
			vulnerable = true
		case e.Kind == Fixed && compare(version, e.Version) >= 0:
			vulnerable = false
		case e.Kind == LastAffected && compare(version, e.Version) > 0:
			vulnerable = false
		}
	}
	return vulnerable
}

// plainIDs are the ids of all records that hold, folded as aliases say.
func plainIDs(p Package, records []plainRecord) []string {
	edges := plainEdges(records)
	var ids []string
	for _, r := range records {
		if !plainVulnerable(p, r) {
			continue
		}
		ids = append(ids, plainNames(r, edges)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// plainNames follows aliases until CVEs are met, all of the same distance.
func plainNames(r plainRecord, edges map[string][]string) []string {
	if strings.HasPrefix(r.id, "CVE-") {
		return []string{r.id}
	}
	distance, farthest := map[string]int{r.id: 0}, 0
	for changed := true; changed; { // as in a table of distances
		changed = false
		for id, d := range maps.Clone(distance) {
			if strings.HasPrefix(id, "CVE-") {
				continue
			}
			for _, alias := range edges[id] {
				if old, known := distance[alias]; !known || d+1 < old {
					distance[alias], changed = d+1, true
				}
			}
		}
	}
	var cves, ghsas, others []string
	for id, d := range distance {
		switch {
		case strings.HasPrefix(id, "CVE-"):
			if len(cves) == 0 || d < farthest {
				cves, farthest = nil, d
			}
			if d == farthest {
				cves = append(cves, id)
			}
		case strings.HasPrefix(id, "GHSA-"):
			ghsas = append(ghsas, id)
		default:
			others = append(others, id)
		}
	}
	slices.Sort(ghsas)
	slices.Sort(others)
	switch {
	case len(cves) > 0:
		return cves
	case len(ghsas) > 0:
		return ghsas[:1]
	}
	return others[:1]
}

// plainEdges are the other names of each id. An alias of a record that is on one
// vulnerability holds both ways.
func plainEdges(records []plainRecord) map[string][]string {
	edges := map[string][]string{}
	for _, r := range records {
		edges[r.id] = append(edges[r.id], r.aliases...)
		cves := 0
		for _, name := range append([]string{r.id}, r.aliases...) {
			if strings.HasPrefix(name, "CVE-") {
				cves++
			}
		}
		for _, alias := range r.aliases {
			if !r.withdrawn && cves < 2 {
				edges[alias] = append(edges[alias], r.id)
			}
		}
	}
	return edges
}

// sourceOf is a source with what a database would make of the records.
func sourceOf(records []plainRecord) *memory {
	m := &memory{map[string][]Affected{}, map[string]Record{}}
	advisories, namedBy := map[string][]Advisory{}, map[string][]string{}
	for _, r := range records {
		a := Advisory{ID: r.id, Aliases: r.aliases, Withdrawn: r.withdrawn}
		advisories[r.id] = append(advisories[r.id], a)
		for _, name := range a.Mutual() {
			namedBy[name] = append(namedBy[name], r.id)
		}
	}
	for _, id := range append(slices.Collect(maps.Keys(advisories)), slices.Collect(maps.Keys(namedBy))...) {
		m.records[id] = new(Folder).Fold(id, advisories[id], namedBy[id])
	}
	for _, r := range records {
		if r.withdrawn {
			continue
		}
		for _, a := range r.affected {
			s := Affected{ID: r.id, Feed: "osv/" + a.ecosystem, Versions: a.versions}
			for _, x := range a.ranges {
				s.Intervals = append(s.Intervals, Intervals(OrderOf(a.ecosystem), x.events)...)
			}
			if len(s.Intervals) > 0 || len(s.Versions) > 0 {
				key := a.ecosystem + " " + NormalName(a.ecosystem, a.name)
				m.affected[key] = append(m.affected[key], s)
			}
		}
	}
	return m
}

// disagreement holds ours against the plain evaluation for one package.
func disagreement(t *testing.T, p Package, records []plainRecord, source Source) string {
	t.Helper()
	r, err := Run([]Package{p}, Release{}, source)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range r.Matches {
		got = append(got, m.ID)
	}
	slices.Sort(got)
	if want := plainIDs(p, records); !slices.Equal(got, want) {
		return fmt.Sprintf("%s %s %s: ours %q, plainly %q", p.Ecosystem, p.Name, p.Version, got, want)
	}
	return ""
}

var bruteVersions = map[string][]string{
	"npm":       {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "2.0.0+build", "10.0.0"},
	"Go":        {"v0.0.0-20200101000000-abcdefabcdef", "v0.1.0", "v0.1.1-0.20200101000000-abcdefabcdef", "v1.0.0", "v1.2.0-rc.1", "v1.2.0", "v2.0.0+incompatible", "v10.0.0"},
	"PyPI":      {"0.9", "1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.1", "1!0.5", "2.0"},
	"Maven":     {"1.0-alpha-1", "1.0-SNAPSHOT", "1.0", "1.0.1", "1.0-sp-1", "1.1", "2.0-rc1", "2.0", "10.0"},
	"RubyGems":  {"0.9", "1.0.a", "1.0.rc1", "1.0", "1.0.0.1", "1.2", "1.10", "2.0"},
	"Packagist": {"1.0.0-alpha1", "1.0.0-beta2", "1.0.0-RC1", "1.0.0", "1.0.1", "1.2.0", "v2.0.0", "10.0.0"},
	"NuGet":     {"1.0.0-alpha", "1.0.0", "1.0.0.1", "1.2.0", "2.0.0", "10.0.0"},
}

// TestBruteForce holds matching against the plain evaluation of the OSV schema, on
// random records and packages: events in any order, several ranges, limits, listed versions,
// aliases, withdrawn records.
func TestBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	checked, hits := 0, 0
	for range 3000 {
		ecosystem := []string{"npm", "Go", "PyPI", "Maven", "RubyGems", "Packagist", "NuGet"}[r.IntN(7)]
		versions := bruteVersions[ecosystem]
		pick := func() string { return versions[r.IntN(len(versions))] }
		var records []plainRecord
		for n := range 1 + r.IntN(5) {
			rec := plainRecord{id: fmt.Sprintf([]string{"GHSA-%d", "X-%d", "CVE-2024-%04d"}[r.IntN(3)], n+1), withdrawn: r.IntN(6) == 0}
			for range r.IntN(3) {
				rec.aliases = append(rec.aliases, fmt.Sprintf([]string{"GHSA-%d", "X-%d", "GHSA-%d", "X-%d", "CVE-2024-%04d"}[r.IntN(5)], 1+r.IntN(6)))
			}
			rec.aliases = slices.DeleteFunc(rec.aliases, func(a string) bool { return a == rec.id })
			slices.Sort(rec.aliases)
			rec.aliases = slices.Compact(rec.aliases)
			for range 1 + r.IntN(2) {
				a := plainAffected{ecosystem: ecosystem, name: []string{"Some.Name", "other"}[r.IntN(2)]}
				for range r.IntN(3) {
					a.versions = append(a.versions, pick())
				}
				for range r.IntN(3) {
					a.ranges = append(a.ranges, randomRange(r, pick))
				}
				rec.affected = append(rec.affected, a)
			}
			records = append(records, rec)
		}
		source := sourceOf(records)
		for _, v := range versions {
			p := Package{Ecosystem: ecosystem, Name: []string{"Some.Name", "other"}[r.IntN(2)], Version: v, Owner: -1}
			if !source.Covers(ecosystem) {
				continue
			}
			checked++
			if len(plainIDs(p, records)) > 0 {
				hits++
			}
			if d := disagreement(t, p, records, source); d != "" {
				t.Fatalf("%s\n%+v", d, records)
			}
		}
	}
	if checked < 10000 || hits < checked/10 || hits > checked*9/10 {
		t.Errorf("%d packages checked, %d with a vulnerability: the test says little", checked, hits)
	}
}

// randomRange is a range with pairs of events, in any order. A range has no two
// events on one version, as the schema leaves their order open, but that a limit may
// stand anywhere.
func randomRange(r *rand.Rand, pick func() string) plainRange {
	var events []Event
	seen := map[string]bool{}
	add := func(k EventKind, v string) {
		if !seen[v] {
			seen[v] = true
			events = append(events, Event{k, v})
		}
	}
	if r.IntN(2) == 0 {
		add(Introduced, "0")
	}
	for range 1 + r.IntN(3) {
		add(Introduced, pick())
		if r.IntN(4) > 0 {
			add([]EventKind{Fixed, LastAffected}[r.IntN(2)], pick())
		}
	}
	for range max(0, r.IntN(5)-2) {
		events = append(events, Event{Limit, append([]string{"0", "*"}, pick(), pick(), pick(), pick())[r.IntN(6)]})
	}
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return plainRange{events}
}

// realRecords are those of an archive in the testdata of the feeds.
func realRecords(t *testing.T, ecosystem string) []plainRecord {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join("../advisory/testdata/osv", ecosystem+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var records []plainRecord
	for _, f := range z.File {
		var d struct {
			ID        string
			Aliases   []string
			Withdrawn string
			Affected  []struct {
				Package  struct{ Ecosystem, Name string }
				Versions []string
				Ranges   []struct {
					Type   string
					Events []map[string]string
				}
			}
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(r).Decode(&d); err != nil {
			t.Fatal(err)
		}
		rec := plainRecord{id: d.ID, aliases: d.Aliases, withdrawn: d.Withdrawn != ""}
		slices.Sort(rec.aliases)
		for _, a := range d.Affected {
			x := plainAffected{ecosystem: a.Package.Ecosystem, name: a.Package.Name, versions: a.Versions}
			for _, g := range a.Ranges {
				if g.Type == "GIT" {
					continue
				}
				var events []Event
				for _, e := range g.Events {
					for kind, v := range e {
						events = append(events, Event{map[string]EventKind{"introduced": Introduced, "fixed": Fixed, "last_affected": LastAffected, "limit": Limit}[kind], v})
					}
				}
				x.ranges = append(x.ranges, plainRange{events})
			}
			rec.affected = append(rec.affected, x)
		}
		records = append(records, rec)
	}
	return records
}

// TestBruteForceRealRecords holds the same on real records, at every version that
// they name and beside it.
func TestBruteForceRealRecords(t *testing.T) {
	for _, ecosystem := range []string{"Go", "PyPI"} {
		records := realRecords(t, ecosystem)
		source := sourceOf(records)
		versions := map[string][]string{}
		for _, rec := range records {
			for _, a := range rec.affected {
				for _, g := range a.ranges {
					for _, e := range g.events {
						versions[a.name] = append(versions[a.name], e.Version)
					}
				}
				versions[a.name] = append(versions[a.name], a.versions[:min(len(a.versions), 3)]...)
			}
		}
		checked := 0
		for name, list := range versions {
			slices.Sort(list)
			for _, v := range slices.Compact(list) {
				beside := []string{v, v + "-rc.1", v + "-0.20240101000000-abcdefabcdef"}
				if ecosystem == "PyPI" {
					beside = []string{v, v + "rc1", v + ".post1"}
				}
				for _, w := range beside {
					p := Package{Ecosystem: ecosystem, Name: name, Version: w, Owner: -1}
					if w == "0" || !OrderOf(ecosystem).Valid(w) {
						continue
					}
					checked++
					if d := disagreement(t, p, records, source); d != "" {
						t.Error(d)
					}
				}
			}
		}
		if checked < 1000 {
			t.Errorf("%s: only %d versions", ecosystem, checked)
		}
	}
}
