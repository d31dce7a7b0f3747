package cli

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// inventory is what the commands have in common that list what there is, worst
// first: ullage storage and ullage secrets.
type inventory struct {
	input
	namespaces    []string
	output, color string
	verbose       bool
}

func (f *inventory) flags(cmd *cobra.Command) {
	f.input.flags(cmd)
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "show only what is in these namespaces, or used there")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show everything, what is in order included")
}

// read returns the objects of the paths or the cluster.
func (f *inventory) read(cmd *cobra.Command, p *Program, args []string) (*model.Snapshot, error) {
	if err := (word{f.output, "--output"}).oneOf("text", "json"); err != nil {
		return nil, err
	}
	if err := (word{f.color, "--color"}).oneOf("auto", "always", "never"); err != nil {
		return nil, err
	}
	f.paths = append(f.paths, args...)
	s, err := f.snapshot(cmd, p, f.namespaces...)
	if err != nil {
		return nil, err
	}
	return s, f.known(s)
}

// known refuses namespaces in which there is nothing at all: most likely they are
// misspelt.
func (f *inventory) known(s *model.Snapshot) error {
	known := map[string]bool{}
	for _, o := range s.All() {
		if o.Key.Namespace != "" {
			known[o.Key.Namespace] = true
		}
		if o.Key.Kind == "Namespace" {
			known[o.Key.Name] = true
		}
	}
	for _, namespace := range f.namespaces {
		if !known[namespace] {
			return fmt.Errorf("--namespace: nothing is in namespace %q; there are %s", namespace, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// wants reports whether one of the namespaces is asked for.
func (f *inventory) wants(namespaces ...string) bool {
	return len(f.namespaces) == 0 || slices.ContainsFunc(namespaces, func(ns string) bool { return slices.Contains(f.namespaces, ns) })
}

// end is the exit code: what was not read may change everything.
func (f *inventory) end() error {
	if len(f.problems) > 0 {
		return &codeError{code: exitIncomplete}
	}
	return nil
}

// inventoryPrinter writes for a terminal.
type inventoryPrinter struct {
	accessPrinter
	verbose bool
	shown   int            // entries
	left    map[string]int // entries that were left out, by severity
}

// How much is shown where not everything is asked for.
const (
	shownEntries  = 50
	shownFindings = 5 // of one entry
	shownUsers    = 8 // or consumers or readers, of one entry
)

// room reports whether one more entry may be shown; else it is counted.
func (p *inventoryPrinter) room(severity string) bool {
	if p.shown < shownEntries || p.verbose {
		p.shown++
		return true
	}
	p.left[severity]++
	return false
}

// rest counts what was left out.
func (p *inventoryPrinter) rest() {
	if len(p.left) > 0 {
		p.wrapped(0, yellow, "And more: "+plural(p.left)+"; --verbose shows all, -n those of a namespace.")
		fmt.Fprintln(p.w)
	}
}

func (f *inventory) printer(p *Program) *inventoryPrinter {
	colored := f.color == "always" || f.color == "auto" && p.Terminal.Stdout && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
	width := p.Terminal.Width
	if width <= 0 {
		width = 100
	}
	return &inventoryPrinter{accessPrinter: accessPrinter{bufio.NewWriter(p.Stdout), colored, max(width, 40)}, verbose: f.verbose, left: map[string]int{}}
}

// head writes the first line of an entry: how bad it is, and what it is.
func (p *inventoryPrinter) head(severity string, style, title, more string) {
	if more != "" {
		more = "  " + p.paint(dim, printable(more))
	}
	fmt.Fprintln(p.w, p.paint(style, fmt.Sprintf("%-8s", strings.ToUpper(severity)))+"  "+p.paint(bold, printable(title))+more)
}

// found is a finding of either kind.
type found struct {
	ID       string
	Severity model.Severity
	Text     string
	Object   *model.Object
	Path     tree.Path
}

func (f found) place() *model.Place {
	if f.Object == nil {
		return nil
	}
	place := f.Object.Place()
	if len(f.Path) > 0 {
		place = f.Object.Source.Place(f.Object.Root.Nearest(f.Path))
	}
	return &place
}

// verdict sums an entry up in a word: the worst finding, or what is not known.
func verdict(findings []found, unknown bool) (text, style string) {
	switch {
	case len(findings) > 0:
		return findings[0].Severity.String(), severityStyles[findings[0].Severity]
	case unknown:
		return "unknown", dim
	}
	return "ok", green
}

// findings writes what is wrong, with places of their own lines.
func (p *inventoryPrinter) findings(all []found) {
	for i, f := range all {
		if i == shownFindings && !p.verbose {
			p.line(2, dim, fmt.Sprintf("and %s more; --verbose lists them", counted(len(all)-i, "finding")))
			break
		}
		p.wrapped(2, severityStyles[f.Severity], f.Text+" ["+f.ID+"]")
		if place := f.place(); place != nil {
			p.line(4, dim, place.String())
		}
	}
}

// label writes text behind a name that takes a column of its own. What the text
// is indented by is kept.
func (p *inventoryPrinter) label(name, text string) {
	const column = 12
	indent := strings.Repeat(" ", len(text)-len(strings.TrimLeft(text, " ")))
	for line := range strings.SplitSeq(hang(printable(text), 0, p.width-column-2-len(indent)), "\n") {
		fmt.Fprintf(p.w, "  %s%s%s\n", p.paint(dim, fmt.Sprintf("%-*s", column, name)), indent, line)
		name = ""
	}
}

// summary writes the last line: what was looked at, and the findings by severity.
func (p *inventoryPrinter) summary(what string, all []found) {
	var counts [model.Critical + 1]int
	for _, f := range all {
		counts[f.Severity]++
	}
	var parts []string
	for s := model.Critical; s > model.Info || p.verbose && s == model.Info; s-- {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
		if s == model.Info {
			break
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing wrong found"}
	}
	p.line(0, bold, what+": "+strings.Join(parts, ", "))
}

// findingJSON is a finding in the JSON forms.
type findingJSON struct {
	ID       string         `json:"id"`
	Severity model.Severity `json:"severity"`
	Text     string         `json:"text"`
	Object   string         `json:"object,omitempty"`
	Place    *model.Place   `json:"place,omitempty"`
}

func asFindings(all []found) []findingJSON {
	list := []findingJSON{}
	for _, f := range all {
		j := findingJSON{ID: f.ID, Severity: f.Severity, Text: f.Text, Place: f.place()}
		if f.Object != nil {
			j.Object = f.Object.Key.String()
		}
		list = append(list, j)
	}
	return list
}

// plural writes a count of each thing, most first.
func plural(counts map[string]int) string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}
