package cli

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestRangesText(t *testing.T) {
	for _, c := range []struct {
		ranges, without []string
		want            string
	}{
		{[]string{"2001:db8::/32"}, []string{"2001:db8:1::/48", "2001:db8:2:3::/64"}, "2001:db8::/32 except 2001:db8:1::/48 and 2001:db8:2:3::/64"},
		{[]string{"203.0.0.0/8"}, []string{"203.0.113.0/24", "203.0.114.7/32"}, "203.0.0.0/8 except 203.0.113.0/24 and 203.0.114.7/32"},
		{[]string{"203.0.0.0/8"}, []string{"203.0.0.0/9"}, "203.128.0.0/9"},
		{[]string{"203.0.113.0/24", "2001:db8::/32"}, []string{"203.0.113.128/32", "2001:db8::1/128"}, "203.0.113.0/24 except 203.0.113.128/32, 2001:db8::/32 except 2001:db8::1/128"},
		{[]string{"203.0.113.1/32", "203.0.113.4/32", "198.51.100.0/24"}, nil, "198.51.100.0/24, 203.0.113.1/32, 203.0.113.4/32"},
	} {
		if got := rangesText(cutOut(c.ranges, c.without)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// cutOut takes ranges out of others, address by address of the tree.
func cutOut(ranges, out []string) []netip.Prefix {
	var gone, list []netip.Prefix
	for _, s := range out {
		gone = append(gone, netip.MustParsePrefix(s))
	}
	var cut func(netip.Prefix)
	cut = func(p netip.Prefix) {
		switch {
		case slices.ContainsFunc(gone, func(g netip.Prefix) bool { return g.Overlaps(p) && g.Bits() <= p.Bits() }):
		case slices.ContainsFunc(gone, p.Overlaps):
			left, right := halves(p)
			cut(left)
			cut(right)
		default:
			list = append(list, p)
		}
	}
	for _, s := range ranges {
		cut(netip.MustParsePrefix(s))
	}
	return list
}

// What is written is neither more nor less than what was given.
func TestCoversAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		var out []string
		for range r.IntN(12) {
			out = append(out, fmt.Sprintf("10.0.0.%d/%d", r.IntN(256), 26+r.IntN(7)))
		}
		ranges := cutOut([]string{pickOne(r, "10.0.0.0/24", "10.0.0.0/25", "10.0.0.64/26")}, out)
		in := func(a netip.Addr) bool {
			return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		covers := coversOf(ranges)
		if weightOf(covers) > len(ranges) {
			t.Errorf("%v is longer than %v", covers, ranges)
		}
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			said := slices.ContainsFunc(covers, func(c cover) bool {
				return c.whole.Contains(a) && !slices.ContainsFunc(c.excepts, func(p netip.Prefix) bool { return p.Contains(a) })
			})
			if said != in(a) {
				t.Fatalf("%v of %v: %s is %t", covers, ranges, a, said)
			}
		}
	}
}

func pickOne(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }
