package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// paxRecords are the records of an extended header that matter here.
type paxRecords struct {
	path, link, size, uid, gid []byte
	caps                       bool
	data                       []byte // memory of them all
	sparse                     paxSparse
}

// paxSparse are the records of GNU's three ways to say that a file has holes.
type paxSparse struct {
	major, minor, name, size, realSize, blocks []byte
	list                                       []byte   // version 0.1: offset,length,...
	pairs                                      [][]byte // version 0.0: a record each
}

// parse reads the records. A later header replaces an earlier one wholly.
func (p *paxRecords) parse(data []byte) error {
	*p = paxRecords{data: append(p.data[:0], data...)}
	data = p.data
	for len(data) > 0 {
		digits, _, ok := bytes.Cut(data, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n < len(digits)+2 || n > len(data) || n < 5 || data[n-1] != '\n' {
			return errors.New("malformed pax record")
		}
		key, value, ok := bytes.Cut(data[len(digits)+1:n-1], []byte("="))
		if !ok || len(key) == 0 || bytes.IndexByte(key, 0) >= 0 {
			return errors.New("malformed pax record")
		}
		if err := p.set(string(key), value); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func (p *paxRecords) set(key string, value []byte) error {
	s := &p.sparse
	switch key {
	case "path", "linkpath":
		if bytes.IndexByte(value, 0) >= 0 {
			return fmt.Errorf("pax record %s holds a zero byte", key)
		}
		if key == "path" {
			p.path = value
		} else {
			p.link = value
		}
	case "size":
		p.size = value
	case "uid":
		p.uid = value
	case "gid":
		p.gid = value
	case "SCHILY.xattr.security.capability":
		p.caps = len(value) > 0
	case "GNU.sparse.major":
		s.major = value
	case "GNU.sparse.minor":
		s.minor = value
	case "GNU.sparse.name":
		s.name = value
	case "GNU.sparse.size":
		s.size = value
	case "GNU.sparse.realsize":
		s.realSize = value
	case "GNU.sparse.numblocks":
		s.blocks = value
	case "GNU.sparse.map":
		s.list = value
	case "GNU.sparse.offset", "GNU.sparse.numbytes":
		if (len(s.pairs)%2 == 0) != (key == "GNU.sparse.offset") {
			return errors.New("sparse map out of order")
		}
		s.pairs = append(s.pairs, value)
	}
	return nil
}

// apply lets the records replace what the header says. Empty ones do not count.
func (p *paxRecords) apply(h *tarHeader) error {
	if len(p.path) > 0 {
		h.Name = p.path
	}
	if len(p.link) > 0 {
		h.Link = p.link
	}
	h.Caps = p.caps
	for _, field := range []struct {
		text []byte
		to   *int64
	}{{p.size, &h.Size}, {p.uid, &h.UID}, {p.gid, &h.GID}} {
		if len(field.text) == 0 {
			continue
		}
		n, err := decimal(field.text)
		if err != nil {
			return err
		}
		*field.to = n
	}
	return nil
}

// sparse finds out whether the entry has holes, and where.
func (t *tarReader) sparse(raw *[tarBlock]byte) error {
	h, s := &t.header, &t.records.sparse
	var err error
	switch {
	case h.Type == typeSparse:
		h.Sparse = true
		err = t.oldSparse(raw)
	case len(s.pairs) > 0 || len(s.list) > 0 || len(s.major) > 0 || len(s.minor) > 0:
		err = t.paxSparse(s)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("sparse file: %w", err)
	}
	if h.Sparse && (t.left == 0 && h.Type != typeFile && h.Type != typeSparse && h.Type != typeCont) {
		return errors.New("sparse entry that is no file")
	}
	return checkParts(h.Parts, h.Size)
}

func checkParts(parts []sparsePart, size int64) error {
	var end int64
	for _, p := range parts {
		if p.offset < end || p.length < 0 || p.length > size-p.offset {
			return errors.New("sparse map out of order or beyond the end")
		}
		end = p.offset + p.length
	}
	return nil
}

// oldSparse reads the map of GNU's own format: four parts in the header, more in
// the blocks behind it, which the entry's size does not count.
func (t *tarReader) oldSparse(raw *[tarBlock]byte) error {
	h := &t.header
	if !bytes.HasPrefix(raw[257:], magicGNU) {
		return errors.New("not in GNU format")
	}
	var err error
	if h.Size, err = tarNumber(raw[483:495]); err != nil {
		return err
	}
	parts, more := raw[386:482], raw[482] != 0
	for read := 0; ; read += tarBlock {
		for ; len(parts) >= 24 && parts[0] != 0; parts = parts[24:] {
			offset, err1 := tarNumber(parts[:12])
			length, err2 := tarNumber(parts[12:24])
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			h.Parts = append(h.Parts, sparsePart{offset, length})
		}
		if !more {
			return nil
		}
		if read > mostSpecial {
			return errors.New("map too long")
		}
		block, err := t.peek(tarBlock)
		if err != nil {
			return unexpected(err)
		}
		copy(raw[:], block)
		t.take(tarBlock)
		parts, more = raw[:504], raw[504] != 0
	}
}

// paxSparse reads the map of the formats 0.0, 0.1 and 1.0.
func (t *tarReader) paxSparse(s *paxSparse) error {
	h := &t.header
	inData := false
	switch version := string(s.major) + "." + string(s.minor); {
	case version == "1.0":
		inData = true
	case version == "0.0" || version == "0.1":
	case version != ".":
		return nil // not known: read as it stands
	}
	if len(s.name) > 0 {
		h.Name = s.name
	}
	size := s.size
	if len(size) == 0 {
		size = s.realSize
	}
	var err error
	if len(size) > 0 {
		if h.Size, err = decimal(size); err != nil {
			return err
		}
	}
	h.Sparse = true
	if inData {
		return t.mapInData()
	}
	fields := s.pairs
	if len(fields) == 0 && len(s.list) > 0 {
		fields = bytes.Split(s.list, []byte(","))
	}
	if n, err := decimal(s.blocks); err != nil || n*2 != int64(len(fields)) {
		return errors.New("map has not as many parts as it says")
	}
	return h.addParts(fields)
}

func (h *tarHeader) addParts(fields [][]byte) error {
	for i := 0; i+1 < len(fields); i += 2 {
		offset, err1 := decimal(fields[i])
		length, err2 := decimal(fields[i+1])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		h.Parts = append(h.Parts, sparsePart{offset, length})
	}
	return nil
}

// mapInData reads the map at the beginning of the data: a line for each number,
// the count first, filled up to a whole block.
func (t *tarReader) mapInData() error {
	var text []byte
	lines, want := 0, 1
	var fields [][]byte
	for lines < want {
		var block [tarBlock]byte
		if t.left < tarBlock || len(text) > mostSpecial {
			return io.ErrUnexpectedEOF
		}
		if err := t.data(block[:]); err != nil {
			return err
		}
		text = append(text, block[:]...)
		lines += bytes.Count(block[:], []byte("\n"))
		if want == 1 && lines > 0 {
			first, _, _ := bytes.Cut(text, []byte("\n"))
			n, err := decimal(first)
			if err != nil || n < 0 || n > mostSpecial {
				return errors.New("map has no length")
			}
			want += 2 * int(n)
		}
	}
	fields = bytes.Split(text, []byte("\n"))
	return t.header.addParts(fields[1:want])
}
