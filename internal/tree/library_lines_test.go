package tree_test

import (
	"errors"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestErrorLines holds that a document which is not YAML names the line that is
// at fault, wherever in the file it begins.
func TestErrorLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		reason     string
	}{
		{"bracket, first line", "a: {b: c\n", 1, "did not find expected ',' or '}'"},
		{"bracket, a line below it", "a: {b: c\nd: e\nf: g\n", 1, "did not find expected ',' or '}'"},
		{"bracket on line 10", strings.Repeat("# x\n", 8) + "z: 1\na: {b: c\nd: e\n", 10, "did not find expected ',' or '}'"},
		{"square bracket", "kind: x\nname: [1\n", 2, "did not find expected ',' or ']'"},
		{"tab", "a:\n  b: 1\n\tc: 2\n", 3, "found a tab character that violates indentation"},
		{"tab in a block scalar", "a: 1\nb: |\n\n\tc\n", 4, "found a tab character where an indentation space is expected"},
		{"tab behind a colon", "a: 1\nb:\n\tc: 2\n", 3, "found character that cannot start any token"},
		{"tab below a map", "a:\n  b:\n    c: 1\n  d:\n\te: 2\n", 5, "found character that cannot start any token"},
		{"JSON", "{\n \"a\": 1,\n \"b\":\n  [1,,2]\n}\n", 4, "did not find expected node content"},
		{"end", "a: 1\nb: [\n\n", 2, "did not find expected node content"},
		{"indentation", "a: 1\nb:\n  c: 1\n  d: 2\n e: 3\n", 5, "did not find expected key"},
		{"list end", "- 1\n- 2\nb: 1\n", 3, "did not find expected '-' indicator"},
		{"mapping values", "a: 1\nb: c: d\n", 2, "mapping values are not allowed in this context"},
		{"no colon", "a: 1\nb\nc: 2\n", 2, "could not find expected ':'"},
		{"quote, first line", "\"a\nb\nc\n", 1, "found unexpected end of stream"},
		{"quote", "a: 1\nb: 'x\nc: 2\n", 2, "found unexpected end of stream"},
		{"escape", "a: 1\nb: \"\\q\"\nc: 2\n", 2, "found unknown escape character"},
		{"alias", "a: 1\n# *nope\nb: *nope\nc: *nope\n", 3, "an alias to an unknown anchor"},
		{"tag", "a: 1\nb: !x!y z\n", 2, "found undefined tag handle"},
		{"behind the value", "[a]\n\nsecret\n", 3, "content behind the end of the document's value"},
		{"carriage returns", "a: 1\r\nb: {c: d\r\n", 2, "did not find expected ',' or '}'"},
		{"line ends of Unicode", "a: 1\u2028b: 2\nc: {d\n", 2, "did not find expected ',' or '}'"},
	} {
		for _, before := range []string{"", "x: 1\ny: 2\n---\n", "x: 1\n---\n# c\n\n---\n", "\ufeff"} {
			text := before + c.text
			line := c.line + strings.Count(before, "\n")
			failed := false
			for _, doc := range parse(text) {
				e, ok := errors.AsType[*tree.SyntaxError](doc.Err)
				if !ok {
					continue
				}
				failed = true
				if e.Line != line || e.Column != 0 || e.Reason != c.reason {
					t.Errorf("%s behind %q: %v, want line %d: %s", c.name, before, e, line, c.reason)
				}
			}
			if !failed {
				t.Errorf("%s behind %q: no error", c.name, before)
			}
		}
	}
}
