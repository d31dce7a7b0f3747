package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
)

// inventory is what the commands have in common that list what there is, worst
// first: ullage storage and ullage secrets.
type inventory struct {
	input
	namespaces    []string
	output, color string
	verbose       bool
	baseline      word
	profile       word
	rules         string            // that judged: a profile, or what else chose them
	kinds         []model.GroupKind // that are listed

	world *model.Snapshot // what was read
}

// judgedList is what a command of an inventory has to say.
type judgedList interface {
	json() any
	text(*inventoryPrinter) error
}

// run reads, judges and lists.
func (f *inventory) run(cmd *cobra.Command, p *Program, args []string, list func(judgements) judgedList) error {
	if err := f.read(cmd, p, args); err != nil {
		return err
	}
	j, err := f.judge(cmd.Context(), p)
	if err != nil {
		return err
	}
	l := list(j)
	if f.output == "json" {
		err = writeJSON(p.Stdout, l.json())
	} else {
		err = l.text(f.printer(p))
	}
	if err != nil {
		return err
	}
	return f.end()
}

func (f *inventory) flags(cmd *cobra.Command) {
	f.input.flags(cmd)
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "show only what is in these namespaces, or used there")
	flags.StringVarP(&f.output, "output", "o", "text", "format: text, json")
	wordVar(flags, &f.baseline, "baseline", "", "let findings pass that are in this file of ullage check")
	wordVar(flags, &f.profile, "profile", "", "judge by these rules, as ullage check does: "+strings.Join(policy.ProfileNames, ", ")+", or a file (default: all, and recommended with a baseline)")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show everything, what is in order included")
}

// read reads the paths or the cluster.
func (f *inventory) read(cmd *cobra.Command, p *Program, args []string) error {
	if err := (word{f.output, "--output"}).oneOf("text", "json"); err != nil {
		return err
	}
	if err := (word{f.color, "--color"}).oneOf("auto", "always", "never"); err != nil {
		return err
	}
	f.paths = append(f.paths, args...)
	var err error
	if f.world, err = f.snapshot(cmd, p, f.namespaces...); err != nil {
		return err
	}
	return namespacesIn(f.world, f.namespaces)
}

// namespacesIn refuses namespaces in which there is nothing at all: most likely
// they are misspelt.
func namespacesIn(s *model.Snapshot, namespaces []string) error {
	known := map[string]bool{}
	for _, o := range s.All() {
		if o.Key.Namespace != "" {
			known[o.Key.Namespace] = true
		}
		if o.Key.Kind == "Namespace" {
			known[o.Key.Name] = true
		}
	}
	for _, namespace := range namespaces {
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
	closed  bool           // nothing that counts lives elsewhere
	rules   string         // that judged
	missing string         // why what is listed may not be all that was asked for
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
	return &inventoryPrinter{accessPrinter: newPrinter(p, f.color), verbose: f.verbose, closed: f.world.Closed, rules: f.rules, missing: f.missing(), left: map[string]int{}}
}

// missing says why there may be more of the kinds that are listed, where something
// could not be read.
func (f *inventory) missing() string {
	namespaces := f.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		if gap := f.world.Gap(ns, f.kinds...); gap != nil {
			return gap.Reason
		}
	}
	if !f.live() && len(f.problems) > 0 {
		return "not everything could be read"
	}
	return ""
}

// head writes the first line of an entry: how bad it is, and what it is.
func (p *inventoryPrinter) head(severity string, style, title, more string) {
	if more != "" {
		more = "  " + p.paint(dim, printable(more))
	}
	fmt.Fprintln(p.w, p.paint(style, fmt.Sprintf("%-8s", strings.ToUpper(severity)))+"  "+p.paint(bold, printable(title))+more)
}

// findings writes what is wrong, with places of their own lines; what is for
// information only where all is asked for.
func (p *inventoryPrinter) findings(v *verdict) { p.findingsAt(2, v) }

func (p *inventoryPrinter) findingsAt(indent int, v *verdict) {
	for i, f := range v.findings {
		if !p.verbose && severityOf(f) == model.Info {
			break
		}
		if i == shownFindings && !p.verbose {
			p.line(indent, dim, fmt.Sprintf("and %s more; --verbose lists them", counted(len(v.findings)-i, "finding")))
			break
		}
		p.wrapped(indent, severityStyles[severityOf(f)], f.Message+" ["+f.Rule.ID+"]")
		p.line(indent+2, dim, f.Place().String())
	}
	for _, f := range v.passed {
		if p.verbose {
			p.wrapped(indent, dim, "let pass: "+f.Message+" ["+f.Rule.ID+"]")
		}
	}
}

// unknowns says why a question about an entry has no answer. That more may live
// elsewhere is said once, of everything.
func (p *inventoryPrinter) unknowns(v *verdict, more ...string) {
	for _, reason := range more {
		p.label("not known", reason)
	}
	for _, reason := range v.unknowns {
		if (p.closed || p.verbose) && !slices.Contains(more, reason) {
			p.label("not known", reason)
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

// summary writes the last line: what was looked at, the findings by severity, and what
// is not known.
func (p *inventoryPrinter) summary(what string, t *tally) {
	var parts []string
	for s, n := range slices.Backward(t.counts[:]) {
		if n > 0 && (model.Severity(s) > model.Info || p.verbose) {
			parts = append(parts, fmt.Sprintf("%d %s", n, model.Severity(s)))
		}
	}
	switch {
	case len(parts) > 0:
		parts[0] = "findings: " + parts[0]
	case p.missing != "":
		parts = []string{"nothing wrong found in what was read"}
	case t.unknown > 0:
		parts = []string{"nothing wrong found in what is known"}
	default:
		parts = []string{"nothing wrong found"}
	}
	if t.unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", t.unknown))
	}
	if t.passed > 0 {
		parts = append(parts, fmt.Sprintf("%d let pass by an exception or the baseline", t.passed))
	}
	line := what + "; " + strings.Join(parts, ", ")
	if p.missing != "" {
		line += ": " + p.missing
	}
	p.wrapped(0, bold, line)
	if p.rules != "all" {
		p.wrapped(0, dim, "Judged by less than all rules ("+p.rules+"); --profile all asks the others, too.")
	}
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
