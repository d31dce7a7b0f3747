package model

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"ullage.dev/ullage/internal/tree"
)

// checkTypes holds the tree against the Go types of k8s.io/api, as the API
// server does when it decodes an object. Fields that the type does not have are
// returned; the first value of a wrong type is an error, which says what was
// found and what is needed, and never the value. Null counts as absent.
//
// Of kinds that k8s.io/api lacks (custom resources, removed versions) only the
// metadata are checked.
func checkTypes(o *Object) (unknown []tree.Path, err error) {
	var c checker
	ok := true
	if t := builtin.lookup(o.APIVersion, o.Key.Kind); t != nil {
		ok = c.check(o.Root, t)
	} else if err := builtin.misspelt(o); err != nil {
		return nil, err
	} else if metadata := o.Root.Get("metadata"); metadata.Is(tree.Map) {
		ok = c.check(metadata, builtin.metadata())
	}
	if !ok {
		path := pathsTo(o.Root, c.wrong)[0]
		return nil, fmt.Errorf("%s: %s/%s: %s %s", o.Source.Place(c.wrong), o.Key.GroupKind, o.Key.Name, path, c.reason)
	}
	return pathsTo(o.Root, c.unknown...), nil
}

// misspelt returns an error where the API version is one of Kubernetes' own and
// has no such kind: what is in the object would be judged by nothing.
func (s *schemas) misspelt(o *Object) error {
	add := builtinVersions[o.APIVersion]
	if add == nil || o.Key.Kind == "PodSecurityPolicy" { // removed, and no longer in k8s.io/api
		return nil
	}
	s.mu.Lock()
	kinds := s.kinds(o.APIVersion, add)
	s.mu.Unlock()
	hint := ""
	for kind := range kinds {
		if strings.EqualFold(kind, o.Key.Kind) {
			hint = " (" + kind + " is meant)"
		}
	}
	return fmt.Errorf("%s: %s has no kind %s%s", o.Source.Place(o.Root.Get("kind")), o.APIVersion, o.Key.Kind, hint)
}

// pathsTo returns the paths that lead from root to nodes below it. Finding them
// afterwards is cheaper than keeping the path on every walk.
func pathsTo(root *tree.Node, nodes ...*tree.Node) []tree.Path {
	if len(nodes) == 0 {
		return nil
	}
	wanted := make(map[*tree.Node]int, len(nodes))
	for i, n := range nodes {
		wanted[n] = i
	}
	found := make([]tree.Path, len(nodes))
	var walk func(n *tree.Node, path tree.Path)
	walk = func(n *tree.Node, path tree.Path) {
		if i, ok := wanted[n]; ok {
			found[i] = path.Join()
		}
		kids := n.Children()
		for i := range kids {
			step := tree.Step{Key: kids[i].Key()}
			if n.Is(tree.List) {
				step = tree.Step{Index: i}
			}
			walk(&kids[i], append(path, step))
		}
	}
	walk(root, nil)
	return found
}

// checker walks a tree and its type together.
type checker struct {
	unknown []*tree.Node // entries that the type does not have
	wrong   *tree.Node   // where the walk stopped
	reason  string
}

// check reports whether all values below n have the right type.
func (c *checker) check(n *tree.Node, t *typeInfo) bool {
	kind := n.Kind()
	if kind == tree.Null || kind == tree.Unknown {
		return true
	}
	switch t.shape {
	case shapeObject:
		return kind == tree.Map && c.object(n, t) || c.mismatch(n, t, kind != tree.Map)
	case shapeMap:
		return kind == tree.Map && c.entries(n, t) || c.mismatch(n, t, kind != tree.Map)
	case shapeList:
		return kind == tree.List && c.items(n, t) || c.mismatch(n, t, kind != tree.List)
	case shapeString:
		return kind == tree.String || c.mismatch(n, t, true)
	case shapeBool:
		return kind == tree.Bool || c.mismatch(n, t, true)
	case shapeFloat:
		return kind == tree.Float || kind == tree.Int || c.mismatch(n, t, true)
	case shapeInt:
		return kind == tree.Int && c.integer(n, t) || c.mismatch(n, t, kind != tree.Int)
	case shapeIntOrString:
		return kind == tree.String || kind == tree.Int && c.integer(n, int32Type) ||
			c.mismatch(n, t, kind != tree.Int)
	case shapeQuantity:
		return c.quantity(n, t)
	}
	return true
}

func (c *checker) object(n *tree.Node, t *typeInfo) bool {
	kids := n.Children()
	for i := range kids {
		kid := &kids[i]
		field := t.fields[kid.Key()]
		if field == nil {
			c.unknown = append(c.unknown, kid)
		} else if !c.check(kid, field) {
			return false
		}
	}
	return true
}

func (c *checker) entries(n *tree.Node, t *typeInfo) bool {
	kids := n.Children()
	for i := range kids {
		if !c.check(&kids[i], t.elem) {
			return false
		}
	}
	return true
}

func (c *checker) items(n *tree.Node, t *typeInfo) bool {
	kids := n.Children()
	for i := range kids {
		if kids[i].Is(tree.Null) && t.elem.shape == shapeObject {
			return c.mismatch(&kids[i], t.elem, true)
		}
		if !c.check(&kids[i], t.elem) {
			return false
		}
	}
	return true
}

func (c *checker) integer(n *tree.Node, t *typeInfo) bool {
	var err error
	if t.unsigned {
		_, err = strconv.ParseUint(n.Text(), 10, int(t.bits))
	} else {
		_, err = strconv.ParseInt(n.Text(), 10, int(t.bits))
	}
	if err != nil {
		return c.fail(n, fmt.Sprintf("is out of the range of a %d-bit integer", t.bits))
	}
	return true
}

func (c *checker) quantity(n *tree.Node, t *typeInfo) bool {
	switch n.Kind() {
	case tree.Int:
		return true
	case tree.Float, tree.String:
		if plainQuantity(n.Text()) {
			return true
		}
		if _, err := resource.ParseQuantity(strings.TrimSpace(n.Text())); err != nil {
			return c.fail(n, "is not a quantity such as 250m, 1.5 or 64Mi")
		}
		return true
	}
	return c.mismatch(n, t, true)
}

// int32Type is the type of the number in an IntOrString.
var int32Type = &typeInfo{shape: shapeInt, bits: 32}

// plainQuantity reports whether s is of the common form: a few digits and at
// most a suffix.
func plainQuantity(s string) bool {
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 12 {
		return false
	}
	switch s[digits:] {
	case "", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti":
		return true
	}
	return false
}

// mismatch stops the walk at n when it is wrong itself; when not, something
// below it was, and the place is known. It returns false.
func (c *checker) mismatch(n *tree.Node, t *typeInfo, wrong bool) bool {
	if !wrong {
		return false
	}
	hint := ""
	if scalar := n.Is(tree.Bool) || n.Is(tree.Int) || n.Is(tree.Float); scalar && t.shape == shapeString {
		hint = " (quote it)"
	} else if n.Is(tree.String) && n.Has(tree.Quoted) && (t.shape == shapeBool || t.shape == shapeInt) {
		hint = " (take the quotes off)"
	}
	return c.fail(n, "is "+n.Kind().Noun()+", not "+t.shape.noun()+hint)
}

func (c *checker) fail(n *tree.Node, reason string) bool {
	c.wrong, c.reason = n, reason
	return false
}
