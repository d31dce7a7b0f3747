package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"ullage.dev/ullage/internal/signature/signaturetest"
)

const (
	testWorkflow = "https://git.example/payments/web/.ci/release.yaml@refs/tags/v1"
	testIssuer   = "https://token.git.example"
	testSLSA     = "https://slsa.dev/provenance/v1"
	testBundle   = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// signedWith makes the manifest that carries one signature.
func signedWith(t *testing.T, blob []byte, kind string, annotations map[string]string) v1.Image {
	t.Helper()
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(blob, types.MediaType(kind)), Annotations: annotations, MediaType: types.MediaType(kind),
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// signedPlaces puts one image with a signature of cosign's by a key and a bundle of
// a provenance by a workflow into registries and layouts.
func signedPlaces(t *testing.T, key, keyless *signaturetest.Signer) (places []string, unsigned string) {
	t.Helper()
	img, err := tarball.ImageFromPath(smallImage(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	size, err := img.Size()
	if err != nil {
		t.Fatal(err)
	}
	payload, annotations := key.Cosign(digest.String())
	cosign := signedWith(t, payload, "application/vnd.dev.cosign.simplesigning.v1+json", annotations)
	provenance := keyless.Bundle(digest.String(), testSLSA, map[string]any{"runDetails": map[string]any{"builder": map[string]any{"id": "https://builder.example"}}})
	referrer := mutate.ConfigMediaType(signedWith(t, provenance, testBundle, nil), testBundle)
	referrer = mutate.Subject(referrer, v1.Descriptor{MediaType: types.DockerManifestSchema2, Digest: digest, Size: size}).(v1.Image)

	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tag := "sha256-" + digest.Hex + ".sig"
	for _, knows := range []bool{true, false} {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(knows)))
		t.Cleanup(server.Close)
		host := strings.TrimPrefix(server.URL, "http://")
		push := func(ref string, img v1.Image) {
			r, err := name.ParseReference(host + "/web" + ref)
			check(err)
			check(remote.Write(r, img))
		}
		push(":1", img)
		push(":"+tag, cosign)
		hash, err := referrer.Digest()
		check(err)
		push("@"+hash.String(), referrer)
		places = append(places, host+"/web:1")
		unsigned = host + "/other:1"
		r, err := name.ParseReference(unsigned)
		check(err)
		check(remote.Write(r, img))
	}
	for i, how := range []map[string]string{{"org.opencontainers.image.ref.name": tag}, {"kind": "dev.cosignproject.cosign/sigs"}} {
		dir := filepath.Join(t.TempDir(), "layout")
		path, err := layout.Write(dir, empty.Index)
		check(err)
		check(path.AppendImage(img))
		check(path.AppendImage(cosign, layout.WithAnnotations(how)))
		check(path.AppendImage(referrer, layout.WithAnnotations(map[string]string{"i": strings.Repeat("x", i)})))
		places = append(places, dir)
	}
	return places, unsigned
}

// TestImageSigner tells who signed an image wherever it lies, and demands it.
func TestImageSigner(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := signaturetest.New(t, start)
	own := signaturetest.Key(t)
	keyless := &signaturetest.Signer{Authority: a, Identity: testWorkflow, Issuer: testIssuer, At: start}
	places, unsigned := signedPlaces(t, &signaturetest.Signer{Authority: a, Key: own, At: start}, keyless)
	write := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, wrong := write("cosign.pub", signaturetest.PublicPEM(t, own.Public())), write("wrong.pub", signaturetest.PublicPEM(t, signaturetest.Key(t).Public()))
	root := write("root.json", a.TrustedRoot())
	for _, place := range places {
		text, stderr, code := runImage(t, place, "--key", key, "--verify")
		if code != exitClean || !strings.Contains(text, "signed            yes, verified") || !strings.Contains(text, "by the key sha256:") || !strings.Contains(text, "no trusted root is given") {
			t.Errorf("%s with the key: exit %d: %s\n%s", place, code, stderr, text)
		}
		text, stderr, code = runImage(t, place, "--trusted-root", root, "--identity-regexp", "https://git.example/payments/.*", "--issuer", testIssuer, "--attestation", "slsaprovenance1", "--verify", "-v")
		if code != exitClean || !strings.Contains(strings.Join(strings.Fields(text), " "), "by "+testWorkflow+", known to "+testIssuer+", built by https://builder.example, logged 2026-01-02 03:04 UTC") {
			t.Errorf("%s with the workflow: exit %d: %s\n%s", place, code, stderr, text)
		}
		object, _, _ := runImage(t, place, "--key", key, "--trusted-root", root, "-o", "json")
		var j imageJSON
		if err := json.Unmarshal([]byte(object), &j); err != nil || j.Signatures.State != "verified" || len(j.Signatures.Found) != 2 || !bytes.Contains(j.Signatures.Found[0].Statement, []byte("builder")) && !bytes.Contains(j.Signatures.Found[1].Statement, []byte("builder")) && j.Signatures.Found[0].Key == "" {
			t.Errorf("%s: %v %+v", place, err, j.Signatures)
		}
		for want, args := range map[string][]string{
			"none of what is attached to it is by whom you asked for": {"--key", wrong},
			"no verified attestation of the type https://spdx.dev":    {"--key", key, "--attestation", "spdxjson"},
			"its signer is": {"--trusted-root", root, "--identity", "somebody@example.com", "--issuer", testIssuer},
		} {
			text, stderr, code := runImage(t, append([]string{place, "--verify"}, args...)...)
			if code != exitFindings || !strings.Contains(strings.Join(strings.Fields(text+stderr), " "), want) || !strings.Contains(text, "NOT VERIFIED") {
				t.Errorf("%s %q: exit %d: %s\n%s", place, args, code, stderr, text)
			}
		}
		if text, _, code := runImage(t, place, "--trusted-root", root); code != exitClean || !strings.Contains(strings.Join(strings.Fields(text), " "), "verified, but no identity with its issuer was asked for") {
			t.Errorf("%s for anybody: exit %d\n%s", place, code, text)
		}
		if text, _, code := runImage(t, place); code != exitClean || !strings.Contains(text, "not looked for (--key") {
			t.Errorf("%s without demands: exit %d\n%s", place, code, text)
		}
	}
	if text, stderr, code := runImage(t, unsigned, "--key", key, "--verify"); code != exitFindings || !strings.Contains(text, "neither signature nor attestation") || !strings.Contains(stderr, "nothing is attached") {
		t.Errorf("unsigned: exit %d: %s\n%s", code, stderr, text)
	}
	if text, stderr, code := runImage(t, smallImage(t), "--key", key, "--verify"); code != exitFindings || !strings.Contains(text, "not looked for: what it was read from") || !strings.Contains(stderr, "from a registry or an OCI layout") {
		t.Errorf("an archive: exit %d: %s\n%s", code, stderr, text)
	}
}

func TestImageSignerUsage(t *testing.T) {
	path := smallImage(t)
	for want, args := range map[string][]string{
		"need somebody to believe":             {"--verify"},
		"would believe anybody":                {"--verify", "--trusted-root", "x"},
		"give both --identity and --issuer":    {"--verify", "--trusted-root", "x", "--key", "x", "--issuer", "https://issuer.example"},
		"proven by --trusted-root":             {"--identity", "x"},
		"give one of them":                     {"--issuer", "x", "--issuer-regexp", "x", "--trusted-root", "x"},
		"no such file":                         {"--key", filepath.Join(t.TempDir(), "none.pub")},
		"no key in PEM form":                   {"--key", path},
		"--issuer-regexp":                      {"--trusted-root", path, "--issuer-regexp", "("},
		"predicate type \"x\"":                 {"--key", path, "--attestation", "x"},
		"--trusted-root " + path + ": invalid": {"--trusted-root", path},
	} {
		if _, stderr, code := runImage(t, append(args, path)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}
