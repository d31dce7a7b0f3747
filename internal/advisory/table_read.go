package advisory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// table reads a database. It is for one goroutine.
type table struct {
	r         io.ReaderAt
	footer    footer
	described Description
	decoder   *zstd.Decoder
	buf, body []byte
	places    []uint64
	texts     strings.Builder // see keep
	mapped    []byte          // the whole file, nil where it cannot be mapped
}

func openTable(r io.ReaderAt, size int64) (*table, error) {
	t := &table{r: r}
	b := make([]byte, min(size, footerSize))
	if _, err := r.ReadAt(b, size-int64(len(b))); err != nil {
		return nil, err
	}
	if err := t.footer.unmarshal(b, size); err != nil {
		return nil, err
	}
	f := &t.footer
	text := make([]byte, f.size-footerSize-f.description)
	if _, err := r.ReadAt(text, int64(f.description)); err != nil {
		return nil, err
	}
	if crc32.Checksum(text, castagnoli) != f.descriptionSum || json.Unmarshal(text, &t.described) != nil {
		return nil, errDamaged
	}
	var err error
	t.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(groupLimit), zstd.WithDecoderLowmem(true))
	return t, err
}

// mapTo reads from a mapping of the file from now on.
func (t *table) mapTo(b []byte) {
	if uint64(len(b)) == t.footer.size {
		t.mapped = b
	}
}

// read returns bytes of the file, not checked. They hold until the next call.
func (t *table) read(offset, length uint64) ([]byte, error) {
	if offset > t.footer.description || length > t.footer.description-offset || length > 2*groupLimit {
		return nil, errDamaged
	}
	if t.mapped != nil {
		return t.mapped[offset:][:length], nil
	}
	t.buf = slices.Grow(t.buf[:0], int(length))[:length]
	if _, err := t.r.ReadAt(t.buf, int64(offset)); err != nil {
		return nil, fmt.Errorf("read the database: %w", err)
	}
	return t.buf, nil
}

// find gathers the places of the groups that may be the one of a hash.
func (t *table) find(hash uint64) error {
	t.places = t.places[:0]
	for offset := t.footer.bucketOf(hash); offset < t.footer.description; offset += bucketBytes {
		b, err := t.read(offset, bucketBytes)
		if err != nil {
			return err
		}
		if crc32.Checksum(b[sumBytes:], castagnoli) != binary.LittleEndian.Uint32(b) {
			return errDamaged
		}
		for at := sumBytes; at < sumBytes+bucketEntries*entryBytes; at += entryBytes {
			entry := binary.LittleEndian.Uint64(b[at:])
			place := entry & (1<<offsetBits - 1)
			if place == 0 {
				return nil
			}
			if entry-place == entryOf(hash) {
				t.places = append(t.places, place-1)
			}
		}
	}
	return nil
}

// rows calls yield with the rows of a group: what follows the group in their keys,
// and their values.
func (t *table) rows(group string, yield func(rest, value string) error) error {
	if err := t.find(xxhash.Sum64String(group)); err != nil {
		return err
	}
	for _, place := range t.places {
		body, found, err := t.group(place, group)
		if err != nil {
			return err
		}
		if found {
			return eachRow(body, yield)
		}
	}
	return nil
}

// groupHead is what stands before the rows of a group.
type groupHead struct {
	key          []byte
	packed       byte
	size, stored uint64
	length       uint64 // of the head itself
}

// mostHead is more than a head takes: keys are of two parts that fit.
const mostHead = 4 << 10

func readHead(b []byte) (h groupHead, ok bool) {
	r := reader[[]byte]{rest: b[min(sumBytes, len(b)):]}
	h = groupHead{key: r.part(), packed: byte(r.number()), size: r.number(), stored: r.number()}
	h.length = uint64(len(b) - len(r.rest))
	return h, !r.bad && h.size <= groupLimit && h.stored <= groupLimit
}

// rows returns what is stored of a group, after it has checked it.
func (h *groupHead) rows(b []byte) ([]byte, error) {
	b = b[:h.length+h.stored]
	if crc32.Checksum(b[sumBytes:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return nil, errDamaged
	}
	return b[h.length:], nil
}

// group returns the rows of a group, if it is the one that is looked for.
func (t *table) group(offset uint64, group string) (body string, found bool, err error) {
	b, err := t.read(offset, min(mostHead, t.footer.groups-min(offset, t.footer.groups)))
	if err != nil {
		return "", false, err
	}
	h, ok := readHead(b)
	if !ok {
		return "", false, errDamaged
	}
	if h.length+h.stored > uint64(len(b)) {
		if b, err = t.read(offset, h.length+h.stored); err != nil {
			return "", false, err
		}
		if h, ok = readHead(b); !ok || h.length+h.stored > uint64(len(b)) { // what is read changed
			return "", false, errDamaged
		}
	}
	stored, err := h.rows(b)
	if err != nil || string(h.key) != group {
		return "", false, err
	}
	if t.body, err = t.unpack(t.body[:0], &h, stored); err != nil {
		return "", false, err
	}
	return t.keep(t.body), true, nil
}

// textBytes is how much of what is read shares one piece of memory.
const textBytes = 64 << 10

// keep makes a text that stays.
func (t *table) keep(b []byte) string {
	if len(b) > textBytes/4 {
		return string(b)
	}
	if t.texts.Cap()-t.texts.Len() < len(b) {
		t.texts = strings.Builder{}
		t.texts.Grow(textBytes)
	}
	from := t.texts.Len()
	t.texts.Write(b)
	return t.texts.String()[from:]
}

// unpack appends the rows of a group to b.
func (t *table) unpack(b []byte, h *groupHead, stored []byte) ([]byte, error) {
	switch h.packed {
	case notPacked:
		b = append(b, stored...)
	case packedZstd:
		var err error
		if b, err = t.decoder.DecodeAll(stored, b); err != nil {
			return nil, errDamaged
		}
	case packedS2:
		n, err := s2.DecodedLen(stored)
		if err != nil || n > smallGroup {
			return nil, errDamaged
		}
		at := len(b)
		b = slices.Grow(b, n)[:at+n]
		if _, err = s2.Decode(b[at:], stored); err != nil {
			return nil, errDamaged
		}
	default:
		return nil, errDamaged
	}
	if uint64(len(b)) != h.size {
		return nil, errDamaged
	}
	return b, nil
}

func eachRow(body string, yield func(rest, value string) error) error {
	r := reader[string]{rest: body}
	for len(r.rest) > 0 {
		rest, value := r.part(), r.part()
		if r.bad {
			return errDamaged
		}
		if err := yield(rest, value); err != nil {
			return err
		}
	}
	return nil
}

// verify reads the whole file and holds it against its digest.
func (t *table) verify() error {
	sum := sha256.New()
	size := int64(t.footer.size) - footerSize
	if n, err := io.Copy(sum, io.NewSectionReader(t.r, 0, size)); err != nil || n != size {
		return errors.Join(errDamaged, err)
	}
	if !bytes.Equal(sum.Sum(nil), t.footer.digest[:]) {
		return errDamaged
	}
	return nil
}

// scan yields all rows of a database in order, as a source of a merge; keep says
// which of them.
type scan struct {
	t      *table
	offset uint64
	rest   []byte // rows of the group that are not yielded yet
	body   []byte
	group  []byte
	keep   func(group, feed, id string) bool
	buf    []byte
	window []byte // read ahead, from offset
}

func (s *scan) next() (row, error) {
	for {
		for len(s.rest) > 0 {
			r := reader[[]byte]{rest: s.rest}
			rest, value := r.part(), r.part()
			feed, id, ok := bytes.Cut(rest, []byte(partEnd))
			if r.bad || !ok {
				return row{}, errDamaged
			}
			s.rest = r.rest
			if s.keep(string(s.group), string(feed), string(id)) {
				s.buf = append(append(append(s.buf[:0], s.group...), partEnd...), rest...)
				return row{s.buf, value}, nil
			}
		}
		if s.offset >= s.t.footer.groups {
			return row{}, io.EOF
		}
		if err := s.load(); err != nil {
			return row{}, err
		}
	}
}

// load takes the next group.
func (s *scan) load() error {
	h, ok := readHead(s.window)
	if !ok {
		if err := s.fill(64 << 10); err != nil {
			return err
		}
		if h, ok = readHead(s.window); !ok {
			return errDamaged
		}
	}
	if h.length+h.stored > uint64(len(s.window)) {
		if err := s.fill(max(h.length+h.stored, 256<<10)); err != nil {
			return err
		}
		if h, ok = readHead(s.window); !ok || h.length+h.stored > uint64(len(s.window)) {
			return errDamaged
		}
	}
	stored, err := h.rows(s.window)
	if err != nil {
		return err
	}
	s.group = append(s.group[:0], h.key...)
	s.offset += h.length + h.stored
	s.window = s.window[h.length+h.stored:]
	if s.rest = nil; bytes.HasPrefix(s.group, []byte(foldedPrefix)) {
		return nil // made anew
	}
	if s.body, err = s.t.unpack(s.body[:0], &h, stored); err != nil {
		return err
	}
	s.rest = s.body
	return nil
}

// fill reads ahead.
func (s *scan) fill(size uint64) error {
	b, err := s.t.read(s.offset, min(size, s.t.footer.groups-s.offset))
	s.window = b
	return err
}
