package reach

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync"
)

// Space is a part of the addresses there are.
type Space uint8

// The spaces. What is not of the internet is private: for networks of one's own,
// of a link or of a machine.
const (
	InternetIPv4 Space = iota
	InternetIPv6
	PrivateIPv4
	PrivateIPv6
	spaces
)

// Share says how much of a space some ranges hold.
type Share uint8

// The shares.
const (
	None Share = iota
	Some
	Most // more than half
	Whole
)

var allSpaces = sync.OnceValue(func() (all [spaces]rangeSet) {
	var private [2][]span
	for _, p := range localRanges {
		f := boolToInt(p.Addr().Is6())
		private[f] = append(private[f], spanOf(p))
	}
	for f := range private {
		all[PrivateIPv4+Space(f)] = joined(private[f])
		all[InternetIPv4+Space(f)] = rangeSet{spanOf(everyAddress[f])}.without(all[PrivateIPv4+Space(f)])
	}
	return all
})

// SpaceOf returns the space that a range lies in, as those of endpoints do.
func SpaceOf(p netip.Prefix) Space {
	s := InternetIPv4
	if !isPublic(p) {
		s = PrivateIPv4
	}
	return s + Space(boolToInt(p.Addr().Is6()))
}

// Shares returns how much of each space ranges hold together.
func Shares(ranges []netip.Prefix) [4]Share {
	spans := make([]span, len(ranges))
	for i, p := range ranges {
		spans[i] = spanOf(p.Masked())
	}
	var t Tally
	for space, all := range allSpaces() {
		t.add(Space(space), all.without(all.without(joined(spans))))
	}
	return t.Shares()
}

// Tally adds up how many addresses of each space ranges hold.
type Tally [spaces]uint128

// uint128 is a number by its halves. No space has 2^128 addresses.
type uint128 struct{ high, low uint64 }

func (n uint128) plus(m uint128) uint128 {
	low, carry := bits.Add64(n.low, m.low, 0)
	high, _ := bits.Add64(n.high, m.high, carry)
	return uint128{high, low}
}

func (n uint128) minus(m uint128) uint128 {
	low, borrow := bits.Sub64(n.low, m.low, 0)
	high, _ := bits.Sub64(n.high, m.high, borrow)
	return uint128{high, low}
}

func (n uint128) less(m uint128) bool { return n.high < m.high || n.high == m.high && n.low < m.low }

// TallyOf counts the addresses of an endpoint, which are all of one space.
func TallyOf(e *Endpoint) (t Tally) {
	for _, p := range e.Prefixes {
		t.add(SpaceOf(p), rangeSet{spanOf(p)})
	}
	return t
}

// Add adds what holds other addresses.
func (t *Tally) Add(other Tally) {
	for i := range t {
		t[i] = t[i].plus(other[i])
	}
}

func (t *Tally) add(space Space, set rangeSet) {
	for _, s := range set {
		t[space] = t[space].plus(asNumber(s.last).minus(asNumber(s.first))).plus(uint128{0, 1})
	}
}

var spaceSizes = sync.OnceValue(func() (t Tally) {
	for space, all := range allSpaces() {
		t.add(Space(space), all)
	}
	return t
})

// Shares returns how much of each space was added.
func (t *Tally) Shares() (shares [4]Share) {
	for i, all := range spaceSizes() {
		switch held := t[i]; {
		case held == all:
			shares[i] = Whole
		case all.minus(held).less(held):
			shares[i] = Most
		case held != uint128{}:
			shares[i] = Some
		}
	}
	return shares
}

func asNumber(a netip.Addr) uint128 {
	raw := a.As16()
	if a.Is4() {
		return uint128{0, uint64(binary.BigEndian.Uint32(raw[12:]))}
	}
	return uint128{binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])}
}
