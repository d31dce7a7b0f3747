package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry says how registries are reached. The zero value takes logins from
// Docker's configuration and its credential helpers, trusts the system's
// certificates and speaks HTTPS only; with this machine itself plain HTTP too.
type Registry struct {
	// Mirrors are asked before a registry, in order: by its host the hosts of the
	// mirrors, each maybe with a path that goes before the repository.
	Mirrors map[string][]string
	// CAFiles hold certificates in PEM form to trust besides the system's.
	CAFiles []string
	// Insecure are hosts, as they stand in references, that may speak plain HTTP and
	// need no valid certificate.
	Insecure []string
	// Logins give the credentials for a registry. Nil means Docker's configuration.
	Logins authn.Keychain
}

func openRegistry(ctx context.Context, ref string, o Options) (*Source, error) {
	asked, err := name.ParseReference(ref)
	if err != nil {
		return nil, fmt.Errorf("neither a file or directory nor an image reference: %w", err)
	}
	roots, err := o.Registry.roots()
	if err != nil {
		return nil, err
	}
	var failed triedError
	for _, place := range o.Registry.places(asked) {
		source, err := openAt(ctx, place, roots, o)
		if err == nil {
			source.Repository = asked.Context().Name()
			source.Name = asked.Name()
			return source, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		host, _, _ := strings.Cut(place, "/")
		if err = explain(host, err); place != ref { // who asked for it names it
			err = fmt.Errorf("%s: %w", place, err)
		}
		failed = append(failed, err)
	}
	return nil, failed
}

// Host returns the registry of a reference as [Open] takes it, and "" where it is
// of files.
func Host(ref string) string {
	rest, ok := strings.CutPrefix(ref, registry+":")
	if !ok {
		if rest, ok = strings.CutPrefix(ref, "docker://"); !ok {
			return ""
		}
	}
	asked, err := name.ParseReference(rest)
	if err != nil {
		return ""
	}
	return asked.Context().RegistryStr()
}

// Canonical returns the reference for Open of the image that a container names: of
// a registry always, whatever files there are, and the same for all ways to write
// one. Where it is none, it is returned as it is.
func Canonical(named string) string {
	if asked, err := name.ParseReference(named); err == nil {
		named = asked.Name()
	}
	return registry + ":" + named
}

// places returns the references to try: mirrors, then the registry itself.
func (r *Registry) places(asked name.Reference) []string {
	host, repository := asked.Context().RegistryStr(), asked.Context().RepositoryStr()
	mirrors := r.Mirrors[host]
	if host == name.DefaultRegistry {
		mirrors = slices.Concat(mirrors, r.Mirrors["docker.io"])
	}
	separator := ":"
	if _, digest := asked.(name.Digest); digest {
		separator = "@"
	}
	var all []string
	for _, mirror := range mirrors {
		all = append(all, strings.TrimSuffix(mirror, "/")+"/"+repository+separator+asked.Identifier())
	}
	return append(all, asked.Name())
}

func openAt(ctx context.Context, place string, roots *x509.CertPool, o Options) (*Source, error) {
	host, _, _ := strings.Cut(place, "/")
	insecure := slices.Contains(o.Registry.Insecure, host)
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	ref, err := name.ParseReference(place, options...)
	if err != nil {
		return nil, err
	}
	logins := o.Registry.Logins
	if logins == nil {
		logins = authn.DefaultKeychain
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = time.Minute
	how := []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(logins), remote.WithTransport(&guard{next: transport, plain: insecure, idle: mostIdle}), remote.WithUserAgent("ullage"),
	}
	puller, err := remote.NewPuller(how...)
	if err != nil {
		return nil, err
	}
	found, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	b := &remoteBlobs{options: how, puller: puller, repository: ref.Context(), top: found}
	return resolve(ctx, b, found.Descriptor, o)
}

// roots are the certificates to trust; nil stands for the system's.
func (r *Registry) roots() (*x509.CertPool, error) {
	if len(r.CAFiles) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range r.CAFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("certificates: %s holds none in PEM form", file)
		}
	}
	return pool, nil
}

// guard refuses plain HTTP to other machines, to which the library would fall
// back for private addresses, and to which a registry may redirect. It ends
// answers that stop coming.
type guard struct {
	next  http.RoundTripper
	plain bool
	idle  time.Duration
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.plain && !isLoopback(r.URL) {
		return nil, fmt.Errorf("plain HTTP to %s is refused: list the host as insecure to allow it", r.URL.Host)
	}
	return notIdle(g.next, r, g.idle)
}

func isLoopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// remoteBlobs are those of a repository.
type remoteBlobs struct {
	options    []remote.Option
	puller     *remote.Puller
	repository name.Repository
	top        *remote.Descriptor
}

func (b *remoteBlobs) has(v1.Descriptor) bool { return true }

func (b *remoteBlobs) document(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Size > mostJSON {
		return nil, fmt.Errorf("%s: more than %d bytes", d.Digest, mostJSON)
	}
	var text []byte
	switch {
	case d.Digest == b.top.Digest:
		text = b.top.Manifest
	case !d.MediaType.IsImage() && !d.MediaType.IsIndex() && !d.MediaType.IsSchema1():
		r, err := b.fetch(ctx, d)
		if err != nil {
			return nil, err
		}
		defer func() { _ = r.Close() }()
		if text, err = readLimited(r, d.Digest.String()); err != nil {
			return nil, err
		}
	default:
		found, err := b.puller.Get(ctx, b.repository.Digest(d.Digest.String()))
		if err != nil {
			return nil, err
		}
		text = found.Manifest
	}
	if sum := sha256Of(text); sum != d.Digest.String() {
		return nil, fmt.Errorf("%s has the digest %s", d.Digest, sum)
	}
	return text, nil
}

// fetch reads a blob; reading it to the end fails unless the digest is right.
func (b *remoteBlobs) fetch(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	layer, err := b.puller.Layer(ctx, b.repository.Digest(d.Digest.String()))
	if err != nil {
		return nil, err
	}
	blob, err := layer.Compressed()
	if err != nil {
		return nil, explain(b.repository.RegistryStr(), err)
	}
	return blob, nil
}

func (b *remoteBlobs) layer(d v1.Descriptor) layerSource {
	return layerSource{checked: true, open: func(ctx context.Context) (io.ReadCloser, error) { return b.fetch(ctx, d) }}
}
