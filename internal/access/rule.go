// Package access answers what Kubernetes RBAC lets subjects do.
//
// It knows the roles and bindings of one snapshot, the ClusterRoles that every
// cluster has, and a catalogue of [Right]s that are dangerous to hold. Other
// authorizers (Node, webhooks, the group system:masters, which is above all
// rules) are not modelled.
package access

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// Rule is a PolicyRule. It allows a request when each list that concerns the
// request holds it.
type Rule struct {
	Verbs, Groups, Resources []string
	Names                    []string // resourceNames; empty allows all names
	URLs                     []string // nonResourceURLs; they hold in cluster-wide grants only
}

// RulesOf reads a list of PolicyRules.
func RulesOf(n *tree.Node) []Rule {
	rules := make([]Rule, n.Len())
	for i := range n.Children() {
		kid := n.At(i)
		rules[i] = Rule{
			Verbs:     texts(kid.Get("verbs")),
			Groups:    texts(kid.Get("apiGroups")),
			Resources: texts(kid.Get("resources")),
			Names:     texts(kid.Get("resourceNames")),
			URLs:      texts(kid.Get("nonResourceURLs")),
		}
	}
	return rules
}

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

// Request is what somebody wants to do: with objects, or with a URL path that
// names none.
type Request struct {
	Verb        string
	Group       string
	Resource    string // such as pods
	Subresource string // such as exec
	Namespace   string // "" for cluster-scoped resources, and across all namespaces
	Name        string // "" for list, watch, create and deletecollection of whole collections
	URL         string // such as /healthz; set for requests without a resource only
}

// Allows reports whether the rule allows the request, wherever the rule holds.
func (r *Rule) Allows(q *Request) bool {
	if !holds(r.Verbs, q.Verb) {
		return false
	}
	if q.URL != "" {
		return slices.ContainsFunc(r.URLs, func(url string) bool {
			return url == "*" || url == q.URL || strings.HasSuffix(url, "*") && strings.HasPrefix(q.URL, strings.TrimRight(url, "*"))
		})
	}
	return holds(r.Groups, q.Group) && r.hasResource(q) && (len(r.Names) == 0 || slices.Contains(r.Names, q.Name))
}

func (r *Rule) hasResource(q *Request) bool {
	full := q.Resource
	if q.Subresource != "" {
		full += "/" + q.Subresource
	}
	for _, resource := range r.Resources {
		if resource == "*" || resource == full {
			return true
		}
		// "*/exec" is that subresource of every resource; there is no "pods/*".
		if q.Subresource != "" && strings.HasPrefix(resource, "*/") && resource[2:] == q.Subresource {
			return true
		}
	}
	return false
}

func holds(list []string, item string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, item)
}
