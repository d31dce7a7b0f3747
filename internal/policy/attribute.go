package policy

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"ullage.dev/ullage/internal/tree"
)

// followed plans variables such that a chain of fields below one, as most of what
// rules read is, is followed in the tree itself: no value is made for what is
// passed on the way.
func followed(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	plain, ok := i.(interpreter.InterpretableAttribute)
	if !ok {
		return i, nil
	}
	if _, done := i.(*attribute); done {
		return i, nil
	}
	variable, ok := plain.Attr().(interpreter.NamespacedAttribute)
	if !ok || len(variable.CandidateVariableNames()) != 1 || len(variable.Qualifiers()) > 0 {
		return i, nil
	}
	return &attribute{InterpretableAttribute: plain, name: variable.CandidateVariableNames()[0]}, nil
}

// attribute is a variable and the fields that are selected below it. Whatever
// does not end in a value of the tree, or in its absence where that was asked
// for, is left to CEL's own, with all its errors and unknowns.
type attribute struct {
	interpreter.InterpretableAttribute
	name   string
	fields []field
	tests  bool // asks only whether the last field is there
	other  bool // selects by something else than names
}

// field is one step of an attribute.
type field struct {
	key      string
	value    ref.Val // the key, for CEL
	optional bool    // it, or one before it, was selected by .?
}

// AddQualifier notes the fields while the expression is planned.
func (a *attribute) AddQualifier(q interpreter.Qualifier) (interpreter.Attribute, error) {
	constant, ok := q.(interpreter.ConstantQualifier)
	key, named := types.String(""), false
	if ok {
		key, named = constant.Value().(types.String)
	}
	a.other = a.other || a.tests || !named
	if !a.other {
		// CEL does not tell a field of has() from a selected one, but by what it does.
		probe := "there"
		switch got, err := q.Qualify(interpreter.EmptyActivation(), map[string]any{string(key): &probe}); {
		case err != nil:
			a.other = true
		case got == true:
			a.tests = true
		}
		optional := q.IsOptional() || len(a.fields) > 0 && a.fields[len(a.fields)-1].optional
		a.fields = append(a.fields, field{string(key), key, optional})
		a.other = a.other || a.tests && optional
	}
	return a.InterpretableAttribute.AddQualifier(q)
}

// optional reports whether the attribute is an optional value.
func (a *attribute) optional() bool { return len(a.fields) > 0 && a.fields[len(a.fields)-1].optional }

// Exec implements interpreter.InterpretableV2.
func (a *attribute) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v, end := a.follow(frame)
	switch {
	case end == elsewhere:
		return a.InterpretableAttribute.Exec(frame)
	case end == absent:
		return types.OptionalNone
	case a.optional():
		return types.OptionalOf(v)
	}
	return v
}

// Eval implements interpreter.Interpretable.
func (a *attribute) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}

// end says where following the fields of an attribute ends.
type end uint8

const (
	elsewhere end = iota // not in the tree: CEL must say
	arrived
	absent // at an optional field that is not there
)

// follow returns what stands at the end of the fields, or whether it is there
// where that is the question.
func (a *attribute) follow(vars interpreter.Activation) (ref.Val, end) {
	if a.other || len(a.fields) == 0 {
		return nil, elsewhere
	}
	root, _ := vars.ResolveName(a.name)
	fields := a.fields
	switch r := root.(type) {
	case *mapValue:
		return a.below(r.node(), fields)
	case finder: // variables or related: their entries are values already
		v, found := r.Find(fields[0].value)
		if !found || a.tests || fields[0].optional {
			return nil, elsewhere
		}
		if fields = fields[1:]; len(fields) > 0 {
			if m, ok := v.(*mapValue); ok {
				return a.below(m.node(), fields)
			}
			return nil, elsewhere
		}
		if !types.IsError(v) {
			return v, arrived
		}
	}
	return nil, elsewhere
}

// below follows fields from a node on.
func (a *attribute) below(n *tree.Node, fields []field) (ref.Val, end) {
	for i := range fields {
		if !n.Is(tree.Map) {
			return nil, elsewhere
		}
		n = n.Get(fields[i].key)
		switch present := n != nil && !n.Is(tree.Null); {
		case n.Is(tree.Unknown):
			return nil, elsewhere
		case a.tests && i == len(fields)-1:
			return types.Bool(present), arrived
		case present:
		case fields[i].optional:
			return nil, absent
		default:
			return nil, elsewhere
		}
	}
	return value(n), arrived
}
