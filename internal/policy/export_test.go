package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/tree"
)

// export exports one rule and reads the policy back as one.
func export(t *testing.T, r *Rule, o Options) (*admission.ValidatingAdmissionPolicy, *Rule) {
	t.Helper()
	vap, binding, err := NewEngine([]*Rule{r}, o).Export(r, []admission.ValidationAction{admission.Deny})
	if err != nil {
		t.Fatal(err)
	}
	if binding.Spec.PolicyName != vap.Name || !slices.Equal(binding.Spec.ValidationActions, []admission.ValidationAction{admission.Deny}) {
		t.Errorf("binding %+v", binding.Spec)
	}
	text, err := yaml.Marshal(vap)
	if err != nil {
		t.Fatal(err)
	}
	return vap, native(t, string(text))[0]
}

// TestExport holds that an exported policy, read back, has the verdicts of its
// rule.
func TestExport(t *testing.T) {
	for name, r := range map[string]*Rule{
		"params": ruleOf(t, "container", `
params: {max: 2, allowed: [a, "b\"c"], enabled: true, ratio: 0.5}
validations: [{expression: 'size(container.env) <= params.max && params.enabled && "b\"c" in params.allowed && params.ratio < 1.0', message: m}]`),
		"params of elements": ruleOf(t, "container", `
params: {max: 2}
variables: [{name: v, expression: size(container.env) + params.max}, {name: limit, expression: params.max * 2}]
matchConditions: [{name: c, expression: params.max > 0}]
validations: [{expression: variables.v <= variables.limit, message: m}]`),
		"params of every type": ruleOf(t, "object", `
params: {mixed: [1, a, 1.5, true, null], nested: [[1], [a]], maps: [{a: 1}, {a: b}], whole: 1.0, huge: 1e30, exponent: 1e3, deep: {a: {b: [c]}}, empty: [], none: {}, text: "é\"\\\t\n\x7f"}
validations:
- {expression: 'params.mixed == [dyn(1), dyn("a"), dyn(1.5), dyn(true), dyn(null)] && params.nested[1][0] == "a" && params.maps[1].a == "b" && type(params.whole) == int && params.huge > 1e29', message: m}
- {expression: 'params.exponent == 1000 && params.deep.a.b == ["c"] && params.empty == [] && params.none == {} && params.text == "é\"\\\t\n\x7f"', message: m}
- {expression: 'params.?max.orValue(1) < 2 || params.empty == "a"', message: m}`),
		"names in strings and comments": ruleOf(t, "container", `
variables:
- {name: v, expression: container.name}
- {name: text, expression: '" variables.v container params " + "x"'}
- {name: unbound, expression: "object.metadata.name // container"}
validations: [{expression: '"ü€𝄞" != "" && variables.text == " variables.v container params x" && variables . v != "side" && variables. // v

  v != "x" && variables.unbound == "web" && [1].all(v, v == 1)', message: m}]`),
		"optional values": ruleOf(t, "env", `
variables: [{name: v, expression: 'env.?value.optMap(x, x + container.name).orValue("")'}]
validations: [{expression: 'optional.of(variables.v).optMap(y, y != "2web").orValue(false)', message: m}]`),
		"a field called params": ruleOf(t, "object", `validations: [{expression: 'object.?params.orValue(1) == 1 && object.metadata.?variables.?params.orValue(2) == 2', message: m}]`),
		"kubernetesMinor":       ruleOf(t, "pod", `validations: [{expression: variables.kubernetesMinor == 37, message: m}]`),
		"conditions of elements": ruleOf(t, "env", `
matchConditions: [{name: a, expression: env.name == "A"}, {name: c, expression: container.name == "web"}]
validations: [{expression: env.value == "2", message: m}]`),
		"variables of elements": ruleOf(t, "containerPort", `
variables:
- {name: all, expression: size(variables.containers)}
- {name: number, expression: port.containerPort}
- {name: high, expression: variables.number > 80 + variables.all - 1}
validations: [{expression: variables.high, message: m}]`),
		"several validations": ruleOf(t, "volume", `validations: [{expression: 'true', message: m}, {expression: has(volume.none), message: m}]`),
		"metadata of pods":    ruleOf(t, "pod", `validations: [{expression: 'variables.podMetadata.labels.app == "web" && object.metadata.name == "web"', message: m}]`),
		"lines and comments":  ruleOf(t, "container", "variables: [{name: v, expression: \"container.name // the name\"}]\nvalidations: [{expression: \"variables.v == 'web' // or not\\n&& true\", message: m}]"),
	} {
		t.Run(name, func(t *testing.T) {
			for minor := 36; minor <= 37; minor++ {
				o := Options{KubernetesMinor: minor, Settings: map[string]*tree.Node{}}
				for _, limit := range []int{1, 2} {
					settings := tree.MapOf(tree.Entry("max", limit))
					o.Settings["test"] = settings.Seal()
					_, back := export(t, r, o)
					for _, text := range []string{pod, strings.Replace(pod, "name: web\n    image", "name: side\n    image", 1), workload, strings.Replace(workload, "volumes:", "volumesNot:", 1)} {
						object := object(t, text)
						want := Pass
						for _, out := range NewEngine([]*Rule{r}, o).NewWorker(world{}).Evaluate(object, &Tally{}) {
							if want = max(want, out.Verdict); out.Verdict == Fail {
								want = Fail // one element is enough
								break
							}
						}
						if got, why := verdictOf(t, judge(object, world{}, back)); got != want || got == Error && name != "metadata of pods" {
							t.Errorf("the rule says %s, the policy %s %s of %s", want, got, why, text)
						}
					}
				}
			}
		})
	}
}

func TestExportRefuses(t *testing.T) {
	custom := ruleOf(t, "container", "kinds: [Thing.example.com]\nvalidations: [{expression: has(container.none), message: m}]")
	reference := ruleOf(t, "reference", "validations: [{expression: reference.found, message: m}]")
	fact := check(t, "size(related.x) == 0")
	policy := native(t, vap(anyPod+"validations: [{expression: 'true'}]"))[0]
	long := ruleOf(t, "container", "validations: [{expression: variables.v20 == 'x', message: m}]")
	long.Variables = []Expression{{"v0", "container.name"}}
	for i := range 20 {
		long.Variables = append(long.Variables, Expression{fmt.Sprintf("v%d", i+1), fmt.Sprintf("variables.v%d + variables.v%d", i, i)})
	}
	hidden := ruleOf(t, "container", "variables: [{name: v, expression: container.name}]\nvalidations: [{expression: 'variables.containers.all(container, container.name != variables.v)', message: m}]")
	settings := ruleOf(t, "object", "validations: [{expression: '[1].all(params, params == 1)', message: m}]")
	indexed := ruleOf(t, "container", "variables: [{name: v, expression: container.name}]\nvalidations: [{expression: 'variables[\"v\"] == \"a\"', message: m}]")
	asked := ruleOf(t, "container", "variables: [{name: v, expression: container.name}]\nvalidations: [{expression: 'has(variables.v)', message: m}]")
	for want, r := range map[string]*Rule{
		"custom resources": custom, "each reference": reference, "needs what other objects say (x), which": fact, "is an admission policy already": policy, "is too long": long, "loop variable container hides": hidden, "loop variable params hides": settings,
		"otherwise than variables.NAME": indexed, "asks whether variables.v is there": asked,
	} {
		_, _, err := NewEngine([]*Rule{r}, Options{FactNames: []string{"x"}}).Export(r, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestExportOfElements holds which variables of a rule become variables of the
// policy: those that do not depend on an element, whatever their text looks like.
func TestExportOfElements(t *testing.T) {
	r := ruleOf(t, "container", `
variables:
- {name: a, expression: '"container"'}
- {name: b, expression: object.metadata.name}
- {name: c, expression: container.name}
- {name: d, expression: 'variables.c + variables.a'}
validations: [{expression: variables.d != variables.b, message: m}]`)
	r.Variables[1].Expression = "object.metadata.name // of the container"
	vap, _ := export(t, r, Options{})
	var names []string
	for _, v := range vap.Spec.Variables {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"podSpec", "podMetadata", "containers", "a", "b"}) {
		t.Errorf("variables %q", names)
	}
	if want := "((container.name) + variables.a) != variables.b)"; !strings.HasSuffix(vap.Spec.Validations[0].Expression, want) {
		t.Errorf("%s", vap.Spec.Validations[0].Expression)
	}
}

// TestExportKinds holds what exported policies are about.
func TestExportKinds(t *testing.T) {
	vap, _ := export(t, ruleOf(t, "container", "kinds: [Pod, Deployment, Service]\nvalidations: [{expression: 'true', message: 'a\n\n\n    b'}]"), Options{})
	var got []string
	for _, r := range vap.Spec.MatchConstraints.ResourceRules {
		got = append(got, r.APIGroups[0]+" "+strings.Join(r.Resources, ","))
	}
	if !slices.Equal(got, []string{" pods,pods/ephemeralcontainers", "apps deployments"}) {
		t.Errorf("resources %q", got)
	}
	if strings.Contains(vap.Spec.Validations[0].Message, "\n") {
		t.Error("the message has lines")
	}
	vap, back := export(t, check(t, "object.kind != 'Thing'"), Options{})
	if r := vap.Spec.MatchConstraints.ResourceRules; len(r) != 1 || r[0].Resources[0] != "*" {
		t.Errorf("resources %v", r)
	}
	thing := object(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n")
	if got, _ := verdictOf(t, judge(thing, world{}, back)); got != Fail {
		t.Errorf("a custom resource: %s", got)
	}
}

func FuzzRule(f *testing.F) {
	f.Add(ruleText("container", "validations: [{expression: 'container.name != \"a\"', message: m, messageExpression: container.name}]\nvariables: [{name: a, expression: '1'}]\nfixes: [{class: inert, edits: [{set: container.tty, value: false}]}]"))
	f.Add(ruleText("{each: object.spec.tls, as: tls}", "kinds: [Ingress]\nvalidations: [{expression: 'has(tls.hosts)', message: m}]"))
	f.Add(ruleText("object", "podSecurity: {level: baseline, control: x, since: '1.0', until: '1.30'}\nvalidations: [{expression: related.x, message: m}]"))
	o := object(f, pod)
	f.Fuzz(func(t *testing.T, text string) {
		rules, _ := Load(&tree.File{Name: "rule.yaml", Text: text})
		for _, r := range rules {
			if r.ID == "" || len(r.Validations) == 0 {
				t.Fatalf("a rule without a name or validations: %+v", r)
			}
			e := NewEngine([]*Rule{r}, Options{KubernetesMinor: 37})
			compiles := e.CompileAll() == nil
			for _, out := range e.NewWorker(world{}).Evaluate(o, &Tally{}) {
				if out.Verdict == Fail && (out.Finding == nil || out.Finding.Message == "") || out.Verdict != Fail && out.Reason == "" {
					t.Errorf("an outcome that says nothing: %+v", out)
				}
			}
			if _, _, err := e.Export(r, nil); err == nil && !compiles {
				t.Error("a rule that does not compile is exported")
			}
		}
		_, _ = LoadExamples(&tree.File{Name: "rule.yaml", Text: text})
	})
}
