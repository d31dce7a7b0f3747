package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	sqliteMagic = "SQLite format 3\x00"
	// A table of the deepest tree that SQLite can make has about 20 levels.
	maxSQLiteDepth = 24
)

// sqliteFile is enough of SQLite's file format (sqlite.org/fileformat2.html) to
// read all rows of one table: no index, no query, no writing.
type sqliteFile struct {
	data     []byte
	pageSize int
	usable   int               // of a page, less what is reserved at its end
	newer    map[uint32][]byte // pages that the write-ahead log holds
	pages    int               // that may still be read; each is read once in a sound file
	left     int               // bytes of rows that may still be read; more than there is must overlap
}

// sqliteBlobs gives the blobs of a table of an integer key and a blob, in key
// order. On an error the blobs found before it are given too.
func sqliteBlobs(db, wal []byte, table string) ([][]byte, error) {
	f, err := openSQLite(db, wal)
	if err != nil {
		return nil, err
	}
	root := uint32(0)
	err = f.walk(1, 0, func(payload []byte) error {
		row, err := sqliteRow(payload)
		// The columns of the schema: type, name, table, root page, SQL.
		if err == nil && len(row) >= 4 && string(row[0].data) == "table" && string(row[1].data) == table {
			root = row[3].number()
		}
		return err
	})
	if root == 0 {
		return nil, errors.Join(fmt.Errorf("sqlite: no table %s", table), err)
	}
	var blobs [][]byte
	err = f.walk(root, 0, func(payload []byte) error {
		row, err := sqliteRow(payload)
		if err != nil {
			return err
		}
		if len(row) >= 2 && row[1].kind >= 12 && row[1].kind%2 == 0 {
			blobs = append(blobs, row[1].data)
		}
		return nil
	})
	return blobs, err
}

func openSQLite(db, wal []byte) (*sqliteFile, error) {
	if len(db) < 100 || !bytes.HasPrefix(db, []byte(sqliteMagic)) {
		return nil, errors.New("sqlite: not a database")
	}
	size := int(binary.BigEndian.Uint16(db[16:]))
	if size == 1 {
		size = 65536
	}
	if size < 512 || size&(size-1) != 0 {
		return nil, fmt.Errorf("sqlite: page size is %d", size)
	}
	f := &sqliteFile{data: db, pageSize: size, usable: size - int(db[20])}
	if f.usable < 480 {
		return nil, fmt.Errorf("sqlite: %d bytes of a page are usable", f.usable)
	}
	f.newer = walPages(wal, size)
	f.pages = len(db)/size + len(f.newer) + 1
	f.left = f.pages * size
	return f, nil
}

// walPages gives the pages of the write-ahead log as of its last commit. Frames
// after a bad checksum, or of an earlier use of the log, do not count.
func walPages(wal []byte, pageSize int) map[uint32][]byte {
	if len(wal) < 32 || int(binary.BigEndian.Uint32(wal[8:])) != pageSize {
		return nil
	}
	var order binary.ByteOrder
	switch binary.BigEndian.Uint32(wal) {
	case 0x377f0682:
		order = binary.LittleEndian
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return nil
	}
	s0, s1 := walChecksum(order, wal[:24], 0, 0)
	if s0 != binary.BigEndian.Uint32(wal[24:]) || s1 != binary.BigEndian.Uint32(wal[28:]) {
		return nil
	}
	committed, pending := map[uint32][]byte{}, map[uint32][]byte{}
	for rest := wal[32:]; len(rest) >= 24+pageSize; rest = rest[24+pageSize:] {
		frame, page := rest[:24], rest[24:24+pageSize]
		s0, s1 = walChecksum(order, frame[:8], s0, s1)
		s0, s1 = walChecksum(order, page, s0, s1)
		if !bytes.Equal(frame[8:16], wal[16:24]) ||
			s0 != binary.BigEndian.Uint32(frame[16:]) || s1 != binary.BigEndian.Uint32(frame[20:]) {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = page
		if binary.BigEndian.Uint32(frame[4:]) != 0 { // the size after a commit
			for n, p := range pending {
				committed[n] = p
			}
			clear(pending)
		}
	}
	return committed
}

func walChecksum(order binary.ByteOrder, data []byte, s0, s1 uint32) (uint32, uint32) {
	for ; len(data) >= 8; data = data[8:] {
		s0 += order.Uint32(data) + s1
		s1 += order.Uint32(data[4:]) + s0
	}
	return s0, s1
}

func (f *sqliteFile) page(number uint32) ([]byte, error) {
	if f.pages--; f.pages < 0 {
		return nil, errors.New("sqlite: pages form a loop")
	}
	if page, ok := f.newer[number]; ok {
		return page, nil
	}
	end := uint64(number) * uint64(f.pageSize)
	if number == 0 || end > uint64(len(f.data)) {
		return nil, fmt.Errorf("sqlite: page %d is past the end", number)
	}
	return f.data[end-uint64(f.pageSize) : end], nil
}

// walk gives the payload of each row of the table whose tree has this root.
func (f *sqliteFile) walk(number uint32, depth int, row func([]byte) error) error {
	if depth > maxSQLiteDepth {
		return errors.New("sqlite: tree is too deep")
	}
	page, err := f.page(number)
	if err != nil {
		return err
	}
	head := 0
	if number == 1 {
		head = 100 // the file's own header
	}
	const interior, leaf = 5, 13
	kind, cells := page[head], int(binary.BigEndian.Uint16(page[head+3:]))
	pointers := head + 8
	if kind == interior {
		pointers += 4
	} else if kind != leaf {
		return fmt.Errorf("sqlite: page %d is of kind %d, not of a table", number, kind)
	}
	if pointers+2*cells > f.usable {
		return fmt.Errorf("sqlite: page %d states more cells than it can hold", number)
	}
	var bad error
	for i := range cells {
		at := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if at+4 > f.usable {
			bad = fmt.Errorf("sqlite: a cell lies outside of page %d", number)
			continue
		}
		if kind == interior {
			err = f.walk(binary.BigEndian.Uint32(page[at:]), depth+1, row)
		} else {
			err = f.leaf(page[at:f.usable], row)
		}
		if err != nil {
			bad = err
		}
	}
	if kind == interior {
		if err := f.walk(binary.BigEndian.Uint32(page[head+8:]), depth+1, row); err != nil {
			bad = err
		}
	}
	return bad
}

// leaf reads one cell: the payload's size, the row's number, the payload, of which
// the end may be on pages of its own.
func (f *sqliteFile) leaf(cell []byte, row func([]byte) error) error {
	size, n := sqliteVarint(cell)
	_, m := sqliteVarint(cell[n:])
	cell = cell[n+m:]
	if size > maxRPMHeader {
		return fmt.Errorf("sqlite: a row of %d bytes", size)
	}
	if f.left -= int(size); f.left < 0 {
		return errors.New("sqlite: rows overlap")
	}
	local := f.local(int(size))
	if local > len(cell) {
		return errors.New("sqlite: a row is cut short")
	}
	if local == int(size) {
		return row(cell[:local])
	}
	if len(cell) < local+4 {
		return errors.New("sqlite: a row is cut short")
	}
	next := binary.BigEndian.Uint32(cell[local:])
	payload := append(make([]byte, 0, min(int(size), len(f.data))), cell[:local]...)
	for len(payload) < int(size) {
		page, err := f.page(next)
		if err != nil {
			return err
		}
		next = binary.BigEndian.Uint32(page)
		payload = append(payload, page[4:min(f.usable, 4+int(size)-len(payload))]...)
	}
	return row(payload)
}

// local is how much of a payload stands in the tree's own page.
func (f *sqliteFile) local(size int) int {
	most := f.usable - 35
	if size <= most {
		return size
	}
	least := (f.usable-12)*32/255 - 23
	if k := least + (size-least)%(f.usable-4); k <= most {
		return k
	}
	return least
}

type sqliteValue struct {
	kind uint64
	data []byte
}

func (v sqliteValue) number() uint32 {
	if v.kind == 9 {
		return 1
	}
	if v.kind < 1 || v.kind > 6 {
		return 0
	}
	n := uint32(0)
	for _, b := range v.data {
		n = n<<8 | uint32(b)
	}
	return n
}

// sqliteRow takes a payload apart into its columns.
func sqliteRow(payload []byte) ([]sqliteValue, error) {
	size, n := sqliteVarint(payload)
	if size > uint64(len(payload)) || size < uint64(n) {
		return nil, errors.New("sqlite: a row states a longer head than it has")
	}
	head, body := payload[n:size], payload[size:]
	var row []sqliteValue
	for len(head) > 0 {
		kind, n := sqliteVarint(head)
		head = head[n:]
		width := uint64(0)
		switch {
		case kind < 7:
			width = [...]uint64{0, 1, 2, 3, 4, 6, 8}[kind]
		case kind == 7:
			width = 8
		case kind >= 12:
			width = (kind - 12) / 2
		}
		if width > uint64(len(body)) {
			return nil, errors.New("sqlite: a column is cut short")
		}
		row = append(row, sqliteValue{kind, body[:width]})
		body = body[width:]
	}
	return row, nil
}

// sqliteVarint reads a number of one to nine bytes, big end first, and gives how
// many bytes it took: 0 when there is nothing.
func sqliteVarint(data []byte) (value uint64, n int) {
	for n < len(data) && n < 8 {
		b := data[n]
		n++
		value = value<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return value, n
		}
	}
	if n == 8 && len(data) > 8 {
		return value<<8 | uint64(data[8]), 9
	}
	return value, n
}
