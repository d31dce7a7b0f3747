//go:build amd64 || arm64

package sensor

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"ullage.dev/ullage/internal/behavior"
)

// reader turns what the kernel keeps into events. It knows what it has told.
type reader struct {
	sensor *Sensor
	seed   [2]uint64
	told   map[kernelKey]int32 // the day on which it was last seen, as it was told
	groups *groups
	names  *names
	host   *group // what runs outside of containers, and what runtimes do
	handle func(Event)
	// Containers that were there before the sensor, until they are told.
	inherited []*Container

	mu   sync.Mutex
	lost Losses // of groups that are gone
}

func newReader(s *Sensor, seed [2]uint64) *reader {
	return &reader{sensor: s, seed: seed, told: map[kernelKey]int32{}, groups: newGroups(s), names: newNames(), host: &group{facts: map[behavior.Fact]int32{}}}
}

// losses are those of all control groups, with those that are gone.
func (r *reader) losses() (Losses, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.lost
	err := each(r.sensor.maps.Groups, func(_ *uint64, g *kernelGroup) {
		lost := lossesOf(g)
		sum.add(&lost)
	})
	return sum, err
}

// Run tells what is new until the context ends; then it looks a last time, and
// returns nil. Events come one at a time.
func (s *Sensor) Run(ctx context.Context, handle func(Event)) error {
	r := s.reader
	r.handle = handle
	for _, c := range r.inherited {
		r.began(c)
	}
	r.inherited = nil
	hints, err := ringbuf.NewReader(s.maps.Hints)
	if err != nil {
		return err
	}
	alerts, err := ringbuf.NewReader(s.maps.Alerts)
	if err != nil {
		return errors.Join(err, hints.Close())
	}
	keys, raised := make(chan kernelKey, 64), make(chan kernelAlert, 16)
	both, read := new(sync.WaitGroup), make(chan struct{})
	both.Go(func() { forward(hints, keys) })
	both.Go(func() { forward(alerts, raised) })
	go func() {
		both.Wait()
		close(read)
	}()
	err = errors.Join(r.loop(ctx, keys, raised), hints.Flush(), alerts.Flush())
	r.drain(keys, raised, read)
	return errors.Join(err, r.walk(), hints.Close(), alerts.Close())
}

// drain takes what rings held when they were flushed, until they were read.
func (r *reader) drain(keys <-chan kernelKey, raised <-chan kernelAlert, read <-chan struct{}) {
	for {
		select {
		case <-keys: // the walk finds each
		case a := <-raised:
			r.alert(&a)
		case <-read:
			for len(raised) > 0 {
				a := <-raised
				r.alert(&a)
			}
			return
		}
	}
}

// forward gives what a ring holds to a channel, until the ring was flushed.
func forward[T any](ring *ringbuf.Reader, to chan<- T) {
	var record ringbuf.Record
	for ring.ReadInto(&record) == nil {
		var value T
		if _, err := binary.Decode(record.RawSample, binary.NativeEndian, &value); err == nil {
			to <- value
		}
	}
}

func (r *reader) loop(ctx context.Context, keys <-chan kernelKey, raised <-chan kernelAlert) error {
	tick := time.NewTicker(r.sensor.options.Interval)
	defer tick.Stop()
	if err := r.walk(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			if err := r.hinted(key); err != nil {
				return err
			}
		case a := <-raised:
			r.alert(&a)
		case <-tick.C:
			if err := r.walk(); err != nil {
				return err
			}
		}
	}
}

// hinted tells the fact of one key.
func (r *reader) hinted(key kernelKey) error {
	if _, told := r.told[key]; told {
		return nil
	}
	var err error
	switch key.Kind {
	case kindGroup:
		r.owner(key.Cgroup, false, false) // while its bundle is there to be read
		if path, _ := r.groups.where(key.Cgroup); path != "" {
			err = r.sensor.assign(key.Cgroup, path, r.groups.containerOf(key.Cgroup))
		}
	case kindExec:
		err = hintedIn(r.sensor.maps.Execs, key, r.exec)
	case kindSyscall, kindCapability:
		err = hintedIn(r.sensor.maps.Calls, key, r.call)
	case kindAct:
		err = hintedIn(r.sensor.maps.Acts, key, r.act)
	case kindFile:
		err = hintedIn(r.sensor.maps.Files, key, r.file)
	case kindResolve:
		err = hintedIn(r.sensor.maps.Questions, key, r.question)
	default:
		err = hintedIn(r.sensor.maps.Flows, key, r.flow)
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil // its group is gone, and it was told
	}
	return err
}

// hintedIn tells the fact of a key that is in a map.
func hintedIn[V any](m *ebpf.Map, key kernelKey, tell func(kernelKey, *V)) error {
	var v V
	err := m.Lookup(&key, &v)
	if err == nil {
		tell(key, &v)
	}
	return err
}

// walk tells each fact that was not told, and lets go of groups that are gone.
func (r *reader) walk() error {
	gone, err := r.groups.gone()
	if err != nil {
		return err
	}
	r.names.forgetUnknown()
	m := &r.sensor.maps
	// Programs come first, so that others know their names.
	err = errors.Join(
		untold(r, m.Execs, func(e *kernelExec) (uint64, uint64) { return e.First, e.Last }, r.exec),
		untold(r, m.Flows, func(f *kernelFlow) (uint64, uint64) { return f.First, f.Last }, r.flow),
		untold(r, m.Calls, func(c *kernelCall) (uint64, uint64) { return c.First, c.Last }, r.call),
		untold(r, m.Acts, func(a *kernelAct) (uint64, uint64) { return a.First, a.Last }, r.act),
		untold(r, m.Files, func(f *kernelTouch) (uint64, uint64) { return f.First, f.Last }, r.file),
		untold(r, m.Questions, func(q *kernelQuestion) (uint64, uint64) { return q.First, q.Last }, r.question),
	)
	if err != nil || len(gone) == 0 {
		return err
	}
	return r.end(gone)
}

// untold tells the facts of a map that were not told, or not of a later day, in the
// order in which they came.
func untold[V any](r *reader, m *ebpf.Map, times func(*V) (first, last uint64), tell func(kernelKey, *V)) error {
	type fact struct {
		key   kernelKey
		first uint64
		value V
	}
	var list []fact
	err := each(m, func(key *kernelKey, v *V) {
		first, last := times(v)
		if day, told := r.told[*key]; told && day >= r.day(last) {
			return
		}
		if e, ok := any(v).(*kernelExec); ok {
			r.name(key, e) // which others of the list need
		}
		list = append(list, fact{*key, first, *v})
	})
	slices.SortFunc(list, func(a, b fact) int { return cmp.Compare(a.first, b.first) })
	for i := range list {
		tell(list[i].key, &list[i].value)
	}
	return err
}

// day is the number of the day of a time of the kernel's.
func (r *reader) day(ns uint64) int32 { return behavior.At(r.sensor.wall(ns)).Day() }

// name remembers what program an execution is of.
func (r *reader) name(key *kernelKey, e *kernelExec) {
	r.names.add(key.Cgroup, e.Program, behavior.File{Path: programPath(e), Layer: layerOf(e.Origin)})
}

// resolve learns of a program whose execution was not told yet: the ring was full
// when it came.
func (r *reader) resolve(hash [2]uint64) {
	if hash == [2]uint64{} || r.names.known(hash) {
		return
	}
	// What is not found has found no room, or is older than the sensor. It is not
	// looked for until the next walk.
	r.names.paths[hash] = ""
	_ = each(r.sensor.maps.Execs, r.name) // an error comes again with the next walk
}

// batch is how many entries of a map are read at once.
const batch = 256

// each reads a map, bucket by bucket: entries that come meanwhile do not hide those
// that are there.
func each[K, V any](m *ebpf.Map, do func(*K, *V)) error {
	keys, values := make([]K, batch), make([]V, batch)
	var at ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&at, keys, values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("read what the kernel kept: %w", err)
		}
		for i := range n {
			do(&keys[i], &values[i])
		}
		if err != nil {
			return nil
		}
	}
}

// mapOf is where facts of a kind are kept.
func (r *reader) mapOf(kind uint32) *ebpf.Map {
	switch kind {
	case kindExec:
		return r.sensor.maps.Execs
	case kindSyscall, kindCapability:
		return r.sensor.maps.Calls
	case kindAct:
		return r.sensor.maps.Acts
	case kindFile:
		return r.sensor.maps.Files
	case kindResolve:
		return r.sensor.maps.Questions
	}
	return r.sensor.maps.Flows
}

// end lets go of a control group that is gone and whose facts were told.
func (r *reader) end(ids map[uint64]bool) error {
	for key := range r.told {
		if !ids[key.Cgroup] {
			continue
		}
		if err := r.mapOf(key.Kind).Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		delete(r.told, key)
	}
	var listening []kernelListener
	if err := each(r.sensor.maps.Listeners, func(l *kernelListener, _ *kernelProcess) {
		if ids[l.Cgroup] {
			listening = append(listening, *l)
		}
	}); err != nil {
		return err
	}
	for _, l := range listening {
		_ = r.sensor.maps.Listeners.Delete(&l) // who is gone already is no matter
	}
	for id := range ids {
		var g kernelGroup
		if err := r.sensor.maps.Groups.Lookup(id, &g); err != nil {
			continue
		}
		lost := lossesOf(&g)
		r.mu.Lock() // so that Coverage counts them once
		err := r.sensor.maps.Groups.Delete(id)
		if err == nil {
			r.lost.add(&lost)
			r.sensor.loseForever(&g)
		}
		r.mu.Unlock()
		if err := errors.Join(err, absent(r.sensor.maps.Members.Delete(id))); err != nil {
			return err
		}
		r.names.forget(id)
		if c, sum := r.groups.end(id, &lost); c != nil {
			c.Removed = r.sensor.wall(g.Removed)
			r.handle(Event{Kind: Ended, At: c.Removed, Container: c, Lost: sum})
		}
	}
	return nil
}
