//go:build integration

package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// faults puts a proxy between, which breaks what the server does.
func (c *realCluster) faults() {
	t := c.t
	for i := range 600 { // more than a page
		c.create(fmt.Sprintf(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "many-%d", "namespace": "odd"}, "data": {"a": "%d"}}`, i, i))
	}
	target, err := url.Parse(c.server.Admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	var fault func(w http.ResponseWriter, r *http.Request) http.ResponseWriter
	var gone atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	if proxy.Transport, err = rest.TransportFor(c.server.Admin); err != nil {
		t.Fatal(err)
	}
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode == http.StatusGone {
			gone.Add(1)
		}
		return nil
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization") // the transport brings its own
		proxy.ServeHTTP(fault(w, r), r)
	}))
	defer front.Close()
	config := c.server.Kubeconfig(t, "dev", "none", front.URL)
	run := func() *clusterReport {
		o := ullage(t, "check", "--cluster", "--kubeconfig", config, "-o", "json", "--fail-on", "never")
		if o.code != exitClean {
			t.Errorf("exit code %d: %s", o.code, o.stderr)
		}
		return readReport(t, o)
	}
	// Each command reads in its own way what it needs; what it says is the same after a fault.
	commands := []string{"net list", "net exposed", "access dangers", "storage", "secrets", "attack-paths"}
	say := func(command string) string {
		o := ullage(t, append(strings.Fields(command), "--cluster", "--kubeconfig", config, "-o", "json")...)
		return fmt.Sprint(o.code, o.stdout, o.stderr)
	}
	fault = func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter { return w }
	want := run()
	wantSaid := make([]string, len(commands))
	for i, command := range commands {
		wantSaid[i] = say(command)
	}

	var once atomic.Bool
	fault = func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if r.URL.Query().Has("continue") && once.CompareAndSwap(false, true) {
			c.create(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "between", "namespace": "odd"}}`)
			c.server.Compact(t)
		}
		return w
	}
	if got := run(); gone.Load() == 0 || got.Counts.Read != want.Counts.Read+1 {
		t.Errorf("%d objects, want %d and one more; the server said %d times that the list is gone", got.Counts.Read, want.Counts.Read, gone.Load())
	}

	once.Store(false)
	fault = func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if r.URL.Query().Has("continue") && once.CompareAndSwap(false, true) {
			return &cutting{ResponseWriter: w}
		}
		return w
	}
	if got := run(); !once.Load() || got.Counts.Read != want.Counts.Read+1 {
		t.Errorf("after a broken connection: %d objects, want %d", got.Counts.Read, want.Counts.Read+1)
	}

	// Whatever a command reads breaks off once, in the middle.
	for i, command := range commands {
		var broken sync.Map
		var times atomic.Int64
		fault = func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
			if _, again := broken.LoadOrStore(r.URL.Path, true); again || !r.URL.Query().Has("limit") {
				return w
			}
			times.Add(1)
			return &cutting{ResponseWriter: w}
		}
		if got := say(command); got != wantSaid[i] || times.Load() < 5 {
			t.Errorf("%s, after %d broken connections: %s", command, times.Load(), firstDifference(got, wantSaid[i]))
		}
	}
}

// cutting breaks the connection in the middle of the body.
type cutting struct{ http.ResponseWriter }

func (c *cutting) Write(b []byte) (int, error) {
	_, _ = c.ResponseWriter.Write(b[:len(b)/2])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
