package policy

import (
	"fmt"
	"slices"
	"strings"

	admission "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// related names what a rule asks of other objects, each once.
func related(footprint Footprint) []string {
	var names []string
	for _, a := range footprint {
		if a.Root == "related" && len(a.Steps) > 0 && !slices.Contains(names, a.Steps[0]) {
			names = append(names, a.Steps[0])
		}
	}
	return names
}

// Export writes a rule as a native ValidatingAdmissionPolicy with the same
// verdicts, and a binding for it. The assumed version and the rule's settings
// become constants of the policy. Custom resources with pod templates are not covered by it, as their
// kinds are not known.
//
// A rule that needs more than the object is refused: it would mean something
// else in a cluster. So is one that is an admission policy already, and one of
// which the policy would not compile on the oldest supported version.
func (e *Engine) Export(r *Rule, actions []admission.ValidationAction) (*admission.ValidatingAdmissionPolicy, *admission.ValidatingAdmissionPolicyBinding, error) {
	footprint, err := e.Footprint(r)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.Native:
		return nil, nil, fmt.Errorf("rule %q is an admission policy already", r.ID)
	case r.Subject.Found != "":
		return nil, nil, fmt.Errorf("rule %q is about each %s, which an admission policy cannot find", r.ID, r.Subject.Found)
	case r.Subject.Image:
		return nil, nil, fmt.Errorf("rule %q needs what is in the image, which an admission policy cannot see", r.ID)
	case r.OfBehavior():
		return nil, nil, fmt.Errorf("rule %q judges what containers do, which an admission policy cannot see", r.ID)
	case footprint.Reads("related"):
		return nil, nil, fmt.Errorf("rule %q needs what other objects say (%s), which an admission policy cannot see", r.ID, strings.Join(related(footprint), ", "))
	}
	kinds := exportKinds(r)
	if len(kinds) == 0 {
		return nil, nil, fmt.Errorf("rule %q is about the pods of custom resources, which an admission policy cannot find", r.ID)
	}
	fail := admission.Fail
	name := "ullage-" + r.ID
	vap := &admission.ValidatingAdmissionPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
			"ullage.dev/rule": r.ID, "ullage.dev/title": r.Title, "ullage.dev/severity": r.Severity.String(), "ullage.dev/category": r.Category,
			"ullage.dev/rationale": r.Rationale, "ullage.dev/remediation": r.Remediation,
		}},
		Spec: admission.ValidatingAdmissionPolicySpec{
			FailurePolicy:    &fail,
			MatchConstraints: &admission.MatchResources{ResourceRules: kinds},
		},
	}
	e.mu.Lock()
	b := e.build(r)
	e.mu.Unlock()
	for i := range b.params.Children() {
		if p := &b.params.Children()[i]; p.Is(tree.Unknown) {
			return nil, nil, fmt.Errorf("rule %q: parameter %s is not set (set it in the configuration)", r.ID, p.Key())
		}
	}
	x := exporter{compiled: b.compiled, minor: e.options.KubernetesMinor, params: b.params}
	if err := x.fill(&vap.Spec); err != nil {
		return nil, nil, fmt.Errorf("rule %q has no equal policy: %w", r.ID, err)
	}
	if err := compiles(vap); err != nil {
		return nil, nil, fmt.Errorf("rule %q has no equal policy: %w", r.ID, err)
	}
	binding := &admission.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       admission.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: actions},
	}
	return vap, binding, nil
}

// exportKinds returns the resources that a rule is about, by API group.
func exportKinds(r *Rule) []admission.NamedRuleWithOperations {
	kinds := r.Match.Kinds
	if len(kinds) == 0 && r.Subject.Pod {
		kinds = model.WorkloadKinds()
	}
	byGroup := map[string][]string{}
	for _, gk := range kinds {
		if r.Subject.Pod && gk.PodSpecPath() == nil {
			continue
		}
		byGroup[gk.Group] = append(byGroup[gk.Group], gk.Plural())
		if gk.Kind == "Pod" {
			byGroup[gk.Group] = append(byGroup[gk.Group], "pods/ephemeralcontainers")
		}
	}
	if len(kinds) == 0 {
		byGroup["*"] = []string{"*"}
	}
	var rules []admission.NamedRuleWithOperations
	for group, resources := range byGroup {
		slices.Sort(resources)
		rules = append(rules, admission.NamedRuleWithOperations{RuleWithOperations: admission.RuleWithOperations{
			Operations: []admission.OperationType{admission.Create, admission.Update},
			Rule:       admission.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources},
		}})
	}
	slices.SortFunc(rules, func(a, b admission.NamedRuleWithOperations) int {
		return strings.Compare(a.APIGroups[0], b.APIGroups[0])
	})
	return rules
}

// compiles checks the expressions of an exported policy.
func compiles(vap *admission.ValidatingAdmissionPolicy) error {
	r := &Rule{Subject: Subject{Name: "object"}, Field: "object", Native: true, exported: true}
	r.ID = vap.Name
	for _, v := range vap.Spec.Variables {
		r.Variables = append(r.Variables, Expression{v.Name, v.Expression})
	}
	for _, v := range vap.Spec.Validations {
		r.Validations = append(r.Validations, Validation{Expression: v.Expression, Message: v.Message})
	}
	var c compiler
	_, err := c.compile(r)
	return err
}
