package cli

import (
	"fmt"
	"strings"
	"testing"
)

// Many routes to one Service are told by their number; JSON has each.
func TestManyRoutesAreFolded(t *testing.T) {
	const routes = 500
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: a, labels: {app: web}}\nspec: {containers: [{name: c, image: a, ports: [{containerPort: 8080}]}]}\n" +
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: a}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n")
	for i := range routes {
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i-%d, namespace: a}\nspec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n", i)
	}
	declared := "apiVersion: ullage.dev/v1alpha1\nkind: Declaration\nworkloads: [{kind: Pod, name: web}]\npeers: {in: [{workload: web, ports: [8080]}]}\n"
	dir, with := write(t, map[string]string{"all.yaml": b.String()}), write(t, map[string]string{"all.yaml": b.String(), "ullage.yaml": declared})
	for _, c := range []struct {
		args  []string
		lines int // at most
		want  string
	}{
		{[]string{"exposed", dir}, 20, fmt.Sprintf("and %d more ways like it of kind Ingress; -v lists them", routes-sameWays)},
		{[]string{"isolate", "a", "-f", dir}, 80, fmt.Sprintf("Ingress/a/i-0 and %d more lead to Pod/a/web", routes-1)},
		{[]string{"isolate", "a", "-f", with}, 80, fmt.Sprintf("Ingress/a/i-0 and %d more lead to Pod/a/web, and the pods that forward requests were not read: what is declared", routes-1)},
	} {
		text := strings.ReplaceAll(ullage(t, append([]string{"net"}, c.args...)...).stdout, "#", "")
		if joined := strings.Join(strings.Fields(text), " "); strings.Count(text, "\n") > c.lines || !strings.Contains(joined, c.want) {
			t.Errorf("%v: %d lines, without %q\n%.3000s", c.args, strings.Count(text, "\n"), c.want, text)
		}
	}
	for _, args := range [][]string{{"-o", "json"}, {"-o", "csv"}, {"-v"}} {
		if got := strings.Count(ullage(t, append([]string{"net", "exposed", dir}, args...)...).stdout, "Ingress/a/i-"); got != routes {
			t.Errorf("%v: %d routes, want %d", args, got, routes)
		}
	}
}
