package credential

import (
	"bytes"
	"cmp"
	"slices"
)

// Hit is a credential that stands in a file. It does not hold the value.
type Hit struct {
	Kind   string
	Offset int64  // of the value from the file's beginning, in bytes
	Line   int    // on which the value begins, from 1
	Shown  string // what tells the value from others and is of no use otherwise
	Doubt  string // why it may be none, "" when nothing says so
}

// The bytes that [Search.Window] wants around those that it searches.
const (
	Before = 4 << 10  // behind it, to tell what a value is
	Ahead  = 16 << 10 // the longest value
)

// Search looks for credentials in one file. It is not safe for concurrent use.
type Search struct {
	form    fileForm
	library bool // it lies where package managers keep what others wrote
	filter  *filter
	at      int64 // of the first byte that was not searched yet
	line    int   // its line
	left    int   // hits that may still come
	Omitted int   // hits beyond the most of a file
	wide    wide
}

// mostOfFile is how many hits of one file are told.
const mostOfFile = 50

// NewSearch begins with the file at a path. Its name decides what besides the
// well-known kinds is looked for: settings have passwords beside their names,
// .netrc has a grammar of its own.
func NewSearch(path string) *Search {
	return &Search{form: formOf(path), library: library(path), filter: keywordFilter(), left: mostOfFile, line: 1}
}

// found is a credential in a window.
type found struct {
	kind       string
	start, end int
	shown      string
	doubt      string
}

// Window searches text[from:to], which follows what was searched before. What is
// around it is looked at where a value goes on there: up to [Before] bytes before
// and [Ahead] behind, as far as the file has them. Hits come in order. The time
// taken grows no faster than the text. Of a file in UTF-16 the characters are searched,
// and as many bytes around are half as many of these.
func (s *Search) Window(text []byte, from, to int) []Hit {
	if s.wide.at == 0 && s.at == 0 {
		s.wide.order = orderOf(text)
	}
	if s.wide.order != nil {
		return s.wideWindow(text, from, to)
	}
	return s.window(text, from, to)
}

func (s *Search) window(text []byte, from, to int) []Hit {
	var all []found
	add := func(f found) {
		if len(all) < 10*mostOfFile {
			all = append(all, f)
		}
	}
	// What begins a little before and behind is looked for too: it may be the same, and
	// say more.
	low, high := max(0, from-beside), min(len(text), to+beside)
	s.filter.each(text, low, high, func(k *keyword, at int) {
		if f, ok := k.find(text, at); ok {
			add(f)
		}
	})
	if s.at == 0 && s.form == plain && !s.library {
		s.form = formOfScript(text)
	}
	s.form.search(text, low, high, add)
	hits := s.take(text, from, to, all)
	s.line += bytes.Count(text[from:to], newline)
	s.at += int64(to - from)
	return hits
}

// beside is how far from each other, in bytes, values may begin that overlap, with the
// words by which they are found.
const beside = 2 * longestValue

var newline = []byte{'\n'}

// take orders what was found in text[from:to]. Of what overlaps the one that says most stays: a
// token is more than the URL or the assignment that holds it.
func (s *Search) take(text []byte, from, to int, all []found) []Hit {
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	var kept []found
	for _, f := range all {
		if !slices.ContainsFunc(kept, func(other found) bool { return f.start < other.end && other.start < f.end }) {
			kept = append(kept, f)
		}
	}
	kept = slices.DeleteFunc(kept, func(f found) bool { return f.start < from || f.start >= to })
	slices.SortFunc(kept, func(a, b found) int { return cmp.Compare(a.start, b.start) })
	told := kept[:min(len(kept), s.left)]
	s.left -= len(told)
	s.Omitted += len(kept) - len(told)
	var hits []Hit
	line, counted := s.line, from
	for _, f := range told {
		line += bytes.Count(text[counted:f.start], newline)
		counted = f.start
		hits = append(hits, Hit{Kind: f.kind, Offset: s.at + int64(f.start-from), Line: line, Shown: f.shown, Doubt: f.doubt})
	}
	return hits
}

// Doubt says why a text that holds a credential of a well-known form may hold none: as
// a file with that text would be judged. "" when nothing says so.
func Doubt(text string) string {
	if len(text) > Ahead {
		return ""
	}
	doubt := "it reads like a placeholder"
	for _, hit := range NewSearch("").Window([]byte(text), 0, len(text)) {
		if doubt = hit.Doubt; doubt == "" {
			return ""
		}
	}
	return doubt
}

// rank is lower for what is known by its own form.
func (f *found) rank() int {
	switch f.kind {
	case ByName, HighEntropy:
		return 2
	case urlPassword, databaseURL, "authorization header":
		return 1
	}
	return 0
}
