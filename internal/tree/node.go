// Package tree is the parsed form of one YAML or JSON document: a tree whose
// every node knows where in the file it stands.
//
// Policies, analyses and the fixer all read this tree; nothing is converted
// into maps first. A tree is built by [Parse], completed by its owner (see
// [Node.Add]) and then sealed by [Node.Seal]. A sealed tree never changes and
// may be read by any number of goroutines.
//
// Scalars are resolved as the Kubernetes API server resolves them (YAML 1.1,
// by way of sigs.k8s.io/yaml): yes and on are booleans, 0644 is 420, and a
// float without a fraction is an integer.
package tree

import (
	"hash/maphash"
	"math"
	"slices"
	"strconv"
)

// Kind says what a node holds.
type Kind uint8

// The kinds. Unknown is a value that was not measured: it is neither absent nor
// null, and its text is the reason.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Map
	Unknown
)

func (k Kind) String() string {
	return [...]string{"null", "boolean", "integer", "number", "string", "list", "map", "unknown"}[k]
}

// Style says how a node is written, as far as an edit must know.
type Style uint8

// The styles. Block collections and plain scalars are the zero Style.
const (
	Flow     Style = 1 << iota // [a, b] or {a: b}
	Quoted                     // 'a' or "a"
	Literal                    // | or > block scalar
	Shared                     // written once as an anchor, used here through an alias or a merge key
	Implied                    // not written: what the API server would fill in
	Redacted                   // the text was replaced, because it is or looks like a secret
)

// Node is one value of a document. A nil *Node is an absent value: every
// method that reads may be called on it.
type Node struct {
	key  string // under which the parent map holds it
	text string // a scalar in canonical form, or the reason of an Unknown
	kids []Node
	hash uint64

	// Byte offsets in the file, start inclusive, end exclusive.
	keyStart, start, end int32

	kind  Kind
	style Style
}

// Kind returns what the node holds; an absent node is Null.
func (n *Node) Kind() Kind {
	if n == nil {
		return Null
	}
	return n.kind
}

// Is reports whether the node is present and of kind k.
func (n *Node) Is(k Kind) bool { return n != nil && n.kind == k }

// Has reports whether the node was written in style s.
func (n *Node) Has(s Style) bool { return n != nil && n.style&s != 0 }

// Key returns the key under which the parent map holds the node.
func (n *Node) Key() string {
	if n == nil {
		return ""
	}
	return n.key
}

// Children returns the entries of a map or the items of a list, in the order
// of the file. The caller must not change them.
func (n *Node) Children() []Node {
	if n == nil {
		return nil
	}
	return n.kids
}

// Len returns the number of children.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.kids)
}

// Get returns the value under key of a map, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.kind != Map {
		return nil
	}
	for i := range n.kids {
		if n.kids[i].key == key {
			return &n.kids[i]
		}
	}
	return nil
}

// Dig follows keys through nested maps and returns nil where one is absent.
func (n *Node) Dig(keys ...string) *Node {
	for _, key := range keys {
		n = n.Get(key)
	}
	return n
}

// At returns item i of a list, or nil.
func (n *Node) At(i int) *Node {
	if n == nil || n.kind != List || i < 0 || i >= len(n.kids) {
		return nil
	}
	return &n.kids[i]
}

// Str returns the text of a string, and "" for everything else.
func (n *Node) Str() string {
	if n == nil || n.kind != String {
		return ""
	}
	return n.text
}

// Text returns the canonical text of any scalar, the reason of an Unknown, and
// "" for collections.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	return n.text
}

// Int returns the value of an integer.
func (n *Node) Int() (int64, bool) {
	if n == nil || n.kind != Int {
		return 0, false
	}
	i, err := strconv.ParseInt(n.text, 10, 64)
	return i, err == nil
}

// Float returns the value of a number.
func (n *Node) Float() (float64, bool) {
	if n == nil || n.kind != Float && n.kind != Int {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return f, err == nil
}

// True reports whether the node is the boolean true.
func (n *Node) True() bool { return n != nil && n.kind == Bool && n.text == "true" }

// False reports whether the node is the boolean false: an absent node is not.
func (n *Node) False() bool { return n != nil && n.kind == Bool && n.text == "false" }

// Start returns the byte offset of the value in its file.
func (n *Node) Start() int {
	if n == nil {
		return 0
	}
	return int(n.start)
}

// End returns the byte offset just behind the value in its file. White space
// and comments behind a block collection do not belong to it.
func (n *Node) End() int {
	if n == nil {
		return 0
	}
	return int(n.end)
}

// KeyStart returns the byte offset of the key of a map entry, and that of the
// value for everything else.
func (n *Node) KeyStart() int {
	if n == nil {
		return 0
	}
	return int(n.keyStart)
}

// Hash identifies the content: key order, style and position do not count. It
// is only comparable within one process.
func (n *Node) Hash() uint64 {
	if n == nil {
		return absentHash
	}
	return n.hash
}

// Add appends a child to a map (under key) or a list. It may only be called
// before Seal, and invalidates pointers to the children taken before.
func (n *Node) Add(key string, child Node) {
	child.key = key
	n.kids = append(n.kids, child)
}

// Grow makes room for count more children. It may only be called before Seal,
// and invalidates pointers to the children taken before.
func (n *Node) Grow(count int) { n.kids = slices.Grow(n.kids, count) }

// Replace puts other in the place of n and keeps n's key and position. It may
// only be called before Seal.
func (n *Node) Replace(other Node) {
	other.key, other.keyStart, other.start, other.end = n.key, n.keyStart, n.start, n.end
	*n = other
}

// Redact replaces a scalar's text, so that the secret itself is in no tree. It
// may only be called before Seal.
func (n *Node) Redact(text string) {
	n.kind, n.text, n.style = String, text, n.style|Redacted
}

var (
	seed       = maphash.MakeSeed()
	absentHash = maphash.String(seed, "absent")
)

// Seal computes the content hashes of the whole tree and returns its root.
// Implied values that are sealed already are left alone: trees may share them.
func (n *Node) Seal() *Node {
	for i := range n.kids {
		if kid := &n.kids[i]; kid.hash == 0 || kid.style&Implied == 0 {
			kid.Seal()
		}
	}
	h := (uint64(n.kind) + 1) * 0x9E3779B97F4A7C15
	switch n.kind {
	case Map:
		for i := range n.kids { // a sum, so that the order of keys does not count
			h += Mix(maphash.String(seed, n.kids[i].key), n.kids[i].hash)
		}
	case List:
		for i := range n.kids {
			h = Mix(h, n.kids[i].hash)
		}
	default:
		h = Mix(h, maphash.String(seed, n.text))
	}
	n.hash = h
	return n
}

// KeyHash identifies the keys of a map, as far as their values are not null; the
// order of keys does not count.
func (n *Node) KeyHash() uint64 {
	h := uint64(1)
	for i := range n.Children() {
		if kid := &n.Children()[i]; !kid.Is(Null) {
			h += Mix(maphash.String(seed, kid.Key()), 0)
		}
	}
	return h
}

// Mix combines two hashes; the order counts.
func Mix(a, b uint64) uint64 {
	x := a ^ (b + 0x9E3779B97F4A7C15 + a<<6 + a>>2)
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// Of builds a node from a Go value: nil, bool, int, int64, float64, string,
// Node, []Node, []string, []any and map-like []Node made with [Entry]. It
// panics on other types.
func Of(v any) Node {
	switch v := v.(type) {
	case nil:
		return Node{kind: Null, text: "null"}
	case bool:
		return Node{kind: Bool, text: strconv.FormatBool(v)}
	case int:
		return Node{kind: Int, text: strconv.Itoa(v)}
	case int64:
		return Node{kind: Int, text: strconv.FormatInt(v, 10)}
	case float64:
		if i := int64(v); v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return Node{kind: Int, text: strconv.FormatInt(i, 10)}
		}
		return Node{kind: Float, text: strconv.FormatFloat(v, 'g', -1, 64)}
	case string:
		return Node{kind: String, text: v}
	case Node:
		return v
	case []string:
		n := Node{kind: List}
		for _, s := range v {
			n.kids = append(n.kids, Of(s))
		}
		return n
	case []Node:
		return Node{kind: List, kids: v}
	case []any:
		n := Node{kind: List}
		for _, e := range v {
			n.kids = append(n.kids, Of(e))
		}
		return n
	case map[string]any:
		n := Node{kind: Map}
		for k, e := range v {
			n.Add(k, Of(e))
		}
		return n
	}
	panic("tree.Of: unsupported type")
}

// Entry is a map entry for [MapOf].
func Entry(key string, v any) Node {
	n := Of(v)
	n.key = key
	return n
}

// MapOf builds a map from entries.
func MapOf(entries ...Node) Node { return Node{kind: Map, kids: entries} }

// UnknownBecause builds a value that was not measured, for the reason given.
func UnknownBecause(reason string) Node { return Node{kind: Unknown, text: reason} }

// Defaulted marks a node and all below it as implied.
func Defaulted(n Node) Node {
	n.style |= Implied
	for i := range n.kids {
		n.kids[i] = Defaulted(n.kids[i])
	}
	return n
}

// ImpliedBy returns a copy of a value for another place, where it is not
// written but follows from the one that is.
func ImpliedBy(n *Node) Node {
	c := Node{key: n.key, text: n.text, kind: n.kind, style: Implied}
	if len(n.kids) > 0 {
		c.kids = make([]Node, len(n.kids))
		for i := range n.kids {
			c.kids[i] = ImpliedBy(&n.kids[i])
		}
	}
	return c
}

// Native returns the value as encoding/json would decode it, with int64 for
// integers: what typed decoding and test oracles want.
func (n *Node) Native() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case Bool:
		return n.text == "true"
	case Int:
		i, ok := n.Int()
		if !ok {
			f, _ := n.Float()
			return f
		}
		return i
	case Float:
		f, _ := n.Float()
		return f
	case String:
		return n.text
	case List:
		l := make([]any, len(n.kids))
		for i := range n.kids {
			l[i] = n.kids[i].Native()
		}
		return l
	case Map:
		m := make(map[string]any, len(n.kids))
		for i := range n.kids {
			m[n.kids[i].key] = n.kids[i].Native()
		}
		return m
	}
	return nil
}

// Equal reports whether two trees hold the same content; implied values, the
// order of keys, style and position do not count.
func Equal(a, b *Node) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case List:
		if len(a.kids) != len(b.kids) {
			return false
		}
		for i := range a.kids {
			if !Equal(&a.kids[i], &b.kids[i]) {
				return false
			}
		}
		return true
	case Map:
		return coveredBy(a, b) && coveredBy(b, a)
	}
	return a.Text() == b.Text()
}

// coveredBy reports whether every written entry of a is in b.
func coveredBy(a, b *Node) bool {
	for i := range a.kids {
		kid := &a.kids[i]
		if kid.Has(Implied) {
			continue
		}
		other := b.Get(kid.key)
		if other == nil || !Equal(kid, other) {
			return false
		}
	}
	return true
}
