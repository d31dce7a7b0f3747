package cli

import (
	"slices"

	"ullage.dev/ullage/internal/model"
)

// sayings are what the rules say of one object, found by the places that it is said
// of: an object may have many places, and much that is said of each.
type sayings struct {
	all []saying
	// at are the sayings of the very element at a path, and under those of all
	// elements at or below it; both in order.
	at, under map[string][]int
}

// saying is a finding, or a question without an answer.
type saying struct {
	element *model.Element
	finding *model.Finding
	unknown string // the reason; of a question
	cause   int    // of a symptom: its finding; else -1
}

func (s *sayings) finding(f *model.Finding) {
	cause := len(s.all)
	s.add(saying{f.Element, f, "", -1})
	for _, symptom := range f.Symptoms { // of a cause that may lie elsewhere in the object
		s.add(saying{symptom.Element, symptom, "", cause})
	}
}

func (s *sayings) add(what saying) {
	if s.at == nil {
		s.at, s.under = map[string][]int{}, map[string][]int{}
	}
	i := len(s.all)
	s.all = append(s.all, what)
	var key string
	for depth := range len(what.element.Path) + 1 {
		key = what.element.Path[:depth].String()
		s.under[key] = append(s.under[key], i)
	}
	s.at[key] = append(s.at[key], i)
}

// of returns what is said of one of the spots, in order.
func (s *sayings) of(spots []spot) []saying {
	if s == nil {
		return nil
	}
	var found []int
	for _, spot := range spots {
		found = append(found, s.under[spot.path.String()]...)
		for depth := range spot.path { // the items of lists that it is in
			for _, i := range s.at[spot.path[:depth].String()] {
				if spot.holds(s.all[i].element) {
					found = append(found, i)
				}
			}
		}
	}
	slices.Sort(found)
	var said []saying
	held := map[int]bool{}
	for _, i := range slices.Compact(found) {
		held[i] = true
		if what := s.all[i]; what.cause < 0 || !held[what.cause] {
			said = append(said, what)
		}
	}
	return said
}
