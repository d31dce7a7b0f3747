package image

import (
	"bytes"
	"io"
	"strings"
)

// Interest says which regular files the pass keeps or hands over at once. Of
// several that match a file the first in the table counts; what none matches
// costs nothing but the walk.
//
// Directory, Name and Suffix must all match where they are given. Directory is
// compared with the path as the layer has it: a symbolic link of a lower layer
// (/var/lib/rpm) is not followed.
type Interest struct {
	Directory string // the file is below it, at any depth: usr/lib/sysimage/rpm, without slashes at the ends
	Name      string // base name
	Suffix    string // of the base name, with its dot: .jar; letter case does not matter
	Parent    string // base name of the directory that the file is in
	// ELF stands for programs and libraries in ELF, executable or not, that have one of
	// the sections named here. Of large ones not all is in memory, see [File].
	ELF []string
	// Archive stands besides for files without a suffix that begin as zip archives do.
	Archive bool

	// Most is the size in bytes above which a file is not read but becomes a
	// problem. 0 means the limit of the pass.
	Most int64
	// Extract reads the file while it passes by. Nil keeps its bytes for
	// [Tree.Content], which is for what only makes sense once the layers are laid
	// over one another.
	Extract Extractor
	// Stream, when set, takes the place of Extract for files above Whole bytes, which
	// are not held: it reads them as they pass by, from their beginning.
	Stream func(path string, r io.Reader) ([]Package, error)
	Whole  int64
	// Keep reduces what is kept of the file to what it is kept for, in new memory.
	// Nil keeps all of it; then the layer is not cached by itself, for nobody knows
	// what stands in the file.
	Keep func(path string, data []byte) []byte
}

// Extractor reads one file. It may run for several layers at the same time and
// may hold on to nothing of the file. A result and an error may come together:
// the packages count and the error becomes a problem of the image. Layer of the
// packages is set by the pass.
type Extractor func(f *FileContent) ([]Package, error)

// FileContent is a file as it passes by.
type FileContent struct {
	Path string // absolute
	Mode uint16
	Size int64
	// ReaderAt reads the file. Of a large ELF file only the parts are there that
	// tell what it was built from; reading others is an error.
	io.ReaderAt
	bytes []byte
}

// Bytes returns the whole file, or false when not all of it is in memory.
func (f *FileContent) Bytes() ([]byte, bool) { return f.bytes, f.bytes != nil || f.Size == 0 }

// interests are the table, made quick to ask.
type interests struct {
	table       []Interest
	names       map[string][]int // base name to places in the table
	suffixes    map[string][]int // what follows the last dot, with it, in lower case
	directories []int            // those with neither
	elf         []int
	archive     int // -1 for none
}

func newInterests(table []Interest) *interests {
	in := &interests{table: table, names: map[string][]int{}, suffixes: map[string][]int{}, archive: -1}
	for i, interest := range table {
		if interest.Archive {
			in.archive = i
		}
		switch {
		case interest.ELF != nil:
			in.elf = append(in.elf, i)
		case interest.Name != "":
			in.names[interest.Name] = append(in.names[interest.Name], i)
		case interest.Suffix != "":
			key := strings.ToLower(interest.Suffix[strings.LastIndexByte(interest.Suffix, '.'):])
			in.suffixes[key] = append(in.suffixes[key], i)
		default:
			in.directories = append(in.directories, i)
		}
	}
	return in
}

// find returns the place in the table of the interest in a path, which has no
// slash at its start, or -1. ELF is not looked at.
func (in *interests) find(path []byte) int {
	base := path[bytes.LastIndexByte(path, '/')+1:]
	best := in.first(-1, in.names[string(base)], path, base)
	if dot := bytes.LastIndexByte(base, '.'); dot >= 0 && len(base)-dot <= 16 {
		var lower [16]byte
		key := lower[:copy(lower[:], base[dot:])]
		for i, c := range key {
			if c >= 'A' && c <= 'Z' {
				key[i] = c | 0x20
			}
		}
		best = in.first(best, in.suffixes[string(key)], path, base)
	}
	return in.first(best, in.directories, path, base)
}

// first returns the lowest of best and the candidates that match.
func (in *interests) first(best int, candidates []int, path, base []byte) int {
	for _, i := range candidates {
		if best >= 0 && best < i {
			return best
		}
		if in.table[i].matches(path, base) {
			return i
		}
	}
	return best
}

func (i *Interest) matches(path, base []byte) bool {
	if d := i.Directory; d != "" && !(len(path) > len(d) && path[len(d)] == '/' && string(path[:len(d)]) == d) {
		return false
	}
	if i.Parent != "" && !i.isIn(path[:max(0, len(path)-len(base)-1)]) {
		return false
	}
	if i.Name != "" && i.Name != string(base) {
		return false
	}
	return len(base) >= len(i.Suffix) && strings.EqualFold(string(base[len(base)-len(i.Suffix):]), i.Suffix)
}

func (i *Interest) isIn(dir []byte) bool {
	return string(dir[bytes.LastIndexByte(dir, '/')+1:]) == i.Parent
}
