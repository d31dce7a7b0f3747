package tree_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestRandomEdits makes random changes to random documents in random styles.
func TestRandomEdits(t *testing.T) {
	made, refused := 0, map[tree.Reason]int{}
	for seed := range uint64(6000) {
		w := writer{r: rand.New(rand.NewPCG(seed, 7)), left: 60}
		root := w.value(0)
		text := w.print(root)
		if w.r.IntN(4) == 0 {
			text = strings.TrimRight(text, "\r\n")
		}
		if w.r.IntN(5) == 0 {
			text = deployment(int(seed))
		}
		err := randomEdit(t, w.r, text)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if r, ok := tree.IsRefusal(err); ok {
			refused[r.Reason]++
		} else if err == nil {
			made++
		}
	}
	t.Logf("%d made, refused: %v", made, refused)
	if made < 4000 {
		t.Errorf("only %d of 6000 edits were made", made)
	}
}

var errNothing = fmt.Errorf("nothing to edit")

// randomEdit makes one change to a text and checks what must hold of it.
func randomEdit(t *testing.T, r *rand.Rand, text string) error {
	var b strings.Builder
	for i, part := range strings.Split(text, "# c") { // comments are told apart
		if i > 0 {
			fmt.Fprintf(&b, "# c%d.", i)
		}
		b.WriteString(part)
	}
	text = b.String()
	f := &tree.File{Name: "random.yaml", Text: text}
	var docs []tree.Document
	for doc := range tree.Parse(f) {
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return errNothing
	}
	c := tree.Change{Document: r.IntN(len(docs))}
	doc := docs[c.Document]
	if doc.Root == nil {
		return errNothing
	}
	w := writer{r: r, left: 10}
	n := doc.Root
	touched := n // what may change
	for n.Len() > 0 && (len(c.Path) == 0 || r.IntN(4) > 0) {
		i := r.IntN(n.Len())
		kid := &n.Children()[i]
		if n.Is(tree.Map) && kid.Key() == "" {
			return errNothing
		}
		touched, n = n, kid
		c.Path = c.Path.Join(tree.Step{Key: kid.Key(), Index: i})
		if kid.Key() != "" {
			c.Path[len(c.Path)-1].Index = 0
		}
	}
	if n.Is(tree.Map) && r.IntN(2) == 0 {
		for range 1 + r.IntN(2) {
			c.Path = c.Path.Join(tree.Step{Key: w.one("privileged", "drop", "x y", "a: b", "0", "true")})
		}
	} else if n.Is(tree.List) && r.IntN(2) == 0 {
		c.Append = true
	}
	if r.IntN(3) > 0 || c.Append {
		v := w.value(3)
		c.Value = &v
	}
	if len(c.Path) == 0 {
		return errNothing
	}
	return checkEdit(t, f, docs, c, touched)
}

// checkEdit makes a change within a node and checks that all else survives.
func checkEdit(t *testing.T, f *tree.File, docs []tree.Document, c tree.Change, touched *tree.Node) error {
	got, err := tree.Edit(f, []tree.Change{c})
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s\n%v %v append %v\n--- before\n%s\n--- after\n%s", fmt.Sprintf(format, args...), c.Path, c.Value.Native(), c.Append, f.Text, got)
	}
	if err != nil {
		if _, ok := tree.IsRefusal(err); !ok || got != "" {
			fail("an error that is no refusal, or with text: %v", err)
		}
		return err
	}
	want, err := tree.Apply(docs[c.Document].Root, c.Path, c.Value, c.Append)
	if err != nil {
		fail("%v", err)
		return nil
	}
	i := 0
	for doc := range tree.Parse(&tree.File{Text: got}) {
		expect := docs[min(i, len(docs)-1)].Root
		if i == c.Document {
			expect = want
		}
		if !tree.Equal(doc.Root, expect) {
			fail("document %d is not what it must be", i)
		}
		i++
	}
	if i != len(docs) {
		fail("%d documents", i)
	}
	if !c.Append && (c.Value != nil || c.Path[len(c.Path)-1].Key != "") {
		if again, err := tree.Edit(&tree.File{Text: got}, []tree.Change{c}); err != nil || again != got {
			fail("a second time: %v", err)
		}
	}
	if !touched.Has(tree.Shared) {
		checkSurroundings(f, got, c, docs[c.Document].Root, touched, fail)
	}
	return nil
}

// checkSurroundings checks that all bytes but for the lines of the nodes
// touched are the same, and that comments are only lost with what is replaced.
func checkSurroundings(f *tree.File, got string, c tree.Change, root, touched *tree.Node, fail func(string, ...any)) {
	lines := func(n *tree.Node) (from, to int) {
		from = strings.LastIndexByte(f.Text[:n.KeyStart()], '\n') + 1
		if to = strings.IndexByte(f.Text[n.End():], '\n') + 1; to == 0 {
			return from, len(f.Text)
		}
		return from, n.End() + to
	}
	from, to := lines(touched)
	from = dashLine(f.Text, from)
	if to == len(f.Text) {
		from = len(strings.TrimRight(f.Text[:from], "\r\n"))
	}
	if !strings.HasPrefix(got, f.Text[:from]) || !strings.HasSuffix(got, f.Text[to:]) {
		fail("other lines than %d to %d changed", from, to)
	}
	gone := root.Follow(c.Path)
	if c.Append {
		gone = nil
	}
	if c.Value == nil && touched.Len() == 1 {
		gone = touched
	}
	first, last := 0, 0
	if gone != nil && (gone.Len() > 0 || c.Value == nil) {
		first, last = lines(gone)
	} else if gone != nil {
		first, last = gone.Start(), gone.End()
	}
	for i := 1; strings.Contains(f.Text, fmt.Sprintf("# c%d.", i)); i++ {
		comment := fmt.Sprintf("# c%d.", i)
		if at := strings.Index(f.Text, comment); !strings.Contains(got, comment) && (at < first || at >= last) {
			fail("the comment %s is lost", comment)
		}
	}
}

// dashLine returns the start of the line that holds the dash of the item which
// begins at the start of a line, if that is a line before it.
func dashLine(text string, from int) int {
	for at := from; at > 0; {
		at = strings.LastIndexByte(text[:at-1], '\n') + 1
		line, _, _ := strings.Cut(strings.TrimSpace(text[at:from]), "\n")
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			if strings.Trim(line, "- ") == "" || strings.HasSuffix(line, "-") {
				return at
			}
			break
		}
	}
	return from
}

// FuzzEdit makes a change that the seed chooses to any text.
func FuzzEdit(f *testing.F) {
	for i, s := range snippets {
		f.Add(s, uint64(i))
	}
	f.Add(deployment(1), uint64(3))
	f.Add("{\"a\": {\"b\": [1, 2]},\n \"c\": null}\n", uint64(4))
	f.Add("a: &x {b: 1}\nc: *x\n<<: *x\n", uint64(5))
	f.Add("- - a\n  - b: c\n    d:\n    - e # f\n", uint64(6))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if len(text) > 1<<12 {
			return
		}
		randomEdit(t, rand.New(rand.NewPCG(seed, 3)), text)
	})
}
