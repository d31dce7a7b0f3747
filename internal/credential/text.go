package credential

import (
	"iter"
	"strings"
)

// Assigned reports whether a text of any kind (a script, a property file, a YAML
// file in a ConfigMap) gives a name that says it is a secret a literal value:
// name=value, name: value, --name value, ENV name value.
func Assigned(text string) bool {
	if len(text) < shortest || !mayNameSecret(text) {
		return false
	}
	for a := range assignments(text, 0, len(text), false) {
		if assigned(nameOf(strings.TrimLeft(a.name, "-")), a.value, a.quoted) {
			return true
		}
	}
	return false
}

// assignment is a name and the value that it is given.
type assignment struct {
	name, value string
	quoted      bool
	constant    bool // that a program defines
	start       int  // of the value
}

// assignments yields those of text[from:to], by where the sign between name and
// value stands; the name may begin before and the value end behind. Names that
// cannot be those of a secret are left out, unless all are wanted.
func assignments(text string, from, to int, all bool) iter.Seq[assignment] {
	return func(yield func(assignment) bool) {
		for i := max(from, 1); i < to; i++ {
			before := i
			switch text[i] {
			case '=':
				if i+1 < len(text) && (text[i+1] == '=' || text[i+1] == '~' || text[i+1] == '>') || strings.IndexByte("=!<>~", text[i-1]) >= 0 {
					if i+1 < len(text) && text[i+1] != '>' {
						i++ // a comparison
					}
					continue
				}
			case ':':
				if i+1 >= len(text) || strings.IndexByte(" \t\"'", text[i+1]) < 0 {
					continue
				}
			case ' ':
				if before := text[max(0, i-60):i]; !isAlphanumeric(text[i-1]) || !endsInFlag(before) && !endsInVariable(before) {
					continue
				}
			case '>':
				switch {
				case text[i-1] == '=': // of an array in PHP and Ruby
					before = i - 1
				case !opensElement(text, i):
					continue
				}
			case ',':
				if !namesConstant(text, i) {
					continue
				}
			default:
				continue
			}
			name := nameBefore(text, before)
			if len(name) < 3 && !all || !all && !mayNameSecret(name) {
				continue
			}
			start, value, quoted := valueAfter(text, i)
			if text[i] == ':' && !quoted && !endsLine(text[i+1:], value) {
				continue // prose
			}
			if !yield(assignment{name, value, quoted, text[i] == ',', start}) {
				return
			}
		}
	}
}

// namesConstant reports whether the comma at i stands behind the name of a constant
// that PHP defines: define('NAME', 'value').
func namesConstant(text string, i int) bool {
	for i > 1 && text[i-1] == ' ' {
		i--
	}
	if quote := text[i-1]; quote != '\'' && quote != '"' {
		return false
	}
	before, ok := strings.CutSuffix(strings.TrimRight(text[max(0, i-longestName):i-1], nameCharacters), text[i-1:i])
	return ok && strings.HasSuffix(strings.TrimRight(before, " \t"), "define(")
}

// opensElement reports whether a tag of XML ends at i: a name alone between
// brackets, with something behind it that is no tag.
func opensElement(text string, i int) bool {
	start := i
	for start > 0 && i-start < longestName && isDotted(text[start-1]) {
		start--
	}
	return start > 0 && start < i && text[start-1] == '<' && i+1 < len(text) && text[i+1] != '<'
}

// assigned is stricter than holdsSecret, for in free text much looks like an
// assignment.
func assigned(how naming, value string, quoted bool) bool {
	if how == namesNothing || value == "" || !holdsSecret(how, value) {
		return false
	}
	if how == namesReference || strings.ContainsAny(value, "()[]") {
		return len(value) >= 12 && (looksRandom(value) || quoted && !looksLikeName(value) && strings.ContainsAny(value, "0123456789") && !strings.ContainsAny(value, "()[]"))
	}
	if !quoted && len(strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.")) == 0 && strings.IndexByte(value, '.') > 0 {
		return false // a variable of a program, such as config.password
	}
	return true
}

// endsInFlag reports whether a text ends in a long flag, such as --password.
func endsInFlag(text string) bool {
	dashes := strings.LastIndex(text, "--")
	if dashes < 0 || len(text)-dashes < 5 {
		return false
	}
	return !strings.ContainsAny(text[dashes:], " \t\n=\"'")
}

// endsInVariable reports whether a text ends in the name of a variable that a line of
// a Dockerfile sets in the form without a sign: ENV NAME value.
func endsInVariable(text string) bool {
	line, ok := strings.CutSuffix(strings.TrimRight(text, nameCharacters), "ENV ")
	line = strings.TrimRight(line, " \t")
	return ok && (line == "" || line[len(line)-1] == '\n')
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// nameBefore returns the name that ends before the separator at i.
func nameBefore(text string, i int) string {
	end := i
	for end > 0 && (text[end-1] == ' ' || text[end-1] == ':') {
		end--
	}
	if end > 0 && (text[end-1] == '"' || text[end-1] == '\'') {
		end--
	}
	start := end
	for start > 0 && end-start < 80 && (isDotted(text[start-1])) {
		start--
	}
	return text[start:end]
}

// longestValue bounds how far a value is read, so that the time taken grows no
// faster than the text.
const longestValue = 512

// valueAfter returns the value that begins behind the separator at i, and where.
func valueAfter(text string, i int) (start int, value string, quoted bool) {
	rest := text[i+1 : min(len(text), i+1+longestValue)]
	start = i + 1 + len(rest)
	rest = strings.TrimLeft(rest, " \t")
	start -= len(rest)
	if rest == "" {
		return start, "", false
	}
	if quote := rest[0]; quote == '"' || quote == '\'' {
		rest = rest[1:]
		if end := strings.IndexByte(rest, quote); end >= 0 {
			return start + 1, rest[:end], true
		}
		return start, "", false
	}
	if end := strings.IndexAny(rest, " \t\r\n,;&|\"'`<>\\"); end >= 0 {
		rest = rest[:end]
	}
	return start, rest, false
}

// endsLine reports whether nothing but the value stands on the first line of a
// text, or in an entry of a flow collection.
func endsLine(text, value string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(text, " \t"), value)
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest[:min(len(rest), 100)], " \t")
	return rest == "" || strings.IndexByte("\r\n,}", rest[0]) >= 0
}

// InArgument reports whether an argument of a program is a credential by the
// argument before it, "" for none, or by its own name: --password x, --password=x.
// What it looks like is not looked at; see [In].
func InArgument(program, before, arg string) bool {
	_, ok := passwordIn(program, before, arg)
	return ok || argumentAssigns(arg)
}

// argumentAssigns reports whether one argument of a command is name=value or
// --name=value with a secret, value reaching to its end.
func argumentAssigns(arg string) bool {
	name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if !ok || strings.ContainsAny(arg, " \n") {
		return false // a script: its words are looked at
	}
	return run(name, isDotted) == len(name) && Named(name, value)
}
