package image

import (
	"slices"
	"strings"
)

// purl writes a package URL (ECMA-427). Qualifiers are name, value pairs; those
// without a value are left out.
func purl(kind, namespace, name, version string, qualifiers ...string) string {
	var b strings.Builder
	b.WriteString("pkg:")
	b.WriteString(kind)
	for part := range strings.SplitSeq(namespace, "/") {
		if part != "" {
			b.WriteByte('/')
			escapePURL(&b, part)
		}
	}
	b.WriteByte('/')
	escapePURL(&b, name)
	if version != "" {
		b.WriteByte('@')
		escapePURL(&b, version)
	}
	writeQualifiers(&b, qualifiers)
	return b.String()
}

func writeQualifiers(b *strings.Builder, pairs []string) {
	var keys []string
	values := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			keys = append(keys, pairs[i])
			values[pairs[i]] = pairs[i+1]
		}
	}
	slices.Sort(keys)
	for i, key := range keys {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(key)
		b.WriteByte('=')
		escapePURL(b, values[key])
	}
}

// escapePURL percent-encodes all but letters, digits and . - _ ~ and the colon.
func escapePURL(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '.', c == '-', c == '_', c == '~', c == ':':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}
