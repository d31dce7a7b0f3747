package advisory

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The file of a database:
//
//	groups       a checksum and the rows of one group each, compressed where that pays
//	buckets      where groups stand, by their hashes
//	description  JSON: feeds and scopes
//	footer       where these are, and the SHA-256 of all of it
//
// A bucket is a checksum and entries: a part of the hash of a group, and one more than
// where it stands; 0 is none. What finds no place in its bucket is in the next one that
// has any.
//
// Opening reads footer and description; a lookup reads a bucket and a group and checks
// both, so that a database costs nothing to open and damage is found where it is.
const (
	fileMagic     = "ULLAGEDB"
	fileFormat    = 6
	sumBytes      = 4
	entryBytes    = 8
	bucketBytes   = 64 // what a processor reads at once
	bucketEntries = (bucketBytes - sumBytes) / entryBytes
	usualEntries  = 5  // in a bucket
	offsetBits    = 40 // of an entry; the rest are the last bits of the hash
	footerSize    = 8 + 4 + 5*8 + 4 + 4 + 32 + 4
	groupLimit    = 256 << 20
)

// entryOf is the entry of a group without its place.
func entryOf(hash uint64) uint64 { return hash << offsetBits }

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
	groups      uint64 // where they end
	buckets     uint64 // where they begin
	homes       uint64 // how many of them hashes lead to; those that follow are for what finds no place
	description uint64
	size        uint64

	descriptionSum uint32
	digest         [32]byte
}

func (f *footer) marshal() []byte {
	b := []byte(fileMagic)
	b = binary.LittleEndian.AppendUint32(b, fileFormat)
	for _, v := range []uint64{f.groups, f.buckets, f.homes, f.description, f.size} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, f.descriptionSum)
	b = append(b, f.digest[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (f *footer) unmarshal(b []byte, size int64) error {
	if len(b) != footerSize || string(b[:8]) != fileMagic {
		return errors.New("it is no database of advisories, or one that was cut off")
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
	for i, p := range []*uint64{&f.groups, &f.buckets, &f.homes, &f.description, &f.size} {
		*p = binary.LittleEndian.Uint64(b[12+8*i:])
	}
	f.descriptionSum = binary.LittleEndian.Uint32(b[56:])
	copy(f.digest[:], b[60:])
	ordered := f.groups <= f.buckets && f.buckets <= f.description && f.description <= f.size-footerSize
	if f.size != uint64(size) || !ordered || f.size-footerSize-f.description > 64<<20 || f.homes == 0 ||
		(f.description-f.buckets)%bucketBytes != 0 || f.homes > (f.description-f.buckets)/bucketBytes {
		return errDamaged
	}
	return nil
}

// bucketOf is where the bucket of a hash stands. They are in the order of the hashes.
func (f *footer) bucketOf(hash uint64) uint64 {
	n, _ := bits.Mul64(hash, f.homes)
	return f.buckets + n*bucketBytes
}

// tableWriter writes a database from rows in order.
type tableWriter struct {
	w       *bufio.Writer
	sum     hash.Hash
	offset  uint64
	entries []indexEntry
	group   []byte // key of the group being gathered
	rows    int
	body    []byte
	encoder *zstd.Encoder
	head    []byte
	packed  []byte
}

type indexEntry struct{ hash, offset uint64 }

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
	_, err := t.w.Write(b)
	return err
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

// flush writes the group: a checksum of what follows, its key, whether its rows are
// compressed, how many bytes they are and how many are stored, and these.
func (t *tableWriter) flush() error {
	if t.rows == 0 {
		return nil
	}
	if len(t.body) > groupLimit {
		return fmt.Errorf("%q has %d MB of advisories, more than a database holds", t.group, len(t.body)>>20)
	}
	if (t.offset+1)>>offsetBits != 0 {
		return errors.New("it is larger than a database can be")
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
	head := append(appendText(append(t.head[:0], 0, 0, 0, 0), string(t.group)), packed)
	head = binary.AppendUvarint(head, uint64(len(t.body)))
	t.head = binary.AppendUvarint(head, uint64(len(stored)))
	sum := crc32.Update(crc32.Checksum(t.head[sumBytes:], castagnoli), castagnoli, stored)
	binary.LittleEndian.PutUint32(t.head, sum)
	t.entries = append(t.entries, indexEntry{xxhash.Sum64(t.group), t.offset})
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
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.offset, b.offset))
	})
	f := footer{groups: t.offset, homes: uint64(len(t.entries)/usualEntries) + 1}
	if err := t.write(make([]byte, -t.offset%bucketBytes)); err != nil { // so that no bucket takes two reads
		return err
	}
	f.buckets = t.offset
	if err := t.writeBuckets(&f); err != nil {
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
	f.size = t.offset + footerSize
	t.sum.Sum(f.digest[:0])
	if _, err := t.w.Write(f.marshal()); err != nil {
		return err
	}
	return t.w.Flush()
}

// writeBuckets puts each entry into its bucket, or the next one that has a place.
func (t *tableWriter) writeBuckets(f *footer) error {
	end := f.buckets + f.homes*bucketBytes
	for rest := t.entries; t.offset < end || len(rest) > 0; {
		var b [bucketBytes]byte
		for at := sumBytes; at < sumBytes+bucketEntries*entryBytes && len(rest) > 0 && f.bucketOf(rest[0].hash) <= t.offset; at += entryBytes {
			binary.LittleEndian.PutUint64(b[at:], entryOf(rest[0].hash)|(rest[0].offset+1))
			rest = rest[1:]
		}
		binary.LittleEndian.PutUint32(b[:], crc32.Checksum(b[sumBytes:], castagnoli))
		if err := t.write(b[:]); err != nil {
			return err
		}
	}
	return nil
}
