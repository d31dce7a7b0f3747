package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// entry writes a head in a style, text behind it, and a place. Where a line is too
// short for all, the text goes on below itself, and the place comes under it.
func (p *accessPrinter) entry(indent int, style, head, text string, place *model.Place) {
	head, text = printable(head), printable(text)
	where := ""
	if place != nil {
		where = printable(place.String())
	}
	column := indent
	if head != "" {
		column += utf8.RuneCountInString(head) + 2
	}
	if head != "" && (column > p.width/2 || column+longestWord(text) > p.width) { // the text has a line of its own
		fmt.Fprintln(p.w, strings.Repeat(" ", indent)+p.paint(style, head))
		head, column = "", indent+2
		indent = column
	}
	one := column + utf8.RuneCountInString(text) + 2 + utf8.RuneCountInString(where)
	if head != "" {
		head = p.paint(style, head) + "  "
	}
	fmt.Fprint(p.w, strings.Repeat(" ", indent)+head)
	switch {
	case where == "":
		fmt.Fprintln(p.w, hang(text, column, p.width))
	case one <= p.width:
		fmt.Fprintln(p.w, text+"  "+p.paint(dim, where))
	default:
		fmt.Fprintln(p.w, hang(text, column, p.width))
		fmt.Fprintln(p.w, strings.Repeat(" ", column)+p.paint(dim, where))
	}
}

func longestWord(text string) int {
	longest := 0
	for word := range strings.FieldsSeq(text) {
		longest = max(longest, utf8.RuneCountInString(word))
	}
	return longest
}

// onPorts writes ports behind "on".
func onPorts(s reach.PortSet) string {
	if s.All() {
		return "every port"
	}
	return s.String()
}
