package credential

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// statements looks for passwords of users in a file of SQL.
func statements(text []byte, from, to int, add func(found)) {
	low, high := max(0, from-statementLength), min(len(text), to+longestValue+statementLength)
	around := string(text[low:high])
	for _, h := range sqlSecrets(around) {
		if !literalSecret(around[h.start:h.end], "") {
			continue
		}
		add(found{kind: h.kind, start: low + h.start, end: low + h.end, shown: Mask})
	}
}

// notebook makes the strings of a Jupyter notebook, which are lines of a program in JSON, that
// program again: quotes and line ends in them, each as long as it was.
func notebook(text []byte) []byte {
	program := bytes.Clone(text)
	within := false // quotes of the program
	for i := 0; i+1 < len(program); i++ {
		if program[i] == '\n' {
			within = false
		}
		if program[i] != '\\' {
			continue
		}
		switch program[i+1] {
		case '"':
			copy(program[i:], ` "`)
			if within { // what is quoted ends where it ended
				copy(program[i:], `" `)
			}
			within = !within
		case 'n':
			copy(program[i:], " \n")
			within = false
		}
		i++
	}
	return program
}

// elements looks for pairs of name and value that are attributes of an element of XML, or its
// attribute and its content: <add key="Password" value="..."/>, <property name="password">.
func (f fileForm) elements(text []byte, from, to int, add func(found)) {
	low, high := max(0, from-longestName), min(len(text), to+longestValue+longestName)
	around := string(text[low:high])
	for at := 0; ; {
		i := strings.IndexByte(around[at:], '<')
		if i < 0 {
			return
		}
		at += i + 1
		tag := around[at:min(len(around), at+longestName+longestValue)]
		end := strings.IndexByte(tag, '>')
		if end < 0 {
			continue
		}
		_, name := attribute(tag[:end], "key")
		if name == "" {
			_, name = attribute(tag[:end], "name")
		}
		if name == "" || !mayNameSecret(name) {
			continue
		}
		start, value := attribute(tag[:end], "value")
		if value == "" && !strings.HasSuffix(tag[:end], "/") {
			start = end + 1
			value, _, _ = strings.Cut(tag[start:], "<")
			if value = strings.TrimSpace(value); value != "" {
				start += strings.Index(tag[start:], value)
			}
		}
		if value != "" {
			f.assigned(assignment{name: name, value: value, quoted: true, start: at + start}, low, add)
		}
	}
}

// attribute returns where the value of an attribute begins in a tag, and the value.
func attribute(tag, name string) (start int, value string) {
	for at := 0; ; {
		i := strings.Index(tag[at:], name+"=")
		if i < 0 {
			return 0, ""
		}
		at += i + len(name) + 1
		if before := at - len(name) - 2; before < 0 || strings.IndexByte(" \t\r\n", tag[before]) < 0 || at == len(tag) || tag[at] != '"' && tag[at] != '\'' {
			continue
		}
		value, _, ok := strings.Cut(tag[at+1:], tag[at:at+1])
		if !ok {
			return 0, ""
		}
		return at + 1, value
	}
}

// directoryLine looks at a line of LDIF: an attribute that holds a password, in plain text, as a
// hash, or either in base64 behind two colons.
func directoryLine(line string) (kind, value string) {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return "", ""
	}
	switch strings.ToLower(name) {
	case "userpassword", "olcrootpw", "unicodepwd", "olcdbaclbindpw", "sambantpassword", "clearpassword":
	default:
		return "", ""
	}
	encoded := strings.HasPrefix(value, ":")
	value = strings.TrimSpace(strings.TrimPrefix(value, ":"))
	plain := value
	if encoded {
		decoded, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", ""
		}
		plain = string(decoded)
	}
	if scheme, hash, ok := strings.Cut(plain, "}"); ok && strings.HasPrefix(scheme, "{") {
		if strings.EqualFold(scheme, "{cleartext") {
			plain = hash
		} else if len(hash) >= 12 {
			return "password hash", value
		} else {
			return "", ""
		}
	}
	if !literalSecret(plain, "") {
		return "", ""
	}
	return ByName, value
}

// wirelessLine looks at a line of the settings of a wireless network: its key, as 64 digits or
// as the passphrase of 8 to 63 characters that it is made of.
func wirelessLine(line string) string {
	name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "psk", "wpa_psk", "sae_password", "wep_key0", "wep-key0":
	default:
		return ""
	}
	value = strings.Trim(strings.TrimSpace(value), `"`)
	if !ok || len(value) < 8 || strings.HasPrefix(value, "ext:") || !literalSecret(value, "") { // ext: names one that is kept elsewhere
		return ""
	}
	return value
}
