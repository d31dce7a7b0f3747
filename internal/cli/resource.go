package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// requestOnly are resources of which no objects are read: rules name them, and
// requests.
var requestOnly = []*model.Resource{
	{Plural: "users", Short: []string{"user"}, ClusterScoped: true},
	{Plural: "groups", Short: []string{"group"}, ClusterScoped: true},
	{GroupKind: model.GroupKind{Group: "authentication.k8s.io"}, Plural: "uids", ClusterScoped: true},
	{GroupKind: model.GroupKind{Group: "authentication.k8s.io"}, Plural: "userextras", ClusterScoped: true},
	{GroupKind: model.GroupKind{Group: "certificates.k8s.io"}, Plural: "signers", Short: []string{"signer"}, ClusterScoped: true},
	{GroupKind: model.GroupKind{Group: "security.openshift.io", Kind: "SecurityContextConstraints"}, Plural: "securitycontextconstraints", Short: []string{"scc"}, ClusterScoped: true},
}

// subresources are the words that RESOURCE/WORD takes for a subresource and not
// for a name.
var subresources = strings.Fields(`approval attach binding ephemeralcontainers eviction exec finalize finalizers log metrics portforward proxy resize
	scale stats status token configz healthz`)

// versionName is what a version of an API is called.
var versionName = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)

// parseRequest makes a request of VERB and RESOURCE[.GROUP][/SUB][/NAME], or of
// VERB and a URL path. scoped reports whether the resource is in namespaces.
func parseRequest(s *model.Snapshot, verb, text string) (q *access.Request, scoped bool, err error) {
	if verb == "" || strings.ContainsAny(verb, "/.:, ") {
		return nil, false, fmt.Errorf("verb %q is none: write one, for example get, list, create, delete, impersonate or *", verb)
	}
	if strings.HasPrefix(text, "/") {
		return &access.Request{Verb: verb, URL: text}, false, nil
	}
	parts := strings.Split(text, "/")
	q = &access.Request{Verb: verb}
	switch {
	case len(parts) > 3 || slices.Contains(parts, ""):
		return nil, false, fmt.Errorf("resource %q is not RESOURCE[.GROUP][/SUBRESOURCE][/NAME]", text)
	case len(parts) == 3:
		q.Subresource, q.Name = parts[1], parts[2]
	case len(parts) == 2 && slices.Contains(subresources, parts[1]):
		q.Subresource = parts[1]
	case len(parts) == 2:
		q.Name = parts[1]
	}
	name, group, grouped := strings.Cut(parts[0], ".")
	if name == "" {
		return nil, false, fmt.Errorf("resource %q is not RESOURCE[.GROUP][/SUBRESOURCE][/NAME]", text)
	}
	if name == "*" {
		if !grouped {
			group = "*" // which only a rule with a star allows
		}
		q.Resource, q.Group = name, group
		return q, true, nil
	}
	groups := []string{group}
	if version, rest, ok := strings.Cut(group, "."); ok && versionName.MatchString(version) {
		groups = append(groups, rest) // as kubectl takes it: RESOURCE.VERSION.GROUP
	}
	for _, group := range groups {
		for _, r := range servedBy(s) {
			if r.Called(name) && (!grouped || r.Group == group) {
				q.Resource, q.Group = r.Plural, r.Group
				return q, !r.ClusterScoped, nil
			}
		}
	}
	if !grouped {
		return nil, false, fmt.Errorf("resource %q is not known: write the plural, and its group if it is a custom one, such as certificates.cert-manager.io", name)
	}
	q.Resource, q.Group = name, group
	return q, true, nil
}

// servedBy returns the resources of a cluster, as far as they are known. As
// everywhere in Kubernetes, a name without a group is first that of a built-in
// resource: custom ones are often called the same.
func servedBy(s *model.Snapshot) []*model.Resource {
	var served, custom []*model.Resource
	for r := range model.Resources() {
		if r.Builtin() {
			served = append(served, r)
		} else {
			custom = append(custom, r)
		}
	}
	served = append(served, requestOnly...)
	for o := range s.Kind(model.CustomKind) {
		served = append(served, model.Defined(o))
	}
	return append(served, custom...)
}

// clusterScoped returns the resources in no namespace that are known.
func clusterScoped(s *model.Snapshot) map[model.GroupKind]bool {
	all := map[model.GroupKind]bool{}
	for _, r := range servedBy(s) {
		if r.ClusterScoped {
			all[model.GroupKind{Group: r.Group, Kind: r.Plural}] = true
		}
	}
	return all
}
