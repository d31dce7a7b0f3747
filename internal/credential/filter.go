package credential

import (
	"encoding/binary"
	"sync"
)

// filter finds keywords in bytes, all in one pass. It looks at every second pair
// of bytes alone: of three bytes of a keyword that follow one another, one pair
// stands at an even place. Which three are looked for is chosen so that they are
// rare in files.
type filter struct {
	pairs    [1 << 16]uint8 // pair of bytes to a place in groups; 0 is none
	groups   [256][]anchor
	keywords []keyword
}

// keyword is a text that stands where a credential may be.
type keyword struct {
	text string
	find func(b []byte, at int) (found, bool) // at the keyword
}

// anchor is a pair of bytes of a keyword.
type anchor struct{ keyword, offset int }

// keywordFilter is made when a first file is searched.
var keywordFilter = sync.OnceValue(func() *filter { return newFilter(keywords()) })

// newFilter takes keywords of at least three bytes.
func newFilter(keywords []keyword) *filter {
	f := &filter{keywords: keywords}
	groups := 0
	for i, k := range keywords {
		offset := rarest(k.text)
		for o := offset; o < offset+2; o++ {
			pair := uint16(k.text[o]) | uint16(k.text[o+1])<<8
			if f.pairs[pair] == 0 {
				f.pairs[pair] = uint8(1 + groups%255) // groups may be shared: keywords are compared
				groups++
			}
			group := &f.groups[f.pairs[pair]]
			*group = append(*group, anchor{i, o})
		}
	}
	return f
}

// rarest returns where the three bytes of a keyword begin that files have least.
func rarest(text string) int {
	best, least := 0, 1<<30
	for i := range len(text) - 2 {
		if n := often(text[i])*often(text[i+1]) + often(text[i+1])*often(text[i+2]); n < least {
			best, least = i, n
		}
	}
	return best
}

// often says roughly how often a byte occurs in text.
func often(c byte) int {
	switch {
	case c == 'e' || c == 't' || c == 'a' || c == 'o' || c == 'i' || c == 'n' || c == 's' || c == 'r':
		return 12
	case c == 'j' || c == 'q' || c == 'x' || c == 'z' || c == 'k' || c == 'v' || c == 'w':
		return 3
	case isLower(c):
		return 7
	case c == ' ':
		return 14
	case isUpper(c), isDigit(c):
		return 2
	case c == '/' || c == '-' || c == '.':
		return 4
	}
	return 2
}

// each calls visit for every keyword that begins in b[from:to], in no order.
func (f *filter) each(b []byte, from, to int, visit func(k *keyword, at int)) {
	// A keyword's pair may stand behind its beginning, up to its length.
	end := min(len(b), to+longestKeyword)
	i := from
	for ; i+8 <= end; i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		if f.pairs[uint16(v)]|f.pairs[uint16(v>>16)]|f.pairs[uint16(v>>32)]|f.pairs[uint16(v>>48)] == 0 {
			continue
		}
		for j := i; j < i+8; j += 2 {
			f.at(b, j, from, to, visit)
		}
	}
	for ; i+1 < end; i += 2 {
		f.at(b, i, from, to, visit)
	}
}

// longestKeyword bounds the length of a keyword.
const longestKeyword = 32

// at compares the keywords of the pair that stands at i.
func (f *filter) at(b []byte, i, from, to int, visit func(k *keyword, at int)) {
	group := f.pairs[uint16(b[i])|uint16(b[i+1])<<8]
	if group == 0 {
		return
	}
	for _, a := range f.groups[group] {
		k := &f.keywords[a.keyword]
		start := i - a.offset
		if start >= from && start < to && start+len(k.text) <= len(b) && string(b[start:start+len(k.text)]) == k.text {
			visit(k, start)
		}
	}
}
