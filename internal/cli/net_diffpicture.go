package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/reach"
)

// mostRanges is how many ranges of addresses a picture of changes shows one by one.
const mostRanges = 6

// changePicture is changes as rows and columns.
type changePicture struct {
	drawing
	used [2]map[endID]*reach.Endpoint // by side, each endpoint once
}

func newChangePicture(c *compared) *changePicture {
	p := &changePicture{used: [2]map[endID]*reach.Endpoint{{}, {}}}
	p.marks = map[endID]string{}
	for _, e := range c.fresh {
		p.marks[idOf(e)] = " (new)"
	}
	for _, e := range c.gone {
		p.marks[idOf(e)] = " (gone)"
	}
	changes := c.changes
	workloads, ranges := map[endID]bool{}, map[endID]bool{}
	for i := range changes {
		for side, ends := range [][]*reach.Endpoint{changes[i].From, changes[i].To} {
			for _, e := range ends {
				key := idOf(e)
				p.used[side][key] = e
				switch e.Kind {
				case reach.Pods:
					workloads[key] = true
				case reach.Addresses:
					ranges[key] = true
				}
			}
		}
	}
	p.byNamespace, p.ranges = len(workloads) > mostRows, len(ranges) <= mostRanges
	return p
}

// axis returns the rows or columns.
func (p *changePicture) axis(side int) *axis {
	a := newAxis(p.drawing)
	for _, e := range p.used[side] {
		a.add(e)
	}
	a.settle()
	return a
}

// changeCell is what changes between a row and a column, in pairs.
type changeCell struct {
	opens, closes, unsure int
	certain               bool // some of what opens or closes
	texts                 []string
}

func (c *changeCell) add(change *reach.Change, pairs int) {
	text := ""
	if ports := change.Opens(); !ports.Empty() {
		c.opens += pairs
		c.certain = c.certain || perhaps(change.New, ports) == ""
		text = "opens " + ports.String() + perhaps(change.New, ports)
	}
	if ports := change.Closes(); !ports.Empty() {
		c.closes += pairs
		c.certain = c.certain || perhaps(change.Old, ports) == ""
		text = strings.TrimPrefix(text+", closes ", ", ") + ports.String() + perhaps(change.Old, ports)
	}
	switch change.In {
	case reach.OnlyNew:
		text += ", of new workloads"
	case reach.OnlyOld:
		text += ", of workloads that are gone"
	}
	if text == "" {
		c.unsure += pairs
		text = "only how certain it is"
	}
	if !slices.Contains(c.texts, text) {
		c.texts = append(c.texts, text)
	}
}

// perhaps says that ports are not open for certain.
func perhaps(v reach.Verdict, ports reach.PortSet) string {
	if v.Must.Intersect(ports).Empty() {
		return " perhaps"
	}
	return ""
}

func (c *changeCell) draw() drawnCell {
	d := drawnCell{opacity: 1}
	switch {
	case c.opens > 0 && c.closes > 0:
		d.class, d.sign = "y", "±"
	case c.opens > 0:
		d.class, d.sign = "w", "+"
	case c.closes > 0:
		d.class, d.sign = "x", "−"
	default:
		d.class, d.sign = "m", "?"
	}
	if !c.certain && (c.opens > 0 || c.closes > 0) {
		d.class += " f"
	}
	more := ""
	if len(c.texts) > 3 {
		more = fmt.Sprintf("; and %d more", len(c.texts)-3)
	}
	d.text = strings.Join(c.texts[:min(3, len(c.texts))], "; ") + more
	if pairs := c.opens + c.closes + c.unsure; pairs > 1 {
		d.text = fmt.Sprintf("%d pairs open, %d close, %d change in how certain: %s", c.opens, c.closes, c.unsure, d.text)
	}
	return d
}

func (c *compared) svg(out io.Writer) error {
	p, changes := newChangePicture(c), c.changes
	m := &matrix{rows: p.axis(0), columns: p.axis(1), cells: map[[2]int]drawnCell{}, title: "What the change opens and closes",
		note: "Rows connect to columns; what does not change is left out. By what was read on both sides; more may live elsewhere.", empty: "Nothing opens and nothing closes.",
		legend: []legendEntry{{"w", "+", "opens"}, {"w f", "+", "opens perhaps"}, {"x", "−", "closes"}, {"x f", "−", "closes what was perhaps open"},
			{"y", "±", "opens and closes"}, {"y f", "±", "both perhaps"}, {"m", "?", "changes in how certain it is"}}}
	if c.closed() {
		m.note = "Rows connect to columns; what does not change is left out."
	}
	if err := m.fits("compare parts of them, or take -o json"); err != nil {
		return err
	}
	cells := map[[2]int]*changeCell{}
	for i := range changes {
		to := p.counts(m.columns, changes[i].To)
		for row, n := range p.counts(m.rows, changes[i].From) {
			for column, k := range to {
				at := [2]int{row, column}
				if cells[at] == nil {
					cells[at] = &changeCell{}
				}
				cells[at].add(&changes[i], n*k)
			}
		}
	}
	used := map[string]bool{}
	for at, cell := range cells {
		m.cells[at] = cell.draw()
		used[m.cells[at].class] = true
	}
	m.legend = slices.DeleteFunc(m.legend, func(e legendEntry) bool { return !used[e.class] })
	w := &stickyWriter{w: out}
	m.write(w)
	return w.err
}

// counts returns how many of some endpoints are drawn as each end.
func (p *changePicture) counts(a *axis, ends []*reach.Endpoint) map[int]int {
	counts := map[int]int{}
	for _, e := range ends {
		counts[a.of(e)]++
	}
	return counts
}

func (c *compared) dot(out io.Writer) error {
	p := newChangePicture(c)
	g := newDot(p.drawing)
	nodes := func(ends []*reach.Endpoint) map[int]int {
		counts := map[int]int{}
		for _, e := range ends {
			counts[g.node(e)]++
		}
		return counts
	}
	for i := range c.changes {
		change := &c.changes[i]
		from, to := nodes(change.From), nodes(change.To)
		for x, n := range from {
			for y, k := range to {
				if ports := change.Opens(); !ports.Empty() {
					g.edge(dotEdge{x, y, dotOpens, "+ "}, ports.String()+perhaps(change.New, ports), n*k)
				}
				if ports := change.Closes(); !ports.Empty() {
					g.edge(dotEdge{x, y, dotCloses, "- "}, ports.String()+perhaps(change.Old, ports), n*k)
				}
			}
		}
	}
	return g.write(out)
}
