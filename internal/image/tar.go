package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// tarReader reads the formats that container runtimes do: V7, ustar, pax, GNU and
// star. Where a header can be read in more than one way it is read as Go's
// archive/tar does, because that is what the runtimes unpack with; so global pax
// headers are passed over. Times, owners' names and devices are not looked at.
type tarReader struct {
	*stream
	header tarHeader
	left   int64 // of the entry's data, not yet read
	pad    int64

	records    paxRecords
	special    []byte // data of the last meta header
	name, link []byte // memory of the header's
}

// tarHeader is one entry. Name and Link hold until the next one.
type tarHeader struct {
	Type       byte // as in the format, with old variants made regular files and directories
	Name, Link []byte
	Mode       int64
	UID, GID   int64
	Size       int64 // of the file, holes included
	Sparse     bool
	Parts      []sparsePart // of a sparse file: where its data belongs
	Caps       bool         // has file capabilities
}

type sparsePart struct{ offset, length int64 }

const (
	tarBlock    = 512
	mostSpecial = 1 << 20 // bytes of a meta header
)

const (
	typeFile     = '0'
	typeHardLink = '1'
	typeSymlink  = '2'
	typeChar     = '3'
	typeBlock    = '4'
	typeDir      = '5'
	typeFIFO     = '6'
	typeCont     = '7'
	typeSparse   = 'S'
	typePax      = 'x'
	typeGlobal   = 'g'
	typeLongName = 'L'
	typeLongLink = 'K'
)

func newTarReader(s *stream) *tarReader { return &tarReader{stream: s} }

// next returns the next entry. io.EOF is the end of the archive.
func (t *tarReader) next() (*tarHeader, error) {
	var longName, longLink []byte
	t.records = paxRecords{data: t.records.data}
	for {
		if err := t.skip(t.left); err != nil {
			return nil, t.wrong(err)
		}
		if err := t.skip(t.pad); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, t.wrong(err)
		}
		t.left, t.pad = 0, 0
		block, err := t.block()
		if err != nil {
			return nil, err
		}
		h := &t.header
		if err := t.parse(block); err != nil {
			return nil, t.wrong(err)
		}
		var raw [tarBlock]byte
		copy(raw[:], block)
		t.take(tarBlock)
		if err := t.setData(h.Size); err != nil {
			return nil, t.wrong(err)
		}
		switch h.Type {
		case typePax, typeGlobal, typeLongName, typeLongLink:
			if err := t.readSpecial(); err != nil {
				return nil, t.wrong(err)
			}
			switch h.Type {
			case typePax:
				if err := t.records.parse(t.special); err != nil {
					return nil, t.wrong(err)
				}
			case typeLongName:
				longName = bytes.Clone(untilNUL(t.special))
			case typeLongLink:
				longLink = bytes.Clone(untilNUL(t.special))
			}
			continue
		}
		if err := t.finish(&raw, longName, longLink); err != nil {
			return nil, t.wrong(err)
		}
		return h, nil
	}
}

// finish applies the meta headers to the entry that they are about.
func (t *tarReader) finish(raw *[tarBlock]byte, longName, longLink []byte) error {
	h := &t.header
	if err := t.records.apply(h); err != nil {
		return err
	}
	if len(longName) > 0 {
		h.Name = longName
	}
	if len(longLink) > 0 {
		h.Link = longLink
	}
	if h.Type == 0 {
		h.Type = typeFile
		if bytes.HasSuffix(h.Name, []byte("/")) {
			h.Type = typeDir
		}
	}
	if err := t.setData(h.Size); err != nil {
		return err
	}
	if err := t.sparse(raw); err != nil {
		return err
	}
	if h.Type == typeCont || h.Type == typeSparse {
		h.Type = typeFile
	}
	return nil
}

func (t *tarReader) wrong(err error) error {
	return fmt.Errorf("tar entry at byte %d: %w", t.at, err)
}

// block returns the next block that is a header, not yet taken, or io.EOF.
func (t *tarReader) block() ([]byte, error) {
	block, err := t.peek(tarBlock)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, t.wrong(err)
	}
	if !isZero(block) {
		return block, nil
	}
	t.take(tarBlock)
	switch block, err = t.peek(tarBlock); {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, t.wrong(err)
	case isZero(block):
		t.take(tarBlock)
		return nil, io.EOF
	}
	return nil, t.wrong(errors.New("data behind a block of zeros"))
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// setData says how much data follows the header.
func (t *tarReader) setData(size int64) error {
	switch t.header.Type {
	case typeHardLink, typeSymlink, typeChar, typeBlock, typeDir, typeFIFO:
		size = 0
	}
	if size < 0 {
		return errors.New("negative size")
	}
	t.left, t.pad = size, -size&(tarBlock-1)
	return nil
}

// readSpecial reads the data of a meta header.
func (t *tarReader) readSpecial() error {
	if t.left > mostSpecial {
		return fmt.Errorf("a meta header of %d bytes", t.left)
	}
	if int64(cap(t.special)) < t.left {
		t.special = make([]byte, t.left)
	}
	t.special = t.special[:t.left]
	t.left = 0
	return t.read(t.special)
}

// data reads the next bytes of the entry's data as the archive has it.
func (t *tarReader) data(p []byte) error {
	if int64(len(p)) > t.left {
		return io.ErrUnexpectedEOF
	}
	t.left -= int64(len(p))
	if err := t.read(p); err != nil {
		return t.wrong(err)
	}
	return nil
}

// pass passes over data of the entry.
func (t *tarReader) pass(n int64) error {
	if n > t.left {
		return io.ErrUnexpectedEOF
	}
	t.left -= n
	return t.skip(n)
}

// begin returns up to n of the first bytes of the entry's data without taking
// them. Of a sparse file it returns nothing.
func (t *tarReader) begin(n int) []byte {
	if t.header.Sparse {
		return nil
	}
	b, err := t.peek(int(min(int64(n), t.left)))
	if err != nil {
		return nil
	}
	return b
}

// contents reads the whole file into p, which has the file's size.
func (t *tarReader) contents(p []byte) error {
	if !t.header.Sparse {
		return t.data(p)
	}
	clear(p)
	for _, part := range t.header.Parts {
		if err := t.data(p[part.offset : part.offset+part.length]); err != nil {
			return err
		}
	}
	return nil
}

var (
	magicUstar = []byte("ustar\x00")
	magicGNU   = []byte("ustar  \x00")
	magicStar  = []byte("tar\x00")
)

// parse reads a header block.
func (t *tarReader) parse(b []byte) error {
	if err := checkSum(b); err != nil {
		return err
	}
	h := &t.header
	*h = tarHeader{Type: b[156], Parts: h.Parts[:0]}
	var err error
	number := func(field []byte, name string) int64 {
		n, e := tarNumber(field)
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
		return n
	}
	h.Mode, h.UID, h.GID = number(b[100:108], "mode"), number(b[108:116], "uid"), number(b[116:124], "gid")
	h.Size = number(b[124:136], "size")
	t.name = t.name[:0]
	if prefix := tarPrefix(b); len(prefix) > 0 {
		t.name = append(append(t.name, prefix...), '/')
	}
	t.name = append(t.name, untilNUL(b[:100])...)
	t.link = append(t.link[:0], untilNUL(b[157:257])...)
	h.Name, h.Link = t.name, t.link
	return err
}

// tarPrefix returns what stands before the name, in the formats that have that.
func tarPrefix(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b[257:], magicUstar) && bytes.Equal(b[508:], magicStar):
		return untilNUL(b[345:476])
	case bytes.HasPrefix(b[257:], magicUstar):
		return untilNUL(b[345:500])
	case bytes.HasPrefix(b[257:], magicGNU):
		// Old versions of Go wrote a prefix where GNU has times. It is one when it
		// is no time.
		for _, field := range [][]byte{b[345:357], b[357:369]} {
			if _, err := tarNumber(field); field[0] != 0 && err != nil {
				if prefix := untilNUL(b[345:500]); isASCII(prefix) {
					return prefix
				}
			}
		}
	}
	return nil
}

func isASCII(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 }) < 0
}

func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// checkSum holds the sum in a header against its bytes, taken as unsigned and as
// signed numbers: both were written.
func checkSum(b []byte) error {
	want, err := octal(b[148:156])
	if err != nil {
		return fmt.Errorf("checksum: %w", err)
	}
	var sum, high int64
	for _, c := range b[:tarBlock] {
		sum += int64(c)
		high += int64(c >> 7)
	}
	for _, c := range b[148:156] {
		sum += ' ' - int64(c)
		high -= int64(c >> 7)
	}
	if want != sum && want != sum-256*high {
		return errors.New("bad checksum: not a tar header")
	}
	return nil
}

// tarNumber reads octal digits, or a big-endian two's complement number that is
// marked by its first bit.
func tarNumber(b []byte) (int64, error) {
	if b[0]&0x80 == 0 {
		return octal(b)
	}
	n := int64(b[0]&0x7f) << 57 >> 57 // the sign is the second bit
	for _, c := range b[1:] {
		if n != n<<8>>8 {
			return 0, errors.New("number out of range")
		}
		n = n<<8 | int64(c)
	}
	return n, nil
}

func octal(b []byte) (int64, error) {
	var n int64
	digits := untilNUL(bytes.Trim(b, " \x00"))
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, errors.New("not an octal number")
		}
		n = n<<3 | int64(c-'0')
	}
	return n, nil
}

func decimal(b []byte) (int64, error) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no number", b)
	}
	return n, nil
}
