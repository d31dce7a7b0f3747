package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// randomJSON makes a value, with lists and objects that are empty among them.
func randomJSON(r *rand.Rand, depth int) any {
	texts := []string{"", `"`, `\`, `\"`, "{", "],", "a: b, [c]", "line\nline", "\u2028<&>", "ß"}
	switch kind := r.IntN(7); {
	case kind < 2 && depth > 0:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = randomJSON(r, depth-1)
		}
		return list
	case kind < 5 && depth > 0:
		object := map[string]any{}
		for range r.IntN(4) {
			object[texts[r.IntN(len(texts))]] = randomJSON(r, depth-1)
		}
		return object
	case kind == 5:
		return []any{nil, true, -1.5e9, 0}[r.IntN(4)]
	}
	return texts[r.IntN(len(texts))]
}

// What is written is what the standard library makes of the same value.
func TestWriteJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for round := range 3000 {
		v := randomJSON(r, r.IntN(25))
		var got, want bytes.Buffer
		if err := writeJSON(&got, v); err != nil {
			t.Fatal(err)
		}
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("round %d: %s\nwant %s", round, got.String(), want.String())
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

func TestWriteJSONToBroken(t *testing.T) {
	for _, size := range []int{1, 1 << 20} {
		if err := writeJSON(broken{}, make([]byte, size)); err == nil {
			t.Errorf("%d bytes: no error", size)
		}
	}
}
