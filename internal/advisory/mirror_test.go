package advisory

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ullage.dev/ullage/internal/advisory/advisorytest"
)

// mirror is one that a store is updated from.
type mirror struct{ *advisorytest.Mirror }

func newMirror(t *testing.T) *mirror { return &mirror{advisorytest.NewMirror(t)} }

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
	m.Put("osv/Go/all.zip", archive(t, records(t, "osv/Go")...))
	m.Put("osv/PyPI/all.zip", archive(t, records(t, "osv/PyPI")...))
	m.Put("debian/tracker.json", read(t, "testdata/debian/tracker.json"))
	m.Put("alpine/v3.20/main.json", read(t, "testdata/alpine/v3.20/main.json"))
	m.Put("kev/known_exploited_vulnerabilities.json", read(t, "testdata/kev/known_exploited_vulnerabilities.json"))
	m.Put("epss/epss_scores-current.csv.gz", zipped0(read(t, "testdata/epss/scores.csv")))
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
