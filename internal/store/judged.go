package store

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// Judged says how far an image was judged: of what was not, nothing is taken for
// gone that is not found.
type Judged struct {
	Partly    bool     // something of the image could not be read
	NoData    []string // ecosystems, without releases, on which there are no advisories
	Undecided []Key    // what could not be decided
	Why       string   // all of that for people, "" when everything was judged
	// Names are the other ids of what is found, by which it may be known from before an
	// advisory got the one that it has now.
	Names map[Key][]string
}

// Proves returns what says whether it means something that a finding is missing. Of
// an image of which an operating system was not judged it means nothing for packages
// of any operating system: one may have taken the place of another.
func (j *Judged) Proves() func(*Key) bool {
	o := parseOpen(j.open())
	return func(k *Key) bool { return o.proves(k.lineage()) }
}

// everything stands for all ecosystems in what [Judged.open] returns.
const everything = "*"

// open writes what was not judged, one a line: ecosystems, and what is undecided as
// three texts with tabs between them.
func (j *Judged) open() string {
	lines := slices.Clone(j.NoData)
	if j.Partly {
		lines = append(lines, everything)
	}
	for _, k := range j.Undecided {
		lines = append(lines, k.lineage().text())
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

func (l lineage) text() string { return l.ecosystem + "\t" + l.name + "\t" + l.vulnerability }

// openness is what open wrote, to look up.
type openness struct {
	lines  map[string]bool
	system bool // there is no data on the operating system
}

func parseOpen(text string) openness {
	o := openness{lines: map[string]bool{}}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			o.lines[line] = true
			o.system = o.system || vuln.IsDistribution(line)
		}
	}
	return o
}

func (o *openness) proves(l lineage) bool {
	return !o.lines[everything] && !o.lines[l.ecosystem] && !o.lines[l.text()] && !(o.system && vuln.IsDistribution(l.ecosystem))
}

func digestOf(found []Finding, j *Judged) string {
	h := fnv.New128a()
	for i := range found {
		fmt.Fprintf(h, "%q\n", found[i])
	}
	fmt.Fprintf(h, "%q\n", j.open())
	return fmt.Sprintf("%x", h.Sum(nil))
}
