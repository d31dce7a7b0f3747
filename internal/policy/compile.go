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
	"github.com/google/cel-go/ext"
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

// unmetered returns an environment that plans programs without cost tracking,
// which costs as much as the evaluation itself. It is for the rule library
// only, whose cost the project answers for; expressions are checked in the API
// server's environment before. The libraries are those of OldestMinor.
var unmetered = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.DefaultUTCTimeZone(true), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		library.URLs(), library.Regex(), library.Lists(library.ListsVersion(0)), library.Quantity(), library.IP(), library.CIDR(), library.Format(),
		library.Authz(), library.AuthzSelectors(), ext.Strings(ext.StringsVersion(2)), ext.Sets(),
	)
})

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

// expression is a checked CEL expression.
type expression struct {
	env     *cel.Env
	trusted bool // of the rule library
	ast     *cel.Ast
	once    sync.Once
	prog    cel.Program
	err     error
}

// program plans the expression on first use. The API server's environment
// brings its cost limits along: a hostile expression ends with an error.
func (x *expression) program() (cel.Program, error) {
	x.once.Do(func() {
		if !x.trusted {
			x.prog, x.err = x.env.Program(x.ast)
			return
		}
		env, err := unmetered()
		if err != nil {
			x.err = fmt.Errorf("CEL environment: %w", err)
			return
		}
		x.prog, x.err = env.Program(x.ast, cel.EvalOptions(cel.OptOptimize))
	})
	return x.prog, x.err
}

// compiler turns rules into programs. facts are the names that `related` has.
type compiler struct {
	envs  environments
	facts []string
}

func (c *compiler) compile(r *Rule) (*compiled, error) {
	names := r.Subject.variables()
	set, err := c.envs.get(names)
	if err != nil {
		return nil, err
	}
	mode := environment.NewExpressions
	if !r.Builtin && r.Native {
		mode = environment.StoredExpressions // what a server has accepted
	}
	env, err := set.Env(mode)
	if err != nil {
		return nil, fmt.Errorf("CEL environment: %w", err)
	}
	out := &compiled{Rule: r}
	a := &analysis{variables: map[string]*Access{}, computed: map[string][]Access{}}
	one := func(what, text string, want *cel.Type) (*expression, ast.Expr) {
		checked, issues := env.Compile(text)
		if issues.Err() != nil {
			err = fmt.Errorf("rule %q: %s: %s", r.ID, what, strings.Join(strings.Fields(issues.Err().Error()), " "))
			return nil, nil
		}
		if t := checked.OutputType(); want != nil && !t.IsExactType(want) && !t.IsExactType(cel.DynType) && !t.IsExactType(cel.AnyType) {
			err = fmt.Errorf("rule %q: %s: yields %s, not %s", r.ID, what, t, want)
			return nil, nil
		}
		return &expression{env: env, trusted: r.Builtin, ast: checked}, checked.NativeRep().Expr()
	}
	for _, v := range r.Variables {
		x, e := one("variable "+v.Name, v.Expression, nil)
		if err != nil {
			return nil, err
		}
		if !r.Native && x.ast.OutputType().TypeName() == "optional_type" {
			// CEL looks for fields in the optional itself: variables.x.?y would always be absent.
			return nil, fmt.Errorf("rule %q: variable %s is an optional value; end it with orValue", r.ID, v.Name)
		}
		out.variables = append(out.variables, x)
		a.define(v.Name, e)
	}
	for _, m := range r.Conditions {
		x, e := one("match condition "+m.Name, m.Expression, cel.BoolType)
		if err != nil {
			return nil, err
		}
		out.conditions = append(out.conditions, x)
		a.read(e)
	}
	out.gate = a.footprint()
	for i, v := range r.Validations {
		x, e := one(fmt.Sprintf("validation %d", i+1), v.Expression, cel.BoolType)
		if err != nil {
			return nil, err
		}
		out.validation = append(out.validation, x)
		a.read(e)
	}
	out.footprint = a.footprint()
	if err := c.checkRoots(r, out.footprint, names); err != nil {
		return nil, err
	}
	// What follows does not decide the verdict, so it is not in the footprint.
	if err := out.targets(); err != nil {
		return nil, fmt.Errorf("rule %q: %w", r.ID, err)
	}
	for i, v := range r.Validations {
		var x *expression
		if v.MessageExpression != "" {
			x, _ = one(fmt.Sprintf("message expression %d", i+1), v.MessageExpression, cel.StringType)
		}
		out.messages = append(out.messages, x)
	}
	for i, f := range r.Fixes {
		var x *expression
		if f.When != "" {
			x, _ = one(fmt.Sprintf("condition of fix %d", i+1), f.When, cel.BoolType)
		}
		out.whens = append(out.whens, x)
	}
	return out, err
}

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
func (c *compiler) checkRoots(r *Rule, f Footprint, names []string) error {
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
	return names
}
