package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"ullage.dev/ullage/internal/tree"
)

// Access is a path that a rule reads, from one of its variables.
//
// The step "*" stands for every item of a list or every key of a map, "**" for
// every item or value, and "#", only at the end, for the number of items.
type Access struct {
	Root  string // a variable; podSpec, podMetadata and containers for the built-in ones
	Steps []string
}

// String writes the access so that no other one is written the same.
func (a Access) String() string {
	var b strings.Builder
	b.WriteString(a.Root)
	for _, step := range a.Steps {
		b.WriteByte('.')
		if strings.ContainsAny(step, ". |\"") {
			step = strconv.Quote(step)
		}
		b.WriteString(step)
	}
	return b.String()
}

func (a Access) then(step string) *Access {
	return &Access{a.Root, append(slices.Clip(a.Steps), step)}
}

// Footprint is the set of paths that a rule reads, sorted, without those that
// another one contains. A verdict depends on what stands there and on nothing
// else.
type Footprint []Access

func (f Footprint) String() string {
	var b strings.Builder
	for _, a := range f {
		b.WriteString(a.String())
		b.WriteByte(' ')
	}
	return b.String()
}

// Reads reports whether the footprint has a path from the variable.
func (f Footprint) Reads(root string) bool {
	return slices.ContainsFunc(f, func(a Access) bool { return a.Root == root })
}

// needsWorkload reports whether the footprint holds more than a container and its
// pod can say.
func (f Footprint) needsWorkload() bool {
	return slices.ContainsFunc(f, func(a Access) bool {
		return !slices.Contains([]string{imageName, "container", "podSpec", "podMetadata", "containers", "params"}, a.Root)
	})
}

// analysis collects what expressions read.
type analysis struct {
	reads     []Access
	variables map[string]*Access   // of the rule: where they lead, nil for computed values
	computed  map[string]Footprint // what the computed ones read
	scopes    map[string]*Access   // of comprehensions
}

// define analyzes a variable of the rule. What it reads counts where it is used.
func (a *analysis) define(name string, e ast.Expr) {
	before := a.reads
	a.reads = nil
	a.variables[name] = a.walk(e)
	a.computed[name] = a.footprint()
	a.reads = before
}

// wide reports whether a variable of the rule reads only what is the same for all
// elements of a pod.
func (a *analysis) wide(name string) bool {
	read := a.computed[name]
	if access := a.variables[name]; access != nil {
		read = append(slices.Clip(read), *access)
	}
	return !slices.ContainsFunc(read, func(x Access) bool {
		return !slices.Contains([]string{"object", "podSpec", "podMetadata", "containers"}, x.Root)
	})
}

// footprint reduces what was read to the paths that contain the rest.
func (a *analysis) footprint() Footprint {
	slices.SortFunc(a.reads, func(x, y Access) int { return strings.Compare(x.String(), y.String()) })
	a.reads = slices.CompactFunc(a.reads, func(x, y Access) bool { return x.String() == y.String() })
	var f Footprint
	for _, x := range a.reads {
		if !slices.ContainsFunc(a.reads, x.within) {
			f = append(f, x)
		}
	}
	return f
}

// within reports whether what stands at x is a part of what stands at y.
func (x Access) within(y Access) bool {
	return y.Root == x.Root && len(y.Steps) < len(x.Steps) && slices.Equal(y.Steps, x.Steps[:len(y.Steps)])
}

// read analyzes an expression whose value is used.
func (a *analysis) read(e ast.Expr) {
	if access := a.walk(e); access != nil {
		a.reads = append(a.reads, *access)
	}
}

// walk returns where an expression leads if it only selects from a variable;
// otherwise it records what the expression reads and returns nil.
func (a *analysis) walk(e ast.Expr) *Access {
	switch e.Kind() {
	case ast.IdentKind:
		if access, bound := a.scopes[e.AsIdent()]; bound {
			return access
		}
		return &Access{Root: e.AsIdent()}
	case ast.SelectKind:
		s := e.AsSelect()
		access := a.step(a.walk(s.Operand()), s.FieldName())
		if access != nil && s.IsTestOnly() {
			a.reads = append(a.reads, *access)
			return nil
		}
		return access
	case ast.CallKind:
		return a.call(e.AsCall())
	case ast.ComprehensionKind:
		a.comprehension(e.AsComprehension())
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			a.read(item)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			a.read(entry.AsMapEntry().Key())
			a.read(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, f := range e.AsStruct().Fields() {
			a.read(f.AsStructField().Value())
		}
	}
	return nil
}

// step selects a field; the built-in and the rule's own variables are resolved.
func (a *analysis) step(from *Access, field string) *Access {
	switch {
	case from == nil:
		return nil
	case from.Root != "variables":
		return from.then(field)
	}
	if access, own := a.variables[field]; own {
		a.reads = append(a.reads, a.computed[field]...)
		return access
	}
	switch field {
	case "podSpec", "podMetadata", "containers":
		return &Access{Root: field}
	}
	return nil // constant for an engine
}

func (a *analysis) call(c ast.CallExpr) *Access {
	switch name := c.FunctionName(); name {
	case operators.OptSelect, operators.Index, operators.OptIndex:
		from := a.walk(c.Args()[0])
		if arg := c.Args()[1]; arg.Kind() == ast.LiteralKind {
			switch key := arg.AsLiteral().(type) {
			case types.String:
				return a.step(from, string(key))
			case types.Int:
				if from != nil {
					return from.then("*")
				}
				return nil
			}
		}
		a.read(c.Args()[1])
		if from != nil {
			a.reads = append(a.reads, *from)
		}
		return nil
	case operators.In:
		a.read(c.Args()[0])
		if over := a.walk(c.Args()[1]); over != nil {
			a.reads = append(a.reads, *over.then("*"))
		}
		return nil
	case "orValue":
		if c.IsMemberFunction() && len(c.Args()) == 1 && constant(c.Args()[0]) {
			return a.walk(c.Target()) // what it yields is decided by where the target leads
		}
	}
	if c.IsMemberFunction() {
		a.read(c.Target())
	}
	for _, arg := range c.Args() {
		a.read(arg)
	}
	return nil
}

func constant(e ast.Expr) bool {
	return e.Kind() == ast.LiteralKind || e.Kind() == ast.ListKind && len(e.AsList().Elements()) == 0 || e.Kind() == ast.MapKind && len(e.AsMap().Entries()) == 0
}

func (a *analysis) comprehension(c ast.ComprehensionExpr) {
	over := a.walk(c.IterRange())
	var item *Access
	if over != nil {
		a.reads = append(a.reads, *over.then("#"))
		item = over.then("*")
	}
	saved := a.scopes
	a.scopes = map[string]*Access{}
	for name, access := range saved {
		a.scopes[name] = access
	}
	a.read(c.AccuInit())
	a.scopes[c.AccuVar()] = nil
	if c.HasIterVar2() { // the first is an index or a key, the second the item
		if over != nil {
			item = over.then("**")
		}
		a.scopes[c.IterVar()], a.scopes[c.IterVar2()] = nil, item
	} else {
		a.scopes[c.IterVar()] = item
	}
	a.read(c.LoopCondition())
	a.read(c.LoopStep())
	a.read(c.Result())
	a.scopes = saved
}

// hash returns a digest of what stands at the end of the steps below a node, or
// of what stops them: that there is no map counts as much as that the map lacks
// the entry, for has(a.b) is false of the one and an error of the other.
func hash(n *tree.Node, steps []string) uint64 {
	for i, step := range steps {
		switch {
		case step == "*" && n.Is(tree.List):
			h := uint64(n.Len())
			for j := range n.Children() {
				h = tree.Mix(h, hash(n.At(j), steps[i+1:]))
			}
			return h
		case step == "#" && n.Is(tree.List):
			return uint64(n.Len()) + 1
		case (step == "*" || step == "#") && n.Is(tree.Map): // what goes through a map sees its keys
			return tree.Mix(n.KeyHash(), uint64(i))
		case step == "*" || step == "#" || step == "**" || !n.Is(tree.Map):
			return tree.Mix(n.Hash(), uint64(i)) // absent, unknown or of another type
		}
		if n = n.Get(step); n.Is(tree.Null) {
			n = nil
		}
	}
	return n.Hash()
}
