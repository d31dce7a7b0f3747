package tree_test

import (
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

// Comparing documents does not take longer with every level.
func TestEditDeep(t *testing.T) {
	var b strings.Builder
	for i := range 150 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	text := b.String() + strings.Repeat(" ", 150) + "b: 1\n"
	got, err := tree.Edit(&tree.File{Text: text}, []tree.Change{change(t, "set c = 2")})
	if err != nil || got != text+"c: 2\n" {
		t.Errorf("%v\n%s", err, got)
	}
}
