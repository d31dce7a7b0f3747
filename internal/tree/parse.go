package tree

import (
	"fmt"
	"iter"
	"math"
	"strings"
)

// Limits of one document. What exceeds them is an error, never a crash.
const (
	MaxDepth  = 200        // nested collections
	MaxNodes  = 10_000_000 // nodes
	MaxShared = 1_000_000  // nodes that aliases and merge keys add

	// MaxUncommon is the size in bytes of a document that uses what is rare in
	// Kubernetes, such as anchors and tags. It is read with more memory.
	MaxUncommon = 8 << 20
)

// SyntaxError says where and why a document could not be read. It never quotes
// the document, which may hold secrets, but for keys. Column is 0 when it is not
// known.
type SyntaxError struct {
	File         *File
	Line, Column int
	Reason       string
}

func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File.Name, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File.Name, e.Line, e.Column, e.Reason)
}

// Document is one YAML document of a file. Root is nil when it is empty or
// holds only comments.
type Document struct {
	File       *File
	Start, End int // byte offsets of the document's text
	Root       *Node
	Err        error // why there is no Root
}

// Parse yields the documents of a file in order. They are what stands between
// lines that start with "---"; JSON documents may also follow each other
// directly. A document that cannot be read yields its error and changes nothing
// for the others.
func Parse(f *File) iter.Seq[Document] {
	return func(yield func(Document) bool) {
		if len(f.Text) > math.MaxInt32 {
			yield(Document{File: f, End: len(f.Text), Err: &SyntaxError{f, 1, 1, "larger than 2 GiB"}})
			return
		}
		p := scanner{file: f}
		for part := range split(f.Text) {
			if !p.part(part, yield) {
				return
			}
		}
	}
}

// part yields the documents of a part of the file: one, or several of JSON.
func (p *scanner) part(part span, yield func(Document) bool) bool {
	f := p.file
	kind, at, reason := inspect(f.Text[part.start:part.end])
	switch {
	case part.stray:
		return yield(Document{File: f, Start: part.start, End: part.end, Err: stray(f, part)})
	case kind == binary:
		return yield(Document{File: f, Start: part.start, End: part.end, Err: f.syntax(part.start+at, "%s", reason)})
	}
	for start := part.start; ; {
		doc := p.read(start, part.end, kind)
		if !yield(doc) {
			return false
		}
		if start = doc.End; start >= part.end {
			return true
		}
	}
}

// read reads the document at start. It ends at end, or where the next JSON
// document begins.
func (p *scanner) read(start, end int, kind texture) Document {
	f := p.file
	doc := Document{File: f, Start: start, End: end}
	if kind == simple {
		root, rest, ok := p.scan(start, end)
		if ok {
			doc.Root, doc.End, doc.Err = root, rest, unrendered(f, start, end, p.err)
			return doc
		}
	}
	root, err := library(f, start, end)
	doc.Root, doc.Err = root, unrendered(f, start, end, err)
	return doc
}

func stray(f *File, part span) error {
	at := part.start + firstToken(f.Text[part.start:part.end])
	return f.syntax(at, `content behind the end marker "...", which Kubernetes does not read; begin a document with "---"`)
}

func (f *File) syntax(offset int, format string, args ...any) error {
	line, column := f.Position(offset)
	return &SyntaxError{File: f, Line: line, Column: column, Reason: fmt.Sprintf(format, args...)}
}

func tooDeep(f *File, at int) error {
	return f.syntax(at, "nested deeper than %d levels", MaxDepth)
}

func duplicateKey(f *File, at int, key string) error {
	return f.syntax(at, "the key %q stands twice in one map", key)
}

// unrendered explains an error by the first line that is a template's: one
// that starts with {{, or whose value does.
func unrendered(f *File, start, end int, err error) error {
	if err == nil {
		return nil
	}
	for i := start; i < end; i = afterLine(f.Text[:end], i) {
		line := f.Text[i:lineEnd(f.Text[:end], i)]
		open := strings.Index(line, "{{")
		if open < 0 {
			continue
		}
		before := strings.TrimRight(line[:open], " \t")
		if before == "" || strings.HasSuffix(before, ":") || strings.HasSuffix(before, "-") {
			return f.syntax(i+open, "an unrendered template: render it before it is checked")
		}
	}
	return err
}
