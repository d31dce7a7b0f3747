package tree

import "strings"

func (e *editor) lineStart(i int) int { return strings.LastIndexByte(e.s[:i], '\n') + 1 }

func (e *editor) column(i int) int { return i - e.lineStart(i) }

// contentEnd returns where the line of i ends, without its line break.
func (e *editor) contentEnd(i int) int {
	end := lineEnd(e.s, i)
	if end > i && end < len(e.s) && e.s[end-1] == '\r' {
		end--
	}
	return end
}

// lineBreak returns the line break that is used at i.
func (e *editor) lineBreak(i int) string {
	end := lineEnd(e.s, i)
	if end == len(e.s) {
		if end = strings.LastIndexByte(e.s, '\n'); end < 0 {
			return e.eol
		}
	}
	if end > 0 && e.s[end-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func firstLineEnd(s string) string {
	if i := strings.IndexByte(s, '\n'); i > 0 && s[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func blank(s string) bool { return strings.Trim(s, " \t\r\n") == "" }

// blockColumn returns the column at which the entries of a block collection
// start.
func (e *editor) blockColumn(n *Node) (int, error) {
	line := e.lineStart(int(n.start))
	if strings.Trim(e.s[line:n.start], " -") != "" || e.s[n.start] == '!' || e.s[n.start] == '?' && isBlank(e.s, int(n.start)+1) {
		return 0, e.refuse(UncommonStyle, "")
	}
	return int(n.start) - line, nil
}

// addLines adds lines behind the line of i; a text that ends without a line
// break still does.
func (e *editor) addLines(i int, lines string) error {
	eol, end := e.lineBreak(i), lineEnd(e.s, i)
	if end == len(e.s) {
		return e.splice(splice{end, end, eol + lines})
	}
	return e.splice(splice{end + 1, end + 1, lines + eol})
}

// entryStart returns where entry i of a block collection starts: at its key or
// its dash; or -1.
func (e *editor) entryStart(parent *Node, i int) int {
	kid := &parent.Children()[i]
	if kid.Has(Shared) {
		return -1
	}
	if parent.kind == Map {
		return int(kid.keyStart)
	}
	first := e.lineStart(int(parent.start))
	col := int(parent.start) - first
	for line := e.lineStart(int(kid.start)); line >= first; line = e.lineStart(line - 1) {
		at := line + col
		if at < len(e.s) && at < int(kid.start) && e.s[at] == '-' && isBlank(e.s, at+1) && (line == first || blank(e.s[line:at])) {
			return at
		}
		if line == 0 {
			break
		}
	}
	return -1
}

// behindMark returns what is behind the colon or the dash that the value
// belongs to, or -1.
func (e *editor) behindMark(parent, n *Node) int {
	for i := range parent.Children() {
		if &parent.Children()[i] != n {
			continue
		}
		at := e.entryStart(parent, i)
		if at < 0 || parent.kind == List {
			return at + min(at+1, 1)
		}
		p := scanner{s: e.s, i: at}
		if c := e.s[at]; c == '"' || c == '\'' {
			if _, ok := p.quoted(); !ok || !p.isKey() {
				return -1
			}
			return p.i + 1
		}
		if !plainStart(e.s, at) {
			return -1
		}
		if _, stop := p.plainLine(at, false); stop != ':' {
			return -1
		}
		return p.i + 1
	}
	return -1
}

// blockRemove takes entry i, which is not the only one, out of a block
// collection.
func (e *editor) blockRemove(parent *Node, i int) error {
	begin, end := e.entryStart(parent, i), int(parent.Children()[i].end)
	if begin < 0 {
		return e.refuse(UncommonStyle, "")
	}
	line := e.lineStart(begin)
	if blank(e.s[line:begin]) {
		return e.removeLines(line, end)
	}
	// The first entry stands behind a dash: the next one takes its place.
	if i > 0 {
		return e.refuse(UncommonStyle, "")
	}
	next := e.entryStart(parent, 1)
	if next < lineEnd(e.s, end) {
		return e.refuse(UncommonStyle, "")
	}
	if between := e.s[lineEnd(e.s, end):next]; blank(between) {
		return e.splice(splice{begin, next, ""})
	}
	for begin > line && e.s[begin-1] == ' ' {
		begin--
	}
	return e.splice(splice{begin, e.contentEnd(end), ""})
}

// removeLines removes the lines from the start of one to that of i.
func (e *editor) removeLines(line, i int) error { return e.splice(e.without(line, i)) }

func (e *editor) without(line, i int) splice {
	end := lineEnd(e.s, i)
	if end < len(e.s) {
		return splice{line, end + 1, ""}
	}
	if line > 0 { // a text that ends without a line break still does
		if line--; line > 0 && e.s[line-1] == '\r' {
			line--
		}
	}
	return splice{line, end, ""}
}

// replace puts a value in the place of the one at the end of the trail.
func (e *editor) replace(nodes []*Node, value *Node) error {
	n := nodes[len(nodes)-1]
	if len(nodes) == 1 || nodes[len(nodes)-2].Has(Flow) {
		return e.flowReplace(nodes, value)
	}
	parent := nodes[len(nodes)-2]
	mark := e.behindMark(parent, n)
	if mark < 0 || mark > int(n.start) {
		return e.refuse(UncommonStyle, "")
	}
	if n.Has(Flow) && strings.ContainsAny(e.s[n.start:n.end], "\n") && strings.Contains(e.s[n.start:n.end], "#") {
		return e.refuse(FlowStyle, "")
	}
	p := e.printer(nodes)
	if value.Len() == 0 {
		return e.replaceInline(parent, n, mark, p.scalar(value, e.quoteOf(n)))
	}
	return e.replaceBlock(parent, n, mark, value, p)
}

// isBlock reports whether a value is written as lines of entries.
func isBlock(n *Node) bool { return n.Len() > 0 && !n.Has(Flow) }

// sameLine reports whether a value starts on the line of its mark.
func (e *editor) sameLine(mark int, n *Node) bool {
	return strings.IndexByte(e.s[mark:n.start], '\n') < 0
}

// replaceInline puts text in the place of a value.
func (e *editor) replaceInline(parent, n *Node, mark int, text string) error {
	start, end := int(n.start), int(n.end)
	switch {
	case isBlock(n) && e.sameLine(mark, n): // behind a dash
		return e.splice(splice{start, e.contentEnd(end), text})
	case isBlock(n):
		return e.splice(splice{mark, mark, " " + text}, e.without(e.lineStart(start), end))
	case n.Has(Literal):
		return e.splice(splice{start, end, text + e.headerComment(n)})
	case start == end && start > 0 && !isBlank(e.s, start-1):
		text = " " + text
	}
	return e.splice(splice{start, end, text})
}

// headerComment returns the comment behind the indicator of a block scalar,
// with a space before it.
func (e *editor) headerComment(n *Node) string {
	header := e.s[n.start:e.contentEnd(int(n.start))]
	if i := strings.IndexByte(header, '#'); i >= 0 {
		return " " + strings.TrimRight(header[i:], " \t")
	}
	return ""
}

// replaceBlock puts a map or list that is not empty in the place of a value of
// another kind, or of an empty one.
func (e *editor) replaceBlock(parent, n *Node, mark int, value *Node, p printer) error {
	start, end := int(n.start), int(n.end)
	col := e.column(e.entryColumn(parent, mark))
	if parent.kind == List {
		col += 2
	} else {
		col += p.under(value)
	}
	lines := p.block(value, col)
	switch {
	case isBlock(n) && !e.sameLine(mark, n):
		return e.splice(splice{e.lineStart(start), e.contentEnd(end), lines})
	case parent.kind == List && e.sameLine(mark, n) && (isBlock(n) || blank(e.s[end:lineEnd(e.s, end)])):
		if start > mark {
			col = e.column(start)
		}
		text := strings.TrimLeft(p.block(value, col), " ")
		if start == mark {
			text = " " + text
		}
		return e.splice(splice{start, e.contentEnd(end), text})
	case !e.sameLine(mark, n):
		return e.splice(splice{start, end, strings.TrimLeft(p.block(value, e.column(start)), " ")})
	case n.Has(Literal):
		return e.splice(splice{mark, end, e.headerComment(n) + p.eol + lines})
	}
	last := e.contentEnd(end)
	return e.splice(splice{mark, end, ""}, splice{last, last, p.eol + lines})
}

// entryColumn returns where the entry starts whose mark ends at mark.
func (e *editor) entryColumn(parent *Node, mark int) int {
	if parent.kind == List {
		return mark - 1
	}
	for i := range parent.Children() {
		if at := int(parent.Children()[i].keyStart); at < mark && strings.IndexByte(e.s[at:mark], '\n') < 0 && !parent.Children()[i].Has(Shared) {
			return at
		}
	}
	return mark
}
