package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// The JSON form of ullage access dangers is written holder by holder: who is bound to
// roles over many names makes it larger than memory.

type dangerJSON struct {
	Right    string         `json:"right"`
	Group    string         `json:"group"`
	Severity model.Severity `json:"severity"`
	Gain     string         `json:"gain"`
	Attack   []string       `json:"attack"`
	PartOf   string         `json:"partOf,omitempty"`
	// Behind these stand holders and, where aggregated roles give it over more
	// names, "more".
}

type holderJSON struct {
	Subject string      `json:"subject"`
	System  bool        `json:"system"`
	Scope   string      `json:"scope"` // a namespace; "" is the whole cluster
	Names   []string    `json:"resourceNames,omitempty"`
	Proofs  []proofJSON `json:"proofs"`
}

type noteJSON struct {
	ID      string       `json:"id"`
	Text    string       `json:"text"`
	Subject string       `json:"subject,omitempty"`
	Binding *bindingJSON `json:"binding,omitempty"`
	Role    *roleJSON    `json:"role,omitempty"`
}

func asNote(n access.Note) noteJSON {
	one := noteJSON{ID: n.ID, Text: n.Text}
	if n.Subject != (access.Subject{}) {
		one.Subject = n.Subject.String()
	}
	if n.Binding != (access.Binding{}) {
		binding, role := asBinding(n.Binding), asRole(n.Binding)
		one.Binding, one.Role = &binding, &role
	} else if n.Role != nil {
		one.Role = &roleJSON{n.Role.Kind(), n.Role.Namespace, n.Role.Name, placeOf(n.Role.Object), true}
	}
	return one
}

func writeDangersJSON(w io.Writer, dangers []access.Danger, notes []access.Note, unread string) error {
	s := jsonStream{w: bufio.NewWriter(w)}
	s.open('{')
	s.key("dangers")
	s.open('[')
	for _, d := range dangers {
		info := d.Right.Info()
		s.begin(dangerJSON{info.Name, info.Group, info.Severity, info.Gain, info.Attack, info.Part})
		s.key("holders")
		s.open('[')
		for _, h := range d.Holders {
			s.value(holderJSON{h.Subject.String(), h.System, h.Namespace, h.Names, asProofs(h.Proofs)})
		}
		s.end(']')
		if d.More {
			s.key("more")
			s.put([]byte("true"))
		}
		s.end('}')
	}
	s.end(']')
	s.key("notes")
	s.open('[')
	for _, n := range notes {
		s.value(asNote(n))
	}
	s.end(']')
	if unread != "" {
		s.key("moreBecause")
		s.put(s.encode(reasonsOf(unread)))
	}
	s.end('}')
	s.put([]byte{'\n'})
	if s.err != nil {
		return s.err
	}
	return s.w.Flush()
}

// jsonStream writes nested lists and objects as [writeJSON] does, but piece by piece.
// The first error stands in err, and ends the writing.
type jsonStream struct {
	w     *bufio.Writer
	depth int
	some  bool // something stands in the innermost list or object
	err   error

	text    bytes.Buffer
	encoder *json.Encoder // into text
}

func (s *jsonStream) put(text []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(text)
	}
}

// item begins the next item of a list, or entry of an object.
func (s *jsonStream) item() {
	if s.some {
		s.put([]byte{','})
	}
	s.line()
	s.some = true
}

// line begins a line.
func (s *jsonStream) line() {
	s.put([]byte{'\n'})
	s.put([]byte(strings.Repeat("  ", s.depth)))
}

func (s *jsonStream) key(name string) {
	s.item()
	s.put([]byte(`"` + name + `": `))
}

// open begins a list or an object, as the value of a key or on its own.
func (s *jsonStream) open(bracket byte) {
	s.put([]byte{bracket})
	s.depth, s.some = s.depth+1, false
}

func (s *jsonStream) end(bracket byte) {
	s.depth--
	if s.some {
		s.line()
	}
	s.put([]byte{bracket})
	s.some = true
}

// value writes an item of a list.
func (s *jsonStream) value(v any) {
	s.item()
	s.put(s.encode(v))
}

// begin writes an item that is an object, and leaves it open.
func (s *jsonStream) begin(v any) {
	s.item()
	text := s.encode(v)
	s.put(text[:bytes.LastIndexByte(text, '\n')])
	s.depth, s.some = s.depth+1, true
}

// encode returns the text of a value, which holds until the next one.
func (s *jsonStream) encode(v any) []byte {
	if s.encoder == nil {
		s.encoder = json.NewEncoder(&s.text)
		s.encoder.SetEscapeHTML(false)
	}
	s.text.Reset()
	s.encoder.SetIndent(strings.Repeat("  ", s.depth), "  ")
	if err := s.encoder.Encode(v); err != nil {
		s.err = cmp.Or(s.err, err)
		return []byte{'\n'}
	}
	return bytes.TrimRight(s.text.Bytes(), "\n")
}
