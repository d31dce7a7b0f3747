package reach

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"weak"

	"ullage.dev/ullage/internal/model"
)

// Change is connections, from each of some endpoints to each of others, that
// differ between two graphs in one way.
//
// Endpoints are those of the new graph, or of the old one when only that has
// them; a pair of which an end is missing allows nothing.
type Change struct {
	From, To []*Endpoint
	Old, New Verdict
	In       Presence // of the ends of each pair
}

// Presence says which of two graphs have all ends of something.
type Presence uint8

// The presences. A workload that got another kind or name is gone and new.
const (
	InBoth  Presence = iota
	OnlyNew          // a workload that connects or is connected to is in the new graph only
	OnlyOld
)

func (p Presence) String() string { return [...]string{"both", "new", "gone"}[p] }

// Opens returns the ports that are or may be allowed now, and were not.
func (c *Change) Opens() PortSet { return c.New.May.minus(c.Old.May) }

// Closes returns the ports that were or might have been allowed, and are not.
func (c *Change) Closes() PortSet { return c.Old.May.minus(c.New.May) }

// Diff returns what differs between two graphs, in the order of the endpoints;
// those that differ alike are one change. Lists of endpoints share memory, and must
// not be changed; each endpoint is there once. Workloads are the same when their
// keys and pod templates' places are, addresses and names when they are equal. What
// neither of two ends, nor the policies that select them, nor the namespaces gives
// reason to is not compared, so that a small change costs little.
func Diff(before, after *Graph) []Change {
	d := &differ{old: before, new: after, oldMix: before.newMixer(), newMix: after.newMixer(), full: !sameContext(before, after), ids: map[answerID]answer{}, lists: map[string][]*Endpoint{}}
	d.align()
	d.number()
	for n, i := range d.first {
		d.source(int32(n), i)
		d.destination(int32(n), i)
	}
	return d.changes
}

// pairedEnd is an endpoint in both graphs; -1 where it is missing.
type pairedEnd struct {
	old, new int32 // numbers in the universes
	endpoint Endpoint
	lazy     bool    // endpoint has only ID, that of the new graph, and Kind yet
	changed  bool    // itself
	touched  [2]bool // other policies decide for it, by Direction
}

type differ struct {
	old, new       *Graph
	oldMix, newMix *mixer
	full           bool
	ends           []pairedEnd
	ids            map[answerID]answer // of the old graph, with sets of the new
	changes        []Change
	seen           [1 << 10]comparison

	// Ends that differ in nothing that is compared have one number, and what is
	// found for one holds for all.
	first []int32       // the first end of each number
	all   [][]int32     // the ends of each number
	alike [][]*Endpoint // the same, once they are asked for

	lists  map[string][]*Endpoint // of several numbers
	buffer []byte
}

// difference is one way in which a pair of ends differs.
type difference struct {
	pair [2]answerID
	in   Presence
}

// apart is ends, by their numbers, that differ in one way from another end.
type apart struct {
	difference
	numbers []int32
}

// number finds out which ends are alike.
func (d *differ) number() {
	type signature struct {
		old, new int32
		kind     Kind
		changed  bool
		touched  [2]bool
	}
	known := map[signature]int32{}
	for i := range d.ends {
		e := &d.ends[i]
		s := signature{e.old, e.new, e.endpoint.Kind, e.changed, e.touched}
		n, ok := known[s]
		if !ok {
			n = int32(len(d.first))
			known[s] = n
			d.first, d.all = append(d.first, int32(i)), append(d.all, nil)
		}
		d.all[n] = append(d.all[n], int32(i))
	}
	d.alike = make([][]*Endpoint, len(d.first))
}

// endsOf returns the ends of a number.
func (d *differ) endsOf(n int32) []*Endpoint {
	if d.alike[n] == nil {
		for _, i := range d.all[n] {
			d.alike[n] = append(d.alike[n], d.endpoint(i))
		}
	}
	return d.alike[n]
}

// contextOf returns the hashes of what policies refer to beside pods.
func contextOf(s *model.Snapshot, hand *handIndex) []uint64 {
	namespace := model.NamespaceKind
	hashes := []uint64{uint64(boolToInt(s.Complete("", namespace))), uint64(boolToInt(s.Complete("", model.ServiceKind, cidrGroupKind))), uint64(boolToInt(s.Complete("", sliceKind)))}
	for _, kind := range []model.GroupKind{namespace, model.ServiceKind, cidrGroupKind} {
		for o := range s.Kind(kind) {
			hashes = append(hashes, maphash.String(termSeed, o.Key.String()), o.Labels().Hash(), o.Root.Get("spec").Hash())
		}
	}
	return append(hashes, hand.hashes()...)
}

func sameContext(a, b *Graph) bool { return slices.Equal(a.context, b.context) }

// workloadKey finds a workload in another snapshot.
type workloadKey struct {
	key  model.Key
	path string
}

func (g *Graph) key(id ID) workloadKey {
	w := g.workloads[id]
	return workloadKey{w.Object.Key, w.Pod.SpecPath.String()}
}

// Beyond returns the workloads that another graph does not have, by id.
func (g *Graph) Beyond(other *Graph) []*Endpoint {
	if g.basis == other.basis {
		return nil
	}
	has := make(map[workloadKey]bool, len(other.workloads))
	for id := range other.workloads {
		has[other.key(ID(id))] = true
	}
	var found []*Endpoint
	for id := range g.workloads {
		if !has[g.key(ID(id))] {
			e := g.Endpoint(ID(id))
			found = append(found, &e)
		}
	}
	return found
}

// alignShared pairs the endpoints of graphs that divide everything alike, or of
// which the new one divides further; before returns the old number of a new one.
func (d *differ) alignShared(before func(int32) int32) {
	for id := range ID(d.new.Len()) {
		unit := d.new.unit(id)
		end := pairedEnd{old: before(unit), new: unit, endpoint: Endpoint{ID: id, Kind: d.new.kind(unit)}, lazy: true}
		if unit <= d.new.node {
			for _, dir := range directions {
				end.touched[dir] = !samePolicies(d.old.subjects[dir][end.old], d.new.subjects[dir][unit])
			}
		}
		d.ends = append(d.ends, end)
	}
}

// align pairs the endpoints of both graphs.
func (d *differ) align() {
	switch {
	case d.old.basis == d.new.basis:
		d.alignShared(func(unit int32) int32 { return unit })
		return
	case d.new.of == weak.Make(d.old.basis):
		d.alignShared(func(unit int32) int32 { return d.new.parents[unit] })
		return
	}
	gone := map[workloadKey]ID{}
	for id := range d.old.workloads {
		gone[d.old.key(ID(id))] = ID(id)
	}
	for id := range d.new.workloads {
		end := pairedEnd{old: -1, new: d.new.unit(ID(id)), endpoint: d.new.Endpoint(ID(id)), changed: true, touched: [2]bool{true, true}}
		if before, ok := gone[d.new.key(ID(id))]; ok {
			delete(gone, d.new.key(ID(id)))
			end.old = d.old.unit(before)
			end.changed = !samePods(d.old.workloads[before], d.new.workloads[id])
			for _, dir := range directions {
				end.touched[dir] = !samePolicies(d.old.subjects[dir][end.old], d.new.subjects[dir][end.new])
			}
		}
		d.ends = append(d.ends, end)
	}
	for id := range d.old.workloads {
		if _, ok := gone[d.old.key(ID(id))]; ok {
			d.ends = append(d.ends, pairedEnd{old: d.old.unit(ID(id)), new: -1, endpoint: d.old.Endpoint(ID(id)), changed: true, touched: [2]bool{true, true}})
		}
	}
	for i := range int32(2) { // the node and the API server
		end := pairedEnd{old: d.old.node + i, new: d.new.node + i, endpoint: d.new.Endpoint(d.new.id(d.new.node + i))}
		for _, dir := range directions {
			end.touched[dir] = !samePolicies(d.old.subjects[dir][end.old], d.new.subjects[dir][end.new])
		}
		d.ends = append(d.ends, end)
	}
	d.alignAddresses()
	d.alignNames()
}

func samePods(a, b model.Workload) bool {
	return a.Pod.Spec.Hash() == b.Pod.Spec.Hash() && a.Pod.Labels().Hash() == b.Pod.Labels().Hash()
}

func samePolicies(a, b []applied) bool {
	return slices.EqualFunc(a, b, func(x, y applied) bool {
		return x.sure == y.sure && (x.Policy == y.Policy || x.Object.Key == y.Object.Key && x.Spec.Hash() == y.Spec.Hash())
	})
}

// alignAddresses pairs the classes of addresses by where they overlap.
func (d *differ) alignAddresses() {
	starts := slices.Concat(d.old.addresses.starts, d.new.addresses.starts)
	slices.SortFunc(starts, netip.Addr.Compare)
	starts = slices.Compact(starts)
	both := &addresses{starts: starts}
	known := map[[2]int32]int32{}
	for _, s := range starts {
		pair := [2]int32{d.old.addresses.class[d.old.addresses.piece(s)], d.new.addresses.class[d.new.addresses.piece(s)]}
		if _, ok := known[pair]; !ok {
			known[pair] = int32(len(known))
			unit := d.new.firstAddress() + pair[1]
			d.ends = append(d.ends, pairedEnd{old: d.old.firstAddress() + pair[0], new: unit, endpoint: Endpoint{ID: d.new.id(unit), Kind: Addresses}})
		}
		both.put(known[pair])
	}
	first := len(d.ends) - int(both.classes)
	for class := range both.classes {
		d.ends[first+int(class)].endpoint.Prefixes = both.prefixes(class)
	}
}

// alignNames pairs the names; where one graph knows a name only among others, it
// is one of these.
func (d *differ) alignNames() {
	names := slices.Concat(d.old.outsideNames, d.new.outsideNames)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, _ := d.old.Name(name)
		after, exact := d.new.Name(name)
		end := pairedEnd{old: d.old.unit(before), new: d.new.unit(after), endpoint: d.new.Endpoint(after)}
		if !exact {
			end.endpoint.Name = name
		}
		d.ends = append(d.ends, end)
	}
}

// source compares what the ends of a number may connect to; i is the first.
func (d *differ) source(n, i int32) {
	self := &d.ends[i]
	kind := self.endpoint.Kind
	if kind == Name || !self.touched[Egress] && !self.changed && !d.full {
		return
	}
	d.compare(n, Egress, func(j int32) bool { return kind != Addresses || !d.ends[j].endpoint.Outside() })
}

// destination compares what may connect to them, but for what source compares.
func (d *differ) destination(n, i int32) {
	self := &d.ends[i]
	if d.full || !self.touched[Ingress] && !self.changed {
		return
	}
	outside := self.endpoint.Outside()
	d.compare(n, Ingress, func(j int32) bool {
		other := &d.ends[j]
		return other.endpoint.Kind != Name && !(outside && other.endpoint.Outside()) && !other.touched[Egress] && !other.changed
	})
}

// compare compares the pairs of the ends of a number with those others that with
// accepts, and puts together those that differ in the same way.
func (d *differ) compare(n int32, dir Direction, with func(int32) bool) {
	for _, gr := range d.groups(d.first[n], dir, with) {
		c := Change{From: d.endsOf(n), To: d.listOf(gr.numbers), Old: d.old.verdict(gr.pair[0]), New: d.new.verdict(gr.pair[1]), In: gr.in}
		if dir == Ingress {
			c.From, c.To = c.To, c.From
		}
		d.changes = append(d.changes, c)
	}
}

// groups returns the others that differ.
func (d *differ) groups(i int32, dir Direction, with func(int32) bool) []apart {
	var groups []apart
	at, to := map[difference]int{}, 0
	for n, j := range d.first {
		pair, differs := d.differ(i, j, dir, with)
		if !differs {
			continue
		}
		way := difference{pair, presence(&d.ends[i], &d.ends[j])}
		if len(groups) == 0 || groups[to].difference != way { // mostly it is that of the one before
			var ok bool
			if to, ok = at[way]; !ok {
				to = len(groups)
				at[way] = to
				groups = append(groups, apart{difference: way})
			}
		}
		groups[to].numbers = append(groups[to].numbers, int32(n))
	}
	return groups
}

// listOf returns the ends of numbers, in order. Many ends differ from the same others,
// so lists are kept.
func (d *differ) listOf(numbers []int32) []*Endpoint {
	if len(numbers) == 1 {
		return d.endsOf(numbers[0])
	}
	key := d.buffer[:0]
	for _, n := range numbers {
		key = binary.NativeEndian.AppendUint32(key, uint32(n))
	}
	d.buffer = key
	list, ok := d.lists[string(key)]
	if !ok {
		var ends []int32
		for _, n := range numbers {
			ends = append(ends, d.all[n]...)
		}
		slices.Sort(ends)
		list = make([]*Endpoint, len(ends))
		for i, j := range ends {
			list[i] = d.endpoint(j)
		}
		d.lists[string(key)] = list
	}
	return list
}

// presence returns that of both of two ends that differ. An end that is new and one
// that is gone never do, as neither graph has both.
func presence(x, y *pairedEnd) Presence {
	switch {
	case x.old < 0 || y.old < 0:
		return OnlyNew
	case x.new < 0 || y.new < 0:
		return OnlyOld
	}
	return InBoth
}

// differ returns what a pair allows before and after, where that differs.
func (d *differ) differ(i, j int32, dir Direction, with func(int32) bool) ([2]answerID, bool) {
	if !with(j) {
		return [2]answerID{}, false
	}
	from, to := &d.ends[i], &d.ends[j]
	if dir == Ingress {
		from, to = to, from
	}
	if !d.full && !to.changed && !from.changed && !d.ownDiffers(dir, from, to) {
		return [2]answerID{}, false
	}
	pair := [2]answerID{d.pair(d.oldMix, from.old, to.old), d.pair(d.newMix, from.new, to.new)}
	return pair, !d.same(pair)
}

func (d *differ) endpoint(i int32) *Endpoint {
	e := &d.ends[i]
	if e.lazy {
		e.endpoint, e.lazy = d.new.Endpoint(e.endpoint.ID), false
	}
	return &e.endpoint
}

// ownDiffers reports whether one direction alone differs; the other does not.
func (d *differ) ownDiffers(dir Direction, from, to *pairedEnd) bool {
	self, peer := from, to
	if dir == Ingress {
		self, peer = to, from
	}
	before, now := d.old.row(dir, self.old).at(peer.old), d.new.row(dir, self.new).at(peer.new)
	return !d.same([2]answerID{before, now}) || dir == Egress && to.touched[Ingress]
}

// pair returns the answer of a pair, denied where an end is missing.
func (d *differ) pair(m *mixer, from, to int32) answerID {
	if from < 0 || to < 0 {
		return denied
	}
	return m.meet(m.cell(Egress, m.signOf[Egress][from], to), m.cell(Ingress, m.signOf[Ingress][to], from))
}

// same reports whether an answer of the old graph and one of the new allow the
// same. Few pairs of answers come again and again.
func (d *differ) same(pair [2]answerID) bool {
	slot := &d.seen[(uint32(pair[0])*0x9e3779b1^uint32(pair[1])*0x85ebca6b)>>22]
	if !slot.known || slot.pair != pair {
		*slot = comparison{pair, d.compareAnswers(pair), true}
	}
	return slot.same
}

type comparison struct {
	pair        [2]answerID
	same, known bool
}

func (d *differ) compareAnswers(pair [2]answerID) bool {
	old, ok := d.ids[pair[0]]
	if !ok {
		v := d.old.verdict(pair[0])
		d.new.mu.Lock()
		old = answer{must: d.new.sets.set(v.Must), may: d.new.sets.set(v.May)}
		d.new.mu.Unlock()
		d.ids[pair[0]] = old
	}
	now := d.newMix.get(pair[1])
	return old.must == now.must && old.may == now.may
}
