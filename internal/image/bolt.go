package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// boltFile reads a database of bbolt, in which containerd keeps what it knows. The
// library would wait for the lock that a running containerd holds. Pages are never
// overwritten while a transaction that has them is the last one: what was read is
// right when the last transaction is still the same afterwards.
type boltFile struct {
	r        io.ReaderAt
	pageSize int64
	root     uint64
	last     uint64 // transaction
}

const (
	boltMagic    = 0xED0CDAED
	boltHeader   = 16
	boltBranch   = 0x01
	boltLeaf     = 0x02
	mostBoltPage = 64 << 20
	mostBoltDeep = 32
	mostBoltKeys = 1 << 20
	boltAttempts = 20
)

var (
	errBolt   = errors.New("a damaged database, or none of bbolt")
	errNoBolt = errors.New("not in the database")
)

// readBolt calls look with a database as it is at one moment, again when that has
// passed in between.
func readBolt(path string, look func(*boltFile) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for range boltAttempts {
		b, err := openBolt(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		looked := look(b)
		if again, err := openBolt(f); err == nil && again.last == b.last {
			if looked != nil && !errors.Is(looked, errNoBolt) {
				return fmt.Errorf("%s: %w", path, looked)
			}
			return looked
		}
	}
	return fmt.Errorf("%s: it changed each time while it was read", path)
}

// openBolt finds the last transaction.
func openBolt(r io.ReaderAt) (*boltFile, error) {
	found := &boltFile{}
	order := binary.LittleEndian
	size := int64(0)
	for i := range int64(2) {
		var m [boltHeader + 64]byte
		// The second copy is behind the first page, whose size the first says.
		at := i * size
		if i == 1 && size == 0 {
			at = int64(os.Getpagesize())
		}
		if _, err := r.ReadAt(m[:], at); err != nil {
			continue
		}
		meta := m[boltHeader:]
		sum := fnv.New64a()
		sum.Write(meta[:56])
		if order.Uint32(meta) != boltMagic || order.Uint32(meta[4:]) != 2 || order.Uint64(meta[56:]) != sum.Sum64() {
			continue
		}
		size = int64(order.Uint32(meta[8:]))
		if last := order.Uint64(meta[48:]); found.pageSize == 0 || last > found.last {
			*found = boltFile{r: r, pageSize: size, root: order.Uint64(meta[16:]), last: last}
		}
	}
	if found.pageSize < 512 || found.pageSize > 1<<20 {
		return nil, errBolt
	}
	return found, nil
}

// boltBucket is a table: a page, or what stands for one in the table above.
type boltBucket struct {
	file   *boltFile
	page   uint64
	inline []byte
}

// bucket walks down by names. It is errNoBolt when there is none.
func (b *boltFile) bucket(names ...string) (boltBucket, error) {
	at := boltBucket{file: b, page: b.root}
	for _, name := range names {
		next, err := at.bucket(name)
		if err != nil {
			return next, err
		}
		at = next
	}
	return at, nil
}

func (b boltBucket) bucket(name string) (boltBucket, error) {
	value, nested, err := b.get(name)
	switch {
	case err != nil:
		return boltBucket{}, err
	case !nested:
		return boltBucket{}, errNoBolt
	}
	return b.nested(value)
}

func (b boltBucket) nested(value []byte) (boltBucket, error) {
	if len(value) < boltHeader {
		return boltBucket{}, errBolt
	}
	next := boltBucket{file: b.file, page: binary.LittleEndian.Uint64(value)}
	if next.page == 0 {
		next.inline = value[boltHeader:]
	}
	return next, nil
}

// text returns a value, "" where there is none.
func (b boltBucket) text(name string) (string, error) {
	value, nested, err := b.get(name)
	if errors.Is(err, errNoBolt) || nested {
		return "", nil
	}
	return string(value), err
}

func (b boltBucket) get(name string) (value []byte, nested bool, err error) {
	err = errNoBolt
	if failed := b.each(func(k string, v []byte, isBucket bool) bool {
		if k != name {
			return true
		}
		value, nested, err = v, isBucket, nil
		return false
	}); failed != nil {
		err = failed
	}
	return value, nested, err
}

// each yields what is in the table, until it is told to stop.
func (b boltBucket) each(yield func(key string, value []byte, nested bool) bool) error {
	left := mostBoltKeys
	_, err := b.walk(b.page, b.inline, 0, &left, yield)
	return err
}

func (b boltBucket) walk(id uint64, page []byte, depth int, left *int, yield func(string, []byte, bool) bool) (bool, error) {
	if depth > mostBoltDeep {
		return false, errBolt
	}
	if page == nil {
		var err error
		if page, err = b.file.read(id); err != nil {
			return false, err
		}
	}
	order := binary.LittleEndian
	if len(page) < boltHeader {
		return false, errBolt
	}
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	for i := range count {
		at := boltHeader + i*boltHeader
		if *left--; *left < 0 || at+boltHeader > len(page) {
			return false, errBolt
		}
		element := page[at:]
		switch {
		case flags&boltBranch != 0:
			if more, err := b.walk(order.Uint64(element[8:]), nil, depth+1, left, yield); err != nil || !more {
				return false, err
			}
		case flags&boltLeaf != 0:
			from, key, value := int64(order.Uint32(element[4:])), int64(order.Uint32(element[8:])), int64(order.Uint32(element[12:]))
			if from+key+value > int64(len(element)) {
				return false, errBolt
			}
			k, v := element[from:from+key], element[from+key:from+key+value]
			if !yield(string(k), v, order.Uint32(element)&1 != 0) {
				return false, nil
			}
		default:
			return false, errBolt
		}
	}
	return true, nil
}

// read reads a page with those that it goes on in.
func (b *boltFile) read(id uint64) ([]byte, error) {
	if id > 1<<40/uint64(b.pageSize) {
		return nil, errBolt
	}
	at := int64(id) * b.pageSize
	var head [boltHeader]byte
	if _, err := b.r.ReadAt(head[:], at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, unexpected(err))
	}
	size := (int64(binary.LittleEndian.Uint32(head[12:])) + 1) * b.pageSize
	if size > mostBoltPage || binary.LittleEndian.Uint64(head[:]) != id {
		return nil, errBolt
	}
	page := make([]byte, size)
	if n, err := b.r.ReadAt(page, at); int64(n) < size {
		return nil, fmt.Errorf("page %d: %w", id, unexpected(err))
	}
	return page, nil
}
