package policy

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/interpreter"
)

func TestRequiredLiterals(t *testing.T) {
	for pattern, want := range map[string][]string{
		`abc`:                   {"abc"},
		`(?i)abc`:               nil,
		`a*`:                    nil,
		`(abc)+x`:               {"abc"},
		`(abc){0,2}`:            nil,
		`(abc){2}`:              {"abc"},
		`x(abc)?yy`:             {"yy"},
		`\b(wget|curl)\s+-\S+`:  {"wget", "curl"},
		`foo|b.*`:               {"foo", "b"},
		`foo|.*`:                nil,
		`(^|\s)--(no-auth|dev)`: {"no-auth", "dev"},
		"a\xef\xbf\xbdb":        nil, // the character that stands for invalid bytes
	} {
		m, err := newMatcher(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Clone(m.literals); !slices.Equal(got, want) {
			t.Errorf("%s requires %q, want %q", pattern, got, want)
		}
	}
}

// A pattern of several literals is compiled once, as that of one is; where it is
// no pattern, it fails as it does without that: a literal at once, put together
// where it is evaluated.
func TestPatternsOfSeveralLiterals(t *testing.T) {
	env, err := trustedEnv()
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]struct {
		compiled      int
		plans, answer bool
	}{
		`"abc".matches("^a" + "b|" + "c$")`:                               {1, true, true},
		`"abd".matches("^x" + "(b|d)$")`:                                  {1, true, false},
		`"abc".matches("^abc$")`:                                          {1, true, true},
		`"abc".matches("a" + "abc")`:                                      {1, true, false},
		`"abc".matches("a" + string(1))`:                                  {0, true, false},
		`"abc".matches("a(")`:                                             {0, false, false},
		`"abc".matches("a" + "(")`:                                        {0, true, false},
		`["b", "x", "c"].map(p, "abc".matches(p)) == [true, false, true]`: {0, true, true},
		`["b", "("].exists(p, "abc".matches(p))`:                          {0, true, true},
		`["x", "("].all(p, !"abc".matches(p))`:                            {0, true, false},
	} {
		checked, issues := env.Compile(expression)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		compiled := 0
		count := func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
			if call, ok := i.(interpreter.InterpretableCall); ok && call.Function() == "matches prefiltered" {
				compiled++
			}
			return i, nil
		}
		program, err := env.Program(checked, cel.CustomDecoratorV2(prefiltered), cel.CustomDecoratorV2(count))
		if (err == nil) != want.plans || compiled != want.compiled {
			t.Errorf("%s: %d patterns are compiled, want %d (%v)", expression, compiled, want.compiled, err)
		}
		if err != nil {
			continue
		}
		out, _, _ := program.Eval(map[string]any{})
		if answer, _ := out.Value().(bool); answer != want.answer {
			t.Errorf("%s is %v, want %t", expression, out, want.answer)
		}
	}
}

// The literals change no verdict.
func FuzzMatcherAgreesWithRegexp(f *testing.F) {
	f.Add(`\b(wget|curl)\s+-\S+`, "sh -c curl -s")
	f.Add(`(?i)a(b|C)+\.d{2}`, "xabC.dd")
	f.Add("a\xffb", "a\xffb")
	f.Add(`(a|bc|)x`, "x")
	f.Add(`(?s)^a.b$`, "a\nb")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		m, failed := newMatcher(pattern)
		if (err == nil) != (failed == nil) {
			t.Fatalf("%q: %v and %v", pattern, err, failed)
		}
		if err == nil && m.match(text) != re.MatchString(text) {
			t.Errorf("%q on %q: %t", pattern, text, m.match(text))
		}
	})
}
