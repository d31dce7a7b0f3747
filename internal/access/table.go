package access

// table numbers 64-bit hashes from 0 in the order in which they come. It is a
// hash table that trusts its keys to be random, which costs a third of what a
// map of Go does.
type table struct {
	keys  []uint64
	slots []int32 // id plus one, 0 where free; at least twice as many as keys
}

func newTable(size int) table {
	slots := 16
	for slots < 2*size {
		slots *= 2
	}
	return table{make([]uint64, 0, size), make([]int32, slots)}
}

// get returns the number of a key, or none.
func (t *table) get(key uint64) int32 {
	if len(t.slots) == 0 {
		return none
	}
	return t.slots[t.slot(key)] - 1
}

// slot returns the slot that holds a key, or the free one that it belongs into.
func (t *table) slot(key uint64) int {
	mask := len(t.slots) - 1
	i := int(key) & mask
	for ; t.slots[i] != 0 && t.keys[t.slots[i]-1] != key; i = (i + 1) & mask {
	}
	return i
}

// add returns the number of a key, and whether it is new.
func (t *table) add(key uint64) (id int32, added bool) {
	if 2*len(t.keys) >= len(t.slots) {
		t.grow()
	}
	i := t.slot(key)
	if t.slots[i] != 0 {
		return t.slots[i] - 1, false
	}
	t.keys = append(t.keys, key)
	t.slots[i] = int32(len(t.keys))
	return int32(len(t.keys)) - 1, true
}

func (t *table) grow() {
	t.slots = make([]int32, max(16, 2*len(t.slots)))
	for id, key := range t.keys {
		t.slots[t.slot(key)] = int32(id) + 1
	}
}
