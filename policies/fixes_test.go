package policies_test

import (
	"context"
	"fmt"
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
	p := planFixes(t, rules, text)
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

// planFixes plans all fixes, tightening ones too, of a file with a text.
func planFixes(t *testing.T, rules []*policy.Rule, text string) *fix.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := manifest.Load(t.Context(), []string{path}, manifest.Options{})
	if err != nil || len(in.Problems) > 0 {
		t.Fatalf("%v %v\n%s", err, in.Problems, text)
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
	return p
}

// escalations are pods with all combinations of what the API server compares
// with allowPrivilegeEscalation.
func escalations() string {
	var b strings.Builder
	for _, privileged := range []string{"", "privileged: true", "privileged: false"} {
		for _, escalation := range []string{"", "allowPrivilegeEscalation: true"} {
			for _, added := range []string{"", "[CAP_SYS_ADMIN]", "[SYS_ADMIN]", "[CAP_SYS_ADMIN, NET_BIND_SERVICE]", "[CHOWN, CAP_SYS_ADMIN]"} {
				if added != "" {
					added = "capabilities: {add: " + added + "}"
				}
				settings := slices.DeleteFunc([]string{privileged, escalation, added}, func(s string) bool { return s == "" })
				fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec:\n  containers:\n  - name: c\n    image: x:1\n    securityContext: {%s}\n",
					b.Len(), strings.Join(settings, ", "))
			}
		}
	}
	return b.String()
}

// TestFixesAreAdmitted: no set of rules may fix a container into one that the API
// server refuses, which it does when escalation is forbidden beside privileged or
// CAP_SYS_ADMIN (ValidateSecurityContext in pkg/apis/core/validation).
func TestFixesAreAdmitted(t *testing.T) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	sets := [][]*policy.Rule{rules}
	for i := range rules {
		if len(rules[i].Fixes) > 0 {
			sets = append(sets, rules[i:i+1])
		}
	}
	forbidden := 0
	for _, set := range sets {
		for _, file := range planFixes(t, set, escalations()).Files {
			for doc := range tree.Parse(&tree.File{Name: "a.yaml", Text: file.New}) {
				c := doc.Root.Get("spec").Get("containers").At(0).Get("securityContext")
				if !c.Get("allowPrivilegeEscalation").False() {
					continue
				}
				forbidden++
				add := c.Dig("capabilities", "add").Children()
				if c.Get("privileged").True() || slices.ContainsFunc(add, func(n tree.Node) bool { return n.Str() == "CAP_SYS_ADMIN" }) {
					t.Errorf("%d rules from %s on make\n%s", len(set), set[0].ID, doc.File.Text[doc.Start:doc.End])
				}
			}
		}
	}
	if forbidden == 0 {
		t.Error("no fix forbids escalation: the test shows nothing")
	}
}

// A list of capabilities that also holds harmless ones is for a person.
func TestMixedCapabilities(t *testing.T) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	for id, added := range map[string]string{
		"capability-sys-admin": "[CAP_SYS_ADMIN, NET_BIND_SERVICE]", "capabilities-added": "[CHOWN, SYS_NICE]",
		"capabilities-added-restricted": "[NET_BIND_SERVICE, CHOWN]",
	} {
		i := slices.IndexFunc(rules, func(r *policy.Rule) bool { return r.ID == id })
		p := planFixes(t, rules[i:i+1], "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    securityContext:\n      capabilities: {add: "+added+"}\n")
		if len(p.Files) != 0 || len(p.Held) != 1 || p.Held[0].Fix.Class != model.Decision {
			t.Errorf("%s: %d files, held %+v", id, len(p.Files), p.Held)
		}
	}
}
