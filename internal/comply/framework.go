// Package comply ties checks to the requirements of compliance frameworks.
//
// A check that passes supports a requirement; it never proves one by itself.
package comply

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Framework is a catalogue of requirements.
type Framework struct {
	ID           string // such as cis-kubernetes
	Name         string
	Version      string
	Requirements []Requirement
}

// Requirement is one demand of a framework.
type Requirement struct {
	ID     string
	Title  string
	Checks []string // slugs of the checks that support it
}

// Catalog is a set of frameworks.
type Catalog struct {
	Frameworks []*Framework
	byCheck    map[string][]string
}

// Load reads the framework files at the top of a file system.
func Load(files fs.FS) (*Catalog, error) {
	paths, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	c := &Catalog{byCheck: map[string][]string{}}
	for _, path := range paths {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read framework: %w", err)
		}
		for doc := range tree.Parse(&tree.File{Name: path, Text: string(text)}) {
			if doc.Err != nil {
				return nil, fmt.Errorf("read framework: %w", doc.Err)
			}
			c.add(newFramework(doc.Root))
		}
	}
	return c, nil
}

func newFramework(root *tree.Node) *Framework {
	f := &Framework{ID: root.Get("id").Text(), Name: root.Get("name").Text(), Version: root.Get("version").Text()}
	requirements := root.Get("requirements")
	for i := range requirements.Children() {
		n := requirements.At(i)
		r := Requirement{ID: n.Get("id").Text(), Title: n.Get("title").Text()}
		for j := range n.Get("checks").Children() {
			r.Checks = append(r.Checks, n.Get("checks").At(j).Text())
		}
		f.Requirements = append(f.Requirements, r)
	}
	return f
}

func (c *Catalog) add(f *Framework) {
	c.Frameworks = append(c.Frameworks, f)
	for _, r := range f.Requirements {
		for _, check := range r.Checks {
			c.byCheck[check] = append(c.byCheck[check], f.ID+" "+r.ID)
		}
	}
}

// Requirements returns the requirements that a check supports, each as
// "framework id".
func (c *Catalog) Requirements(check string) []string { return c.byCheck[check] }

// Checks returns the slugs of all checks that support a framework, or an error
// that names the frameworks there are.
func (c *Catalog) Checks(framework string) ([]string, error) {
	var ids []string
	for _, f := range c.Frameworks {
		if f.ID != framework {
			ids = append(ids, f.ID)
			continue
		}
		var checks []string
		for _, r := range f.Requirements {
			checks = append(checks, r.Checks...)
		}
		slices.Sort(checks)
		return slices.Compact(checks), nil
	}
	return nil, fmt.Errorf("framework %q is none of %s", framework, strings.Join(ids, ", "))
}
