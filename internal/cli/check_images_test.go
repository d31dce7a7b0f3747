package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tarLayer is a layer of files.
func tarLayer(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for path, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(buf.Bytes(), types.DockerUncompressedLayer)
}

// builtImage makes an image of one layer.
func builtImage(t *testing.T, config v1.Config, files map[string]string) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, tarLayer(t, files))
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: config, RootFS: must(img.ConfigFile()).RootFS})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const elf = "\x7fELF\x02\x01\x01 program"

// testImages are a good one and a bad one.
func testImages(t *testing.T) (good, bad v1.Image) {
	good = builtImage(t, v1.Config{User: "10001", Entrypoint: []string{"/web"}}, map[string]string{"web": elf})
	bad = builtImage(t, v1.Config{Env: []string{"TOKEN=" + imageCanary}}, map[string]string{
		"etc/os-release":                   "ID=debian\nVERSION_ID=\"9\"\nPRETTY_NAME=\"Debian GNU/Linux 9 (stretch)\"\n",
		"var/lib/dpkg/status.d/base-files": "Package: base-files\nVersion: 9\nArchitecture: amd64\n",
		"etc/passwd":                       "root:x:0:0::/:/bin/sh\n",
		"root/.netrc":                      "machine git.example login ci password Zx81kQ0vT7sPq2mR\n",
		"usr/bin/curl":                     elf, "usr/bin/nmap": elf, "bin/bash": elf,
	})
	return good, bad
}

// serveImages serves images by repository:tag, and counts the manifests it is asked for.
func serveImages(t *testing.T, images map[string]v1.Image) (host string, manifests *atomic.Int32) {
	t.Helper()
	manifests = &atomic.Int32{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") && r.Method == http.MethodGet {
			manifests.Add(1)
		}
		if strings.Contains(r.URL.Path, "/secret/") {
			w.Header().Set("Www-Authenticate", `Basic realm="registry"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	for ref, img := range images {
		tag, err := name.NewTag(host+"/"+ref, name.Insecure)
		if err == nil {
			err = remote.Write(tag, img)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	manifests.Store(0)
	return host, manifests
}

// pods writes a manifest with a pod for each image.
func pods(t *testing.T, images ...string) string {
	t.Helper()
	var b strings.Builder
	for i, image := range images {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: pod-%d}\nspec:\n  containers:\n  - {name: web, image: %q}\n", i, image)
	}
	path := filepath.Join(t.TempDir(), "pods.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func runCheck(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	db := t.TempDir()
	code = Run(ctx, &Program{Args: append([]string{"check"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string {
		return map[string]string{"ULLAGE_DB": db}[name]
	}})
	return out.String(), errs.String(), code
}

// reportOf is what of a JSON report the tests look at.
type reportOf struct {
	Counts   struct{ Evaluated, Passed, Unknown, Rules, ImageRulesNotEvaluated int }
	Findings []struct {
		Rule, Message, Path string
		Place               struct {
			File string
			Line int
		}
		Object struct{ Name string }
	}
	Unknowns []struct {
		Rule, Reason string
		Object       struct{ Name string }
	}
	Problems []struct{ Reason, Hint string }
}

func (r *reportOf) rules(pod string) []string {
	var rules []string
	for _, f := range r.Findings {
		if f.Object.Name == pod {
			rules = append(rules, f.Rule)
		}
	}
	return rules
}

func checkJSON(t *testing.T, args ...string) (*reportOf, int) {
	t.Helper()
	stdout, stderr, code := runCheck(t, t.Context(), append(args, "-o", "json")...)
	var r reportOf
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	if strings.Contains(stdout+stderr, imageCanary) {
		t.Error("a secret of an image is in the report")
	}
	return &r, code
}

func TestCheckImages(t *testing.T) {
	good, bad := testImages(t)
	host, manifests := serveImages(t, map[string]v1.Image{"good:1": good, "bad:1": bad})
	path := pods(t, host+"/good:1", host+"/bad:1", host+"/bad:1", host+"/none:1", host+"/secret/x:1")
	r, code := checkJSON(t, "--images", "--profile", "all", path)
	if code != exitIncomplete {
		t.Errorf("exit code %d, want %d: two images cannot be read", code, exitIncomplete)
	}
	if n := manifests.Load(); n > 6 {
		t.Errorf("manifests were fetched %d times for four images", n)
	}
	for pod, want := range map[string]map[string]bool{
		"pod-0": {"image-root-user": false, "image-eol-os": false, "image-shell-present": false, "image-config-credential": false},
		"pod-1": {"image-root-user": true, "image-eol-os": true, "image-network-tools": true, "image-attack-tools": true, "image-config-credential": true, "image-secret-file": true},
		"pod-3": {"image-root-user": false, "image-eol-os": false},
	} {
		for rule, found := range want {
			if slices.Contains(r.rules(pod), rule) != found {
				t.Errorf("%s: rule %s found: %v, want %v", pod, rule, !found, found)
			}
		}
	}
	if !slices.Equal(r.rules("pod-1"), r.rules("pod-2")) {
		t.Error("two containers of one image have different findings")
	}
	for _, f := range r.Findings {
		if f.Rule == "image-attack-tools" && (f.Path != "spec.containers[0].image" || f.Place.Line == 0 || !strings.Contains(f.Message, "/usr/bin/nmap")) {
			t.Errorf("finding %+v", f)
		}
	}
	unread := map[string]int{}
	for _, u := range r.Unknowns {
		if strings.Contains(u.Reason, "could not be read") {
			unread[u.Object.Name]++
			if u.Rule != "" {
				t.Errorf("an unread image is told for rule %s, not once", u.Rule)
			}
		}
	}
	if unread["pod-3"] != 1 || unread["pod-4"] != 1 || len(unread) != 2 {
		t.Errorf("unread images are told as %v", unread)
	}
	if len(r.Problems) != 3 || !strings.Contains(r.Problems[0].Hint, "--image-from") || !strings.Contains(r.Problems[1].Hint, "docker login") || !strings.Contains(r.Problems[2].Hint, "ullage db update") {
		t.Errorf("problems %+v", r.Problems)
	}
}

// TestCheckWithoutImages holds that rules about images say nothing then, and are
// counted.
func TestCheckWithoutImages(t *testing.T) {
	path := pods(t, "registry.example/web:1.4.2")
	without, _ := checkJSON(t, path)
	if without.Counts.ImageRulesNotEvaluated == 0 || len(without.Problems) > 0 {
		t.Errorf("counts %+v, problems %v", without.Counts, without.Problems)
	}
	for _, u := range without.Unknowns {
		if strings.HasPrefix(u.Rule, "image-") && u.Rule != "image-digest-pinned" {
			t.Errorf("rule %s is unknown without images", u.Rule)
		}
	}
	stdout, _, _ := runCheck(t, t.Context(), path)
	if strings.Count(stdout, "--images") != 1 {
		t.Errorf("the text tells of --images %d times", strings.Count(stdout, "--images"))
	}
	for _, args := range [][]string{{"--rule", "image-age"}, {"--mirror", "a=b"}, {"--image-jobs", "2"}} {
		if _, stderr, code := runCheck(t, t.Context(), append(args, path)...); code != exitUsage || !strings.Contains(stderr, "--images") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestCheckImagesWithoutDatabase holds that questions that only a database answers
// fail the check where there is none, said once, and that others do not.
func TestCheckImagesWithoutDatabase(t *testing.T) {
	good, _ := testImages(t)
	archive := filepath.Join(t.TempDir(), "web.tar")
	if err := tarball.WriteToFile(archive, must(name.NewTag("shop/web:dev")), good); err != nil {
		t.Fatal(err)
	}
	path := pods(t, "shop/web:dev", "docker.io/shop/web:dev")
	for rules, problems := range map[string]int{"image-high-cve,image-critical-cve": 1, "image-root-user": 0} {
		r, code := checkJSON(t, "--image-from", "shop/web:dev="+archive, "--rule", rules, path)
		if len(r.Problems) != problems || (code == exitIncomplete) != (problems > 0) || r.Counts.Passed+r.Counts.Unknown == 0 {
			t.Errorf("%s: problems %+v, %+v, exit code %d", rules, r.Problems, r.Counts, code)
		}
	}
}

// TestCheckedExceptionsOfVulnerabilities holds that exceptions from vulnerabilities are
// taken from the directories that are checked, and that one that covers nothing is told.
func TestCheckedExceptionsOfVulnerabilities(t *testing.T) {
	archive, db, dir := smallImage(t), zlibDatabase(t, "--feed", "kev"), t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: web, image: shop/web:1}\n")
	for _, c := range []struct {
		exceptions string
		found      bool
	}{
		{"apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions: []\n", true},
		{zlibException, false},
		{strings.ReplaceAll(zlibException, "2023-45853", "2023-1"), true},
	} {
		write("exceptions.yaml", c.exceptions)
		out, stderr, code := runCheck(t, t.Context(), "--image-from", "shop/web:1="+archive, "--db", db, "--no-store", dir)
		if strings.Contains(out, "CVE-2023-45853") != c.found || strings.Contains(out, "no-archives") != strings.Contains(c.exceptions, "CVE-2023-1]") || code != exitFindings {
			t.Errorf("%s: exit code %d: %s%s", c.exceptions, code, out, stderr)
		}
	}
}

// TestImageFrom reads an image that no registry has, as CI has just built it.
func TestImageFrom(t *testing.T) {
	_, bad := testImages(t)
	archive := filepath.Join(t.TempDir(), "web.tar")
	if err := tarball.WriteToFile(archive, must(name.NewTag("shop/web:dev")), bad); err != nil {
		t.Fatal(err)
	}
	path := pods(t, "docker.io/shop/web:dev", "registry.invalid/other:1")
	r, code := checkJSON(t, "--image-from", "shop/web:dev="+archive, "--rule", "image-root-user,image-eol-os", path)
	if len(r.rules("pod-0")) != 2 || len(r.Problems) > 0 || code != exitFindings {
		t.Errorf("findings %+v, problems %+v, exit code %d", r.Findings, r.Problems, code)
	}
	if len(r.Unknowns) != 1 || r.Unknowns[0].Object.Name != "pod-1" || !strings.Contains(r.Unknowns[0].Reason, "--images is not set") {
		t.Errorf("unknowns %+v", r.Unknowns)
	}
	bill := filepath.Join(t.TempDir(), "web.cdx.json")
	text, stderr, code := runImage(t, archive, "-o", "cyclonedx")
	if err := os.WriteFile(bill, []byte(text), 0o644); err != nil || text == "" {
		t.Fatal(err, stderr, code)
	}
	r, _ = checkJSON(t, "--image-from", "shop/web:dev="+bill, "--rule", "image-network-tools,image-eol-os", path)
	if !slices.Equal(r.rules("pod-0"), []string{"image-eol-os"}) || !slices.ContainsFunc(r.Unknowns, func(u struct {
		Rule, Reason string
		Object       struct{ Name string }
	}) bool {
		return u.Rule == "image-network-tools"
	}) {
		t.Errorf("by a bill of materials: findings %+v, unknowns %+v", r.Findings, r.Unknowns)
	}
	for _, wrong := range []string{"shop/web", "shop/webb:dev=" + archive, "=x", "x="} {
		if _, stderr, code := runCheck(t, t.Context(), "--image-from", wrong, path); code != exitUsage || !strings.Contains(stderr, "--image-from") {
			t.Errorf("--image-from %s: exit code %d, %s", wrong, code, stderr)
		}
	}
}

// TestMirrorForImages reads the images of the sample, which are nowhere, from a
// mirror.
func TestMirrorForImages(t *testing.T) {
	good, bad := testImages(t)
	host, _ := serveImages(t, map[string]v1.Image{"chandlery/catalog-api:latest": bad, "chandlery/postgres:16.4": good})
	r, code := checkJSON(t, "--images", "--mirror", "registry.example="+host, "--mirror", "docker.io="+host, "../../examples/chandlery")
	if code != exitIncomplete || !slices.Contains(r.rules("catalog-api"), "image-attack-tools") || slices.Contains(r.rules("postgres"), "image-attack-tools") {
		t.Errorf("exit code %d, findings of catalog-api %v", code, r.rules("catalog-api"))
	}
}

// TestSilentRegistry asks a registry that does not answer for one image only.
func TestSilentRegistry(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	defer server.Close()
	silent := strings.TrimPrefix(server.URL, "http://")
	good, _ := testImages(t)
	host, _ := serveImages(t, map[string]v1.Image{"good:1": good})
	images := []string{host + "/good:1"}
	for i := range 30 {
		images = append(images, fmt.Sprintf("%s/x:%d", silent, i))
	}
	r, code := checkJSON(t, "--images", "--rule", "image-root-user", "--image-timeout", "300ms", pods(t, images...))
	if n := asked.Load(); n == 0 || n > 4 {
		t.Errorf("the registry was asked %d times", n)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Reason, "30 images") || code != exitIncomplete {
		t.Errorf("problems %+v, exit code %d", r.Problems, code)
	}
}

func TestImagesInterrupted(t *testing.T) {
	begun := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, stderr, code := runCheck(t, ctx, "--images", pods(t, strings.TrimPrefix(server.URL, "http://")+"/x:1"))
	if code != exitUsage || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestImagesThatCannotBeRead tells all that was tried for an image, and what to do about the
// registry itself, not about what a mirror said of it.
func TestImagesThatCannotBeRead(t *testing.T) {
	empty, _ := serveImages(t, nil)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "<html>"+strings.Repeat("<p>people</p>\n", 500)+"</html>", http.StatusNotFound)
	}))
	defer page.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	at := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	for _, c := range []struct {
		name, image string
		mirror      string
		reason      []string // in this order
		hint        string
	}{
		{"no such image", empty + "/web:1", "", []string{"has no such image"}, "push the image first"},
		{"no registry", at(page) + "/web:1", "", []string{"speaks plain HTTP"}, "mend that, or give"},
		{"mirror without it", empty + "/web:1", at(page) + "/hub", []string{at(page) + "/hub/web:1", "; then ", "has no such image"}, "push the image first"},
		{"only the mirror answers", at(closed) + "/web:1", empty, []string{empty + "/web:1", "has no such image", "; then ", "nothing listens there"}, "mend that, or give"},
		{"wants a login", empty + "/secret/web:1", at(page), []string{"; then ", "wants to know who asks"}, "docker login"},
	} {
		args := []string{"--images", "--rule", "image-root-user", pods(t, c.image)}
		if c.mirror != "" {
			host, _, _ := strings.Cut(c.image, "/")
			args = append(args, "--mirror", host+"="+c.mirror)
		}
		r, code := checkJSON(t, args...)
		if len(r.Problems) != 1 || code != exitIncomplete {
			t.Errorf("%s: exit code %d, %+v", c.name, code, r.Problems)
			continue
		}
		rest := r.Problems[0].Reason
		if len(rest) > 1500 || strings.Contains(rest, "\n") {
			t.Errorf("%s: told in %d bytes: %s", c.name, len(rest), rest)
		}
		for _, part := range c.reason {
			i := strings.Index(rest, part)
			if i < 0 {
				t.Errorf("%s: no %q behind what comes before it in %s", c.name, part, r.Problems[0].Reason)
				break
			}
			rest = rest[i+len(part):]
		}
		if !strings.Contains(r.Problems[0].Hint, c.hint) {
			t.Errorf("%s: hint %q", c.name, r.Problems[0].Hint)
		}
	}
}
