package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apimachinery/pkg/util/version"
	admissioncel "k8s.io/apiserver/pkg/admission/plugin/cel"
	apicel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// OldestMinor is the oldest Kubernetes minor version on which exported rules
// must compile; newer CEL features are refused in rules.
const OldestMinor = 31

// environments are the API server's CEL environment, extended with the
// variables of each kind of subject.
type environments struct {
	mu    sync.Mutex
	base  *environment.EnvSet
	byKey map[string]*environment.EnvSet
}

// get returns the environment in which the named variables exist beside those
// that every rule has.
func (e *environments) get(names []string) (*environment.EnvSet, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := strings.Join(names, ",")
	if set := e.byKey[key]; set != nil {
		return set, nil
	}
	if e.base == nil {
		e.base = environment.MustBaseEnvSet(version.MajorMinor(1, OldestMinor))
		e.byKey = map[string]*environment.EnvSet{}
	}
	namespace, request := admissioncel.BuildNamespaceType(), admissioncel.BuildRequestType()
	options := []cel.EnvOption{
		cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType), cel.Variable("params", cel.DynType),
		cel.Variable("namespaceObject", namespace.CelType()), cel.Variable("request", request.CelType()),
		cel.Variable("authorizer", library.AuthorizerType), cel.Variable("authorizer.requestResource", library.ResourceCheckType),
		cel.Variable("variables", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("related", cel.MapType(cel.StringType, cel.DynType)),
	}
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	set, err := e.base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        options,
		DeclTypes:         []*apicel.DeclType{namespace, request},
	}, environment.StrictCostOpt)
	if err != nil {
		return nil, fmt.Errorf("CEL environment: %w", err)
	}
	e.byKey[key] = set
	return set, nil
}

// compiled is a rule whose expressions were type-checked and analyzed; their
// programs are planned when first needed.
type compiled struct {
	*Rule
	footprint  Footprint
	gate       Footprint     // what its match conditions read
	variables  []*expression // in the order of the rule's
	conditions []*expression
	validation []*expression
	messages   []*expression  // nil where a validation has only a static message
	whens      []*expression  // nil where a fix has no condition
	fields     []model.Target // by validation
	fixes      []model.Fix
}

// expression is a CEL expression of a rule: checked and planned when first
// needed, each once.
type expression struct {
	what, text string // for errors: "rule NAME: validation 1"
	env        func() (*cel.Env, error)
	stored     string    // its checked form, where the library has it
	want       *cel.Type // nil for any
	trusted    bool      // of the rule library
	wide       bool      // a variable that is the same for all elements of a pod

	checked, planned sync.Once
	ast              *cel.Ast
	steps            interpreter.InterpretableV2 // where the expression is trusted
	prog             cel.Program                 // where it is not: with the API server's limits of cost
	checkErr, err    error
}

// check parses and type-checks the expression.
func (x *expression) check() (ast.Expr, error) {
	x.checked.Do(func() {
		if x.stored != "" {
			x.ast, x.checkErr = decodeChecked(x.stored)
		} else {
			x.ast, x.checkErr = x.compile()
		}
		if x.checkErr != nil {
			x.checkErr = fmt.Errorf("%s: %w", x.what, x.checkErr)
		}
	})
	if x.checkErr != nil {
		return nil, x.checkErr
	}
	return x.ast.NativeRep().Expr(), nil
}

func (x *expression) compile() (*cel.Ast, error) {
	env, err := x.env()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(x.text)
	if issues.Err() != nil {
		return nil, errors.New(strings.Join(strings.Fields(issues.Err().Error()), " "))
	}
	if t := checked.OutputType(); x.want != nil && !t.IsExactType(x.want) && !t.IsExactType(cel.DynType) && !t.IsExactType(cel.AnyType) {
		return nil, fmt.Errorf("yields %s, not %s", t, x.want)
	}
	return checked, nil
}

// plan makes the expression ready to run.
func (x *expression) plan() error {
	x.planned.Do(func() {
		if _, x.err = x.check(); x.err != nil {
			return
		}
		if x.trusted {
			x.steps, x.err = planTrusted(x.ast)
			return
		}
		env, err := x.env()
		if err != nil {
			x.err = err
			return
		}
		x.prog, x.err = env.Program(x.ast, cel.CustomDecoratorV2(bounded))
	})
	return x.err
}

// compiler turns rules into programs. facts are the names that `related` has.
type compiler struct {
	envs  environments
	facts []string
}

// builtinNames are the variables that rules have without declaring them.
var builtinNames = []string{"podSpec", "podMetadata", "containers", "kubernetesMinor", "params"}

// rootNames are the variables that CEL itself has.
var rootNames = []string{"object", "oldObject", "request", "authorizer", "namespaceObject", "variables", "related", imageName}

// imageName is the variable of the facts about an image, which only rules about
// images have.
const imageName = "image"

// compile checks what decides a rule's verdict, and analyzes what it reads.
// Message expressions and the conditions of fixes are left for the first
// finding; [compiled.rest] checks them before.
func (c *compiler) compile(r *Rule) (*compiled, error) {
	for _, v := range r.Variables {
		if !r.Native && slices.Contains(builtinNames, v.Name) {
			return nil, fmt.Errorf("rule %q: variable %s is there already", r.ID, v.Name)
		}
	}
	out := &compiled{Rule: r}
	if err := out.targets(); err != nil {
		return nil, fmt.Errorf("rule %q: %w", r.ID, err)
	}
	out.expressions(&c.envs)
	a := &analysis{variables: map[string]*Access{}, computed: map[string]Footprint{}}
	for i, x := range out.variables {
		e, err := x.check()
		if err != nil {
			return nil, err
		}
		if !r.Native && x.ast.OutputType().TypeName() == "optional_type" {
			// CEL looks for fields in the optional itself: variables.x.?y would always be absent.
			return nil, fmt.Errorf("%s is an optional value; end it with orValue", x.what)
		}
		a.define(r.Variables[i].Name, e)
		x.wide = x.trusted && a.wide(r.Variables[i].Name)
	}
	for _, x := range out.conditions {
		e, err := x.check()
		if err != nil {
			return nil, err
		}
		a.read(e)
	}
	out.gate = a.footprint()
	for _, x := range out.validation {
		e, err := x.check()
		if err != nil {
			return nil, err
		}
		a.read(e)
	}
	out.footprint = a.footprint()
	return out, c.checkRoots(r, out.footprint)
}

// expressions makes the expressions of the rule, unchecked.
func (c *compiled) expressions(envs *environments) {
	names := c.Subject.variables()
	env := func() (*cel.Env, error) {
		set, err := envs.get(names)
		if err != nil {
			return nil, err
		}
		if c.Native && !c.exported {
			return set.Env(environment.StoredExpressions) // what a server has accepted
		}
		return set.Env(environment.NewExpressions)
	}
	one := func(what, text string, want *cel.Type) *expression {
		if text == "" {
			return nil
		}
		return &expression{
			what: fmt.Sprintf("rule %q: %s", c.ID, what), text: text, env: env, stored: c.stored.get(names, text), want: want, trusted: c.Builtin,
		}
	}
	for _, v := range c.Rule.Variables {
		c.variables = append(c.variables, one("variable "+v.Name, v.Expression, nil))
	}
	for _, m := range c.Rule.Conditions {
		c.conditions = append(c.conditions, one("match condition "+m.Name, m.Expression, cel.BoolType))
	}
	for i, v := range c.Validations {
		c.validation = append(c.validation, one(fmt.Sprintf("validation %d", i+1), v.Expression, cel.BoolType))
		c.messages = append(c.messages, one(fmt.Sprintf("message expression %d", i+1), v.MessageExpression, cel.StringType))
	}
	for i, f := range c.Fixes {
		c.whens = append(c.whens, one(fmt.Sprintf("condition of fix %d", i+1), f.When, cel.BoolType))
	}
}

// rest checks what compile left.
func (c *compiled) rest() error {
	var errs []error
	for _, x := range slices.Concat(c.messages, c.whens) {
		if x != nil {
			_, err := x.check()
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// maxFixes is how many a rule may offer: a bit each in [saying].
const maxFixes = 64

// targets resolves the paths of the rule, which start with a variable.
func (c *compiled) targets() error {
	var errs []error
	resolve := func(s string) model.Target {
		t, err := c.Subject.target(s)
		errs = append(errs, err)
		return t
	}
	for _, v := range c.Validations {
		c.fields = append(c.fields, resolve(cmp.Or(v.Field, c.Field)))
	}
	if len(c.Fixes) > maxFixes {
		errs = append(errs, fmt.Errorf("has %d fixes, more than %d", len(c.Fixes), maxFixes))
	}
	for _, f := range c.Fixes {
		fix := model.Fix{Class: f.Class, Question: f.Question}
		for _, e := range f.Edits {
			fix.Edits = append(fix.Edits, model.Edit{Target: resolve(e.Path), Value: e.Value, Append: e.Append})
		}
		c.fixes = append(c.fixes, fix)
	}
	return errors.Join(errs...)
}

// target turns a path that starts with a variable into one relative to the
// element that the subject binds.
func (s Subject) target(path string) (model.Target, error) {
	p, err := tree.ParsePath(path)
	if err != nil || len(p) == 0 {
		return model.Target{}, fmt.Errorf("%q is not a path that starts with a variable", path)
	}
	name, rest := p[0].Key, p[1:]
	if name == "variables" && len(rest) > 0 {
		name, rest = rest[0].Key, rest[1:]
	}
	up := 0
	for i, l := range slices.Backward(s.Levels) {
		if l.As == name {
			return model.Target{Up: up, Path: rest}, nil
		}
		up += len(s.Levels[i].Lists[0]) + 1
	}
	switch {
	case name == "object":
		return model.Target{Up: model.Root, Path: rest}, nil
	case name == "podSpec" && s.Pod:
		return model.Target{Up: up, Path: rest}, nil
	case name == "podMetadata" && s.Pod:
		return model.Target{Up: up + 1, Path: tree.Keys("metadata").Join(rest...)}, nil
	case name == s.Found && name != "":
		return model.Target{Path: rest}, nil
	}
	return model.Target{}, fmt.Errorf("path %q does not start with a variable of subject %s", path, s.Name)
}

// checkRoots refuses what a subject or the facts do not have.
func (c *compiler) checkRoots(r *Rule, f Footprint) error {
	for _, a := range f {
		switch a.Root {
		case "podSpec", "podMetadata", "containers":
			if !r.Subject.Pod {
				return fmt.Errorf("rule %q: variables.%s exists only for pods and their parts, not for subject %s", r.ID, a.Root, r.Subject.Name)
			}
		case "related":
			if len(a.Steps) == 0 || !slices.Contains(c.facts, a.Steps[0]) {
				return fmt.Errorf("rule %q: %s is not one of the facts %s", r.ID, a, strings.Join(c.facts, ", "))
			}
		case "variables":
			return fmt.Errorf("rule %q: variables can only be used one by one", r.ID)
		}
	}
	return nil
}

// variables are the names that the subject binds.
func (s Subject) variables() []string {
	var names []string
	for _, l := range s.Levels {
		names = append(names, l.As)
	}
	if s.Found != "" {
		names = append(names, s.Found)
	}
	if s.Image {
		names = append(names, imageName)
	}
	return names
}
