// Command admission judges Kubernetes objects by ValidatingAdmissionPolicies
// with the API server's own packages: the oracle of package policy.
//
// The first line of its input is a JSON list of policies, each further line an
// object. The answer is the error that a policy does not compile with, or one
// line for each object: {"raw": "...", "typed": "..."}, each with one letter for
// each policy, in order:
//
//	p  admitted
//	f  denied
//	e  could not be evaluated
//	-  the policy is not about the object
//
// raw is the object as it was read, typed the object after it went through the
// Go type of its kind, as the server sees it; typed is empty for kinds without
// one, and where the server would refuse the object before its policies are
// asked, because it does not fit the type or lacks what it must have.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	lines.Scan()
	var sources []admissionv1.ValidatingAdmissionPolicy
	if err := json.Unmarshal(lines.Bytes(), &sources); err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	policies := make([]*policy, len(sources))
	for i := range sources {
		var err error
		if policies[i], err = compile(&sources[i]); err != nil {
			return fmt.Errorf("policy %s: %w", sources[i].Name, err)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(lines.Bytes()); err != nil {
			return fmt.Errorf("read object: %w", err)
		}
		answer := struct {
			Raw   string `json:"raw"`
			Typed string `json:"typed"`
		}{Raw: judge(policies, u, u)}
		if object, err := scheme.Scheme.New(u.GroupVersionKind()); err == nil && utiljson.Unmarshal(lines.Bytes(), object) == nil && complete(reflect.ValueOf(object).Elem()) {
			answer.Typed = judge(policies, object, u)
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return out.Flush()
}

// optional are lists that are written as null when they are empty, and may be.
var optional = []string{"rules", "sources"}

// complete reports whether all is there that the API's types require: fields
// that are always written have a value.
func complete(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || complete(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if !complete(v.Index(i)) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "status" {
				continue
			}
			always := name != "" && name != "-" && !strings.Contains(options, "omit") && f.Type.Kind() != reflect.Struct && f.Type.Kind() != reflect.Bool
			if always && v.Field(i).IsZero() && !slices.Contains(optional, name) || !complete(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// policy is a policy in the form in which the server runs it.
type policy struct {
	source    *admissionv1.ValidatingAdmissionPolicy
	validator validating.Validator
}

// compile does what the server does with a policy, but takes expressions as new
// ones of the oldest supported version: what only later versions know is an
// error.
func compile(p *admissionv1.ValidatingAdmissionPolicy) (*policy, error) {
	const mode = environment.NewExpressions
	compiler, err := cel.NewCompositedCompiler(base())
	if err != nil {
		return nil, err
	}
	optional := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	check := func(what string, x cel.ExpressionAccessor) error {
		if result := compiler.CompileCELExpression(x, optional, mode); result.Error != nil {
			return fmt.Errorf("%s: %s\n%s", what, result.Error.Detail, x.GetExpression())
		}
		return nil
	}
	for _, v := range p.Spec.Variables {
		x := &validating.Variable{Name: v.Name, Expression: v.Expression}
		if err := check("variable "+v.Name, x); err != nil {
			return nil, err
		}
		compiler.CompileAndStoreVariable(x, optional, mode)
	}
	var conditions, validations, messages []cel.ExpressionAccessor
	for i := range p.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i]))
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var message cel.ExpressionAccessor
		if v.MessageExpression != "" {
			message = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		messages = append(messages, message)
	}
	for _, x := range slices.Concat(conditions, validations) {
		if err := check("expression", x); err != nil {
			return nil, err
		}
	}
	var matcher matchconditions.Matcher
	if len(conditions) > 0 {
		matcher = matchconditions.NewMatcher(compiler.CompileCondition(conditions, optional, mode), p.Spec.FailurePolicy, "policy", "validate", p.Name)
	}
	return &policy{p, validating.NewValidator(
		compiler.CompileCondition(validations, optional, mode), matcher, compiler.CompileCondition(nil, optional, mode),
		compiler.CompileCondition(messages, cel.OptionalVariableDeclarations{HasParams: optional.HasParams}, mode), p.Spec.FailurePolicy, nil,
	)}, nil
}

// base is the environment of the oldest version that exported policies must
// compile on.
var base = sync.OnceValue(func() *environment.EnvSet { return environment.MustBaseEnvSet(version.MajorMinor(1, 31)) })

// judge returns one letter for each policy.
func judge(policies []*policy, object runtime.Object, u *unstructured.Unstructured) string {
	gvk := u.GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	if gvk.Kind == "Gateway" { // the guess is gatewaies
		resource.Resource = "gateways"
	}
	attributes := admission.NewAttributesRecord(object, nil, gvk, u.GetNamespace(), u.GetName(), resource, "", admission.Create, nil, false, nil)
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: gvk, VersionedObject: admission.NewLazyObject(object)}
	var namespace *corev1.Namespace
	if name := u.GetNamespace(); name != "" {
		namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	letters := make([]byte, len(policies))
	for i, p := range policies {
		letters[i] = '-'
		if p.about(attributes) {
			letters[i] = p.verdict(resource, versioned, namespace)
		}
	}
	return string(letters)
}

// about reports whether the policy's resource rules match, and the excluding
// ones do not.
func (p *policy) about(a admission.Attributes) bool {
	constraints := p.source.Spec.MatchConstraints
	matches := func(list []admissionv1.NamedRuleWithOperations) bool {
		return slices.ContainsFunc(list, func(r admissionv1.NamedRuleWithOperations) bool {
			m := rules.Matcher{Rule: r.RuleWithOperations, Attr: a}
			return m.Matches()
		})
	}
	return matches(constraints.ResourceRules) && !matches(constraints.ExcludeResourceRules)
}

func (p *policy) verdict(resource schema.GroupVersionResource, a *admission.VersionedAttributes, namespace *corev1.Namespace) byte {
	result := p.validator.Validate(context.Background(), resource, a, nil, namespace, celconfig.RuntimeCELCostBudget, nil)
	letter := byte('p')
	for _, d := range result.Decisions {
		switch d.Evaluation {
		case validating.EvalError:
			return 'e'
		case validating.EvalDeny:
			letter = 'f'
		}
	}
	return letter
}
