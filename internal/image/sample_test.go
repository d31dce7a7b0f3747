package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
)

// file writes an entry; a name that ends in a slash is a directory, text that
// begins with -> a symbolic link, with => a hard link.
type file struct {
	name string
	mode int64
	text string
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(f.text, "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		} else if target, ok := strings.CutPrefix(f.text, "=>"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, target, 0
		} else if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, f.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(parts ...[]byte) []byte {
	var buf bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&buf)
		_, _ = w.Write(part)
		_ = w.Close()
	}
	return buf.Bytes()
}

func zstded(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

const elfText = "\x7fELF\x02\x01\x01"

// sampleLayers are two layers of a small system.
func sampleLayers(t testing.TB) [][]byte {
	return [][]byte{
		tarOf(t,
			file{"var/lib/dpkg/status", 0o644, "Package: base-files\nStatus: install ok installed\nVersion: 12\nArchitecture: all\n"},
			file{"etc/", 0o755, ""}, file{"etc/os-release", 0o644, "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian 12'\n# ID=no\n"},
			file{"usr/bin/dash", 0o755, elfText}, file{"usr/bin/su", 0o4755, elfText}, file{"bin", 0o777, "->usr/bin"}, file{"usr/bin/sh", 0o777, "->dash"},
			file{"usr/bin/python3.11", 0o755, elfText}, file{"usr/bin/tool", 0o755, "#!/bin/sh\n"}, file{"usr/bin/data", 0o644, elfText},
			file{"tmp/", 0o1777, ""}, file{"open/", 0o777, ""}, file{"open/file", 0o666, "x"}, file{"gone/curl", 0o755, elfText}),
		tarOf(t, file{".wh.gone", 0, ""}, file{"usr/bin/wget", 0o777, "->/bin/busybox"}, file{"bin/busybox", 0o755, elfText}, file{"app/run", 0o755, "#!x"}),
	}
}

func sampleImage(t testing.TB, platform string, layers ...[]byte) v1.Image {
	t.Helper()
	img := v1.Image(empty.Image)
	if layers == nil {
		layers = sampleLayers(t)
	}
	for i, text := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: fmt.Sprintf("RUN step %d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	config.Config.User = "1000"
	config.Config.Env = []string{"PATH=/usr/bin", "API_TOKEN=c4n4ryK3yXq9Zt7Lw2"}
	config.Config.Entrypoint = []string{"/app/run", "--password", "c4n4ryK3yXq9Zt7Lw2"}
	config.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}}
	config.Config.Labels = map[string]string{"db-password": "c4n4ryK3yXq9Zt7Lw2", "team": "payments"}
	config.History = append(config.History, v1.History{CreatedBy: "ENV API_TOKEN=c4n4ryK3yXq9Zt7Lw2", EmptyLayer: true})
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func readImage(t testing.TB, ref string, o Options) (*Image, *Tree) {
	t.Helper()
	s := must(Open(t.Context(), ref, o))(t)
	defer s.Close()
	img, tree, err := Read(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return img, tree
}

func write(t testing.TB, file string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// tarDir makes an archive of the files of a directory.
func tarDir(t testing.TB, dir string) []byte {
	t.Helper()
	var files []file
	for _, p := range must(filepath.Glob(filepath.Join(dir, "*")))(t) {
		if info := must(os.Stat(p))(t); info.Mode().IsRegular() {
			files = append(files, file{filepath.Base(p), 0o644, string(must(os.ReadFile(p))(t))})
		}
	}
	for _, p := range must(filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*")))(t) {
		files = append(files, file{"blobs/sha256/" + filepath.Base(p), 0o644, string(must(os.ReadFile(p))(t))})
	}
	return tarOf(t, files...)
}
