package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
)

// writeJSON writes a value as an indented document of JSON.
func writeJSON(w io.Writer, v any) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(&indenter{Writer: out})
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	return out.Flush()
}

// indenter writes compact JSON as [json.Indent] does, while it passes: a large
// document is not held a second time.
type indenter struct {
	*bufio.Writer        // whose errors come with Flush
	depth         int    // of lists and objects that are open
	opened        bool   // the one that was opened last is empty so far
	inside        bool   // of a string
	escaped       bool   // the last byte was a backslash in a string
	spaces        string // as many as were needed
}

func (i *indenter) Write(text []byte) (int, error) {
	for _, c := range text {
		if i.inside {
			i.inside, i.escaped = c != '"' || i.escaped, c == '\\' && !i.escaped
			_ = i.WriteByte(c)
			continue
		}
		closing := c == '}' || c == ']'
		if closing {
			i.depth--
		}
		if closing != i.opened && (closing || i.opened) {
			i.line()
		}
		i.opened, i.inside = c == '{' || c == '[', c == '"'
		_ = i.WriteByte(c)
		switch {
		case i.opened:
			i.depth++
		case c == ',':
			i.line()
		case c == ':':
			_ = i.WriteByte(' ')
		}
	}
	return len(text), nil
}

// line begins a line.
func (i *indenter) line() {
	for len(i.spaces) < 2*i.depth {
		i.spaces += strings.Repeat("  ", 8)
	}
	_ = i.WriteByte('\n')
	_, _ = i.WriteString(i.spaces[:2*i.depth])
}
