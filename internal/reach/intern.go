package reach

import (
	"encoding/binary"
	"slices"
)

// setID names a port set within one interner.
type setID uint32

const (
	noPorts setID = iota
	allPorts
)

// answer is what one direction, or both together, say of a pair.
type answer struct {
	must, may setID
	why       Reasons // none where must is may
}

// answerID names an answer within one interner.
type answerID uint32

const (
	allowed answerID = iota
	denied
)

// interner keeps each port set and each answer once, and remembers what was
// computed of them.
type interner struct {
	sets    []PortSet
	ids     map[string]setID
	memo    map[operation]setID
	answers []answer
	known   map[answer]answerID
	both    map[[2]answerID]answerID
	limit   int // of both, see mostMeets
}

type operator uint8

const (
	opUnion operator = iota
	opIntersect
	opMinus
)

type operation struct {
	op   operator
	a, b setID
}

func newInterner() *interner {
	in := &interner{
		ids: map[string]setID{}, memo: map[operation]setID{}, known: map[answer]answerID{}, both: map[[2]answerID]answerID{}, limit: mostMeets,
	}
	in.set(nil)
	in.set(everyPort)
	in.answer(answer{must: allPorts, may: allPorts})
	in.answer(answer{})
	return in
}

func (in *interner) set(s PortSet) setID {
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

func (in *interner) answer(a answer) answerID {
	if a.must == a.may {
		a.why = 0
	}
	id, ok := in.known[a]
	if !ok {
		id = answerID(len(in.answers))
		in.known[a] = id
		in.answers = append(in.answers, a)
	}
	return id
}

func (in *interner) apply(op operator, a, b setID) setID {
	key := operation{op, a, b}
	id, ok := in.memo[key]
	if ok {
		return id
	}
	s, t := in.sets[a], in.sets[b]
	switch op {
	case opUnion:
		id = in.set(s.union(t))
	case opIntersect:
		id = in.set(s.intersect(t))
	default:
		id = in.set(s.minus(t))
	}
	in.memo[key] = id
	return id
}

func (in *interner) union(a, b setID) setID {
	switch {
	case a == b || b == noPorts || a == allPorts:
		return a
	case a == noPorts || b == allPorts:
		return b
	}
	return in.apply(opUnion, min(a, b), max(a, b))
}

// unionAll returns the union of many sets. It sorts ids. Those between are not kept:
// of as many rules as there may be, they would take memory by the square.
func (in *interner) unionAll(ids []setID) setID {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > fewSets {
		var all PortSet
		for _, id := range ids {
			all = append(all, in.sets[id]...)
		}
		return in.set(all.normal())
	}
	union := setID(noPorts)
	for _, id := range ids {
		union = in.union(union, id)
	}
	return union
}

// fewSets is how many sets are put together one by one, with what is known of pairs.
const fewSets = 8

func (in *interner) intersect(a, b setID) setID {
	switch {
	case a == b || a == noPorts || b == allPorts:
		return a
	case b == noPorts || a == allPorts:
		return b
	}
	return in.apply(opIntersect, min(a, b), max(a, b))
}

func (in *interner) minus(a, b setID) setID {
	switch {
	case a == noPorts || b == noPorts:
		return a
	case a == b || b == allPorts:
		return noPorts
	}
	return in.apply(opMinus, a, b)
}

// mostMeets is how many pairs of answers are remembered with what they allow
// together. Where nearly each pair of endpoints allows other ports, there may be as
// many as pairs.
const mostMeets = 1 << 21

// full reports whether there are too many answers to remember more.
func (in *interner) full() bool { return len(in.both) >= in.limit }

// meet returns what two directions allow together.
func (in *interner) meet(a, b answerID) answerID {
	switch {
	case a == allowed:
		return b
	case b == allowed || a == b:
		return a
	case a == denied || b == denied:
		return denied
	}
	key := [2]answerID{min(a, b), max(a, b)}
	id, ok := in.both[key]
	if !ok {
		x, y := in.answers[a], in.answers[b]
		id = in.answer(answer{in.intersect(x.must, y.must), in.intersect(x.may, y.may), x.why | y.why})
		in.both[key] = id
	}
	return id
}
