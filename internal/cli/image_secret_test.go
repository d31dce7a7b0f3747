package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestImageSecretsEach tells each secret of a file with its line, and judges a token in
// a label as it does in a file.
func TestImageSecretsEach(t *testing.T) {
	const wrong = "ghp_CANARYcanaryCANARYcanaryCANARYzzzzzz"
	img := builtImage(t, v1.Config{Labels: map[string]string{"wrong": wrong, "right": imageCanary}}, map[string]string{
		"app/.env":   "DB_PASSWORD=Zk3rTq9wXv\nLOG=info\nSMTP_PASSWORD=Wq7zTk2rMn\nDB_PASSWORD=Zk3rTq9wXv\n",
		"app/a.txt":  wrong + "\n",
		"app/b.yaml": "token: " + imageCanary + "\n",
	})
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, must(name.NewTag("registry.example/web:1")), img); err != nil {
		t.Fatal(err)
	}
	text, stderr, code := runImage(t, path)
	for _, want := range []string{"named credential: /app/.env:1,4, DB_PASSWORD=[redacted]", "named credential: /app/.env:3, SMTP_PASSWORD=[redacted]", "GitHub token: label right", "GitHub token: /app/b.yaml:1", "its checksum is wrong (2)"} {
		if code != exitClean || !strings.Contains(text, want) {
			t.Errorf("exit %d %s: %q is missing:\n%s", code, stderr, want, text)
		}
	}
	verbose, _, _ := runImage(t, path, "-v")
	if _, rest, _ := strings.Cut(verbose, "GitHub token: label wrong\n"); !strings.HasPrefix(strings.TrimSpace(rest), "in doubt: its checksum is wrong\n") {
		t.Errorf("no reason for the doubt in a label:\n%s", verbose)
	}
	object, _, _ := runImage(t, path, "-o", "json")
	var j imageJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil {
		t.Fatal(err)
	}
	doubts := map[string]string{}
	for _, s := range j.Secrets.Found {
		doubts[fmt.Sprint(s.Path, s.Where)] = s.Doubt
	}
	if doubts["label wrong"] == "" || doubts["label wrong"] != doubts["/app/a.txt"] || doubts["label right"] != "" || doubts["/app/b.yaml"] != "" {
		t.Errorf("%v", doubts)
	}
	if strings.Contains(text+object, wrong) || strings.Contains(text+object, "Zk3rTq9wXv") {
		t.Error("a secret is shown")
	}
}
