package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/reach"
)

// dotGraph is a graph for Graphviz, with a cluster for each namespace.
type dotGraph struct {
	drawing
	nodes []matrixEnd
	index map[matrixEnd]int
	known map[endID]int
	edges map[dotEdge]*dotLabels
	order []dotEdge
}

// dotEdge is an edge between two nodes. style is that of Graphviz, and sign stands
// in front of its ports.
type dotEdge struct {
	from, to    int
	style, sign string
}

// dotLabels is what stands at an edge: ports, and for how many pairs of endpoints.
type dotLabels struct {
	texts []string
	pairs int
}

func newDot(d drawing) *dotGraph {
	return &dotGraph{drawing: d, index: map[matrixEnd]int{}, known: map[endID]int{}, edges: map[dotEdge]*dotLabels{}}
}

// node returns the number of the node of an endpoint.
func (g *dotGraph) node(e *reach.Endpoint) int {
	id := idOf(e)
	if i, ok := g.known[id]; ok {
		return i
	}
	end := g.end(e)
	if e.Kind == reach.Pods && !g.byNamespace {
		end.label = e.Workload.Object.Key.Kind + "\n" + end.label + end.mark
	}
	i, ok := g.index[end]
	if !ok {
		i = len(g.nodes)
		g.index[end] = i
		g.nodes = append(g.nodes, end)
	}
	g.known[id] = i
	return i
}

// edge adds pairs of endpoints.
func (g *dotGraph) edge(e dotEdge, ports string, pairs int) {
	l := g.edges[e]
	if l == nil {
		l = &dotLabels{}
		g.edges[e] = l
		g.order = append(g.order, e)
	}
	l.pairs += pairs
	if !slices.Contains(l.texts, ports) {
		l.texts = append(l.texts, ports)
	}
}

// text is what stands at an edge.
func (l *dotLabels) text(sign string) string {
	text := sign + strings.Join(l.texts[:min(2, len(l.texts))], " | ")
	if more := len(l.texts) - 2; more > 0 {
		text += fmt.Sprintf(" | %d more", more)
	}
	if l.pairs > 1 {
		text += fmt.Sprintf("\n%d pairs", l.pairs)
	}
	return text
}

func (g *dotGraph) write(out io.Writer) error {
	w := &stickyWriter{w: out}
	w.print("digraph network {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=sans];\n  edge [fontname=sans, fontsize=10];\n")
	groups := map[string][]int{}
	var names []string
	for i, n := range g.nodes {
		if n.rank > 0 || g.byNamespace {
			w.print("  n%d [label=%s];\n", i, dotText(n.label))
			continue
		}
		if groups[n.group] == nil {
			names = append(names, n.group)
		}
		groups[n.group] = append(groups[n.group], i)
	}
	slices.Sort(names)
	for _, name := range names {
		w.print("  subgraph %s {\n    label=%s;\n", dotText("cluster_"+name), dotText(name))
		for _, i := range groups[name] {
			w.print("    n%d [label=%s];\n", i, dotText(g.nodes[i].label))
		}
		w.print("  }\n")
	}
	slices.SortFunc(g.order, func(a, b dotEdge) int {
		return cmp.Or(a.from-b.from, a.to-b.to, strings.Compare(a.sign, b.sign), strings.Compare(a.style, b.style))
	})
	for _, e := range g.order {
		w.print("  n%d -> n%d [label=%s%s];\n", e.from, e.to, dotText(g.edges[e].text(e.sign)), e.style)
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

// The styles of edges.
const (
	dotSure    = ""
	dotPerhaps = ", style=dashed"
	dotOpens   = `, color="#b3261e", fontcolor="#b3261e", style=bold`
	dotCloses  = `, color="#17703a", fontcolor="#17703a", style=dashed, arrowhead=tee`
)

// dot writes what is open.
func (l *listing) dot(out io.Writer) error {
	ends := l.allEnds()
	many := !l.exhaustive && l.byNamespace()
	g := newDot(drawing{byNamespace: many, ranges: !many})
	node := make([]int, len(ends))
	for i := range node {
		node[i] = -1
	}
	at := func(id reach.ID) int {
		if node[id] < 0 {
			node[id] = g.node(&ends[id])
		}
		return node[id]
	}
	for flow := range l.flows() {
		style, ports := dotSure, flow.Must.String()
		if flow.Must.Empty() {
			style, ports = dotPerhaps, flow.May.String()
		}
		for _, x := range []([]reach.ID){flow.From, flow.To} {
			for _, id := range x {
				at(id)
			}
		}
		to := count(flow.To, node)
		for i, n := range count(flow.From, node) {
			for j, k := range to {
				g.edge(dotEdge{i, j, style, ""}, ports, n*k)
			}
		}
	}
	if l.omitted > 0 {
		return errors.New(tooManyFlows)
	}
	return g.write(out)
}
