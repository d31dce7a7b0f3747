package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
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

// Networks in which policies allow other ports between nearly all pairs are told in
// part, and that is said.
func TestTooManyFlowsAreCut(t *testing.T) {
	const pods = 700
	var b strings.Builder
	for i := range pods {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p-%d, namespace: n%d, labels: {app: a-%[1]d}}\nspec: {containers: [{name: c, image: a}]}\n"+
			"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p-%[1]d, namespace: n%[2]d}\n"+
			"spec: {podSelector: {matchLabels: {app: a-%[1]d}}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: %[3]d, endPort: %[4]d}]}], egress: [{ports: [{port: %[5]d, endPort: %[6]d}]}]}\n",
			i, i%20, 1000+3*i, 60000-2*i, 1500+i, 50000+i)
	}
	path := filepath.Join(write(t, map[string]string{"pods.yaml": b.String()}), "pods.yaml")
	o := ullage(t, "net", "list", "--closed-world", "-f", path)
	if text := strings.Join(strings.Fields(o.stdout), " "); o.code != exitIncomplete || !strings.Contains(text, "more sources not listed: "+tooManyFlows) {
		t.Errorf("exit code %d: %s", o.code, text[max(0, len(text)-500):])
	}
	o = ullage(t, "net", "list", "--closed-world", "-o", "json", "-f", path)
	var list struct {
		Connections    []struct{ From, To []int }
		OmittedSources int
	}
	if err := json.Unmarshal([]byte(o.stdout), &list); err != nil || o.code != exitIncomplete || list.OmittedSources == 0 || len(list.Connections) < mostFlows {
		t.Errorf("exit code %d, %d connections, %d sources omitted: %v", o.code, len(list.Connections), list.OmittedSources, err)
	}
	last := list.Connections[len(list.Connections)-1].From[0]
	if last+1+list.OmittedSources < pods {
		t.Errorf("%d sources omitted behind %d", list.OmittedSources, last)
	}
	for _, format := range []string{"svg", "dot"} {
		if o := ullage(t, "net", "list", "-o", format, "-f", path); o.code != exitUsage || o.stdout != "" || !strings.Contains(o.stderr, "choose some with --src") {
			t.Errorf("%s: exit code %d: %.200s%s", format, o.code, o.stdout, o.stderr)
		}
	}
	if o := ullage(t, "net", "list", "--closed-world", "--src", "n0/p-0", "-f", path); o.code != 0 || strings.Contains(o.stdout, "not listed") {
		t.Errorf("exit code %d: %.500s", o.code, o.stdout)
	}
}
