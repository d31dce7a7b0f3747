package tree_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

func path(t testing.TB, s string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func value(t testing.TB, s string) *tree.Node {
	t.Helper()
	for doc := range tree.Parse(&tree.File{Name: "value", Text: s}) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		return doc.Root
	}
	t.Fatal("no value")
	return nil
}

// change reads "set PATH = VALUE", "append PATH = VALUE" or "remove PATH".
func change(t testing.TB, s string) tree.Change {
	verb, rest, _ := strings.Cut(s, " ")
	at, text, _ := strings.Cut(rest, " = ")
	c := tree.Change{Path: path(t, at)}
	switch verb {
	case "set", "append":
		c.Append = verb == "append"
		if c.Value = value(t, "v: "+text).Get("v"); c.Value == nil {
			t.Fatalf("%q holds no value", s)
		}
	case "remove":
	default:
		t.Fatalf("%q is no verb", verb)
	}
	return c
}

func TestEdit(t *testing.T) {
	for _, c := range editCases {
		name, text, _ := strings.Cut(strings.TrimPrefix(c, "\n"), "\n")
		before, after, ok := strings.Cut(text, "=>\n")
		if !ok {
			t.Fatalf("%s: no result", name)
		}
		for _, eol := range []string{"\n", "\r\n"} {
			for _, end := range []string{eol, ""} {
				old := strings.TrimSuffix(strings.ReplaceAll(before, "\n", eol), eol) + end
				want := strings.TrimSuffix(strings.ReplaceAll(after, "\n", eol), eol) + end
				var changes []tree.Change
				for one := range strings.SplitSeq(name, "; ") {
					changes = append(changes, change(t, one))
				}
				got, err := tree.Edit(&tree.File{Name: "a.yaml", Text: old}, changes)
				if err != nil {
					if strings.HasPrefix(after, "refused: ") && strings.Contains(err.Error(), strings.TrimSpace(after[9:])) {
						continue
					}
					t.Errorf("%s: %v\n%s", name, err, old)
				} else if got != want {
					t.Errorf("%s\n%q gave\n%q want\n%q", name, old, got, want)
				}
			}
		}
	}
}

// The first line names the changes.
var editCases = []string{
	`set a.b = 2
a:
  # about b
  b: 1 # why
  c: 3
=>
a:
  # about b
  b: 2 # why
  c: 3
`, `set a = new
a: 'it''s'
=>
a: 'new'
`, `set a = new
a: "old" # c
=>
a: "new" # c
`, `set a = "yes"
a: old
=>
a: "yes"
`, `set a = 3
a: # none yet
b: 1
=>
a: 3 # none yet
b: 1
`, `set a = 3
a: ~
=>
a: 3
`, `set spec.containers[0].securityContext.privileged = false
spec:
  containers:
    - name: web
      image: x # pinned

    # the sidecar
    - name: side
      image: y
=>
spec:
  containers:
    - name: web
      image: x # pinned
      securityContext:
        privileged: false

    # the sidecar
    - name: side
      image: y
`, `set spec.c[0].securityContext.capabilities.drop = [ALL]
spec:
    c:
    - name: web
=>
spec:
    c:
    - name: web
      securityContext:
          capabilities:
              drop:
              - ALL
`, `append c[0].drop = NET_RAW
c:
  - drop:
      - KILL # x
    add: []
=>
c:
  - drop:
      - KILL # x
      - NET_RAW
    add: []
`, `append c.drop = {a: 1, b: [x, "on"]}
c:
  drop:
  - k
  - l
x: 1
=>
c:
  drop:
  - k
  - l
  - a: 1
    b:
    - x
    - "on"
x: 1
`, `append c.drop = ALL
c:
  add: 1
=>
c:
  add: 1
  drop:
  - ALL
`, `set c.s.t = RuntimeDefault
c:
  s: {} # todo
  u: 1
=>
c:
  s: # todo
    t: RuntimeDefault
  u: 1
`, `append c.s = ALL
c:
   s: []
   u: 1
=>
c:
   s:
   - ALL
   u: 1
`, `set c.s.t = 1
c:
  s:
  u: 1
=>
c:
  s:
    t: 1
  u: 1
`, `set c.s.t = 1
c:
  s: null # later
  u: 1
=>
c:
  s: # later
    t: 1
  u: 1
`, `remove spec.hostPID
spec:
  # the host
  hostPID: true # debug
  x: 1
=>
spec:
  # the host
  x: 1
`, `remove a.b
a:
  b: 1
c: 2
=>
a: {}
c: 2
`, `remove a.b
a: # keep
  # why
  b: 1
=>
a: {} # keep
  # why
`, `remove p[0].h
p:
- h: 1
  c: 2
=>
p:
- c: 2
`, `remove p[0].h
p:
- h: 1 # gone
  # about c
  c: 2
=>
p:
-
  # about c
  c: 2
`, `remove p[1]
p:
- a
- b: 1
  # inside
  c: 2
# above
- d
=>
p:
- a
# above
- d
`, `remove p[0]
p:
- a
q: 1
=>
p: []
q: 1
`, `remove p[0]
p:
-
  a: 1
- b
=>
p:
- b
`, `set c[0].sc.p = false
c:
- {name: web, image: x} # c
=>
c:
- {name: web, image: x, sc: {p: false}} # c
`, `remove c[0].name
c:
- { name: web, image: x }
=>
c:
- { image: x }
`, `remove c[0].image
c:
- { name: web, image: x }
=>
c:
- { name: web }
`, `append d = "a, b"
d: [x]
=>
d: [x, "a, b"]
`, `set d = [ALL]
d: [x, y]
=>
d: [ALL]
`, `set c.a = 1
c: {x: 1,
  y: 2}
=>
refused: flow style
`, `set c.x = 1
b: &b
  x: 2
c: *b
=>
refused: anchor
`, `set c.x = 1
b: &b
  x: 2
c:
  <<: *b
=>
refused: anchor
`, `set c.w = 1
b: &b
  x: 2
c:
  <<: *b
  z: 3
=>
b: &b
  x: 2
c:
  <<: *b
  z: 3
  w: 1
`, `remove b
b: &b
  x: 2
c: *b
=>
refused: anchor
`, `set a = short
a: | # script
  one
  two
b: 1
=>
a: short # script
b: 1
`, `set d = x
'c': 1
'b': 2
=>
'c': 1
'b': 2
'd': x
`, `set a = {type: RuntimeDefault}
a:
  type: Localhost # was
  # the file
  localhostProfile: x
=>
a:
  type: RuntimeDefault # was
  # the file
`, `set a.b = 1
{
  "a": {
    "c": "x"
  },
  "d": []
}
=>
{
  "a": {
    "c": "x",
    "b": 1
  },
  "d": []
}
`, `append d = ALL; set e.f = true
{
    "a": 1,
    "d": []
}
=>
{
    "a": 1,
    "d": [
        "ALL"
    ],
    "e": {
        "f": true
    }
}
`, `remove d
{
  "a": 1,
  "d": []
}
=>
{
  "a": 1
}
`, `set b.c = x
{"a":1}
=>
{"a":1,"b":{"c":"x"}}
`, `set a = 1; set a = 1; remove c
a: 1
=>
a: 1
`, `set a = {x: 1}
a:
- b # gone
c: 1
=>
a:
  x: 1
c: 1
`, `set a[1].b = {x: 1, w: {z: 2}}
a:
  - c: d
  - b: # here
=>
a:
  - c: d
  - b: # here
      x: 1
      w:
        z: 2
`, `set a[0] = {b: 1}
a:
-
- {}
=>
a:
- b: 1
- {}
`, `set a[0] = {b: 1}
a:
- # nothing
- x
=>
a:
- # nothing
  b: 1
- x
`, `set a[1].b = 1
a:
- x
- {}
=>
a:
- x
- b: 1
`, `set a.b = 1
a: text
=>
refused: no such place
`, `set a[3] = 1
a: [x]
=>
refused: no such place
`,
}

func TestEditOtherDocuments(t *testing.T) {
	text := "\ufeff# first\na: 1\n---\nb: [\n---\nc: 3 # c\n...\n---\n# nothing\n"
	c := change(t, "set d = 4")
	c.Document = 2
	got, err := tree.Edit(&tree.File{Text: text}, []tree.Change{c})
	want := "\ufeff# first\na: 1\n---\nb: [\n---\nc: 3 # c\nd: 4\n...\n---\n# nothing\n"
	if err != nil || got != want {
		t.Errorf("%v\n%q want\n%q", err, got, want)
	}
	c.Document = 1
	if _, err := tree.Edit(&tree.File{Text: text}, []tree.Change{c}); err == nil {
		t.Error("a broken document was edited")
	}
	c.Document = 3
	if _, err := tree.Edit(&tree.File{Text: text}, []tree.Change{c}); err == nil {
		t.Error("an empty document was edited")
	}
}

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
