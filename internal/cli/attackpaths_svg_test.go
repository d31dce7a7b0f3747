package cli

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAttackDrawing holds that steps over other columns run beside the boxes
// there, and that what stands below is no wider than the drawing.
func TestAttackDrawing(t *testing.T) {
	o := ullage(t, "attack-paths", "--start", "any", "--to", "node", "--top", "4", "-o", "svg", "../../examples/chandlery")
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	type point struct{ x, y float64 }
	var boxes []point
	for _, m := range regexp.MustCompile(`<rect class="box[^"]*" x="([\d.]+)" y="([\d.]+)" width="212"`).FindAllStringSubmatch(o.stdout, -1) {
		boxes = append(boxes, point{number(m[1]), number(m[2])})
	}
	over := 0
	for _, m := range regexp.MustCompile(`([\d.]+) ([\d.]+)(?: h160)? h212`).FindAllStringSubmatch(o.stdout, -1) {
		over++
		at := point{number(m[1]), number(m[2])}
		for _, box := range boxes {
			if box.x == at.x && at.y >= box.y && at.y <= box.y+svgBoxHeight {
				t.Errorf("a step at %v runs over the box at %v", at, box)
			}
		}
	}
	width := number(regexp.MustCompile(` width="([\d.]+)"`).FindStringSubmatch(o.stdout)[1])
	below := regexp.MustCompile(`<text class="(?:fix|effect|title)"[^>]*>([^<]*)<`).FindAllStringSubmatch(o.stdout, -1)
	for _, m := range below {
		if text := html.UnescapeString(m[1]); float64(len(text))*svgFixWidth > width {
			t.Errorf("the drawing of width %g cuts %q", width, text)
		}
	}
	for _, m := range regexp.MustCompile(`<text class="label[^>]*>([^<]*)<`).FindAllStringSubmatch(o.stdout, -1) {
		if text := html.UnescapeString(m[1]); strings.Contains(text, "-") || float64(len(text))*svgLabelWidth > svgGapX {
			t.Errorf("a step is labelled %q", text)
		}
	}
	labels := regexp.MustCompile(`<text class="label[^>]* x="([\d.]+)" y="([\d.]+)">([^<]*)<`).FindAllStringSubmatch(o.stdout, -1)
	curves := regexp.MustCompile(` C([\d.]+) ([\d.]+) [\d.]+ [\d.]+ [\d.]+ ([\d.]+)`).FindAllStringSubmatch(o.stdout, -1)
	for _, l := range labels {
		x, y, half := number(l[1]), number(l[2]), float64(len(html.UnescapeString(l[3])))*svgLabelWidth/2
		for _, c := range curves {
			from, one, two := number(c[1])-svgBend/2, number(c[2]), number(c[3])
			if x+half > from && x-half < from+svgBend && y > min(one, two) && y-11 < max(one, two) {
				t.Errorf("a curve at %g runs through the label %q", from, l[3])
			}
		}
	}
	if len(labels) < 6 || len(curves) < 10 {
		t.Errorf("%d labels, %d curves", len(labels), len(curves))
	}
	if first, last := strings.Index(o.stdout, `<text class="label`), strings.LastIndex(o.stdout, "</title></path>"); last > first {
		t.Errorf("a step at %d is drawn over the label at %d", last, first)
	}
	if name := regexp.MustCompile(`…`).FindString(o.stdout); name != "" {
		t.Error("a name of ordinary length is cut")
	}
	if len(boxes) < 6 || over < 3 || len(below) < 6 || !strings.Contains(o.stdout, "that together close every path") {
		t.Errorf("%d boxes, %d steps over columns, %d lines below", len(boxes), over, len(below))
	}
}
