package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/scan"
	"ullage.dev/ullage/internal/store"
)

// running writes what runs for people. now is nil when no cluster was read.
func (p *imagePrinter) running(r *runningView, now *scan.Running) error {
	counts, with, known, overdue := map[string]int{}, 0, 0, 0
	for i := range r.Images {
		if !r.Images[i].Matched {
			continue
		}
		known++
		open := 0
		for k := range r.Images[i].Findings {
			f := &r.Images[i].Findings[k]
			if r.decided[r.Images[i].Config][f.Key] != "" {
				continue
			}
			open++
			counts[f.Severity]++
			if r.overdue(&r.Images[i], f) {
				overdue++
			}
		}
		if open > 0 {
			with++
		}
	}
	title := "running images with vulnerabilities: none is known"
	if known > 0 {
		title = fmt.Sprintf("running images with vulnerabilities: %d of %d", with, known)
	}
	if text := inOrder(counts); text != "" {
		title += "; " + text
	}
	if overdue > 0 {
		title += fmt.Sprintf("; %d overdue", overdue)
	}
	unread := map[string]bool{}
	for _, x := range r.Unread {
		unread[x.Digest+x.Platform] = true
	}
	if n := len(r.Images) - known + len(unread); n > 0 {
		title += fmt.Sprintf("; %d not judged", n)
	}
	p.line(0, bold, title)
	for _, l := range r.Looks {
		p.entry("cluster", l.Name+", as of "+l.At.UTC().Format(time.DateTime)+" UTC, "+age(r.at.Sub(l.At)))
		if l.Gap != "" {
			p.painted("", "there may be more: "+l.Gap, red)
		}
	}
	for i := range r.Images {
		p.runningImage(r, &r.Images[i])
	}
	p.gone(r.Gone, r.at)
	p.notKnown(r.Running, now)
	p.leftover(r.decider)
	return p.w.Flush()
}

func (p *imagePrinter) runningImage(r *runningView, m *store.RunningImage) {
	var names, owners []string
	for _, reference := range m.References {
		names = append(names, familiar(reference))
		if owner := r.life.owner(reference); owner != "" && !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
	}
	p.section(strings.Join(names, ", "))
	p.line(2, dim, strings.TrimSpace(shortDigest(m.Config)+"  "+m.Platform))
	p.wrapped(2, dim, "in "+p.placesOf(m.Runs))
	if len(owners) > 0 {
		p.wrapped(2, dim, "owner: "+strings.Join(owners, ", "))
	}
	x := store.Seen{Found: map[string]int{}, Unjudged: m.Unjudged}
	type target struct{ in, as, on string }
	mended := map[target][]string{}
	var targets []target
	decided, overdue := 0, 0
	for i := range m.Findings {
		f := &m.Findings[i]
		if r.decided[m.Config][f.Key] != "" {
			decided++
			continue
		}
		if r.overdue(m, f) {
			overdue++
		}
		x.Found[f.Severity]++
		if f.Fixed != "" {
			x.Fixable++
		}
		if f.FixedIn != "" {
			t := target{f.FixedIn, f.FixedAs, day(f.FixedAt)}
			if mended[t] == nil {
				targets = append(targets, t)
			}
			mended[t] = append(mended[t], f.Vulnerability)
		}
	}
	switch {
	case !m.Matched:
		p.wrapped(2, yellow, "vulnerabilities are not known: it was never held against advisories. ullage db update fetches them, and ullage image rematch does so.")
		return
	case len(m.Findings) == decided && m.Unjudged == "":
		p.line(2, green, "none found")
	default:
		p.wrapped(2, yellow, foundOf(&x))
	}
	if overdue > 0 {
		p.line(2, red, fmt.Sprintf("%d overdue", overdue))
	}
	if decided > 0 {
		p.line(2, dim, fmt.Sprintf("%d more accepted by exceptions or ruled out by VEX statements", decided))
	}
	for _, t := range targets {
		p.wrapped(2, green, fmt.Sprintf("mended and not rolled out: %s is %s since %s, without %s", t.as, shortDigest(t.in), t.on, p.few(mended[t])))
	}
	if p.verbose {
		for i := range m.Findings {
			f := &m.Findings[i]
			text, style := fmt.Sprintf("%s %s %s, found %s", f.Vulnerability, f.Package, f.Version, day(f.Since)), ""
			if why := r.decided[m.Config][f.Key]; why != "" {
				text, style = text+", "+why, dim
			} else if due, ok := r.life.until(f.Severity, f.Life); ok {
				text += ", " + dueText(due, r.at)
			}
			p.columns(levelColumn, strings.ToUpper(f.Severity), style, text, style)
		}
	}
}

// few names a few ids and counts the others.
func (p *imagePrinter) few(ids []string) string {
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) > shownOfComponent && !p.verbose {
		return strings.Join(ids[:shownOfComponent], ", ") + fmt.Sprintf(" and %d more", len(ids)-shownOfComponent)
	}
	return strings.Join(ids, ", ")
}

// placesOf names the containers of runs, with how many there are of each.
func (p *imagePrinter) placesOf(runs []store.Ran) string {
	var list []string
	for i := range runs {
		if i == shownPlaces && !p.verbose {
			list = append(list, fmt.Sprintf("and %d more", len(runs)-i))
			break
		}
		list = append(list, placeText(&runs[i]))
	}
	return strings.Join(list, ", ")
}

func placeText(r *store.Ran) string {
	text := r.Workload + " (" + r.Container
	if r.Containers > 1 {
		text += fmt.Sprintf(", %d times", r.Containers)
	}
	return text + ")"
}

// gone lists what is gone from the places where it ran, one line for each place.
func (p *imagePrinter) gone(all []store.GoneFinding, now time.Time) {
	type key struct {
		when, where, from string
	}
	ids := map[key][]string{}
	var keys []key
	for i := range all {
		g := &all[i]
		if now.Sub(g.From.Gone) >= goneAfter && !p.verbose {
			continue
		}
		g.From.Containers = 0
		k := key{day(g.From.Gone), placeText(&g.From), shortDigest(g.From.Digest)}
		if ids[k] == nil {
			keys = append(keys, k)
		}
		ids[k] = append(ids[k], g.Vulnerability)
	}
	if len(keys) == 0 {
		return
	}
	p.section("Gone from running workloads")
	for _, k := range keys {
		p.wrapped(2, green, fmt.Sprintf("%s  %s: %s, with %s", k.when, k.where, p.few(ids[k]), k.from))
	}
}

// notKnown lists what runs and of which not all is known.
func (p *imagePrinter) notKnown(r *store.Running, now *scan.Running) {
	silent := 0
	if now != nil {
		silent = len(now.Silent)
	}
	if len(r.Unread)+len(r.Open)+silent == 0 {
		return
	}
	p.section("Not known")
	places := map[string][]store.Ran{}
	var names []string
	for _, x := range r.Unread {
		name := repositoryOf(x.Reference) + "@" + x.Digest
		if x.Platform != "" {
			name += "  " + x.Platform
		}
		if places[name] == nil {
			names = append(names, name)
		}
		places[name] = append(places[name], x)
	}
	for _, name := range names {
		p.wrapped(2, yellow, name+" was not read; in "+p.placesOf(places[name]))
	}
	if len(names) > 0 {
		p.wrapped(2, dim, "ullage image REPOSITORY@DIGEST reads an image of a registry, with --platform where it is of another one")
	}
	for i := range r.Open {
		x := &r.Open[i]
		var ids []string
		for _, f := range x.Findings {
			ids = append(ids, f.Vulnerability)
		}
		p.wrapped(2, yellow, fmt.Sprintf("whether %s still has %s: it runs %s, which was not read or not judged on that", placeText(&x.Run), p.few(ids), shortDigest(x.Run.Digest)))
	}
	if now != nil {
		for i := range now.Silent {
			p.wrapped(2, yellow, placeText(&store.Ran{Run: now.Silent[i]})+": does not say which image it has")
		}
	}
}
