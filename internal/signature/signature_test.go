package signature_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/signature/signaturetest"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const (
	workflow = "https://git.example/payments/web/.ci/release.yaml@refs/tags/v1"
	issuer   = "https://token.git.example"
	slsa     = "https://slsa.dev/provenance/v1"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

var (
	manifest = []byte(`{"schemaVersion":2}`)
	digest   = digestOf(manifest)
	other    = digestOf([]byte("another image"))
)

// beside is what is attached to an image, in memory.
type beside struct {
	blobs     map[string][]byte
	tags      map[string][]byte
	referrers []v1.Descriptor
	broken    bool
}

func (b *beside) Referrers(_ context.Context, of string) ([]v1.Descriptor, error) {
	if b.broken {
		return nil, errors.New("connection refused")
	}
	if of != digest {
		return nil, nil
	}
	return b.referrers, nil
}

func (b *beside) Tagged(_ context.Context, tag string) ([]byte, error) { return b.tags[tag], nil }

func (b *beside) Document(_ context.Context, d v1.Descriptor) ([]byte, error) {
	text, ok := b.blobs[d.Digest.String()]
	if !ok {
		return nil, fmt.Errorf("no blob %s", d.Digest)
	}
	return text, nil
}

func (b *beside) put(t *testing.T, text []byte, kind string, annotations map[string]string) v1.Descriptor {
	t.Helper()
	if b.blobs == nil {
		b.blobs, b.tags = map[string][]byte{}, map[string][]byte{}
	}
	b.blobs[digestOf(text)] = text
	hash, err := v1.NewHash(digestOf(text))
	if err != nil {
		t.Fatal(err)
	}
	return v1.Descriptor{MediaType: types.MediaType(kind), Digest: hash, Size: int64(len(text)), Annotations: annotations}
}

// tag attaches a layer as cosign does.
func (b *beside) tag(t *testing.T, suffix, kind string, blob []byte, annotations map[string]string) *beside {
	t.Helper()
	text, err := json.Marshal(v1.Manifest{SchemaVersion: 2, Layers: []v1.Descriptor{b.put(t, blob, kind, annotations)}})
	if err != nil {
		t.Fatal(err)
	}
	b.tags[strings.Replace(digest, ":", "-", 1)+suffix] = text
	return b
}

const (
	bundled  = "application/vnd.dev.sigstore.bundle.v0.3+json"
	simple   = "application/vnd.dev.cosign.simplesigning.v1+json"
	envelope = "application/vnd.dsse.envelope.v1+json"
)

// refer attaches a bundle as a referrer.
func (b *beside) refer(t *testing.T, bundle []byte) *beside {
	t.Helper()
	text, err := json.Marshal(v1.Manifest{SchemaVersion: 2, Layers: []v1.Descriptor{b.put(t, bundle, bundled, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	d := b.put(t, text, string(types.OCIManifestSchema1), nil)
	d.ArtifactType = bundled
	b.referrers = append(b.referrers, d)
	return b
}

func cosigned(t *testing.T, s *signaturetest.Signer, of string) *beside {
	payload, annotations := s.Cosign(of)
	return new(beside).tag(t, ".sig", simple, payload, annotations)
}

func demand(t *testing.T, root []byte) *signature.Demand {
	t.Helper()
	roots, err := signature.ParseRoots(root)
	if err != nil {
		t.Fatal(err)
	}
	return &signature.Demand{Roots: roots, Identity: signature.Match{Exact: workflow}, Issuer: signature.Match{Exact: issuer}}
}

func keyless(a *signaturetest.Authority) *signaturetest.Signer {
	return &signaturetest.Signer{Authority: a, Identity: workflow, Issuer: issuer, At: start.Add(time.Hour), Late: time.Minute}
}

// All layouts, with a certificate and with a key, are verified, and say who signed.
func TestVerified(t *testing.T) {
	a := signaturetest.New(t, start)
	ours := signaturetest.Key(t)
	key, err := signature.ParseKey(signaturetest.PublicPEM(t, ours.Public()))
	if err != nil {
		t.Fatal(err)
	}
	byKey := &signature.Demand{Keys: []signature.Key{key}}
	byLoggedKey := &signature.Demand{Keys: []signature.Key{key}, Roots: demand(t, a.TrustedRoot()).Roots}
	provenance := map[string]any{"runDetails": map[string]any{"builder": map[string]any{"id": "https://builder.example"}}}
	attested := func(s *signaturetest.Signer) *beside {
		text, annotations := s.CosignAttestation(digest, slsa, provenance)
		return new(beside).tag(t, ".att", envelope, text, annotations)
	}
	with := func(change func(s *signaturetest.Signer)) *signaturetest.Signer {
		s := keyless(a)
		change(s)
		return s
	}
	keyed := with(func(s *signaturetest.Signer) { s.Key = ours })
	for name, test := range map[string]struct {
		beside *beside
		demand *signature.Demand
		kind   signature.Kind
	}{
		"cosign":                        {cosigned(t, keyless(a), digest), nil, signature.OfImage},
		"cosign without timestamp":      {cosigned(t, with(func(s *signaturetest.Signer) { s.Unstamped = true }), digest), nil, signature.OfImage},
		"cosign, key":                   {cosigned(t, keyed, digest), byKey, signature.OfImage},
		"cosign, key, logged":           {cosigned(t, keyed, digest), byLoggedKey, signature.OfImage},
		"cosign attestation":            {attested(keyless(a)), nil, signature.Attestation},
		"bundle":                        {new(beside).refer(t, keyless(a).Bundle(digest, slsa, provenance)), nil, signature.Attestation},
		"bundle without timestamp":      {new(beside).refer(t, with(func(s *signaturetest.Signer) { s.Unstamped = true }).Bundle(digest, slsa, provenance)), nil, signature.Attestation},
		"bundle with the log's promise": {new(beside).refer(t, with(func(s *signaturetest.Signer) { s.Promised = true }).Bundle(digest, slsa, provenance)), nil, signature.Attestation},
		"bundle, key":                   {new(beside).refer(t, keyed.Bundle(digest, slsa, provenance)), byLoggedKey, signature.Attestation},
		"bundle of cosign":              {new(beside).refer(t, keyless(a).Bundle(digest, "https://sigstore.dev/cosign/sign/v1", nil)), nil, signature.OfImage},
		"bundle of a digest":            {new(beside).refer(t, keyless(a).DigestBundle(manifest)), nil, signature.OfImage},
	} {
		if test.demand == nil {
			test.demand = demand(t, a.TrustedRoot())
		}
		got := signature.Look(t.Context(), test.beside, []string{other, digest}, test.demand)
		if got.State != signature.Verified || len(got.Signatures) != 1 {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		s := got.Signatures[0]
		if s.Kind != test.kind || s.Subject != digest || (s.Key == "") == (s.Identity == "") || s.Kind == signature.Attestation && (s.Predicate != slsa || s.Builder != "https://builder.example") {
			t.Errorf("%s: %+v", name, s)
		}
		if s.Key == "" && (s.Identity != workflow || s.Issuer != issuer || !s.Logged.Equal(start.Add(61*time.Minute))) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// edit changes the text of a bundle.
func edit(t *testing.T, bundle []byte, path string, to func(any) any) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(bundle, &whole); err != nil {
		t.Fatal(err)
	}
	names := strings.Split(path, ".")
	at := whole
	for _, name := range names[:len(names)-1] {
		next, ok := at[name].(map[string]any)
		if list, many := at[name].([]any); many {
			next, ok = list[0].(map[string]any)
		}
		if !ok {
			t.Fatalf("no %s in %s", path, bundle)
		}
		at = next
	}
	last := names[len(names)-1]
	if at[last] = to(at[last]); at[last] == nil {
		delete(at, last)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// flip changes a byte in the middle of base64.
func flip(v any) any {
	b, _ := base64.StdEncoding.DecodeString(v.(string))
	b[len(b)/2] ^= 1
	return base64.StdEncoding.EncodeToString(b)
}

func gone(any) any { return nil }

// What was tampered with in any way is not verified, and it says why.
func TestTampered(t *testing.T) {
	a, foreign := signaturetest.New(t, start), signaturetest.New(t, start)
	sign := func(change func(s *signaturetest.Signer)) []byte {
		s := keyless(a)
		change(s)
		return s.Bundle(digest, slsa, nil)
	}
	good := sign(func(*signaturetest.Signer) {})
	const entry = "verificationMaterial.tlogEntries."
	for name, test := range map[string]struct {
		bundle []byte
		why    string
	}{
		"another image":          {keyless(a).Bundle(other, slsa, nil), "another image"},
		"another digest":         {keyless(a).DigestBundle([]byte("another image")), "something else"},
		"another identity":       {sign(func(s *signaturetest.Signer) { s.Identity = "https://git.example/evil" }), "its signer is"},
		"an address":             {sign(func(s *signaturetest.Signer) { s.Identity = "somebody@example.com" }), "its signer is"},
		"another issuer":         {sign(func(s *signaturetest.Signer) { s.Issuer = "https://evil.example" }), "its issuer is"},
		"another authority":      {keyless(foreign).Bundle(digest, slsa, nil), "no transparency log"},
		"expired certificate":    {sign(func(s *signaturetest.Signer) { s.Late = time.Hour }), "expired"},
		"before the certificate": {sign(func(s *signaturetest.Signer) { s.Late = -time.Hour / 2 }), "its certificate"},
		"after the log's key":    {sign(func(s *signaturetest.Signer) { s.At = start.Add(11 * 365 * 24 * time.Hour) }), "not valid at that time"},
		"no log of certificates": {sign(func(s *signaturetest.Signer) { s.Unseen = true }), "log of certificates"},
		"not logged":             {sign(func(s *signaturetest.Signer) { s.Unlogged = true }), "in no transparency log"},
		"payload": {edit(t, good, "dsseEnvelope.payload", func(any) any {
			return base64.StdEncoding.EncodeToString(keyless(a).Statement(digest, "https://other.example", nil))
		}), "changed"},
		"signature":               {edit(t, good, "dsseEnvelope.signatures.sig", flip), "changed"},
		"log entry's body":        {edit(t, good, entry+"canonicalizedBody", flip), "log entry"},
		"log entry's time":        {edit(t, good, entry+"integratedTime", func(any) any { return "1" }), "promise"},
		"log entry's index":       {edit(t, good, entry+"logIndex", func(any) any { return "7" }), "promise"},
		"promise":                 {edit(t, good, entry+"inclusionPromise.signedEntryTimestamp", flip), "promise"},
		"proof's index":           {edit(t, good, entry+"inclusionProof.logIndex", func(any) any { return "5" }), "proof"},
		"proof's size":            {edit(t, good, entry+"inclusionProof.treeSize", func(any) any { return "10" }), "proof"},
		"proof's root":            {edit(t, good, entry+"inclusionProof.rootHash", flip), "proof"},
		"proof's hash":            {edit(t, good, entry+"inclusionProof.hashes", func(v any) any { return append([]any{flip(v.([]any)[0])}, v.([]any)[1:]...) }), "proof"},
		"checkpoint":              {edit(t, good, entry+"inclusionProof.checkpoint.envelope", func(v any) any { return strings.Replace(v.(string), "\n11\n", "\n12\n", 1) }), "checkpoint"},
		"no checkpoint":           {edit(t, good, entry+"inclusionProof.checkpoint", gone), "checkpoint"},
		"no proof":                {edit(t, good, entry+"inclusionProof", gone), "without a proof"},
		"neither promise nor log": {edit(t, sign(func(s *signaturetest.Signer) { s.Promised = true }), entry+"inclusionPromise", gone), "neither"},
		"another kind of entry":   {edit(t, good, entry+"kindVersion.kind", func(any) any { return "intoto" }), "another signature"},
		"another version":         {edit(t, good, "mediaType", func(any) any { return "application/vnd.dev.sigstore.bundle.v9+json" }), "media type"},
		"entry of another":        {edit(t, good, "verificationMaterial.tlogEntries", func(any) any { return entries(t, sign(func(*signaturetest.Signer) {})) }), "another signature"},
		"certificate of another":  {edit(t, good, "verificationMaterial.certificate", func(any) any { return material(t, sign(func(*signaturetest.Signer) {}))["certificate"] }), "changed"},
		"no time":                 {edit(t, edit(t, good, entry+"inclusionPromise", gone), "verificationMaterial.timestampVerificationData", gone), "proves when"},
		"timestamp of another": {edit(t, edit(t, good, entry+"inclusionPromise", gone), "verificationMaterial.timestampVerificationData", func(any) any {
			return material(t, sign(func(*signaturetest.Signer) {}))["timestampVerificationData"]
		}), "timestamp: it is that of another"},
		"timestamp of another authority": {edit(t, edit(t, good, entry+"inclusionPromise", gone), "verificationMaterial.timestampVerificationData.rfc3161Timestamps.signedTimestamp", flip), "timestamp"},
		"no signature":                   {edit(t, good, "dsseEnvelope", gone), "no signature"},
		"no JSON":                        {[]byte("{"), "bundle"},
		"another envelope":               {edit(t, good, "dsseEnvelope.payloadType", func(any) any { return "text/plain" }), "type"},
	} {
		got := signature.Look(t.Context(), new(beside).refer(t, test.bundle), []string{digest}, demand(t, a.TrustedRoot()))
		if got.State != signature.NotVerified || len(got.Signatures) != 1 || !strings.Contains(got.Signatures[0].Why, test.why) {
			t.Errorf("%s: %+v, want %q", name, got, test.why)
		}
	}
	if got := signature.Look(t.Context(), new(beside).refer(t, good), []string{digest}, demand(t, a.TrustedRoot())); got.State != signature.Verified {
		t.Errorf("the one that was not tampered with: %+v", got)
	}
}

// A timestamp counts when its authority is one of the root, whether the root names
// the certificate that makes them or only who issued that.
func TestStampers(t *testing.T) {
	a, foreign := signaturetest.New(t, start), signaturetest.New(t, start)
	root := a.TrustedRoot()
	issuers := edit(t, root, "timestampAuthorities.certChain.certificates", func(v any) any { return v.([]any)[1:] })
	unlogged := func(root []byte) []byte { return edit(t, root, "tlogs", func(any) any { return []any{} }) }
	for name, test := range map[string]struct {
		by   *signaturetest.Authority
		root []byte
		want signature.State
	}{
		"named":            {a, root, signature.Verified},
		"issued":           {a, issuers, signature.Verified},
		"foreign":          {foreign, root, signature.NotVerified},
		"foreign, issuers": {foreign, issuers, signature.NotVerified},
	} {
		s := keyless(a)
		s.Stamper, s.Unlogged = test.by, true
		got := signature.Look(t.Context(), new(beside).refer(t, s.Bundle(digest, slsa, nil)), []string{digest}, demand(t, unlogged(test.root)))
		if got.State != test.want || got.State == signature.Verified && !got.Signatures[0].Stamped.Equal(start.Add(61*time.Minute)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func material(t *testing.T, bundle []byte) map[string]any {
	t.Helper()
	var f struct{ VerificationMaterial map[string]any }
	if err := json.Unmarshal(bundle, &f); err != nil {
		t.Fatal(err)
	}
	return f.VerificationMaterial
}

func entries(t *testing.T, bundle []byte) any { return material(t, bundle)["tlogEntries"] }

// The same of cosign's own layout.
func TestTamperedCosign(t *testing.T) {
	a := signaturetest.New(t, start)
	ours, theirs := signaturetest.Key(t), signaturetest.Key(t)
	key, err := signature.ParseKey(signaturetest.PublicPEM(t, ours.Public()))
	if err != nil {
		t.Fatal(err)
	}
	byKey := &signature.Demand{Keys: []signature.Key{key}}
	keyed := func(by *signaturetest.Signer) *signaturetest.Signer { by.Key = ours; return by }
	payload, annotations := keyless(a).Cosign(digest)
	with := func(name, value string) map[string]string {
		changed := map[string]string{}
		for k, v := range annotations {
			changed[k] = v
		}
		if changed[name] = value; value == "" {
			delete(changed, name)
		}
		return changed
	}
	_, others := keyless(a).Cosign(digest)
	strange := keyless(a)
	strange.Key = theirs
	stripped := keyless(a)
	stripped.Key, stripped.Unlogged = ours, true
	for name, test := range map[string]struct {
		beside *beside
		demand *signature.Demand
		why    string
	}{
		"copied from another image": {cosigned(t, keyless(a), other), nil, "another image"},
		"payload":                   {new(beside).tag(t, ".sig", simple, append(payload, ' '), annotations), nil, "changed"},
		"signature of another":      {new(beside).tag(t, ".sig", simple, payload, with("dev.cosignproject.cosign/signature", others["dev.cosignproject.cosign/signature"])), nil, "changed"},
		"certificate of another":    {new(beside).tag(t, ".sig", simple, payload, with("dev.sigstore.cosign/certificate", others["dev.sigstore.cosign/certificate"])), nil, "changed"},
		"log entry of another":      {new(beside).tag(t, ".sig", simple, payload, with("dev.sigstore.cosign/bundle", others["dev.sigstore.cosign/bundle"])), nil, "another signature"},
		"no log entry":              {new(beside).tag(t, ".sig", simple, payload, with("dev.sigstore.cosign/bundle", "")), nil, "no transparency log"},
		"damaged certificate":       {new(beside).tag(t, ".sig", simple, payload, with("dev.sigstore.cosign/certificate", "x")), nil, "certificate"},
		"another key":               {cosigned(t, strange, digest), byKey, "no given key"},
		"a key without its log":     {cosigned(t, stripped, digest), &signature.Demand{Keys: byKey.Keys, Roots: demand(t, a.TrustedRoot()).Roots}, "no transparency log"},
		"a certificate for a key":   {cosigned(t, keyless(a), digest), byKey, "no trusted root is given"},
		"a key for a certificate":   {cosigned(t, keyed(keyless(a)), digest), nil, "no key is given"},
	} {
		if test.demand == nil {
			test.demand = demand(t, a.TrustedRoot())
		}
		got := signature.Look(t.Context(), test.beside, []string{digest}, test.demand)
		if got.State != signature.NotVerified || len(got.Signatures) != 1 || !strings.Contains(got.Signatures[0].Why, test.why) {
			t.Errorf("%s: %+v, want %q", name, got, test.why)
		}
	}
}

// Unsigned, not verified and not known are different answers.
func TestStates(t *testing.T) {
	a := signaturetest.New(t, start)
	d := demand(t, a.TrustedRoot())
	if got := signature.Look(t.Context(), new(beside), []string{digest}, d); got.State != signature.Unsigned {
		t.Errorf("nothing attached: %+v", got)
	}
	if got := signature.Look(t.Context(), &beside{broken: true}, []string{digest}, d); got.State != signature.Unknown || !strings.Contains(got.Why, "refused") {
		t.Errorf("no connection: %+v", got)
	}
	one := new(beside).refer(t, keyless(a).Bundle(digest, slsa, nil))
	d.Predicates = []string{"https://spdx.dev/Document"}
	if got := signature.Look(t.Context(), one, []string{digest}, d); got.State != signature.NotVerified || !strings.Contains(got.Why, "spdx") {
		t.Errorf("without the attestation asked for: %+v", got)
	}
	d.Predicates = []string{slsa}
	if got := signature.Look(t.Context(), one, []string{digest}, d); got.State != signature.Verified {
		t.Errorf("with it: %+v", got)
	}
	pattern, err := signature.Pattern("https://git.example/payments/.*")
	if err != nil {
		t.Fatal(err)
	}
	d.Identity = pattern
	if got := signature.Look(t.Context(), one, []string{digest}, d); got.State != signature.Verified {
		t.Errorf("by a pattern: %+v", got)
	}
	if d.Identity, err = signature.Pattern("payments"); err != nil {
		t.Fatal(err)
	}
	if got := signature.Look(t.Context(), one, []string{digest}, d); got.State != signature.NotVerified {
		t.Errorf("a pattern of a part: %+v", got)
	}
}

func TestParse(t *testing.T) {
	key := signaturetest.PublicPEM(t, signaturetest.Key(t).Public())
	if _, err := signature.ParseKey([]byte(strings.Replace(string(key), "PUBLIC KEY", "ENCRYPTED SIGSTORE PRIVATE KEY", 2))); err == nil || !strings.Contains(err.Error(), "private") {
		t.Error(err)
	}
	if _, err := signature.ParseKey([]byte("x")); err == nil {
		t.Error("a text is a key")
	}
	root := signaturetest.New(t, start).TrustedRoot()
	if all, err := signature.ParseRoots(append(append(root, '\n'), root...)); err != nil || len(all) != 2 {
		t.Errorf("%d roots, %v", len(all), err)
	}
	for _, text := range []string{"", "{}", "x", strings.Replace(string(root), "rawBytes", "rawBytez", 1)} {
		if _, err := signature.ParseRoots([]byte(text)); err == nil {
			t.Errorf("%.40s is a root", text)
		}
	}
	if _, err := signature.Predicate("sbom"); err == nil {
		t.Error("a predicate type that nobody knows")
	}
}
