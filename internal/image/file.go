package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// fileData is the content of the regular file that is looked at.
type fileData interface {
	begin(n int) []byte      // up to n of the first bytes, not taken; nothing where that cannot be said
	contents(p []byte) error // all of it
	data(p []byte) error     // the next bytes
	pass(n int64) error      // over bytes that nobody looks at
}

var (
	elfMagic = []byte("\x7fELF")
	zipMagic = []byte("PK\x03\x04")
)

// isProgram reports whether what a file begins with is that of a program or a library in
// ELF, and not of an object that is linked into others.
func isProgram(head []byte) bool {
	const kind, object = 16, 1
	return len(head) >= kind+2 && bytes.HasPrefix(head, elfMagic) && head[kind]|head[kind+1] != object
}

// file looks at a regular file as it passes by: whether it is a program, and
// whether an interest wants it. An error ends the layer.
func (r *layerReader) file(a attributes, h *tarHeader) (attributes, error) {
	head := r.data.begin(elfHeader)
	if a.mode&0o111 != 0 {
		switch {
		case bytes.HasPrefix(head, elfMagic):
			a.mode |= native
		case bytes.HasPrefix(head, []byte("#!")):
			a.mode |= script
		}
	}
	program := a.mode&native != 0 || isProgram(head)
	i := r.interests.find(r.path)
	if i < 0 && r.beginsArchive(head) {
		i = r.interests.archive
	}
	if i < 0 && h.Size >= elfHeader && program {
		if r.secrets {
			r.skip("compiled")
		}
		return r.elf(a, h)
	}
	if i < 0 {
		if r.secrets {
			return a, r.searchFile(h)
		}
		return a, nil
	}
	interest := &r.interests.table[i]
	most := interest.Most
	if most == 0 {
		most = r.limits.File
	}
	if interest.Extract == nil {
		most = min(most, r.limits.Kept-r.kept)
	}
	if h.Size > most {
		r.problems.add("%s: a file of %d bytes, more than the limit of %d: not read", r.name(), h.Size, most)
		return a, nil
	}
	if interest.Extract == nil {
		return r.keepFile(a, h.Size, interest)
	}
	if interest.Stream != nil && h.Size > interest.Whole && !h.Sparse {
		return r.stream(a, h.Size, interest)
	}
	all := r.room(h.Size)
	if err := r.data.contents(all); err != nil {
		return a, err
	}
	if r.secrets {
		r.searchBytes(all)
	}
	a.content = r.extract(interest.Extract, &FileContent{
		Path: r.name(), Mode: a.mode & modeBits, Size: h.Size, ReaderAt: bytes.NewReader(all), bytes: all,
	})
	return a, nil
}

// beginsArchive reports whether a file without a suffix is a zip archive, which may begin
// with the script that runs it. What is there of the file may move in memory.
func (r *layerReader) beginsArchive(head []byte) bool {
	switch base := r.path[bytes.LastIndexByte(r.path, '/')+1:]; {
	case bytes.IndexByte(base, '.') >= 0:
		return false
	case bytes.HasPrefix(head, []byte("#!")):
		return bytes.Contains(r.data.begin(streamBuffer), zipMagic)
	}
	return bytes.HasPrefix(head, zipMagic)
}

// stream lets an interest read a file as it passes by. An error of the layer ends it.
func (r *layerReader) stream(a attributes, size int64, interest *Interest) (attributes, error) {
	if r.secrets {
		kind := notText(r.data.begin(streamBuffer))
		if kind == "" {
			kind = "too large" // a program before an archive
		}
		r.skip(kind)
	}
	passing := &passingFile{data: r.data, left: size}
	found, err := interest.Stream(r.name(), passing)
	a.content = r.keepFound(found, err)
	return a, passing.err
}

// passingFile reads a file once, from its beginning. It has the error with which its
// layer ends.
type passingFile struct {
	data fileData
	left int64
	err  error
}

func (f *passingFile) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n := int(min(int64(len(p)), f.left))
	if n == 0 {
		return 0, io.EOF
	}
	if f.err = f.data.data(p[:n]); f.err != nil {
		return 0, f.err
	}
	f.left -= int64(n)
	return n, nil
}

// keepFile keeps what is wanted of a file.
func (r *layerReader) keepFile(a attributes, size int64, interest *Interest) (attributes, error) {
	var kept []byte
	if interest.Keep == nil {
		r.charge(size)
		kept = make([]byte, size)
		if err := r.data.contents(kept); err != nil {
			return a, err
		}
		r.whole = true
		if r.secrets {
			r.searchBytes(kept)
		}
	} else {
		all := r.room(size)
		if err := r.data.contents(all); err != nil {
			return a, err
		}
		if r.secrets {
			r.searchBytes(all)
		}
		kept = append([]byte{}, interest.Keep(r.name(), all)...) // its own size, and never nil
		r.charge(int64(len(kept)))
	}
	r.kept += int64(len(kept))
	a.content = r.keep(content{bytes: kept})
	return a, nil
}

// room returns memory that is used again for the next file.
func (r *layerReader) room(n int64) []byte {
	if more := n - int64(cap(r.scratch)); more > 0 {
		r.charge(more)
		r.scratch = make([]byte, n)
	}
	return r.scratch[:n]
}

func (r *layerReader) keep(c content) uint32 {
	c.path = r.name()
	r.tree.contents = append(r.tree.contents, c)
	return uint32(len(r.tree.contents))
}

// extract runs an extractor. Nothing found is nothing kept.
func (r *layerReader) extract(extract Extractor, f *FileContent) uint32 {
	return r.keepFound(extract(f))
}

func (r *layerReader) keepFound(found []Package, err error) uint32 {
	hideSecrets(found)
	c := content{found: found}
	if err != nil {
		c.problem = err.Error()
	}
	if len(found) == 0 && err == nil {
		return 0
	}
	return r.keep(c)
}

const (
	elfHeader    = 64
	elfWhole     = 16 << 20 // bytes up to which an ELF file is read wholly
	elfHead      = 64 << 10
	elfParts     = 16 << 20 // bytes that are kept of a larger one
	elfTail      = 1 << 20  // of these for what stands at the end
	mostSections = 1 << 14
)

// elf hands an ELF file to the first interest in one of its sections.
func (r *layerReader) elf(a attributes, h *tarHeader) (attributes, error) {
	if len(r.interests.elf) == 0 || h.Sparse {
		return a, nil
	}
	f := &FileContent{Path: r.name(), Mode: a.mode & modeBits, Size: h.Size}
	if h.Size <= elfWhole {
		all := r.room(h.Size)
		if err := r.data.contents(all); err != nil {
			return a, err
		}
		f.ReaderAt, f.bytes = bytes.NewReader(all), all
	} else {
		parts, err := r.elfParts(h)
		if err != nil {
			return a, err
		}
		f.ReaderAt = parts
	}
	layout, err := readELF(f.ReaderAt)
	if err == nil && layout.namesAt+layout.namesLength > h.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if f.hasGoMagic() { // truncated, or without the table of its sections
			a.content = r.keepFound(goPackages(f, f.Path))
		}
		return a, nil // no program that runs
	}
	if parts, ok := f.ReaderAt.(*partsReader); ok {
		parts.headers = layout.compressed(parts)
	}
	for _, i := range r.interests.elf {
		interest := &r.interests.table[i]
		if (interest.Most == 0 || h.Size <= interest.Most) && layout.hasAny(f.ReaderAt, interest.ELF) {
			a.content = r.extract(interest.Extract, f)
			break
		}
	}
	return a, nil
}

// goMagic begins what Go's linker writes of a build, at a multiple of 16.
const goMagic = "\xff Go buildinf:"

// hasGoMagic looks for it, and for the build ID at the beginning, in what is there of a
// file whose sections cannot be read.
func (f *FileContent) hasGoMagic() bool {
	kept := [][]byte{f.bytes}
	if parts, ok := f.ReaderAt.(*partsReader); ok {
		for _, p := range parts.parts {
			kept = append(kept, p.bytes)
		}
	}
	return slices.ContainsFunc(kept, func(b []byte) bool {
		return buildID(b[:min(len(b), elfHead)]) != "" || bytes.Contains(b, []byte(goMagic))
	})
}

// elfParts reads of a large ELF file its head, the section table and the names of
// sections, and of what is loaded first what is no machine code.
func (r *layerReader) elfParts(h *tarHeader) (*partsReader, error) {
	parts := &partsReader{size: h.Size}
	memory := r.room(elfHead + elfParts)[:0]
	read := func(p part) error {
		at := len(memory)
		memory = memory[:at+int(p.length)]
		p.bytes = memory[at:]
		parts.parts = append(parts.parts, p)
		return r.data.data(p.bytes)
	}
	at := int64(elfHead)
	if err := read(part{length: at}); err != nil {
		return nil, err
	}
	layout, err := readELFHeader(parts)
	if err != nil {
		return parts, nil
	}
	for _, want := range layout.worthKeeping(parts, h.Size) {
		want.length -= max(at-want.offset, 0)
		want.offset = max(at, want.offset)
		want.length = min(want.length, h.Size-want.offset, int64(cap(memory)-len(memory)))
		if want.length <= 0 {
			continue
		}
		if err := r.data.pass(want.offset - at); err != nil {
			return nil, err
		}
		if err := read(want); err != nil {
			return nil, err
		}
		at = want.offset + want.length
	}
	return parts, nil
}

// part is a piece of a file.
type part struct {
	offset, length int64
	bytes          []byte
}

// partsReader reads a file of which only parts are there, in order of offset.
type partsReader struct {
	parts []part
	size  int64
	// headers are where compressed sections begin: those for debugging, which nobody
	// unpacks and everybody who opens the file reads the header of. What of it was not
	// kept reads as zeros.
	headers []int64
}

// longestHeader is the length of a compressed section's header.
const longestHeader = 24

var errNotKept = errors.New("a part of the file that was not kept")

func (p *partsReader) ReadAt(b []byte, at int64) (int, error) {
	n := 0
	for n < len(b) {
		if at+int64(n) >= p.size {
			return n, io.EOF
		}
		i, _ := slices.BinarySearchFunc(p.parts, at+int64(n), func(p part, at int64) int {
			switch {
			case p.offset+p.length <= at:
				return -1
			case p.offset > at:
				return 1
			}
			return 0
		})
		if i >= len(p.parts) || p.parts[i].offset > at+int64(n) {
			if n == 0 && len(b) <= longestHeader && slices.Contains(p.headers, at) {
				clear(b)
				return len(b), nil
			}
			return n, fmt.Errorf("byte %d: %w", at+int64(n), errNotKept)
		}
		n += copy(b[n:], p.parts[i].bytes[at+int64(n)-p.parts[i].offset:])
	}
	return n, nil
}
