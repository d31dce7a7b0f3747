package access

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// aggregating writes roles that carry and choose labels, each with a rule of its
// own, and a binding for some.
func aggregating(labels, chosen [][]int, bound []bool) string {
	var b strings.Builder
	for i := range labels {
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  uid: u\n  name: r%04d\n  labels: {", i)
		for _, l := range labels[i] {
			fmt.Fprintf(&b, "l%d: a, ", l)
		}
		b.WriteString("}\n")
		if len(chosen[i]) > 0 {
			b.WriteString("aggregationRule:\n  clusterRoleSelectors:\n")
			for _, l := range chosen[i] {
				if l%3 == 0 {
					fmt.Fprintf(&b, "  - matchExpressions: [{key: l%d, operator: Exists}]\n", l)
				} else {
					fmt.Fprintf(&b, "  - matchLabels: {l%d: a}\n", l)
				}
			}
		}
		fmt.Fprintf(&b, "rules: [{apiGroups: [g], resources: [thing%04d], verbs: ['*']}, {apiGroups: [''], resources: [%s], verbs: [get]}]\n",
			i, []string{"secrets", "pods/exec", "nodes/proxy", "configmaps"}[i%4])
		if bound[i] {
			fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b%04d}\n"+
				"roleRef: {kind: ClusterRole, name: r%04d}\nsubjects: [{kind: User, name: u%d}]\n", i, i, i)
		}
	}
	return b.String()
}

// Aggregation by components gives what following the labels step by step does:
// rules in the same order, the rights, grants and bindings that go with them.
func TestComponentsAreLikeTheClosure(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		n := 1 + r.IntN(12)
		labels, chosen, bound := make([][]int, n), make([][]int, n), make([]bool, n)
		for i := range n {
			for range r.IntN(3) {
				labels[i] = append(labels[i], r.IntN(2*n))
			}
			for range r.IntN(3) {
				chosen[i] = append(chosen[i], r.IntN(2*n))
			}
			slices.Sort(labels[i])
			labels[i] = slices.Compact(labels[i])
			bound[i] = r.IntN(2) == 0
		}
		text := aggregating(labels, chosen, bound)
		a := New(snapshot(t, text))
		reaches := make([]map[int]bool, n)
		for i := range n {
			reaches[i] = reached(i, labels, chosen)
		}
		for i := range n {
			compareWithClosure(t, a, i, reaches, bound)
		}
		if t.Failed() {
			t.Fatalf("round %d:\n%s", round, text)
		}
	}
}

func reached(from int, labels, chosen [][]int) map[int]bool {
	seen := map[int]bool{from: true}
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		for other := range labels {
			if !seen[other] && slices.ContainsFunc(chosen[queue[0]], func(l int) bool { return slices.Contains(labels[other], l) }) {
				seen[other] = true
				queue = append(queue, other)
			}
		}
	}
	return seen
}

func compareWithClosure(t *testing.T, a *Analysis, i int, reaches []map[int]bool, bound []bool) {
	t.Helper()
	role := a.Role(RoleName{Name: fmt.Sprintf("r%04d", i)})
	want := []string{role.Name}
	var rights Rights
	var things []string
	for j := range reaches {
		if !reaches[i][j] {
			continue
		}
		name := fmt.Sprintf("r%04d", j)
		if j != i {
			want = append(want, name)
		}
		rights |= a.Role(RoleName{Name: name}).own.cluster
		things = append(things, fmt.Sprintf("thing%04d", j))
	}
	var got []string
	for from := range role.Rules() {
		if len(got) == 0 || got[len(got)-1] != from.Name {
			got = append(got, from.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has the rules of %v, want %v", role.Name, got, want)
	}
	if role.Rights(true) != rights {
		t.Errorf("%s: rights %s, want %s", role.Name, names(role.Rights(true)), names(rights))
	}
	var granted Rights
	for _, g := range role.Grants(true) {
		granted |= 1 << g.Right
		if g.Right == WildcardVerbs && (!slices.Equal(g.Resources, things) || g.More) {
			t.Errorf("%s grants all verbs on %v, want %v", role.Name, g.Resources, things)
		}
	}
	if granted != rights {
		t.Errorf("%s: grants %s, want %s", role.Name, names(granted), names(rights))
	}
	firsts := map[Right]string{}
	for _, s := range role.sources().sources {
		if firsts[s.right] == "" {
			firsts[s.right] = s.role.Name
		}
	}
	wantFirsts := map[Right]string{}
	for from, rule := range role.Rules() {
		rule.rights(func(g given) {
			if wantFirsts[g.right] == "" {
				wantFirsts[g.right] = from.Name
			}
		})
	}
	if !maps.Equal(firsts, wantFirsts) {
		t.Errorf("%s: rights come first from %v, want %v", role.Name, firsts, wantFirsts)
	}
	compareBindings(t, a, role, i, reaches, bound)
}

func compareBindings(t *testing.T, a *Analysis, role *Role, i int, reaches []map[int]bool, bound []bool) {
	t.Helper()
	var want, got []string
	for j := range reaches {
		if bound[j] && reaches[j][i] {
			want = append(want, fmt.Sprintf("b%04d", j))
			q := &Request{Verb: "get", Group: "g", Resource: fmt.Sprintf("thing%04d", i)}
			if answer := a.Can(User(fmt.Sprint("u", j)), q); answer.Verdict != Yes || answer.Proof.Source != role {
				t.Errorf("u%d may not get what %s allows: %v", j, role.Name, answer.Verdict)
			}
		}
	}
	bindings, _ := a.BindingsTo(role)
	for _, b := range bindings {
		got = append(got, b.Name())
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s is given by %v, want %v", role.Name, got, want)
	}
}

// Whatever the shape, twice the roles that aggregate each other take about twice
// the memory, and what is listed of each is bounded.
func TestAggregationIsLinear(t *testing.T) {
	for _, shape := range []string{"ring", "chain", "all of all"} {
		measure := func(n int) (allocations float64) {
			s := snapshot(t, shaped(shape, n))
			return testing.AllocsPerRun(1, func() {
				a := New(s)
				for i := range a.roles {
					for _, g := range a.roles[i].Grants(true) {
						if len(g.Resources) > MaxAggregated+1 {
							t.Fatalf("%s: %d resources listed", shape, len(g.Resources))
						}
					}
					if bindings, _ := a.BindingsTo(&a.roles[i]); len(bindings) > MaxAggregated+1 {
						t.Fatalf("%s: %d bindings listed", shape, len(bindings))
					}
				}
				a.Dangers()
				a.WhoCan(&Request{Verb: "get", Resource: "nothing"})
			})
		}
		small, large := measure(400), measure(1600)
		if large > 6*small {
			t.Errorf("%s: %.0f allocations for 400 roles, %.0f for 1600", shape, small, large)
		}
	}
}

func shaped(shape string, n int) string {
	labels, chosen, bound := make([][]int, n), make([][]int, n), make([]bool, n)
	for i := range n {
		bound[i] = true
		switch to := (i + 1) % n; {
		case shape == "all of all":
			labels[i], chosen[i] = []int{1}, []int{1}
		case shape == "ring" || to > 0:
			labels[i], chosen[i] = []int{3*i + 1}, []int{3*to + 1}
		default:
			labels[i] = []int{3*i + 1}
		}
	}
	return aggregating(labels, chosen, bound)
}

func BenchmarkAggregation(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		s := snapshot(b, shaped("ring", n))
		b.Run(fmt.Sprint(n, " roles"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := New(s)
				for i := range a.roles {
					a.roles[i].Grants(true)
					a.BindingsTo(&a.roles[i])
				}
			}
		})
	}
}

// Ten thousand roles in one chain, in one ring and below one role: everything
// that can be asked is answered, and what the last one gives reaches the first.
func TestTenThousandAggregated(t *testing.T) {
	const n = 10000
	for _, shape := range []string{"ring", "chain", "all of all"} {
		a := New(snapshot(t, shaped(shape, n)))
		first, last := a.Role(RoleName{Name: "r0000"}), a.Role(RoleName{Name: "r9999"})
		for _, far := range []string{"r9997", "r9998", "r9999"} {
			if missing := a.Role(RoleName{Name: far}).own.cluster &^ first.Rights(true); missing != 0 {
				t.Errorf("%s: the first role lacks %s of %s", shape, names(missing), far)
			}
		}
		q := &Request{Verb: "get", Group: "g", Resource: "thing9999"}
		if answer := a.Can(User("u0"), q); answer.Verdict != Yes || answer.Proof.Source != last {
			t.Errorf("%s: the first may not what the last allows: %v", shape, answer.Verdict)
		}
		if answer := a.Can(User("u9999"), &Request{Verb: "get", Group: "g", Resource: "thing0000"}); (answer.Verdict == Yes) != (shape != "chain") {
			t.Errorf("%s: the last may what the first allows: %v", shape, answer.Verdict)
		}
		for _, g := range first.Grants(true) {
			if g.Right == WildcardVerbs && (!g.More || len(g.Resources) < MaxAggregated || len(g.Resources) > MaxAggregated+1) {
				t.Errorf("%s: %d resources, more: %t", shape, len(g.Resources), g.More)
			}
		}
		if bindings, more := a.BindingsTo(last); !more || len(bindings) < MaxAggregated || len(bindings) > MaxAggregated+1 {
			t.Errorf("%s: the last is given by %d bindings, more: %t", shape, len(bindings), more)
		}
		proofs, _ := a.WhoCan(q)
		if proofs = slices.DeleteFunc(proofs, func(p Proof) bool { return p.Subject.System() }); len(proofs) != n {
			t.Errorf("%s: %d may what the last allows, want %d", shape, len(proofs), n)
		}
		rules := 0
		for range first.Rules() {
			rules++
		}
		if rules != 2*n {
			t.Errorf("%s: the first has %d rules", shape, rules)
		}
		if len(a.Dangers()) == 0 {
			t.Errorf("%s: no dangers", shape)
		}
	}
}

// A long chain of roles whose rules are for one name each: what is listed is
// bounded, and says that there is more; where a rule is for all names it is all.
func TestNamesByAggregationAreBounded(t *testing.T) {
	for _, all := range []bool{false, true} {
		// The first role has no rule of its own for them.
		text := "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: top}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {l0: a}}]}\nrules: []\n"
		for i := range 60 {
			names := fmt.Sprintf(", resourceNames: [s%d]", i)
			if all && i == 59 {
				names = ""
			}
			text += fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {uid: u, name: r%02d, labels: {l%d: a}}\n"+
				"aggregationRule: {clusterRoleSelectors: [{matchLabels: {l%d: a}}]}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get]%s}]\n", i, i, i+1, names)
		}
		text += "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: top}\nsubjects: [{kind: User, name: jo}]\n"
		a := New(snapshot(t, text))
		var holders []Holder
		more := false
		for _, d := range a.Dangers() {
			if d.Right == ReadSecrets {
				holders, more = slices.DeleteFunc(d.Holders, func(h Holder) bool { return h.System }), d.More
			}
		}
		restricted := 0
		for range a.Restricted(User("jo")) {
			restricted++
		}
		_, beyond := a.Role(RoleName{Name: "top"}).Named()
		if !all && (len(holders) != MaxNamed || !more || restricted != MaxNamed || !beyond.Has(ReadSecrets)) {
			t.Errorf("%d holders, more: %t, and %d rights over names, more: %t, want %d", len(holders), more, restricted, beyond.Has(ReadSecrets), MaxNamed)
		}
		if all && (len(holders) != 1 || len(holders[0].Names) > 0 || more) {
			t.Errorf("with a rule for all names: %d holders, more: %t", len(holders), more)
		}
	}
}

// Of a long chain each role lists its own rights over some names and a bounded
// number of those below it, the first by name, and says when there are more.
func TestNamedAlongAChain(t *testing.T) {
	const n = 10000
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {uid: u, name: r%05d, labels: {l: x%d}}\n"+
			"aggregationRule: {clusterRoleSelectors: [{matchLabels: {l: x%d}}]}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [s%d, t]}]\n", i, i, i+1, i)
	}
	a := New(snapshot(t, b.String()))
	for i := range n {
		var got, want []string
		list, more := a.Role(RoleName{Name: fmt.Sprintf("r%05d", i)}).Named()
		for _, named := range list {
			got = append(got, fmt.Sprint(named.Right, named.Names))
		}
		for j := i; j < min(n, i+MaxNamed); j++ {
			want = append(want, fmt.Sprintf("%s [s%d t]", ReadSecrets, j))
		}
		if !slices.Equal(got, want) || more.Has(ReadSecrets) != (n-i > MaxNamed) {
			t.Fatalf("role %d: %q, more: %t, want %q", i, got, more.Has(ReadSecrets), want)
		}
	}
}

// That a role gives more resources than are listed reaches those that aggregate
// it, which list no more than the bound themselves.
func TestMoreIsInherited(t *testing.T) {
	var resources []string
	for i := range MaxAggregated + 1 {
		resources = append(resources, fmt.Sprintf("things%d", i))
	}
	text := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: wide, labels: {l: c}}\n" +
		"rules: [{apiGroups: [g], resources: [" + strings.Join(resources, ", ") + "], verbs: ['*']}]\n"
	for _, step := range []string{"ab", "bc"} {
		text += fmt.Sprintf("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: %c, labels: {l: %c}}\n"+
			"aggregationRule: {clusterRoleSelectors: [{matchLabels: {l: %c}}]}\nrules: []\n", step[0], step[0], step[1])
	}
	a := New(snapshot(t, text))
	for _, name := range []string{"a", "b"} {
		grants := a.Role(RoleName{Name: name}).Grants(true)
		if len(grants) != 1 || grants[0].Right != WildcardVerbs || len(grants[0].Resources) != MaxAggregated || !grants[0].More {
			t.Errorf("%s: %+v, want the first %d resources and more", name, grants, MaxAggregated)
		}
	}
}
