package cli

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const imageCanary = "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" // its checksum is right

// smallImage writes a Docker archive of two layers: the second hides the first's
// shell.
func smallImage(t *testing.T) string {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image,
		tarLayer(t, map[string]string{
			"etc/os-release":      "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
			"var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\n\n",
			"bin/bash":            "\x7fELF\x02\x01\x01 shell",
			"usr/bin/curl":        "\x7fELF\x02\x01\x01 tool",
		}),
		tarLayer(t, map[string]string{"bin/.wh.bash": ""}))
	if err == nil {
		img, err = mutate.Config(img, v1.Config{User: "0", Entrypoint: []string{"/web", "--listen", ":8080"}, Env: []string{"TOKEN=" + imageCanary}})
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("registry.example/web:1.4.2")
	if err == nil {
		err = tarball.WriteToFile(path, tag, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func runImage(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), &Program{Args: append([]string{"image"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string {
		return map[string]string{"ULLAGE_DB": t.TempDir()}[name] // and not the user's own database
	}})
	return out.String(), errs.String(), code
}

// TestImage reads an image from an archive, and says so of one that is damaged.
func TestImage(t *testing.T) {
	path := smallImage(t)
	text, stderr, code := runImage(t, path)
	if code != exitClean || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"Debian GNU/Linux 12 (bookworm)", "runs as root unless the pod says otherwise", "1: 1 Debian", "network tools     /usr/bin/curl", "/web --listen :8080", "GitHub token: environment variable TOKEN"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if strings.Contains(text, "/bin/bash") {
		t.Errorf("a program that a layer hides is shown:\n%s", text)
	}
	object, _, _ := runImage(t, "-o", "json", path)
	var j imageJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil {
		t.Fatal(err)
	}
	if len(j.Packages) != 1 || j.Packages[0].Name != "zlib1g" || j.Packages[0].Source != "zlib" || j.Packages[0].Layer != 1 || !j.Complete {
		t.Errorf("packages %+v, complete %v", j.Packages, j.Complete)
	}
	if strings.Contains(text+object, imageCanary) {
		t.Error("a secret of the configuration is shown")
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(whole, []byte("Package: zlib1g"), []byte("Package: zlib2g"), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	text, _, code = runImage(t, path)
	if code != exitIncomplete || !strings.Contains(text, "Not read") {
		t.Errorf("a layer that is not what its digest says: exit %d\n%s", code, text)
	}
}

// zlibDatabase makes a database of advisories with one on zlib in Debian 12.
func zlibDatabase(t *testing.T, feeds ...string) string {
	t.Helper()
	var feed bytes.Buffer
	z := zip.NewWriter(&feed)
	w, err := z.Create("DEBIAN-CVE-2023-45853.json")
	if err == nil {
		_, err = w.Write([]byte(`{"id": "DEBIAN-CVE-2023-45853", "upstream": ["CVE-2023-45853"], "modified": "2026-01-01T00:00:00Z", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
			"affected": [{"package": {"ecosystem": "Debian:12", "name": "zlib"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:1.2.13.dfsg-2"}]}]}]}`))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/osv/Debian/all.zip":
			w.Write(feed.Bytes())
		case "/kev/known_exploited_vulnerabilities.json":
			io.WriteString(w, `{"catalogVersion": "1", "dateReleased": "2026-01-01T00:00:00Z", "count": 1, "vulnerabilities": [{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10", "knownRansomwareCampaignUse": "Known"}]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	db := t.TempDir()
	var out bytes.Buffer
	if code := Run(t.Context(), &Program{
		Args: append([]string{"db", "update", "--db", db, "--mirror", server.URL, "--feed", "osv/Debian"}, feeds...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" },
	}); code != exitClean {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	return db
}

// TestImageVulnerabilities holds an image against an advisory for its source
// package, and says that nothing is known where there is no database.
func TestImageVulnerabilities(t *testing.T) {
	path, db := smallImage(t), zlibDatabase(t)
	if text, _, _ := runImage(t, "--db", t.TempDir(), path); !strings.Contains(text, "there is no database of advisories") {
		t.Errorf("without a database:\n%s", text)
	}
	text, stderr, code := runImage(t, "--db", db, path)
	if code != exitClean || !strings.Contains(text, "CVE-2023-45853 zlib1g 1:1.2.13.dfsg-1, fixed in 1:1.2.13.dfsg-2") {
		t.Errorf("exit %d: %s\n%s", code, stderr, text)
	}
	object, _, _ := runImage(t, "-o", "json", "--db", db, path)
	var j imageJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil || j.Vulnerabilities == nil || len(j.Vulnerabilities.Found) != 1 || j.Vulnerabilities.Found[0].Package != 0 {
		t.Errorf("%v: %+v", err, j.Vulnerabilities)
	}
}

func TestImageUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"-o", "xml", "x"}, {"--mirror", "docker.io", "x"}, {filepath.Join(t.TempDir(), "none.tar")}} {
		if _, stderr, code := runImage(t, args...); code != exitUsage || stderr == "" {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
	// What is here is not asked of a registry, and a file is not quoted.
	if _, stderr, code := runImage(t, "testdata"); code != exitUsage || !strings.Contains(stderr, "neither an OCI layout nor a root file system") {
		t.Errorf("a directory without an image: exit %d, %q", code, stderr)
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, bytes.Repeat([]byte("password"), 200), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runImage(t, path); code != exitUsage || strings.Contains(stderr, "word") || strings.Contains(stderr, "pass") {
		t.Errorf("a text: exit %d, %q", code, stderr)
	}
}

// TestImageJarNames: what a jar is called by is told where it does not say what it is.
func TestImageJarNames(t *testing.T) {
	root := t.TempDir()
	jar := func(name string, entries map[string]string) {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, text := range entries {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write([]byte(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(z.Close(), os.MkdirAll(filepath.Join(root, "lib"), 0o755), os.WriteFile(filepath.Join(root, "lib", name), b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	jar("stated.jar", map[string]string{"META-INF/maven/a.b/stated/pom.properties": "groupId=a.b\nartifactId=stated\nversion=1\n"})
	jar("named-2.jar", map[string]string{"A.class": ""})
	jar("plain.jar", map[string]string{"A.class": ""})
	text, stderr, code := runImage(t, "dir:"+root, "-v")
	for _, want := range []string{"Maven  a.b:stated 1\n", "Maven  named 2  (identity from the file name: /lib/named-2.jar)", "Maven  plain (version not known)  (identity from the file name: /lib/plain.jar)", "2 known by the name of their file only"} {
		if code != exitClean || !strings.Contains(text, want) {
			t.Errorf("exit %d %s: %q is missing:\n%s", code, stderr, want, text)
		}
	}
	var j imageJSON
	object, _, _ := runImage(t, "dir:"+root, "-o", "json")
	if err := json.Unmarshal([]byte(object), &j); err != nil || len(j.Packages) != 3 || j.Packages[0].Evidence != "" || j.Packages[1].Evidence != "file name" || j.Packages[2].Version != "" {
		t.Errorf("%v: %+v", err, j.Packages)
	}
	text, _, _ = runImage(t, "dir:"+root, "--db", zlibDatabase(t))
	if !strings.Contains(text, "not matched       2 packages of which") {
		t.Errorf("what is not matched is not told:\n%s", text)
	}
}
