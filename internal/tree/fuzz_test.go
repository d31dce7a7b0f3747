package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"ullage.dev/ullage/internal/tree"
)

func FuzzParse(f *testing.F) {
	for _, s := range snippets {
		f.Add(s)
	}
	f.Add(deployment(1))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		check(t, text)
	})
}

// TestRandomDocuments prints random trees in random styles, which must be read
// as what they are.
func TestRandomDocuments(t *testing.T) {
	docs, scanned := 0, 0
	for seed := range uint64(1500) {
		w := writer{r: rand.New(rand.NewPCG(seed, 1)), left: 25}
		want := w.value(0)
		text := w.print(want)
		if t.Failed() {
			return
		}
		n := 0
		for doc := range tree.Parse(&tree.File{Name: "random.yaml", Text: text}) {
			n++
			if doc.Err != nil || !tree.Equal(doc.Root, &want) {
				t.Errorf("seed %d: %v, got %#v want %#v\n%s", seed, doc.Err, doc.Root.Native(), want.Native(), text)
			}
		}
		d, s := check(t, text)
		docs, scanned = docs+d, scanned+s
		if n != 1 {
			t.Errorf("seed %d: %d documents\n%s", seed, n, text)
		}
	}
	t.Logf("%d of %d documents read by the scanner", scanned, docs)
	if scanned < docs*9/10 {
		t.Errorf("the scanner reads only %d of %d documents", scanned, docs)
	}
}

// writer makes random trees and prints them in random styles.
type writer struct {
	r    *rand.Rand
	b    strings.Builder
	left int // nodes to make
}

func (w *writer) one(of ...string) string { return of[w.r.IntN(len(of))] }

func (w *writer) value(depth int) tree.Node {
	kind := w.r.IntN(10)
	w.left--
	switch {
	case depth > 5 || w.left < 0 || depth > 0 && kind < 5:
		switch w.r.IntN(8) {
		case 0:
			return tree.Of(nil)
		case 1:
			return tree.Of(w.r.IntN(2) == 0)
		case 2:
			return tree.Of(w.r.IntN(100000) - 1000)
		case 3:
			return tree.Of(float64(w.r.IntN(1000))/8 + 0.0625)
		}
		return tree.Of(w.text())
	case kind < 8:
		m := tree.MapOf()
		for range w.r.IntN(6) {
			if key := w.text(); m.Get(key) == nil && len(key) < 200 {
				m.Add(key, w.value(depth+1))
			}
		}
		return m
	}
	var items []tree.Node
	for range w.r.IntN(5) {
		items = append(items, w.value(depth+1))
	}
	return tree.Of(items)
}

func (w *writer) text() string {
	const words = "name image true 1.5 10m /etc nginx:1.2 --flag=x a,b é 😀 'q' \"d\" #no c# : - ~ {x} [y] \\n null x:y & * ! |"
	list := strings.Fields(words)
	if w.r.IntN(3) > 0 {
		return w.one("name", "image", "app.kubernetes.io/name", "nginx", "value", "x-y", "limits", "cpu") + w.one("", "-1", "2")
	}
	var b strings.Builder
	for i := range w.r.IntN(6) {
		if i > 0 {
			b.WriteString(w.one(" ", " ", "  ", "\n", "\n\n", "\t", "\n  "))
		}
		b.WriteString(list[w.r.IntN(len(list))])
	}
	return b.String() + w.one("", "", "", "\n", "\n\n", " ")
}

func (w *writer) print(n tree.Node) string {
	w.b.WriteString(w.one("", "", "---\n", "# c\n\n", "--- # c\n"))
	w.block(&n, 0, false)
	return strings.ReplaceAll(w.b.String(), "\n", w.one("\n", "\n", "\n", "\r\n"))
}

func (w *writer) noise(indent int) {
	if w.r.IntN(12) == 0 {
		w.b.WriteString(w.one("# c: d\n", strings.Repeat(" ", indent)+"# - x\n"))
	}
}

// block prints a value at the start of a line, or behind "- " when compact.
func (w *writer) block(n *tree.Node, indent int, compact bool) {
	if n.Len() == 0 || w.r.IntN(8) == 0 {
		if !compact {
			w.b.WriteString(strings.Repeat(" ", indent))
		}
		w.inline(n, indent-1)
		return
	}
	w.entries(n, indent, compact)
}

func (w *writer) entries(n *tree.Node, indent int, compact bool) {
	for i := range n.Children() {
		kid := &n.Children()[i]
		if i > 0 || !compact {
			w.noise(indent)
			w.b.WriteString(strings.Repeat(" ", indent))
		}
		if n.Is(tree.List) {
			w.b.WriteString("-")
			w.item(kid, indent)
			continue
		}
		w.b.WriteString(w.key(kid.Key()) + ":")
		step := 1 + w.r.IntN(4)
		switch {
		case kid.Len() > 0 && w.r.IntN(6) > 0:
			w.b.WriteString(w.one("\n", " # c\n", "\n\n"))
			if kid.Is(tree.List) && w.r.IntN(2) == 0 {
				w.entries(kid, indent, false)
			} else {
				w.block(kid, indent+step, false)
			}
		case kid.Is(tree.Null) && w.r.IntN(2) == 0:
			w.b.WriteString(w.one("\n", "  \n", " # c\n"))
		default:
			w.b.WriteString(w.one(" ", " ", "  "))
			w.inline(kid, indent)
		}
	}
}

func (w *writer) item(kid *tree.Node, indent int) {
	if kid.Len() == 0 {
		w.b.WriteString(w.one(" ", "  "))
		w.inline(kid, indent)
		return
	}
	if w.r.IntN(4) == 0 {
		w.b.WriteString("\n")
		w.block(kid, indent+1+w.r.IntN(3), false)
		return
	}
	spaces := 1 + w.r.IntN(3)
	w.b.WriteString(strings.Repeat(" ", spaces))
	w.block(kid, indent+1+spaces, true)
}

// inline prints a value to the end of the line, or beyond it; indent is that
// of the block around it.
func (w *writer) inline(n *tree.Node, indent int) {
	text := n.Str()
	if n.Is(tree.String) && w.r.IntN(3) == 0 && literalFits(text) {
		w.literal(text, indent)
		return
	}
	w.flow(n, indent+1)
	w.b.WriteString(w.one("", "", " ", " # c") + "\n" + w.one("", "", "", "", "\n", " \n", "    \n\n"))
}

func literalFits(s string) bool {
	body := strings.TrimRight(s, "\n")
	return body != "" && body == strings.TrimLeft(body, " \t\n") && utf8.ValidString(s)
}

func (w *writer) literal(text string, indent int) {
	step := 1 + w.r.IntN(4)
	pad := strings.Repeat(" ", max(indent, 0)+step)
	body := strings.TrimRight(text, "\n")
	chomp := [...]string{"-", ""}[min(len(text)-len(body), 1)]
	if len(text)-len(body) > 1 {
		chomp = "+"
	}
	if w.r.IntN(4) == 0 {
		chomp = fmt.Sprint(step) + chomp
	}
	w.b.WriteString("|" + chomp + w.one("\n", " # c\n"))
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			line = pad + line
		}
		w.b.WriteString(line + "\n")
	}
	if strings.HasSuffix(chomp, "+") {
		w.b.WriteString(strings.Repeat("\n", len(text)-len(body)-1))
	}
}

// flow prints a value in flow style; continued lines are indented by indent.
func (w *writer) flow(n *tree.Node, indent int) {
	gap := func() string { return w.one("", "", " ", "\n"+strings.Repeat(" ", max(indent, 0)+1)) }
	switch n.Kind() {
	case tree.List, tree.Map:
		open, shut := "[", "]"
		if n.Is(tree.Map) {
			open, shut = "{", "}"
		}
		w.b.WriteString(open + gap())
		for i := range n.Children() {
			kid := &n.Children()[i]
			if i > 0 {
				w.b.WriteString("," + gap())
			}
			if n.Is(tree.Map) {
				w.b.WriteString(w.key(kid.Key()) + ": ")
			}
			w.flow(kid, indent)
			w.b.WriteString(gap())
		}
		w.b.WriteString(shut)
	case tree.String:
		w.b.WriteString(w.scalar(n.Str()))
	default:
		w.b.WriteString(n.Text())
	}
}

func (w *writer) key(s string) string { return w.scalar(s) }

func (w *writer) scalar(s string) string {
	switch {
	case w.r.IntN(3) > 0 && plainFits(s):
		return s
	case w.r.IntN(2) == 0 && !strings.ContainsAny(s, "\n"):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "é", `\u00e9`).Replace(s) + `"`
}

func plainFits(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-./0123456789") == "" && strings.Trim(s, "0123456789.-") == s &&
		s != "true" && s != "null"
}

// TestCorpus reads all YAML files that come with the modules at hand.
func TestCorpus(t *testing.T) {
	docs, scanned, size := 0, 0, 0
	for _, module := range []string{
		"k8s.io/pod-security-admission", "helm.sh/helm/v4", "sigs.k8s.io/kustomize/api", "sigs.k8s.io/kustomize/kyaml", "sigs.k8s.io/yaml",
		"k8s.io/apiserver", "k8s.io/client-go",
	} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		dir := strings.TrimSpace(string(out))
		if err != nil || dir == "" {
			t.Logf("%s is not a dependency, or not downloaded", module)
			continue
		}
		d, s, n := corpus(t, dir)
		t.Logf("%s: %d of %d documents read by the scanner", module, s, d)
		docs, scanned, size = docs+d, scanned+s, size+n
	}
	if docs == 0 {
		t.Skip("no module with YAML files is at hand")
	}
	t.Logf("%d of %d documents (%d kB) read by the scanner", scanned, docs, size>>10)
}

func corpus(t *testing.T, dir string) (docs, scanned, size int) {
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !e.Type().IsRegular() {
			return err
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".json":
		default:
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.Run(strings.TrimPrefix(path, dir), func(t *testing.T) {
			d, s := check(t, string(data))
			docs, scanned, size = docs+d, scanned+s, size+len(data)
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return docs, scanned, size
}
