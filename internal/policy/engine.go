package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Facts answers what other objects say about one. Implementations must be safe
// for concurrent use; what they return must be sealed.
type Facts interface {
	// Fact returns related.NAME for an object, or for one of its pod templates
	// where pod is not nil. It is absent when ok is false.
	Fact(o *model.Object, pod *model.PodTemplate, name string) (n tree.Node, ok bool)
	// References returns the names by which an object refers to others.
	References(o *model.Object) []Reference
	// Namespace returns the root of the object's Namespace, or an Unknown node.
	Namespace(o *model.Object) *tree.Node
	// Image returns the facts about the image that a container names, an Unknown
	// node when it could not be read, and nil when it names none.
	Image(container *tree.Node) *tree.Node
}

// Reference is the value of the variable `reference`, and where it stands.
type Reference struct {
	Value tree.Node
	Path  tree.Path // from the object's root
}

// Options of an Engine.
type Options struct {
	KubernetesMinor int                   // assumed version; rules see it as variables.kubernetesMinor
	Settings        map[string]*tree.Node // by rule id: replaces entries of the rule's params
	FactNames       []string              // what `related` has
}

// Engine evaluates a fixed set of rules. It is safe for concurrent use.
type Engine struct {
	rules    []*Rule
	options  Options
	compiler compiler

	mu     sync.Mutex
	plans  map[planKey]*plan
	built  map[*Rule]*built
	known  map[inputKey]*input
	serial int
}

// built is a rule in the form in which it runs.
type built struct {
	compiled *compiled
	params   *tree.Node
	err      error
}

// NewEngine makes an engine. Rules are compiled when an object of a matching
// kind comes along; [Engine.CompileAll] finds their errors before.
func NewEngine(rules []*Rule, o Options) *Engine {
	return &Engine{
		rules: rules, options: o, compiler: compiler{facts: o.FactNames},
		plans: map[planKey]*plan{}, built: map[*Rule]*built{}, known: map[inputKey]*input{},
	}
}

// CompileAll compiles every rule and returns what is wrong with them.
func (e *Engine) CompileAll() error {
	var errs []error
	for _, r := range e.rules {
		e.mu.Lock()
		b := e.build(r)
		e.mu.Unlock()
		err := b.err
		if err == nil {
			err = b.compiled.rest()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Place, err))
		}
	}
	return errors.Join(errs...)
}

// Footprint returns what a rule of the engine reads.
func (e *Engine) Footprint(r *Rule) (Footprint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.build(r)
	if b.err != nil {
		return nil, b.err
	}
	return b.compiled.footprint, nil
}

// planKey is what decides which rules an object may be about: custom kinds have
// objects with and without pods.
type planKey struct {
	kind    model.GroupKind
	hasPods bool
}

// plan is what to evaluate on objects of one kind, by subject.
type plan struct {
	groups []*group // those with the same subject are adjacent
	broken []*built // rules that do not compile
}

// group is a set of rules with one subject and one footprint: one digest of the
// content finds the verdicts of all.
type group struct {
	serial  int
	subject Subject
	inputs  []*input // the footprint
	gate    []*input // that of the match conditions, where it is smaller
	match   *Match   // nil when the kind alone decides
	rules   []*built
	skipped []verdict // one skip for each rule
}

func (e *Engine) build(r *Rule) *built {
	if b := e.built[r]; b != nil {
		return b
	}
	b := &built{}
	b.compiled, b.err = e.compiler.compile(r)
	if b.err != nil && r.Place.File != "" {
		b.err = fmt.Errorf("%s: %w", r.Place, b.err)
	}
	if b.err == nil {
		params := tree.MapOf()
		for i := range r.Defaults.Children() {
			switch d := &r.Defaults.Children()[i]; {
			case e.options.Settings[r.ID].Get(d.Key()) != nil:
			case slices.Contains(r.Required, d.Key()):
				params.Add(d.Key(), tree.UnknownBecause("parameter "+d.Key()+" of rule "+r.ID+" is not set"))
			default:
				params.Add(d.Key(), *d)
			}
		}
		for i := range e.options.Settings[r.ID].Children() {
			s := &e.options.Settings[r.ID].Children()[i]
			params.Add(s.Key(), *s)
		}
		b.params = params.Seal()
	}
	e.built[r] = b
	return b
}

// plan returns the groups for a kind; hasPods says whether its objects may have
// pod templates.
func (e *Engine) plan(gk model.GroupKind, hasPods bool) *plan {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.plans[planKey{gk, hasPods}]; p != nil {
		return p
	}
	p := &plan{}
	byKey := map[string]*group{}
	for _, r := range e.rules {
		if !r.about(gk, hasPods) {
			continue
		}
		b := e.build(r)
		if gk == model.ImageKind && b.err == nil && b.compiled.footprint.needsWorkload() {
			continue
		}
		if b.err != nil {
			p.broken = append(p.broken, b)
			continue
		}
		gate := b.compiled.gate
		if gate.String() == b.compiled.footprint.String() {
			gate = nil
		}
		key := r.Subject.key() + "|" + b.compiled.footprint.String() + "|" + gate.String()
		selective := r.Match.selective()
		if selective {
			key += "|" + r.ID
		}
		g := byKey[key]
		if g == nil {
			g = &group{serial: e.serial, subject: r.Subject, inputs: e.inputs(b.compiled.footprint, &r.Subject), gate: e.inputs(gate, &r.Subject)}
			if selective {
				g.match = &r.Match
			}
			e.serial++
			byKey[key] = g
			p.groups = append(p.groups, g)
		}
		g.rules = append(g.rules, b)
		g.skipped = append(g.skipped, verdict{})
	}
	slices.SortStableFunc(p.groups, func(a, b *group) int { return strings.Compare(a.subject.key(), b.subject.key()) })
	e.plans[planKey{gk, hasPods}] = p
	return p
}

// about reports whether a rule may be about objects of a kind.
func (r *Rule) about(gk model.GroupKind, hasPods bool) bool {
	switch {
	case gk == model.ImageKind:
		return r.Subject.Image && r.Match.kind(gk)
	case gk == model.BehaviorKind:
		return r.OfBehavior()
	case r.Subject.Pod && !hasPods:
		return false
	}
	return r.Match.kind(gk)
}

// selective reports whether more than the kind decides whether a rule applies.
func (m *Match) selective() bool {
	return len(m.Include)+len(m.Exclude) > 0 || m.NamespaceSelector != nil || m.ObjectSelector != nil || m.Bound != nil
}

// key distinguishes subjects that enumerate different elements.
func (s Subject) key() string {
	key := s.Name
	if s.Name == "custom" {
		key += ":" + s.Levels[0].As + ":" + s.Levels[0].Lists[0].String()
	}
	return key
}
