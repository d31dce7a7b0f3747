package cli

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// A picture of a network is a matrix: networks that policies do not divide are too
// dense for lines. Rows connect to columns. Up to mostRows workloads are drawn one
// by one, and more by namespace. Shapes and signs say what colors say.

const (
	mostRows    = 70
	mostSpace   = 150
	rowHeight   = 22
	groupGap    = 8
	letter      = 7.2 // width of a letter of a label
	quietLetter = 6.3 // and of a long text, on average
	longLabel   = 34
)

// matrixEnd is a row or column: some endpoints that are drawn as one.
type matrixEnd struct {
	rank         int // workloads, then the cluster, then what is outside
	group, label string
	key, mark    string // of workloads that are drawn one by one
	size         int
	at           int // offset from the first
}

func (e matrixEnd) compare(f matrixEnd) int {
	return cmp.Or(cmp.Compare(e.rank, f.rank), strings.Compare(e.group, f.group), strings.Compare(e.label, f.label), strings.Compare(e.key, f.key))
}

// drawing is how endpoints are put together.
type drawing struct {
	byNamespace bool
	ranges      bool // addresses one by one
	marks       map[endID]string
}

// end returns what an endpoint is drawn as.
func (d drawing) end(e *reach.Endpoint) matrixEnd {
	switch e.Kind {
	case reach.Pods:
		key := e.Workload.Object.Key
		if d.byNamespace {
			return matrixEnd{group: key.Namespace, label: key.Namespace}
		}
		return matrixEnd{group: key.Namespace, label: key.Name, key: key.String() + e.Workload.Pod.SpecPath.String(), mark: d.marks[idOf(e)]}
	case reach.Node, reach.APIServer:
		return matrixEnd{rank: 1, group: "cluster", label: endText(e)}
	case reach.Addresses:
		if d.ranges {
			return matrixEnd{rank: 2, group: "outside", label: endText(e)}
		}
		if e.Public() {
			return matrixEnd{rank: 2, group: "outside", label: "the internet"}
		}
		return matrixEnd{rank: 2, group: "outside", label: "private addresses"}
	}
	return matrixEnd{rank: 3, group: "outside", label: endText(e)}
}

// axis is the rows or the columns.
type axis struct {
	drawing
	ends  []matrixEnd
	index map[matrixEnd]int // by the end without size and offset
	known map[endID]int
}

func newAxis(d drawing) *axis {
	return &axis{drawing: d, index: map[matrixEnd]int{}, known: map[endID]int{}}
}

// endID is equal for endpoints that are the same, and cheap.
type endID struct {
	kind reach.Kind
	spec *tree.Node // of pods
	name string
}

func idOf(e *reach.Endpoint) endID {
	switch {
	case e.Kind == reach.Pods:
		return endID{spec: e.Workload.Pod.Spec}
	case e.Kind == reach.Addresses && len(e.Prefixes) > 64: // ranges are disjoint
		return endID{kind: e.Kind, name: fmt.Sprint(e.Prefixes[0], len(e.Prefixes))}
	}
	return endID{kind: e.Kind, name: e.String()}
}

// add makes room for an endpoint, of which it was not told before.
func (a *axis) add(e *reach.Endpoint) {
	end := a.end(e)
	i, ok := a.index[end]
	if !ok {
		i = len(a.ends)
		a.index[end] = i
		a.ends = append(a.ends, end)
	}
	a.ends[i].size++
}

// settle puts the ends in order. Nothing is added after it.
func (a *axis) settle() {
	slices.SortFunc(a.ends, matrixEnd.compare)
	at := 0
	for i := range a.ends {
		e := &a.ends[i]
		bare := *e
		bare.size = 0
		a.index[bare] = i
		if i > 0 && e.group != a.ends[i-1].group && (!a.byNamespace || e.rank > 0) {
			at += groupGap
		}
		e.at = at
		at += rowHeight
	}
}

// of returns the number of the end as which an endpoint is drawn.
func (a *axis) of(e *reach.Endpoint) int {
	id := idOf(e)
	i, ok := a.known[id]
	if !ok {
		i = a.index[a.end(e)]
		a.known[id] = i
	}
	return i
}

// drawnCell is one cell as it is painted.
type drawnCell struct {
	class, sign, text string
	opacity           float64
}

// matrix is a picture.
type matrix struct {
	rows, columns *axis
	cells         map[[2]int]drawnCell
	title, note   string
	empty         string // what to say when there is nothing
	closed        bool   // whether cells without anything are drawn
	legend        []legendEntry
	left, top     int
}

type legendEntry struct{ class, sign, text string }

// fits reports whether there are few enough rows and columns to draw.
func (m *matrix) fits(flags string) error {
	if len(m.rows.ends) > mostSpace || len(m.columns.ends) > mostSpace {
		return fmt.Errorf("%d by %d namespaces and addresses are too many to draw: %s", len(m.rows.ends), len(m.columns.ends), flags)
	}
	return nil
}

func extentOf(ends []matrixEnd) int {
	if len(ends) == 0 {
		return rowHeight
	}
	return ends[len(ends)-1].at + rowHeight
}

// labelWidth returns the room that labels need.
func (a *axis) labelWidth() int {
	longest := 4
	for _, e := range a.ends {
		longest = max(longest, min(utf8.RuneCountInString(a.full(e)), longLabel)+len(e.mark))
	}
	return int(float64(longest) * letter)
}

func (a *axis) full(e matrixEnd) string {
	if a.byNamespace || e.rank > 0 {
		return e.label
	}
	return e.group + "/" + e.label
}

// label writes the name of a row or column, its namespace quieter.
func (a *axis) label(e matrixEnd) string {
	full := []rune(printable(a.full(e)))
	if len(full) > longLabel {
		full = append(full[:longLabel-1], '…')
	}
	text := string(full)
	if prefix := printable(e.group) + "/"; !a.byNamespace && strings.HasPrefix(text, prefix) {
		return `<tspan class="s">` + html.EscapeString(prefix) + "</tspan>" + html.EscapeString(text[len(prefix):]+e.mark)
	}
	return html.EscapeString(text + e.mark)
}

const pictureStyle = `
  svg { --paper: #ffffff; --ink: #1c2230; --soft: #5d6780; --line: #d9dee8; --all: #c2410c; --some: #2563a8; --maybe: #8a6500; --band: #f6f8fb; --open: #b3261e; --shut: #17703a; background: var(--paper); }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #12161f; --ink: #e8ebf2; --soft: #a3adc2; --line: #2f374a; --all: #f2793d; --some: #6fa8e8; --maybe: #e0b541; --band: #191f2b; --open: #ff8a80; --shut: #7fd99a; }
  }
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .h { font-size: 17px; font-weight: 600; } .s { fill: var(--soft); } .k { font-weight: 600; }
  .b { fill: var(--band); } .a { fill: var(--all); } .p { fill: var(--some); } .m { fill: none; stroke: var(--maybe); stroke-width: 2; stroke-dasharray: 3 2; } .o { fill: var(--band); stroke: var(--line); }
  .w { fill: var(--open); } .x { fill: var(--paper); stroke: var(--shut); stroke-width: 2; } .y { fill: var(--some); }
  .f { stroke-width: 2; stroke-dasharray: 3 2; } .w.f { fill: var(--paper); stroke: var(--open); } .y.f { fill: var(--paper); stroke: var(--some); }
  .g { font-size: 15px; font-weight: 700; text-anchor: middle; stroke: none; } .g.w, .g.y { fill: var(--paper); } .g.x { fill: var(--shut); } .g.m { fill: var(--maybe); }
  .g.f { stroke: none; } .g.w.f { fill: var(--open); } .g.y.f { fill: var(--some); }
  .l { fill: none; stroke: var(--soft); stroke-width: 1.5; } .d { stroke-dasharray: 5 4; } .c { fill: var(--band); stroke: var(--ink); stroke-width: 2; }
`

// startPicture writes the head of an SVG with its title.
func startPicture(w *stickyWriter, width, height int, title, note string) {
	w.print(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n<style>%s</style>\n",
		width, height, width, height, html.EscapeString(printable(title)), pictureStyle)
	w.print("<rect width=\"%d\" height=\"%d\" style=\"fill: var(--paper)\"/>\n", width, height)
	w.print("<text class=\"h\" x=\"24\" y=\"34\">%s</text>\n<text class=\"s\" x=\"24\" y=\"54\">%s</text>\n", html.EscapeString(printable(title)), html.EscapeString(printable(note)))
}

func (m *matrix) write(w *stickyWriter) {
	m.left = 24 + m.rows.labelWidth() + 10
	slant := m.columns.labelWidth()
	m.top = 84 + slant*5/6
	gridWidth, gridHeight := extentOf(m.columns.ends), extentOf(m.rows.ends)
	width := max(620, int(float64(utf8.RuneCountInString(m.note))*quietLetter)+48)
	if len(m.cells) == 0 {
		startPicture(w, width, 120, m.title, m.note)
		w.print("<text x=\"24\" y=\"90\">%s</text>\n</svg>\n", m.empty)
		return
	}
	width = max(width, m.left+gridWidth+slant*3/5+24, m.legendAt(len(m.legend)))
	startPicture(w, width, m.top+gridHeight+92, m.title, m.note)
	m.grid(w, gridWidth)
	for _, c := range m.columns.ends {
		w.print("<text transform=\"translate(%d %d) rotate(-55)\">%s</text>\n", m.left+c.at+rowHeight/2+4, m.top-8, m.columns.label(c))
	}
	for i := range m.rows.ends {
		for j := range m.columns.ends {
			m.cell(w, i, j)
		}
	}
	m.writeLegend(w, m.top+gridHeight+30)
	w.print("</svg>\n")
}

func (m *matrix) grid(w *stickyWriter, gridWidth int) {
	for i, r := range m.rows.ends {
		y := m.top + r.at
		if i%2 == 0 {
			w.print("<rect class=\"b\" x=\"24\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n", y, m.left-24+gridWidth, rowHeight)
		}
		w.print("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", m.left-10, y+15, m.rows.label(r))
	}
}

const cellSide = rowHeight - 4

// cell draws what is between a row and a column.
func (m *matrix) cell(w *stickyWriter, i, j int) {
	row, column := m.rows.ends[i], m.columns.ends[j]
	x, y := m.left+column.at+2, m.top+row.at+2
	c, ok := m.cells[[2]int{i, j}]
	if !ok {
		if m.closed && (row.rank < 2 || column.rank < 2) { // no policy is about two ends outside
			drawCell(w, x, y, drawnCell{class: "o", opacity: 1}, "")
		}
		return
	}
	drawCell(w, x, y, c, fmt.Sprintf("%s%s -> %s%s: %s", m.rows.full(row), row.mark, m.columns.full(column), column.mark, c.text))
}

// drawCell draws a square, or a circle for some ports, with its sign.
func drawCell(w *stickyWriter, x, y int, c drawnCell, title string) {
	inset, radius := 0, 3
	switch {
	case c.class == "m" || c.class == "x" || strings.HasSuffix(c.class, " f"):
		inset = 1
	case c.class == "p":
		radius = cellSide / 2
	}
	if title != "" {
		title = "<title>" + html.EscapeString(printable(title)) + "</title>"
	}
	w.print("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" fill-opacity=\"%.2f\">%s</rect>\n",
		c.class, x+inset, y+inset, cellSide-2*inset, cellSide-2*inset, radius, c.opacity, title)
	if c.sign != "" {
		w.print("<text class=\"g %s\" x=\"%d\" y=\"%d\" pointer-events=\"none\">%s</text>\n", c.class, x+cellSide/2, y+cellSide-4, c.sign)
	}
}

// legendAt returns where an entry of the legend starts.
func (m *matrix) legendAt(i int) int {
	x := 24
	for _, entry := range m.legend[:i] {
		x += 40 + int(float64(len(entry.text))*letter)
	}
	return x
}

func (m *matrix) writeLegend(w *stickyWriter, y int) {
	for i, entry := range m.legend {
		x := m.legendAt(i)
		drawCell(w, x, y-2, drawnCell{class: entry.class, sign: entry.sign, opacity: 1}, "")
		w.print("<text class=\"s\" x=\"%d\" y=\"%d\">%s</text>\n", x+24, y+11, entry.text)
	}
	if m.rows.byNamespace {
		w.print("<text class=\"s\" x=\"24\" y=\"%d\">By namespace; point at a cell for its pairs of workloads.</text>\n", y+36)
	}
}
