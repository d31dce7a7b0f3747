package tree

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// Interner lets sealed trees share what they have in common: replicas of one
// workload differ in little. It is meant for trees without positions, as those
// are part of what must be equal. It is safe for concurrent use.
type Interner struct {
	mu    sync.Mutex
	texts map[string]string
	kids  map[uint64][]Node
}

// NewInterner returns one that knows no trees.
func NewInterner() *Interner {
	return &Interner{texts: map[string]string{}, kids: map[uint64][]Node{}}
}

// Share replaces what is below the root of a sealed tree by equal parts of trees
// that were shared before, and by copies that hold no other memory where there
// are none. It invalidates pointers to nodes below the root.
func (x *Interner) Share(root *Node) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.share(root)
}

// Text returns a string that is equal to s and does not hold the memory of the
// text that s may be part of.
func (x *Interner) Text(s string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text(s)
}

func (x *Interner) text(s string) string {
	if known, ok := x.texts[s]; ok {
		return known
	}
	s = strings.Clone(s)
	x.texts[s] = s
	return s
}

func (x *Interner) share(n *Node) {
	n.setKey(x.text(n.Key()), n.KeyStart())
	if !n.collects() {
		n.setText(n.kind, x.text(n.Text()))
		return
	}
	kids := slices.Clone(n.Children()) // trees may share those of implied values already
	hash := uint64(len(kids))
	for i := range kids {
		kid := &kids[i]
		x.share(kid)
		hash = Mix(Mix(hash, kid.hash), maphash.String(seed, kid.Key()))
	}
	known, ok := x.kids[hash]
	switch {
	case ok && slices.Equal(known, kids):
		kids = known
	case !ok:
		x.kids[hash] = kids
	}
	n.setKids(kids)
}
