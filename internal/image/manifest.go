package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blobs are the parts of an image by their digest, in a layout or a registry.
type blobs interface {
	// document returns an index, manifest or configuration.
	document(ctx context.Context, d v1.Descriptor) ([]byte, error)
	has(d v1.Descriptor) bool
	// layer says how the blob of a layer is read.
	layer(d v1.Descriptor) layerSource
	attached
}

// mostNested is how deep indexes may lie in one another.
const mostNested = 4

// resolve goes from an index or manifest to the image of one platform.
func resolve(ctx context.Context, b blobs, d v1.Descriptor, o Options) (*Source, error) {
	s := &Source{beside: b}
	for range mostNested {
		text, err := b.document(ctx, d)
		if err != nil {
			return nil, err
		}
		var m struct {
			MediaType   types.MediaType
			Manifests   []v1.Descriptor
			Config      *v1.Descriptor
			Layers      []v1.Descriptor
			Annotations map[string]string
		}
		if err := decode(text, "manifest "+d.Digest.String(), &m); err != nil {
			return nil, err
		}
		switch {
		case d.MediaType.IsSchema1() || m.MediaType.IsSchema1():
			return nil, errors.New("a Docker manifest of schema 1, which has been obsolete since 2017: push the image anew")
		case m.Manifests != nil:
			if s.Index == "" {
				s.Index = d.Digest.String()
			}
			if d, err = choose(m.Manifests, b.has, o.Platform); err != nil {
				return nil, err
			}
			continue
		case m.Config == nil:
			return nil, fmt.Errorf("manifest %s is neither that of an image nor an index", d.Digest)
		}
		s.Manifest, s.annotations = d.Digest.String(), m.Annotations
		if d.Platform != nil {
			s.Platform = d.Platform.String()
		}
		return s, s.readManifest(ctx, b, *m.Config, m.Layers, o)
	}
	return nil, fmt.Errorf("more than %d indexes in one another", mostNested)
}

func (s *Source) readManifest(ctx context.Context, b blobs, config v1.Descriptor, layers []v1.Descriptor, o Options) error {
	if kind := string(config.MediaType); kind != "" && !config.MediaType.IsConfig() {
		return fmt.Errorf("not a container image but an artifact with a configuration of type %s", kind)
	}
	if len(layers) > mostLayers {
		return fmt.Errorf("%d layers, more than %d", len(layers), mostLayers)
	}
	s.Config = config.Digest.String()
	for _, d := range layers {
		l := layerSource{}
		switch kind := string(d.MediaType); {
		case !d.MediaType.IsDistributable() && !b.has(d):
			l.open = failing("a foreign layer, which stands elsewhere than in the registry: not fetched")
		case strings.HasSuffix(kind, "+encrypted"):
			l.open = failing("encrypted")
		default:
			l = b.layer(d)
		}
		l.name = d.Digest.String()
		l.Blob, l.MediaType, l.Size = d.Digest.String(), string(d.MediaType), d.Size
		s.layers = append(s.layers, l)
	}
	text, err := b.document(ctx, config)
	if err != nil {
		return err
	}
	if err := s.setConfig(text); err != nil {
		return err
	}
	return s.checkPlatform(o.Platform)
}

// mostLayers is far above the 127 that overlay file systems take.
const mostLayers = 2000

func failing(reason string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return nil, errors.New(reason) }
}

// choose picks the manifest for a platform out of an index. Attestations, which
// stand beside images, are passed over; so is what is not there.
func choose(manifests []v1.Descriptor, has func(v1.Descriptor) bool, wanted string) (v1.Descriptor, error) {
	platform := &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if wanted != "" {
		var err error
		if platform, err = parsePlatform(wanted); err != nil {
			return v1.Descriptor{}, err
		}
	}
	images := slices.DeleteFunc(slices.Clone(manifests), func(d v1.Descriptor) bool {
		_, attests := d.Annotations["vnd.docker.reference.type"]
		return attests || d.ArtifactType != "" && !types.MediaType(d.ArtifactType).IsConfig() || d.Platform != nil && d.Platform.OS == "unknown" || !has(d)
	})
	var others []string
	for _, fits := range []func(have, want v1.Platform) bool{isPlatform, satisfies} {
		if i := slices.IndexFunc(images, func(d v1.Descriptor) bool { return d.Platform != nil && fits(*d.Platform, *platform) }); i >= 0 {
			return images[i], nil
		}
	}
	for _, d := range images {
		if d.Platform != nil {
			others = append(others, d.Platform.String())
		}
	}
	switch {
	case len(images) == 1 && (wanted == "" || images[0].Platform == nil):
		return images[0], nil
	case len(images) == 0:
		return v1.Descriptor{}, errors.New("the index lists no image that is there")
	}
	if len(others) == 0 {
		return v1.Descriptor{}, fmt.Errorf("the index lists %d images and says of none for which platform it is", len(images))
	}
	return v1.Descriptor{}, fmt.Errorf("nothing for %s, there is %s: choose by --platform", platform, strings.Join(others, ", "))
}

// parsePlatform reads os/architecture[/variant], under other names of architectures too.
func parsePlatform(text string) (*v1.Platform, error) {
	p, err := v1.ParsePlatform(text)
	if err != nil {
		return nil, fmt.Errorf("platform %s: %w", text, err)
	}
	p.Architecture = cmp.Or(map[string]string{"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}[p.Architecture], p.Architecture)
	return p, nil
}

// satisfies reports whether an image for one platform will do where another is asked for:
// any variant where none is.
func satisfies(have, want v1.Platform) bool { return have.Satisfies(want) || isPlatform(have, want) }

// isPlatform is satisfies where no variant stands for the one that is meant then.
func isPlatform(have, want v1.Platform) bool {
	usual := map[string]string{"arm64": "v8", "arm": "v7", "amd64": "v1"}
	have.Variant, want.Variant = cmp.Or(have.Variant, usual[have.Architecture]), cmp.Or(want.Variant, usual[want.Architecture])
	return have.Satisfies(want)
}

// layoutBlobs are those of an OCI layout.
type layoutBlobs struct{ files }

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (l layoutBlobs) has(d v1.Descriptor) bool { return l.files.has(blobName(d.Digest)) }

func (l layoutBlobs) document(_ context.Context, d v1.Descriptor) ([]byte, error) {
	name := blobName(d.Digest)
	text, err := readFile(l.files, name)
	if err != nil {
		return nil, err
	}
	if sum := sha256Of(text); sum != d.Digest.String() {
		return nil, fmt.Errorf("%s has the digest %s", name, sum)
	}
	return text, nil
}

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (l layoutBlobs) layer(d v1.Descriptor) layerSource {
	return fileLayer(l.files, blobName(d.Digest))
}

// fileLayer is a layer in a file.
func fileLayer(f files, name string) layerSource {
	return layerSource{name: name, read: f.layer(name), absent: !f.has(name), stamp: func() stamp { return f.stamp(name) }, open: func(context.Context) (io.ReadCloser, error) {
		r, _, err := f.open(name)
		return r, err
	}}
}

// openLayout finds an image in an OCI layout.
func openLayout(ctx context.Context, f files, name string, o Options) (*Source, error) {
	blobs := layoutBlobs{f}
	all, err := blobs.index()
	if err != nil {
		if notThere(err) {
			return nil, errors.New("no OCI layout: it has no index.json")
		}
		return nil, err
	}
	images := slices.DeleteFunc(slices.Clone(all), isBeside)
	named := images
	if name != "" {
		named = slices.DeleteFunc(all, func(d v1.Descriptor) bool { return !isNamed(d, name) })
	}
	switch {
	case len(images) == 0:
		return nil, errors.New("its index lists no image")
	case len(named) == 0 && name != "":
		return nil, fmt.Errorf("no image is called %s in it; there is %s", name, names(images))
	case len(named) > 1 && distinct(named) > 1:
		return nil, fmt.Errorf("there are several images in it: choose one by its name after a colon: %s", names(named))
	case len(named) == 1:
		return resolve(ctx, blobs, named[0], o)
	}
	d, err := choose(named, blobs.has, o.Platform)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, blobs, d, o)
}

// The annotations by which images of a layout are named.
var nameAnnotations = []string{"org.opencontainers.image.ref.name", "io.containerd.image.name"}

func isNamed(d v1.Descriptor, name string) bool {
	return d.Digest.String() == name || slices.ContainsFunc(nameAnnotations, func(a string) bool {
		return d.Annotations[a] == name || strings.HasSuffix(d.Annotations[a], "/"+name)
	})
}

// distinct counts the different names; platforms of one image share theirs.
func distinct(manifests []v1.Descriptor) int {
	seen := map[string]bool{}
	for _, d := range manifests {
		seen[nameOf(d)] = true
	}
	return len(seen)
}

func nameOf(d v1.Descriptor) string {
	for _, a := range slices.Backward(nameAnnotations) {
		if n := d.Annotations[a]; n != "" {
			return n
		}
	}
	return ""
}

func names(manifests []v1.Descriptor) string {
	var list []string
	for _, d := range manifests {
		if n := nameOf(d); n != "" {
			list = append(list, n)
		} else {
			list = append(list, d.Digest.String())
		}
	}
	return strings.Join(list, ", ")
}
