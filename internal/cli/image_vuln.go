package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/vuln"
)

// vulnerabilities are what advisories say of the packages of an image. When there
// is no database, found is nil and nothing is known.
type vulnerabilities struct {
	found *vuln.Result
	feeds []advisory.Provenance
}

// matchImage holds the packages of an image against the advisories in the store.
func matchImage(store *advisory.Store, img *image.Image) (v vulnerabilities, err error) {
	db, err := advisory.Open(store.Path())
	if errors.Is(err, advisory.ErrNone) {
		return v, nil
	} else if err != nil {
		return v, fmt.Errorf("%w: remove it and run ullage db update", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	v.feeds = db.Describe().Feeds
	checked := store.Checked()
	for i := range v.feeds {
		if at := checked[v.feeds[i].Feed]; at.After(v.feeds[i].Fetched) {
			v.feeds[i].Fetched = at
		}
	}
	v.found, err = vuln.Run(packagesToMatch(img.Packages), vuln.Release{ID: img.Distro.ID, Version: img.Distro.Version}, db)
	return v, err
}

// packagesToMatch turns packages into what matching asks for. The owner of a
// language's package is the distribution's of that name.
func packagesToMatch(all []image.Package) []vuln.Package {
	owners := map[string]int{}
	for i := range all {
		if _, taken := owners[all[i].Name]; !taken && !all[i].OfLanguage() {
			owners[all[i].Name] = i
		}
	}
	out := make([]vuln.Package, len(all))
	for i := range all {
		p := &all[i]
		owner := -1
		if at, ok := owners[p.OwnedBy]; ok && p.OwnedBy != "" {
			owner = at
		}
		out[i] = vuln.Package{Ecosystem: p.Ecosystem, Name: p.Name, Version: p.Version, Source: p.Source, SourceVersion: p.SourceVersion, Owner: owner}
	}
	return out
}

// shownVulnerabilities is how many are shown one by one.
const shownVulnerabilities = 20

func (p *imagePrinter) vulnerabilities(img *image.Image, v vulnerabilities, now time.Time) {
	p.section("Vulnerabilities")
	if v.found == nil {
		p.wrapped(2, yellow, "not known: there is no database of advisories. ullage db update fetches one.")
		return
	}
	matches := slices.Clone(v.found.Matches)
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
	if n := len(v.found.Undecided); n > 0 {
		p.entry("undecided", counted(n, "advisory"))
	}
	p.some("no data on", v.found.NoData, yellow)
	p.entry("as of", v.age(now))
	shown := matches
	if !p.verbose {
		shown = matches[:min(len(matches), shownVulnerabilities)]
	}
	for i := range shown {
		m := &shown[i]
		pkg := &img.Packages[m.Package]
		fix := string(m.State)
		if m.Fixed != "" {
			fix = "fixed in " + m.Fixed
		}
		p.wrapped(2, levelStyles[m.Severity.Level.String()], fmt.Sprintf("%-8s  %s  %s %s, %s", strings.ToUpper(m.Severity.Level.String()), m.ID, pkg.Name, pkg.Version, fix))
		reasons := slices.DeleteFunc(slices.Clone(m.Reasons()), func(s string) bool { return s == fix })
		if len(reasons) > 0 {
			p.wrapped(12, dim, strings.Join(reasons, "; "))
		}
	}
	if rest := len(matches) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
}

var levelStyles = map[string]string{"critical": red, "high": red, "medium": yellow}

// age says how old the oldest feed is.
func (v *vulnerabilities) age(now time.Time) string {
	if len(v.feeds) == 0 {
		return "no feed"
	}
	oldest := slices.MinFunc(v.feeds, func(a, b advisory.Provenance) int { return cmp.Compare(a.Fetched.Unix(), b.Fetched.Unix()) })
	return counted(len(v.feeds), "feed") + ", the oldest (" + oldest.Feed + ") " + age(now.Sub(oldest.Fetched))
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

// json is null when there is no database.
func (v *vulnerabilities) json() *vulnerabilitiesJSON {
	if v.found == nil {
		return nil
	}
	j := &vulnerabilitiesJSON{Found: []vulnerabilityJSON{}, Undecided: []undecidedJSON{}, NoData: listOf(v.found.NoData), Feeds: []feedAgeJSON{}}
	for i := range v.found.Matches {
		m := &v.found.Matches[i]
		j.Found = append(j.Found, vulnerabilityJSON{
			m.Package, m.ID, listOf(m.Aliases), m.Severity.Level.String(), m.Severity.Score, string(m.State), m.Fixed, m.Priority, listOf(m.Reasons()),
		})
	}
	for _, u := range v.found.Undecided {
		j.Undecided = append(j.Undecided, undecidedJSON(u))
	}
	for _, f := range v.feeds {
		j.Feeds = append(j.Feeds, feedAgeJSON{f.Feed, f.Fetched})
	}
	return j
}
