package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The annotations under which cosign keeps a signature beside what it signs.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

const (
	bundleType   = "application/vnd.dev.sigstore.bundle"
	cosignType   = "application/vnd.dev.cosign.artifact.sig" // cosign's layout, attached as a referrer
	envelopeType = "application/vnd.dsse.envelope"
)

// find reads all signatures and attestations of a digest. What was found comes with
// the error.
func find(ctx context.Context, store Store, digest string) ([]entity, error) {
	var all []entity
	var failed []error
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok {
		return nil, fmt.Errorf("%q is no digest", digest)
	}
	for _, suffix := range []string{".sig", ".att"} {
		tag := algorithm + "-" + hex + suffix
		text, err := store.Tagged(ctx, tag)
		if err != nil {
			failed = append(failed, fmt.Errorf("tag %s: %w", tag, err))
			continue
		}
		if text != nil {
			more, err := fromManifest(ctx, store, text, len(all))
			all = append(all, more...)
			failed = append(failed, err)
		}
	}
	referrers, err := store.Referrers(ctx, digest)
	if err != nil {
		failed = append(failed, fmt.Errorf("referrers: %w", err))
	}
	for _, d := range referrers {
		if !strings.HasPrefix(d.ArtifactType, bundleType) && !strings.HasPrefix(d.ArtifactType, cosignType) {
			continue
		}
		text, err := store.Document(ctx, d)
		if err == nil {
			var more []entity
			more, err = fromManifest(ctx, store, text, len(all))
			all = append(all, more...)
		}
		failed = append(failed, err)
	}
	return all, errors.Join(failed...)
}

// fromManifest reads what the layers of a manifest hold.
func fromManifest(ctx context.Context, store Store, text []byte, have int) ([]entity, error) {
	var m struct{ Layers []v1.Descriptor }
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("manifest of signatures: %w", err)
	}
	var all []entity
	for i, layer := range m.Layers {
		if have+i >= mostSignatures {
			return all, fmt.Errorf("more than %d signatures: the rest was not looked at", mostSignatures)
		}
		kind := string(layer.MediaType)
		_, signed := layer.Annotations[annotationSignature]
		if !signed && !strings.HasPrefix(kind, bundleType) && !strings.HasPrefix(kind, envelopeType) {
			continue
		}
		blob, err := store.Document(ctx, layer)
		if err != nil {
			return all, err
		}
		var e entity
		switch {
		case strings.HasPrefix(kind, bundleType):
			e, err = fromBundle(blob)
		default:
			e, err = fromAnnotations(blob, strings.HasPrefix(kind, envelopeType), layer.Annotations)
		}
		if err != nil {
			e = entity{broken: err}
		}
		all = append(all, e)
	}
	return all, nil
}
