package vuln

import "strings"

// composer is a version as Composer normalizes it. Its order is that of PHP's
// version_compare over the normal form.
type composer struct {
	numbers   string // dotted
	stability int
	counter   string // what follows the word of the stability: digits, dots, dashes
	dev       bool
}

// Stabilities in order. A version that is only marked dev stands before them all.
const (
	composerDev = iota
	composerAlpha
	composerBeta
	composerRC
	composerStable
	composerPatch
)

// composerWords are the spellings; longer ones first.
var composerWords = [...]struct {
	word      string
	stability int
}{
	{"stable", composerStable}, {"alpha", composerAlpha}, {"beta", composerBeta}, {"patch", composerPatch},
	{"rc", composerRC}, {"pl", composerPatch}, {"a", composerAlpha}, {"b", composerBeta}, {"p", composerPatch},
}

func (c *composer) parse(v string) bool {
	v = strings.TrimSpace(v)
	v, _, _ = strings.Cut(v, "+")
	v, _, _ = strings.Cut(v, "@")
	if v != "" && v[0]|0x20 == 'v' {
		v = v[1:]
	}
	n := digits(v)
	if n == 0 {
		return false
	}
	for n+1 < len(v) && v[n] == '.' && isDigit(v[n+1]) {
		n += 1 + digits(v[n+1:])
	}
	c.numbers, v = v[:n], v[n:]
	c.stability = composerStable
	v = c.modifier(v)
	if rest := strings.TrimLeft(v, ".-"); len(v)-len(rest) <= 1 && strings.EqualFold(rest, "dev") {
		c.dev, v = true, ""
		if c.stability == composerStable {
			c.stability = composerDev
		}
	}
	return v == ""
}

// modifier takes [._-]?word and its counter off the front.
func (c *composer) modifier(v string) string {
	s := v
	if s != "" && (s[0] == '.' || s[0] == '_' || s[0] == '-') {
		s = s[1:]
	}
	for _, w := range composerWords {
		if len(s) < len(w.word) || !strings.EqualFold(s[:len(w.word)], w.word) {
			continue
		}
		c.stability = w.stability
		s = s[len(w.word):]
		n := 0
		for {
			m := n
			if m < len(s) && (s[m] == '.' || s[m] == '-') {
				m++
			}
			k := digits(s[m:])
			if k == 0 {
				break
			}
			n = m + k
		}
		if w.stability != composerStable {
			c.counter = s[:n]
		}
		return s[n:]
	}
	return v
}

// compareComposer orders valid versions; what is not valid, branches for one,
// stands before them all, by its text.
func compareComposer(a, b string) int {
	var x, y composer
	xOK, yOK := x.parse(a), y.parse(b)
	if !xOK || !yOK {
		if xOK != yOK {
			return sign(xOK)
		}
		return strings.Compare(a, b)
	}
	if c := compareDotted(x.numbers, y.numbers); c != 0 {
		return c
	}
	if c := x.stability - y.stability; c != 0 {
		return c
	}
	for p, q := x.counter, y.counter; p != "" || q != ""; {
		var s, t string
		s, p = cutCounter(p)
		t, q = cutCounter(q)
		if s == "" || t == "" { // one more number is later
			return len(s) - len(t)
		}
		if c := compareNumbers(s, t); c != 0 {
			return c
		}
	}
	if x.dev != y.dev {
		return sign(y.dev)
	}
	return 0
}

func cutCounter(s string) (number, rest string) {
	s = strings.TrimLeft(s, ".-")
	n := digits(s)
	return s[:n], s[n:]
}
