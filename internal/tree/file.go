package tree

import (
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// File is a text that documents were parsed from. Nodes refer to it by byte
// offset, and scalars share its memory.
type File struct {
	Name string // as the user named it, with forward slashes
	Text string

	once  sync.Once
	lines []int32 // offset of each line's first byte
}

// Position returns the line and column, both from 1, of a byte offset. Columns
// count characters.
func (f *File) Position(offset int) (line, column int) {
	f.once.Do(func() {
		f.lines = append(f.lines, 0)
		for i := 0; ; {
			j := strings.IndexByte(f.Text[i:], '\n')
			if j < 0 {
				break
			}
			i += j + 1
			f.lines = append(f.lines, int32(i))
		}
	})
	offset = min(max(offset, 0), len(f.Text))
	line = sort.Search(len(f.lines), func(i int) bool { return int(f.lines[i]) > offset })
	return line, utf8.RuneCountInString(f.Text[f.lines[line-1]:offset]) + 1
}

// LineStart returns the byte offset at which a line, counted from 1, begins;
// past the last line it is the length of the text.
func (f *File) LineStart(line int) int {
	f.Position(0)
	if line < 1 {
		return 0
	}
	if line > len(f.lines) {
		return len(f.Text)
	}
	return int(f.lines[line-1])
}
