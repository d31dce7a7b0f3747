package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

func (f *netFlags) netBlastCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "blast NAMESPACE|WORKLOAD", Short: "What would a compromise reach, and what shrinks that most?",
		Long: `List what pods of a namespace or a workload may connect to, and what may connect
to them; then which single change of policies makes the first smaller, with the
numbers computed again with the change made.`,
		Example: `  ullage net blast shop -f deploy/
  ullage net blast deploy/shop/web --cluster`,
		Args: exactly("NAMESPACE or WORKLOAD", 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.blast(cmd, p, args[0]) },
	}
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list every workload that is reached, and every change that helps")
	f.namespaceFlag(cmd)
	f.formats(cmd, "text", "json", "csv", "dot", "svg")
	return cmd
}

func (f *netFlags) blast(cmd *cobra.Command, p *Program, text string) error {
	n, err := f.network(cmd, p)
	if err != nil {
		return err
	}
	if err := f.checkNamespaces(cmd, n); err != nil {
		return err
	}
	e, err := n.end(text, false)
	if err != nil {
		return err
	}
	if len(e.ids) == 0 || n.Endpoint(e.ids[0]).Kind != reach.Pods {
		return fmt.Errorf("%s has no workloads: name a namespace or a workload", e.text)
	}
	b := n.Graph.Blast(e.ids)
	b.FindCuts(n.Snapshot)
	if !slices.ContainsFunc(e.ids, func(id reach.ID) bool { return f.inNamespaces(n, id) }) {
		b.Reached, b.From = f.peersIn(n, b.Reached), f.peersIn(n, b.From)
	}
	switch f.output {
	case "json":
		err = writeJSON(p.Stdout, n.blastJSON(e, b))
	case "csv":
		err = n.blastCSV(p.Stdout, b)
	case "dot":
		err = n.blastDOT(p.Stdout, e, b)
	case "svg":
		err = n.blastSVG(p.Stdout, e, b)
	default:
		err = n.writeBlast(f.printer(p), e, b, f.verbose)
	}
	if b.Untried > 0 {
		return errors.Join(err, &codeError{code: exitIncomplete})
	}
	return errors.Join(err, f.incomplete())
}

// peersIn returns the peers in the namespaces that were asked for.
func (f *netFlags) peersIn(n *network, peers []reach.BlastPeer) []reach.BlastPeer {
	if len(f.namespaces) == 0 {
		return peers
	}
	return slices.DeleteFunc(peers, func(p reach.BlastPeer) bool { return !f.inNamespaces(n, p.ID) })
}

func (f *netFlags) inNamespaces(n *network, id reach.ID) bool {
	e := n.Endpoint(id)
	return e.Kind == reach.Pods && slices.Contains(f.namespaces, e.Workload.Object.Key.Namespace)
}

func (n *network) writeBlast(w *accessPrinter, e *netEnd, b *reach.Blast, verbose bool) error {
	w.wrapped(0, bold, fmt.Sprintf("%s reaches %s of %s", e.text, extent(b.Direct), counted(n.otherWorkloads(b), "other workload")))
	w.line(2, "", fmt.Sprintf("and through them, step by step, %s", extent(b.Further)))
	w.line(2, "", fmt.Sprintf("addresses outside the cluster: %s; nodes: %s", answerWords[b.Outside], answerWords[b.Nodes]))
	for _, reason := range b.Why.Texts() {
		w.wrapped(4, dim, "not certain: "+reason)
	}
	fmt.Fprintln(w.w)
	w.line(0, bold, "reaches")
	n.writePeers(w, b.Reached, verbose)
	w.line(0, bold, "is reached by")
	n.writePeers(w, b.From, verbose)
	n.writeCuts(w, b, verbose)
	n.openWorld(w)
	return w.w.Flush()
}

// writePeers writes endpoints by namespace and ports.
func (n *network) writePeers(w *accessPrinter, peers []reach.BlastPeer, verbose bool) {
	type key struct{ namespace, ports string }
	var order []key
	groups := map[key][]reach.ID{}
	for _, p := range peers {
		e := n.Endpoint(p.ID)
		k := key{ports: p.Must.String()}
		if p.Must.Empty() {
			k.ports = p.May.String() + " perhaps"
		}
		if e.Kind == reach.Pods {
			k.namespace = e.Workload.Object.Key.Namespace
		}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], p.ID)
	}
	if len(order) == 0 {
		w.line(2, "", "nothing")
	}
	names := n.names()
	shown := order
	if !verbose && len(shown) > 30 {
		shown = shown[:30]
	}
	for _, k := range shown {
		text := names.list(groups[k])
		if verbose {
			var all []string
			for _, id := range groups[k] {
				e := n.Endpoint(id)
				all = append(all, endText(&e))
			}
			text = strings.Join(all, ", ")
		}
		style := ""
		if strings.HasSuffix(k.ports, "perhaps") {
			style = yellow
		}
		(&listing{network: n}).writeTo(w, style, k.ports, text)
	}
	if left := len(order) - len(shown); left > 0 {
		w.line(2, dim, counted(left, "more group")+"; -v lists them")
	}
	fmt.Fprintln(w.w)
}

// writeUntried tells that not every change was tried.
func (n *network) writeUntried(w *accessPrinter, b *reach.Blast) {
	if b.Untried > 0 {
		w.wrapped(2, yellow, counted(b.Untried, "change")+" not tried: policies allow other ports between nearly all pairs, so that each takes very long. Ask about fewer workloads.")
	}
}

func (n *network) writeCuts(w *accessPrinter, b *reach.Blast, verbose bool) {
	if len(b.Cuts) == 0 {
		w.wrapped(0, bold, "No single change that was tried makes it smaller.")
		n.writeUntried(w, b)
		return
	}
	w.wrapped(0, bold, "what shrinks it most, each computed again with the change made")
	shown := b.Cuts
	if !verbose && len(shown) > 5 {
		shown = shown[:5]
	}
	for i, c := range shown {
		var place *model.Place
		for _, o := range c.Removes {
			at := o.Place()
			place = &at
		}
		w.entry(2, "", fmt.Sprintf("%d.", i+1), c.Text, place)
		w.wrapped(6, "", fmt.Sprintf("directly %s instead of %s, step by step %s instead of %s", extent(c.Direct), extent(b.Direct), extent(c.Further), extent(b.Further)))
		if c.Assumed != "" {
			w.wrapped(6, dim, c.Assumed)
		}
	}
	n.writeUntried(w, b)
	if left := len(b.Cuts) - len(shown); left > 0 {
		w.line(2, dim, counted(left, "more change")+" shrink it less; -v lists all")
	}
	if i := slices.IndexFunc(b.Cuts, func(c reach.Cut) bool { return c.YAML != "" }); i >= 0 {
		fmt.Fprintln(w.w)
		w.wrapped(2, dim, "The policy of "+fmt.Sprint(i+1)+", which may close what is needed: ullage net isolate keeps what is declared.")
		for line := range strings.Lines(b.Cuts[i].YAML) {
			w.line(4, "", strings.TrimRight(line, "\n"))
		}
	}
	fmt.Fprintln(w.w)
}

// blastCSV writes a line for each end that is reached, or that reaches.
func (n *network) blastCSV(out io.Writer, b *reach.Blast) error {
	w := csv.NewWriter(out)
	rows := [][]string{{"direction", "end", "certain", "possible", "why"}}
	for _, side := range []struct {
		word  string
		peers []reach.BlastPeer
	}{{"reaches", b.Reached}, {"reached by", b.From}} {
		for _, p := range side.peers {
			e, v := n.Endpoint(p.ID), asVerdict(p.Verdict)
			rows = append(rows, []string{side.word, cell(endText(&e)), v.Certain, v.Possible, n.whyCell(v.Why)})
		}
	}
	return w.WriteAll(rows)
}

type blastPeerJSON struct {
	endJSON
	verdictJSON
}

type cutJSON struct {
	Change  string        `json:"change"`
	Policy  string        `json:"policy,omitempty"` // YAML to apply
	Assumed string        `json:"assumed,omitempty"`
	Removes []string      `json:"removes,omitempty"`
	Place   []model.Place `json:"places,omitempty"`
	Direct  extentJSON    `json:"direct"`
	Further extentJSON    `json:"stepByStep"`
}

func (n *network) blastJSON(e *netEnd, b *reach.Blast) any {
	peers := func(list []reach.BlastPeer) []blastPeerJSON {
		all := []blastPeerJSON{}
		for _, p := range list {
			end := n.Endpoint(p.ID)
			all = append(all, blastPeerJSON{asEnd(&end), asVerdict(p.Verdict)})
		}
		return all
	}
	j := struct {
		Of      string          `json:"of"`
		Direct  extentJSON      `json:"direct"`
		Further extentJSON      `json:"stepByStep"`
		Outside string          `json:"outside"`
		Nodes   string          `json:"nodes"`
		Why     []string        `json:"why,omitempty"`
		Reaches []blastPeerJSON `json:"reaches"`
		From    []blastPeerJSON `json:"reachedBy"`
		Cuts    []cutJSON       `json:"cuts"`
		Untried int             `json:"untried"` // changes that take too long in this network
	}{e.text, extentJSON(b.Direct), extentJSON(b.Further), answerWords[b.Outside], answerWords[b.Nodes], b.Why.Texts(), peers(b.Reached), peers(b.From), []cutJSON{}, b.Untried}
	for _, c := range b.Cuts {
		one := cutJSON{Change: c.Text, Policy: c.YAML, Assumed: c.Assumed, Direct: extentJSON(c.Direct), Further: extentJSON(c.Further)}
		for _, o := range c.Removes {
			one.Removes, one.Place = append(one.Removes, o.Key.String()), append(one.Place, o.Place())
		}
		j.Cuts = append(j.Cuts, one)
	}
	return j
}
