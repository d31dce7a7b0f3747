package cli

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/reach"
)

// joinedOneByOne puts an entry to the first that differs in one end only, looking
// at each.
func joinedOneByOne(list []diffEntry, e diffEntry) []diffEntry {
	same := func(a, b []*reach.Endpoint) bool {
		return slices.EqualFunc(a, b, func(x, y *reach.Endpoint) bool { return x.String() == y.String() })
	}
	for i := range list {
		x := &list[i]
		switch {
		case !x.Old.Equal(e.Old) || !x.New.Equal(e.New), x.In != e.In:
		case same(x.To, e.To):
			x.From = slices.Concat(x.From, e.From)
			return list
		case same(x.From, e.From):
			x.To = slices.Concat(x.To, e.To)
			return list
		}
	}
	return append(list, e)
}

func tellEntries(list []diffEntry) string {
	text := ""
	for _, e := range list {
		for _, ends := range [][]*reach.Endpoint{e.From, e.To} {
			for i := range ends {
				text += ends[i].String() + " "
			}
			text += "-> "
		}
		text += fmt.Sprintln(e.Ports, e.Opens, e.In, e.Old.May, e.New.May)
	}
	return text
}

func tellChanges(changes []reach.Change) string {
	var list []diffEntry
	for _, c := range changes {
		list = append(list, diffEntry{From: c.From, To: c.To, Old: c.Old, New: c.New})
	}
	return tellEntries(list)
}

// Changes are put together as when each is compared with each.
func TestDiffEntriesAsOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var seen int
	for round := range 400 {
		ends := func() []*reach.Endpoint {
			var list []*reach.Endpoint
			for range 1 + r.IntN(3) {
				list = append(list, &reach.Endpoint{Kind: reach.Name, Name: fmt.Sprintf("n%d", r.IntN(3))})
			}
			return list
		}
		ports := reach.PortsOf(reach.Port{Number: 80})
		verdicts := []reach.Verdict{{}, {Must: ports, May: ports}, {May: ports}}
		var changes []reach.Change
		for range r.IntN(30) {
			changes = append(changes, reach.Change{From: ends(), To: ends(), Old: verdicts[r.IntN(3)], New: verdicts[r.IntN(3)], In: reach.Presence(r.IntN(2))})
		}
		before := tellChanges(changes)
		var opens, closes []diffEntry
		for i := range changes {
			c := &changes[i]
			if ports := c.Opens(); !ports.Empty() {
				opens = joinedOneByOne(opens, diffEntry{c.From, c.To, ports, c.Old, c.New, true, c.In})
			}
			if ports := c.Closes(); !ports.Empty() {
				closes = joinedOneByOne(closes, diffEntry{c.From, c.To, ports, c.Old, c.New, false, c.In})
			}
		}
		gotOpens, gotCloses, _ := diffEntries(changes)
		if got, want := tellEntries(gotOpens)+tellEntries(gotCloses), tellEntries(opens)+tellEntries(closes); got != want {
			t.Fatalf("round %d: got\n%swant\n%s", round, got, want)
		}
		if tellChanges(changes) != before {
			t.Fatalf("round %d: the changes were changed", round)
		}
		seen += len(opens) + len(closes)
	}
	if seen < 400 {
		t.Errorf("%d entries only", seen)
	}
}
