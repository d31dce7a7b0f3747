package tree

import (
	"slices"
	"strings"
)

// line returns which line holds i, counted from 0.
func (e *editor) line(i int) int {
	line, found := slices.BinarySearch(e.lines, i)
	if !found {
		line--
	}
	return line
}

func (e *editor) lineStart(i int) int { return e.lines[e.line(i)] }

// lineEnd returns the offset of the line break at or behind i.
func (e *editor) lineEnd(i int) int {
	if line := e.line(i); line+1 < len(e.lines) {
		return e.lines[line+1] - 1
	}
	return len(e.s)
}

func (e *editor) afterLine(i int) int { return min(e.lineEnd(i)+1, len(e.s)) }

func (e *editor) column(i int) int { return i - e.lineStart(i) }

// contentEnd returns where the line of i ends, without its line break.
func (e *editor) contentEnd(i int) int {
	end := e.lineEnd(i)
	if end > i && end < len(e.s) && e.s[end-1] == '\r' {
		end--
	}
	return end
}

// lineBreak returns the line break that is used at i.
func (e *editor) lineBreak(i int) string {
	end := e.lineEnd(i)
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

// addLines adds lines behind the line of i.
func (e *editor) addLines(i int, lines string) {
	at := e.afterLine(i)
	e.splice(at, at, lines+e.lineBreak(i))
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

// behindMark returns what is behind the colon or the dash that child i belongs
// to, or -1.
func (e *editor) behindMark(parent *Node, i int) int {
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

// removeEntry takes the lines of an entry out of a block collection.
func (e *editor) removeEntry(parent *Node, i int) error {
	begin := e.entryStart(parent, i)
	if begin < 0 || !blank(e.s[e.lineStart(begin):begin]) {
		return e.refuse(UncommonStyle, "")
	}
	e.splice(e.lineStart(begin), e.afterLine(int(parent.Children()[i].end)), "")
	return nil
}

// blockRemove takes entries, but not all, out of a block collection.
func (e *editor) blockRemove(parent *Node, gone []int) error {
	begin := e.entryStart(parent, 0)
	if gone[0] == 0 && begin >= 0 && !blank(e.s[e.lineStart(begin):begin]) {
		done, err := e.removeFirst(parent, begin, gone)
		if err != nil {
			return err
		}
		gone = gone[done:]
	}
	for _, i := range gone {
		if err := e.removeEntry(parent, i); err != nil {
			return err
		}
	}
	return nil
}

// removeFirst takes out the first entry, which stands behind a dash: the first
// one that stays takes its place, unless there are comments between. It returns
// how many entries it took out.
func (e *editor) removeFirst(parent *Node, begin int, gone []int) (int, error) {
	kids := parent.Children()
	commented, next := false, begin
	n := 0
	for ; n < len(gone) && gone[n] == n; n++ {
		end := e.lineEnd(int(kids[n].end))
		if next = e.entryStart(parent, n+1); next < end {
			return 0, e.refuse(UncommonStyle, "")
		}
		commented = commented || !blank(e.s[end:e.lineStart(next)])
	}
	if !commented {
		e.splice(begin, next, "")
		return n, nil
	}
	for e.s[begin-1] == ' ' {
		begin--
	}
	e.splice(begin, e.contentEnd(int(kids[0].end)), "")
	return 1, nil
}

// replace puts a value in the place of the one at the end of the trail, which is
// child i of the one before.
func (e *editor) replace(nodes []*Node, i int, value *Node) error {
	n := nodes[len(nodes)-1]
	if len(nodes) == 1 || nodes[len(nodes)-2].Has(Flow) {
		return e.flowReplace(nodes, value)
	}
	parent := nodes[len(nodes)-2]
	mark := e.behindMark(parent, i)
	if mark < 0 || mark > int(n.start) {
		return e.refuse(UncommonStyle, "")
	}
	if n.Has(Flow) && strings.ContainsAny(e.s[n.start:n.end], "\n") && strings.Contains(e.s[n.start:n.end], "#") {
		return e.refuse(FlowStyle, "")
	}
	p := e.printer(nodes)
	if value.Len() == 0 {
		e.replaceInline(n, mark, p.scalar(value, e.quoteOf(n)))
	} else {
		e.replaceBlock(parent, i, n, mark, value, p)
	}
	return nil
}

// isBlock reports whether a value is written as lines of entries.
func isBlock(n *Node) bool { return n.Len() > 0 && !n.Has(Flow) }

// sameLine reports whether a value starts on the line of its mark.
func (e *editor) sameLine(mark int, n *Node) bool {
	return strings.IndexByte(e.s[mark:n.start], '\n') < 0
}

// replaceInline puts text in the place of a value.
func (e *editor) replaceInline(n *Node, mark int, text string) {
	start, end := int(n.start), int(n.end)
	switch {
	case isBlock(n) && e.sameLine(mark, n): // behind a dash
		e.splice(start, e.contentEnd(end), text)
		return
	case isBlock(n):
		e.splice(mark, mark, " "+text)
		e.splice(e.lineStart(start), e.afterLine(end), "")
		return
	case n.Has(Literal):
		text += e.headerComment(n)
	case start == end && start > 0 && !isBlank(e.s, start-1):
		text = " " + text
	}
	e.splice(start, end, text)
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
// another kind, or of an empty one: child i of the parent.
func (e *editor) replaceBlock(parent *Node, i int, n *Node, mark int, value *Node, p printer) {
	start, end := int(n.start), int(n.end)
	col := e.column(mark-1) + 2
	if parent.kind == Map {
		col = e.column(int(parent.Children()[i].keyStart)) + p.under(value)
	}
	lines := p.block(value, col)
	switch {
	case isBlock(n) && !e.sameLine(mark, n):
		e.splice(e.lineStart(start), e.contentEnd(end), lines)
	case parent.kind == List && e.sameLine(mark, n) && (isBlock(n) || blank(e.s[end:e.lineEnd(end)])):
		if start > mark {
			col = e.column(start)
		}
		text := strings.TrimLeft(p.block(value, col), " ")
		if start == mark {
			text = " " + text
		}
		e.splice(start, e.contentEnd(end), text)
	case !e.sameLine(mark, n):
		e.splice(start, end, strings.TrimLeft(p.block(value, e.column(start)), " "))
	case n.Has(Literal):
		e.splice(mark, end, e.headerComment(n)+p.eol+lines)
	default:
		last := e.contentEnd(end)
		e.splice(mark, end, "")
		e.splice(last, last, p.eol+lines)
	}
}
