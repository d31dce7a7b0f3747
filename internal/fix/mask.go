package fix

import (
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// masked stands for what is not printed.
const masked = "[redacted]"

// shown is a text as it may be printed.
type shown struct {
	lines []string
	// secret marks lines that cannot be printed as they are: they hold a secret
	// value, or are of a document whose secrets nobody has looked for.
	secret []bool
	hidden [][2]int // the part of a secret line that is masked
}

// show masks what must not be printed. The objects are those of the text.
func show(text string, objects []*model.Object) shown {
	lines := splitLines(text)
	starts := make([]int, len(lines)+1)
	for i, line := range lines {
		starts[i+1] = starts[i] + len(line)
	}
	s := shown{lines: slices.Clone(lines), secret: make([]bool, len(lines)), hidden: make([][2]int, len(lines))}
	known := make([]bool, len(lines))
	var ranges [][2]int
	for _, o := range objects {
		first, last := lineOf(starts, o.Root.Start()), lineOf(starts, o.Root.End())
		for i := first; i <= min(last, len(lines)-1); i++ {
			known[i] = true
		}
		ranges = secrets(o.Root, o.Root, text, ranges)
	}
	for _, r := range ranges {
		for i := lineOf(starts, r[0]); i < len(lines) && starts[i] < r[1]; i++ {
			s.mask(i, max(r[0]-starts[i], 0), r[1]-starts[i], lines[i])
		}
	}
	for i, line := range lines {
		if at := secretComment(line); at >= 0 {
			s.mask(i, at, len(line), line)
		}
		if trimmed := strings.TrimSpace(line); !known[i] && trimmed != "" && trimmed[0] != '#' && trimmed != "---" && trimmed != "..." {
			s.lines[i], s.secret[i] = masked+lineBreak(line), true
		}
	}
	return s
}

// lineOf returns the line that holds an offset.
func lineOf(starts []int, offset int) int {
	i, found := slices.BinarySearch(starts, offset)
	if !found {
		i--
	}
	return i
}

// secrets adds the ranges of the values that redaction took out, and of block
// scalars: they are scripts and whole files, in which not every secret is known.
// The text of a secret that is an alias stands elsewhere, so that nothing of the
// object is shown.
func secrets(n, object *tree.Node, text string, ranges [][2]int) [][2]int {
	if n.Has(tree.Redacted) || n.Has(tree.Literal) {
		if n.Has(tree.Shared) {
			return append(ranges, [2]int{object.Start(), object.End()}, [2]int{n.Start(), n.End()})
		}
		return append(ranges, [2]int{n.Start(), n.End()})
	}
	for i := range n.Children() {
		ranges = secrets(&n.Children()[i], object, text, ranges)
	}
	return ranges
}

// mask hides part of a line. A line that holds several secrets is hidden from
// the first to the last.
func (s *shown) mask(i, from, to int, line string) {
	body := strings.TrimRight(line, "\r\n")
	for from < len(body) && (body[from] == ' ' || body[from] == '\t') {
		from++ // the indentation of a block scalar
	}
	to = min(to, len(body))
	if from >= to {
		return
	}
	if s.secret[i] {
		from, to = min(from, s.hidden[i][0]), max(to, s.hidden[i][1])
	}
	s.hidden[i] = [2]int{from, to}
	s.lines[i], s.secret[i] = body[:from]+masked+body[to:]+lineBreak(line), true
}

func lineBreak(line string) string { return line[len(strings.TrimRight(line, "\r\n")):] }

// secretWords are what comments name that give a secret away.
var secretWords = regexp.MustCompile(`(?i)(passw|pwd|secret|token|api.?key|credential|private|bearer|auth)[^#]*[:=\s]\s*\S|[A-Za-z0-9+/=_-]{20,}|://[^/\s]*:[^/\s]*@`)

// secretComment returns where a comment starts that may hold a secret, or -1.
// What only looks like a comment may be one.
func secretComment(line string) int {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			if secretWords.MatchString(line[i:]) {
				return i
			}
			return -1
		}
	}
	return -1
}
