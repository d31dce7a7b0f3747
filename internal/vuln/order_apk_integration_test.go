//go:build integration

package vuln

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestApkAgreesWithApkTools holds the comparisons that apk-tools tests itself with. Debian has no
// apk; a Go module carries the file, and the checksum database says that it is the same everywhere.
func TestApkAgreesWithApkTools(t *testing.T) {
	const module, sum = "github.com/knqyf263/go-apk-version@v0.0.0-20200609155635-041fdbb8563f", "h1:GvCU5GXhHq+7LeOzx/haG7HSIZokl3/0GkoUFzsRJjg="
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	download.Dir = t.TempDir() // of no module
	out, err := download.Output()
	var got struct{ Dir, Sum string }
	if err != nil || json.Unmarshal(out, &got) != nil || got.Dir == "" {
		t.Skipf("%s cannot be downloaded: %v", module, err)
	}
	if got.Sum != sum {
		t.Fatalf("%s has the sum %s, not %s", module, got.Sum, sum)
	}
	text, err := os.ReadFile(filepath.Join(got.Dir, "version.data"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		want, known := map[string]int{"<": -1, "=": 0, ">": 1}[f[1]]
		if got := compareSign(Apk, f[0], f[2]); !known || got != want {
			t.Errorf("%s against %s is %d, not %s", f[0], f[2], got, f[1])
		}
		compared++
	}
	if compared < 700 {
		t.Errorf("only %d comparisons in %d bytes", compared, len(text))
	}
}
