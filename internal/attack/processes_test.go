package attack

import (
	"fmt"
	"testing"
)

// Of containers that share their processes, root reaches all others, who may be
// root likely does, and other users reach those of the same user.
func TestSharedProcesses(t *testing.T) {
	users := []string{"runAsUser: 0", "", "runAsUser: 5", "runAsUser: 5", "runAsUser: 6", "runAsNonRoot: true"}
	text := "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {shareProcessNamespace: true, automountServiceAccountToken: false, containers: ["
	for i, user := range users {
		text += fmt.Sprintf("{name: c%d, image: x, securityContext: {%s}}, ", i, user)
	}
	g := graphOf(t, true, parse(t, text+"]}}")...)
	for to := range users {
		d := g.Distances(g.containerVertex(int32(to)))
		for from, user := range users {
			if from == to {
				continue
			}
			want := Given // no way
			switch {
			case user == "runAsUser: 0":
				want = Certain
			case user == "":
				want = Likely
			case user == users[to] && user != "runAsNonRoot: true":
				want = Certain
			}
			weight, ok := d.From(g.containerVertex(int32(from)))
			if ok != (want != Given) || ok && weight != int(want) {
				t.Errorf("from %q to %q: %d, %t; want %s", user, users[to], weight, ok, want)
			}
		}
	}
}

// A pod of many containers makes edges in proportion.
func TestManySharedProcesses(t *testing.T) {
	edges := func(n int) int {
		text := "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {shareProcessNamespace: true, containers: ["
		for i := range n {
			text += fmt.Sprintf("{name: c%d, image: x}, ", i)
		}
		return graphOf(t, true, parse(t, text+"]}}")...).Edges()
	}
	if few, many := edges(100), edges(1000); many > 11*few {
		t.Errorf("100 containers make %d edges, 1000 make %d", few, many)
	}
}
