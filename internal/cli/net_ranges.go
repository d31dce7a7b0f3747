package cli

import (
	"net/netip"
	"slices"
	"strings"
)

// cover is ranges: one of them, or a larger one without some.
type cover struct {
	whole   netip.Prefix
	excepts []netip.Prefix
}

func (c cover) String() string {
	if len(c.excepts) == 0 {
		return c.whole.String()
	}
	var parts []string
	for _, p := range c.excepts {
		parts = append(parts, p.String())
	}
	return c.whole.String() + " except " + strings.Join(parts, " and ")
}

// mostExcepts is how many exceptions of a range are told: with more, what is in it is
// easier to grasp.
const mostExcepts = 4

// coversOf writes disjoint ranges with as few as can be, exceptions counted.
func coversOf(ranges []netip.Prefix) []cover {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, netip.Prefix.Compare)
	first6, _ := slices.BinarySearchFunc(ranges, netip.IPv6Unspecified(), func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	four, _, _ := coverWithin(netip.PrefixFrom(netip.IPv4Unspecified(), 0), ranges[:first6])
	six, _, _ := coverWithin(netip.PrefixFrom(netip.IPv6Unspecified(), 0), ranges[first6:])
	return append(four, six...)
}

// coverWithin covers the ranges within one, and returns what of it they leave out.
// few is false when that is too much to tell.
func coverWithin(whole netip.Prefix, ranges []netip.Prefix) (covers []cover, gaps []netip.Prefix, few bool) {
	switch {
	case len(ranges) == 0:
		return nil, []netip.Prefix{whole}, true
	case ranges[0].Bits() <= whole.Bits():
		return []cover{{whole: whole}}, nil, true
	}
	left, right := halves(whole)
	n, _ := slices.BinarySearchFunc(ranges, right.Addr(), func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	covers, gaps, few = coverWithin(left, ranges[:n])
	more, others, also := coverWithin(right, ranges[n:])
	covers = append(covers, more...)
	few = few && also && len(gaps)+len(others) <= mostExcepts
	if !few {
		return covers, nil, false
	}
	gaps = append(gaps, others...)
	if 1+len(gaps) < weightOf(covers) {
		covers = []cover{{whole, gaps}}
	}
	return covers, slices.Clone(gaps), true
}

func weightOf(covers []cover) int {
	n := len(covers)
	for _, c := range covers {
		n += len(c.excepts)
	}
	return n
}

// halves divides a range that is more than one address.
func halves(p netip.Prefix) (left, right netip.Prefix) {
	bits := p.Bits() + 1
	upper := p.Addr().AsSlice()
	upper[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(upper)
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(addr, bits)
}
