package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/vuln"
)

// How many are shown one by one.
const (
	shownVulnerabilities = 20
	shownUpgrades        = 5
	levelColumn          = 12 // columns of a severity
)

func (p *imagePrinter) vulnerabilities(r *imageAnswer, now time.Time) {
	v := r.Vulnerabilities
	p.section("Vulnerabilities")
	if v == nil {
		p.wrapped(2, yellow, "not known: there is no database of advisories. ullage db update fetches one.")
		return
	}
	if len(v.NoData) > 0 {
		p.painted("no data on", lacking(v.NoData, r.Feeds), yellow)
	}
	found := foundText(r.Distinct(v.Matches))
	switch {
	case len(r.Image.Packages) == 0:
		found = "not known: no package was identified in it"
	case len(v.NoData) > 0:
		found += ", in packages that there is data on"
	case len(r.Image.Problems) > 0:
		found += ", in what could be read"
	}
	p.entry("found", found)
	p.decided(r)
	if n := len(v.Undecided); n > 0 {
		p.entry("undecided", counted(n, "advisory"))
	}
	if n := len(notIdentified(r.Image.Packages)); n > 0 {
		p.entry("not matched", counted(n, "package")+" of which the version or the group is not known, or that are in no registry")
	}
	p.entry("as of", feedAge(r.Feeds, now))
	p.life(r)
	matches := r.Distinct(r.shown())
	shown := matches
	if !p.verbose {
		shown = matches[:min(len(matches), shownVulnerabilities)]
	}
	for _, group := range shown {
		m := group[0]
		pkg := &r.Image.Packages[m.Package]
		p.match(m, pkg.Name+" "+pkg.Version+broughtBy(pkg)+placesText(r.Image, group), r.life.reasons(m)...)
	}
	if rest := len(matches) - len(shown); rest > 0 {
		p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", rest))
	}
	if p.verbose {
		for _, x := range v.Undecided {
			pkg := &r.Image.Packages[x.Package]
			p.wrapped(2, yellow, fmt.Sprintf("%-8s  %s  %s %s", "undecided", x.ID, pkg.Name, pkg.Version))
			p.wrapped(12, dim, x.Why)
		}
		for i := range v.RuledOut {
			x := &v.RuledOut[i]
			pkg := &r.Image.Packages[x.Package]
			p.columns(levelColumn, "ruled out", dim, x.ID+" "+pkg.Name+" "+pkg.Version, dim)
			p.columns(levelColumn, "", dim, x.Why, dim)
		}
	}
	p.upgrades(r)
}

// notIdentified are the places of the packages that no advisory can speak of, as too
// little is known of them, and that no package of the distribution answers for.
func notIdentified(all []image.Package) []int {
	list := []int{}
	for i := range all {
		if !all[i].Identified() && all[i].OwnedBy == "" {
			list = append(list, i)
		}
	}
	return list
}

// broughtBy names the package of the distribution by which a package of a language came:
// who upgrades that by its own manager leaves the flaw to the next installation.
func broughtBy(pkg *image.Package) string {
	if pkg.OwnedBy == "" {
		return ""
	}
	return " of " + pkg.OwnedBy
}

// placesText says where a package lies that is in several places, the first ones of many.
func placesText(img *image.Image, group []*vuln.Match) string {
	if len(group) == 1 {
		return ""
	}
	const most = 3
	var places []string
	for _, m := range group[:min(len(group), most)] {
		places = append(places, strings.Join(img.Packages[m.Package].Where, ", "))
	}
	text := fmt.Sprintf(" in %d places (%s", len(group), strings.Join(places, ", "))
	if len(group) > most {
		text += ", ..."
	}
	return text + ")"
}

func foundText(found [][]*vuln.Match) string {
	text := fmt.Sprintf("%d", len(found))
	if len(found) == 0 {
		return text
	}
	var levels [vuln.Critical + 1]int
	fixable := 0
	for _, group := range found {
		levels[group[0].Severity.Level]++
		if group[0].State == vuln.FixAvailable {
			fixable++
		}
	}
	return text + ": " + levelsText(levels) + fmt.Sprintf("; %d with a fix", fixable)
}

// levelsText counts by severity, the worst first and the unknown last.
func levelsText(levels [vuln.Critical + 1]int) string {
	var parts []string
	for _, level := range []vuln.Level{vuln.Critical, vuln.High, vuln.Medium, vuln.Low, vuln.Negligible, vuln.UnknownLevel} {
		if levels[level] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", levels[level], level))
		}
	}
	return strings.Join(parts, ", ")
}

// decided says what of it does not count, or is not shown, and why.
func (p *imagePrinter) decided(r *imageAnswer) {
	said := 0
	for i := range r.Vulnerabilities.RuledOut {
		if r.Vulnerabilities.RuledOut[i].Said != nil {
			said++
		}
	}
	if n := len(r.Vulnerabilities.RuledOut); n > 0 {
		var by []string
		if n > said {
			by = append(by, fmt.Sprintf("%d by the distribution", n-said))
		}
		if said > 0 {
			by = append(by, fmt.Sprintf("%d by VEX statements", said))
		}
		text := fmt.Sprintf("%d: %s", n, strings.Join(by, ", "))
		if !p.verbose {
			text += " (--verbose says why)"
		}
		p.entry("ruled out", text)
	}
	if r.accepted > 0 {
		p.entry("accepted", fmt.Sprintf("%d by exceptions", r.accepted))
	}
	if r.hidden > 0 {
		p.painted("not shown", fmt.Sprintf("%d without a fix (--only-fixable)", r.hidden), yellow)
	}
	if n := len(r.idle); n > 0 {
		shown := r.idle
		if !p.verbose {
			shown = r.idle[:min(n, 3)]
		}
		p.painted("VEX without effect", counted(n, "statement")+": "+strings.Join(shown, "; ")+map[bool]string{true: "; ...", false: ""}[len(shown) < n], yellow)
	}
	p.idle(r.expired, r.unused)
}

// match writes a vulnerability with its reasons, and more of these. of is the package
// that has it, "" when that is known.
func (p *imagePrinter) match(m *vuln.Match, of string, more ...string) {
	fix := string(m.State)
	if m.Fixed != "" {
		fix = "fixed in " + m.Fixed
	}
	style := levelStyles[m.Severity.Level]
	if m.Exception != nil {
		style = dim
	}
	head := m.ID
	if of != "" {
		head += " " + of
	}
	p.columns(levelColumn, strings.ToUpper(m.Severity.Level.String()), style, head+", "+fix, style)
	if e := m.Exception; e != nil {
		p.columns(levelColumn, "", "", fmt.Sprintf("accepted by %s until %s: %s (%s)", e.Owner, e.Expires.Format(time.DateOnly), e.Reason, e.ID), "")
	}
	reasons := slices.DeleteFunc(slices.Clone(m.Reasons()), func(s string) bool { return s == fix })
	if reasons = append(reasons, more...); len(reasons) > 0 {
		p.columns(levelColumn, "", dim, strings.Join(reasons, "; "), dim)
	}
}

var levelStyles = map[vuln.Level]string{vuln.Critical: red, vuln.High: red, vuln.Medium: yellow}

// upgrades says which changes mend most.
func (p *imagePrinter) upgrades(r *imageAnswer) {
	all := r.Upgrades()
	if len(all) == 0 {
		return
	}
	p.section("What to upgrade first")
	shown := all
	if !p.verbose {
		shown = all[:min(len(all), shownUpgrades)]
	}
	for i := range shown {
		u := &shown[i]
		text := fmt.Sprintf("%s %s to %s", u.Name, strings.Join(u.From, ", "), u.To)
		if u.Owner >= 0 {
			text = fmt.Sprintf("%s, which brings %s %s, to a build of the distribution that has the fixes of %s", r.Image.Packages[u.Owner].Name, u.Name, strings.Join(u.From, ", "), u.To)
		}
		text += fmt.Sprintf(" mends %d", len(u.Mends))
		text += " (" + levelsText(u.Levels)
		if u.Exploited > 0 {
			text += fmt.Sprintf("; %d known to be exploited", u.Exploited)
		}
		text += ")"
		if u.Left > 0 {
			text += fmt.Sprintf(", leaves %d", u.Left)
		}
		if len(u.Comes) > 0 {
			text += ", and brings " + p.few(u.Comes)
		}
		if u.Layer >= 0 {
			text += fmt.Sprintf(", %slayer %d", whose(&r.Image.Base, u.Layer), u.Layer+1)
		}
		p.columns(4, strconv.Itoa(i+1), dim, text, "")
	}
	if rest := len(all) - len(shown); rest > 0 {
		p.line(6, dim, fmt.Sprintf("and %s more; --verbose lists them", counted(rest, "upgrade")))
	}
	if where := whereToMend(&r.Image.Base, all); where != "" {
		p.columns(4, "", dim, where, dim)
	}
}

// verdict ends the output with what --fail-on came to.
func (p *imagePrinter) verdict(r *imageAnswer) {
	if r.asked == "" {
		return
	}
	p.line(0, "", "")
	switch {
	case r.failing > 0:
		p.wrapped(0, red, "fails: "+countedAre(r.failing)+" what --fail-on "+r.asked+" asks for")
	case r.missing != "":
		p.wrapped(0, yellow, "not judged for all packages: "+r.missing)
	case len(r.Image.Problems) > 0:
		p.wrapped(0, yellow, "not judged for all of it: a part of the image could not be read; what was read has nothing that --fail-on "+r.asked+" asks for")
	default:
		p.wrapped(0, green, "passes: nothing is what --fail-on "+r.asked+" asks for")
	}
}

// whereToMend says how many vulnerabilities upgrades mend in the base image and in
// own layers or, where the base is not known, in each layer.
func whereToMend(base *image.Base, all []vuln.Upgrade) string {
	mends, total := map[int]int{}, [2]int{}
	for i := range all {
		n, layer := len(all[i].Mends), all[i].Layer
		if layer < 0 {
			continue // nobody says whose it is
		}
		mends[layer] += n
		if has, _ := base.Has(layer); has {
			total[0] += n
		} else {
			total[1] += n
		}
	}
	if base.Layers > 0 {
		return fmt.Sprintf("in the base image: mends %d; in own layers: mends %d", total[0], total[1])
	}
	var list []string
	for _, layer := range slices.SortedFunc(maps.Keys(mends), func(a, b int) int { return cmp.Or(mends[b]-mends[a], a-b) }) {
		list = append(list, fmt.Sprintf("layer %d: mends %d", layer+1, mends[layer]))
	}
	return strings.Join(list, "; ")
}

// feedAge says how old the oldest feed is, and which have had no new record for long.
func feedAge(feeds []advisory.Provenance, now time.Time) string {
	if len(feeds) == 0 {
		return "no feed"
	}
	oldest := slices.MinFunc(feeds, func(a, b advisory.Provenance) int { return cmp.Compare(a.Fetched.Unix(), b.Fetched.Unix()) })
	text := counted(len(feeds), "feed") + ", the oldest (" + oldest.Feed + ") fetched " + age(now.Sub(oldest.Fetched))
	for _, f := range feeds {
		if f.Unread > 0 {
			text += fmt.Sprintf("; %s of %s could not be read", counted(f.Unread, "record"), f.Feed)
		}
	}
	var asleep []string
	for _, f := range slices.SortedFunc(slices.Values(feeds), func(a, b advisory.Provenance) int { return cmp.Compare(a.Newest.Unix(), b.Newest.Unix()) }) {
		if !f.Newest.IsZero() && f.Fetched.Sub(f.Newest) > asleepAfter {
			asleep = append(asleep, f.Feed+" "+age(now.Sub(f.Newest)))
		}
	}
	if len(asleep) > shownPlaces {
		asleep = append(asleep[:shownPlaces:shownPlaces], fmt.Sprintf("and %d more", len(asleep)-shownPlaces))
	}
	if len(asleep) > 0 {
		text += "; newest record of " + strings.Join(asleep, ", of ")
	}
	return text
}

// asleepAfter is how much older than its download the newest record of a feed may be
// without a word.
const asleepAfter = 30 * 24 * time.Hour
