package policy

import (
	"slices"
	"strings"
	"testing"
)

// TestFootprint holds what a few expressions are seen to read.
func TestFootprint(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       []string
	}{
		{"object.a.b == 1", []string{"object.a.b"}},
		{"has(object.a.b)", []string{"object.a.b"}},
		{"object.?a.?b.orValue(1) == 1", []string{"object.a.b"}},
		{"object.a.b == 1 && has(object.a)", []string{"object.a"}},
		{`object.metadata.labels["a.b"] == "1" || object.metadata.labels.a.b == "1"`, []string{`object.metadata.labels."a.b"`, "object.metadata.labels.a.b"}},
		{"object.list.exists(i, i.a == 1)", []string{"object.list.#", "object.list.*.a"}},
		{"object.list.exists(i, true)", []string{"object.list.#"}},
		{"object.list[0].a == 1", []string{"object.list.*.a"}},
		{"object.map[object.key] == 1", []string{"object.key", "object.map"}},
		{"object.list.exists(i, i.inner.all(j, j == i.a))", []string{"object.list.#", "object.list.*.a", "object.list.*.inner.#", "object.list.*.inner.*"}},
		{"object.list.map(i, i.a).exists(object, object == 1)", []string{"object.list.#", "object.list.*.a"}},
		{"size(object.list) == 1", []string{"object.list"}},
		{"object == object", []string{"object"}},
		{"related.x.exists(i, i.a == 1)", []string{"related.x.#", "related.x.*.a"}},
		{"true", nil},
	} {
		r := check(t, test.expression)
		f, err := NewEngine([]*Rule{r}, Options{FactNames: []string{"x"}}).Footprint(r)
		if err != nil {
			t.Errorf("%s: %v", test.expression, err)
			continue
		}
		if got := strings.Fields(f.String()); !slices.Equal(got, test.want) {
			t.Errorf("%s reads %q, want %q", test.expression, got, test.want)
		}
	}
}

// TestFootprintVariables holds that a variable counts where it is used.
func TestFootprintVariables(t *testing.T) {
	r := check(t, "variables.b == 1")
	r.Variables = []Expression{{"a", "object.a"}, {"b", "variables.a.x + 1"}, {"unused", "object.c"}, {"d", "size(object.d)"}}
	r.Conditions = []Expression{{"c", "variables.d > 0"}}
	f, err := NewEngine([]*Rule{r}, Options{}).Footprint(r)
	if err != nil || f.String() != "object.a.x object.d " {
		t.Errorf("reads %q, %v", f, err)
	}
}

// TestHashTellsWhatStopsAPath holds pairs of contents that expressions tell
// apart though neither has the path.
func TestHashTellsWhatStopsAPath(t *testing.T) {
	steps := []string{"a", "b", "*", "c"}
	var contents []string
	seen := map[uint64]string{}
	for _, text := range []string{
		"{}", "{a: {}}", "{a: {b: {}}}", "{a: {b: []}}", "{a: {b: [{}]}}", "{a: {b: [{}, {}]}}", "{a: {b: [{c: 1}]}}", "{a: {b: [{c: 2}]}}",
		"{a: {b: [{c: '1'}]}}", "{a: {b: [{c: 1}, {}]}}", "{a: {b: [{}, {c: 1}]}}", "{a: []}", "{a: 1}", "{a: '1'}", "{a: {b: 1}}", "{a: {b: [1]}}",
		"{a: {b: [[]]}}", "{a: {b: [null]}}", "{a: {b: [{c: {}}]}}", "{a: {b: [{c: []}]}}", "{a: {b: [{c: false}]}}",
	} {
		h := hash(parse(t, text)[0].Seal(), steps)
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", text, other)
		}
		seen[h] = text
		contents = append(contents, text)
	}
	for pair, same := range map[[2]string]bool{
		{"{a: null}", "{}"}:                                                true,
		{"{a: {b: null}}", "{a: {}}"}:                                      true,
		{"{a: {b: [{c: null}]}}", "{a: {b: [{}]}}"}:                        true,
		{"{a: {b: [{c: 1, d: 2}]}, e: 1}", contents[6]}:                    true,
		{"{a: {b: [{c: {x: 1, y: 2}}]}}", "{a: {b: [{c: {y: 2, x: 1}}]}}"}: true,
	} {
		if got := hash(parse(t, pair[0])[0].Seal(), steps) == hash(parse(t, pair[1])[0].Seal(), steps); got != same {
			t.Errorf("%v: the hashes are the same: %t", pair, got)
		}
	}
}

// TestHashOfKeys holds that what goes through a map depends on its keys alone.
func TestHashOfKeys(t *testing.T) {
	for _, pair := range []struct {
		a, b        string
		step        string
		distinguish bool
	}{
		{"{a: {x: 1}}", "{a: {x: 2}}", "*", false}, {"{a: {x: 1}}", "{a: {x: 2}}", "#", false}, {"{a: {x: 1}}", "{a: {x: 2}}", "**", true},
		{"{a: {x: 1}}", "{a: {y: 1}}", "*", true}, {"{a: {x: 1}}", "{a: {y: 1}}", "#", true}, {"{a: {x: 1}}", "{a: {x: 1, y: null}}", "*", false},
		{"{a: {}}", "{}", "*", true}, {"{a: {}}", "{a: []}", "#", true}, {"{a: {x: 1}}", "{a: [x]}", "*", true}, {"{a: [1]}", "{a: [2]}", "**", true},
		{"{a: [1]}", "{a: [1, 2]}", "#", true}, {"{a: [1]}", "{a: [2]}", "#", false}, {"{a: []}", "{}", "#", true}, {"{a: []}", "{}", "*", true},
	} {
		a, b := hash(parse(t, pair.a)[0].Seal(), []string{"a", pair.step}), hash(parse(t, pair.b)[0].Seal(), []string{"a", pair.step})
		if (a != b) != pair.distinguish {
			t.Errorf("a.%s tells %s from %s: %t", pair.step, pair.a, pair.b, a != b)
		}
	}
}

// TestVerdictsOfWrongTypes judges a custom resource whose fields hold what the
// rule does not expect, in any order: an error for each, and never a panic or
// the verdict of another content.
func TestVerdictsOfWrongTypes(t *testing.T) {
	rules := []*Rule{
		check(t, "!has(object.spec.a.b)"), check(t, "object.spec.?a.?b.orValue(0) == 0"), check(t, "object.spec.?a.orValue([]).all(i, i.b == 0)"),
		check(t, "object.spec.a.b.c == 'x'"), check(t, "object.spec.a[0].b > 1"), check(t, "object.spec.a.matches('x')"), check(t, "object.spec.a"),
		check(t, "quantity(object.spec.a).isGreaterThan(quantity('1'))"), check(t, "object.spec.a.split(',').size() == 1"),
		check(t, "object.spec.a.exists(k, k == 'b')"), check(t, "object.spec.a.all(k, object.spec.a[k] == 0)"), check(t, "'b' in object.spec.a"),
		check(t, "object.spec.a.map(k, k) == ['b']"), check(t, "object.spec.a.all(k, k.b == 0)"),
		check(t, "object.spec.a.size() == 1"), check(t, "size(object.spec.?a.orValue([])) < 2"),
	}
	for i, r := range rules {
		r.ID = string(rune('a' + i))
	}
	e := NewEngine(rules, Options{})
	shared := e.NewWorker(world{})
	var tally Tally
	contents := []string{
		"{}", "{a: {}}", "{a: {b: 0}}", "{a: {b: x}}", "{a: {b: {c: x}}}", "{a: []}", "{a: [1]}", "{a: [1, 1]}", "{a: [{b: 2}]}", "{a: [null]}", "{a: null}", "{a: 1}",
		"{a: '1'}", "{a: true}", "{a: 1e300}", "{a: 123456789012345678901234567890}", "{a: {b: [1, '2', {}]}}", "{a: {b: null}}", "{a: {c: 0}}", "{a: {c: 0, b: 1}}", "{a: {b: 0, c: null}}", "{a: [[[]]]}", "null", "[]", "1", "''",
	}
	errors := 0
	for range 2 {
		for _, spec := range contents {
			o := object(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec: "+spec+"\n")
			got, want := describe(shared.Evaluate(o, &tally)), describe(e.NewWorker(world{}).Evaluate(o, &tally))
			if got != want {
				t.Errorf("spec %s: %s, want %s", spec, got, want)
			}
			errors += strings.Count(want, "error")
		}
	}
	if errors == 0 {
		t.Error("no verdict is an error")
	}
}

func describe(outcomes []Outcome) string {
	var b strings.Builder
	for _, o := range outcomes {
		b.WriteString(o.Rule.ID + " " + o.Verdict.String() + " " + o.Reason + "\n")
	}
	return b.String()
}

// TestPodsOfCustomResources judges the second of two objects of a kind, the
// first of which has no pods.
func TestPodsOfCustomResources(t *testing.T) {
	r := ruleOf(t, "container", "validations: [{expression: has(container.none), message: m}]")
	w := NewEngine([]*Rule{r}, Options{}).NewWorker(world{})
	var tally Tally
	without := object(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {}\n")
	with := object(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: b}\nspec: {template: {metadata: null, spec: {initContainers: {x: 1}, containers: [{name: c, image: i}]}}}\n")
	if n := len(w.Evaluate(without, &tally)); n != 0 {
		t.Errorf("%d outcomes without pods", n)
	}
	if n := len(w.Evaluate(with, &tally)); n != 1 {
		t.Errorf("%d outcomes with a pod, want 1", n)
	}
	all := ruleOf(t, "pod", "validations: [{expression: 'size(variables.containers) == 1 && variables.podMetadata == {}', message: m}]")
	if out := judge(with, world{}, all); len(out) != 0 {
		t.Errorf("outcomes %v", out)
	}
}

func TestEqualityOfTrees(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"{x: 1, y: 2}", "{y: 2, x: 1}", true}, {"{x: 1}", "{x: 1, y: null}", true}, {"{x: 1}", "{x: 2}", false}, {"{x: 1}", "{y: 1}", false},
		{"[1, 2]", "[1, 2]", true}, {"[1, 2]", "[2, 1]", false}, {"[1]", "[1, 2]", false}, {"{}", "[]", false}, {"[{a: [1]}]", "[{a: [1]}]", true}, {"1", "1.0", true}, {"1", "'1'", false},
	} {
		a, b := parse(t, test.a)[0].Seal(), parse(t, test.b)[0].Seal()
		if got := value(a).Equal(value(b)).Value() == true; got != test.want {
			t.Errorf("%s == %s: %t", test.a, test.b, got)
		}
	}
}
