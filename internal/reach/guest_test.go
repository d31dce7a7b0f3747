package reach

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func labelsOf(labels map[string]string) *tree.Node {
	var entries []tree.Node
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		entries = append(entries, tree.Entry(key, labels[key]))
	}
	n := tree.MapOf(entries...)
	return &n
}

func tcp(numbers ...int) (ports []Port) {
	for _, n := range numbers {
		ports = append(ports, Port{Number: uint16(n)})
	}
	return ports
}

// TestGuestIsLikeAPod holds a guest with labels against a pod that has them.
func TestGuestIsLikeAPod(t *testing.T) {
	var counts [3]int
	for seed := range uint64(250) {
		r := random(t, seed, int(seed%5))
		before := New(r.snapshot(seed%2 == 0))
		labels, in := r.labels(), pick(r, namespaces...)
		plain := map[string]string{}
		for key, value := range labels {
			plain[key] = value.(string)
		}
		r.add("v1", "Pod", "guest", in, labels, m{"containers": []any{m{"name": "c", "image": "registry.example/a:1"}}})
		after := New(r.snapshot(seed%2 == 0))
		var guest ID
		ids := map[string]ID{}
		for e := range after.Endpoints() {
			if ids[e.String()] = e.ID; e.Kind == Pods && e.Workload.Object.Key.Name == "guest" {
				guest = e.ID
			}
		}
		for to := range before.Endpoints() {
			id, ok := ids[to.String()]
			for _, p := range tcp(portNumbers...) {
				if !ok || to.Kind == Name {
					continue
				}
				got, want := before.Passage(Guest{Namespace: in, Labels: labelsOf(plain)}, to.ID, []Port{p}).Answer, after.Ports(guest, id).On(p)
				if got != want {
					t.Fatalf("seed %d: with %v of %s to %s on %s: %s, want %s in\n%s", seed, labels, in, to.String(), p, got, want, all(r.docs))
				}
				counts[got]++
			}
		}
	}
	if slices.Min(counts[:]) < 500 {
		t.Errorf("answers: %v", counts)
	}
}

// TestGuestChoosesLabels holds chosen labels against all that policies tell apart.
func TestGuestChoosesLabels(t *testing.T) {
	var many []map[string]string
	with := func(list []map[string]string, key string, values ...string) (more []map[string]string) {
		for _, l := range list {
			for _, v := range append(values, "") {
				n := maps.Clone(l)
				if n[key] = v; v == "" {
					delete(n, key)
				}
				more = append(more, n)
			}
		}
		return more
	}
	many = with(with(with([]map[string]string{{}}, "app", "a", "b", "c"), "tier", "a", "b", "c"), "env", "a", "b", "w-0", "c")
	many = append(with(many, "statefulset.kubernetes.io/pod-name", "a", "w-0"), many...)
	found, chosen := [3]int{}, 0
	for seed := range uint64(150) {
		mode := int(seed % 3)
		r := random(t, seed, mode)
		g := New(r.snapshot(seed%2 == 0))
		in := pick(r, namespaces...)
		for to := range g.Endpoints() {
			if to.Kind != Pods {
				continue
			}
			ports := tcp(pick(r, portNumbers...))
			best := No
			for _, l := range many {
				best = max(best, g.Passage(Guest{Namespace: in, Labels: labelsOf(l)}, to.ID, ports).Answer)
			}
			got := g.Passage(Guest{Namespace: in}, to.ID, ports)
			if got.Answer > best || got.Answer < best && mode == 0 {
				t.Fatalf("seed %d: from %s to %s on %s: %s by %v, want %s in\n%s", seed, in, to.String(), ports, got.Answer, got.Labels, best, all(r.docs))
			}
			if is := g.Passage(Guest{Namespace: in, Labels: labelsOf(got.Labels)}, to.ID, ports).Answer; is != got.Answer {
				t.Fatalf("seed %d: from %s to %s on %s: %s by %v, by which it is %s", seed, in, to.String(), ports, got.Answer, got.Labels, is)
			}
			if found[got.Answer]++; len(got.Labels) > 0 {
				chosen++
			}
			if free := g.Passage(Guest{Namespace: in, Relabelled: true}, to.ID, ports).Answer; free < got.Answer && got.Answer == Yes {
				t.Fatalf("seed %d: from %s to %s: in the relabelled namespace %s, else %s", seed, in, to.String(), free, got.Answer)
			}
		}
	}
	if slices.Min(found[:]) < 10 || chosen < 20 {
		t.Errorf("answers: %v, with labels %d", found, chosen)
	}
}

func TestGuest(t *testing.T) {
	const base = "apiVersion: v1\nkind: Pod\nmetadata: {name: db, namespace: b, labels: {app: db}}\nspec: {containers: [{name: c, image: i}]}\n---\n" +
		"{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: a}}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: b}}\n"
	admits := func(peer string) string {
		return base + "---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: b}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [" + peer + "]}]}}\n"
	}
	leaves := func(selector, rules string) string {
		return "---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: a}, spec: {podSelector: " + selector + ", policyTypes: [Egress], egress: [" + rules + "]}}\n"
	}
	const client = "{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {role: client}}}"
	fixed := labelsOf(map[string]string{"app": "w"})
	for _, c := range []struct {
		name, yaml string
		guest      Guest
		want       string
	}{
		{"no policy", base, Guest{Namespace: "a"}, "yes map[] map[]"},
		{"the label that is asked for", admits(client), Guest{Namespace: "a"}, "yes map[role:client] map[]"},
		{"labels that it has", admits(client), Guest{Namespace: "a", Labels: fixed}, "no map[] map[]"},
		{"another namespace", admits(client), Guest{Namespace: "b"}, "no map[] map[]"},
		{"another namespace with other labels", admits(client), Guest{Namespace: "b", Relabelled: true}, "yes map[role:client] map[team:a]"},
		{"a namespace by its name", admits("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: c}}}"), Guest{Namespace: "a", Relabelled: true}, "no map[] map[]"},
		{"out past a policy for others", admits(client) + leaves("{matchLabels: {app: w}}", ""), Guest{Namespace: "a"}, "yes map[role:client] map[]"},
		{"out past none", admits(client) + leaves("{}", ""), Guest{Namespace: "a"}, "no map[] map[]"},
		{"out as others may", admits(client) + leaves("{}", "") + strings.Replace(leaves("{matchLabels: {out: 'yes'}}", "{}"), "name: out", "name: more", 1), Guest{Namespace: "a"}, "yes map[out:yes role:client] map[]"},
		{"out with a label that a policy passes over", admits(client) + leaves("{matchExpressions: [{key: free, operator: DoesNotExist}]}", ""), Guest{Namespace: "a"}, "yes map[free:any role:client] map[]"},
	} {
		g := New(model.NewSnapshot(parse(t, c.yaml), true))
		to := g.InNamespace("b")[0]
		p := g.Passage(c.guest, to, tcp(5432))
		if got := fmt.Sprint(p.Answer, p.Labels, p.NamespaceLabels); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		taken := false
		g.VisitGuests([]Guest{c.guest}, true).Take(to, tcp(5432), func(int) { taken = true })
		if taken != (p.Answer == Yes) {
			t.Errorf("%s: a visit takes it: %t", c.name, taken)
		}
	}
}
