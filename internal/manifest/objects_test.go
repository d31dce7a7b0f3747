package manifest_test

import (
	"os"
	"path/filepath"
	"testing"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/tree"
)

func TestObjectsAgreesWithLoad(t *testing.T) {
	const text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\nbroken: [\n---\nnot: kubernetes\n---\napiVersion: v1\nkind: List\nitems:\n" +
		"- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n- {apiVersion: v1, kind: Service, metadata: {name: c, namespace: d}}\n"
	name := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := manifest.Options{Namespace: "shop"}
	in, err := manifest.Load(t.Context(), []string{name}, o)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Objects(t.Context(), &tree.File{Name: name, Text: text}, o)
	if err != nil || len(objects) != 3 || len(in.Objects) != 3 {
		t.Fatalf("%v: %d and %d objects", err, len(objects), len(in.Objects))
	}
	for i, want := range in.Objects {
		if got := objects[i]; got.Key != want.Key || got.Root.Hash() != want.Root.Hash() || got.Source.Document != want.Source.Document {
			t.Errorf("%s in document %d, want %s in %d", got.Key, got.Source.Document, want.Key, want.Source.Document)
		}
	}
}
