package policies_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// unchecked are the files of the library without checked.txt.
type unchecked struct{ fs.FS }

func (u unchecked) Open(name string) (fs.File, error) {
	if name == "checked.txt" {
		return nil, fs.ErrNotExist
	}
	return u.FS.Open(name)
}

func TestCheckedFormIsThatOfTheRules(t *testing.T) {
	for name, files := range map[string]fs.FS{"policies": policies.Files, "policies/behavior": policies.Behavior()} {
		rules, err := policy.LoadLibrary(files, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := policy.CheckExpressions(rules)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fs.ReadFile(files, "checked.txt")
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s/checked.txt is not made from these rules: run make generate", name)
		}
	}
}

// Rules from their checked form must read the same and judge the same as rules
// that are compiled from their text.
func TestCheckedFormJudgesAlike(t *testing.T) {
	c := newCorpus(t, 1)
	var objects []*model.Object
	for range 1000 {
		if o := read(t, c.vary()); o != nil {
			objects = append(objects, o)
		}
	}
	facts := check.NewFacts(model.NewSnapshot(objects, false), func(*model.Object) *tree.Node { return nil })
	var answers [2][]string
	for i, files := range []fs.FS{policies.Files, unchecked{policies.Files}} {
		rules, err := policy.LoadLibrary(files, "policies")
		if err != nil {
			t.Fatal(err)
		}
		engine := policy.NewEngine(rules, policy.Options{KubernetesMinor: newestMinor, FactNames: check.FactNames()})
		for _, r := range rules {
			f, err := engine.Footprint(r)
			if err != nil {
				t.Fatal(err)
			}
			answers[i] = append(answers[i], r.ID+" reads "+f.String())
		}
		worker := engine.NewWorker(facts)
		for _, o := range objects {
			var tally policy.Tally
			for _, out := range worker.Evaluate(o, &tally) {
				if f := out.Finding; f != nil {
					answers[i] = append(answers[i], fmt.Sprintf("%s %s: %s, %d fixes", f.Rule.ID, f.Fingerprint, f.Message, len(f.Fixes)))
				} else {
					answers[i] = append(answers[i], fmt.Sprintf("%s %s: %s", out.Rule.ID, out.Verdict, out.Reason))
				}
			}
			answers[i] = append(answers[i], fmt.Sprintf("%s %+v", o.Key, tally))
		}
	}
	if !slices.Equal(answers[0], answers[1]) {
		for i := range min(len(answers[0]), len(answers[1])) {
			if answers[0][i] != answers[1][i] {
				t.Fatalf("from the checked form: %s\ncompiled from text: %s", answers[0][i], answers[1][i])
			}
		}
		t.Errorf("%d answers from the checked form, %d compiled from text", len(answers[0]), len(answers[1]))
	}
	t.Logf("%d answers about %d objects", len(answers[0]), len(objects))
}
