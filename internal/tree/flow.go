package tree

import "strings"

// flowNode reads the value at p.i inside, or at the start of, a flow
// collection, and stops behind it.
func (p *scanner) flowNode(depth int) bool {
	at := p.i
	switch p.s[at] {
	case '[':
		return p.flowList(depth)
	case '{':
		return p.flowMap(depth)
	case '"', '\'':
		text, ok := p.quoted()
		return ok && p.pushQuoted(at, text)
	}
	if !plainStart(p.s, at) {
		return false
	}
	end, stop := p.plainLine(at, true)
	text, end, ok := p.plainText(at, end, stop, p.around, true)
	return ok && p.pushPlain(at, end, text)
}

func (p *scanner) flowList(depth int) bool {
	mark, start := len(p.stack), p.i
	p.i++
	for {
		c, ok := p.flowNext()
		if !ok {
			return false
		}
		if c == ']' {
			break
		}
		if !p.deeper(depth) || !p.flowNode(depth+1) || !p.flowEnd(']') {
			return false
		}
	}
	p.i++
	return p.collect(mark, Node{kind: List, style: Flow, start: int32(start), end: int32(p.i)})
}

func (p *scanner) flowMap(depth int) bool {
	mark, start := len(p.stack), p.i
	keys := keySet{}
	p.i++
	for {
		c, ok := p.flowNext()
		if !ok {
			return false
		}
		if c == '}' {
			break
		}
		at := p.i
		key, ok := p.flowKey()
		if !ok || p.duplicate(&keys, mark, at, key) || !p.deeper(depth) ||
			!p.flowValue(depth+1) || !p.flowEnd('}') {
			return false
		}
		p.stack[len(p.stack)-1].setKey(key, at)
	}
	p.i++
	return p.collect(mark, Node{kind: Map, style: Flow, start: int32(start), end: int32(p.i)})
}

// flowKey reads a key and stops at its colon, or at the comma or brace behind
// a key without a value.
func (p *scanner) flowKey() (key string, ok bool) {
	at := p.i
	if c := p.s[at]; c == '"' || c == '\'' {
		key, ok = p.quoted()
		if !ok || !p.keySpan(at) {
			return "", false
		}
	} else {
		if !plainStart(p.s, at) {
			return "", false
		}
		end, stop := p.plainLine(at, true)
		if stop == 0 || end-at > maxKey {
			return "", false
		}
		if stop == '\n' {
			if next, _, ok := continuation(p.s, p.i, p.around, true); !ok || next >= 0 {
				return "", false
			}
		}
		if key, ok = plainKey(p.s[at:end]); !ok {
			return "", false
		}
	}
	end := p.i
	c, ok := p.flowNext()
	return key, ok && (c == ',' || c == '}' || c == ':' && strings.IndexByte(p.s[end:p.i], '\n') < 0)
}

// flowValue reads what follows a key.
func (p *scanner) flowValue(depth int) bool {
	if p.s[p.i] != ':' {
		return p.null(p.i)
	}
	p.i++
	c, ok := p.flowNext()
	if !ok {
		return false
	}
	if c == ',' || c == '}' {
		return p.null(p.i)
	}
	return p.flowNode(depth)
}

// flowEnd moves over the comma behind an item, or stops at the bracket that
// ends the collection.
func (p *scanner) flowEnd(bracket byte) bool {
	c, ok := p.flowNext()
	if c == ',' {
		p.i++
		return ok
	}
	return ok && c == bracket
}

// flowNext moves to the next token and returns its first byte.
func (p *scanner) flowNext() (byte, bool) {
	s, i := p.s, p.i
	for i < len(s) {
		switch c := s[i]; c {
		case ' ', '\n', '\t', '\r':
			i++
		case '#':
			if i == p.i {
				return 0, false // a comment that no space precedes
			}
			i = lineEnd(s, i)
		default:
			p.i = i
			return c, true
		}
	}
	p.i = i
	return 0, false
}
