package behavior

import (
	"cmp"
	"errors"
	"slices"
)

// Tier is how a sensor looks: what it can see and deny. See docs of the sensor.
type Tier string

// The tiers, the best first. The zero value says that it is not known.
const (
	TierLSM        Tier = "lsm"        // A: security hooks
	TierTracing    Tier = "tracing"    // B: BTF tracepoints and cgroup programs
	TierTracepoint Tier = "tracepoint" // C: tracepoints
)

var tiers = []Tier{TierLSM, TierTracing, TierTracepoint, ""}

// Interval is a time in which one sensor looked at one replica without a break. It is
// known by Replica, Run, Session and From; what is delivered of it later has a later
// To and no smaller figures.
type Interval struct {
	Replica string `json:"replica"`       // the pod, or the container that has none
	Run     string `json:"run,omitempty"` // of a job: the Job that a CronJob made, or the container that was started
	Session string `json:"session"`       // the sensor, since it began to run
	From    Moment `json:"from"`
	To      Moment `json:"to"`
	Tier    Tier   `json:"tier,omitempty"`
	// Kinds are those that the sensor looked for; of others nothing is known.
	Kinds KindSet `json:"kinds,omitempty"`
	// Whole says that the sensor was there before the first instruction. Ended, that the
	// replica ended within the interval: a run that ended was seen to its end.
	Whole bool `json:"whole,omitempty"`
	Ended bool `json:"ended,omitempty"`
	// Lost is how many facts the sensor could not keep. Folded is how many observations
	// [Behavior.Observe] no longer keeps one by one.
	Lost   uint64 `json:"lost,omitempty"`
	Folded uint64 `json:"folded,omitempty"`
}

func (i *Interval) compare(o *Interval) int {
	return cmp.Or(cmp.Compare(i.From, o.From), cmp.Compare(i.Replica, o.Replica), cmp.Compare(i.Run, o.Run), cmp.Compare(i.Session, o.Session))
}

// join adds what is known of the same interval.
func (i *Interval) join(o *Interval) {
	i.To = max(i.To, o.To)
	i.Tier, i.Kinds = weaker(i.Tier, o.Tier), i.Kinds&o.Kinds
	i.Whole, i.Ended = i.Whole || o.Whole, i.Ended || o.Ended
	i.Lost, i.Folded = max(i.Lost, o.Lost), max(i.Folded, o.Folded)
}

func weaker(a, b Tier) Tier { return tiers[max(slices.Index(tiers, a), slices.Index(tiers, b))] }

func (i *Interval) check() error {
	switch {
	case i.Replica == "" || i.Session == "":
		return errors.New("an interval needs a replica and a session")
	case i.To < i.From:
		return errors.New("an interval ends before it begins")
	case !slices.Contains(tiers, i.Tier):
		return errors.New("an interval's tier is not known")
	case len(i.Replica) > longest || len(i.Run) > longest || len(i.Session) > longest:
		return errors.New("a name of an interval is too long")
	}
	return nil
}

// keptIntervals is how many intervals are known one by one.
const keptIntervals = 1024

// Earlier is what is known of intervals that are not kept one by one any more.
// Nothing in it grows when they are delivered again, so figures are at least what
// it says.
type Earlier struct {
	From     Moment  `json:"from"`
	To       Moment  `json:"to"`
	Days     Days    `json:"days"`
	Replicas IDs     `json:"replicas"`
	Runs     IDs     `json:"runs,omitzero"`
	Tier     Tier    `json:"tier,omitempty"`
	Kinds    KindSet `json:"kinds,omitempty"`
	Lost     uint64  `json:"lost,omitempty"`   // the most of one interval: in all at least so many
	Folded   uint64  `json:"folded,omitempty"` // likewise
}

func (e *Earlier) check() error {
	switch {
	case e.To < e.From || e.Days.Empty() || e.Days.last != e.To.Day():
		return errors.New("from, to and days of what is earlier do not fit each other")
	case !slices.Contains(tiers, e.Tier):
		return errors.New("the tier of what is earlier is not known")
	}
	return nil
}

// Coverage is when and how well something was looked at. The 1,024 intervals that
// began last are known one by one, those before them by what [Earlier] says: the days,
// replicas and runs they covered, and the least that can have been lost in them.
type Coverage struct {
	intervals []Interval // in their order
	earlier   *Earlier
}

// Watch adds an interval, or what is new of one.
func (c *Coverage) Watch(i Interval) {
	if i.check() != nil {
		return // which covers nothing
	}
	at, found := slices.BinarySearchFunc(c.intervals, i, func(a, b Interval) int { return a.compare(&b) })
	if found {
		c.intervals[at].join(&i)
		return
	}
	c.intervals = slices.Insert(c.intervals, at, i)
	if len(c.intervals) > keptIntervals { // what was put aside before is so again
		c.putAside(&c.intervals[0])
		c.intervals = slices.Delete(c.intervals, 0, 1)
	}
}

func (c *Coverage) putAside(i *Interval) {
	e := Earlier{From: i.From, To: i.To, Replicas: IDsOf(i.Replica), Runs: IDsOf(i.Run), Tier: i.Tier, Kinds: i.Kinds, Lost: i.Lost, Folded: i.Folded}
	e.Days = daysOf(i.From, i.To)
	c.mergeEarlier(&e)
}

// daysOf are the days of a time, the last 448 at most.
func daysOf(from, to Moment) (d Days) {
	for day := max(from.Day(), to.Day()-keptDays+1); day <= to.Day(); day++ {
		d.Add(day)
	}
	return d
}

func (c *Coverage) mergeEarlier(o *Earlier) {
	if o == nil {
		return
	}
	if c.earlier == nil {
		e := *o
		e.Replicas.hashes, e.Runs.hashes = slices.Clone(o.Replicas.hashes), slices.Clone(o.Runs.hashes)
		c.earlier = &e
		return
	}
	e := c.earlier
	e.From, e.To, e.Tier, e.Kinds = min(e.From, o.From), max(e.To, o.To), weaker(e.Tier, o.Tier), e.Kinds&o.Kinds
	e.Lost, e.Folded = max(e.Lost, o.Lost), max(e.Folded, o.Folded)
	e.Days.Merge(o.Days)
	e.Replicas.Merge(o.Replicas)
	e.Runs.Merge(o.Runs)
}

// Merge adds all that another coverage covers.
func (c *Coverage) Merge(o *Coverage) {
	c.mergeEarlier(o.earlier)
	for _, i := range o.intervals {
		c.Watch(i)
	}
}

// Intervals are those that are known one by one, the first begun first. They are the
// coverage's own and not to be changed.
func (c *Coverage) Intervals() []Interval { return c.intervals }

// Earlier is what is known of intervals before those; nil when there were none.
func (c *Coverage) Earlier() *Earlier { return c.earlier }

// Empty reports whether nothing was ever looked at.
func (c *Coverage) Empty() bool { return len(c.intervals) == 0 && c.earlier == nil }

func (c *Coverage) equal(o *Coverage) bool {
	a, b := c.earlier, o.earlier
	if (a == nil) != (b == nil) || !slices.Equal(c.intervals, o.intervals) {
		return false
	}
	return a == nil || a.From == b.From && a.To == b.To && a.Days == b.Days && a.Tier == b.Tier && a.Kinds == b.Kinds && a.Lost == b.Lost && a.Folded == b.Folded &&
		a.Replicas.equal(&b.Replicas) && a.Runs.equal(&b.Runs)
}
