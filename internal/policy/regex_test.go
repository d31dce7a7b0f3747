package policy

import (
	"regexp"
	"slices"
	"testing"
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
