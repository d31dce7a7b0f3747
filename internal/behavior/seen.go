package behavior

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Moment is a time, in seconds since 1970. 0 stands for none.
type Moment int64

// At is the moment of a time.
func At(t time.Time) Moment { return Moment(t.Unix()) }

// Time is the time of a moment, in UTC.
func (m Moment) Time() time.Time { return time.Unix(int64(m), 0).UTC() }

// Day is the number of its day since 1970, in UTC.
func (m Moment) Day() int32 { return int32((m - (m%86400+86400)%86400) / 86400) }

// MarshalText writes a moment in RFC 3339.
func (m Moment) MarshalText() ([]byte, error) { return m.Time().AppendFormat(nil, time.RFC3339), nil }

// UnmarshalText reads one of the years from 1970 to 9999.
func (m *Moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil || t.Unix() < 0 || t.Year() > 9999 {
		return fmt.Errorf("%.40q is not a time such as 2026-11-23T08:00:00Z", text)
	}
	*m = At(t)
	return nil
}

// keptDays is how many days are remembered, up to the last one.
const keptDays = 448

// Days is a set of days in UTC: the last 448 up to the last one that is in it.
// What is older is forgotten, which no order of merging changes.
type Days struct {
	last int32 // the day of bit 0; bit i is i days before
	bits [keptDays / 64]uint64
}

// Add adds a day, by its number since 1970.
func (d *Days) Add(day int32) { d.Merge(Days{last: day, bits: [keptDays / 64]uint64{1}}) }

// Merge adds the days of another set.
func (d *Days) Merge(o Days) {
	if o.Empty() {
		return
	}
	if d.Empty() || d.last < o.last {
		*d, o = o, *d
	}
	gap := int64(d.last) - int64(o.last)
	if o.Empty() || gap >= keptDays {
		return
	}
	words, shift := int(gap/64), uint(gap%64)
	for i := words; i < len(d.bits); i++ {
		d.bits[i] |= o.bits[i-words] << shift
		if shift > 0 && i > words {
			d.bits[i] |= o.bits[i-words-1] >> (64 - shift)
		}
	}
}

// Empty reports whether there is no day.
func (d *Days) Empty() bool { return d.bits[0]&1 == 0 }

// Len is the number of days.
func (d *Days) Len() (n int) {
	for _, word := range d.bits {
		n += bits.OnesCount64(word)
	}
	return n
}

// All gives the days by their numbers, the earliest first.
func (d *Days) All() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for i := keptDays - 1; i >= 0; i-- {
			if d.bits[i/64]>>(i%64)&1 != 0 && !yield(d.last-int32(i)) {
				return
			}
		}
	}
}

// MarshalText writes days and ranges of days: 2026-11-01..2026-11-14,2026-11-20.
func (d Days) MarshalText() ([]byte, error) {
	var parts []string
	var from, to int32
	open := false
	flush := func() {
		if open {
			text := dayText(from)
			if to > from {
				text += ".." + dayText(to)
			}
			parts = append(parts, text)
		}
	}
	for day := range d.All() {
		if open && day == to+1 {
			to = day
			continue
		}
		flush()
		from, to, open = day, day, true
	}
	flush()
	return []byte(strings.Join(parts, ",")), nil
}

func dayText(day int32) string { return (Moment(day) * 86400).Time().Format(time.DateOnly) }

// UnmarshalText reads what MarshalText wrote.
func (d *Days) UnmarshalText(text []byte) error {
	*d = Days{}
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		first, last, ranged := strings.Cut(part, "..")
		if !ranged {
			last = first
		}
		from, err := parseDay(first)
		if err != nil {
			return err
		}
		to, err := parseDay(last)
		if err != nil {
			return err
		}
		if to < from || to-from >= keptDays {
			return fmt.Errorf("%q is not a range of at most %d days", part, keptDays)
		}
		for day := from; day <= to; day++ {
			d.Add(day)
		}
	}
	return nil
}

func parseDay(s string) (int32, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 {
		return 0, fmt.Errorf("%.40q is not a day such as 2026-11-23", s)
	}
	return At(t).Day(), nil
}

// keptIDs is up to how many replicas or runs are known one by one.
const keptIDs = 32

// IDs is a set of replicas or runs, by hashes of their names. Up to 32 are known
// exactly; of more, the 32 smallest hashes, which are the same in whichever order
// they came.
type IDs struct {
	hashes []uint64 // sorted
	more   bool
}

// ID is the hash of a name.
func ID(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:])
}

// IDsOf is the set of some names. An empty one is none.
func IDsOf(names ...string) IDs {
	var s IDs
	for _, name := range names {
		if name != "" {
			s.Merge(IDs{hashes: []uint64{ID(name)}})
		}
	}
	return s
}

// Merge adds the IDs of another set.
func (s *IDs) Merge(o IDs) {
	all := s.hashes
	for _, id := range o.hashes {
		if i, found := slices.BinarySearch(all, id); !found {
			all = slices.Insert(slices.Clip(all), i, id)
		}
	}
	s.more = s.more || o.more || len(all) > keptIDs
	s.hashes = all[:min(len(all), keptIDs)]
}

// Len is the number of IDs, and whether it is exact: else there are at least so many.
func (s *IDs) Len() (n int, exact bool) { return len(s.hashes), !s.more }

// Has reports whether a name is in the set, as far as that is known.
func (s *IDs) Has(name string) (has, known bool) {
	_, has = slices.BinarySearch(s.hashes, ID(name))
	return has, has || !s.more
}

// MarshalText writes the hashes, and + when there are more.
func (s IDs) MarshalText() ([]byte, error) {
	var parts []string
	for _, id := range s.hashes {
		parts = append(parts, fmt.Sprintf("%016x", id))
	}
	if s.more {
		parts = append(parts, "+")
	}
	return []byte(strings.Join(parts, ",")), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *IDs) UnmarshalText(text []byte) error {
	*s = IDs{}
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		if part == "+" {
			s.more = true
			continue
		}
		id, err := strconv.ParseUint(part, 16, 64)
		if err != nil || len(part) != 16 {
			return fmt.Errorf("%.40q is not the hash of a name", part)
		}
		s.Merge(IDs{hashes: []uint64{id}})
	}
	return nil
}

// Seen is when and where a fact was seen.
type Seen struct {
	First    Moment `json:"first"`
	Last     Moment `json:"last"`
	Days     Days   `json:"days"`
	Replicas IDs    `json:"replicas"`
	Runs     IDs    `json:"runs,omitzero"` // of jobs
}

// SeenAt is one sighting, in a replica (a pod, or a container that has none) and, of
// a job, in a run.
func SeenAt(at Moment, replica, run string) Seen {
	s := Seen{First: at, Last: at, Replicas: IDsOf(replica), Runs: IDsOf(run)}
	s.Days.Add(at.Day())
	return s
}

func (s *Seen) join(o *Seen) {
	s.First, s.Last = min(s.First, o.First), max(s.Last, o.Last)
	s.Days.Merge(o.Days)
	s.Replicas.Merge(o.Replicas)
	s.Runs.Merge(o.Runs)
}

func (s *Seen) clone() Seen {
	c := *s
	c.Replicas.hashes, c.Runs.hashes = slices.Clone(s.Replicas.hashes), slices.Clone(s.Runs.hashes)
	return c
}

func (s *Seen) equal(o *Seen) bool {
	return s.First == o.First && s.Last == o.Last && s.Days == o.Days && s.Replicas.equal(&o.Replicas) && s.Runs.equal(&o.Runs)
}

func (s *IDs) equal(o *IDs) bool { return s.more == o.more && slices.Equal(s.hashes, o.hashes) }

// IsZero reports whether the set is empty.
func (s IDs) IsZero() bool { return len(s.hashes) == 0 && !s.more }

// Check says what is wrong with what was read.
func (s *Seen) Check() error {
	if s.Last < s.First || s.Days.Empty() || s.Days.last != s.Last.Day() {
		return fmt.Errorf("first, last and days do not fit each other")
	}
	return nil
}
