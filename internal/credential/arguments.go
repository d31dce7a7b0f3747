package credential

import (
	"slices"
	"strconv"
	"strings"
)

// arguments judges the words of one command, one after the other.
type arguments struct {
	program, before string
	count           int
	sets            bool // it changes settings: a name of one, then its value
	logsIn          bool
	hashes          bool   // htpasswd -b, of which the last word is the password
	takes           string // a program that takes secrets as operands
	operand         operand
	operands        int // that came behind operand.behind
}

// secretIn returns where in the next argument a secret begins, and its type, "" for
// none. Last says that the command ends with it. What the argument looks like is not
// looked at; see [In].
func (a *arguments) secretIn(arg string, last bool) (start int, kind string) {
	if _, client := clientOf(arg); client || a.count == 0 || moreClients[baseOf(arg)] != nil {
		a.program = arg
	}
	if start, kind = a.judge(arg, last), ByName; start < 0 {
		if start, kind = a.guess(arg), HighEntropy; start < 0 {
			start, kind = 0, ""
		}
	}
	switch arg {
	case "config", "configure", "set":
		a.sets = true
	case "login", "auth":
		a.logsIn = true
	}
	a.hashes = a.hashes || baseOf(a.program) == "htpasswd" && isOptions(arg) && strings.Contains(arg, "b")
	a.follow(arg)
	a.before = arg
	a.count++
	return start, kind
}

// judge returns where a secret begins by what stands before it; -1 for none.
func (a *arguments) judge(arg string, last bool) int {
	if start, ok := passwordIn(a.program, a.before, arg); ok {
		return start
	}
	name, value, ok := strings.Cut(arg, "=")
	bare := strings.TrimLeft(name, "-")
	assigns := ok && run(bare, isDotted) == len(bare)
	if assigns && (Named(bare, value) || (bare == "Dsonar.login" || bare == "secret_id") && isLiteral(value) && !looksLikeName(value)) {
		return len(name) + 1
	}
	if start, ok := headerSecret(arg); ok {
		return start
	}
	if rest, ok := strings.CutPrefix(arg, "pass:"); ok && strings.HasPrefix(a.before, "-pass") && isLiteralPassword(rest) {
		return len("pass:")
	}
	if start := a.operandSecret(arg, assigns); start >= 0 {
		return start
	}
	switch {
	case a.count == 0:
	case a.hashes && last && !isOptions(arg) && isLiteralPassword(arg):
		return 0
	case a.sets && !isOptions(a.before) && len(a.before) <= longestName && Named(a.before, arg):
		return 0
	}
	return -1
}

// guess returns where what can only have been made by a machine begins in an argument,
// where nothing says what it is; -1 for none.
func (a *arguments) guess(arg string) int {
	switch {
	case a.count == 0:
		return -1
	case isOptions(a.before) && len(a.before) == 2, a.logsIn && (a.before == "login" || a.before == "auth" || a.before == "token"):
		if generated(arg, 12) {
			return 0
		}
	case isOptions(arg) && strings.IndexByte("pP", arg[1]) >= 0 && generated(arg[2:], 12):
		return 2
	}
	if name, value, ok := strings.Cut(arg, "="); ok && strings.Trim(value, "=") != "" {
		if bare := strings.TrimLeft(name, "-"); run(bare, isDotted) == len(bare) && !notNamed(bare) && generated(value, 16) {
			return len(name) + 1
		}
		return -1
	}
	if generated(arg, 16) {
		return 0
	}
	return -1
}

// isOptions reports whether an argument is one or more options of one letter.
func isOptions(arg string) bool { return len(arg) > 1 && arg[0] == '-' && arg[1] != '-' }

// headerSecret finds the secret in an argument that is a header with its value, or an
// option that sets one.
func headerSecret(arg string) (start int, ok bool) {
	name, value, ok := strings.Cut(arg, ":")
	name = name[strings.LastIndexByte(name, '=')+1:]
	name = strings.TrimPrefix(name, "-H")
	trimmed := strings.TrimLeft(value, " ")
	if !ok || name == "" || run(name, isDotted) != len(name) || !Named(name, trimmed) {
		return 0, false
	}
	return len(arg) - len(trimmed), true
}

// redactWords takes secrets out of the words of one command. A word in which there is one
// goes whole, unless it is itself a line of shell. Of the first skip words nothing is
// shown: they say what program takes the others.
func redactWords(words []string, skip, depth int) (shown, credentials []string) {
	var a arguments
	for i, arg := range words {
		_, found := a.secretIn(arg, i == len(words)-1)
		if i < skip {
			continue
		}
		if found != "" {
			arg = Mask
		} else {
			arg, found = redactCommand(arg, depth+1)
		}
		if found != "" {
			credentials = append(credentials, found)
		}
		shown = append(shown, arg)
	}
	return shown, credentials
}

// redactList takes secrets out of a command in exec form, as an image's history has it:
// CMD ["app" "--token" "x"], with or without commas.
func redactList(line string, depth int) (shown, credential string, ok bool) {
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), noOperation))
	if len(words) > 0 && words[0] == "ONBUILD" {
		words = words[1:]
	}
	if len(words) == 0 || !slices.Contains([]string{"CMD", "ENTRYPOINT", "RUN", "SHELL", "HEALTHCHECK"}, words[0]) {
		return line, "", false
	}
	at := strings.IndexByte(line, '[')
	if at < 0 || strings.ContainsAny(line[:at], `"'|;$`) {
		return line, "", false
	}
	var list []string
	rest := line[at+1:]
	for {
		rest = strings.TrimLeft(rest, " \t\n,")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || quoted[0] != '"' {
			break
		}
		word, _ := strconv.Unquote(quoted)
		list = append(list, word)
		rest = rest[len(quoted):]
	}
	if len(list) == 0 {
		return line, "", false
	}
	skip := 0
	if list[0] == "CMD" || list[0] == "CMD-SHELL" {
		skip = 1
	}
	masked, found := redactWords(list[skip:], 0, depth)
	if len(found) == 0 {
		return line, "", true
	}
	for i, word := range masked {
		list[skip+i] = strconv.Quote(word)
	}
	for i := range skip {
		list[i] = strconv.Quote(list[i])
	}
	separator := " "
	if strings.Contains(line[at:len(line)-len(rest)], `",`) {
		separator = ", "
	}
	return line[:at+1] + strings.Join(list, separator) + rest, found[0], true
}

// deepest is how often a line of shell in a line of shell is looked at by its words.
const deepest = 4

// redactScript takes secrets out of the commands of a line of shell.
func redactScript(line string, depth int) (shown, credential string) {
	if depth > deepest {
		return line, ""
	}
	var out strings.Builder
	at := 0
	replace := func(w shellWord, by, found string) {
		out.WriteString(line[at:w.start])
		out.WriteString(w.quoted(line, by))
		at, credential = w.end, found
	}
	commands := shellCommands(line)
	for i := range commands {
		c := &commands[i]
		reads := c.readsSecret()
		if reads && c.document {
			return Mask, ByName
		}
		told := c.piped && i+1 < len(commands) && commands[i+1].readsSecret() && c.tells()
		var a arguments
		for k, w := range c.words {
			start, kind := a.secretIn(w.text, k == len(c.words)-1)
			switch {
			case kind != "":
				replace(w, w.text[:start]+Mask, kind)
			case told && k > 0 && isTold(w.text):
				replace(w, Mask, ByName)
			case strings.ContainsAny(w.text, " \t\n"):
				if inner, found := redactCommand(w.text, depth+1); found != "" {
					replace(w, inner, found)
				}
			}
		}
		for _, w := range c.fed {
			if reads && isTold(w.text) && w.start >= at {
				replace(w, Mask, ByName)
			}
		}
	}
	out.WriteString(line[at:])
	return out.String(), credential
}

// secretReaders are the programs that read a password from their input, and
// secretOptions those with which any does.
var (
	secretReaders = words(`chpasswd passwd smbpasswd kinit cryptsetup vncpasswd saslpasswd2 gpg-preset-passphrase`)
	secretOptions = words(`--password-stdin --with-token --stdin -stdin --passphrase-fd --pinentry-mode stdin fd:0`)
)

// readsSecret reports whether what a command reads is a password.
func (c *shellCommand) readsSecret() bool {
	for i, w := range c.words {
		if secretOptions[w.text] || secretReaders[baseOf(w.text)] || w.text == "-S" && i > 0 && baseOf(c.words[i-1].text) == "sudo" {
			return true
		}
	}
	return false
}

// tells reports whether a command writes its own words.
func (c *shellCommand) tells() bool {
	return len(c.words) > 0 && (baseOf(c.words[0].text) == "echo" || baseOf(c.words[0].text) == "printf") || slices.ContainsFunc(c.words, func(w shellWord) bool { return w.text == "echo" || w.text == "printf" })
}

// isTold reports whether a word that is written to a program for a password is one: not
// an option or the form of what is written, and not kept elsewhere.
func isTold(word string) bool {
	return len(word) > 1 && word[0] != '-' && word != "echo" && word != "printf" && strings.Trim(word, `%sn:\ `) != "" && isLiteralPassword(word) && !strings.HasPrefix(word, "/bin/")
}
