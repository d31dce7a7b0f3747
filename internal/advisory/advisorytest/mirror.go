// Package advisorytest serves feeds of advisories for tests, as static servers do.
package advisorytest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mirror serves files, with ranges and validators. It can stop in the middle of one.
type Mirror struct {
	*httptest.Server
	stalled chan struct{} // told when an answer stops halfway

	mu    sync.Mutex
	files map[string][]byte // by path, with the slash at its start
	asked []string
	stall string
}

// NewMirror starts a mirror without files, which ends with the test.
func NewMirror(t testing.TB) *Mirror {
	m := &Mirror{files: map[string][]byte{}, stalled: make(chan struct{}, 1)}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	t.Cleanup(m.CloseClientConnections)
	return m
}

// Put puts a file at a path, without a slash at its start.
func (m *Mirror) Put(path string, text []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files["/"+path] = text
}

// Get returns a file, nil when there is none.
func (m *Mirror) Get(path string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files["/"+path]
}

// Remove takes files away.
func (m *Mirror) Remove(paths ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, path := range paths {
		delete(m.files, "/"+path)
	}
}

// StallAt lets answers with a file stop halfway, until it is called with "".
func (m *Mirror) StallAt(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stall = ""; path != "" {
		m.stall = "/" + path
	}
}

// Asked returns what was answered in full since it was last called, one request a
// line: path, status and range.
func (m *Mirror) Asked() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := strings.Join(m.asked, "\n")
	m.asked = nil
	return list
}

// ServeHTTP answers a request for a file.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	text, ok := m.files[r.URL.Path]
	stall := m.stall == r.URL.Path
	m.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(text)))
	if stall {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write(text[:len(text)/2])
		w.(http.Flusher).Flush()
		m.stalled <- struct{}{}
		<-r.Context().Done()
		return
	}
	seen := &status{ResponseWriter: w, code: http.StatusOK}
	http.ServeContent(seen, r, "", time.Time{}, bytes.NewReader(text))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, strings.TrimSpace(fmt.Sprint(r.URL.Path, " ", seen.code, " ", r.Header.Get("Range"))))
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Kill runs a program and kills it when the download that stalls stands halfway in the
// file part.
func (m *Mirror) Kill(t testing.TB, cmd *exec.Cmd, part string) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-m.stalled:
	case err := <-ended:
		t.Fatalf("it ended before it was killed: %v: %s", err, said.String())
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatal("it did not ask for the file that stalls within a minute")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(part); err == nil && info.Size() > 0 {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if info, err := os.Stat(part); err != nil || info.Size() == 0 {
		t.Fatalf("nothing is left of the download: %v", err)
	}
}
