package reach

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// equalTables compares two graphs whose endpoints have the same names.
func equalTables(t *testing.T, seed uint64, a, b *Graph) {
	t.Helper()
	x, y := table(a), table(b)
	if len(x) != len(y) {
		t.Fatalf("seed %d: %d and %d pairs", seed, len(x), len(y))
	}
	for pair, v := range x {
		if w := y[pair]; !v.Equal(w) || v.Why != w.Why {
			t.Fatalf("seed %d: %s: %v and %v", seed, pair, v, w)
		}
	}
}

func TestPolicyThatSelectsNothingChangesNothing(t *testing.T) {
	for seed := range uint64(60) {
		r := random(t, seed, int(seed%5))
		before := New(r.snapshot(true))
		spec := r.networkPolicy()
		spec["podSelector"] = m{"matchLabels": m{"app": "nobody"}}
		r.add("networking.k8s.io/v1", "NetworkPolicy", "nobody", "n0", nil, spec)
		admin := r.adminPolicy("ClusterNetworkPolicy")
		admin["subject"] = m{"namespaces": m{"matchLabels": m{"app": "nobody"}}}
		r.add("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "nobody", "", nil, admin)
		after := New(r.snapshot(true))
		if changes := Diff(before, after); len(changes) > 0 {
			t.Fatalf("seed %d: %s to %s", seed, changes[0].From[0], changes[0].To[0])
		}
		idle := 0
		for _, i := range after.Idle() {
			if i.Policy.Object.Key.Name == "nobody" && i.Rule == nil {
				idle++
			}
		}
		if idle == 0 {
			t.Fatalf("seed %d: the policy counts as in use", seed)
		}
	}
}

func TestRuleThatAllowsNeverCloses(t *testing.T) {
	opened := 0
	for seed := range uint64(120) {
		r := random(t, seed, int(seed%5))
		spec := r.networkPolicy()
		spec["policyTypes"] = []string{"Ingress", "Egress"}
		without := slices.Clone(r.docs)
		add := func() *Graph {
			r.docs = slices.Clone(without)
			r.add("networking.k8s.io/v1", "NetworkPolicy", "grows", "n1", nil, spec)
			return New(r.snapshot(seed%2 == 0))
		}
		before := add()
		ingress, _ := spec["ingress"].([]any)
		spec["ingress"] = append(ingress, m{"from": r.some(2, r.networkPeer), "ports": r.some(2, r.networkPort)})
		egress, _ := spec["egress"].([]any)
		spec["egress"] = append(egress, m{"to": r.some(2, r.networkPeer), "ports": r.some(2, r.networkPort)})
		for _, c := range Diff(before, add()) {
			if !c.Closes().Empty() || !c.Old.Must.minus(c.New.Must).Empty() {
				t.Fatalf("seed %d: %s to %s: was %v, is %v", seed, c.From[0], c.To[0], c.Old, c.New)
			}
			opened++
		}
	}
	if opened < 50 {
		t.Errorf("%d changes only", opened)
	}
}

func TestAdminDenyClosesEverything(t *testing.T) {
	for seed := range uint64(60) {
		r := random(t, seed, int(seed%4))
		r.add("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "deny", "", nil, m{"tier": "Admin", "priority": 0,
			"subject": m{"namespaces": m{}},
			"ingress": []any{m{"action": "Deny", "from": []any{m{"namespaces": m{}}}}},
			"egress":  []any{m{"action": "Deny", "to": []any{m{"networks": []any{"0.0.0.0/0", "::/0"}}}}},
		})
		g := New(r.snapshot(false))
		for from := range g.Endpoints() {
			if from.Kind != Pods || from.HostNetwork {
				continue
			}
			for to, v := range g.From(from.ID) {
				if to != from.ID {
					e := g.Endpoint(to)
					t.Fatalf("seed %d: %s to %s: %v", seed, &from, &e, v)
				}
			}
		}
	}
}

func TestNamesOfLabelsDoNotMatter(t *testing.T) {
	for seed := range uint64(60) {
		r := random(t, seed, int(seed%2)*3)
		before := New(r.snapshot(seed%2 == 0))
		for i := range r.docs {
			r.docs[i] = strings.NewReplacer("tier", "stage", "unused", "idle").Replace(r.docs[i])
		}
		equalTables(t, seed, before, New(r.snapshot(seed%2 == 0)))
	}
}

func TestOrderOfObjectsDoesNotMatter(t *testing.T) {
	for seed := range uint64(60) {
		r := random(t, seed, int(seed%5))
		before := New(r.snapshot(true))
		rand.New(rand.NewPCG(seed, 5)).Shuffle(len(r.docs), func(i, j int) { r.docs[i], r.docs[j] = r.docs[j], r.docs[i] })
		equalTables(t, seed, before, New(r.snapshot(true)))
	}
}

// Whatever labels a Namespace has that was not read, what is then true lies
// within what was said before.
func TestUnreadNamespacesAreAllowedFor(t *testing.T) {
	doubted := 0
	for seed := range uint64(120) {
		r := random(t, seed, int(seed%4))
		r.docs = slices.DeleteFunc(r.docs, func(doc string) bool {
			return strings.Contains(doc, "kind: Namespace") || strings.Contains(doc, "kind: Service")
		})
		said := table(New(r.snapshot(false)))
		for _, n := range namespaces {
			r.add("v1", "Namespace", n, "", r.labels(), m{})
		}
		for pair, v := range table(New(r.snapshot(true))) {
			s := said[pair]
			if strings.Contains(pair, "/w-") && (!s.Must.minus(v.Must).Empty() || !v.May.minus(s.May).Empty()) {
				t.Fatalf("seed %d: %s: said %v, is %v", seed, pair, s, v)
			}
			if !s.Equal(v) {
				doubted++
			}
		}
	}
	if doubted < 100 {
		t.Errorf("labels mattered %d times only: the test shows little", doubted)
	}
}
