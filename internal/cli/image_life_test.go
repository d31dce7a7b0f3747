package cli

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	serve "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"ullage.dev/ullage/internal/store"
)

// lifeBench is a mirror of advisories, a registry, a database and a store. Each
// command is a program of its own, which knows what is on disk alone.
type lifeBench struct {
	t        *testing.T
	records  map[string]string // by id
	mirror   *httptest.Server
	registry string
	env      map[string]string
}

func newLifeBench(t *testing.T) *lifeBench {
	b := &lifeBench{t: t, records: map[string]string{}}
	b.mirror = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ecosystem, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/osv/"), "/all.zip")
		if !ok {
			http.NotFound(w, r)
			return
		}
		var feed bytes.Buffer
		z := zip.NewWriter(&feed)
		for id, text := range b.records {
			if !strings.Contains(text, `"ecosystem": "`+ecosystem+`:`) {
				continue
			}
			if f, err := z.Create(id + ".json"); err == nil {
				f.Write([]byte(text))
			}
		}
		z.Close()
		w.Write(feed.Bytes())
	}))
	t.Cleanup(b.mirror.Close)
	registry := httptest.NewServer(serve.New(serve.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(registry.Close)
	b.registry = strings.TrimPrefix(registry.URL, "http://")
	b.env = map[string]string{"ULLAGE_DB": t.TempDir(), "ULLAGE_STORE": t.TempDir(), "ULLAGE_DB_MIRROR": b.mirror.URL}
	return b
}

// advise puts a record on zlib of Debian 12 into the feed.
func (b *lifeBench) advise(id, fixed, more string) {
	events := `{"introduced": "0"}`
	if fixed != "" {
		events += `, {"fixed": "` + fixed + `"}`
	}
	b.records[id] = fmt.Sprintf(`{"id": "DEBIAN-%[1]s", "upstream": ["%[1]s"], "modified": "2026-01-01T00:00:%02[4]dZ", %[3]s "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected": [{"package": {"ecosystem": "Debian:12", "name": "zlib"}, "ranges": [{"type": "ECOSYSTEM", "events": [%[2]s]}]}]}`, id, events, more, len(b.records))
}

func (b *lifeBench) run(code int, args ...string) string {
	b.t.Helper()
	var out, errs bytes.Buffer
	got := Run(b.t.Context(), &Program{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return b.env[name] }})
	if got != code {
		b.t.Fatalf("%q: exit %d, want %d\n%s%s", args, got, code, out.String(), errs.String())
	}
	return out.String() + errs.String()
}

func (b *lifeBench) update() string { return b.run(exitClean, "db", "update", "--feed", "osv/Debian") }

// push puts the sample image with another version of zlib under a tag.
func (b *lifeBench) push(tag, version string) {
	b.t.Helper()
	text, err := os.ReadFile(smallImage(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.t.TempDir(), "image.tar")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(path, nil)
	if err == nil && version != "" {
		img, err = withZlib(b.t, img, version)
	}
	ref, err2 := name.ParseReference(b.registry + "/" + tag)
	if err = errors.Join(err, err2); err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func withZlib(t *testing.T, img v1.Image, version string) (v1.Image, error) {
	return mutate.AppendLayers(img, tarLayer(t, map[string]string{"var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: " + version + "\n\n"}))
}

func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}

// TestLifeRoundTrip updates, matches, updates again with an advisory that came, one
// that got a fix and one that was withdrawn, and matches anew without the image,
// which is gone from the registry's disk by then; then the tag moves.
func TestLifeRoundTrip(t *testing.T) {
	b := newLifeBench(t)
	b.push("web:1", "")
	b.run(exitIncomplete, "image", "list")
	b.run(exitIncomplete, "image", "rematch")
	b.run(exitClean, "image", b.registry+"/web:1")
	contains(t, b.run(exitClean, "image", "history", b.registry+"/web:1"), "not known: it was never held against advisories")
	contains(t, b.run(exitClean, "image", "history", "-o", "json", b.registry+"/web:1"), `"vulnerabilities": null`)
	contains(t, b.run(exitClean, "image", "list"), "not matched")
	b.run(exitIncomplete, "image", "rematch")
	b.advise("CVE-2026-0001", "", "")
	b.advise("CVE-2026-0002", "1:1.2.13.dfsg-2", "")
	b.update()
	ref := b.registry + "/web:1"
	contains(t, b.run(exitClean, "image", ref), "2: 2 critical; 1 with a fix")
	if text := b.run(exitClean, "image", "rematch"); !strings.Contains(text, "1 image matched; in 1 of them nothing is different") {
		t.Errorf("nothing changed: %s", text)
	}

	b.advise("CVE-2026-0003", "", "")
	b.advise("CVE-2026-0001", "1:1.2.13.dfsg-3", "")
	b.advise("CVE-2026-0002", "1:1.2.13.dfsg-2", `"withdrawn": "2026-02-01T00:00:00Z",`)
	contains(t, b.update(), "ullage image rematch")
	text := b.run(exitClean, "image", "rematch")
	contains(t, text, "new   CRITICAL  CVE-2026-0003  zlib1g 1:1.2.13.dfsg-1", "fix   CRITICAL  CVE-2026-0001  zlib1g 1:1.2.13.dfsg-1, fixed in 1:1.2.13.dfsg-3", "gone  CRITICAL  CVE-2026-0002")
	var again struct {
		Images []struct {
			Found int
			New   []storedFindingJSON
		}
	}
	if err := json.Unmarshal([]byte(b.run(exitClean, "image", "rematch", "-o", "json")), &again); err != nil || len(again.Images) != 1 || again.Images[0].Found != 2 || len(again.Images[0].New) != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}

	b.advise("CVE-2026-0004", "", "")
	b.advise("CVE-2026-0005", "", "")
	b.update()
	exceptions, statements := filepath.Join(t.TempDir(), "e.yaml"), filepath.Join(t.TempDir(), "v.json")
	for path, text := range map[string]string{
		exceptions: "apiVersion: ullage.dev/v1alpha1\nkind: Exceptions\nexceptions:\n- {id: a, rules: [CVE-2026-0004], match: {images: ['" + b.registry + "/web:*']}, reason: not reached, owner: team shop, expires: 2100-01-01}\n",
		statements: `{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {"name": "CVE-2026-0005"}, "status": "not_affected", "justification": "vulnerable_code_not_present", "products": [{"@id": "pkg:deb/debian/zlib1g?distro=debian-12"}]}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text = b.run(exitClean, "image", "rematch", "--exceptions", exceptions, "--vex", statements)
	contains(t, text, "CVE-2026-0004  zlib1g 1:1.2.13.dfsg-1, accepted by team shop until 2100-01-01: not reached", "CVE-2026-0005  zlib1g 1:1.2.13.dfsg-1, ruled out: ")
	contains(t, b.run(exitClean, "image", "rematch", "--exceptions", exceptions, "--vex", statements, "-o", "json"), `"found": 4`, `"decided": 2`)
	for _, id := range []string{"CVE-2026-0004", "CVE-2026-0005"} {
		b.advise(id, "", `"withdrawn": "2026-02-01T00:00:00Z",`)
	}
	b.update()
	b.run(exitClean, "image", "rematch")

	b.push("web:1", "1:1.2.13.dfsg-3")
	text = b.run(exitClean, "image", "watch", "--once", ref)
	contains(t, text, "moved from", "gone  CRITICAL  CVE-2026-0001")
	if strings.Contains(text, "new ") || strings.Contains(text, "CVE-2026-0003") {
		t.Errorf("what stayed is told as new:\n%s", text)
	}
	contains(t, b.run(exitClean, "image", "watch", "--once", ref), "nothing new")
	today := time.Now().UTC().Format(time.DateOnly)
	contains(t, b.run(exitClean, "image", "history", ref), "CVE-2026-0001 zlib1g 1:1.2.13.dfsg-1, found "+today+", fix since "+today+", fixed in\n              sha256:", "CVE-2026-0003 zlib1g 1:1.2.13.dfsg-3, found "+today)
	contains(t, b.run(exitClean, "image", "list"), ref, "1 critical; 0 with a fix", "replaced images that are not listed: 1")
	contains(t, b.run(exitClean, "image", "list", "--all"), "(replaced)")
	b.run(exitIncomplete, "image", "history", "registry.example/never:1")
	for _, c := range []struct{ args, has, left []string }{
		{[]string{"--vulnerability", "cve-2026-0001"}, []string{"CVE-2026-0001"}, []string{"CVE-2026-0003"}},
		{[]string{"--package", "zlib*,nothing"}, []string{"CVE-2026-0001", "CVE-2026-0003"}, nil},
		{[]string{"--package", "openssl"}, []string{"none of what is asked for", "not asked for: "}, []string{"CVE-2026-0001", "CVE-2026-0003"}},
		{[]string{"--since", "1d", "--severity", "critical"}, []string{"CVE-2026-0001", "CVE-2026-0003"}, nil},
		{[]string{"--since", "2999-01-01"}, []string{"none of what is asked for"}, []string{"CVE-2026-0001"}},
		{[]string{"--severity", "low"}, []string{"none of what is asked for"}, []string{"CVE-2026-0001"}},
	} {
		text := b.run(exitClean, append([]string{"image", "history", ref}, c.args...)...)
		contains(t, text, c.has...)
		for _, not := range c.left {
			if strings.Contains(text, not) {
				t.Errorf("%v tells of %s:\n%s", c.args, not, text)
			}
		}
	}
	for _, args := range [][]string{{"--since", "yesterday"}, {"--severity", "bad"}, {"--package", "["}} {
		b.run(exitUsage, append([]string{"image", "history", ref}, args...)...)
	}
}

// TestMovedToUnidentified moves a tag to an image in which nothing is identified: what was
// found before is not gone, as far as anybody knows.
func TestMovedToUnidentified(t *testing.T) {
	b := newLifeBench(t)
	b.push("web:1", "")
	b.advise("CVE-2026-0001", "", "")
	b.update()
	ref := b.registry + "/web:1"
	b.run(exitClean, "image", "watch", "--once", ref)
	img, err := mutate.AppendLayers(empty.Image, tarLayer(t, map[string]string{"app": "compiled"}))
	target, err2 := name.ParseReference(ref)
	if err = errors.Join(err, err2); err == nil {
		err = remote.Write(target, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := b.run(exitIncomplete, "image", "watch", "--once", ref)
	contains(t, text, "moved from", "not known of 1 vulnerability of the image before", "no package was identified")
	if strings.Contains(text, "gone") || strings.Contains(text, "came or went") {
		t.Error(text)
	}
	contains(t, b.run(exitClean, "image", "watch", "--once", "-o", "json", ref), `"unjudged":"no package was identified in it"`)
	if text := b.run(exitClean, "image", "history", ref); strings.Contains(text, "fixed in") || !strings.Contains(text, "CVE-2026-0001") {
		t.Error(text)
	}
	contains(t, b.run(exitIncomplete, "image", "diff", "docker-archive:"+smallImage(t), ref), "not known of the new image: no package was identified", "1 not known")
	contains(t, b.run(exitIncomplete, "image", "diff", "-o", "json", "docker-archive:"+smallImage(t), ref), `"worse": null`, `"complete": false`)
	contains(t, b.run(exitIncomplete, "image", ref, "--check", "-o", "json"), "no package was identified in the image")
}

// TestWatchStream writes a line of JSON for each look, also for a registry that is
// not there.
func TestWatchStream(t *testing.T) {
	b := newLifeBench(t)
	b.push("web:1", "")
	b.advise("CVE-2026-0001", "", "")
	b.update()
	var events []string
	for line := range strings.Lines(b.run(exitIncomplete, "image", "watch", "--once", "-o", "json", b.registry+"/web:1", b.registry+"/none:1", b.registry+"/web:1")) {
		if strings.HasPrefix(line, "ullage: ") {
			continue
		}
		var e struct{ Event, Error string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, e.Event)
	}
	if got := strings.Join(events, " "); got != "new failed same" {
		t.Errorf("events %s", got)
	}
	for _, args := range [][]string{{"watch"}, {"watch", "x", "--interval", "1s"}, {"list", "x"}, {"rematch", "-o", "xml"}, {"history"}} {
		b.run(exitUsage, append([]string{"image"}, args...)...)
	}
}

// TestLifePolicy reads the policy of a project and says who is to mend what until
// when.
func TestLifePolicy(t *testing.T) {
	b := newLifeBench(t)
	b.push("payments/web:1", "")
	b.advise("CVE-2026-0001", "1:1.2.13.dfsg-3", "")
	b.advise("CVE-2026-0002", "", "")
	b.update()
	config := filepath.Join(t.TempDir(), "ullage.yaml")
	write := func(text string) {
		if err := os.WriteFile(config, []byte("apiVersion: ullage.dev/v1alpha1\nkind: Config\nvulnerabilities:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ref := b.registry + "/payments/web:1"
	write("  due: {critical: 2w}\n  owners:\n  - {images: ['*/payments/*'], owner: payments}\n")
	text := b.run(exitClean, "image", ref, "--config", config)
	contains(t, text, "owner             payments", "due "+time.Now().UTC().AddDate(0, 0, 14).Format(time.DateOnly))
	if strings.Count(text, "due 20") != 1 {
		t.Errorf("what nothing mends is due:\n%s", text)
	}
	write("  due: {critical: 0d}\n  owners:\n  - {images: ['*/payments/*'], owner: payments}\n")
	time.Sleep(1100 * time.Millisecond) // times are kept to the second
	contains(t, b.run(exitClean, "image", ref, "--config", config), "overdue           1, for payments to mend", "OVERDUE since")
	for text, want := range map[string]string{
		"  due: {critical: soon}\n":   "ullage.yaml:4:9: due: \"soon\" is not a number of days",
		"  due: {severe: 1d}\n":       "unknown field \"severe\"",
		"  owners: [{owner: a}]\n":    "name images and an owner",
		"  until: never\n":            "unknown field \"until\"",
		"  owners: [{images: ['*']}]": "name images and an owner",
	} {
		write(text)
		contains(t, b.run(exitUsage, "image", ref, "--config", config), want)
	}
}

func TestLifePolicyPatterns(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "x/y", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abcb", false},
		{"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"aa*aa", "aaa", false}, {"*b*b*", "ab", false}, {"*b*b*", "abb", true},
	} {
		if got := matchesPattern(x.pattern, x.text); got != x.want {
			t.Errorf("%q %q: %v", x.pattern, x.text, got)
		}
	}
	for text, want := range map[string]int{"7d": 7, "2w": 14, "0d": 0, "d": -1, "7": -1, "-1d": -1, "7dd": -1, "7wd": -1, "1e3d": -1, "99999d": -1} {
		days, ok := parseDays(text)
		if ok != (want >= 0) || ok && days != want {
			t.Errorf("%s: %d, %v", text, days, ok)
		}
	}
	found, fix := time.Unix(1_800_000_000, 0), time.Unix(1_800_100_000, 0)
	policy := lifePolicy{due: map[string]int{"high": 7}}
	if due, ok := policy.until("high", store.Life{Since: found, FixSince: fix}); !ok || !due.Equal(fix.AddDate(0, 0, 7)) {
		t.Errorf("due %v, %v", due, ok)
	}
}
