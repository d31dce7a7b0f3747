package behavior

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/credential"
)

// An interpreter runs what its arguments say, so that its facts differ by them.
type interpreter struct {
	code   []string // options that are followed by a program's text
	module []string // options that are followed by a module's or archive's name
	value  []string // other options that are followed by a value
}

var shell = interpreter{code: []string{"-c"}, value: []string{"-o", "+o", "-O", "--rcfile", "--init-file"}}

// interpreters are the programs whose arguments are looked at, by name without the
// version.
var interpreters = map[string]interpreter{
	"sh": shell, "bash": shell, "dash": shell, "ash": shell, "zsh": shell, "ksh": shell, "fish": shell, "rbash": shell,
	"python": {code: []string{"-c"}, module: []string{"-m"}, value: []string{"-W", "-X"}},
	"pypy":   {code: []string{"-c"}, module: []string{"-m"}, value: []string{"-W", "-X"}},
	"perl":   {code: []string{"-e", "-E"}, value: []string{"-I"}},
	"ruby":   {code: []string{"-e"}, value: []string{"-I", "-r"}},
	"node":   {code: []string{"-e", "--eval", "-p", "--print"}, value: []string{"-r", "--require"}},
	"nodejs": {code: []string{"-e", "--eval", "-p", "--print"}, value: []string{"-r", "--require"}},
	"php":    {code: []string{"-r"}, module: []string{"-f"}, value: []string{"-d", "-c"}},
	"lua":    {code: []string{"-e"}, value: []string{"-l"}},
	"java":   {module: []string{"-jar", "-m", "--module"}, value: []string{"-cp", "-classpath", "--class-path", "-p", "--module-path"}},
	"dotnet": {module: []string{"exec"}},
}

// noScript is the class of an interpreter that is not told what to run.
const noScript = "no script"

// multiCall are programs that are many, by the name that they are run by.
var multiCall = map[string]bool{"busybox": true, "toybox": true, "coreutils": true, "uutils": true}

// classify gives the class of a program's arguments: "" for most programs, whose
// arguments are not looked at. Of an interpreter it is one of
//
//	script /path/of/it
//	-m module, -jar /path/of/it
//	-c curl, sh #0123456789abcdef    the commands of a shell's text, and its hash
//	-e #0123456789abcdef             the hash of a text
//	no script                        it reads its input, or somebody types
//
// A text is hashed when what looks like a secret, and what changes, was taken out
// of it: no argument is kept as it was. Before all that stands the applet of a
// program that is many, such as busybox.
func classify(path string, args []string) string {
	name := programName(path)
	applet := ""
	if multiCall[name] && len(args) > 0 {
		if applet = programName(args[0]); multiCall[applet] && len(args) > 1 {
			args = args[1:]
			applet = programName(args[0])
		}
		name = applet
		applet = appletName(applet) + " "
	}
	known, ok := interpreters[name]
	if !ok {
		return strings.TrimSpace(applet)
	}
	if len(args) == 0 {
		return strings.TrimSpace(applet) // nothing is known of them
	}
	return shorten(applet + known.class(args[1:], isShell(known)))
}

// appletName writes the name by which a program that is many was run, which could be
// any text.
func appletName(name string) string {
	if _, ok := interpreters[name]; ok || wellKnown[name] {
		return name
	}
	if name == "" || len(name) > 16 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_[-") != "" || looksRandom(name, true) {
		return "{hidden}"
	}
	return name
}

// programName is a program's name without its directory and version.
func programName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = strings.TrimPrefix(name, "-") // a login shell
	if short := strings.TrimRight(name, "0123456789."); short != "" {
		name = short
	}
	return name
}

func (p *interpreter) class(args []string, isShell bool) string {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		switch {
		case arg == "--":
			if next != "" {
				return "script " + scriptName(next)
			}
		case slices.Contains(p.code, arg) || isShell && isOptionCluster(arg, 'c'):
			return codeClass(p.code[0], next, isShell)
		case slices.Contains(p.module, arg):
			return arg + " " + scriptName(next)
		case slices.Contains(p.value, arg):
			i++
		case arg == "-":
			return noScript
		case arg != "" && arg[0] != '-' && arg[0] != '+':
			return "script " + scriptName(arg)
		}
	}
	return noScript
}

// isOptionCluster reports whether an argument is several short options, one of them c.
func isOptionCluster(arg string, c byte) bool {
	return len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && strings.IndexByte(arg, c) > 0 && strings.Trim(arg[1:], "abcefhiklmnpqrstuvxBCDEHPT") == ""
}

// scriptName writes a file, module or class that is run. What could be the value of
// an option that is not known is hidden.
func scriptName(name string) string {
	safe := func(r rune) bool { return r < 0x80 && (isAlphanumeric(byte(r)) || strings.ContainsRune("/._-$:", r)) }
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !safe(r) }) || !strings.Contains(name, "/") && looksRandom(name, true) {
		return "{hidden}"
	}
	return normalParent(name)
}

// codeClass writes the class of a program's text.
func codeClass(option, text string, isShell bool) string {
	shown, _ := credential.RedactCommand(text)
	var lasting []string
	for word := range strings.FieldsSeq(shown) {
		if word != credential.Mask {
			word = normalPath(word, "")
		}
		lasting = append(lasting, word)
	}
	sum := sha256.Sum256([]byte(strings.Join(lasting, " ")))
	hash := "#" + hex.EncodeToString(sum[:8])
	if commands := commandsOf(shown); isShell && len(commands) > 0 {
		return option + " " + strings.Join(commands, ", ") + " " + hash
	}
	return option + " " + hash
}

// shownCommands is how many commands of a shell's text are named.
const shownCommands = 4

// commandsOf names commands that a shell's text seems to run, for people: those that
// are well-known. Other words could be anything.
func commandsOf(text string) []string {
	var names []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n;|&()`\"'{}$<>", r) }) {
		name := word[strings.LastIndexByte(word, '/')+1:]
		if !wellKnown[name] || slices.Contains(names, name) {
			continue
		}
		if len(names) == shownCommands {
			return append(names, "...")
		}
		names = append(names, name)
	}
	return names
}

var wellKnown = func() map[string]bool {
	const names = `apk apt apt-get awk base64 bash cat chmod chown cp crontab curl cut date dd dig env eval exec export find gcc git grep gunzip
		head hostname id ip java kill kubectl ln ls make mkdir mknod mount mv nc ncat netcat nginx node nohup nsenter nslookup openssl perl
		php pip ping pkill printf ps psql python python3 redis-cli rm rsync ruby scp sed sh sleep socat source ssh stat su sudo tail tar
		tee telnet test touch tr umount uname unshare wget whoami xargs xxd yum`
	known := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		known[name] = true
	}
	return known
}()
