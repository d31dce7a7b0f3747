package fix_test

import (
	"fmt"
	"strings"
	"testing"
)

// largePod is a pod of many containers, each with its own image.
func largePod(containers int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Pod\nmetadata:\n  name: large\nspec:\n  containers:\n")
	for i := range containers {
		fmt.Fprintf(&b, "  - name: c%d # %d\n    image: registry.example/c:%d\n", i, i, i)
	}
	return b.String()
}

// What cannot be made does not keep what can be from being made in one go.
func TestRefusedAmongMany(t *testing.T) {
	const n = 64
	text := largePod(n)
	for i := 1; i < n; i += 2 { // these share the text of their security context
		text = strings.Replace(text, fmt.Sprintf("c:%d\n", i), fmt.Sprintf("c:%d\n    securityContext: *sc\n", i), 1)
	}
	text = strings.Replace(text, "c:0\n", "c:0\n    securityContext: &sc {runAsNonRoot: true}\n", 1)
	for i := 2; i < n; i += 4 { // and these are written in a way that is not edited
		text = strings.Replace(text, fmt.Sprintf("c:%d\n", i), fmt.Sprintf("c:%d\n    securityContext: {\n      runAsNonRoot: true}\n", i), 1)
	}
	w := newWorld(t, write(t, "a.yaml", text))
	p := w.plan(false)
	if len(p.Files) != 1 {
		t.Fatalf("%d files", len(p.Files))
	}
	fixed, reasons := map[string]int{}, map[string]int{}
	for _, a := range p.Files[0].Applied {
		fixed[a.Finding.Rule.ID]++
	}
	for _, s := range p.Skipped {
		_, reason, _ := strings.Cut(s.Reason, ": ")
		reasons[s.Finding.Rule.ID+": "+reason]++
	}
	if fixed["policy"] != n || fixed["proc-mount"] != n/4-1 {
		t.Errorf("fixed %v", fixed)
	}
	if reasons["proc-mount: an anchor, an alias or a merge key is in the way: other places share the text"] != n/2+1 ||
		reasons["proc-mount: flow style over several lines is not edited"] != n/4 {
		t.Errorf("skipped %v", reasons)
	}
	if w.checks > 2 {
		t.Errorf("%d checks", w.checks)
	}
}

// BenchmarkLargePod plans the fixes of a pod of 2,000 containers.
func BenchmarkLargePod(b *testing.B) {
	for _, n := range []int{500, 2000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, write(b, "a.yaml", largePod(n)))
			for b.Loop() {
				if p := w.plan(true); len(p.Files) != 1 || len(p.Files[0].Applied) < 3*n {
					b.Fatalf("%+v", p)
				}
			}
		})
	}
}
