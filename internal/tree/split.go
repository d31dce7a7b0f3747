package tree

import (
	"iter"
	"strings"
)

// span is the part of a file that holds one document.
type span struct {
	start, end int
	stray      bool // content behind a "..." line, which begins no document
}

const byteOrderMark = "\ufeff"

// split yields the documents of a file: what is between lines of "---". A
// document begins behind that line, or at it when its content does, or at the
// directives before it.
func split(text string) iter.Seq[span] {
	return func(yield func(span) bool) {
		start := 0
		for at := 0; ; { // at is where a line starts
			marker := nextMarker(text, at, len(text), "---")
			if marker > start && directives(text[start:marker]) && marker < len(text) {
				// The marker belongs to the directives' document.
				at = afterLine(text, marker)
				continue
			}
			if marker > 0 && start < len(text) && !part(text, start, marker, yield) {
				return
			}
			if marker == len(text) {
				return
			}
			start, at = marker, afterLine(text, marker)
			if rest := strings.TrimLeft(text[marker+len("---"):at], " \t\r\n"); rest == "" || rest[0] == '#' {
				start = at
			}
		}
	}
}

// part yields what is between two "---" lines: a document up to its "..."
// line, and what stands behind that.
func part(text string, start, end int, yield func(span) bool) bool {
	if strings.HasPrefix(text[start:end], byteOrderMark) {
		start += len(byteOrderMark)
	}
	dots := nextMarker(text, start, end, "...")
	if !yield(span{start: start, end: dots}) {
		return false
	}
	for dots < end {
		from := afterLine(text, dots)
		dots = nextMarker(text, from, end, "...")
		if firstToken(text[from:dots]) >= 0 && !directives(text[from:dots]) && !yield(span{from, dots, true}) {
			return false
		}
	}
	return true
}

// nextMarker returns where the next line that starts with the marker begins,
// looking from the start of a line, or end.
func nextMarker(text string, from, end int, marker string) int {
	if from < end && isMarker(text[from:end], marker) {
		return from
	}
	for from < end {
		i := strings.Index(text[from:end], "\n"+marker)
		if i < 0 {
			break
		}
		from += i + 1
		if isMarker(text[from:end], marker) {
			return from
		}
	}
	return end
}

// isMarker reports whether s starts with the marker as a word of its own.
func isMarker(s, marker string) bool {
	return strings.HasPrefix(s, marker) && isBlank(s, len(marker))
}

// afterLine returns where the line behind that of i begins.
func afterLine(text string, i int) int {
	return min(lineEnd(text, i)+1, len(text))
}

// firstToken returns where the first line begins that is neither empty nor a
// comment, or -1.
func firstToken(s string) int {
	for i := 0; i < len(s); i = afterLine(s, i) {
		line := strings.TrimLeft(s[i:lineEnd(s, i)], " \t\r")
		if line != "" && line[0] != '#' {
			return i
		}
	}
	return -1
}

// directives reports whether a text is directives for the document behind it.
func directives(s string) bool {
	s = strings.TrimPrefix(s, byteOrderMark)
	for found := false; ; found = true {
		i := firstToken(s)
		if i < 0 {
			return found
		}
		if s[i] != '%' {
			return false
		}
		s = s[afterLine(s, i):]
	}
}
