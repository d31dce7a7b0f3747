package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// say puts a record on a package of a release of a distribution into its feed.
func (b *lifeBench) say(cve, release, source, fixed string) {
	events := `{"introduced": "0"}`
	if fixed != "" {
		events += `, {"fixed": "` + fixed + `"}`
	}
	id := strings.ToUpper(release[:strings.IndexByte(release, ':')]) + "-" + cve
	b.records[id+release] = fmt.Sprintf(`{"id": %q, "upstream": [%q], "modified": "2026-01-01T00:00:00Z", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected": [{"package": {"ecosystem": %q, "name": %q}, "ranges": [{"type": "ECOSYSTEM", "events": [%s]}]}]}`, id+"-"+release[len(release)-2:], cve, release, source, events)
}

// put puts an image of one layer under a tag.
func (b *lifeBench) put(tag string, files map[string]string) {
	b.t.Helper()
	img, err := mutate.AppendLayers(empty.Image, tarLayer(b.t, files))
	if err == nil {
		img, err = mutate.ConfigFile(img, configOf(b.t, img))
	}
	if err == nil {
		var ref name.Reference
		if ref, err = name.ParseReference(b.registry + "/" + tag); err == nil {
			err = remote.Write(ref, img)
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// configOf is the configuration of an image, for amd64.
func configOf(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture = "linux", "amd64"
	return c
}

// debian is a file system of a release with packages, as "NAME SOURCE VERSION".
func debian(release string, packages ...string) map[string]string {
	var status strings.Builder
	for _, p := range packages {
		f := strings.Fields(p)
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nSource: %s\nVersion: %s\n\n", f[0], f[1], f[2])
	}
	return map[string]string{"etc/os-release": "ID=debian\nVERSION_ID=\"" + release + "\"\n", "var/lib/dpkg/status": status.String()}
}

// TestChangeOfDistribution moves a tag to another release and to another distribution.
// What both have under other names of packages neither comes nor goes, and keeps its age;
// what the other one has no data on is not called fixed.
func TestChangeOfDistribution(t *testing.T) {
	const apk = "P:libssl3\nV:3.3.1-r0\nA:x86_64\no:openssl\n\nP:libcrypto3\nV:3.3.1-r0\nA:x86_64\no:openssl\n\nP:zlib\nV:1.3.1-r2\nA:x86_64\no:zlib\n\n"
	bookworm := debian("12", "libssl3 openssl 3.0.13-1", "zlib1g zlib 1:1.2.13-1")
	for _, c := range []struct {
		name          string
		files         map[string]string
		watch, absent []string
		history       []string
	}{
		{
			"Debian 13", debian("13", "libssl3t64 openssl 3.5.0-2", "zlib1g zlib 1:1.3.1-1"),
			[]string{"new CRITICAL CVE-2026-0003 libssl3t64", "gone CRITICAL CVE-2026-0001 zlib1g", "same CRITICAL CVE-2026-0002 libssl3t64 3.5.0-2, before in libssl3 3.0.13-1"},
			[]string{"new CRITICAL CVE-2026-0002", "gone CRITICAL CVE-2026-0002"},
			[]string{"CVE-2026-0002 libssl3 3.0.13-1, found DAY, fix since DAY, since DAY in libssl3t64 3.5.0-2 of sha256:", "CVE-2026-0001 zlib1g 1:1.2.13-1, found DAY, fixed in sha256:"},
		},
		{
			"Alpine", map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.20.1\n", "lib/apk/db/installed": apk},
			[]string{"gone CRITICAL CVE-2026-0001 zlib1g", "same CRITICAL CVE-2026-0002 libcrypto3 3.3.1-r0, fixed in 3.3.2-r0, before in libssl3 3.0.13-1", "same CRITICAL CVE-2026-0002 libssl3 3.3.1-r0"},
			[]string{"new CRITICAL", "gone CRITICAL CVE-2026-0002"},
			[]string{"CVE-2026-0002 libssl3 3.0.13-1, found DAY, fix since DAY, since DAY in libssl3 3.3.1-r0 of sha256:", "CVE-2026-0002 libcrypto3 3.3.1-r0, found DAY, fix since DAY"},
		},
		{
			"Wolfi", map[string]string{"etc/os-release": "ID=wolfi\nVERSION_ID=20230201\n", "lib/apk/db/installed": apk},
			[]string{"not known of 2 vulnerabilities of the image before", "? CRITICAL CVE-2026-0001 zlib1g", "? CRITICAL CVE-2026-0002 libssl3", "no data on Wolfi"},
			[]string{"gone", "no vulnerability came or went"},
			[]string{"not wholly judged: no data on Wolfi", "CVE-2026-0002 libssl3 3.0.13-1, found DAY, fix since DAY, whether it is fixed is not known"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newLifeBench(t)
			b.say("CVE-2026-0001", "Debian:12", "zlib", "")
			b.say("CVE-2026-0002", "Debian:12", "openssl", "3.0.14-1")
			b.say("CVE-2026-0002", "Debian:13", "openssl", "")
			b.say("CVE-2026-0003", "Debian:13", "openssl", "")
			b.say("CVE-2026-0002", "Alpine:v3.20", "openssl", "3.3.2-r0")
			b.run(exitClean, "db", "update", "--feed", "osv/Debian", "--feed", "osv/Alpine")
			ref, today := b.registry+"/web:1", time.Now().UTC().Format(time.DateOnly)
			b.put("web:1", bookworm)
			b.run(exitClean, "image", "watch", "--once", ref)
			old := b.registry + "/web@" + b.manifestOf(ref)
			b.put("web:1", c.files)
			code := exitClean
			if c.name == "Wolfi" {
				code = exitIncomplete
			}
			text := unwrapped(b.run(code, "image", "watch", "--once", ref))
			contains(t, text, c.watch...)
			for _, wrong := range c.absent {
				if strings.Contains(text, wrong) {
					t.Errorf("%q is in\n%s", wrong, text)
				}
			}
			text = unwrapped(b.run(exitClean, "image", "history", ref))
			for _, want := range c.history {
				contains(t, text, strings.ReplaceAll(want, "DAY", today))
			}
			now := b.registry + "/web@" + b.manifestOf(ref)
			running := func(at time.Time, digest string) (doc runningJSON) {
				b.run(exitClean, "image", "running", "--from", savedClusterAt(t, at, "v1.34.1", nil, runningPod("web", ref, digest), amd64Node))
				if err := json.Unmarshal([]byte(b.run(exitClean, "image", "running", "-o", "json")), &doc); err != nil {
					t.Fatal(err)
				}
				return doc
			}
			day := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -3)
			for _, f := range running(day, old).Images[0].Found {
				if mended := f.FixedIn != ""; mended != (f.ID == "CVE-2026-0001" && c.name != "Wolfi") {
					t.Errorf("%s is mended and not rolled out: %v", f.ID, mended)
				}
			}
			doc := running(day.AddDate(0, 0, 1), now)
			if c.name == "Wolfi" {
				if len(doc.Gone) != 0 || len(doc.Open) != 1 || len(doc.Open[0].Findings) != 2 {
					t.Errorf("gone %+v, open %+v", doc.Gone, doc.Open)
				}
				return
			}
			if len(doc.Gone) != 1 || doc.Gone[0].ID != "CVE-2026-0001" || len(doc.Open) != 0 {
				t.Errorf("gone %+v, open %+v", doc.Gone, doc.Open)
			}
		})
	}
}
