package tree

import (
	"strings"
	"unicode/utf8"
)

// lineEnd returns the offset of the line end at or behind i.
func lineEnd(s string, i int) int {
	if j := strings.IndexByte(s[i:], '\n'); j >= 0 {
		return i + j
	}
	return len(s)
}

// Classes of bytes in plain scalars.
const (
	stopsBlock = 1 << iota // may end a plain scalar in block context
	stopsFlow              // may end one in flow context
	indicator              // cannot start one, or only under conditions
)

var plainClass = func() (t [256]uint8) {
	for _, c := range "\n\r:#" {
		t[c] |= stopsBlock | stopsFlow
	}
	for _, c := range ",[]{}?" {
		t[c] |= stopsFlow
	}
	for _, c := range "-?:,[]{}#&*!|>'\"%@` \t\n\r" {
		t[c] |= indicator
	}
	return t
}()

// plainStart reports whether a plain scalar starts at i. Those that start with
// '?' or ':' are for the library.
func plainStart(s string, i int) bool {
	return plainClass[s[i]]&indicator == 0 || s[i] == '-' && !isBlank(s, i+1)
}

// plainLine finds the end of a plain scalar, or of its part on one line, that
// starts at i, and moves to what ends it: '\n', also for the end of the text,
// '#', ':' (of a key) or, in flow context, one of ",]}". It returns 0 for what
// the library must judge.
func (p *scanner) plainLine(i int, flow bool) (end int, stop byte) {
	s, start := p.s, i
	class := uint8(stopsBlock)
	if flow {
		class = stopsFlow
	}
	stop = '\n'
scan:
	for ; i < len(s); i++ {
		c := s[i]
		if plainClass[c]&class == 0 {
			continue
		}
		switch c {
		case ':':
			if isBlank(s, i+1) {
				stop = ':'
				break scan
			}
		case '#':
			if i > start && (s[i-1] == ' ' || s[i-1] == '\t') {
				stop = '#'
				break scan
			}
		case '\n', '\r':
			break scan
		case ',', ']', '}':
			stop = c
			break scan
		default: // '[', '{' or '?' in flow context
			return i, 0
		}
	}
	p.i = i
	if stop == '#' {
		p.i-- // so that a space is before the comment
	}
	for i > start && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	return i, stop
}

// plain finishes a plain scalar in block context: its first line is from at to
// end, and it goes on as long as lines are indented deeper than indent.
func (p *scanner) plain(at, end int, stop byte, indent int) bool {
	text, end, ok := p.plainText(at, end, stop, indent, false)
	return ok && p.pushPlain(at, end, text) && p.next()
}

func (p *scanner) pushPlain(at, end int, text string) bool {
	kind, text := resolve(text)
	return p.pushText(kind, 0, text, at, end)
}

// plainText folds the lines of a plain scalar. It returns false where a key
// would span lines, and for what the library must judge.
func (p *scanner) plainText(at, end int, stop byte, indent int, flow bool) (string, int, bool) {
	s := p.s
	text, folded := s[at:end], false
	for stop == '\n' {
		next, breaks, ok := continuation(s, p.i, indent, flow)
		if !ok {
			return "", 0, false
		}
		if next < 0 {
			break
		}
		if !folded {
			p.buf, folded = append(p.buf[:0], text...), true
		}
		p.fold(breaks)
		end, stop = p.plainLine(next, flow)
		p.buf = append(p.buf, s[next:end]...)
	}
	if folded {
		text = string(p.buf)
	}
	return text, end, stop != ':' && stop != 0
}

// continuation looks behind the line end at i for a line that continues a
// plain scalar; next is -1 when there is none. It returns ok = false where the
// library must judge.
func continuation(s string, i, indent int, flow bool) (next, breaks int, ok bool) {
	line := i
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' || c == '\r':
		case c == '\n':
			breaks++
			line = i + 1
		case c == '\t':
			if i-line <= indent { // it indents
				return 0, 0, false
			}
		case c == '#', flow && (c == ',' || c == ']' || c == '}'), !flow && i-line <= indent:
			return -1, 0, true
		case flow && plainClass[c]&stopsFlow != 0 && (c != ':' || isBlank(s, i+1)): // or one of "?[{"
			return 0, 0, false
		default:
			return i, breaks, breaks > 0
		}
	}
	return -1, 0, true
}

// fold writes line breaks as a folded scalar has them: one is a space.
func (p *scanner) fold(breaks int) {
	if breaks == 1 {
		p.buf = append(p.buf, ' ')
		return
	}
	p.lines(breaks - 1)
}

func (p *scanner) pushQuoted(at int, text string) bool {
	return p.pushText(String, Quoted, text, at, p.i)
}

// quoted reads the quoted scalar at p.i and stops behind it. Its text shares
// the file's memory when nothing in it is escaped or folded.
func (p *scanner) quoted() (string, bool) {
	s, quote, from := p.s, p.s[p.i], p.i+1
	for i := from; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			if c == '\'' && i+1 < len(s) && s[i+1] == '\'' {
				return p.unquote(from, i, quote)
			}
			p.i = i + 1
			return s[from:i], true
		case c == '\\' && quote == '"', c == '\n', c == '\r':
			return p.unquote(from, i, quote)
		}
	}
	return "", false
}

// unquote reads a quoted scalar from its text on; up to i it is plain.
func (p *scanner) unquote(from, i int, quote byte) (string, bool) {
	s := p.s
	p.buf = append(p.buf[:0], s[from:i]...)
	fixed := 0 // what an escape has written is not trimmed at a line end
	for i < len(s) {
		switch c := s[i]; {
		case c == quote && c == '\'' && i+1 < len(s) && s[i+1] == '\'':
			p.buf = append(p.buf, '\'')
			i += 2
		case c == quote:
			p.i = i + 1
			return string(p.buf), true
		case c == '\\' && quote == '"':
			var ok bool
			if i, ok = p.escape(i + 1); !ok {
				return "", false
			}
			fixed = len(p.buf)
		case c == '\n' || c == '\r':
			for n := len(p.buf); n > fixed && (p.buf[n-1] == ' ' || p.buf[n-1] == '\t'); n-- {
				p.buf = p.buf[:n-1]
			}
			var breaks int
			i, breaks = skipBreaks(s, i)
			p.fold(breaks)
		default:
			p.buf = append(p.buf, c)
			i++
		}
	}
	return "", false
}

// skipBreaks moves over blanks and line ends and counts the latter.
func skipBreaks(s string, i int) (next, breaks int) {
	for ; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r':
		case '\n':
			breaks++
		default:
			return i, breaks
		}
	}
	return i, breaks
}

// simpleEscapes are the escapes of one character.
var simpleEscapes = [256]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '\'': `'`, '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

// escape reads the escape whose backslash is before i and returns what is
// behind it.
func (p *scanner) escape(i int) (int, bool) {
	s := p.s
	if i >= len(s) {
		return i, false
	}
	c := s[i]
	if text := simpleEscapes[c]; text != "" {
		p.buf = append(p.buf, text...)
		return i + 1, true
	}
	switch c {
	case 'x':
		return p.hexEscape(i+1, 2)
	case 'u':
		return p.hexEscape(i+1, 4)
	case 'U':
		return p.hexEscape(i+1, 8)
	case '\r', '\n': // an escaped line end; further ones stand for themselves
		next, breaks := skipBreaks(s, i)
		p.lines(breaks - 1)
		return next, true
	}
	return i, false
}

func (p *scanner) hexEscape(i, digits int) (int, bool) {
	if i+digits > len(p.s) {
		return i, false
	}
	var r rune
	for _, c := range []byte(p.s[i : i+digits]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return i, false
		}
		if r > utf8.MaxRune {
			return i, false
		}
	}
	if !utf8.ValidRune(r) {
		return i, false
	}
	p.buf = utf8.AppendRune(p.buf, r)
	return i + digits, true
}
