package behavior

import "maps"

// A store keeps facts and weights, and need not load a whole behavior to add to it: of
// each fact that is told it loads what [Fact.Near] names, and observes the fact in
// that part. As long as no new fold comes of it, what changes in the part is what
// would change in the whole.

// Near gives the facts that decide what becomes of a fact that is observed: first
// itself, then those that it may fold into.
func (f Fact) Near() []Fact {
	_, wider := f.folds()
	near := []Fact{f}
	for _, w := range wider {
		near = append(near, w.fact)
	}
	return near
}

// Keep puts a fact in a part as it was kept, without anything coming of it.
func (b *Behavior) Keep(f Fact, s Seen) { b.facts[f] = &s }

// Weights says how many facts there are below each that facts may fold into.
func (b *Behavior) Weights() map[Fact]int { return maps.Clone(b.weight) }

// SetWeights says it of a part.
func (b *Behavior) SetWeights(weights map[Fact]int) { b.weight = maps.Clone(weights) }
