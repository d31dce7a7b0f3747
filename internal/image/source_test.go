package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
)

// An image is the same wherever it comes from.
func TestSourcesAgree(t *testing.T) {
	dir := t.TempDir()
	img := sampleImage(t, "linux/amd64")
	config := must(img.ConfigName())(t).String()
	manifest := must(img.Digest())(t).String()

	tag := must(name.NewTag("example.com/shop:1"))(t)
	saved := filepath.Join(dir, "saved.tar")
	if err := tarball.WriteToFile(saved, tag, img); err != nil {
		t.Fatal(err)
	}
	oci := filepath.Join(dir, "layout")
	path := must(layout.Write(oci, empty.Index))(t)
	if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})); err != nil {
		t.Fatal(err)
	}
	archive := write(t, filepath.Join(dir, "oci.tar"), tarDir(t, oci))
	host := startRegistry(t)
	if err := remote.Write(must(name.ParseReference(host+"/shop:1"))(t), img); err != nil {
		t.Fatal(err)
	}
	zip := func(to string, from string, how func([]byte) []byte) string {
		return write(t, filepath.Join(dir, to), how(must(os.ReadFile(from))(t)))
	}
	one := func(b []byte) []byte { return gzipped(b) }
	refs := []string{
		saved, "docker-archive:" + saved, saved + ":example.com/shop:1", zip("saved.tar.gz", saved, one), zip("saved.tar.zst", saved, zstded),
		oci, "oci:" + oci, "oci:" + oci + ":1", archive, "oci-archive:" + archive, zip("oci.tgz", archive, one),
		host + "/shop:1", "registry:" + host + "/shop@" + manifest, "docker://" + host + "/shop:1",
	}
	var first *Image
	var firstTree string
	for _, ref := range refs {
		for _, diffIDs := range []bool{false, true} {
			got, tree := readImage(t, ref, Options{Registry: noLogins, DiffIDs: diffIDs})
			if got.Identity.Config != config || got.Reference != ref || got.Platform != "linux/amd64" {
				t.Errorf("%s: %+v", ref, got.Identity)
			}
			if !strings.Contains(ref, "saved") && got.Manifest != manifest {
				t.Errorf("%s: manifest %s, want %s", ref, got.Manifest, manifest)
			}
			// What a source cannot know.
			got.Reference, got.Identity = "", Identity{}
			for i := range got.Layers {
				if d := must(must(img.Layers())(t)[i].DiffID())(t).String(); got.Layers[i].DiffID != d {
					t.Errorf("%s: diffID %s, want %s", ref, got.Layers[i].DiffID, d)
				}
				got.Layers[i].Blob, got.Layers[i].MediaType, got.Layers[i].Size = "", "", 0
			}
			if first == nil {
				first, firstTree = got, treeLines(tree)
			}
			if !reflect.DeepEqual(got, first) {
				t.Errorf("%s: got\n%+v\nwant\n%+v", ref, got, first)
			}
			if treeLines(tree) != firstTree {
				t.Errorf("%s: other files", ref)
			}
		}
	}
	if len(first.Problems) > 0 {
		t.Errorf("problems: %v", first.Problems)
	}
	checkSample(t, first)
}

func checkSample(t *testing.T, img *Image) {
	if want := (Distro{"debian", "12", "Debian 12"}); img.Distro != want {
		t.Errorf("distro %+v", img.Distro)
	}
	want := []Program{
		{Path: "/app/run", Layer: 1, Script: true},
		{Path: "/bin/busybox", Layer: 1, Class: Shell},
		{Path: "/usr/bin/dash", Class: Shell},
		{Path: "/usr/bin/python3.11", Class: Interpreter},
		{Path: "/usr/bin/sh", Class: Shell, Target: "/usr/bin/dash"},
		{Path: "/usr/bin/su", Setuid: true},
		{Path: "/usr/bin/tool", Script: true},
		{Path: "/usr/bin/wget", Layer: 1, Class: NetworkTool, Target: "/bin/busybox"},
	}
	if !reflect.DeepEqual(img.Programs, want) {
		t.Errorf("programs\n%+v\nwant\n%+v", img.Programs, want)
	}
	if want := []Writable{{"/open", 0, true}, {"/open/file", 0, false}}; !reflect.DeepEqual(img.Writable, want) {
		t.Errorf("writable %+v", img.Writable)
	}
	if l := img.Layers; l[0].CreatedBy != "RUN step 0" || l[1].CreatedBy != "RUN step 1" || l[0].Files != 14 || l[1].Files != 4 {
		t.Errorf("layers %+v", l)
	}
	c := img.Config
	if c.User != "1000" || !slices.Equal(c.Ports, []string{"8080/tcp"}) || c.Labels["team"] != "payments" || len(c.History) != 3 || c.History[2].Layer != -1 {
		t.Errorf("config %+v", c)
	}
	if len(img.Secrets) != 4 {
		t.Errorf("secrets %+v", img.Secrets)
	}
	if text := must(json.Marshal(img))(t); bytes.Contains(text, []byte("c4n4ryK3yXq9Zt7Lw2")) {
		t.Errorf("a secret is in the image: %s", text)
	}
}

// The variant that an architecture has when none is named is the same as none, and meant
// first.
func TestPlatformOfIndex(t *testing.T) {
	for _, c := range []struct{ wanted, there, want string }{
		{"linux/arm64", "linux/amd64 linux/arm64/v8", "linux/arm64/v8"},
		{"linux/arm64/v8", "linux/amd64 linux/arm64", "linux/arm64"},
		{"linux/aarch64", "linux/amd64 linux/arm64", "linux/arm64"},
		{"linux/arm", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"},
		{"linux/arm", "linux/arm/v5 linux/arm/v6", "linux/arm/v5"},
		{"linux/arm/v7", "linux/arm/v6 linux/arm", "linux/arm"},
		{"linux/arm/v6", "linux/arm linux/arm/v7", ""},
		{"linux/amd64", "linux/amd64/v3 linux/amd64", "linux/amd64"},
		{"linux/arm64/v9", "linux/arm64 linux/amd64", ""},
	} {
		var list []v1.Descriptor
		for text := range strings.FieldsSeq(c.there) {
			p, err := v1.ParsePlatform(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, v1.Descriptor{Platform: p})
		}
		d, err := choose(list, func(v1.Descriptor) bool { return true }, c.wanted)
		if (err == nil) != (c.want != "") || err == nil && d.Platform.String() != c.want {
			t.Errorf("%s of %s: %v, %v, not %s", c.wanted, c.there, d.Platform, err, c.want)
		}
		for have := range strings.FieldsSeq(c.want) {
			if err := (&Source{Identity: Identity{Platform: have}}).checkPlatform(c.wanted); err != nil {
				t.Errorf("%s for %s: %v", have, c.wanted, err)
			}
		}
	}
}

func TestIndexAndPlatforms(t *testing.T) {
	amd, arm := sampleImage(t, "linux/amd64"), sampleImage(t, "linux/arm64/v8", tarOf(t, file{"arm", 0o644, "x"}))
	attestation := sampleImage(t, "unknown/unknown", tarOf(t, file{"x", 0o644, "x"}))
	add := func(img v1.Image, p v1.Platform) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}}
	}
	index := mutate.AppendManifests(empty.Index,
		add(attestation, v1.Platform{OS: "unknown", Architecture: "unknown"}),
		add(arm, v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}), add(amd, v1.Platform{OS: "linux", Architecture: "amd64"}))
	host := startRegistry(t)
	if err := remote.WriteIndex(must(name.ParseReference(host+"/shop:1"))(t), index); err != nil {
		t.Fatal(err)
	}
	oci := filepath.Join(t.TempDir(), "layout")
	if err := must(layout.Write(oci, empty.Index))(t).AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{host + "/shop:1", oci} {
		for platform, want := range map[string]v1.Image{"linux/amd64": amd, "linux/arm64": arm, "linux/arm64/v8": arm} {
			got, _ := readImage(t, ref, Options{Platform: platform, Registry: noLogins})
			if got.Manifest != must(want.Digest())(t).String() || got.Index != must(index.Digest())(t).String() {
				t.Errorf("%s for %s: %+v", ref, platform, got.Identity)
			}
		}
		for _, platform := range []string{"linux/s390x", "windows/amd64", "linux/arm64/v7"} {
			_, err := Open(t.Context(), ref, Options{Platform: platform, Registry: noLogins})
			if err == nil || !strings.Contains(err.Error(), "linux/arm64/v8, linux/amd64") {
				t.Errorf("%s for %s: %v", ref, platform, err)
			}
		}
	}
}

// A layer that is not what the manifest says is a problem, and the rest is there.
func TestLyingLayers(t *testing.T) {
	oci := filepath.Join(t.TempDir(), "layout")
	img := sampleImage(t, "linux/amd64")
	if err := must(layout.Write(oci, empty.Index))(t).AppendImage(img); err != nil {
		t.Fatal(err)
	}
	layers := must(img.Layers())(t)
	blob := filepath.Join(oci, "blobs", "sha256", must(layers[1].Digest())(t).Hex)
	was := must(os.ReadFile(blob))(t)
	for what, text := range map[string][]byte{
		"digest":       gzipped(tarOf(t, file{"other", 0o644, "x"})),
		"gzip":         append(slices.Clone(was[:20]), "garbage garbage garbage"...),
		"EOF":          was[:len(was)/2],
		"no such file": nil,
		"tar":          gzipped(bytes.Repeat([]byte("no tar "), 1000)),
		"bzip2":        []byte("BZh91AY&SY"),
		"behind":       gzipped(sampleLayers(t)[1], []byte("x")),
		"unexpected":   gzipped(sampleLayers(t)[1][:700]),
		"bytes, not":   append(slices.Clone(was), 0),
		"window":       nil,
	} {
		switch {
		case what == "window":
			w := must(zstd.NewWriter(nil, zstd.WithWindowSize(128<<20), zstd.WithSingleSegment(false)))(t)
			text = w.EncodeAll(make([]byte, 200<<20), nil)
		case text == nil:
			if err := os.Remove(blob); err != nil {
				t.Fatal(err)
			}
		}
		if text != nil {
			write(t, blob, text)
		}
		got, tree := readImage(t, oci, Options{})
		if len(got.Problems) == 0 || !strings.Contains(got.Problems[0].Reason, "layer 2") {
			t.Errorf("%s: problems %v", what, got.Problems)
		}
		if what != "behind" && what != "window" && what != "bytes, not" && !strings.Contains(fmt.Sprint(got.Problems), what) {
			t.Errorf("%s: problems %v", what, got.Problems)
		}
		if _, ok := tree.Lookup("/usr/bin/dash"); !ok || len(got.Layers) != 2 {
			t.Errorf("%s: the first layer is not there", what)
		}
	}
}

func TestDiffIDsAreChecked(t *testing.T) {
	dir := t.TempDir()
	config := func(ids ...string) string {
		return fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["%s"]}}`, strings.Join(ids, `","`))
	}
	layer := tarOf(t, file{"a", 0o644, "x"})
	right, wrong := sha256Of(layer), sha256Of(nil)
	for _, test := range []struct {
		ids   []string
		layer []byte
		bad   string
	}{
		{[]string{right}, layer, ""},
		{[]string{right}, gzipped(layer), ""},
		{[]string{right}, gzipped(layer[:1024], layer[1024:]), ""},
		{[]string{right}, zstded(layer), ""},
		{[]string{wrong}, layer, "digest"},
		{[]string{wrong}, gzipped(layer), "digest"},
		{[]string{right, wrong}, layer, "configuration 2"},
	} {
		for _, pack := range []func(...[]byte) []byte{func(b ...[]byte) []byte { return b[0] }, gzipped} {
			ref := write(t, filepath.Join(dir, "saved.tar"), pack(tarOf(t, file{"c.json", 0o644, config(test.ids...)}, file{"l/layer.tar", 0o644, string(test.layer)},
				file{"manifest.json", 0o644, `[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]`})))
			img, _ := readImage(t, ref, Options{})
			if text := fmt.Sprint(img.Problems); (len(img.Problems) > 0) != (test.bad != "") || !strings.Contains(text, test.bad) {
				t.Errorf("%v: %s", test, text)
			}
		}
	}
}

// In an archive one layer may stand for several, as a link or by its name.
func TestSharedLayers(t *testing.T) {
	a, b := tarOf(t, file{"a", 0o644, "1"}), tarOf(t, file{".wh.a", 0o644, ""}, file{"b", 0o644, "2"})
	config := fmt.Sprintf(`{"rootfs":{"diff_ids":["%[1]s","%[2]s","%[1]s"]}}`, sha256Of(a), sha256Of(b))
	archive := tarOf(t, file{"c.json", 0o644, config}, file{"1/layer.tar", 0o644, string(a)}, file{"2/layer.tar", 0o644, string(b)},
		file{"3/layer.tar", 0o777, "->../1/layer.tar"},
		file{"manifest.json", 0o644, `[{"Config":"c.json","Layers":["1/layer.tar","2/layer.tar","3/layer.tar"]}]`})
	for name, text := range map[string][]byte{"x.tar": archive, "x.tgz": gzipped(archive)} {
		img, tree := readImage(t, write(t, filepath.Join(t.TempDir(), name), text), Options{})
		e, ok := tree.Lookup("/a")
		if !ok || e.Layer != 2 || len(img.Problems) > 0 {
			t.Errorf("%s: %+v, %v", name, e, img.Problems)
		}
	}
}

func TestRootDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "etc", "os-release"), []byte("ID=nixos\n"))
	if err := os.Chmod(write(t, filepath.Join(dir, "bin", "sh"), []byte(elfText)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "bin", "sh"), filepath.Join(dir, "bin", "nc")); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"bin/wget": "/bin/sh", "out": "../../../../etc", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{dir, "dir:" + dir} {
		img, tree := readImage(t, ref, Options{})
		want := []Program{{Path: "/bin/nc", Class: NetworkTool}, {Path: "/bin/sh", Class: Shell}, {Path: "/bin/wget", Class: NetworkTool, Target: "/bin/sh"}}
		if !reflect.DeepEqual(img.Programs, want) || img.Distro.ID != "nixos" || len(img.Problems) > 0 {
			t.Errorf("%+v", img)
		}
		if e, ok := tree.Resolve("/out/os-release"); !ok || e.Path != "/etc/os-release" {
			t.Errorf("a link out of the image: %+v", e)
		}
	}
}

// A directory of something else is no root file system unless it is said to be.
func TestDirectoryThatIsNoRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin", "tool"), []byte("#!/bin/sh"))
	write(t, filepath.Join(dir, "etc", "settings"), nil)
	if _, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "write dir:"+dir) {
		t.Errorf("a project: %v", err)
	}
	if _, tree := readImage(t, "dir:"+dir, Options{}); tree.lookup("/bin/tool") == 0 {
		t.Error("not read where dir: says that it is one")
	}
	write(t, filepath.Join(dir, "usr", "bin", "env"), nil)
	readImage(t, dir, Options{})
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	saved := `[{"Config":"c.json","RepoTags":["a:1"]},{"Config":"c.json","RepoTags":["b:1"]}]`
	several := write(t, filepath.Join(dir, "several.tar"), tarOf(t, file{"manifest.json", 0o644, saved}, file{"c.json", 0o644, "{}"}))
	for ref, want := range map[string]string{
		"./not-there":            "image ./not-there: no such file",
		"not-there.tar":          "no such file",
		"UPPER/x":                "reference",
		several:                  "a:1, b:1",
		several + ":c:1":         "no image is called c:1",
		"oci-archive:" + several: "no index.json",
		"oci:" + dir:             "no index.json",
		write(t, filepath.Join(dir, "text"), []byte(strings.Repeat("text ", 1000))):                                             "not a tar archive",
		write(t, filepath.Join(dir, "zip"), gzipped([]byte("text"))):                                                            "not a tar archive",
		write(t, filepath.Join(dir, "empty"), nil):                                                                              "neither",
		write(t, filepath.Join(dir, "cut"), tarOf(t, file{"a", 0o644, ""}, file{"b", 0o644, strings.Repeat("x", 3000)})[:1800]): "truncated",
	} {
		if _, err := Open(t.Context(), ref, Options{Registry: noLogins}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
	}
}

// The same image gives the same result, however its layers are timed.
func TestReadIsDeterministic(t *testing.T) {
	var layers [][]byte
	for i := range 30 {
		files := []file{{fmt.Sprintf("dir/%d", i), 0o755, elfText}, {"same", 0o644, fmt.Sprint(i)}, {fmt.Sprintf("dir/.wh.%d", i-3), 0, ""}, {"etc/os-release", 0o644, fmt.Sprintf("ID=%d", i)}}
		if i%7 == 0 {
			files = append(files, file{"../../out", 0o644, ""}, file{".wh.", 0, ""})
		}
		layers = append(layers, tarOf(t, files...))
	}
	dir := t.TempDir()
	if err := must(layout.Write(dir, empty.Index))(t).AppendImage(sampleImage(t, "linux/amd64", layers...)); err != nil {
		t.Fatal(err)
	}
	limits := DefaultLimits
	limits.Kept = 30 // of 30 files of about 5 bytes: some wait
	first := ""
	for range 20 {
		img, tree := readImage(t, dir, Options{Limits: &limits})
		text := fmt.Sprintf("%+v\n%s", img, treeLines(tree))
		if first == "" {
			first = text
		}
		if text != first {
			t.Fatalf("got\n%s\nwant\n%s", text, first)
		}
	}
	if !strings.Contains(first, "29") {
		t.Error(first)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	if err := must(layout.Write(dir, empty.Index))(t).AppendImage(sampleImage(t, "linux/amd64")); err != nil {
		t.Fatal(err)
	}
	s := must(Open(t.Context(), dir, Options{}))(t)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Read(ctx, s, Options{}); err == nil {
		t.Error("no error")
	}
}
