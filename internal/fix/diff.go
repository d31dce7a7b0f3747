package fix

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// contextLines is how many lines are shown around a change.
const contextLines = 3

// WriteDiff writes the plan as a unified diff that patch -p1 and git apply
// understand. There is less context where it would hold a secret. A file of which
// a changed line itself holds one is left out: no masked line could be applied.
// [WriteSummary] then names it.
func (p *Plan) WriteDiff(w io.Writer, color bool) error {
	b := bufio.NewWriter(w)
	for _, f := range p.Files {
		f.diff(b, paint(color))
	}
	return b.Flush()
}

// hunk is a group of changes that are shown together.
type hunk struct {
	changes []change
	context int // lines of context that may be shown on both sides
}

func (f *File) diff(b *bufio.Writer, paint painter) {
	old, text := show(f.Old, f.before), show(f.New, f.after)
	all := changes(f.Name, f.Old, f.New)
	f.leftOut = slices.ContainsFunc(all, func(c change) bool {
		return slices.Contains(old.secret[c.a:c.b], true) || slices.Contains(text.secret[c.c:c.d], true)
	})
	if f.leftOut {
		return
	}
	fmt.Fprintln(b, paint(bold, "--- "+diffName("a", f.Name)))
	fmt.Fprintln(b, paint(bold, "+++ "+diffName("b", f.Name)))
	for _, h := range old.hunks(all) {
		h.write(b, old, text, paint)
	}
}

// hunks groups changes so that no context overlaps.
func (s *shown) hunks(all []change) []hunk {
	var hunks []hunk
	for _, c := range all {
		h := hunk{[]change{c}, s.context(c)}
		if n := len(hunks); n > 0 {
			last := &hunks[n-1]
			if c.a-last.changes[len(last.changes)-1].b <= last.context+h.context {
				last.changes = append(last.changes, c)
				last.context = min(last.context, h.context)
				continue
			}
		}
		hunks = append(hunks, h)
	}
	return hunks
}

// context returns how many lines around a change may be shown: the same number
// on both sides, unless the file begins or ends there.
func (s *shown) context(c change) int {
	for n := range contextLines {
		if i := c.a - 1 - n; i >= 0 && s.secret[i] {
			return n
		}
		if i := c.b + n; i < len(s.lines) && s.secret[i] {
			return n
		}
	}
	return contextLines
}

func (h *hunk) write(b *bufio.Writer, old, text shown, paint painter) {
	first, last := h.changes[0], h.changes[len(h.changes)-1]
	before, behind := min(h.context, first.a), min(h.context, len(old.lines)-last.b)
	head := fmt.Sprintf("@@ -%s +%s @@", extent(first.a-before, last.b+behind), extent(first.c-before, last.d+behind))
	fmt.Fprintln(b, paint(cyan, head))
	at := first.a - before
	show := func(mark, line, color string) {
		body := strings.TrimSuffix(line, "\n")
		fmt.Fprintln(b, paint(color, mark+body))
		if body == line {
			fmt.Fprintln(b, `\ No newline at end of file`)
		}
	}
	for _, c := range h.changes {
		for ; at < c.a; at++ {
			show(" ", old.lines[at], "")
		}
		for ; at < c.b; at++ {
			show("-", old.lines[at], red)
		}
		for i := c.c; i < c.d; i++ {
			show("+", text.lines[i], green)
		}
	}
	for ; at < last.b+behind; at++ {
		show(" ", old.lines[at], "")
	}
}

// extent writes a range of lines as a hunk's header has it.
func extent(from, to int) string {
	switch n := to - from; n {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return strconv.Itoa(from + 1)
	default:
		return fmt.Sprintf("%d,%d", from+1, n)
	}
}

// diffName writes a file name; unusual ones are quoted as git does.
func diffName(side, name string) string {
	name = side + "/" + strings.TrimPrefix(path.Clean(name), "/")
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' || r == '\\' }) {
		return strconv.QuoteToASCII(name)
	}
	return name
}

// painter colors a text, or leaves it as it is.
type painter func(color, s string) string

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func paint(on bool) painter {
	return func(color, s string) string {
		if !on || color == "" {
			return s
		}
		return "\x1b[" + color + "m" + s + "\x1b[0m"
	}
}
