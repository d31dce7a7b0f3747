package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestHostileRules evaluates rules that want all time and memory beside one
// that does not.
func TestHostileRules(t *testing.T) {
	list := "[" + strings.Repeat("1,", 99) + "1]"
	loops := "true"
	for i := range 8 {
		loops = fmt.Sprintf("%s.all(i%d, %s)", list, i, loops)
	}
	doubling := []Expression{{"v0", "'" + strings.Repeat("x", 1000) + "'"}}
	for i := range 40 {
		doubling = append(doubling, Expression{fmt.Sprintf("v%d", i+1), fmt.Sprintf("variables.v%d + variables.v%d", i, i)})
	}
	many := []Expression{{"big", list + ".map(a, " + list + ".map(b, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx').join('')).join('')"}}
	var sizes []string
	for i := range 400 {
		many = append(many, Expression{fmt.Sprintf("w%d", i), fmt.Sprintf("variables.big + '%d'", i)})
		sizes = append(sizes, fmt.Sprintf("size(variables.w%d) > 1", i))
	}
	for _, test := range []struct {
		name      string
		rule      func() *Rule
		wantError string
	}{
		{"loops in loops", func() *Rule { return check(t, loops) }, "cost limit exceeded"},
		{"a string that doubles", func() *Rule { r := check(t, "size(variables.v40) > 0"); r.Variables = doubling; return r }, "cost"},
		{"many large strings", func() *Rule { r := check(t, strings.Join(sizes, " && ")); r.Variables = many; return r }, "cost"},
		{"replacements", func() *Rule {
			x := "'" + strings.Repeat("x", 400) + "'"
			return check(t, x+strings.Repeat(".replace('x', "+x+")", 10)+" == ''")
		}, "more than 1 MiB"},
		{"joins", func() *Rule {
			return check(t, "["+strings.Repeat("1,", 900)+"1].map(a, '"+strings.Repeat("x", 5000)+"').join() == ''")
		}, "more than 1 MiB"},
		{"a condition", func() *Rule { r := check(t, "false"); r.Conditions = []Expression{{"c", loops}}; return r }, "cost limit exceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hostile, good := test.rule(), check(t, "object.metadata.name != 'web'")
			good.ID = "good"
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := judge(object(t, pod), world{}, hostile, good)
			runtime.ReadMemStats(&after)
			if len(out) != 2 || out[0].Verdict != Error || !strings.Contains(out[0].Reason, test.wantError) {
				t.Fatalf("outcomes %+v", out)
			}
			if out[1].Rule != good || out[1].Verdict != Fail {
				t.Errorf("the other rule: %+v", out[1])
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 512<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

// TestBrokenRules holds that a rule that does not compile says so for each
// object, with its name and place, and that the others work.
func TestBrokenRules(t *testing.T) {
	o := object(t, pod)
	for expression, want := range map[string]string{
		"object.metadata.":                       "Syntax error",
		"unknownName":                            "undeclared reference",
		"'text'":                                 "yields string, not bool",
		"container.name == 'a'":                  "undeclared reference",
		"variables.podSpec.hostPID":              "only for pods",
		"related.nothing":                        "is not one of the facts",
		"variables == {}":                        "can only be used one by one",
		"[1].exists(i, v, i == v)":               "rule.yaml:1:1", // two variables: newer than the oldest version
		"semver('1.0.0').isGreaterThan('0.0.1')": "undeclared reference",
		strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000): "recursion",
	} {
		good := check(t, "false")
		out := judge(o, world{}, check(t, expression), good)
		if len(out) != 2 || out[0].Verdict != Error || !strings.Contains(out[0].Reason, want) ||
			!strings.Contains(out[0].Reason, `rule "test"`) || !strings.Contains(out[0].Reason, "rule.yaml:1:1") {
			t.Errorf("%.60s: %+v, want %q", expression, out, want)
		} else if out[1].Verdict != Fail {
			t.Errorf("%.60s: the other rule: %+v", expression, out[1])
		}
	}
	r := check(t, "true")
	r.Validations[0].MessageExpression = "1"
	if err := NewEngine([]*Rule{r}, Options{}).CompileAll(); err == nil || !strings.Contains(err.Error(), "message expression 1") {
		t.Errorf("a message that is a number: %v", err)
	}
	r = check(t, "true")
	r.Variables = []Expression{{"podSpec", "1"}}
	if err := NewEngine([]*Rule{r}, Options{}).CompileAll(); err == nil {
		t.Error("a variable may be called as one of ours")
	}
	for _, as := range []string{"object", "params", "variables", "podSpec", "kubernetesMinor", "item"} {
		_, err := Load(&tree.File{Name: "rule.yaml", Text: ruleText("{each: object.spec.tls, as: "+as+"}", "kinds: [Ingress]\nvalidations: [{expression: 'true', message: m}]")})
		if taken := err != nil && strings.Contains(err.Error(), "another variable"); taken != (as != "item") {
			t.Errorf("a subject called %s: %v", as, err)
		}
	}
}

// TestErrorsHoldNoValues puts a canary wherever an error may quote the object.
func TestErrorsHoldNoValues(t *testing.T) {
	const canary = "CANARY"
	for _, text := range []string{canary, `"` + canary, `x"` + canary, `x\"` + canary, "'" + canary, "`" + canary, "[" + canary, "%" + canary, "a: " + canary, "1 " + canary, canary + "\n" + canary, "no such key: " + canary} {
		n := tree.Of(text)
		f := &tree.File{Name: "x.yaml"}
		root := tree.MapOf(
			tree.Entry("apiVersion", "example.com/v1"), tree.Entry("kind", "Thing"), tree.Entry("metadata", tree.MapOf(tree.Entry("name", "x"))),
			tree.Entry("spec", tree.MapOf(tree.Entry("v", n), tree.Entry("map", tree.MapOf(tree.Entry(text, 1))))))
		o := mustObject(t, &root, f)
		for _, expression := range []string{
			"int(object.spec.v) == 1", "double(object.spec.v) == 1.0", "uint(object.spec.v) == 1u", "bool(object.spec.v)", "timestamp(object.spec.v) == timestamp(object.spec.v)",
			"duration(object.spec.v) == duration('1s')", "quantity(object.spec.v) == quantity('1')", "url(object.spec.v).getHost() == 'a'", "'a'.matches(object.spec.v)",
			"ip(object.spec.v) == ip('1.1.1.1')", "cidr(object.spec.v) == cidr('1.1.1.1/1')", "object.metadata[object.spec.v] == 1", "{}[object.spec.v] == 1",
			"object.spec.v.format([1]) == ''", "object.spec.v.none == 1", "object.spec.v[0] == 1", "object.spec.v + 1 == 2", "object.spec.v < 1", "object.spec.v.all(i, true)",
			"object.spec.map.none == 1", "object.spec.map[0] == 1", "{object.spec.v: 1, object.spec.v: 2} == {}", "object.spec.v ? true : false", "object.spec.v",
			"format.named(object.spec.v).value().validate('x').hasValue()", "'abc'.substring(int(object.spec.v)) == ''", "base64.decode(object.spec.v) == b''", "'a'.find(object.spec.v) == ''",
			"sets.contains(object.spec.v, [1])", "size(object.spec.v.none) == 1", "object.spec.v.split(1) == []", "object.spec.v in 1",
		} {
			r := check(t, expression)
			for _, out := range judge(o, world{}, r) {
				if strings.Contains(out.Reason, canary) {
					t.Errorf("%s of %q: %s", expression, text, out.Reason)
				}
				if out.Verdict == Error && out.Reason == "" {
					t.Errorf("%s: an error without a reason", expression)
				}
			}
		}
	}
	if got := withoutValues("no such key: replicas", "object.spec.replicas == 1"); got != "no such key: replicas" {
		t.Errorf("the name that the rule itself has: %q", got)
	}
}

// TestBoundedFunctions holds that replace and join are those of CEL.
func TestBoundedFunctions(t *testing.T) {
	for _, expression := range []string{
		"'hello hello'.replace('he', 'we') == 'wello wello'", "'hello hello'.replace('he', 'we', -1) == 'wello wello'", "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
		"'hello hello'.replace('he', 'we', 0) == 'hello hello'", "'hello'.replace('', '_') == '_h_e_l_l_o_'", "'hello'.replace('h', '') == 'ello'", "'a'.replace('b', 'c') == 'a'",
		"['a', 'b'].join() == 'ab'", "['a', 'b'].join(', ') == 'a, b'", "[].join(',') == ''", "['a'].join(',') == 'a'", "['', ''].join(',') == ','",
		"object.spec.containers.map(c, c.name).join('') == 'web'",
	} {
		if out := judge(object(t, pod), world{}, check(t, expression)); len(out) != 0 {
			t.Errorf("%s: %s %s", expression, out[0].Verdict, out[0].Reason)
		}
	}
	if got, _ := verdictOf(t, judge(object(t, pod), world{}, check(t, "[1, 'a'].join() == ''"))); got != Error {
		t.Errorf("joining a number: %s", got)
	}
}
