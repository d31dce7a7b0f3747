package cli

import (
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
or files that --save wrote. It says what connections open and what close.

Exit code: 0 nothing opens, 1 something opens, 2 usage or internal error, 3
something could not be read.`,
		Example: `  git worktree add /tmp/main main && ullage net diff /tmp/main/deploy deploy`,
		Args:    exactlyPaths("OLD NEW", 2),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.diff(cmd, p, args) },
	}
	f.formats(cmd, "text", "json", "csv", "dot", "svg")
	return cmd
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
	var sides [2]*network
	for i, path := range args {
		s, err := f.side(cmd, p, path)
		if err != nil {
			return err
		}
		sides[i] = newNetwork(s)
	}
	changes := reach.Diff(sides[0].Graph, sides[1].Graph)
	opens := slices.ContainsFunc(changes, func(c reach.Change) bool { return !c.Opens().Empty() })
	var err error
	switch f.output {
	case "json":
		err = writeJSON(p.Stdout, diffJSON(changes))
	case "csv":
		err = diffCSV(p.Stdout, changes)
	case "dot":
		err = diffDOT(p.Stdout, changes)
	case "svg":
		err = diffSVG(p.Stdout, changes, sides[0].closed && sides[1].closed)
	default:
		err = sides[1].writeDiff(f.printer(p), changes, sides[0].closed && sides[1].closed)
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
	one := input{paths: []string{path}, defaultNamespace: f.defaultNamespace, exclude: f.exclude, values: f.values, set: f.set}
	read, err := one.files(cmd.Context(), p, bar)
	if err != nil {
		return nil, err
	}
	bar.done()
	tellProblems(p, read.Problems)
	f.problems = append(f.problems, read.Problems...)
	return model.NewSnapshot(read.Objects, f.closed && len(read.Problems) == 0), nil
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

// diffEntry is connections that open or close together.
type diffEntry struct {
	From, To []reach.Endpoint
	Ports    reach.PortSet
	Old, New reach.Verdict
	Opens    bool
}

// entries divides changes into what opens and what closes, and puts together
// those that differ in one end only.
func diffEntries(changes []reach.Change) (opens, closes []diffEntry, unsure []reach.Change) {
	for i := range changes {
		c := &changes[i]
		if ports := c.Opens(); !ports.Empty() {
			opens = addEntry(opens, diffEntry{c.From, c.To, ports, c.Old, c.New, true})
		}
		if ports := c.Closes(); !ports.Empty() {
			closes = addEntry(closes, diffEntry{c.From, c.To, ports, c.Old, c.New, false})
		}
		if c.Opens().Empty() && c.Closes().Empty() {
			unsure = append(unsure, *c)
		}
	}
	return opens, closes, unsure
}

func addEntry(list []diffEntry, e diffEntry) []diffEntry {
	same := func(a, b []reach.Endpoint) bool {
		return slices.EqualFunc(a, b, func(x, y reach.Endpoint) bool { return x.String() == y.String() })
	}
	for i := range list {
		x := &list[i]
		if !x.Old.Equal(e.Old) || !x.New.Equal(e.New) {
			continue
		}
		if same(x.To, e.To) && len(list) < manyPairs {
			x.From = append(slices.Clone(x.From), e.From...)
			return list
		}
		if same(x.From, e.From) && len(list) < manyPairs {
			x.To = append(slices.Clone(x.To), e.To...)
			return list
		}
	}
	return append(list, e)
}

func (n *network) writeDiff(w *accessPrinter, changes []reach.Change, closed bool) error {
	opens, closes, unsure := diffEntries(changes)
	if len(changes) == 0 {
		w.line(0, bold, "Nothing opens and nothing closes.")
	}
	n.writeEntries(w, "opens", "+ ", red, opens)
	n.writeEntries(w, "closes", "- ", green, closes)
	if len(unsure) > 0 {
		w.line(0, dim, fmt.Sprintf("%s only in how certain: -o json has them", counted(len(unsure), "more group")+" of connections change"))
	}
	if !closed {
		w.wrapped(0, dim, "By what was read on both sides; policies and workloads may live elsewhere.")
	}
	return w.w.Flush()
}

func (n *network) writeEntries(w *accessPrinter, word, mark, style string, list []diffEntry) {
	if len(list) == 0 {
		return
	}
	pairs := 0
	for _, e := range list {
		pairs += len(e.From) * len(e.To)
	}
	w.line(0, bold, fmt.Sprintf("%s %s", counted(pairs, "connection"), strings.TrimSuffix(word, "s")))
	names := n.names()
	for _, e := range list {
		certain := ""
		if e.Opens && e.New.Must.Intersect(e.Ports).Empty() || !e.Opens && e.Old.Must.Intersect(e.Ports).Empty() {
			certain = " perhaps"
		}
		text := fmt.Sprintf("%s -> %s  %s%s", names.ends(e.From), names.ends(e.To), e.Ports, certain)
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

// ends names endpoints, of which some may be of another network.
func (x *naming) ends(list []reach.Endpoint) string {
	var texts []string
	namespaces := map[string]int{}
	addresses := 0
	for i := range list {
		if list[i].Kind == reach.Addresses {
			addresses++
		}
	}
	if addresses > 4 {
		texts = append(texts, fmt.Sprintf("addresses outside in %d groups", addresses))
	}
	for i := range list {
		e := &list[i]
		if e.Kind == reach.Addresses && addresses > 4 {
			continue
		}
		if e.Kind == reach.Pods && len(list) > longest {
			namespaces[e.Workload.Object.Key.Namespace]++
			continue
		}
		if text := endText(e); e.Kind == reach.Pods {
			texts = append(texts, e.Workload.Object.Key.Namespace+"/"+e.Workload.Object.Key.Name)
		} else {
			texts = append(texts, text)
		}
	}
	var many []string
	for ns, count := range namespaces {
		if count == x.sizes[ns] {
			many = append(many, "all of "+ns)
		} else {
			many = append(many, fmt.Sprintf("%d in %s", count, ns))
		}
	}
	slices.Sort(many)
	if len(many) > longest {
		many = append(many[:longest], fmt.Sprintf("and in %d more namespaces", len(many)-longest))
	}
	if len(texts) > 2*longest {
		texts = append(texts[:2*longest], fmt.Sprintf("and %d more", len(texts)-2*longest))
	}
	return strings.Join(append(many, texts...), ", ")
}

type changeJSON struct {
	From   []endJSON   `json:"from"`
	To     []endJSON   `json:"to"`
	Opens  string      `json:"opens"`
	Closes string      `json:"closes"`
	Old    verdictJSON `json:"old"`
	New    verdictJSON `json:"new"`
}

func diffJSON(changes []reach.Change) any {
	list := []changeJSON{}
	ends := func(all []reach.Endpoint) []endJSON {
		list := []endJSON{}
		for i := range all {
			list = append(list, asEnd(&all[i]))
		}
		return list
	}
	for i := range changes {
		c := &changes[i]
		list = append(list, changeJSON{ends(c.From), ends(c.To), c.Opens().String(), c.Closes().String(), asVerdict(c.Old), asVerdict(c.New)})
	}
	return struct {
		Changes []changeJSON `json:"changes"`
	}{list}
}

func diffCSV(out io.Writer, changes []reach.Change) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"from", "to", "opens", "closes"}); err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i]
		for j := range c.From {
			for k := range c.To {
				if err := w.Write([]string{cell(endText(&c.From[j])), cell(endText(&c.To[k])), c.Opens().String(), c.Closes().String()}); err != nil {
					return err
				}
			}
		}
	}
	w.Flush()
	return w.Error()
}
