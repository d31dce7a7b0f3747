package policy

import (
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

func native(t *testing.T, text string, params func(model.GroupKind, string, string) *model.Object) []*Rule {
	t.Helper()
	rules, err := Native(objects(t, "policy.yaml", text), params)
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
			out := judge(object(t, test.object), test.facts, native(t, test.policy, nil)...)
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
	limits := object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: ops}\ndata: {name: web}\n")
	params := func(gk model.GroupKind, namespace, name string) *model.Object {
		if gk == limits.Key.GroupKind && namespace == "ops" && name == "limits" {
			return limits
		}
		return nil
	}
	withParams := vap(anyPod + "paramKind: {apiVersion: v1, kind: ConfigMap}\nvalidations: [{expression: object.metadata.name != params.data.name, message: denied}]")
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
		{"params", withParams + boundBy("validationActions: [Deny]\nparamRef: {name: limits, namespace: ops, parameterNotFoundAction: Deny}"), []Verdict{Fail}, false},
		{"params not read", withParams + boundBy("validationActions: [Deny]\nparamRef: {name: other, namespace: ops, parameterNotFoundAction: Deny}"), []Verdict{Unknown}, false},
		{"params by label", withParams + boundBy("validationActions: [Deny]\nparamRef: {selector: {}, parameterNotFoundAction: Deny}"), []Verdict{Unknown}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := judge(object(t, pod), world{}, native(t, test.policy, params)...)
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

func TestNativeRefusesHalfPolicies(t *testing.T) {
	if _, err := Native(objects(t, "policy.yaml", vap("matchConstraints: {}")), nil); err == nil || !strings.Contains(err.Error(), "policy.yaml:3") {
		t.Errorf("a policy without validations: %v", err)
	}
}
