package reach

import (
	"math/rand/v2"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// Numbers are those of a plain count over all pairs, before and with each cut.
func TestBlastEqualsBruteForce(t *testing.T) {
	cuts, unsure := 0, 0
	for seed := range uint64(200) {
		r := &maker{Rand: rand.New(rand.NewPCG(seed, 11)), t: t}
		s := r.cluster(int(seed % 5)).snapshot(true)
		g := New(s)
		ids := g.InNamespace("n1")
		if len(ids) > 0 && r.chance(2) {
			ids = ids[:1]
		}
		if len(ids) == 0 {
			continue
		}
		b := g.Blast(ids)
		b.FindCuts(s)
		compareBlast(t, seed, "before", g, ids, b.Direct, b.Further)
		for _, p := range b.Reached {
			var want Verdict
			for _, id := range ids {
				v := g.Ports(id, p.ID)
				want.Must, want.May = want.Must.union(v.Must), want.May.union(v.May)
			}
			if !want.Equal(p.Verdict) {
				t.Errorf("seed %d: endpoint %d is reached on %v, want %v", seed, p.ID, p.Verdict, want)
			}
		}
		if !b.Direct.Known() {
			unsure++
		}
		for _, c := range b.Cuts {
			cuts++
			after := New(s.With(c.Changes...))
			var same []ID
			for _, id := range ids {
				same = append(same, after.Find(g.Endpoint(id).Workload.Object.Key)...)
			}
			compareBlast(t, seed, c.Text, after, same, c.Direct, c.Further)
			if c.Direct.Most > b.Direct.Most || c.Direct == b.Direct {
				t.Errorf("seed %d: %s makes %v of %v", seed, c.Text, c.Direct, b.Direct)
			}
		}
	}
	if cuts < 100 || unsure < 10 {
		t.Errorf("%d cuts, %d not certain: the clusters are too plain", cuts, unsure)
	}
}

func compareBlast(t *testing.T, seed uint64, name string, g *Graph, ids []ID, direct, further Extent) {
	t.Helper()
	want := [2]Extent{{count(g, ids, Yes, 1), count(g, ids, Maybe, 1)}, {count(g, ids, Yes, g.Len()), count(g, ids, Maybe, g.Len())}}
	if direct != want[0] || further != want[1] {
		t.Fatalf("seed %d, %s: %v and %v, by brute force %v", seed, name, direct, further, want)
	}
}

// count counts the other workloads that some can get to in so many steps.
func count(g *Graph, from []ID, least Answer, steps int) int {
	own, seen := map[ID]bool{}, map[ID]bool{}
	for _, id := range from {
		own[id] = true
	}
	for range steps {
		var next []ID
		for _, x := range from {
			for y := range g.Endpoints() {
				if y.Kind == Pods && y.ID != x && !seen[y.ID] && !own[y.ID] && g.Ports(x, y.ID).Answer() >= least {
					seen[y.ID] = true
					next = append(next, y.ID)
				}
			}
		}
		if from = next; len(next) == 0 {
			break
		}
	}
	return len(seen)
}

func TestBlastNamesTheCut(t *testing.T) {
	text := pod("a", "one", "app: a", "") + pod("b", "two", "app: b", "") + pod("b", "three", "app: c", "") +
		netpol("a", "deny", "podSelector: {}, policyTypes: [Egress]") + netpol("a", "all", "podSelector: {}, policyTypes: [Egress], egress: [{}]")
	s := model.NewSnapshot(parse(t, text), true)
	g := New(s)
	b := g.Blast(g.InNamespace("a"))
	b.FindCuts(s)
	if b.Direct != (Extent{2, 2}) || len(b.Cuts) != 2 || len(b.Cuts[0].Removes) != 1 || b.Cuts[0].Direct != (Extent{}) || b.Cuts[1].YAML == "" {
		t.Errorf("%+v", b)
	}
}
