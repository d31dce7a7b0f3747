package tree

import (
	"encoding/base64"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (c *converter) sequence(n *Node, y *yaml.Node, depth int) error {
	kids := make([]Node, 0, len(y.Content))
	end := -1
	for _, item := range y.Content {
		kid, err := c.convert(item, depth+1)
		if err != nil {
			return err
		}
		kids = append(kids, kid)
		end = int(kid.end)
	}
	n.setKids(kids)
	c.close(n, end, '[')
	return nil
}

func (c *converter) mapping(n *Node, y *yaml.Node, depth int) error {
	entries := entries{list: make([]Node, 0, len(y.Content)/2), by: make(map[string]int, len(y.Content)/2)}
	end := -1
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			var err error
			if end, err = c.merge(&entries, value, depth); err != nil {
				return err
			}
			continue
		}
		at := c.offset(key)
		name, err := c.key(key)
		if err != nil {
			return err
		}
		kid, err := c.convert(value, depth+1)
		if err != nil {
			return err
		}
		kid.setKey(name, at)
		end = int(kid.end)
		if !entries.write(kid) {
			return duplicateKey(c.file, at, name)
		}
	}
	n.setKids(entries.list)
	c.close(n, end, '{')
	return nil
}

func (c *converter) key(y *yaml.Node) (string, error) {
	at := c.offset(y)
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind != yaml.ScalarNode {
		return "", c.file.syntax(at, "a key that is not a scalar")
	}
	k := Node{start: int32(c.offset(y))}
	if err := c.scalar(&k, y, true); err != nil {
		return "", err
	}
	if k.kind == Null {
		return "", c.file.syntax(at, "a key that is null")
	}
	return k.Text(), nil
}

// entries are those of a map while it is built.
type entries struct {
	list   []Node
	by     map[string]int  // index of each key
	merged map[string]bool // keys that only a merge has brought
}

// write adds an entry that stands in the map itself, or returns false when it
// is the second with its key.
func (e *entries) write(kid Node) bool {
	if _, found := e.by[kid.Key()]; found && !e.merged[kid.Key()] {
		return false
	}
	delete(e.merged, kid.Key())
	e.put(kid)
	return true
}

// merge adds an entry that stands elsewhere.
func (e *entries) merge(kid Node) {
	if _, found := e.by[kid.Key()]; !found {
		if e.merged == nil {
			e.merged = map[string]bool{}
		}
		e.merged[kid.Key()] = true
	}
	e.put(kid)
}

func (e *entries) put(kid Node) {
	if i, found := e.by[kid.Key()]; found {
		e.list[i] = kid
		return
	}
	e.by[kid.Key()] = len(e.list)
	e.list = append(e.list, kid)
}

// merge adds what a merge key brings. As in sigs.k8s.io/yaml the last one in
// the file wins: the merge replaces what stands before it and is replaced by
// what stands behind it. In a list of maps the first wins.
func (c *converter) merge(e *entries, y *yaml.Node, depth int) (end int, err error) {
	c.shared++
	defer func() { c.shared-- }()
	m, err := c.convert(y, depth+1)
	if err != nil {
		return 0, err
	}
	from := []Node{m}
	if m.kind == List {
		from = m.Children()
	}
	for i := len(from) - 1; i >= 0; i-- {
		if from[i].kind != Map {
			return 0, c.file.syntax(int(m.start), "a merge key takes a map or a list of maps")
		}
		for _, kid := range from[i].Children() {
			e.merge(kid)
		}
	}
	return int(m.end), nil
}

// close sets the end of a collection: behind its last child, or behind the
// bracket of a flow collection. last is -1 when there is no child.
func (c *converter) close(n *Node, last int, open byte) {
	c.i, _, _ = c.properties(int(n.start))
	if n.style&Flow == 0 || c.i >= len(c.s) || c.s[c.i] != open { // [a: b] holds a map without brackets
		n.end = max(n.end, int32(last))
		return
	}
	c.i = max(c.i+1, last)
	n.end = int32(c.i)
	for {
		t, ok := c.flowNext()
		if !ok || t != ',' && t != open+2 { // '[' and ']', '{' and '}' are two apart
			return
		}
		c.i++
		if t == open+2 {
			n.end = int32(c.i)
			return
		}
	}
}

// properties moves over the anchor and the tag at i to the value itself.
// behind is where they end; verbatim reports the tag "!", which makes every
// scalar a string.
func (c *converter) properties(i int) (at, behind int, verbatim bool) {
	s := c.s
	behind = i
	for i < len(s) && (s[i] == '&' || s[i] == '!') {
		from := i
		for i < len(s) && !isBlank(s, i) && (s[from] == '!' || strings.IndexByte(",]}?:%@`", s[i]) < 0) {
			i++
		}
		verbatim = verbatim || s[from:i] == "!"
		behind = i
		c.i = i
		if _, ok := c.flowNext(); !ok {
			break
		}
		i = c.i
	}
	return i, behind, verbatim
}

func (c *converter) scalar(n *Node, y *yaml.Node, key bool) error {
	if y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		n.style |= Quoted
	}
	if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		n.style |= Literal
	}
	at, behind, verbatim := c.properties(int(n.start))
	n.end = int32(c.scalarEnd(at, behind, y))
	n.setText(String, y.Value)
	if y.Style&yaml.TaggedStyle != 0 {
		return c.tagged(n, y)
	}
	if n.style&(Quoted|Literal) == 0 && !verbatim {
		if key {
			n.setText(resolveKey(y.Value))
		} else {
			n.setText(resolve(y.Value))
		}
	}
	return nil
}

// tagged gives a scalar the type that its tag asks for. Unknown tags make
// strings.
func (c *converter) tagged(n *Node, y *yaml.Node) error {
	kind, text := resolve(y.Value)
	fits := true
	switch y.Tag {
	case "!!null":
		fits = kind == Null
	case "!!bool":
		fits = kind == Bool
	case "!!int":
		fits = kind == Int
	case "!!float":
		fits = kind == Int || kind == Float
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(y.Value)
		if err != nil {
			return c.file.syntax(int(n.start), "a binary scalar that is not base64")
		}
		// JSON has no bytes: what is not UTF-8 becomes replacement characters.
		n.setText(String, string([]rune(string(data))))
		return nil
	default:
		return nil
	}
	if !fits {
		return c.file.syntax(int(n.start), "a value that its tag %s does not fit", y.Tag)
	}
	n.setText(kind, text)
	return nil
}

// scalarEnd finds the end of the scalar that starts at at, or that is empty and
// whose properties end at behind. The library does not tell, so the scalar is
// read once more, and that reading counts when it gives the same value.
func (c *converter) scalarEnd(at, behind int, y *yaml.Node) int {
	plain := y.Style&^yaml.TaggedStyle == 0
	if at >= len(c.s) || plain && y.Value == "" {
		return behind
	}
	c.i = at
	if c.s[at] == '"' || c.s[at] == '\'' {
		if text, ok := c.quoted(); ok && text == y.Value {
			return c.i
		}
	} else if plain {
		end, stop := c.plainLine(at, true)
		if text, end, _ := c.plainText(at, end, stop, -1, true); text == y.Value {
			return end
		}
	}
	const tries = 256
	indent := min(at-c.lineStart(at), tries)
	for ; indent >= -1; indent-- {
		c.i = at
		if plain {
			end, stop := c.plainLine(at, false)
			if text, end, _ := c.plainText(at, end, stop, indent, false); text == y.Value {
				return end
			}
		} else if c.s[at] == '|' || c.s[at] == '>' {
			if text, end, ok := c.literalText(indent); ok && text == y.Value {
				return end
			}
		}
	}
	if !plain {
		return lineEnd(c.s, at)
	}
	return min(at+len(y.Value), lineEnd(c.s, at))
}

func (c *converter) lineStart(i int) int { return strings.LastIndexByte(c.s[:i], '\n') + 1 }
