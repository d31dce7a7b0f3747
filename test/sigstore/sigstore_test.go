// Package sigstore holds what Ullage says of signatures against sigstore's own
// library. It is a module of its own, so that the library is no dependency of the
// program: its packages cost the start of every command.
package sigstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/signature/signaturetest"
)

const (
	identity = "https://git.example/payments/web/.ci/release.yaml@refs/tags/v1"
	issuer   = "https://token.git.example"
)

var manifest = []byte(`{"schemaVersion":2}`)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// theirs verifies a bundle with sigstore's library.
func theirs(t *testing.T, trusted *root.TrustedRoot, text []byte) error {
	t.Helper()
	var b bundle.Bundle
	if err := b.UnmarshalJSON(text); err != nil {
		return err
	}
	verifier, err := verify.NewVerifier(trusted, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	who, err := verify.NewShortCertificateIdentity(issuer, "", identity, "")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(manifest)
	_, err = verifier.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum[:]), verify.WithCertificateIdentity(who)))
	return err
}

// one is a store with one bundle.
type one struct{ bundle []byte }

func (o one) Referrers(context.Context, string) ([]v1.Descriptor, error) {
	return []v1.Descriptor{{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", MediaType: types.OCIManifestSchema1}}, nil
}

func (o one) Tagged(context.Context, string) ([]byte, error) { return nil, nil }

func (o one) Document(_ context.Context, d v1.Descriptor) ([]byte, error) {
	if d.MediaType == types.OCIManifestSchema1 {
		return []byte(`{"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]}`), nil
	}
	return o.bundle, nil
}

func ours(t *testing.T, roots []*signature.Root, text []byte) error {
	got := signature.Look(t.Context(), one{text}, []string{digestOf(manifest)}, &signature.Demand{
		Roots: roots, Identity: signature.Match{Exact: identity}, Issuer: signature.Match{Exact: issuer},
	})
	if got.State == signature.Verified {
		return nil
	}
	return fmt.Errorf("%s %s %+v", got.State, got.Why, got.Signatures)
}

// Signatures of every kind, whole and with proofs left out or wrong, are judged as
// sigstore judges them.
func TestAgrees(t *testing.T) {
	start := time.Now().Add(-24 * time.Hour)
	a, foreign := signaturetest.New(t, start), signaturetest.New(t, start)
	trusted, err := root.NewTrustedRootFromJSON(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	roots, err := signature.ParseRoots(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	good := signaturetest.Signer{Authority: a, Identity: identity, Issuer: issuer, At: start.Add(time.Hour), Late: time.Minute}
	var bundles [][]byte
	for i := range 1 << 9 {
		s := good
		s.Unseen, s.Unlogged, s.Unstamped = i&1 != 0, i&2 != 0, i&4 != 0
		if i&8 != 0 {
			s.Late = time.Hour
		}
		s.Promised = i&256 != 0
		if i&16 != 0 {
			s.Identity = "https://git.example/other"
		}
		if i&32 != 0 {
			s.Authority = foreign
		}
		if i&64 != 0 {
			s.Issuer = "https://other.example"
		}
		digest := digestOf(manifest)
		if i&128 != 0 {
			digest = digestOf([]byte("another"))
			bundles = append(bundles, s.DigestBundle([]byte("another")))
		} else {
			bundles = append(bundles, s.DigestBundle(manifest))
		}
		bundles = append(bundles, s.Bundle(digest, "https://slsa.dev/provenance/v1", nil))
	}
	accepted := 0
	for i, b := range bundles {
		their, our := theirs(t, trusted, b), ours(t, roots, b)
		if (their == nil) != (our == nil) {
			t.Errorf("bundle %d: sigstore says %v, we say %v", i, their, our)
		}
		if our == nil {
			accepted++
		}
	}
	if accepted < 4 || accepted > len(bundles)/16 {
		t.Errorf("%d of %d accepted", accepted, len(bundles))
	}
	t.Logf("%d of %d bundles accepted by both", accepted, len(bundles))
	broken(t, trusted, roots, [][]byte{good.Bundle(digestOf(manifest), "https://slsa.dev/provenance/v1", map[string]any{"a": "b"}), good.DigestBundle(manifest)})
}

// broken changes bundles at random: what sigstore refuses we refuse.
func broken(t *testing.T, trusted *root.TrustedRoot, roots []*signature.Root, bundles [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	counts := map[[2]bool]int{}
	for i := range 3000 {
		text := bundles[i%len(bundles)]
		if i > 1 {
			text = mutate(t, random, text)
		}
		their, our := theirs(t, trusted, text), ours(t, roots, text)
		counts[[2]bool{their == nil, our == nil}]++
		if their != nil && our == nil {
			t.Errorf("accepted, which sigstore refuses: %v\n%s", their, text)
		}
	}
	t.Logf("changed bundles: both accept %d, both refuse %d, only sigstore accepts %d", counts[[2]bool{true, true}], counts[[2]bool{}], counts[[2]bool{true, false}])
	if counts[[2]bool{true, true}] < 2 || counts[[2]bool{}] < 500 {
		t.Error("the changes are too few or too many")
	}
}

// mutate changes one value somewhere in a document.
func mutate(t *testing.T, random *rand.Rand, text []byte) []byte {
	t.Helper()
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	var places []func()
	var visit func(v any)
	change := func(v any) any {
		s, ok := v.(string)
		if !ok {
			return v
		}
		if b, err := base64.StdEncoding.DecodeString(s); err == nil && len(b) > 0 {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			return base64.StdEncoding.EncodeToString(b)
		}
		b := []byte(s)
		if len(b) > 0 {
			b[random.IntN(len(b))] = "0123456789abc"[random.IntN(13)]
		}
		return string(b)
	}
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			names := make([]string, 0, len(v))
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				places = append(places, func() { v[name] = change(v[name]) }, func() { delete(v, name) })
				visit(v[name])
			}
		case []any:
			for i := range v {
				places = append(places, func() { v[i] = change(v[i]) })
				visit(v[i])
			}
		}
	}
	visit(whole)
	places[random.IntN(len(places))]()
	changed, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
