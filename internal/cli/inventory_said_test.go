package cli

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// TestSayingsAreThoseOfAScan holds the index against a look at all that is said.
func TestSayingsAreThoseOfAScan(t *testing.T) {
	o := &model.Object{}
	random := rand.New(rand.NewPCG(1, 2))
	path := func() tree.Path {
		p := tree.Path{}
		for range random.IntN(5) {
			step := tree.Step{Key: []string{"volumes", "containers", "env", "a.b"}[random.IntN(4)]}
			if random.IntN(2) == 0 {
				step = tree.Step{Index: random.IntN(2)}
			}
			p = append(p, step)
		}
		return p
	}
	found := 0
	for range 500 {
		var s sayings
		var plain []saying
		for range random.IntN(20) {
			f := &model.Finding{Element: &model.Element{Object: o, Path: path()}}
			for range random.IntN(3) {
				f.Symptoms = append(f.Symptoms, &model.Finding{Element: &model.Element{Object: o, Path: path()}})
			}
			s.finding(f)
		}
		spots := make([]spot, 1+random.IntN(3))
		for i := range spots {
			spots[i] = spot{o, path()}
		}
		held := func(e *model.Element) bool {
			return slices.ContainsFunc(spots, func(s spot) bool { return s.holds(e) })
		}
		for _, what := range s.all {
			if held(what.element) && (what.cause < 0 || !held(s.all[what.cause].element)) {
				plain = append(plain, what)
			}
		}
		if got := s.of(spots); !slices.Equal(got, plain) {
			t.Fatalf("spots %v: %d sayings, want %d", spots, len(got), len(plain))
		}
		found += len(plain)
	}
	if found < 500 {
		t.Errorf("only %d sayings were found: the test shows nothing", found)
	}
}
