package image

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// elfLayout is what an ELF file says of where things are in it.
type elfLayout struct {
	order                  binary.ByteOrder
	wide                   bool // 64 bits
	segments, sections     int64
	segmentSize, segmentsN int
	sectionSize, sectionsN int
	namesAt                int64 // of the names of sections
	namesLength            int64
	nameSection            int
}

var errELF = errors.New("not an ELF file as programs are")

// readELFHeader reads the header alone.
func readELFHeader(r io.ReaderAt) (*elfLayout, error) {
	var h [elfHeader]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return nil, err
	}
	l := &elfLayout{}
	switch h[5] {
	case 1:
		l.order = binary.LittleEndian
	case 2:
		l.order = binary.BigEndian
	default:
		return nil, errELF
	}
	u16 := func(at int) int { return int(l.order.Uint16(h[at:])) }
	switch h[4] {
	case 1:
		l.segments, l.sections = int64(l.order.Uint32(h[28:])), int64(l.order.Uint32(h[32:]))
		l.segmentSize, l.segmentsN, l.sectionSize, l.sectionsN, l.nameSection = u16(42), u16(44), u16(46), u16(48), u16(50)
	case 2:
		l.wide = true
		l.segments, l.sections = int64(l.order.Uint64(h[32:])), int64(l.order.Uint64(h[40:]))
		l.segmentSize, l.segmentsN, l.sectionSize, l.sectionsN, l.nameSection = u16(54), u16(56), u16(58), u16(60), u16(62)
	default:
		return nil, errELF
	}
	if l.segments < 0 || l.sections < 0 || l.sectionsN > mostSections || l.sectionsN > 0 && l.sectionSize < l.pick(40, 64) || l.segmentsN > 0 && l.segmentSize < l.pick(32, 56) {
		return nil, errELF
	}
	return l, nil
}

// pick returns the number for files of 32 or of 64 bits.
func (l *elfLayout) pick(narrow, wide int) int {
	if l.wide {
		return wide
	}
	return narrow
}

func (l *elfLayout) address(b []byte) int64 {
	if l.wide {
		return int64(l.order.Uint64(b))
	}
	return int64(l.order.Uint32(b))
}

// readELF reads the header and where the names of sections are.
func readELF(r io.ReaderAt) (*elfLayout, error) {
	l, err := readELFHeader(r)
	if err != nil {
		return nil, err
	}
	if l.nameSection >= l.sectionsN {
		return nil, errELF
	}
	_, l.namesAt, l.namesLength, err = l.section(r, l.nameSection)
	if err == nil && (l.namesAt < 0 || l.namesLength < 0 || l.namesLength > 1<<20) {
		err = errELF
	}
	return l, err
}

// section returns where a section's name begins among the names, and where its
// bytes are.
func (l *elfLayout) section(r io.ReaderAt, i int) (name, offset, length int64, err error) {
	var s [64]byte
	b := s[:l.pick(40, 64)]
	if _, err := r.ReadAt(b, l.sections+int64(i)*int64(l.sectionSize)); err != nil {
		return 0, 0, 0, err
	}
	return int64(l.order.Uint32(b)), l.address(b[l.pick(16, 24):]), l.address(b[l.pick(20, 32):]), nil
}

// compressed returns where the compressed sections begin.
func (l *elfLayout) compressed(r io.ReaderAt) []int64 {
	const flag = 0x800
	var all []int64
	for i := range l.sectionsN {
		var s [64]byte
		b := s[:l.pick(40, 64)]
		if _, err := r.ReadAt(b, l.sections+int64(i)*int64(l.sectionSize)); err != nil {
			return all
		}
		if l.address(b[8:])&flag != 0 {
			all = append(all, l.address(b[l.pick(16, 24):]))
		}
	}
	return all
}

// hasAny reports whether the file has a section of one of the names.
func (l *elfLayout) hasAny(r io.ReaderAt, wanted []string) bool {
	names := make([]byte, l.namesLength)
	if _, err := r.ReadAt(names, l.namesAt); err != nil {
		return false
	}
	for i := range l.sectionsN {
		at, _, _, err := l.section(r, i)
		if err != nil {
			return false
		}
		if at < 0 || at >= int64(len(names)) {
			continue
		}
		if slices.Contains(wanted, string(untilNUL(names[at:]))) {
			return true
		}
	}
	return false
}

// worthKeeping returns the parts of a large file to keep, in order and apart from
// each other: the section table and names, which may stand at the end, what is
// loaded to be written, and what is loaded to be read as far as there is room.
// Only the header, the table of segments and maybe the sections are there yet.
func (l *elfLayout) worthKeeping(head io.ReaderAt, size int64) []part {
	var parts []part
	if table := int64(l.sectionsN) * int64(l.sectionSize); l.sections < elfHead && l.sections+table <= elfHead {
		parts = l.earlySections(head)
	} else {
		from := max(l.sections-elfHead, 0)
		parts = append(parts, part{offset: from, length: min(size-from, elfTail)})
		parts = append(parts, l.loaded(head)...)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.offset, b.offset) })
	apart := parts[:0]
	for _, p := range parts {
		if p.offset < 0 || p.length <= 0 || p.offset >= size {
			continue
		}
		p.length = min(p.length, size-p.offset)
		if n := len(apart); n > 0 && apart[n-1].offset+apart[n-1].length >= p.offset {
			apart[n-1].length = max(apart[n-1].length, p.offset+p.length-apart[n-1].offset)
			continue
		}
		apart = append(apart, p)
	}
	return apart
}

// keptOfSection bounds what is kept of one section: the dependencies of a
// program, names of sections, small data.
const keptOfSection = 4 << 20

// earlySections keeps the sections that are small, which those that say what a
// program was built from are: the table stands at the beginning, as Go's own
// linker writes it.
func (l *elfLayout) earlySections(head io.ReaderAt) []part {
	var parts []part
	var sum int64
	for i := range l.sectionsN {
		_, offset, length, err := l.section(head, i)
		if err == nil && length <= keptOfSection && sum+length <= elfParts {
			sum += length
			parts = append(parts, part{offset: offset, length: length})
		}
	}
	return parts
}

// loaded returns the segments without machine code, the beginning of each.
func (l *elfLayout) loaded(head io.ReaderAt) []part {
	const load, executable = 1, 1
	var parts []part
	room := int64(elfParts - elfTail)
	for i := range l.segmentsN {
		b := make([]byte, l.pick(32, 56))
		if _, err := head.ReadAt(b, l.segments+int64(i)*int64(l.segmentSize)); err != nil {
			return parts
		}
		flags := l.order.Uint32(b[l.pick(24, 4):])
		if l.order.Uint32(b) != load || flags&executable != 0 {
			continue
		}
		p := part{offset: l.address(b[l.pick(4, 8):]), length: l.address(b[l.pick(16, 32):])}
		p.length = min(p.length, room/2)
		if p.length > 0 {
			room -= p.length
			parts = append(parts, p)
		}
	}
	return parts
}
