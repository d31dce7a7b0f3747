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
	ID         string   // CVE where there is one, else MAL, else GHSA, else the advisory's own
	Advisories []string // that say so, sorted
	Aliases    []string // other names, sorted
	Severity   Severity
	State      State
	Fixed      string // the version that mends it, "" unless FixAvailable
	Later      bool   // Fixed is of a later branch, as none of its own is known to mend it
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

// Run matches packages against a source. r is the release that the packages of a
// distribution are of, where they do not say. An error is of the source; the result is
// then nil.
func Run(packages []Package, r Release, source Source) (*Result, error) {
	m := &matcher{packages: packages, release: r, source: source, records: map[string]*Record{}, result: &Result{}, byID: map[string]*hit{}, said: make([]said, 0, 256)}
	noData := map[string]bool{}
	for i := range packages {
		r := packages[i].of(r)
		scope := Scope(packages[i].Ecosystem, r)
		covered := func(l look) bool { return source.Covers(l.scope) }
		if scope == "" || !slices.ContainsFunc(packages[i].looks(scope), covered) {
			if scope == "" {
				scope = packages[i].Ecosystem + noRelease(packages[i].Ecosystem, r)
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

// of is the release that a package is of, by that of the run.
func (p *Package) of(r Release) Release {
	if p.Release != nil {
		return *p.Release
	}
	return r
}

// noRelease says of which system packages are whose ecosystem has no such release.
func noRelease(ecosystem string, r Release) string {
	switch system := strings.TrimSpace(r.ID + " " + r.Version); {
	case r.Version == "":
		return " of a release that is not known"
	case Scope(ecosystem, Release{ID: r.ID, Version: "1.1"}) == "": // no version of it is one of these
		return " of a release that " + system + " does not tell"
	default:
		return " of " + system
	}
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

	said  []said          // of the package that is matched; reused
	byID  map[string]*hit // of it, too
	word  []said          // of its owner
	queue []string        // of names that are followed; reused

	// What share their memory, as there are thousands.
	newMatches []Match
	newRecords []Record
	newHits    []hit
}

// together is how many of what a run makes one by one share their memory.
const together = 64

// more appends one to a list whose elements stay where they are, and returns it.
func more[T any](list *[]T) *T {
	if len(*list) == cap(*list) {
		*list = make([]T, 0, together)
	}
	*list = (*list)[:len(*list)+1]
	return &(*list)[len(*list)-1]
}

func (m *matcher) record(id string) (*Record, error) {
	if r, ok := m.records[id]; ok {
		return r, nil
	}
	read, err := m.source.Record(id)
	if err != nil {
		return nil, err
	}
	r := more(&m.newRecords)
	*r = read
	m.records[id] = r
	return r, nil
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
		if p.Ecosystem == "Azure Linux" { // of which OSV's records leave the epoch out
			version, sourceVersion = withoutEpoch(version), withoutEpoch(sourceVersion)
		}
		list := []look{{scope, name, version, false}}
		if BySource(p.Ecosystem) && source != name {
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
	if p.Ecosystem == bitnami { // 1.25.3-0 is the first build of 1.25.3, and nothing before it
		if i := strings.LastIndexByte(version, '-'); i > 0 && digits(version[i+1:]) == len(version)-i-1 {
			version = version[:i]
		}
	}
	return []look{{scope, name, version, false}}
}

func withoutEpoch(version string) string {
	if n := digits(version); n > 0 && n < len(version) && version[n] == ':' {
		return version[n+1:]
	}
	return version
}

// bitnami is the ecosystem of what Bitnami builds.
const bitnami = "Bitnami"

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
	others := false // statements that may say otherwise
	for k := range list {
		s := &list[k]
		if s.standing == outside {
			others = true
			continue
		}
		ids, err := m.names(s.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			h := m.byID[id]
			if h == nil {
				h = more(&m.newHits)
				h.id = id
				m.byID[id] = h
				hits = append(hits, h)
			}
			h.said = append(h.said, s)
		}
	}
	if others && hasOwnWord(m.packages[i].Ecosystem) && slices.ContainsFunc(hits, (*hit).disputable) {
		if err := m.objections(list, m.packages[i].Ecosystem); err != nil {
			return err
		}
	}
	before := len(m.matches)
	if err := m.weigh(i, hits); err != nil {
		return err
	}
	slices.SortFunc(m.matches[before:], compareMatches)
	return m.keep(i, list, m.matches[before:])
}

// compareMatches orders the matches of a package.
func compareMatches(a, b *Match) int {
	if c := b.Priority - a.Priority; c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
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
			if isMalicious(h.id) || !h.has(func(s *said) bool { return !isMalicious(s.ID) }) { // of a name alone, whatever the content
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
