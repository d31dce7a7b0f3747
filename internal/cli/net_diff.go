package cli

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

func (f *netFlags) netDiffCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Short: "What does a change open and close?",
		Long: `Compare the networks of two sets of files: directories, files, charts, overlays,
or files that --save wrote. It says what connections open and what close, those
of workloads that one side only has apart; what is new opens.

Exit code: 0 nothing opens, 1 something opens, 2 usage or internal error, 3
something could not be read.`,
		Example: `  git worktree add /tmp/main main && ullage net diff /tmp/main/deploy deploy`,
		Args:    exactlyPaths("OLD NEW", 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.diff(cmd, p, args) },
	}
	f.namespaceFlag(cmd)
	f.formats(cmd, "text", "json", "csv", "dot", "svg")
	hideFlags(cmd, "path", "cluster", "context", "kubeconfig", "save", "from")
	return cmd
}

// hideFlags leaves flags of the commands above out of a command's help, which it
// does not take.
func hideFlags(cmd *cobra.Command, names ...string) {
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		for _, name := range names {
			if flag := cmd.InheritedFlags().Lookup(name); flag != nil {
				flag.Hidden = true
			}
		}
		return cmd.Root().UsageFunc()(cmd)
	})
}

func exactlyPaths(names string, count int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != count {
			return fmt.Errorf("name %s", names)
		}
		return nil
	}
}

func (f *netFlags) diff(cmd *cobra.Command, p *Program, args []string) error {
	if len(f.paths) > 0 || f.live() || f.save != "" {
		return errors.New("OLD and NEW say what to read: leave out -f, --cluster and --from")
	}
	if args[0] == "-" && args[1] == "-" {
		return errors.New("standard input can be one of OLD and NEW only")
	}
	if err := f.configure(cmd.Context(), p); err != nil {
		return err
	}
	close(f.read) // files are only read
	var sides [2]*network
	for _, path := range args { // a typing error is no empty network
		if _, err := os.Stat(path); path != "-" && errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is not there: name files or directories as OLD and NEW", printable(path))
		}
	}
	for i, path := range args {
		s, err := f.side(cmd, p, path)
		if err != nil {
			return err
		}
		sides[i] = newNetwork(s)
	}
	if err := f.checkNamespaces(cmd, sides[:]...); err != nil {
		return err
	}
	c := f.compare(sides[0], sides[1])
	opens := slices.ContainsFunc(c.changes, func(c reach.Change) bool { return !c.Opens().Empty() })
	var err error
	switch f.output {
	case "json":
		out := bufio.NewWriter(p.Stdout)
		err = errors.Join(c.json(out), out.Flush())
	case "csv":
		err = c.csv(p.Stdout)
	case "dot":
		err = c.dot(p.Stdout)
	case "svg":
		err = c.svg(p.Stdout)
	default:
		err = c.text(f.printer(p))
	}
	switch {
	case opens:
		return errors.Join(err, &codeError{code: exitFindings})
	case len(f.problems) > 0:
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return err
}

// side reads OLD or NEW. An empty set of files is a network without anything.
func (f *netFlags) side(cmd *cobra.Command, p *Program, path string) (*model.Snapshot, error) {
	if in := readSaved(path); in != nil {
		f.problems = append(f.problems, in.Problems...)
		return model.NewSnapshot(in.Objects, true, in.Gaps...), nil
	}
	bar := newProgress(p)
	defer bar.done()
	one := input{paths: []string{path}, settings: f.settings}
	read, err := one.files(cmd.Context(), p, bar)
	if err != nil {
		return nil, err
	}
	bar.done()
	tellProblems(p, read.Problems)
	f.problems = append(f.problems, read.Problems...)
	return model.NewSnapshot(read.Objects, f.closedWorld() && len(read.Problems) == 0), nil
}

// readSaved returns what --save wrote to a file, or nil.
func readSaved(path string) *cluster.Input {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	in, err := loadCluster(path)
	if err != nil {
		return nil
	}
	return in
}

// changesIn returns what has an end in the namespaces that were asked for.
func (f *netFlags) changesIn(changes []reach.Change) []reach.Change {
	if len(f.namespaces) == 0 {
		return changes
	}
	inside := func(e *reach.Endpoint) bool {
		return e.Kind == reach.Pods && slices.Contains(f.namespaces, e.Workload.Object.Key.Namespace)
	}
	divide := func(list []*reach.Endpoint) (in, out []*reach.Endpoint) {
		for _, e := range list {
			if inside(e) {
				in = append(in, e)
			} else {
				out = append(out, e)
			}
		}
		return in, out
	}
	var kept []reach.Change
	for _, c := range changes {
		fromIn, fromOut := divide(c.From)
		toIn, _ := divide(c.To)
		if len(fromIn) > 0 {
			kept = append(kept, reach.Change{From: fromIn, To: c.To, Old: c.Old, New: c.New, In: c.In})
		}
		if len(fromOut) > 0 && len(toIn) > 0 {
			kept = append(kept, reach.Change{From: fromOut, To: toIn, Old: c.Old, New: c.New, In: c.In})
		}
	}
	return kept
}

// compared is what diff tells.
type compared struct {
	old, new    *network
	fresh, gone []*reach.Endpoint // workloads that one side only has
	changes     []reach.Change
}

func (f *netFlags) compare(old, new *network) *compared {
	c := &compared{old: old, new: new, changes: f.changesIn(reach.Diff(old.Graph, new.Graph))}
	c.fresh, c.gone = f.workloadsIn(new.Beyond(old.Graph)), f.workloadsIn(old.Beyond(new.Graph))
	return c
}

// workloadsIn returns those in the namespaces that were asked for.
func (f *netFlags) workloadsIn(all []*reach.Endpoint) []*reach.Endpoint {
	if len(f.namespaces) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(e *reach.Endpoint) bool {
		return !slices.Contains(f.namespaces, e.Workload.Object.Key.Namespace)
	})
}

func (c *compared) closed() bool { return c.old.closed && c.new.closed }

func (c *compared) text(w *accessPrinter) error {
	before, after := c.old.sizes(), c.new.sizes()
	writeMoved(w, after, "new", c.fresh)
	writeMoved(w, before, "gone", c.gone)
	if len(c.fresh)+len(c.gone) > 0 {
		fmt.Fprintln(w.w)
	}
	opens, closes, unsure := diffEntries(c.changes)
	divide := func(list []diffEntry, in reach.Presence) (these, others []diffEntry) {
		for _, e := range list {
			if e.In == in {
				these = append(these, e)
			} else {
				others = append(others, e)
			}
		}
		return these, others
	}
	appear, opens := divide(opens, reach.OnlyNew)
	vanish, closes := divide(closes, reach.OnlyOld)
	switch {
	case len(opens)+len(closes)+len(unsure) > 0:
	case len(c.fresh)+len(c.gone) > 0:
		w.wrapped(0, bold, "Nothing opens and nothing closes between what both sides have.")
		fmt.Fprintln(w.w)
	default:
		w.line(0, bold, "Nothing opens and nothing closes.")
	}
	notes := &footnotes{}
	writeEntries(w, after, notes, "open", opens)
	writeEntries(w, before, notes, "close", closes)
	writeEntries(w, after, notes, "of new workloads", appear)
	writeEntries(w, before, notes, "of workloads that are gone", vanish)
	notes.write(w)
	if len(unsure) > 0 {
		w.wrapped(0, dim, fmt.Sprintf("%s only in how certain: -o json has them", counted(len(unsure), "more group")+" of connections change"))
	}
	if !c.closed() {
		w.wrapped(0, dim, "By what was read on both sides; policies and workloads may live elsewhere.")
	}
	return w.w.Flush()
}

// writeMoved tells of workloads that one side only has.
func writeMoved(w *accessPrinter, names *naming, word string, list []*reach.Endpoint) {
	if len(list) == 0 {
		return
	}
	are := "are "
	if len(list) == 1 {
		are = "is "
	}
	w.wrapped(0, "", counted(len(list), "workload")+" "+are+word+": "+names.ends(list))
}

func writeEntries(w *accessPrinter, names *naming, notes *footnotes, title string, list []diffEntry) {
	if len(list) == 0 {
		return
	}
	pairs := 0
	for _, e := range list {
		pairs += len(e.From) * len(e.To)
	}
	if pairs == 1 && !strings.HasPrefix(title, "of ") {
		title += "s"
	}
	w.line(0, bold, counted(pairs, "connection")+" "+title)
	for _, e := range list {
		v, mark, style := e.Old, "- ", green
		if e.Opens {
			v, mark, style = e.New, "+ ", red
		}
		text := fmt.Sprintf("%s -> %s on %s", names.ends(e.From), names.ends(e.To), howCertain(v, e.Ports))
		if !e.Ports.Minus(v.Must).Empty() {
			text += notes.mark(v.Why)
		}
		for i, line := range strings.Split(hang(printable(text), 0, w.width-4), "\n") {
			if i == 0 {
				fmt.Fprintln(w.w, w.paint(style, mark)+line)
			} else {
				fmt.Fprintln(w.w, "    "+line)
			}
		}
	}
	fmt.Fprintln(w.w)
}

// howCertain writes ports that a verdict allows, those apart that it allows in some
// case only.
func howCertain(v reach.Verdict, ports reach.PortSet) string {
	must := v.Must.Intersect(ports)
	switch {
	case must.Equal(ports):
		return onPorts(ports)
	case must.Empty():
		return onPorts(ports) + " perhaps"
	}
	return onPorts(must) + ", perhaps " + onPorts(ports.Minus(must))
}

type changeJSON struct {
	From   []int       `json:"from"` // indexes of endpoints
	To     []int       `json:"to"`
	In     string      `json:"in"` // both; new or gone when one end of each pair is
	Opens  string      `json:"opens"`
	Closes string      `json:"closes"`
	Old    verdictJSON `json:"old"`
	New    verdictJSON `json:"new"`
}

// json streams the endpoints and the changes, which may be very many.
func (c *compared) json(w io.Writer) error {
	out := &stickyWriter{w: w}
	known, index := map[*reach.Endpoint]int{}, map[endID]int{}
	out.print(`{"closedWorld":%t,"endpoints":[`, c.closed())
	indexes := func(all []*reach.Endpoint) []int {
		list := make([]int, len(all))
		for i, e := range all {
			at, ok := known[e]
			if !ok {
				id := idOf(e)
				if at, ok = index[id]; !ok {
					if at = len(index); at > 0 {
						out.print(",")
					}
					index[id] = at
					out.encode(asEnd(e))
				}
				known[e] = at
			}
			list[i] = at
		}
		return list
	}
	fresh, gone := indexes(c.fresh), indexes(c.gone)
	for i := range c.changes {
		indexes(c.changes[i].From)
		indexes(c.changes[i].To)
	}
	out.print(`],"new":`)
	out.encode(fresh)
	out.print(`,"gone":`)
	out.encode(gone)
	out.print(`,"changes":[`)
	for i := range c.changes {
		if i > 0 {
			out.print(",")
		}
		x := &c.changes[i]
		out.encode(changeJSON{indexes(x.From), indexes(x.To), x.In.String(), x.Opens().String(), x.Closes().String(), asVerdict(x.Old), asVerdict(x.New)})
		if out.err != nil {
			break
		}
	}
	out.print("]}\n")
	return out.err
}

// csv writes a line for each pair that changes.
func (c *compared) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"from", "to", "in", "opens", "closes", "certain before", "possible before", "certain after", "possible after", "why"}); err != nil {
		return err
	}
	whole := &network{closed: c.closed(), doubt: "policies and workloads may live elsewhere"}
	cells := map[*reach.Endpoint]string{}
	cellOf := func(e *reach.Endpoint) string {
		text, ok := cells[e]
		if !ok {
			text = cell(endText(e))
			cells[e] = text
		}
		return text
	}
	for i := range c.changes {
		x := &c.changes[i]
		old, now := asVerdict(x.Old), asVerdict(x.New)
		reasons := slices.Clone(old.Why)
		for _, reason := range now.Why {
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
		row := []string{"", "", x.In.String(), x.Opens().String(), x.Closes().String(), old.Certain, old.Possible, now.Certain, now.Possible, whole.whyCell(reasons)}
		for _, from := range x.From {
			row[0] = cellOf(from)
			for _, to := range x.To {
				row[1] = cellOf(to)
				if err := w.Write(row); err != nil {
					return err
				}
			}
		}
	}
	w.Flush()
	return w.Error()
}
