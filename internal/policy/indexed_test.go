package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Planned by position tables, indexOf and lastIndexOf answer as the API server's
// do, over lists of texts, of mixed items, short and long.
func TestIndexedIsLikeTheLibrary(t *testing.T) {
	env, err := trustedEnv()
	if err != nil {
		t.Fatal(err)
	}
	env, err = env.Extend(cel.Variable("l", cel.DynType), cel.Variable("x", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := env.Compile(`[l.indexOf(x), l.lastIndexOf(x)]`)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	plain, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := env.Program(ast, cel.CustomDecoratorV2(indexed))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "é", "aébéa", "ba"} {
		for _, part := range []string{"", "a", "é", "éb", "none"} {
			vars := map[string]any{"l": text, "x": part}
			want, _, err := plain.Eval(vars)
			got, _, gotErr := fast.Eval(vars)
			if err != nil || gotErr != nil || got.Equal(want) != types.True {
				t.Errorf("%q in %q: got %v, %v, want %v, %v", part, text, got, gotErr, want, err)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		items := make([]any, r.IntN(3*minIndexed))
		mixed := r.IntN(2) == 0
		for i := range items {
			items[i] = fmt.Sprint(r.IntN(100))
			if mixed && r.IntN(50) == 0 {
				items[i] = []any{r.IntN(100), nil, 2.0}[r.IntN(3)]
			}
		}
		list := types.DefaultTypeAdapter.NativeToValue(items)
		for _, item := range []any{fmt.Sprint(r.IntN(100)), "none", 2, nil} {
			vars := map[string]any{"l": list, "x": item}
			want, _, err := plain.Eval(vars)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := fast.Eval(vars)
			if err != nil {
				t.Fatal(err)
			}
			if got.Equal(want) != types.True {
				t.Fatalf("%v in %v: got %v, want %v", item, items, got, want)
			}
		}
	}
}

// counted counts how often an item of the list is read.
type counted struct {
	traits.Lister
	reads *int
}

func (c *counted) Get(index ref.Val) ref.Val {
	*c.reads++
	return c.Lister.Get(index)
}

// Asking for each item reads a list a few times, not once for each: the pool may
// forget a table now and then.
func TestIndexedReadsOnce(t *testing.T) {
	const size = 5000
	items := make([]string, size)
	for i := range items {
		items[i] = fmt.Sprint("NAME", i)
	}
	reads := 0
	list := &counted{types.DefaultTypeAdapter.NativeToValue(items).(traits.Lister), &reads}
	for _, last := range []bool{false, true} {
		x := indexer{last: last}
		for i, item := range items {
			if got := x.find(list, types.String(item)); got != types.Int(i) {
				t.Fatalf("%s is at %v, want %d", item, got, i)
			}
		}
	}
	if reads > size*size/2 {
		t.Errorf("%d reads of %d items", reads, size)
	}
}
