package access

import (
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
)

// allows reports whether one of the right's requests is the given one.
func (r *RightUse) allows(q *Request) bool {
	switch {
	case r.Verb != "*" && r.Verb != q.Verb, (r.URL == "") != (q.URL == ""):
		return false
	case q.URL != "":
		return q.isURL(r.URL)
	}
	return (r.Group == "*" || r.Group == q.Group) && q.isOf(r.Resource) && (len(r.Names) == 0 || slices.Contains(r.Names, q.Name))
}

// nothing reports whether there are no such requests: groups and resources stand in
// rules side by side, of which not all belong together, and in a namespace there are
// no resources of the cluster. A resource that is not known may be one all the same.
func (r *Requests) nothing(rule Rule, clusterWide bool) bool {
	if r.URL != "" {
		return !clusterWide
	}
	base, _, _ := strings.Cut(r.Resource, "/")
	switch {
	case IsNothing(r.Resource):
		return true
	case base == "*" || r.Group == "*":
		return false
	}
	resource, known := builtinResources()[model.GroupKind{Group: r.Group, Kind: base}]
	if !known {
		_, builtin := builtinResources()[model.GroupKind{Group: r.Group}]
		return builtin && slices.ContainsFunc(rule.Groups(), func(group string) bool {
			_, there := builtinResources()[model.GroupKind{Group: group, Kind: base}]
			return there
		})
	}
	if clusterWide || !resource.ClusterScoped {
		return false
	}
	q := Request{Verb: r.Verb, Group: r.Group, Resource: base}
	return base != "namespaces" && !q.AskedInNamespaces() && !(r.Verb == "*" && base == clRoleWord)
}

// builtinResources are those that every API server has, by group and plural; the
// groups themselves stand there without a plural.
var builtinResources = sync.OnceValue(func() map[model.GroupKind]*model.Resource {
	known := map[model.GroupKind]*model.Resource{}
	for r := range model.Resources() {
		if r.Builtin() {
			known[model.GroupKind{Group: r.Group, Kind: r.Plural}] = r
			known[model.GroupKind{Group: r.Group}] = r
		}
	}
	return known
})

// usedKinds are the requests that a subject made, by verb and resource.
type usedKinds map[Request]bool

func usedFor(uses []*Used) usedKinds {
	kinds := usedKinds{}
	for _, used := range uses {
		q := used.Request
		kinds[Request{Verb: q.Verb, Group: q.Group, Resource: q.Resource, Subresource: q.Subresource}] = true
	}
	return kinds
}

// wrote reports whether one of some resources was created or changed.
func (k usedKinds) wrote(group string, resources ...string) bool {
	for _, resource := range resources {
		base, sub, _ := strings.Cut(resource, "/")
		for _, verb := range []string{"create", "update", "patch"} {
			if k[Request{Verb: verb, Group: group, Resource: base, Subresource: sub}] {
				return true
			}
		}
	}
	return false
}

// requestVerbs are the verbs that requests for objects have, and those by which
// somebody acts as another, which a log tells of, too.
var requestVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate"}

// Blind says why an audit log would not show that a right was used, in a clause; ""
// where it would.
type Blind string

// Why a log does not show it.
const (
	// BlindElsewhere: it is asked for by programs that ask the API server in turn, whether
	// somebody may. A log that holds what they ask for shows it.
	BlindElsewhere Blind = "it is asked for elsewhere, too: by the kubelet, or by programs that serve metrics"
	BlindInside    Blind = "the API server asks for it inside of other requests, and no log says when"
)

// blind says why an audit log would not show that a right was used. What the API
// server asks for inside of requests was not used where none of these were made.
func blind(r *Requests, made usedKinds) Blind {
	base, sub, _ := strings.Cut(r.Resource, "/")
	switch {
	case r.URL != "" && !servedURL(r.URL):
		return BlindElsewhere
	case r.URL != "":
		return ""
	case base == "nodes" && sub != "" && sub != "status":
		return BlindElsewhere
	case sub == "finalizers":
		return BlindInside // where an owner is set
	case r.Verb == "*" || slices.Contains(requestVerbs, r.Verb) || strings.HasPrefix(r.Verb, "impersonate:") || strings.HasPrefix(r.Verb, "impersonate-on:"):
		return ""
	case r.Verb == "bind" && !made.wrote(rbacGroup, "rolebindings", "clusterrolebindings"),
		r.Verb == "escalate" && !made.wrote(rbacGroup, "roles", clRoleWord),
		r.Verb == "approve" && !made.wrote("certificates.k8s.io", "certificatesigningrequests/approval"),
		r.Verb == "sign" && !made.wrote("certificates.k8s.io", "certificatesigningrequests/status"):
		return ""
	}
	return BlindInside
}

// servedURL reports whether the API server itself serves all of the URLs.
func servedURL(url string) bool {
	for _, prefix := range []string{"/api", "/healthz", "/livez", "/readyz", "/version", "/openapi", "/openid", "/.well-known", "/logs", "/debug/api_priority"} {
		if strings.HasPrefix(url, prefix) {
			return true
		}
	}
	return false
}
