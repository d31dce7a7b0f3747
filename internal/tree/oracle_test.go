package tree_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"ullage.dev/ullage/internal/tree"
)

// refusals are the reasons for which we refuse what sigs.k8s.io/yaml accepts:
// it takes the last of two equal keys, and silently drops what stands behind
// the document's value.
var refusals = []string{
	"stands twice in one map",
	"content behind the end",
	"nested deeper than",
	"unrendered template",
}

// check holds everything that must be true of any text against the oracles. It
// returns how many documents there were, and how many the scanner read.
func check(t testing.TB, text string) (docs, scanned int) {
	t.Helper()
	f := &tree.File{Name: "test.yaml", Text: text}
	for doc := range tree.Parse(f) {
		docs++
		if doc.Start < 0 || doc.Start > doc.End || doc.End > len(text) {
			t.Fatalf("document %d..%d outside the text of %d\n%s", doc.Start, doc.End, len(text), text)
		}
		if doc.Err != nil {
			var syntax *tree.SyntaxError
			if doc.Root != nil || !errors.As(doc.Err, &syntax) || !utf8.ValidString(syntax.Reason) {
				t.Fatalf("error %v with root %v\n%s", doc.Err, doc.Root, text)
			}
		}
		checkNative(t, f, doc)
		if checkPaths(t, f, doc) {
			scanned++
		}
		if doc.Root != nil {
			checkPositions(t, f, doc, doc.Root, uncommonBreaks.MatchString(text))
		}
	}
	return docs, scanned
}

// checkNative compares values with what sigs.k8s.io/yaml reads.
func checkNative(t testing.TB, f *tree.File, doc tree.Document) {
	t.Helper()
	text := f.Text[doc.Start:doc.End]
	if !utf8.ValidString(text) {
		return
	}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return
	}
	if doc.Err != nil {
		if drops(text) {
			return
		}
		for _, reason := range refusals {
			if strings.Contains(doc.Err.Error(), reason) {
				return
			}
		}
		t.Fatalf("sigs.k8s.io/yaml reads %s, we do not: %v\n%q", data, doc.Err, text)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if got := comparable(doc.Root.Native()); !reflect.DeepEqual(got, comparable(want)) {
		t.Fatalf("got  %#v\nwant %#v\n%q", got, want, text)
	}
}

// drops reports whether sigs.k8s.io/yaml reads only the beginning of a text.
func drops(text string) bool {
	d := goyaml.NewDecoder(strings.NewReader(text))
	var v any
	return d.Decode(&v) == nil && !errors.Is(d.Decode(&v), io.EOF)
}

// comparable gives numbers one form.
func comparable(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		f, _ := v.Float64()
		return comparable(f)
	case float64:
		if i := int64(v); float64(i) == v && v < 1<<62 && v > -1<<62 {
			return i
		}
	case []any:
		for i := range v {
			v[i] = comparable(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = comparable(v[k])
		}
	}
	return v
}

// checkPaths compares the scanner with the library and reports whether the
// scanner read the document.
func checkPaths(t testing.TB, f *tree.File, doc tree.Document) bool {
	t.Helper()
	fast, rest, fastErr, ok := tree.Scan(f, doc.Start, doc.End)
	if !ok {
		return false
	}
	slow, slowErr := tree.Library(f, doc.Start, rest)
	if fastErr != nil {
		if slowErr == nil {
			t.Fatalf("only the scanner refuses: %v\n%q", fastErr, f.Text[doc.Start:doc.End])
		}
		return true
	}
	if slowErr != nil {
		t.Fatalf("only the library refuses: %v\n%q", slowErr, f.Text[doc.Start:doc.End])
	}
	if (fast == nil) != (slow == nil) {
		t.Fatalf("scanner %v, library %v\n%q", fast, slow, f.Text[doc.Start:doc.End])
	}
	if fast != nil {
		if diff := different(f, "$", fast, slow); diff != "" {
			t.Fatalf("%s\n%q", diff, f.Text[doc.Start:doc.End])
		}
	}
	return true
}

// different tells where two trees differ, positions and styles included.
func different(f *tree.File, path string, a, b *tree.Node) string {
	type facts struct {
		kind                      tree.Kind
		key, text                 string
		keyStart, start, end      int
		flow, quoted, literal     bool
		shared, implied, redacted bool
		children                  int
	}
	of := func(n *tree.Node) facts {
		return facts{
			n.Kind(), n.Key(), n.Text(), n.KeyStart(), n.Start(), n.End(), n.Has(tree.Flow), n.Has(tree.Quoted),
			n.Has(tree.Literal), n.Has(tree.Shared), n.Has(tree.Implied), n.Has(tree.Redacted), n.Len(),
		}
	}
	if of(a) != of(b) {
		return fmt.Sprintf("%s: scanner %+v\nlibrary %+v", path, of(a), of(b))
	}
	for i := range a.Children() {
		if d := different(f, path+"/"+a.Children()[i].Key(), &a.Children()[i], &b.Children()[i]); d != "" {
			return d
		}
	}
	return ""
}

// checkPositions reads every scalar once more from its own place alone.
func checkPositions(t testing.TB, f *tree.File, doc tree.Document, n *tree.Node, uncommon bool) {
	t.Helper()
	if n.Start() < doc.Start || n.End() < n.Start() || n.End() > doc.End || n.KeyStart() > n.Start() && !n.Has(tree.Shared) {
		t.Fatalf("node at %d (key %d) to %d in document %d..%d\n%q", n.Start(), n.KeyStart(), n.End(), doc.Start, doc.End, f.Text)
	}
	if n.Has(tree.Shared) {
		return
	}
	for i := range n.Children() {
		kid := &n.Children()[i]
		if !kid.Has(tree.Shared) && (kid.KeyStart() < n.Start() || kid.End() > n.End()) {
			t.Fatalf("child %d..%d outside its parent %d..%d\n%q", kid.KeyStart(), kid.End(), n.Start(), n.End(), f.Text)
		}
		checkPositions(t, f, doc, kid, uncommon)
	}
	if n.Is(tree.List) || n.Is(tree.Map) {
		return
	}
	alone := f.Text[n.Start():n.End()]
	if n.Has(tree.Literal) {
		// Its indentation counts from the block around it, which is not there,
		// and the last line break is not part of the place.
		if head, _, _ := strings.Cut(alone, "\n"); strings.ContainsAny(strings.TrimLeft(head, "!abcdefghijklmnopqrstuvwxyz "), "123456789") {
			return
		}
		if n.End() < doc.End {
			alone += "\n"
		}
	}
	if alone == "-" || strings.HasSuffix(alone, ":") { // a scalar only inside [ ]
		return
	}
	if strings.HasPrefix(alone, "---") || strings.HasPrefix(alone, "...") || uncommon {
		return
	}
	var again []tree.Document
	for d := range tree.Parse(&tree.File{Text: alone}) {
		again = append(again, d)
	}
	if len(again) == 0 && n.Is(tree.Null) {
		return
	}
	if len(again) != 1 || again[0].Err != nil {
		t.Fatalf("alone %q: %v\n%q", alone, again, f.Text)
	}
	if got := again[0].Root; got.Kind() != n.Kind() || got.Text() != n.Text() && n.Kind() != tree.Null {
		t.Fatalf("alone %q is %v %q, in place %v %q\n%q", alone, got.Kind(), got.Text(), n.Kind(), n.Text(), f.Text)
	}
}

// uncommonBreaks are line ends at which the library also counts lines; what
// holds them is placed by approximation.
var uncommonBreaks = regexp.MustCompile("\r([^\n]|$)|[\u0085\u2028\u2029\ufeff]")
