package advisory

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// table reads a database. It is for one goroutine.
type table struct {
	r         io.ReaderAt
	footer    footer
	pages     []byte // checksums
	described Description
	decoder   *zstd.Decoder
	buf, body []byte
	cache     map[uint64][]byte // checked pages that lookups within one page met
	mapped    []byte            // the whole file, nil where it cannot be mapped
	checked   []uint64          // a bit for each page of mapped that was checked
}

// cachedPages is how many pages stay in memory: ids that are near each other, as
// those of one year are, stand on the same pages.
const cachedPages = 8192

func openTable(r io.ReaderAt, size int64) (*table, error) {
	t := &table{r: r, cache: map[uint64][]byte{}}
	if size < footerSize {
		return nil, errors.New("it is no database of advisories, or one that was cut off")
	}
	b := make([]byte, footerSize)
	if _, err := r.ReadAt(b, size-footerSize); err != nil {
		return nil, err
	}
	if err := t.footer.unmarshal(b, size); err != nil {
		return nil, err
	}
	f := &t.footer
	b = make([]byte, f.size-footerSize-f.description)
	if _, err := r.ReadAt(b, int64(f.description)); err != nil {
		return nil, err
	}
	text := b[:f.checksums-f.description]
	t.pages = b[len(text):]
	if crc32.Checksum(text, castagnoli) != f.descriptionSum || crc32.Checksum(t.pages, castagnoli) != f.checksumsSum {
		return nil, errDamaged
	}
	if err := json.Unmarshal(text, &t.described); err != nil {
		return nil, errDamaged
	}
	var err error
	t.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(groupLimit), zstd.WithDecoderLowmem(true))
	return t, err
}

// read returns bytes of the file, after it has checked the pages that they stand
// in. They hold until the next call.
func (t *table) read(offset, length uint64) ([]byte, error) {
	if offset > t.footer.checksums || length > t.footer.checksums-offset || length > groupLimit {
		return nil, errDamaged
	}
	first := offset / pageBytes
	if t.mapped != nil {
		return t.mapped[offset:][:length], t.check(first, (offset+length+pageBytes-1)/pageBytes)
	}
	if (offset+length-1)/pageBytes == first && length > 0 {
		page, err := t.page(first)
		if err != nil || uint64(len(page)) < offset%pageBytes+length {
			return nil, cmp.Or(err, errDamaged)
		}
		return page[offset%pageBytes:][:length], nil
	}
	end := min((offset+length+pageBytes-1)/pageBytes*pageBytes, t.footer.checksums)
	if n := int(end - first*pageBytes); cap(t.buf) < n {
		t.buf = make([]byte, n+n/4)
	}
	b := t.buf[:end-first*pageBytes]
	if err := t.load(b, first); err != nil {
		return nil, err
	}
	return b[offset-first*pageBytes:][:length], nil
}

// mapTo reads from a mapping of the file from now on.
func (t *table) mapTo(b []byte) {
	if uint64(len(b)) == t.footer.size {
		t.mapped, t.checked = b, make([]uint64, len(t.pages)/4/64+1)
	}
}

// check checks mapped pages that were not checked before.
func (t *table) check(from, to uint64) error {
	for n := from; n < to; n++ {
		if t.checked[n/64]>>(n%64)&1 == 1 {
			continue
		}
		page := t.mapped[n*pageBytes : min((n+1)*pageBytes, t.footer.checksums)]
		if crc32.Checksum(page, castagnoli) != binary.LittleEndian.Uint32(t.pages[n*4:]) {
			return errDamaged
		}
		t.checked[n/64] |= 1 << (n % 64)
	}
	return nil
}

// page returns a checked page.
func (t *table) page(n uint64) ([]byte, error) {
	if b, ok := t.cache[n]; ok {
		return b, nil
	}
	b := make([]byte, min(pageBytes, t.footer.checksums-n*pageBytes))
	if err := t.load(b, n); err != nil {
		return nil, err
	}
	if len(t.cache) >= cachedPages {
		clear(t.cache)
	}
	t.cache[n] = b
	return b, nil
}

// load fills b with pages from the first one on, and checks them.
func (t *table) load(b []byte, first uint64) error {
	if _, err := t.r.ReadAt(b, int64(first*pageBytes)); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	for rest, page := b, first; len(rest) > 0; page++ {
		n := min(len(rest), pageBytes)
		if crc32.Checksum(rest[:n], castagnoli) != binary.LittleEndian.Uint32(t.pages[page*4:]) {
			return errDamaged
		}
		rest = rest[n:]
	}
	return nil
}

// rows calls yield with the rows of a group: what follows the group in their keys,
// and their values.
func (t *table) rows(group string, yield func(rest, value string) error) error {
	hash := xxhash.Sum64String(group)
	fan, err := t.read(t.footer.index+t.footer.entries*entryBytes+hash>>48*4, 8)
	if err != nil {
		return err
	}
	from, to := uint64(binary.LittleEndian.Uint32(fan)), uint64(binary.LittleEndian.Uint32(fan[4:]))
	if from > to || to > t.footer.entries {
		return errDamaged
	}
	entries, err := t.read(t.footer.index+from*entryBytes, (to-from)*entryBytes)
	if err != nil {
		return err
	}
	var places []uint64
	for ; len(entries) > 0; entries = entries[entryBytes:] {
		if binary.LittleEndian.Uint64(entries) == hash {
			places = append(places, binary.LittleEndian.Uint64(entries[8:]))
		}
	}
	for _, place := range places {
		found, err := t.group(place>>24, place&(1<<24-1), group)
		if err != nil {
			return err
		}
		if found {
			return eachRow(string(t.body), yield)
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

func readHead(b []byte) (h groupHead, ok bool) {
	r := reader[[]byte]{rest: b}
	h = groupHead{key: r.part(), packed: byte(r.number()), size: r.number(), stored: r.number()}
	h.length = uint64(len(b) - len(r.rest))
	return h, !r.bad && h.size <= groupLimit && h.stored <= groupLimit
}

// group reads a group into body, if it is the one that is looked for.
func (t *table) group(offset, length uint64, group string) (bool, error) {
	b, err := t.read(offset, length)
	if err != nil {
		return false, err
	}
	h, ok := readHead(b)
	if !ok {
		return false, errDamaged
	}
	if string(h.key) != group {
		return false, nil
	}
	if h.length+h.stored > length { // longer than the index can say
		if b, err = t.read(offset, h.length+h.stored); err != nil {
			return false, err
		}
	}
	t.body, err = t.unpack(t.body[:0], &h, b[h.length:h.length+h.stored])
	return err == nil, err
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
	keep   func(feed, id string) bool
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
			if s.keep(string(feed), string(id)) {
				s.buf = append(append(append(s.buf[:0], s.group...), partEnd...), rest...)
				return row{s.buf, value}, nil
			}
		}
		if s.offset >= s.t.footer.index {
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
	s.group = append(s.group[:0], h.key...)
	s.offset += h.length + h.stored
	stored := s.window[h.length : h.length+h.stored]
	s.window = s.window[h.length+h.stored:]
	if s.rest = nil; bytes.HasPrefix(s.group, []byte(foldedPrefix)) {
		return nil // made anew
	}
	var err error
	if s.body, err = s.t.unpack(s.body[:0], &h, stored); err != nil {
		return err
	}
	s.rest = s.body
	return nil
}

// fill reads ahead.
func (s *scan) fill(size uint64) error {
	b, err := s.t.read(s.offset, min(size, s.t.footer.index-s.offset))
	s.window = b
	return err
}
