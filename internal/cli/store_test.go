package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImageStore reads an image that is known from the store, one that is not what it
// was any more, and goes on without a store that cannot be used.
func TestImageStore(t *testing.T) {
	dir, path := t.TempDir(), smallImage(t)
	cold, stderr, code := runImage(t, path, "--store", dir)
	if code != exitClean || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if warm, stderr, code := runImage(t, path, "--store", dir); warm != cold || code != exitClean || stderr != "" {
		t.Errorf("warm: exit %d: %s\n%s\nwant\n%s", code, stderr, warm, cold)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(whole), "Package: zlib1g", "Package: zlib2g", 1)
	if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--verbose", "--no-store", "--check-diff-ids"} {
		if text, _, code := runImage(t, path, "--store", dir, flag); code != exitIncomplete || !strings.Contains(text, "Not read") {
			t.Errorf("%s: exit %d\n%s", flag, code, text)
		}
	}
	other := t.TempDir()
	runImage(t, path, "--store", other)
	if list, _, _ := runImage(t, "list", "--store", other, "-o", "json"); strings.Contains(list, "web:1.4.2") {
		t.Errorf("an archive that lies is remembered as the image that it says it is:\n%s", list)
	}
	if list, _, _ := runImage(t, "list", "--store", dir, "-o", "json"); !strings.Contains(list, "web:1.4.2") {
		t.Errorf("the image is not remembered:\n%s", list)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, stderr, code := runImage(t, "history", path, "--store", dir); code != exitClean || !strings.HasPrefix(text, "registry.example/web:1.4.2") {
		t.Errorf("the history of an archive: exit %d: %s%s", code, text, stderr)
	}
	if _, stderr, code := runImage(t, "history", path, "--store", other); code != exitIncomplete || !strings.Contains(stderr, "ullage image "+path+" reads it") {
		t.Errorf("the history of an archive that was never read: exit %d: %s", code, stderr)
	}

	none := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, stderr, code := runImage(t, smallImage(t), "--store", none); code != exitClean || !strings.Contains(stderr, "going on without it") || !strings.Contains(text, "Debian") {
		t.Errorf("without a usable store: exit %d, %q\n%s", code, stderr, text)
	}
}
