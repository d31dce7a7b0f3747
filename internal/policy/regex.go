package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// prefiltered compiles constant patterns of `matches` and lets a pattern see
// only text that holds one of the literals without which it cannot match. Most
// rules that look for words in commands find none, and looking for a word costs
// a fraction of running a pattern.
func prefiltered(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || call.Function() != "matches" || len(call.Args()) != 2 {
		return i, nil
	}
	pattern, ok := constantText(call.Args()[1])
	if !ok {
		return remembered(call), nil
	}
	matches, err := newMatcher(pattern)
	if err != nil {
		if _, literal := call.Args()[1].(interpreter.InterpretableConst); literal {
			return nil, err
		}
		return i, nil // fails where it is evaluated, as on the server
	}
	// Under another name, so that no other optimization takes the call for its own.
	return interpreter.NewCall(call.ID(), "matches prefiltered", call.OverloadID(), call.Args(), func(values ...ref.Val) ref.Val {
		text, ok := values[0].(types.String)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		return types.Bool(matches.match(string(text)))
	}), nil
}

// remembered keeps the pattern that a call compiled last: most that are not
// constant are parameters, which are the same each time.
func remembered(call interpreter.InterpretableCall) interpreter.InterpretableV2 {
	var last atomic.Pointer[matcher]
	return interpreter.NewCall(call.ID(), "matches remembered", call.OverloadID(), call.Args(), func(values ...ref.Val) ref.Val {
		text, isText := values[0].(types.String)
		pattern, isPattern := values[1].(types.String)
		if !isText || !isPattern {
			return types.NoSuchOverloadErr()
		}
		m := last.Load()
		if m == nil || m.re.String() != string(pattern) {
			var err error
			if m, err = newMatcher(string(pattern)); err != nil {
				return types.WrapErr(err)
			}
			last.Store(m)
		}
		return types.Bool(m.match(string(text)))
	})
}

// constantText is the value of a string literal, or of literals put together:
// long patterns are written over several lines.
func constantText(i interpreter.InterpretableV2) (string, bool) {
	switch i := i.(type) {
	case interpreter.InterpretableConst:
		text, ok := i.Value().(types.String)
		return string(text), ok
	case interpreter.InterpretableCall:
		if i.Function() != operators.Add || len(i.Args()) != 2 {
			return "", false
		}
		left, ok := constantText(i.Args()[0])
		if !ok {
			return "", false
		}
		right, ok := constantText(i.Args()[1])
		return left + right, ok
	}
	return "", false
}

// matcher is a regular expression and literals of which each of its matches
// holds at least one; no literals stand for not known.
type matcher struct {
	re       *regexp.Regexp
	literals []string
}

func newMatcher(pattern string) (*matcher, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return &matcher{re, required(parsed)}, nil
}

func (m *matcher) match(text string) bool {
	if len(m.literals) > 0 && !slices.ContainsFunc(m.literals, func(l string) bool { return strings.Contains(text, l) }) {
		return false
	}
	return m.re.MatchString(text)
}

// maxLiterals bounds how many literals are looked for before the pattern is
// cheaper.
const maxLiterals = 24

// required returns literals of which every match holds at least one, nil where
// there are none that are worth looking for.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, utf8.RuneError) {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if l := required(sub); l != nil && (best == nil || shortest(l) > shortest(best)) {
				best = l
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			l := required(sub)
			if l == nil || len(all)+len(l) > maxLiterals {
				return nil
			}
			all = append(all, l...)
		}
		return all
	}
	return nil
}

// shortest returns the length of the literal that tells the least.
func shortest(literals []string) int {
	n := len(literals[0])
	for _, l := range literals {
		n = min(n, len(l))
	}
	return n
}
