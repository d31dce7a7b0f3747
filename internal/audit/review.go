package audit

import (
	"encoding/json"

	"ullage.dev/ullage/internal/access"
)

// body is a JSON value that is looked into only where that is needed. It is valid as
// long as the line that it was read from.
type body []byte

// UnmarshalJSON keeps the value, and does not copy it.
func (b *body) UnmarshalJSON(value []byte) error {
	*b = value
	return nil
}

// asksForOthers reports whether the request asks if somebody else may do something.
func (e *event) asksForOthers() bool {
	o := e.ObjectRef
	return o != nil && e.Verb == "create" && o.APIGroup == "authorization.k8s.io" && (o.Resource == "subjectaccessreviews" || o.Resource == "localsubjectaccessreviews")
}

// review is the SubjectAccessReview that was posted (authorization.k8s.io/v1).
type review struct {
	Spec struct {
		User               string              `json:"user"`
		Groups             []string            `json:"groups"`
		Extra              map[string][]string `json:"extra"`
		ResourceAttributes *struct {
			Namespace   string `json:"namespace"`
			Verb        string `json:"verb"`
			Group       string `json:"group"`
			Resource    string `json:"resource"`
			Subresource string `json:"subresource"`
			Name        string `json:"name"`
		} `json:"resourceAttributes"`
		NonResourceAttributes *struct {
			Path string `json:"path"`
			Verb string `json:"verb"`
		} `json:"nonResourceAttributes"`
	} `json:"spec"`
}

// reviewed is what another program asked for; ok is false where the log does not hold
// it.
func (e *event) reviewed() (entry *Entry, ok bool) {
	var r review
	if len(e.RequestObject) == 0 || json.Unmarshal(e.RequestObject, &r) != nil {
		return nil, false
	}
	entry = &Entry{At: e.StageTimestamp, Allowed: true, Part: Review}
	switch resource, path := r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes; {
	case resource != nil:
		entry.Request = access.Request{
			Verb: resource.Verb, Group: resource.Group, Resource: resource.Resource, Subresource: resource.Subresource,
			Namespace: resource.Namespace, Name: resource.Name,
		}
	case path != nil:
		entry.Request = access.Request{Verb: path.Verb, URL: path.Path}
	default:
		return nil, false
	}
	entry.By, entry.Groups = (&user{Username: r.Spec.User, Groups: r.Spec.Groups}).caller()
	return entry, true
}
