package report

import (
	"bufio"
	"fmt"
	"html"
	"regexp"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// markdownBudget keeps the report below the 65,536 characters that a pull
// request comment may have; a part of it is kept free for what follows the
// objects.
const (
	markdownBudget = 60_000
	markdownRules  = 12_000 // of the budget, for the reasons
	markdownCell   = 600    // characters of one cell
)

// writeMarkdown writes a comment for a pull request: the counts, then each
// object in a section that folds. What the budget does not hold is counted, in
// its section or behind all.
func writeMarkdown(w *bufio.Writer, r *model.Report, o Options) error {
	t := totalsOf(r)
	var b strings.Builder
	markdownHead(&b, r, t)
	findings := r.Findings
	if !o.ShowExcepted {
		findings = active(findings)
	}
	told := markdownObjects(&b, byObject(findings))
	markdownWhy(&b, told)
	markdownEnd(&b, r)
	w.WriteString(b.String())
	return nil
}

func markdownHead(b *strings.Builder, r *model.Report, t totals) {
	c := r.Counts
	tool := markdownText(clean(r.Provenance.Tool))
	switch n := t.active.total(); {
	case n > 0:
		fmt.Fprintf(b, "### %s: %s in %d of %s\n\n", tool, count(n, "finding"), t.objects, count(c.Objects, "object"))
		b.WriteString("| critical | high | medium | low | info |\n|--:|--:|--:|--:|--:|\n|")
		for s := model.Critical; ; s-- {
			fmt.Fprintf(b, " %d |", t.active[s])
			if s == model.Info {
				break
			}
		}
		b.WriteString("\n\n")
	case c.Objects == 0:
		fmt.Fprintf(b, "### %s: nothing checked: %s\n\n", tool, nothing(c))
	case len(r.Problems) > 0:
		fmt.Fprintf(b, "### %s: no findings in what could be checked\n\n", tool)
	default:
		fmt.Fprintf(b, "### %s: clean\n\n", tool)
	}
	fmt.Fprintf(b, "Checked %s.", markdownText(scope(r)))
	if line := asides(r, t); line != "" {
		fmt.Fprintf(b, " %s.", markdownText(line))
	}
	if line := notUnderstood(r); line != "" {
		fmt.Fprintf(b, " %s.", markdownText(line))
	}
	if line := imagesLeft(r); line != "" {
		fmt.Fprintf(b, " %s.", markdownText(line))
	}
	if line := unknownLine(r); line != "" {
		fmt.Fprintf(b, " %s.", markdownText(line))
	}
	b.WriteString("\n\n")
	if len(r.Problems) > 0 {
		b.WriteString("**Could not be checked**\n\n")
		for i, p := range r.Problems {
			if i == textList {
				fmt.Fprintf(b, "- and %d more\n", len(r.Problems)-i)
				break
			}
			line := "- "
			if p.Place.File != "" {
				line += markdownCode(where(p.Place)) + " "
			}
			fmt.Fprintf(b, "%s%s\n", line, markdownText(cut(problemText(p), markdownCell)))
		}
		b.WriteString("\n")
	}
}

func markdownWhy(b *strings.Builder, rules []*model.RuleInfo) {
	if len(rules) == 0 {
		return
	}
	b.WriteString("<details><summary>Why it matters, and what to do</summary>\n\n")
	for i, rule := range rules {
		line := fmt.Sprintf("- %s %s: %s\n", markdownCode(rule.ID), markdownText(clean(rule.Title)),
			markdownText(cut(strings.TrimSpace(clean(rule.Rationale)+" "+clean(rule.Remediation)), markdownCell)))
		if b.Len()+len(line) > markdownBudget {
			fmt.Fprintf(b, "- and %s\n", count(len(rules)-i, "more rule"))
			break
		}
		b.WriteString(line)
	}
	b.WriteString("\n</details>\n\n")
}

func markdownEnd(b *strings.Builder, r *model.Report) {
	var parts []string
	for _, f := range provenance(r.Provenance) {
		parts = append(parts, f.Name+" "+htmlText(f.Value))
	}
	fmt.Fprintf(b, "<sub>%s</sub>\n", strings.Join(parts, ", "))
}

// markdownText escapes clean text, so that it is shown as it is written: no
// mark-up, no cell of its own, no link, no mention that would call people.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("@\u200b") // ends the name that a mention would need
		case '\\', '`', '*', '_', '[', ']', '|', '~', '!', '#', '$':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return noLinks.Replace(b.String())
}

// noLinks breaks what would become a link on its own.
var noLinks = strings.NewReplacer("://", `:\/\/`, "www.", `www\.`, "WWW.", `WWW\.`)

// codeSpan matches what may stand between backticks anywhere.
var codeSpan = regexp.MustCompile(`^[A-Za-z0-9_./:()-][A-Za-z0-9_./:() -]*$`)

// markdownCode writes text as code that may stand in a table cell, where a
// backslash before a | ends even a code span.
func markdownCode(s string) string {
	s = clean(s)
	if codeSpan.MatchString(s) {
		return "`" + cut(s, markdownCell) + "`"
	}
	return "<code>" + htmlText(s) + "</code>"
}

// htmlText escapes clean text for the HTML parts of a Markdown file, where
// Markdown's own marks may still count.
func htmlText(s string) string {
	s = strings.ReplaceAll(html.EscapeString(cut(s, markdownCell)), "@", "@\u200b")
	return strings.NewReplacer("`", "&#96;", `\`, "&#92;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;", "~", "&#126;", "!", "&#33;", "|", "&#124;", "://", "&#58;//", "www.", "www&#46;", "WWW.", "WWW&#46;").Replace(s)
}
