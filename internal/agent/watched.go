package agent

import (
	"maps"
	"slices"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// watched is what is known of one container and not written yet.
type watched struct {
	container *sensor.Container
	since     time.Time                    // when the agent came to know it
	pending   map[int32]*behavior.Behavior // by day
	execs     *behavior.Behavior           // all that came by an exec, which tells probes from people

	// Of the interval that goes on. One that goes past midnight is cut there, so that each
	// day knows its own.
	from   behavior.Moment
	whole  bool
	ended  bool
	until  behavior.Moment // when it ended
	last   behavior.Moment // of its facts
	folded uint64
	lost   uint64 // since the sensor began
	before uint64 // of that, before from
	unkept uint64 // for which the store had no room, since from

	written bool // that it ended
}

func (w *watched) did(e *sensor.Event, node string) {
	first, last := behavior.At(e.First), behavior.At(e.Last)
	if e.Again {
		first = last
	}
	if e.Fact.Kind == behavior.Execute && e.Fact.Origin == behavior.Exec {
		w.execs.Observe(e.Fact, behavior.SeenAt(last, "", ""))
	}
	for _, at := range slices.Compact([]behavior.Moment{first, last}) {
		b := w.pending[at.Day()]
		if b == nil {
			b = behavior.New(e.Container.Subject(node))
			w.pending[at.Day()] = b
		}
		w.folded += uint64(b.Observe(e.Fact, behavior.SeenAt(at, e.Container.Replica(node), "")))
	}
	w.last = max(w.last, last)
}

func (w *watched) end(lost uint64) {
	w.ended, w.lost = true, max(w.lost, lost)
	w.until = max(w.from, behavior.At(w.container.Removed), w.last)
}

// take takes what is to be written: what is pending, with how long was watched until
// now; days that ended meanwhile are closed.
func (w *watched) take(now behavior.Moment, c *sensor.Coverage, node string) map[int32]*behavior.Behavior {
	parts := w.pending
	w.pending = map[int32]*behavior.Behavior{}
	if w.ended {
		now = w.until
	}
	now = max(now, w.from)
	kinds := c.Kinds
	if w.container.Host {
		kinds &= sensor.OfHost
	}
	cover := func(to behavior.Moment, ended bool) {
		day := w.from.Day()
		if parts[day] == nil {
			parts[day] = behavior.New(w.container.Subject(node))
		}
		parts[day].Coverage.Watch(behavior.Interval{Replica: w.container.Replica(node), Session: c.Session, From: w.from, To: to, Tier: c.Tier, Kinds: kinds,
			Whole: w.whole, Ended: ended, Lost: w.lost - w.before + w.unkept, Folded: w.folded})
	}
	for w.from.Day() < now.Day() {
		midnight := behavior.Moment(w.from.Day()+1) * 86400
		cover(midnight-1, false)
		w.from, w.whole, w.before, w.unkept, w.folded = midnight, false, w.lost, 0, 0
	}
	cover(now, w.ended)
	return parts
}

// giveBack takes back what could not be written.
func (w *watched) giveBack(day int32, b *behavior.Behavior) {
	if there := w.pending[day]; there != nil && there.Merge(b) == nil {
		return
	}
	w.pending[day] = b
}

// drop counts what cannot be written any more.
func (w *watched) drop(b *behavior.Behavior) (facts uint64) {
	facts = uint64(b.Len())
	w.unkept += facts
	return facts
}

// mostEnded is of how many containers that have ended facts may wait.
const mostEnded = 4096

// forgetEnded lets go of containers that ended and could not be written, the ones that
// began first. It returns how many facts went with them.
func forgetEnded(known map[*sensor.Container]*watched) (facts uint64) {
	ended := slices.DeleteFunc(slices.Collect(maps.Values(known)), func(w *watched) bool { return !w.ended })
	if len(ended) <= mostEnded {
		return 0
	}
	slices.SortFunc(ended, func(a, b *watched) int { return a.since.Compare(b.since) })
	for _, w := range ended[:len(ended)-mostEnded] {
		for _, b := range w.pending {
			facts += uint64(b.Len())
		}
		delete(known, w.container)
	}
	return facts
}
