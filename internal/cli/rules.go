package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
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
//
// beside holds the objects that stand beside native policies: their parameters
// may be among them.
func library(ctx context.Context, paths []word, minor int) (rules []*policy.Rule, beside []*model.Object, err error) {
	if rules, err = policy.LoadLibrary(policies.Files, "policies"); err != nil {
		return nil, nil, err
	}
	if len(paths) > 0 {
		var own []*policy.Rule
		if own, beside, err = userRules(ctx, paths, minor); err != nil {
			return nil, nil, err
		}
		rules = append(rules, own...)
	}
	return rules, beside, policy.Validate(rules)
}

// withBehavior adds the built-in rules on what containers do. A check of objects
// needs none of them, and begins sooner without.
func withBehavior(rules []*policy.Rule) ([]*policy.Rule, error) {
	of, err := policy.LoadLibrary(policies.Behavior(), "policies/behavior")
	if err != nil {
		return nil, err
	}
	rules = slices.Concat(of, rules)
	return rules, policy.Validate(rules)
}

// compiled reports the rules that do not compile. Rules are compiled when an
// object of theirs occurs; those of the user must not wait for that, as a rule
// that says nothing looks like one that passes.
func compiled(rules []*policy.Rule, minor int) error {
	return policy.NewEngine(rules, policy.Options{KubernetesMinor: minor, FactNames: check.FactNames()}).CompileAll()
}

// userRules reads rules and native policies from files and directories.
func userRules(ctx context.Context, paths []word, minor int) ([]*policy.Rule, []*model.Object, error) {
	for _, path := range paths {
		if _, err := os.Stat(path.text); err != nil {
			return nil, nil, path.wrong(err)
		}
	}
	in, err := manifest.Load(ctx, texts(paths), manifest.Options{})
	if err != nil {
		return nil, nil, err
	}
	for _, p := range in.Problems {
		return nil, nil, fmt.Errorf("read rules: %s", p)
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
	native, err := policy.Native(in.Objects)
	rules, errs = append(rules, native...), append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	if len(rules) == 0 {
		return nil, nil, paths[0].wrong(fmt.Errorf("no rules in %s: a file holds documents of kind Rule or ValidatingAdmissionPolicy (see docs/rules.md)",
			strings.Join(texts(paths), ", ")))
	}
	return rules, in.Objects, compiled(rules, minor)
}

// find returns the rules that the words name.
func find(rules []*policy.Rule, wanted []word) ([]*policy.Rule, error) {
	for _, w := range wanted {
		if _, err := policy.Find(rules, []string{w.text}); err != nil {
			return nil, w.wrong(err)
		}
	}
	return policy.Find(rules, texts(wanted))
}

// choose returns the rules that the configuration is about.
func (c *config) choose(rules []*policy.Rule, minor int) ([]*policy.Rule, error) {
	chosen, err := c.chosen(rules, minor)
	if err != nil {
		return nil, err
	}
	skipped, err := find(rules, c.skip)
	if err != nil {
		return nil, err
	}
	var least model.Severity
	if err := least.UnmarshalText([]byte(c.severity.text)); err != nil {
		return nil, c.severity.wrong(err)
	}
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(r *policy.Rule) bool { return slices.Contains(skipped, r) || r.Severity < least })
	if len(chosen) == 0 { // a check without rules would always pass
		return nil, errors.New("no rules are left to check with")
	}
	return chosen, nil
}

// chosen returns the rules of the profile, or those that take its place.
func (c *config) chosen(rules []*policy.Rule, minor int) ([]*policy.Rule, error) {
	switch {
	case len(c.rules) > 0:
		return find(rules, c.rules)
	case len(c.frameworks) > 0:
		checks, err := checksOf(c.frameworks)
		if err != nil {
			return nil, err
		}
		all, err := policy.Profile(rules, "all", minor)
		return slices.DeleteFunc(slices.Clone(all), func(r *policy.Rule) bool {
			return !slices.ContainsFunc(r.Checks, func(c string) bool { return checks[c] })
		}), err
	case strings.ContainsAny(c.profile.text, "./"):
		return profileFile(rules, c.profile, minor)
	}
	return profile(rules, c.profile, minor)
}

func profile(rules []*policy.Rule, name word, minor int) ([]*policy.Rule, error) {
	in, err := policy.Profile(rules, name.text, minor)
	if err != nil {
		return nil, name.wrong(err)
	}
	return in, nil
}

// checksOf returns the checks of compliance frameworks.
func checksOf(wanted []word) (map[string]bool, error) {
	catalog, err := comply.Load(frameworks.Files)
	if err != nil {
		return nil, err
	}
	checks := map[string]bool{}
	for _, w := range wanted {
		of, err := catalog.Checks(w.text)
		if err != nil {
			return nil, w.wrong(err)
		}
		for _, c := range of {
			checks[c] = true
		}
	}
	return checks, nil
}

// settings checks the parameters that the configuration gives to rules, by id or
// alias, and returns them by id.
func (c *config) settings(rules []*policy.Rule) (map[string]*tree.Node, error) {
	byID := map[string]*tree.Node{}
	for _, p := range c.params {
		found, err := find(rules, []word{p.rule})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if err := p.fit(r); err != nil {
				return nil, err
			}
			byID[r.ID] = p.values
		}
	}
	return byID, nil
}

// fit reports what in the parameters a rule does not take.
func (p *params) fit(r *policy.Rule) error {
	if !p.values.Is(tree.Map) {
		return p.rule.wrong(fmt.Errorf("%s is %s, not a map of parameters", p.rule.text, p.values.Kind().Noun()))
	}
	number := func(n *tree.Node) bool { return n.Is(tree.Int) || n.Is(tree.Float) }
	for i := range p.values.Children() {
		given := &p.values.Children()[i]
		known := r.Defaults.Get(given.Key())
		at := word{from: p.place(given) + ": params"}
		switch {
		case known == nil:
			return at.wrong(fmt.Errorf("rule %s has no parameter %q", r.ID, given.Key()))
		case known.Kind() != given.Kind() && !(number(known) && number(given)):
			return at.wrong(fmt.Errorf("rule %s: parameter %s is %s, not %s", r.ID, given.Key(), given.Kind().Noun(), known.Kind().Noun()))
		}
	}
	return nil
}

// profileFile reads a profile of the user's own: a document of kind Profile
// that names rules, by id or alias, and built-in profiles to begin with.
func profileFile(rules []*policy.Rule, path word, minor int) ([]*policy.Rule, error) {
	f, err := readFile(path.text)
	if err != nil {
		return nil, path.wrong(err)
	}
	var include, wanted []word
	err = eachDocument(f, "Profile", func(decoder *tree.Decoder, root *tree.Node) {
		d := wordDecoder{Decoder: decoder}
		d.Fields(root, map[string]func(*tree.Node){
			"apiVersion": d.Ignore, "kind": d.Ignore, "metadata": d.Ignore, "include": d.words(&include), "rules": d.words(&wanted),
		})
	})
	if err != nil {
		return nil, err
	}
	chosen, err := find(rules, wanted)
	if err != nil {
		return nil, err
	}
	for _, name := range include {
		more, err := profile(rules, name, minor)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, more...)
	}
	if len(chosen) == 0 {
		return nil, path.wrong(fmt.Errorf("profile %s names no rules", path.text))
	}
	return slices.DeleteFunc(slices.Clone(rules), func(r *policy.Rule) bool { return !slices.Contains(chosen, r) }), nil
}
