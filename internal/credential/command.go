package credential

import (
	"bytes"
	"strings"
)

// option is one by which a client takes a password.
type option struct {
	flag   string
	joined bool   // the value may follow without a space
	only   bool   // and does so always
	behind string // the password stands in the value behind this, as in user:password
}

// clients are the programs that are run with a password in their arguments, by
// name. What any program takes behind --password is known by that name.
var clients = func() map[string][]option {
	all := map[string][]option{
		"curl":      {{flag: "-u", joined: true, behind: ":"}, {flag: "--user", behind: ":"}, {flag: "-U", joined: true, behind: ":"}, {flag: "--proxy-user", behind: ":"}},
		"sshpass":   {{flag: "-p", joined: true}},
		"redis-cli": {{flag: "-a"}, {flag: "--pass"}},
	}
	for _, name := range []string{"mysql", "mysqladmin", "mysqldump", "mariadb", "mariadb-admin", "mariadb-dump"} {
		all[name] = []option{{flag: "-p", joined: true, only: true}}
	}
	for _, name := range []string{"mongo", "mongosh", "mongodump", "mongorestore"} {
		all[name] = []option{{flag: "-p"}}
	}
	for _, name := range []string{"ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"} {
		all[name] = []option{{flag: "-w"}}
	}
	return all
}()

func clientOf(word string) ([]option, bool) {
	options, ok := clients[baseOf(word)]
	return options, ok
}

// moreClients are words of commands that say as much, but are too common to be looked
// for in files: subcommands, and programs of which people write.
var moreClients = func() map[string][]option {
	all := map[string][]option{
		"login":         {{flag: "-p"}, {flag: "-t"}}, // docker, podman, helm registry, az, oc
		"useradd":       {{flag: "-p", joined: true}},
		"usermod":       {{flag: "-p", joined: true}},
		"htpasswd":      {},
		"sqlcmd":        {{flag: "-P", joined: true}},
		"mosquitto_pub": {{flag: "-P"}},
		"mosquitto_sub": {{flag: "-P"}},
		"etcdctl":       {{flag: "--user", joined: true, behind: ":"}},
		"unzip":         {{flag: "-P"}},
		"zip":           {{flag: "-P"}},
		"rar":           {{flag: "-p", joined: true, only: true}, {flag: "-hp", joined: true, only: true}},
		"twine":         {{flag: "-p"}},
		"nuget":         {{flag: "-ApiKey"}, {flag: "-Password"}},
		"push":          {{flag: "-k"}, {flag: "-ApiKey"}}, // dotnet nuget, nuget, dart
		"source":        {{flag: "-p"}},                    // dotnet nuget add source
		"openssl":       {{flag: "-k"}, {flag: "-K"}, {flag: "-hmac"}},
		"secret":        {{flag: "-b"}, {flag: "--body", joined: true}, {flag: "--value", joined: true}, {flag: "--from-literal", joined: true, behind: "="}}, // gh, az, kubectl
		"put-parameter": {{flag: "--value", joined: true}},                                                                                                    // aws ssm
		"ssh-keygen":    {{flag: "-N"}, {flag: "-P"}},
		"ipmitool":      {{flag: "-P"}},
		"smbclient":     {{flag: "-U", behind: "%"}, {flag: "--user", joined: true, behind: "%"}},
	}
	for _, name := range []string{"7z", "7za", "7zr", "7zz", "unrar"} {
		all[name] = all["rar"][:1]
	}
	return all
}()

func baseOf(word string) string { return word[strings.LastIndexByte(word, '/')+1:] }

// passwordIn returns where in an argument a password begins that the program takes
// there, by its own options or because the argument before it is a flag that names a
// secret.
func passwordIn(program, before, arg string) (start int, ok bool) {
	options, ok := clientOf(program)
	if !ok {
		options = moreClients[baseOf(program)]
	}
	for _, o := range options {
		value, found := arg, before == o.flag && !o.only && arg[:min(len(arg), 1)] != "-"
		if !found && o.joined {
			if value, found = strings.CutPrefix(arg, o.flag); found && strings.HasPrefix(o.flag, "--") {
				value, found = strings.CutPrefix(value, "=")
			}
		}
		if !found {
			continue
		}
		value = strings.TrimLeft(value, `"'`)
		if o.behind != "" {
			user, _, has := strings.Cut(value, o.behind)
			if !has {
				continue
			}
			value = value[len(user)+1:]
		}
		start = len(arg) - len(value)
		if value = strings.TrimRight(value, `"'`); len(value) >= 2 && isLiteralPassword(value) {
			return start, true
		}
	}
	return 0, flagNames(before, arg)
}

// flagNames reports whether an argument is the secret value of the flag before it,
// by the flag's name.
func flagNames(flag, arg string) bool {
	if len(flag) < 2 || flag[0] != '-' || len(arg) < 3 || arg[0] == '-' {
		return false
	}
	name := strings.TrimLeft(flag, "-")
	return run(name, isDotted) == len(name) && Named(name, arg)
}

// InShell reports whether a line of a script runs a client with a
// password in its arguments.
func InShell(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(line, " -") {
			continue
		}
		program, before := "", ""
		for word := range strings.FieldsSeq(line) {
			word = strings.Trim(word, `"'`)
			if word == "" {
				continue
			}
			if _, ok := clientOf(word); ok {
				program = word
			} else if program != "" {
				if _, ok := passwordIn(program, before, word); ok {
					return true
				}
			}
			before = word
		}
	}
	return false
}

// findClient finds the password with which a client is run, on the line of the
// client's name, which stands at at.
func findClient(b []byte, at int) (found, bool) {
	if at > 0 && (isURLSafe(b[at-1]) || b[at-1] == '.') {
		return found{}, false
	}
	line := b[at:min(len(b), at+longestValue)]
	end := run(line, func(c byte) bool { return isLower(c) || c == '-' })
	program, before := string(line[:end]), ""
	if _, ok := clients[program]; !ok {
		return found{}, false
	}
	for {
		start, word, ok := nextArgument(line, end)
		if _, another := clientOf(word); !ok || another { // which is found by itself
			return found{}, false
		}
		end = start + len(word)
		if in, ok := passwordIn(program, before, word); ok {
			secret := strings.Trim(word[in:], `"'`)
			if !literalSecret(secret, userBefore(word[:in])) || isOptionName(program, word) {
				return found{}, false
			}
			start += in
			return found{kind: ByName, start: at + start, end: at + start + len(secret), shown: shownArgument(program, before, word[:in])}, true
		}
		before = word
	}
}

// userBefore is the user of a login, of which the password was cut off.
func userBefore(text string) string {
	return strings.TrimSuffix(strings.TrimLeft(text, `-uU"'`), ":")
}

// shownArgument shows a command without its password, and without its user.
func shownArgument(program, before, head string) string {
	switch {
	case strings.HasPrefix(head, "-"):
		return program + " " + head[:2] + Mask
	default:
		return program + " " + before + " " + Mask
	}
}

// isOptionName reports whether what looks like a password behind -p is an option
// that somebody wrote with one dash, as people do in prose.
func isOptionName(program, word string) bool {
	if strings.HasPrefix(program, "ssh") || !strings.HasPrefix(word, "-p") {
		return false
	}
	for _, name := range []string{"-password", "-port", "-protocol", "-pager", "-plugin", "-print"} {
		if strings.HasPrefix(word, name) {
			return true
		}
	}
	return false
}

// nextArgument returns the next word of a command behind a place, as it stands there
// but for quotes around it; not ok at the command's end. Words of lists in JSON are
// words too.
func nextArgument(line []byte, from int) (start int, word string, ok bool) {
	for from < len(line) {
		switch c := line[from]; {
		case c == ' ' || c == '\t' || c == ',' || c == '[':
			from++
		case c == '\\' && from+1 < len(line) && line[from+1] == '\n':
			from += 2
		case (c == '"' || c == '\'') && from+1 < len(line) && strings.IndexByte(" ,]", line[from+1]) >= 0:
			from++ // the end of the word before
		case c == '"' || c == '\'':
			rest := line[from+1:]
			end := bytes.IndexAny(rest, string([]byte{c, '\n'}))
			if end < 0 {
				return 0, "", false
			}
			return from + 1, string(rest[:end]), true
		case strings.IndexByte("\r\n;|&`)]#", c) >= 0:
			return 0, "", false
		default:
			end := from + run(line[from:], func(c byte) bool { return strings.IndexByte(" \t\r\n;|&`", c) < 0 })
			word := string(line[from:end])
			if i := strings.IndexAny(word, `"'`); i >= 0 && word[0] != '-' {
				word = word[:i] // the end of a list's word, or of a string that holds the command
			}
			return from, word, true
		}
	}
	return 0, "", false
}
