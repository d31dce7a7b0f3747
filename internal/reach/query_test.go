package reach

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"ullage.dev/ullage/internal/model"
)

func random(t testing.TB, seed uint64, mode int) *maker {
	return (&maker{Rand: rand.New(rand.NewPCG(seed, uint64(100+mode))), t: t}).cluster(mode)
}

// table returns the verdict of every pair, by names that mean the same in every
// graph.
func table(g *Graph) map[string]Verdict {
	pairs := map[string]Verdict{}
	for from := range g.Endpoints() {
		for to := range g.Endpoints() {
			if from.Kind == Name || from.Outside() && to.Outside() {
				continue
			}
			pairs[from.String()+" > "+to.String()] = g.Ports(from.ID, to.ID)
		}
	}
	return pairs
}

func TestIterationsAgreeWithPorts(t *testing.T) {
	for seed := range uint64(60) {
		g := New(random(t, seed, int(seed%4)).snapshot(seed%2 == 0))
		want := table(g)
		maps.DeleteFunc(want, func(_ string, v Verdict) bool { return v.Answer() == No })
		got, compact := map[string]Verdict{}, map[string]Verdict{}
		name := func(a, b ID) string {
			x, y := g.Endpoint(a), g.Endpoint(b)
			return x.String() + " > " + y.String()
		}
		for pair, v := range g.All() {
			got[name(pair[0], pair[1])] = v
		}
		for flow := range g.Compact(nil) {
			for _, from := range flow.From {
				for _, to := range flow.To {
					compact[name(from, to)] = flow.Verdict
				}
			}
		}
		loop := func(key string, v Verdict) bool { return v.Why&whyLoopback != 0 }
		same := func(a, b Verdict) bool { return a.Equal(b) && a.Why == b.Why }
		if !maps.EqualFunc(got, want, same) {
			t.Fatalf("seed %d: All: %d pairs, want %d", seed, len(got), len(want))
		}
		to := 0
		for id := range ID(g.Len()) {
			for from, v := range g.To(id) {
				to++
				if w := got[name(from, id)]; !w.Equal(v) {
					t.Fatalf("seed %d: To %s: %v, want %v", seed, name(from, id), v, w)
				}
			}
		}
		total := g.Count()
		for key, v := range want {
			if loop(key, v) {
				delete(want, key)
				delete(compact, key)
			}
		}
		if !maps.EqualFunc(compact, want, same) {
			t.Fatalf("seed %d: Compact: %d pairs, want %d", seed, len(compact), len(want))
		}
		if to != len(got) || total.Yes+total.Maybe < len(want) || total.Yes+total.Maybe > len(got) {
			t.Fatalf("seed %d: To %d, Count %+v, All %d", seed, to, total, len(got))
		}
	}
}

// What is said to decide must lead to the answer.
func TestWhyLeadsToTheAnswer(t *testing.T) {
	causes := map[Cause]int{}
	for seed := range uint64(150) {
		g := New(random(t, seed, []int{0, 1, 2, 3, 3, 4}[seed%6]).snapshot(seed%2 == 0))
		for from := range g.Endpoints() {
			for to := range g.Endpoints() {
				if from.Kind == Name || from.Outside() && to.Outside() {
					continue
				}
				for _, port := range []Port{{TCP, 80}, {UDP, 8080}} {
					e := g.Why(from.ID, to.ID, port)
					v := g.Ports(from.ID, to.ID)
					if e.Answer != v.On(port) {
						t.Fatalf("seed %d: %s to %s: %s, want %s", seed, &from, &to, e.Answer, v.On(port))
					}
					for _, d := range []Decision{e.Egress, e.Ingress} {
						causes[d.Cause]++
						checkDecision(t, fmt.Sprintf("seed %d, %s to %s on %s", seed, &from, &to, port), d)
					}
				}
			}
		}
	}
	for _, c := range []Cause{ByDefault, ByRule, ByIsolation, ByNobody} {
		if causes[c] < 100 {
			t.Errorf("%s: %d times only", c, causes[c])
		}
	}
}

func checkDecision(t *testing.T, what string, d Decision) {
	t.Helper()
	says := Yes
	if d.Cause == ByIsolation || d.Cause == ByRule && d.Rule.Action == Deny {
		says = No
	}
	switch {
	case d.Answer != Maybe && d.Answer != says:
		t.Fatalf("%s: %s by %s", what, d.Answer, d.Cause)
	case d.Answer == Maybe && d.Why == 0:
		t.Fatalf("%s: maybe without a reason", what)
	case (d.Cause == ByRule) != (d.Rule.Rule != nil), (d.Cause == ByIsolation) != (len(d.Isolating) > 0):
		t.Fatalf("%s: %+v", what, d)
	}
}

// flat returns the pairs of a difference.
func flat(changes []Change) map[string][2]Verdict {
	pairs := map[string][2]Verdict{}
	for _, c := range changes {
		for _, from := range c.From {
			for _, to := range c.To {
				pairs[from.String()+" > "+to.String()] = [2]Verdict{c.Old, c.New}
			}
		}
	}
	return pairs
}

func TestDiffAgreesWithTables(t *testing.T) {
	changed, moved := 0, 0
	for seed := range uint64(200) {
		r := random(t, seed, int(seed%5))
		before := r.snapshot(true)
		old := slices.Clone(r.docs)
		r.change()
		a, b := New(before), New(r.snapshot(true))
		if seed%3 == 0 {
			a.Count() // rows that are there already are another way
			b.Count()
		}
		changes := Diff(a, b)
		moved += checkPresence(t, a, b, changes)
		got := flat(changes)
		// Only what both know under one name can be compared by name.
		x, y := table(a), table(b)
		for pair, v := range x {
			w, ok := y[pair]
			if from, to, _ := strings.Cut(pair, " > "); !ok || from == to {
				continue // for Diff, a Pod with itself is two alike
			}
			d, differs := got[pair]
			if differs == v.Equal(w) || differs && !(d[0].Equal(v) && d[1].Equal(w)) {
				t.Fatalf("seed %d: %s: was %v, is %v; said %v\n%s\n=======\n%s", seed, pair, v, w, d, all(old), all(r.docs))
			}
			if differs {
				changed++
			}
		}
		for pair, d := range got {
			if d[0].Equal(d[1]) {
				t.Fatalf("seed %d: %s did not change", seed, pair)
			}
		}
		if len(Diff(a, a)) > 0 || len(Diff(b, New(r.snapshot(true)))) > 0 {
			t.Fatalf("seed %d: a graph differs from itself", seed)
		}
	}
	if changed < 200 || moved < 200 {
		t.Errorf("%d pairs changed only, and %d came or went", changed, moved)
	}
}

// checkPresence holds the presence of changes against the workloads of both graphs,
// and returns how many pairs have an end in one only.
func checkPresence(t *testing.T, a, b *Graph, changes []Change) (moved int) {
	t.Helper()
	names := func(g *Graph) map[string]bool {
		all := map[string]bool{}
		for e := range g.Endpoints() {
			if e.Kind == Pods {
				all[e.String()] = true
			}
		}
		return all
	}
	old, now := names(a), names(b)
	beyond := func(g, other *Graph, known map[string]bool) {
		for _, e := range g.Beyond(other) {
			if known[e.String()] {
				t.Fatalf("%s is in both", e)
			}
			known[e.String()] = true
		}
	}
	for i := range changes {
		c := &changes[i]
		for _, from := range c.From {
			for _, to := range c.To {
				in := InBoth
				for _, e := range []*Endpoint{from, to} {
					switch name := e.String(); {
					case e.Kind != Pods || old[name] && now[name]:
					case now[name]:
						in = OnlyNew
					default:
						in = OnlyOld
					}
				}
				if c.In != in {
					t.Fatalf("%s -> %s: %s, want %s", from, to, c.In, in)
				}
				moved += boolToInt(in != InBoth)
			}
		}
	}
	union := maps.Clone(old)
	maps.Copy(union, now)
	beyond(b, a, old)
	beyond(a, b, now)
	if !maps.Equal(old, union) || !maps.Equal(now, union) {
		t.Fatalf("workloads of one graph only are missing: %v and %v", old, now)
	}
	return moved
}

// change changes, adds or removes one object.
func (r *maker) change() {
	i := r.IntN(len(r.docs))
	switch r.IntN(4) {
	case 0:
		r.docs = slices.Delete(r.docs, i, i+1)
	case 1:
		r.add("networking.k8s.io/v1", "NetworkPolicy", "added", pick(r, namespaces...), nil, r.networkPolicy())
	case 2:
		r.add("v1", "Namespace", pick(r, namespaces...), "", r.labels(), m{})
	default:
		r.pod(r.IntN(5))
	}
}

func TestDiffWithinAddresses(t *testing.T) {
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: a}\nspec: {containers: [{name: c, image: a}]}\n---\n" +
		"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: a}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: %s}}], ports: [{port: 80}]}]}\n"
	read := func(cidr string) *Graph {
		return New(model.NewSnapshot(parse(t, fmt.Sprintf(text, cidr)), true))
	}
	changes := Diff(read("203.0.113.0/24"), read("203.0.113.0/25"))
	if len(changes) != 1 {
		t.Fatalf("%d changes", len(changes))
	}
	c := changes[0]
	if got := fmt.Sprintf("%s %s %s %s", c.From[0], c.To[0], c.Opens(), c.Closes()); len(c.From) != 1 || got != "203.0.113.128/25 Pod/a/w none TCP 80" {
		t.Error(got, len(c.From))
	}
}

// A graph made of another must be the one made anew.
func TestWithIsNew(t *testing.T) {
	shared := 0
	for seed := range uint64(60) {
		r := random(t, seed, int(seed%5))
		s := r.snapshot(true)
		g := New(s)
		if seed%2 == 0 {
			g.Count()
		}
		for range 3 {
			before := len(r.docs)
			r.change()
			var changes []model.Change
			if len(r.docs) > before {
				o := parse(t, r.docs[len(r.docs)-1])[0]
				changes = append(changes, model.Change{Key: o.Key, Object: o})
			} else {
				for _, o := range s.All() {
					if r.IntN(s.Len()) == 0 {
						changes = append(changes, model.Change{Key: o.Key})
					}
				}
			}
			s = s.With(changes...)
			next := g.With(s, changes...)
			if next.basis == g.basis {
				shared++
			}
			fresh := New(s)
			if changes := Diff(fresh, next); len(changes) > 0 {
				t.Fatalf("seed %d: %s to %s: %v, want %v", seed, changes[0].From[0], changes[0].To[0], changes[0].New, changes[0].Old)
			}
			want := table(fresh)
			for pair, v := range table(next) {
				if w, ok := want[pair]; ok && !v.Equal(w) {
					t.Fatalf("seed %d: %s: %v, want %v", seed, pair, v, w)
				}
			}
			got, again := flat(Diff(g, next)), flat(Diff(g, fresh))
			for pair, d := range again {
				if e, ok := got[pair]; ok && !(d[0].Equal(e[0]) && d[1].Equal(e[1])) {
					t.Fatalf("seed %d: %s: %v, want %v", seed, pair, e, d)
				}
			}
			g = next
		}
	}
	if shared < 15 {
		t.Errorf("%d graphs shared only", shared)
	}
}

// A policy that looks at what no pod has leaves the graph's classes as they are; one
// that looks at what some pod has, and be it one that is like its workload else, does
// not.
func TestWithNewLabel(t *testing.T) {
	const meta = "metadata: {name: %s, namespace: a, labels: {app: %s%s}%s}"
	pod := func(name, app, more, owner string) string {
		return fmt.Sprintf("\n---\n{apiVersion: v1, kind: Pod, "+meta+", spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}}", name, app, more, owner)
	}
	const made = ", ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]"
	text := "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: a, uid: d}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}}}}" +
		pod("web-1", "web", "", made) + pod("web-2", "web", ", canary: 'yes'", made) + pod("db", "db", "", "") + pod("other", "other", "", "") +
		"\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}"
	for selector, shares := range map[string]bool{
		"matchLabels: {role: front}": true, "matchExpressions: [{key: role, operator: DoesNotExist}]": true, "matchExpressions: [{key: role, operator: NotIn, values: [front]}]": true,
		"matchExpressions: [{key: app, operator: NotIn, values: [gone, web]}]": true, "matchLabels: {app: gone}": true,
		"matchLabels: {app: other}": true, "matchLabels: {canary: 'yes'}": false, "matchLabels: {canary: 'no'}": false, "matchExpressions: [{key: canary, operator: Exists}]": false,
		"matchLabels: {pod-template-hash: x}": false,
	} {
		for _, place := range []string{"podSelector: {%s}, ingress: []", "podSelector: {}, ingress: [{from: [{podSelector: {%s}}]}]"} {
			s := model.NewSnapshot(parse(t, text), true)
			g := New(s)
			o := parse(t, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: added, namespace: a}, spec: {"+fmt.Sprintf(place, selector)+"}}")[0]
			change := model.Change{Key: o.Key, Object: o}
			next, fresh := g.With(s.With(change), change), New(s.With(change))
			if got := next.basis == g.basis; got != shares {
				t.Errorf("%s: shared %t", selector, got)
			}
			if changes := Diff(fresh, next); len(changes) > 0 {
				t.Errorf("%s: %d changes", selector, len(changes))
			}
			want := table(fresh)
			for pair, v := range table(next) {
				if w, ok := want[pair]; !ok || !v.Equal(w) {
					t.Errorf("%s: %s: %v, want %v", selector, pair, v, w)
				}
			}
		}
	}
}

// What is no longer remembered is answered all the same, and changes are not tried.
func TestFullIsTheSame(t *testing.T) {
	unsure := 0
	for seed := range uint64(60) {
		s := random(t, seed, int(seed%5)).snapshot(true)
		normal, full := New(s), New(s)
		full.sets.limit = 0
		for id := range ID(normal.Len()) {
			want := map[ID]Verdict{}
			for to, v := range normal.From(id) {
				want[to] = v
			}
			for to, v := range full.From(id) {
				if w, ok := want[to]; !ok || !w.Equal(v) || w.Why != v.Why {
					t.Fatalf("seed %d: %d to %d: %v, want %v", seed, id, to, v, w)
				}
				unsure += boolToInt(!v.Must.Equal(v.May))
				delete(want, to)
			}
			if len(want) > 0 {
				t.Fatalf("seed %d: from %d: %v missing", seed, id, want)
			}
		}
		ids := normal.InNamespace(normal.namespaces[0].name)
		if b := full.Blast(ids); len(ids) > 0 {
			b.FindCuts(s)
			if len(b.Cuts) > 0 || b.Untried != len(b.removals())+len(b.splits(s)) {
				t.Fatalf("seed %d: %d changes, %d untried", seed, len(b.Cuts), b.Untried)
			}
		}
	}
	if unsure < 100 {
		t.Errorf("%d verdicts are unsure only", unsure)
	}
}

func TestCellsAreThoseOfRows(t *testing.T) {
	for seed := range uint64(100) {
		s := random(t, seed, int(seed%5)).snapshot(seed%2 == 0)
		alone, whole := New(s), New(s)
		for _, d := range directions {
			for sign := range alone.signatures[d] {
				r := whole.rowOf(d, int32(sign))
				for peer, a := range r {
					alone.rows[d][sign].Store(nil) // each cell for itself
					got, want := alone.verdict(alone.cell(d, int32(sign), int32(peer))), whole.verdict(a)
					if !got.Equal(want) || got.Why != want.Why {
						t.Fatalf("seed %d: %s, peer %d: %v, want %v", seed, d, peer, got, want)
					}
				}
			}
		}
	}
}

// Queries and graphs made of one another share memory: run with -race.
func TestConcurrentQueries(t *testing.T) {
	r := random(t, 7, 3)
	s := r.snapshot(true)
	g := New(s)
	want := table(New(s))
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			o := parse(t, netpol("n1", fmt.Sprint("np-", i), "podSelector: {}"))[0]
			change := model.Change{Key: o.Key, Object: o}
			Diff(g, g.With(s.With(change), change))
			for pair, v := range table(g) {
				if !v.Equal(want[pair]) {
					t.Errorf("%s: %v, want %v", pair, v, want[pair])
				}
			}
			g.Count()
		})
	}
	group.Wait()
}

// Why names both of two policies of which it is not defined which comes first.
func TestWhyNamesRivals(t *testing.T) {
	admin := func(name, action string) string {
		return fmt.Sprintf("---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: %s}\nspec: {tier: Admin, priority: 5, subject: {namespaces: {}}, ingress: [{action: %s, from: [{namespaces: {}}]}]}\n", name, action)
	}
	for second, doubts := range map[string]int{"Deny": 1, "Pass": 1, "Accept": 0} {
		g := graph(t, true, pod("shop", "web", "app: web", ""), pod("shop", "api", "app: api", ""), admin("first", "Accept"), admin("second", second))
		ids := g.InNamespace("shop")
		d := g.Why(ids[0], ids[1], Port{TCP, 80}).Ingress
		if len(d.Doubts) != doubts || doubts > 0 && (d.Doubts[0].Policy.Object.Key.Name != "second" || d.Doubts[0].Why != whyEqualPriority) {
			t.Errorf("%s: %+v", second, d.Doubts)
		}
	}
}
