package image

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestPackageOrigins: a package is of the layer since which it is there in its
// version, whoever wrote the database or a file of it later.
func TestPackageOrigins(t *testing.T) {
	stanza := func(name, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\n\n"
	}
	record := func(name string) string { return "P:" + name + "\nV:1\nA:x86_64\n\n" }
	status, installed := dpkgStatus[1:], apkInstalled[1:]
	first := tarOf(t,
		file{name: status, text: stanza("kept", "1") + stanza("changed", "1") + stanza("listed", "1") + stanza("again", "1")},
		file{name: dpkgInfo[1:] + "/listed.list", text: "/l\n"}, file{name: "l"},
		file{name: installed, text: record("meta")})
	second := tarOf(t,
		file{name: status, text: stanza("kept", "1") + stanza("changed", "2") + stanza("listed", "2")},
		file{name: installed, text: record("meta") + record("late")})
	third := tarOf(t,
		file{name: status, text: stanza("kept", "1") + stanza("changed", "2") + stanza("listed", "2") + stanza("again", "1")})
	path := filepath.Join(t.TempDir(), "x.tar")
	tag, err := name.NewTag("registry.example/x:1")
	if err == nil {
		err = tarball.WriteToFile(path, tag, sampleImage(t, "linux/amd64", first, second, third))
	}
	if err != nil {
		t.Fatal(err)
	}
	img, _ := readImage(t, path, Options{})
	got := map[string]int{}
	for _, p := range img.Packages {
		got[p.Name] = p.Layer + 1
	}
	if diff := cmp.Diff(map[string]int{"kept": 1, "changed": 2, "listed": 2, "again": 3, "meta": 1, "late": 2}, got); diff != "" {
		t.Errorf("(-want +read):\n%s", diff)
	}
}
