package tree

import "strings"

// maxKey bounds the length of a key. YAML allows 1024 characters from its
// start to the colon; longer ones are for the library to judge.
const maxKey = 1000

// blockNode reads the value whose first token is at p.i in column p.col, where
// a block collection may start. indent is the column of the block around it,
// or -1.
func (p *scanner) blockNode(indent, depth int) bool {
	s, at, col := p.s, p.i, p.col
	switch s[at] {
	case '-':
		if isBlank(s, at+1) {
			return p.sequence(col, depth)
		}
	case '[', '{', '|', '>':
		return p.inlineNode(indent, depth)
	case '"', '\'':
		text, ok := p.quoted()
		if !ok {
			return false
		}
		if p.isKey() {
			return p.keySpan(at) && p.mapping(col, at, text, depth)
		}
		return p.pushQuoted(at, text) && p.closed()
	}
	if !plainStart(s, at) {
		return false
	}
	end, stop := p.plainLine(at, false)
	if stop == ':' {
		if end-at > maxKey {
			return false
		}
		key, ok := plainKey(s[at:end])
		return ok && p.mapping(col, at, key, depth)
	}
	return p.plain(at, end, stop, indent)
}

// inlineNode reads a value that stands behind its key, or wherever no block
// collection may start.
func (p *scanner) inlineNode(indent, depth int) bool {
	s, at := p.s, p.i
	switch s[at] {
	case '"', '\'':
		text, ok := p.quoted()
		return ok && p.pushQuoted(at, text) && p.closed()
	case '|', '>':
		return p.blockScalar(indent)
	case '[', '{':
		p.around = indent
		return p.flowNode(depth) && p.closed()
	}
	if !plainStart(s, at) {
		return false
	}
	end, stop := p.plainLine(at, false)
	return p.plain(at, end, stop, indent)
}

// sequence reads the items at column col, from the '-' at p.i on.
func (p *scanner) sequence(col, depth int) bool {
	if !p.deeper(depth) {
		return false
	}
	mark, start := len(p.stack), p.i
	for p.col == col && p.s[p.i] == '-' && isBlank(p.s, p.i+1) {
		p.i++
		behind := p.i
		if p.sameLine() {
			p.col = p.i - p.line
			if !p.blockNode(col, depth+1) {
				return false
			}
			continue
		}
		if !p.next() {
			return false
		}
		if p.col <= col {
			if !p.null(behind) {
				return false
			}
		} else if !p.blockNode(col, depth+1) {
			return false
		}
	}
	if p.col > col {
		return false
	}
	return p.collect(mark, Node{kind: List, start: int32(start), end: p.stack[len(p.stack)-1].end})
}

// mapping reads the entries at column col. The first key has been read, and
// p.i is at its colon.
func (p *scanner) mapping(col, keyStart int, key string, depth int) bool {
	if !p.deeper(depth) {
		return false
	}
	mark, start := len(p.stack), keyStart
	keys := keySet{}
	for {
		if p.duplicate(&keys, mark, keyStart, key) || !p.entry(col, depth) {
			return false
		}
		p.stack[len(p.stack)-1].setKey(key, keyStart)
		if p.col != col {
			break
		}
		keyStart = p.i
		var ok bool
		if key, ok = p.key(); !ok {
			return false
		}
	}
	if p.col > col {
		return false
	}
	end := p.stack[len(p.stack)-1].end
	return p.collect(mark, Node{kind: Map, start: int32(start), end: end})
}

// entry reads the value behind the colon at p.i.
func (p *scanner) entry(col, depth int) bool {
	p.i++
	behind := p.i
	if p.sameLine() {
		return p.inlineNode(col, depth+1)
	}
	if !p.next() {
		return false
	}
	switch {
	case p.col > col:
		return p.blockNode(col, depth+1)
	case p.col == col && p.s[p.i] == '-' && isBlank(p.s, p.i+1):
		// A list may stand at the column of its key.
		return p.sequence(col, depth+1)
	}
	return p.null(behind)
}

// key reads the key at p.i and stops at its colon.
func (p *scanner) key() (key string, ok bool) {
	at := p.i
	if c := p.s[at]; c == '"' || c == '\'' {
		key, ok = p.quoted()
		return key, ok && p.isKey() && p.keySpan(at)
	}
	if !plainStart(p.s, at) {
		return "", false
	}
	end, stop := p.plainLine(at, false)
	if stop != ':' || end-at > maxKey {
		return "", false
	}
	return plainKey(p.s[at:end])
}

// isKey reports whether a colon follows, and moves to it.
func (p *scanner) isKey() bool {
	i := p.i
	for i < len(p.s) && p.s[i] == ' ' {
		i++
	}
	if i >= len(p.s) || p.s[i] != ':' || !isBlank(p.s, i+1) {
		return false
	}
	p.i = i
	return true
}

// keySpan reports whether a quoted key from at to p.i is one that can be.
func (p *scanner) keySpan(at int) bool {
	return p.i-at <= maxKey && strings.IndexByte(p.s[at:p.i], '\n') < 0
}

// plainKey resolves a key; null keys and merge keys are for the library.
func plainKey(s string) (string, bool) {
	if s == "<<" {
		return "", false
	}
	kind, key := resolveKey(s)
	return key, kind != Null
}

// keySet finds duplicate keys of a map in linear time. Small maps are searched
// instead.
type keySet map[string]struct{}

const smallMap = 24

// duplicate reports whether the key is among the entries from mark on.
func (p *scanner) duplicate(keys *keySet, mark, at int, key string) bool {
	if twice(keys, p.stack[mark:], key) {
		p.err = duplicateKey(p.file, at, key)
		return true
	}
	return false
}

// twice reports whether one of the entries has the key, and else expects that
// it will be added.
func twice(keys *keySet, entries []Node, key string) bool {
	if len(entries) < smallMap {
		for i := range entries {
			if entries[i].Key() == key {
				return true
			}
		}
		return false
	}
	if len(*keys) == 0 {
		*keys = make(keySet, 2*len(entries))
		for i := range entries {
			(*keys)[entries[i].Key()] = struct{}{}
		}
	}
	_, found := (*keys)[key]
	(*keys)[key] = struct{}{}
	return found
}
