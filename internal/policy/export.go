package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	admission "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Export writes a rule as a native ValidatingAdmissionPolicy with the same
// verdicts, and a binding for it. minor and settings become constants of the
// policy. Custom resources with pod templates are not covered by it, as their
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
	case footprint.Reads("related"):
		return nil, nil, fmt.Errorf("rule %q needs other objects (%s), which an admission policy cannot see", r.ID, footprint)
	case footprint.Reads("params"):
		return nil, nil, fmt.Errorf("rule %q reads params, which only a bound policy has; settings are variables.params", r.ID)
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
	x := exporter{rule: r, minor: e.options.KubernetesMinor, params: b.params}
	x.locals()
	if name := x.captures(b.compiled); name != "" {
		return nil, nil, fmt.Errorf("rule %q has no equal policy: the loop variable %s hides another variable", r.ID, name)
	}
	vap.Spec.Variables = x.variables()
	for _, v := range r.Validations {
		expression, err := x.validation(v)
		if err != nil {
			return nil, nil, fmt.Errorf("rule %q has no equal policy: %w", r.ID, err)
		}
		vap.Spec.Validations = append(vap.Spec.Validations, admission.Validation{Expression: expression, Message: x.message(v)})
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
		byGroup[gk.Group] = append(byGroup[gk.Group], Resource(gk))
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

// exporter rewrites the expressions of one rule.
type exporter struct {
	rule   *Rule
	minor  int
	params *tree.Node
	local  []Expression // the rule's variables that depend on an element
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

// builtinVariables are the variables that Ullage gives to rules about pods, as a
// policy computes them.
var builtinVariables = []admission.Variable{
	{Name: "podSpec", Expression: `object.kind == "Pod" ? object.spec : object.kind == "PodTemplate" ? object.template.spec : ` +
		`object.kind == "CronJob" ? object.spec.jobTemplate.spec.template.spec : object.spec.template.spec`},
	{Name: "podMetadata", Expression: `object.kind == "Pod" ? object.metadata : object.kind == "PodTemplate" ? object.template.?metadata.orValue({}) : ` +
		`object.kind == "CronJob" ? object.spec.jobTemplate.spec.template.?metadata.orValue({}) : object.spec.template.?metadata.orValue({})`},
	{Name: "containers", Expression: `variables.podSpec.containers + variables.podSpec.?initContainers.orValue([]) + ` +
		`variables.podSpec.?ephemeralContainers.orValue([])`},
}

// variables declares the built-in variables that the rule uses, and its own as
// far as they do not depend on an element.
func (x *exporter) variables() []admission.Variable {
	r := x.rule
	var out []admission.Variable
	if r.Subject.Pod {
		out = append(out, builtinVariables...)
	}
	text := r.text()
	if strings.Contains(text, "variables.kubernetesMinor") {
		out = append(out, admission.Variable{Name: "kubernetesMinor", Expression: strconv.Itoa(x.minor)})
	}
	if strings.Contains(text, "variables.params") {
		out = append(out, admission.Variable{Name: "params", Expression: literal(x.params)})
	}
	for _, v := range r.Variables {
		if !slices.Contains(x.local, v) {
			out = append(out, admission.Variable{Name: v.Name, Expression: v.Expression})
		}
	}
	return out
}

// text is all CEL of the rule that decides its verdict.
func (r *Rule) text() string {
	var b strings.Builder
	for _, list := range [][]Expression{r.Conditions, r.Variables} {
		for _, e := range list {
			b.WriteString(e.Expression + "\n")
		}
	}
	for _, v := range r.Validations {
		b.WriteString(v.Expression + "\n")
	}
	return b.String()
}

// locals finds the variables of the rule that depend on an element: by
// themselves or through one before them.
func (x *exporter) locals() {
	names := x.rule.Subject.variables()
	for i, name := range names {
		names[i] = word(name).String()
	}
	for _, v := range x.rule.Variables {
		if len(names) > 0 && regexp.MustCompile(strings.Join(names, "|")).MatchString(v.Expression) {
			x.local = append(x.local, v)
			names = append(names, word("variables\\."+v.Name).String())
		}
	}
}

func word(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[^.\w"'])(` + pattern + `)\b`)
}

// maxExport is the length in bytes beyond which an expression is not exported.
const maxExport = 32 << 10

// inline replaces variables of the rule that depend on an element by what they
// stand for, as a policy has variables for the whole object only.
func (x *exporter) inline(expression string) (string, error) {
	for _, v := range slices.Backward(x.local) {
		replacement := "${1}" + strings.ReplaceAll(parenthesized(v.Expression), "$", "$$")
		if expression = word("variables\\."+v.Name).ReplaceAllString(expression, replacement); len(expression) > maxExport {
			return "", errors.New("an expression is too long without variables of elements")
		}
	}
	return expression, nil
}

// parenthesized keeps a comment at the end from swallowing what follows.
func parenthesized(expression string) string {
	if strings.Contains(expression, "//") {
		return "(" + expression + "\n)"
	}
	return "(" + expression + ")"
}

// captures returns the name of a loop variable that hides a variable which an
// inlined expression may mean.
func (x *exporter) captures(c *compiled) string {
	if len(x.local) == 0 {
		return ""
	}
	taken := append([]string{"object", "oldObject", "request", "params", "namespaceObject", "authorizer", "variables"}, x.rule.Subject.variables()...)
	found := ""
	for _, e := range slices.Concat(c.variables, c.conditions, c.validation) {
		root, err := e.check()
		if err != nil {
			continue // it was checked before
		}
		ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
			if e.Kind() == ast.ComprehensionKind && slices.Contains(taken, e.AsComprehension().IterVar()) {
				found = e.AsComprehension().IterVar()
			}
		}))
	}
	return found
}

// validation wraps a validation into the loops of the subject. Match conditions
// become part of it, because they may depend on the element.
func (x *exporter) validation(v Validation) (string, error) {
	expression, err := x.inline(v.Expression)
	if err != nil {
		return "", err
	}
	for _, c := range slices.Backward(x.rule.Conditions) {
		condition, err := x.inline(c.Expression)
		if err != nil {
			return "", err
		}
		expression = "!" + parenthesized(condition) + " || " + parenthesized(expression)
	}
	levels := x.rule.Subject.Levels
	for i := len(levels) - 1; i >= 0; i-- {
		base := "object"
		switch {
		case i > 0:
			base = levels[i-1].As
		case x.rule.Subject.Pod:
			base = "variables.podSpec"
		}
		var lists []string
		for _, path := range levels[i].Lists {
			lists = append(lists, exportList(base, path))
		}
		over := strings.Join(lists, " + ")
		if len(lists) > 1 {
			over = "(" + over + ")"
		}
		if strings.Contains(expression, "//") {
			expression += "\n"
		}
		expression = over + ".all(" + levels[i].As + ", " + expression + ")"
	}
	return expression, nil
}

// exportList selects a list that may be absent. The API server shows the rules
// of a role that has none as null.
func exportList(base string, path tree.Path) string {
	list := optional(base, path)
	if path.String() == "rules" {
		return "(" + list + ".orValue(null) == null ? [] : " + base + ".rules)"
	}
	return list + ".orValue([])"
}

// optional selects a path that may be absent.
func optional(base string, path tree.Path) string {
	for _, s := range path {
		base += ".?" + s.Key
	}
	return base
}

// message is the static message: a policy cannot say which element failed.
func (x *exporter) message(v Validation) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s (%s). %s", v.Message, x.rule.ID, x.rule.Remediation)), " ")
}

// literal writes a node as a CEL literal. CEL wants items of one type; others are
// hidden from its checker.
func literal(n *tree.Node) string {
	one := func(kid *tree.Node) string {
		text := literal(kid)
		if slices.ContainsFunc(n.Children(), func(other tree.Node) bool { return other.Kind() != kid.Kind() }) {
			return "dyn(" + text + ")"
		}
		return text
	}
	switch n.Kind() {
	case tree.String:
		return strconv.Quote(n.Text())
	case tree.List:
		var items []string
		for i := range n.Children() {
			items = append(items, one(n.At(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case tree.Map:
		var entries []string
		for i := range n.Children() {
			kid := &n.Children()[i]
			entries = append(entries, strconv.Quote(kid.Key())+": "+one(kid))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	return n.Text()
}
