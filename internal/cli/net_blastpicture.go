package cli

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/reach"
)

// The picture of a blast: who reaches the workloads on the left, what they reach on
// the right, by namespace, and below what would shrink that most.

const (
	blastWidth   = 1180
	blastBox     = 400 // width of a box at a side
	blastMiddle  = 220
	blastLine    = 16
	blastLetters = 60 // that fit into a line of a box
	blastGroups  = 30 // boxes at a side
	blastTall    = 16 // boxes at a side that tell workloads and ports
	blastText    = 165
)

// blastGroup is endpoints that stand in one box.
type blastGroup struct {
	end     matrixEnd
	total   int // workloads of the namespace
	members int
	sure    bool
	lines   []string
}

// blastGroups puts peers together by namespace, those outside at the end.
func (n *network) blastGroups(peers []reach.BlastPeer) []*blastGroup {
	d, sizes := drawing{byNamespace: true}, n.sizes().sizes
	var groups []*blastGroup
	index := map[matrixEnd]*blastGroup{}
	names := map[*blastGroup]map[string][]string{}
	for _, p := range peers {
		e := n.Endpoint(p.ID)
		end := d.end(&e)
		g := index[end]
		if g == nil {
			g = &blastGroup{end: end, total: sizes[end.group]}
			index[end] = g
			groups, names[g] = append(groups, g), map[string][]string{}
		}
		g.members++
		ports := p.Must.String()
		if p.Must.Empty() {
			ports = p.May.String() + " perhaps"
		} else {
			g.sure = true
		}
		name := ""
		if e.Kind == reach.Pods {
			name = e.Workload.Object.Key.Name
		}
		names[g][ports] = append(names[g][ports], name)
	}
	for _, g := range groups {
		for _, ports := range sortedKeys(names[g]) {
			on := strings.Replace(ports, "all", "every port", 1)
			g.lines = append(g.lines, strings.TrimPrefix(strings.Join(slices.Compact(names[g][ports]), ", ")+": "+on, ": "))
		}
	}
	slices.SortFunc(groups, func(a, b *blastGroup) int { return a.end.compare(b.end) })
	return groups
}

// largest returns the groups that are drawn, in their order: what is no pod, and the
// namespaces of which most is reached.
func largest(groups []*blastGroup) []*blastGroup {
	if len(groups) <= blastGroups {
		return groups
	}
	shown := slices.Clone(groups)
	slices.SortStableFunc(shown, func(a, b *blastGroup) int {
		return cmp.Or(cmp.Compare(min(b.end.rank, 1), min(a.end.rank, 1)), cmp.Compare(b.members, a.members))
	})
	shown = shown[:blastGroups]
	slices.SortFunc(shown, func(a, b *blastGroup) int { return a.end.compare(b.end) })
	return shown
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(m[b]), len(m[a])), strings.Compare(a, b)) })
	return keys
}

// title is the first line of a box.
func (g *blastGroup) title() string {
	if g.end.rank > 0 {
		return g.end.label
	}
	return fmt.Sprintf("%s: %d of %s", g.end.label, g.members, counted(g.total, "workload"))
}

func (g *blastGroup) height(tall bool) int {
	if !tall {
		return 8 + blastLine
	}
	return 10 + blastLine*(1+min(3, len(g.lines)))
}

func blastHeight(groups []*blastGroup) int {
	height := 0
	for _, g := range largest(groups) {
		height += g.height(len(groups) <= blastTall) + 8
	}
	return height + 2*blastLine
}

func (n *network) blastSVG(out io.Writer, e *netEnd, b *reach.Blast) error {
	w := &stickyWriter{w: out}
	left, right := n.blastGroups(b.From), n.blastGroups(b.Reached)
	const top = 84
	middle := max(blastHeight(left), blastHeight(right), 120)
	cuts := n.blastCutLines(b)
	startPicture(w, blastWidth, top+middle+48+len(cuts)*20+20, shortened(e.text, 70)+" reaches "+extent(b.Direct)+" of "+counted(n.otherWorkloads(b), "other workload"), n.blastNote(b))
	center := top + middle/2
	n.blastSide(w, left, "is reached by", 24, top, center, true)
	n.blastSide(w, right, "reaches", blastWidth-24-blastBox, top, center, false)
	x := (blastWidth - blastMiddle) / 2
	w.print("<rect class=\"c\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"56\" rx=\"8\"/>\n", x, center-28, blastMiddle)
	w.print("<text class=\"k\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", blastWidth/2, center-4, clippedText(e.text, 30))
	w.print("<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", blastWidth/2, center+16, counted(len(b.Of), "workload"))
	y := top + middle + 24
	w.print("<text class=\"s\" x=\"24\" y=\"%d\">Dashed lines: perhaps.</text>\n", y)
	for i, line := range cuts {
		class := ""
		if i == 0 {
			class = " class=\"k\""
		}
		w.print("<text%s x=\"24\" y=\"%d\">%s</text>\n", class, y+28+i*20, clippedText(line, blastText))
	}
	w.print("</svg>\n")
	return w.err
}

func (n *network) blastNote(b *reach.Blast) string {
	note := fmt.Sprintf("Step by step, from pod to pod, it gets to %s. Reaches addresses outside the cluster: %s; nodes: %s.", extent(b.Further), answerWords[b.Outside], answerWords[b.Nodes])
	if !n.closed {
		note += " By what was read; more may live elsewhere."
	}
	return note
}

func (n *network) otherWorkloads(b *reach.Blast) int {
	others := -len(b.Of)
	for range n.workloads() {
		others++
	}
	return others
}

// clippedText makes text fit for a picture, cut to a number of letters.
func clippedText(text string, letters int) string {
	return html.EscapeString(shortened(printable(text), letters))
}

func shortened(text string, letters int) string {
	runes := []rune(text)
	if len(runes) > letters {
		runes = append(runes[:letters-1], '…')
	}
	return string(runes)
}

// blastSide draws the boxes of a side, and lines between them and the middle.
func (n *network) blastSide(w *stickyWriter, groups []*blastGroup, head string, x, y, center int, left bool) {
	w.print("<text class=\"s\" x=\"%d\" y=\"%d\">%s</text>\n", x, y+10, head)
	y += 2 * blastLine
	if len(groups) == 0 {
		w.print("<text x=\"%d\" y=\"%d\">nothing</text>\n", x, y)
	}
	tall := len(groups) <= blastTall
	for _, g := range largest(groups) {
		height := g.height(tall)
		from, to := x+blastBox, (blastWidth-blastMiddle)/2
		if !left {
			from, to = (blastWidth+blastMiddle)/2, x
		}
		a, z := y+height/2, center
		if !left {
			a, z = z, a
		}
		class := "l"
		if !g.sure {
			class = "l d"
		}
		w.print("<path class=\"%s\" d=\"M%d %d C%d %d %d %d %d %d\"/>\n", class, from, a, (from+to)/2, a, (from+to)/2, z, to, z)
		w.print("<rect class=\"o\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"><title>%s</title></rect>\n", x, y, blastBox, height, html.EscapeString(printable(strings.Join(g.lines, "\n"))))
		w.print("<text class=\"k\" x=\"%d\" y=\"%d\">%s</text>\n", x+10, y+blastLine, clippedText(g.title(), blastLetters))
		if tall {
			g.writeLines(w, x+10, y+2*blastLine)
		}
		y += height + 8
	}
	if more := len(groups) - blastGroups; more > 0 {
		w.print("<text class=\"s\" x=\"%d\" y=\"%d\">and %s of which less is open; -o json has all</text>\n", x, y+6, counted(more, "more namespace"))
	}
}

func (g *blastGroup) writeLines(w *stickyWriter, x, y int) {
	for i, line := range g.lines[:min(3, len(g.lines))] {
		if i == 2 && len(g.lines) > 3 {
			line = fmt.Sprintf("and %d more", len(g.lines)-2)
		}
		w.print("<text class=\"s\" x=\"%d\" y=\"%d\">%s</text>\n", x, y+i*blastLine, clippedText(line, blastLetters))
	}
}

// blastCutLines says what shrinks it most.
func (n *network) blastCutLines(b *reach.Blast) []string {
	if len(b.Cuts) == 0 {
		return []string{"No single change that was tried makes it smaller."}
	}
	lines := []string{"What shrinks it most, each computed again with the change made"}
	for i, c := range b.Cuts[:min(5, len(b.Cuts))] {
		lines = append(lines, fmt.Sprintf("%d. %s: directly %s instead of %s, step by step %s instead of %s", i+1, c.Text, extent(c.Direct), extent(b.Direct), extent(c.Further), extent(b.Further)))
	}
	return lines
}

func (n *network) blastDOT(out io.Writer, e *netEnd, b *reach.Blast) error {
	many := len(b.Reached)+len(b.From) > 2*mostRows
	g := newDot(drawing{byNamespace: many, ranges: !many})
	self := len(g.nodes)
	g.nodes = append(g.nodes, matrixEnd{rank: 1, label: e.text})
	for _, side := range []struct {
		peers []reach.BlastPeer
		out   bool
	}{{b.From, false}, {b.Reached, true}} {
		for _, p := range side.peers {
			end := n.Endpoint(p.ID)
			edge, ports := dotEdge{from: g.node(&end), to: self}, p.Must.String()
			if side.out {
				edge.from, edge.to = edge.to, edge.from
			}
			if p.Must.Empty() {
				edge.style, ports = dotPerhaps, p.May.String()
			}
			g.edge(edge, ports, 1)
		}
	}
	return g.write(out)
}
