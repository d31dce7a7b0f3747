package policy

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// vap makes the text of a policy; spec is lines of its spec.
func vap(spec string) string {
	return "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: guard}\nspec:\n  " +
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

func boundBy(spec string) string {
	return "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: guard}\nspec:\n  policyName: guard\n  " +
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

const anyPod = `
matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
`

func native(t *testing.T, text string) []*Rule {
	t.Helper()
	rules, err := Native(objects(t, "policy.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestNative(t *testing.T) {
	clusterRole := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all, labels: {app: web}}\nrules: []\n"
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: prod}}\n"
	refuse := "validations: [{expression: 'false', message: denied}]\n"
	anything := "matchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]"
	thing := "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n"
	things := func(version, policy string) string {
		return "matchConstraints: {matchPolicy: " + policy + ", resourceRules: [{apiGroups: [example.com], apiVersions: [" + version + "], operations: [CREATE], resources: [things]}]}\n"
	}
	prod := &parse(t, namespace)[0]
	(*prod).Seal()
	known := world{namespace: *prod}
	for _, test := range []struct {
		name, policy, object string
		facts                world
		want                 Verdict
		message              string // or the reason
	}{
		{"fails", vap(anyPod + refuse), pod, world{}, Fail, "denied"},
		{"another resource", vap(strings.Replace(anyPod, "pods", "services", 1) + refuse), pod, world{}, Pass, ""},
		{"another group", vap(strings.Replace(anyPod, `[""]`, "[apps]", 1) + refuse), pod, world{}, Pass, ""},
		{"another version of a built-in kind", vap(strings.Replace(anyPod, "[v1]", "[v2]", 1) + refuse), pod, world{}, Fail, "denied"},
		{"updates only", vap(strings.Replace(anyPod, "CREATE", "UPDATE", 1) + refuse), pod, world{}, Pass, ""},
		{"the resource and its subresources", vap(strings.Replace(anyPod, "[pods]", "['pods/*']", 1) + refuse), pod, world{}, Fail, "denied"},
		{"subresources of another resource", vap(strings.Replace(anyPod, "[pods]", "['services/*']", 1) + refuse), pod, world{}, Pass, ""},
		{"one subresource of every resource", vap(strings.Replace(anyPod, "[pods]", "['*/status']", 1) + refuse), pod, world{}, Pass, ""},
		{"every resource", vap(strings.Replace(anyPod, "[pods]", "['*']", 1) + refuse), pod, world{}, Fail, "denied"},
		{"excluded with its subresources", vap(anything + ", excludeResourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: ['pods/*']}]}\n" + refuse), pod, world{}, Pass, ""},
		{"only subresources are excluded", vap(anything + ", excludeResourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods/exec]}]}\n" + refuse), pod, world{}, Fail, "denied"},
		{"exactly another version", vap("matchConstraints: {matchPolicy: Exact, resourceRules: [{apiGroups: [''], apiVersions: [v2], operations: [CREATE], resources: [pods]}]}\n" + refuse), pod, world{}, Pass, ""},
		{"a custom kind", vap(things("v1", "Equivalent") + refuse), thing, world{}, Fail, "denied"},
		{"another version of a custom kind", vap(things("v2", "Equivalent") + refuse), thing, world{}, Unknown, "it is not known in which versions the server serves Thing.example.com"},
		{"exactly another version of a custom kind", vap(things("v2", "Exact") + refuse), thing, world{}, Pass, ""},
		{"another version of a custom kind is excluded", vap(anything + ", excludeResourceRules: [{apiGroups: [example.com], apiVersions: [v2], operations: [CREATE], resources: [things]}]}\n" + refuse), thing, world{}, Unknown, "it is not known in which versions the server serves Thing.example.com"},
		{"a policy", vap(anything + "}\n" + refuse), vap(refuse), world{}, Pass, ""},
		{"a webhook", vap(anything + "}\n" + refuse), "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: x}\n", world{}, Fail, "denied"},
		{"subresources only", vap(strings.Replace(anyPod, "[pods]", "[pods/exec]", 1) + refuse), pod, world{}, Pass, ""},
		{"all resources and subresources", vap(strings.Replace(anyPod, "[pods]", "['*/*']", 1) + refuse), pod, world{}, Fail, "denied"},
		{"resource names", vap(strings.Replace(anyPod, "resources:", "resourceNames: [other], resources:", 1) + refuse), pod, world{}, Pass, ""},
		{"scope", vap(strings.Replace(anyPod, "resources:", "scope: Cluster, resources:", 1) + refuse), pod, world{}, Pass, ""},
		{"excluded", vap(anything + ", excludeResourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}\n" + refuse), pod, world{}, Pass, ""},
		{"excluded by name", vap(anything + ", excludeResourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], resourceNames: [other]}]}\n" + refuse), pod, world{}, Fail, "denied"},
		{"labels match", vap(anything + ", objectSelector: {matchLabels: {app: web}}}\n" + refuse), pod, world{}, Fail, "denied"},
		{"labels do not match", vap(anything + ", objectSelector: {matchLabels: {app: db}}}\n" + refuse), pod, world{}, Pass, ""},
		{"namespace not read", vap(anything + ", namespaceSelector: {matchLabels: {tier: prod}}}\n" + refuse), pod, world{}, Unknown, "the Namespace was not read"},
		{"namespace not read, but all passes", vap(anything + ", namespaceSelector: {matchLabels: {tier: prod}}}\nvalidations: [{expression: 'true'}]"), pod, world{}, Pass, ""},
		{"namespace matches", vap(anything + ", namespaceSelector: {matchLabels: {tier: prod}}}\n" + refuse), pod, known, Fail, "denied"},
		{"namespace does not match", vap(anything + ", namespaceSelector: {matchLabels: {tier: test}}}\n" + refuse), pod, known, Pass, ""},
		{"empty selector", vap(anything + ", namespaceSelector: {}}\n" + refuse), pod, world{}, Fail, "denied"},
		{"cluster-scoped", vap(anything + ", namespaceSelector: {matchLabels: {tier: test}}}\n" + refuse), clusterRole, world{}, Fail, "denied"},
		{"a namespace is its own", vap(anything + ", namespaceSelector: {matchLabels: {tier: test}}}\n" + refuse), namespace, world{}, Pass, ""},
		{"condition", vap(anyPod + "matchConditions: [{name: c, expression: object.metadata.name == 'other'}]\n" + refuse), pod, world{}, Pass, ""},
		{"unknown condition", vap(anyPod + "matchConditions: [{name: c, expression: request.userInfo.username == 'a'}]\n" + refuse), pod, world{}, Unknown, "there is no admission request here"},
		{"variables", vap(anyPod + "variables: [{name: a, expression: 'size(object.spec.containers)'}, {name: b, expression: variables.a + 1}]\nvalidations: [{expression: variables.b == 3, message: denied}]"), pod, world{}, Fail, "denied"},
		{"variables named as ours", vap(anyPod + "variables: [{name: podSpec, expression: object.spec}, {name: containers, expression: '[1]'}]\nvalidations: [{expression: \"variables.podSpec.containers[0].name == 'web' && variables.containers == [2]\", message: denied}]"), pod, world{}, Fail, "denied"},
		{"variables are lazy", vap(anyPod + "variables: [{name: a, expression: object.spec.none.none}]\nvalidations: [{expression: 'true || variables.a'}]"), pod, world{}, Pass, ""},
		{"an error", vap(anyPod + "validations: [{expression: object.spec.none, message: denied}]"), pod, world{}, Error, "no such key: none"},
		{"an ignored error", vap("failurePolicy: Ignore\n" + anyPod + "validations: [{expression: object.spec.none, message: denied}]"), pod, world{}, Pass, ""},
		{"an ignored error and a refusal", vap("failurePolicy: Ignore\n" + anyPod + "validations: [{expression: object.spec.none}, {expression: 'false', message: denied}]"), pod, world{}, Fail, "denied"},
		{"an ignored error of a condition", vap("failurePolicy: Ignore\n" + anyPod + "matchConditions: [{name: c, expression: object.spec.none}]\n" + refuse), pod, world{}, Pass, ""},
		{"no message", vap(anyPod + "validations: [{expression: \"object.metadata.name  ==\\n 'a'\"}]"), pod, world{}, Fail, "failed expression: object.metadata.name == 'a'"},
		{"message expression", vap(anyPod + "validations: [{expression: 'false', message: denied, messageExpression: \"' not ' + object.metadata.name + ' '\"}]"), pod, world{}, Fail, "not web"},
		{"message expression fails", vap(anyPod + "validations: [{expression: 'false', message: denied, messageExpression: object.spec.none}]"), pod, world{}, Fail, "denied"},
		{"message expression is blank", vap(anyPod + "validations: [{expression: 'false', message: denied, messageExpression: \"'  '\"}]"), pod, world{}, Fail, "denied"},
		{"message expression has lines", vap(anyPod + `validations: [{expression: 'false', message: denied, messageExpression: "'a\\nb'"}]`), pod, world{}, Fail, "denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := judge(object(t, test.object), test.facts, native(t, test.policy)...)
			got, message := verdictOf(t, out)
			if got == Fail {
				message = out[0].Finding.Message
			}
			if got != test.want || message != test.message {
				t.Errorf("%s (%s), want %s (%s)", got, message, test.want, test.message)
			}
		})
	}
}

func TestNativeBinding(t *testing.T) {
	plain := vap(anyPod + "validations: [{expression: 'false', message: denied}]")
	for _, test := range []struct {
		name, policy string
		want         []Verdict
		advisory     bool
	}{
		{"no binding", plain, []Verdict{Fail}, false},
		{"deny", plain + boundBy("validationActions: [Deny]"), []Verdict{Fail}, false},
		{"audit and deny", plain + boundBy("validationActions: [Audit, Deny]"), []Verdict{Fail}, false},
		{"warn", plain + boundBy("validationActions: [Warn]"), []Verdict{Fail}, true},
		{"two bindings", plain + boundBy("validationActions: [Deny]") + boundBy("validationActions: [Deny]"), []Verdict{Fail, Fail}, false},
		{"another namespace", plain + boundBy("validationActions: [Deny]\nmatchResources: {namespaceSelector: {matchLabels: {tier: a}}}"), []Verdict{Unknown}, false},
		{"other labels", plain + boundBy("validationActions: [Deny]\nmatchResources: {objectSelector: {matchLabels: {tier: a}}}"), nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := judge(object(t, pod), world{}, native(t, test.policy)...)
			if len(out) != len(test.want) {
				t.Fatalf("outcomes %v, want %v", out, test.want)
			}
			for i, o := range out {
				if o.Verdict != test.want[i] || o.Rule.Advisory != test.advisory || o.Rule.Advisory && o.Rule.Severity > model.Low {
					t.Errorf("%s, advisory %t, %s; want %s, %t", o.Verdict, o.Rule.Advisory, o.Rule.Severity, test.want[i], test.advisory)
				}
			}
		})
	}
}

// TestNativeParams holds from which objects the parameters of a bound policy
// come, and what holds without them: what CollectParams of the API server does.
func TestNativeParams(t *testing.T) {
	const (
		kind    = "paramKind: {apiVersion: v1, kind: ConfigMap}\n"
		differs = "validations: [{expression: 'object.metadata.name != params.data.name', message: denied}]"
		isNull  = "validations: [{expression: 'params != null', message: is null}]"
		web     = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: ops, labels: {app: web}}\ndata: {name: web}\n"
		db      = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: ops, labels: {app: db}}\ndata: {name: db}\n"
		near    = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: shop}\ndata: {name: web}\n"
		secret  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: ops}\ndata: {password: hunter2hunter2}\n"
		role    = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: web}\nrules: []\n"
		pvc     = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
	)
	anyObject := "matchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]}\n"
	policy := vap(kind + anyObject + differs)
	ref := func(s string) string { return policy + boundBy("validationActions: [Deny]\nparamRef: {"+s+"}") }
	ignoring := strings.Replace(ref("name: limits, namespace: ops, parameterNotFoundAction: Deny"), "spec:\n", "spec:\n  failurePolicy: Ignore\n", 1)
	const denied, unread = "fail denied", "unknown the parameters of policy guard were not read"
	for _, test := range []struct {
		name, policy, params, object string
		open, closed                 []string
	}{
		{"no binding", policy, web, pod, []string{"unknown no binding says what the parameters of policy guard are"}, []string{"unknown no binding says what the parameters of policy guard are"}},
		{"a binding without parameters", vap(kind+anyObject+isNull) + boundBy("validationActions: [Deny]"), web, pod, []string{"fail is null"}, []string{"fail is null"}},
		{"no kind of parameters", vap(anyObject+isNull) + boundBy("validationActions: [Deny]\nparamRef: {name: limits, namespace: ops}"), web, pod, []string{"fail is null"}, []string{"fail is null"}},
		{"by name", ref("name: limits, namespace: ops"), web + db, pod, []string{denied}, []string{denied}},
		{"by name, and it holds", ref("name: other, namespace: ops"), web + db, pod, nil, nil},
		{"not there, allow", ref("name: none, namespace: ops, parameterNotFoundAction: Allow"), web, pod, []string{unread}, nil},
		{"not there, deny", ref("name: none, namespace: ops, parameterNotFoundAction: Deny"), web, pod, []string{unread}, []string{"fail the binding denies what it has no parameters for, and there are none"}},
		{"not there, deny, but failures are ignored", ignoring, db, pod, []string{unread}, nil},
		{"in another namespace", ref("name: limits, namespace: dev, parameterNotFoundAction: Allow"), web, pod, []string{unread}, nil},
		{"by label", ref("selector: {matchLabels: {app: web}}, namespace: ops"), web + db, pod, []string{denied, unread}, []string{denied}},
		{"by label, and it holds", ref("selector: {matchLabels: {app: db}}, namespace: ops"), web + db, pod, []string{unread}, nil},
		{"all", ref("selector: {}, namespace: ops"), web + db, pod, []string{denied, unread}, []string{denied}},
		{"no such label, deny", ref("selector: {matchLabels: {app: x}}, namespace: ops, parameterNotFoundAction: Deny"), web, pod, []string{unread}, []string{"fail the binding denies what it has no parameters for, and there are none"}},
		{"of the object's namespace", ref("name: limits, parameterNotFoundAction: Allow"), web + near, pod, []string{denied}, []string{denied}},
		{"of a namespace for itself", ref("name: limits, parameterNotFoundAction: Deny"), web + near, pvc, nil, nil},
		{"of the object's namespace, not there", ref("name: limits, parameterNotFoundAction: Allow"), web, pod, []string{unread}, nil},
		{"of the object's namespace, not there, deny", ref("name: limits, parameterNotFoundAction: Deny"), web, pod, []string{unread}, []string{"fail the binding denies what it has no parameters for, and there are none"}},
		{"of the object's namespace, by label", ref("selector: {}, parameterNotFoundAction: Deny"), near, pod, []string{denied, unread}, []string{denied}},
		{"of no namespace", ref("name: limits, parameterNotFoundAction: Allow"), near, role, []string{"fail the binding takes parameters from the object's namespace, and the object has none"}, []string{"fail the binding takes parameters from the object's namespace, and the object has none"}},
		{"with secrets", ref("name: limits, namespace: ops"), secret, pod, []string{"unknown the parameters in ConfigMap/ops/limits hold secret values, which are not kept"}, []string{"unknown the parameters in ConfigMap/ops/limits hold secret values, which are not kept"}},
	} {
		for _, closed := range []bool{false, true} {
			want := test.open
			if closed {
				want = test.closed
			}
			rules := Bind(native(t, test.policy), objects(t, "params.yaml", test.params), func(string, ...model.GroupKind) bool { return closed })
			got := verdicts(judge(object(t, test.object), world{}, rules...))
			if !slices.Equal(got, want) {
				t.Errorf("%s, closed %t: %q, want %q", test.name, closed, got, want)
			}
		}
	}
}

// TestNativeParamsUnread holds what is known of parameters of which a closed
// snapshot lacks some: those of one namespace were read, or none.
func TestNativeParamsUnread(t *testing.T) {
	policy := vap("paramKind: {apiVersion: v1, kind: ConfigMap}\nmatchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [pods]}]}\n" +
		"validations: [{expression: 'object.metadata.name != params.data.name', message: denied}]")
	const limits = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: shop}\ndata: {name: web}\n"
	const denied, unread, missing = "fail denied", "unknown the parameters of policy guard were not read", "fail the binding denies what it has no parameters for, and there are none"
	for _, test := range []struct {
		name, ref, params string
		except            []string // namespaces that were read
		want              []string
	}{
		{"none read", "name: limits, namespace: shop, parameterNotFoundAction: Deny", "", nil, []string{unread}},
		{"one namespace read", "name: limits, namespace: shop, parameterNotFoundAction: Deny", "", []string{"shop"}, []string{missing}},
		{"another namespace read", "name: limits, namespace: shop, parameterNotFoundAction: Deny", "", []string{"ops"}, []string{unread}},
		{"none read, but found", "name: limits, namespace: shop", limits, nil, []string{denied}},
		{"none read, a selector", "selector: {}, namespace: shop", limits, nil, []string{denied, unread}},
		{"one namespace read, a selector", "selector: {}, namespace: shop", limits, []string{"shop"}, []string{denied}},
		{"own, none read", "name: limits, parameterNotFoundAction: Deny", "", nil, []string{unread}},
		{"own, read", "name: limits, parameterNotFoundAction: Deny", "", []string{"shop"}, []string{missing}},
		{"own, read, allow", "name: limits, parameterNotFoundAction: Allow", "", []string{"shop"}, nil},
		{"own, another namespace read", "name: limits, parameterNotFoundAction: Deny", "", []string{"ops"}, []string{unread}},
		{"own, read and found", "name: limits, parameterNotFoundAction: Deny", limits, []string{"shop"}, []string{denied}},
		{"own, found elsewhere unread", "name: limits, parameterNotFoundAction: Deny", strings.Replace(limits, "shop", "ops", 1), []string{"shop"}, []string{missing}},
		{"own, a selector, read", "selector: {}, parameterNotFoundAction: Deny", limits, []string{"shop"}, []string{denied}},
		{"own, a selector, not read", "selector: {}, parameterNotFoundAction: Deny", limits, nil, []string{denied, unread}},
	} {
		web := object(t, pod) // in namespace shop
		all := []*model.Object{web}
		if test.params != "" {
			all = append(all, objects(t, "params.yaml", test.params)...)
		}
		gap := model.Gap{Kind: model.GroupKind{Kind: "ConfigMap"}, Except: test.except, Reason: "configmaps may not be listed"}
		bound := native(t, policy+boundBy("validationActions: [Deny]\nparamRef: {"+test.ref+"}"))
		rules := Bind(bound, all, model.NewSnapshot(all, true, gap).Complete)
		if got := verdicts(judge(web, world{}, rules...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		ids := map[string]bool{}
		for _, r := range rules {
			if ids[r.ID] {
				t.Errorf("%s: two rules are %s", test.name, r.ID)
			}
			ids[r.ID] = true
		}
	}
}

// verdicts writes outcomes in words, in order.
func verdicts(outcomes []Outcome) []string {
	var all []string
	for _, out := range outcomes {
		text := out.Verdict.String() + " " + out.Reason
		if out.Verdict == Fail {
			text = "fail " + out.Finding.Message
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// TestNativeNames holds that the name of a policy stands for all that was made
// of it.
func TestNativeNames(t *testing.T) {
	two := vap(anyPod+"paramKind: {apiVersion: v1, kind: ConfigMap}\nvalidations: [{expression: params.data.a == 'a', message: m}]") +
		boundBy("validationActions: [Deny]\nparamRef: {selector: {}, namespace: ops}") +
		strings.Replace(boundBy("validationActions: [Deny]\nparamRef: {selector: {}}"), "name: guard", "name: second", 1)
	maps := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ops}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: ops}\n"
	rules := Bind(native(t, two), objects(t, "params.yaml", maps), func(string, ...model.GroupKind) bool { return false })
	found, err := Find(rules, []string{"guard"})
	if err != nil || len(found) != len(rules) || len(rules) != 7 {
		t.Errorf("%d of %d rules: %v", len(found), len(rules), err)
	}
	if second, err := Find(rules, []string{"guard/second"}); err != nil || len(second) != 4 {
		t.Errorf("%d rules of the second binding: %v", len(second), err)
	}
	ids := map[string]bool{}
	for _, r := range rules {
		ids[r.ID] = true
	}
	if len(ids) != len(rules) {
		t.Errorf("%d ids of %d rules: %v", len(ids), len(rules), ids)
	}
}

func TestNativeRefusesHalfPolicies(t *testing.T) {
	if _, err := Native(objects(t, "policy.yaml", vap("matchConstraints: {}"))); err == nil || !strings.Contains(err.Error(), "policy.yaml:3") {
		t.Errorf("a policy without validations: %v", err)
	}
}
