// Package report writes a [model.Report] in the formats that people and other
// programs read. Each format is one function from a report to a stream; none
// changes the report, reads a clock, a file or the network.
//
// Promised for every format: the same report gives the same bytes; the output
// names the tool, its version, the rules digest, the input digest and, where
// known, the commit; memory beyond the report itself does not grow with the
// number of findings (HTML and OpenReports hold one object or chunk at a time);
// text taken from manifests cannot leave its place: control characters,
// direction marks and line breaks in it are shown, never obeyed, and each format
// escapes what means something in it.
//
// Not promised: the wording and layout of text, markdown and html. Programs
// read json, whose schema is docs/schema/report-v1.json.
package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// Options say how a report is shown. The zero value is usable.
type Options struct {
	Color   bool // text: 16-color escape sequences
	Width   int  // text: columns to wrap at; 0 means 100
	Verbose bool // text: every finding, unknown, problem and requirement, however many
	// ShowExcepted adds the findings that an exception or the baseline lets pass
	// to text, markdown, html and sarif. json, junit and openreports always hold
	// them, marked as such; sarif does not, since GitHub ignores its suppressions
	// and would open an alert for each.
	ShowExcepted bool
	// Requirements returns the framework requirements that a check slug
	// supports, such as "cis-kubernetes 5.2.2". Optional.
	Requirements func(slug string) []string
	// Repository is the URL of the git repository that holds the input. Optional:
	// without it sarif states the commit as a property only.
	Repository string
}

// requirements returns what the rule supports, each once, in the order of its
// check slugs.
func (o Options) requirements(rule *model.RuleInfo) []string {
	if o.Requirements == nil {
		return nil
	}
	var all []string
	seen := map[string]bool{}
	for _, slug := range rule.Checks {
		for _, req := range o.Requirements(slug) {
			if !seen[req] {
				seen[req] = true
				all = append(all, req)
			}
		}
	}
	return all
}

// formats lists the formats in the order of the help text.
var formats = []struct {
	name  string
	write func(*bufio.Writer, *model.Report, Options) error
}{
	{"text", writeText},
	{"json", writeJSON},
	{"sarif", writeSARIF},
	{"junit", writeJUnit},
	{"markdown", writeMarkdown},
	{"html", writeHTML},
	{"openreports", writeOpenReports},
}

// Formats returns the names that Write knows, text first.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Write writes the report to w in the format named. Findings must have a Rule
// and an Object. An unknown name is an error, and nothing is written then;
// after any other error the output is incomplete.
func Write(w io.Writer, format string, r *model.Report, o Options) error {
	for _, f := range formats {
		if f.name != format {
			continue
		}
		// The buffer keeps the first error of w and returns it from Flush.
		b := bufio.NewWriterSize(w, 64<<10)
		if err := f.write(b, r, o); err != nil {
			return fmt.Errorf("write %s report: %w", format, err)
		}
		if err := b.Flush(); err != nil {
			return fmt.Errorf("write %s report: %w", format, err)
		}
		return nil
	}
	return fmt.Errorf("output format %q is none of %s", format, strings.Join(Formats(), ", "))
}
