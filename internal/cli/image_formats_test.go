package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runImageWith runs ullage image with variables of the environment.
func runImageWith(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), &Program{Args: append([]string{"image"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string {
		if name == "ULLAGE_DB" && env[name] == "" {
			return t.TempDir()
		}
		return env[name]
	}})
	return out.String(), errs.String(), code
}

// TestImageBills writes bills of materials, reads them back by prefix and by look,
// and finds no secret in them.
func TestImageBills(t *testing.T) {
	path := smallImage(t)
	env := map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}
	for _, format := range []string{"cyclonedx", "spdx"} {
		bill, stderr, code := runImageWith(t, env, "-o", format, path)
		if code != exitClean || stderr != "" || !strings.Contains(bill, "2023-11-14T22:13:20Z") || !strings.Contains(bill, "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12&upstream=zlib") {
			t.Fatalf("%s: exit %d: %s\n%s", format, code, stderr, bill)
		}
		if strings.Contains(bill, imageCanary) {
			t.Errorf("%s shows a secret of the configuration", format)
		}
		if again, _, _ := runImageWith(t, env, "-o", format, path); again != bill {
			t.Errorf("%s differs from run to run", format)
		}
		file := filepath.Join(t.TempDir(), "bill.json")
		if err := os.WriteFile(file, []byte(bill), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{file, "sbom:" + file} {
			text, stderr, code := runImageWith(t, nil, ref)
			if code != exitClean || !strings.Contains(text, "1: 1 Debian") || !strings.Contains(text, "programs, files and") || strings.Contains(text, "runs as root") {
				t.Errorf("%s: exit %d: %s\n%s", ref, code, stderr, text)
			}
		}
		object, _, _ := runImageWith(t, nil, "-o", "json", file)
		var j imageJSON
		if err := json.Unmarshal([]byte(object), &j); err != nil || j.Settings != nil || j.Programs != nil || len(j.Packages) != 1 || j.Packages[0].Source != "zlib" {
			t.Errorf("%v: %+v", err, j)
		}
	}
	if bill, _, _ := runImageWith(t, env, "-o", "cyclonedx", "--files", "never", path); !strings.Contains(bill, `"left out"`) {
		t.Error("files are not left out")
	}
	none := filepath.Join(t.TempDir(), "none.json")
	if err := os.WriteFile(none, []byte(`{"kind": "Pod"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{none}, {"sbom:" + none}, {"sbom:nowhere.json"}, {"nowhere.cdx.json"}, {"-o", "pdf", path}, {"--files", "some", path}} {
		if _, stderr, code := runImageWith(t, nil, args...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	if _, stderr, code := runImageWith(t, map[string]string{"SOURCE_DATE_EPOCH": "soon"}, "-o", "spdx", path); code != exitUsage || !strings.Contains(stderr, "SOURCE_DATE_EPOCH") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
