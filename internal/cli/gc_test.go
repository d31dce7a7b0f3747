package cli

import "testing"

// TestGCPercent: a small heap may grow to what is cheaper than collecting, and a large one
// is held close to what is alive.
func TestGCPercent(t *testing.T) {
	goal := func(live uint64) uint64 { return live + live*uint64(gcPercent(live))/100 }
	for live := uint64(1 << 20); live < 8<<30; live += live / 16 {
		most := max(roomyHeap, live+live*minPercent/100)
		if goal(live) > most || goal(live) < live+live*minPercent/100 {
			t.Errorf("%d MiB alive are collected at %d MiB, not at %d at most", live>>20, goal(live)>>20, most>>20)
		}
	}
	for _, test := range []struct {
		live uint64
		want int
	}{
		{0, smallPercent}, {smallHeap - 1, smallPercent}, {smallHeap, maxPercent}, {roomyHeap / 2, maxPercent}, {roomyHeap * 2 / 3, 50}, {roomyHeap, minPercent}, {8 << 30, minPercent},
	} {
		if got := gcPercent(test.live); got != test.want {
			t.Errorf("%d MiB alive: %d percent, not %d", test.live>>20, got, test.want)
		}
	}
}

// TestGCPercentOfImage: a million paths take 85 MB, and the heap must stay below 100.
func TestGCPercentOfImage(t *testing.T) {
	const paths = 85 << 20
	if goal := paths + paths*gcPercentOfImage(paths)/100; goal > 100<<20 {
		t.Errorf("%d MiB are collected at %d", paths>>20, goal>>20)
	}
	if got := gcPercentOfImage(imageHeap - 1); got != imagePercent {
		t.Errorf("a small heap is collected at %d percent", got)
	}
}
