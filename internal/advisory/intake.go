package advisory

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// KEV is the feed of vulnerabilities that are known to be exploited, and EPSS that of how
// likely they are to be.
const (
	KEV  = "kev"
	EPSS = "epss"
)

// The feeds that are joined to ids instead of being advisories.
const (
	feedKEV  = KEV
	feedEPSS = EPSS
)

// Limits of what a feed may hold.
const (
	maxRecord   = 16 << 20 // bytes of one record
	maxProblems = 20       // that are told; all are counted
	maxSummary  = 240
	maxLost     = 100_000 // ids that are remembered: a feed with more of them is another one
	maxTold     = 1_000   // of them that the database names
)

// Problem is a record that could not be read, or a feed that was not.
type Problem struct {
	Feed   string
	Record string // what it is called, or where it stands; "" for the feed itself
	Err    error
}

func (p Problem) String() string {
	if p.Record == "" {
		return p.Feed + ": " + p.Err.Error()
	}
	return p.Feed + ": " + p.Record + ": " + p.Err.Error()
}

// intake takes the records of one feed and makes rows of them.
type intake struct {
	feed     string
	rows     *sorter
	from     Provenance
	problems []Problem
	lost     map[string]map[string]bool // by id: see loss
	buf      []byte
}

// loss is a record that could not be read, of which the rows from before stay: all of an
// id, or where name is not empty what the feed says under it of that package alone.
type loss struct{ id, name string }

// lose is fail for a record whose id is known: what was read of it last stays, as one that is
// damaged takes nothing back.
func (in *intake) lose(l loss, record string, err error) {
	in.fail(record, err)
	in.keep(l)
}

// keep lets rows from before stay.
func (in *intake) keep(l loss) {
	switch {
	case !fits(l.id) || len(in.lost) >= maxLost && in.lost[l.id] == nil:
		return
	case in.lost == nil:
		in.lost = map[string]map[string]bool{}
	}
	if in.lost[l.id] == nil {
		in.lost[l.id] = map[string]bool{}
	}
	in.lost[l.id][l.name] = true
}

func (in *intake) fail(record string, err error) {
	in.from.Unread++
	if len(in.problems) < maxProblems {
		in.problems = append(in.problems, Problem{in.feed, cut(record, 100), tree.PlainJSON(err)})
	}
}

// statement is what an advisory says of one package.
type statement struct {
	scope, name string
	vuln.Affected
}

// advisory adds an advisory and its statements; those on one package are one. The
// names in mutual are to lead to it. An error is of the disk.
func (in *intake) advisory(a *vuln.Advisory, statements []statement, mutual ...string) error {
	if !fits(a.ID) {
		in.lose(loss{id: a.ID}, a.ID, errors.New("its id is empty, too long or has control characters"))
		return nil
	}
	for i := range statements {
		if !fits(statements[i].scope) || !fits(statements[i].name) {
			in.lose(loss{id: a.ID}, a.ID, fmt.Errorf("the package %.80q of %.80q is no name", statements[i].name, statements[i].scope))
			return nil
		}
	}
	in.from.Records++
	if a.Withdrawn {
		in.from.Withdrawn++
		statements = nil
	}
	if at := time.Unix(a.Modified, 0).UTC(); a.Modified > 0 && at.After(in.from.Newest) {
		in.from.Newest = at
	}
	a.Summary = summary(a.Summary)
	if err := in.row(idGroup(a.ID), a.ID, appendAdvisory(in.buf[:0], a)); err != nil {
		return err
	}
	for _, name := range mutual {
		if err := in.row(idGroup(name), a.ID, append(in.buf[:0], rowNames)); err != nil {
			return err
		}
	}
	for _, s := range joined(statements) {
		prune(&s)
		if err := in.row(packageGroup(s.scope, s.name), a.ID, appendAffected(in.buf[:0], &s.Affected)); err != nil {
			return err
		}
	}
	return nil
}

func (in *intake) row(group, id string, value []byte) error {
	in.buf = value
	return in.rows.add(group+partEnd+in.feed+partEnd+id, value)
}

// joined makes one of the statements on one package: affected is what any of them
// calls so.
func joined(list []statement) []statement {
	slices.SortStableFunc(list, func(a, b statement) int {
		if c := strings.Compare(a.scope, b.scope); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	var out []statement
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].scope == s.scope && out[n-1].name == s.name {
			last := &out[n-1]
			for _, i := range s.Intervals {
				if !slices.Contains(last.Intervals, i) {
					last.Intervals = append(last.Intervals, i)
				}
			}
			last.Versions = append(last.Versions, s.Versions...)
			if last.Verdict == vuln.NotAffected {
				last.Verdict = s.Verdict
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// prune drops listed versions that an interval holds anyway: feeds list every
// version of a range, which is most of their bytes.
func prune(s *statement) {
	o := vuln.OrderOf(s.scope)
	kept := s.Versions[:0:0]
	for _, v := range s.Versions {
		held := o != vuln.NoOrder && o.Valid(v) && slices.ContainsFunc(s.Intervals, func(i vuln.Interval) bool { return i.Holds(o, v) })
		if !held {
			kept = append(kept, v)
		}
	}
	slices.Sort(kept)
	s.Versions = slices.Compact(kept)
}

// summary is the first line, shortened.
func summary(text string) string {
	text = strings.TrimSpace(text)
	text, _, _ = strings.Cut(text, "\n")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(strings.TrimLeft(text, "# ")))
	return cut(text, maxSummary)
}

// cut shortens a text to at most n bytes, at a rune.
func cut(text string, n int) string {
	if len(text) <= n {
		return strings.ToValidUTF8(text, "?")
	}
	return strings.ToValidUTF8(text[:n-3], "") + "..."
}

// meter refuses to read more than a record may be: whoever decodes a stream gives
// it new room before each record.
type meter struct {
	r    io.Reader
	left int
}

var errTooLarge = fmt.Errorf("a record is larger than %d MB", maxRecord>>20)

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooLarge
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

func (m *meter) renew() { m.left = maxRecord }
