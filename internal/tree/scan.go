package tree

import "unicode/utf8"

// scanner reads one document in a single pass and builds its nodes. It knows
// the YAML that people and tools write for Kubernetes; at everything else (an
// anchor, a tag, a tab in the indentation, an error) it gives up, and the
// document is read by the library. So every method returns false for "not for
// me", and only limits and duplicate keys are errors of its own, left in err.
//
// A scanner reads the documents of a file one after another and reuses its
// memory for them.
type scanner struct {
	file *File
	s    string // the file's text up to the end of the document
	i    int    // the next byte
	line int    // offset of the current line's first byte, in block context
	col  int    // column of the token at i, from 0; -1 at the end

	around int // column of the block around a flow collection, or -1

	stack []Node // finished nodes whose parent is still being read
	arena []Node // memory of finished collections
	buf   []byte // a scalar being unescaped or folded
	count int
	err   error
}

// scan reads the document from start to end of the file. It returns false when
// the document is not for the scanner. A JSON document may be followed by
// others: rest is where the next one starts, or end.
func (p *scanner) scan(start, end int) (root *Node, rest int, ok bool) {
	p.s = p.file.Text[:end]
	p.i, p.line, p.err, p.count = start, start, nil, 0
	p.stack = p.stack[:0]
	if !p.document() {
		return nil, end, p.err != nil
	}
	if len(p.stack) == 0 {
		return nil, end, true
	}
	if p.col >= 0 { // something follows the root
		if n := &p.stack[0]; n.kind != Map || n.style&Flow == 0 || p.s[p.i] != '{' {
			return nil, end, false
		}
		end = p.i
	}
	n := p.stack[0] // in memory of its own, so that it does not hold the arena's
	return &n, end, true
}

// document reads the marker, if there is one, and the root.
func (p *scanner) document() bool {
	if isMarker(p.s[p.i:], "---") {
		p.i += len("---")
		if !p.sameLine() {
			return p.next() && (p.col < 0 || p.blockNode(-1, 0))
		}
		return p.inlineNode(-1, 0)
	}
	if !p.next() {
		return false
	}
	if p.col < 0 {
		return true
	}
	if c := p.s[p.i]; c == '{' || c == '[' { // what follows a flow root is for scan to judge
		p.around = -1
		return p.flowNode(0) && p.next()
	}
	return p.blockNode(-1, 0)
}

// next moves to the next token over spaces, comments and line ends, and takes
// its column.
func (p *scanner) next() bool {
	s, i := p.s, p.i
	for i < len(s) {
		switch s[i] {
		case ' ':
			i++
		case '\r':
			i++
		case '\n':
			i++
			p.line = i
		case '#':
			i = lineEnd(s, i)
		case '\t':
			return false
		default:
			p.i, p.col = i, i-p.line
			return true
		}
	}
	p.i, p.col = i, -1
	return true
}

// sameLine moves over spaces and reports whether a token follows on the line.
func (p *scanner) sameLine() bool {
	i := p.i
	for i < len(p.s) && p.s[i] == ' ' {
		i++
	}
	p.i = i
	return i < len(p.s) && p.s[i] != '\n' && p.s[i] != '\r' && p.s[i] != '#'
}

// closed moves behind a value that ends at i: nothing but a comment may follow
// on its line.
func (p *scanner) closed() bool {
	end := p.i
	if p.sameLine() || p.i == end && p.i < len(p.s) && p.s[p.i] == '#' {
		return false
	}
	return p.next()
}

// push adds a finished node.
func (p *scanner) push(n Node) bool {
	p.stack = append(p.stack, n)
	p.count++
	if p.count > MaxNodes {
		p.err = p.file.syntax(int(n.start), "more than %d nodes", MaxNodes)
	}
	return p.err == nil
}

// pushText adds a scalar from start to end.
func (p *scanner) pushText(kind Kind, style Style, text string, start, end int) bool {
	n := Node{style: style, keyStart: int32(start), start: int32(start), end: int32(end)}
	n.setText(kind, text)
	return p.push(n)
}

// null adds a value that is not written; at is where it would be.
func (p *scanner) null(at int) bool {
	return p.pushText(Null, 0, "null", at, at)
}

// deeper reports whether a collection at depth may have children.
func (p *scanner) deeper(depth int) bool {
	if depth >= MaxDepth {
		p.err = tooDeep(p.file, p.i)
	}
	return p.err == nil
}

// keep moves the nodes from mark on from the stack to memory of their own.
func (p *scanner) keep(mark int) []Node {
	n := len(p.stack) - mark
	if n == 0 {
		return nil
	}
	if cap(p.arena)-len(p.arena) < n {
		// About as many nodes as are still to come in the file, within bounds that
		// keep small files small and large ones from much slack. Pieces of the size
		// of a document would leave holes between the trees that are sealed.
		p.arena = make([]Node, 0, max(n, min((len(p.file.Text)-p.i)/20+n+8, 512)))
	}
	from := len(p.arena)
	p.arena = append(p.arena, p.stack[mark:]...)
	p.stack = p.stack[:mark]
	return p.arena[from : from+n : from+n]
}

// collect makes a node of the children from mark on.
func (p *scanner) collect(mark int, n Node) bool {
	n.setKids(p.keep(mark))
	n.keyStart = n.start
	return p.push(n)
}

func isBlank(s string, i int) bool {
	return i >= len(s) || s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t'
}

// texture is what a document is made of, as far as parsing must know.
type texture uint8

const (
	simple   texture = iota // for the scanner, as far as characters go
	uncommon                // holds line ends or marks that only the library handles
	binary                  // not text
)

// inspect judges the characters of a document; for what is not text it returns
// where and why.
func inspect(s string) (t texture, at int, reason string) {
	for i := 0; i < len(s); {
		if i+8 <= len(s) && plainWord(s[i:i+8]) {
			i += 8
			continue
		}
		c := s[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		if c == '\r' {
			if i++; i == len(s) || s[i] != '\n' {
				t = uncommon
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return binary, i, "not text: a byte that is not valid UTF-8"
		case r == 0:
			return binary, i, "not text: a NUL byte"
		case r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff:
			return binary, i, "a control character"
		case r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			t = uncommon
		}
		i += size
	}
	return t, 0, ""
}

// plainWord reports whether eight bytes are all printable ASCII.
func plainWord(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	// A byte below 0x20 borrows in the first term, 0x7f carries in the second.
	return ((w-0x20*ones)|(w+ones)|w)&highs == 0
}
