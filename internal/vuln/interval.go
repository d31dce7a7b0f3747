package vuln

import (
	"slices"
	"strings"
)

// EventKind is what an event of an OSV range says of its version.
type EventKind uint8

// The kinds, in the order in which they count at one version: a range that ends
// where another one begins goes on, and one may begin and end with one version.
const (
	Fixed EventKind = iota
	Introduced
	LastAffected
	Limit // nothing from here on is affected, whatever the other events say
)

// Event is an event of an OSV range.
type Event struct {
	Kind    EventKind
	Version string
}

// Intervals turns the events of a range into the intervals that they stand for, as
// the evaluation in the OSV schema does. Events may come in any order. Of several
// limits the highest one counts. One with a "*" is infinity, and one that is no
// version of the order is taken for it.
func Intervals(o Order, events []Event) []Interval {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int {
		if c := compareEvents(o, a.Version, b.Version); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
	var list []Interval
	open, from := false, ""
	if len(sorted) == 2 && sorted[0].Kind == Fixed && sorted[1].Kind == Introduced && compareEvents(o, sorted[0].Version, sorted[1].Version) == 0 {
		return nil // mended before anything had it
	}
	for _, e := range sorted {
		switch {
		case e.Kind == Introduced && !open:
			open, from = true, e.Version
		case (e.Kind == Fixed || e.Kind == LastAffected) && open:
			list = append(list, Interval{From: from, To: e.Version, Last: e.Kind == LastAffected})
			open = false
		}
	}
	if open {
		list = append(list, Interval{From: from})
	}
	if limit := highestLimit(o, events); limit != "" {
		list = below(o, list, limit)
	}
	return list
}

// highestLimit returns the version before which a range ends, "" when it has none.
func highestLimit(o Order, events []Event) (limit string) {
	for _, e := range events {
		switch {
		case e.Kind != Limit:
		case strings.Contains(e.Version, "*") || !o.Valid(e.Version):
			return ""
		case limit == "" || compareEvents(o, limit, e.Version) < 0:
			limit = e.Version
		}
	}
	return limit
}

// below cuts intervals off at a version.
func below(o Order, list []Interval, limit string) []Interval {
	list = slices.DeleteFunc(list, func(i Interval) bool { return compareEvents(o, i.From, limit) >= 0 })
	for k := range list {
		i := &list[k]
		if c := compareEvents(o, i.To, limit); i.To == "" || c > 0 || c == 0 && i.Last {
			*i = Interval{From: i.From, To: limit, Limit: true}
		}
	}
	return list
}

// compareEvents orders versions of events; "0" is the beginning.
func compareEvents(o Order, a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "0":
		return -1
	case b == "0":
		return 1
	}
	return o.Compare(a, b)
}

// Holds says whether a version lies in the interval.
func (i *Interval) Holds(o Order, version string) bool {
	if i.From != "" && i.From != "0" && o.Compare(version, i.From) < 0 {
		return false
	}
	if i.To == "" {
		return true
	}
	c := o.Compare(version, i.To)
	return c < 0 || i.Last && c == 0
}

// standing is how a version stands to a statement.
type standing uint8

const (
	outside standing = iota
	inside
	unclear // the version is none of the ecosystem, or the feed has not decided
)

// stands says whether a statement is about a version, and which version mends it:
// "" when none is known. Where several ranges hold the version, the last one that
// ends counts.
func (a *Affected) stands(o Order, version string) (s standing, fix string) {
	if a.Verdict == NotAffected {
		return outside, ""
	}
	if s, fix = a.holds(o, version); s == outside && a.Verdict == Undecided {
		s = unclear // it may be among those that were not understood
	}
	return s, fix
}

// holds is stands by versions and ranges alone.
func (a *Affected) holds(o Order, version string) (s standing, fix string) {
	if version == "" { // not known
		if always(a.Intervals) {
			return inside, ""
		}
		return unclear, ""
	}
	for _, v := range a.Versions {
		if v == version || o != NoOrder && o.Compare(v, version) == 0 {
			s = inside
			break
		}
	}
	if len(a.Intervals) > 0 && !o.Valid(version) {
		if s == outside && !always(a.Intervals) {
			return unclear, ""
		}
		return inside, ""
	}
	endless := false
	for k := range a.Intervals {
		i := &a.Intervals[k]
		if !i.Holds(o, version) {
			continue
		}
		s = inside
		switch {
		case i.fix() == "":
			endless = true
		case fix == "" || o.Compare(fix, i.To) < 0:
			fix = i.To
		}
	}
	if endless {
		fix = ""
	}
	return s, fix
}

// FixAfter returns the lowest version above one that the statement calls fixed and does
// not call affected: "" when there is none.
func (a *Affected) FixAfter(o Order, version string) (fix string) {
	for k := range a.Intervals {
		to := a.Intervals[k].fix()
		if !o.Valid(to) || o.Compare(to, version) <= 0 || fix != "" && o.Compare(to, fix) >= 0 {
			continue
		}
		if s, _ := a.stands(o, to); s == outside {
			fix = to
		}
	}
	return fix
}

// always says whether one of the intervals holds every version.
func always(list []Interval) bool {
	return slices.ContainsFunc(list, func(i Interval) bool { return i.To == "" && (i.From == "" || i.From == "0") })
}
