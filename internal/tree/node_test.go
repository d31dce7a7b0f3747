package tree_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"ullage.dev/ullage/internal/tree"
)

func TestNodeIsSmall(t *testing.T) {
	if tree.NodeSize > 48 {
		t.Errorf("a node has %d bytes; a million of them are usual", tree.NodeSize)
	}
}

// content is a node as plain Go, to compare with.
type content struct {
	key, text string
	kind      tree.Kind
	kids      []*content
}

// contentOf copies a node to memory that it does not share.
func contentOf(n *tree.Node) *content {
	v := &content{key: strings.Clone(n.Key()), text: strings.Clone(n.Text()), kind: n.Kind()}
	for i := range n.Children() {
		v.kids = append(v.kids, contentOf(&n.Children()[i]))
	}
	return v
}

// twin is a node and the value that it must be.
type twin struct {
	n *tree.Node
	v *content
}

// step goes down to a child, if there is one.
func (w twin) step(r *rand.Rand) twin {
	if len(w.v.kids) == 0 {
		return w
	}
	i := r.IntN(len(w.v.kids))
	return twin{&w.n.Children()[i], w.v.kids[i]}
}

// change does one thing to both.
func (w twin) change(r *rand.Rand) {
	at := w
	for range r.IntN(4) {
		at = at.step(r)
	}
	source := writer{r: r, left: 8}
	other := source.value(1)
	key := fmt.Sprint("key ", r.Uint64())
	switch r.IntN(8) {
	case 0:
		if at.n != w.n {
			v := contentOf(&other)
			v.key = at.v.key
			at.n.Replace(other)
			*at.v = *v
		}
	case 1:
		if at.n != w.n {
			at.n.Redact(key)
			at.v.kind, at.v.text, at.v.kids = tree.String, key, nil
		}
	case 2:
		at.n.Grow(r.IntN(5))
	default:
		v := contentOf(&other)
		v.key = key
		at.n.Add(key, other)
		if at.v.kind == tree.Map || at.v.kind == tree.List {
			at.v.kids = append(at.v.kids, v)
		}
	}
}

// TestNodesHoldWhatTheyWereGiven changes trees at random, with the collector at
// work, and compares them with plain values. What a tree was cloned from, or
// shares sealed nodes with, must not change with it.
func TestNodesHoldWhatTheyWereGiven(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 8))
	var kept []twin
	for round := range 300 {
		source := writer{r: r, left: 30}
		n := tree.MapOf(tree.Entry("first", source.value(0)))
		if round%2 == 0 {
			n = *slices.Collect(tree.Parse(&tree.File{Text: strings.Clone(deployment(round))}))[0].Root
		}
		w := twin{&n, contentOf(&n)}
		for step := range 40 {
			w.change(r)
			if step%10 == 9 {
				kept = append(kept, twin{w.n.Seal(), w.v})
				w = twin{tree.Clone(w.n), contentOf(w.n)}
			}
		}
		if round%20 == 0 {
			runtime.GC()
		}
		kept = append(kept, w)
	}
	for i, w := range kept {
		if got := contentOf(w.n); !reflect.DeepEqual(got, w.v) {
			t.Fatalf("tree %d is\n%v, want\n%v", i, w.n.Native(), w.v)
		}
		hash := w.n.Seal().Hash()
		if c := tree.Clone(w.n).Seal(); c.Hash() != hash || !tree.Equal(c, w.n) {
			t.Fatalf("tree %d differs from its clone", i)
		}
		if got := contentOf(w.n); !reflect.DeepEqual(got, w.v) {
			t.Fatalf("tree %d changed when it was sealed", i)
		}
	}
}

func TestAddToScalarDoesNothing(t *testing.T) {
	for _, v := range []any{nil, true, 1, "a", 1.5} {
		n := tree.Of(v)
		n.Grow(3)
		n.Add("key", tree.Of("child"))
		if n.Len() != 0 || n.Children() != nil || n.Text() != fmt.Sprint(v) && v != nil {
			t.Errorf("%v became %v", v, n.Native())
		}
	}
}

// Room beyond what a node can count is made again and again.
func TestAddMany(t *testing.T) {
	const many = 200_000
	n := tree.Of([]tree.Node{})
	n.Grow(many)
	for i := range many {
		n.Add("", tree.Of(i))
	}
	n.Seal()
	for i := range many {
		if v, ok := n.At(i).Int(); !ok || v != int64(i) {
			t.Fatalf("item %d is %v", i, n.At(i).Native())
		}
	}
}

// TestSealPacks holds that a sealed tree has no memory but its nodes': neither
// gaps, nor what it outgrew, nor that of documents beside it.
func TestSealPacks(t *testing.T) {
	f := &tree.File{Text: deployments(3)}
	root := slices.Collect(tree.Parse(f))[1].Root
	root.Get("spec").Add("paused", tree.Of(true))
	old := []weak.Pointer[tree.Node]{weak.Make(root.Get("kind")), weak.Make(root.Dig("spec", "replicas")), weak.Make(root.Dig("spec", "template"))}
	root.Seal()
	first, last := ^uintptr(0), uintptr(0)
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		for i := range n.Children() {
			kid := &n.Children()[i]
			at := uintptr(unsafe.Pointer(kid))
			first, last = min(first, at), max(last, at)
			walk(kid)
		}
	}
	walk(root)
	if got, want := (last-first)/tree.NodeSize+1, uintptr(nodes(root)-1); got != want {
		t.Errorf("%d nodes take the memory of %d", want, got)
	}
	runtime.GC()
	for i, p := range old {
		if p.Value() != nil {
			t.Errorf("memory from before is still held (%d)", i)
		}
	}
	runtime.KeepAlive(root)
}
