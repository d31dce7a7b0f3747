package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/reach"
)

func (f *netFlags) netListCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [PATH...]", Short: "Who may connect to whom?",
		Long: `List who may connect to whom: the workloads, nodes and addresses that policies
tell apart, those that are alike together; with --exhaustive one by one. The
formats csv and json with --exhaustive have a line or entry for each pair; dot
is for Graphviz, svg a matrix to look at. Both show namespaces where there are
more than 70 workloads; dot with --exhaustive shows each workload.`,
		Example: `  ullage net list deploy/
  ullage net list --src internet -n shop deploy/
  ullage net list -o svg deploy/ > network.svg`,
		Args: onlyPaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.paths = append(f.paths, args...)
			return f.list(cmd, p)
		},
	}
	flags := cmd.Flags()
	f.namespaceFlag(cmd)
	flags.StringVar(&f.source, "src", "", "only connections from here; SRC as for can")
	flags.StringVar(&f.target, "dst", "", "only connections to there; DST as for can, without a port")
	flags.BoolVar(&f.exhaustive, "exhaustive", false, "every pair of ends by itself")
	f.formats(cmd, "text", "json", "csv", "dot", "svg")
	return cmd
}

// listing is what list shows of a network.
type listing struct {
	*network
	omitted    int               // sources left out as there are too many flows, see mostFlows
	src, dst   map[reach.ID]bool // nil for all
	namespaces map[string]bool   // nil for all
	exhaustive bool
}

func (f *netFlags) list(cmd *cobra.Command, p *Program) error {
	n, err := f.network(cmd, p)
	if err != nil {
		return err
	}
	l := &listing{network: n, exhaustive: f.exhaustive}
	if err := f.checkNamespaces(cmd, n); err != nil {
		return err
	}
	for _, ns := range f.namespaces {
		if l.namespaces == nil {
			l.namespaces = map[string]bool{}
		}
		l.namespaces[ns] = true
	}
	if l.src, err = n.filter(f.source, "--src", false); err != nil {
		return err
	}
	if l.dst, err = n.filter(f.target, "--dst", true); err != nil {
		return err
	}
	if f.output == "text" {
		return errors.Join(l.text(f.printer(p)), f.incomplete(), l.incomplete())
	}
	out := bufio.NewWriter(p.Stdout)
	switch f.output {
	case "json":
		err = l.json(out)
	case "csv":
		err = l.csv(out)
	case "dot":
		err = l.dot(out)
	case "svg":
		err = l.svg(out)
	}
	if err != nil {
		return err
	}
	return errors.Join(out.Flush(), f.incomplete(), l.incomplete())
}

// incomplete is the exit code when flows were left out.
func (l *listing) incomplete() error {
	if l.omitted > 0 {
		return &codeError{code: exitIncomplete}
	}
	return nil
}

// filter returns the endpoints that a flag names, nil when it names none.
func (n *network) filter(text, flag string, destination bool) (map[reach.ID]bool, error) {
	if text == "" {
		return nil, nil
	}
	e, err := n.end(text, destination)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	set := map[reach.ID]bool{}
	for _, id := range e.ids {
		set[id] = true
	}
	return set, nil
}

func (l *listing) inNamespaces(id reach.ID) bool {
	e := l.Endpoint(id)
	return e.Kind == reach.Pods && l.namespaces[e.Workload.Object.Key.Namespace]
}

// wants reports whether a pair is asked for.
func (l *listing) wants(from, to reach.ID) bool {
	return (l.src == nil || l.src[from]) && (l.dst == nil || l.dst[to]) && (l.namespaces == nil || l.inNamespaces(from) || l.inNamespaces(to))
}

// pairs yields every pair that is asked for.
func (l *listing) pairs() func(func([2]reach.ID, reach.Verdict) bool) {
	return func(yield func([2]reach.ID, reach.Verdict) bool) {
		for from := range reach.ID(l.Graph.Len()) {
			if l.src != nil && !l.src[from] || l.Endpoint(from).Kind == reach.Name {
				continue
			}
			for to, v := range l.Graph.From(from) {
				if l.wants(from, to) && !yield([2]reach.ID{from, to}, v) {
					return
				}
			}
		}
	}
}

// flows yields what is asked for, with those together that are alike.
func (l *listing) flows() func(func(reach.Flow) bool) {
	return func(yield func(reach.Flow) bool) {
		if l.exhaustive {
			for pair, v := range l.pairs() {
				if !yield(reach.Flow{From: []reach.ID{pair[0]}, To: []reach.ID{pair[1]}, Verdict: v}) {
					return
				}
			}
			return
		}
		told, from := 0, reach.ID(-1)
		var wants func(reach.ID) bool
		if l.src != nil {
			wants = func(id reach.ID) bool { return l.src[id] }
		}
		for flow := range l.Graph.Compact(wants) {
			if told >= mostFlows && flow.From[0] != from {
				l.omitted = l.Graph.Len() - int(flow.From[0])
				return
			}
			from = flow.From[0]
			for _, part := range l.cut(flow) {
				if told++; !yield(part) {
					return
				}
			}
		}
	}
}

// mostFlows is about how many flows are told together. Networks in which policies
// allow other ports between nearly all pairs have as many as pairs, which nobody reads
// and which take very long.
const mostFlows = 200_000

const tooManyFlows = "policies allow other ports between more than 200,000 groups of workloads: choose some with --src, --dst or -n, or take --exhaustive"

// cut returns what of a flow is asked for.
func (l *listing) cut(flow reach.Flow) []reach.Flow {
	some := func(ids []reach.ID, set map[reach.ID]bool) []reach.ID {
		if set == nil {
			return ids
		}
		return slices.DeleteFunc(slices.Clone(ids), func(id reach.ID) bool { return !set[id] })
	}
	flow.From, flow.To = some(flow.From, l.src), some(flow.To, l.dst)
	if len(flow.From) == 0 || len(flow.To) == 0 {
		return nil
	}
	if l.namespaces == nil {
		return []reach.Flow{flow}
	}
	divide := func(ids []reach.ID) (in, out []reach.ID) {
		for _, id := range ids {
			if l.inNamespaces(id) {
				in = append(in, id)
			} else {
				out = append(out, id)
			}
		}
		return in, out
	}
	fromIn, fromOut := divide(flow.From)
	toIn, _ := divide(flow.To)
	var parts []reach.Flow
	if len(fromIn) > 0 {
		parts = append(parts, reach.Flow{From: fromIn, To: flow.To, Verdict: flow.Verdict})
	}
	if len(fromOut) > 0 && len(toIn) > 0 {
		parts = append(parts, reach.Flow{From: fromOut, To: toIn, Verdict: flow.Verdict})
	}
	return parts
}

// textBlock is sources that may connect to the same.
type textBlock struct {
	from  []reach.ID
	flows []reach.Flow
}

// blocks puts sources together that may connect to the same.
func (l *listing) blocks() []*textBlock {
	var order []*textBlock
	known := map[string]*textBlock{}
	finish := func(b *textBlock) {
		if b == nil {
			return
		}
		var text []byte
		for _, f := range b.flows {
			text = fmt.Appendf(text, "%v %v:", f.Must, f.May)
			for _, id := range f.To {
				text = binary.AppendVarint(text, int64(id))
			}
		}
		sum := sha256.Sum256(text)
		key := string(sum[:])
		if same := known[key]; same != nil {
			same.from = append(same.from, b.from...)
			return
		}
		known[key] = b
		order = append(order, b)
	}
	var at *textBlock
	for flow := range l.flows() {
		if at == nil || !slices.Equal(at.from, flow.From) {
			finish(at)
			at = &textBlock{from: slices.Clone(flow.From)}
		}
		at.flows = append(at.flows, flow)
	}
	finish(at)
	for _, b := range order {
		slices.Sort(b.from)
	}
	return order
}

// text writes the sources one after the other, each with where it may connect to.
func (l *listing) text(w *accessPrinter) error {
	if l.exhaustive {
		return l.lines(w)
	}
	names := l.names()
	notes := &footnotes{}
	blocks := l.blocks()
	for _, b := range blocks {
		w.wrapped(0, bold, names.list(b.from))
		for _, flow := range b.flows {
			l.writeFlow(w, flow, names, notes)
		}
		fmt.Fprintln(w.w)
	}
	if len(blocks) == 0 {
		w.line(0, "", "Nothing of what was asked for is open.")
	}
	if l.omitted > 0 {
		w.wrapped(0, yellow, fmt.Sprintf("%s not listed: %s.", counted(l.omitted, "more source"), tooManyFlows))
	}
	notes.write(w)
	l.openWorld(w)
	return w.w.Flush()
}

// lines writes a line for each pair.
func (l *listing) lines(w *accessPrinter) error {
	names := l.endTexts(printable)
	notes := &footnotes{}
	for pair, v := range l.pairs() {
		ports, style := portsText(v, notes)
		if _, err := fmt.Fprintln(w.w, names[pair[0]]+" -> "+names[pair[1]]+"  "+w.paint(style, ports)); err != nil {
			return err
		}
	}
	notes.write(w)
	l.openWorld(w)
	return w.w.Flush()
}

// endTexts writes all endpoints, each made fit.
func (l *listing) endTexts(fit func(string) string) []string {
	names := make([]string, l.Graph.Len())
	for e := range l.Graph.Endpoints() {
		names[e.ID] = fit(endText(&e))
	}
	return names
}

// portsText writes a verdict, and how to paint it.
func portsText(v reach.Verdict, notes *footnotes) (text, style string) {
	switch {
	case v.Must.Empty():
		return "perhaps " + v.May.String() + notes.mark(v.Why), yellow
	case !v.Must.Equal(v.May):
		return v.Must.String() + ", perhaps " + v.May.String() + notes.mark(v.Why), green
	}
	return v.Must.String(), green
}

func (l *listing) writeFlow(w *accessPrinter, flow reach.Flow, names *naming, notes *footnotes) {
	ports, style := portsText(flow.Verdict, notes)
	l.writeTo(w, style, ports, names.list(flow.To))
}

// footnotes say each reason once.
type footnotes struct{ texts []string }

func (f *footnotes) mark(why reach.Reasons) string {
	var marks []int
	for _, text := range why.Texts() {
		i := slices.Index(f.texts, text)
		if i < 0 {
			i = len(f.texts)
			f.texts = append(f.texts, text)
		}
		marks = append(marks, i+1)
	}
	if len(marks) == 0 {
		return ""
	}
	slices.Sort(marks)
	return " " + strings.ReplaceAll(fmt.Sprint(marks), " ", ",")
}

func (f *footnotes) write(w *accessPrinter) {
	for i, text := range f.texts {
		w.wrapped(0, "", fmt.Sprintf("[%d] %s", i+1, text))
	}
}

func (l *listing) writeTo(w *accessPrinter, style, ports, to string) {
	ports, to = printable(ports), printable(to)
	column := min(26, w.width/3)
	if column+2+longestWord(to) > w.width {
		column = 2
	}
	if len(ports) >= column {
		for line := range strings.SplitSeq(hang(ports, 0, w.width-2), "\n") {
			fmt.Fprintln(w.w, "  "+w.paint(style, line))
		}
		ports = ""
	}
	for line := range strings.SplitSeq(hang(to, 0, w.width-column-2), "\n") {
		fmt.Fprintln(w.w, "  "+w.paint(style, fmt.Sprintf("%-*s", column, ports))+line)
		ports = ""
	}
}
