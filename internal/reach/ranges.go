package reach

import (
	"math/bits"
	"net/netip"
	"slices"
)

// span is the addresses from first to last, which are of one family.
type span struct{ first, last netip.Addr }

// rangeSet is a set of addresses: spans in order, which neither meet nor touch.
type rangeSet []span

func spanOf(p netip.Prefix) span { return span{p.Addr(), lastOf(p)} }

func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().As16()
	all := raw[len(raw)-p.Addr().BitLen()/8:]
	for i := p.Bits() / 8; i < len(all); i++ {
		all[i] |= 0xff >> max(0, p.Bits()-i*8)
	}
	if p.Addr().Is4() {
		return netip.AddrFrom4([4]byte(all))
	}
	return netip.AddrFrom16(raw)
}

// joined returns the set of all addresses of spans. It sorts them.
func joined(spans []span) rangeSet {
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	var set rangeSet
	for _, s := range spans {
		if n := len(set); n > 0 && set[n-1].touches(s) {
			if set[n-1].last.Less(s.last) {
				set[n-1].last = s.last
			}
			continue
		}
		set = append(set, s)
	}
	return set
}

// touches reports whether a span that does not start before s meets it or
// follows it at once.
func (s span) touches(next span) bool {
	if s.last.BitLen() != next.first.BitLen() {
		return false
	}
	behind := s.last.Next()
	return !behind.IsValid() || next.first.Compare(behind) <= 0
}

// without returns the addresses of s that are not in t.
func (s rangeSet) without(t rangeSet) rangeSet {
	var left rangeSet
	for _, from := range s {
		for len(t) > 0 && t[0].last.Less(from.first) {
			t = t[1:]
		}
		rest := true
		for _, cut := range t {
			if from.last.Less(cut.first) {
				break
			}
			if from.first.Less(cut.first) {
				left = append(left, span{from.first, cut.first.Prev()})
			}
			if rest = cut.last.Less(from.last); !rest {
				break
			}
			from.first = cut.last.Next()
		}
		if rest {
			left = append(left, from)
		}
	}
	return left
}

// prefixes returns the fewest ranges that hold the addresses of the set.
func (s rangeSet) prefixes() []netip.Prefix {
	var found []netip.Prefix
	for _, x := range s {
		found = append(found, between(x.first, x.last)...)
	}
	return found
}

// covers says how much of other the set holds: all, some or nothing.
func (s rangeSet) covers(other rangeSet) Answer {
	switch left := other.without(s); {
	case len(left) == 0:
		return Yes
	case slices.Equal(left, other):
		return No
	}
	return Maybe
}

// key writes the set down.
func (s rangeSet) key() string {
	key := make([]byte, 0, len(s)*9)
	for _, r := range s {
		for _, a := range [...]netip.Addr{r.first, r.last} {
			raw := a.As16()
			if key = append(key, byte(a.BitLen())); a.Is4() {
				key = append(key, raw[12:]...)
			} else {
				key = append(key, raw[:]...)
			}
		}
	}
	return string(key)
}

// newBlockPeer returns the addresses of ranges without those of exceptions.
func newBlockPeer(pods Answer, ranges, except []netip.Prefix) *blockPeer {
	return newRangePeer(pods, joined(spansOf(ranges)).without(joined(spansOf(except))))
}

func newRangePeer(pods Answer, ranges rangeSet) *blockPeer {
	return &blockPeer{ranges: ranges, key: ranges.key(), pods: pods}
}

func spansOf(prefixes []netip.Prefix) []span {
	spans := make([]span, len(prefixes))
	for i, p := range prefixes {
		spans[i] = spanOf(p)
	}
	return spans
}

// joinBlocks makes one peer of those of a rule that are ranges of addresses, so
// that a long list is one set.
func joinBlocks(peers []peer) []peer {
	var spans []span
	var first *blockPeer
	n := 0
	for _, p := range peers {
		if p.blocks != nil {
			first = p.blocks
			spans = append(spans, p.blocks.ranges...)
			n++
		}
	}
	if n < 2 {
		return peers
	}
	peers = slices.DeleteFunc(peers, func(p peer) bool { return p.blocks != nil })
	return append(peers, peer{blocks: newRangePeer(first.pods, joined(spans))})
}

// between returns the fewest ranges that hold the addresses from first to last.
func between(first, last netip.Addr) []netip.Prefix {
	var found []netip.Prefix
	for {
		p := netip.PrefixFrom(first, first.BitLen()-trailingZeros(first))
		for last.Less(lastOf(p)) {
			p = netip.PrefixFrom(first, p.Bits()+1)
		}
		found = append(found, p)
		end := lastOf(p)
		if end == last {
			return found
		}
		first = end.Next()
	}
}

// trailingZeros counts the bits at the end of an address that are not set.
func trailingZeros(a netip.Addr) int {
	raw := a.As16()
	n := 0
	for i := len(raw) - 1; i >= 0 && n < a.BitLen(); i-- {
		if raw[i] != 0 {
			return min(n+bits.TrailingZeros8(raw[i]), a.BitLen())
		}
		n += 8
	}
	return n
}
