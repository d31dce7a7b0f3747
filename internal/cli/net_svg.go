package cli

import (
	"errors"
	"fmt"
	"io"

	"ullage.dev/ullage/internal/reach"
)

// openCell is what is open between the endpoints of a row and a column.
type openCell struct {
	open, all, perhaps int // pairs; all have every port open
	text               string
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

// matrix draws what is open.
func (l *listing) matrix() (*matrix, error) {
	ends := l.allEnds()
	d := drawing{byNamespace: l.byNamespace()}
	m := &matrix{rows: newAxis(d), columns: newAxis(d), cells: map[[2]int]drawnCell{}, closed: true,
		title: "Who may connect to whom", note: "Rows connect to columns. By what was read; more may live elsewhere.", empty: "Nothing of what was asked for is open.",
		legend: []legendEntry{{class: "a", text: "on every port"}, {class: "p", text: "on some ports"}, {class: "m", text: "perhaps"}, {class: "o", text: "closed"}}}
	if l.closed {
		m.note = "Rows connect to columns."
	}
	if d.byNamespace {
		m.legend[0].text, m.legend[1].text = "every port, some pair", "some ports; the paler, the fewer pairs"
	}
	var used [2][]bool
	used[0], used[1] = make([]bool, len(ends)), make([]bool, len(ends))
	for flow := range l.flows() {
		for _, id := range flow.From {
			used[0][id] = true
		}
		for _, id := range flow.To {
			used[1][id] = true
		}
	}
	if l.omitted > 0 {
		return nil, errors.New(tooManyFlows)
	}
	rows, columns := m.rows.fill(ends, used[0]), m.columns.fill(ends, used[1])
	if err := m.fits("choose some with -n, --src or --dst"); err != nil {
		return nil, err
	}
	cells := map[[2]int]*openCell{}
	for flow := range l.flows() {
		to := count(flow.To, columns)
		for i, n := range count(flow.From, rows) {
			for j, k := range to {
				addOpen(cells, [2]int{i, j}, n*k, flow.Verdict)
			}
		}
	}
	for at, c := range cells {
		m.cells[at] = c.draw(d, m.rows.ends[at[0]].size*m.columns.ends[at[1]].size)
	}
	return m, nil
}

// fill makes room for the endpoints that are used, and returns by id which end each
// is drawn as.
func (a *axis) fill(ends []reach.Endpoint, used []bool) []int {
	for i := range ends {
		if used[i] {
			a.add(&ends[i])
		}
	}
	a.settle()
	of := make([]int, len(ends))
	for i := range ends {
		if used[i] {
			of[i] = a.of(&ends[i])
		}
	}
	return of
}

// count returns how many of some endpoints are drawn as each end.
func count(ids []reach.ID, of []int) map[int]int {
	counts := map[int]int{}
	for _, id := range ids {
		counts[of[id]]++
	}
	return counts
}

// allEnds returns the endpoints by id.
func (l *listing) allEnds() []reach.Endpoint {
	ends := make([]reach.Endpoint, 0, l.Graph.Len())
	for e := range l.Graph.Endpoints() {
		ends = append(ends, e)
	}
	return ends
}

// byNamespace reports whether too many workloads are asked for to show each.
func (l *listing) byNamespace() bool {
	used := map[reach.ID]bool{}
	for flow := range l.flows() {
		for _, ids := range [][]reach.ID{flow.From, flow.To} {
			for _, id := range ids {
				if e := l.Endpoint(id); e.Kind == reach.Pods {
					used[id] = true
				}
			}
		}
		if len(used) > mostRows {
			return true
		}
	}
	return false
}

func addOpen(cells map[[2]int]*openCell, at [2]int, pairs int, v reach.Verdict) {
	c := cells[at]
	if c == nil {
		c = &openCell{text: v.Must.String()}
		if v.Must.Empty() {
			c.text = "perhaps " + v.May.String()
		}
		cells[at] = c
	}
	switch {
	case v.Must.Empty():
		c.perhaps += pairs
	case v.Must.All():
		c.all += pairs
		c.open += pairs
	default:
		c.open += pairs
	}
}

// draw says how a cell looks that stands for a number of pairs.
func (c *openCell) draw(d drawing, pairs int) drawnCell {
	cell := drawnCell{class: "m", opacity: 1, text: c.text}
	if c.open > 0 {
		cell.class = "p"
		if c.all > 0 {
			cell.class = "a"
		}
		if d.byNamespace {
			cell.opacity = 0.35 + 0.65*float64(c.open)/float64(pairs)
		}
	}
	if pairs > 1 {
		cell.text = fmt.Sprintf("%d of %d pairs open, %d perhaps", c.open, pairs, c.perhaps)
	}
	return cell
}
