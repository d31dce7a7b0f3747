package image

import "slices"

// squash lays layers over one another, from the lowest. It is the file system of
// an image as far as layers were added.
type squash struct {
	tree     *Tree
	limits   Limits
	pass     *layerPass // by which the layers were read, nil when nothing was looked for in them
	layer    int        // index of the one that is added
	kept     int64
	origins  origins
	cut      bool // paths were left out
	below    []linkedBelow
	passes   int // over lower layers, for these
	problems problems
}

// add lays one layer over what is there, by the rules of the OCI image
// specification as runtimes with an overlay file system carry them out: a
// whiteout hides what is below its layer and nothing in it; a directory over a
// directory keeps what that holds; anything else replaces what is there. A layer
// that is given away may be taken over, and be changed.
func (s *squash) add(layer *Tree, index int, away bool) {
	s.layer = index
	if s.tree == nil {
		s.tree = newTree()
	}
	links := s.lookUpLinks(layer)
	if away && layer.count >= s.tree.count {
		s.slideUnder(layer, links)
	} else {
		s.layOver(layer, links)
	}
	s.tidy()
	s.origins.note(s.tree, index)
	s.tree.origins = &s.origins
}

// layOver carries a layer into the tree.
func (s *squash) layOver(layer *Tree, links map[nodeID]attributes) {
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
	m := merge{squash: s, from: layer, to: s.tree, fresh: true, contents: make([]uint32, len(layer.contents)+1)}
	m.over(rootID, rootID, links)
}

// slideUnder carries what is in the tree into the layer, below what that has, and
// lets it be the tree. The result is the same; it costs less when the layer is the
// larger one, as with a million files on a small base.
func (s *squash) slideUnder(layer *Tree, links map[nodeID]attributes) {
	for i := range layer.contents {
		label(layer.contents[i].found, s.layer)
	}
	m := merge{squash: s, from: s.tree, to: layer, contents: make([]uint32, len(s.tree.contents)+1)}
	s.kept = layer.kept()
	for id := rootID; int(id) <= layer.count; id++ {
		n := layer.at(id)
		if n.flags&present == 0 {
			continue
		}
		if n.flags&hardLink != 0 {
			a, ok := links[id]
			if !ok {
				layer.remove(id)
				continue
			}
			layer.put(id, m.carried(a), 0)
		}
		n.layer = uint16(s.layer)
	}
	m.under(rootID, rootID)
	for _, list := range [][]nodeID{layer.whiteouts, layer.opaques} {
		for _, id := range list {
			layer.at(id).flags &^= whiteout | opaque
		}
	}
	layer.whiteouts, layer.opaques = nil, nil
	s.tree = layer
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
		link := layer.names.get(n.link)
		target := s.tree.follow(link, false)
		if target == 0 || s.tree.at(target).kind == Directory {
			s.problems.add("layer %d: %s: a hard link to /%s, which is not there: left out", s.layer+1, layer.path(id), link)
			continue
		}
		if links == nil {
			links = map[nodeID]attributes{}
		}
		a := s.tree.at(target).attributes
		if !s.lookedAtAs(layer.path(id), s.tree.path(target), a) {
			s.below = append(s.below, linkedBelow{layer.path(id)[1:], s.tree.path(target)[1:], int(a.layer)})
		}
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
	s.kept = s.tree.kept()
}

// kept counts the bytes of files that are held.
func (t *Tree) kept() int64 {
	var sum int64
	for i := range t.contents {
		sum += int64(len(t.contents[i].bytes))
	}
	return sum
}

func label(found []Package, layer int) {
	for i := range found {
		found[i].Layer = layer
	}
}

// packagesOf are those that the file at a node describes.
func (t *Tree) packagesOf(id nodeID) []Package {
	if n := t.at(id); n.flags&present != 0 && n.content != 0 {
		return t.contents[n.content-1].found
	}
	return nil
}

// sameAs labels the packages that a file describes with the layer of those that the file
// below it described, where they are the same: a layer that changes the owner or the mode
// of a file, or installs a package anew, has the file too.
func (t *Tree) sameAs(content uint32, before []Package) {
	if content == 0 || len(before) == 0 {
		return
	}
	found := t.contents[content-1].found
	if slices.EqualFunc(found, before, func(a, b Package) bool {
		return a.Ecosystem == b.Ecosystem && a.Name == b.Name && a.Version == b.Version
	}) {
		label(found, before[0].Layer)
	}
}

// merge carries paths from one tree to another.
type merge struct {
	*squash
	from, to *Tree
	fresh    bool     // what is carried belongs to the layer that is added
	contents []uint32 // place of the contents of one in those of the other
}

// over merges what a directory of the layer holds, and its attributes, into one
// of the tree.
func (m *merge) over(from, to nodeID, links map[nodeID]attributes) {
	if n := m.from.at(from); n.flags&implied == 0 {
		m.to.put(to, m.carried(n.attributes), 0)
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
			if a, ok := links[id]; ok {
				a.layer = uint16(m.layer)
				m.to.put(target, a, 0)
				m.to.release(a.content) // what lookUpLinks held on to
			}
		case n.kind != Directory:
			before, a := m.to.packagesOf(target), m.carried(n.attributes)
			m.to.sameAs(a.content, before)
			m.to.put(target, a, 0)
		default:
			if there := m.to.at(target); there.flags&present == 0 || there.kind != Directory {
				m.to.put(target, m.carried(n.attributes), 0)
			}
			m.over(id, target, links)
		}
	}
}

// under merges what a directory of the tree holds into one of the layer, as far
// as the layer does not hide it.
func (m *merge) under(from, to nodeID) {
	if n := m.to.at(to); n.flags&implied != 0 {
		m.to.put(to, m.carried(m.from.at(from).attributes), 0)
	}
	if m.to.at(to).flags&opaque != 0 {
		return
	}
	for id := m.from.at(from).first; id != 0; id = m.from.at(id).next {
		n := m.from.at(id)
		if n.flags&present == 0 {
			continue
		}
		target := m.node(to, m.from.names.get(n.name))
		if target == 0 {
			continue
		}
		there := m.to.at(target)
		switch {
		case there.flags&whiteout != 0:
			continue
		case there.flags&present == 0:
			m.to.put(target, m.carried(n.attributes), 0)
		case n.kind != Directory || there.kind != Directory:
			if n.content != 0 {
				m.to.sameAs(there.content, m.from.packagesOf(id))
			}
			continue
		}
		if n.kind == Directory {
			m.under(id, target)
		}
	}
}

// node returns the node of a name in a directory, or 0 when there may be no more
// of them.
func (m *merge) node(dir nodeID, name []byte) nodeID {
	if m.to.count < m.limits.Entries {
		return m.to.findOrAdd(dir, name)
	}
	id := m.to.find(dir, name)
	if id == 0 && !m.cut {
		m.cut = true
		m.problems.add("more than %d paths: the rest was left out", m.limits.Entries)
	}
	return id
}

// carried returns attributes as they are in the other tree.
func (m *merge) carried(a attributes) attributes {
	if m.fresh {
		a.layer = uint16(m.layer)
	}
	if a.link != 0 {
		a.link = m.to.names.add(m.from.names.get(a.link))
	}
	if a.content != 0 {
		a.content = m.bring(a.content)
	}
	return a
}

// bring carries content, when it is first asked for.
func (m *merge) bring(index uint32) uint32 {
	if m.contents[index] == 0 {
		c := m.from.contents[index-1]
		c.users = 0
		if m.fresh {
			c.found = slices.Clone(c.found)
			label(c.found, m.layer)
		}
		if m.kept+int64(len(c.bytes)) > m.limits.Kept {
			m.problems.add("%s: more than %d bytes of files to be kept: not read", c.path, m.limits.Kept)
			c = content{path: c.path}
		}
		m.kept += int64(len(c.bytes))
		m.to.contents = append(m.to.contents, c)
		m.contents[index] = uint32(len(m.to.contents))
	}
	return m.contents[index]
}
