package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonStream writes one JSON object member by member and its long lists element
// by element, one a line, so that no list is ever held as text.
type jsonStream struct {
	w     *bufio.Writer
	enc   *json.Encoder
	first bool // no member was written yet at the current level
	err   error
}

func newJSONStream(w *bufio.Writer) *jsonStream {
	enc := json.NewEncoder(asciiControls{w})
	enc.SetEscapeHTML(false)
	return &jsonStream{w: w, enc: enc, first: true}
}

// asciiControls escapes what encoding/json leaves as it is and a terminal or a
// YAML reader would not: DEL, the upper control characters, direction marks and
// the like. In JSON they can only be inside strings, so the value is the same.
type asciiControls struct{ w *bufio.Writer }

// Write takes whole values, so that no character is cut in two.
func (a asciiControls) Write(p []byte) (int, error) {
	done := 0
	for i := 0; i < len(p); {
		if p[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(p[i:])
		if r != utf8.RuneError && unsafeRune(r) {
			a.w.Write(p[done:i])
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				fmt.Fprintf(a.w, `\u%04x\u%04x`, high, low)
			} else {
				fmt.Fprintf(a.w, `\u%04x`, r)
			}
			done = i + size
		}
		i += size
	}
	if _, err := a.w.Write(p[done:]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// open begins an object; name is "" for the outermost one and for list elements.
func (s *jsonStream) open(name string) {
	if name != "" {
		s.key(name)
	}
	s.w.WriteByte('{')
	s.first = true
}

func (s *jsonStream) close() {
	s.w.WriteByte('}')
	s.first = false
}

// key begins a member. Keys are literals of this package that need no escape.
func (s *jsonStream) key(name string) {
	if !s.first {
		s.w.WriteByte(',')
	}
	s.first = false
	s.w.WriteString("\n\"" + name + "\":")
}

// value encodes v; the encoder ends it with a line break.
func (s *jsonStream) value(v any) {
	if s.err == nil {
		s.err = s.enc.Encode(v)
	}
}

func (s *jsonStream) member(name string, v any) {
	s.key(name)
	s.value(v)
}

// list writes a member that is a list of what elements yields.
func (s *jsonStream) list(name string, elements iter.Seq[any]) {
	s.key(name)
	s.w.WriteByte('[')
	sep := "\n"
	for v := range elements {
		s.w.WriteString(sep)
		s.value(v)
		sep = ","
		if s.err != nil {
			return
		}
	}
	s.w.WriteByte(']')
}

// each yields f of every element.
func each[T any](list []T, f func(T) any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, v := range list {
			if !yield(f(v)) {
				return
			}
		}
	}
}
