package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// hostileNames writes an image that has a command for the terminal wherever its
// maker chooses a text.
func hostileNames(t *testing.T) string {
	t.Helper()
	const e = "\x1b[31mRED\x1b[0m\a"
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: tarLayer(t, map[string]string{
			"etc/os-release":                       "ID=debian\nVERSION_ID=\"12" + e + "\"\nPRETTY_NAME=\"Debian " + e + "\"\n",
			"etc/passwd":                           "u" + e + ":x:0:0::/:/bin/sh\n",
			"var/lib/dpkg/status":                  "Package: zlib1g" + e + "\nStatus: install ok installed\nArchitecture: a" + e + "\nSource: z" + e + "\nVersion: 1:1.2" + e + "\n\n",
			"app/node_modules/x/package.json":      `{"name": "x\u001b[31mRED", "version": "1.0\u001b[31m", "license": "MIT\u001b[31m"}`,
			"bin/tool" + e:                         "\x7fELF\x02\x01\x01 tool",
			"app/" + e + ".env":                    "TOKEN" + e + "=" + imageCanary + "\nTOKEN=" + imageCanary + "\n",
			"usr/lib/python3/x.dist-info/METADATA": "Metadata-Version: 2.1\nName: p" + e + "\nVersion: 1" + e + "\n\n",
		}),
		History: v1.History{CreatedBy: "RUN " + e + " TOKEN=" + imageCanary},
	})
	if err == nil {
		img, err = mutate.Config(img, v1.Config{
			User: "u" + e, Entrypoint: []string{e}, Cmd: []string{"c" + e}, WorkingDir: "/" + e, StopSignal: "S" + e,
			Env: []string{"A" + e + "=b" + e, "TOKEN" + e + "=" + imageCanary}, Labels: map[string]string{"l" + e: "v" + e, "k" + e: imageCanary},
			ExposedPorts: map[string]struct{}{"80" + e: {}}, Volumes: map[string]struct{}{"/v" + e: {}},
		})
	}
	if err == nil {
		var file *v1.ConfigFile
		if file, err = img.ConfigFile(); err == nil {
			file.Architecture, file.OS, file.Variant = "a"+e, "l"+e, "v"+e
			img, err = mutate.ConfigFile(img, file)
		}
	}
	path := filepath.Join(t.TempDir(), "hostile.tar")
	if err == nil {
		err = tarball.WriteToFile(path, name.MustParseReference("registry.example/web:1").(name.Tag), img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImageCommandsToTerminal: no text that an image names reaches the terminal as
// a command to it.
func TestImageCommandsToTerminal(t *testing.T) {
	hostile, plain, store := hostileNames(t), smallImage(t), t.TempDir()
	bill, _, _ := runImage(t, "-o", "cyclonedx", hostile)
	billed := filepath.Join(t.TempDir(), "bill.json")
	if err := os.WriteFile(billed, []byte(bill), 0o600); err != nil {
		t.Fatal(err)
	}
	db := zlibDatabase(t)
	for _, args := range [][]string{
		{hostile}, {"-v", "--store", store, hostile}, {"-v", "--db", db, hostile}, {"--check", hostile}, {"-v", billed}, {"-v", "--fail-on", "any", hostile},
		{"diff", plain, hostile}, {"diff", "-v", hostile, plain}, {"diff", "-v", "--db", db, plain, billed}, {"-v", "--base", plain, hostile},
		{"list", "--store", store}, {"rematch", "--store", store, "--db", db}, {"history", "--store", store, "CVE-2023-45853"}, {"-v", "--verify", "--key", "none", hostile},
	} {
		out, errs, _ := runImage(t, args...)
		for line := range strings.Lines(out + errs) {
			if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl); i >= 0 {
				t.Errorf("%.60q: %q", args, line)
			}
		}
		if len(out)+len(errs) == 0 {
			t.Errorf("%.60q: nothing is said", args)
		}
	}
}
