package image

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// settle waits until files were not written to for so long that they can be told from
// what they will be.
func settle(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			for end := time.Now().Add(10 * time.Second); err == nil && !stampOf(info).settled(time.Now()); time.Sleep(tick / 4) {
				if stampOf(info).id == "" {
					t.Skip("files cannot be told apart here")
				}
				if time.Now().After(end) {
					t.Fatalf("%s: %+v does not settle", path, stampOf(info))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// replace replaces bytes in the files of a directory, or in one, and lets nothing show
// but what nobody can set.
func replace(t *testing.T, path string, old, by []byte) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if i := bytes.Index(text, old); err == nil && i >= 0 {
			n++
			copy(text[i:], by)
			if err = os.Chmod(path, 0o600); err != nil {
				return err
			}
			if err = os.WriteFile(path, text, 0o600); err == nil {
				err = os.Chtimes(path, info.ModTime(), info.ModTime())
			}
		}
		return err
	})
	if err != nil || n != 1 || len(old) != len(by) {
		t.Fatalf("%d files changed, %d bytes for %d: %v", n, len(by), len(old), err)
	}
}

// TestLyingArchive gives archives the configuration of an image that the cache knows
// and other layers of the same size, as copies and in place: they are never told as
// that image, nor the image as them.
func TestLyingArchive(t *testing.T) {
	layer := func(version string) []byte {
		return tarOf(t, file{"etc/os-release", 0o644, "ID=debian\nVERSION_ID=12\n"}, file{"var/lib/dpkg/status", 0o644, "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\n\n"})
	}
	is, says := layer("9.9"), layer("1.2")
	stored := func(b []byte) []byte { // as long as others are
		var z bytes.Buffer
		w := must(gzip.NewWriterLevel(&z, gzip.NoCompression))(t)
		if _, err := w.Write(b); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return z.Bytes()
	}
	plain := must(mutate.AppendLayers(empty.Image, static.NewLayer(says, types.OCIUncompressedLayer)))(t)
	for name, form := range map[string]struct {
		ref         string
		true_, lies []byte
	}{
		"saved":  {forms(t, plain)[0], says, is},
		"layout": {forms(t, plain)[1], says, is},
		"packed": {savedAs(t, says, stored(says)), stored(says), stored(is)},
	} {
		if len(form.true_) != len(form.lies) {
			t.Fatalf("%s: %d and %d bytes", name, len(form.true_), len(form.lies))
		}
		settle(t, form.ref)
		c := newMemoryCache()
		sameAsUncached(t, "cold", form.ref, Options{}, c)
		copied := filepath.Join(t.TempDir(), "copy")
		if info, err := os.Stat(form.ref); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			err = os.CopyFS(copied, os.DirFS(form.ref))
			if err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, copied, must(os.ReadFile(form.ref))(t))
		}
		settle(t, copied)
		c.hits = map[string]int{}
		sameAsUncached(t, "a true copy", copied, Options{}, c)
		if name != "packed" && c.hits["layer"] == 0 {
			t.Errorf("%s: no layer of a copy came from the cache", name)
		}
		sameAsUncached(t, "again", copied, Options{}, c)
		for _, lie := range []string{copied, form.ref} {
			replace(t, lie, form.true_, form.lies)
			for range 3 {
				img := sameLie(t, lie, c)
				if p := img.Packages; len(p) != 1 || p[0].Version != "9.9" || !img.Mismatched || len(img.Problems) != 1 || !strings.Contains(img.Problems[0].Reason, "digest") {
					t.Fatalf("%s: a lie is told as %+v, problems %v", name, p, img.Problems)
				}
			}
			replace(t, lie, form.lies, form.true_)
			sameAsUncached(t, "true again", lie, Options{}, c)
		}
	}
}

func sameLie(t *testing.T, ref string, c *memoryCache) *Image {
	t.Helper()
	sameAsUncached(t, "a lie", ref, Options{}, c)
	img, _ := readImage(t, ref, Options{Cache: c})
	return img
}

// savedAs writes a Docker archive with one layer of some packed bytes.
func savedAs(t *testing.T, layer, packed []byte) string {
	config := `{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["` + sha256Of(layer) + `"]}}`
	return write(t, filepath.Join(t.TempDir(), "saved.tar"), tarOf(t, file{"c.json", 0o644, config}, file{"l/layer.tar", 0o644, string(packed)},
		file{"manifest.json", 0o644, `[{"Config":"c.json","Layers":["l/layer.tar"]}]`}))
}

// TestStamp holds that a file that was written to has another stamp, whatever its
// other times say, and that one that was just written to has none that counts.
func TestStamp(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "f"), []byte("a"))
	settle(t, path)
	before := must(os.Stat(path))(t)
	replace(t, path, []byte("a"), []byte("b"))
	after := must(os.Stat(path))(t)
	if before.ModTime() != after.ModTime() || before.Size() != after.Size() || stampOf(before) == stampOf(after) {
		t.Errorf("%+v became %+v", stampOf(before), stampOf(after))
	}
	if s := stampOf(after); s.settled(s.changed.Add(tick)) || !s.settled(s.changed.Add(coarse+1)) {
		t.Errorf("%+v is settled at once or never", s)
	}
}
