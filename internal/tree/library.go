package tree

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// library reads one document by way of the YAML library, which knows all of
// YAML and decides what is an error.
func library(f *File, start, end int) (root *Node, err error) {
	if end-start > MaxUncommon {
		return nil, f.syntax(start, "larger than %d MiB, and either broken or written with anchors, tags or other rare YAML",
			MaxUncommon>>20)
	}
	text := f.Text[start:end]
	y, err := decode(text)
	if err != nil {
		return nil, f.libraryError(start, text, err)
	}
	if y.Kind == 0 || len(y.Content) == 0 {
		return nil, nil
	}
	c := converter{scanner: scanner{file: f, s: f.Text[:end]}, start: start}
	c.findLines(text)
	n, err := c.convert(y.Content[0], 0)
	if err != nil || n.kind == Null && n.start == n.end { // nothing is written
		return nil, err
	}
	return &n, nil
}

var errTrailing = errors.New("content behind the end of the document's value")

// decode calls the library. Its panics, which no input should cause, become
// errors.
func decode(text string) (y yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML library failed on this document")
		}
	}()
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&y); err != nil {
		if errors.Is(err, io.EOF) {
			return yaml.Node{}, nil
		}
		return y, err
	}
	// The library stops behind the root: what follows must be nothing.
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return y, errTrailing
	}
	return y, nil
}

// converter turns the library's nodes into ours.
type converter struct {
	scanner // finds the ends of scalars, which the library does not tell

	start  int   // of the document
	lines  []int // offset of each line's first byte, as the library counts lines
	shared int   // depth of aliases being expanded
	copies int   // nodes that they have added
}

// findLines notes where lines start. The library also ends them at lone
// carriage returns and at the line ends of Unicode.
func (c *converter) findLines(text string) {
	c.lines = append(c.lines, c.start)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch r {
		case '\r':
			if i < len(text) && text[i] == '\n' {
				i++
			}
		case '\n', 0x85, 0x2028, 0x2029:
		default:
			continue
		}
		c.lines = append(c.lines, c.start+i)
	}
}

func (c *converter) offset(y *yaml.Node) int {
	if y.Line < 1 || y.Line > len(c.lines) {
		return len(c.s)
	}
	at := c.lines[y.Line-1]
	for range y.Column - 1 {
		_, size := utf8.DecodeRuneInString(c.s[at:])
		at += size
	}
	return at
}

func (c *converter) convert(y *yaml.Node, depth int) (Node, error) {
	at := c.offset(y)
	if err := c.within(at, depth); err != nil {
		return Node{}, err
	}
	n := Node{keyStart: int32(at), start: int32(at), end: int32(at)}
	if y.Style&yaml.FlowStyle != 0 {
		n.style |= Flow
	}
	if c.shared > 0 || y.Anchor != "" {
		n.style |= Shared
	}
	var err error
	switch y.Kind {
	case yaml.AliasNode:
		c.shared++
		n, err = c.convert(y.Alias, depth+1)
		c.shared--
		n.keyStart, n.start, n.end = int32(at), int32(at), int32(at+len("*")+len(y.Value))
	case yaml.ScalarNode:
		err = c.scalar(&n, y, false)
	case yaml.SequenceNode:
		n.kind = List
		err = c.sequence(&n, y, depth)
	case yaml.MappingNode:
		n.kind = Map
		err = c.mapping(&n, y, depth)
	default:
		err = c.file.syntax(at, "a YAML construct that Kubernetes does not read")
	}
	return n, err
}

// within counts a node and checks the limits.
func (c *converter) within(at, depth int) error {
	if c.count++; c.count > MaxNodes {
		return c.file.syntax(at, "more than %d nodes", MaxNodes)
	}
	if c.shared > 0 {
		if c.copies++; c.copies > MaxShared {
			return c.file.syntax(at, "aliases and merge keys add more than %d nodes", MaxShared)
		}
	}
	if depth > MaxDepth {
		return tooDeep(c.file, at)
	}
	return nil
}
