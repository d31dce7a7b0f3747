package tree

import (
	"fmt"
	"strconv"
	"strings"
)

// Step is one step of a [Path]: a key, or an index when Key is empty.
type Step struct {
	Key   string
	Index int
}

// Path leads from a node to one below it.
type Path []Step

// ParsePath reads a path such as spec.containers[0].image or
// metadata.labels["app.kubernetes.io/name"].
func ParsePath(s string) (Path, error) {
	var p Path
	for rest := s; rest != ""; {
		switch {
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if strings.HasPrefix(rest, `["`) {
				if end = strings.Index(rest, `"]`) + 1; end < 2 {
					return nil, fmt.Errorf("path %q: %q is not closed", s, rest)
				}
				p = append(p, Step{Key: rest[2 : end-1]})
			} else {
				if end < 0 {
					return nil, fmt.Errorf("path %q: %q is not closed", s, rest)
				}
				i, err := strconv.Atoi(rest[1:end])
				if err != nil || i < 0 {
					return nil, fmt.Errorf("path %q: %q is not an index", s, rest[1:end])
				}
				p = append(p, Step{Index: i})
			}
			rest = rest[end+1:]
		case rest[0] == '.' && len(p) > 0 && len(rest) > 1 && rest[1] != '.' && rest[1] != '[':
			rest = rest[1:]
		case rest[0] == '.':
			return nil, fmt.Errorf("path %q: a key is missing before %q", s, rest)
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			p = append(p, Step{Key: rest[:end]})
			rest = rest[end:]
		}
	}
	return p, nil
}

// String writes the path so that ParsePath reads it back.
func (p Path) String() string {
	var b strings.Builder
	for _, s := range p {
		switch {
		case s.Key == "":
			fmt.Fprintf(&b, "[%d]", s.Index)
		case strings.ContainsAny(s.Key, ".[]\""):
			fmt.Fprintf(&b, `["%s"]`, s.Key)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

// Join returns p followed by the steps of q, sharing neither's memory.
func (p Path) Join(q ...Step) Path {
	return append(append(make(Path, 0, len(p)+len(q)), p...), q...)
}

// Keys builds a path of keys.
func Keys(keys ...string) Path {
	p := make(Path, len(keys))
	for i, k := range keys {
		p[i].Key = k
	}
	return p
}

// Follow returns the node at the end of the path, or nil.
func (n *Node) Follow(p Path) *Node {
	for _, s := range p {
		if s.Key != "" {
			n = n.Get(s.Key)
		} else {
			n = n.At(s.Index)
		}
	}
	return n
}

// Nearest follows the path as far as nodes are written in the file and returns
// the last one: the place to point at when what the path names is missing.
func (n *Node) Nearest(p Path) *Node {
	for _, s := range p {
		next := n.Follow(Path{s})
		if next == nil || next.Has(Implied) {
			return n
		}
		n = next
	}
	return n
}
