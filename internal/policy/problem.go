package policy

import (
	"regexp"
	"strings"
)

// problems are the forms of CEL errors, and what is said of each. An error may
// quote a value of the object, and values may be secret, so nothing else of it
// is said; $1 only where it is a word of the rule itself.
var problems = []struct {
	form *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`^` + regexp.QuoteMeta(errBudget.Error()) + `$`), errBudget.Error()},
	{regexp.MustCompile(`^` + regexp.QuoteMeta(errText.Error()) + `$`), errText.Error()},
	{regexp.MustCompile(`^` + regexp.QuoteMeta(errNotAValue.Error()) + `$`), errNotAValue.Error()},
	{regexp.MustCompile(`no such key: (.*)$`), "no such key: $1"},
	{regexp.MustCompile(`index out of (?:bounds|range): (-?\d+)$`), "index out of bounds: $1"},
	{regexp.MustCompile(`no such overload`), "no such overload: a value has another type than the expression needs"},
	{regexp.MustCompile(`expected iterable type`), "a value is neither list nor map where the expression needs one"},
	{regexp.MustCompile(`cost limit exceeded`), "the expression costs too much: cost limit exceeded"},
	{regexp.MustCompile(`(?:division|divide|modulus) by zero`), "division by zero"},
	{regexp.MustCompile(`none\.value|optional\.none`), "an optional value is absent"},
}

// withoutValues says what went wrong in an expression and nothing that stands
// in the object.
func withoutValues(problem, expression string) string {
	for _, p := range problems {
		m := p.form.FindStringSubmatch(problem)
		if m == nil {
			continue
		}
		word := "..."
		if len(m) > 1 && hasWord(expression, m[1]) {
			word = m[1]
		}
		return strings.ReplaceAll(p.text, "$1", word)
	}
	return "the expression cannot be evaluated: a value has not the form that it needs"
}

// hasWord reports whether an expression has the word as a name or a literal.
func hasWord(expression, word string) bool {
	return word != "" && regexp.MustCompile(`(^|[^\w-])`+regexp.QuoteMeta(word)+`($|[^\w-])`).MatchString(expression)
}
