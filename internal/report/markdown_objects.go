package report

import (
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// markdownSection is an object with a row for each finding.
type markdownSection struct {
	group
	head string
	rows []string
	size int // of the whole, in bytes
}

const markdownClose = "\n</details>\n\n"

// markdownMore bounds the row that counts what a section leaves out.
const markdownMore = 100

// markdownObjects writes the objects in their order. One that does not fit loses
// rows, so that a large object leaves room for those behind it: it gets what they
// leave free, or half of what is free when they need more than that. It returns
// the rules of the rows that it wrote.
func markdownObjects(b *strings.Builder, groups []group) []*model.RuleInfo {
	sections := make([]markdownSection, len(groups))
	behind := 0 // bytes of the sections that are not written yet
	for i, g := range groups {
		sections[i] = markdownObject(g)
		behind += sections[i].size
	}
	var told []*model.RuleInfo
	seen := map[string]bool{}
	findings, objects := 0, 0 // left out
	for _, s := range sections {
		behind -= s.size
		free := markdownBudget - markdownRules - b.Len()
		text, rows := s.within(max(free-behind, free/2))
		if rows == 0 {
			findings += len(s.findings)
			objects++
			continue
		}
		b.WriteString(text)
		for _, f := range s.findings[:rows] {
			if !seen[f.Rule.ID] {
				seen[f.Rule.ID] = true
				told = append(told, f.Rule)
			}
		}
	}
	if findings > 0 {
		fmt.Fprintf(b, "%s in %s left out here for length; `-o json` holds all.\n\n", count(findings, "more finding"), count(objects, "object"))
	}
	return told
}

// within returns the section with as many rows as room bytes hold, and their
// number; no section at all when they hold no row.
func (s *markdownSection) within(room int) (text string, rows int) {
	if s.size <= room {
		return s.head + strings.Join(s.rows, "") + markdownClose, len(s.rows)
	}
	size := len(s.head) + len(markdownClose) + markdownMore
	for rows < len(s.rows) && size+len(s.rows[rows]) <= room {
		size += len(s.rows[rows])
		rows++
	}
	if rows == 0 {
		return "", 0
	}
	more := fmt.Sprintf("| | %s left out here for length | | |\n", count(len(s.rows)-rows, "more finding"))
	return s.head + strings.Join(s.rows[:rows], "") + more + markdownClose, rows
}

func markdownObject(g group) markdownSection {
	summary := "<b>" + htmlText(keyName(g.object)) + "</b>"
	if t := tallyOf(active(g.findings)); t.total() > 0 {
		summary += ": " + t.String()
	}
	if owner := ownerOf(g.object); owner != "" {
		summary += ", owner " + htmlText(owner)
	}
	if g.object.System {
		summary += " (part of the platform)"
	}
	s := markdownSection{group: g, head: fmt.Sprintf("<details><summary>%s</summary>\n\n| severity | what is wrong | where | fix |\n|---|---|---|---|\n", summary)}
	s.size = len(s.head) + len(markdownClose)
	for _, f := range g.findings {
		row := markdownRow(f)
		s.rows = append(s.rows, row)
		s.size += len(row)
	}
	return s
}

func markdownRow(f *model.Finding) string {
	what := markdownText(cut(headline(f), markdownCell)) + "<br>" + markdownCode(f.Rule.ID)
	if text := also(f); text != "" {
		what += "<br>also: " + markdownText(cut(text, markdownCell))
	}
	advice, class := remedy(f)
	advice = markdownText(cut(advice, markdownCell))
	if class != "" {
		advice += " (" + string(class) + ")"
	}
	if !f.Active() {
		advice = markdownText(cut(excuse(f), markdownCell))
	}
	place := ""
	if f.Place().File != "" {
		place = markdownCode(where(f.Place()))
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", f.Rule.Severity, what, place, advice)
}
