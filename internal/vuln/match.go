package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
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
	Postponed    State = "deferred"      // the distribution will mend it, and has not said when
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
	// Said is what a VEX statement says of it, nil when none does.
	Said *Statement
	// Exception lets it pass for a time, nil when none does.
	Exception *model.Exception
	notes     []string
}

// Ruled is a vulnerability of a package that sources report and that does not
// count, or is not decided, with the reason.
type Ruled struct {
	Package int
	ID      string
	Why     string
	// Said is the VEX statement that rules it out, and Match what it was before; both
	// nil where the sources of advisories rule it out themselves.
	Said  *Statement
	Match *Match
}

// Result is what matching found.
type Result struct {
	Matches   []Match // by package, then by priority, the highest first, then by id
	RuledOut  []Ruled
	Undecided []Ruled
	// NoData are ecosystems, with the release where that matters, of packages of
	// which no source says anything: nothing found there means nothing.
	NoData []string

	ranges map[int][]ranged // by package, where an upgrade mends something
}

// Run matches packages against a source. An error is of the source; the result is
// then nil.
func Run(packages []Package, r Release, source Source) (*Result, error) {
	m := &matcher{packages: packages, release: r, source: source, records: map[string]*Record{}, scores: scoreCache{}, result: &Result{}, byID: map[string]*hit{}, said: make([]said, 0, 256)}
	noData := map[string]bool{}
	for i := range packages {
		scope := Scope(packages[i].Ecosystem, r)
		covered := func(l look) bool { return source.Covers(l.scope) }
		if scope == "" || !slices.ContainsFunc(packages[i].looks(scope), covered) {
			if scope == "" {
				scope = packages[i].Ecosystem + noRelease(r)
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
	slices.SortFunc(m.matches, func(a, b *Match) int {
		return cmp.Or(a.Package-b.Package, b.Priority-a.Priority, strings.Compare(a.ID, b.ID))
	})
	if len(m.matches) > 0 {
		m.result.Matches = make([]Match, len(m.matches))
	}
	for i, x := range m.matches {
		m.result.Matches[i] = *x
	}
	for _, list := range [][]Ruled{m.result.RuledOut, m.result.Undecided} {
		slices.SortStableFunc(list, func(a, b Ruled) int { return cmp.Or(a.Package-b.Package, strings.Compare(a.ID, b.ID)) })
	}
	return m.result, nil
}

// noRelease says of which system packages are whose ecosystem has no such release.
func noRelease(r Release) string {
	if r.Version == "" {
		return " of a release that is not known"
	}
	return " of " + strings.TrimSpace(r.ID+" "+r.Version)
}

// EcosystemOf returns the ecosystem of an entry of [Result.NoData].
func EcosystemOf(noData string) string {
	ecosystem, _, _ := strings.Cut(noData, " of ")
	ecosystem, _, _ = strings.Cut(ecosystem, ":")
	return ecosystem
}

type matcher struct {
	packages []Package
	release  Release
	source   Source
	records  map[string]*Record
	result   *Result
	matches  []*Match

	said []said          // of the package that is matched; reused
	byID map[string]*hit // of it, too
	word []said          // of its owner

	scores   scoreCache
	gathered []*Advisory // on the vulnerability that is weighed; reused
}

// said is a statement that was held against a version.
type said struct {
	Affected
	version  string
	standing standing
	fix      string
	pro      bool // of what is mended for subscribers only
}

// hit is one vulnerability as the statements on a package give it, before it is
// weighed.
type hit struct {
	id   string
	said []*said
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

// look is one question to a source.
type look struct {
	scope, name, version string
	pro                  bool
}

// looks returns what sources are asked about a package: by its name, or by that of
// its source package where they speak of these.
func (p *Package) looks(scope string) []look {
	name, version := NormalName(p.Ecosystem, p.Name), p.Version
	source, sourceVersion := cmp.Or(p.Source, name), cmp.Or(p.SourceVersion, version)
	switch OrderOf(p.Ecosystem) {
	case Dpkg, Apk:
		list := []look{{scope, source, sourceVersion, false}}
		if pro := subscription(scope); pro != "" {
			list = append(list, look{pro, source, sourceVersion, true})
		}
		return list
	case Rpm:
		list := []look{{scope, name, version, false}}
		if bySource(p.Ecosystem) && source != name {
			list = append(list, look{scope, source, sourceVersion, false})
		}
		if p.Ecosystem != "Red Hat" || p.Module == "" && isModular(version) {
			return list
		}
		list = append(list, look{scope, SourceName(ModularName(p.Module, source)), sourceVersion, false})
		if p.Module != "" {
			list = append(list, look{scope, ModularName(p.Module, name), version, false})
		}
		return list
	}
	if p.Ecosystem == kubernetes {
		return []look{{scope, name, version, false}, {"Go", "k8s.io/kubernetes", version, false}}
	}
	return []look{{scope, name, version, false}}
}

// kubernetes is the ecosystem of the components of Kubernetes: kubelet and so on.
const kubernetes = "Kubernetes"

// statements returns what sources say of a package, each held against its version.
// They are good until it is called again.
func (m *matcher) statements(i int, scope string) ([]said, error) {
	p := &m.packages[i]
	o := OrderOf(p.Ecosystem)
	m.said = m.said[:0]
	for _, l := range p.looks(scope) {
		err := m.source.Affected(l.scope, l.name, func(a *Affected) {
			s := said{Affected: *a, version: l.version, pro: l.pro}
			if o == Rpm {
				var applies bool
				if s.Affected, applies = a.inModule(p, &l); !applies {
					return
				}
			}
			s.standing, s.fix = s.stands(o, l.version)
			m.said = append(m.said, s)
		})
		if err != nil {
			return nil, err
		}
	}
	return m.said, nil
}

func (m *matcher) match(i int, scope string) error {
	list, err := m.statements(i, scope)
	if err != nil || len(list) == 0 {
		return err
	}
	clear(m.byID)
	var hits []*hit
	more := false // statements that may say otherwise
	for k := range list {
		s := &list[k]
		if s.standing == outside {
			more = true
			continue
		}
		ids, err := m.names(s.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			h := m.byID[id]
			if h == nil {
				h = &hit{id: id}
				m.byID[id] = h
				hits = append(hits, h)
			}
			h.said = append(h.said, s)
		}
	}
	if more && hasOwnWord(m.packages[i].Ecosystem) && slices.ContainsFunc(hits, (*hit).disputable) {
		if err := m.objections(list, m.packages[i].Ecosystem); err != nil {
			return err
		}
	}
	before := len(m.matches)
	if err := m.weigh(i, hits); err != nil {
		return err
	}
	return m.keep(i, list, m.matches[before:])
}

// objections adds to hits what says that they are not there.
func (m *matcher) objections(list []said, ecosystem string) error {
	for k := range list {
		s := &list[k]
		if s.standing != outside {
			continue
		}
		if id := CVE(s.ID); id != "" || ecosystem != kubernetes {
			if h := m.byID[id]; h != nil {
				h.said = append(h.said, s)
			}
			continue
		}
		ids, err := m.names(s.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if h := m.byID[id]; h != nil {
				h.said = append(h.said, s)
			}
		}
	}
	return nil
}

// disputable says whether statements that do not hold can speak against the hit.
// They cannot where the distribution's own feed reports it, with versions.
func (h *hit) disputable() bool { return h.has(func(s *said) bool { return s.pro || !s.ranges() }) }

// mostNames bounds how many names of an advisory without a CVE are followed: more
// than real ones have.
const mostNames = 32

// names returns the ids under which a vulnerability is known: every CVE that an
// advisory names, or else those of the nearest of its other names that have one.
// Without any it is the first GHSA of all that lead to each other, else the first id,
// so that each of them gives the same.
func (m *matcher) names(id string) ([]string, error) {
	if cve := CVE(id); cve != "" {
		return []string{cve}, nil
	}
	names := append(make([]string, 0, 4), id)
	for from := 0; from < len(names); {
		level := names[from:]
		from = len(names)
		var cves []string
		for _, name := range level {
			r, err := m.record(name)
			if err != nil {
				return nil, err
			}
			found, others := r.aliases()
			cves = append(cves, found...)
			for _, other := range others {
				if len(names) < mostNames {
					names = queued(names, other)
				}
			}
		}
		if len(cves) > 0 {
			slices.Sort(cves)
			return slices.Compact(cves), nil
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rankOf(a)-rankOf(b), strings.Compare(a, b)) })
	return names[:1], nil
}

// rankOf puts the ids first that most know.
func rankOf(id string) int {
	if strings.HasPrefix(id, "GHSA-") {
		return 0
	}
	return 1
}

// aliases returns the CVEs that advisories name, and their other names.
func (r *Record) aliases() (cves, others []string) {
	for i := range r.Advisories {
		for _, alias := range r.Advisories[i].Aliases {
			if cve := CVE(alias); cve != "" {
				cves = append(cves, cve)
			} else {
				others = append(others, alias)
			}
		}
	}
	return cves, others
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
	m.result.Undecided = append(m.result.Undecided, Ruled{Package: i, ID: id, Why: why})
}

func (m *matcher) ruledOut(i int, id, why string) {
	m.result.RuledOut = append(m.result.RuledOut, Ruled{Package: i, ID: id, Why: why})
}

// weigh lets the distribution's own feed stand over conversions of it, and the
// distribution over upstream, and makes matches of what remains.
func (m *matcher) weigh(i int, hits []*hit) error {
	if len(hits) == 0 {
		return nil
	}
	word, err := m.ownersWord(i)
	if err != nil {
		return err
	}
	own := hasOwnWord(m.packages[i].Ecosystem)
	for _, h := range hits {
		if own && m.packages[i].Ecosystem == kubernetes && !h.has(func(s *said) bool { return s.Feed == proseFeed }) {
			m.undecided(i, h.id, fmt.Sprintf("%s is about Kubernetes as a whole, and the %s feed does not say that this component has it", h.reported(), proseFeed))
			continue
		}
		if own {
			if why := h.settle(); why != "" {
				m.ruledOut(i, h.id, why)
				continue
			}
		}
		if h.decide(); len(h.said) == 0 || h.said[0].standing == unclear {
			for _, s := range h.said {
				m.undecided(i, h.id, s.doubt(m.packages[i].Ecosystem))
			}
			continue
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
		if doubt := m.packages[i].Doubt; doubt != "" {
			if strings.HasPrefix(h.id, "MAL-") { // of a name alone, whatever the content
				m.undecided(i, h.id, doubt)
				continue
			}
			reasons = append(reasons, doubt)
		}
		match, err := m.made(i, h, reasons)
		if err != nil {
			return err
		}
		m.matches = append(m.matches, match)
	}
	return nil
}

// doubt says why it is not known whether a statement holds.
func (s *said) doubt(ecosystem string) string {
	if s.Verdict == Undecided {
		return fmt.Sprintf("%s says in prose which versions are affected, and it was not understood", s.Feed)
	}
	return fmt.Sprintf("%s gives ranges, and %q is not a version of %s", s.ID, s.version, ecosystem)
}

// isNative says whether a statement is the distribution's own, and not what OSV
// made of it.
func (a *Affected) isNative() bool { return !strings.HasPrefix(a.Feed, "osv/") }

// settle weighs what a distribution says of its package: its own feed stands over
// conversions of it, and that a package never was affected over all. It returns why
// the vulnerability does not count, "" when it may.
func (h *hit) settle() string {
	reported := h.reported()
	for _, s := range h.said {
		if s.isNative() && s.Verdict == NotAffected {
			return fmt.Sprintf("%s reports it, and by %s the package is not affected", reported, s.Feed)
		}
	}
	for _, s := range h.said { // built for subscribers, of which the version tells
		if s.pro && s.standing == outside && strings.Contains(s.version, "esm") {
			return fmt.Sprintf("%s reports it, and %s says that it is not in %s, which is built for subscribers", reported, s.ID, s.version)
		}
	}
	for _, pro := range []bool{false, true} {
		if h.has(func(s *said) bool { return s.pro == pro && s.ranges() }) {
			h.drop(func(s *said) bool { return s.pro == pro && !s.isNative() })
		}
	}
	if h.has(func(s *said) bool { return !s.isNative() }) {
		h.drop(func(s *said) bool { return s.Feed == proseFeed })
	}
	if a := h.absent(); a != nil {
		return fmt.Sprintf("%s reports it, and by %s it is not in %s", reported, a.Feed, a.version)
	}
	return ""
}

// absent returns a statement for everybody that names versions and not this one,
// nil when there is none, or another one names this version.
func (h *hit) absent() (a *said) {
	for _, s := range h.said {
		switch {
		case s.pro || s.Feed == verdictFeed || s.Feed == proseFeed:
		case s.standing != outside:
			return nil
		case a == nil:
			a = s
		}
	}
	return a
}

// ranges says whether a statement is the distribution's own word on which versions
// are affected, and not only on what becomes of it.
func (s *said) ranges() bool { return s.isNative() && s.Feed != verdictFeed && s.Feed != proseFeed }

const (
	// verdictFeed says what becomes of a vulnerability and not in which version it is
	// mended: that is in the conversion beside it.
	verdictFeed = "ubuntu"
	// proseFeed says which components have a vulnerability, and in which versions in
	// prose: where another source has ranges, these count.
	proseFeed = "kubernetes"
)

func (h *hit) has(which func(*said) bool) bool { return slices.ContainsFunc(h.said, which) }

func (h *hit) drop(which func(*said) bool) { h.said = slices.DeleteFunc(h.said, which) }

// reported names the advisories that report the hit.
func (h *hit) reported() string {
	var list []string
	for _, s := range h.said {
		if s.standing != outside {
			list = append(list, s.ID)
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// decide keeps the statements that hold; where there are none, those of which it is
// not known.
func (h *hit) decide() {
	h.drop(func(s *said) bool { return s.standing == outside })
	if h.has(func(s *said) bool { return s.standing == inside }) {
		h.drop(func(s *said) bool { return s.standing == unclear })
	}
}
