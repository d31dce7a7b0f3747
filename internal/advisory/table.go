package advisory

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The file of a database:
//
//	groups       rows of one group each, compressed where that pays
//	index        for each group hash, offset and length, in the order of the hash
//	fans         where in the index each value of the first two bytes begins
//	description  JSON: feeds and scopes
//	checksums    CRC-32C of every page of what stands before
//	footer       where these are, and the SHA-256 of all of it
//
// Opening reads footer, description and checksums; a lookup reads the pages that
// it needs and checks each, so that a database costs nothing to open and damage is
// found where it is.
const (
	fileMagic  = "ULLAGEDB"
	fileFormat = 3
	pageBytes  = 1 << 10
	entryBytes = 16
	fanCount   = 1<<16 + 1
	footerSize = 8 + 4 + 5*8 + 4 + 4 + 32 + 4
	groupLimit = 256 << 20
)

// How groups are packed: well where they are large, and quickly to read where they
// are small, as most are.
const (
	notPacked byte = iota
	packedZstd
	packedS2
	smallGroup = 8 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// footer says where the parts of a file are.
type footer struct {
	index, entries, description, checksums, size uint64
	descriptionSum, checksumsSum                 uint32
	digest                                       [32]byte
}

func (f *footer) marshal() []byte {
	b := []byte(fileMagic)
	b = binary.LittleEndian.AppendUint32(b, fileFormat)
	for _, v := range []uint64{f.index, f.entries, f.description, f.checksums, f.size} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, f.descriptionSum)
	b = binary.LittleEndian.AppendUint32(b, f.checksumsSum)
	b = append(b, f.digest[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (f *footer) unmarshal(b []byte, size int64) error {
	if len(b) != footerSize || string(b[:8]) != fileMagic {
		return fmt.Errorf("it is no database of advisories, or one that was cut off")
	}
	if crc32.Checksum(b[:footerSize-4], castagnoli) != binary.LittleEndian.Uint32(b[footerSize-4:]) {
		return errDamaged
	}
	switch v := binary.LittleEndian.Uint32(b[8:]); {
	case v < fileFormat:
		return fmt.Errorf("%w: it has %d, and this program reads %d", ErrOldFormat, v, fileFormat)
	case v > fileFormat:
		return fmt.Errorf("its format is %d, and this program reads %d: a newer one made it", v, fileFormat)
	}
	for i, p := range []*uint64{&f.index, &f.entries, &f.description, &f.checksums, &f.size} {
		*p = binary.LittleEndian.Uint64(b[12+8*i:])
	}
	f.descriptionSum = binary.LittleEndian.Uint32(b[52:])
	f.checksumsSum = binary.LittleEndian.Uint32(b[56:])
	copy(f.digest[:], b[60:])
	ordered := f.index <= f.description && f.description <= f.checksums && f.checksums <= f.size
	if !ordered || f.size != uint64(size) || f.entries > f.size/entryBytes ||
		f.index+f.entries*entryBytes+fanCount*4 != f.description || f.checksums-f.description > 64<<20 ||
		f.size-f.checksums-footerSize != (f.checksums+pageBytes-1)/pageBytes*4 {
		return errDamaged
	}
	return nil
}

// tableWriter writes a database from rows in order.
type tableWriter struct {
	w       *bufio.Writer
	sum     hash.Hash
	page    uint32 // checksum so far
	filled  int    // bytes in the page
	pages   []byte
	offset  uint64
	entries []indexEntry
	group   []byte // key of the group being gathered
	rows    int
	body    []byte
	encoder *zstd.Encoder
	head    []byte
	packed  []byte
}

type indexEntry struct {
	hash, offset uint64
	length       uint32
}

func newTableWriter(w io.Writer) (*tableWriter, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &tableWriter{w: bufio.NewWriterSize(w, 256<<10), sum: sha256.New(), encoder: encoder}, nil
}

func (t *tableWriter) write(b []byte) error {
	t.sum.Write(b)
	t.offset += uint64(len(b))
	if _, err := t.w.Write(b); err != nil {
		return err
	}
	for len(b) > 0 {
		n := min(len(b), pageBytes-t.filled)
		t.page = crc32.Update(t.page, castagnoli, b[:n])
		if t.filled += n; t.filled == pageBytes {
			t.endPage()
		}
		b = b[n:]
	}
	return nil
}

func (t *tableWriter) endPage() {
	t.pages = binary.LittleEndian.AppendUint32(t.pages, t.page)
	t.page, t.filled = 0, 0
}

// add takes the next row.
func (t *tableWriter) add(r row) error {
	i := bytes.IndexByte(r.key, partEnd[0])
	if i < 0 {
		return errDamaged
	}
	if !bytes.Equal(r.key[:i], t.group) {
		if err := t.flush(); err != nil {
			return err
		}
		t.group = append(t.group[:0], r.key[:i]...)
	}
	t.body = binary.AppendUvarint(t.body, uint64(len(r.key)-i-1))
	t.body = append(t.body, r.key[i+1:]...)
	t.body = binary.AppendUvarint(t.body, uint64(len(r.value)))
	t.body = append(t.body, r.value...)
	t.rows++
	return nil
}

// flush writes the group: its key, whether its rows are compressed, how many bytes
// they are and how many are stored, and these.
func (t *tableWriter) flush() error {
	if t.rows == 0 {
		return nil
	}
	if len(t.body) > groupLimit {
		return fmt.Errorf("%q has %d MB of advisories, more than a database holds", t.group, len(t.body)>>20)
	}
	stored, packed := t.body, notPacked
	switch {
	case len(t.body) > smallGroup:
		t.packed, packed = t.encoder.EncodeAll(t.body, t.packed[:0]), packedZstd
	case len(t.body) > 256:
		t.packed, packed = s2.EncodeBetter(t.packed[:cap(t.packed)], t.body), packedS2
	}
	if packed != notPacked && len(t.packed) < len(t.body)*7/8 {
		stored = t.packed
	} else {
		packed = notPacked
	}
	head := append(appendText(t.head[:0], string(t.group)), packed)
	head = binary.AppendUvarint(head, uint64(len(t.body)))
	t.head = binary.AppendUvarint(head, uint64(len(stored)))
	t.entries = append(t.entries, indexEntry{xxhash.Sum64(t.group), t.offset, uint32(len(t.head) + len(stored))})
	if err := t.write(t.head); err != nil {
		return err
	}
	t.rows = 0
	err := t.write(stored)
	t.body = t.body[:0]
	return err
}

// close writes what follows the groups.
func (t *tableWriter) close(d *Description) error {
	if err := t.flush(); err != nil {
		return err
	}
	slices.SortFunc(t.entries, func(a, b indexEntry) int {
		if a.hash != b.hash {
			return compareUint(a.hash, b.hash)
		}
		return compareUint(a.offset, b.offset)
	})
	f := footer{index: t.offset, entries: uint64(len(t.entries))}
	if err := t.writeIndex(); err != nil {
		return err
	}
	f.description = t.offset
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	f.descriptionSum = crc32.Checksum(text, castagnoli)
	if err := t.write(text); err != nil {
		return err
	}
	f.checksums = t.offset
	if t.filled > 0 {
		t.endPage()
	}
	f.checksumsSum = crc32.Checksum(t.pages, castagnoli)
	f.size = t.offset + uint64(len(t.pages)) + footerSize
	t.sum.Write(t.pages)
	t.sum.Sum(f.digest[:0])
	for _, b := range [][]byte{t.pages, f.marshal()} {
		if _, err := t.w.Write(b); err != nil {
			return err
		}
	}
	return t.w.Flush()
}

func (t *tableWriter) writeIndex() error {
	fans := make([]uint32, fanCount)
	b := make([]byte, 0, entryBytes)
	for i, e := range t.entries {
		fans[e.hash>>48+1] = uint32(i) + 1
		b = binary.LittleEndian.AppendUint64(b[:0], e.hash)
		b = binary.LittleEndian.AppendUint64(b, e.offset<<24|uint64(min(e.length, 1<<24-1)))
		if err := t.write(b); err != nil {
			return err
		}
	}
	b = make([]byte, 0, fanCount*4)
	for i := range fans {
		if i > 0 {
			fans[i] = max(fans[i], fans[i-1])
		}
		b = binary.LittleEndian.AppendUint32(b, fans[i])
	}
	return t.write(b)
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
