package credential

import (
	"bytes"
	"strings"
)

// HighEntropy is the kind of a value in a file of settings that can only have been
// generated, and whose name says nothing.
const HighEntropy = "random value"

// fileForm is what the name of a file says about its content.
type fileForm uint8

const (
	plain fileForm = iota
	settings
	environment // NAME=value lines and nothing else
	program     // source code
	netrc
	pgpass
	shadow
	htpasswd
	token     // nothing but a secret
	database  // statements of SQL
	directory // entries of LDAP
	wireless  // settings of wireless networks
	cells     // of a notebook: programs in JSON
)

// formOf looks at a path, with slashes.
func formOf(path string) fileForm {
	dir, base := path[:strings.LastIndexByte(path, '/')+1], strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	switch base {
	case ".netrc", "_netrc":
		return netrc
	case ".pgpass", "pgpass.conf":
		return pgpass
	case "shadow", "shadow-", "gshadow":
		if strings.HasSuffix(dir, "/etc/") || dir == "etc/" || dir == "/etc/" {
			return shadow
		}
	case ".htpasswd", "htpasswd":
		return htpasswd
	case ".vault-token", "master.key":
		return token
	case ".npmrc", ".yarnrc", ".pypirc", "pip.conf", ".my.cnf", "credentials", ".s3cfg", ".boto", ".dockercfg", "environment", ".bash_history", ".zsh_history", ".ash_history",
		".psql_history", ".mysql_history", ".bashrc", ".profile", ".bash_profile", ".zshrc", ".envrc", "dockerfile", "containerfile", "makefile", "jenkinsfile", "kubeconfig", "my.cnf", ".gitconfig":
		return settings
	}
	if strings.HasPrefix(base, "wpa_supplicant") && strings.HasSuffix(base, ".conf") || base == "hostapd.conf" || strings.HasSuffix(base, ".nmconnection") {
		return wireless
	}
	if strings.HasPrefix(base, "dockerfile.") || strings.HasPrefix(base, "containerfile.") {
		return settings
	}
	if base == ".env" || strings.HasPrefix(base, ".env.") || strings.HasSuffix(base, ".env") {
		return environment
	}
	if library(path) {
		return plain
	}
	switch base[strings.LastIndexByte(base, '.')+1:] {
	case "env", "properties", "ini", "cfg", "conf", "config", "cnf", "yaml", "yml", "json", "toml", "xml", "tf", "tfvars", "tfstate", "reg", "dockerfile", "sh", "bash", "ps1", "bat", "cmd", "service", "hcl", "plist":
		return settings
	case "py", "js", "mjs", "cjs", "ts", "rb", "php", "java", "go", "cs", "kt", "scala", "groovy", "gradle", "pl", "lua", "rs", "swift", "ex", "exs", "clj":
		return program
	case "sql":
		return database
	case "ldif":
		return directory
	case "ipynb":
		return cells
	}
	return plain
}

// Form numbers the ways in which files are searched because of their names.
func Form(path string) int {
	form := 2 * int(formOf(path))
	if InExample(path) {
		form++
	}
	return form
}

// Closer reports whether a file finds more under one path than under another: its
// name says what stands in it, or it does not lie among examples.
func Closer(path, than string) bool {
	form, other := formOf(path), formOf(than)
	return form != plain && form != other || InExample(than) && !InExample(path)
}

// formOfScript looks at what runs a file whose name says nothing.
func formOfScript(text []byte) fileForm {
	first, _, _ := bytes.Cut(text[:min(len(text), longestName)], newline)
	if !bytes.HasPrefix(first, []byte("#!")) {
		return plain
	}
	for i, word := range strings.Fields(string(first[2:])) {
		if i < 2 && strings.HasSuffix(word, "sh") { // /bin/sh, /usr/bin/env bash
			return settings
		}
	}
	return program
}

// library reports whether a path lies where package managers keep what others
// wrote, so that a name beside a value there says little.
func library(path string) bool {
	for _, dir := range []string{"/node_modules/", "/site-packages/", "/dist-packages/", "/gems/", "/vendor/", "/pkg/mod/"} {
		if strings.Contains(path, dir) {
			return true
		}
	}
	path = strings.TrimPrefix(path, "/")
	return strings.HasPrefix(path, "usr/share/") || strings.HasPrefix(path, "usr/lib/") || strings.HasPrefix(path, "lib/") ||
		strings.HasPrefix(path, "usr/local/lib/") || strings.HasPrefix(path, "usr/local/go/") || strings.HasPrefix(path, "usr/include/")
}

// search looks for what is known by its place in a file of this form.
func (f fileForm) search(text []byte, from, to int, add func(found)) {
	switch f {
	case settings, environment, program, wireless:
		f.named(text, from, to, add)
		if f == settings {
			f.elements(text, from, to, add)
		}
		if f == settings || f == program { // that a script gives to a client
			statements(text, from, to, add)
		}
	case database:
		statements(text, from, to, add)
	case cells:
		program.named(notebook(text), from, to, add)
	}
	switch f {
	case netrc, pgpass, shadow, htpasswd, token, directory, wireless:
		for at := from; at < to; {
			end := at + bytes.IndexByte(text[at:to], '\n')
			if end < at {
				end = to
			}
			f.line(string(text[at:min(end, at+Before)]), at, add)
			at = end + 1
		}
	}
}

// line looks at one line of a file that has a grammar of its own.
func (f fileForm) line(line string, at int, add func(found)) {
	note := func(kind, value string) {
		if start := strings.LastIndex(line, value); value != "" && start >= 0 {
			add(found{kind: kind, start: at + start, end: at + start + len(value), shown: Mask})
		}
	}
	switch f {
	case netrc:
		fields := strings.Fields(line)
		for i := 0; i+1 < len(fields); i++ {
			if fields[i] == "password" && literalSecret(fields[i+1], "") {
				note("netrc password", fields[i+1])
			}
		}
	case pgpass:
		fields := strings.SplitN(line, ":", 5)
		if len(fields) == 5 && !strings.HasPrefix(line, "#") && isLiteralPassword(strings.TrimSpace(fields[4])) {
			note("PostgreSQL password", strings.TrimSpace(fields[4]))
		}
	case shadow, htpasswd:
		fields := strings.SplitN(line, ":", 3)
		if len(fields) >= 2 && isPasswordHash(strings.TrimSpace(fields[1])) {
			note("password hash", strings.TrimSpace(fields[1]))
		}
	case directory:
		note(directoryLine(line))
	case wireless:
		note(ByName, wirelessLine(line))
	case token:
		value := strings.TrimSpace(line)
		if len(value) >= 20 && !strings.Contains(value, " ") && entropy(value) > 3 && !placeholder(value) {
			note(ByName, value)
		}
	}
}

// isPasswordHash reports whether a text is a hash as crypt(3) writes it.
func isPasswordHash(s string) bool {
	return len(s) > 12 && (s[0] == '$' && strings.Count(s, "$") >= 3 || strings.HasPrefix(s, "{SHA}"))
}

// named looks for values beside names that say they are secrets.
func (f fileForm) named(text []byte, from, to int, add func(found)) {
	// Names and values may reach over the ends of what is searched.
	low, high := max(0, from-longestName), min(len(text), to+longestValue+longestName)
	around := string(text[low:high])
	for a := range assignments(around, from-low, to-low, f == environment) {
		f.assigned(a, low, add)
	}
}

// longestName bounds a name, and what stands between it and its value.
const longestName = 100

func (f fileForm) assigned(a assignment, base int, add func(found)) {
	how := nameOf(strings.TrimLeft(a.name, "-"))
	kind := ByName
	switch {
	case weak(a.value, "") || placeholder(a.value) || sameName(a.name, a.value) || a.value == azuriteKey:
		return
	case (f == settings || f == wireless || a.constant) && (a.quoted || len(a.value) < 8) && isWordOf(a.value): // what a form says, or where it leads
		return
	case f == environment && how == namesNothing && !notNamed(a.name) && looksRandom(a.value) && isLiteral(a.value):
		kind = HighEntropy
	case f == environment && holdsSecret(how, a.value):
	case !assigned(how, a.value, a.quoted):
		return
	case f == program && !a.constant && !(a.quoted && (looksRandom(a.value) || how == namesSecret && hasMixed(a.value))):
		return
	}
	add(found{kind: kind, start: base + a.start, end: base + a.start + len(a.value), shown: a.name + "=" + Mask})
}

// isWordOf reports whether a value is one word of a language, as far as its letters
// tell.
func isWordOf(v string) bool {
	return len(v) < 16 && v[1:] == strings.ToLower(v[1:]) && strings.Trim(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz -_'") == ""
}

// sameName reports whether a value only says its name once more, as in
// password = "db_password".
func sameName(name, value string) bool {
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 0x80 && isAlphanumeric(byte(r)) {
				return r | 0x20
			}
			return -1
		}, s)
	}
	n, v := fold(name), fold(value)
	return strings.Contains(n, v) || strings.Contains(v, n)
}

// notNamed reports whether a name says that its value is no secret, however
// random it looks.
func notNamed(name string) bool {
	lower := strings.ToLower(name)
	for _, word := range []string{"public", "pub_", "hash", "digest", "sha", "checksum", "fingerprint", "cert", "image", "version", "build", "commit", "revision", "uuid", "path", "url"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// hasMixed reports whether a value has letters and something else.
func hasMixed(v string) bool {
	letters := strings.ContainsAny(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz")
	return letters && strings.ContainsAny(v, "0123456789!@#%^*+=/") && !strings.Contains(v, " ") && len(v) >= 8
}

// InExample reports whether a path lies among tests, examples or documentation,
// where what looks like a credential mostly shows how one looks.
func InExample(path string) bool {
	dirs := strings.Split(strings.ToLower(path), "/")
	base := dirs[len(dirs)-1]
	for _, dir := range dirs[:len(dirs)-1] {
		if exampleDirs[dir] {
			return true
		}
	}
	for _, suffix := range []string{".md", ".rst", ".adoc", ".pod", ".example", ".sample", ".template", ".dist", ".tmpl", ".html"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	stem, _, _ := strings.Cut(base, ".")
	return exampleDirs[stem] || strings.HasPrefix(base, "test_") || strings.HasSuffix(stem, "_test") || strings.Contains(base, ".test.") || strings.Contains(base, ".spec.") ||
		strings.Contains(base, ".example.") || strings.Contains(base, ".examples.") || strings.Contains(base, ".sample.") ||
		strings.HasPrefix(base, "readme") || strings.HasPrefix(base, "changelog") || strings.HasPrefix(base, "changes")
}

var exampleDirs = words(`test tests testing testdata __tests__ spec specs fixture fixtures example examples sample samples demo demos doc docs man mock mocks
	__mocks__ testsuite selftest benchmark benchmarks tutorial tutorials`)
