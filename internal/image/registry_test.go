package image

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	serve "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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

// What a registry answers is told in words, with what to do.
func TestRegistryRefusals(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	open := func(ref string) string {
		_, err := Open(t.Context(), ref, Options{Registry: noLogins})
		if err == nil {
			t.Fatalf("%s opens", ref)
		}
		return err.Error()
	}
	for code, want := range map[int]string{
		http.StatusUnauthorized: "docker login " + host, http.StatusForbidden: "may not read it", http.StatusNotFound: "no such image: check the name and the tag",
		http.StatusTooManyRequests: "too often",
	} {
		status = code
		if text := open(host + "/shop:1"); !strings.Contains(text, want) {
			t.Errorf("%d: %s", code, text)
		}
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	if text := open(strings.TrimPrefix(secure.URL, "https://") + "/shop:1"); !strings.Contains(text, "--ca-file") {
		t.Errorf("an unknown certificate: %s", text)
	}
	for want, err := range map[string]error{
		"plain HTTP":      errors.New(`Get "https://x/v2/": http: server gave HTTP response to HTTPS client`),
		"nothing listens": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"no such host":    &net.DNSError{Err: "no such host", IsNotFound: true},
		"does not answer": os.ErrDeadlineExceeded,
		"not valid":       x509.HostnameError{Certificate: secure.Certificate(), Host: "x"},
		"it fails":        &transport.Error{StatusCode: http.StatusBadGateway},
	} {
		if got := explain("registry.example", fmt.Errorf("wrapped: %w", err)); !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// An answer that stops in the middle ends, and says so.
func TestIdleDownload(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	g := &guard{next: http.DefaultTransport, idle: 20 * time.Millisecond}
	response := must(g.RoundTrip(must(http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil))(t)))(t)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if string(text) != "half" || !errors.Is(err, errIdle) || !strings.Contains(explain("x", err).Error(), "stopped sending") {
		t.Errorf("%q, %v", text, err)
	}
}

// While layers are read it is told how far that is.
func TestReadingIsTold(t *testing.T) {
	large := tarOf(t, file{"large", 0o644, strings.Repeat("x", 3<<20)})
	dir := layoutOf(t, sampleImage(t, "linux/amd64", large, sampleLayers(t)[0]))
	var mu sync.Mutex
	last := map[int]int64{}
	sizes := map[int]int64{}
	img, _ := readImage(t, dir, Options{Reading: func(index, layers int, read, size int64) {
		mu.Lock()
		defer mu.Unlock()
		if layers != 2 || read < last[index] {
			t.Errorf("layer %d of %d: %d after %d", index, layers, read, last[index])
		}
		last[index], sizes[index] = read, size
	}})
	for i, l := range img.Layers {
		if last[i] != l.Size || sizes[i] != l.Size {
			t.Errorf("layer %d: %d of %d, want %d", i, last[i], sizes[i], l.Size)
		}
	}
}
