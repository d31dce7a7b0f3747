package tree_test

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestTogether makes random sets of changes in random documents, all in one go
// and, as the oracle, one after another: the bytes must be the same. Where styles
// are mixed, or lines are empty, the two may take after different ones nearby.
func TestTogether(t *testing.T) {
	same, changes := 0, 0
	for seed := range uint64(8000) {
		r := rand.New(rand.NewPCG(seed, 11))
		text, uniform := randomText(t, r, int(seed))
		set := randomSet(r, text)
		if len(set) > 0 && together(t, text, set, uniform) {
			same++
			changes += len(set)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d sets of %d changes", same, changes)
	if same < 5000 || changes < 3*same {
		t.Errorf("only %d sets of %d changes were compared", same, changes)
	}
}

// randomText returns a random document, and whether one style is used throughout.
func randomText(t *testing.T, r *rand.Rand, seed int) (text string, uniform bool) {
	w := writer{r: r, left: 60}
	switch root := w.value(0); r.IntN(6) {
	case 0, 1:
		text = w.print(root)
	case 2:
		text, uniform = deployment(seed), true
	case 3:
		text, uniform = printJSON(t, root, "  "), true
	case 4:
		text, uniform = printJSON(t, root, ""), true
	default:
		made, err := tree.Edit(&tree.File{Text: "root: 1 # c\n"}, []tree.Change{{Path: tree.Keys("root"), Value: &root}})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(made) {
			// Not behind a key: what is added may come before or behind it.
			if text += line; r.IntN(5) == 0 && !strings.HasSuffix(line, ":\n") {
				text += w.one("# c\n", "    # c\n")
			}
		}
		uniform = true
	}
	if r.IntN(3) == 0 {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	if r.IntN(3) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	return text, uniform
}

func printJSON(t *testing.T, n tree.Node, indent string) string {
	t.Helper()
	text, err := json.Marshal(n.Native())
	if indent != "" {
		text, err = json.MarshalIndent(n.Native(), "", indent)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// randomSet returns changes of places of which none leads through another.
func randomSet(r *rand.Rand, text string) []tree.Change {
	var docs []tree.Document
	for doc := range tree.Parse(&tree.File{Text: text}) {
		docs = append(docs, doc)
	}
	var set []tree.Change
	for range 1 + r.IntN(12) {
		c := tree.Change{Document: r.IntN(max(len(docs), 1))}
		if c.Document < len(docs) && docs[c.Document].Root != nil && randomChange(r, docs[c.Document].Root, &c) && !slices.ContainsFunc(set, func(other tree.Change) bool {
			n := min(len(other.Path), len(c.Path))
			return other.Document == c.Document && slices.Equal(other.Path[:n], c.Path[:n]) && !(c.Append && other.Append && len(other.Path) == len(c.Path))
		}) {
			set = append(set, c)
		}
	}
	return set
}

func randomChange(r *rand.Rand, n *tree.Node, c *tree.Change) bool {
	w := writer{r: r, left: 10}
	for n.Len() > 0 && (len(c.Path) == 0 || r.IntN(4) > 0) {
		i := r.IntN(n.Len())
		step := tree.Step{Key: n.Children()[i].Key()}
		if n.Is(tree.List) {
			step.Index = i
		} else if step.Key == "" {
			return false
		}
		n = &n.Children()[i]
		c.Path = c.Path.Join(step)
	}
	switch {
	case n.Is(tree.Map) && r.IntN(2) == 0:
		for range 1 + r.IntN(3) {
			c.Path = c.Path.Join(tree.Step{Key: w.one("privileged", "drop", "add", "level", "zone", "yard")})
		}
	case n.Is(tree.List) && r.IntN(2) == 0:
		c.Append = true
	}
	if r.IntN(3) > 0 || c.Append {
		v := w.value(3)
		c.Value = &v
	}
	return len(c.Path) > 0
}

// together reports whether the changes can be made one after another: removals
// last and from behind, so that paths stay right.
func together(t *testing.T, text string, set []tree.Change, uniform bool) bool {
	t.Helper()
	got, err := tree.Edit(&tree.File{Text: text}, set)
	slow := slices.Clone(set)
	slices.SortStableFunc(slow, func(a, b tree.Change) int {
		if a.Value != nil || b.Value != nil {
			return cmp.Compare(removal(a), removal(b))
		}
		return slices.CompareFunc(b.Path, a.Path, func(a, b tree.Step) int { return cmp.Or(cmp.Compare(a.Key, b.Key), a.Index-b.Index) })
	})
	want := text
	for _, c := range slow {
		var failed error
		if want, failed = tree.Edit(&tree.File{Text: want}, []tree.Change{c}); failed != nil {
			return false
		}
	}
	if !uniform {
		got, want = bare(got), bare(want)
	}
	if err != nil || got != want {
		t.Errorf("%v\n--- before\n%s\n--- together\n%s\n--- one after another\n%s", err, text, got, want)
		for _, c := range slow {
			t.Logf("document %d: %v %v append %v", c.Document, c.Path, c.Value.Native(), c.Append)
		}
	}
	return true
}

func removal(c tree.Change) int {
	if c.Value == nil {
		return 1
	}
	return 0
}

// bare returns a text without indentation, empty lines and the places of
// comments on lines of their own.
func bare(text string) string {
	var b, comments strings.Builder
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "#"):
			comments.WriteString(line + "\n")
		case line != "":
			b.WriteString(line + "\n")
		}
	}
	return b.String() + comments.String()
}
