package credential

import (
	"bytes"
	"strings"
)

// keywords are what files are searched for: the prefixes of the table of forms,
// and words that stand in or before other kinds.
func keywords() []keyword {
	var all []keyword
	for i := range patterns {
		p := &patterns[i]
		find := func(b []byte, at int) (found, bool) { return p.find(b, at) }
		if len(p.prefix) > 2 {
			all = append(all, keyword{p.prefix, find})
			continue
		}
		for c := range 256 {
			if p.set(byte(c)) {
				all = append(all, keyword{p.prefix + string([]byte{byte(c)}), find})
			}
		}
	}
	all = append(all,
		keyword{"PRIVATE KEY", findPEM},
		keyword{"PuTTY-User-Key-File-", findPuTTY},
		keyword{".eyJ", findJWT},
		keyword{`"kty"`, findJWK},
		keyword{"://", findURL},
		keyword{"@tcp(", findMySQL},
		keyword{"@unix(", findMySQL},
		keyword{`"auth"`, findRegistry},
		keyword{"uthorization", findAuthorization},
		keyword{"client-key-data", findClientKey},
		keyword{"AccountKey=", findAzureKey},
		keyword{"SharedAccessKey=", findAzureKey},
		keyword{".atlasv1.", findTerraform},
		keyword{"_authToken", findNPM},
	)
	for _, name := range []string{"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey", "ecretAccessKey", "aws_secret_key", "AWS_SECRET_KEY"} {
		all = append(all, keyword{name, findAWSSecret})
	}
	for _, name := range []string{"curl", "sshpass", "redis-cli", "mysql", "mariadb", "mongo", "ldap"} { // all clients begin with one of them
		all = append(all, keyword{name, findClient})
	}
	for _, digit := range "6789" {
		all = append(all, keyword{string(digit) + "Q~", findAzureClient})
	}
	return all
}

// find looks at what stands behind the prefix.
func (p *pattern) find(b []byte, at int) (found, bool) {
	if at > 0 && (isAlphanumeric(b[at-1]) || b[at-1] == '_') {
		return found{}, false
	}
	rest := b[at+len(p.prefix):]
	n := run(rest[:min(len(rest), longestValue)], p.set)
	if n < p.least || n > p.least && p.exactly {
		return found{}, false
	}
	token := string(b[at : at+len(p.prefix)+n])
	if p.set('.') || p.set('-') { // the end of a sentence, a rule of dashes
		token = strings.TrimRight(token, ".-_")
	}
	secret := token[len(p.prefix):]
	if len(secret) < p.least || placeholder(secret) {
		return found{}, false
	}
	f := found{kind: p.kind, start: at, end: at + len(token), shown: shorten(p.prefix, secret)}
	if check := checksums[p.prefix]; check != nil && !check(token) {
		f.doubt = "its checksum is wrong"
	}
	return f, true
}

// findURL finds a URL with a password.
func findURL(b []byte, at int) (found, bool) {
	s := b[at+3 : min(len(b), at+3+longestValue)]
	end := bytes.IndexAny(s, "/?# \t\r\n\"'<>`\\,;|()[]{}*")
	if end < 0 {
		end = len(s)
	}
	sign := bytes.LastIndexByte(s[:end], '@')
	if sign < 0 {
		return found{}, false
	}
	user, secret, ok := strings.Cut(string(s[:sign]), ":")
	if !ok || strings.ContainsAny(user, "$%=&") || !literalSecret(secret, user) {
		return found{}, false
	}
	host := string(s[sign+1 : end])
	if host == "" || exampleHost(host) {
		return found{}, false
	}
	scheme := at
	for scheme > 0 && at-scheme < 20 && (isAlphanumeric(b[scheme-1]) || b[scheme-1] == '+' || b[scheme-1] == '-') {
		scheme--
	}
	if scheme == at {
		return found{}, false
	}
	name := string(b[scheme:at])
	start := at + 3 + len(user) + 1
	return found{kind: urlKind(name), start: start, end: start + len(secret), shown: name + "://…:…@" + host}, true
}

const (
	urlPassword = "URL with a password"
	databaseURL = "database URL with a password"
)

func urlKind(scheme string) string {
	base, _, _ := strings.Cut(strings.ToLower(scheme), "+")
	switch base {
	case "postgres", "postgresql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp", "amqps", "mssql", "sqlserver", "oracle", "clickhouse", "cassandra", "cockroachdb", "couchdb", "ldap", "ldaps", "db2", "neo4j", "bolt", "elasticsearch", "nats":
		return databaseURL
	}
	return urlPassword
}

func exampleHost(host string) bool {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	if host == "host" || host == "hostname" || host == "server" || host == "proxy" || host == "address" || host == "domain" || host == "x" {
		return true
	}
	for _, name := range []string{"example", "example.com", "example.org", "example.net", "domain.com", "host.com", "server.com", "foo.com", "bar.com", "test.com", "host.tld", "domain.tld"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

func findMySQL(b []byte, at int) (found, bool) {
	text := string(b[max(0, at-longestValue):at])
	login := text[strings.LastIndexAny(text, " \t\r\n\"'=`")+1:]
	user, secret, ok := strings.Cut(login, ":")
	if !ok || !literalSecret(secret, user) {
		return found{}, false
	}
	return found{kind: "database login", start: at - len(secret), end: at, shown: Mask}, true
}

func findRegistry(b []byte, at int) (found, bool) {
	const key = `"auth"`
	rest := b[at+len(key):]
	gap := run(rest[:min(len(rest), 40)], isGap)
	value := rest[gap:]
	n := run(value[:min(len(value), 2048)], isBase64)
	login, ok := decodeLogin(string(value[:n]))
	if !ok || gap < 2 {
		return found{}, false
	}
	user, secret, _ := strings.Cut(login, ":")
	if placeholder(secret) || weak(secret, user) {
		return found{}, false
	}
	start := at + len(key) + gap
	return found{kind: "registry login", start: start, end: start + n, shown: Mask}, true
}

// isGap says what may stand between a name and its value.
func isGap(c byte) bool {
	return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == ':' || c == '=' || c == '>' || c == '\\' || c == '`' || c == ',' || c == '(' || c == '\n' || c == '\r'
}

func isBase64(c byte) bool { return isAlphanumeric(c) || c == '+' || c == '/' || c == '=' }

func findAuthorization(b []byte, at int) (found, bool) {
	const word = "uthorization"
	rest := b[at+len(word):]
	gap := run(rest[:min(len(rest), 12)], isGap)
	text := string(rest[gap:min(len(rest), gap+longestValue)])
	scheme, value, ok := strings.Cut(text, " ")
	if !ok || gap == 0 {
		return found{}, false
	}
	start := at + len(word) + gap + len(scheme) + 1
	switch strings.ToLower(scheme) {
	case "basic":
		value = value[:run(value, isBase64)]
		login, ok := decodeLogin(value)
		user, secret, _ := strings.Cut(login, ":")
		if !ok || placeholder(secret) || weak(secret, user) {
			return found{}, false
		}
	case "bearer", "token":
		value = value[:run(value, isDotted)]
		if !looksRandom(value) || placeholder(value) {
			return found{}, false
		}
	default:
		return found{}, false
	}
	return found{kind: "authorization header", start: start, end: start + len(value), shown: scheme + " " + Mask}, true
}

// valueBehind returns what stands behind a name that ends at end: characters of a
// set behind signs and spaces.
func valueBehind(b []byte, end int, set func(byte) bool) (start int, value string) {
	rest := b[end:min(len(b), end+longestValue)]
	gap := run(rest[:min(len(rest), 12)], isGap)
	if gap == 0 {
		return end, ""
	}
	n := run(rest[gap:], set)
	return end + gap, string(rest[gap : gap+n])
}

func findAWSSecret(b []byte, at int) (found, bool) {
	end := at + run(b[at:min(len(b), at+longestKeyword)], isURLSafe)
	start, value := valueBehind(b, end, func(c byte) bool { return isAlphanumeric(c) || c == '+' || c == '/' })
	if len(value) != 40 || placeholder(value) || entropy(value) < 3.5 {
		return found{}, false
	}
	return found{kind: "AWS secret key", start: start, end: start + len(value), shown: shorten("", value)}, true
}

// azuriteKey is of the storage emulator; everybody knows it.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

func findAzureKey(b []byte, at int) (found, bool) {
	start := at + bytes.IndexByte(b[at:], '=') + 1
	rest := b[start:min(len(b), start+longestValue)]
	value := string(rest[:run(rest, isBase64)])
	if len(value) < 44 || !strings.HasSuffix(value, "=") || value == azuriteKey || placeholder(value) {
		return found{}, false
	}
	return found{kind: "Azure access key", start: start, end: start + len(value), shown: shorten("", value)}, true
}

// findAzureClient finds client secrets of Entra ID: three characters, a digit, Q~
// and 31 to 34 more.
func findAzureClient(b []byte, at int) (found, bool) {
	set := func(c byte) bool { return isDotted(c) || c == '~' }
	if at < 3 || run(b[at-3:at], set) < 3 || at > 3 && set(b[at-4]) {
		return found{}, false
	}
	rest := b[at+3 : min(len(b), at+3+40)]
	n := run(rest, set)
	if n < 31 || n > 34 || placeholder(string(rest[:n])) || entropy(string(rest[:n])) < 3.3 {
		return found{}, false
	}
	return found{kind: "Azure client secret", start: at - 3, end: at + 3 + n, shown: shorten("", string(b[at-3:at+3+n]))}, true
}

func findTerraform(b []byte, at int) (found, bool) {
	start := at
	for start > 0 && at-start < 20 && isAlphanumeric(b[start-1]) {
		start--
	}
	end := at + len(".atlasv1.")
	end += run(b[end:min(len(b), end+200)], isURLSafe)
	if at-start != 14 || end-at < 60 || placeholder(string(b[start:end])) {
		return found{}, false
	}
	return found{kind: "HCP Terraform token", start: start, end: end, shown: shorten("", string(b[start:end]))}, true
}

func findNPM(b []byte, at int) (found, bool) {
	start, value := valueBehind(b, at+len("_authToken"), isDotted)
	if len(value) < 20 || placeholder(value) || IsReference(value) {
		return found{}, false
	}
	return found{kind: "npm token", start: start, end: start + len(value), shown: shorten("", value)}, true
}

// checksums tell, of kinds that have one, whether a token's is right.
var checksums = map[string]func(token string) bool{
	"ghp_": crcBase62, "gho_": crcBase62, "ghu_": crcBase62, "ghs_": crcBase62, "ghr_": crcBase62,
	"npm_": crcBase62,
}
