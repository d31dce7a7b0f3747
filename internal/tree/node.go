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
	"strconv"
	"unsafe"
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

// Noun is the kind with its article, as a sentence needs it: "an integer", "null".
func (k Kind) Noun() string {
	switch k {
	case Null:
		return k.String()
	case Int, Unknown:
		return "an " + k.String()
	}
	return "a " + k.String()
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
//
// Nodes are most of what the program keeps in memory: 10,000 manifests have a
// million. So a node is packed into 48 bytes instead of the 80 of two strings
// and a slice: text and children, of which it never has both, share a pointer,
// and lengths have 32 bits, as a file is at most 2 GiB. Only Key, Text, Children
// and the setters below know this.
type Node struct {
	data unsafe.Pointer // of a map or list its first child, else its text
	name *byte          // the key under which the parent map holds it
	hash uint64

	size, nameSize uint32 // of data in children or bytes, and of name in bytes

	// Byte offsets in the file, start inclusive, end exclusive.
	keyStart, start, end int32

	room  uint16 // children for which there is memory behind the last one
	kind  Kind
	style Style
}

// collects reports whether the data are children.
func (n *Node) collects() bool { return n.kind == List || n.kind == Map }

func (n *Node) setKey(key string, start int) {
	n.name, n.nameSize, n.keyStart = unsafe.StringData(key), uint32(len(key)), int32(start)
}

// setText makes a scalar, or an Unknown, of the node.
func (n *Node) setText(kind Kind, text string) {
	n.kind, n.data, n.size, n.room = kind, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)), 0
}

// setKids gives a map or list its children.
func (n *Node) setKids(kids []Node) {
	n.data, n.size, n.room = unsafe.Pointer(unsafe.SliceData(kids)), uint32(len(kids)), 0
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
	return unsafe.String(n.name, n.nameSize)
}

// Children returns the entries of a map or the items of a list, in the order
// of the file. The caller must not change them.
func (n *Node) Children() []Node {
	if n == nil || !n.collects() {
		return nil
	}
	return unsafe.Slice((*Node)(n.data), n.size)
}

// Len returns the number of children.
func (n *Node) Len() int {
	if n == nil || !n.collects() {
		return 0
	}
	return int(n.size)
}

// Get returns the value under key of a map, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.kind != Map {
		return nil
	}
	kids := n.Children()
	for i := range kids {
		if kids[i].Key() == key {
			return &kids[i]
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
	if n == nil || n.kind != List || i < 0 || i >= int(n.size) {
		return nil
	}
	return &n.Children()[i]
}

// Str returns the text of a string, and "" for everything else.
func (n *Node) Str() string {
	if n == nil || n.kind != String {
		return ""
	}
	return n.Text()
}

// Text returns the canonical text of any scalar, the reason of an Unknown, and
// "" for collections.
func (n *Node) Text() string {
	if n == nil || n.collects() {
		return ""
	}
	return unsafe.String((*byte)(n.data), n.size)
}

// Int returns the value of an integer.
func (n *Node) Int() (int64, bool) {
	if n == nil || n.kind != Int {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Text(), 10, 64)
	return i, err == nil
}

// Float returns the value of a number.
func (n *Node) Float() (float64, bool) {
	if n == nil || n.kind != Float && n.kind != Int {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.Text(), 64)
	return f, err == nil
}

// True reports whether the node is the boolean true.
func (n *Node) True() bool { return n != nil && n.kind == Bool && n.Text() == "true" }

// False reports whether the node is the boolean false: an absent node is not.
func (n *Node) False() bool { return n != nil && n.kind == Bool && n.Text() == "false" }

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

// Add appends a child to a map (under key) or a list, and does nothing to other
// nodes. It may only be called before Seal, and invalidates pointers to the
// children taken before.
func (n *Node) Add(key string, child Node) {
	if !n.collects() {
		return
	}
	if n.room == 0 {
		n.Grow(1 + n.Len()/2)
	}
	child.setKey(key, child.KeyStart())
	n.size++
	n.room--
	n.Children()[n.size-1] = child
}

// Grow makes room for count more children of a map or list. It may only be
// called before Seal, and invalidates pointers to the children taken before.
func (n *Node) Grow(count int) {
	if count = min(count, math.MaxUint16); !n.collects() || count <= int(n.room) {
		return
	}
	kids := make([]Node, n.Len()+count)
	copy(kids, n.Children())
	n.setKids(kids)
	n.size, n.room = n.size-uint32(count), uint16(count)
}

// Replace puts other in the place of n and keeps n's key and position. It may
// only be called before Seal.
func (n *Node) Replace(other Node) {
	other.setKey(n.Key(), n.KeyStart())
	other.start, other.end = n.start, n.end
	*n = other
}

// Redact replaces a scalar's text, so that the secret itself is in no tree. It
// may only be called before Seal.
func (n *Node) Redact(text string) {
	n.setText(String, text)
	n.style |= Redacted
}

var (
	seed       = maphash.MakeSeed()
	absentHash = maphash.String(seed, "absent")
)

// Seal computes the content hashes of the whole tree and returns its root. It
// moves what is below the root into memory that is just large enough, so that
// the tree holds neither what it outgrew nor other documents' nodes, and
// invalidates pointers to nodes below the root taken before. Implied values that
// are sealed already are left alone: trees may share them.
func (n *Node) Seal() *Node {
	n.seal(make([]Node, n.unsettled()))
	return n
}

// settled reports whether Seal leaves the nodes below this one alone.
func (n *Node) settled() bool { return n.hash != 0 && n.style&Implied != 0 }

// unsettled returns how many nodes Seal moves.
func (n *Node) unsettled() int {
	kids := n.Children()
	count := len(kids)
	for i := range kids {
		if !kids[i].settled() {
			count += kids[i].unsettled()
		}
	}
	return count
}

// seal moves the nodes below this one to the start of free and returns the rest
// of it.
func (n *Node) seal(free []Node) []Node {
	h := (uint64(n.kind) + 1) * 0x9E3779B97F4A7C15
	if !n.collects() {
		n.hash = Mix(h, maphash.String(seed, n.Text()))
		return free
	}
	kids, free := free[:n.size], free[n.size:]
	copy(kids, n.Children())
	n.setKids(kids)
	for i := range kids {
		kid := &kids[i]
		if !kid.settled() {
			free = kid.seal(free)
		}
		if n.kind == Map { // a sum, so that the order of keys does not count
			h += Mix(maphash.String(seed, kid.Key()), kid.hash)
		} else {
			h = Mix(h, kid.hash)
		}
	}
	n.hash = h
	return free
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

// Native returns the value as encoding/json would decode it, with int64 for
// integers: what typed decoding and test oracles want.
func (n *Node) Native() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case Bool:
		return n.True()
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
		return n.Text()
	case List:
		l := make([]any, n.Len())
		for i := range l {
			l[i] = n.At(i).Native()
		}
		return l
	case Map:
		kids := n.Children()
		m := make(map[string]any, len(kids))
		for i := range kids {
			m[kids[i].Key()] = kids[i].Native()
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
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !Equal(a.At(i), b.At(i)) {
				return false
			}
		}
		return true
	case Map:
		return equalMaps(a, b)
	}
	return a.Text() == b.Text()
}

func equalMaps(a, b *Node) bool {
	for i := range a.Children() {
		kid := &a.Children()[i]
		if other := b.beside(i, kid); !kid.Has(Implied) && (other == nil || !Equal(kid, other)) {
			return false
		}
	}
	for i := range b.Children() {
		kid := &b.Children()[i]
		if kid.Has(Implied) {
			continue
		}
		// What both hold was compared above, unless it was passed over there.
		if other := a.beside(i, kid); other == nil || other.Has(Implied) && !Equal(kid, other) {
			return false
		}
	}
	return true
}

// beside returns the entry of a map with the key of another map's entry i, which
// often is the same one.
func (n *Node) beside(i int, kid *Node) *Node {
	if kids := n.Children(); i < len(kids) && kids[i].Key() == kid.Key() {
		return &kids[i]
	}
	return n.Get(kid.Key())
}
