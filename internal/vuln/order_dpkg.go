package vuln

import "strings"

// compareDpkg orders versions as deb-version(7) says: epoch, upstream version,
// revision.
func compareDpkg(a, b string) int {
	ae, au, ar := splitEVR(a)
	be, bu, br := splitEVR(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := compareDpkgPart(au, bu); c != 0 {
		return c
	}
	return compareDpkgPart(ar, br)
}

// splitEVR parts epoch:version-release, which dpkg and rpm share. The epoch is
// all digits; what stands before a colon otherwise is part of the version.
func splitEVR(v string) (epoch, version, release string) {
	if n := digits(v); n < len(v) && v[n] == ':' {
		epoch, v = v[:n], v[n+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

func compareDpkgPart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := dpkgWeight(a) - dpkgWeight(b); c != 0 {
				return c
			}
			a, b = a[1:], b[1:] // equal weights: neither is at its end
		}
		i, j := digits(a), digits(b)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// dpkgWeight orders what stands between numbers: a tilde before the end, the end
// before letters, letters before the rest.
func dpkgWeight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlpha(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

func validDpkg(v string) bool {
	epoch, upstream, revision := splitEVR(v)
	if upstream == "" || !isDigit(upstream[0]) || strings.HasPrefix(v, ":") || strings.HasSuffix(v, "-") || len(epoch) > 9 {
		return false
	}
	extra := "+-.~"
	if epoch != "" {
		extra += ":"
	}
	return onlyDpkg(upstream, extra) && onlyDpkg(revision, "+.~")
}

// onlyDpkg says whether s is letters, digits and some more.
func onlyDpkg(s, more string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && !isAlpha(c) && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}
