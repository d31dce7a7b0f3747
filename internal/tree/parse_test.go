package tree_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

func parse(text string) []tree.Document {
	return slices.Collect(tree.Parse(&tree.File{Name: "f.yaml", Text: text}))
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"---\n", nil},
		{"a", []string{"a"}},
		{"---\na\n", []string{"a\n"}},
		{"a\n---\nb\n", []string{"a\n", "b\n"}},
		{"a\r\n---\r\nb\r\n", []string{"a\r\n", "b\r\n"}},
		{"a\n--- # c\nb\n---\t\nc", []string{"a\n", "b\n", "c"}},
		{"a\n--- b\n---\nc", []string{"a\n", "--- b\n", "c"}},
		{"a\n---\n---\nb", []string{"a\n", "", "b"}},
		{"\ufeffa\n---\nb", []string{"a\n", "b"}},
		{"# c\n---\na\n---\n", []string{"# c\n", "a\n"}},
		{"a: |\n  ---\n  b\n---\nc", []string{"a: |\n  ---\n  b\n", "c"}},
		{"a\n...\n---\nb\n...\n", []string{"a\n", "b\n"}},
		{"a\n...\nb\n---\nc\n", []string{"a\n", "b\n", "c\n"}},
		{"%YAML 1.1\n---\na\n---\nb", []string{"%YAML 1.1\n---\na\n", "b"}},
		{"a\n...\n%YAML 1.1\n---\nb", []string{"a\n", "b"}},
		{"{a: 1}{b: 2}\n{c: 3}\n---\nd", []string{"{a: 1}", "{b: 2}\n", "{c: 3}\n", "d"}},
	} {
		var got []string
		for _, d := range parse(c.text) {
			got = append(got, c.text[d.Start:d.End])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text, want string
	}{
		{"a: 1\nb: 2\na: 3\n", `f.yaml:3:1: the key "a" stands twice in one map`},
		{"---\nx: {a: 1, a: 2}\n", `f.yaml:2:11: the key "a" stands twice in one map`},
		{"x: &y 1\na: *y\na: 3\n", `f.yaml:3:1: the key "a" stands twice in one map`},
		{"1: a\n\"1\": b\n", `f.yaml:2:1: the key "1" stands twice in one map`},
		{"a: b\n...\nc: d\n", `f.yaml:3:1: content behind the end marker`},
		{"[a]\nsecret\n", `f.yaml:2: content behind the end of the document's value`},
		{"a: \x00\n", `f.yaml:1:4: not text: a NUL byte`},
		{"a: b\nc: \xffsecret\n", `f.yaml:2:4: not text: a byte that is not valid UTF-8`},
		{"a: \x1b\n", `f.yaml:1:4: a control character`},
		{"a: b\nc: {{ .Values.secret }}\n", `f.yaml:2:4: an unrendered template`},
		{"{{- if .Values.secret }}\na: b\n{{- end }}\n", `f.yaml:1:1: an unrendered template`},
		{"a:\n  - {{ include \"x\" . | nindent 4 }}\n", `f.yaml:2:5: an unrendered template`},
		{"a: *secret\n", `f.yaml:1: an alias to an unknown anchor`},
		{"a: \"\\qsecret\"\n", `f.yaml:1: found unknown escape character`},
		{"? [secret]\n: b\n", `f.yaml:1:3: a key that is not a scalar`},
		{"null: secret\n", `f.yaml:1:1: a key that is null`},
		{"a: !!int secret\n", `f.yaml:1:4: a value that its tag !!int does not fit`},
		{"a: b\n\tc: secret\n", `f.yaml:2: found a tab`},
		{"a: [secret\n", `f.yaml:1: did not find expected ',' or ']'`},
	} {
		docs := parse(c.text)
		err := docs[len(docs)-1].Err
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// Text in braces is not a template where the document can be read, nor is it
// to blame for every error.
func TestNotATemplate(t *testing.T) {
	for _, text := range []string{"a: \"{{ x }}\"\n", "a: 'x {{ $labels.y }}'\n", "a: |\n  {{ x }}\n", "# {{ x }}\na: b\n", "a: x {{ y }}\n"} {
		if docs := parse(text); docs[0].Err != nil {
			t.Errorf("%q: %v", text, docs[0].Err)
		}
	}
	if err := parse("a: \"{{ x }}\"\na: b\n")[0].Err; err == nil || strings.Contains(err.Error(), "template") {
		t.Error(err)
	}
}

func TestBrokenDocumentLeavesOthersAlone(t *testing.T) {
	for _, broken := range []string{"a: [", "a: 'b", "\x00", "a: 1\na: 2", "{{ x }}", strings.Repeat("[", 500), "a: *b", "- a\nb: c", "\xff"} {
		docs := parse("a: 1\n---\n" + broken + "\n---\nb: 2\n")
		if len(docs) != 3 || docs[0].Err != nil || docs[1].Err == nil || docs[2].Err != nil {
			t.Errorf("%q: %v", broken, docs)
			continue
		}
		if v, _ := docs[2].Root.Get("b").Int(); v != 2 {
			t.Errorf("%q: third document %v", broken, docs[2].Root.Native())
		}
	}
}

// Hostile documents are refused, whether the scanner or the library reads
// them; that it does not take long shows in the time of the test.
func TestHostile(t *testing.T) {
	const deep = 10_000
	steps := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", i), line)
		}
		return b.String()
	}
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 30 {
		bomb += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	merges := "a0: &a0 {x: 1}\n"
	for i := range 30 {
		merges += fmt.Sprintf("a%d: &a%d {<<: [%s*a%d], k%d: 1}\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i, i)
	}
	for name, text := range map[string]string{
		"brackets":       strings.Repeat("[", deep),
		"closed":         strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"braces":         strings.Repeat("{a: ", deep),
		"dashes":         strings.Repeat("- ", deep),
		"indented keys":  steps(2000, "a:"),
		"indented items": steps(2000, "-"),
		"tagged":         "x: !y z\na: " + strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"tagged dashes":  "- !y z\n" + strings.Repeat("- ", deep),
		"tagged keys":    "!x\n" + steps(2000, "a:"),
		"question marks": strings.Repeat("? ", deep),
		"anchors":        strings.Repeat("&a ", deep),
		"brackets, 8 MB": strings.Repeat("[", 8<<20-10),
		"tags, 8 MB":     "!a " + strings.Repeat("[a, ", 1<<20),
		"alias bomb":     bomb,
		"merge bomb":     merges,
		"self reference": "a: &a [*a, *a]\n",
		"self merge":     "a: &a {<<: *a}\n",
		"unclosed quote": "a: \"" + strings.Repeat("x\n", 1<<20),
		"duplicates":     strings.Repeat("a: 1\n", 1<<20),
		"tagged, large":  "a: !x y\n" + strings.Repeat("- b\n", 4<<20),
	} {
		t.Run(name, func(t *testing.T) {
			docs := parse(text + "\n---\nb: 2\n")
			var syntax *tree.SyntaxError
			if len(docs) != 2 || !errors.As(docs[0].Err, &syntax) {
				t.Fatalf("%d documents, first error: %v", len(docs), docs[0].Err)
			}
			if docs[1].Err != nil || docs[1].Root.Get("b") == nil {
				t.Errorf("the document behind it: %v", docs[1].Err)
			}
		})
	}
}

// Large but honest documents are read in linear time.
func TestLarge(t *testing.T) {
	var keys, flow strings.Builder
	flow.WriteString("{")
	for i := range 200_000 {
		fmt.Fprintf(&keys, "key-%d: value\n", i)
		fmt.Fprintf(&flow, "\"key-%d\": 1,\n", i)
	}
	for name, c := range map[string]struct {
		text string
		docs int
	}{
		"many keys":         {keys.String(), 1},
		"many flow keys":    {flow.String() + "}", 1},
		"tagged keys":       {"x: !y z\n" + keys.String()[:strings.LastIndex(keys.String()[:2<<20], "\n")], 1},
		"many items":        {strings.Repeat("- a\n", 1<<20), 1},
		"many documents":    {strings.Repeat("---\na: b\n", 1<<18), 1 << 18},
		"blank lines":       {"a: b" + strings.Repeat("\n", 1<<22) + "c: d\n", 1},
		"comment lines":     {"a: b\n" + strings.Repeat("# c\n", 1<<20) + "c: d\n", 1},
		"end markers":       {"a: b\n" + strings.Repeat("...\n", 1<<18), 1},
		"a large text":      {"a: |\n" + strings.Repeat("  line of text\n", 1<<20), 1},
		"a folded text":     {"a:\n" + strings.Repeat("  line of text\n", 1<<18), 1},
		"a stream of JSON":  {strings.Repeat("{\"a\": [1, 2]}\n", 1<<14), 1 << 14},
		"deepest":           {strings.Repeat("[", tree.MaxDepth) + "1" + strings.Repeat("]", tree.MaxDepth), 1},
		"deepest, anchored": {strings.Repeat("[", tree.MaxDepth) + "&a 1" + strings.Repeat("]", tree.MaxDepth), 1},
	} {
		t.Run(name, func(t *testing.T) {
			docs := parse(c.text)
			if len(docs) != c.docs {
				t.Fatalf("%d documents, want %d", len(docs), c.docs)
			}
			for _, d := range docs {
				if d.Err != nil || d.Root == nil {
					t.Fatal(d.Err)
				}
			}
		})
	}
}

func TestDepthLimit(t *testing.T) {
	for _, inner := range []string{"1", "&a 1"} {
		n := tree.MaxDepth + 1
		docs := parse(strings.Repeat("[", n) + inner + strings.Repeat("]", n))
		if err := docs[0].Err; err == nil || !strings.Contains(err.Error(), "nested deeper") {
			t.Errorf("%q: %v", inner, err)
		}
	}
}

func TestTextIsShared(t *testing.T) {
	text := deployment(1)
	allocs := testing.AllocsPerRun(20, func() {
		for d := range tree.Parse(&tree.File{Text: text}) {
			if d.Err != nil {
				t.Fatal(d.Err)
			}
		}
	})
	if allocs > 20 { // of about 100 nodes
		t.Errorf("%v allocations", allocs)
	}
}
