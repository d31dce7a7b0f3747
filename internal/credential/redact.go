package credential

import (
	"slices"
	"strings"
)

// Mask stands for a value that was taken out.
const Mask = "[redacted]"

// RedactValue takes a secret out of a value that stands beside a name, such as an
// environment variable or a label. It returns what may be shown, and the type of
// the credential, "" when there was none. A value with a secret anywhere in it is
// hidden whole.
func RedactValue(name, value string) (shown, credential string) {
	found := In(value)
	if found == "" && (Named(name, value) || Assigned(value)) {
		found = ByName
	}
	if found == "" {
		return value, ""
	}
	return Mask, found
}

// RedactReference takes the login out of an image reference that has one before its
// registry, which nobody should write there.
func RedactReference(reference string) (shown, credential string) {
	login, rest, ok := strings.Cut(reference, "@")
	digest := strings.HasPrefix(rest, "sha256:") || strings.HasPrefix(rest, "sha512:")
	if ok && !digest && strings.Contains(login, ":") {
		return Mask + "@" + rest, urlPassword
	}
	return RedactValue("", reference)
}

// RedactArguments takes secrets out of a command line, where a flag may name the
// one after it. The arguments themselves stay as they are; credentials holds the
// types of what was hidden.
//
// What stands before them on the command line, as an entrypoint does, says what
// program takes them; nothing of that is in the result.
func RedactArguments(args []string, entrypoint ...string) (shown, credentials []string) {
	program, before := "", ""
	for i, arg := range slices.Concat(entrypoint, args) {
		if _, client := clientOf(arg); client || i == 0 {
			program = arg
		}
		if i < len(entrypoint) {
			before = arg
			continue
		}
		found := ""
		switch {
		case InArgument(program, before, arg):
			found = ByName
		default:
			arg, found = RedactCommand(arg)
		}
		if found != "" {
			credentials = append(credentials, found)
			if found == ByName && !strings.Contains(arg, Mask) {
				arg = Mask
			}
		}
		shown = append(shown, arg)
		before = arg
	}
	return shown, credentials
}

// RedactCommand takes secrets out of a line of shell, of a Dockerfile or of an image's
// history. Of words that assign one, NAME=value, the name stays; if that is not enough
// to be rid of what looks like a secret, all of the line goes.
func RedactCommand(line string) (shown, credential string) {
	how := declaresVariables(line)
	if head, name := how.single(line); name != "" && Named(name, line[len(head):]) {
		return head + " " + Mask, ByName
	}
	var out strings.Builder
	rest, hiding := line, false
	for rest != "" {
		space := len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
		out.WriteString(rest[:space])
		rest = rest[space:]
		end := strings.IndexAny(rest, " \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		word := rest[:end]
		rest = rest[end:]
		if name, ok := assignedSecret(word); ok {
			out.WriteString(name + "=" + Mask)
			credential, hiding = ByName, how != noVariables
			continue
		}
		if hiding = hiding && !how.endValue(word); hiding {
			out.WriteString(Mask)
			continue
		}
		out.WriteString(word)
	}
	shown = out.String()
	if found := In(shown); found != "" {
		return Mask, found
	}
	if Assigned(shown) || InShell(shown) {
		return Mask, ByName
	}
	return shown, credential
}

// variables is how a line of an image's history sets them. It does not quote: a value
// may go on after a space.
type variables uint8

const (
	noVariables    variables = iota
	instruction              // ENV, ARG or LABEL, with NAME=value or NAME value behind
	buildArguments           // "|1 NAME=value /bin/sh -c command": what a step was run with
)

const noOperation = "/bin/sh -c #(nop)"

func declaresVariables(line string) variables {
	line = strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(line), noOperation), " ")
	for _, name := range []string{"ENV ", "ARG ", "LABEL "} {
		if strings.HasPrefix(line, name) {
			return instruction
		}
	}
	if count, ok := strings.CutPrefix(strings.TrimPrefix(line, "RUN "), "|"); ok && count != "" && isDigit(count[0]) {
		return buildArguments
	}
	return noVariables
}

// single returns the line up to the name that it sets in the form NAME value, and the
// name, "" when it is of another.
func (v variables) single(line string) (head, name string) {
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), noOperation))
	if v != instruction || len(words) < 3 || words[0] == "ARG" || strings.Contains(words[1], "=") {
		return "", ""
	}
	end := strings.Index(line, words[0]) + len(words[0])
	end += strings.Index(line[end:], words[1]) + len(words[1])
	return line[:end], words[1]
}

// endValue reports whether a word is the next variable, or the shell that ends them.
func (v variables) endValue(word string) bool {
	return strings.Contains(word, "=") || v == buildArguments && word[0] == '/' && strings.HasSuffix(word, "sh")
}

// assignedSecret returns the name of a word NAME=value, when the value is a
// secret that ends with the word.
func assignedSecret(word string) (name string, ok bool) {
	name, value, ok := strings.Cut(word, "=")
	if !ok || name == "" || value == "" || strings.ContainsAny(word, "`|&;") {
		return "", false
	}
	if quote := value[0]; (quote == '"' || quote == '\'') && (len(value) < 2 || value[len(value)-1] != quote) {
		return "", false
	}
	bare := strings.TrimLeft(name, "-'\"")
	return name, Named(bare, value) || In(value) != ""
}
