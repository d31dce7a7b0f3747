package vuln

import "strings"

// pep440 is a version by PEP 440. Numbers are kept as text: they may be long.
type pep440 struct {
	epoch, release string
	pre            byte // a, b or r; 0 when there is none
	preNumber      string
	post, dev      bool
	postNumber     string
	devNumber      string
	local          string
}

// parse reads a version in any of the spellings that PEP 440 accepts.
func (p *pep440) parse(v string) bool {
	v = strings.Trim(v, " \t\n\r\f\v")
	if v != "" && v[0]|0x20 == 'v' {
		v = v[1:]
	}
	if n := digits(v); n > 0 && n < len(v) && v[n] == '!' {
		p.epoch, v = v[:n], v[n+1:]
	}
	n := digits(v)
	if n == 0 {
		return false
	}
	for n+1 < len(v) && v[n] == '.' && isDigit(v[n+1]) {
		n += 1 + digits(v[n+1:])
	}
	p.release, v = v[:n], v[n:]

	v = p.parsePre(v)
	v = p.parsePost(v)
	if rest, number, ok := pepPart(v, "dev"); ok {
		p.dev, p.devNumber, v = true, number, rest
	}
	if strings.HasPrefix(v, "+") {
		p.local, v = v[1:], ""
		return validLocal(p.local)
	}
	return v == ""
}

// pepWords are the spellings of the kinds of pre-releases; longer ones first.
var pepWords = [...]struct {
	word string
	kind byte
}{{"alpha", 'a'}, {"beta", 'b'}, {"preview", 'r'}, {"pre", 'r'}, {"rc", 'r'}, {"a", 'a'}, {"b", 'b'}, {"c", 'r'}}

func (p *pep440) parsePre(v string) string {
	for _, w := range pepWords {
		if rest, number, ok := pepPart(v, w.word); ok {
			p.pre, p.preNumber = w.kind, number
			return rest
		}
	}
	return v
}

func (p *pep440) parsePost(v string) string {
	if len(v) > 1 && v[0] == '-' && isDigit(v[1]) {
		n := 1 + digits(v[1:])
		p.post, p.postNumber = true, v[1:n]
		return v[n:]
	}
	for _, word := range [...]string{"post", "rev", "r"} {
		if rest, number, ok := pepPart(v, word); ok {
			p.post, p.postNumber = true, number
			return rest
		}
	}
	return v
}

// pepPart takes [-_.]?word[-_.]?digits? off the front, whatever its case.
func pepPart(v, word string) (rest, number string, ok bool) {
	if v != "" && isPepSeparator(v[0]) {
		v = v[1:]
	}
	if len(v) < len(word) || !strings.EqualFold(v[:len(word)], word) {
		return "", "", false
	}
	v = v[len(word):]
	if len(v) > 1 && isPepSeparator(v[0]) && isDigit(v[1]) {
		v = v[1:]
	} else if len(v) > 0 && isPepSeparator(v[0]) && !pepContinues(v) {
		v = v[1:] // a separator may stand before an absent number
	}
	n := digits(v)
	return v[n:], v[:n], true
}

// pepContinues says whether a separator at the front belongs to a part that
// follows.
func pepContinues(v string) bool {
	return len(v) > 1 && isAlpha(v[1])
}

func isPepSeparator(c byte) bool { return c == '-' || c == '_' || c == '.' }

func validLocal(local string) bool {
	after := true // a separator
	for i := range len(local) {
		switch c := local[i]; {
		case isDigit(c) || isAlpha(c):
			after = false
		case isPepSeparator(c) && !after:
			after = true
		default:
			return false
		}
	}
	return !after
}

// comparePEP440 orders valid versions as PEP 440 does. What is not valid stands
// before all of them, by its text.
func comparePEP440(a, b string) int {
	var p, q pep440
	pOK, qOK := p.parse(a), q.parse(b)
	if !pOK || !qOK {
		if pOK != qOK {
			return sign(pOK)
		}
		return strings.Compare(a, b)
	}
	if c := compareNumbers(p.epoch, q.epoch); c != 0 {
		return c
	}
	if c := compareDotted(p.release, q.release); c != 0 {
		return c
	}
	if c := p.phase() - q.phase(); c != 0 {
		return c
	}
	if c := compareNumbers(p.preNumber, q.preNumber); c != 0 {
		return c
	}
	if p.post != q.post {
		return sign(p.post)
	}
	if c := compareNumbers(p.postNumber, q.postNumber); c != 0 {
		return c
	}
	if p.dev != q.dev {
		return sign(q.dev)
	}
	if c := compareNumbers(p.devNumber, q.devNumber); c != 0 {
		return c
	}
	return compareLocal(p.local, q.local)
}

// phase orders pre-releases. A development release of the release itself stands
// before them all.
func (p *pep440) phase() int {
	switch {
	case p.pre != 0:
		return int(p.pre)
	case p.dev && !p.post:
		return 0
	}
	return 'z'
}

// compareLocal compares local versions part by part: numbers stand after words,
// and more parts after fewer.
func compareLocal(a, b string) int {
	for a != "" && b != "" {
		var s, t string
		s, a = cutLocal(a)
		t, b = cutLocal(b)
		sn, tn := digits(s) == len(s), digits(t) == len(t)
		var c int
		switch {
		case sn && tn:
			c = compareNumbers(s, t)
		case sn != tn:
			c = sign(sn)
		default:
			c = compareFold(s, t)
		}
		if c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

func cutLocal(s string) (part, rest string) {
	if i := strings.IndexAny(s, "-_."); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
