package policy

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Match says which objects a rule is about.
type Match struct {
	Kinds             []model.GroupKind // any of them; all when empty
	Include, Exclude  []ResourceRule    // of a native policy; no Include matches all
	NamespaceSelector *model.Selector
	ObjectSelector    *model.Selector
	Bound             *Match // of the binding: must match too

	// Namespaces are those of the objects it is about: "" is where cluster-scoped
	// ones are, and a Namespace is in itself. With Outside it is about the objects
	// of all others.
	Namespaces []string
	Outside    bool
}

// ResourceRule is a rule of matchConstraints, as far as it can be decided
// without a request.
type ResourceRule struct {
	Groups, Versions, Operations, Resources, Names []string
	Scope                                          string
	Exact                                          bool // not about what the server can convert to one of Versions
}

// kind reports whether objects of a kind may match at all.
func (m *Match) kind(gk model.GroupKind) bool {
	return len(m.Kinds) == 0 || slices.Contains(m.Kinds, gk)
}

// selects decides the parts that depend on more than the kind. namespace holds
// the labels of the object's namespace and may be unknown.
func (m *Match) selects(o *model.Object, namespace func() *tree.Node) (matches bool, unknown string) {
	if m.Bound != nil {
		if matches, unknown = m.Bound.selects(o, namespace); !matches {
			return false, ""
		}
	}
	switch {
	case len(m.Include) > 0 && !anyRule(m.Include, o, true), anyRule(m.Exclude, o, false), !m.within(o):
		return false, ""
	case len(m.Include) > 0 && !anyRule(m.Include, o, false), anyRule(m.Exclude, o, true):
		unknown = "it is not known in which versions the server serves " + o.Key.GroupKind.String()
	}
	if m.ObjectSelector != nil && !m.ObjectSelector.Matches(o.Labels()) {
		return false, ""
	}
	if s := m.NamespaceSelector; s != nil && !s.Empty() {
		ns := o.Root
		if o.Key.Kind != "Namespace" || o.Key.Group != "" {
			if o.Key.ClusterScoped() {
				return true, unknown // the API server exempts cluster-scoped objects from the selector
			}
			if ns = namespace(); ns.Is(tree.Unknown) {
				return true, ns.Text()
			}
		}
		if !s.Matches(ns.Dig("metadata", "labels")) {
			return false, ""
		}
	}
	return true, unknown
}

// within reports whether the object is in the namespaces.
func (m *Match) within(o *model.Object) bool {
	if m.Namespaces == nil {
		return true
	}
	namespace := o.Key.Namespace
	if o.Key.Kind == "Namespace" && o.Key.Group == "" {
		namespace = o.Key.Name
	}
	return slices.Contains(m.Namespaces, namespace) != m.Outside
}

func anyRule(rules []ResourceRule, o *model.Object, perhaps bool) bool {
	return slices.ContainsFunc(rules, func(r ResourceRule) bool { return r.matches(o, perhaps) })
}

// matches reports whether the rule is about the creation of the object. A rule
// that names another version is about it when the server can convert it, as it
// can with built-in kinds; perhaps counts the custom ones, too.
func (r ResourceRule) matches(o *model.Object, perhaps bool) bool {
	_, version, found := strings.Cut(o.APIVersion, "/")
	if !found {
		version = o.APIVersion
	}
	return r.Selects(o.Key.Group, cmp.Or(o.Resource, o.Key.Plural())) && (has(r.Versions, version) || !r.Exact && (perhaps || o.Key.Builtin())) &&
		(len(r.Names) == 0 || slices.Contains(r.Names, o.Key.Name)) &&
		(r.Scope == "" || r.Scope == "*" || (r.Scope == "Cluster") == o.Key.ClusterScoped())
}

// Selects reports whether the rule is about the creation of objects of a
// resource, by its plural; which version, name and scope these have is left open.
func (r ResourceRule) Selects(group, resource string) bool {
	return has(r.Groups, group) && has(r.Operations, "CREATE") && slices.ContainsFunc(r.Resources, func(s string) bool { return ofResource(s, resource) })
}

// ofResource reports whether RESOURCE or RESOURCE/SUBRESOURCE of a resource rule
// stands for requests to the resource itself. "*" does for either part; alone it
// stands for no subresource.
func ofResource(pattern, resource string) bool {
	name, sub, _ := strings.Cut(pattern, "/")
	return (name == "*" || name == resource) && (sub == "" || sub == "*")
}

func has(list []string, s string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, s)
}
