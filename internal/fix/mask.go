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
	// secret marks lines that are masked: they hold a secret value, or are of a
	// document whose secrets nobody has looked for.
	secret []bool
}

// show masks what must not be printed. The objects are those of the text.
func show(text string, objects []*model.Object) shown {
	lines := splitLines(text)
	starts := make([]int, len(lines)+1)
	for i, line := range lines {
		starts[i+1] = starts[i] + len(line)
	}
	s := shown{lines: slices.Clone(lines), secret: make([]bool, len(lines))}
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
			if from, to := max(r[0]-starts[i], 0), min(r[1]-starts[i], len(lines[i])); strings.TrimSpace(lines[i][from:to]) != "" {
				s.mask(i)
			}
		}
	}
	for i, line := range lines {
		if secretComment(line) {
			s.mask(i)
		}
		if trimmed := strings.TrimSpace(line); !known[i] && trimmed != "" && trimmed[0] != '#' && trimmed != "---" && trimmed != "..." {
			s.mask(i)
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

func (s *shown) mask(i int) {
	if s.secret[i] {
		return
	}
	end := len(strings.TrimRight(s.lines[i], "\r\n"))
	s.lines[i], s.secret[i] = masked+s.lines[i][end:], true
}

// secretWords are what comments name that give a secret away.
var secretWords = regexp.MustCompile(`(?i)(passw|pwd|secret|token|api.?key|credential|private|bearer|auth)[^#]*[:=\s]\s*\S|[A-Za-z0-9+/=_-]{20,}|://[^/\s]*:[^/\s]*@`)

// secretComment reports whether a line ends in a comment that may hold a secret.
// What only looks like a comment may be one.
func secretComment(line string) bool {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return secretWords.MatchString(line[i:])
		}
	}
	return false
}
