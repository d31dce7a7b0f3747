package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"ullage.dev/ullage/internal/reach"
)

type flowJSON struct {
	From []int `json:"from"` // indexes of endpoints
	To   []int `json:"to"`
	verdictJSON
}

// json streams the endpoints and the flows.
func (l *listing) json(w io.Writer) error {
	out := &stickyWriter{w: w}
	out.print(`{"closedWorld":%t,"endpoints":[`, l.closed)
	for e := range l.Graph.Endpoints() {
		if e.ID > 0 {
			out.print(",")
		}
		out.encode(asEnd(&e))
	}
	out.print(`],"connections":[`)
	first := true
	for flow := range l.flows() {
		if !first {
			out.print(",")
		}
		first = false
		out.encode(flowJSON{indexes(flow.From), indexes(flow.To), asVerdict(flow.Verdict)})
		if out.err != nil {
			break
		}
	}
	out.print("]}\n")
	return out.err
}

func indexes(ids []reach.ID) []int {
	list := make([]int, len(ids))
	for i, id := range ids {
		list[i] = int(id)
	}
	return list
}

// stickyWriter writes until the first error.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (w *stickyWriter) print(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format, args...)
	}
}

func (w *stickyWriter) encode(v any) {
	text, err := json.Marshal(v)
	if w.err == nil {
		w.err = err
	}
	w.print("\n%s", text)
}

// csv writes a line for each pair.
func (l *listing) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"from", "to", "certain", "possible", "why"}); err != nil {
		return err
	}
	names := l.endTexts(cell)
	for pair, v := range l.pairs() {
		why := ""
		if !v.Must.Equal(v.May) {
			why = v.Why.String()
		}
		if err := w.Write([]string{names[pair[0]], names[pair[1]], v.Must.String(), v.May.String(), why}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// cell makes text fit for a cell of a spreadsheet: nothing that is run.
func cell(text string) string {
	text = printable(text)
	if text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		return "'" + text
	}
	return text
}

// dot writes a graph for Graphviz, a cluster for each namespace.
func (l *listing) dot(out io.Writer) error {
	w := &stickyWriter{w: out}
	w.print("digraph network {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=sans];\n  edge [fontname=sans, fontsize=10];\n")
	used := map[reach.ID]bool{}
	for pair := range l.pairs() {
		used[pair[0]], used[pair[1]] = true, true
	}
	open := ""
	for e := range l.Graph.Endpoints() {
		ns := ""
		if e.Kind == reach.Pods {
			ns = e.Workload.Object.Key.Namespace
		}
		if open != "" && ns != open {
			w.print("  }\n")
			open = ""
		}
		if !used[e.ID] {
			continue
		}
		if ns != "" && ns != open {
			w.print("  subgraph %s {\n    label=%s;\n", dotText("cluster_"+ns), dotText(ns))
			open = ns
		}
		label := endText(&e)
		if e.Kind == reach.Pods {
			label = e.Workload.Object.Key.Kind + "\n" + e.Workload.Object.Key.Name
		}
		w.print("    n%d [label=%s];\n", e.ID, dotText(label))
	}
	if open != "" {
		w.print("  }\n")
	}
	for pair, v := range l.pairs() {
		if v.Must.Empty() {
			w.print("  n%d -> n%d [label=%s, style=dashed];\n", pair[0], pair[1], dotText(v.May.String()))
		} else {
			w.print("  n%d -> n%d [label=%s];\n", pair[0], pair[1], dotText(v.Must.String()))
		}
	}
	w.print("}\n")
	return w.err
}

// dotText quotes text for Graphviz.
func dotText(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable(line))
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}
