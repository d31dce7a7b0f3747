package tree

import (
	"fmt"
	"strings"
	"unicode"
)

// printer writes new values in the style of their surroundings.
type printer struct {
	json  bool
	eol   string
	step  int  // columns that a map is indented under its key
	list  int  // columns that a list is indented under its key
	quote byte // of keys, or 0

	comma, colon string // in flow style
	unit         string // one level of indentation of JSON over several lines; "" for one line
}

// printer finds out the style around the end of a trail.
func (e *editor) printer(nodes []*Node) printer {
	n := nodes[len(nodes)-1]
	p := printer{json: e.json, eol: e.lineBreak(int(n.end)), comma: ", ", colon: ": "}
	p.step, p.list = e.steps(nodes)
	for i := len(nodes) - 1; i >= 0; i-- {
		if m := nodes[i]; m.Is(Map) && m.Len() > 0 {
			p.quote = e.keyQuote(m)
			break
		}
	}
	if e.json {
		e.jsonStyle(&p)
	}
	return p
}

// jsonStyle finds out how a JSON document is spaced.
func (e *editor) jsonStyle(p *printer) {
	p.quote = '"'
	kids := e.root.Children()
	if len(kids) == 0 {
		return
	}
	first := int(kids[0].keyStart)
	if line := e.lineStart(first); line > int(e.root.start) && blank(e.s[line:first]) {
		p.unit = e.s[line:first]
	}
	if e.root.kind == Map && kids[0].start > 0 && e.s[kids[0].start-1] == ':' {
		p.colon = ":"
		if p.unit == "" {
			p.comma = ","
		}
	}
}

// keyQuote returns the quote that all keys of a map are written in, or 0.
func (e *editor) keyQuote(m *Node) byte {
	quote := byte(0)
	for i := range m.Children() {
		kid := &m.Children()[i]
		if kid.Has(Shared) {
			continue
		}
		c := e.s[kid.keyStart]
		if c != '"' && c != '\'' || quote != 0 && c != quote {
			return 0
		}
		quote = c
	}
	return quote
}

// steps finds out how maps and lists are indented under their keys: nearby
// when there are any, else anywhere in the document.
func (e *editor) steps(nodes []*Node) (mapStep, listStep int) {
	mapStep, listStep = -1, -1
	for i := len(nodes) - 1; i >= 0; i-- {
		e.look(nodes[i], &mapStep, &listStep)
	}
	if !e.searched {
		e.searched, e.mapStep, e.listStep = true, -1, -1
		e.search(e.root, &e.mapStep, &e.listStep)
	}
	if mapStep < 0 {
		mapStep = e.mapStep
	}
	if listStep < 0 {
		listStep = e.listStep
	}
	if mapStep < 1 {
		mapStep = 2
	}
	return mapStep, max(listStep, 0)
}

func (e *editor) look(m *Node, mapStep, listStep *int) {
	if !m.Is(Map) || !isBlock(m) || m.Has(Shared) {
		return
	}
	for i := range m.Children() {
		kid := &m.Children()[i]
		if !isBlock(kid) || kid.Has(Shared) {
			continue
		}
		step := e.column(int(kid.start)) - e.column(int(kid.keyStart))
		if kid.kind == Map && *mapStep < 0 && step > 0 {
			*mapStep = step
		}
		if kid.kind == List && *listStep < 0 && step >= 0 {
			*listStep = step
		}
	}
}

func (e *editor) search(n *Node, mapStep, listStep *int) {
	if *mapStep >= 0 && *listStep >= 0 {
		return
	}
	e.look(n, mapStep, listStep)
	for i := range n.Children() {
		if !n.Children()[i].Has(Shared) {
			e.search(&n.Children()[i], mapStep, listStep)
		}
	}
}

// under returns how much deeper than its key a collection is written.
func (p *printer) under(value *Node) int {
	if value.kind == List {
		return p.list
	}
	return p.step
}

// entry writes a map entry whose key stands at col, without the indentation of
// the first line.
func (p *printer) entry(n *Node, col int) string {
	if n.Len() == 0 {
		return p.key(n.Key()) + ": " + p.scalar(n, 0)
	}
	return p.key(n.Key()) + ":" + p.eol + p.block(n, col+p.under(n))
}

// item writes a list item whose dash stands at col, without the indentation of
// the first line.
func (p *printer) item(n *Node, col int) string {
	if n.Len() == 0 {
		return "- " + p.scalar(n, 0)
	}
	return "- " + strings.TrimLeft(p.block(n, col+2), " ")
}

// block writes the lines of a collection that is not empty, without the last
// line break.
func (p *printer) block(n *Node, col int) string {
	lines := make([]string, len(n.Children()))
	for i := range n.Children() {
		lines[i] = strings.Repeat(" ", col)
		if n.kind == Map {
			lines[i] += p.entry(&n.Children()[i], col)
		} else {
			lines[i] += p.item(&n.Children()[i], col)
		}
	}
	return strings.Join(lines, p.eol)
}

// quoteOf returns the quote that a scalar is written in, or 0.
func (e *editor) quoteOf(n *Node) byte {
	if n.Has(Quoted) && (e.s[n.start] == '"' || e.s[n.start] == '\'') {
		return e.s[n.start]
	}
	return 0
}

// flow writes a value in flow style; indent is that of its line. A string gets
// the quote if that is not 0.
func (p *printer) flow(n *Node, quote byte, indent string) string {
	if n.Len() == 0 {
		return p.scalar(n, quote)
	}
	before, between, behind := "", p.comma, ""
	if p.unit != "" {
		before, between, behind = p.eol+indent+p.unit, ","+p.eol+indent+p.unit, p.eol+indent
	}
	parts := make([]string, len(n.Children()))
	for i := range n.Children() {
		parts[i] = p.flow(&n.Children()[i], 0, indent+p.unit)
		if n.kind == Map {
			parts[i] = p.key(n.Children()[i].Key()) + p.colon + parts[i]
		}
	}
	text := before + strings.Join(parts, between) + behind
	if n.kind == List {
		return "[" + text + "]"
	}
	return "{" + text + "}"
}

func (p *printer) key(s string) string {
	if kind, text := resolveKey(s); p.quote == 0 && kind != Null && text == s && plain(s) && len(s) <= 128 {
		return s
	}
	return quoted(s, p.quote)
}

// scalar writes a scalar or an empty collection. A string gets the quote if
// that is not 0, and else quotes where they are needed.
func (p *printer) scalar(n *Node, quote byte) string {
	switch n.kind {
	case Map:
		return "{}"
	case List:
		return "[]"
	case String:
	default:
		return n.Text()
	}
	if kind, _ := resolve(n.Text()); !p.json && quote == 0 && kind == String && plain(n.Text()) && !numberLike(n.Text()) {
		return n.Text()
	}
	if p.json {
		quote = '"'
	}
	return quoted(n.Text(), quote)
}

// plain reports whether a string needs no quotes as far as its characters go,
// in flow style either.
func plain(s string) bool {
	const safe = "_./@+%=~^()$;-:"
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		switch {
		case letter, i > 0 && strings.IndexByte(safe, c) >= 0, c == '/', c == '_':
		case c == ' ' && i > 0 && s[i-1] != ':' && s[i-1] != ' ' && i+1 < len(s):
		default:
			return false
		}
	}
	return s != "" && s[len(s)-1] != ':'
}

// numberLike reports strings that some YAML reader takes for a number, a time
// or a date although ours does not.
func numberLike(s string) bool {
	return s[0] >= '0' && s[0] <= '9' && strings.Trim(s, "0123456789_.:+-eExXoObBtTzZ ") == ""
}

// quoted writes a string in the quotes asked for, or in double quotes where
// those cannot hold it.
func quoted(s string, quote byte) string {
	if quote == '\'' && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
