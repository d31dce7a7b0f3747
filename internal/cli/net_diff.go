package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/cluster"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
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
	f.namespaceFlag(cmd)
	f.formats(cmd, "text", "json", "csv", "dot", "svg")
	hideFlags(cmd, "path", "cluster", "context", "kubeconfig", "save", "from")
	return cmd
}

// hideFlags leaves flags of the commands above out of a command's help, which it
// does not take.
func hideFlags(cmd *cobra.Command, names ...string) {
	usage := cmd.UsageFunc()
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		for _, name := range names {
			if flag := cmd.InheritedFlags().Lookup(name); flag != nil {
				flag.Hidden = true
			}
		}
		return usage(cmd)
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
	changes := f.changesIn(reach.Diff(sides[0].Graph, sides[1].Graph))
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
		err = writeDiff(f.printer(p), sides, changes)
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

// diffEntry is connections that open or close together.
type diffEntry struct {
	From, To []*reach.Endpoint
	Ports    reach.PortSet
	Old, New reach.Verdict
	Opens    bool
}

// diffEntries divides changes into what opens and what closes, and puts together
// those that differ in one end only.
func diffEntries(changes []reach.Change) (opens, closes []diffEntry, unsure []reach.Change) {
	sets := endSets{known: map[**reach.Endpoint]uint64{}, ends: map[*reach.Endpoint]uint64{}}
	o, c := newJoiner(), newJoiner()
	for i := range changes {
		change := &changes[i]
		from, to := sets.of(change.From), sets.of(change.To)
		if ports := change.Opens(); !ports.Empty() {
			o.add(&sets, diffEntry{change.From, change.To, ports, change.Old, change.New, true}, from, to)
		}
		if ports := change.Closes(); !ports.Empty() {
			c.add(&sets, diffEntry{change.From, change.To, ports, change.Old, change.New, false}, from, to)
		}
		if change.Opens().Empty() && change.Closes().Empty() {
			unsure = append(unsure, *change)
		}
	}
	return o.list, c.list, unsure
}

// endSets names lists of endpoints, so that equal ones are found fast.
type endSets struct {
	known map[**reach.Endpoint]uint64 // by the first of a list, whose length is the same wherever it is the first
	ends  map[*reach.Endpoint]uint64
}

// of returns the name of a list, which other lists with as many and the same
// endpoints in the same order have.
func (s *endSets) of(list []*reach.Endpoint) uint64 {
	if len(list) == 0 {
		return 0
	}
	name, ok := s.known[&list[0]]
	if !ok {
		name = s.more(0, list)
		s.known[&list[0]] = name
	}
	return name
}

// more returns the name of a list with further endpoints behind it.
func (s *endSets) more(name uint64, list []*reach.Endpoint) uint64 {
	for _, e := range list {
		hash, ok := s.ends[e]
		if !ok {
			hash = maphash.Comparable(endSeed, idOf(e))
			s.ends[e] = hash
		}
		name = tree.Mix(name, hash)
	}
	return name
}

var endSeed = maphash.MakeSeed()

// joiner puts entries together.
type joiner struct {
	list     []diffEntry
	names    []joined
	byTo     map[joined][]int // positions of entries, without from
	byFrom   map[joined][]int // without to
	verdicts map[[2]string]int
}

// joined names the sides of an entry.
type joined struct {
	verdicts int
	from, to uint64
	own      [2]bool // the lists of from and to are the entry's own
}

func newJoiner() *joiner {
	return &joiner{byTo: map[joined][]int{}, byFrom: map[joined][]int{}, verdicts: map[[2]string]int{}}
}

// add puts an entry to the first one that has the same verdicts and the same
// sources or destinations, or behind all.
func (j *joiner) add(sets *endSets, e diffEntry, from, to uint64) {
	name := joined{verdicts: j.verdict(&e), from: from, to: to}
	byTo, byFrom := j.byTo[name.destination()], j.byFrom[name.source()]
	switch {
	case len(byTo) > 0 && (len(byFrom) == 0 || byTo[0] <= byFrom[0]):
		at := byTo[0]
		x, n := &j.list[at], &j.names[at]
		j.byFrom[n.source()] = without(j.byFrom[n.source()], at)
		x.From, n.own[0] = joinEnds(x.From, e.From, n.own[0]), true
		n.from = sets.more(n.from, e.From)
		j.byFrom[n.source()] = with(j.byFrom[n.source()], at)
	case len(byFrom) > 0:
		at := byFrom[0]
		x, n := &j.list[at], &j.names[at]
		j.byTo[n.destination()] = without(j.byTo[n.destination()], at)
		x.To, n.own[1] = joinEnds(x.To, e.To, n.own[1]), true
		n.to = sets.more(n.to, e.To)
		j.byTo[n.destination()] = with(j.byTo[n.destination()], at)
	default:
		at := len(j.list)
		j.list, j.names = append(j.list, e), append(j.names, name)
		j.byTo[name.destination()] = append(byTo, at)
		j.byFrom[name.source()] = append(byFrom, at)
	}
}

func (n joined) destination() joined { return joined{verdicts: n.verdicts, to: n.to} }
func (n joined) source() joined      { return joined{verdicts: n.verdicts, from: n.from} }

// verdict returns a number for what an entry is before and after.
func (j *joiner) verdict(e *diffEntry) int {
	text := func(v reach.Verdict) string { return v.Must.String() + " " + v.May.String() }
	key := [2]string{text(e.Old), text(e.New)}
	n, ok := j.verdicts[key]
	if !ok {
		n = len(j.verdicts)
		j.verdicts[key] = n
	}
	return n
}

func joinEnds(list, more []*reach.Endpoint, own bool) []*reach.Endpoint {
	if !own {
		list = slices.Clone(list)
	}
	return append(list, more...)
}

// without and with take a position out of a sorted list, and put it in.
func without(list []int, at int) []int {
	if i, found := slices.BinarySearch(list, at); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func with(list []int, at int) []int {
	i, _ := slices.BinarySearch(list, at)
	return slices.Insert(list, i, at)
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
			kept = append(kept, reach.Change{From: fromIn, To: c.To, Old: c.Old, New: c.New})
		}
		if len(fromOut) > 0 && len(toIn) > 0 {
			kept = append(kept, reach.Change{From: fromOut, To: toIn, Old: c.Old, New: c.New})
		}
	}
	return kept
}

func writeDiff(w *accessPrinter, sides [2]*network, changes []reach.Change) error {
	opens, closes, unsure := diffEntries(changes)
	if len(changes) == 0 {
		w.line(0, bold, "Nothing opens and nothing closes.")
	}
	writeEntries(w, sides[1].sizes(), "open", "+ ", red, opens)
	writeEntries(w, sides[0].sizes(), "close", "- ", green, closes)
	if len(unsure) > 0 {
		w.wrapped(0, dim, fmt.Sprintf("%s only in how certain: -o json has them", counted(len(unsure), "more group")+" of connections change"))
	}
	if !sides[0].closed || !sides[1].closed {
		w.wrapped(0, dim, "By what was read on both sides; policies and workloads may live elsewhere.")
	}
	return w.w.Flush()
}

func writeEntries(w *accessPrinter, names *naming, word, mark, style string, list []diffEntry) {
	if len(list) == 0 {
		return
	}
	pairs := 0
	for _, e := range list {
		pairs += len(e.From) * len(e.To)
	}
	w.line(0, bold, fmt.Sprintf("%s %s", counted(pairs, "connection"), word))
	for _, e := range list {
		v := e.Old
		if e.Opens {
			v = e.New
		}
		text := fmt.Sprintf("%s -> %s on %s%s", names.ends(e.From), names.ends(e.To), onPorts(e.Ports), perhaps(v, e.Ports))
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
	ends := func(all []*reach.Endpoint) []endJSON {
		list := []endJSON{}
		for _, e := range all {
			list = append(list, asEnd(e))
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
				if err := w.Write([]string{cell(endText(c.From[j])), cell(endText(c.To[k])), c.Opens().String(), c.Closes().String()}); err != nil {
					return err
				}
			}
		}
	}
	w.Flush()
	return w.Error()
}
