package policies_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/fix"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// TestFixes writes the objects of every failing example to a file and fixes it.
// Every fix that is not a decision must do what it says: its finding goes, and
// the library finds nothing as bad instead. What inert fixes state must hold
// for the server, too, or be vouched for here.
func TestFixes(t *testing.T) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	files, err := policy.Files(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	fixable := map[string]bool{}
	for _, r := range rules {
		fixable[r.ID] = slices.ContainsFunc(r.Fixes, func(f policy.FixTemplate) bool { return f.Class != model.Decision })
	}
	applied := map[model.FixClass]int{}
	for _, f := range files {
		id := ""
		for doc := range tree.Parse(f) {
			if doc.Root.Get("kind").Str() == "Rule" {
				id = doc.Root.Dig("metadata", "name").Str()
			}
			if doc.Root.Get("verdict").Str() != "fail" || !fixable[id] {
				continue
			}
			text := ""
			for i := range doc.Root.Get("objects").Children() {
				object, err := yaml.Marshal(doc.Root.Get("objects").At(i).Native())
				if err != nil {
					t.Fatal(err)
				}
				text += "---\n" + string(object)
			}
			line, _ := f.Position(doc.Start)
			for _, a := range fixExample(t, rules, f.Name, line, id, text) {
				applied[a.Fix.Class]++
				if a.Fix.Class == model.Inert && !a.Proven && !slices.Contains(vouched, id) {
					t.Errorf("%s:%d: the fix of %s is inert, and changes the completed object", f.Name, line, id)
				}
			}
		}
	}
	t.Logf("applied %v", applied)
	if applied[model.Tightening] == 0 || applied[model.Inert] == 0 {
		t.Error("no fix of some class was applied")
	}
}

// vouched are rules whose inert fixes say what holds already, though not by a
// default of the server.
var vouched = []string{
	"run-as-non-root-unset",      // beside a runAsUser other than 0 it only repeats it
	"seccomp-annotation-ignored", // no supported server reads the annotation
}

// fixExample fixes a file and returns what was done for one rule.
func fixExample(t *testing.T, rules []*policy.Rule, name string, line int, id, text string) []fix.Applied {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := manifest.Load(t.Context(), []string{path}, manifest.Options{})
	if err != nil || len(in.Problems) > 0 {
		t.Errorf("%s:%d: %v %v", name, line, err, in.Problems)
		return nil
	}
	run := func(ctx context.Context, objects []*model.Object) ([]*model.Finding, error) {
		r, err := check.Run(ctx, objects, check.Options{Rules: rules, KubernetesMinor: newestMinor, Closed: true})
		if err != nil {
			return nil, err
		}
		return r.Findings, nil
	}
	findings, err := run(t.Context(), in.Objects)
	if err != nil {
		t.Fatal(err)
	}
	p, err := fix.Make(t.Context(), findings, fix.Options{
		Tightening: true,
		Load: func(f *tree.File) ([]*model.Object, error) {
			return manifest.Objects(t.Context(), f, manifest.Options{})
		},
		Recheck: func(ctx context.Context, replaced map[string][]*model.Object) ([]*model.Finding, error) {
			var all []*model.Object
			for _, objects := range replaced {
				all = append(all, objects...)
			}
			return run(ctx, all)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Skipped {
		t.Errorf("%s:%d: the fix of %s was not made: %s", name, line, s.Finding.Rule.ID, s.Reason)
	}
	var done []fix.Applied
	for _, f := range p.Files {
		for _, a := range f.Applied {
			if a.Finding.Rule.ID == id {
				done = append(done, a)
			}
		}
		if strings.Count(f.New, "---\n") != strings.Count(text, "---\n") {
			t.Errorf("%s:%d: documents came or went", name, line)
		}
	}
	return done
}
