package tree

import (
	"slices"
	"strings"
)

// flowReady refuses flow style over several lines, which only JSON is sure to
// survive. The collections are those in which something changes.
func (e *editor) flowReady(collections []*Node) error {
	for _, n := range collections {
		reason, known := e.flowReason[n]
		if !known {
			reason = e.flowObstacle(n)
			e.flowReason[n] = reason
		}
		if reason != "" {
			return e.refuse(reason, "")
		}
	}
	return nil
}

// flowObstacle says why nothing can be changed in a collection, if it is
// written in flow style, or "".
func (e *editor) flowObstacle(n *Node) Reason {
	if !n.Has(Flow) {
		return ""
	}
	if !e.json && strings.IndexByte(e.s[n.start:n.end], '\n') >= 0 {
		return FlowStyle
	}
	open := byte('{')
	if n.kind == List {
		open = '['
	}
	if e.s[n.start] != open || e.s[n.end-1] != open+2 { // tags, and [a: b], which holds a map without braces
		return UncommonStyle
	}
	if slices.ContainsFunc(n.Children(), func(kid Node) bool { return kid.Has(Shared) }) {
		return SharedStyle
	}
	return ""
}

// flowReplace puts a value in the place of one within flow style, or of the
// root.
func (e *editor) flowReplace(nodes []*Node, value *Node) error {
	n := nodes[len(nodes)-1]
	if len(nodes) == 1 && (!n.Has(Flow) || value.Len() == 0) {
		return e.refuse(UncommonStyle, "nothing would be left of the document")
	}
	if err := e.flowReady(nodes[:len(nodes)-1]); err != nil {
		return err
	}
	start, end := int(n.start), int(n.end)
	p := e.printer(nodes)
	text := p.flow(value, e.quoteOf(n), e.indentation(start))
	if start == end && start > 0 && !isBlank(e.s, start-1) {
		text = " " + text
	}
	e.splice(start, end, text)
	return nil
}

// flowAdd adds an entry or an item to a collection that is not empty.
func (e *editor) flowAdd(nodes []*Node, entry *Node) error {
	if err := e.flowReady(nodes); err != nil {
		return err
	}
	n := nodes[len(nodes)-1]
	last := &n.Children()[len(n.Children())-1]
	at, begin := int(last.end), int(last.keyStart)
	p := e.printer(nodes)
	between := p.comma
	if line := e.lineStart(begin); strings.IndexByte(e.s[at:n.end], '\n') >= 0 && blank(e.s[line:begin]) {
		between = "," + p.eol + e.s[line:begin]
	} else {
		p.unit = ""
	}
	text := p.flow(entry, 0, e.indentation(begin))
	if n.kind == Map {
		text = p.key(entry.Key()) + p.colon + text
	}
	e.splice(at, at, between+text)
	return nil
}

// flowRemove takes entries, but not all, out of a collection.
func (e *editor) flowRemove(nodes []*Node, gone []int) error {
	if err := e.flowReady(nodes); err != nil {
		return err
	}
	kids := nodes[len(nodes)-1].Children()
	for n := len(kids); len(gone) > 0 && gone[len(gone)-1] == n-1; n-- { // the comma before goes with the last
		gone = gone[:len(gone)-1]
		e.splice(int(kids[n-2].end), int(kids[n-1].end), "")
	}
	for _, i := range gone {
		e.splice(int(kids[i].keyStart), int(kids[i+1].keyStart), "")
	}
	return nil
}

// indentation returns the white space at the start of the line of i.
func (e *editor) indentation(i int) string {
	line := e.s[e.lineStart(i):]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
