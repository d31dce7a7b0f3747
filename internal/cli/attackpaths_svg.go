package cli

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/attack"
)

// The drawing: what an attacker holds in columns from left to right, steps as
// curves between them. Colors are CSS variables with a light and a dark set, and
// dashes repeat what colors say.

const (
	svgBoxWidth, svgBoxHeight = 212, 58
	svgGapX, svgGapY          = 150, 34
	svgMargin, svgHead        = 28, 76
	svgLine                   = 18 // of text below the drawing
	svgNameLength             = 30 // characters in a box
	svgLabelWidth             = 6.1
	svgFixWidth               = 7.6 // of a character below
)

const svgStyle = `
.drawing { --ground: #ffffff; --box: #f4f6f8; --line: #b8c1cb; --text: #17202a; --quiet: #5b6774; --certain: #b3261e; --exploit: #9a5b00; --unknown: #5b6774; --choke: #b3261e; --fix: #17703a; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .drawing { --ground: #14181d; --box: #1f262e; --line: #4a5663; --text: #e8edf2; --quiet: #a3afbb; --certain: #ff8a80; --exploit: #ffc46b; --unknown: #a3afbb; --choke: #ff8a80; --fix: #7fd99a; } }
.ground { fill: var(--ground); } .box { fill: var(--box); stroke: var(--line); } .box.end { stroke: var(--text); stroke-width: 2; } .box.choke { stroke: var(--choke); stroke-width: 2.5; }
.name { fill: var(--text); font-size: 13px; font-weight: 600; } .kind, .legend { fill: var(--quiet); font-size: 11px; } .head { fill: var(--text); font-size: 18px; font-weight: 700; } .fix { fill: var(--fix); font-size: 13px; font-weight: 600; }
.step { fill: none; stroke-width: 2; } .label { font-size: 11px; paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round; }
.certain { stroke: var(--certain); } .likely { stroke: var(--certain); stroke-dasharray: 10 4; } .exploit { stroke: var(--exploit); stroke-dasharray: 6 4; } .unknown { stroke: var(--unknown); stroke-dasharray: 2 4; }
.label.certain, .label.likely, .label.exploit, .label.unknown { stroke: var(--ground); stroke-dasharray: none; } .label.certain, .label.likely { fill: var(--certain); } .label.exploit { fill: var(--exploit); } .label.unknown { fill: var(--unknown); }
`

var svgClasses = map[attack.Certainty]string{attack.Certain: "certain", attack.Likely: "likely", attack.NeedsExploit: "exploit", attack.Unknown: "unknown"}

// svgBox is something that an attacker holds.
type svgBox struct {
	at          attack.Vertex
	column, row int
	x, y        float64
	end, choke  bool
	passed      bool // only room for a step over its column
}

// svgStep is a curve between two boxes.
type svgStep struct {
	from, to *svgBox
	step     *attack.Step
	over     []*svgBox // room in the columns between
}

// chain returns the boxes and the room between them that a step joins.
func (s *svgStep) chain() []*svgBox { return slices.Concat([]*svgBox{s.from}, s.over, []*svgBox{s.to}) }

// svgDrawing is the union of some paths.
type svgDrawing struct {
	boxes         []*svgBox
	steps         []svgStep
	columns       [][]*svgBox
	width, height float64
}

func newSVGDrawing(r *attackReport) *svgDrawing {
	d := &svgDrawing{}
	boxes := map[string][]*svgBox{} // one thing may stand in several columns
	last := 0
	for _, stages := range r.Paths {
		last = max(last, len(stages)-1)
	}
	for _, stages := range r.Paths {
		var before *svgBox
		for i, s := range stages {
			name := s.At.Kind.String() + s.At.String()
			after := -1
			if before != nil {
				after = before.column
			}
			var box *svgBox
			if at := slices.IndexFunc(boxes[name], func(b *svgBox) bool { return b.column > after }); at >= 0 {
				box = boxes[name][at]
			} else {
				box = &svgBox{at: s.At, column: after + 1}
				if i == len(stages)-1 {
					box.column = last
				}
				boxes[name] = append(boxes[name], box)
				d.boxes = append(d.boxes, box)
			}
			box.end = box.end || i == 0 || i == len(stages)-1
			same := func(o svgStep) bool { return o.from == before && o.to == box && o.step.Kind == s.Step.Kind }
			if before != nil && !slices.ContainsFunc(d.steps, same) {
				d.steps = append(d.steps, svgStep{from: before, to: box, step: s.Step})
			}
			before = box
		}
	}
	for _, c := range r.Chokes {
		for _, box := range boxes[c.At.Kind.String()+c.At.String()] {
			box.choke = c.Cut > 0
		}
	}
	columns := 1
	for _, box := range d.boxes {
		columns = max(columns, box.column+1)
	}
	for i := range d.steps {
		s := &d.steps[i]
		for column := s.from.column + 1; column < s.to.column; column++ {
			room := &svgBox{column: column, passed: true}
			s.over, d.boxes = append(s.over, room), append(d.boxes, room)
		}
	}
	d.arrange(columns)
	return d
}

// arrange places the boxes: in each column near to those they are joined to.
func (d *svgDrawing) arrange(columns int) {
	d.columns = make([][]*svgBox, columns)
	tallest := 0
	for _, box := range d.boxes {
		box.row = len(d.columns[box.column])
		d.columns[box.column] = append(d.columns[box.column], box)
		tallest = max(tallest, len(d.columns[box.column]))
	}
	d.width = 2*svgMargin + float64(columns)*svgBoxWidth + float64(columns-1)*svgGapX
	d.height = svgHead + float64(tallest)*(svgBoxHeight+svgGapY)
	d.place()
	for range 6 {
		for _, column := range d.columns {
			near := map[*svgBox]float64{}
			for _, box := range column {
				sum, n := box.y, 1.0
				for i := range d.steps {
					chain := d.steps[i].chain()
					at := slices.Index(chain, box)
					if at > 0 {
						sum, n = sum+chain[at-1].y, n+1
					}
					if at >= 0 && at < len(chain)-1 {
						sum, n = sum+chain[at+1].y, n+1
					}
				}
				near[box] = sum / n
			}
			slices.SortStableFunc(column, func(a, b *svgBox) int { return cmp.Compare(near[a], near[b]) })
			d.place()
		}
	}
}

func (d *svgDrawing) place() {
	for i, column := range d.columns {
		free := d.height - svgHead - float64(len(column))*(svgBoxHeight+svgGapY)
		for j, box := range column {
			box.x = svgMargin + float64(i)*(svgBoxWidth+svgGapX)
			box.y = svgHead + free/2 + float64(j)*(svgBoxHeight+svgGapY)
		}
	}
}

// writeAttackSVG draws the paths of a report.
func writeAttackSVG(w io.Writer, r *attackReport) error {
	var b strings.Builder
	d := newSVGDrawing(r)
	title := fmt.Sprintf("From %s to %s: %s", r.From, r.To, counted(len(r.Paths), "path"))
	if len(r.Paths) == 0 {
		title = fmt.Sprintf("No path from %s to %s", r.From, r.To)
		d.width, d.height = 640, svgHead
	}
	d.width = max(d.width, 640)
	below := svgBelow(r, int((d.width-2*svgMargin)/svgFixWidth))
	height := d.height + float64(len(below)+2)*svgLine + svgMargin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="img" aria-label="%s" viewBox="0 0 %g %g" width="%[2]g" height="%[3]g" style="max-width:100%%;height:auto">`+"\n", svgText(title), d.width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n", svgText(title), svgStyle)
	fmt.Fprintf(&b, `<text class="head" x="%d" y="%d">%s</text>`+"\n", svgMargin, svgMargin+12, svgText(title))
	d.drawSteps(&b)
	for _, box := range d.boxes {
		if !box.passed {
			box.draw(&b)
		}
	}
	d.legend(&b)
	for i, line := range below {
		fmt.Fprintf(&b, `<text class="fix" x="%d" y="%g">%s</text>`+"\n", svgMargin, d.height+float64(i+2)*svgLine+6, svgText(line))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// svgBelow returns what stands below the drawing, in lines of some characters.
func svgBelow(r *attackReport, width int) []string {
	var lines []string
	add := func(text string) { lines = append(lines, strings.Split(hang(text, 3, width), "\n")...) }
	for i := range r.Remedies {
		add(fmt.Sprintf("%d. %s: %s", i+1, r.Remedies[i].Title, effect(&r.Remedies[i])))
	}
	if title := r.together(); title != "" {
		lines = append(lines, "", title)
		for i := range r.Plan.Steps {
			add(fmt.Sprintf("%d. %s", i+1, r.Plan.Steps[i].Title))
		}
	}
	return lines
}

func (d *svgDrawing) legend(b *strings.Builder) {
	if len(d.boxes) == 0 {
		return
	}
	x, y := float64(svgMargin), float64(svgMargin+34)
	for _, l := range []struct{ class, text string }{
		{"certain", "certain"}, {"likely", "likely"}, {"exploit", "needs a flaw in a program"}, {"unknown", "hangs on what the input does not say"},
	} {
		fmt.Fprintf(b, `<path class="step %s" d="M%g %g h28"/><text class="legend" x="%g" y="%g">%s</text>`+"\n", l.class, x, y-4, x+34, y, l.text)
		x += 54 + float64(len(l.text))*svgLabelWidth
	}
	fmt.Fprintf(b, `<rect class="box choke" x="%g" y="%g" width="18" height="12" rx="3"/><text class="legend" x="%g" y="%g">some sources have no way around it</text>`+"\n", x, y-10, x+24, y)
}

// svgArea is the place of a label.
type svgArea struct{ x, y, width float64 }

func (d *svgDrawing) drawSteps(b *strings.Builder) {
	var taken []svgArea
	in, out := map[*svgBox]int{}, map[*svgBox]int{}
	for _, s := range d.steps {
		x1, y1 := s.from.x+svgBoxWidth, s.from.y+svgBoxHeight/2+float64(out[s.from]%4)*7
		x2, y2 := s.to.x, s.to.y+svgBoxHeight/2+float64(in[s.to]%4)*7
		out[s.from]++
		in[s.to]++
		class := svgClasses[s.step.Certainty]
		fmt.Fprintf(b, `<path class="step %s" d="M%g %g%s"><title>%s</title></path>`+"\n", class, x1, y1, s.curve(x1, y1, x2-1, y2), svgText(s.step.Does))
		fmt.Fprintf(b, `<path class="step %s" style="stroke-dasharray:none" d="M%g %g l-7 -4 M%[2]g %[3]g l-7 4"/>`+"\n", class, x2-1, y2)
		label := s.step.Kind.String()
		area := svgArea{x2 - svgGapX/2 - 4, y2 + (y1-y2)/2, float64(len(label)) * svgLabelWidth}
		if len(s.over) > 0 { // on the straight part over another column
			area.x, area.y = s.over[0].x+svgBoxWidth/2, s.over[0].y+svgBoxHeight/2
		}
		for slices.ContainsFunc(taken, area.meets) {
			area.y -= 13
		}
		taken = append(taken, area)
		fmt.Fprintf(b, `<text class="label %s" text-anchor="middle" x="%g" y="%g">%s</text>`+"\n", class, area.x, area.y-6, svgText(label))
	}
}

// curve continues a path from a point to another, through the room between.
func (s *svgStep) curve(x1, y1, x2, y2 float64) string {
	var b strings.Builder
	bend := func(x, y float64) {
		half := max((x-x1)/2, 40)
		fmt.Fprintf(&b, " C%g %g %g %g %g %g", x1+half, y1, x-half, y, x, y)
		x1, y1 = x, y
	}
	for _, room := range s.over {
		bend(room.x, room.y+svgBoxHeight/2)
		fmt.Fprintf(&b, " h%d", svgBoxWidth)
		x1 += svgBoxWidth
	}
	bend(x2, y2)
	return b.String()
}

func (a svgArea) meets(o svgArea) bool {
	return max(a.x-o.x, o.x-a.x) < (a.width+o.width)/2 && max(a.y-o.y, o.y-a.y) < 13
}

func (box *svgBox) draw(b *strings.Builder) {
	class := "box"
	if box.end {
		class += " end"
	}
	if box.choke {
		class += " choke"
	}
	name, kind := box.texts()
	fmt.Fprintf(b, `<g><title>%s</title><rect class="%s" x="%g" y="%g" width="%d" height="%d" rx="8"/>`, svgText(box.at.String()), class, box.x, box.y, svgBoxWidth, svgBoxHeight)
	fmt.Fprintf(b, `<text class="kind" x="%g" y="%g">%s</text><text class="name" x="%[1]g" y="%[4]g">%[5]s</text></g>`+"\n", box.x+12, box.y+21, svgText(svgShort(kind)), box.y+42, svgText(svgShort(name)))
}

// texts returns what a box says.
func (box *svgBox) texts() (name, kind string) {
	v := box.at
	switch {
	case v.Kind == attack.Container:
		return v.Namespace + "/" + v.Name, "container " + v.Container + ", " + v.Object.Key.Kind
	case v.Name != "" && v.Namespace != "":
		return v.Namespace + "/" + v.Name, v.Kind.String()
	case v.Name != "":
		return v.Name, v.Kind.String()
	case v.Namespace != "":
		return v.Namespace, v.Kind.String() + " in the namespace"
	}
	switch v.Kind {
	case attack.Internet:
		return "internet", "anybody outside"
	case attack.ClusterAdmin:
		return "cluster-admin", "everything in the cluster"
	}
	return v.String(), v.Kind.String()
}

func svgShort(text string) string {
	if utf8.RuneCountInString(text) <= svgNameLength {
		return text
	}
	runes := []rune(text)
	return string(runes[:svgNameLength/2]) + "…" + string(runes[len(runes)-svgNameLength/2+1:])
}

func svgText(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(printable(text))); err != nil {
		return ""
	}
	return b.String()
}
