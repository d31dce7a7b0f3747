package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// maxRPMHeader bounds one package's header. rpm itself refuses more than 256 MiB;
// real ones are below 10 MiB.
const maxRPMHeader = 64 << 20

// rpmBlobs gives the package headers that are in an rpm database of any of the
// three back ends, told apart by content. wal is the SQLite file's write-ahead
// log, which may be nil. On an error the headers found before it are given too.
func rpmBlobs(db, wal []byte) ([][]byte, error) {
	switch {
	case bytes.HasPrefix(db, []byte(sqliteMagic)):
		return sqliteBlobs(db, wal, "Packages")
	case len(db) >= 4 && binary.LittleEndian.Uint32(db) == ndbMagic:
		return ndbBlobs(db)
	case bdbOrder(db) != nil:
		return bdbBlobs(db)
	}
	return nil, errors.New("not an rpm database: neither SQLite, ndb nor Berkeley DB hash")
}

// The marks of rpm's ndb format, read as little-endian numbers.
const (
	ndbMagic     = 'R' | 'p'<<8 | 'm'<<16 | 'P'<<24
	ndbSlot      = 'S' | 'l'<<8 | 'o'<<16 | 't'<<24
	ndbBlobStart = 'B' | 'l'<<8 | 'b'<<16 | 'S'<<24
	ndbBlobEnd   = 'B' | 'l'<<8 | 'b'<<16 | 'E'<<24
	ndbBlock     = 16
	ndbPage      = 4096
)

// ndbBlobs reads rpm's ndb format: pages of slots, each of which points at the
// blocks of one blob, which has a head, a checksum and a tail.
func ndbBlobs(db []byte) ([][]byte, error) {
	le := binary.LittleEndian
	if len(db) < 32 {
		return nil, errors.New("ndb: cut short")
	}
	end := uint64(le.Uint32(db[12:])) * ndbPage
	if end > uint64(len(db)) {
		return nil, fmt.Errorf("ndb: states %d bytes of slots, and has %d bytes", end, len(db))
	}
	var blobs [][]byte
	var bad error
	total := 0
	for at := uint64(32); at+16 <= end; at += 16 {
		slot := db[at:]
		if le.Uint32(slot) != ndbSlot {
			return blobs, errors.New("ndb: a slot without its mark")
		}
		index, offset := le.Uint32(slot[4:]), uint64(le.Uint32(slot[8:]))*ndbBlock
		if index == 0 {
			continue
		}
		blob, err := ndbBlob(db, index, offset)
		if err != nil {
			bad = err
			continue
		}
		if total += len(blob); total > len(db) {
			return blobs, errors.New("ndb: packages overlap")
		}
		blobs = append(blobs, blob)
	}
	return blobs, bad
}

func ndbBlob(db []byte, index uint32, offset uint64) ([]byte, error) {
	le := binary.LittleEndian
	if offset+16 > uint64(len(db)) {
		return nil, fmt.Errorf("ndb: package %d is past the end", index)
	}
	head := db[offset:]
	size := uint64(le.Uint32(head[12:]))
	if le.Uint32(head) != ndbBlobStart || le.Uint32(head[4:]) != index {
		return nil, fmt.Errorf("ndb: package %d is not where its slot says", index)
	}
	// The tail stands at the end of the last block.
	padded := (16 + size + 12 + ndbBlock - 1) / ndbBlock * ndbBlock
	if offset+padded > uint64(len(db)) {
		return nil, fmt.Errorf("ndb: package %d is cut short", index)
	}
	tail := head[padded-12 : padded]
	if le.Uint32(tail[8:]) != ndbBlobEnd || uint64(le.Uint32(tail[4:])) != size ||
		le.Uint32(tail) != adler32.Checksum(head[:padded-12]) {
		return nil, fmt.Errorf("ndb: package %d does not have its checksum", index)
	}
	return head[16 : 16+size], nil
}

// Marks of Berkeley DB's hash format.
const (
	bdbHashMagic    = 0x061561
	bdbPageHead     = 26
	bdbHashUnsorted = 2
	bdbOverflow     = 7
	bdbHash         = 13
	bdbKeyData      = 1
	bdbOffPage      = 3
)

// bdbOrder gives the byte order that the database was written in, nil when it is
// not a Berkeley DB hash.
func bdbOrder(db []byte) binary.ByteOrder {
	if len(db) >= 512 {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if order.Uint32(db[12:]) == bdbHashMagic {
				return order
			}
		}
	}
	return nil
}

type bdb struct {
	data  []byte
	order binary.ByteOrder
	page  uint64 // size
	total uint64 // bytes given so far: what is more than there is must overlap
}

// bdbBlobs reads all values of a Berkeley DB hash that look like package headers.
// It goes through the pages in the order of the file, not by hash.
func bdbBlobs(db []byte) ([][]byte, error) {
	order := bdbOrder(db)
	b := bdb{data: db, order: order, page: uint64(order.Uint32(db[20:]))}
	if b.page < 512 || b.page > 64<<10 || b.page&(b.page-1) != 0 {
		return nil, fmt.Errorf("berkeley db: page size is %d", b.page)
	}
	if db[24] != 0 {
		return nil, errors.New("berkeley db: encrypted")
	}
	var blobs [][]byte
	var bad error
	if uint64(len(db))%b.page != 0 {
		bad = errors.New("berkeley db: cut short")
	}
	for at := b.page; at+b.page <= uint64(len(db)); at += b.page {
		page := db[at : at+b.page]
		if page[25] != bdbHash && page[25] != bdbHashUnsorted {
			continue
		}
		found, err := b.values(page)
		if err != nil {
			bad = err
		}
		blobs = append(blobs, found...)
	}
	return blobs, bad
}

// values gives the data items of one hash page. Items stand from the page's end
// towards its start, key and data in turn.
func (b *bdb) values(page []byte) (blobs [][]byte, bad error) {
	entries := uint64(b.order.Uint16(page[20:]))
	if bdbPageHead+entries*2 > b.page {
		return nil, errors.New("berkeley db: a page states more items than it can hold")
	}
	offset := func(i uint64) uint64 { return uint64(b.order.Uint16(page[bdbPageHead+2*i:])) }
	for i := uint64(1); i < entries; i += 2 {
		start, end := offset(i), offset(i-1)
		if start >= end || end > b.page {
			bad = errors.New("berkeley db: an item lies outside of its page")
			continue
		}
		item := page[start:end]
		switch {
		case item[0] == bdbKeyData && len(item) > 16:
			if b.total += uint64(len(item)); b.total > uint64(len(b.data)) {
				return blobs, errors.New("berkeley db: items overlap")
			}
			blobs = append(blobs, item[1:])
		case item[0] == bdbOffPage && len(item) >= 12:
			blob, err := b.overflow(b.order.Uint32(item[4:]), b.order.Uint32(item[8:]))
			if err != nil {
				bad = err
				continue
			}
			blobs = append(blobs, blob)
		}
	}
	return blobs, bad
}

// overflow reads a value that has pages of its own.
func (b *bdb) overflow(number, size uint32) ([]byte, error) {
	b.total += uint64(size)
	if size > maxRPMHeader || b.total > uint64(len(b.data)) {
		return nil, fmt.Errorf("berkeley db: a value of %d bytes is more than there is", size)
	}
	value := make([]byte, 0, size)
	for number != 0 && len(value) < int(size) {
		at := uint64(number) * b.page
		if at+b.page > uint64(len(b.data)) {
			return nil, errors.New("berkeley db: a value goes on past the end")
		}
		page := b.data[at : at+b.page]
		used := uint64(b.order.Uint16(page[22:]))
		if page[25] != bdbOverflow || used == 0 || bdbPageHead+used > b.page {
			return nil, errors.New("berkeley db: a value goes on in a page of another kind")
		}
		value = append(value, page[bdbPageHead:bdbPageHead+used]...)
		number = b.order.Uint32(page[16:])
	}
	if len(value) != int(size) {
		return nil, errors.New("berkeley db: a value is cut short")
	}
	return value, nil
}
