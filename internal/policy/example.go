package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

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
	image     *tree.Node
	facts     *tree.Node // of a container's behavior
	objects   []*tree.Node
	mutations []EditTemplate
	file      *tree.File
}

// OfImage reports whether the example says something about the image of its
// containers.
func (e *Example) OfImage() bool { return e.image != nil }

// World is what an example is judged in: objects, the first of which counts.
type World struct {
	Name    string // what a mutation did; "" for the example itself
	Objects []*model.Object
	// Declarations are what authors say about the objects; they are no objects.
	Declarations []*model.Declaration
	// Image holds what the example says about the image that all containers are
	// of; nil when it says nothing.
	Image *tree.Node
	Want  Verdict
}

// exampleContainer is what an example judges that states facts about an image and
// no objects.
var exampleContainer = sync.OnceValue(func() *tree.Node {
	f := &tree.File{Name: "example", Text: "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: registry.example/web:1.4.2}]}}"}
	for doc := range tree.Parse(f) {
		return doc.Root
	}
	return nil
})

// exampleBehavior is what an example judges that states facts.
func exampleBehavior(facts *tree.Node) *tree.Node {
	n := tree.MapOf(
		tree.Entry("apiVersion", "ullage.dev/v1alpha1"), tree.Entry("kind", model.BehaviorKind.Kind),
		tree.Entry("metadata", tree.MapOf(tree.Entry("name", "web"))), tree.Entry("facts", *tree.Clone(facts)),
	)
	return n.Seal()
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
		"image":     func(n *tree.Node) { e.image = n },
		"facts":     func(n *tree.Node) { e.facts = n },
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
	if len(e.objects) == 0 && e.image != nil {
		e.objects = []*tree.Node{exampleContainer()}
	}
	if len(e.objects) == 0 && e.facts != nil {
		e.objects = []*tree.Node{exampleBehavior(e.facts)}
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
		var ofObject, ofImage *EditTemplate
		if i > 0 {
			if ofObject = &e.mutations[i-1]; e.image != nil && strings.HasPrefix(ofObject.Path, imageName+".") {
				ofObject, ofImage = nil, ofObject
			}
		}
		var err error
		if worlds[i].Image, err = e.mutated(e.image, ofImage); err != nil {
			return nil, err
		}
		for j, n := range e.objects {
			mutation := ofObject
			if j > 0 {
				mutation = nil
			}
			root, err := e.mutated(n, mutation)
			if err != nil {
				return nil, err
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

// mutated returns a copy of a tree with an edit, if there is one. Paths of the
// facts about an image begin with their name.
func (e *Example) mutated(root *tree.Node, m *EditTemplate) (*tree.Node, error) {
	if root == nil {
		return nil, nil
	}
	root = tree.Clone(root)
	if m == nil {
		return root, nil
	}
	path, err := tree.ParsePath(m.Path)
	if err != nil {
		return nil, err
	}
	if root.Key() == imageName {
		path = path[1:]
	}
	if root, err = tree.Apply(root, path, m.Value, m.Append); err != nil {
		return nil, fmt.Errorf("%s: mutation %s: %w", e.Place, m, err)
	}
	return root, nil
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
