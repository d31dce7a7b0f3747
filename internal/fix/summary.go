package fix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ullage.dev/ullage/internal/model"
)

// WriteSummary tells a person what the plan changes or would change, what waits
// for a word, what needs a decision, and what is left alone and why. Places are
// those in the files as they are: before [Plan.Write] the old ones. Lines are
// wrapped at width, where it is more than 0.
func WriteSummary(w io.Writer, p *Plan, color bool, width int) error {
	s := summary{p, bufio.NewWriter(w), paint(color), width}
	var written, planned []*File
	for _, f := range p.Files {
		if f.written {
			written = append(written, f)
		} else {
			planned = append(planned, f)
		}
	}
	if len(written) > 0 {
		s.title(plural(count(written, ""), "fix", "fixes") + " in " + plural(len(written), "file", "files"))
		s.files(written, green, "fixed", "")
	}
	if len(planned) > 0 {
		if len(written) > 0 {
			s.line("")
		}
		s.title(intent(planned))
		s.files(planned, "", "would fix", "would ")
	}
	switch {
	case len(p.Files) > 0:
	case len(p.Held)+len(p.Skipped) == 0:
		s.line("There is nothing to fix.")
	default:
		s.line("There is nothing to fix here without a word from you.")
	}
	s.held(model.Tightening, "Made by --fix=all only: each takes away what a program may have relied on")
	s.held(model.Decision, "A person must decide")
	var left []entry
	for _, one := range p.Skipped {
		left = append(left, entry{one.id, one.Finding, one.Reason})
	}
	s.list("Left alone", left)
	return s.w.Flush()
}

// count returns how many fixes of a class are in files; "" is all classes.
func count(files []*File, class model.FixClass) int {
	n := 0
	for _, f := range files {
		for _, a := range f.Applied {
			if class == "" || a.Fix.Class == class {
				n++
			}
		}
	}
	return n
}

// intent says how many fixes would be made in files, and what makes them.
func intent(files []*File) string {
	var parts []string
	if n := count(files, model.Inert); n > 0 {
		parts = append(parts, fmt.Sprintf("%d inert, for --fix", n))
	}
	if n := count(files, model.Tightening); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tightening, for --fix=all only", n))
	}
	return fmt.Sprintf("%s would be made in %s: %s", plural(count(files, ""), "fix", "fixes"), plural(len(files), "file", "files"), strings.Join(parts, "; "))
}

type summary struct {
	plan  *Plan
	w     *bufio.Writer
	paint painter
	width int
}

func (s *summary) line(text string) { fmt.Fprintln(s.w, text) }

func (s *summary) title(text string) { s.hang(0, bold, text, "") }

// hang writes a label in a color and a text, wrapped; later lines are indented.
func (s *summary) hang(indent int, color, label, text string) {
	lines := wrap(strings.TrimSpace(label+" "+text), s.width-indent-2)
	for i, line := range lines {
		switch {
		case text == "":
			line = s.paint(color, line)
		case i == 0 && color != "":
			line = s.paint(color, label) + strings.TrimPrefix(line, label)
		}
		if i > 0 {
			line = "  " + line
		}
		s.line(strings.Repeat(" ", indent) + line)
	}
}

// wrap breaks a text at spaces, and what has none at commas. A width of less than
// 20 does not wrap.
func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		for utf8.RuneCountInString(word) > width {
			comma := strings.LastIndexByte(word[:width], ',')
			if comma < 0 {
				break
			}
			lines, word = append(lines, word[:comma+1]), word[comma+1:]
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func (s *summary) files(files []*File, color, done, tense string) {
	for _, f := range files {
		s.line("")
		s.line(clean(f.Name))
		if f.leftOut {
			s.hang(2, yellow, "left out of the diff because it would show a secret; "+writer(f)+" writes it", "")
		}
		for _, a := range f.Applied {
			s.hang(2, color, done, fmt.Sprintf("%s (%s)", headline(a.Finding), a.class(f.written)))
			for _, e := range a.Fix.Edits {
				s.hang(4, "", tense+Describe(a.Finding, e), "")
			}
		}
	}
}

// writer is the flag that writes what is planned for a file.
func writer(f *File) string {
	if count([]*File{f}, model.Tightening) > 0 {
		return "--fix=all"
	}
	return "--fix"
}

func (a *Applied) class(written bool) string {
	switch {
	case a.Fix.Class == model.Tightening && !written:
		return "tightening: --fix=all"
	case a.Fix.Class == model.Inert && a.Proven:
		return "inert, proven: the completed object is the same"
	}
	return string(a.Fix.Class)
}

func (s *summary) held(class model.FixClass, title string) {
	var all []entry
	for _, h := range s.plan.Held {
		if h.Fix.Class == class {
			all = append(all, entry{h.id, h.Finding, h.Fix.Question})
		}
	}
	s.list(title, all)
}

// entry is a finding that was not fixed.
type entry struct {
	id      identity
	finding *model.Finding
	reason  string // or the question; "" where the title says it
}

// list writes entries by file and reason, one line for each object.
func (s *summary) list(title string, all []entry) {
	if len(all) == 0 {
		return
	}
	s.line("")
	s.title(title)
	for _, file := range grouped(all, func(e entry) string { return s.place(e).File }) {
		s.line("  " + clean(s.place(file[0]).File))
		for _, group := range grouped(file, func(e entry) string { return e.reason }) {
			s.group(group)
		}
	}
}

// group writes entries of a file that have one reason.
func (s *summary) group(all []entry) {
	indent := 4
	if reason := all[0].reason; reason != "" {
		s.hang(indent, cyan, clean(reason), "")
		indent += 2
	}
	for _, same := range grouped(all, func(e entry) [2]string {
		return [2]string{e.finding.Object.Key.String(), strconv.Itoa(e.id.document)}
	}) {
		at := s.place(same[0])
		line := strconv.Itoa(at.Line)
		if at.Column > 0 { // it is not known in what is rendered
			line += ":" + strconv.Itoa(at.Column)
		}
		s.hang(indent, "", line, clean(same[0].finding.Object.Key.String())+": "+rulesOf(same))
	}
}

// place is where a finding stands in the files as they are.
func (s *summary) place(e entry) model.Place {
	if was, found := s.plan.read[e.id]; found && !s.plan.written {
		return was
	}
	return e.finding.Place()
}

// grouped puts what has the same key together, in the order of the first ones.
func grouped[K comparable](all []entry, key func(entry) K) [][]entry {
	var groups [][]entry
	at := map[K]int{}
	for _, e := range all {
		k := key(e)
		i, known := at[k]
		if !known {
			i = len(groups)
			at[k], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	return groups
}

// rulesOf names the rules of entries and the elements that fail them.
func rulesOf(entries []entry) string {
	var rules []string
	for _, same := range grouped(entries, func(e entry) string { return e.finding.Rule.ID }) {
		var subjects []string
		for _, e := range same {
			if e.finding.Subject != "" {
				subjects = append(subjects, clean(e.finding.Subject))
			}
		}
		text := clean(same[0].finding.Rule.ID)
		if len(subjects) > 0 {
			text += " (" + strings.Join(subjects, ", ") + ")"
		}
		rules = append(rules, text)
	}
	return strings.Join(rules, "; ")
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
