package report

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// writeJUnit writes the JUnit XML that CI servers read: one suite for the run
// itself, with a test that passes so that a clean report is not an empty one and
// an error for each problem, and one suite for each object with findings.
// Unknowns are neither passed nor failed: they are only counted.
func writeJUnit(w *bufio.Writer, r *model.Report, o Options) error {
	t := totalsOf(r)
	x := xmlWriter{w}
	w.WriteString(xml.Header)
	tests := 1 + len(r.Problems) + len(r.Findings)
	x.open("testsuites", "name", r.Provenance.Tool, "tests", fmt.Sprint(tests), "failures", fmt.Sprint(t.active.total()),
		"errors", fmt.Sprint(len(r.Problems)), "skipped", fmt.Sprint(t.excepted+t.baselined))
	x.run(r)
	for _, g := range byObject(r.Findings) {
		x.suite(g)
	}
	x.close("testsuites")
	return nil
}

// xmlWriter writes elements and attributes; every text goes through clean and
// the escaper of encoding/xml.
type xmlWriter struct{ w *bufio.Writer }

func (x xmlWriter) start(name string, attrs []string) {
	x.w.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		x.w.WriteString(" " + attrs[i] + `="`)
		xml.EscapeText(x.w, []byte(clean(attrs[i+1])))
		x.w.WriteByte('"')
	}
}

func (x xmlWriter) open(name string, attrs ...string) {
	x.start(name, attrs)
	x.w.WriteString(">\n")
}

func (x xmlWriter) close(name string) { x.w.WriteString("</" + name + ">\n") }

func (x xmlWriter) empty(name string, attrs ...string) {
	x.start(name, attrs)
	x.w.WriteString("/>\n")
}

// text writes an element that holds lines of text, which are clean already.
func (x xmlWriter) text(name string, lines []string, attrs ...string) {
	x.start(name, attrs)
	x.w.WriteByte('>')
	for i, line := range lines {
		if i > 0 {
			x.w.WriteByte('\n')
		}
		xml.EscapeText(x.w, []byte(line))
	}
	x.close(name)
}

func (x xmlWriter) run(r *model.Report) {
	tool := r.Provenance.Tool
	x.open("testsuite", "name", tool, "tests", fmt.Sprint(1+len(r.Problems)), "failures", "0",
		"errors", fmt.Sprint(len(r.Problems)), "skipped", "0", "timestamp", r.Provenance.Time)
	x.w.WriteString("<properties>\n")
	for _, f := range provenance(r.Provenance) {
		x.empty("property", "name", f.Name, "value", f.Value)
	}
	x.empty("property", "name", "unknown", "value", fmt.Sprint(r.Counts.Unknown))
	x.close("properties")
	x.empty("testcase", "classname", tool, "name", fmt.Sprintf("%s checked against %s", count(r.Counts.Objects, "object"), count(r.Counts.Rules, "rule")))
	for _, p := range r.Problems {
		name := "could not be checked"
		if p.Place.File != "" {
			name = where(p.Place)
		}
		x.open("testcase", "classname", tool+".problems", "name", name)
		x.text("error", []string{problemText(p)}, "message", p.Reason, "type", "problem")
		x.close("testcase")
	}
	x.close("testsuite")
}

func (x xmlWriter) suite(g group) {
	name := keyName(g.object)
	failures := len(active(g.findings))
	x.open("testsuite", "name", name, "tests", fmt.Sprint(len(g.findings)), "failures", fmt.Sprint(failures),
		"errors", "0", "skipped", fmt.Sprint(len(g.findings)-failures))
	for _, f := range g.findings {
		attrs := []string{"classname", name, "name", strings.TrimSpace(f.Rule.ID + " " + f.Subject)}
		if f.Place().File != "" {
			attrs = append(attrs, "file", f.Place().File)
		}
		if f.Place().Line > 0 {
			attrs = append(attrs, "line", fmt.Sprint(f.Place().Line))
		}
		x.open("testcase", attrs...)
		if f.Active() {
			x.text("failure", failureText(f), "message", f.Rule.Severity.String()+": "+headline(f), "type", f.Rule.Severity.String())
		} else {
			x.empty("skipped", "message", excuse(f))
		}
		x.close("testcase")
	}
	x.close("testsuite")
}

func failureText(f *model.Finding) []string {
	lines := []string{headline(f)}
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, label+": "+text)
		}
	}
	add("at", where(f.Place()))
	add("why", clean(f.Rule.Rationale))
	advice, class := remedy(f)
	if class != "" {
		advice += " (" + string(class) + ")"
	}
	add("fix", advice)
	for _, text := range symptoms(f) {
		add("also", text)
	}
	add("owner", ownerOf(f.Object))
	add("fingerprint", f.Fingerprint.String())
	return lines
}
