package cli

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"ullage.dev/ullage/internal/behavior"
	"ullage.dev/ullage/internal/store"
)

// TestUseOfPackages ranks a vulnerability higher once a container of the image was seen to map
// a library of the package: of this image, and not one that another one has, that was refused or
// is of a volume.
func TestUseOfPackages(t *testing.T) {
	const library = "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13"
	img := builtImage(t, v1.Config{}, map[string]string{
		"etc/os-release":                "ID=debian\nVERSION_ID=\"12\"\n",
		"var/lib/dpkg/status":           "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\n\n",
		"var/lib/dpkg/info/zlib1g.list": "/.\n" + library + "\n",
		library[1:]:                     elf,
	})
	path, dir, db := filepath.Join(t.TempDir(), "web.tar"), t.TempDir(), zlibDatabase(t)
	if err := tarball.WriteToFile(path, must(name.NewTag("registry.example/shop/web:1")), img); err != nil {
		t.Fatal(err)
	}
	digest := must(img.ConfigName()).String()
	found := func() (priority int, reasons []string) {
		stdout, stderr, code := runImage(t, path, "--store", dir, "--db", db, "-o", "json")
		var doc struct {
			Vulnerabilities struct {
				Found []struct {
					Priority int
					Reasons  []string
				}
			}
		}
		if err := json.Unmarshal([]byte(stdout), &doc); err != nil || code != exitClean || stderr != "" || len(doc.Vulnerabilities.Found) != 1 {
			t.Fatalf("exit code %d: %v: %s%s", code, err, stdout, stderr)
		}
		return doc.Vulnerabilities.Found[0].Priority, doc.Vulnerabilities.Found[0].Reasons
	}
	learn := func(workload, image string, f behavior.Fact) {
		s, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := behavior.New(behavior.Subject{Namespace: "shop", Kind: "Deployment", Name: workload, Container: "web", Image: image})
		b.Observe(f, behavior.SeenAt(behavior.Moment(time.Now().Unix()), "web-1", "run-1"))
		if err := s.Learn(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	mapped := func(layer behavior.Layer, outcome behavior.Outcome) behavior.Fact {
		return behavior.Fact{Kind: behavior.Map, Phase: behavior.Steady, Origin: behavior.Entrypoint, Outcome: outcome, Program: behavior.Program{File: behavior.File{Path: "/web", Layer: behavior.InImage}}, File: behavior.File{Path: library, Layer: layer}}
	}
	before, _ := found()
	learn("other", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", mapped(behavior.InImage, behavior.Allowed))
	learn("volume", digest, mapped(behavior.OtherMount, behavior.Allowed))
	learn("refused", digest, mapped(behavior.InImage, behavior.Denied))
	if priority, reasons := found(); priority != before || slices.ContainsFunc(reasons, func(s string) bool { return strings.HasPrefix(s, "in use") }) {
		t.Errorf("not used: %d, not %d: %q", priority, before, reasons)
	}
	learn("web", digest, mapped(behavior.InImage, behavior.Allowed))
	if priority, reasons := found(); priority <= before || !slices.Contains(reasons, "in use (Deployment/shop/web)") {
		t.Errorf("in use: %d, %d before: %q", priority, before, reasons)
	}
}
