package reach

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

var everyAddress = [...]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// podRanges are the private ranges, from which networks take the addresses of
// pods.
var podRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

var wholeSpace, podSpace = joined(spansOf(everyAddress[:])), joined(spansOf(podRanges))

// addressLimits bound what addresses are divided by; what is beyond is not
// decided. They hold for sets of ranges, the shortest first.
type addressLimits struct {
	ranges int // of all sets
	work   int // ranges by sets
	cells  int // classes by sets
}

var defaultLimits = addressLimits{ranges: 1 << 20, work: 1 << 35, cells: 1 << 30}

// addresses divides all addresses into classes that no policy tells apart, those of
// the internet and private ones by themselves.
type addresses struct {
	starts  []netip.Addr // of the pieces, in order; each ends before the next of its family
	class   []int32      // of each piece
	pieces  [][]int32    // of each class, in order
	classes int32
	limits  addressLimits
	index   map[string]*addressSet // by key
	sets    []*addressSet          // while they are gathered
}

// addressSet is a set of ranges that some rules have in common.
type addressSet struct {
	ranges              rangeSet
	within              []int32 // its classes, when known
	known               bool    // it was within the limits
	everywhere, private Answer  // how much it holds of all addresses, and of those that pods have
}

func newAddresses() *addresses {
	return &addresses{index: map[string]*addressSet{}, limits: defaultLimits}
}

// add notes what a rule is about.
func (a *addresses) add(p *blockPeer) {
	if a.index[p.key] != nil {
		return
	}
	set := &addressSet{ranges: p.ranges, everywhere: p.ranges.covers(wholeSpace), private: p.ranges.covers(podSpace)}
	a.index[p.key] = set
	a.sets = append(a.sets, set)
}

// border is an address at which a set starts, or behind which it ended.
type border struct {
	addr netip.Addr
	set  int32 // or what follows
}

// Borders that belong to no set.
const (
	familyBorder  = -1
	privateBorder = -2
)

// divide makes the classes of what was added.
func (a *addresses) divide() {
	sets := a.sets
	a.sets = nil
	slices.SortStableFunc(sets, func(x, y *addressSet) int { return cmp.Compare(len(x.ranges), len(y.ranges)) })
	total, n := 0, 0
	for n < len(sets) {
		total += len(sets[n].ranges)
		if total > a.limits.ranges || total*(n+1) > a.limits.work {
			break
		}
		n++
	}
	for !a.sweep(sets[:n]) {
		n /= 2
	}
}

// sweep goes through all addresses in order. It reports false when sets make too
// many classes.
func (a *addresses) sweep(sets []*addressSet) bool {
	a.starts, a.class, a.pieces, a.classes = nil, nil, nil, 0
	for _, s := range sets {
		s.within, s.known = nil, true
	}
	borders := bordersOf(sets)
	active := newBits(len(sets))
	sign := make([]byte, 1+8*len(active))
	known := map[string]int32{}
	private := false
	for i := 0; i < len(borders); {
		addr := borders[i].addr
		for ; i < len(borders) && borders[i].addr == addr; i++ {
			switch set := borders[i].set; {
			case set >= 0:
				active[set>>6] ^= 1 << (set & 63)
				binary.NativeEndian.PutUint64(sign[1+8*(set>>6):], active[set>>6])
			case set == privateBorder:
				private = !private
			}
		}
		sign[0] = byte(boolToInt(addr.Is6())<<1 | boolToInt(private))
		class, ok := known[string(sign)]
		if !ok {
			class = a.classes
			if int(class+1)*len(sets) > a.limits.cells && len(sets) > 0 {
				forget(sets)
				return false
			}
			known[string(sign)] = class
			active.each(func(set int32) { sets[set].within = append(sets[set].within, class) })
		}
		a.starts = append(a.starts, addr)
		a.put(class)
	}
	return true
}

func forget(sets []*addressSet) {
	for _, s := range sets {
		s.within, s.known = nil, false
	}
}

// put gives the next piece its class.
func (a *addresses) put(class int32) {
	if class == a.classes {
		a.classes++
		a.pieces = append(a.pieces, nil)
	}
	a.pieces[class] = append(a.pieces[class], int32(len(a.class)))
	a.class = append(a.class, class)
}

// bordersOf returns the borders of sets, and those of the families, in order.
func bordersOf(sets []*addressSet) []border {
	var borders []border
	for _, p := range everyAddress {
		borders = append(borders, border{p.Addr(), familyBorder})
	}
	for _, r := range slices.Concat(allSpaces()[PrivateIPv4], allSpaces()[PrivateIPv6]) {
		borders = append(borders, border{r.first, privateBorder}, border{r.last.Next(), privateBorder})
	}
	for i, s := range sets {
		for _, r := range s.ranges {
			borders = append(borders, border{r.first, int32(i)})
			if end := r.last.Next(); end.IsValid() {
				borders = append(borders, border{end, int32(i)})
			} else if r.last.Is4() {
				borders = append(borders, border{everyAddress[1].Addr(), int32(i)})
			}
		}
	}
	slices.SortFunc(borders, func(x, y border) int { return x.addr.Compare(y.addr) })
	return borders
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
	var spans []span
	for _, i := range a.pieces[class] {
		s := span{a.starts[i], lastOf(everyAddress[boolToInt(a.starts[i].Is6())])}
		if next := int(i) + 1; next < len(a.starts) && a.starts[next].BitLen() == s.first.BitLen() {
			s.last = a.starts[next].Prev()
		}
		spans = append(spans, s)
	}
	return joined(spans).prefixes()
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mostNewRanges is how many sets of ranges a graph is divided further by.
const mostNewRanges = 64

// with divides further by more sets. It returns the class of which each class is
// a part, and false where there are too many to tell apart.
func (a *addresses) with(more []*blockPeer) (*addresses, []int32, bool) {
	fresh := newAddresses()
	fresh.limits = a.limits
	for _, p := range more {
		fresh.add(p)
	}
	sets := fresh.sets
	fresh.sets = nil
	ranges, count := 0, len(a.index)+len(sets)
	for _, s := range a.index {
		ranges += len(s.ranges)
		if !s.known {
			return nil, nil, false
		}
	}
	for _, s := range sets {
		ranges += len(s.ranges)
		s.known = true
	}
	if len(sets) > mostNewRanges || ranges > a.limits.ranges || ranges*count > a.limits.work {
		return nil, nil, false
	}
	parents := fresh.divideFurther(a, sets)
	if int(fresh.classes)*count > a.limits.cells {
		return nil, nil, false
	}
	parts := make([][]int32, a.classes)
	for class, parent := range parents {
		parts[parent] = append(parts[parent], int32(class))
	}
	for key, s := range a.index {
		c := *s
		c.within = nil
		for _, class := range s.within {
			c.within = append(c.within, parts[class]...)
		}
		fresh.index[key] = &c
	}
	return fresh, parents, true
}

// divideFurther goes through the pieces of others and the borders of sets in order.
// It returns the class of which each class is a part.
func (a *addresses) divideFurther(of *addresses, sets []*addressSet) (parents []int32) {
	type part struct {
		class  int32
		active uint64
	}
	borders := bordersOf(sets)
	known := map[part]int32{}
	at := part{}
	for i, j := 0, 0; i < len(of.starts) || j < len(borders); {
		var addr netip.Addr
		if i < len(of.starts) && (j == len(borders) || of.starts[i].Compare(borders[j].addr) <= 0) {
			addr = of.starts[i]
			at.class = of.class[i]
			i++
		} else {
			addr = borders[j].addr
		}
		for ; j < len(borders) && borders[j].addr == addr; j++ {
			if set := borders[j].set; set >= 0 {
				at.active ^= 1 << set
			}
		}
		class, ok := known[at]
		if !ok {
			class = a.classes
			known[at] = class
			parents = append(parents, at.class)
			for set := range sets {
				if at.active>>set&1 != 0 {
					sets[set].within = append(sets[set].within, class)
				}
			}
		}
		a.starts = append(a.starts, addr)
		a.put(class)
	}
	return parents
}
