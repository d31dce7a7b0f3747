package image

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	serve "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func startRegistry(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(serve.New(serve.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

var noLogins = Registry{Logins: authn.NewMultiKeychain()}

func TestRegistrySafety(t *testing.T) {
	img := sampleImage(t, "linux/amd64")
	handler := serve.New(serve.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewTLSServer(handler)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	transport := remote.WithTransport(server.Client().Transport)
	if err := remote.Write(must(name.ParseReference(host+"/shop:1"))(t), img, transport); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), host+"/shop:1", Options{Registry: noLogins}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	insecure := noLogins
	insecure.Insecure = []string{host}
	readImage(t, host+"/shop:1", Options{Registry: insecure})
	trusting := noLogins
	trusting.CAFiles = []string{write(t, filepath.Join(t.TempDir(), "ca.pem"), pemOf(server))}
	readImage(t, host+"/shop:1", Options{Registry: trusting})

	mirrored := noLogins
	plain := httptest.NewServer(handler)
	defer plain.Close()
	if err := remote.Write(must(name.ParseReference(host+"/cache/team/shop:1"))(t), img, transport); err != nil {
		t.Fatal(err)
	}
	mirrored.Mirrors = map[string][]string{"registry.example.com": {"127.0.0.1:1", strings.TrimPrefix(plain.URL, "http://") + "/cache"}}
	readImage(t, "registry.example.com/team/shop:1", Options{Registry: mirrored})

	g := &guard{next: http.DefaultTransport}
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://10.1.2.3/v2/", nil))(t)
	if _, err := g.RoundTrip(r); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("plain HTTP to another machine: %v", err)
	}
}

func TestMediaTypesThatAreNoImage(t *testing.T) {
	host := startRegistry(t)
	chart := mutate.ConfigMediaType(mutate.MediaType(sampleImage(t, "linux/amd64"), types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	if err := remote.Write(must(name.ParseReference(host+"/chart:1"))(t), chart); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), host+"/chart:1", Options{Registry: noLogins}); err == nil || !strings.Contains(err.Error(), "helm") {
		t.Error(err)
	}
}
