package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/frameworks"
	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/comply"
	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// library returns the built-in rules and those of the user's files.
func library(ctx context.Context, paths []string, minor int) ([]*policy.Rule, error) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		return nil, err
	}
	if len(paths) > 0 {
		own, err := userRules(ctx, paths, minor)
		if err != nil {
			return nil, err
		}
		rules = append(rules, own...)
	}
	return rules, policy.Validate(rules)
}

// compiled reports the rules that do not compile. Rules are compiled when an
// object of theirs occurs; those of the user must not wait for that, as a rule
// that says nothing looks like one that passes.
func compiled(rules []*policy.Rule, minor int) error {
	return policy.NewEngine(rules, policy.Options{KubernetesMinor: minor, FactNames: check.FactNames()}).CompileAll()
}

// userRules reads rules and native policies from files and directories.
func userRules(ctx context.Context, paths []string, minor int) ([]*policy.Rule, error) {
	in, err := manifest.Load(ctx, paths, manifest.Options{})
	if err != nil {
		return nil, err
	}
	for _, p := range in.Problems {
		return nil, fmt.Errorf("read rules: %s", p)
	}
	var rules []*policy.Rule
	var errs []error
	seen := map[*tree.File]bool{}
	for _, doc := range in.Own {
		if doc.Root.Get("kind").Str() == "Rule" && !seen[doc.File] {
			seen[doc.File] = true
			own, err := policy.Load(doc.File)
			rules, errs = append(rules, own...), append(errs, err)
		}
	}
	snapshot := model.NewSnapshot(in.Objects, false)
	native, err := policy.Native(in.Objects, func(gk model.GroupKind, namespace, name string) *model.Object {
		return snapshot.Get(model.Key{Namespace: namespace, GroupKind: gk, Name: name})
	})
	rules, errs = append(rules, native...), append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("no rules in %s: a file holds documents of kind Rule or ValidatingAdmissionPolicy (see docs/rules.md)", strings.Join(paths, ", "))
	}
	return rules, compiled(rules, minor)
}

// selection says which rules are used.
type selection struct {
	Profile    string   // a built-in profile, or a file that names rules
	Only, Skip []string // ids or aliases
	Frameworks []string
	Severity   model.Severity // the least
}

// choose applies a selection.
func choose(rules []*policy.Rule, s selection, minor int) ([]*policy.Rule, error) {
	chosen := rules
	var err error
	switch {
	case len(s.Only) > 0:
		if chosen, err = policy.Find(rules, s.Only); err != nil {
			return nil, err
		}
	case len(s.Frameworks) > 0:
		catalog, err := comply.Load(frameworks.Files)
		if err != nil {
			return nil, err
		}
		var checks []string
		for _, f := range s.Frameworks {
			more, err := catalog.Checks(f)
			if err != nil {
				return nil, err
			}
			checks = append(checks, more...)
		}
		chosen, err = policy.Profile(rules, "all", minor)
		if err != nil {
			return nil, err
		}
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(r *policy.Rule) bool {
			return !slices.ContainsFunc(r.Checks, func(c string) bool { return slices.Contains(checks, c) })
		})
	case strings.ContainsAny(s.Profile, "./"):
		if chosen, err = profileFile(rules, s.Profile, minor); err != nil {
			return nil, err
		}
	default:
		if chosen, err = policy.Profile(rules, s.Profile, minor); err != nil {
			return nil, err
		}
	}
	if len(s.Skip) > 0 {
		skipped, err := policy.Find(rules, s.Skip)
		if err != nil {
			return nil, err
		}
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(r *policy.Rule) bool { return slices.Contains(skipped, r) })
	}
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(r *policy.Rule) bool { return r.Severity < s.Severity })
	if len(chosen) == 0 { // a check without rules would always pass
		return nil, errors.New("no rules are left to check with")
	}
	return chosen, nil
}

// settings checks the parameters that are given to rules, by id or alias, and
// returns them by id.
func settings(rules []*policy.Rule, given map[string]*tree.Node) (map[string]*tree.Node, error) {
	byID := map[string]*tree.Node{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		found, err := policy.Find(rules, []string{name})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			for i := range given[name].Children() {
				if key := given[name].Children()[i].Key(); r.Defaults.Get(key) == nil {
					return nil, fmt.Errorf("rule %s has no parameter %q", r.ID, key)
				}
			}
			byID[r.ID] = given[name]
		}
	}
	return byID, nil
}

// profileFile reads a profile of the user's own: a document of kind Profile
// that names rules, by id or alias, and built-in profiles to begin with.
func profileFile(rules []*policy.Rule, path string, minor int) ([]*policy.Rule, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	var include, wanted []string
	err = eachDocument(f, "Profile", func(d *tree.Decoder, root *tree.Node) {
		d.Fields(root, map[string]func(*tree.Node){
			"apiVersion": d.Ignore, "kind": d.Ignore, "metadata": d.Ignore, "include": d.Texts(&include), "rules": d.Texts(&wanted),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	chosen, err := policy.Find(rules, wanted)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", path, err)
	}
	for _, name := range include {
		more, err := policy.Profile(rules, name, minor)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", path, err)
		}
		chosen = append(chosen, more...)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("profile %s names no rules", path)
	}
	return slices.DeleteFunc(slices.Clone(rules), func(r *policy.Rule) bool { return !slices.Contains(chosen, r) }), nil
}
