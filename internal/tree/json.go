package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Fields are names of map entries. A nil value leaves the entry out; otherwise
// it names entries of the maps below, where items of lists count as their list.
type Fields map[string]Fields

// FromJSON builds the tree of a JSON value, without positions and not sealed.
// It differs from [Parse], which reads JSON as YAML, in that it takes all of JSON
// and nothing else. The fields of omit are passed over. The tree shares the
// text's memory, so the text must not be changed afterwards. Errors do not quote
// the text.
//
// Numbers with a fraction or an exponent are what a float of 64 bits holds of
// them, as for the API server; one that is too large for it is an error. Whole
// numbers stay as they are written, also those that no integer of 64 bits holds;
// these are of the kind [Float].
func FromJSON(text []byte, omit Fields) (*Node, error) {
	if !json.Valid(text) {
		return nil, errors.New("not valid JSON")
	}
	d := jsonDecoder{s: unsafe.String(unsafe.SliceData(text), len(text))}
	d.space()
	if err := d.value(omit, 0); err != nil {
		return nil, err
	}
	root := d.stack[0] // in memory of its own, so that it does not hold the stack's
	return &root, nil
}

// jsonDecoder reads text that is valid.
type jsonDecoder struct {
	s     string
	i     int
	stack []Node // finished nodes whose parent is still being read
	count int
}

func (d *jsonDecoder) space() {
	for d.i < len(d.s) && (d.s[d.i] == ' ' || d.s[d.i] == '\n' || d.s[d.i] == '\t' || d.s[d.i] == '\r') {
		d.i++
	}
}

// value reads the value at d.i, pushes it and stops at the next token.
func (d *jsonDecoder) value(omit Fields, depth int) error {
	if d.count++; d.count > MaxNodes {
		return fmt.Errorf("more than %d nodes", MaxNodes)
	}
	var n Node
	switch c := d.s[d.i]; c {
	case '{', '[':
		if depth >= MaxDepth {
			return fmt.Errorf("nested deeper than %d levels", MaxDepth)
		}
		return d.collection(c, omit, depth)
	case '"':
		text, err := d.text()
		if err != nil {
			return err
		}
		n.setText(String, text)
	default:
		start := d.i
		for d.i < len(d.s) && strings.IndexByte(" \n\t\r,]}", d.s[d.i]) < 0 {
			d.i++
		}
		kind, text := resolveJSON(d.s[start:d.i])
		if kind == Unknown {
			return errors.New("a number that is too large")
		}
		n.setText(kind, text)
	}
	d.space()
	d.stack = append(d.stack, n)
	return nil
}

// resolveJSON gives a word or a number of valid JSON its kind and canonical text.
// The kind is Unknown for a number that is out of range.
func resolveJSON(s string) (Kind, string) {
	switch s {
	case "null":
		return Null, s
	case "true", "false":
		return Bool, s
	}
	if decimal(s) {
		return Int, s
	}
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return Int, strconv.FormatInt(i, 10) // -0 is 0
		}
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return Unknown, ""
		}
		return Float, s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Unknown, ""
	}
	return number(f)
}

// collection reads a map or a list.
func (d *jsonDecoder) collection(open byte, omit Fields, depth int) error {
	mark, n := len(d.stack), Node{kind: List}
	seen := keySet{}
	if open == '{' {
		n.kind = Map
	}
	d.i++
	for d.space(); d.s[d.i] != open+2; d.comma() { // ] and } stand two behind [ and {
		if n.kind == List {
			if err := d.value(omit, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := d.entry(&seen, mark, omit, depth); err != nil {
			return err
		}
	}
	d.i++
	d.space()
	n.setKids(append(make([]Node, 0, len(d.stack)-mark), d.stack[mark:]...))
	d.stack = append(d.stack[:mark], n)
	return nil
}

func (d *jsonDecoder) comma() {
	if d.s[d.i] == ',' {
		d.i++
		d.space()
	}
}

// entry reads an entry of a map, which begins at mark of the stack.
func (d *jsonDecoder) entry(seen *keySet, mark int, omit Fields, depth int) error {
	key, err := d.text()
	if err != nil {
		return err
	}
	d.space()
	d.i++ // the colon
	d.space()
	below, named := omit[key]
	if named && below == nil {
		d.skip()
		return nil
	}
	if twice(seen, d.stack[mark:], key) {
		return errors.New("a key stands twice in one map")
	}
	if err := d.value(below, depth+1); err != nil {
		return err
	}
	d.stack[len(d.stack)-1].setKey(key, 0)
	return nil
}

// skip moves over a value.
func (d *jsonDecoder) skip() {
	for depth := 0; ; d.i++ {
		switch d.s[d.i] {
		case '"':
			d.string()
			d.i-- // the loop moves on
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return
			}
			if d.s[d.i] != ',' {
				depth--
			}
		}
	}
}

// string moves over a string and reports whether it holds escapes.
func (d *jsonDecoder) string() (escaped bool) {
	for d.i++; d.s[d.i] != '"'; d.i++ {
		if d.s[d.i] == '\\' {
			escaped = true
			d.i++
		}
	}
	d.i++
	return escaped
}

// text reads a string.
func (d *jsonDecoder) text() (string, error) {
	start := d.i
	if escaped := d.string(); !escaped && utf8.ValidString(d.s[start+1:d.i-1]) {
		return d.s[start+1 : d.i-1], nil
	}
	var text string
	if err := json.Unmarshal([]byte(d.s[start:d.i]), &text); err != nil {
		return "", errors.New("a string that cannot be read")
	}
	return text, nil
}

// AppendJSON writes the value as JSON: implied values are left out, and so is
// what is unknown.
func (n *Node) AppendJSON(to []byte) []byte {
	switch n.Kind() {
	case List, Map:
		brackets := [...]byte{'[', ']'}
		if n.kind == Map {
			brackets = [...]byte{'{', '}'}
		}
		to = append(to, brackets[0])
		first := true
		for i := range n.Children() {
			kid := &n.Children()[i]
			if kid.Has(Implied) || kid.Is(Unknown) {
				continue
			}
			if !first {
				to = append(to, ',')
			}
			if first = false; n.kind == Map {
				to = append(appendJSONText(to, kid.Key()), ':')
			}
			to = kid.AppendJSON(to)
		}
		return append(to, brackets[1])
	case String:
		return appendJSONText(to, n.Text())
	case Unknown, Null:
		return append(to, "null"...)
	}
	return append(to, n.Text()...)
}

func appendJSONText(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // strings can always be written
				quoted = []byte(`""`)
			}
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), s...), '"')
}
