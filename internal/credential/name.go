package credential

import (
	"strings"
)

// naming says how firmly a name says that its value is a secret.
type naming uint8

const (
	namesNothing    naming = iota
	namesKey               // could be: only a value that looks random is a secret
	namesConnection        // a connection string, which may hold a password
	namesReference         // a secret, or the name of one
	namesSecret            // a secret
)

// ByName is the type of what is a credential by the name beside it, or by the
// option that it follows, and not by its form.
const ByName = "named credential"

// Named reports whether a name and the literal beside it make a credential: the name says that it is a secret, and the value is not a
// reference, a path, a switch or a number.
func Named(name, value string) bool {
	if len(value) < 3 || !mayNameSecret(name) {
		return false
	}
	how := nameOf(name)
	if how == namesNothing {
		return false
	}
	value = strings.Trim(value, " \t\r\n\"'")
	if strings.IndexByte(value, '\n') >= 0 {
		return false // a file: what is in it is looked at line by line
	}
	return holdsSecret(how, value) || how == namesKey && authorizes(name, value)
}

// authorizes reports whether a header, named Authorization, holds a scheme and a
// literal for it, whether or not that is well-formed.
func authorizes(name, value string) bool {
	lower := strings.ToLower(name)
	header := strings.HasSuffix(lower, "authorization")
	if !header && !strings.HasSuffix(lower, "auth") {
		return false
	}
	scheme, rest, _ := strings.Cut(value, " ")
	if !header && run(rest, func(c byte) bool { return isLower(c | 0x20) }) == len(rest) {
		return false // a word behind it, as in "basic authentication"
	}
	switch strings.ToLower(scheme) {
	case "basic", "bearer", "token", "apikey":
		return len(rest) >= 6 && !strings.Contains(rest, " ") && isLiteral(rest)
	}
	return false
}

func holdsSecret(how naming, value string) bool {
	if !isLiteral(value) {
		return false
	}
	switch how {
	case namesKey:
		return looksRandom(value)
	case namesConnection:
		return strings.IndexByte(value, '@') > 0
	case namesReference:
		return len(value) >= 6 && !looksLikeName(value)
	case namesSecret:
		return true
	}
	return false
}

// mayNameSecret is a quick check that lets most names go.
func mayNameSecret(name string) bool {
	if n := len(name); n > 2 && name[n-1]|0x20 == 'w' && name[n-2]|0x20 == 'p' && !isAlphanumeric(name[n-3]) {
		return true // DB_PW
	}
	for i := 0; i+2 < len(name); i++ {
		switch name[i] | 0x20 {
		case 'p':
			if fold3(name[i:], "pas") || fold3(name[i:], "pwd") || fold3(name[i:], "pat") && (i+3 == len(name) || !isAlphanumeric(name[i+3])) {
				return true
			}
		case 's':
			if fold3(name[i:], "sec") {
				return true
			}
		case 't':
			if fold3(name[i:], "tok") {
				return true
			}
		case 'k':
			if fold3(name[i:], "key") {
				return true
			}
		case 'c':
			if fold3(name[i:], "cre") || fold3(name[i:], "con") || fold3(name[i:], "coo") {
				return true
			}
		case 'd':
			if fold3(name[i:], "dsn") {
				return true
			}
		case 'a':
			if fold3(name[i:], "aut") {
				return true
			}
		}
	}
	return false
}

func fold3(s, lower string) bool {
	return s[0]|0x20 == lower[0] && s[1]|0x20 == lower[1] && s[2]|0x20 == lower[2]
}

// nameOf weighs the words of a name: what comes last decides, unless it only
// says something about the secret (its name, file, age, length).
func nameOf(name string) naming {
	how, previous := namesNothing, ""
	var buffer [24]byte
	for rest := name; rest != ""; {
		var word string
		word, rest = nextWord(rest)
		lower := lowerInto(buffer[:0], strings.TrimRight(word, "0123456789"))
		switch {
		case word == "":
		case string(lower) == "key":
			switch {
			case qualifiesKey[previous]:
				how = namesSecret
			case how != namesNothing:
				return namesNothing // the key under which a secret is kept
			default:
				how = namesKey
			}
		case string(lower) == "pat" && len(name) > len("pat"): // a personal access token
			how = namesReference
		case notSecret[string(lower)]:
			return namesNothing
		case aboutSecret[string(lower)]:
			how = namesNothing
		default:
			if strongest := wordNames(lower, previous); strongest != namesNothing {
				how = strongest
			}
		}
		if word != "" {
			previous = interned(lower)
		}
		if len(word) > 0 && rest != "" && rest[0] == '/' {
			how = namesNothing // a prefix such as example.com/
		}
	}
	return how
}

// wordNames says what one word, in lower case, names.
func wordNames(word []byte, previous string) naming {
	switch w := string(word); w {
	case "pass", "pwd", "pw", "pgpass", "dbpass", "storepass", "keypass", "srcstorepass", "srckeypass", "deststorepass", "destkeypass", "adminpass", "rootpass", "bindpass", "passcode", "accesskey", "secretkey", "privatekey", "userkey", "restuserkey":
		return namesSecret
	case "credential", "credentials", "creds", "cred":
		return namesReference
	case "dsn":
		return namesConnection
	case "string":
		if previous == "connection" || previous == "conn" {
			return namesConnection
		}
	case "authorization", "cookie", "auth":
		return namesKey
	default:
		for _, ending := range []string{"password", "passwd", "passwords", "passphrase", "apikey", "requirepass"} {
			if strings.HasSuffix(w, ending) {
				return namesSecret
			}
		}
		if strings.HasSuffix(w, "secret") || strings.HasSuffix(w, "token") || w == "secrets" {
			return namesReference
		}
	}
	return namesNothing
}

// interned returns the word as far as it matters before another.
func interned(word []byte) string {
	if qualifiesKey[string(word)] || string(word) == "connection" || string(word) == "conn" {
		return string(word)
	}
	return ""
}

// nextWord splits a name at what is no letter or digit and where small letters
// turn into capitals.
func nextWord(s string) (word, rest string) {
	start := 0
	for start < len(s) && !isAlphanumeric(s[start]) {
		start++
	}
	end := start
	for end < len(s) && isAlphanumeric(s[end]) {
		if end > start && isUpper(s[end]) && (!isUpper(s[end-1]) || end+1 < len(s) && isLower(s[end+1])) {
			break
		}
		end++
	}
	return s[start:end], s[end:]
}

func lowerInto(buffer []byte, word string) []byte {
	for i := range len(word) {
		c := word[i]
		if isUpper(c) {
			c |= 0x20
		}
		buffer = append(buffer, c)
	}
	return buffer
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlphanumeric(c byte) bool { return isLower(c|0x20) || isDigit(c) }

// qualifiesKey are the words that make a key a secret one.
var qualifiesKey = words(`api private secret access encryption encrypt signing master account storage shared auth hmac jwt ssh
	session aes cipher deploy admin webhook integration ingestion datadog dd licence license decryption management`)

// notSecret are the words with which a name is never that of a secret.
var notSecret = words(`public pub checksum hash digest sha256 md5 allow allowed disable disabled enable enabled require required
	skip validate max min num has is without ignore forgot publishable fingerprint selector`)

// aboutSecret are the words that say something about a secret, after it.
var aboutSecret = words(`name names file files filename path paths dir directory url uri endpoint host port length len size
	expiry expires expiration expire ttl timeout age lifetime duration interval seconds minutes hours days ms rotation rotate
	policy type mode algorithm alg issuer audience header prefix suffix format field ref reference id ids service
	provider store manager version count limit limits scope scopes claim review mount volume namespace arn region strategy method
	reset hint regex pattern chars attempts retries retry cache validity username user email label location backend engine through
	config settings option options source server template request requests required iterations cost rounds
	strength generator plugin map mapping index env var variable property attribute column complexity grace refresh revision`)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}
