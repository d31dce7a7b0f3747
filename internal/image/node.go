package image

import (
	"hash/maphash"
	"slices"
)

// Kind is what stands at a path.
type Kind uint8

// The kinds.
const (
	File Kind = iota + 1
	Directory
	Symlink
	CharDevice
	BlockDevice
	FIFO
)

// nodeID counts the nodes of one Tree from 1, which is the root.
type nodeID uint32

const rootID nodeID = 1

// nodeFlags say what is known of a node besides its attributes.
type nodeFlags uint8

const (
	present  nodeFlags = 1 << iota // it is there; what is not keeps its id for when it comes back
	linked                         // it is in the list of its parent's children
	implied                        // a directory that no entry stands for
	whiteout                       // what lower layers have here is hidden
	opaque                         // what lower layers have in this directory is hidden
	hardLink                       // link is a path in the layers below, not yet looked up
)

// whiteouts outlast what happens to the path itself in their layer.
const sticky = linked | whiteout | opaque

// What is known of a file beyond its mode, above the mode's bits.
const (
	modeBits = 0o7777
	native   = 1 << 12 // has an executable bit and begins as ELF does
	script   = 1 << 13 // has an executable bit and begins with #!
	capable  = 1 << 14 // has file capabilities
)

// attributes are what a hard link shares with the file that it leads to.
type attributes struct {
	size     int64
	uid, gid uint32
	link     span   // target of a symbolic link
	content  uint32 // index into Tree.contents, counted from 1
	mode     uint16
	layer    uint16
	kind     Kind
}

// node is one path. There is one for each file of an image and they may be
// millions: no pointers, nothing on the heap.
type node struct {
	attributes
	flags       nodeFlags
	parent      nodeID
	first, next nodeID // first child, next sibling; only of what is linked
	name        span
}

const (
	nodesAChunk = 1 << 10
	arenaChunk  = 1 << 16
)

// span is where a string lies in an arena. 0 is the empty string.
type span uint32

// arena holds strings of at most longestSpan bytes.
type arena struct{ chunks [][]byte }

const longestSpan = 1<<15 - 1

func (a *arena) add(s []byte) span {
	if len(s) == 0 {
		return 0
	}
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+2+len(s) > arenaChunk {
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
		last++
		if last == 0 {
			a.chunks[0] = append(a.chunks[0], 0, 0) // so that no string begins at 0
		}
	}
	chunk := a.chunks[last]
	at := span(last)<<16 | span(len(chunk))
	chunk = append(chunk, byte(len(s)>>8), byte(len(s)))
	a.chunks[last] = append(chunk, s...)
	return at
}

func (a *arena) get(s span) []byte {
	if s == 0 {
		return nil
	}
	chunk, at := a.chunks[s>>16], int(s&0xffff)
	n := int(chunk[at])<<8 | int(chunk[at+1])
	return chunk[at+2 : at+2+n : at+2+n]
}

// nodes is the storage of a tree: nodes in chunks, so that growing copies
// nothing, their names in an arena, and an index by parent and name.
type nodes struct {
	chunks [][]node
	count  int
	names  arena
	index  []nodeID // open addressing; its length is a power of two
	seed   maphash.Seed
}

func newNodes() nodes {
	n := nodes{index: make([]nodeID, 64), seed: maphash.MakeSeed()}
	n.add(0, nil)
	n.at(rootID).flags = present | implied
	n.at(rootID).kind = Directory
	n.at(rootID).mode = 0o755
	return n
}

func (s *nodes) at(id nodeID) *node {
	i := int(id) - 1
	return &s.chunks[i/nodesAChunk][i%nodesAChunk]
}

func (s *nodes) add(parent nodeID, name []byte) nodeID {
	if s.count == len(s.chunks)*nodesAChunk {
		s.chunks = append(s.chunks, make([]node, 0, nodesAChunk))
	}
	last := &s.chunks[len(s.chunks)-1]
	*last = append(*last, node{parent: parent, name: s.names.add(name)})
	s.count++
	return nodeID(s.count)
}

func (s *nodes) slot(parent nodeID, name []byte) int {
	h := (maphash.Bytes(s.seed, name) ^ uint64(parent)) * 0x9e3779b97f4a7c15
	return int(h>>32) & (len(s.index) - 1)
}

// find returns the node of a name in a directory, or 0 when there never was one.
func (s *nodes) find(parent nodeID, name []byte) nodeID {
	for i := s.slot(parent, name); ; i = (i + 1) & (len(s.index) - 1) {
		id := s.index[i]
		if id == 0 {
			return 0
		}
		if n := s.at(id); n.parent == parent && string(s.names.get(n.name)) == string(name) {
			return id
		}
	}
}

// findOrAdd returns the node of a name in a directory, a new one, not present,
// when there is none.
func (s *nodes) findOrAdd(parent nodeID, name []byte) nodeID {
	if id := s.find(parent, name); id != 0 {
		return id
	}
	if s.count >= len(s.index)/4*3 {
		s.grow()
	}
	id := s.add(parent, name)
	s.insert(id)
	return id
}

func (s *nodes) insert(id nodeID) {
	n := s.at(id)
	i := s.slot(n.parent, s.names.get(n.name))
	for s.index[i] != 0 {
		i = (i + 1) & (len(s.index) - 1)
	}
	s.index[i] = id
}

func (s *nodes) grow() {
	s.index = make([]nodeID, 2*len(s.index))
	for id := rootID + 1; int(id) <= s.count; id++ {
		s.insert(id)
	}
}

// path returns the absolute path of a node.
func (s *nodes) path(id nodeID) string {
	if id == rootID {
		return "/"
	}
	return string(s.appendPath(nil, id))
}

// appendPath appends the absolute path of a node, for the root nothing.
func (s *nodes) appendPath(to []byte, id nodeID) []byte {
	var up []nodeID
	for ; id != rootID; id = s.at(id).parent {
		up = append(up, id)
	}
	for _, id := range slices.Backward(up) {
		to = append(append(to, '/'), s.names.get(s.at(id).name)...)
	}
	return to
}
