package tree

import (
	"math"
	"strconv"
)

// Of builds a node from a Go value: nil, bool, int, int64, float64, string,
// Node, []Node, []string, []any and map-like []Node made with [Entry]. It
// panics on other types.
func Of(v any) Node {
	switch v := v.(type) {
	case nil:
		return scalar(Null, "null")
	case bool:
		return scalar(Bool, strconv.FormatBool(v))
	case int:
		return scalar(Int, strconv.Itoa(v))
	case int64:
		return scalar(Int, strconv.FormatInt(v, 10))
	case float64:
		if i := int64(v); v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return scalar(Int, strconv.FormatInt(i, 10))
		}
		return scalar(Float, strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		return scalar(String, v)
	case Node:
		return v
	case []string:
		n := Node{kind: List}
		n.Grow(len(v))
		for _, s := range v {
			n.Add("", Of(s))
		}
		return n
	case []Node:
		return collection(List, v)
	case []any:
		n := Node{kind: List}
		n.Grow(len(v))
		for _, e := range v {
			n.Add("", Of(e))
		}
		return n
	case map[string]any:
		n := Node{kind: Map}
		n.Grow(len(v))
		for k, e := range v {
			n.Add(k, Of(e))
		}
		return n
	}
	panic("tree.Of: unsupported type")
}

func scalar(kind Kind, text string) (n Node) {
	n.setText(kind, text)
	return n
}

func collection(kind Kind, kids []Node) Node {
	n := Node{kind: kind}
	n.setKids(kids)
	return n
}

// Entry is a map entry for [MapOf].
func Entry(key string, v any) Node {
	n := Of(v)
	n.setKey(key, n.KeyStart())
	return n
}

// MapOf builds a map from entries.
func MapOf(entries ...Node) Node { return collection(Map, entries) }

// UnknownBecause builds a value that was not measured, for the reason given.
func UnknownBecause(reason string) Node { return scalar(Unknown, reason) }

// Defaulted marks a node and all below it as implied.
func Defaulted(n Node) Node {
	n.style |= Implied
	kids := n.Children()
	for i := range kids {
		kids[i] = Defaulted(kids[i])
	}
	return n
}

// ImpliedBy returns a copy of a value for another place, where it is not
// written but follows from the one that is.
func ImpliedBy(n *Node) Node {
	c := scalar(n.kind, n.Text())
	if n.collects() {
		from := n.Children()
		kids := make([]Node, len(from))
		for i := range from {
			kids[i] = ImpliedBy(&from[i])
		}
		c = collection(n.kind, kids)
	}
	c.setKey(n.Key(), 0)
	c.style = Implied
	return c
}
