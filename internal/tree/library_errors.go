package tree

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// libraryError takes the line out of the library's message about a document that
// starts at start, and drops what it quotes from the document.
func (f *File) libraryError(start int, text string, err error) error {
	line, reason := libraryLine(text, err)
	c := converter{start: start}
	c.findLines(text)
	at := c.lines[min(max(line, 1), len(c.lines))-1]
	at = min(at, start+len(strings.TrimRight(text, " \t\r\n"))) // what is missing at the end is missing in the last line
	first, _ := f.Position(at)
	return &SyntaxError{File: f, Line: first, Reason: reason}
}

// libraryLine returns the line of the document, from 1, at which it goes wrong,
// and why.
//
// The library tells the line of what was begun (a quote, a bracket, a map), or,
// when that is the first line, the one where it stopped, or none at all. A line
// in front takes the first line away. Lines of the scanner are then one too large,
// and those of the parser, which counts from 0, are right.
func libraryLine(text string, err error) (line int, reason string) {
	told := err
	if !strings.HasPrefix(text, "\ufeff") {
		if _, again := decode("#\n" + text); again != nil {
			told = again
		}
	}
	line, reason = lineAndReason(told)
	kind := reasonKinds[reason]
	switch {
	case line == 0 || kind == sought:
		line = firstLine(text, err)
	case told != err && kind == 0:
		line--
	case told == err && kind != 0:
		line++
	}
	if strings.HasPrefix(reason, "unknown anchor") {
		reason = "an alias to an unknown anchor"
	}
	if i := strings.IndexByte(reason, '`'); i > 0 {
		reason = strings.TrimSpace(reason[:i])
	}
	return line, reason
}

// lineAndReason takes a message of the library apart. line is 0 without one.
func lineAndReason(err error) (line int, reason string) {
	reason = strings.TrimPrefix(err.Error(), "yaml: ")
	if _, scanErr := fmt.Sscanf(reason, "line %d:", &line); scanErr == nil {
		reason = strings.TrimSpace(reason[strings.IndexByte(reason, ':')+1:])
	}
	return line, reason
}

// Of a bracket or quote that is not closed the library tells where it was opened,
// which helps. Of a block collection or scalar it tells where that began, which
// may be far above, so the line is sought.
const (
	fromParser = iota + 1 // not from the scanner
	sought
)

var reasonKinds = map[string]int{
	"did not find expected key":                                    sought,
	"did not find expected '-' indicator":                          sought,
	"found a tab character that violates indentation":              sought,
	"found a tab character where an indentation space is expected": sought,
	"did not find expected ',' or ']'":                             fromParser,
	"did not find expected ',' or '}'":                             fromParser,
	"did not find expected <document start>":                       fromParser,
	"did not find expected <stream-start>":                         fromParser,
	"did not find expected node content":                           fromParser,
	"found duplicate %TAG directive":                               fromParser,
	"found duplicate %YAML directive":                              fromParser,
	"found incompatible YAML document":                             fromParser,
	"found undefined tag handle":                                   fromParser,
}

// maxSought bounds a search that reads the document again and again.
const maxSought = 256 << 10

// firstLine returns the line, from 1, with which the text fails for the same
// reason as the whole. The library reads from front to back, so that more lines
// do not change it.
func firstLine(text string, err error) int {
	if len(text) > maxSought {
		return 1
	}
	_, want := lineAndReason(err)
	c := converter{}
	c.findLines(text)
	return 1 + sort.Search(len(c.lines)-1, func(i int) bool {
		_, err := decode(text[:c.lines[i+1]])
		if err == nil {
			return false
		}
		_, reason := lineAndReason(err)
		return reason == want || errors.Is(err, errTrailing)
	})
}
