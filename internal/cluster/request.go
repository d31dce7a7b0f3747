package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	attempts       = 4                // for one page
	requestTimeout = 2 * time.Minute  // for one page
	longestPause   = 20 * time.Second // that a server may ask for between attempts
)

// statusError is an answer of the server that is none.
type statusError struct {
	code  int
	wait  time.Duration // that the server asked for
	short string        // what it says; never quoted for more than a word or two
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answers %d %s", e.code, http.StatusText(e.code))
	if e.short != "" && e.short != http.StatusText(e.code) {
		text += " (" + e.short + ")"
	}
	return text
}

// passing reports whether another attempt may have success.
func (e *statusError) passing() bool {
	switch e.code {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func statusCode(err error) int {
	var status *statusError
	if errors.As(err, &status) {
		return status.code
	}
	return 0
}

// get asks for a path and gives the body of the answer to read. What is wrong
// with the answer is a *statusError; anything else is wrong with the connection,
// or is an error of read.
func (c *Client) get(ctx context.Context, path string, query url.Values, accept string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u := *c.base
	u.Path = singleJoin(u.Path, path)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", accept)
	response, err := c.http.Do(request)
	if err != nil {
		return withoutAddress(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return newStatusError(response)
	}
	return read(response.Body)
}

// withoutAddress takes the address of the request off an error: it may hold a
// password.
func withoutAddress(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func singleJoin(base, path string) string {
	for base != "" && base[len(base)-1] == '/' {
		base = base[:len(base)-1]
	}
	return base + path
}

func newStatusError(response *http.Response) *statusError {
	e := &statusError{code: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		e.wait = min(time.Duration(seconds)*time.Second, longestPause)
	}
	var status struct{ Reason string }
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&status) == nil && len(status.Reason) < 40 {
		e.short = status.Reason
	}
	return e
}

// retry repeats what fails for a reason that may pass, at most as often as said.
func (c *Client) retry(ctx context.Context, attempts int, do func(context.Context) error) error {
	pause := c.pause
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		wait := pause
		var status *statusError
		if errors.As(err, &status) {
			if !status.passing() {
				return err
			}
			wait = max(wait, status.wait)
		}
		if errors.Is(err, errAnswer) || attempt >= attempts {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		pause *= 2
	}
}

// reason writes an error of a connection for people. It may name the host and
// port of a connection that failed, but neither the URL, which may hold a
// password, nor what was sent.
func reason(err error) string {
	var status *statusError
	var timeout net.Error
	switch {
	case errors.As(err, &status), errors.Is(err, errAnswer):
		return err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the server does not answer in time"
	}
	return "the connection failed: " + withoutAddress(err).Error()
}
