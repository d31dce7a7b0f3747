package image

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Attached is where what belongs to an image lies beside it: signatures,
// attestations and the like. It is not read with the image.
type Attached struct{ attached }

// attached is the part of [blobs] that is about more than the image.
type attached interface {
	// Referrers lists the manifests that name a digest as their subject.
	Referrers(ctx context.Context, digest string) ([]v1.Descriptor, error)
	// Tagged returns the manifest under a tag beside the image, nil for none.
	Tagged(ctx context.Context, tag string) ([]byte, error)
	// Document returns what a descriptor stands for, at most 16 MB, held against its
	// digest.
	Document(ctx context.Context, d v1.Descriptor) ([]byte, error)
}

// Attached says where what belongs to the image lies. It fails for sources that
// hold an image alone, such as what docker save writes and root file systems.
func (s *Source) Attached() (*Attached, error) {
	if s.beside == nil {
		return nil, errors.New("what it was read from holds nothing but the image")
	}
	return &Attached{s.beside}, nil
}

// referrersTag is the tag under which referrers are listed where a registry does
// not list them, and the beginning of cosign's tags.
func referrersTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// isBeside reports whether an entry of a layout is not an image but belongs to one.
func isBeside(d v1.Descriptor) bool {
	switch d.Annotations["kind"] {
	case "dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/atts":
		return true
	}
	name := d.Annotations[nameAnnotations[0]]
	name = name[strings.LastIndexAny(name, "/:")+1:]
	hex, ok := strings.CutPrefix(name, "sha256-")
	hex, _, _ = strings.Cut(hex, ".")
	return ok && len(hex) == 64 || strings.HasPrefix(d.ArtifactType, "application/vnd.dev.")
}

func (l layoutBlobs) Document(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return l.document(ctx, d)
}

func (l layoutBlobs) index() ([]v1.Descriptor, error) {
	text, err := readFile(l.files, "index.json")
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	err = decode(text, "index.json", &index)
	return index.Manifests, err
}

func (l layoutBlobs) Tagged(ctx context.Context, tag string) ([]byte, error) {
	all, err := l.index()
	if err != nil {
		return nil, err
	}
	kind := map[string]string{"sig": "dev.cosignproject.cosign/sigs", "att": "dev.cosignproject.cosign/atts"}[tag[strings.LastIndexByte(tag, '.')+1:]]
	i := slices.IndexFunc(all, func(d v1.Descriptor) bool {
		return isNamed(d, tag) || slices.ContainsFunc(nameAnnotations, func(a string) bool { return strings.HasSuffix(d.Annotations[a], ":"+tag) })
	})
	if i < 0 && kind != "" { // as cosign save writes it, for the one image in the layout
		i = slices.IndexFunc(all, func(d v1.Descriptor) bool { return d.Annotations["kind"] == kind })
	}
	if i < 0 {
		return nil, nil
	}
	return l.document(ctx, all[i])
}

// Referrers looks at the subjects of all manifests that the layout lists, and under
// the tag for referrers.
func (l layoutBlobs) Referrers(ctx context.Context, digest string) ([]v1.Descriptor, error) {
	all, err := l.index()
	if err != nil {
		return nil, err
	}
	tagged, err := l.Tagged(ctx, referrersTag(digest))
	if err != nil {
		return nil, err
	}
	if tagged != nil {
		var index v1.IndexManifest
		if err := decode(tagged, referrersTag(digest), &index); err != nil {
			return nil, err
		}
		all = append(all, index.Manifests...)
	}
	var found []v1.Descriptor
	for _, d := range all {
		text, err := l.document(ctx, d)
		if notThere(err) {
			continue // of a platform that was left out
		}
		if err != nil {
			return found, err
		}
		var m struct {
			ArtifactType string
			Subject      *v1.Descriptor
			Config       v1.Descriptor
		}
		if json.Unmarshal(text, &m) != nil || m.Subject == nil || m.Subject.Digest.String() != digest {
			continue
		}
		if d.ArtifactType == "" {
			if d.ArtifactType = m.ArtifactType; d.ArtifactType == "" {
				d.ArtifactType = string(m.Config.MediaType)
			}
		}
		found = append(found, d)
	}
	return found, nil
}

func (b *remoteBlobs) Document(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return b.document(ctx, d)
}

func (b *remoteBlobs) Tagged(ctx context.Context, tag string) ([]byte, error) {
	found, err := b.puller.Get(ctx, b.repository.Tag(tag))
	if wrong := (*transport.Error)(nil); errors.As(err, &wrong) && wrong.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found.Manifest, nil
}

func (b *remoteBlobs) Referrers(ctx context.Context, digest string) ([]v1.Descriptor, error) {
	index, err := remote.Referrers(b.repository.Digest(digest), append(slices.Clip(b.options), remote.WithContext(ctx))...)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	return m.Manifests, nil
}
