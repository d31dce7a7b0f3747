package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was meant to be a declaration, and does not say so, is told; what only has a
// field of the same name is not.
func TestNearlyDeclarations(t *testing.T) {
	const about = "workloads: [{kind: Pod, name: web}]\n"
	for _, c := range []struct {
		file, text string
		told       bool
	}{
		{"ullage.yaml", "api: []\n", true},
		{"ullage.yml", "- a\n", true},
		{"ullage.yaml", "", false},
		{"other.yaml", about, true},
		{"other.yaml", about + "apiVersion: ullage.dev/v1alpha1\n", true},
		{"other.yaml", about + "kind: Declaration\n", true},
		{"other.yaml", about + "apiVersion: ullage.dev/v1alpha1\nkind: declaration\n", true},
		{"other.yaml", "workloads: []\npeers: {in: []}\n", true},
		{"other.yaml", about + "apiVersion: example.org/v1\nkind: Declaration\n", false},
		{"other.yaml", about + "kind: Other\n", false},
		{"other.yaml", "workloads: [{name: web, replicas: 2}]\n", false},
		{"other.yaml", "workloads: {web: 1}\npeers: {}\n", false},
		{"other.yaml", "api: []\n", false},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{c.file: c.text, "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: a}]}\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		read, err := Load(t.Context(), []string{dir}, Options{Namespace: "default"})
		if err != nil {
			t.Fatal(err)
		}
		told := len(read.Problems) == 1 && strings.Contains(read.Problems[0].Reason, "it looks like a declaration")
		if told != c.told || len(read.Problems) > 1 || len(read.Declarations) > 0 {
			t.Errorf("%s: %q: %v", c.file, c.text, read.Problems)
		}
	}
}
