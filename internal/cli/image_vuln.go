package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/vuln"
)

// shownVulnerabilities is how many are shown one by one.
const shownVulnerabilities = 20

func (p *imagePrinter) vulnerabilities(r *scan.Result, now time.Time) {
	v := r.Vulnerabilities
	p.section("Vulnerabilities")
	if v == nil {
		p.wrapped(2, yellow, "not known: there is no database of advisories. ullage db update fetches one.")
		return
	}
	matches := slices.Clone(v.Matches)
	slices.SortStableFunc(matches, func(a, b vuln.Match) int { return b.Priority - a.Priority })
	counts, fixable := map[string]int{}, 0
	for i := range matches {
		counts[matches[i].Severity.Level.String()]++
		if matches[i].State == vuln.FixAvailable {
			fixable++
		}
	}
	var parts []string
	for _, level := range []string{"critical", "high", "medium", "low", "negligible", "unknown"} {
		if counts[level] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[level], level))
		}
	}
	text := fmt.Sprintf("%d", len(matches))
	if len(matches) > 0 {
		text += ": " + strings.Join(parts, ", ") + fmt.Sprintf("; %d with a fix", fixable)
	}
	p.entry("found", text)
	if n := len(v.Undecided); n > 0 {
		p.entry("undecided", counted(n, "advisory"))
	}
	p.some("no data on", v.NoData, yellow)
	p.entry("as of", feedAge(r.Feeds, now))
	shown := matches
	if !p.verbose {
		shown = matches[:min(len(matches), shownVulnerabilities)]
	}
	for i := range shown {
		pkg := &r.Image.Packages[shown[i].Package]
		p.match(&shown[i], pkg.Name+" "+pkg.Version)
	}
	if rest := len(matches) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
}

var levelStyles = map[string]string{"critical": red, "high": red, "medium": yellow}

// feedAge says how old the oldest feed is.
func feedAge(feeds []advisory.Provenance, now time.Time) string {
	if len(feeds) == 0 {
		return "no feed"
	}
	oldest := slices.MinFunc(feeds, func(a, b advisory.Provenance) int { return cmp.Compare(a.Fetched.Unix(), b.Fetched.Unix()) })
	return counted(len(feeds), "feed") + ", the oldest (" + oldest.Feed + ") " + age(now.Sub(oldest.Fetched))
}

// vulnerabilityJSON is one vulnerability of one package.
type vulnerabilityJSON struct {
	Package  int      `json:"package"` // index into packages
	ID       string   `json:"id"`
	Aliases  []string `json:"aliases"`
	Severity string   `json:"severity"`
	Score    float64  `json:"score,omitempty"`
	State    string   `json:"state"`
	Fixed    string   `json:"fixed,omitempty"`
	Priority int      `json:"priority"`
	Reasons  []string `json:"reasons"`
}

type vulnerabilitiesJSON struct {
	Found     []vulnerabilityJSON `json:"found"`
	Undecided []undecidedJSON     `json:"undecided"` // advisories of which it could not be told whether they apply
	NoData    []string            `json:"noData"`    // ecosystems on which there are no advisories
	Feeds     []feedAgeJSON       `json:"feeds"`
}

type undecidedJSON struct {
	Package int    `json:"package"`
	ID      string `json:"id"`
	Why     string `json:"why"`
}

type feedAgeJSON struct {
	Feed    string    `json:"feed"`
	Checked time.Time `json:"checked"`
}

// newVulnerabilitiesJSON gives nil when there is no database.
func newVulnerabilitiesJSON(r *scan.Result) *vulnerabilitiesJSON {
	v := r.Vulnerabilities
	if v == nil {
		return nil
	}
	j := &vulnerabilitiesJSON{Found: []vulnerabilityJSON{}, Undecided: []undecidedJSON{}, NoData: listOf(v.NoData), Feeds: []feedAgeJSON{}}
	for i := range v.Matches {
		m := &v.Matches[i]
		j.Found = append(j.Found, vulnerabilityJSON{
			m.Package, m.ID, listOf(m.Aliases), m.Severity.Level.String(), m.Severity.Score, string(m.State), m.Fixed, m.Priority, listOf(m.Reasons()),
		})
	}
	for _, u := range v.Undecided {
		j.Undecided = append(j.Undecided, undecidedJSON(u))
	}
	for _, f := range r.Feeds {
		j.Feeds = append(j.Feeds, feedAgeJSON{f.Feed, f.Fetched})
	}
	return j
}
