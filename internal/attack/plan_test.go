package attack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// TestPlan makes the changes of plans and counts with the reference, after each
// step; and leaves each change away to see that it is needed.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	plans, whole, confined := 0, 0, 0
	for range 60 {
		s := model.NewSnapshot(parse(t, clusterYAML(r)), false)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		for _, q := range []Query{{From: "internet", To: "cluster-admin"}, {From: "any", To: "node"}} {
			plan, err := g.Plan(q)
			if err != nil {
				t.Fatal(err)
			}
			var changes []model.Change
			for i, step := range plan.Steps {
				changes = append(changes, step.Changes...)
				closed, longer, sources, err := lost(q, s, s.With(changes...))
				if err != nil || closed != step.Closed || longer != step.Longer || sources != step.Sources || step.Left != sources-closed {
					t.Fatalf("%v: step %d, %s: closes %d, lengthens %d of %d, promised %d, %d of %d (%v)", q, i, step.Title, closed, longer, sources, step.Closed, step.Longer, step.Sources, err)
				}
				if strings.HasPrefix(step.Title, "close every way") {
					confined++
				}
			}
			if len(plan.Steps) == 0 {
				continue
			}
			if last := plan.Steps[len(plan.Steps)-1]; last.Closed != plan.Closed || plan.Closed == 0 {
				t.Fatalf("%v: the plan closes %d, its last step %d", q, plan.Closed, last.Closed)
			}
			plans++
			if plan.Closed == plan.Sources {
				whole++
			}
			needed(t, q, s, plan)
		}
	}
	if plans < 50 || whole < 30 || confined == 0 {
		t.Errorf("%d plans, %d of which close all, and %d containers confined", plans, whole, confined)
	}
}

// needed leaves each step away whose objects no other step changes.
func needed(t *testing.T, q Query, s *model.Snapshot, plan *Plan) {
	t.Helper()
	for i, step := range plan.Steps {
		var rest []model.Change
		shared := false
		for j, other := range plan.Steps {
			if i == j {
				continue
			}
			rest = append(rest, other.Changes...)
			for _, c := range other.Changes {
				shared = shared || slices.ContainsFunc(step.Changes, func(own model.Change) bool { return own.Key == c.Key })
			}
		}
		if shared {
			continue
		}
		if closed, _, _, err := lost(q, s, s.With(rest...)); err == nil && closed >= plan.Closed {
			t.Fatalf("%v: without %q %d of %d are closed all the same", q, step.Title, closed, plan.Closed)
		}
	}
}

// TestPlanSaysWhereItEnds holds that a plan which runs out of tries does not say
// that nothing closes the rest.
func TestPlanSaysWhereItEnds(t *testing.T) {
	for _, c := range []struct {
		bindings int
		cut      bool
	}{{3, false}, {20, true}} {
		var text strings.Builder
		for i := range c.bindings {
			fmt.Fprintf(&text, `
---
apiVersion: v1
kind: Pod
metadata: {name: w, namespace: ns%[1]d, labels: {app: w}}
spec: {serviceAccountName: w, containers: [{name: c, image: "registry.example/a:1", ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: w, namespace: ns%[1]d}
spec: {type: LoadBalancer, selector: {app: w}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: w%[1]d}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: w, namespace: ns%[1]d}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: ns%[1]d}
spec: {podSelector: {}, policyTypes: [Egress], egress: []}
`, i)
		}
		s := model.NewSnapshot(parse(t, text.String()), true)
		plan, err := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37}).Plan(Query{From: "internet", To: "cluster-admin"})
		if err != nil {
			t.Fatal(err)
		}
		if plan.Sources != c.bindings || plan.Cut != c.cut || plan.Closed == plan.Sources == c.cut {
			t.Errorf("%d bindings: %d of %d closed, cut %v", c.bindings, plan.Closed, plan.Sources, plan.Cut)
		}
	}
}

// TestPlanTakesNoShortcuts holds plans against those of a search that makes every
// graph, network and access analysis anew, and counts every set of changes again.
func TestPlanTakesNoShortcuts(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	steps, networks := 0, 0
	for range 60 {
		s := model.NewSnapshot(parse(t, clusterYAML(r)), r.IntN(2) == 0)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37})
		for _, q := range []Query{{From: "internet", To: "cluster-admin"}, {From: "any", To: "cluster-admin"}, {From: "any", To: "node"}, {From: "any", To: "cluster-admin", Namespaces: []string{"a", "b"}}} {
			ends, err := g.Ends(q)
			if err != nil {
				t.Fatal(err)
			}
			slow := planner{query: q, start: g, before: g.reaching(g.Distances(ends.To...), ends)}
			slow.with = func(at *Graph, changes []model.Change) *Graph {
				s := at.snapshot.With(changes...)
				return New(s, reach.New(s), access.New(s), at.options)
			}
			chosen := slow.choose()
			slow.chosen = nil
			want, err := slow.plan(slow.prune(chosen))
			if err != nil {
				t.Fatal(err)
			}
			got, err := g.Plan(q)
			if err != nil || got.Closed != want.Closed || got.Sources != want.Sources || got.Cut != want.Cut || len(got.Steps) != len(want.Steps) {
				t.Fatalf("%v: %+v, want %+v (%v)", q, got, want, err)
			}
			for i := range got.Steps {
				x, y := &got.Steps[i], &want.Steps[i]
				if x.Title != y.Title || x.Closed != y.Closed || x.Longer != y.Longer || x.Left != y.Left {
					t.Fatalf("%v: step %d is %s (%d, %d, %d), want %s (%d, %d, %d)", q, i, x.Title, x.Closed, x.Longer, x.Left, y.Title, y.Closed, y.Longer, y.Left)
				}
				steps++
				if strings.HasPrefix(x.Title, "add a NetworkPolicy") {
					networks++
				}
			}
		}
	}
	if steps < 200 || networks == 0 {
		t.Errorf("only %d steps were compared, %d of the network", steps, networks)
	}
}
