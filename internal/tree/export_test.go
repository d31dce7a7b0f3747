package tree

import "unsafe"

// Scan reads one document by the scanner alone; ok is false when the document
// is not for it.
func Scan(f *File, start, end int) (root *Node, rest int, err error, ok bool) {
	if kind, _, _ := inspect(f.Text[start:end]); kind != simple {
		return nil, end, nil, false
	}
	p := scanner{file: f}
	root, rest, ok = p.scan(start, end)
	return root, rest, p.err, ok
}

// Library reads one document by way of the YAML library alone.
func Library(f *File, start, end int) (*Node, error) {
	if kind, at, reason := inspect(f.Text[start:end]); kind == binary {
		return nil, f.syntax(start+at, "%s", reason)
	}
	return library(f, start, end)
}

// NodeSize is the memory of one node.
const NodeSize = unsafe.Sizeof(Node{})
