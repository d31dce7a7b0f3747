package scan

import (
	"archive/zip"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ullage.dev/ullage/internal/advisory"
	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/vuln"
)

// mirror serves OSV records of Debian and PyPI, and gives the store of a database
// made of them.
func mirror(t *testing.T, records map[string]string) *advisory.Store {
	t.Helper()
	zips := map[string][]byte{}
	for _, ecosystem := range []string{"Debian", "PyPI"} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		if text := records[ecosystem]; text != "" {
			w, err := z.Create("record.json")
			if err == nil {
				_, err = w.Write([]byte(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		zips["/osv/"+ecosystem+"/all.zip"] = b.Bytes()
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, ok := zips[r.URL.Path]; ok {
			w.Write(b)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	feeds, err := advisory.Feeds([]string{"osv/Debian", "osv/PyPI"}, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := &advisory.Store{Dir: t.TempDir()}
	report, err := store.Update(t.Context(), advisory.Options{Feeds: feeds, Now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range report.Outcomes {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	return store
}

// root writes a root file system of Debian 12 in which python3-jinja2 brings the
// Python package Jinja2.
func root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"etc/os-release":                        "ID=debian\nVERSION_ID=\"12\"\n",
		"var/lib/dpkg/status":                   "Package: python3-jinja2\nStatus: install ok installed\nArchitecture: all\nSource: jinja2\nVersion: 3.1.2-1+deb12u1\n",
		"var/lib/dpkg/info/python3-jinja2.list": "/usr/lib/python3/dist-packages/Jinja2-3.1.2.dist-info/METADATA\n",
		"usr/lib/python3/dist-packages/Jinja2-3.1.2.dist-info/METADATA":          "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.2\n",
		"usr/local/lib/python3.11/site-packages/Flask-2.2.0.dist-info/METADATA":  "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.0\n",
		"usr/local/lib/python3.11/site-packages/Jinja2-3.1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.2\n",
	} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	debianJinja = `{"id": "DEBIAN-CVE-2024-22195", "upstream": ["CVE-2024-22195"], "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "Debian:12", "name": "jinja2"},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.2-1+deb12u1"}]}]}]}`
	pypiJinja = `{"id": "GHSA-h5c8-rqwp-cp95", "aliases": ["CVE-2024-22195"], "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "PyPI", "name": "jinja2"},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]}]}]}`
)

// TestImage reads and matches: Debian has mended its Jinja2, and nobody has mended
// the one beside it.
func TestImage(t *testing.T) {
	s := Scanner{Advisories: mirror(t, map[string]string{"Debian": debianJinja, "PyPI": pypiJinja})}
	r, err := s.Image(t.Context(), "dir:"+root(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Image.Packages) != 4 || len(r.Feeds) != 2 {
		t.Fatalf("packages %+v, feeds %+v", r.Image.Packages, r.Feeds)
	}
	v := r.Vulnerabilities
	if len(v.Matches) != 1 || r.Image.Packages[v.Matches[0].Package].OwnedBy != "" || v.Matches[0].ID != "CVE-2024-22195" {
		t.Errorf("matches %+v", v.Matches)
	}
	if len(v.RuledOut) != 1 || r.Image.Packages[v.RuledOut[0].Package].OwnedBy != "python3-jinja2" {
		t.Errorf("ruled out %+v", v.RuledOut)
	}
}

// TestNothingKnown tells a missing database from one that finds nothing, and a
// damaged one from both.
func TestNothingKnown(t *testing.T) {
	dir, store := root(t), &advisory.Store{Dir: t.TempDir()}
	for _, s := range []Scanner{{}, {Advisories: store}} {
		if r, err := s.Image(t.Context(), "dir:"+dir); err != nil || r.Vulnerabilities != nil || len(r.Image.Packages) == 0 {
			t.Errorf("without a database: %+v, %v", r, err)
		}
	}
	if err := os.WriteFile(store.Path(), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := (&Scanner{Advisories: store}).Image(t.Context(), "dir:"+dir); err == nil || r != nil {
		t.Errorf("a damaged database: %+v, %v", r, err)
	}
	if _, err := (&Scanner{Options: image.Options{Platform: "linux/amd64"}}).Image(t.Context(), filepath.Join(dir, "none.tar")); err == nil {
		t.Error("an image that is not there")
	}
}

// Each repository of Alpine has a feed of its own, and a package does not say of which
// it is.
func TestRepositoriesOfAlpine(t *testing.T) {
	for _, test := range []struct {
		feeds []string
		want  []string
	}{
		{[]string{"alpine/v3.20/main"}, []string{"Alpine:v3.20 community"}},
		{[]string{"alpine/v3.20/community", "alpine/v3.19/main"}, []string{"Alpine:v3.20 main"}},
		{[]string{"alpine/v3.20/community", "alpine/v3.20/main"}, nil},
		{[]string{"osv/Alpine"}, nil},
	} {
		r := &Result{Image: &image.Image{Distro: image.Distro{ID: "alpine", Version: "3.20.3"}, Packages: []image.Package{{Ecosystem: "Alpine", Name: "musl"}, {Ecosystem: "npm", Name: "a"}, {Ecosystem: "Alpine", Name: "b"}}}, Vulnerabilities: &vuln.Result{}}
		for _, feed := range test.feeds {
			r.Feeds = append(r.Feeds, advisory.Provenance{Feed: feed})
		}
		if r.addMissingRepositories(); !slices.Equal(r.Vulnerabilities.NoData, test.want) {
			t.Errorf("%v: %q", test.feeds, r.Vulnerabilities.NoData)
		}
	}
	if vuln.EcosystemOf("Alpine:v3.20 main") != "Alpine" {
		t.Error("a repository is not of its ecosystem")
	}
}
