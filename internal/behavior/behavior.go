// Package behavior holds what containers were seen to do, and how long they were
// looked at.
//
// A sensor makes an [Observation] of what it saw and normalizes it: a [Fact], a
// comparable key without anything that changes from run to run, and without
// secrets. A [Behavior] is the set of facts of one [Subject]: a container of a
// workload with one image. Beside each fact it says on which days, in which
// replicas and runs, and first and last when it was [Seen]; beside all of them,
// the [Coverage], when and how well a sensor looked. A sensor writes:
//
//	b := behavior.New(subject)
//	session.Folded += uint64(b.Observe(observation.Fact(), behavior.SeenAt(at, replica, run)))
//	b.Coverage.Watch(session)     // again and again, with a later end
//
// Nothing counts how often something was done, so behaviors merge: [Behavior.Merge]
// is commutative, associative and idempotent. Whatever is delivered twice, late or
// in another order changes nothing, and observers of one workload converge.
//
// A behavior is bounded. Where one program does more different things of a kind
// than are kept apart, they fold into one fact that has [Many] in the place of what
// differs (see fold.go for the bounds), so that what makes names without end takes
// a few facts and not the memory. What folded is no longer known one by one, and
// the coverage says of how many observations that is true.
//
// The package is pure: no clock, no file, no socket. Nothing in it is safe for
// concurrent use.
package behavior

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Subject is what a behavior is of.
type Subject struct {
	Cluster   string `json:"cluster,omitempty"` // "" outside of Kubernetes
	Namespace string `json:"namespace,omitempty"`
	// Kind and Name are those of the workload: a Deployment's, not its pod's. A
	// container that no orchestrator started has the kind [KindContainer], what runs
	// on a node outside of containers [KindHost].
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Image     string `json:"image,omitempty"` // its digest, "" when it is not known
	// Epoch begins anew what is known: behaviors of different epochs do not merge.
	Epoch uint32 `json:"epoch,omitempty"`
}

// Kinds of subjects that are none of Kubernetes.
const (
	KindContainer = "Container"
	KindHost      = "Host"
)

// Workload writes the workload as other commands name it: Kind/namespace/name.
func (s *Subject) Workload() string {
	if s.Namespace == "" {
		return s.Kind + "/" + s.Name
	}
	return s.Kind + "/" + s.Namespace + "/" + s.Name
}

// String writes the subject for people.
func (s *Subject) String() string {
	text := s.Workload()
	if s.Container != "" {
		text += " container " + s.Container
	}
	if s.Image != "" {
		text += " image " + s.Image
	}
	return text
}

// Jobs reports whether the subject runs to an end, so that it is known by its runs
// and not by days.
func (s *Subject) Jobs() bool { return s.Kind == "CronJob" || s.Kind == "Job" }

// Behavior is what a subject was seen to do. Make one with [New].
type Behavior struct {
	Subject  Subject
	Coverage Coverage

	facts  map[Fact]*Seen
	weight map[Fact]int // of what folds: how many facts there are below, up to one more than its bound
}

// New makes a behavior that knows nothing.
func New(s Subject) *Behavior {
	return &Behavior{Subject: s, facts: map[Fact]*Seen{}, weight: map[Fact]int{}}
}

// Len is the number of facts.
func (b *Behavior) Len() int { return len(b.facts) }

// Facts gives the facts in their order, which is the same for equal behaviors. What
// it gives is the behavior's own and not to be changed.
func (b *Behavior) Facts() iter.Seq2[Fact, *Seen] {
	return func(yield func(Fact, *Seen) bool) {
		for _, f := range slices.SortedFunc(maps.Keys(b.facts), Fact.Compare) {
			if !yield(f, b.facts[f]) {
				return
			}
		}
	}
}

// Seen returns when a fact was seen; nil when it was not, or only folded.
func (b *Behavior) Seen(f Fact) *Seen { return b.facts[f] }

// Observe adds a fact, and returns how many observations are no longer known one by
// one because of it: 0 mostly, 1 when the fact folds into one that is there, and all
// that fold with it when it is the one too many. When each fact is observed once,
// the sum is exactly the number of facts that folded.
func (b *Behavior) Observe(f Fact, s Seen) (folded int) {
	if known := b.facts[f]; known != nil {
		known.join(&s)
		return 0
	}
	own, wider := f.folds()
	if into, ok := b.foldedInto(wider); ok {
		b.join(into, &s)
		return 1
	}
	b.join(f, &s)
	return b.grow(f, own, wider)
}

func (b *Behavior) join(f Fact, s *Seen) {
	if known := b.facts[f]; known != nil {
		known.join(s)
		return
	}
	own := s.clone()
	b.facts[f] = &own
}

// Merge adds all that another behavior of the same subject knows, which stays as it
// is.
func (b *Behavior) Merge(o *Behavior) error {
	if b.Subject != o.Subject {
		return fmt.Errorf("behaviors of different subjects: %s and %s", &b.Subject, &o.Subject)
	}
	for f, s := range o.facts {
		b.Observe(f, *s)
	}
	b.Coverage.Merge(&o.Coverage)
	return nil
}

// Clone copies a behavior.
func (b *Behavior) Clone() *Behavior {
	c := New(b.Subject)
	c.weight = maps.Clone(b.weight)
	for f, s := range b.facts {
		own := s.clone()
		c.facts[f] = &own
	}
	c.Coverage.Merge(&b.Coverage)
	return c
}

// Equal reports whether two behaviors know the same.
func (b *Behavior) Equal(o *Behavior) bool {
	return b.Subject == o.Subject && maps.EqualFunc(b.facts, o.facts, func(a, b *Seen) bool { return a.equal(b) }) && b.Coverage.equal(&o.Coverage)
}
