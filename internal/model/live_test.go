package model

import (
	"reflect"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

func live(t *testing.T, text string, l Live) *Object {
	t.Helper()
	root, err := tree.FromJSON([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Cluster = "dev"
	if l.Interner == nil {
		l.Interner = tree.NewInterner()
	}
	o, err := NewLiveObject(root, l)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const livePod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"newField": 1,
	"containers": [{"name": "a", "image": "a", "args": ["--password=canary-1", "--password", "canary-3"], "env": [{"name": "PASSWORD", "value": "canary-2"}]}]}}`

// TestLiveObject holds an object of a cluster against the same one of a file.
func TestLiveObject(t *testing.T) {
	o := live(t, livePod, Live{})
	var file *Object
	for doc := range tree.Parse(&tree.File{Name: "pod.json", Text: livePod}) {
		var err error
		if file, err = NewObject(doc.Root, &Source{File: doc.File}, "dev", "other"); err != nil {
			t.Fatal(err)
		}
	}
	if o.Key != file.Key || o.Root.Hash() != file.Root.Hash() || !reflect.DeepEqual(o.Credentials, file.Credentials) || len(o.Credentials) != 3 || len(o.Pods()) != 1 {
		t.Errorf("%+v, want %+v", o, file)
	}
	if o.Pods()[0].Spec.Hash() != file.Pods()[0].Spec.Hash() || o.Pods()[0].Spec != o.Root.Get("spec") {
		t.Error("the pod is not that of the tree")
	}
	if len(o.UnknownFields) > 0 || len(file.UnknownFields) == 0 {
		t.Error("a field that a server serves is one that we do not know yet")
	}
	if o.Place() != (Place{Live: "Pod/shop/web (cluster dev)"}) || o.Source.Place(o.Root.Get("spec")) != o.Place() {
		t.Errorf("place %+v", o.Place())
	}
	if strings.Contains(string(o.Root.AppendJSON(nil)), "canary") {
		t.Errorf("%s", o.Root.AppendJSON(nil))
	}
}

// TestSavedObject makes an object of what was left of one: nothing may be lost,
// and nothing be found twice.
func TestSavedObject(t *testing.T) {
	first := live(t, livePod, Live{})
	second := live(t, string(first.Root.AppendJSON(nil)), Live{Credentials: first.Credentials})
	if second.Root.Hash() != first.Root.Hash() || !reflect.DeepEqual(second.Credentials, first.Credentials) {
		t.Errorf("%v, want %v", second.Credentials, first.Credentials)
	}
	third := live(t, livePod, Live{}) // whoever says that nothing was secret is not believed
	if len(third.Credentials) != 3 {
		t.Errorf("%v", third.Credentials)
	}
}

func TestLiveObjectsShare(t *testing.T) {
	x := tree.NewInterner()
	a := live(t, livePod, Live{Interner: x})
	b := live(t, strings.Replace(livePod, `"web"`, `"web-2"`, 1), Live{Interner: x})
	if &a.Root.Get("spec").Children()[0] != &b.Root.Get("spec").Children()[0] {
		t.Error("equal specs are kept twice")
	}
	if a.Key.Name != "web" || b.Key.Name != "web-2" || b.Root.Dig("metadata", "name").Str() != "web-2" {
		t.Errorf("%s %s", a.Key, b.Key)
	}
}
