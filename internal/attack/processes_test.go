package attack

import (
	"fmt"
	"strings"
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

// Containers of a pod reach those that listen, and those with which they share a
// directory into which they may write.
func TestSharedNetworkAndFiles(t *testing.T) {
	containers := []string{
		"ports: [{containerPort: 80}]", "ports: [{containerPort: 81}]", "tty: true",
		"volumeMounts: [{name: d, mountPath: /a}]", "volumeMounts: [{name: d, mountPath: /a, readOnly: true}]", "volumeMounts: [{name: d, mountPath: /a}, {name: e, mountPath: /e}]", "volumeMounts: [{name: f, mountPath: /a}]",
	}
	text := "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {automountServiceAccountToken: false, volumes: [{name: d, emptyDir: {}}, {name: e, emptyDir: {}}, {name: f, emptyDir: {}}], containers: ["
	for i, c := range containers {
		text += fmt.Sprintf("{name: c%d, image: x, %s}, ", i, c)
	}
	g := graphOf(t, true, parse(t, text+"]}}")...)
	for to := range containers {
		d := g.KnownSteps(g.containerVertex(int32(to)))
		for from := range containers {
			listens := to < 2
			shares := (from == 3 || from == 5) && to >= 3 && to <= 5
			through := from != to && !listens && to >= 3 && to <= 5 && shares
			weight, ok := d.From(g.containerVertex(int32(from)))
			if from != to && (ok && weight == 1) != (listens || through) {
				t.Errorf("from %d to %d: %d steps, %t", from, to, weight, ok)
			}
		}
	}
}

// A pod of many containers makes edges in proportion, whatever these share.
func TestManyContainers(t *testing.T) {
	for _, shared := range []string{"", "ports: [{containerPort: %d}]", "volumeMounts: [{name: d, mountPath: /d}]"} {
		edges := func(n int) int {
			text := "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {shareProcessNamespace: true, volumes: [{name: d, emptyDir: {}}], containers: ["
			for i := range n {
				text += fmt.Sprintf("{name: c%d, image: x, %s}, ", i, strings.ReplaceAll(shared, "%d", fmt.Sprint(i+1)))
			}
			return graphOf(t, true, parse(t, text+"]}}")...).Edges()
		}
		if few, many := edges(100), edges(1000); many > 11*few {
			t.Errorf("with %q 100 containers make %d edges, 1000 make %d", shared, few, many)
		}
	}
}
