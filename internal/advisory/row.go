package advisory

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// A database is rows in the order of their keys. A key is a group, which is what
// lookups ask for, the feed and the advisory; the parts are kept apart by a byte
// that is in none of them.
//
//	p SCOPE 0 NAME   1 FEED 1 ID    what an advisory says of a package
//	i CVE or ID      1 FEED 1 ID    what an advisory says of itself, or that it names
//	                                the id as an alias of its own
//	r CVE            1 1            what all rows of a CVE say, where there are several
//
// What is named after a CVE, as DEBIAN-CVE-2026-1, stands with it: whoever asks for
// the one wants the other. What is folded is made anew with each database: lookups read
// it alone, and it stands apart, so that they touch few pages.
const (
	partEnd  = "\x01"
	scopeEnd = "\x00"
)

type row struct{ key, value []byte }

func packageGroup(scope, name string) string { return packagePrefix + scope + scopeEnd + name }

func idGroup(id string) string {
	if cve := vuln.CVE(id); cve != "" {
		id = cve
	}
	return idPrefix + id
}

func foldedGroup(cve string) string { return foldedPrefix + cve }

// Prefixes of groups, in their order.
const (
	idPrefix      = "i"
	packagePrefix = "p"
	foldedPrefix  = "r"
)

// fits says whether a text can be part of a key.
func fits(text string) bool {
	if text == "" || len(text) > 1<<10 {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' }) < 0
}

// parts takes a key apart.
func parts(key []byte) (group, feed, id string, ok bool) {
	group, rest, ok1 := strings.Cut(string(key), partEnd)
	feed, id, ok2 := strings.Cut(rest, partEnd)
	return group, feed, id, ok1 && ok2
}

var errDamaged = errors.New("the database is damaged")

// text is what rows are read from: bytes where they are copied on, a string where
// what is read stays, so that it shares the memory of the group.
type text interface{ ~string | ~[]byte }

// reader takes values apart. After the first error everything is empty.
type reader[T text] struct {
	rest T
	bad  bool
}

func (r *reader[T]) fail() {
	r.rest, r.bad = r.rest[:0], true
}

func (r *reader[T]) number() uint64 {
	var v uint64
	for i := range min(len(r.rest), binary.MaxVarintLen64) {
		b := r.rest[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

// part returns a part that is as long as the number before it says.
func (r *reader[T]) part() T {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return r.rest
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// count reads the length of a list, whose elements take a byte each at least.
func (r *reader[T]) count() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

// lists are what the lists in rows are made of.
type lists struct {
	texts     slab[string]
	intervals slab[vuln.Interval]
}

func (l *lists) read(r *reader[string]) []string {
	list := l.texts.take(r.count())
	for i := range list {
		list[i] = r.part()
	}
	return list
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// What stands at the end of an interval.
const (
	endFixed byte = iota
	endLast
	endLimit
)

// appendAffected writes a statement without its id and feed, which are in the key.
func appendAffected(b []byte, a *vuln.Affected) []byte {
	b = append(b, byte(a.Verdict))
	b = appendText(b, a.Urgency)
	b = binary.AppendUvarint(b, uint64(len(a.Intervals)))
	for _, i := range a.Intervals {
		end := endFixed
		switch {
		case i.Last:
			end = endLast
		case i.Limit:
			end = endLimit
		}
		b = appendText(appendText(append(b, end), i.From), i.To)
	}
	return appendTexts(b, a.Versions)
}

func (l *lists) affected(value string, a *vuln.Affected) error {
	r := reader[string]{rest: value}
	a.Verdict = vuln.Verdict(r.number())
	a.Urgency = r.part()
	a.Intervals = l.intervals.take(r.count())
	for i := range a.Intervals {
		end := byte(r.number())
		a.Intervals[i] = vuln.Interval{From: r.part(), To: r.part(), Last: end == endLast, Limit: end == endLimit}
	}
	a.Versions = l.read(&r)
	if r.bad {
		return errDamaged
	}
	return nil
}

// What the row of an advisory says besides.
const (
	rowWithdrawn byte = 1 << iota
	rowNames          // only that it names the id
)

func appendAdvisory(b []byte, a *vuln.Advisory) []byte {
	flags := byte(0)
	if a.Withdrawn {
		flags = rowWithdrawn
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(max(a.Published, 0)))
	b = binary.AppendUvarint(b, uint64(max(a.Modified, 0)))
	b = appendTexts(b, a.Aliases)
	b = appendTexts(b, a.Vectors)
	return appendText(appendText(b, a.Severity), a.Summary)
}

func (l *lists) advisory(value string, a *vuln.Advisory) error {
	r := reader[string]{rest: value}
	a.Withdrawn = byte(r.number())&rowWithdrawn != 0
	a.Published, a.Modified = int64(r.number()), int64(r.number())
	a.Aliases, a.Vectors = l.read(&r), l.read(&r)
	a.Severity, a.Summary = r.part(), r.part()
	if r.bad {
		return errDamaged
	}
	return nil
}

func appendExploited(b []byte, e *vuln.Exploited) []byte {
	ransomware := byte(0)
	if e.Ransomware {
		ransomware = 1
	}
	return appendText(appendText(append(b, ransomware), e.Added), e.Due)
}

func readExploited(r *reader[string]) *vuln.Exploited {
	e := &vuln.Exploited{Ransomware: r.number() != 0}
	e.Added, e.Due = r.part(), r.part()
	return e
}

// EPSS has five decimals.
func appendEPSS(b []byte, e *vuln.EPSS) []byte {
	b = binary.AppendUvarint(b, uint64(math.Round(e.Probability*1e5)))
	return binary.AppendUvarint(b, uint64(math.Round(e.Percentile*1e5)))
}

func readEPSS(r *reader[string]) *vuln.EPSS {
	return &vuln.EPSS{Probability: float64(r.number()) / 1e5, Percentile: float64(r.number()) / 1e5}
}

// What the row of a folded record has.
const (
	rowSameNames byte = 1 << iota
	rowExploited
	rowEPSS
)

func appendRecord(b []byte, r *vuln.Record) []byte {
	flags := byte(0)
	if slices.Equal(r.Names, r.Aliases) {
		flags |= rowSameNames
	}
	if r.Exploited != nil {
		flags |= rowExploited
	}
	if r.EPSS != nil {
		flags |= rowEPSS
	}
	b = appendTexts(append(b, flags), r.Aliases)
	if flags&rowSameNames == 0 {
		b = appendTexts(b, r.Names)
	}
	b = appendText(binary.AppendUvarint(b, uint64(max(r.Published, 0))), r.Summary)
	b = binary.AppendUvarint(b, uint64(math.Round(r.Rating.Score*10)))
	for _, s := range []string{r.Rating.Vector, r.Rating.By, r.Rating.Word, r.Rating.WordBy} {
		b = appendText(b, s)
	}
	if r.Exploited != nil {
		b = appendExploited(b, r.Exploited)
	}
	if r.EPSS != nil {
		b = appendEPSS(b, r.EPSS)
	}
	return b
}

func (l *lists) record(value string) (rec vuln.Record, err error) {
	r := &reader[string]{rest: value}
	flags := byte(r.number())
	rec.Aliases = l.read(r)
	rec.Names = rec.Aliases
	if flags&rowSameNames == 0 {
		rec.Names = l.read(r)
	}
	rec.Published, rec.Summary = int64(r.number()), r.part()
	rec.Rating.Score = float64(r.number()) / 10
	for _, to := range []*string{&rec.Rating.Vector, &rec.Rating.By, &rec.Rating.Word, &rec.Rating.WordBy} {
		*to = r.part()
	}
	if flags&rowExploited != 0 {
		rec.Exploited = readExploited(r)
	}
	if flags&rowEPSS != 0 {
		rec.EPSS = readEPSS(r)
	}
	if r.bad {
		return vuln.Record{}, errDamaged
	}
	return rec, nil
}
