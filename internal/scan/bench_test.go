package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/stream"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/store"
)

// npmImage writes a layout with an image of 1,378 npm packages and 55,985 entries.
func npmImage(b *testing.B) string {
	const packages, entries = 1378, 55_985
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			b.Fatal(err)
		}
	}
	put("etc/os-release", "ID=debian\nVERSION_ID=12\n")
	for i := 1; i < entries; i++ {
		dir := fmt.Sprintf("usr/src/app/node_modules/package-%d", i%packages)
		if i <= packages {
			put(dir+"/package.json", fmt.Sprintf(`{"name": "package-%d", "version": "%d.%d.%d", "license": "MIT"}`, i%packages, i%7, i%13, i%5))
			continue
		}
		put(fmt.Sprintf("%s/%s/module-%d.js", dir, []string{"lib", "dist/esm", "dist/cjs/internal"}[i%3], i), strings.Repeat(fmt.Sprint("module", i), i%400))
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, stream.NewLayer(readCloser{bytes.NewReader(buf.Bytes())}))
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "layout")
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendImage(img)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// BenchmarkImage reads an image that was never seen, one of which the layer is
// known, and one that is known as a whole, the opening of the store included.
func BenchmarkImage(b *testing.B) {
	ref := npmImage(b)
	for _, known := range []string{"nothing", "layer", "image"} {
		b.Run(known, func(b *testing.B) {
			dir := b.TempDir()
			run := func(cache func(*store.Store) image.Cache) {
				kept, err := store.Open(b.Context(), dir, store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer kept.Close()
				s := Scanner{Options: image.Options{Cache: cache(kept)}}
				if r, err := s.Image(b.Context(), ref); err != nil || len(r.Image.Packages) != 1378 {
					b.Fatal(err, len(r.Image.Packages))
				}
			}
			whole := func(s *store.Store) image.Cache { return s }
			run(whole)
			for b.Loop() {
				switch known {
				case "nothing":
					run(func(*store.Store) image.Cache { return nil })
				case "layer":
					run(func(s *store.Store) image.Cache { return layersOnly{s} })
				default:
					run(whole)
				}
			}
		})
	}
}

// layersOnly is a cache that forgets images.
type layersOnly struct{ *store.Store }

func (c layersOnly) Get(ctx context.Context, key string) ([]byte, bool) {
	if strings.HasPrefix(key, "image") {
		return nil, false
	}
	return c.Store.Get(ctx, key)
}
