package vuln

import "strings"

// semVersion is a version of Semantic Versioning 2.0, read with the freedom that
// ecosystems take: a leading v, and any number of numbers, where missing ones are
// zero. The build is dropped, as it has no place in the order.
type semVersion struct {
	numbers string // dotted digits
	pre     string // "" for a release
}

func parseSemVer(v string) semVersion {
	v, _, _ = strings.Cut(v, "+")
	if strings.HasPrefix(v, "go1") { // how the Go toolchain names itself
		v = v[2:]
	}
	if v != "" && v[0]|0x20 == 'v' {
		v = v[1:]
	}
	n := 0
	for n < len(v) && (isDigit(v[n]) || v[n] == '.' && n+1 < len(v) && isDigit(v[n+1])) {
		n++
	}
	return semVersion{v[:n], strings.TrimPrefix(v[n:], "-")}
}

func validSemVer(v string) bool {
	s := parseSemVer(v)
	if s.numbers == "" || s.numbers[0] == '.' {
		return false
	}
	for i := range len(s.pre) {
		if c := s.pre[i]; !isDigit(c) && !isAlpha(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// compareSemVer orders by precedence as in section 11 of the specification. With
// fold, letters of pre-releases are compared without their case, as NuGet does.
func compareSemVer(a, b string, fold bool) int {
	x, y := parseSemVer(a), parseSemVer(b)
	if c := compareDotted(x.numbers, y.numbers); c != 0 {
		return c
	}
	if x.pre == "" || y.pre == "" {
		return len(y.pre) - len(x.pre) // a release stands after its pre-releases
	}
	for p, q := x.pre, y.pre; ; {
		var s, t string
		var moreP, moreQ bool
		s, p, moreP = strings.Cut(p, ".")
		t, q, moreQ = strings.Cut(q, ".")
		if c := compareLabel(s, t, fold); c != 0 {
			return c
		}
		switch {
		case moreP && !moreQ:
			return 1
		case moreQ && !moreP:
			return -1
		case !moreP:
			return 0
		}
	}
}

// compareDotted compares dotted numbers; missing ones are zero.
func compareDotted(a, b string) int {
	for a != "" || b != "" {
		var s, t string
		s, a, _ = strings.Cut(a, ".")
		t, b, _ = strings.Cut(b, ".")
		if c := compareNumbers(s, t); c != 0 {
			return c
		}
	}
	return 0
}

// compareLabel compares identifiers of pre-releases: numbers before words.
func compareLabel(a, b string, fold bool) int {
	an, bn := a != "" && digits(a) == len(a), b != "" && digits(b) == len(b)
	switch {
	case an && bn:
		return compareNumbers(a, b)
	case an != bn:
		return sign(bn)
	case fold:
		return compareFold(a, b)
	}
	return strings.Compare(a, b)
}

// compareFold compares without regard to the case of ASCII letters.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := int(upper(a[i])) - int(upper(b[i])); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

func upper(c byte) byte {
	if isLower(c) {
		return c - 'a' + 'A'
	}
	return c
}
