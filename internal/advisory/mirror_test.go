package advisory

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// mirror serves feeds, with ranges and validators as static servers do.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string // "PATH STATUS RANGE"
	stall string   // the path whose answer stops halfway, until stalled is closed
	half  chan struct{}
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{files: map[string][]byte{}, half: make(chan struct{}, 1)}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.CloseClientConnections)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) put(path string, text []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files["/"+path] = text
}

func (m *mirror) requests() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := strings.Join(m.asked, "\n")
	m.asked = nil
	return list
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		w.Write(text[:len(text)/2])
		w.(http.Flusher).Flush()
		m.half <- struct{}{}
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

// archive zips files, in the given order.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		part, err := w.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// records are the files of a directory of testdata.
func records(t *testing.T, dir string) [][2]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no records in %s: %v", dir, err)
	}
	var files [][2]string
	for _, path := range paths {
		files = append(files, [2]string{filepath.Base(path), string(read(t, path))})
	}
	return files
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func zipped0(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

var testFeeds = []string{"osv/Go", "osv/PyPI", "debian", "alpine/v3.20/main", "kev", "epss"}

// full is a mirror with all of testdata.
func full(t *testing.T) *mirror {
	t.Helper()
	m := newMirror(t)
	m.put("osv/Go/all.zip", archive(t, records(t, "osv/Go")...))
	m.put("osv/PyPI/all.zip", archive(t, records(t, "osv/PyPI")...))
	m.put("debian/tracker.json", read(t, "testdata/debian/tracker.json"))
	m.put("alpine/v3.20/main.json", read(t, "testdata/alpine/v3.20/main.json"))
	m.put("kev/known_exploited_vulnerabilities.json", read(t, "testdata/kev/known_exploited_vulnerabilities.json"))
	m.put("epss/epss_scores-current.csv.gz", zipped0(read(t, "testdata/epss/scores.csv")))
	return m
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// update updates a store from a mirror, and fails the test on an error.
func (m *mirror) update(t *testing.T, s *Store, now time.Time, names ...string) *Report {
	t.Helper()
	report, err := m.try(t, s, now, names...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (m *mirror) try(t *testing.T, s *Store, now time.Time, names ...string) (*Report, error) {
	t.Helper()
	feeds, err := Feeds(names, m.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Update(t.Context(), Options{Feeds: feeds, Now: now, Pause: time.Millisecond})
}

func opened(t *testing.T, s *Store) *Database {
	t.Helper()
	db, err := Open(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
