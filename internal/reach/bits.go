package reach

import (
	"math/bits"
	"slices"
)

// bitset holds small numbers. Sets that meet have the same length.
type bitset []uint64

func newBits(n int) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i int32) bool { return s[i>>6]>>(i&63)&1 != 0 }
func (s bitset) add(i int32)      { s[i>>6] |= 1 << (i & 63) }

// fill adds the numbers from first to just before last.
func (s bitset) fill(first, last int32) {
	for i := first; i < last; i++ {
		if i&63 == 0 && last-i >= 64 {
			s[i>>6] = ^uint64(0)
			i += 63
			continue
		}
		s.add(i)
	}
}

func (s bitset) or(t bitset) {
	for i, w := range t {
		s[i] |= w
	}
}

func (s bitset) and(t bitset) {
	for i := range s {
		s[i] &= t[i]
	}
}

func (s bitset) andNot(t bitset) {
	for i, w := range t {
		s[i] &^= w
	}
}

func (s bitset) without(t bitset) bitset {
	c := slices.Clone(s)
	c.andNot(t)
	return c
}

func (s bitset) meeting(t bitset) bitset {
	c := slices.Clone(s)
	c.and(t)
	return c
}

func (s bitset) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// few lists the numbers where that is quicker to go through, and else returns nil.
func (s bitset) few() []int32 {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	if n > len(s)/4 {
		return nil
	}
	list := make([]int32, 0, n)
	s.each(func(i int32) { list = append(list, i) })
	return list
}

func (s bitset) each(do func(int32)) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			do(int32(i<<6 + bits.TrailingZeros64(w)))
		}
	}
}
