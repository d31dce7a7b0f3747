//go:build linux

package image

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// unpackOverlay unpacks a layer as runtimes do for an overlay file system. It skips
// the test where this file system cannot hold what that takes.
func unpackOverlay(t testing.TB, dir string, layer []byte) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		hidden, ok := strings.CutPrefix(path.Base(h.Name), whiteoutPrefix)
		switch {
		case hidden == opaqueMarker:
			if err = syscall.Setxattr(filepath.Dir(to), "user.overlay.opaque", []byte("y"), 0); err != nil {
				t.Skipf("no extended attributes here: %v", err)
			}
		case ok:
			if err = syscall.Mknod(filepath.Join(filepath.Dir(to), hidden), syscall.S_IFCHR, 0); err != nil {
				t.Skipf("no whiteouts here: %v", err)
			}
		case h.Typeflag == tar.TypeSymlink:
			err = os.Symlink(h.Linkname, to)
		case h.Typeflag == tar.TypeDir:
			err = os.MkdirAll(to, 0o755)
		default:
			var text []byte
			if text, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, text, 0o600)
			}
		}
		if err == nil && !ok && h.Typeflag != tar.TypeSymlink {
			err = syscall.Chmod(to, uint32(h.Mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// storeLayers have what overlay file systems keep in their own way.
func storeLayers(t testing.TB) [][]byte {
	return append(sampleLayers(t),
		tarOf(t, file{"opt/", 0o755, ""}, file{"opt/a/", 0o755, ""}, file{"opt/a/old", 0o755, elfText}, file{"opt/b", 0o644, "b"}),
		tarOf(t, file{"opt/a/.wh..wh..opq", 0, ""}, file{"opt/a/new", 0o755, elfText}, file{"opt/.wh.b", 0, ""}, file{"usr/bin/.wh.tool", 0, ""}),
	)
}

// treeText is a tree by what a directory can say of it.
func treeText(tree *Tree) string {
	var b strings.Builder
	for e := range tree.All() {
		e.UID, e.GID = 0, 0
		if e.Kind == Directory { // a layer's directories are there for what changed in them
			e.Layer, e.Mode = 0, 0
		}
		fmt.Fprintf(&b, "%+v\n", e)
	}
	return b.String()
}

// storesOf unpacks an image into a store of containerd and one of Docker.
func storesOf(t *testing.T, img v1.Image, raw [][]byte) Stores {
	t.Helper()
	stores := Stores{Containerd: t.TempDir(), Docker: t.TempDir()}
	digest, config := must(img.Digest())(t), must(img.ConfigName())(t)
	oci := filepath.Join(t.TempDir(), "layout")
	if err := must(layout.Write(oci, empty.Index))(t).AppendImage(img); err != nil {
		t.Fatal(err)
	}
	content := filepath.Join(stores.Containerd, containerdContent)
	if err := errors.Join(os.MkdirAll(content, 0o755), os.Rename(filepath.Join(oci, "blobs"), filepath.Join(content, "blobs"))); err != nil {
		t.Fatal(err)
	}
	meta, snapshots := map[string]string{}, map[string]string{}
	for _, name := range []string{"docker.io/library/shop:1", "registry.example/shop:1"} {
		meta["v1|k8s.io|images|"+name+"|target|digest"] = digest.String()
		meta["v1|k8s.io|images|"+name+"|target|mediatype"] = string(must(img.MediaType())(t))
	}
	chain := ""
	for i, layer := range must(img.Layers())(t) {
		diff := must(layer.DiffID())(t).String()
		if chain == "" {
			chain = diff
		} else {
			chain = sha256Of([]byte(chain + " " + diff))
		}
		meta["v1|k8s.io|snapshots|overlayfs|"+chain+"|name"] = "k8s.io/7/" + chain
		snapshots["v1|snapshots|k8s.io/7/"+chain+"|id"] = string(binary.AppendUvarint(nil, uint64(i+300)))
		snapshots["v1|snapshots|k8s.io/7/"+chain+"|kind"] = string([]byte{committed})
		unpackOverlay(t, filepath.Join(stores.Containerd, overlaySnapshots, "snapshots", fmt.Sprint(i+300), "fs"), raw[i])
		write(t, filepath.Join(stores.Docker, overlay2Layers, strings.TrimPrefix(chain, "sha256:"), "cache-id"), fmt.Appendf(nil, "layer%d", i))
		unpackOverlay(t, filepath.Join(stores.Docker, "overlay2", fmt.Sprintf("layer%d", i), "diff"), raw[i])
	}
	_ = boltOf(t, filepath.Join(stores.Containerd, filepath.FromSlash(containerdMetadata)), meta) // and holds its lock
	_ = boltOf(t, filepath.Join(stores.Containerd, overlaySnapshots, "metadata.db"), snapshots)
	write(t, filepath.Join(stores.Docker, overlay2Images, config.Hex), must(img.RawConfigFile())(t))
	write(t, filepath.Join(stores.Docker, "image/overlay2/repositories.json"), fmt.Appendf(nil, `{"Repositories":{"shop":{"shop:1":%q}}}`, config))
	return stores
}

// An image is the same in the stores of this machine as in an archive.
func TestStoresAgree(t *testing.T) {
	raw := storeLayers(t)
	img := sampleImage(t, "linux/amd64", raw...)
	stores := storesOf(t, img, raw)
	oci := filepath.Join(t.TempDir(), "layout")
	if err := must(layout.Write(oci, empty.Index))(t).AppendImage(img); err != nil {
		t.Fatal(err)
	}
	want, wantTree := readImage(t, oci, Options{})
	if _, ok := wantTree.Lookup("/opt/a/new"); !ok {
		t.Fatal("the sample is wrong")
	}
	same := func(ref string) {
		t.Helper()
		got, tree := readImage(t, ref, Options{Stores: stores})
		if text, wanted := treeText(tree), treeText(wantTree); text != wanted {
			t.Errorf("%s: other files:\n%s\nwant\n%s", ref, text, wanted)
		}
		if fmt.Sprint(got.Programs, got.Packages, got.Distro, got.Problems) != fmt.Sprint(want.Programs, want.Packages, want.Distro, want.Problems) {
			t.Errorf("%s: %+v\nwant\n%+v", ref, got, want)
		}
		if got.Identity.Config != want.Identity.Config || got.Layers[1].DiffID != want.Layers[1].DiffID || got.Layers[1].CreatedBy != "RUN step 1" {
			t.Errorf("%s: %+v", ref, got)
		}
	}
	digest := must(img.Digest())(t).String()
	for _, ref := range []string{"containerd:shop:1", "containerd:docker.io/library/shop:1", "containerd:registry.example/shop:1", "containerd:" + digest, "docker:shop:1", "docker:" + want.Identity.Config, "docker:" + want.Identity.Config[7:19]} {
		same(ref)
	}
	// A layer that is not unpacked is read as it was pulled.
	if err := os.RemoveAll(filepath.Join(stores.Containerd, overlaySnapshots)); err != nil {
		t.Fatal(err)
	}
	same("containerd:shop:1")
	if err := os.RemoveAll(filepath.Join(stores.Containerd, containerdContent, "blobs", "sha256", must(must(img.Layers())(t)[1].Digest())(t).Hex)); err != nil {
		t.Fatal(err)
	}
	if got, _ := readImage(t, "containerd:shop:1", Options{Stores: stores}); len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Reason, "neither unpacked") {
		t.Errorf("a layer that is nowhere: %v", got.Problems)
	}
}

func TestStoreErrors(t *testing.T) {
	raw := storeLayers(t)
	stores := storesOf(t, sampleImage(t, "linux/amd64", raw...), raw)
	broken := t.TempDir()
	write(t, filepath.Join(broken, filepath.FromSlash(containerdMetadata)), bytes.Repeat([]byte("x"), 10_000))
	write(t, filepath.Join(broken, "image/overlay2/repositories.json"), []byte(`{"Repositories":{"x":{"x:1":"sha256:../../etc"}}}`))
	none := t.TempDir()
	for ref, test := range map[string]struct {
		stores Stores
		want   string
	}{
		"containerd:other:1":  {stores, "no image is called other:1 in containerd's store; there is docker.io/library/shop:1, registry.example/shop:1: write registry:other:1"},
		"docker:other:1":      {stores, "there is shop:1"},
		"containerd:shop:1":   {Stores{Containerd: none}, "--containerd-root"},
		"docker:shop:1":       {Stores{Docker: none}, "--docker-root"},
		"containerd:x:1":      {Stores{Containerd: broken}, "damaged database"},
		"docker:x:1":          {Stores{Docker: broken}, "no digest"},
		"containerd:shop:1@x": {stores, "no image is called"},
	} {
		_, err := Open(t.Context(), ref, Options{Stores: test.stores})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", ref, err, test.want)
		}
	}
	if _, err := Open(t.Context(), "containerd:shop:1", Options{Stores: Stores{Containerd: stores.Containerd, Namespace: "moby"}}); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("another namespace: %v", err)
	}
}
