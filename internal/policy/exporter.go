package policy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	admission "k8s.io/api/admissionregistration/v1"

	"ullage.dev/ullage/internal/tree"
)

// exporter rewrites the expressions of one rule for a policy, which judges the
// object as a whole: elements are bound by loops, and the rule's variables that
// depend on one are replaced by what they stand for.
type exporter struct {
	*compiled
	minor  int
	params *tree.Node

	local map[string]string // the rule's variables that depend on an element
	used  map[string]bool   // of the constants: params, kubernetesMinor
}

// fill completes the policy with variables and validations.
func (x *exporter) fill(spec *admission.ValidatingAdmissionPolicySpec) error {
	x.local, x.used = map[string]string{}, map[string]bool{}
	var own []admission.Variable
	for i, v := range x.Rule.Variables {
		text, bound, err := x.rewrite(x.variables[i])
		if err != nil {
			return err
		}
		if bound {
			x.local[v.Name] = parenthesized(text)
		} else {
			own = append(own, admission.Variable{Name: v.Name, Expression: text})
		}
	}
	var conditions []string
	for _, c := range x.conditions {
		text, _, err := x.rewrite(c)
		if err != nil {
			return err
		}
		conditions = append(conditions, text)
	}
	for i, v := range x.Validations {
		text, _, err := x.rewrite(x.validation[i])
		if err != nil {
			return err
		}
		spec.Validations = append(spec.Validations, admission.Validation{Expression: x.loops(conditions, text), Message: x.message(v)})
	}
	spec.Variables = append(x.builtins(), own...)
	return nil
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

// builtins declares the variables that rules have without declaring them.
func (x *exporter) builtins() []admission.Variable {
	var out []admission.Variable
	if x.Subject.Pod {
		out = append(out, builtinVariables...)
	}
	if x.used["kubernetesMinor"] {
		out = append(out, admission.Variable{Name: "kubernetesMinor", Expression: strconv.Itoa(x.minor)})
	}
	if x.used["params"] { // hidden from the checker, as params are in a rule
		out = append(out, admission.Variable{Name: "params", Expression: "dyn(" + literal(x.params) + ")"})
	}
	return out
}

// maxExport is the length in bytes beyond which an expression is not exported.
const maxExport = 32 << 10

// rewrite returns an expression as a policy has it: params become a variable, and
// variables that depend on an element what they stand for. bound says that the
// expression itself depends on an element.
func (x *exporter) rewrite(e *expression) (text string, bound bool, err error) {
	m, err := mentions(e, append(x.Subject.variables(), "params", "variables"))
	if err != nil {
		return "", false, err
	}
	var parts []string
	at := 0
	for _, v := range m.found {
		replacement, local := x.local[strings.TrimPrefix(v.name, "variables.")]
		switch {
		case v.name == "params":
			replacement, x.used["params"] = "variables.params", true
		case strings.HasPrefix(v.name, "variables.") && local:
			if v.tested {
				return "", false, fmt.Errorf("%s asks whether %s is there", e.what, v.name)
			}
			bound = true
		case v.name == "variables.kubernetesMinor":
			x.used["kubernetesMinor"] = true
			continue
		default:
			bound = bound || slices.Contains(x.Subject.variables(), v.name)
			continue
		}
		parts = append(parts, string(m.text[at:v.start]), replacement)
		at = v.end
	}
	text = strings.Join(append(parts, string(m.text[at:])), "")
	if len(text) > maxExport {
		return "", false, errors.New("an expression is too long without variables of elements")
	}
	if len(parts) > 0 {
		for _, name := range append(x.Subject.variables(), "object", "namespaceObject", "variables", "params") {
			if slices.Contains(m.loops, name) {
				return "", false, fmt.Errorf("the loop variable %s hides another variable", name)
			}
		}
	}
	return text, bound, nil
}

// mentioned is where an expression names a variable: container, or variables.NAME.
type mentioned struct {
	name       string
	start, end int  // in characters
	tested     bool // has() asks for it
}

// mentioning is what an expression names.
type mentioning struct {
	text  []rune
	found []mentioned // in order
	loops []string    // the variables of its own loops
}

// mentions finds where an expression names one of the variables, in the tree that
// the checker made of it: no string and no comment counts.
func mentions(e *expression, names []string) (*mentioning, error) {
	checked, err := e.compile() // again: what is stored has no positions
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.what, err)
	}
	m := &mentioning{text: []rune(e.text)}
	places := checked.NativeRep().SourceInfo()
	seen := map[int32]bool{} // macros use a part of the expression twice
	add := func(n ast.Expr, name string, tested bool) {
		if r, known := places.GetOffsetRange(n.ID()); known && !seen[r.Start] {
			seen[r.Start] = true
			m.found = append(m.found, mentioned{name: name, start: int(r.Start), tested: tested})
		}
	}
	selected := map[int64]bool{}
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		switch n.Kind() {
		case ast.SelectKind:
			s := n.AsSelect()
			if o := s.Operand(); o.Kind() == ast.IdentKind && o.AsIdent() == "variables" {
				selected[o.ID()] = true
				add(o, "variables."+s.FieldName(), s.IsTestOnly())
			}
		case ast.IdentKind:
			if slices.Contains(names, n.AsIdent()) && !selected[n.ID()] {
				add(n, n.AsIdent(), false)
			}
		case ast.ComprehensionKind:
			m.loops = append(m.loops, n.AsComprehension().IterVar(), n.AsComprehension().IterVar2())
		}
	}))
	slices.SortFunc(m.found, func(a, b mentioned) int { return a.start - b.start })
	for i := range m.found {
		v := &m.found[i]
		if v.name == "variables" {
			return nil, fmt.Errorf("%s names a variable otherwise than variables.NAME", e.what)
		}
		if v.end, err = m.end(v.name, v.start); err != nil {
			return nil, fmt.Errorf("%s: %w", e.what, err)
		}
	}
	return m, nil
}

// end returns where a name that begins at start ends. White space and comments
// may stand between its parts.
func (m *mentioning) end(name string, at int) (int, error) {
	for i, part := range strings.SplitAfter(strings.ReplaceAll(name, ".", " . "), " ") {
		part = strings.TrimSpace(part)
		if i > 0 {
			at = m.space(at)
		}
		if !strings.HasPrefix(string(m.text[min(at, len(m.text)):]), part) {
			return 0, fmt.Errorf("%s is written in an unusual way", name)
		}
		at += len([]rune(part))
	}
	return at, nil
}

// space returns where white space and comments end.
func (m *mentioning) space(at int) int {
	for at < len(m.text) {
		switch {
		case strings.ContainsRune(" \t\n\f\r", m.text[at]):
			at++
		case m.text[at] == '/' && at+1 < len(m.text) && m.text[at+1] == '/':
			for at < len(m.text) && m.text[at] != '\n' {
				at++
			}
		default:
			return at
		}
	}
	return at
}

// parenthesized keeps a comment at the end from swallowing what follows.
func parenthesized(expression string) string {
	if strings.Contains(expression, "//") {
		return "(" + expression + "\n)"
	}
	return "(" + expression + ")"
}

// loops wraps a validation into the loops of the subject. Match conditions become
// part of it, because they may depend on the element.
func (x *exporter) loops(conditions []string, expression string) string {
	for _, condition := range slices.Backward(conditions) {
		expression = "!" + parenthesized(condition) + " || " + parenthesized(expression)
	}
	levels := x.Subject.Levels
	for i := len(levels) - 1; i >= 0; i-- {
		base := "object"
		switch {
		case i > 0:
			base = levels[i-1].As
		case x.Subject.Pod:
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
	return expression
}

// exportList selects a list that may be absent. The API server shows the rules
// of a role that has none as null.
func exportList(base string, path tree.Path) string {
	list := base
	for _, s := range path {
		list += ".?" + s.Key
	}
	if path.String() == "rules" {
		return "(" + list + ".orValue(null) == null ? [] : " + base + ".rules)"
	}
	return list + ".orValue([])"
}

// message is the static message: a policy cannot say which element failed.
func (x *exporter) message(v Validation) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s (%s). %s", v.Message, x.ID, x.Remediation)), " ")
}

// literal writes a node as a CEL literal. CEL wants the items of a literal to be
// of one type; where they may not be, they are hidden from its checker.
func literal(n *tree.Node) string {
	one := func(kid *tree.Node) string {
		text := literal(kid)
		if kid.Is(tree.List) || kid.Is(tree.Map) || slices.ContainsFunc(n.Children(), func(other tree.Node) bool { return other.Kind() != kid.Kind() }) {
			return "dyn(" + text + ")"
		}
		return text
	}
	switch n.Kind() {
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
	return scalar(n)
}

func scalar(n *tree.Node) string {
	switch v := n.Native().(type) {
	case string:
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprintf("double(%q)", strconv.FormatFloat(v, 'g', -1, 64))
		}
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	return "null"
}
