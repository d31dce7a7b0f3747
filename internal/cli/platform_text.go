package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/platform"
)

// How much is shown of a component where not everything is asked for.
const (
	shownOfComponent = 8
	shownPlaces      = 3
)

// platform writes the components of a cluster and what they have, for people.
func (p *imagePrinter) platform(judged []platform.Judged, feeds []advisory.Provenance, now time.Time) error {
	var unknown []*platform.Judged
	matches, with := 0, 0
	for i := range judged {
		j := &judged[i]
		if j.Unknown != "" {
			unknown = append(unknown, j)
			continue
		}
		if matches += len(j.Matches); len(j.Matches) > 0 {
			with++
		}
	}
	p.line(0, bold, fmt.Sprintf("%s in %d of %s", vulnerabilityCount(matches), with, counted(len(judged)-len(unknown), "component")))
	p.entry("as of", feedAge(feeds, now))
	if !slices.ContainsFunc(feeds, func(f advisory.Provenance) bool { return f.Feed == "kubernetes" }) {
		p.painted("missing", "the kubernetes feed, which says which component has a vulnerability of Kubernetes: without it these are undecided. ullage db update --feed kubernetes fetches it.", yellow)
	}
	for i := range judged {
		if judged[i].Unknown == "" {
			p.component(&judged[i], feeds)
		}
	}
	if len(unknown) > 0 {
		p.section("Not known")
		for _, j := range unknown {
			p.wrapped(2, yellow, strings.TrimSpace(j.Name+" "+j.Version)+": "+j.Unknown)
			p.places(j)
		}
	}
	return p.w.Flush()
}

func vulnerabilityCount(n int) string {
	if n == 1 {
		return "1 vulnerability"
	}
	return fmt.Sprintf("%d vulnerabilities", n)
}

func (p *imagePrinter) component(j *platform.Judged, feeds []advisory.Provenance) {
	title := j.Name + " " + j.Version
	if j.System != "" {
		title += ", " + j.System
	}
	p.section(title)
	p.places(j)
	if j.Vendor != "" {
		p.wrapped(2, dim, fmt.Sprintf("a vendor's build (%s): it may have fixes that the version does not tell", j.Vendor))
	}
	switch {
	case len(j.NoData) > 0:
		p.wrapped(2, yellow, "no data on "+lacking(j.NoData, feeds))
	case len(j.Matches) == 0:
		p.line(2, dim, "nothing found")
	}
	shown := j.Matches
	if !p.verbose {
		shown = shown[:min(len(shown), shownOfComponent)]
	}
	for i := range shown {
		p.match(&shown[i], "")
	}
	if rest := len(j.Matches) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
	if n := len(j.Undecided); n > 0 {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = j.Undecided[i].ID
		}
		if !p.verbose && n > shownPlaces {
			ids = append(ids[:shownPlaces], "...")
		}
		p.wrapped(2, yellow, fmt.Sprintf("undecided: %d (%s)", n, strings.Join(ids, ", ")))
	}
}

// places says where a component was seen.
func (p *imagePrinter) places(j *platform.Judged) {
	where := j.Where
	if len(where) == 0 {
		return
	}
	if rest := len(where) - shownPlaces; rest > 0 && !p.verbose {
		where = append(slices.Clone(where[:shownPlaces]), fmt.Sprintf("and %d more", rest))
	}
	p.wrapped(2, dim, strings.Join(where, ", "))
}
