package tree

import (
	"errors"
	"fmt"
)

// Clone returns a copy that shares nothing with n and is not sealed.
func Clone(n *Node) *Node {
	c := clone(n)
	return &c
}

func clone(n *Node) Node {
	c := *n
	if n.collects() {
		from := n.Children()
		kids := make([]Node, len(from))
		for i := range from {
			kids[i] = clone(&from[i])
		}
		c.setKids(kids)
	}
	return c
}

// Apply returns a copy of root, not sealed, in which the value at path was set,
// removed (value nil), or appended to the list at path. Maps on the way are
// made where they are absent; lists are not.
func Apply(root *Node, path Path, value *Node, appendTo bool) (*Node, error) {
	c := Clone(root)
	if err := apply(c, path, 0, value, appendTo); err != nil {
		return nil, err
	}
	return c, nil
}

// apply changes n, to which path[:from] leads.
func apply(n *Node, path Path, from int, value *Node, appendTo bool) error {
	if len(path) == 0 {
		return errors.New("an empty path")
	}
	for i := from; i < len(path); i++ {
		s := path[i]
		last := i == len(path)-1
		next := n.Follow(Path{s})
		if next == nil || next.kind == Null && (!last || appendTo) {
			if value == nil {
				return nil // nothing to remove
			}
			if s.Key == "" || n.kind != Map {
				return fmt.Errorf("there is no %s", path[:i+1])
			}
			fill := Node{kind: Map}
			if last && appendTo {
				fill.kind = List
			}
			if next == nil {
				n.Add(s.Key, fill)
				next = n.Get(s.Key)
			} else {
				next.Replace(fill)
			}
		}
		if !last {
			n = next
			continue
		}
		switch {
		case value == nil:
			n.drop(next)
		case appendTo:
			if next.kind != List {
				return fmt.Errorf("%s is %s, not a list", path, next.kind.Noun())
			}
			next.Add("", clone(value))
		default:
			next.Replace(clone(value))
		}
	}
	return nil
}

func (n *Node) drop(kid *Node) {
	kids := n.Children()
	for i := range kids {
		if &kids[i] == kid {
			n.setKids(append(kids[:i], kids[i+1:]...))
			return
		}
	}
}
