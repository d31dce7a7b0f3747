package advisory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxFeed bounds what is downloaded for one feed.
const maxFeed = 4 << 30

// attempts is how often a download is begun or gone on with.
const attempts = 4

// partial is what is remembered beside a download, so that the next attempt, or the
// next run, goes on where this one ended.
type partial struct {
	URL          string
	ETag         string
	LastModified string
	Done         bool
}

// download is a file on its way.
type download struct {
	*requester
	url   string
	path  string  // of the file; the state is in path.json
	known partial // the state that is in the database already, if one is
	told  func(done, total int64)
	pause time.Duration // before the second attempt; doubled before each further one
}

// errUnchanged says that the server still has the known state.
var errUnchanged = errors.New("unchanged")

// statusError is an answer that is no success.
type statusError struct {
	url    string
	code   int
	status string
}

func (e *statusError) Error() string { return "GET " + e.url + ": " + e.status }

// again says whether another attempt may go better.
func (e *statusError) again() bool {
	return e.code >= 500 || e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout
}

// run downloads the file and returns what the server knows its state by.
func (d *download) run(ctx context.Context) (state partial, err error) {
	pause := d.pause
	host := hostOf(d.url)
	for n := 1; ; n++ {
		state, err = d.once(ctx)
		var status *statusError
		switch {
		case err == nil || errors.Is(err, errUnchanged) || errors.Is(err, errFeedTooLarge):
			return state, err
		case errors.As(err, &status) && !status.again():
			return state, err
		case n == attempts || d.mute[host] || unknownHost(err):
			if status == nil && size(d.path) == 0 {
				d.mute[host] = true
			}
			return state, err
		}
		select {
		case <-ctx.Done():
			return partial{}, ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

var errFeedTooLarge = fmt.Errorf("it is larger than %d GB", maxFeed>>30)

func (d *download) once(ctx context.Context) (partial, error) {
	state := d.state()
	have := int64(0)
	if state.URL == d.url {
		have = size(d.path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return partial{}, err
	}
	req.Header.Set("Accept-Encoding", "identity") // ranges are of what is stored
	validator := state.validator()
	switch {
	case state.Done && have > 0 && validator != "":
		state.ifChanged(req)
	case have > 0 && validator != "":
		req.Header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
		req.Header.Set("If-Range", validator)
	case d.known.ETag+d.known.LastModified != "":
		d.known.ifChanged(req)
	}
	resp, err := d.do(req)
	if err != nil {
		return partial{}, err
	}
	defer resp.Body.Close()
	return d.take(resp, state, have)
}

// take reads an answer to the end.
func (d *download) take(resp *http.Response, state partial, size int64) (partial, error) {
	switch resp.StatusCode {
	case http.StatusNotModified:
		if state.Done && size > 0 {
			return state, nil
		}
		return partial{}, errUnchanged
	case http.StatusOK:
		size = 0
	case http.StatusPartialContent:
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(size, 10)+"-") {
			d.forget()
			return partial{}, fmt.Errorf("GET %s: the server sent another part than was asked for", d.url)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		d.forget()
		return partial{}, fmt.Errorf("GET %s: the server does not go on where the last download ended", d.url)
	default:
		return partial{}, &statusError{d.url, resp.StatusCode, resp.Status}
	}
	if size == 0 {
		state = partial{URL: d.url, ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
		d.forget()
		if err := d.remember(state); err != nil {
			return partial{}, err
		}
	}
	if err := d.copy(resp, size); err != nil {
		return partial{}, err
	}
	state.Done = true
	return state, d.remember(state)
}

func (d *download) copy(resp *http.Response, size int64) error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	total := int64(-1)
	if resp.ContentLength >= 0 {
		total = size + resp.ContentLength
	}
	n, err := io.Copy(f, &told{io.LimitReader(resp.Body, maxFeed-size+1), size, total, d.told})
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", d.url, err)
	case size+n > maxFeed:
		d.forget()
		return errFeedTooLarge
	}
	return f.Sync()
}

// told reports how far a reader is.
type told struct {
	io.Reader
	done, total int64
	to          func(done, total int64)
}

func (t *told) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.done += int64(n)
	if t.to != nil {
		t.to(t.done, t.total)
	}
	return n, err
}

// validator is what a server knows a state by: a strong ETag, else a date.
func (p *partial) validator() string {
	if p.ETag != "" && !strings.HasPrefix(p.ETag, "W/") {
		return p.ETag
	}
	return p.LastModified
}

func (p *partial) ifChanged(req *http.Request) {
	if p.ETag != "" {
		req.Header.Set("If-None-Match", p.ETag)
		return
	}
	req.Header.Set("If-Modified-Since", p.LastModified)
}

// size is that of a file, 0 when there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// unknownHost says whether there is no host of the name, which no patience mends.
func unknownHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func hostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Host
}

func (d *download) state() (p partial) {
	text, err := os.ReadFile(d.path + ".json")
	if err != nil || json.Unmarshal(text, &p) != nil {
		return partial{}
	}
	return p
}

func (d *download) remember(p partial) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(d.path+".json", text, 0o644)
}

// forget drops what was downloaded.
func (d *download) forget() {
	os.Remove(d.path)
	os.Remove(d.path + ".json")
}
