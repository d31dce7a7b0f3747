// Command images makes images for the benchmark, and measures the floor that no
// reader of them can go below:
//
//	images make LAYOUT gzip:DIR zstd:DIR ...   an OCI layout, a layer for each directory
//	images floor LAYOUT                        decompress, one SHA-256, walk the tar
//	images compare SYFT.json ULLAGE.json       the packages that both find in an image
package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || os.Args[1] == "compare" && len(os.Args) != 4 {
		log.Fatal("usage: images make LAYOUT gzip:DIR|zstd:DIR...\n       images floor LAYOUT\n       images compare SYFT.json ULLAGE.json")
	}
	var err error
	switch os.Args[1] {
	case "make":
		err = makeImage(os.Args[2], os.Args[3:])
	case "floor":
		err = floor(os.Args[2])
	case "compare":
		err = compare(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("%s is none of make, floor and compare", os.Args[1])
	}
	if err != nil {
		log.Fatal("images: ", err)
	}
}

// makeImage writes a layout with one image for linux/amd64.
func makeImage(path string, layers []string) error {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, spec := range layers {
		form, dir, ok := strings.Cut(spec, ":")
		if !ok || form != "gzip" && form != "zstd" {
			return fmt.Errorf("%s: write gzip:DIR or zstd:DIR", spec)
		}
		made, err := makeLayer(path, form, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		defer func() { _ = os.Remove(made.file) }()
		if img, err = mutate.Append(img, mutate.Addendum{Layer: made, MediaType: made.mediaType, History: v1.History{CreatedBy: "COPY " + filepath.Base(dir) + " /"}}); err != nil {
			return err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config.OS, config.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	l, err := layout.Write(path, empty.Index)
	if err != nil {
		return err
	}
	return l.AppendImage(img)
}

// madeLayer is a layer whose blob is in a file.
type madeLayer struct {
	file         string
	digest, diff v1.Hash
	size         int64
	mediaType    types.MediaType
}

func (l *madeLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *madeLayer) DiffID() (v1.Hash, error)             { return l.diff, nil }
func (l *madeLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.file) }
func (l *madeLayer) Uncompressed() (io.ReadCloser, error) { return nil, errors.New("kept compressed") }
func (l *madeLayer) Size() (int64, error)                 { return l.size, nil }
func (l *madeLayer) MediaType() (types.MediaType, error)  { return l.mediaType, nil }

func makeLayer(path, form, dir string) (*madeLayer, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "layer-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	l := &madeLayer{file: f.Name(), mediaType: types.OCILayer}
	blob, raw := sha256.New(), sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, blob), 1<<20)
	var packed io.WriteCloser = gzip.NewWriter(out)
	if form == "zstd" {
		l.mediaType = types.OCILayerZStd
		if packed, err = zstd.NewWriter(out); err != nil {
			return nil, err
		}
	}
	if err := tarDir(io.MultiWriter(packed, raw), dir); err != nil {
		return nil, err
	}
	if err := errors.Join(packed.Close(), out.Flush()); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	l.size, l.digest, l.diff = info.Size(), sum(blob), sum(raw)
	return l, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", h.Sum(nil))}
}

// tarDir writes what a directory holds, owned by root.
func tarDir(to io.Writer, dir string) error {
	w := tar.NewWriter(to)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode()&(fs.ModeSocket|fs.ModeDevice) != 0 {
			return err
		}
		target := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		h.Name, _ = filepath.Rel(dir, path)
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		if info.IsDir() {
			h.Name += "/"
		}
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = io.Copy(w, f)
		return err
	})
	return errors.Join(err, w.Close())
}

// floor reads every layer of a layout: decompressed, hashed once, its tar walked.
// Layers are read at the same time, as readers do.
func floor(path string) error {
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	failed := make([]error, len(layers))
	var all sync.WaitGroup
	for i, l := range layers {
		all.Go(func() { failed[i] = walk(l) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func walk(l v1.Layer) error {
	blob, err := l.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	h := sha256.New()
	var raw io.Reader
	if kind, _ := l.MediaType(); kind == types.OCILayerZStd {
		z, err := zstd.NewReader(io.TeeReader(blob, h), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return err
		}
		defer z.Close()
		raw = z
	} else if raw, err = gzip.NewReader(bufio.NewReaderSize(io.TeeReader(blob, h), 128<<10)); err != nil {
		return err
	}
	entries := 0
	for t := tar.NewReader(raw); ; entries++ {
		if _, err := t.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return err
	}
	if want, err := l.Digest(); err != nil || want != sum(h) {
		return fmt.Errorf("layer %s has another digest: %v", want, err)
	}
	return nil
}
