package tree

import (
	"errors"
	"fmt"
	"strings"
)

// Decoder reads documents of our own formats strictly: a field that is not
// known and a value of the wrong kind are errors with their place. It gathers
// all of them.
type Decoder struct {
	File *File
	errs []error
}

// Err returns what was wrong so far.
func (d *Decoder) Err() error { return errors.Join(d.errs...) }

// Failures returns how many errors there were so far.
func (d *Decoder) Failures() int { return len(d.errs) }

// Fail notes an error at a node; a nil node stands for the file.
func (d *Decoder) Fail(n *Node, format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("%s: %s", d.Place(n), fmt.Sprintf(format, args...)))
}

// Place writes where a node stands, or its key in a map, as FILE:LINE:COLUMN.
func (d *Decoder) Place(n *Node) string {
	line, column := 1, 1
	if n != nil {
		line, column = d.File.Position(n.KeyStart())
	}
	return fmt.Sprintf("%s:%d:%d", d.File.Name, line, column)
}

// Fields calls the reader of each field of a map.
func (d *Decoder) Fields(n *Node, readers map[string]func(*Node)) {
	if !n.Is(Map) {
		d.Fail(n, "%s is %s, not a map", name(n), n.Kind().Noun())
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		if read, known := readers[kid.Key()]; known {
			read(kid)
		} else {
			d.Fail(kid, "unknown field %q", kid.Key())
		}
	}
}

func name(n *Node) string {
	if n.Key() == "" {
		return "this"
	}
	return n.Key()
}

// Each calls read for the items of a list.
func (d *Decoder) Each(n *Node, read func(*Node)) {
	if !n.Is(List) {
		d.Fail(n, "%s is %s, not a list", name(n), n.Kind().Noun())
		return
	}
	for i := range n.Children() {
		read(&n.Children()[i])
	}
}

// Text reads a string, without the white space around it.
func (d *Decoder) Text(into *string) func(*Node) {
	return func(n *Node) {
		if !n.Is(String) {
			d.Fail(n, "%s is %s, not a string", name(n), n.Kind().Noun())
		}
		*into = strings.TrimSpace(n.Str())
	}
}

// Texts reads a list of strings.
func (d *Decoder) Texts(into *[]string) func(*Node) {
	return func(n *Node) {
		d.Each(n, func(item *Node) {
			var s string
			d.Text(&s)(item)
			*into = append(*into, s)
		})
	}
}

// Ignore reads a field that says nothing new.
func (d *Decoder) Ignore(*Node) {}
