package report

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// problems lists what could not be checked.
func (p *printer) problems(problems []model.Problem) {
	if len(problems) == 0 {
		return
	}
	p.line(p.paint(alarm, "Could not be checked"))
	for i, problem := range problems {
		if i == textList && !p.o.Verbose {
			p.line("  " + p.paint(dim, fmt.Sprintf("and %d more; --verbose shows each", len(problems)-i)))
			break
		}
		if place := where(problem.Place); place != "" {
			p.line("  " + place)
			p.hang("    ", 4, clean(problem.Reason), plain)
		} else {
			p.hang("  ", 2, clean(problem.Reason), plain)
		}
		if problem.Hint != "" {
			p.hang("    "+p.paint(green, "hint  "), 10, clean(problem.Hint), plain)
		}
	}
	p.line("")
}

// exceptions lists those that stopped working and those that cover nothing.
func (p *printer) exceptions(r *model.Report) {
	list := func(head string, exceptions []*model.Exception) {
		if len(exceptions) == 0 {
			return
		}
		p.line(p.paint(yellow, head))
		for i, e := range exceptions {
			if i == textList && !p.o.Verbose {
				p.line("  " + p.paint(dim, fmt.Sprintf("and %d more; --verbose shows each", len(exceptions)-i)))
				break
			}
			what := strings.TrimSpace(exceptionName(e) + " " + clean("for "+strings.Join(e.Rules, ", ")))
			if terms := exceptionTerms(e); terms != "" {
				what += " (" + terms + ")"
			}
			if e.Reason != "" {
				what += ": " + clean(e.Reason)
			}
			p.hang("  ", 2, what, plain)
			if place := where(e.Place); place != "" {
				p.line("    " + place)
			}
		}
		p.line("")
	}
	list("Expired exceptions, which no longer let anything pass", r.Expired)
	list("Unused exceptions, which cover nothing here", r.Unused)
}

// unknowns lists every question that could not be answered.
func (p *printer) unknowns(unknowns []model.Unknown) {
	if len(unknowns) == 0 {
		return
	}
	p.line(p.paint(bold, "Not known"))
	for _, u := range unknowns {
		text := clean(u.Reason)
		if u.Rule != nil {
			text = clean(u.Rule.Title) + "? " + text
		}
		head := keyName(u.Object)
		if u.Subject != "" {
			head += " " + clean(u.Subject)
		}
		p.hang("  ", 2, strings.TrimSpace(head+": "+text), dim)
	}
	p.line("")
}

// summary writes the last lines.
func (p *printer) summary(r *model.Report, t totals) {
	label, style, text := "clean: ", green, scope(r)
	switch n := t.active.total(); {
	case n > 0:
		label, style = count(n, "finding")+": ", bold
		text = fmt.Sprintf("%s; in %d of %s", t.active, t.objects, count(r.Counts.Objects, "object"))
		if r.Counts.OnlyImages() {
			text = t.active.String()
		}
	case r.Counts.Objects == 0:
		label, style = "nothing checked: ", yellow
		text = nothing(r.Counts)
	case len(r.Problems) > 0:
		label, style = "no findings in what could be checked: ", yellow
	}
	p.hang(p.paint(style, label), len(label), text, plain)
	if t.active.total() > 0 {
		p.hang("", 0, "checked "+scope(r), plain)
		p.hang("", 0, fixLine(t), plain)
	}
	p.hang("", 0, asides(r, t), plain)
	p.hang("", 0, notUnderstood(r), plain)
	p.hang("", 0, imagesLeft(r), dim)
	open := unknownLine(r)
	if len(r.Unknowns) > 0 && !p.o.Verbose {
		open += "; --verbose lists them"
	}
	p.hang("", 0, open, dim)
	p.hang("", 0, provenanceLine(r.Provenance), dim)
}

// nothing says why no object was checked.
func nothing(c model.Counts) string {
	if c.Read > 0 {
		return count(c.Read, "object") + " read, none matches --namespace/--selector"
	}
	return "no Kubernetes objects in " + count(c.Files, "file") + ", " + count(c.PassedOver, "other document") + " passed over"
}

// notUnderstood counts the objects whose pods could not be looked at.
func notUnderstood(r *model.Report) string {
	n := r.Counts.NotUnderstood
	if n == 0 {
		return ""
	}
	kinds := make([]string, 0, textList)
	for i, gk := range r.NotUnderstood {
		if i == textList {
			kinds = append(kinds, fmt.Sprintf("and %d more", len(r.NotUnderstood)-i))
			break
		}
		kinds = append(kinds, clean(gk.Kind))
	}
	return fmt.Sprintf("%s of kinds whose pods Ullage does not understand: %s", count(n, "object"), strings.Join(kinds, ", "))
}

// imagesLeft says that rules about images said nothing, and how they would.
func imagesLeft(r *model.Report) string {
	switch n := r.Counts.ImageRules; n {
	case 0:
		return ""
	case 1:
		return "1 rule about images was not evaluated; --images reads the images"
	default:
		return fmt.Sprintf("%d rules about images were not evaluated; --images reads the images", n)
	}
}

// fixLine says what the fixer would do.
func fixLine(t totals) string {
	var parts []string
	add := func(class model.FixClass, form string) {
		if n := t.fixes[class]; n > 0 {
			parts = append(parts, fmt.Sprintf(form, n))
		}
	}
	add(model.Inert, "%d inert (--fix)")
	add(model.Tightening, "%d tightening (--fix=all)")
	add(model.Decision, "%d for you to decide")
	if len(parts) == 0 {
		return ""
	}
	return "fixes: " + strings.Join(parts, ", ") + "; --diff shows them"
}

// asides counts what does not count as a finding.
func asides(r *model.Report, t totals) string {
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, text)
		}
	}
	add(len(r.Problems), fmt.Sprintf("%d could not be checked", len(r.Problems)))
	add(t.excepted, fmt.Sprintf("%d excepted", t.excepted))
	add(len(r.Expired), count(len(r.Expired), "exception")+" expired")
	add(len(r.Unused), count(len(r.Unused), "exception")+" unused")
	add(t.baselined, fmt.Sprintf("%d known from the baseline", t.baselined))
	are := " are gone"
	if r.Fixed == 1 {
		are = " is gone"
	}
	add(r.Fixed, count(r.Fixed, "finding")+" of the baseline"+are)
	if r.Counts.Objects > 0 {
		add(r.Counts.PassedOver, count(r.Counts.PassedOver, "document")+" passed over (not Kubernetes)")
	}
	return strings.Join(parts, ", ")
}

// unknownLine sums up in one line what could not be answered, and mostly why.
func unknownLine(r *model.Report) string {
	n := max(len(r.Unknowns), r.Counts.Unknown)
	if n == 0 {
		return ""
	}
	times := map[string]int{}
	most, open := "", len(r.Unknowns) == 0
	for i := range r.Unknowns {
		reason := r.Unknowns[i].Reason
		open = open || strings.Contains(reason, "elsewhere") || strings.Contains(reason, "not read")
		times[reason]++
		if times[reason] > times[most] {
			most = reason
		}
	}
	line := count(n, "question") + " open"
	if most != "" {
		line += ": " + clean(most)
		if times[most] < n {
			line += fmt.Sprintf(" (%d), others (%d)", times[most], n-times[most])
		}
	}
	if open && r.Provenance.World != "closed" {
		line += "; see --closed-world"
	}
	return line
}
