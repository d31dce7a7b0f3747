package image

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/credential"
)

// Base says what an image was built on: whose flaws another image than this one
// must mend.
type Base struct {
	// Layers is how many of the image's layers, from the lowest, are those of the
	// base image. 0 means that this is not known.
	Layers int
	// Name and Digest are what the image says of its base image, or what it was
	// compared with; "" when nothing does.
	Name, Digest string
	How          BaseEvidence
	// Why is the evidence in words, or why nothing is known.
	Why string
}

// BaseEvidence is what the number of layers was concluded from.
type BaseEvidence string

// The kinds of evidence, the best first. Only a comparison is certain; what the
// image says of itself is as good as its builder, and the history is a guess.
const (
	ByComparison BaseEvidence = "comparison"
	ByLabel      BaseEvidence = "label"
	ByHistory    BaseEvidence = "history"
	NoEvidence   BaseEvidence = ""
)

// Certain reports whether the layers were compared with those of the base image.
func (b *Base) Certain() bool { return b.How == ByComparison }

// Has reports whether a layer is one of the base image, and whether that is known.
func (b *Base) Has(layer int) (has, known bool) { return layer < b.Layers, b.Layers > 0 }

// The annotations and labels by which an image names its base.
const (
	baseName       = "org.opencontainers.image.base.name"
	baseDigest     = "org.opencontainers.image.base.digest"
	buildpackLabel = "io.buildpacks.lifecycle.metadata"
)

// findBase says what the image itself tells of its base.
func findBase(c *Config, layers []Layer, annotations map[string]string) Base {
	var b Base
	for _, said := range []map[string]string{annotations, c.Labels} {
		if b.Name == "" {
			b.Name, _ = credential.RedactReference(said[baseName])
		}
		if b.Digest == "" {
			b.Digest = said[baseDigest]
		}
	}
	if b.buildpack(c.Labels[buildpackLabel], layers) {
		return b
	}
	b.history(c.History, layers)
	return b
}

// buildpack reads the label of buildpacks, which name the last layer of the base.
func (b *Base) buildpack(label string, layers []Layer) bool {
	type run struct{ TopLayer, Reference, Image string }
	var f struct {
		RunImage run
		Stack    struct{ RunImage run }
	}
	if label == "" || json.Unmarshal([]byte(label), &f) != nil {
		return false
	}
	r := f.RunImage
	if r.Reference == "" {
		r.Reference = r.Image
	}
	if r.Reference == "" {
		r.Reference = f.Stack.RunImage.Image
	}
	top := slices.IndexFunc(layers, func(l Layer) bool { return l.DiffID != "" && l.DiffID == r.TopLayer })
	if top < 0 {
		return false
	}
	b.Layers, b.How, b.Why = top+1, ByLabel, "the label of its buildpacks names the last one"
	if b.Name == "" {
		b.Name = r.Reference
	}
	return true
}

// startCommand is a step that sets what runs, with which base images mostly end.
var startCommand = regexp.MustCompile(`^(/bin/sh -c #\(nop\) +)?(CMD|ENTRYPOINT)\b`)

// history guesses where the base image ends: at the last step that sets what runs
// and has steps with layers behind it.
func (b *Base) history(steps []Step, layers []Layer) {
	made := 0
	for _, step := range steps {
		if step.Layer >= 0 {
			made++
		}
	}
	if len(steps) == 0 {
		b.Why = "there is no history"
		return
	}
	if made != len(layers) || made == 0 {
		b.Why = "its history does not account for its layers"
		return
	}
	above := made
	for _, step := range slices.Backward(steps) {
		switch {
		case step.Layer >= 0:
			above = step.Layer
		case above < made && above > 0 && startCommand.MatchString(step.CreatedBy):
			name, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(step.CreatedBy, "/bin/sh -c #(nop)")), " ")
			b.Layers, b.How = above, ByHistory
			b.Why = "in its history " + name + " stands behind them, as at the end of an image"
			return
		}
	}
	b.Why = "nothing in its history looks like the end of another image"
}

// CompareBase holds the image against one that it may be built on, which must be
// open and is not read: when that one's layers are the lowest of the image it is its
// base, for certain. Else the reason says where they differ, and what was known
// before stays.
func (img *Image) CompareBase(base *Source) {
	b := &img.Base
	for i := range base.layers {
		switch id := base.layers[i].DiffID; {
		case id == "":
			b.Why = fmt.Sprintf("layer %d of %s has no diffID to compare; %s", i+1, base.Reference, b.Why)
		case i >= len(img.Layers):
			b.Why = fmt.Sprintf("%s has more layers, %d; %s", base.Reference, len(base.layers), b.Why)
		case img.Layers[i].DiffID != id:
			b.Why = fmt.Sprintf("it is not built on %s as that is now, of which layer %d is another; %s", base.Reference, i+1, b.Why)
		default:
			continue
		}
		return
	}
	if len(base.layers) == 0 {
		b.Why = base.Reference + " has no layers; " + b.Why
		return
	}
	img.Base = Base{Layers: len(base.layers), Name: base.Reference, Digest: base.Manifest, How: ByComparison, Why: "they are those of " + base.Reference}
}
