package vuln

import (
	"strings"
)

// mavenItem is a part of a version of Maven: a number, a word or a list.
type mavenItem struct {
	kind mavenKind
	text string // digits without leading zeros, or a word
	list []mavenItem
}

type mavenKind uint8

const (
	mavenNumber mavenKind = iota
	mavenWord
	mavenList
)

// mavenReader builds the nested lists of Maven's ComparableVersion.
type mavenReader struct {
	stack  [][]mavenItem
	number bool
}

func parseMaven(v string) []mavenItem {
	v = strings.ToLower(v)
	r := &mavenReader{stack: make([][]mavenItem, 1, 4)}
	start := 0
	for i := range len(v) {
		switch c := v[i]; {
		case c == '.' || c == '-':
			if i == start {
				r.add(mavenItem{})
			} else {
				r.part(v[start:i], false)
			}
			start = i + 1
			if c == '-' {
				r.push()
			}
		case isDigit(c):
			if !r.number && i > start {
				r.dash()
				r.part(v[start:i], true)
				start = i
				r.push()
			}
			r.number = true
		default:
			if r.number && i > start {
				r.part(v[start:i], false)
				start = i
				r.push()
			}
			r.number = false
		}
	}
	if len(v) > start {
		if !r.number {
			r.dash()
		}
		r.part(v[start:], false)
	}
	return r.close()
}

func (r *mavenReader) add(item mavenItem) {
	top := len(r.stack) - 1
	r.stack[top] = append(r.stack[top], item)
}

// push begins a list inside of the last one.
func (r *mavenReader) push() {
	r.stack = append(r.stack, nil)
}

// dash begins a list where a dot led to a word, as if it were a dash.
func (r *mavenReader) dash() {
	if len(r.stack[len(r.stack)-1]) > 0 {
		r.push()
	}
}

// part adds a number or a word.
func (r *mavenReader) part(text string, digitFollows bool) {
	if r.number {
		r.add(mavenItem{text: strings.TrimLeft(text, "0")})
		return
	}
	if digitFollows && len(text) == 1 {
		switch text {
		case "a":
			text = "alpha"
		case "b":
			text = "beta"
		case "m":
			text = "milestone"
		}
	}
	switch text {
	case "ga", "final", "release":
		text = ""
	case "cr":
		text = "rc"
	}
	r.add(mavenItem{kind: mavenWord, text: text})
}

// close normalizes the lists from the innermost outward.
func (r *mavenReader) close() []mavenItem {
	for {
		top := len(r.stack) - 1
		list := normalizeMaven(r.stack[top])
		if top == 0 {
			return list
		}
		r.stack = r.stack[:top]
		r.add(mavenItem{kind: mavenList, list: list})
	}
}

// normalizeMaven drops what says nothing from the end of a list, and from before
// the list that ends it.
func normalizeMaven(list []mavenItem) []mavenItem {
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i].empty():
			list = append(list[:i], list[i+1:]...)
		case list[i].kind != mavenList:
			return list
		}
	}
	return list
}

func (m *mavenItem) empty() bool {
	return m.text == "" && len(m.list) == 0
}

// mavenWords are the known words in their order; a release is "".
var mavenWords = [...]string{"alpha", "beta", "milestone", "rc", "snapshot", "", "sp"}

const mavenRelease = 5

func mavenRank(word string) int {
	for i, w := range mavenWords {
		if w == word {
			return i
		}
	}
	return len(mavenWords)
}

func compareMaven(a, b string) int {
	return compareMavenLists(parseMaven(a), parseMaven(b))
}

func compareMavenLists(a, b []mavenItem) int {
	for i := range max(len(a), len(b)) {
		var c int
		switch {
		case i >= len(a):
			c = -b[i].compareNone()
		case i >= len(b):
			c = a[i].compareNone()
		default:
			c = a[i].compare(&b[i])
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareNone compares with nothing at the same place.
func (m *mavenItem) compareNone() int {
	switch m.kind {
	case mavenNumber:
		return len(m.text)
	case mavenWord:
		return mavenRank(m.text) - mavenRelease
	}
	for i := range m.list {
		if c := m.list[i].compareNone(); c != 0 {
			return c
		}
	}
	return 0
}

func (m *mavenItem) compare(o *mavenItem) int {
	if m.kind != o.kind { // a number is after a list, a list after a word
		place := [...]int{mavenNumber: 2, mavenList: 1, mavenWord: 0}
		return place[m.kind] - place[o.kind]
	}
	switch m.kind {
	case mavenNumber:
		return compareNumbers(m.text, o.text)
	case mavenList:
		return compareMavenLists(m.list, o.list)
	}
	if c := mavenRank(m.text) - mavenRank(o.text); c != 0 {
		return c
	}
	return strings.Compare(m.text, o.text)
}
