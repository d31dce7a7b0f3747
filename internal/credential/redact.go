package credential

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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
	switch {
	case found != "":
	case Named(name, value) || Assigned(value):
		found = ByName
	case name != "" && !notNamed(name) && looksRandom(value) && generated(value, shortestInName):
		found = HighEntropy
	default:
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
	return redactWords(slices.Concat(entrypoint, args), len(entrypoint), 0)
}

// RedactCommand takes secrets out of a line of shell, of a Dockerfile or of an image's
// history, where a command may be in exec form. What names a secret stays, such as the name in NAME=value and
// an option; if that is not enough to be rid of what looks like one, all of the line
// goes.
func RedactCommand(line string) (shown, credential string) { return redactCommand(line, 0) }

func redactCommand(line string, depth int) (shown, credential string) {
	line, credential = hideParts(line)
	how := declaresVariables(line)
	if head, name := how.single(line); name != "" && Named(name, line[len(head):]) {
		return head + " " + Mask, ByName
	}
	var out strings.Builder
	rest, hiding := line, false
	for rest != "" {
		space := len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
		out.WriteString(rest[:space])
		if rest = rest[space:]; rest == "" {
			break
		}
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
	more, found, list := redactList(shown, depth)
	if !list {
		more, found = redactScript(shown, depth)
	}
	if found == HighEntropy && Assigned(shown) {
		found = ByName
	}
	if found != "" {
		shown, credential = more, cmp.Or(credential, found)
	}
	if found := In(shown); found != "" {
		return Mask, found
	}
	if Assigned(shown) || depth >= deepest && InShell(shown) {
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

// shortestInName is the length of the shortest credential that is known by its form
// alone.
const shortestInName = 20

// RedactPath takes credentials that are known by their form out of a path, name by name.
// A name with one in it goes whole but for its extension. What stands for it is the same
// wherever that name stands, and is another for another name, so that paths that
// differed still do. A path without any is returned as it is.
func RedactPath(path string) (shown, credential string) {
	if !longName(path) {
		return path, ""
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		if found := inName(name); found != "" {
			names[i], credential = hiddenName(name), found
		}
	}
	if credential == "" {
		return path, ""
	}
	return strings.Join(names, "/"), credential
}

func longName(path string) bool {
	length := 0
	for i := range len(path) {
		if length++; path[i] == '/' {
			length = 0
		} else if length >= shortestInName {
			return true
		}
	}
	return false
}

func inName(name string) string {
	if len(name) < shortestInName {
		return ""
	}
	return In(name)
}

// hiddenName stands for a name with a credential in it. The few bits of its digest tell
// it from other names, and are too few to try what the credential was.
func hiddenName(name string) string {
	extension := ""
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(name)-dot <= 6 && inName(name[:dot]) != "" {
		extension = name[dot:]
	}
	sum := sha256.Sum256([]byte(name))
	return Mask + "-" + hex.EncodeToString(sum[:3]) + extension
}
