package reach

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"weak"

	"ullage.dev/ullage/internal/model"
)

// grown is a chain of graphs, each made of the one before, and counts of how.
type grown struct {
	*maker
	s                         *model.Snapshot
	g                         *Graph
	same, refined, split, new int
}

// policy is one policy more, or another one of a name.
func (c *grown) policy(name string) model.Change {
	spec := c.networkPolicy()
	switch c.IntN(4) {
	case 0:
		values := []any{pick(c.maker, "a", "b", "c", "d")}
		spec["ingress"] = []any{m{"from": []any{m{"podSelector": m{"matchExpressions": []any{m{"key": "unused", "operator": pick(c.maker, "In", "NotIn"), "values": values}}}}}}}
	case 1:
		spec["podSelector"], spec["policyTypes"] = m{}, []string{"Ingress", "Egress"}
		spec["ingress"] = []any{m{"from": c.atLeastOne(2, func() any { return m{"ipBlock": c.block()} })}}
	case 2:
		spec["podSelector"], spec["policyTypes"] = m{}, []string{"Ingress", "Egress"}
		ports := []any{m{"port": pick(c.maker, "http", "metrics"), "protocol": pick(c.maker, "TCP", "UDP")}}
		spec["ingress"], spec["egress"] = []any{m{"ports": ports}}, []any{m{"ports": ports}}
	}
	c.docs = nil
	c.add("networking.k8s.io/v1", "NetworkPolicy", name, pick(c.maker, namespaces...), nil, spec)
	o := parse(c.t, c.docs[0])[0]
	return model.Change{Key: o.Key, Object: o}
}

func (c *grown) change(change model.Change) {
	was := c.g
	c.s = c.s.With(change)
	c.g = was.With(c.s, change)
	switch {
	case c.g.basis == was.basis:
		c.same++
	case c.g.of == weak.Make(was.basis):
		c.refined++
		if len(c.g.classes) > len(was.classes) {
			c.split++
		}
	default:
		c.new++
	}
}

// Whatever the policies look at that are added one after the other, and whichever
// rows were asked for between, each graph is the one that is made anew.
func TestRefinedIsNew(t *testing.T) {
	var sum grown
	for seed := range uint64(60) {
		r := &maker{Rand: rand.New(rand.NewPCG(seed, 77)), t: t}
		for _, n := range namespaces {
			r.add("v1", "Namespace", n, "", r.labels(), m{})
		}
		for i := range 9 {
			r.pod(i)
		}
		c := grown{maker: r, s: r.snapshot(true)}
		c.s = c.s.With(replicas(r)...)
		c.g = New(c.s)
		for step := range 6 {
			before := c.g
			if c.chance(2) {
				before.Count()
			}
			name := fmt.Sprint("p", c.IntN(step+1))
			other := c.policy(name)
			before.With(c.s.With(other), other).Count() // which shares memory with the next
			c.change(c.policy(name))
			checkAgainstNew(t, seed, &c, before)
		}
		sum.same, sum.refined, sum.split, sum.new = sum.same+c.same, sum.refined+c.refined, sum.split+c.split, sum.new+c.new
	}
	if sum.same < 80 || sum.refined < 80 || sum.split < 50 || sum.new < 15 {
		t.Errorf("%d shared, %d refined, %d of them with more classes, %d anew: the test shows little", sum.same, sum.refined, sum.split, sum.new)
	}
	t.Log(sum.same, sum.refined, sum.split, sum.new)
}

// replicas are pods that a Deployment made, of which one may differ from its template.
func replicas(r *maker) (changes []model.Change) {
	text := "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: made, namespace: n0, uid: u}\n" +
		"spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a, tier: c}}, spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}}}\n"
	for i := range 3 {
		labels := "app: a, tier: c"
		if r.chance(4) {
			labels += ", unused: " + pick(r, "a", "b")
		}
		text += fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: made-%d, namespace: n0, labels: {%s}, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: made, uid: u, controller: true}]}\n"+
			"spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}\n", i, labels)
	}
	for _, o := range parse(r.t, text) {
		changes = append(changes, model.Change{Key: o.Key, Object: o})
	}
	return changes
}

// ofBoth returns the changes between ends that both graphs have: pods that a policy
// told apart which is gone may still be.
func ofBoth(changes []Change) []Change {
	return slices.DeleteFunc(changes, func(c Change) bool { return c.In != InBoth })
}

func checkAgainstNew(t *testing.T, seed uint64, c *grown, before *Graph) {
	t.Helper()
	fresh := New(c.s)
	for _, changes := range [][]Change{Diff(fresh, c.g), Diff(c.g, fresh)} {
		if changes = ofBoth(changes); len(changes) > 0 {
			t.Fatalf("seed %d: %s to %s: %v, want %v", seed, changes[0].From[0], changes[0].To[0], changes[0].New, changes[0].Old)
		}
	}
	got := flat(ofBoth(Diff(before, c.g)))
	again := flat(ofBoth(Diff(before, fresh)))
	for pair, d := range again {
		if e, ok := got[pair]; ok && !(d[0].Equal(e[0]) && d[1].Equal(e[1])) {
			t.Fatalf("seed %d: %s: %v, want %v", seed, pair, e, d)
		}
	}
	if len(got) == 0 != (len(again) == 0) {
		t.Fatalf("seed %d: %d changes, want %d", seed, len(got), len(again))
	}
	if len(fresh.workloads) != len(c.g.workloads) {
		return
	}
	want := table(fresh)
	for pair, v := range table(c.g) {
		if w, ok := want[pair]; ok && (!v.Equal(w) || v.Why != w.Why) {
			t.Fatalf("seed %d: %s: %v, want %v", seed, pair, v, w)
		}
	}
	for from := range ID(len(fresh.workloads)) {
		to := ID(c.IntN(fresh.Len()))
		port := Port{TCP, uint16(portNumbers[c.IntN(len(portNumbers))])}
		if e := fresh.Endpoint(to); e.Kind != Pods {
			continue
		}
		a, b := c.g.Why(from, to, port), fresh.Why(from, to, port)
		if a.Answer != b.Answer || a.Ingress.Cause != b.Ingress.Cause || a.Egress.Cause != b.Egress.Cause || a.Ingress.Rule.Index != b.Ingress.Rule.Index {
			t.Fatalf("seed %d: %d to %d: %+v, want %+v", seed, from, to, a, b)
		}
	}
	if x, y := len(c.g.Idle()), len(fresh.Idle()); x != y {
		t.Fatalf("seed %d: %d idle, want %d", seed, x, y)
	}
}
