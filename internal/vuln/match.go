package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// State is what can be done about a match.
type State string

// The states.
const (
	FixAvailable State = "fixed"         // a version without it is out
	NotFixed     State = "not fixed"     // nobody names a fixed version
	Declined     State = "will not fix"  // by the word of the distribution
	Abandoned    State = "end of life"   // the distribution no longer cares for the package
	Open         State = "investigating" // the distribution has not decided
)

// Match is one vulnerability of one package.
type Match struct {
	Package    int      // index among the packages
	ID         string   // CVE where there is one, else GHSA, else the advisory's own
	Advisories []string // that say so, sorted
	Aliases    []string // other names, sorted
	Severity   Severity
	State      State
	Fixed      string // the version that mends it, "" unless FixAvailable
	Exploited  *Exploited
	EPSS       *EPSS
	Summary    string
	Published  int64
	Priority   int // the higher the sooner; comparable between images
	notes      []string
}

// Ruled is a vulnerability of a package that sources report and that does not
// count, or is not decided, with the reason.
type Ruled struct {
	Package int
	ID      string
	Why     string
}

// Result is what matching found.
type Result struct {
	Matches   []Match // by package, then by priority, the highest first, then by id
	RuledOut  []Ruled
	Undecided []Ruled
	// NoData are ecosystems, with the release where that matters, of packages of
	// which no source says anything: nothing found there means nothing.
	NoData []string
}

// Run matches packages against a source. An error is of the source; the result is
// then nil.
func Run(packages []Package, r Release, source Source) (*Result, error) {
	m := &matcher{packages: packages, release: r, source: source, records: map[string]*Record{}, result: &Result{}}
	noData := map[string]bool{}
	for i := range packages {
		scope := Scope(packages[i].Ecosystem, r)
		if scope == "" || !source.Covers(scope) {
			if scope == "" {
				scope = strings.TrimSpace(packages[i].Ecosystem + " of " + r.ID + " " + r.Version)
			}
			noData[scope] = true
			continue
		}
		if err := m.match(i, scope); err != nil {
			return nil, err
		}
	}
	for scope := range noData {
		m.result.NoData = append(m.result.NoData, scope)
	}
	slices.Sort(m.result.NoData)
	slices.SortFunc(m.result.Matches, func(a, b Match) int {
		return cmp.Or(a.Package-b.Package, b.Priority-a.Priority, strings.Compare(a.ID, b.ID))
	})
	for _, list := range [][]Ruled{m.result.RuledOut, m.result.Undecided} {
		slices.SortStableFunc(list, func(a, b Ruled) int { return cmp.Or(a.Package-b.Package, strings.Compare(a.ID, b.ID)) })
	}
	return m.result, nil
}

type matcher struct {
	packages []Package
	release  Release
	source   Source
	records  map[string]*Record
	result   *Result
}

// hit is one vulnerability as the statements on a package give it, before it is
// weighed.
type hit struct {
	id         string
	statements []*Affected
	fixes      []string // of each statement
}

func (m *matcher) record(id string) (*Record, error) {
	if r, ok := m.records[id]; ok {
		return r, nil
	}
	r, err := m.source.Record(id)
	if err != nil {
		return nil, err
	}
	m.records[id] = &r
	return &r, nil
}

// sought returns the name and version by which sources speak of a package: the
// source package where distributions speak of these.
func (p *Package) sought() (name, version string) {
	name, version = p.Name, p.Version
	switch OrderOf(p.Ecosystem) {
	case Dpkg, Apk:
		name, version = cmp.Or(p.Source, name), cmp.Or(p.SourceVersion, version)
	}
	return NormalName(p.Ecosystem, name), version
}

func (m *matcher) statements(i int, scope string) ([]*Affected, string, error) {
	name, version := m.packages[i].sought()
	var list []*Affected
	err := m.source.Affected(scope, name, func(a *Affected) { list = append(list, a) })
	return list, version, err
}

func (m *matcher) match(i int, scope string) error {
	list, version, err := m.statements(i, scope)
	if err != nil || len(list) == 0 {
		return err
	}
	o := OrderOf(m.packages[i].Ecosystem)
	byID := map[string]*hit{}
	var hits []*hit
	for _, a := range list {
		standing, fix := a.stands(o, version)
		if standing == outside {
			continue
		}
		ids, err := m.names(a.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if standing == unclear {
				m.undecided(i, id, fmt.Sprintf("%s gives ranges, and %q is not a version of %s", a.ID, version, m.packages[i].Ecosystem))
				continue
			}
			h := byID[id]
			if h == nil {
				h = &hit{id: id}
				byID[id] = h
				hits = append(hits, h)
			}
			h.statements, h.fixes = append(h.statements, a), append(h.fixes, fix)
		}
	}
	return m.weigh(i, hits, list, o, version)
}

// names returns the ids under which a vulnerability is known: every CVE that an
// advisory names, else its GHSA, else its own.
func (m *matcher) names(id string) ([]string, error) {
	if cve := CVE(id); cve != "" {
		return []string{cve}, nil
	}
	r, err := m.record(id)
	if err != nil {
		return nil, err
	}
	cves, ghsa := r.aliases()
	if len(cves) == 0 && ghsa != "" && ghsa != id { // whose record may know the CVE
		if r, err = m.record(ghsa); err != nil {
			return nil, err
		}
		cves, _ = r.aliases()
	}
	switch {
	case len(cves) > 0:
		return cves, nil
	case ghsa != "" && !strings.HasPrefix(id, "GHSA-"):
		return []string{ghsa}, nil
	}
	return []string{id}, nil
}

// aliases returns the CVEs, sorted, and the first GHSA that advisories name.
func (r *Record) aliases() (cves []string, ghsa string) {
	for i := range r.Advisories {
		for _, alias := range r.Advisories[i].Aliases {
			if cve := CVE(alias); cve != "" {
				cves = append(cves, cve)
			} else if ghsa == "" && strings.HasPrefix(alias, "GHSA-") {
				ghsa = alias
			}
		}
	}
	slices.Sort(cves)
	return slices.Compact(cves), ghsa
}

// CVE returns the CVE id that an id is or ends with, as DEBIAN-CVE-2024-1 does;
// "" when it is another.
func CVE(id string) string {
	i := strings.Index(id, "CVE-")
	if i < 0 || i > 0 && id[i-1] != '-' {
		return ""
	}
	rest := id[i+4:]
	n := digits(rest)
	if n != 4 || len(rest) < 6 || rest[n] != '-' || digits(rest[n+1:]) != len(rest)-n-1 {
		return ""
	}
	return id[i:]
}

func (m *matcher) undecided(i int, id, why string) {
	m.result.Undecided = append(m.result.Undecided, Ruled{i, id, why})
}

func (m *matcher) ruledOut(i int, id, why string) {
	m.result.RuledOut = append(m.result.RuledOut, Ruled{i, id, why})
}

// weigh lets the distribution's own feed stand over conversions of it, and the
// distribution over upstream, and makes matches of what remains.
func (m *matcher) weigh(i int, hits []*hit, all []*Affected, o Order, version string) error {
	if len(hits) == 0 {
		return nil
	}
	var own map[string]*Affected
	if isDistribution(m.packages[i].Ecosystem) && slices.ContainsFunc(hits, (*hit).converted) {
		own = native(all)
	}
	word, err := m.ownersWord(i)
	if err != nil {
		return err
	}
	for _, h := range hits {
		if a := own[h.id]; a != nil && !slices.Contains(h.statements, a) {
			if standing, _ := a.stands(o, version); standing == outside {
				m.ruledOut(i, h.id, fmt.Sprintf("%s reports it, and by %s %s", ids(h.statements), a.Feed, a.excuse(version)))
				continue
			}
		}
		if a := own[h.id]; a != nil {
			h.only(a)
		}
		var reasons []string
		if word != nil {
			why, stands := word.of(h.id)
			if stands {
				m.ruledOut(i, h.id, why)
				continue
			}
			reasons = append(reasons, why)
		}
		match, err := m.made(i, h, o, reasons)
		if err != nil {
			return err
		}
		m.result.Matches = append(m.result.Matches, match)
	}
	return nil
}

// isNative says whether a statement is the distribution's own, and not what OSV
// made of it.
func (a *Affected) isNative() bool { return !strings.HasPrefix(a.Feed, "osv/") }

// converted says whether a statement of the hit is not the distribution's own.
func (h *hit) converted() bool {
	return slices.ContainsFunc(h.statements, func(a *Affected) bool { return !a.isNative() })
}

// native returns what distributions say themselves, by CVE.
func native(all []*Affected) map[string]*Affected {
	own := map[string]*Affected{}
	for _, a := range all {
		if a.isNative() && CVE(a.ID) != "" {
			own[CVE(a.ID)] = a
		}
	}
	return own
}

// only keeps one of the statements.
func (h *hit) only(a *Affected) {
	if k := slices.Index(h.statements, a); k >= 0 {
		h.statements, h.fixes = h.statements[k:k+1:k+1], h.fixes[k:k+1:k+1]
	}
}

// excuse says why a statement does not hold for a version.
func (a *Affected) excuse(version string) string {
	if a.Verdict == NotAffected {
		return "the package is not affected"
	}
	return "it is not in " + version
}

func ids(statements []*Affected) string {
	list := make([]string, len(statements))
	for i, a := range statements {
		list[i] = a.ID
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
