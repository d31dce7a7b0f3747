package credential

import (
	"cmp"
	"net/url"
	"strings"
)

// hidden is a part of a text that is not shown.
type hidden struct {
	start, end int
	kind       string
}

// hideParts takes out of a line what is a secret by the text around it, however the
// line is split into words: passwords of URLs, of statements in SQL, of .netrc.
func hideParts(line string) (shown, credential string) {
	for _, find := range []func(string) []hidden{urlSecrets, sqlSecrets, netrcSecrets} {
		var out strings.Builder
		at := 0
		for _, h := range find(line) {
			if h.start < at {
				continue
			}
			out.WriteString(line[at:h.start])
			out.WriteString(Mask)
			at, credential = h.end, cmp.Or(credential, h.kind)
		}
		if at > 0 {
			line = out.String() + line[at:]
		}
	}
	return line, credential
}

// urlSecrets finds passwords in URLs, and users that can only be tokens.
func urlSecrets(line string) []hidden {
	var all []hidden
	for at := 0; ; {
		i := strings.Index(line[at:], "://")
		if i < 0 {
			return all
		}
		at += i + len("://")
		word := line[at:min(len(line), at+longestValue)]
		word = word[:run(word, func(c byte) bool { return strings.IndexByte(" \t\r\n\"'<>`", c) < 0 })]
		login := loginOf(word)
		if login == "" {
			continue
		}
		user, password, ok := strings.Cut(login, ":")
		if token := generatedPart(user); token != "" && !strings.ContainsAny(user, "{$(") {
			all = append(all, hidden{at, at + len(user), cmp.Or(In(user), urlPassword)})
		}
		if ok && password != "" && !strings.ContainsAny(user, "{$(") && isLiteralPassword(password) {
			all = append(all, hidden{at + len(user) + 1, at + len(login), cmp.Or(In(password), urlPassword)})
		}
	}
}

// generatedPart returns the user of a URL when it can only be a token.
func generatedPart(user string) string {
	plain, err := url.PathUnescape(user)
	if err == nil && (In(plain) != "" || generated(plain, 16) || len(plain) >= 32 && run(plain, isHexDigit) == len(plain)) {
		return user
	}
	return ""
}

// loginOf returns what stands before the @ of a URL without its scheme. A password may
// hold what ends an address, where what is before that is no port.
func loginOf(word string) string {
	end := strings.IndexAny(word, "/?#")
	if end < 0 {
		end = len(word)
	}
	if sign := strings.LastIndexByte(word[:end], '@'); sign >= 0 {
		return word[:sign]
	}
	colon, sign := strings.IndexByte(word[:end], ':'), strings.IndexByte(word, '@')
	if colon <= 0 || sign < 0 || word[0] == '[' || strings.ContainsAny(word[:end], "${(") || run(word[colon+1:end], isDigit) == end-colon-1 {
		return ""
	}
	return word[:sign]
}

// sqlSecrets finds passwords of users in statements of SQL.
func sqlSecrets(line string) []hidden {
	if len(line) < len("password 'x'") {
		return nil
	}
	var all []hidden
	for i := 0; i+len("password") < len(line); i++ {
		if line[i]|0x20 != 'p' && line[i]|0x20 != 'i' {
			continue
		}
		if start, end, ok := sqlSecret(line, i); ok {
			all = append(all, hidden{start, end, ByName})
			i = end
		}
	}
	return all
}

// statementLength is how far before a password, in bytes, the words are looked for that
// make a statement of it.
const statementLength = 400

// sqlSecret returns the password that a statement has behind the word PASSWORD or
// IDENTIFIED BY at at. The first wants quotes, for it stands in prose too.
func sqlSecret(text string, at int) (start, end int, ok bool) {
	if at > 0 && isWord(text[at-1]) {
		return 0, 0, false
	}
	text = text[:min(len(text), at+longestValue+statementLength)]
	switch rest := text[at:]; {
	case hasFold(rest, "password"):
		i := at + len("password")
		if !inStatement(text[max(0, at-statementLength):at]) {
			return 0, 0, false
		}
		if user := skipBlank(text, i); hasFold(text[user:], "for ") { // SET PASSWORD FOR user = 'x'
			sign := strings.IndexByte(text[user:min(len(text), user+longestName)], '=')
			if sign < 0 {
				return 0, 0, false
			}
			i = user + sign
		}
		return sqlValue(text, i, true)
	case hasFold(rest, "identified"):
		by := strings.Index(strings.ToLower(rest[:min(len(rest), longestName)]), " by ")
		if by < 0 {
			return 0, 0, false
		}
		i := skipBlank(text, at+by+len(" by "))
		if hasFold(text[i:], "password ") {
			i += len("password ")
		}
		return sqlValue(text, i, false)
	}
	return 0, 0, false
}

// inStatement reports whether a text ends in the beginning of a statement that sets the
// password of somebody.
func inStatement(text string) bool {
	text = strings.ToLower(text[strings.LastIndexByte(text, ';')+1:])
	does, whom := false, false
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r >= 0x80 || !isWord(byte(r)) }) {
		switch word {
		case "create", "alter", "set", "update":
			does = true
		case "user", "role", "login", "password":
			whom = whom || does
		}
	}
	return whom
}

// sqlValue reads the string behind i. Quotes may be those of SQL in those of a shell or a
// program, and are doubled in a string.
func sqlValue(text string, i int, quotes bool) (start, end int, ok bool) {
	start = i + run(text[i:], func(c byte) bool { return strings.IndexByte(" \t\n=(", c) >= 0 })
	if start+1 < len(text) && strings.IndexByte("NnEe", text[start]) >= 0 && text[start+1] == '\'' {
		start++
	}
	sign := run(text[start:], func(c byte) bool { return strings.IndexByte(`'"\`, c) >= 0 })
	if sign == 0 {
		end = start + run(text[start:], func(c byte) bool { return strings.IndexByte(" \t\r\n;,)'\"`", c) < 0 })
		return start, end, !quotes && end-start > 1 && isLiteralPassword(text[start:end])
	}
	opening := text[start : start+sign]
	quote := opening[sign-1]
	if opening == `''` { // an empty string
		return 0, 0, false
	}
	start += sign
	for end = start; end < len(text) && text[end] != quote; end++ {
		if sign == 1 && strings.HasPrefix(text[end+1:], opening+opening) { // a quote in the string
			end += 2
		}
	}
	if end == len(text) {
		return 0, 0, false
	}
	if sign > 1 {
		end -= len(text[start:end]) - len(strings.TrimRight(text[start:end], `\`))
	}
	return start, end, end > start && isLiteralPassword(text[start:end])
}

func skipBlank(text string, i int) int {
	return i + run(text[i:], func(c byte) bool { return c == ' ' || c == '\t' })
}

// hasFold reports whether a text begins with another, which is in small letters.
func hasFold(text, lower string) bool {
	return len(text) >= len(lower) && strings.EqualFold(text[:len(lower)], lower)
}

// netrcSecrets finds the password of "machine x login y password z", also where it is
// written to a file.
func netrcSecrets(line string) []hidden {
	var all []hidden
	for at := 0; ; {
		i := strings.Index(line[at:], "password")
		if i < 0 {
			return all
		}
		before := line[max(0, at+i-statementLength) : at+i]
		at += i + len("password")
		start := at + run(line[at:], func(c byte) bool { return c == ' ' || c == '\t' })
		if start == at || !strings.Contains(before, "login ") || !strings.Contains(before, "machine ") && !strings.Contains(before, "default ") {
			continue
		}
		end := start + run(line[start:], func(c byte) bool { return strings.IndexByte(" \t\r\n'\"\\;&|>", c) < 0 })
		if value := line[start:end]; len(value) > 1 && isLiteralPassword(value) && value[0] != '%' {
			all = append(all, hidden{start, end, "netrc password"})
		}
	}
}
