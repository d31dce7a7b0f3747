package policy

import (
	"errors"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// frame is one element of one object, bound to the variables of a subject. It is
// the activation that programs run in.
type frame struct {
	object *model.Object
	pod    *model.PodTemplate // nil for subjects that are not part of a pod
	bound  []binding          // from the outermost level
	facts  Facts
	minor  int

	request   *tree.Node // or nil
	authority Authority  // or nil
	doubted   bool       // an expression asked it what it does not know

	related map[factKey]*tree.Node  // facts about the object asked for so far; nil values are absent
	rule    *built                  // whose variables are in force
	cost    uint64                  // of its expressions so far; 0 for the rule library
	cached  []ref.Val               // its own variables computed so far, nil where not yet
	all     ref.Val                 // variables.containers, once asked for
	wide    map[*expression]ref.Val // variables of rules that are the same for all elements of the pod

	judged *model.Element // what the frame is bound to, once asked for
	kept   *kept

	identity []byte // of what the frame is bound to; empty where no finding asked for it
	text     []byte // memory of fingerprints

	said  map[saying]*model.Statement
	asked map[model.Question]*model.Question

	telling bool                      // a message is made
	knowns  map[*tree.Node]*tree.Node // facts about images without what is unknown of them

	clock   uint64   // of bindings
	entered uint64   // when the rule was
	bindAt  []uint64 // by scope: when what its digests depend on was bound
	digests []digest // by input
}

var _ interpreter.Activation = (*frame)(nil)

// binding is an item of a level's list.
type binding struct {
	level *Level
	list  tree.Path // which of the level's lists
	index int
	node  *tree.Node
	found string    // set where it is no item of a list: what it is
	path  tree.Path // from the object's root; only for what was found
}

// Parent implements interpreter.Activation.
func (f *frame) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (f *frame) ResolveName(name string) (any, bool) {
	for i := range f.bound {
		if b := &f.bound[i]; b.name() == name {
			return value(b.node), true
		}
	}
	switch name {
	case "object":
		return value(f.object.Root), true
	case "variables":
		return (*variablesValue)(f), true
	case "namespaceObject":
		return value(f.facts.Namespace(f.object)), true
	case "related":
		return (*relatedValue)(f), true
	case imageName:
		return value(f.image()), true
	case "params":
		return f.params(), true
	case "request":
		if f.request != nil {
			return value(f.request), true
		}
		return unknownBecause(noRequest), true
	case "oldObject":
		switch {
		case f.request == nil:
			return unknownBecause(noRequest), true
		case f.creates():
			return types.NullValue, true
		}
		return unknownBecause("what the object was before is not known"), true
	case "authorizer", "authorizer.requestResource":
		return f.authorizer(name != "authorizer"), true
	}
	return nil, false
}

// noRequest is why what a request says is not known where objects are judged as they
// are written.
const noRequest = "there is no admission request here"

// creates reports whether the admission request makes the object.
func (f *frame) creates() bool { return f.request.Get("operation").Str() == "CREATE" }

func (b *binding) name() string {
	if b.level == nil {
		return b.found
	}
	return b.level.As
}

// factKey names a fact about an object, or about one of its pods.
type factKey struct {
	pod  *model.PodTemplate
	name string
}

// fact asks for related.NAME once.
func (f *frame) fact(name string) *tree.Node {
	key := factKey{f.pod, name}
	if n, asked := f.related[key]; asked {
		return n
	}
	var n *tree.Node
	if fact, ok := f.facts.Fact(f.object, f.pod, name); ok {
		n = &fact
	}
	if f.related == nil {
		f.related = map[factKey]*tree.Node{}
	}
	f.related[key] = n
	return n
}

// image returns the facts about the image of the container that is bound.
func (f *frame) image() *tree.Node {
	n := f.facts.Image(f.bound[0].node)
	if f.telling {
		return f.known(n)
	}
	return n
}

// known returns the facts about an image without the unknown items of its lists.
// A message names what was found, whatever else there may be: with them, it would
// be unknown itself.
func (f *frame) known(image *tree.Node) *tree.Node {
	if known := f.knowns[image]; known != nil {
		return known
	}
	known := tree.MapOf()
	for i := range image.Children() {
		fact := &image.Children()[i]
		items := slices.Clone(fact.Children())
		kept := slices.DeleteFunc(items, func(n tree.Node) bool { return n.Is(tree.Unknown) })
		if fact.Is(tree.List) && len(kept) < fact.Len() {
			known.Add(fact.Key(), tree.Of(kept))
		} else {
			known.Add(fact.Key(), *fact)
		}
	}
	if f.knowns == nil || len(f.knowns) >= maxCached {
		f.knowns = map[*tree.Node]*tree.Node{}
	}
	f.knowns[image] = known.Seal()
	return f.knowns[image]
}

// element returns what the frame is bound to, the same for all findings about
// it.
func (f *frame) element() *model.Element {
	if f.judged != nil {
		return f.judged
	}
	var p tree.Path
	if f.pod != nil {
		p = f.pod.SpecPath
	}
	if len(f.bound) > 0 {
		p = f.kept.path(p, f.bound)
	}
	f.judged = f.kept.element(f.object, f.label(), p)
	return f.judged
}

// variablesValue is the variable `variables`.
type variablesValue frame

// relatedValue is the variable `related`.
type relatedValue frame

func (v *variablesValue) Find(key ref.Val) (ref.Val, bool) {
	f := (*frame)(v)
	name, _ := key.(types.String)
	for i := range f.rule.compiled.Variables {
		if f.rule.compiled.Variables[i].Name != string(name) {
			continue
		}
		if f.cached[i] == nil {
			f.cached[i] = f.variable(f.rule.compiled.variables[i])
		}
		return f.cached[i], true
	}
	switch name {
	case "podSpec":
		return value(f.pod.Spec), true
	case "podMetadata":
		if !f.pod.Metadata.Is(tree.Map) {
			return value(emptyMap), true
		}
		return value(f.pod.Metadata), true
	case "containers":
		return f.containers(), true
	case "kubernetesMinor":
		return types.Int(f.minor), true
	}
	return nil, false
}

// variable computes a variable of a rule, once for a pod where that is enough: what
// each of many elements is looked up in would else be made again for each.
func (f *frame) variable(x *expression) ref.Val {
	if !x.wide {
		return evaluate(x, f)
	}
	if v := f.wide[x]; v != nil {
		return v
	}
	v := evaluate(x, f)
	if f.wide == nil {
		f.wide = map[*expression]ref.Val{}
	}
	f.wide[x] = v
	return v
}

// params returns the settings of a rule or, for a native policy, what the server
// would hand to it.
func (f *frame) params() ref.Val {
	switch {
	case !f.rule.compiled.Native:
		return value(f.rule.params)
	case f.rule.compiled.Params == nil:
		return types.NullValue
	}
	return value(f.rule.compiled.Params)
}

// enter puts the variables of a rule in force. Those that were computed for the
// same element just before are still right.
func (f *frame) enter(b *built) {
	f.cost = 0
	if f.rule == b && f.entered == f.clock {
		return
	}
	f.rule, f.entered = b, f.clock
	f.cached = append(f.cached[:0], make([]ref.Val, len(b.compiled.variables))...)
}

var emptyMap = func() *tree.Node { n := tree.MapOf(); return n.Seal() }()

func (f *frame) containers() ref.Val {
	if f.all != nil {
		return f.all
	}
	var all []ref.Val
	for _, list := range model.ContainerLists {
		containers := f.pod.Spec.Get(list)
		for i := range containers.Children() {
			if c := containers.At(i); c != nil {
				all = append(all, value(c))
			}
		}
	}
	f.all = types.NewRefValList(types.DefaultTypeAdapter, all)
	return f.all
}

func (r *relatedValue) Find(key ref.Val) (ref.Val, bool) {
	name, _ := key.(types.String)
	n := (*frame)(r).fact(string(name))
	if n == nil {
		return nil, false
	}
	return value(n), true
}

// evaluate runs an expression; errors come back as CEL errors.
func evaluate(x *expression, f *frame) ref.Val {
	if err := x.plan(); err != nil {
		return types.WrapErr(err)
	}
	if x.trusted {
		return f.run(x.steps)
	}
	out, details, err := x.prog.Eval(f)
	if f.doubted {
		f.doubted = false
		return unknownBecause(rightsUnknown)
	}
	if cost := details.ActualCost(); cost != nil {
		f.cost += *cost + length(out)
	}
	switch {
	case err != nil:
		return types.WrapErr(err)
	case f.cost > costBudget:
		return types.WrapErr(errBudget)
	}
	return out
}

// length is what keeping a value costs. CEL's own account leaves it out where
// the type is known only at run time, as that of a variable.
func length(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v))
	case types.Bytes:
		return uint64(len(v))
	case traits.Lister:
		if size, ok := v.Size().(types.Int); ok {
			return uint64(size)
		}
	}
	return 0
}

// costBudget is what all expressions of a rule may cost together for one
// element: the API server's limit for a binding. Each has a limit of its own,
// too.
const costBudget = celconfig.RuntimeCELCostBudget

var errBudget = errors.New("the expressions of the rule cost too much together")

// finder is a map of which only lookups are ever used.
type finder interface {
	Find(ref.Val) (ref.Val, bool)
}

func get(f finder, key ref.Val) ref.Val {
	if v, found := f.Find(key); found {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

var (
	_ traits.Mapper = (*variablesValue)(nil)
	_ traits.Mapper = (*relatedValue)(nil)
)

func contains(f finder, key ref.Val) ref.Val {
	_, found := f.Find(key)
	return types.Bool(found)
}

func (v *variablesValue) Get(key ref.Val) ref.Val                   { return get(v, key) }
func (v *variablesValue) Contains(key ref.Val) ref.Val              { return contains(v, key) }
func (v *variablesValue) Size() ref.Val                             { return noOverload() }
func (v *variablesValue) Iterator() traits.Iterator                 { return &iterator{} }
func (v *variablesValue) Equal(ref.Val) ref.Val                     { return noOverload() }
func (v *variablesValue) Type() ref.Type                            { return types.MapType }
func (v *variablesValue) Value() any                                { return nil }
func (v *variablesValue) ConvertToType(ref.Type) ref.Val            { return noOverload() }
func (v *variablesValue) ConvertToNative(reflect.Type) (any, error) { return nil, errNotAValue }

func (r *relatedValue) Get(key ref.Val) ref.Val                   { return get(r, key) }
func (r *relatedValue) Contains(key ref.Val) ref.Val              { return contains(r, key) }
func (r *relatedValue) Size() ref.Val                             { return noOverload() }
func (r *relatedValue) Iterator() traits.Iterator                 { return &iterator{} }
func (r *relatedValue) Equal(ref.Val) ref.Val                     { return noOverload() }
func (r *relatedValue) Type() ref.Type                            { return types.MapType }
func (r *relatedValue) Value() any                                { return nil }
func (r *relatedValue) ConvertToType(ref.Type) ref.Val            { return noOverload() }
func (r *relatedValue) ConvertToNative(reflect.Type) (any, error) { return nil, errNotAValue }

var errNotAValue = errors.New("variables and related can only be used one by one")

func noOverload() ref.Val { return types.WrapErr(errNotAValue) }
