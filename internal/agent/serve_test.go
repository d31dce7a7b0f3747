package agent

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/sensor"
)

// TestServe asks an agent at its socket, which only its owner may use, and finds
// nothing there when it has ended.
func TestServe(t *testing.T) {
	n := newNode(t, Options{Bytes: 64 << 20})
	dir, err := os.MkdirTemp("", "agent") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	n.a.options.Socket, n.a.options.Metrics = filepath.Join(dir, "own", "a.sock"), filepath.Join(dir, "m.sock")
	n.does(&sensor.Container{ID: "c\x1b1", Name: "cache"}, behavior.Entrypoint, "/bin/a", "")
	old, err := net.Listen("unix", n.a.options.Metrics) // of an agent that was killed
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	stop, err := n.a.serve()
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{n.a.options.Socket, n.a.options.Metrics} {
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", socket, info.Mode(), err)
		}
	}
	s, err := askStatus(t.Context(), n.a.options.Socket)
	if err != nil || s.Containers != 1 || s.Seen.Facts != 1 || s.Cost.ResidentBytes == 0 || s.Node != "node-1" {
		t.Errorf("%+v: %v", s, err)
	}
	if _, err := askStatus(t.Context(), n.a.options.Metrics); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("where Prometheus asks, status is answered: %v", err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.a.options.Metrics)
	}}}
	response, err := client.Get("http://agent/metrics")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%s, %s", response.Status, response.Header)
	}
	stop()
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
	if _, err := askStatus(t.Context(), n.a.options.Socket); err == nil || !strings.Contains(err.Error(), "no agent answers at") {
		t.Error(err)
	}
	if err := os.WriteFile(n.a.options.Socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if stop, err := n.a.serve(); err == nil {
		stop()
		t.Error("it takes the place of a file")
	}
}

// TestLock keeps a second agent away.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "another agent uses") {
		t.Error(err)
	}
	unlock()
	if unlock, err = lock(dir); err != nil {
		t.Fatal(err)
	}
	unlock()
}
