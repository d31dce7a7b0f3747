// Package purl reads, writes and compares package URLs (ECMA-427).
//
// It keeps the case of names as it finds it, since Go modules differ by it, and
// levels it where two URLs are compared and their type does not tell case apart.
package purl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// URL is a package URL in its parts, decoded.
type URL struct {
	Type       string // lower case
	Namespace  string // segments with slashes between them, "" when there is none
	Name       string
	Version    string
	Qualifiers []Qualifier // sorted by key, each key once
	Subpath    string
}

// Qualifier is one pair of the part after the question mark.
type Qualifier struct{ Key, Value string }

// Longest bounds what [Parse] takes, in bytes. Real ones stay below 1,000.
const Longest = 8 << 10

// Get returns the value of a qualifier, "" when it is not there.
func (u *URL) Get(key string) string {
	for _, q := range u.Qualifiers {
		if q.Key == key {
			return q.Value
		}
	}
	return ""
}

// Set gives a qualifier a value, or takes it away when the value is "".
func (u *URL) Set(key, value string) {
	i, found := slices.BinarySearchFunc(u.Qualifiers, key, func(q Qualifier, key string) int { return strings.Compare(q.Key, key) })
	switch {
	case found && value == "":
		u.Qualifiers = slices.Delete(u.Qualifiers, i, i+1)
	case found:
		u.Qualifiers[i].Value = value
	case value != "":
		u.Qualifiers = slices.Insert(u.Qualifiers, i, Qualifier{key, value})
	}
}

// Parse reads a package URL.
func Parse(text string) (URL, error) {
	if len(text) > Longest {
		return URL{}, fmt.Errorf("package URL of %d bytes: at most %d are read", len(text), Longest)
	}
	u, err := parse(text)
	if err != nil {
		return URL{}, fmt.Errorf("package URL %.200q: %w", text, err)
	}
	return u, nil
}

func parse(text string) (u URL, err error) {
	if len(text) < 4 || !strings.EqualFold(text[:4], "pkg:") {
		return u, errors.New("it does not begin with pkg: as they do")
	}
	rest, subpath, _ := strings.Cut(strings.TrimLeft(text[4:], "/"), "#")
	rest, qualifiers, _ := strings.Cut(rest, "?")
	kind, rest, _ := strings.Cut(rest, "/")
	if u.Type = strings.ToLower(kind); !validType(u.Type) {
		return u, fmt.Errorf("%q is no type", kind)
	}
	// The @ of a version stands behind the last slash, unless that is in the version;
	// the one of an npm scope is the first character.
	if at := strings.LastIndexByte(rest, '@'); at > 0 && rest[at-1] != '/' {
		if u.Version, err = decode(rest[at+1:]); err != nil {
			return u, err
		}
		rest = rest[:at]
	}
	rest = strings.Trim(rest, "/")
	namespace, name := "", rest
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		namespace, name = rest[:i], rest[i+1:]
	}
	if u.Name, err = decode(name); err == nil && u.Name == "" {
		err = errors.New("it has no name")
	}
	if err == nil {
		u.Namespace, err = segments(namespace, false)
	}
	if err == nil {
		u.Subpath, err = segments(subpath, true)
	}
	if err == nil {
		err = u.qualify(qualifiers)
	}
	return u, err
}

func validType(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '.' && c != '+' && c != '-') {
			return false
		}
	}
	return s != ""
}

// segments decodes what slashes divide, without empty segments and, where they are
// of a path, without dots.
func segments(text string, path bool) (string, error) {
	var list []string
	for part := range strings.SplitSeq(text, "/") {
		s, err := decode(part)
		if err != nil {
			return "", err
		}
		if s != "" && (!path || s != "." && s != "..") {
			list = append(list, s)
		}
	}
	return strings.Join(list, "/"), nil
}

func (u *URL) qualify(text string) error {
	for pair := range strings.SplitSeq(text, "&") {
		key, value, _ := strings.Cut(pair, "=")
		value, err := decode(value)
		if err != nil {
			return err
		}
		if key = strings.ToLower(key); strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			return fmt.Errorf("%q is no name of a qualifier", key)
		}
		if key != "" && value != "" {
			u.Qualifiers = append(u.Qualifiers, Qualifier{key, value})
		}
	}
	slices.SortStableFunc(u.Qualifiers, func(a, b Qualifier) int { return strings.Compare(a.Key, b.Key) })
	u.Qualifiers = slices.CompactFunc(u.Qualifiers, func(a, b Qualifier) bool { return a.Key == b.Key })
	return nil
}

func decode(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) || digit(s[i+1]) > 15 || digit(s[i+2]) > 15 {
			return "", errors.New("it has a % without two hexadecimal digits behind it")
		}
		b = append(b, digit(s[i+1])<<4|digit(s[i+2]))
		i += 2
	}
	return string(b), nil
}

// digit is the value of a hexadecimal digit, 16 when it is none.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// String writes the URL with qualifiers in order.
func (u URL) String() string {
	var b strings.Builder
	b.WriteString("pkg:")
	b.WriteString(u.Type)
	for part := range strings.SplitSeq(u.Namespace, "/") {
		if part != "" {
			b.WriteByte('/')
			escape(&b, part)
		}
	}
	b.WriteByte('/')
	escape(&b, u.Name)
	if u.Version != "" {
		b.WriteByte('@')
		escape(&b, u.Version)
	}
	for i, q := range u.Qualifiers {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(q.Key)
		b.WriteByte('=')
		escape(&b, q.Value)
	}
	before := byte('#')
	for part := range strings.SplitSeq(u.Subpath, "/") {
		if part != "" {
			b.WriteByte(before)
			escape(&b, part)
			before = '/'
		}
	}
	return b.String()
}

// escape percent-encodes all but letters, digits and . - _ ~ and the colon.
func escape(b *strings.Builder, s string) {
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

// Covers says whether what is stated of u holds for the package other: the names
// are one, and a version or qualifiers that u states are other's too. An epoch may
// stand in the version or beside it. What is stated of a source package (arch is src
// or source) holds for the packages that were built from it.
func (u *URL) Covers(other *URL) bool {
	if arch := u.Get("arch"); arch == "src" || arch == "source" {
		source := other.source(arch)
		other = &source
	}
	if !u.sameName(other) || u.Version != "" && u.epochVersion() != other.epochVersion() {
		return false
	}
	for _, q := range u.Qualifiers {
		if q.Key != "epoch" && q.Key != "upstream" && other.Get(q.Key) != q.Value && !(q.Key == "distro" && vaguer(q.Value, other.Get(q.Key))) {
			return false
		}
	}
	return u.Subpath == "" || u.Subpath == other.Subpath
}

// source is the source package of one, as its qualifier upstream says: a name, with
// a version where that is another one, or the file of a source rpm.
func (u URL) source(arch string) URL {
	upstream := u.Get("upstream")
	if file, ok := strings.CutSuffix(upstream, ".src.rpm"); ok {
		release := strings.LastIndexByte(file, '-')
		if at := strings.LastIndexByte(file[:max(release, 0)], '-'); at > 0 {
			u.Name, u.Version = file[:at], file[at+1:]
		}
	} else if name, version, _ := strings.Cut(upstream, "@"); name != "" {
		u.Name, u.Version = name, cmp.Or(version, u.Version)
	}
	u.Qualifiers = slices.Clone(u.Qualifiers)
	u.Set("arch", arch)
	return u
}

// vaguer says whether a distribution such as debian-12 is that of debian-12.5.
func vaguer(distro, other string) bool {
	return strings.HasPrefix(other, distro+".")
}

func (u *URL) sameName(other *URL) bool {
	if u.Type != other.Type {
		return false
	}
	a, b := [2]string{u.Namespace, u.Name}, [2]string{other.Namespace, other.Name}
	switch u.Type {
	case "golang":
		// The end of a module's path is found in the subpath, too.
		return strings.EqualFold(joined(a[0], a[1], u.Subpath), joined(b[0], b[1], other.Subpath)) || strings.EqualFold(joined(a[0], a[1]), joined(b[0], b[1]))
	case "pypi":
		return levelled(a[1]) == levelled(b[1])
	case "maven", "npm", "cargo", "gem":
		return a == b
	}
	return strings.EqualFold(a[0], b[0]) && strings.EqualFold(a[1], b[1])
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), "/")
}

// levelled is a name as PyPI compares it (PEP 503).
func levelled(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' }), "-")
}

func (u *URL) epochVersion() string {
	if epoch := u.Get("epoch"); epoch != "" && epoch != "0" && !strings.Contains(u.Version, ":") {
		return epoch + ":" + u.Version
	}
	return cmp.Or(strings.TrimPrefix(u.Version, "0:"), u.Version)
}
