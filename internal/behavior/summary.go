package behavior

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Summary says how much was seen of a workload's container, over all its images.
type Summary struct {
	From, To Moment // the first and the last time that a sensor looked; 0 when none ever did
	Days     Days
	Replicas int
	Runs     int // of a job, those that were seen to their end
	// Exact is false when there may be more replicas and runs, and more that was lost,
	// than is said.
	Exact  bool
	Whole  int    // replicas that were watched from their first instruction
	Unseen Moment // seconds between From and To in which no replica was watched
	Tier   Tier   // the weakest
	// Kinds are those that were looked for all the time; 0 when it is not known.
	Kinds   KindSet
	Lost    uint64
	Folded  uint64
	Wanted  int // replicas there should be; 0 when that is not known
	jobs    bool
	runEnds []Moment // when each run ended, in the order of their ends
}

// Summary says how much was seen of one image of a container.
func (b *Behavior) Summary() Summary { return summarize(b.Subject.Jobs(), 0, &b.Coverage) }

// summarize adds up coverages.
func summarize(jobs bool, wanted int, all ...*Coverage) Summary {
	s := Summary{Exact: true, Wanted: wanted, jobs: jobs, Tier: TierLSM, Kinds: ^KindSet(0)}
	replicas, runs, ended, whole := map[string]bool{}, map[string]Moment{}, map[string]bool{}, map[string]bool{}
	var older, olderRuns IDs
	var times []Interval
	last := Moment(math.MinInt64)
	for _, c := range all {
		for _, i := range c.intervals {
			last = max(last, i.From)
		}
	}
	for _, c := range all {
		if e := c.earlier; e != nil {
			times = append(times, Interval{From: e.From, To: e.To})
			s.Days.Merge(e.Days)
			s.Kinds &= e.Kinds
			s.Exact, s.Tier, s.Lost, s.Folded = false, weaker(s.Tier, e.Tier), s.Lost+e.Lost, s.Folded+e.Folded
			older.Merge(e.Replicas)
			olderRuns.Merge(e.Runs)
		}
		for _, i := range c.intervals {
			times = append(times, i)
			s.Days.Merge(daysOf(i.From, i.To))
			s.Kinds &= i.Kinds
			s.Tier, s.Lost, s.Folded = weaker(s.Tier, i.Tier), s.Lost+i.Lost, s.Folded+i.Folded
			replicas[i.Replica] = true
			whole[i.Replica] = whole[i.Replica] || i.Whole
			if i.Run != "" {
				runs[i.Run] = max(runs[i.Run], i.To)
				ended[i.Run] = ended[i.Run] || i.Ended
			}
		}
	}
	for run, end := range runs {
		if ended[run] || end < last { // it did not run any more when another began
			s.runEnds = append(s.runEnds, end)
		}
	}
	slices.Sort(s.runEnds)
	s.Replicas, s.Runs = len(replicas)+unknownOf(older, replicas), len(s.runEnds)+unknownOf(olderRuns, runs)
	for _, is := range whole {
		if is {
			s.Whole++
		}
	}
	s.span(times)
	return s
}

// unknownOf counts those of a set that are not among some names.
func unknownOf[V any](s IDs, names map[string]V) int {
	n, _ := s.Len()
	for name := range names {
		if has, _ := s.Has(name); has {
			n--
		}
	}
	return n
}

// span says from when to when was watched, and for how long not.
func (s *Summary) span(times []Interval) {
	if len(times) == 0 {
		s.Tier, s.Kinds = "", 0
		return
	}
	slices.SortFunc(times, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	s.From, s.To = times[0].From, times[0].To
	for _, i := range times {
		if i.From > s.To {
			s.Unseen += i.From - s.To
		}
		s.To = max(s.To, i.To)
	}
}

// Words says how much was seen, as in "14 of 14 days, 6 of 6 replicas, nothing lost".
func (s *Summary) Words() string {
	if s.From == 0 && s.Days.Empty() {
		return "nothing was watched"
	}
	most := ""
	if !s.Exact {
		most = "at least "
	}
	days := fmt.Sprintf("%d of %s", s.Days.Len(), counted(int(s.To.Day()-s.From.Day())+1, "day"))
	var parts []string
	if s.jobs {
		parts = append(parts, most+counted(s.Runs, "run"), days)
	} else {
		parts = append(parts, days, most+s.replicaWords())
	}
	if s.Whole < s.Replicas && s.Exact {
		parts = append(parts, fmt.Sprintf("%d from the start", s.Whole))
	}
	if !s.jobs && s.Unseen >= 60 {
		parts = append(parts, Duration(s.Unseen)+" not watched in between")
	}
	if s.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%s%d lost", most, s.Lost))
	} else {
		parts = append(parts, "nothing lost")
	}
	if s.Folded > 0 {
		parts = append(parts, fmt.Sprintf("%s%d not kept apart", most, s.Folded))
	}
	return strings.Join(parts, ", ")
}

func (s *Summary) replicaWords() string {
	switch {
	case s.Wanted == 0:
		return counted(s.Replicas, "replica")
	case s.Replicas > s.Wanted:
		return fmt.Sprintf("%s in the course of time for %d", counted(s.Replicas, "replica"), s.Wanted)
	}
	return fmt.Sprintf("%d of %s", s.Replicas, counted(s.Wanted, "replica"))
}

// Duration writes a time in seconds for people.
func Duration(m Moment) string {
	switch {
	case m < 120:
		return fmt.Sprintf("%d s", m)
	case m < 2*60*60:
		return fmt.Sprintf("%d min", m/60)
	case m < 48*60*60:
		return fmt.Sprintf("%d h", m/3600)
	}
	return fmt.Sprintf("%d days", m/86400)
}

// Enough says how much must be seen before what was seen is expected.
type Enough struct {
	Days int // on which a workload was watched
	Runs int // of a job
}

// DefaultEnough is a week, and three runs of a job.
var DefaultEnough = Enough{Days: 7, Runs: 3}

// learned says until when there was too little. Where there still is, lacking says
// what.
func (s *Summary) learned(e Enough) (until Moment, lacking string) {
	if s.jobs {
		switch early := s.Runs - len(s.runEnds); { // of which it is not known any more when they ended
		case s.Runs < e.Runs:
			return 0, fmt.Sprintf("too little seen: %s, and %d are needed", counted(s.Runs, "run"), e.Runs)
		case early >= e.Runs || e.Runs == 0:
			return s.From, ""
		default:
			return s.runEnds[e.Runs-early-1], ""
		}
	}
	n := 0
	for day := range s.Days.All() {
		if n++; n >= e.Days {
			return (Moment(day)+1)*86400 - 1, ""
		}
	}
	if n == 0 {
		return 0, "nothing was watched"
	}
	return 0, fmt.Sprintf("too little seen: %s, and %d are needed", counted(n, "day"), e.Days)
}
