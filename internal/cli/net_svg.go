package cli

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/reach"
)

// The picture is a matrix: networks that policies do not divide are too dense for
// lines. Rows connect to columns. Up to mostRows workloads are drawn one by one,
// and more by namespace.

const (
	mostRows  = 70
	mostSpace = 150
	rowHeight = 22
	groupGap  = 8
	letter    = 7.2 // width of a letter of a label
	longLabel = 34
)

// matrixEnd is a row or column: some endpoints.
type matrixEnd struct {
	group, label string
	ids          []reach.ID
	at           int // offset from the first
}

// matrixCell is what is open between the endpoints of a row and a column.
type matrixCell struct {
	pairs, open, all, perhaps int // all have every port open
	text                      string
}

// matrix is what the picture shows.
type matrix struct {
	rows, columns  []matrixEnd
	cells          map[[2]int]*matrixCell
	byNamespace    bool
	title          string
	left, top      int
	width, height  int
	worldText      string
	rowOf, columnO map[reach.ID]int
}

func (l *listing) svg(out io.Writer) error {
	m, err := l.matrix()
	if err != nil {
		return err
	}
	w := &stickyWriter{w: out}
	m.write(w)
	return w.err
}

// matrix gathers rows, columns and cells.
func (l *listing) matrix() (*matrix, error) {
	used := [2]map[reach.ID]bool{{}, {}}
	workloads := map[reach.ID]bool{}
	for pair := range l.pairs() {
		used[0][pair[0]], used[1][pair[1]] = true, true
	}
	for id := range l.workloads() {
		if used[0][id] || used[1][id] {
			workloads[id] = true
		}
	}
	m := &matrix{cells: map[[2]int]*matrixCell{}, byNamespace: len(workloads) > mostRows, title: "Who may connect to whom"}
	m.rows, m.rowOf = l.ends(used[0], m.byNamespace)
	m.columns, m.columnO = l.ends(used[1], m.byNamespace)
	if len(m.rows) > mostSpace || len(m.columns) > mostSpace {
		return nil, fmt.Errorf("%d by %d namespaces and addresses are too many to draw: choose some with -n, --src or --dst", len(m.rows), len(m.columns))
	}
	for pair, v := range l.pairs() {
		m.add(pair, v)
	}
	for at, c := range m.cells {
		c.pairs = len(m.rows[at[0]].ids) * len(m.columns[at[1]].ids)
	}
	m.worldText = "By what was read; more may live elsewhere."
	if l.closed {
		m.worldText = ""
	}
	return m, nil
}

// ends makes rows or columns of endpoints.
func (l *listing) ends(used map[reach.ID]bool, byNamespace bool) ([]matrixEnd, map[reach.ID]int) {
	var ends []matrixEnd
	internet := l.Internet()
	of := map[reach.ID]int{}
	for e := range l.Graph.Endpoints() {
		if !used[e.ID] {
			continue
		}
		group, label := "outside", endText(&e)
		switch e.Kind {
		case reach.Pods:
			group, label = e.Workload.Object.Key.Namespace, e.Workload.Object.Key.Name
			if byNamespace {
				label = group
			}
		case reach.Node, reach.APIServer:
			group = "cluster"
		case reach.Addresses:
			if label = "private addresses"; slices.Contains(internet, e.ID) {
				label = "internet"
			}
		}
		if n := len(ends); n > 0 && ends[n-1].group == group && ends[n-1].label == label && (byNamespace || e.Kind != reach.Pods) {
			ends[n-1].ids = append(ends[n-1].ids, e.ID)
		} else if i := slices.IndexFunc(ends, func(x matrixEnd) bool { return e.Kind == reach.Addresses && x.group == group && x.label == label }); i >= 0 {
			ends[i].ids = append(ends[i].ids, e.ID)
			of[e.ID] = i
			continue
		} else {
			ends = append(ends, matrixEnd{group: group, label: label, ids: []reach.ID{e.ID}})
		}
		of[e.ID] = len(ends) - 1
	}
	at := 0
	for i := range ends {
		if i > 0 && ends[i].group != ends[i-1].group && (!byNamespace || ends[i].group == "cluster" || ends[i].group == "outside") {
			at += groupGap
		}
		ends[i].at = at
		at += rowHeight
	}
	return ends, of
}

func (m *matrix) add(pair [2]reach.ID, v reach.Verdict) {
	at := [2]int{m.rowOf[pair[0]], m.columnO[pair[1]]}
	c := m.cells[at]
	if c == nil {
		c = &matrixCell{}
		m.cells[at] = c
	}
	switch {
	case v.Must.Empty():
		c.perhaps++
	case v.Must.All():
		c.all++
		c.open++
	default:
		c.open++
	}
	if c.text == "" {
		c.text = v.Must.String()
		if v.Must.Empty() {
			c.text = "perhaps " + v.May.String()
		}
	}
}

func extentOf(ends []matrixEnd) int {
	if len(ends) == 0 {
		return rowHeight
	}
	return ends[len(ends)-1].at + rowHeight
}

// labelWidth returns the room that labels need.
func labelWidth(ends []matrixEnd, full func(matrixEnd) string) int {
	longest := 4
	for _, e := range ends {
		longest = max(longest, min(utf8.RuneCountInString(full(e)), longLabel))
	}
	return int(float64(longest) * letter)
}

func (m *matrix) full(e matrixEnd) string {
	if m.byNamespace || e.group == "outside" || e.group == "cluster" {
		return e.label
	}
	return e.group + "/" + e.label
}

const matrixStyle = `
  svg { --paper: #ffffff; --ink: #1c2230; --soft: #66708a; --line: #e3e7ef; --all: #c2410c; --some: #2563a8; --maybe: #b8860b; --band: #f6f8fb; background: var(--paper); }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #12161f; --ink: #e8ebf2; --soft: #98a2b8; --line: #2a3142; --all: #f2793d; --some: #6fa8e8; --maybe: #e0b541; --band: #191f2b; }
  }
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .h { font-size: 17px; font-weight: 600; } .s { fill: var(--soft); } .n { font-size: 10px; fill: var(--paper); text-anchor: middle; font-weight: 600; }
  .g { stroke: var(--line); } .b { fill: var(--band); } .a { fill: var(--all); } .p { fill: var(--some); } .m { fill: none; stroke: var(--maybe); stroke-width: 2; stroke-dasharray: 3 2; } .o { fill: var(--band); stroke: var(--line); }
`

func (m *matrix) write(w *stickyWriter) {
	m.left = 24 + labelWidth(m.rows, m.full) + 10
	slant := labelWidth(m.columns, m.full)
	m.top = 84 + slant*5/6
	gridWidth, gridHeight := extentOf(m.columns), extentOf(m.rows)
	m.width = max(m.left+gridWidth+slant*3/5+24, 620)
	m.height = m.top + gridHeight + 92
	w.print(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n<style>%s</style>\n", m.width, m.height, m.width, m.height, m.title, matrixStyle)
	w.print("<text class=\"h\" x=\"24\" y=\"34\">%s</text>\n<text class=\"s\" x=\"24\" y=\"54\">Rows connect to columns. %s</text>\n", m.title, m.worldText)
	if len(m.rows) == 0 || len(m.columns) == 0 {
		w.print("<text x=\"24\" y=\"90\">Nothing of what was asked for is open.</text>\n</svg>\n")
		return
	}
	m.grid(w, gridWidth)
	for _, c := range m.columns {
		x, y := m.left+c.at+rowHeight/2+4, m.top-8
		w.print("<text transform=\"translate(%d %d) rotate(-55)\">%s</text>\n", x, y, m.label(c))
	}
	for i := range m.rows {
		for j := range m.columns {
			m.cell(w, i, j)
		}
	}
	m.legend(w, m.top+gridHeight+30)
	w.print("</svg>\n")
}

// label writes the name of a row or column, its namespace quieter.
func (m *matrix) label(e matrixEnd) string {
	full := []rune(printable(m.full(e)))
	if len(full) > longLabel {
		full = append(full[:longLabel-1], '…')
	}
	text := string(full)
	if prefix := printable(e.group) + "/"; !m.byNamespace && strings.HasPrefix(text, prefix) {
		return `<tspan class="s">` + html.EscapeString(prefix) + "</tspan>" + html.EscapeString(text[len(prefix):])
	}
	return html.EscapeString(text)
}

func (m *matrix) grid(w *stickyWriter, gridWidth int) {
	for i, r := range m.rows {
		y := m.top + r.at
		if i%2 == 0 {
			w.print("<rect class=\"b\" x=\"24\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n", y, m.left-24+gridWidth, rowHeight)
		}
		w.print("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", m.left-10, y+15, m.label(r))
	}
}

// cell draws what is open between a row and a column.
func (m *matrix) cell(w *stickyWriter, i, j int) {
	x, y := m.left+m.columns[j].at+2, m.top+m.rows[i].at+2
	const side = rowHeight - 4
	c := m.cells[[2]int{i, j}]
	if c == nil && m.rows[i].group == "outside" && m.columns[j].group == "outside" {
		return // no policy is about that
	}
	if c == nil {
		w.print("<rect class=\"o\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n", x, y, side, side)
		return
	}
	class, opacity, inset := "m", 1.0, 1
	if c.open > 0 {
		class, inset = "p", 0
		if c.all > 0 {
			class = "a"
		}
		if m.byNamespace {
			opacity = 0.35 + 0.65*float64(c.open)/float64(c.pairs)
		}
	}
	what := c.text
	if c.pairs > 1 {
		what = fmt.Sprintf("%d of %d pairs open, %d perhaps", c.open, c.pairs, c.perhaps)
	}
	title := fmt.Sprintf("%s -> %s: %s", m.full(m.rows[i]), m.full(m.columns[j]), what)
	w.print("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\" fill-opacity=\"%.2f\"><title>%s</title></rect>\n",
		class, x+inset, y+inset, side-2*inset, side-2*inset, opacity, html.EscapeString(printable(title)))
}

func (m *matrix) legend(w *stickyWriter, y int) {
	x := 24
	for _, entry := range []struct{ class, text string }{
		{"a", "on every port"}, {"p", "on some ports"}, {"m", "perhaps"}, {"o", "closed"},
	} {
		w.print("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" rx=\"3\"/>\n<text class=\"s\" x=\"%d\" y=\"%d\">%s</text>\n", entry.class, x, y, x+20, y+11, entry.text)
		x += 32 + int(float64(len(entry.text))*letter)
	}
	if m.byNamespace {
		w.print("<text class=\"s\" x=\"24\" y=\"%d\">By namespace; the paler, the fewer pairs of workloads are open.</text>\n", y+36)
	}
}
