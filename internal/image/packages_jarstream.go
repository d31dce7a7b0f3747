package image

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/klauspost/compress/flate"
	"io"
	"maps"
	"path"
	"slices"
)

// jarWhole is the size in bytes up to which an archive is held in memory, and read by
// its table of contents. A larger one is read as it passes by: by the headers that
// stand before each file in it.
const jarWhole = 24 << 20

const streamedJar = 64 << 10 // bytes of an archive that are looked at together

// streamJar reads the Maven artifacts in a large Java archive as it passes by.
func streamJar(file string, r io.Reader) ([]Package, error) {
	buffered := bufio.NewReaderSize(r, streamedJar)
	if magic, _ := buffered.Peek(len(rarMagic)); notJar(file, magic) {
		return nil, nil
	}
	jar := jarReader{seen: map[[2]string]bool{}}
	jar.stream(buffered, file, 1)
	return jar.found(file)
}

// The signatures of what a zip archive is made of, and the sizes of their fixed parts.
const (
	zipFile        = 0x04034b50
	zipDirectory   = 0x02014b50 // what comes first behind the files,
	zipEnd         = 0x06054b50 // or this where there are none,
	zipExtra       = 0x08064b50 // or this
	zipDescriptor  = 0x08074b50
	zipHeaderSize  = 30
	zipMostPrelude = 1 << 20 // bytes of a program before the archive
)

// zipHeader is what stands before a file in an archive.
type zipHeader struct {
	name             string
	method           uint16
	described        bool // its lengths stand behind it
	wide             bool // in 64 bits
	packed, unpacked uint64
}

// stream reads one archive by the headers of its files, which stand in the order in
// which they pass by.
func (r *jarReader) stream(in *bufio.Reader, place string, depth int) {
	if !r.admit(place, depth) {
		return
	}
	if err := skipPrelude(in); err != nil {
		r.fail(place, err)
		return
	}
	var manifest []byte
	poms, xmls := jarPoms{}, map[string]string{}
	for {
		e, more, err := nextZipEntry(in)
		if err != nil {
			r.fail(place, err)
		}
		if !more {
			break
		}
		if r.entries++; r.entries > maxJarEntries {
			r.fail(place, fmt.Errorf("more than %d entries", maxJarEntries))
			return
		}
		text := []byte(nil)
		switch {
		case e.name == jarManifest:
			text, err = r.passingText(in, e)
			manifest = text
		case isPomProperties(e.name):
			text, err = r.passingText(in, e)
			poms[path.Dir(e.name)] = r.pom(text, place)
		case isPomXML(e.name):
			text, err = r.passingText(in, e)
			xmls[path.Dir(e.name)] = pomVersion(text)
		case isArchive(e.name):
			err = r.passingArchive(in, e, place+"!/"+e.name, depth)
		case describesPackage(e.name):
			if text, err = r.passingText(in, e); err == nil {
				r.described(text, place+"!/"+e.name)
			}
		default:
			err = r.pass(in, e)
		}
		if err != nil { // where the next one begins is not known
			r.fail(place+"!/"+e.name, err)
			break
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(xmls)) {
		if !poms[dir] {
			poms[dir] = r.pomXML(dir, xmls[dir], place)
		}
	}
	r.rest(poms, place, func() []byte { return manifest })
}

// skipPrelude goes to the first file: a program may stand before the archive.
func skipPrelude(in *bufio.Reader) error {
	for passed := 0; passed < zipMostPrelude; {
		b, _ := in.Peek(in.Size())
		i := bytes.Index(b, []byte("PK\x03\x04"))
		switch {
		case i >= 0:
			_, err := in.Discard(i)
			return err
		case len(b) < zipHeaderSize:
			return zip.ErrFormat
		}
		passed += len(b) - 3
		if _, err := in.Discard(len(b) - 3); err != nil {
			return err
		}
	}
	return zip.ErrFormat
}

// nextZipEntry reads the header of the next file; there is no more where the table of
// contents begins.
func nextZipEntry(in *bufio.Reader) (e zipHeader, more bool, err error) {
	head, err := in.Peek(4)
	if err != nil {
		return e, false, unexpected(err)
	}
	switch binary.LittleEndian.Uint32(head) {
	case zipFile:
	case zipDirectory, zipEnd, zipExtra:
		return e, false, nil
	default:
		return e, false, fmt.Errorf("no header where one should be: %w", zip.ErrFormat)
	}
	if head, err = in.Peek(zipHeaderSize); err != nil {
		return e, false, unexpected(err)
	}
	u16, u32 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32
	e.described, e.method = u16(head[6:])&8 != 0, u16(head[8:])
	e.packed, e.unpacked = uint64(u32(head[18:])), uint64(u32(head[22:]))
	encrypted := u16(head[6:])&1 != 0
	lengths := [2]int{int(u16(head[26:])), int(u16(head[28:]))}
	_, _ = in.Discard(zipHeaderSize)
	text := make([]byte, lengths[0]+lengths[1])
	if _, err := io.ReadFull(in, text); err != nil {
		return e, false, unexpected(err)
	}
	e.name = string(text[:lengths[0]])
	e.widen(text[lengths[0]:])
	if encrypted {
		return e, false, fmt.Errorf("%s: encrypted", e.name)
	}
	return e, true, nil
}

// widen takes lengths of more than 32 bits from the fields that follow the name.
func (e *zipHeader) widen(extra []byte) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if n > len(extra)-4 {
			return
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != 1 {
			continue
		}
		e.wide = true
		for _, length := range []*uint64{&e.unpacked, &e.packed} {
			if *length == 1<<32-1 && len(field) >= 8 {
				*length, field = binary.LittleEndian.Uint64(field), field[8:]
			}
		}
	}
}

// content hands the unpacked content of a file to a function, and goes to its end.
func (e *zipHeader) content(in *bufio.Reader, read func(io.Reader) error) error {
	open := e.described && e.packed == 0 // only inflating it tells where it ends
	if open && e.method == zip.Store && isEmptyDescribed(in) {
		open = false
	}
	if open && e.method != zip.Deflate {
		return errors.New("nothing says how long it is")
	}
	var packed io.Reader = in
	limited := &io.LimitedReader{R: in, N: int64(min(e.packed, 1<<62))}
	if !open {
		packed = limited
	}
	unpacked := packed
	switch e.method {
	case zip.Store:
	case zip.Deflate:
		z := flate.NewReader(packed)
		defer z.Close()
		unpacked = z
	default:
		return zip.ErrAlgorithm
	}
	if err := read(unpacked); err != nil {
		return err
	}
	if open {
		if _, err := io.Copy(io.Discard, unpacked); err != nil { // to its very end
			return err
		}
	} else if _, err := io.Copy(io.Discard, limited); err != nil {
		return err
	}
	if limited.N > 0 && !open {
		return io.ErrUnexpectedEOF
	}
	return e.descriptor(in)
}

// isEmptyDescribed reports whether what stands behind an empty file comes next.
func isEmptyDescribed(in *bufio.Reader) bool {
	b, err := in.Peek(16)
	return err == nil && binary.LittleEndian.Uint32(b) == zipDescriptor && len(bytes.Trim(b[4:], "\x00")) == 0
}

// descriptor goes over what stands behind a file whose lengths did not stand before it.
func (e *zipHeader) descriptor(in *bufio.Reader) error {
	if !e.described {
		return nil
	}
	b, err := in.Peek(4)
	if err != nil {
		return unexpected(err)
	}
	length := 12
	if e.wide {
		length = 20
	}
	if binary.LittleEndian.Uint32(b) == zipDescriptor {
		length += 4
	}
	_, err = in.Discard(length)
	return unexpected(err)
}

// pass goes over a file that nobody wants.
func (r *jarReader) pass(in *bufio.Reader, e zipHeader) error {
	if e.packed != 0 || !e.described {
		n := e.packed
		if n > 1<<62 {
			return zip.ErrFormat
		}
		if passed, err := io.CopyN(io.Discard, in, int64(n)); err != nil || passed < int64(n) {
			return unexpected(err)
		}
		return e.descriptor(in)
	}
	return e.content(in, func(unpacked io.Reader) error {
		n, err := io.Copy(io.Discard, io.LimitReader(unpacked, maxJarPassed-r.passed))
		if r.passed += n; err == nil && r.passed >= maxJarPassed {
			err = fmt.Errorf("more than %d bytes to be inflated to get past them", maxJarPassed)
		}
		return err
	})
}

// passingBytes unpacks a file of at most so many bytes. What is larger is passed over,
// and a problem of its own.
func (r *jarReader) passingBytes(in *bufio.Reader, e zipHeader, most int64) (data []byte, err error) {
	var b bytes.Buffer
	err = e.content(in, func(unpacked io.Reader) error {
		n, err := io.Copy(&b, io.LimitReader(unpacked, most+1))
		if r.inflated += n; err == nil && n > most {
			return fmt.Errorf("%d bytes and more are more than there is room for", n)
		}
		return err
	})
	return b.Bytes(), err
}

func (r *jarReader) passingText(in *bufio.Reader, e zipHeader) ([]byte, error) {
	return r.passingBytes(in, e, min(maxJarText, maxJarInflated-r.inflated))
}

// passingArchive reads an archive in one that passes by, in the same way.
func (r *jarReader) passingArchive(in *bufio.Reader, e zipHeader, place string, depth int) error {
	if len(e.name) > maxJarName {
		r.fail(place[:maxJarName], fmt.Errorf("a name of %d bytes", len(e.name)))
		return r.pass(in, e)
	}
	return e.content(in, func(unpacked io.Reader) error {
		if e.method == zip.Store {
			r.stream(bufio.NewReaderSize(unpacked, streamedJar), place, depth+1)
			return nil
		}
		room := max(maxJarInflated-r.inflated, 0)
		inflated := &io.LimitedReader{R: unpacked, N: room}
		r.stream(bufio.NewReaderSize(inflated, streamedJar), place, depth+1)
		if r.inflated += room - inflated.N; inflated.N == 0 {
			return fmt.Errorf("more than %d bytes to be inflated", maxJarInflated)
		}
		return nil
	})
}
