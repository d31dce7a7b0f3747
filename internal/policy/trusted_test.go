package policy

import (
	"fmt"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"ullage.dev/ullage/internal/tree"
)

// Followed in the tree, chains of fields end as CEL's own do: in the same value,
// the same absence, the same error or the same unknown.
func TestTrustedIsLikeTheLibrary(t *testing.T) {
	env, err := trustedEnv()
	if err != nil {
		t.Fatal(err)
	}
	env, err = env.Extend(cel.Variable("o", cel.DynType), cel.Variable("variables", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		t.Fatal(err)
	}
	document := parse(t, `{a: {b: {c: 1, n: null, l: [{c: x}, y], s: text}, e: {}, t: true}, n: null, l: [1], s: text, f: 1.5}`)[0]
	document.Add("u", tree.UnknownBecause("nobody looked"))
	inner := tree.MapOf(tree.Entry("u", tree.UnknownBecause("nobody looked there")), tree.Entry("c", "known"))
	document.Add("m", inner)
	root := value(document.Seal())
	vars := map[string]any{"o": root, "variables": types.NewRefValMap(types.DefaultTypeAdapter, map[ref.Val]ref.Val{
		types.String("m"): root, types.String("t"): types.String("text"), types.String("u"): unknownBecause("nobody asked"), types.String("e"): types.NewErr("broken"),
	})}

	var chains []string
	for _, from := range []string{"o", "variables.m", "variables.t", "variables.u", "variables.e", "variables.none"} {
		chains = append(chains, from)
		for _, first := range []string{"a", "n", "l", "u", "none"} {
			for _, dot := range []string{".", ".?"} {
				one := from + dot + first
				chains = append(chains, one)
				for _, second := range []string{"b", "u", "c"} {
					for _, next := range []string{".", ".?"} {
						chains = append(chains, one+next+second, one+next+second+".?c", one+next+second+".c", one+next+second+"[0]")
					}
				}
			}
		}
	}
	compared, followed := 0, 0
	for _, chain := range chains {
		for _, form := range []string{"%s", "%s.orValue('other')", "%s.or(optional.of('other'))", "has(%s)", "%s == 1", "[%s].exists(i, i == 1)", "[o].map(v, %s)", "(true ? %s : 1)", "o[%s]", "%s.hasValue()", "[{'a': 7}].map(o, .%s)", "[{'a': {'b': 7}}].map(o, %s)"} {
			text := fmt.Sprintf(form, chain)
			ast, issues := env.Compile(text)
			if issues.Err() != nil {
				continue
			}
			plain, err := env.Program(ast)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := planTrusted(ast)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			wanted, _, _ := plain.Eval(vars)
			frame, err := interpreter.NewExecutionFrame(vars)
			if err != nil {
				t.Fatal(err)
			}
			got := steps.Exec(frame)
			frame.Close()
			if want := fmt.Sprintf("%T %v", wanted, wanted); fmt.Sprintf("%T %v", got, got) != want {
				t.Errorf("%s is %T %v, want %s", text, got, got, want)
			}
			compared++
			if !types.IsError(wanted) {
				followed++
			}
		}
	}
	if compared < 2000 || followed < 500 {
		t.Errorf("compared %d expressions, %d of them without an error", compared, followed)
	}
}
