package scan

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"ullage.dev/ullage/internal/image"
)

// Batch says how several images are scanned.
type Batch struct {
	// Jobs are scanned at the same time; each may take the memory of one image. 0 is 3.
	Jobs int
	// Timeout ends the scan of one image. 0 is five minutes.
	Timeout time.Duration
	// Answer is the time in which a registry must say what its first image is. 0 is
	// 30 seconds.
	Answer time.Duration
	// Done takes the result of an image, or why there is none. It is called one at a
	// time, in the order in which images are done, for all that were begun.
	Done func(i int, r *Result, err error)
}

// Images scans images by their references. Each registry is asked for one image
// first; one that does not answer is not asked again, so what is broken does not
// hold up the others. The error is that of a context that ended.
func (s *Scanner) Images(ctx context.Context, references []string, b Batch) error {
	if b.Jobs <= 0 {
		b.Jobs = 3
	}
	if b.Timeout <= 0 {
		b.Timeout = 5 * time.Minute
	}
	if b.Answer <= 0 {
		b.Answer = 30 * time.Second
	}
	b.Answer = min(b.Answer, b.Timeout)
	run := batchRun{Scanner: s, Batch: b, ctx: ctx, slots: make(chan struct{}, b.Jobs)}
	byHost := map[string][]int{}
	for i, ref := range references {
		host := image.Host(ref)
		byHost[host] = append(byHost[host], i)
	}
	var wg sync.WaitGroup
	for name, of := range byHost {
		wg.Go(func() {
			h := &host{name: name}
			run.ask(h, references[of[0]])
			var all sync.WaitGroup
			for _, i := range of {
				all.Go(func() { run.image(h, i, references[i]) })
			}
			all.Wait()
		})
	}
	wg.Wait()
	return ctx.Err()
}

// HostError says that a registry does not answer. All of its images that were not
// read before have the same one.
type HostError struct {
	Host string
	Err  error // of the first of them
}

func (e *HostError) Error() string { return e.Host + " does not answer: " + e.Err.Error() }

// Unwrap returns the error of the first image.
func (e *HostError) Unwrap() error { return e.Err }

// batchRun is one call of Images.
type batchRun struct {
	*Scanner
	Batch
	ctx   context.Context
	slots chan struct{}
	mu    sync.Mutex // of Done
}

// host is a registry; "" stands for files.
type host struct {
	name string
	mu   sync.Mutex
	err  *HostError // why it is not asked any more
}

// give gives a registry up.
func (h *host) give(err error) *HostError {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = &HostError{h.name, err}
	}
	return h.err
}

func (h *host) failed() *HostError {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// ask asks a registry what an image of it is.
func (r *batchRun) ask(h *host, ref string) {
	if h.name == "" || !r.enter() {
		return
	}
	defer r.leave()
	ctx, cancel := context.WithTimeoutCause(r.ctx, r.Answer, fmt.Errorf("no answer within %s", r.Answer))
	defer cancel()
	source, err := image.Open(ctx, ref, r.Options)
	switch {
	case err == nil:
		_ = source.Close() // nothing was read of it
	case ctx.Err() != nil:
		h.give(context.Cause(ctx))
	case unanswered(err):
		h.give(err)
	}
}

// enter waits for a slot, and reports whether there is one before all ends.
func (r *batchRun) enter() bool {
	select {
	case r.slots <- struct{}{}:
		return true
	case <-r.ctx.Done():
		return false
	}
}

func (r *batchRun) leave() { <-r.slots }

func (r *batchRun) image(h *host, i int, ref string) {
	if !r.enter() {
		return
	}
	defer r.leave()
	if err := h.failed(); err != nil {
		r.done(i, nil, err)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, r.Timeout, fmt.Errorf("it took longer than %s", r.Timeout))
	defer cancel()
	result, err := r.Image(ctx, ref)
	if r.ctx.Err() != nil {
		return
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("image %s: %w", ref, context.Cause(ctx))
	}
	if h.name != "" && unanswered(err) {
		err = h.give(err)
	}
	r.done(i, result, err)
}

func (r *batchRun) done(i int, result *Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Done(i, result, err)
}

// unanswered reports whether an error is of the way to a registry, and so the same
// for all of its images.
func unanswered(err error) bool {
	var (
		answer      *transport.Error // of a mirror, or of the registry
		operation   *net.OpError
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		timeout     interface{ Timeout() bool }
	)
	return !errors.As(err, &answer) && (errors.As(err, &operation) || errors.As(err, &lookup) || errors.As(err, &certificate) || errors.As(err, &authority) ||
		errors.As(err, &timeout) && timeout.Timeout())
}
