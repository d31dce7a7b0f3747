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
	svgBoxWidth, svgBoxHeight = 212, 68
	svgRoom                   = 24      // height of the way of a step past the boxes of a column
	svgStraight, svgBend      = 160, 64 // of a step from one column to the next: where its label stands, and where it turns
	svgGapX, svgGapY          = svgStraight + svgBend, 26
	svgMargin, svgHead        = 28, 84
	svgLine                   = 18 // of text below the drawing
	svgNameLength             = 44 // characters in a box at most
	svgLabelWidth             = 6.1
	svgNameWidth              = 0.6 // of a character in a box, of its size
	svgFixWidth               = 7.2 // of a character below
)

const svgStyle = `
.drawing { --ground: #ffffff; --box: #f4f6f8; --line: #b8c1cb; --text: #17202a; --quiet: #5b6774; --certain: #b3261e; --exploit: #9a5b00; --unknown: #5b6774; --choke: #b3261e; --fix: #17703a; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .drawing { --ground: #14181d; --box: #1f262e; --line: #4a5663; --text: #e8edf2; --quiet: #a3afbb; --certain: #ff8a80; --exploit: #ffc46b; --unknown: #a3afbb; --choke: #ff8a80; --fix: #7fd99a; } }
.ground { fill: var(--ground); } .box { fill: var(--box); stroke: var(--line); } .box.end { stroke: var(--text); stroke-width: 2; } .box.choke { stroke: var(--choke); stroke-width: 2.5; }
.name { fill: var(--text); font-weight: 600; } .kind, .legend { fill: var(--quiet); font-size: 11px; } .head { fill: var(--text); font-size: 18px; font-weight: 700; } .title { fill: var(--text); font-size: 14px; font-weight: 700; } .fix { fill: var(--text); font-size: 13px; } .effect { fill: var(--fix); font-size: 13px; }
.step { fill: none; stroke-width: 2; } .label { font-size: 11px; paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round; }
.certain { stroke: var(--certain); } .likely { stroke: var(--certain); stroke-dasharray: 10 4; } .exploit { stroke: var(--exploit); stroke-dasharray: 6 4; } .unknown { stroke: var(--unknown); stroke-dasharray: 2 4; }
.label.certain, .label.likely, .label.exploit, .label.unknown { stroke: var(--ground); stroke-dasharray: none; } .label.certain, .label.likely { fill: var(--certain); } .label.exploit { fill: var(--exploit); } .label.unknown { fill: var(--unknown); }
`

var svgClasses = map[attack.Certainty]string{attack.Certain: "certain", attack.Likely: "likely", attack.NeedsExploit: "exploit", attack.Unknown: "unknown"}

// svgBox is something that an attacker holds.
type svgBox struct {
	at         attack.Vertex
	column     int
	x, y       float64
	end, choke bool
	passed     bool // only room for a step over its column
}

func (box *svgBox) height() float64 {
	if box.passed {
		return svgRoom
	}
	return svgBoxHeight
}

// middle is where steps join the box.
func (box *svgBox) middle() float64 { return box.y + box.height()/2 }

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
	bendsFirst    []bool // behind each column: steps turn before they run straight
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
	for _, box := range d.boxes {
		d.columns[box.column] = append(d.columns[box.column], box)
	}
	tallest := 0.0
	for _, column := range d.columns {
		tallest = max(tallest, columnHeight(column))
	}
	d.width = 2*svgMargin + float64(columns)*svgBoxWidth + float64(columns-1)*svgGapX
	d.height = svgHead + tallest
	d.place()
	for range 6 {
		for _, column := range d.columns {
			near := map[*svgBox]float64{}
			for _, box := range column {
				sum, n := box.middle(), 1.0
				for i := range d.steps {
					chain := d.steps[i].chain()
					at := slices.Index(chain, box)
					if at > 0 {
						sum, n = sum+chain[at-1].middle(), n+1
					}
					if at >= 0 && at < len(chain)-1 {
						sum, n = sum+chain[at+1].middle(), n+1
					}
				}
				near[box] = sum / n
			}
			slices.SortStableFunc(column, func(a, b *svgBox) int { return cmp.Compare(near[a], near[b]) })
			d.place()
		}
	}
	d.turn(columns)
}

// turn decides where steps turn, for all between two columns alike, so that no curve
// runs through a label: near the boxes that more of them have in common.
func (d *svgDrawing) turn(columns int) {
	d.bendsFirst = make([]bool, columns)
	for column := range columns - 1 {
		leave, arrive := map[*svgBox]int{}, map[*svgBox]int{}
		mostLeave, mostArrive := 0, 0
		for i := range d.steps {
			for k, box := range d.steps[i].chain() {
				if box.column != column || k == len(d.steps[i].over)+1 {
					continue
				}
				next := d.steps[i].chain()[k+1]
				leave[box], arrive[next] = leave[box]+1, arrive[next]+1
				mostLeave, mostArrive = max(mostLeave, leave[box]), max(mostArrive, arrive[next])
			}
		}
		d.bendsFirst[column] = mostLeave > mostArrive
	}
}

// columnHeight is that of boxes with gaps between them.
func columnHeight(column []*svgBox) float64 {
	sum := -float64(svgGapY)
	for _, box := range column {
		sum += box.height() + svgGapY
	}
	return sum
}

func (d *svgDrawing) place() {
	for i, column := range d.columns {
		y := svgHead + (d.height-svgHead-columnHeight(column))/2
		for _, box := range column {
			box.x, box.y = svgMargin+float64(i)*(svgBoxWidth+svgGapX), y
			y += box.height() + svgGapY
		}
	}
}

// writeAttackSVG draws the paths of a report.
func writeAttackSVG(w io.Writer, r *attackReport) error {
	var b strings.Builder
	d := newSVGDrawing(r)
	title := fmt.Sprintf("From %s to %s: %s", r.from(), r.To, counted(len(r.Paths), "path"))
	if len(r.Paths) == 0 {
		title = fmt.Sprintf("No path from %s to %s", r.from(), r.To)
		if r.Missing {
			title = fmt.Sprintf("Whether a path leads from %s to %s is unknown", r.from(), r.To)
		}
		d.width, d.height = 640, svgHead
	}
	d.width = max(d.width, 640)
	below := svgBelow(r, int(min(d.width-2*svgMargin, svgReading)/svgFixWidth))
	height := d.height + float64(len(below)+1)*svgLine + svgMargin
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
		fmt.Fprintf(&b, `<text class="%s" x="%d" y="%g">%s</text>`+"\n", line.class, svgMargin+line.indent, d.height+float64(i+1)*svgLine+svgMargin/2, svgText(line.text))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// svgTextLine is a line below the drawing.
type svgTextLine struct {
	class, text string
	indent      int
}

// svgReading is the width of lines that are read with ease.
const svgReading = 1000.0

// svgBelow returns what stands below the drawing, in lines of some characters.
func svgBelow(r *attackReport, width int) []svgTextLine {
	var lines []svgTextLine
	const indent = 17
	entry := func(number int, title, effect string) {
		for i, line := range strings.Split(hang(fmt.Sprintf("%d. %s", number, title), 0, width-4), "\n") {
			lines = append(lines, svgTextLine{"fix", line, min(i, 1) * indent})
		}
		lines = append(lines, svgTextLine{"effect", effect, indent})
	}
	if len(r.Remedies) > 0 {
		lines = append(lines, svgTextLine{class: "title", text: "The one change"})
	}
	for i := range r.Remedies {
		entry(i+1, r.Remedies[i].Title, effect(&r.Remedies[i]))
	}
	if title := r.together(); title != "" {
		lines = append(lines, svgTextLine{}, svgTextLine{class: "title", text: upperFirst(title)})
		for i := range r.Plan.Steps {
			entry(i+1, r.Plan.Steps[i].Title, left(&r.Plan.Steps[i]))
		}
	}
	return lines
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

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

// drawSteps draws the labels over all steps: their outlines keep the curves of
// others away.
func (d *svgDrawing) drawSteps(b *strings.Builder) {
	var taken []svgArea
	var labels strings.Builder
	for i := range d.steps {
		s := &d.steps[i]
		x1, y1 := s.from.x+svgBoxWidth, d.joint(s, true)
		x2, y2 := s.to.x, d.joint(s, false)
		class := svgClasses[s.step.Certainty]
		fmt.Fprintf(b, `<path class="step %s" d="M%g %g%s"><title>%s</title></path>`+"\n", class, x1, y1, d.curve(s, x1, y1, x2-1, y2), svgText(s.step.Does+": then holds "+s.step.Holds))
		fmt.Fprintf(b, `<path class="step %s" style="stroke-dasharray:none" d="M%g %g l-7 -4 M%[2]g %[3]g l-7 4"/>`+"\n", class, x2-1, y2)
		label := s.step.Kind.Label()
		area := svgArea{x1 + svgStraight/2, y1, float64(len(label)) * svgLabelWidth}
		switch {
		case len(s.over) > 0: // on the straight part over another column
			area.x, area.y = s.over[0].x+svgBoxWidth/2, s.over[0].middle()
		case d.bendsFirst[s.from.column]:
			area.x, area.y = x2-svgStraight/2-4, y2
		}
		for slices.ContainsFunc(taken, area.meets) {
			area.y -= 13
		}
		taken = append(taken, area)
		fmt.Fprintf(&labels, `<text class="label %s" text-anchor="middle" x="%g" y="%g">%s</text>`+"\n", class, area.x, area.y-6, svgText(label))
	}
	b.WriteString(labels.String())
}

// joint returns where along the side of a box a step leaves it, or comes to it:
// steps stand there in the order of their other ends, so that they do not cross.
func (d *svgDrawing) joint(s *svgStep, leaves bool) float64 {
	near := func(s *svgStep) (box, next *svgBox) {
		chain := s.chain()
		if leaves {
			return s.from, chain[1]
		}
		return s.to, chain[len(chain)-2]
	}
	box, next := near(s)
	before, others := 0, 0
	for i := range d.steps {
		o := &d.steps[i]
		b, n := near(o)
		if b != box || o == s {
			continue
		}
		others++
		if n.middle() < next.middle() || n.middle() == next.middle() && o.step.Kind < s.step.Kind {
			before++
		}
	}
	apart := min(16, (svgBoxHeight-16)/float64(max(others, 1)))
	return box.middle() + (float64(before)-float64(others)/2)*apart
}

// curve continues a path from a point to another, through the room between.
func (d *svgDrawing) curve(s *svgStep, x1, y1, x2, y2 float64) string {
	var b strings.Builder
	to := func(column int, x, y float64) {
		straight := x - x1 - svgBend
		if !d.bendsFirst[column] {
			fmt.Fprintf(&b, " h%g", straight)
			x1 += straight
		}
		fmt.Fprintf(&b, " C%g %g %g %g %g %g", x1+svgBend/2, y1, x1+svgBend/2, y, x1+svgBend, y)
		if d.bendsFirst[column] {
			fmt.Fprintf(&b, " h%g", straight)
		}
		x1, y1 = x, y
	}
	for _, room := range s.over {
		to(room.column-1, room.x, room.middle())
		fmt.Fprintf(&b, " h%d", svgBoxWidth)
		x1 += svgBoxWidth
	}
	to(s.to.column-1, x2, y2)
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
	name, kind, in := box.texts()
	fmt.Fprintf(b, `<g><title>%s</title><rect class="%s" x="%g" y="%g" width="%d" height="%d" rx="8"/>`, svgText(box.at.String()), class, box.x, box.y, svgBoxWidth, svgBoxHeight)
	y := box.y
	if in == "" {
		y += 9 // two lines instead of three
	}
	fmt.Fprintf(b, `<text class="kind" x="%g" y="%g">%s</text>`, box.x+12, y+20, svgText(svgShort(kind, 32)))
	name = svgShort(name, svgNameLength)
	size := min(13, (svgBoxWidth-24)/svgNameWidth/float64(utf8.RuneCountInString(name)))
	fmt.Fprintf(b, `<text class="name" font-size="%.1f" x="%g" y="%g">%s</text>`, size, box.x+12, y+39, svgText(name))
	if in != "" {
		fmt.Fprintf(b, `<text class="kind" x="%g" y="%g">%s</text>`, box.x+12, y+57, svgText(svgShort("in namespace "+in, 32)))
	}
	b.WriteString("</g>\n")
}

// texts returns what a box says: the name, what it is, and the namespace or "".
func (box *svgBox) texts() (name, kind, in string) {
	v := box.at
	switch {
	case v.Kind == attack.Container:
		return v.Name, "container " + v.Container + ", " + v.Object.Key.Kind, v.Namespace
	case v.Name != "":
		return v.Name, v.Kind.String(), v.Namespace
	case v.Namespace != "":
		kind = "any of them"
		if v.Kind == attack.RunPods || v.Kind == attack.Debug {
			kind = "of the attacker's making"
		}
		return v.Kind.String(), kind, v.Namespace
	}
	switch v.Kind {
	case attack.Internet:
		return "internet", "anybody outside", ""
	case attack.ClusterAdmin:
		return "cluster-admin", "everything in the cluster", ""
	}
	return v.String(), v.Kind.String(), ""
}

// svgShort leaves out the middle of what has more than some characters.
func svgShort(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:most/2]) + "…" + string(runes[len(runes)-most/2+1:])
}

func svgText(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(printable(text))); err != nil {
		return ""
	}
	return b.String()
}
