package policy

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"ullage.dev/ullage/internal/tree"
)

// The tree is seen by CEL through these types: a conversion of the pointer, no
// copy of the content.
type (
	mapValue  tree.Node
	listValue tree.Node
)

var (
	_ traits.Mapper = (*mapValue)(nil)
	_ traits.Lister = (*listValue)(nil)
)

// value gives a node to CEL. What is absent or null must not reach it, except
// as an explicit null.
func value(n *tree.Node) ref.Val {
	switch n.Kind() {
	case tree.Map:
		return (*mapValue)(n)
	case tree.List:
		return (*listValue)(n)
	case tree.String:
		return types.String(n.Text())
	case tree.Bool:
		return types.Bool(n.True())
	case tree.Int:
		if i, ok := n.Int(); ok {
			return types.Int(i)
		}
		f, _ := n.Float()
		return types.Double(f)
	case tree.Float:
		f, _ := n.Float()
		return types.Double(f)
	case tree.Unknown:
		return unknownBecause(n.Text())
	}
	return types.NullValue
}

// unknownBecause makes CEL's unknown; the reason travels as the name of its
// attribute.
func unknownBecause(reason string) *types.Unknown {
	return types.NewUnknown(1, types.NewAttributeTrail(reason))
}

// reasons takes the reasons back out of an unknown result.
func reasons(u *types.Unknown) string {
	var all []string
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			if s := t.Variable(); s != "" {
				all = append(all, s)
			}
		}
	}
	return strings.Join(all, "; ")
}

func (m *mapValue) node() *tree.Node { return (*tree.Node)(m) }

func (m *mapValue) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	n := m.node().Get(string(name))
	if n == nil || n.Is(tree.Null) {
		return nil, false
	}
	return value(n), true
}

func (m *mapValue) Get(key ref.Val) ref.Val {
	v, found := m.Find(key)
	if !found {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

func (m *mapValue) Contains(key ref.Val) ref.Val {
	_, found := m.Find(key)
	return types.Bool(found)
}

func (m *mapValue) Size() ref.Val {
	size := 0
	for i := range m.node().Children() {
		if !m.node().Children()[i].Is(tree.Null) {
			size++
		}
	}
	return types.Int(size)
}

func (m *mapValue) Iterator() traits.Iterator {
	it := &iterator{rest: m.node().Children(), keys: true}
	it.skip()
	return it
}

func (m *mapValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Mapper)
	if !ok || o.Size() != m.Size() {
		return types.False
	}
	var all equality
	for i := range m.node().Children() {
		kid := &m.node().Children()[i]
		if kid.Is(tree.Null) {
			continue
		}
		v, found := o.Find(types.String(kid.Key()))
		if !found || !all.and(value(kid), v) {
			return types.False
		}
	}
	return all.result()
}

// equality gathers whether all items are equal: one that differs decides it,
// one that is unknown leaves it open.
type equality struct{ unknown *types.Unknown }

// and reports false when two items differ.
func (e *equality) and(a, b ref.Val) bool {
	same := types.Equal(a, b)
	if types.IsUnknown(b) {
		same = b
	}
	if u, open := same.(*types.Unknown); open {
		e.unknown = types.MergeUnknowns(u, e.unknown)
		return true
	}
	return same == types.True
}

func (e *equality) result() ref.Val {
	if e.unknown != nil {
		return e.unknown
	}
	return types.True
}

func (m *mapValue) Type() ref.Type { return types.MapType }
func (m *mapValue) Value() any     { return m.node().Native() }

func (m *mapValue) ConvertToNative(t reflect.Type) (any, error) { return toNative(m.node(), t) }

func (m *mapValue) ConvertToType(t ref.Type) ref.Val { return convert(m, types.MapType, t) }

func (l *listValue) node() *tree.Node { return (*tree.Node)(l) }

func (l *listValue) Get(index ref.Val) ref.Val {
	i, err := types.IndexOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	n := l.node().At(i)
	if n == nil {
		return types.NewErr("index out of bounds: %d", i)
	}
	return value(n)
}

func (l *listValue) Size() ref.Val { return types.Int(l.node().Len()) }

func (l *listValue) Iterator() traits.Iterator {
	return &iterator{rest: l.node().Children()}
}

func (l *listValue) Contains(v ref.Val) ref.Val {
	var open *types.Unknown
	for i := range l.node().Children() {
		var one equality
		if !one.and(value(l.node().At(i)), v) {
			continue
		}
		if one.unknown == nil {
			return types.True
		}
		open = types.MergeUnknowns(one.unknown, open)
	}
	if open != nil {
		return open
	}
	return types.False
}

func (l *listValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok || o.Size() != l.Size() {
		return types.False
	}
	var all equality
	for i := range l.node().Children() {
		if !all.and(value(l.node().At(i)), o.Get(types.Int(i))) {
			return types.False
		}
	}
	return all.result()
}

func (l *listValue) Add(other ref.Val) ref.Val { return concat(l, other) }
func (l *listValue) Type() ref.Type            { return types.ListType }
func (l *listValue) Value() any                { return l.node().Native() }

func (l *listValue) ConvertToNative(t reflect.Type) (any, error) { return toNative(l.node(), t) }

func (l *listValue) ConvertToType(t ref.Type) ref.Val { return convert(l, types.ListType, t) }

// concat joins two lists into one of CEL's own.
func concat(a traits.Lister, b ref.Val) ref.Val {
	other, ok := b.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(b)
	}
	size, _ := a.Size().(types.Int)
	more, _ := other.Size().(types.Int)
	all := make([]ref.Val, 0, max(size+more, 0))
	for _, l := range []traits.Lister{a, other} {
		for it := l.Iterator(); it.HasNext() == types.True; {
			all = append(all, it.Next())
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, all)
}

func convert(v ref.Val, self, t ref.Type) ref.Val {
	switch t {
	case self:
		return v
	case types.TypeType:
		return self.(ref.Val)
	}
	return types.NewErr("type conversion error from '%s' to '%s'", self, t)
}

func toNative(n *tree.Node, t reflect.Type) (any, error) {
	v := n.Native()
	if rv := reflect.ValueOf(v); rv.IsValid() && rv.Type().AssignableTo(t) {
		return v, nil
	}
	return types.DefaultTypeAdapter.NativeToValue(v).ConvertToNative(t)
}

// iterator walks the items of a list, or the keys of a map whose values are not
// null. The zero iterator is at its end.
type iterator struct {
	rest []tree.Node
	keys bool
}

// skip goes on to the next entry of a map.
func (it *iterator) skip() {
	for len(it.rest) > 0 && it.rest[0].Is(tree.Null) {
		it.rest = it.rest[1:]
	}
}

func (it *iterator) HasNext() ref.Val { return types.Bool(len(it.rest) > 0) }

func (it *iterator) Next() ref.Val {
	if len(it.rest) == 0 {
		return nil
	}
	n := &it.rest[0]
	it.rest = it.rest[1:]
	if !it.keys {
		return value(n)
	}
	it.skip()
	return types.String(n.Key())
}

func (it *iterator) ConvertToNative(reflect.Type) (any, error) {
	return nil, fmt.Errorf("an iterator has no native form")
}
func (it *iterator) ConvertToType(ref.Type) ref.Val { return types.NewErr("no such overload") }
func (it *iterator) Equal(ref.Val) ref.Val          { return types.False }
func (it *iterator) Type() ref.Type                 { return types.IteratorType }
func (it *iterator) Value() any                     { return nil }
