package tree

// literal is the header of a block scalar.
type literal struct {
	folded bool
	chomp  byte // '+', '-' or 0
	indent int  // of the text, or 0 when the text itself tells
}

// blockScalar reads the | or > scalar at p.i. indent is the column of the
// block around it, or -1.
func (p *scanner) blockScalar(indent int) bool {
	at := p.i
	text, end, ok := p.literalText(indent)
	if !ok {
		return false
	}
	p.line = p.i
	return p.pushText(String, Literal, text, at, end) && p.next()
}

// literalText reads a block scalar and stops at the line behind it. end is
// that of its last line of text, without the line break.
func (p *scanner) literalText(indent int) (text string, end int, ok bool) {
	h, end, ok := p.header()
	if !ok {
		return "", 0, false
	}
	i := afterLine(p.s, p.i)
	if h.indent > 0 {
		h.indent += max(indent, 0)
	} else if h.indent, ok = bodyIndent(p.s, i, indent); !ok {
		return "", 0, false
	}
	text, last, next, ok := p.body(h, i)
	p.i = next
	return text, max(end, last), ok
}

// header reads the indicators; end is behind them.
func (p *scanner) header() (h literal, end int, ok bool) {
	s := p.s
	h.folded = s[p.i] == '>'
	for p.i++; p.i < len(s); p.i++ {
		switch c := s[p.i]; {
		case (c == '+' || c == '-') && h.chomp == 0:
			h.chomp = c
			continue
		case c >= '1' && c <= '9' && h.indent == 0:
			h.indent = int(c - '0')
			continue
		}
		break
	}
	end = p.i
	for p.i < len(s) && (s[p.i] == ' ' || s[p.i] == '\t') {
		p.i++
	}
	return h, end, isBlank(s, p.i) || s[p.i] == '#'
}

// bodyIndent finds the indentation of the text: that of its first line that is
// not empty. It returns false where an empty line is indented deeper.
func bodyIndent(s string, i, indent int) (int, bool) {
	least := max(indent+1, 1)
	for deepest := 0; ; {
		line := i
		for i < len(s) && s[i] == ' ' {
			i++
		}
		switch {
		case i == len(s):
			return max(i-line, deepest, least), true
		case s[i] == '\t':
			return 0, false
		case s[i] == '\n' || s[i] == '\r':
			deepest = max(deepest, i-line)
			i = afterLine(s, i)
		default:
			if deepest > max(i-line, least) {
				return 0, false
			}
			return max(i-line, least), true
		}
	}
}

// body reads the text, whose first line starts at i. last is the end of its
// last line, without the line break; next is the line behind it.
func (p *scanner) body(h literal, i int) (text string, last, next int, ok bool) {
	s := p.s
	p.buf = p.buf[:0]
	var (
		breaks   int  // line breaks not yet written, without the one below
		pending  bool // the line break of the last line of text
		indented bool // the last line of text starts with a blank
	)
	for i < len(s) {
		line := i
		for i < len(s) && i-line < h.indent && s[i] == ' ' {
			i++
		}
		if i == len(s) {
			break
		}
		if s[i] == '\n' || s[i] == '\r' {
			if h.chomp == '+' {
				last = i
			}
			i = afterLine(s, i)
			breaks++
			continue
		}
		if i-line < h.indent {
			if s[i] == '\t' {
				return "", 0, 0, false
			}
			i = line
			break
		}
		blank := s[i] == ' ' || s[i] == '\t'
		if pending {
			p.join(h.folded && !indented && !blank, breaks)
		} else {
			p.lines(breaks)
		}
		breaks, indented = 0, blank
		end := lineEnd(s, i)
		last, pending = end, end < len(s)
		if pending && s[end-1] == '\r' {
			last--
		}
		p.buf = append(p.buf, s[i:last]...)
		i = min(end+1, len(s))
	}
	if h.chomp != '-' && pending {
		p.lines(1)
	}
	if h.chomp == '+' {
		p.lines(breaks)
	}
	return string(p.buf), last, i, true
}

// join writes what is between two lines of text: the line break of the first,
// and those of empty lines.
func (p *scanner) join(fold bool, empty int) {
	if fold {
		p.fold(empty + 1)
	} else {
		p.lines(empty + 1)
	}
}

func (p *scanner) lines(n int) {
	for range n {
		p.buf = append(p.buf, '\n')
	}
}
