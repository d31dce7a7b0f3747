package advisory

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Limits of patience.
const (
	idleAfter = time.Minute // in which a server sends something
	idleBytes = 1 << 10     // and at least so much
)

var errSlow = errors.New("the server sends next to nothing")

// requester asks servers. Whoever does not answer is not asked again and again for
// every feed.
type requester struct {
	client *http.Client
	agent  string
	user   *url.Userinfo // of the feed; kept apart from URLs, which are told and stored
	idle   time.Duration
	mute   map[string]bool // hosts that did not answer
}

// do sends a request. An answer that no longer flows ends with an error.
func (r *requester) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", r.agent)
	if r.user != nil {
		password, _ := r.user.Password()
		req.SetBasicAuth(r.user.Username(), password)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := r.client.Do(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	body := &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	go body.watch(r.idle)
	resp.Body = body
	return resp, nil
}

// watched is an answer that is given up when it stops to flow.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	got    atomic.Int64
}

func (w *watched) watch(idle time.Duration) {
	ticks := time.NewTicker(idle)
	defer ticks.Stop()
	for before := int64(0); ; {
		select {
		case <-w.ctx.Done():
			return
		case <-ticks.C:
		}
		now := w.got.Load()
		if now-before < idleBytes {
			w.cancel(errSlow)
			return
		}
		before = now
	}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.got.Add(int64(n))
	if err != nil && errors.Is(context.Cause(w.ctx), errSlow) {
		err = errSlow
	}
	return n, err
}

func (w *watched) Close() error {
	w.cancel(nil)
	return w.ReadCloser.Close()
}

// unpacked returns a feed as it was meant: what a server has packed on the way is
// unpacked, and a page for people is refused.
func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(2)
	if err == nil && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	head, _ = b.Peek(pageHead)
	return b, refusePage(head)
}

// pageHead is how much of an answer tells a page from a feed.
const pageHead = 512

// refusePage refuses a page for people, by its beginning.
func refusePage(head []byte) error {
	if head = bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"); len(head) > 0 && head[0] == '<' {
		return fmt.Errorf("the server sent a page for people, which begins with %.40q: a login or a proxy may stand between", head)
	}
	return nil
}
