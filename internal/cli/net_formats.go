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
	out.print(`],"omittedSources":%d}`+"\n", l.omitted)
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
		j := asVerdict(v)
		if err := w.Write([]string{names[pair[0]], names[pair[1]], j.Certain, j.Possible, l.whyCell(j.Why)}); err != nil {
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
