package policy

import (
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// TestResourceOfServer matches an object by the plural that the server has for its
// kind, and by the usual one only where that is not known.
func TestResourceOfServer(t *testing.T) {
	for _, c := range []struct {
		served, pattern string
		want            bool
	}{
		{"oxen", "oxen", true}, {"oxen", "oxes", false}, {"oxen", "*", true}, {"oxen", "oxen/*", true}, {"oxen", "oxen/status", false}, {"", "oxes", true}, {"", "oxen", false},
	} {
		root, err := tree.FromJSON([]byte(`{"apiVersion": "example.org/v1", "kind": "Ox", "metadata": {"name": "o", "namespace": "shop"}}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		o, err := model.NewLiveObject(root, model.Live{Cluster: "c", Resource: c.served, Interner: tree.NewInterner()})
		if err != nil {
			t.Fatal(err)
		}
		r := ResourceRule{Groups: []string{"example.org"}, Versions: []string{"v1"}, Operations: []string{"CREATE"}, Resources: []string{c.pattern}}
		if got := r.matches(o, false); got != c.want {
			t.Errorf("%q served as %q: %t", c.pattern, c.served, got)
		}
	}
}
