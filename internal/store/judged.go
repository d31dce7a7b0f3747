package store

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Judged says how far an image was judged: of what was not, nothing is taken for
// gone that is not found.
type Judged struct {
	Partly    bool     // something of the image could not be read
	NoData    []string // ecosystems, without releases, on which there are no advisories
	Undecided []Key    // what could not be decided
	Why       string   // all of that for people, "" when everything was judged
}

// proves says whether it means something that a finding is missing.
func (j *Judged) proves(k *Key) bool {
	return !j.Partly && !slices.Contains(j.NoData, k.Ecosystem) && !slices.ContainsFunc(j.Undecided, func(u Key) bool { return u.lineage() == k.lineage() })
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
type openness map[string]bool

func parseOpen(text string) openness {
	o := openness{}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			o[line] = true
		}
	}
	return o
}

func (o openness) proves(l lineage) bool { return !o[everything] && !o[l.ecosystem] && !o[l.text()] }

func digestOf(found []Finding, j *Judged) string {
	h := fnv.New128a()
	for i := range found {
		fmt.Fprintf(h, "%q\n", found[i])
	}
	fmt.Fprintf(h, "%q\n", j.open())
	return fmt.Sprintf("%x", h.Sum(nil))
}
