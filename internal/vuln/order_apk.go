package vuln

import "strings"

// apkKind is what a part of a version of apk is, in the order in which parts may
// follow one another. Where two versions part ways, the one that goes on with the
// later kind is the older one.
type apkKind uint8

const (
	apkFirst apkKind = iota // digits at the beginning
	apkDigits
	apkLetter
	apkSuffix
	apkSuffixNumber
	apkHash
	apkRevision
	apkEnd
	apkInvalid
)

// Suffixes before apkRelease make a version older than without one.
var apkSuffixes = [...]string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}

const apkRelease = 4

// apkScanner yields the parts of a version.
type apkScanner struct {
	rest   string
	kind   apkKind
	text   string
	suffix int
}

func scanApk(v string) apkScanner {
	s := apkScanner{rest: v}
	s.number(apkFirst)
	return s
}

func (s *apkScanner) take(kind apkKind, n int) {
	s.kind, s.text, s.rest = kind, s.rest[:n], s.rest[n:]
}

func (s *apkScanner) number(kind apkKind) {
	if n := digits(s.rest); n > 0 {
		s.take(kind, n)
		return
	}
	s.kind = apkInvalid
}

func (s *apkScanner) next() {
	before := s.kind
	if s.rest == "" {
		s.kind, s.text = apkEnd, ""
		return
	}
	c := s.rest[0]
	switch {
	case before == apkInvalid:
	case isLower(c) && before <= apkDigits:
		s.take(apkLetter, 1)
	case isDigit(c) && before == apkLetter: // apk-tools 2 took 1.9.5p1
		s.number(apkDigits)
	case c == '.' && before <= apkDigits:
		s.rest = s.rest[1:]
		s.number(apkDigits)
	case isDigit(c) && before == apkSuffix:
		s.number(apkSuffixNumber)
	case c == '_' && before <= apkSuffixNumber:
		s.rest = s.rest[1:]
		s.word()
	case c == '~' && before < apkHash:
		s.rest = s.rest[1:]
		n := 0
		for n < len(s.rest) && (isDigit(s.rest[n]) || s.rest[n] >= 'a' && s.rest[n] <= 'f') {
			n++
		}
		s.take(apkHash, n)
	case strings.HasPrefix(s.rest, "-r") && before < apkRevision:
		s.rest = s.rest[2:]
		s.number(apkRevision)
	default:
		s.kind = apkInvalid
	}
}

// word takes the name of a suffix.
func (s *apkScanner) word() {
	n := 0
	for n < len(s.rest) && isLower(s.rest[n]) {
		n++
	}
	for i, name := range apkSuffixes {
		if n > 0 && s.rest[:n] == name {
			s.suffix = i
			s.take(apkSuffix, n)
			return
		}
	}
	s.kind = apkInvalid
}

// compareApk orders versions as apk-tools 3 does.
func compareApk(a, b string) int {
	x, y := scanApk(a), scanApk(b)
	for x.kind == y.kind && x.kind < apkEnd {
		if c := x.compare(&y); c != 0 {
			return c
		}
		x.next()
		y.next()
	}
	switch {
	case x.kind == y.kind: // both at the end, or not valid from here on
		return strings.Compare(x.rest, y.rest)
	case x.kind == apkSuffix && x.suffix < apkRelease:
		return -1
	case y.kind == apkSuffix && y.suffix < apkRelease:
		return 1
	}
	return int(y.kind) - int(x.kind)
}

// compare compares two parts of one kind.
func (s *apkScanner) compare(t *apkScanner) int {
	switch s.kind {
	case apkSuffix:
		return s.suffix - t.suffix
	case apkLetter, apkHash:
		return strings.Compare(s.text, t.text)
	case apkDigits: // a leading zero makes a fraction of them
		if s.text[0] == '0' || t.text[0] == '0' {
			return strings.Compare(s.text, t.text)
		}
	}
	return compareNumbers(s.text, t.text)
}

func validApk(v string) bool {
	s := scanApk(v)
	for s.kind < apkEnd {
		s.next()
	}
	return s.kind == apkEnd
}
