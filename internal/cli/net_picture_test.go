package cli

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
)

// pictured returns the network of a text with a number of workloads in namespaces
// of ten, of which every third is closed but for one port.
func pictured(t *testing.T, workloads int, more string) *network {
	t.Helper()
	var b strings.Builder
	for i := range workloads {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p-%d, namespace: ns-%d, labels: {app: a-%d}}\nspec: {containers: [{name: c, image: a}]}\n", i, i/10, i%10)
	}
	for ns := 0; ns*10 < workloads; ns += 3 {
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: own, namespace: ns-%d}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}\n", ns)
	}
	read, err := manifest.Load(t.Context(), []string{"-"}, manifest.Options{Namespace: "default", Stdin: strings.NewReader(b.String() + more)})
	if err != nil || len(read.Problems) > 0 {
		t.Fatal(err, read.Problems)
	}
	return newNetwork(model.NewSnapshot(read.Objects, true))
}

// The matrix has a cell where some pair is open, and no other.
func TestMatrixShowsEveryPair(t *testing.T) {
	for _, workloads := range []int{12, 120} {
		l := &listing{network: pictured(t, workloads, "")}
		m, err := l.matrix()
		if err != nil {
			t.Fatal(err)
		}
		want := map[[2]int]int{}
		for pair, v := range l.pairs() {
			from, to := l.Endpoint(pair[0]), l.Endpoint(pair[1])
			at := [2]int{m.rows.of(&from), m.columns.of(&to)}
			if want[at]++; !v.Must.Empty() && m.cells[at].class == "m" {
				t.Errorf("%s -> %s is open and drawn as if it might be", endText(&from), endText(&to))
			}
		}
		if len(want) != len(m.cells) || m.rows.byNamespace != (workloads > mostRows) {
			t.Errorf("%d workloads: %d cells, want %d", workloads, len(m.cells), len(want))
		}
		for at := range want {
			if m.cells[at].class == "" {
				t.Errorf("no cell at %v", at)
			}
		}
		var out bytes.Buffer
		if err := l.svg(&out); err != nil || !wellFormed(out.String()) || strings.Count(out.String(), "<title>") != len(want) {
			t.Errorf("%d titles, want %d; %v", strings.Count(out.String(), "<title>"), len(want), err)
		}
	}
}

func wellFormed(text string) bool {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			return err == io.EOF
		}
	}
}

// A sign stands exactly where something opens, closes or both.
func TestDiffPicture(t *testing.T) {
	open := "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: more, namespace: ns-0}\nspec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 443}]}]}\n"
	shut := "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: less, namespace: ns-1}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n"
	for _, workloads := range []int{30, 120} {
		c := (&netFlags{}).compare(pictured(t, workloads, ""), pictured(t, workloads, open+shut))
		changes := c.changes
		var svg, dot bytes.Buffer
		if err := c.svg(&svg); err != nil || !wellFormed(svg.String()) {
			t.Fatal(err, svg.String())
		}
		if err := c.dot(&dot); err != nil {
			t.Fatal(err)
		}
		p := newChangePicture(c)
		rows, columns := p.axis(0), p.axis(1)
		signs := map[[2]int]string{}
		for i := range changes {
			sign := "+"
			if changes[i].Opens().Empty() {
				sign = "−"
			}
			if changes[i].Opens().Empty() && changes[i].Closes().Empty() {
				continue // only how certain it is
			}
			for j := range changes[i].From {
				for k := range changes[i].To {
					signs[[2]int{rows.of(changes[i].From[j]), columns.of(changes[i].To[k])}] = sign
				}
			}
		}
		count := map[string]int{}
		for _, sign := range signs {
			count[sign]++
		}
		for _, sign := range []string{"+", "−"} {
			if got := strings.Count(svg.String(), ">"+sign+"</text>") - 1; got != count[sign] || got == 0 { // the legend has one
				t.Errorf("%d workloads: %d of %s, want %d", workloads, got, sign, count[sign])
			}
		}
		if got := strings.Count(dot.String(), " -> "); got != len(signs) || !strings.Contains(dot.String(), "arrowhead=tee") {
			t.Errorf("%d workloads: %d edges, want %d", workloads, got, len(signs))
		}
	}
}

func TestBlastPicture(t *testing.T) {
	n := pictured(t, 400, "")
	e, err := n.end("ns-1", false)
	if err != nil {
		t.Fatal(err)
	}
	b := n.Graph.Blast(e.ids)
	groups := n.blastGroups(b.Reached)
	members := 0
	for _, g := range groups {
		members += g.members
	}
	if members != len(b.Reached) {
		t.Errorf("%d members, want %d", members, len(b.Reached))
	}
	shown := largest(n.blastGroups(b.From))
	if len(shown) != blastGroups || shown[len(shown)-1].end.rank == 0 {
		t.Errorf("%d groups, and none outside", len(shown))
	}
	var svg, dot bytes.Buffer
	if err := n.blastSVG(&svg, e, b); err != nil || !wellFormed(svg.String()) {
		t.Error(err, svg.String())
	}
	if err := n.blastDOT(&dot, e, b); err != nil || strings.Count(dot.String(), " -> ") < len(groups) {
		t.Error(err, dot.String())
	}
}
