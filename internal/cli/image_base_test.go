package cli

import (
	"encoding/json"
	"os"
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

// TestImageUser says of a user's name which number it has.
func TestImageUser(t *testing.T) {
	passwd := map[string]string{"etc/passwd": "root:x:0:0::/:\nother:x:0:0::/:\napp:x:1000:7::/:\n"}
	for user, want := range map[string]string{
		"":          "none set: runs as root unless the pod says otherwise",
		"0:7":       "0:7: runs as root unless the pod says otherwise",
		"root":      "root: runs as root unless the pod says otherwise",
		"other:web": "other:web, 0 by /etc/passwd of the image: runs as root unless the pod says otherwise",
		"app":       "app, 1000 by /etc/passwd of the image",
		"10001":     "10001",
		"nobody":    "nobody, which /etc/passwd of the image does not have: its number is not known",
	} {
		path := filepath.Join(t.TempDir(), "user.tar")
		if err := tarball.WriteToFile(path, must(name.NewTag("registry.example/web:1")), builtImage(t, v1.Config{User: user}, passwd)); err != nil {
			t.Fatal(err)
		}
		text, _, _ := runImage(t, path)
		_, got, _ := strings.Cut(strings.Join(strings.Fields(text), " "), "What runs user ")
		if got, _, _ = strings.Cut(got, " entrypoint "); got != want {
			t.Errorf("USER %s is told as %q, not %q", user, got, want)
		}
	}
}

// TestImageRootFileSystem: a directory has no configuration, so that nothing is said
// of what it does not hold.
func TestImageRootFileSystem(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc", "os-release"), []byte("ID=nixos\nVERSION_ID=26.05\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, stderr, code := runImage(t, "dir:"+root)
	if code != exitClean || !strings.Contains(text, "a root file system has no configuration") || strings.Contains(text, "runs as root") || strings.Contains(text, "none\n") || !strings.Contains(text, "made of           a root file system, ") || strings.Contains(text, "layer 1") {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
	var j imageJSON
	object, _, _ := runImage(t, "dir:"+root, "-o", "json")
	if err := json.Unmarshal([]byte(object), &j); err != nil || j.Settings != nil || j.Programs == nil || j.Writable == nil || j.Secrets == nil || j.System == nil {
		t.Errorf("%v: settings %+v\n%s", err, j.Settings, object)
	}
	object, stderr, code = runImage(t, "dir:"+root, "--check", "--profile", "all", "-o", "json")
	var judged struct{ Unknowns []struct{ Rule string } }
	if err := json.Unmarshal([]byte(object), &judged); err != nil {
		t.Fatalf("exit %d, %v: %s", code, err, stderr)
	}
	unknown := map[string]bool{}
	for _, u := range judged.Unknowns {
		unknown[u.Rule] = true
	}
	for _, rule := range []string{"image-root-user", "image-required-labels", "image-insecure-env"} {
		if !unknown[rule] {
			t.Errorf("%s is not among what is not known: %+v", rule, judged)
		}
	}
	text, _, _ = runImage(t, "diff", "dir:"+root, smallImage(t))
	if !strings.Contains(text, "not compared: a root file system has no configuration") || strings.Contains(text, "none to") {
		t.Errorf("compared with an image:\n%s", text)
	}
	object, _, _ = runImage(t, "diff", "dir:"+root, smallImage(t), "-o", "json")
	var d imageDiffJSON
	if err := json.Unmarshal([]byte(object), &d); err != nil || !d.Compared || d.Configuration != nil {
		t.Errorf("%v: %s", err, object)
	}
}
