package cli

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// selectObjects returns what --namespace and --selector let through, or nil when
// both are empty.
func selectObjects(namespaces []string, selector string) (func(*model.Object) bool, error) {
	if len(namespaces) == 0 && selector == "" {
		return nil, nil
	}
	wanted, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	return func(o *model.Object) bool {
		if len(namespaces) > 0 && !slices.Contains(namespaces, o.Key.Namespace) && !(o.Key.Kind == "Namespace" && slices.Contains(namespaces, o.Key.Name)) {
			return false
		}
		set := labels.Set{}
		for i := range o.Labels().Children() {
			l := &o.Labels().Children()[i]
			set[l.Key()] = l.Str()
		}
		return wanted.Matches(set)
	}, nil
}

// present refuses a namespace in which nothing was read, as a misspelled one would
// leave out what it stands for. Where something could not be read, it may be that.
func (f *checkFlags) present(in *manifest.Input, gaps []model.Gap) error {
	if len(in.Problems) > 0 || len(gaps) > 0 {
		return nil
	}
	there := map[string]bool{}
	for _, o := range in.Objects {
		there[o.Key.Namespace] = true
		if o.Key.Kind == "Namespace" {
			there[o.Key.Name] = true
		}
	}
	for _, w := range f.namespaces {
		if !there[w.text] && len(in.Objects) > 0 {
			return w.wrong(fmt.Errorf("no object is in namespace %s", w.text))
		}
	}
	return nil
}

// tellDefault says that -n only gives a namespace to objects that name none, where
// it may have been taken for the filter that it is for a cluster and for the other
// commands.
func (f *checkFlags) tellDefault(p *Program, objects []*model.Object) {
	if f.live() || len(f.namespaces) > 0 || !slices.ContainsFunc(p.Args, func(arg string) bool { return strings.HasPrefix(arg, "-n") }) {
		return
	}
	others := 0
	for _, o := range objects {
		if o.Key.Namespace != "" && o.Key.Namespace != f.namespace.text {
			others++
		}
	}
	if others > 0 {
		fmt.Fprintf(p.Stderr, "ullage: -n %s is for objects that name no namespace; judged too: %s of other namespaces, which --namespace %s leaves out\n",
			f.namespace.text, counted(others, "object"), f.namespace.text)
	}
}

// loadExceptions reads the exceptions of a file; what is wrong with one is a
// problem, and the others hold.
func (pl *plan) loadExceptions(f *tree.File) {
	pl.problem(eachDocument(f, "Exceptions", func(d *tree.Decoder, root *tree.Node) {
		pl.problem(pl.exceptions.Load(root, f))
	}))
	if info, err := os.Stat(f.Name); err == nil {
		pl.loaded = append(pl.loaded, info)
	}
}

// isLoaded reports whether a flag or the configuration named the file, so that
// its exceptions were read before.
func (pl *plan) isLoaded(f *tree.File) bool {
	info, err := os.Stat(f.Name)
	return err == nil && slices.ContainsFunc(pl.loaded, func(other fs.FileInfo) bool { return os.SameFile(info, other) })
}

func (pl *plan) problem(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			pl.problem(one)
		}
		return
	}
	pl.problems = append(pl.problems, model.Problem{Reason: err.Error()})
}

// readOwn takes the exceptions out of what was read.
func (pl *plan) readOwn(in *manifest.Input) {
	for _, doc := range in.Own {
		switch doc.Root.Get("kind").Str() {
		case "Exceptions":
			if !pl.isLoaded(doc.File) {
				pl.problem(pl.exceptions.Load(doc.Root, doc.File))
			}
		case "Rule", "Example", "Config", "Profile": // read where a flag names them
		default:
			line, column := doc.File.Position(doc.Root.Start())
			pl.problems = append(pl.problems, model.Problem{
				Place:  model.Place{File: doc.File.Name, Line: line, Column: column},
				Reason: "kind " + doc.Root.Get("kind").Str() + " of " + policy.APIVersion + " is not known",
			})
		}
	}
}
