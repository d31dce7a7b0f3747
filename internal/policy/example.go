package policy

import (
	"errors"
	"fmt"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Example is a small world with a known verdict for its first object.
type Example struct {
	Place     model.Place
	Verdict   Verdict
	Closed    bool // the world holds nothing else
	Minor     int  // Kubernetes version, 0 for the default
	Settings  *tree.Node
	objects   []*tree.Node
	mutations []EditTemplate
	file      *tree.File
}

// World is what an example is judged in: objects, the first of which counts.
type World struct {
	Name    string // what a mutation did; "" for the example itself
	Objects []*model.Object
	// Declarations are what authors say about the objects; they are no objects.
	Declarations []*model.Declaration
	Want         Verdict
}

// LoadExamples reads the documents of kind Example that stand behind a rule in
// its file.
func LoadExamples(f *tree.File) ([]Example, error) {
	var examples []Example
	var errs []error
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			errs = append(errs, doc.Err)
			continue
		}
		if doc.Root.Get("kind").Str() != "Example" {
			continue
		}
		d := newDecoder(f)
		e := d.example(doc.Root)
		line, column := f.Position(doc.Root.Start())
		e.Place = model.Place{File: f.Name, Line: line, Column: column}
		errs = append(errs, d.Err())
		examples = append(examples, e)
	}
	return examples, errors.Join(errs...)
}

func (d *decoder) example(n *tree.Node) Example {
	e := Example{file: d.File}
	var verdict, world, kubernetes string
	d.Fields(n, map[string]func(*tree.Node){
		"apiVersion": d.Ignore, "kind": d.Ignore, "verdict": d.Text(&verdict), "world": d.Text(&world), "kubernetes": d.Text(&kubernetes),
		"params":    func(n *tree.Node) { e.Settings = n },
		"objects":   func(n *tree.Node) { d.Each(n, func(n *tree.Node) { e.objects = append(e.objects, n) }) },
		"mutations": func(n *tree.Node) { d.Each(n, func(n *tree.Node) { e.mutations = append(e.mutations, d.edit(n)) }) },
	})
	for _, v := range []Verdict{Pass, Fail, Unknown} {
		if v.String() == verdict {
			e.Verdict = v
		}
	}
	if e.Verdict == Skip {
		d.Fail(n, "verdict %q is none of pass, fail, unknown", verdict)
	}
	if world != "" && world != "open" && world != "closed" {
		d.Fail(n, "world %q is neither open nor closed", world)
	}
	e.Closed = world == "closed"
	if kubernetes != "" {
		minor, err := ParseMinor(kubernetes)
		if err != nil {
			d.Fail(n, "kubernetes: %s", err)
		}
		e.Minor = minor
	}
	if len(e.objects) == 0 {
		d.Fail(n, "objects are missing")
	}
	if len(e.mutations) > 0 && e.Verdict != Pass {
		d.Fail(n, "only an example that passes has mutations")
	}
	return e
}

// Worlds returns the example and each of its mutations.
func (e *Example) Worlds() ([]World, error) {
	worlds := []World{{Want: e.Verdict}}
	for _, m := range e.mutations {
		worlds = append(worlds, World{Name: m.String(), Want: Fail})
	}
	for i := range worlds {
		for j, n := range e.objects {
			root := tree.Clone(n)
			if i > 0 && j == 0 {
				m := e.mutations[i-1]
				path, err := tree.ParsePath(m.Path)
				if err != nil {
					return nil, err
				}
				if root, err = tree.Apply(root, path, m.Value, m.Append); err != nil {
					return nil, fmt.Errorf("%s: mutation %s: %w", e.Place, m, err)
				}
			}
			source := &model.Source{File: e.file}
			if j > 0 && model.IsDeclaration(root) {
				d, err := model.ParseDeclaration(root, source)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", e.Place, err)
				}
				worlds[i].Declarations = append(worlds[i].Declarations, d)
				continue
			}
			o, err := model.NewObject(root, source, "", "default")
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Place, err)
			}
			if o == nil {
				return nil, fmt.Errorf("%s: object %d is not a Kubernetes object", e.Place, j+1)
			}
			worlds[i].Objects = append(worlds[i].Objects, o)
		}
	}
	return worlds, nil
}

// String names the edit as it is written in rules.
func (e EditTemplate) String() string {
	switch {
	case e.Value == nil:
		return "remove " + e.Path
	case e.Append:
		return "append " + e.Path
	}
	return "set " + e.Path
}
