package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Refused says why a registry gave no image.
type Refused struct {
	Status int // of HTTP, with which it answered; 0 where it did not, or not as a registry
	words  string
	err    error
}

// Error has the words, what to do, and behind them the error itself: of a page for people
// its beginning.
func (r *Refused) Error() string {
	const most = 300
	text := strings.Join(strings.Fields(r.err.Error()), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if r.words == "" {
		return text
	}
	return r.words + " (" + text + ")"
}

// Unwrap returns the error itself.
func (r *Refused) Unwrap() error { return r.err }

// triedError has what each place gave in place of an image, the registry's own last.
type triedError []error

func (t triedError) Error() string {
	var all []string
	for _, err := range t {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; then ")
}

// Unwrap returns the registry's own first.
func (t triedError) Unwrap() []error {
	all := slices.Clone(t)
	slices.Reverse(all)
	return all
}

// explain says in words why a registry gave no image, and what to do. The error
// itself stays behind the words.
func explain(host string, err error) error {
	words, status := "", 0
	var answered *transport.Error
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var named x509.HostnameError
	var lookup *net.DNSError
	var record tls.RecordHeaderError
	var slow net.Error
	switch {
	case errors.As(err, &unknown):
		words = "its certificate is of no authority that is trusted here: trust it by --ca-file FILE"
	case errors.As(err, &named), errors.As(err, &invalid):
		words = "its certificate is not valid: mend it, or allow it by --insecure " + host
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		words = "it speaks plain HTTP: allow that by --insecure " + host
	case errors.As(err, &lookup) && lookup.IsNotFound:
		words = "there is no such host: check the name, or the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		words = "nothing listens there: check the host and the port"
	case errors.Is(err, errIdle):
		words = "it stopped sending: try again, or a nearer one by --mirror"
	case errors.As(err, &slow) && slow.Timeout():
		words = "it does not answer: check the network, or ask another by --mirror"
	case errors.As(err, &answered):
		words, status = answer(host, answered.StatusCode), answered.StatusCode
	}
	return &Refused{status, words, err}
}

// answer says what an HTTP status of a registry means.
func answer(host string, status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "it wants to know who asks, or has no such image: log in by docker login " + host + ", and check the name"
	case status == http.StatusForbidden:
		return "who is logged in may not read it, or there is no such image: check the name, and docker login " + host
	case status == http.StatusNotFound:
		return "it has no such image: check the name and the tag"
	case status == http.StatusTooManyRequests:
		return "it was asked too often: wait, log in by docker login " + host + ", or ask another by --mirror"
	case status >= http.StatusInternalServerError:
		return "it fails: try again later, or ask another by --mirror"
	}
	return ""
}

// mostIdle is how long a registry may send nothing in the middle of an answer.
const mostIdle = time.Minute

var errIdle = errors.New("nothing came for too long")

// idleBody ends a request whose answer stops coming.
type idleBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

// notIdle makes a request end when its answer stops coming for some time.
func notIdle(next http.RoundTripper, r *http.Request, idle time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	response, err := next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	response.Body = &idleBody{response.Body, ctx, cancel, time.AfterFunc(idle, func() { cancel(errIdle) }), idle}
	return response, nil
}

func (b *idleBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.timer.Stop()
		if !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errIdle) {
			err = fmt.Errorf("%w: %s", errIdle, b.idle)
		}
	}
	return n, err
}

func (b *idleBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
