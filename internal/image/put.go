package image

// put lets a path be something. What was there goes, except that a directory
// keeps what it holds when it stays one. Content is handed over: its count of
// users goes up.
func (t *Tree) put(id nodeID, a attributes, flags nodeFlags) {
	if a.content != 0 {
		t.contents[a.content-1].users++
	}
	n := t.at(id)
	if n.flags&present != 0 {
		if n.kind == Directory && a.kind != Directory {
			t.clear(id)
		}
		t.release(n.content)
	}
	n.attributes = a
	n.flags = n.flags&sticky | present | flags
	t.link(id)
}

// link puts a node into the list of its parent's children.
func (t *Tree) link(id nodeID) {
	n := t.at(id)
	if n.flags&linked != 0 || id == rootID {
		return
	}
	parent := t.at(n.parent)
	n.next, parent.first = parent.first, id
	n.flags |= linked
}

// release lets go of content that one path less leads to.
func (t *Tree) release(index uint32) {
	if index == 0 {
		return
	}
	c := &t.contents[index-1]
	if c.users--; c.users == 0 {
		*c = content{}
	}
}

// remove takes a path and what is below it away.
func (t *Tree) remove(id nodeID) {
	n := t.at(id)
	if n.flags&present == 0 {
		return
	}
	t.clear(id)
	t.release(n.content)
	n.attributes = attributes{}
	n.flags &= sticky
}

// clear takes away what is in a directory. Nothing stays in its list, so that
// all the clearing of a pass together takes no longer than the adding did.
func (t *Tree) clear(dir nodeID) {
	for todo := []nodeID{dir}; len(todo) > 0; {
		n := t.at(todo[len(todo)-1])
		todo = todo[:len(todo)-1]
		kid := n.first
		n.first = 0
		for kid != 0 {
			k := t.at(kid)
			if k.first != 0 {
				todo = append(todo, kid)
			}
			next := k.next
			if k.flags&present != 0 {
				t.release(k.content)
			}
			k.attributes, k.next = attributes{}, 0
			k.flags &= sticky &^ linked
			kid = next
		}
	}
}

// makeWay walks to a directory as a runtime does that unpacks this layer alone:
// symbolic links that the layer has are followed, directories that are missing
// are made, or only numbered when make is false. It returns 0 when something else
// is in the way or links lead in circles.
func (t *Tree) makeWay(dir []byte, create bool) nodeID {
	return t.along(dir, true, func(at nodeID, name []byte, _ bool) nodeID {
		id := t.findOrAdd(at, name)
		n := t.at(id)
		switch {
		case !create:
		case n.flags&present == 0:
			t.put(id, attributes{kind: Directory, mode: 0o755}, implied)
		case n.kind != Directory && n.kind != Symlink:
			return 0
		}
		return id
	})
}
