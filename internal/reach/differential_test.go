package reach

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// ends returns all ends that the oracle knows, with the ids that the graph has
// for them.
func (o *oracle) ends(t testing.TB, g *Graph) (ends []oEnd, ids []ID) {
	for _, p := range o.pods {
		gk := model.GroupKind{Group: "apps", Kind: p.kind}
		if p.kind == "Pod" {
			gk.Group = ""
		}
		found := g.Find(model.Key{Namespace: p.namespace, GroupKind: gk, Name: p.name})
		if len(found) != 1 {
			t.Fatalf("%s/%s: %d endpoints", p.namespace, p.name, len(found))
		}
		ends, ids = append(ends, oEnd{pod: p}), append(ids, found[0])
	}
	ends, ids = append(ends, oEnd{node: true}, oEnd{}), append(ids, g.Node(), g.APIServer())
	for _, a := range o.addresses {
		ends, ids = append(ends, oEnd{addr: a}), append(ids, g.Address(a))
	}
	for _, n := range o.names {
		if id, exact := g.Name(n); exact || n == "other.example.net" {
			ends, ids = append(ends, oEnd{name: n}), append(ids, id)
		}
	}
	return ends, ids
}

func (e oEnd) outside() bool { return e.addr.IsValid() || e.name != "" }

// agree compares every pair and port of a cluster, and counts the answers.
func agree(t *testing.T, seed uint64, r *maker, closed bool, counts *[3]int) {
	t.Helper()
	o := readOracle(t, r.docs, closed)
	g := New(r.snapshot(closed))
	ends, ids := o.ends(t, g)
	rnd := rand.New(rand.NewPCG(seed, 9))
	for i, from := range ends {
		for j, to := range ends {
			if from.name != "" || from.outside() && to.outside() || from.outside() && rnd.IntN(3) > 0 || to.outside() && rnd.IntN(3) > 0 {
				continue
			}
			v := g.Ports(ids[i], ids[j])
			for _, protocol := range []Protocol{TCP, UDP, SCTP} {
				port := portNumbers[rnd.IntN(len(portNumbers))]
				want := o.connects(from, to, protocol.String(), port)
				got := v.On(Port{protocol, uint16(port)})
				counts[got]++
				if (got == Yes) != want.must || (got != No) != want.may || (got == Maybe) && v.Why == 0 {
					t.Fatalf("seed %d: %s to %s on %s %d: %s (%s), want must %t, may %t\n%s", seed, show(from), show(to), protocol, port, got, v.Why, want.must, want.may, all(r.docs))
				}
			}
		}
	}
}

func show(e oEnd) string {
	switch {
	case e.pod != nil:
		return e.pod.namespace + "/" + e.pod.name
	case e.addr.IsValid():
		return e.addr.String()
	case e.node:
		return "node"
	}
	return "API server or name " + e.name
}

func all(docs []string) (text string) {
	for _, d := range docs {
		text += "---\n" + d
	}
	return text
}

func TestAgreesWithOracle(t *testing.T) {
	for mode, name := range []string{"NetworkPolicy", "v1alpha1", "v1alpha2", "Cilium", "Calico"} {
		t.Run(name, func(t *testing.T) {
			var counts [3]int
			for seed := range uint64(420) {
				r := (&maker{Rand: rand.New(rand.NewPCG(seed, uint64(mode))), t: t}).cluster(mode)
				agree(t, seed, r, seed%2 == 0, &counts)
			}
			for answer, n := range counts {
				if n < 500 {
					t.Errorf("%s %d times only: the test shows little", Answer(answer), n)
				}
			}
			t.Log(fmt.Sprint("no, maybe, yes: ", counts))
		})
	}
}
