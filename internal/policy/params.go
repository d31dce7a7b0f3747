package policy

import (
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// ParamRef says which objects hold the parameters of a bound native policy, as
// the API server finds them.
type ParamRef struct {
	Kind      model.GroupKind
	Namespace string          // "" where the kind has none, or where it is the judged object's own
	Name      string          // "" where Selector chooses
	Selector  *model.Selector // the policy holds by each object that it matches
	// Deny says that what is judged is denied where there are no parameters; it is
	// let in otherwise.
	Deny bool
}

func newParamRef(kind, ref *tree.Node) *ParamRef {
	p := &ParamRef{
		Kind:      model.GroupKind{Group: model.GroupOf(kind.Get("apiVersion").Str()), Kind: kind.Get("kind").Str()},
		Namespace: ref.Get("namespace").Str(), Name: ref.Get("name").Str(),
		Deny: ref.Get("parameterNotFoundAction").Str() == "Deny",
	}
	if s := ref.Get("selector"); s.Is(tree.Map) {
		selector := model.NewSelector(s)
		p.Selector = &selector
	}
	return p
}

// own reports whether the parameters are those of the judged object's namespace.
func (p *ParamRef) own() bool { return p.Namespace == "" && !p.Kind.ClusterScoped() }

// names reports whether the object may be a parameter, in some namespace.
func (p *ParamRef) names(o *model.Object) bool {
	if o.Key.GroupKind != p.Kind || !p.own() && o.Key.Namespace != p.Namespace {
		return false
	}
	return p.Name != "" && o.Key.Name == p.Name || p.Selector != nil && p.Selector.Matches(o.Labels())
}

// Bind looks for the parameters of bound native policies among the objects. Of
// such a rule it makes one for each parameter object, and one for where there is
// none. complete reports whether the objects are all that there are of a kind in
// a namespace, "" for the whole cluster, as [model.Snapshot.Complete] does: then
// the binding says what happens without parameters; else these stay unknown. All
// other rules are returned as they are.
func Bind(rules []*Rule, objects []*model.Object, complete func(namespace string, kinds ...model.GroupKind) bool) []*Rule {
	var all []*Rule
	for _, r := range rules {
		if r.ParamRef == nil {
			all = append(all, r)
		} else {
			all = append(all, r.withParams(objects, complete)...)
		}
	}
	return all
}

func (r *Rule) withParams(objects []*model.Object, complete func(string, ...model.GroupKind) bool) []*Rule {
	ref := r.ParamRef
	var all []*Rule
	seen := map[model.Key]bool{}
	found := []string{} // namespaces in which there are parameters
	for _, o := range objects {
		if !ref.names(o) || seen[o.Key] {
			continue
		}
		seen[o.Key] = true
		suffix := ""
		if ref.own() || ref.Name == "" { // there may be others
			suffix = "/" + strings.TrimPrefix(o.Key.Namespace+"/"+o.Key.Name, "/")
		}
		bound := r.variant(suffix)
		bound.Params = readable(o)
		bound.Source += "\n" + o.Source.File.Text
		if ref.own() {
			bound.within([]string{o.Key.Namespace}, false)
		}
		found = append(found, o.Key.Namespace)
		all = append(all, bound)
	}
	if ref.own() {
		all = append(all, r.withoutOwnParams(objects, found, complete)...)
	} else {
		all = append(all, r.withoutParams(len(found) > 0, complete(ref.Namespace, ref.Kind))...)
	}
	if ref.own() && !r.IgnoreErrors {
		all = append(all, r.misplaced())
	}
	return all
}

// withoutParams returns the rule for where no parameters were found, if there is
// something to judge. The parameters are the same for all objects.
func (r *Rule) withoutParams(found, complete bool) []*Rule {
	switch {
	case !complete && (!found || r.ParamRef.Name == ""): // a selector may match more
		return []*Rule{r.variant("")}
	case !complete || found || !r.denies():
		return nil
	}
	return []*Rule{r.variant("").missing()}
}

// withoutOwnParams returns the rules for the namespaces in which no parameters
// were found, where each object has those of its own.
func (r *Rule) withoutOwnParams(objects []*model.Object, found []string, complete func(string, ...model.GroupKind) bool) []*Rule {
	outside := append([]string{""}, found...) // has parameters, or no namespace
	if complete("", r.ParamRef.Kind) {
		if !r.denies() {
			return nil
		}
		rest := r.variant("").missing()
		rest.within(outside, true)
		return []*Rule{rest}
	}
	known := namespacesOf(objects)
	known = slices.DeleteFunc(known, func(ns string) bool { return !complete(ns, r.ParamRef.Kind) })
	var all []*Rule
	suffix := ""
	if without := slices.DeleteFunc(slices.Clone(known), func(ns string) bool { return slices.Contains(found, ns) }); len(without) > 0 && r.denies() {
		rest := r.variant("").missing()
		rest.within(without, false)
		all, suffix = append(all, rest), "/unread"
	}
	if r.ParamRef.Name == "" { // a selector may match more
		outside = []string{""}
	}
	rest := r.variant(suffix)
	rest.within(append(outside, known...), true)
	return append(all, rest)
}

// namespacesOf returns the namespaces of the objects, in order.
func namespacesOf(objects []*model.Object) []string {
	seen := map[string]bool{}
	for _, o := range objects {
		if o.Key.Namespace != "" {
			seen[o.Key.Namespace] = true
		} else if o.Key.GroupKind == model.NamespaceKind {
			seen[o.Key.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// denies reports whether what has no parameters is denied.
func (r *Rule) denies() bool { return r.ParamRef.Deny && !r.IgnoreErrors }

// misplaced is the rule for cluster-scoped objects where parameters are those of
// the object's own namespace: the server takes that for a mistake in the policy.
func (r *Rule) misplaced() *Rule {
	m := r.variant("/cluster-scoped").refusing("the binding takes parameters from the object's namespace, and the object has none")
	m.within([]string{""}, false)
	return m
}

// variant copies a rule whose parameters were looked for. The id of the rule is
// an alias of it.
func (r *Rule) variant(suffix string) *Rule {
	v := *r
	v.ParamRef = nil
	if suffix != "" {
		v.ID += suffix
		v.Aliases = append(slices.Clone(r.Aliases), r.ID)
	}
	return &v
}

// missing turns the rule into the one for what has no parameters.
func (r *Rule) missing() *Rule {
	return r.refusing("the binding denies what it has no parameters for, and there are none")
}

// refusing turns the rule into one that fails, whatever the conditions of the
// policy say: the server asks for parameters first.
func (r *Rule) refusing(message string) *Rule {
	r.Conditions, r.Variables, r.Params = nil, nil, nil
	r.Validations = []Validation{{Expression: "false", Message: message}}
	return r
}

// within restricts a bound rule to namespaces, or to all others.
func (r *Rule) within(namespaces []string, outside bool) {
	bound := *r.Match.Bound
	bound.Namespaces, bound.Outside = namespaces, outside
	r.Match.Bound = &bound
}

// readable returns an object as parameters. Values that were taken out of it as
// secret are not what the server compares with, so they are unknown.
func readable(o *model.Object) *tree.Node {
	if len(o.Credentials) == 0 && o.Key.GroupKind != model.SecretKind {
		return o.Root
	}
	secret := tree.UnknownBecause("the parameters in " + o.Key.String() + " hold secret values, which are not kept")
	return secret.Seal()
}
