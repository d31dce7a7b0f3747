package vuln

import "strings"

// compareRpm orders epoch:version-release as rpm does. A missing epoch is 0, and a
// missing release stands before every other.
func compareRpm(a, b string) int {
	ae, av, ar := splitEVR(a)
	be, bv, br := splitEVR(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := compareRpmPart(av, bv); c != 0 {
		return c
	}
	if aHas, bHas := strings.IndexByte(a, '-') >= 0, strings.IndexByte(b, '-') >= 0; aHas != bHas {
		return sign(aHas)
	}
	return compareRpmPart(ar, br)
}

func compareRpmPart(a, b string) int {
	for a != "" || b != "" {
		a, b = skipRpm(a), skipRpm(b)
		at, bt := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~")
		if at || bt { // a tilde stands before everything, the end included
			if at != bt {
				return sign(bt)
			}
			a, b = a[1:], b[1:]
			continue
		}
		ac, bc := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^")
		if ac || bc { // a caret stands after the end, and before everything else
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case ac != bc:
				return sign(bc)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			break
		}
		if isDigit(a[0]) != isDigit(b[0]) { // numbers stand after letters
			return sign(isDigit(a[0]))
		}
		var c int
		if a, b, c = rpmSegment(a, b); c != 0 {
			return c
		}
	}
	return len(a) - len(b) // one of them is empty
}

// rpmSegment compares the runs of digits or of letters that a and b begin with,
// and returns what follows them.
func rpmSegment(a, b string) (restA, restB string, c int) {
	if isDigit(a[0]) {
		i, j := digits(a), digits(b)
		return a[i:], b[j:], compareNumbers(a[:i], b[:j])
	}
	i, j := letters(a), letters(b)
	return a[i:], b[j:], strings.Compare(a[:i], b[:j])
}

// skipRpm drops separators.
func skipRpm(s string) string {
	for s != "" && !isDigit(s[0]) && !isAlpha(s[0]) && s[0] != '~' && s[0] != '^' {
		s = s[1:]
	}
	return s
}

// sign is 1 when the first operand is the greater, else -1.
func sign(greater bool) int {
	if greater {
		return 1
	}
	return -1
}
