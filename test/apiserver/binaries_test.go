package apiserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVersions holds the versions against what is pinned, and the directory
// against the versions: binaries of other ones must not be found in it.
func TestVersions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "kubernetes", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ULLAGE_TEST_KUBERNETES_DIR", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	if len(Modules) != len(Binaries) {
		t.Errorf("%d modules for %d binaries", len(Modules), len(Binaries))
	}
	for path, version := range Modules {
		if !strings.Contains(string(text), path+" "+version+"\n") && !strings.Contains(string(text), path+" "+version+" //") {
			t.Errorf("%s %s is not what go.mod pins", path, version)
		}
		if !strings.Contains(filepath.Base(dir), version) {
			t.Errorf("directory %s does not tell %s of %s", dir, version, path)
		}
	}
}
