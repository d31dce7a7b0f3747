package image

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const largestWindow = 64 << 20

// decompress looks at the first bytes to see how a layer is compressed.
func decompress(r io.Reader) (raw io.Reader, done func(), err error) {
	s := &prefixed{r: r}
	if err := s.begin(); err != nil {
		return nil, nil, err
	}
	switch head := s.head[:s.have]; {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(bufio.NewReaderSize(s, streamBuffer))
		if err != nil {
			return nil, nil, err // which begins with gzip
		}
		return named{"gzip", z}, func() { _ = z.Close() }, nil
	case isCompressed(head):
		z, err := zstd.NewReader(s, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(largestWindow))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		return named{"zstd", z}, z.Close, nil
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte("\xfd7zX")):
		return nil, nil, errors.New("compressed with bzip2 or xz, which images may not be")
	}
	return s, func() {}, nil
}

// isCompressed says whether a layer that begins so is compressed in one of the ways
// that are read. A frame of zstd may be one that is skipped.
func isCompressed(head []byte) bool {
	return bytes.HasPrefix(head, gzipMagic) || bytes.HasPrefix(head, zstdMagic) || len(head) == 4 && head[0]>>4 == 5 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// prefixed gives back the bytes that were looked at.
type prefixed struct {
	r          io.Reader
	head       [4]byte
	have, gone int
}

func (p *prefixed) begin() error {
	n, err := io.ReadFull(p.r, p.head[:])
	p.have = n
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

func (p *prefixed) Read(b []byte) (int, error) {
	if p.gone < p.have {
		n := copy(b, p.head[p.gone:p.have])
		p.gone += n
		return n, nil
	}
	return p.r.Read(b)
}

// named says in errors what was being read. The end stays the end.
type named struct {
	name string
	r    io.Reader
}

func (n named) Read(p []byte) (int, error) {
	read, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", n.name, err)
	}
	return read, err
}
