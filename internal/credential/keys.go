package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// The kinds of private keys that are told apart.
const (
	PrivateKey          = "private key"
	EncryptedPrivateKey = "encrypted private key"
	serviceAccountKey   = "Google service account key"
)

// findPEM finds a block of a private key, at the words PRIVATE KEY of its title.
// A title without a key, as programs have that read keys, is none.
func findPEM(b []byte, at int) (found, bool) {
	const mark, dashes = "-----BEGIN ", "-----"
	begin := bytes.LastIndex(b[max(0, at-40):at], []byte(mark))
	if begin < 0 {
		return found{}, false
	}
	begin += max(0, at-40)
	behind := bytes.Index(b[at:min(len(b), at+24)], []byte(dashes))
	if behind < 0 {
		return found{}, false
	}
	title := string(b[begin+len(mark) : at+behind])
	body := b[at+behind+len(dashes):]
	key, encrypted, n := decodePEM(body[:min(len(body), Ahead)])
	kind := PrivateKey
	switch {
	case strings.Contains(title, "PGP"):
		if len(key) < 100 {
			return found{}, false
		}
	case strings.HasPrefix(title, "OPENSSH"):
		cipher, ok := opensshCipher(key)
		if !ok {
			return found{}, false
		}
		encrypted = cipher != "none"
	case !encrypted && !wholeDER(key), len(key) < 32:
		return found{}, false
	}
	if encrypted || strings.HasPrefix(title, "ENCRYPTED") {
		kind = EncryptedPrivateKey
	} else if around := b[max(0, begin-Before):min(len(b), begin+Before)]; bytes.Contains(around, []byte(`service_account`)) && bytes.Contains(around, []byte(`private_key_id`)) {
		kind = serviceAccountKey
	}
	return found{kind: kind, start: begin, end: at + behind + len(dashes) + n, shown: fmt.Sprintf("%s, %d bytes", title, len(key))}, true
}

// decodePEM decodes the base64 of a block, as it stands in a file or in a string
// of a program or of JSON: with line ends written as \n, lines in quotes. It
// returns how many bytes were read.
func decodePEM(s []byte) (key []byte, encrypted bool, n int) {
	var text []byte
	for n < len(s) && s[n] != '-' {
		c := s[n]
		switch {
		case c == '\\' && n+1 < len(s) && strings.IndexByte(`nrt\`, s[n+1]) >= 0:
			n++
		case c == '+' && len(text) > 0 && joinsStrings(s, n):
		case isBase64(c):
			text = append(text, c)
		case c == ':':
			// A header, such as Proc-Type: 4,ENCRYPTED; its name was taken for data.
			end := bytes.IndexAny(s[n:], "\n\\")
			if end < 0 {
				return nil, false, n
			}
			encrypted = encrypted || bytes.Contains(s[n:n+end], []byte("ENCRYPTED"))
			text = text[:0]
			n += end - 1
		case strings.IndexByte(" \t\r\n\"',.()#*>|", c) < 0:
			return decodeBase64(text), encrypted, n
		}
		n++
		if n < len(s) && s[n] == '-' && bytes.Contains(s[n:min(len(s), n+20)], []byte(": ")) {
			n++ // the dash of Proc-Type and DEK-Info
		}
	}
	return decodeBase64(text), encrypted, n
}

// joinsStrings reports whether a plus stands between strings of a program.
func joinsStrings(s []byte, at int) bool {
	beside := func(c byte) bool { return strings.IndexByte(" \t\r\n\"'", c) >= 0 }
	return beside(s[at-1]) && (at+1 == len(s) || beside(s[at+1]))
}

// decodeBase64 decodes as far as it goes; a PGP block ends in a checksum of its own.
func decodeBase64(text []byte) []byte {
	text = bytes.TrimRight(text, "=")
	if i := bytes.IndexByte(text, '='); i >= 0 {
		text = text[:i]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, _ := base64.RawStdEncoding.Decode(out, text)
	return out[:n]
}

// wholeDER reports whether bytes are one ASN.1 sequence, and not a part of one.
func wholeDER(b []byte) bool {
	if len(b) < 2 || b[0] != 0x30 {
		return false
	}
	length, rest := int(b[1]), b[2:]
	if length >= 0x80 {
		size := length & 0x7f
		if size == 0 || size > 3 || len(rest) < size {
			return false
		}
		length = 0
		for _, c := range rest[:size] {
			length = length<<8 | int(c)
		}
		rest = rest[size:]
	}
	return len(rest) == length
}

// opensshCipher returns the cipher of a key in OpenSSH's own format.
func opensshCipher(key []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(key, []byte("openssh-key-v1\x00"))
	if !ok || len(rest) < 4 {
		return "", false
	}
	n := binary.BigEndian.Uint32(rest)
	if n > 64 || int(n) > len(rest)-4 || len(rest) < 100 {
		return "", false
	}
	return string(rest[4 : 4+n]), true
}

// findPuTTY finds a private key of PuTTY.
func findPuTTY(b []byte, at int) (found, bool) {
	file := b[at:min(len(b), at+Ahead)]
	_, cipher, ok := bytes.Cut(file[:min(len(file), 300)], []byte("Encryption: "))
	private := bytes.Index(file, []byte("Private-Lines: "))
	if !ok || private < 0 || run(file[private+len("Private-Lines: "):], isDigit) == 0 {
		return found{}, false
	}
	kind := EncryptedPrivateKey
	if bytes.HasPrefix(cipher, []byte("none")) {
		kind = PrivateKey
	}
	return found{kind: kind, start: at, end: at + private, shown: "PuTTY user key"}, true
}

// findClientKey finds the private key of a kubeconfig.
func findClientKey(b []byte, at int) (found, bool) {
	start, end := at+len("client-key-data"), 0
	rest := b[start:min(len(b), start+Ahead)]
	gap := run(rest[:min(len(rest), 12)], isGap)
	end = start + gap + run(rest[gap:], isBase64)
	text := decodeBase64(b[start+gap : end])
	if gap == 0 || !bytes.HasPrefix(text, []byte("-----BEGIN ")) || !bytes.Contains(text, []byte("PRIVATE KEY")) {
		return found{}, false
	}
	return found{kind: "Kubernetes client key", start: start + gap, end: end, shown: Mask}, true
}

// findJWK finds the private part of a JSON web key, in the object that has its type.
func findJWK(b []byte, at int) (found, bool) {
	low := max(0, at-Before)
	open := bytes.LastIndexByte(b[low:at], '{')
	if open < 0 {
		return found{}, false
	}
	low += open
	object := b[low:min(len(b), at+Ahead)]
	if end := bytes.IndexByte(object[at-low:], '}'); end >= 0 {
		object = object[:at-low+end]
	}
	name, least := `"d"`, 40
	start, kind := member(object, `"kty"`)
	if string(object[start:start+kind]) == "oct" { // of a key that both sides have
		name, least = `"k"`, 20
	}
	start, length := member(object, name)
	value := string(object[start : start+length])
	if length < least || run(value, isURLSafe) != length || placeholder(value) && length < 64 {
		return found{}, false
	}
	return found{kind: PrivateKey, start: low + start, end: low + start + length, shown: "JSON web key"}, true
}

// member returns where the text that an object of JSON has under a name begins, and its length.
func member(object []byte, name string) (start, length int) {
	for at := 0; ; {
		i := bytes.Index(object[at:], []byte(name))
		if i < 0 {
			return 0, 0
		}
		at += i + len(name)
		rest := bytes.TrimLeft(object[at:], " \t\r\n")
		rest, colon := bytes.CutPrefix(rest, []byte(":"))
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if !colon || len(rest) == 0 || rest[0] != '"' {
			continue // a value that reads like the name
		}
		start = len(object) - len(rest) + 1
		if length = bytes.IndexByte(rest[1:], '"'); length < 0 {
			return 0, 0
		}
		return start, length
	}
}

// jwtExample is the signature of the token that jwt.io shows.
const jwtExample = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"

// findJWT finds a JSON web token, at the dot before its payload.
func findJWT(b []byte, at int) (found, bool) {
	start := at
	for start > 0 && at-start < longestValue && isURLSafe(b[start-1]) {
		start--
	}
	payload := at + 1 + run(b[at+1:min(len(b), at+1+Before)], isURLSafe)
	if payload >= len(b) || b[payload] != '.' {
		return found{}, false
	}
	end := payload + 1 + run(b[payload+1:min(len(b), payload+1+longestValue*4)], isURLSafe)
	signature := string(b[payload+1 : end])
	var header struct{ Alg string }
	var claims map[string]any
	if !decodeJSON(b[start:at], &header) || header.Alg == "" || !decodeJSON(b[at+1:payload], &claims) {
		return found{}, false
	}
	if len(signature) < 16 || signature == jwtExample || placeholder(signature) || claims["name"] == "John Doe" {
		return found{}, false
	}
	kind := "JSON web token"
	if issuer, _ := claims["iss"].(string); claims["kubernetes.io"] != nil || issuer == "kubernetes/serviceaccount" {
		kind = "Kubernetes service account token"
	}
	return found{kind: kind, start: start, end: end, shown: "eyJ…"}, true
}

func decodeJSON(text []byte, to any) bool {
	decoded, err := base64.RawURLEncoding.DecodeString(string(text))
	return err == nil && json.Unmarshal(decoded, to) == nil
}
