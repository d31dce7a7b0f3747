package audit

import (
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
)

const authenticationGroup = "authentication.k8s.io"

// impersonations yields what whoever sent a request asked for to act as another: one
// request for the user, each group, the uid and each value of an extra field. By a
// mode of constrained impersonation (KEP-5284) it is asked with verbs of that mode,
// and once more for the request itself. A group that the API server adds by itself
// counts as not asked for; whether somebody gave it all the same, no log says. See
// k8s.io/apiserver/pkg/endpoints/filters/impersonation.
func (e *event) impersonations(yield func(*Entry)) {
	by, groups := e.User.caller()
	ask := func(q access.Request) {
		// The log tells whom he became, so he was allowed to.
		yield(&Entry{At: e.StageTimestamp, By: by, Groups: groups, Request: q, Allowed: true, Part: Impersonation})
	}
	verb, group, mode := "impersonate", "", ""
	if constraint := e.AuthenticationMetadata.ImpersonationConstraint; constraint != "" {
		verb, group = constraint, authenticationGroup
		mode = strings.TrimPrefix(constraint, "impersonate:")
		on := e.request()
		on.Verb = "impersonate-on:" + mode + ":" + on.Verb
		ask(on)
	}
	as := e.ImpersonatedUser
	subject, given := as.caller()
	node, isNode := strings.CutPrefix(as.Username, "system:node:")
	switch {
	case subject.Namespace != "":
		ask(access.Request{Verb: verb, Group: group, Resource: "serviceaccounts", Namespace: subject.Namespace, Name: subject.Name})
	case mode == "associated-node":
		ask(access.Request{Verb: verb, Group: group, Resource: "nodes", Name: "*"}) // which stands for the pod's own
	case mode != "" && isNode:
		ask(access.Request{Verb: verb, Group: group, Resource: "nodes", Name: node})
	default:
		ask(access.Request{Verb: verb, Group: group, Resource: "users", Name: as.Username})
	}
	for _, name := range given {
		ask(access.Request{Verb: verb, Group: group, Resource: "groups", Name: name})
	}
	if as.UID != "" {
		ask(access.Request{Verb: verb, Group: authenticationGroup, Resource: "uids", Name: as.UID})
	}
	for _, key := range slices.Sorted(maps.Keys(as.Extra)) {
		for _, value := range as.Extra[key] {
			ask(access.Request{Verb: verb, Group: authenticationGroup, Resource: "userextras", Subresource: key, Name: value})
		}
	}
}
