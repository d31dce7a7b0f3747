package tree_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	sigsjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/tree"
)

// FuzzFromJSON holds FromJSON against the decoder of the API server, and what
// AppendJSON writes against what was read.
func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{
		`{"a": [1, -2, 3.5, 1e3, 1E-2, 0.0, -0], "b": {"c": null, "d": true}, "": ""}`, `"\u00e9\ud83d\ude00\u2028\\\"\/"`, "\"\u0085\ufeff\u007f\"",
		`[[], {}, [{}]]`, `{"a":1,"a":2}`, ` { "x" : [ 1 , 2 ] } `, `"\ud800"`, `18446744073709551615`, `12345678901234567890123`, `1e400`, "\"\xff\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkJSON(t, text) })
}

func checkJSON(t *testing.T, text string) {
	t.Helper()
	n, err := tree.FromJSON([]byte(text), nil)
	if err != nil {
		if len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes the text: %v", err)
		}
		strict, wrong := sigsjson.UnmarshalStrict([]byte(text), new(any))
		if json.Valid([]byte(text)) && wrong == nil && len(strict) == 0 && strings.Count(text, "[")+strings.Count(text, "{") < 100 {
			t.Errorf("%q: %v", text, err)
		}
		return
	}
	if strings.ContainsAny(text, "eE.") {
		return // a whole number is an integer however it is written; TestJSONNumbers
	}
	var want any
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts([]byte(text), &want); err != nil {
		t.Fatalf("%q is read, but: %v", text, err)
	}
	if got := n.Native(); !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %#v, want %#v", text, got, want)
	}
	again, err := tree.FromJSON(n.AppendJSON(nil), nil)
	if err != nil || !tree.Equal(n, again) {
		t.Errorf("%q written as %q: %v", text, n.AppendJSON(nil), err)
	}
}

// TestJSONNumbers holds numbers against sigs.k8s.io/yaml, which the API server
// reads manifests with: they must be the same whether they come from a file or a
// cluster.
func TestJSONNumbers(t *testing.T) {
	for _, text := range []string{"0", "-0", "-7", "1.0", "1.5", "1e3", "1E+3", "2.5e-3", "0.0", "-0.0", "9223372036854775807", "100000000000000000000", "-1.25E2"} {
		n, err := tree.FromJSON([]byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, want := 0.0, 0.0
		if json.Unmarshal(n.AppendJSON(nil), &got) != nil || json.Unmarshal(asJSON, &want) != nil || got != want {
			t.Errorf("%s: %s, want %s", text, n.AppendJSON(nil), asJSON)
		}
	}
}

// TestJSONNumbersAreNotLost shows that what no integer of 64 bits holds stays as
// it is, and that what no float holds is refused.
func TestJSONNumbersAreNotLost(t *testing.T) {
	for _, text := range []string{"12345678901234567890", "-9223372036854775809", "9223372036854775808", "123456789012345678901234567890", "9223372036854775807", "-9223372036854775808"} {
		n, err := tree.FromJSON([]byte("["+text+"]"), nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(n.AppendJSON(nil)); got != "["+text+"]" {
			t.Errorf("%s becomes %s", text, got)
		}
		if k := n.At(0).Kind(); k != tree.Int && k != tree.Float {
			t.Errorf("%s is a %s", text, k)
		}
	}
	for _, text := range []string{"1e400", "-1E+400", "1.5e309", strings.Repeat("9", 400)} {
		if n, err := tree.FromJSON([]byte(`{"a": `+text+`}`), nil); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%.20s is read as %v %v", text, n, err)
		}
	}
}

func TestFromJSONOmits(t *testing.T) {
	omit := tree.Fields{"managedFields": nil, "status": {"conditions": nil}, "items": {"schema": nil}}
	n, err := tree.FromJSON([]byte(`{"managedFields": [{"a": "]}"}], "a": {"managedFields": 1}, "status": {"conditions": {"x": [1]}, "phase": "y"},
		"items": [{"schema": "\"}", "name": 1}, {"name": 2, "schema": null}], "z": 0}`), omit)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(n.AppendJSON(nil)), `{"a":{"managedFields":1},"status":{"phase":"y"},"items":[{"name":1},{"name":2}],"z":0}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFromJSONLimits(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("[", 300) + strings.Repeat("]", 300): "nested deeper", `{"canary": 1, "canary": 2}`: "stands twice", `{"a": }`: "not valid", ``: "not valid", `{} {}`: "not valid",
	} {
		if _, err := tree.FromJSON([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// TestInternerHoldsNoText waits until the text of a shared tree is collected.
func TestInternerHoldsNoText(t *testing.T) {
	x := tree.NewInterner()
	collected := make(chan struct{})
	root := func() *tree.Node {
		text := append(make([]byte, 0, 1<<20), `{"a": [{"b": "text", "c": {}}], "d": "escaped\n"}`...)
		runtime.AddCleanup(&text[0], func(c chan struct{}) { close(c) }, collected)
		n, err := tree.FromJSON(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		x.Share(n.Seal())
		return n
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(root)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Error("the text is still held")
}

// TestInterner shares random trees, which must stay what they are.
func TestInterner(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var random func(depth int) any
	random = func(depth int) any {
		switch k := r.IntN(7); {
		case k < 2 && depth < 5:
			m := map[string]any{}
			for range r.IntN(4) {
				m[fmt.Sprint("k", r.IntN(4))] = random(depth + 1)
			}
			return m
		case k < 4 && depth < 5:
			l := make([]any, r.IntN(3))
			for i := range l {
				l[i] = random(depth + 1)
			}
			return l
		case k == 4:
			return r.IntN(2) == 0
		}
		return fmt.Sprint("text", r.IntN(3))
	}
	x := tree.NewInterner()
	var nodes []*tree.Node
	var want []string
	for range 3000 {
		n := tree.Of(random(0))
		want = append(want, string(n.Seal().AppendJSON(nil)))
		hash := n.Hash()
		x.Share(&n)
		if n.Hash() != hash {
			t.Fatal("the hash changed")
		}
		nodes = append(nodes, &n)
	}
	shared := 0
	seen := map[*tree.Node]bool{}
	for i, n := range nodes {
		if got := string(n.AppendJSON(nil)); got != want[i] {
			t.Fatalf("tree %d: %s, want %s", i, got, want[i])
		}
		if n.Len() > 0 {
			if seen[&n.Children()[0]] {
				shared++
			}
			seen[&n.Children()[0]] = true
		}
	}
	if shared < 100 {
		t.Errorf("only %d trees share their entries", shared)
	}
}
