package advisory

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"ullage.dev/ullage/internal/vuln"
)

// A database is rows in the order of their keys. A key is a group, which is what
// lookups ask for, the feed and the advisory; the parts are kept apart by a byte
// that is in none of them.
//
//	p SCOPE 0 NAME   1 FEED 1 ID    what an advisory says of a package
//	i ID             1 FEED 1 ID    what an advisory says of itself
const (
	partEnd  = "\x01"
	scopeEnd = "\x00"
)

type row struct{ key, value []byte }

func packageGroup(scope, name string) string { return "p" + scope + scopeEnd + name }
func idGroup(id string) string               { return "i" + id }

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

// reader takes values apart. After the first error everything is empty.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.rest, r.bad = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = nil, true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

// count reads the length of a list, whose elements take a byte each at least.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = nil, true
		return 0
	}
	return int(n)
}

func (r *reader) texts() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
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

// appendAffected writes a statement without its id and feed, which are in the key.
func appendAffected(b []byte, a *vuln.Affected) []byte {
	b = append(b, byte(a.Verdict))
	b = appendText(b, a.Urgency)
	b = binary.AppendUvarint(b, uint64(len(a.Intervals)))
	for _, i := range a.Intervals {
		last := byte(0)
		if i.Last {
			last = 1
		}
		b = appendText(appendText(append(b, last), i.From), i.To)
	}
	return appendTexts(b, a.Versions)
}

func readAffected(value []byte, a *vuln.Affected) error {
	r := reader{rest: value}
	a.Verdict = vuln.Verdict(r.number())
	a.Urgency = r.text()
	if n := r.count(); n > 0 {
		a.Intervals = make([]vuln.Interval, n)
		for i := range a.Intervals {
			last := r.number() != 0
			a.Intervals[i] = vuln.Interval{From: r.text(), To: r.text(), Last: last}
		}
	}
	a.Versions = r.texts()
	if r.bad {
		return errDamaged
	}
	return nil
}

func appendAdvisory(b []byte, a *vuln.Advisory) []byte {
	flags := byte(0)
	if a.Withdrawn {
		flags = 1
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(max(a.Published, 0)))
	b = binary.AppendUvarint(b, uint64(max(a.Modified, 0)))
	b = appendTexts(b, a.Aliases)
	b = appendTexts(b, a.Vectors)
	return appendText(appendText(b, a.Severity), a.Summary)
}

func readAdvisory(value []byte, a *vuln.Advisory) error {
	r := reader{rest: value}
	a.Withdrawn = r.number() != 0
	a.Published, a.Modified = int64(r.number()), int64(r.number())
	a.Aliases, a.Vectors = r.texts(), r.texts()
	a.Severity, a.Summary = r.text(), r.text()
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

func readExploited(value []byte) (*vuln.Exploited, error) {
	r := reader{rest: value}
	e := &vuln.Exploited{Ransomware: r.number() != 0}
	e.Added, e.Due = r.text(), r.text()
	if r.bad {
		return nil, errDamaged
	}
	return e, nil
}

// EPSS has five decimals.
func appendEPSS(b []byte, e *vuln.EPSS) []byte {
	b = binary.AppendUvarint(b, uint64(math.Round(e.Probability*1e5)))
	return binary.AppendUvarint(b, uint64(math.Round(e.Percentile*1e5)))
}

func readEPSS(value []byte) (*vuln.EPSS, error) {
	r := reader{rest: value}
	e := &vuln.EPSS{Probability: float64(r.number()) / 1e5, Percentile: float64(r.number()) / 1e5}
	if r.bad {
		return nil, errDamaged
	}
	return e, nil
}
