package image

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// built makes an image with steps: those that begin with + make a layer.
func built(t *testing.T, labels, annotations map[string]string, steps ...string) v1.Image {
	t.Helper()
	img := v1.Image(empty.Image)
	for _, step := range steps {
		text, layered := strings.CutPrefix(step, "+")
		add := mutate.Addendum{History: v1.History{CreatedBy: text, EmptyLayer: !layered}}
		if layered {
			add.Layer = static.NewLayer(tarOf(t, file{"made", 0o644, text}), types.DockerUncompressedLayer)
		}
		var err error
		if img, err = mutate.Append(img, add); err != nil {
			t.Fatal(err)
		}
	}
	config := must(img.ConfigFile())(t).DeepCopy()
	config.Config.Labels = labels
	img = must(mutate.ConfigFile(img, config))(t)
	if annotations != nil {
		img = mutate.Annotations(img, annotations).(v1.Image)
	}
	return img
}

func layoutOf(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	if err := must(layout.Write(dir, empty.Index))(t).AppendImage(img); err != nil {
		t.Fatal(err)
	}
	return dir
}

var debian = []string{"+/bin/sh -c #(nop) ADD file:a in /", "/bin/sh -c #(nop)  CMD [\"bash\"]"}

func TestBase(t *testing.T) {
	python := append(debian, "+RUN install python # buildkit", "ENV A=b", "CMD [\"python3\"]")
	bottom := sha256Of(tarOf(t, file{"made", 0o644, "one"}))
	for name, test := range map[string]struct {
		img    v1.Image
		layers int
		how    BaseEvidence
		text   string
	}{
		"of one image":              {built(t, nil, nil, append(debian, "+COPY app", "CMD [\"app\"]")...), 1, ByHistory, "CMD"},
		"of one that has a base":    {built(t, nil, nil, append(python, "+COPY app", "+RUN make", "ENTRYPOINT [\"app\"]")...), 2, ByHistory, "CMD"},
		"an entrypoint":             {built(t, nil, nil, "+ADD x", "ENTRYPOINT [\"x\"]", "+COPY y"), 1, ByHistory, "ENTRYPOINT"},
		"a base itself":             {built(t, nil, nil, debian...), 0, NoEvidence, "nothing in its history"},
		"no command":                {built(t, nil, nil, "+ADD a", "+RUN CMD", "ENV CMD=1", "+RUN b"), 0, NoEvidence, "nothing in its history"},
		"a command before a layer":  {built(t, nil, nil, "CMD [\"x\"]", "+ADD a"), 0, NoEvidence, "nothing in its history"},
		"named by labels":           {built(t, map[string]string{baseName: "registry.example/debian:12", baseDigest: "sha256:1"}, nil, append(debian, "+COPY app")...), 1, ByHistory, "registry.example/debian:12 sha256:1"},
		"named by annotations":      {built(t, map[string]string{baseName: "label"}, map[string]string{baseName: "annotation"}, "+ADD a"), 0, NoEvidence, "annotation"},
		"buildpacks":                {built(t, map[string]string{buildpackLabel: fmt.Sprintf(`{"runImage":{"topLayer":%q,"reference":"run@sha256:2"}}`, bottom)}, nil, "+one", "+two", "CMD x", "+three"), 1, ByLabel, "run@sha256:2"},
		"buildpacks of other layer": {built(t, map[string]string{buildpackLabel: `{"runImage":{"topLayer":"sha256:3"}}`}, nil, "+one"), 0, NoEvidence, "history"},
	} {
		img, _ := readImage(t, layoutOf(t, test.img), Options{})
		b := img.Base
		if b.Layers != test.layers || b.How != test.how || b.Certain() || !strings.Contains(b.Name+" "+b.Digest+" "+b.Why, test.text) {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// A comparison is certain, and one that fails says where and changes nothing.
func TestCompareBase(t *testing.T) {
	steps := append(debian, "+COPY app", "CMD [\"app\"]")
	base := built(t, nil, nil, debian...)
	compare := func(with v1.Image) Base {
		img, _ := readImage(t, layoutOf(t, built(t, nil, nil, steps...)), Options{})
		s := must(Open(t.Context(), layoutOf(t, with), Options{}))(t)
		defer s.Close()
		img.CompareBase(s)
		return img.Base
	}
	if b := compare(base); !b.Certain() || b.Layers != 1 || b.Digest != must(base.Digest())(t).String() {
		t.Errorf("its base: %+v", b)
	}
	for want, with := range map[string]v1.Image{
		"of which layer 1 is another": built(t, nil, nil, "+ADD other"),
		"has more layers, 4":          built(t, nil, nil, "+/bin/sh -c #(nop) ADD file:a in /", "+COPY app", "+x", "+y"),
		"has no layers":               built(t, nil, nil),
	} {
		if b := compare(with); b.Certain() || b.Layers != 1 || b.How != ByHistory || !strings.Contains(b.Why, want) || !strings.Contains(b.Why, "history") {
			t.Errorf("%s: %+v", want, b)
		}
	}
}
