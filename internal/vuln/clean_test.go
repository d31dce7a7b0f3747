package vuln

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestUpgradesClean holds the advised versions of random ranges against every version
// that there is: none has what it is said to mend, and none with a fix has less.
func TestUpgradesClean(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	version := func(n int) string { return fmt.Sprintf("1.%d.0", n) }
	for range 2000 {
		source := &memory{affected: map[string][]Affected{}}
		holds := map[string]func(n int) bool{}
		var fixes []int
		for k := range 1 + r.IntN(5) {
			a := Affected{ID: fmt.Sprintf("CVE-2026-000%d", k), Feed: "osv/npm"}
			var ranges [][2]int
			for from := r.IntN(4); from < 12 && len(ranges) < 3; {
				to := from + 1 + r.IntN(4)
				v := Interval{From: version(from), To: version(to)}
				if r.IntN(8) == 0 {
					v.To, to = "", 1000
				} else {
					fixes = append(fixes, to)
				}
				a.Intervals, ranges = append(a.Intervals, v), append(ranges, [2]int{from, to})
				from = to + 1 + r.IntN(3)
			}
			source.affected["npm p"] = append(source.affected["npm p"], a)
			holds[a.ID] = func(n int) bool {
				return slices.ContainsFunc(ranges, func(x [2]int) bool { return x[0] <= n && n < x[1] })
			}
		}
		count := func(n int) (all []string) {
			for id, in := range holds {
				if in(n) {
					all = append(all, id)
				}
			}
			slices.Sort(all)
			return all
		}
		const at = 3
		result, err := Run([]Package{{Ecosystem: "npm", Name: "p", Version: version(at), Owner: -1}}, Release{}, source)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range result.Upgrades([]Package{{Ecosystem: "npm", Name: "p", Version: version(at)}}, []int{0}) {
			var to int
			if _, err := fmt.Sscanf(u.To, "1.%d.0", &to); err != nil {
				t.Fatal(err)
			}
			now, then := count(at), count(to)
			mends := slices.DeleteFunc(slices.Clone(u.Mends), func(id string) bool { return !slices.Contains(then, id) })
			if comes := slices.DeleteFunc(slices.Clone(then), func(id string) bool { return slices.Contains(now, id) }); len(mends) > 0 || !slices.Equal(comes, u.Comes) {
				t.Fatalf("%+v has %v: does not mend %v, brings %v\n%+v", u, then, mends, comes, source.affected)
			}
			if len(u.Mends) != sum(u.Levels[:]) {
				t.Fatalf("%+v: counted wrongly", u)
			}
			for _, n := range fixes {
				less := count(n)
				if n > at && slices.ContainsFunc(now, func(id string) bool { return !slices.Contains(less, id) }) && (len(less) < len(then) || n < to && len(less) == len(then)) && slices.ContainsFunc(u.Mends, func(id string) bool { return !slices.Contains(less, id) }) {
					t.Fatalf("%+v has %v, and %s has %v only\n%+v", u, then, version(n), less, source.affected)
				}
			}
		}
	}
}

// TestUpgradesKnown are the cases in which the highest of the fixes is not clean.
func TestUpgradesKnown(t *testing.T) {
	source := &memory{affected: map[string][]Affected{
		"npm branch":   {{ID: "CVE-2026-5003", Intervals: []Interval{{To: "1.5.0"}, {From: "2.0.0", To: "2.3.0"}}}, {ID: "CVE-2026-5004", Intervals: upTo("2.1.0")}},
		"npm jump":     {{ID: "CVE-2026-5001", Intervals: upTo("1.5.0")}, {ID: "CVE-2026-5002", Intervals: []Interval{{From: "1.4.0", To: "1.6.0"}}}},
		"npm nofixnew": {{ID: "CVE-2026-5005", Intervals: upTo("1.5.0")}, {ID: "CVE-2026-5006", Intervals: []Interval{{From: "1.2.0"}}}},
	}}
	for name, want := range map[string]string{"branch": "2.3.0 mends 2 brings ", "jump": "1.6.0 mends 1 brings ", "nofixnew": "1.5.0 mends 1 brings CVE-2026-5006"} {
		packages := []Package{{Ecosystem: "npm", Name: name, Version: "1.0.0", Owner: -1}}
		result, err := Run(packages, Release{}, source)
		if err != nil {
			t.Fatal(err)
		}
		all := result.Upgrades(packages, []int{0})
		if len(all) != 1 {
			t.Fatalf("%s: %+v", name, all)
		}
		if got := fmt.Sprintf("%s mends %d brings %s", all[0].To, len(all[0].Mends), strings.Join(all[0].Comes, " ")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
