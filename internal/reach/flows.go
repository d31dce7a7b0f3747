package reach

import (
	"encoding/binary"
	"iter"
	"slices"
)

// All pairs are quadratic, so nothing here holds them: rows are walked, and what
// two directions say together is looked up.

// mixer combines answers, without locks for those that it has seen.
type mixer struct {
	*Graph
	keys   []uint64
	values []answerID
	asked  [2][]uint8 // for cells of rows, see cell
}

const mixerSize = 1 << 14

func (g *Graph) newMixer() *mixer {
	return &mixer{Graph: g, keys: make([]uint64, mixerSize), values: make([]answerID, mixerSize)}
}

func (m *mixer) meet(out, in answerID) answerID {
	switch {
	case out == allowed || out == in:
		return in
	case in == allowed:
		return out
	case out == denied || in == denied:
		return denied
	}
	key := uint64(out)<<32 | uint64(in)
	slot := (key * 0x9e3779b97f4a7c15) >> (64 - 14)
	if m.keys[slot] != key {
		m.mu.Lock()
		m.values[slot] = m.sets.meet(out, in)
		m.mu.Unlock()
		m.keys[slot] = key
	}
	return m.values[slot]
}

// fewCells is how many cells of a row are computed one by one before all of them are.
const fewCells = 32

// cell returns one answer of a row, and computes the others once some were asked for.
func (m *mixer) cell(d Direction, sign, peer int32) answerID {
	if sign < 0 {
		return allowed
	}
	if m.asked[d] == nil {
		m.asked[d] = make([]uint8, len(m.signatures[d]))
	}
	if m.asked[d][sign] >= fewCells {
		return m.rowOf(d, sign)[peer]
	}
	m.asked[d][sign]++
	return m.Graph.cell(d, sign, peer)
}

func (m *mixer) get(id answerID) answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sets.answers[id]
}

// verdicts returns verdicts, each made once.
func (g *Graph) verdicts() func(answerID) *Verdict {
	var known []*Verdict
	return func(id answerID) *Verdict {
		for int(id) >= len(known) {
			known = append(known, nil)
		}
		if known[id] == nil {
			v := g.verdict(id)
			known[id] = &v
		}
		return known[id]
	}
}

// From yields the endpoints that one may connect to, by id, with the ports that
// are or may be allowed. Ends outside the cluster connect to those in it.
func (g *Graph) From(from ID) iter.Seq2[ID, Verdict] {
	return g.follow(from, Egress, Ingress)
}

// To yields the endpoints that may connect to one, by id. Names do not.
func (g *Graph) To(to ID) iter.Seq2[ID, Verdict] {
	return g.follow(to, Ingress, Egress)
}

func (g *Graph) follow(self ID, own, other Direction) iter.Seq2[ID, Verdict] {
	return func(yield func(ID, Verdict) bool) {
		m, verdict := g.newMixer(), g.verdicts()
		unit := g.unit(self)
		end := g.size
		if unit >= g.firstAddress() {
			end = g.firstAddress()
		} else if own == Ingress {
			end = g.firstName()
		}
		mine := g.row(own, unit)
		full := g.full()
		for id := range ID(g.Len()) {
			i := g.unit(id)
			if i >= end {
				return
			}
			x, y := mine.at(i), g.row(other, i).at(unit)
			if full && x != y && x > denied && y > denied && id != self {
				if v := g.meeting(x, y); !v.May.Empty() && !yield(id, v) {
					return
				}
				continue
			}
			a := m.meet(x, y)
			if id == self && g.isOnePod(id) {
				a = g.loopback(a)
			}
			if v := verdict(a); !v.May.Empty() && !yield(id, *v) {
				return
			}
		}
	}
}

// full reports whether what pairs allow is no longer remembered.
func (g *Graph) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sets.full()
}

// meeting returns what two answers allow together, without remembering it.
func (g *Graph) meeting(a, b answerID) Verdict {
	x, y := g.verdict(a), g.verdict(b)
	v := Verdict{Must: x.Must.intersect(y.Must), May: x.May.intersect(y.May), Why: x.Why | y.Why}
	if v.Must.Equal(v.May) {
		v.Why = 0
	}
	return v
}

// All yields every pair of endpoints between which some port is or may be
// allowed, by the first and then the second id.
func (g *Graph) All() iter.Seq2[[2]ID, Verdict] {
	return func(yield func([2]ID, Verdict) bool) {
		for from := range ID(g.Len()) {
			if g.unit(from) >= g.firstName() {
				return
			}
			for to, v := range g.From(from) {
				if !yield([2]ID{from, to}, v) {
					return
				}
			}
		}
	}
}

// tile is how many sources are walked at once, so that a column is read by
// cache lines.
const tile = 16

// pairs calls do with the answer of each pair of the universe of which one is in
// the cluster, names as sources left out.
func (g *Graph) pairs(do func(from, to int32, a answerID)) {
	g.walk(g.units(0, g.firstName()), g.units(0, g.size), do)
}

// units lists those from first to just before last.
func (g *Graph) units(first, last int32) []int32 {
	list := make([]int32, 0, last-first)
	for unit := first; unit < last; unit++ {
		list = append(list, unit)
	}
	return list
}

// walk calls do with the answer of each pair of some sources and some destinations,
// those left out of which both are outside the cluster.
func (g *Graph) walk(sources, destinations []int32, do func(from, to int32, a answerID)) {
	m := g.newMixer()
	signs := make([]int32, len(destinations)) // positions in rows
	rows := []row{nil}
	at := map[int32]int32{-1: 0}
	for i, to := range destinations {
		sign := g.signOf[Ingress][to]
		n, ok := at[sign]
		if !ok {
			n = int32(len(rows))
			at[sign] = n
			rows = append(rows, g.rowOf(Ingress, sign))
		}
		signs[i] = n
	}
	columns := make([][]answerID, min(tile, len(sources)))
	for k := range columns {
		columns[k] = make([]answerID, len(rows)) // the first stays allowed
	}
	for len(sources) > 0 {
		some := sources[:min(tile, len(sources))]
		sources = sources[len(some):]
		for n, r := range rows[1:] {
			for k, from := range some {
				columns[k][n+1] = r[from]
			}
		}
		for k, from := range some {
			out, in, outside := g.row(Egress, from), columns[k], from >= g.firstAddress()
			for i, to := range destinations {
				if !outside || to < g.firstAddress() {
					do(from, to, m.meet(out.at(to), in[signs[i]]))
				}
			}
		}
	}
}

// Totals counts pairs of endpoints.
type Totals struct {
	Pairs int // of which one is in the cluster
	Yes   int // some port is allowed for certain
	Maybe int // some port may be
}

// Count counts the pairs of all endpoints, names as sources left out.
func (g *Graph) Count() Totals {
	var t Totals
	counts := map[answerID]int{}
	var few [1024]int
	g.pairs(func(from, to int32, a answerID) {
		n := g.weight(from) * g.weight(to)
		t.Pairs += n
		if a < answerID(len(few)) {
			few[a] += n
		} else {
			counts[a] += n
		}
	})
	for a, n := range few {
		if n > 0 {
			counts[answerID(a)] += n
		}
	}
	for a, n := range counts {
		switch g.verdict(a).Answer() {
		case Yes:
			t.Yes += n
		case Maybe:
			t.Maybe += n
		}
	}
	return t
}

func (g *Graph) weight(unit int32) int {
	if unit < g.node {
		return len(g.classes[unit].members)
	}
	return 1
}

// Flow is connections from each of some endpoints to each of others, all with
// one verdict.
type Flow struct {
	From, To []ID
	Verdict
}

// Compact yields what All yields, with endpoints together that have the same
// peers: those that neither as sources nor as destinations any pair tells apart.
// The connections of a Pod with itself are those of two alike. Groups come by
// the id of their first member. Groups of sources of which none is wanted are left
// out; nil wants all.
func (g *Graph) Compact(wants func(ID) bool) iter.Seq[Flow] {
	return func(yield func(Flow) bool) {
		groups := g.alike()
		m, verdict := g.newMixer(), g.verdicts()
		for _, from := range groups {
			if from.unit >= g.firstName() || wants != nil && !slices.ContainsFunc(from.members, wants) {
				continue
			}
			to := map[answerID][]ID{}
			var order []answerID
			for _, dst := range groups {
				if from.unit >= g.firstAddress() && dst.unit >= g.firstAddress() {
					continue
				}
				a := m.meet(g.row(Egress, from.unit).at(dst.unit), g.row(Ingress, dst.unit).at(from.unit))
				if to[a] == nil {
					order = append(order, a)
				}
				to[a] = append(to[a], dst.members...)
			}
			for _, a := range order {
				if v := verdict(a); !v.May.Empty() {
					slices.Sort(to[a])
					if !yield(Flow{from.members, to[a], *v}) {
						return
					}
				}
			}
		}
	}
}

// group is members of the universe that are alike, one of which is unit.
type group struct {
	unit    int32
	members []ID
}

// alike groups the universe by rows and columns.
func (g *Graph) alike() []*group {
	columns := make([]uint64, 2*g.size) // hash of what each is to others, as source and as destination
	for _, d := range directions {
		for sign := range g.signatures[d] {
			r := g.rowOf(d, int32(sign))
			for i, a := range r {
				h := &columns[2*i+int(d)]
				*h = (*h ^ uint64(a)) * 0x9e3779b97f4a7c15
				*h ^= *h >> 29
			}
		}
	}
	known := map[string]*group{}
	var groups []*group
	var key []byte
	for unit := range g.size {
		key = binary.BigEndian.AppendUint32(key[:0], uint32(g.signOf[Ingress][unit]))
		key = binary.BigEndian.AppendUint32(key, uint32(g.signOf[Egress][unit]))
		key = binary.BigEndian.AppendUint64(key, columns[2*unit])
		key = binary.BigEndian.AppendUint64(key, columns[2*unit+1])
		key = append(key, byte(g.side(unit)))
		gr := known[string(key)]
		if gr == nil {
			gr = &group{unit: unit}
			known[string(key)] = gr
			groups = append(groups, gr)
		}
		gr.members = append(gr.members, g.idsOf(unit)...)
	}
	for _, gr := range groups {
		slices.Sort(gr.members)
	}
	slices.SortFunc(groups, func(a, b *group) int { return int(a.members[0] - b.members[0]) })
	return groups
}

// side keeps apart what is in the cluster, outside, and a destination only.
func (g *Graph) side(unit int32) int {
	switch {
	case unit < g.firstAddress():
		return 0
	case unit < g.firstName():
		return 1
	}
	return 2
}
