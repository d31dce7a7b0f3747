package image

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Tree is a file system: that of one layer while it is read, that of the image
// once the layers are laid over one another. Paths are absolute and clean:
// /usr/bin/env, the root is /.
//
// A Tree is safe for concurrent use as long as nobody changes it.
type Tree struct {
	origins *origins // of the packages in it, nil when layers were not laid over one another
	nodes
	contents []content

	// Of a layer only: what it hides of those below, each once.
	whiteouts, opaques []nodeID
}

// content is what was kept of a file or found in it.
type content struct {
	users   int // paths that lead to it; at 0 it is let go
	bytes   []byte
	path    string // of the file as it was read
	found   []Package
	problem string
}

func newTree() *Tree { return &Tree{nodes: newNodes()} }

// Entry is one path of a tree.
type Entry struct {
	Path     string
	Kind     Kind
	Mode     uint16 // permission, setuid, setgid and sticky bits, as chmod takes them
	Size     int64  // in bytes, of regular files
	UID, GID uint32
	Link     string // target of a symbolic link, as it is written
	Layer    int    // index of the layer that brought it or changed it last
	Native   bool   // begins as an ELF file does; only known of files with an executable bit
	Script   bool   // begins with #!; only known of files with an executable bit
	Capable  bool   // has file capabilities
}

func (t *Tree) entry(id nodeID, path string) Entry {
	n := t.at(id)
	return Entry{
		Path: path, Kind: n.kind, Mode: n.mode & modeBits, Size: n.size, UID: n.uid, GID: n.gid, Link: string(t.names.get(n.link)),
		Layer: int(n.layer), Native: n.mode&native != 0, Script: n.mode&script != 0, Capable: n.mode&capable != 0,
	}
}

// Lookup returns what stands at a path. No symbolic link is followed, neither on
// the way nor at the end.
func (t *Tree) Lookup(path string) (Entry, bool) {
	id := t.lookup(path)
	if id == 0 {
		return Entry{}, false
	}
	return t.entry(id, path), true
}

func (t *Tree) lookup(path string) nodeID {
	id := rootID
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if name == "" {
			continue
		}
		if id = t.child(id, []byte(name)); id == 0 {
			return 0
		}
	}
	return id
}

// child returns what is there under a name in a directory, or 0.
func (t *Tree) child(dir nodeID, name []byte) nodeID {
	id := t.find(dir, name)
	if id == 0 || t.at(id).flags&present == 0 {
		return 0
	}
	return id
}

// Resolve follows symbolic links, on the way and at the end, as a process in a
// container does: absolute targets begin at the image's root, and .. does not
// lead out of it. The entry has the path that is really meant, so that
// /lib/libc.so.6 and /usr/lib/libc.so.6 meet. It fails for what does not exist
// and for links that lead in circles.
func (t *Tree) Resolve(path string) (Entry, bool) {
	id := t.follow([]byte(path), true)
	if id == 0 {
		return Entry{}, false
	}
	return t.entry(id, t.path(id)), true
}

// mostLinks is how many symbolic links Linux follows for one path.
const mostLinks = 40

// deepest is how many directories may lie in one another: as many as fit into the
// longest path that Linux takes.
const deepest = 2048

// along walks a path from the root: links on the way are followed, the one at the
// end where last says so, and .. does not lead out of the root. What stands under
// a name in a directory is for step to say, which is told whether the name is the
// last; 0 ends the walk, and so do links in circles.
func (t *Tree) along(path []byte, last bool, step func(dir nodeID, name []byte, isLast bool) nodeID) nodeID {
	at, links, depth := rootID, 0, 0
	for rest := path; ; {
		var name []byte
		name, rest = nextName(rest)
		switch string(name) {
		case "":
			return at
		case ".":
			continue
		case "..":
			if at != rootID {
				at, depth = t.at(at).parent, depth-1
			}
			continue
		}
		if depth == deepest {
			return 0
		}
		isLast := len(bytes.TrimLeft(rest, "/")) == 0
		id := step(at, name, isLast)
		if id == 0 {
			return 0
		}
		n := t.at(id)
		if n.kind != Symlink || isLast && !last {
			at, depth = id, depth+1
			continue
		}
		target := t.names.get(n.link)
		if links++; links > mostLinks || len(target)+len(rest) > 4*longestSpan {
			return 0
		}
		if bytes.HasPrefix(target, []byte("/")) {
			at, depth = rootID, 0
		}
		rest = slices.Concat(target, []byte("/"), rest)
	}
}

// follow walks to what is there at a path, as a process in a container does. It
// returns 0 when there is nothing.
func (t *Tree) follow(path []byte, last bool) nodeID {
	return t.along(path, last, func(dir nodeID, name []byte, isLast bool) nodeID {
		id := t.child(dir, name)
		if id != 0 && !isLast && t.at(id).kind != Directory && t.at(id).kind != Symlink {
			return 0
		}
		return id
	})
}

// nextName cuts the first name off a path; it is "" at the end.
func nextName(path []byte) (name, rest []byte) {
	path = bytes.TrimLeft(path, "/")
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, nil
}

// List returns what a directory holds, sorted by name. The directory itself may
// be reached through symbolic links; the paths returned are the real ones.
func (t *Tree) List(dir string) []Entry {
	id := t.follow([]byte(dir), true)
	if id == 0 {
		return nil
	}
	base := strings.TrimSuffix(t.path(id), "/")
	var entries []Entry
	for _, kid := range t.children(id) {
		entries = append(entries, t.entry(kid, base+"/"+string(t.names.get(t.at(kid).name))))
	}
	return entries
}

// children returns what is there in a directory, sorted by name.
func (t *Tree) children(dir nodeID) []nodeID {
	var kids []nodeID
	for id := t.at(dir).first; id != 0; id = t.at(id).next {
		if t.at(id).flags&present != 0 {
			kids = append(kids, id)
		}
	}
	slices.SortFunc(kids, func(a, b nodeID) int {
		return bytes.Compare(t.names.get(t.at(a).name), t.names.get(t.at(b).name))
	})
	return kids
}

// All yields every path below the root, a directory before what it holds and
// names in order.
func (t *Tree) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for id, path := range t.walk() {
			if !yield(t.entry(id, string(path))) {
				return
			}
		}
	}
}

// walk yields the nodes as All does. A path holds only until the next one.
func (t *Tree) walk() iter.Seq2[nodeID, []byte] {
	return func(yield func(nodeID, []byte) bool) {
		var path []byte
		var down func(dir nodeID) bool
		down = func(dir nodeID) bool {
			for _, id := range t.children(dir) {
				n, before := t.at(id), len(path)
				path = append(append(path, '/'), t.names.get(n.name)...)
				if !yield(id, path) || n.kind == Directory && !down(id) {
					return false
				}
				path = path[:before]
			}
			return true
		}
		down(rootID)
	}
}

// Content returns the bytes of a file that an [Interest] kept, found as
// [Tree.Resolve] does. They may not be changed.
func (t *Tree) Content(path string) ([]byte, bool) {
	id := t.follow([]byte(path), true)
	if id == 0 || t.at(id).content == 0 {
		return nil, false
	}
	c := &t.contents[t.at(id).content-1]
	return c.bytes, c.bytes != nil
}

// Found is what an [Extractor] found in a file that is still there.
type Found struct {
	// Read is the path under which the file was read. It is mostly one of Paths,
	// but the first name of a hard link may be gone when the second is not.
	Read     string
	Paths    []string // under which the file is there now, sorted
	Layer    int
	Packages []Package
	Problem  string // why the file could not be read wholly, "" when it was
}

// Found returns what was extracted in the pass from files that are there in the
// end, sorted by path.
func (t *Tree) Found() []Found {
	index := map[uint32]int{}
	var all []Found
	for id, path := range t.walk() {
		n := t.at(id)
		if n.content == 0 {
			continue
		}
		c := &t.contents[n.content-1]
		if len(c.found) == 0 && c.problem == "" {
			continue
		}
		i, known := index[n.content]
		if !known {
			i = len(all)
			index[n.content] = i
			all = append(all, Found{Read: c.path, Layer: int(n.layer), Packages: c.found, Problem: c.problem})
		}
		all[i].Paths = append(all[i].Paths, string(path))
		all[i].Layer = min(all[i].Layer, int(n.layer))
	}
	for i := range all {
		slices.Sort(all[i].Paths)
	}
	slices.SortStableFunc(all, func(a, b Found) int { return cmp.Compare(a.Paths[0], b.Paths[0]) })
	return all
}
