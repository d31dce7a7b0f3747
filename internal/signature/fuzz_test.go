package signature_test

import (
	"encoding/json"
	"testing"

	"ullage.dev/ullage/internal/signature"
	"ullage.dev/ullage/internal/signature/signaturetest"
)

// Whatever is attached to an image, looking at it ends, and only what was made is
// verified.
func FuzzBundle(f *testing.F) {
	a := signaturetest.New(f, start)
	good := keyless(a).Bundle(digest, slsa, nil)
	f.Add(good)
	f.Add(keyless(a).DigestBundle(manifest))
	roots, err := signature.ParseRoots(a.TrustedRoot())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = signature.Look(t.Context(), new(beside).refer(t, text), []string{digest}, &signature.Demand{Roots: roots})
		_ = signature.Look(t.Context(), new(beside).tag(t, ".att", envelope, text, nil), []string{digest}, &signature.Demand{Roots: roots})
		_, _ = signature.ParseRoots(text)
		_, _ = signature.ParseKey(text)
	})
}

// A timestamp is parsed by a library: nothing in it ends the program.
func FuzzTimestamp(f *testing.F) {
	a := signaturetest.New(f, start)
	_, annotations := keyless(a).Cosign(digest)
	const at = "dev.sigstore.cosign/rfc3161timestamp"
	type stamped struct{ SignedRFC3161Timestamp []byte }
	var seed stamped
	if err := json.Unmarshal([]byte(annotations[at]), &seed); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.SignedRFC3161Timestamp)
	roots, err := signature.ParseRoots(a.TrustedRoot())
	if err != nil {
		f.Fatal(err)
	}
	payload, annotations := keyless(a).Cosign(digest)
	f.Fuzz(func(t *testing.T, der []byte) {
		text, err := json.Marshal(stamped{der})
		if err != nil {
			t.Fatal(err)
		}
		changed := map[string]string{at: string(text)}
		for k, v := range annotations {
			if k != at {
				changed[k] = v
			}
		}
		_ = signature.Look(t.Context(), new(beside).tag(t, ".sig", simple, payload, changed), []string{digest}, &signature.Demand{Roots: roots})
	})
}
