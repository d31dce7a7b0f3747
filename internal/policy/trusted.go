package policy

import (
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apiserver/pkg/cel/library"
)

// The expressions of the rule library are checked in the API server's
// environment like all others, but planned here: without the account of costs,
// which takes as long as the evaluation itself, as the project answers for what
// its rules cost; and all with the one table of functions, of which CEL would
// make one for each expression. The libraries are those of OldestMinor.
var trusted = sync.OnceValues(func() (interpreter.Interpreter, error) {
	env, err := trustedEnv()
	if err != nil {
		return nil, err
	}
	functions := interpreter.NewDispatcher()
	for _, f := range env.Functions() {
		bindings, err := f.Bindings()
		if err == nil {
			err = functions.Add(bindings...)
		}
		if err != nil {
			return nil, fmt.Errorf("CEL function %s: %w", f.Name(), err)
		}
	}
	provider, adapter := env.CELTypeProvider(), env.CELTypeAdapter()
	attributes := interpreter.NewAttributeFactory(env.Container, adapter, provider)
	return interpreter.NewInterpreter(functions, env.Container, provider, adapter, attributes), nil
})

func trustedEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.DefaultUTCTimeZone(true), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		library.URLs(), library.Regex(), library.Lists(library.ListsVersion(0)), library.Quantity(), library.IP(), library.CIDR(), library.Format(),
		library.Authz(), library.AuthzSelectors(), ext.Strings(ext.StringsVersion(2)), ext.Sets(),
	)
}

// planTrusted makes a checked expression of the rule library ready to run.
func planTrusted(checked *cel.Ast) (interpreter.InterpretableV2, error) {
	i, err := trusted()
	if err != nil {
		return nil, err
	}
	attributes := followed
	for _, ref := range checked.NativeRep().ReferenceMap() {
		if strings.HasPrefix(ref.Name, ".") { // the variable of that name outside the loops: only CEL can tell them apart
			attributes = func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) { return i, nil }
		}
	}
	return i.NewInterpretable(checked.NativeRep(),
		interpreter.CustomDecoratorV2(attributes), interpreter.CustomDecoratorV2(alternatives),
		interpreter.CustomDecoratorV2(prefiltered), interpreter.CustomDecoratorV2(indexed),
		interpreter.Optimize(), interpreter.CompileRegexConstants(interpreter.MatchesRegexOptimization, library.FindRegexOptimization, library.FindAllRegexOptimization))
}

// run evaluates what planTrusted made. A panic, which would be a defect of a CEL
// library, is an error of the rule and not the end of the program.
func (f *frame) run(steps interpreter.InterpretableV2) (out ref.Val) {
	frame, err := interpreter.NewExecutionFrame(f)
	if err != nil {
		return types.WrapErr(err)
	}
	defer func() {
		frame.Close()
		if r := recover(); r != nil {
			out = types.NewErr("internal error: %v", r)
		}
	}()
	return steps.Exec(frame)
}

// alternatives plans or and orValue of optional values, which CEL has no
// functions for, as they evaluate their argument only where it is needed.
func alternatives(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return i, nil
	}
	switch call.OverloadID() {
	case "", "optional_or_optional", "optional_orValue_value": // "" where the receiver's type is known only at run time
	default:
		return i, nil
	}
	switch call.Function() {
	case "or", "orValue":
		a := &alternative{InterpretableCall: call, first: call.Args()[0], other: call.Args()[1], unwraps: call.Function() == "orValue"}
		if chain, ok := a.first.(*attribute); ok && a.unwraps && chain.optional() {
			a.chain = chain
		}
		return a, nil
	}
	return i, nil
}

// alternative is an optional value, or another one where it has none.
type alternative struct {
	interpreter.InterpretableCall
	first, other interpreter.InterpretableV2
	unwraps      bool       // orValue
	chain        *attribute // first, where it may be followed in the tree
}

// Exec implements interpreter.InterpretableV2.
func (a *alternative) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if a.chain != nil {
		switch v, end := a.chain.follow(frame); end {
		case arrived:
			return v
		case absent:
			return a.other.Exec(frame)
		}
	}
	switch v := a.first.Exec(frame).(type) {
	case *types.Err, *types.Unknown:
		return v
	case *types.Optional:
		switch {
		case !v.HasValue():
			return a.other.Exec(frame)
		case a.unwraps:
			return v.GetValue()
		}
		return v
	}
	return types.NoSuchOverloadErr()
}

// Eval implements interpreter.Interpretable.
func (a *alternative) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}
