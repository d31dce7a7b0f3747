package credential

import "strings"

// generated reports whether a word of a command of at least so many characters can
// hardly be anything but what a machine made, and is no checksum, path, address or
// version, which stand open in commands. Words that people make are long or few, also where
// they are joined: libQt5WebEngineCore5.
func generated(v string, least int) bool {
	v = strings.TrimRight(v, "=")
	if len(v) < least || len(v) > longestValue || strings.ContainsAny(v, ".:,=$@ \t\n(){}<>|;") || !isLiteral(v) || placeholder(v) {
		return false
	}
	if strings.IndexByte(v, '/') >= 0 && strings.IndexByte(v, '+') < 0 { // no base64
		return false
	}
	if run(strings.TrimPrefix(v, "0x"), isHexDigit) == len(strings.TrimPrefix(v, "0x")) || strings.HasPrefix(v, "sha256-") || strings.HasPrefix(v, "sha384-") || strings.HasPrefix(v, "sha512-") || isUUID(v) {
		return false
	}
	upper, lower, digit, short := false, false, false, 0
	for rest := v; rest != ""; {
		var word string
		word, rest = nextWord(rest)
		letters := 0
		for i := range len(word) {
			c := word[i]
			upper, lower, digit = upper || isUpper(c), lower || isLower(c), digit || isDigit(c)
			if isDigit(c) {
				short += shortWord(letters)
				letters = 0
			} else {
				letters++
			}
		}
		short += shortWord(letters)
	}
	switch {
	case !digit || !lower && !upper:
		return false
	case upper && lower:
		return short >= 2 && 6*short >= len(v)-6
	}
	return len(v) >= 16 && short >= 3 && 5*short >= len(v)
}

// shortWord is 1 for a word of so many letters that is too short to be one.
func shortWord(letters int) int {
	if letters == 1 || letters == 2 {
		return 1
	}
	return 0
}

// isUUID reports whether a text is one, which names things more often than it opens them.
func isUUID(v string) bool {
	return len(v) == 36 && v[8] == '-' && v[13] == '-' && v[18] == '-' && v[23] == '-' && run(strings.ReplaceAll(v, "-", ""), isHexDigit) == 32
}
