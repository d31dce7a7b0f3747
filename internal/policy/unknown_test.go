package policy

import (
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// TestUnknown holds what becomes of a value that was not measured.
func TestUnknown(t *testing.T) {
	unknown := tree.UnknownBecause("nobody looked")
	facts := world{facts: map[string]tree.Node{
		"x":     unknown,
		"y":     tree.UnknownBecause("nobody asked"),
		"list":  tree.Of([]tree.Node{tree.MapOf(tree.Entry("n", "a")), tree.MapOf(tree.Entry("n", unknown))}),
		"names": tree.Of([]tree.Node{tree.Of("a"), unknown}),
		"map":   tree.MapOf(tree.Entry("known", 1), tree.Entry("open", unknown)),
		"empty": tree.Of([]tree.Node{}),
	}}
	o := object(t, pod)
	for _, test := range []struct {
		expression string
		want       Verdict
		reason     string
	}{
		{"related.x", Unknown, "nobody looked"},
		{"!related.x", Unknown, "nobody looked"},
		{"false && related.x", Fail, ""},
		{"related.x && false", Fail, ""},
		{"true && related.x", Unknown, "nobody looked"},
		{"true || related.x", Pass, ""},
		{"related.x || true", Pass, ""},
		{"false || related.x", Unknown, "nobody looked"},
		{"related.x && related.y", Unknown, "nobody looked; nobody asked"},
		{"related.x == 1", Unknown, "nobody looked"},
		{"related.x.a.b == 1", Unknown, "nobody looked"},
		{"related.x[0] == 1", Unknown, "nobody looked"},
		{`related.x["a"] == 1`, Unknown, "nobody looked"},
		{"has(related.x.a)", Unknown, "nobody looked"},
		{"has(related.map.known)", Pass, ""},
		{"has(related.map.none)", Fail, ""},
		{"related.x.?a.orValue(true)", Unknown, "nobody looked"},
		{"related.?x.orValue(true)", Unknown, "nobody looked"},
		{"size(related.x) == 0", Unknown, "nobody looked"},
		{"related.x ? true : false", Unknown, "nobody looked"},
		{"related.x ? true : true", Unknown, "nobody looked"},
		{"true ? true : related.x", Pass, ""},
		{"false ? related.x : true", Pass, ""},
		{"related.x.exists(i, i == 1)", Unknown, "nobody looked"},
		{"related.x.all(i, i == 1)", Unknown, "nobody looked"},
		{`related.list.exists(i, i.n == "a")`, Pass, ""},
		{`related.list.exists(i, i.n == "b")`, Unknown, "nobody looked"},
		{`related.list.all(i, i.n == "a")`, Unknown, "nobody looked"},
		{`related.list.all(i, i.n == "b")`, Fail, ""},
		{`related.empty.exists(i, i == 1)`, Fail, ""},
		{`size(related.list) == 2`, Pass, ""},
		{`"a" in related.names`, Pass, ""},
		{`"b" in related.names`, Unknown, "nobody looked"},
		{`related.x in ["a"]`, Unknown, "nobody looked"},
		{`related.names == ["a", "b"]`, Unknown, "nobody looked"},
		{`related.names == ["c", "b"]`, Fail, ""},
		{`related.names == ["a"]`, Fail, ""},
		{`related.map == {"known": 1, "open": 2}`, Unknown, "nobody looked"},
		{`related.map == {"known": 2, "open": 2}`, Fail, ""},
		{`string(related.x) == "a"`, Unknown, "nobody looked"},
		{"request.operation == 'CREATE'", Unknown, "there is no admission request here"},
		{"has(request.operation)", Unknown, "there is no admission request here"},
		{"oldObject == null", Unknown, "there is no admission request here"},
		{"object.metadata.name == 'web' || request.operation == 'CREATE'", Pass, ""},
		{"authorizer.group('apps').resource('deployments').check('create').allowed()", Unknown, "there is no admission request here"},
		{"namespaceObject.metadata.name == 'shop'", Unknown, "the Namespace was not read"},
		{"has(namespaceObject.metadata.labels)", Unknown, "the Namespace was not read"},
	} {
		got, reason := verdictOf(t, judge(o, facts, check(t, test.expression)))
		if got != test.want || reason != test.reason && test.reason != "nobody looked; nobody asked" {
			t.Errorf("%s: %s (%s), want %s (%s)", test.expression, got, reason, test.want, test.reason)
		}
		if test.reason == "nobody looked; nobody asked" && reason != test.reason && reason != "nobody asked; nobody looked" {
			t.Errorf("%s: the reasons are %q", test.expression, reason)
		}
	}
}

// TestUnknownConditions holds what conditions decide together.
func TestUnknownConditions(t *testing.T) {
	facts := world{facts: map[string]tree.Node{"x": tree.UnknownBecause("nobody looked")}}
	for _, test := range []struct {
		conditions []string
		want       Verdict
	}{
		{[]string{"true"}, Fail},
		{[]string{"related.x"}, Unknown},
		{[]string{"related.x", "false"}, Pass}, // the rule says nothing
		{[]string{"false", "related.x"}, Pass},
		{[]string{"object.none", "false"}, Pass},
		{[]string{"object.none", "related.x"}, Error},
		{[]string{"related.x", "object.none"}, Error},
	} {
		r := check(t, "false")
		for _, c := range test.conditions {
			r.Conditions = append(r.Conditions, Expression{"c", c})
		}
		if got, reason := verdictOf(t, judge(object(t, pod), facts, r)); got != test.want {
			t.Errorf("%v: %s (%s), want %s", test.conditions, got, reason, test.want)
		}
	}
}

// TestValidationsTogether holds which of several verdicts counts.
func TestValidationsTogether(t *testing.T) {
	facts := world{facts: map[string]tree.Node{"x": tree.UnknownBecause("nobody looked")}}
	for _, test := range []struct {
		validations []string
		want        Verdict
	}{
		{[]string{"true", "true"}, Pass},
		{[]string{"related.x", "false"}, Fail},
		{[]string{"object.none", "false"}, Fail},
		{[]string{"related.x", "true"}, Unknown},
		{[]string{"related.x", "object.none"}, Error},
	} {
		r := check(t, test.validations[0])
		r.Validations = append(r.Validations, Validation{Expression: test.validations[1], Message: "second"})
		if got, reason := verdictOf(t, judge(object(t, pod), facts, r)); got != test.want {
			t.Errorf("%v: %s (%s), want %s", test.validations, got, reason, test.want)
		}
	}
}

// TestAdmit judges an object as it comes by an admission request.
func TestAdmit(t *testing.T) {
	unknown := tree.UnknownBecause("nobody looked")
	user := func(name string) tree.Node {
		return tree.Entry("userInfo", tree.MapOf(tree.Entry("username", name), tree.Entry("groups", []tree.Node{tree.Of("a"), unknown}), tree.Entry("extra", unknown)))
	}
	create, update := tree.MapOf(tree.Entry("operation", "CREATE"), user("ann")), tree.MapOf(tree.Entry("operation", "UPDATE"), user("bob"))
	for _, test := range []struct {
		expression       string
		created, updated Verdict
	}{
		{"request.operation == 'CREATE'", Pass, Fail},
		{"oldObject == null", Pass, Unknown},
		{"request.userInfo.username == 'ann'", Pass, Fail},
		{"request.userInfo.username in ['ann', 'bob']", Pass, Pass},
		{"'a' in request.userInfo.groups", Pass, Pass},
		{"'b' in request.userInfo.groups", Unknown, Unknown},
		{"request.userInfo.groups.exists(g, g == 'a') && request.userInfo.username == 'bob'", Fail, Pass},
		{"request.userInfo.groups.exists(g, g == 'b') && request.userInfo.username == 'bob'", Fail, Unknown},
		{"'k' in request.userInfo.extra", Unknown, Unknown},
		{"authorizer.requestResource.check('create').allowed()", Unknown, Unknown},
		{"authorizer.group('').resource('pods').check('create').allowed() || request.operation == 'CREATE'", Pass, Unknown},
	} {
		// One worker judges them all: what it keeps of one request is none of the next.
		w := NewEngine([]*Rule{check(t, test.expression)}, Options{KubernetesMinor: 37}).NewWorker(world{})
		ask := func() Verdict {
			got, _ := verdictOf(t, w.Evaluate(object(t, pod), &Tally{}))
			return got
		}
		for range 2 {
			w.Admit(create.Seal(), nil)
			if got := ask(); got != test.created {
				t.Errorf("%s, where it is made: %s, want %s", test.expression, got, test.created)
			}
			w.Admit(update.Seal(), nil)
			if got := ask(); got != test.updated {
				t.Errorf("%s, where it is changed: %s, want %s", test.expression, got, test.updated)
			}
		}
		w.Admit(nil, nil)
		if got := ask(); got != Unknown && test.created != test.updated {
			t.Errorf("%s, without a request: %s", test.expression, got)
		}
	}
}
