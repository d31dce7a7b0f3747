package policies_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/policies"
)

// TestFootprintsHoldAllThatIsRead judges objects that differ in a few places by
// a worker that remembers verdicts and by one that has seen nothing. A verdict
// that depends on what is not in its rule's footprint is remembered wrongly.
func TestFootprintsHoldAllThatIsRead(t *testing.T) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	engine := policy.NewEngine(rules, policy.Options{KubernetesMinor: newestMinor, FactNames: check.FactNames()})
	c := newCorpus(t, 2)
	var world []*model.Object
	for _, example := range c.examples {
		if o := read(t, example); o != nil {
			world = append(world, o)
		}
	}
	snapshot := model.NewSnapshot(world, false)
	shared := engine.NewWorker(check.NewFacts(snapshot, nil)) // remembers all objects
	judged, changed, differ := 0, 0, 0
	for i, example := range c.examples {
		if testing.Short() && i%10 > 0 {
			continue
		}
		near := engine.NewWorker(check.NewFacts(snapshot, nil)) // remembers the variants of one object
		before := ""
		for variant := range 8 {
			input := example
			if variant > 0 {
				input = c.change(example)
			}
			o := read(t, input)
			if o == nil {
				continue
			}
			want := outcomes(engine.NewWorker(check.NewFacts(snapshot, nil)), o)
			for how, w := range map[string]*policy.Worker{"all objects": shared, "variants": near} {
				if got := outcomes(w, o); got != want {
					if differ++; differ < 5 {
						t.Errorf("a worker that remembers %s says\n%s\na new one\n%s\nof %v", how, got, want, o.Root.Native())
					}
				}
			}
			if judged++; want != before {
				changed++
			}
			before = want
		}
	}
	t.Logf("%d objects judged by %d rules, %d with other outcomes than the one before", judged, len(rules), changed)
	if changed < judged/3 {
		t.Errorf("only %d of %d changes changed an outcome", changed, judged)
	}
}

// outcomes writes what a worker says about an object.
func outcomes(w *policy.Worker, o *model.Object) string {
	var tally policy.Tally
	var all []string
	for _, out := range w.Evaluate(o, &tally) {
		line := fmt.Sprintf("%s %s %s", out.Rule.ID, out.Verdict, out.Reason)
		if f := out.Finding; f != nil {
			line += fmt.Sprintf(" %s %s %s %d", f.Path(), f.Message, f.Fingerprint, len(f.Fixes))
		} else {
			line += " " + out.Subject
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return fmt.Sprintf("%+v\n%s", tally, strings.Join(all, "\n"))
}
