package fix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"ullage.dev/ullage/internal/model"
)

// WriteSummary tells a person what the plan changes, what waits for a word, what
// needs a decision, and what is left alone and why. Places are those in the
// files as they are: before [Plan.Write] the old ones.
func WriteSummary(w io.Writer, p *Plan, color bool) error {
	s := summary{p, bufio.NewWriter(w), paint(color)}
	count := 0
	for _, f := range p.Files {
		count += len(f.Applied)
	}
	if count == 0 {
		s.line("Nothing to fix here without a word from you.")
	} else {
		s.line(s.paint(bold, fmt.Sprintf("%s in %s", plural(count, "fix", "fixes"), plural(len(p.Files), "file", "files"))))
		s.applied(p)
	}
	s.held(p, model.Tightening, "Applied with --fix=all only: each takes away what a program may have relied on")
	s.held(p, model.Decision, "A person must decide")
	if len(p.Skipped) > 0 {
		s.line("")
		s.line(s.paint(bold, "Left alone"))
		for _, one := range p.Skipped {
			s.finding(one.id, one.Finding, one.Fix)
			s.line("    " + s.paint(yellow, "because") + " " + clean(one.Reason))
		}
	}
	return s.w.Flush()
}

type summary struct {
	plan  *Plan
	w     *bufio.Writer
	paint painter
}

func (s *summary) line(text string) { fmt.Fprintln(s.w, text) }

func (s *summary) applied(p *Plan) {
	for _, f := range p.Files {
		s.line("")
		s.line(clean(f.Name))
		for _, a := range f.Applied {
			class := string(a.Fix.Class)
			if a.Proven && a.Fix.Class == model.Inert {
				class += ", proven: the completed object is the same"
			}
			s.line(fmt.Sprintf("  %s %s (%s)", s.paint(green, "fixed"), headline(a.Finding), class))
			s.edits(a.Finding, a.Fix)
		}
	}
}

func (s *summary) held(p *Plan, class model.FixClass, title string) {
	first := true
	for _, h := range p.Held {
		if h.Fix.Class != class {
			continue
		}
		if first {
			s.line("")
			s.line(s.paint(bold, title))
			first = false
		}
		s.finding(h.id, h.Finding, h.Fix)
	}
}

func (s *summary) finding(id identity, f *model.Finding, fix model.Fix) {
	at := f.Place
	if was, found := s.plan.read[id]; found && !s.plan.written {
		at = was
	}
	s.line("  " + clean(at.String()) + " " + headline(f))
	if fix.Question != "" {
		s.line("    " + s.paint(cyan, clean(fix.Question)))
	}
	s.edits(f, fix)
}

func (s *summary) edits(f *model.Finding, fix model.Fix) {
	for _, e := range fix.Edits {
		s.line("    " + Describe(f, e))
	}
}

func headline(f *model.Finding) string {
	text := clean(f.Object.Key.String())
	if f.Subject != "" {
		text += " " + clean(f.Subject)
	}
	return text + ": " + clean(f.Rule.Title) + " [" + clean(f.Rule.ID) + "]"
}

// Describe writes an edit of a finding's fix for people, in one line.
func Describe(f *model.Finding, e model.Edit) string {
	at := clean(f.At(e.Target).String())
	if e.Value == nil {
		return "remove " + at
	}
	value, err := json.Marshal(e.Value.Native())
	if err != nil {
		value = []byte("?")
	}
	if e.Append {
		return fmt.Sprintf("add %s to %s", clean(string(value)), at)
	}
	return fmt.Sprintf("set %s to %s", at, clean(string(value)))
}

// clean makes text from outside safe for a terminal: what is not printable is
// escaped.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
