package image

import "slices"

// squash lays layers over one another, from the lowest. It is the file system of
// an image as far as layers were added.
type squash struct {
	tree     *Tree
	limits   Limits
	layer    int // index of the one that is added
	kept     int64
	cut      bool // paths were left out
	problems problems
}

// add lays one layer over what is there, by the rules of the OCI image
// specification as runtimes with an overlay file system carry them out: a
// whiteout hides what is below its layer and nothing in it; a directory over a
// directory keeps what that holds; anything else replaces what is there. A layer
// that is given away may be taken over, and be changed.
func (s *squash) add(layer *Tree, index int, away bool) {
	s.layer = index
	if s.tree == nil && away {
		s.adopt(layer)
		return
	}
	if s.tree == nil {
		s.tree = newTree()
	}
	links := s.lookUpLinks(layer)
	for _, id := range layer.opaques {
		if dir := s.counterpart(layer, id); dir != 0 {
			s.tree.clear(dir)
		}
	}
	for _, id := range layer.whiteouts {
		if hidden := s.counterpart(layer, id); hidden != 0 {
			s.tree.remove(hidden)
		}
	}
	m := merge{squash: s, from: layer, links: links, contents: make([]uint32, len(layer.contents)+1)}
	m.directory(rootID, rootID)
	s.tidy()
}

// adopt takes the lowest layer as it is: there is nothing for it to hide.
func (s *squash) adopt(layer *Tree) {
	s.tree = layer
	for id := rootID; int(id) <= layer.count; id++ {
		n := layer.at(id)
		n.flags &^= whiteout | opaque
		n.layer = uint16(s.layer)
		if n.flags&hardLink != 0 && n.flags&present != 0 {
			s.missing(layer, id)
			layer.remove(id)
		}
	}
	layer.whiteouts, layer.opaques = nil, nil
	for i := range layer.contents {
		s.kept += int64(len(layer.contents[i].bytes))
		for j := range layer.contents[i].found {
			layer.contents[i].found[j].Layer = s.layer
		}
	}
}

func (s *squash) missing(layer *Tree, id nodeID) {
	s.problems.add("layer %d: %s: a hard link to /%s, which is not there: left out", s.layer, layer.path(id), layer.names.get(layer.at(id).link))
}

// lookUpLinks finds what hard links to lower layers lead to, before anything
// there is changed.
func (s *squash) lookUpLinks(layer *Tree) map[nodeID]attributes {
	var links map[nodeID]attributes
	for id := rootID; int(id) <= layer.count; id++ {
		n := layer.at(id)
		if n.flags&hardLink == 0 || n.flags&present == 0 {
			continue
		}
		target := s.tree.follow(rootID, layer.names.get(n.link), false)
		if target == 0 || s.tree.at(target).kind == Directory {
			s.missing(layer, id)
			continue
		}
		if links == nil {
			links = map[nodeID]attributes{}
		}
		a := s.tree.at(target).attributes
		if a.content != 0 { // must outlast the file that it was read from
			s.tree.contents[a.content-1].users++
		}
		links[id] = a
	}
	return links
}

// counterpart returns what is there at the path of a layer's node, or 0.
func (s *squash) counterpart(layer *Tree, id nodeID) nodeID {
	if id == rootID {
		return rootID
	}
	parent := s.counterpart(layer, layer.at(id).parent)
	if parent == 0 {
		return 0
	}
	return s.tree.child(parent, layer.names.get(layer.at(id).name))
}

// tidy drops content that nobody leads to from the end of the list.
func (s *squash) tidy() {
	n := len(s.tree.contents)
	for n > 0 && s.tree.contents[n-1].users == 0 {
		n--
	}
	clear(s.tree.contents[n:])
	s.tree.contents = s.tree.contents[:n]
	s.kept = 0
	for i := range s.tree.contents {
		s.kept += int64(len(s.tree.contents[i].bytes))
	}
}

// merge is one layer on its way into the tree.
type merge struct {
	*squash
	from     *Tree
	links    map[nodeID]attributes
	contents []uint32 // place of the layer's contents in the tree's
}

// directory merges what a directory of the layer holds, and its attributes.
func (m *merge) directory(from, to nodeID) {
	if n := m.from.at(from); n.flags&implied == 0 {
		m.put(to, n.attributes, 0)
	}
	for id := m.from.at(from).first; id != 0; id = m.from.at(id).next {
		n := m.from.at(id)
		if n.flags&present == 0 {
			continue
		}
		target := m.node(to, m.from.names.get(n.name))
		switch {
		case target == 0:
		case n.flags&hardLink != 0:
			m.hardLink(id, target)
		case n.kind != Directory:
			m.file(n.attributes, target)
		default:
			if there := m.tree.at(target); there.flags&present == 0 || there.kind != Directory {
				m.put(target, n.attributes, n.flags&implied)
			}
			m.directory(id, target)
		}
	}
}

func (m *merge) hardLink(id, target nodeID) {
	a, ok := m.links[id]
	if !ok {
		return
	}
	m.put(target, a, 0)
	m.tree.release(a.content) // what lookUpLinks held on to
}

func (m *merge) file(a attributes, target nodeID) {
	if a.link != 0 {
		a.link = m.tree.names.add(m.from.names.get(a.link))
	}
	if a.content != 0 {
		a.content = m.bring(a.content)
	}
	m.put(target, a, 0)
}

func (m *merge) put(target nodeID, a attributes, flags nodeFlags) {
	a.layer = uint16(m.layer)
	m.tree.put(target, a, flags)
}

// node returns the node of a name in a directory of the tree, or 0 when there may
// be no more of them.
func (m *merge) node(dir nodeID, name []byte) nodeID {
	if id := m.tree.find(dir, name); id != 0 || m.tree.count < m.limits.Entries {
		return m.tree.findOrAdd(dir, name)
	}
	if !m.cut {
		m.cut = true
		m.problems.add("more than %d paths: the rest was left out", m.limits.Entries)
	}
	return 0
}

// bring moves content into the tree, when it is first asked for.
func (m *merge) bring(index uint32) uint32 {
	if m.contents[index] == 0 {
		c := m.from.contents[index-1]
		c.users = 0
		c.found = slices.Clone(c.found)
		for i := range c.found {
			c.found[i].Layer = m.layer
		}
		if m.kept+int64(len(c.bytes)) > m.limits.Kept {
			m.problems.add("%s: more than %d bytes of files to be kept: not read", c.path, m.limits.Kept)
			c = content{path: c.path}
		}
		m.kept += int64(len(c.bytes))
		m.tree.contents = append(m.tree.contents, c)
		m.contents[index] = uint32(len(m.tree.contents))
	}
	return m.contents[index]
}
