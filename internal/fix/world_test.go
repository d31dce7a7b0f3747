package fix_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// world is what is checked: files, and rules.
type world struct {
	t       testing.TB
	rules   []*rule
	objects []*model.Object
	checks  int
}

func load(f *tree.File) ([]*model.Object, error) {
	var all []*model.Object
	i := -1
	for doc := range tree.Parse(f) {
		i++
		if doc.Root == nil {
			continue
		}
		roots := []*tree.Node{doc.Root}
		if doc.Root.Get("kind").Str() == "List" {
			roots = nil
			for j := range doc.Root.Get("items").Children() {
				roots = append(roots, doc.Root.Get("items").At(j))
			}
		}
		for _, root := range roots {
			o, err := model.NewObject(root, &model.Source{File: f, Document: i}, "", "default")
			if err != nil {
				return nil, err
			}
			if o != nil {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

func newWorld(t testing.TB, names ...string) *world {
	t.Helper()
	w := &world{t: t, rules: rules()}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := load(&tree.File{Name: filepath.ToSlash(name), Text: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		w.objects = append(w.objects, objects...)
	}
	return w
}

func (w *world) check(objects []*model.Object) []*model.Finding {
	var top []*model.Finding
	for _, o := range objects {
		for _, pod := range []string{"spec.containers", "spec.template.spec.containers"} {
			list, _ := tree.ParsePath(pod)
			for i := range o.Root.Follow(list).Children() {
				top = append(top, w.container(o, list.Join(tree.Step{Index: i}))...)
			}
		}
	}
	return top
}

func (w *world) container(o *model.Object, path tree.Path) []*model.Finding {
	n := o.Root.Follow(path)
	var top []*model.Finding
	by := map[string]*model.Finding{}
	for _, r := range w.rules {
		if !r.fails(n) {
			continue
		}
		fixes := r.fixes
		if r.applies != nil {
			fixes = r.applies(n)
		}
		f := &model.Finding{
			Element:   &model.Element{Object: o, Subject: fmt.Sprintf("container %q", n.Get("name").Str()), Path: path},
			Statement: &model.Statement{Rule: &r.info, Field: &model.Target{}, Fixes: fixes},
			Written:   n, Fingerprint: model.NewFingerprint(r.info.ID, o.Key.String(), n.Get("name").Str()),
		}
		if r.field != "" {
			*f.Field = set(r.field, nil).Target
		}
		by[r.info.ID] = f
		if cause := by[r.covers]; cause != nil {
			cause.Symptoms = append(cause.Symptoms, f)
		} else {
			top = append(top, f)
		}
	}
	return top
}

func (w *world) options(tightening bool) fix.Options {
	return fix.Options{Tightening: tightening, Load: load, Recheck: func(_ context.Context, replaced map[string][]*model.Object) ([]*model.Finding, error) {
		w.checks++
		var all []*model.Object
		for _, o := range w.objects {
			if _, ok := replaced[o.Source.File.Name]; !ok {
				all = append(all, o)
			}
		}
		for _, objects := range replaced {
			all = append(all, objects...)
		}
		return w.check(all), nil
	}}
}

func (w *world) plan(tightening bool) *fix.Plan {
	w.t.Helper()
	p, err := fix.Make(w.t.Context(), w.check(w.objects), w.options(tightening))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}
