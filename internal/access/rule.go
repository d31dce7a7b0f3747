package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Rule is a PolicyRule: a view of its node, which knows where it is written. It
// allows a request when each list that concerns the request holds it.
type Rule struct{ Node *tree.Node }

// Verbs returns the verbs as written.
func (r Rule) Verbs() []string { return texts(r.Node.Get("verbs")) }

// Groups returns the API groups as written; "" is the core group.
func (r Rule) Groups() []string { return texts(r.Node.Get("apiGroups")) }

// Resources returns the resources as written, such as pods/exec.
func (r Rule) Resources() []string { return texts(r.Node.Get("resources")) }

// Names returns the resourceNames; none means all names.
func (r Rule) Names() []string { return texts(r.Node.Get("resourceNames")) }

// URLs returns the nonResourceURLs; they hold in cluster-wide grants only.
func (r Rule) URLs() []string { return texts(r.Node.Get("nonResourceURLs")) }

// IsNothing reports whether a resource as rules name it matches none: there is
// "*/exec" and "*", but no pattern for the subresources of one resource.
func IsNothing(resource string) bool { return strings.HasSuffix(resource, "/*") }

func texts(n *tree.Node) []string {
	if n.Len() == 0 {
		return nil
	}
	l := make([]string, n.Len())
	for i := range l {
		l[i] = n.Children()[i].Str()
	}
	return l
}

// AnyNamespace as the namespace of a Request means any one namespace, or all of
// them: what is allowed somewhere is allowed.
const AnyNamespace = "*"

// Request is what somebody wants to do: with objects, or with a URL path that
// names none. Its fields are what the API server makes of an HTTP request.
type Request struct {
	Verb        string
	Group       string
	Resource    string // plural, such as pods
	Subresource string // such as exec
	Namespace   string // "" for cluster-scoped resources, and across all namespaces
	// Name is "" for whole collections, and where an object is created. For list,
	// watch and deletecollection the server takes it from the field selector
	// metadata.name, and from nothing else.
	Name string
	URL  string // such as /healthz; set for requests without a resource only
}

// AskedInNamespaces reports whether the request is made in namespaces though its
// resource may be in none: to bind a ClusterRole, in the namespace of the
// RoleBinding, or across all of them for a ClusterRoleBinding; and to use something,
// such as a SecurityContextConstraints, in the namespace of the pod that is let in by
// it. The request to escalate a ClusterRole is in none.
func (q *Request) AskedInNamespaces() bool {
	return q.Subresource == "" && (q.Verb == "bind" && q.Group == rbacGroup && q.Resource == clRoleWord || q.Verb == "use")
}

// Allows reports whether the rule allows the request, wherever the rule holds.
func (r Rule) Allows(q *Request) bool {
	if !holds(r.Node.Get("verbs"), q.Verb) {
		return false
	}
	if q.URL != "" {
		return slices.ContainsFunc(r.URLs(), q.isURL)
	}
	return holds(r.Node.Get("apiGroups"), q.Group) && r.hasResource(q) && r.hasName(q.Name)
}

func (r Rule) hasName(name string) bool {
	names := r.Node.Get("resourceNames")
	return names.Len() == 0 || has(names, name)
}

func (r Rule) hasResource(q *Request) bool {
	resources := r.Node.Get("resources").Children()
	for i := range resources {
		if q.isOf(resources[i].Str()) {
			return true
		}
	}
	return false
}

// isURL reports whether the request is for a URL as rules write it.
func (q *Request) isURL(url string) bool {
	return url == "*" || url == q.URL || strings.HasSuffix(url, "*") && strings.HasPrefix(q.URL, strings.TrimRight(url, "*"))
}

// isOf reports whether the request is for a resource as rules write it.
func (q *Request) isOf(resource string) bool {
	if resource == "*" {
		return true
	}
	if q.Subresource == "" {
		return resource == q.Resource
	}
	// "*/exec" is that subresource of every resource; there is no "pods/*".
	before, ok := strings.CutSuffix(resource, "/"+q.Subresource)
	return ok && (before == "*" || before == q.Resource)
}

func holds(list *tree.Node, item string) bool {
	for i := range list.Children() {
		if s := list.Children()[i].Str(); s == item || s == "*" {
			return true
		}
	}
	return false
}

func has(list *tree.Node, item string) bool {
	for i := range list.Children() {
		if list.Children()[i].Str() == item {
			return true
		}
	}
	return false
}
