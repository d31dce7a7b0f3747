package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// benchLayer is a layer as they mostly are: many small text files, some large
// binary ones. It is text that compresses about as program code does.
func benchLayer(b testing.TB, files int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	words := make([][]byte, 4000)
	for i := range words {
		words[i] = make([]byte, 2+r.IntN(9))
		for j := range words[i] {
			words[i][j] = byte(r.IntN(256))
		}
	}
	text := func(n int) []byte {
		out := make([]byte, 0, n+16)
		for len(out) < n {
			out = append(out, words[int(r.ExpFloat64()*400)%len(words)]...)
		}
		return out[:n]
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := range files {
		size := 200 + r.IntN(8000)
		if i%200 == 0 {
			size = 1 << 20
		}
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("usr/lib/package-%d/module/file-%d.js", i/50, i), Mode: 0o644, Size: int64(size)}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(text(size)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

// BenchmarkLayer prints how much of a layer is read in a second, in bytes when
// uncompressed, beside the floor: decompression and one digest, nothing else.
func BenchmarkLayer(b *testing.B) {
	raw := benchLayer(b, 20_000)
	for _, form := range []struct {
		name string
		blob []byte
		open func(r io.Reader) io.Reader
	}{
		{"gzip", gzipped(raw), func(r io.Reader) io.Reader { return must(gzip.NewReader(r))(b) }},
		{"zstd", zstded(raw), func(r io.Reader) io.Reader {
			return must(zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)))(b)
		}},
		{"plain", raw, func(r io.Reader) io.Reader { return r }},
	} {
		b.Run(form.name+"/floor", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				sum := sha256.New()
				if _, err := io.Copy(io.Discard, struct{ io.Reader }{form.open(io.TeeReader(bytes.NewReader(form.blob), sum))}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(form.name+"/read", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				readLayerWith(b, testPass(wanted()), form.blob)
			}
		})
	}
}

// BenchmarkMillionFiles shows the memory of a layer of a million files and its
// merging, as bytes for a file.
func BenchmarkMillionFiles(b *testing.B) {
	const files = 1_000_000
	for b.Loop() {
		pass := testPass(wanted())
		read := must(pass.read(context.Background(), 0, &manyFiles{files: files}, digests{}))(b)
		if len(read.problems.texts) > 0 {
			b.Fatal(read.problems.texts)
		}
		s := squash{limits: pass.limits}
		s.add(newTree(), 0, true)
		s.add(read.tree, 1, true)
		b.ReportMetric(float64(s.tree.bytes())/files, "B/file")
	}
}

// bytes is about what a tree takes.
func (s *nodes) bytes() int {
	return s.count*64 + len(s.index)*4 + len(s.names.chunks)*arenaChunk
}

// manyFiles is a tar of empty files that is made while it is read.
type manyFiles struct {
	files, done int
	rest        []byte
	buf         bytes.Buffer
}

func (m *manyFiles) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		if m.done == m.files {
			return 0, io.EOF
		}
		m.buf.Reset()
		w := tar.NewWriter(&m.buf)
		for range 1000 {
			_ = w.WriteHeader(&tar.Header{Name: fmt.Sprintf("srv/%d/%d/file-%d.js", m.done/10000, m.done/100, m.done), Mode: 0o644})
			m.done++
		}
		_ = w.Flush()
		m.rest = m.buf.Bytes()
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}
