package cli

import (
	"hash/maphash"
	"slices"

	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// diffEntry is connections that open or close together.
type diffEntry struct {
	From, To []*reach.Endpoint
	Ports    reach.PortSet
	Old, New reach.Verdict
	Opens    bool
	In       reach.Presence
}

// diffEntries divides changes into what opens and what closes, and puts together
// those that differ in one end only.
func diffEntries(changes []reach.Change) (opens, closes []diffEntry, unsure []reach.Change) {
	sets := endSets{known: map[**reach.Endpoint]uint64{}, ends: map[*reach.Endpoint]uint64{}}
	o, c := newJoiner(), newJoiner()
	for i := range changes {
		change := &changes[i]
		from, to := sets.of(change.From), sets.of(change.To)
		if ports := change.Opens(); !ports.Empty() {
			o.add(&sets, diffEntry{change.From, change.To, ports, change.Old, change.New, true, change.In}, from, to)
		}
		if ports := change.Closes(); !ports.Empty() {
			c.add(&sets, diffEntry{change.From, change.To, ports, change.Old, change.New, false, change.In}, from, to)
		}
		if change.Opens().Empty() && change.Closes().Empty() {
			unsure = append(unsure, *change)
		}
	}
	return o.list, c.list, unsure
}

// endSets names lists of endpoints, so that equal ones are found fast.
type endSets struct {
	known map[**reach.Endpoint]uint64 // by the first of a list, whose length is the same wherever it is the first
	ends  map[*reach.Endpoint]uint64
}

// of returns the name of a list, which other lists with as many and the same
// endpoints in the same order have.
func (s *endSets) of(list []*reach.Endpoint) uint64 {
	if len(list) == 0 {
		return 0
	}
	name, ok := s.known[&list[0]]
	if !ok {
		name = s.more(0, list)
		s.known[&list[0]] = name
	}
	return name
}

// more returns the name of a list with further endpoints behind it.
func (s *endSets) more(name uint64, list []*reach.Endpoint) uint64 {
	for _, e := range list {
		hash, ok := s.ends[e]
		if !ok {
			hash = maphash.Comparable(endSeed, idOf(e))
			s.ends[e] = hash
		}
		name = tree.Mix(name, hash)
	}
	return name
}

var endSeed = maphash.MakeSeed()

// joiner puts entries together.
type joiner struct {
	list     []diffEntry
	names    []joined
	byTo     map[joined][]int // positions of entries, without from
	byFrom   map[joined][]int // without to
	verdicts map[diffKind]int
}

// diffKind is what entries that may be put together have in common.
type diffKind struct {
	old, new string
	in       reach.Presence
}

// joined names the sides of an entry.
type joined struct {
	verdicts int
	from, to uint64
	own      [2]bool // the lists of from and to are the entry's own
}

func newJoiner() *joiner {
	return &joiner{byTo: map[joined][]int{}, byFrom: map[joined][]int{}, verdicts: map[diffKind]int{}}
}

// add puts an entry to the first one that has the same verdicts and the same
// sources or destinations, or behind all.
func (j *joiner) add(sets *endSets, e diffEntry, from, to uint64) {
	name := joined{verdicts: j.verdict(&e), from: from, to: to}
	byTo, byFrom := j.byTo[name.destination()], j.byFrom[name.source()]
	switch {
	case len(byTo) > 0 && (len(byFrom) == 0 || byTo[0] <= byFrom[0]):
		at := byTo[0]
		x, n := &j.list[at], &j.names[at]
		j.byFrom[n.source()] = without(j.byFrom[n.source()], at)
		x.From, n.own[0] = joinEnds(x.From, e.From, n.own[0]), true
		n.from = sets.more(n.from, e.From)
		j.byFrom[n.source()] = with(j.byFrom[n.source()], at)
	case len(byFrom) > 0:
		at := byFrom[0]
		x, n := &j.list[at], &j.names[at]
		j.byTo[n.destination()] = without(j.byTo[n.destination()], at)
		x.To, n.own[1] = joinEnds(x.To, e.To, n.own[1]), true
		n.to = sets.more(n.to, e.To)
		j.byTo[n.destination()] = with(j.byTo[n.destination()], at)
	default:
		at := len(j.list)
		j.list, j.names = append(j.list, e), append(j.names, name)
		j.byTo[name.destination()] = append(byTo, at)
		j.byFrom[name.source()] = append(byFrom, at)
	}
}

func (n joined) destination() joined { return joined{verdicts: n.verdicts, to: n.to} }
func (n joined) source() joined      { return joined{verdicts: n.verdicts, from: n.from} }

// verdict returns a number for what an entry is before and after.
func (j *joiner) verdict(e *diffEntry) int {
	text := func(v reach.Verdict) string { return v.Must.String() + " " + v.May.String() }
	key := diffKind{text(e.Old), text(e.New), e.In}
	n, ok := j.verdicts[key]
	if !ok {
		n = len(j.verdicts)
		j.verdicts[key] = n
	}
	return n
}

func joinEnds(list, more []*reach.Endpoint, own bool) []*reach.Endpoint {
	if !own {
		list = slices.Clone(list)
	}
	return append(list, more...)
}

// without and with take a position out of a sorted list, and put it in.
func without(list []int, at int) []int {
	if i, found := slices.BinarySearch(list, at); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func with(list []int, at int) []int {
	i, _ := slices.BinarySearch(list, at)
	return slices.Insert(list, i, at)
}
