package vuln

import "strings"

// gemSegments holds the parts of a version of RubyGems: runs of digits and of
// letters. Only as many as fit are looked at, which is more than any gem has.
type gemSegments struct {
	parts [24]string
	n     int
}

// segments parts a version as Gem::Version does: a dash is ".pre.", and zeros
// before the first word and at the end do not count.
func (g *gemSegments) segments(v string) {
	word := false
	add := func(part string) {
		if !isDigit(part[0]) && !word {
			word = true
			g.trim(0)
		}
		if g.n < len(g.parts) {
			g.parts[g.n] = part
			g.n++
		}
	}
	for v != "" {
		n := digits(v)
		if n == 0 {
			n = letters(v)
		}
		switch {
		case n > 0:
			add(v[:n])
		case v[0] == '-':
			add("pre")
			n = 1
		default:
			n = 1
		}
		v = v[n:]
	}
	first := 0
	for first < g.n && isDigit(g.parts[first][0]) {
		first++
	}
	if first == g.n {
		first = 0
	}
	g.trim(first)
}

// trim drops zeros at the end, down to a number of parts.
func (g *gemSegments) trim(keep int) {
	for g.n > keep && strings.Trim(g.parts[g.n-1], "0") == "" {
		g.n--
	}
}

func compareGems(a, b string) int {
	var x, y gemSegments
	x.segments(a)
	y.segments(b)
	for i := range max(x.n, y.n) {
		s, t := "0", "0"
		if i < x.n {
			s = x.parts[i]
		}
		if i < y.n {
			t = y.parts[i]
		}
		sn, tn := isDigit(s[0]), isDigit(t[0])
		var c int
		switch {
		case sn && tn:
			c = compareNumbers(s, t)
		case sn != tn:
			c = sign(sn)
		default:
			c = strings.Compare(s, t)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// validGem says whether v is digits, then parts of letters and digits between
// single dots, then maybe such parts after a dash.
func validGem(v string) bool {
	if v == "" || !isDigit(v[0]) {
		return false
	}
	after := true // a separator
	dashed := false
	for i := range len(v) {
		switch c := v[i]; {
		case isDigit(c) || isAlpha(c):
			after = false
		case c == '.' && !after:
			after = true
		case c == '-' && (!after || dashed):
			after, dashed = !dashed, true
		default:
			return false
		}
	}
	return !after
}
