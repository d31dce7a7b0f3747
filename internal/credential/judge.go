package credential

import (
	"encoding/base64"
	"hash/crc32"
	"math"
	"strings"
)

// shorten shows of a value its prefix, which is that of its kind, and the last
// four characters of a long one: enough to tell which it is, where one has it.
func shorten(prefix, secret string) string {
	const longEnough = 24
	if len(secret) < longEnough {
		return prefix + "…"
	}
	return prefix + "…" + secret[len(secret)-4:]
}

// placeholder reports whether a value stands for another: in documentation, in a
// template, in a test that somebody wrote by hand.
func placeholder(v string) bool {
	if v == "" {
		return true
	}
	lower := strings.ToLower(v)
	for _, word := range []string{
		"example", "placeholder", "changeme", "change_me", "change-me", "your", "dummy", "sample", "insert", "replace", "redact", "secret", "token",
		"password", "foobar", "deadbeef", "notreal", "fake", "goeshere", "xxxx", "0123456", "1234567", "abcdefg", "qwerty", "<", "...",
	} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return distinct(v) < min(len(v)/3, 8) || repeats(v)
}

func distinct(v string) int {
	var seen [256]bool
	n := 0
	for i := range len(v) {
		if !seen[v[i]] {
			seen[v[i]] = true
			n++
		}
	}
	return n
}

// repeats reports whether a value is a few characters again and again.
func repeats(v string) bool {
	for period := 1; period <= 10 && 2*period < len(v); period++ {
		if v[period:] == v[:len(v)-period] {
			return true
		}
	}
	return false
}

// entropy is in bits a character.
func entropy(v string) float64 {
	var count [256]int
	for i := range len(v) {
		count[v[i]]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(v))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// weakPasswords are what documentation and tests have for one.
var weakPasswords = words(`password passwd pass pwd passw0rd password1 secret secrets token changeme changeit letmein test testing guest admin root user
	username login default example sample demo foo bar baz foobar qux hunter2 123 1234 12345 123456 12345678 123456789 abc abc123 xxx xxxx yyy p4ssw0rd
	pa55word pswd mypass mypassword my-password my_password mysecret my-secret secretpassword passphrase postgres mysql redis rabbitmq key value string
	pw p w s3cr3t sekret sesame opensesame qwerty todo none null undefined undef empty unknown anonymous blah hello world open sesame tiger scott files compat systemd sss dns ldap nis`)

// weak reports whether a password is one that everybody would try, or the user's
// name: a default or an example, hidden from nobody.
func weak(secret, user string) bool {
	lower := strings.ToLower(secret)
	return weakPasswords[lower] || lower == strings.ToLower(user) && user != ""
}

// literalSecret reports whether what stands where a password does is one.
func literalSecret(secret, user string) bool {
	if len(secret) < 3 || !isLiteralPassword(secret) || weak(secret, user) || placeholder(secret) && len(secret) < 40 {
		return false
	}
	for i := range len(secret) { // a format string has %s; a URL %40
		if secret[i] == '%' && (i+2 >= len(secret) || !isHexDigit(secret[i+1]) || !isHexDigit(secret[i+2])) {
			return false
		}
	}
	return !strings.ContainsAny(secret, "$<>{}|^")
}

// decodeLogin decodes user:password in base64.
func decodeLogin(s string) (string, bool) {
	if !userAndPassword(s) {
		return "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(s)
	}
	return string(decoded), err == nil
}

// crcBase62 holds the last six characters of a token against the CRC-32 of the
// random part before them, as GitHub and npm write it.
func crcBase62(token string) bool {
	_, rest, ok := strings.Cut(token, "_")
	if !ok || len(rest) <= 6 {
		return false
	}
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE([]byte(rest[:len(rest)-6]))
	var text [6]byte
	for i := range text {
		text[5-i] = digits[sum%62]
		sum /= 62
	}
	return string(text[:]) == rest[len(rest)-6:]
}
