package image

import "sync"

// budget bounds the bytes that layers hold while they are read and wait to be
// merged. Who wants more than is left waits, except the lowest layer that is not
// merged yet: the others wait for it, so it must get on.
type budget struct {
	mu     sync.Mutex
	change sync.Cond
	left   int64
	lowest int
	over   bool // nobody waits any more
}

func newBudget(bytes int64) *budget {
	b := &budget{left: bytes}
	b.change.L = &b.mu
	return b
}

func (b *budget) take(layer int, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n > b.left && layer > b.lowest && !b.over {
		b.change.Wait()
	}
	b.left -= n
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	b.change.Broadcast()
}

// merged says that layers below the given one hold nothing any more.
func (b *budget) merged(lowest int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lowest = lowest
	b.change.Broadcast()
}

// end lets all go on, to notice that it is over.
func (b *budget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.change.Broadcast()
}
