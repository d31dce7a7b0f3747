package reach

import (
	"cmp"
	"encoding/binary"
	"slices"
)

const maxPort = 0xffff

// interval holds ports from first to last, each with its protocol in the bits
// above.
type interval struct{ first, last uint32 }

// portSet is a set of ports: intervals in order that neither overlap nor touch.
type portSet []interval

var everyPort = portSet{{0, 2<<16 | maxPort}}

func (s portSet) union(t portSet) portSet {
	all := append(slices.Clone(s), t...)
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	var merged portSet
	for _, i := range all {
		if n := len(merged); n > 0 && i.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, i.last)
		} else {
			merged = append(merged, i)
		}
	}
	return merged
}

func (s portSet) meets(t portSet) bool {
	for len(s) > 0 && len(t) > 0 {
		switch {
		case s[0].last < t[0].first:
			s = s[1:]
		case t[0].last < s[0].first:
			t = t[1:]
		default:
			return true
		}
	}
	return false
}

// setID names a port set within one interner.
type setID uint32

const (
	noPorts setID = iota
	allPorts
)

// interner keeps each port set once and remembers what was computed of them.
type interner struct {
	sets   []portSet
	ids    map[string]setID
	unions map[[2]setID]setID
	met    map[[2]setID]bool
}

func newInterner() *interner {
	in := &interner{ids: map[string]setID{}, unions: map[[2]setID]setID{}, met: map[[2]setID]bool{}}
	in.id(nil)
	in.id(everyPort)
	return in
}

func (in *interner) id(s portSet) setID {
	key := make([]byte, 0, 8*len(s))
	for _, i := range s {
		key = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(key, i.first), i.last)
	}
	id, ok := in.ids[string(key)]
	if !ok {
		id = setID(len(in.sets))
		in.ids[string(key)] = id
		in.sets = append(in.sets, s)
	}
	return id
}

func (in *interner) union(a, b setID) setID {
	switch {
	case a == b || b == noPorts:
		return a
	case a == noPorts:
		return b
	case a == allPorts || b == allPorts:
		return allPorts
	}
	pair := [2]setID{min(a, b), max(a, b)}
	u, ok := in.unions[pair]
	if !ok {
		u = in.id(in.sets[a].union(in.sets[b]))
		in.unions[pair] = u
	}
	return u
}

func (in *interner) meets(a, b setID) bool {
	if a == noPorts || b == noPorts {
		return false
	}
	if a == b || a == allPorts || b == allPorts {
		return true
	}
	pair := [2]setID{min(a, b), max(a, b)}
	m, ok := in.met[pair]
	if !ok {
		m = in.sets[a].meets(in.sets[b])
		in.met[pair] = m
	}
	return m
}
