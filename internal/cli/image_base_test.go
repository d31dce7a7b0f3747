package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// onTopOf builds an image with a layer more, and says in its history that the image
// below ended with a command.
func onTopOf(t *testing.T, base string) string {
	t.Helper()
	img, err := tarball.ImageFromPath(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.History = []v1.History{{CreatedBy: "ADD rootfs"}, {CreatedBy: "RUN rm bash"}, {CreatedBy: `CMD ["bash"]`, EmptyLayer: true}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(make([]byte, 1024), types.DockerUncompressedLayer), History: v1.History{CreatedBy: "COPY web"}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "above.tar")
	tag, err := name.NewTag("registry.example/above:1")
	if err == nil {
		err = tarball.WriteToFile(path, tag, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImageBase tells the layers of the base image, as a guess and for certain.
func TestImageBase(t *testing.T) {
	base := smallImage(t)
	above := onTopOf(t, base)
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	text, stderr, code := runImage(t, above)
	if code != exitClean || !strings.Contains(flat(text), "base image 2 layers of 3, likely: in its history CMD stands behind them") || !strings.Contains(flat(text), "1 of its packages, and 0 in layers above") || !strings.Contains(text, "own  COPY web") {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
	text, stderr, code = runImage(t, above, "--base", base)
	if code != exitClean || !strings.Contains(flat(text), base+", 2 layers of 3: they are those of "+base) {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
	if text, _, _ = runImage(t, base, "--base", above); !strings.Contains(flat(text), "not known: "+above+" has more layers, 3") {
		t.Errorf("the wrong way round:\n%s", text)
	}
	if _, stderr, code = runImage(t, above, "--base", filepath.Join(t.TempDir(), "none.tar")); code != exitUsage || !strings.Contains(stderr, "base: image") {
		t.Errorf("a base that is not there: exit %d, %s", code, stderr)
	}
	object, _, _ := runImage(t, above, "--base", base, "-o", "json")
	var j imageJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil || !j.Base.Certain || j.Base.Layers != 2 || j.Packages[0].Base == nil || !*j.Packages[0].Base || *j.Layers[2].Base {
		t.Errorf("%v: %+v %+v", err, j.Base, j.Layers)
	}
}
