package check

import (
	"errors"
	"fmt"

	"ullage.dev/ullage/internal/detect"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
)

// TestRule judges the examples of a rule and each of their mutations. It
// returns how many worlds were judged, and an error that names each one whose
// verdict is not as stated.
func TestRule(rule *policy.Rule, examples []policy.Example, minor int) (judged int, err error) {
	var errs []error
	for _, e := range examples {
		if rule.Subject.Image && !e.OfImage() {
			errs = append(errs, fmt.Errorf("%s: rule %s: the example says nothing about the image", e.Place, rule.ID))
			continue
		}
		worlds, err := e.Worlds()
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", rule.ID, err))
		}
		for _, w := range worlds {
			judged++
			got, why, err := judgeWorld(rule, &e, w, minor)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: rule %s: %w", e.Place, rule.ID, err))
				continue
			}
			if got == w.Want {
				continue
			}
			what := "the example"
			if w.Name != "" {
				what = "mutation " + w.Name
			}
			errs = append(errs, fmt.Errorf("%s: rule %s: %s: want %s, got %s%s", e.Place, rule.ID, what, w.Want, got, why))
		}
	}
	return judged, errors.Join(errs...)
}

// judgeWorld returns the worst verdict over the elements of the first object.
func judgeWorld(rule *policy.Rule, e *policy.Example, w policy.World, minor int) (policy.Verdict, string, error) {
	if e.Minor != 0 {
		minor = e.Minor
	}
	var settings map[string]*tree.Node
	if e.Settings != nil {
		settings = map[string]*tree.Node{rule.ID: e.Settings}
	}
	judged := w.Objects[0]
	if judged.Key.GroupKind == model.BehaviorKind {
		read, err := detect.Read(judged)
		if err != nil {
			return policy.Error, "", err
		}
		judged = read
	}
	engine := policy.NewEngine([]*policy.Rule{rule}, policy.Options{KubernetesMinor: minor, FactNames: FactNames(), Settings: settings})
	facts := NewFacts(model.NewSnapshot(w.Objects, e.Closed), declared(w.Declarations))
	facts.minor = minor
	var err error
	if facts.images, err = exampleImages(w); err != nil {
		return policy.Error, "", fmt.Errorf("image: %w", err)
	}
	var tally policy.Tally
	worst, why := policy.Pass, ""
	for _, out := range engine.NewWorker(facts).Evaluate(judged, &tally) {
		if rank(out.Verdict) > rank(worst) {
			worst, why = out.Verdict, ""
			if out.Reason != "" {
				why = " (" + out.Reason + ")"
			}
		}
	}
	return worst, why, nil
}

// rank orders verdicts as an object's are summed up: one failing element makes
// the object fail.
func rank(v policy.Verdict) int {
	return map[policy.Verdict]int{policy.Pass: 0, policy.Unknown: 1, policy.Fail: 2, policy.Error: 3}[v]
}
