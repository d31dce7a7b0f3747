package policy

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Native turns ValidatingAdmissionPolicies and their bindings into rules, one
// for each binding. A policy without a binding has no effect in a cluster; here
// it is a rule all the same, because whoever hands it over wants it checked.
//
// The parameters of a policy are unknown until [Bind] has looked for them.
func Native(objects []*model.Object) ([]*Rule, error) {
	bindings := map[string][]*model.Object{}
	for _, o := range objects {
		if o.Key.Group == admissionGroup && o.Key.Kind == "ValidatingAdmissionPolicyBinding" {
			name := o.Root.Dig("spec", "policyName").Str()
			bindings[name] = append(bindings[name], o)
		}
	}
	var rules []*Rule
	for _, o := range objects {
		if o.Key.Group != admissionGroup || o.Key.Kind != "ValidatingAdmissionPolicy" {
			continue
		}
		base, err := nativeRule(o)
		if err != nil {
			return nil, err
		}
		if len(bindings[o.Key.Name]) == 0 {
			rules = append(rules, base)
		}
		for _, b := range bindings[o.Key.Name] {
			r := bind(base, o, b)
			if len(bindings[o.Key.Name]) > 1 { // each judges by itself
				r.ID, r.Aliases = base.ID+"/"+b.Key.Name, []string{base.ID}
			}
			rules = append(rules, r)
		}
	}
	return rules, nil
}

const admissionGroup = "admissionregistration.k8s.io"

func nativeRule(o *model.Object) (*Rule, error) {
	spec := o.Root.Get("spec")
	r := &Rule{Native: true, Place: o.Place(), Subject: Subject{Name: "object"}, Field: "object.metadata.name"}
	r.ID, r.Title, r.Severity, r.Category = o.Key.Name, "Policy "+o.Key.Name+" is violated", model.High, "correctness"
	r.Checks = []string{r.ID}
	r.Rationale = "The cluster's admission policy " + o.Key.Name + " refuses this object."
	r.Remediation = "Change the object so that the policy's expression holds."
	for key, set := range map[string]*string{"title": &r.Title, "rationale": &r.Rationale, "remediation": &r.Remediation, "category": &r.Category} {
		if v := o.Annotation("ullage.dev/" + key); v != "" {
			*set = v
		}
	}
	if v := o.Annotation("ullage.dev/severity"); v != "" {
		if err := r.Severity.UnmarshalText([]byte(v)); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", o.Place(), o.Key, err)
		}
	}
	r.IgnoreErrors = spec.Get("failurePolicy").Str() == "Ignore"
	r.Match = nativeMatch(spec.Get("matchConstraints"))
	r.Match.Exclude = append(r.Match.Exclude, notJudged)
	if spec.Get("paramKind").Is(tree.Map) {
		unbound := tree.UnknownBecause("no binding says what the parameters of policy " + r.ID + " are")
		r.Params = unbound.Seal()
	}
	r.Conditions = named(spec.Get("matchConditions"))
	r.Variables = named(spec.Get("variables"))
	validations := spec.Get("validations")
	for i := range validations.Children() {
		v := validations.At(i)
		message := v.Get("message").Str()
		if message == "" {
			message = "failed expression: " + strings.Join(strings.Fields(v.Get("expression").Str()), " ")
		}
		r.Validations = append(r.Validations, Validation{
			Expression: v.Get("expression").Str(), Message: message, MessageExpression: v.Get("messageExpression").Str(),
		})
	}
	if len(r.Validations) == 0 {
		return nil, fmt.Errorf("%s: %s: spec.validations are missing", o.Place(), o.Key)
	}
	r.Source = o.Source.File.Text
	return r, nil
}

// notJudged are the resources that the API server keeps from all policies, lest
// one forbid its own removal.
var notJudged = ResourceRule{
	Groups: []string{admissionGroup}, Versions: []string{"*"}, Operations: []string{"*"},
	Resources: []string{
		"validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
	},
}

func named(n *tree.Node) []Expression {
	var all []Expression
	for i := range n.Children() {
		all = append(all, Expression{n.At(i).Get("name").Str(), n.At(i).Get("expression").Str()})
	}
	return all
}

func nativeMatch(n *tree.Node) Match {
	var m Match
	exact := n.Get("matchPolicy").Str() == "Exact"
	m.Include, m.Exclude = resourceRules(n.Get("resourceRules"), exact), resourceRules(n.Get("excludeResourceRules"), exact)
	if s := n.Get("namespaceSelector"); s.Is(tree.Map) {
		sel := model.NewSelector(s)
		m.NamespaceSelector = &sel
	}
	if s := n.Get("objectSelector"); s.Is(tree.Map) {
		sel := model.NewSelector(s)
		m.ObjectSelector = &sel
	}
	return m
}

func resourceRules(n *tree.Node, exact bool) []ResourceRule {
	var rules []ResourceRule
	for i := range n.Children() {
		r := n.At(i)
		rules = append(rules, ResourceRule{
			Groups: texts(r.Get("apiGroups")), Versions: texts(r.Get("apiVersions")), Operations: texts(r.Get("operations")),
			Resources: texts(r.Get("resources")), Names: texts(r.Get("resourceNames")), Scope: r.Get("scope").Str(), Exact: exact,
		})
	}
	return rules
}

func texts(n *tree.Node) []string {
	var all []string
	for i := range n.Children() {
		all = append(all, n.At(i).Text())
	}
	return all
}

// bind narrows a policy to one of its bindings.
func bind(base *Rule, policy, binding *model.Object) *Rule {
	r := *base
	spec := binding.Root.Get("spec")
	r.Match.Bound = &Match{}
	*r.Match.Bound = nativeMatch(spec.Get("matchResources"))
	r.Advisory = !slices.Contains(texts(spec.Get("validationActions")), "Deny")
	if r.Advisory {
		r.Severity = min(r.Severity, model.Low)
	}
	if kind := policy.Root.Dig("spec", "paramKind"); kind.Is(tree.Map) {
		r.Params = nil // what the server hands over when a binding names none
		if ref := spec.Get("paramRef"); ref.Is(tree.Map) {
			r.ParamRef = newParamRef(kind, ref)
			notRead := tree.UnknownBecause("the parameters of policy " + base.ID + " were not read")
			r.Params = notRead.Seal()
		}
	}
	return &r
}
