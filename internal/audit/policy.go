package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/tree"
)

// Policy is a cluster's audit policy (audit.k8s.io/v1): it says what is in the log at
// all.
type Policy struct {
	rules []policyRule
}

type policyRule struct {
	Level      string   `json:"level"`
	Users      []string `json:"users"`
	UserGroups []string `json:"userGroups"`
	Verbs      []string `json:"verbs"`
	Resources  []struct {
		Group         string   `json:"group"`
		Resources     []string `json:"resources"`
		ResourceNames []string `json:"resourceNames"`
	} `json:"resources"`
	Namespaces      []string `json:"namespaces"`
	NonResourceURLs []string `json:"nonResourceURLs"`
	OmitStages      []string `json:"omitStages"`
}

// ParsePolicy reads a policy as --audit-policy-file of the API server takes it.
func ParsePolicy(name, text string) (*Policy, error) {
	documents := slices.Collect(tree.Parse(&tree.File{Name: name, Text: text}))
	documents = slices.DeleteFunc(documents, func(d tree.Document) bool { return d.Err == nil && d.Root == nil })
	if len(documents) != 1 {
		return nil, fmt.Errorf("%s: %d documents, not one audit policy", name, len(documents))
	}
	if documents[0].Err != nil {
		return nil, documents[0].Err
	}
	var file struct {
		APIVersion string       `json:"apiVersion"`
		Kind       string       `json:"kind"`
		Rules      []policyRule `json:"rules"`
		OmitStages []string     `json:"omitStages"`
	}
	value, err := json.Marshal(documents[0].Root.Native())
	if err == nil {
		err = json.Unmarshal(value, &file)
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return nil, fmt.Errorf("%s: %s of the audit policy is of a wrong type", name, wrong.Field)
	case err != nil || file.Kind != "Policy" || !strings.HasPrefix(file.APIVersion, "audit.k8s.io/"):
		return nil, fmt.Errorf("%s: not an audit policy: its kind is not Policy of audit.k8s.io", name)
	}
	for i := range file.Rules {
		r := &file.Rules[i]
		if !slices.Contains([]string{"None", "Metadata", "Request", "RequestResponse"}, r.Level) {
			return nil, fmt.Errorf("%s: rule %d: level %q is none of None, Metadata, Request, RequestResponse", name, i+1, r.Level)
		}
		r.OmitStages = append(r.OmitStages, file.OmitStages...)
	}
	return &Policy{file.Rules}, nil
}

// Logs reports whether the policy has every request in the log that a right allows
// its holder.
func (p *Policy) Logs(holder access.Subject, r *access.Requests) bool {
	for i := range p.rules {
		switch hit := p.rules[i].matches(holder, r); {
		case hit == none:
		case p.rules[i].Level == "None" || slices.Contains(p.rules[i].OmitStages, "ResponseComplete"):
			return false
		case hit == all:
			return true
		}
	}
	return false
}

// extent says how much of a set of requests something matches.
type extent int

const (
	none extent = iota
	some
	all
)

func extentOf(is bool) extent {
	if is {
		return all
	}
	return none
}

func (r *policyRule) matches(holder access.Subject, q *access.Requests) extent {
	hit := min(r.user(holder), among(r.Verbs, q.Verb))
	switch {
	case len(r.Namespaces) > 0 || len(r.Resources) > 0:
		if q.URL != "" {
			return none
		}
		return min(hit, r.namespace(q), r.resource(q))
	case len(r.NonResourceURLs) > 0:
		if q.URL == "" {
			return none
		}
		return min(hit, r.url(q.URL))
	}
	return hit
}

// among says how much of a value, or of all for "*", a list holds. An empty list
// holds all.
func among(list []string, value string) extent {
	switch {
	case len(list) == 0 || slices.Contains(list, value):
		return all
	case value == "*":
		return some
	}
	return none
}

// user says how many of a holder's requests come from users and groups that the rule
// names. Of the groups of a user, and of who is in a group, not all is known.
func (r *policyRule) user(holder access.Subject) extent {
	hit := all
	if len(r.Users) > 0 {
		if name, one := holder.Username(); one {
			hit = extentOf(slices.Contains(r.Users, name))
		} else {
			hit = min(some, extentOf(slices.ContainsFunc(r.Users, func(name string) bool { return mayBeIn(name, holder.Name) })))
		}
	}
	if len(r.UserGroups) == 0 || hit == none {
		return hit
	}
	for group := range holder.Groups() {
		if slices.Contains(r.UserGroups, group.Name) {
			return hit
		}
	}
	switch {
	case holder.Kind == "ServiceAccount":
		return none
	case holder.Kind == "Group" && slices.Contains(r.UserGroups, holder.Name):
		return hit
	}
	return min(hit, some)
}

// mayBeIn reports whether a user may be in a group: service accounts are in those of
// their own only, and parts of Kubernetes in groups of Kubernetes.
func mayBeIn(name, group string) bool {
	user := access.User(name)
	for own := range user.Groups() {
		if own.Name == group {
			return true
		}
	}
	return user.Kind != "ServiceAccount" && (!strings.HasPrefix(name, "system:") || strings.HasPrefix(group, "system:"))
}

func (r *policyRule) namespace(q *access.Requests) extent {
	switch {
	case len(r.Namespaces) == 0:
		return all
	case q.Namespace == "": // in any one, and across all
		return some
	}
	return extentOf(slices.Contains(r.Namespaces, q.Namespace))
}

func (r *policyRule) url(url string) extent {
	for _, spec := range r.NonResourceURLs {
		prefix, wide := strings.CutSuffix(spec, "*")
		if url == spec || wide && strings.HasPrefix(strings.TrimSuffix(url, "*"), prefix) {
			return all
		}
	}
	if own, wide := strings.CutSuffix(url, "*"); wide {
		for _, spec := range r.NonResourceURLs {
			if strings.HasPrefix(strings.TrimSuffix(spec, "*"), own) {
				return some
			}
		}
	}
	return none
}

func (r *policyRule) resource(q *access.Requests) extent {
	if len(r.Resources) == 0 {
		return all
	}
	hit := none
	for i := range r.Resources {
		g := &r.Resources[i]
		group := all
		if g.Group != "*" {
			group = among([]string{g.Group}, q.Group)
		}
		if len(g.Resources) == 0 { // and names say nothing
			hit = max(hit, group)
			continue
		}
		names, resource := all, none
		if len(g.ResourceNames) > 0 {
			names = some
			if len(q.Names) > 0 {
				names = share(q.Names, g.ResourceNames)
			}
		}
		for _, pattern := range g.Resources {
			resource = max(resource, resourceMatches(pattern, q.Resource))
		}
		hit = max(hit, min(group, resource, names))
	}
	return hit
}

// share says how many of some names a list holds.
func share(names, list []string) extent {
	n := 0
	for _, name := range names {
		if slices.Contains(list, name) {
			n++
		}
	}
	switch n {
	case 0:
		return none
	case len(names):
		return all
	}
	return some
}

// resourceMatches says how much of a resource, as a rule of RBAC has it, a pattern of
// an audit policy matches. Of these, pods/* matches pods, too
// (k8s.io/apiserver/pkg/audit/policy).
func resourceMatches(pattern, resource string) extent {
	if pattern == "*" || pattern == resource && pattern != "*/*" {
		return all
	}
	base, sub, isSub := strings.Cut(resource, "/")
	patternBase, patternSub, isPatternSub := strings.Cut(pattern, "/")
	switch {
	case resource == "*": // with all subresources
		return some
	case !isPatternSub || pattern == "*/*":
		return none
	case patternSub == "*" && patternBase == base:
		return all
	case patternSub == "*":
		return min(some, extentOf(base == "*"))
	case !isSub || sub != patternSub:
		return none
	case patternBase == "*":
		return all
	}
	return min(some, extentOf(base == "*"))
}
