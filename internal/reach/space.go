package reach

import (
	"encoding/binary"
	"net/netip"
	"slices"
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
func Shares(ranges []netip.Prefix) (shares [4]Share) {
	spans := make([]span, len(ranges))
	for i, p := range ranges {
		spans[i] = spanOf(p.Masked())
	}
	held := joined(spans)
	for s, all := range allSpaces() {
		left := all.without(held)
		switch share := 1 - left.size()/all.size(); {
		case len(left) == 0:
			shares[s] = Whole
		case share > 0.5:
			shares[s] = Most
		case !slices.Equal(left, all):
			shares[s] = Some
		}
	}
	return shares
}

// size returns about how many addresses there are.
func (s rangeSet) size() float64 {
	sum := 0.0
	for _, x := range s {
		sum += asNumber(x.last) - asNumber(x.first) + 1
	}
	return sum
}

func asNumber(a netip.Addr) float64 {
	raw := a.As16()
	if a.Is4() {
		return float64(binary.BigEndian.Uint32(raw[12:]))
	}
	return float64(binary.BigEndian.Uint64(raw[:8]))*(1<<64) + float64(binary.BigEndian.Uint64(raw[8:]))
}
