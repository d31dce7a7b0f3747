package reach

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// podRanges are the private ranges, from which networks take the addresses of
// pods.
var podRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

var everyAddress = [...]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// addresses divides all addresses into classes that no policy tells apart.
type addresses struct {
	starts  []netip.Addr // of the pieces, in order; each ends before the next of its family
	class   []int32      // of each piece
	classes int32
	index   map[string]int32    // blocks, by text
	within  []bitset            // classes by block
	keys    map[netip.Addr]bool // cut points, while they are gathered
	blocks  []block
}

func newAddresses() *addresses {
	a := &addresses{index: map[string]int32{}, keys: map[netip.Addr]bool{}}
	for _, p := range everyAddress {
		a.keys[p.Addr()] = true
	}
	return a
}

func (b block) text() string {
	text := b.cidr.AppendTo(nil)
	for _, e := range b.except {
		text = e.AppendTo(append(text, ' '))
	}
	return string(text)
}

// add notes a block.
func (a *addresses) add(b block) {
	if _, ok := a.index[b.text()]; ok {
		return
	}
	a.index[b.text()] = int32(len(a.blocks))
	a.blocks = append(a.blocks, b)
	for _, p := range append([]netip.Prefix{b.cidr}, b.except...) {
		a.keys[p.Addr()] = true
		if end, ok := behind(p); ok {
			a.keys[end] = true
		}
	}
}

// behind returns the first address behind a range, and false when there is none
// in its family.
func behind(p netip.Prefix) (netip.Addr, bool) {
	end := lastOf(p).Next()
	return end, end.IsValid()
}

func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

// divide makes the classes of what was added.
func (a *addresses) divide() {
	for addr := range a.keys {
		a.starts = append(a.starts, addr)
	}
	a.keys = nil
	slices.SortFunc(a.starts, netip.Addr.Compare)
	signs := make([][]byte, len(a.starts))
	for i, addr := range a.starts {
		signs[i] = append(signs[i], byte(addr.BitLen()))
	}
	for id, b := range a.blocks {
		a.pieces(b, func(i int32) { signs[i] = binary.BigEndian.AppendUint32(signs[i], uint32(id)) })
	}
	known := map[string]int32{}
	for _, sign := range signs {
		class, ok := known[string(sign)]
		if !ok {
			class = a.classes
			known[string(sign)] = class
			a.classes++
		}
		a.class = append(a.class, class)
	}
	a.within = make([]bitset, len(a.blocks))
	for id, b := range a.blocks {
		a.within[id] = newBits(int(a.classes))
		a.pieces(b, func(i int32) { a.within[id].add(a.class[i]) })
	}
}

// pieces yields the pieces that a block covers.
func (a *addresses) pieces(b block, do func(int32)) {
	first, last := a.span(b.cidr)
	excepted := make([][2]int32, len(b.except))
	for i, e := range b.except {
		excepted[i][0], excepted[i][1] = a.span(e)
	}
	for i := first; i < last; i++ {
		if !slices.ContainsFunc(excepted, func(e [2]int32) bool { return e[0] <= i && i < e[1] }) {
			do(i)
		}
	}
}

// span returns the pieces of a range that was added: the first, and one behind
// the last.
func (a *addresses) span(p netip.Prefix) (first, last int32) {
	first = a.piece(p.Addr())
	end, ok := behind(p)
	switch {
	case ok:
		return first, a.piece(end)
	case p.Addr().Is4():
		return first, a.piece(everyAddress[1].Addr())
	}
	return first, int32(len(a.starts))
}

// piece returns the piece that holds an address.
func (a *addresses) piece(addr netip.Addr) int32 {
	i, ok := slices.BinarySearchFunc(a.starts, addr, func(s, t netip.Addr) int { return s.Compare(t) })
	if !ok {
		i--
	}
	return int32(i)
}

// prefixes returns the ranges of a class in order, as short as they can be
// written.
func (a *addresses) prefixes(class int32) []netip.Prefix {
	var found []netip.Prefix
	for i := 0; i < len(a.starts); i++ {
		if a.class[i] != class {
			continue
		}
		first := a.starts[i]
		for i+1 < len(a.starts) && a.class[i+1] == class && a.starts[i+1].BitLen() == first.BitLen() {
			i++
		}
		last := lastOf(everyAddress[boolToInt(first.Is6())])
		if i+1 < len(a.starts) && a.starts[i+1].BitLen() == first.BitLen() {
			last = a.starts[i+1].Prev()
		}
		found = append(found, between(first, last)...)
	}
	return found
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// between returns the fewest ranges that hold the addresses from first to last.
func between(first, last netip.Addr) []netip.Prefix {
	var found []netip.Prefix
	for {
		size := 0
		for size < first.BitLen() {
			p := netip.PrefixFrom(first, size)
			if p.Masked().Addr() == first && lastOf(p).Compare(last) <= 0 {
				break
			}
			size++
		}
		p := netip.PrefixFrom(first, size)
		found = append(found, p)
		if lastOf(p) == last {
			return found
		}
		first = lastOf(p).Next()
	}
}

// covers says how much of ranges blocks hold together: all, some or nothing.
func (p *blockPeer) covers(ranges []netip.Prefix) Answer {
	all, some := true, false
	for _, r := range ranges {
		left := []netip.Prefix{r}
		for _, b := range p.blocks {
			some = some || b.meets(r)
			var next []netip.Prefix
			for _, l := range left {
				next = append(next, subtract(l, b)...)
			}
			left = next
		}
		all = all && len(left) == 0
	}
	switch {
	case all:
		return Yes
	case some:
		return Maybe
	}
	return No
}

// meets reports whether the block holds an address of a range.
func (b block) meets(r netip.Prefix) bool {
	if !b.cidr.Overlaps(r) {
		return false
	}
	if b.cidr.Bits() > r.Bits() {
		r = b.cidr
	}
	left := []netip.Prefix{r}
	for _, e := range b.except {
		var next []netip.Prefix
		for _, l := range left {
			next = append(next, subtract(l, block{cidr: e})...)
		}
		left = next
	}
	return len(left) > 0
}

// subtract returns what a block leaves of a range.
func subtract(p netip.Prefix, b block) []netip.Prefix {
	switch {
	case !p.Overlaps(b.cidr):
		return []netip.Prefix{p}
	case b.cidr.Bits() > p.Bits():
		return splitSubtract(p, b)
	}
	var kept []netip.Prefix
	for _, e := range b.except {
		switch {
		case !e.Overlaps(p):
		case e.Bits() <= p.Bits():
			return []netip.Prefix{p}
		default:
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	slices.SortFunc(kept, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var left []netip.Prefix
	for _, e := range kept {
		if n := len(left); n == 0 || !left[n-1].Overlaps(e) {
			left = append(left, e)
		}
	}
	return left
}

func splitSubtract(p netip.Prefix, b block) []netip.Prefix {
	low, high := halves(p)
	return append(subtract(low, b), subtract(high, b)...)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	raw := p.Addr().AsSlice()
	raw[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(addr, p.Bits()+1)
}
