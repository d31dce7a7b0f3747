// Package audit reads what Kubernetes API servers write into their audit log: who
// asked for what, and whether it was allowed.
//
// A log is read as a stream, of any length: JSON lines, gzip, and the lists that the
// webhook backend posts. One event tells of several requests, since a request asks
// for more than itself: see [Entry]. What cannot be read is counted and told, and the
// rest is read. The bodies of requests are not kept, and no error repeats a line.
//
// What a log cannot show is not known here: what the cluster's audit policy leaves
// out ([ParsePolicy] reads it), other API servers' logs, and what the API server asks
// for inside of a request.
package audit

import (
	"slices"
	"strings"
	"time"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/behavior"
)

// Entry is a request, or what was asked for together with one.
type Entry struct {
	At      time.Time
	By      access.Subject // for whom it was authorized, which is not who sent it where somebody was impersonated
	Groups  []string       // that he is in beside those by his name, sorted
	Request access.Request
	Allowed bool
	// Reason is why, in the words of the authorizer; "" where it is not in the log.
	Reason string
	Part   Part
}

// Part says what part of an event an [Entry] is.
type Part string

// The parts.
const (
	Itself Part = "request"
	// Impersonation is the right to act as somebody else, which whoever sent the request
	// used.
	Impersonation Part = "impersonation"
	// Creation is the right to create, which update and patch of what was not there use.
	Creation Part = "creation"
	// Upgrade is the right to create, which a request to get over a WebSocket uses, too,
	// from Kubernetes 1.35 on.
	Upgrade Part = "upgrade"
	// Review is what another program asked the API server whether somebody may, such as
	// the kubelet of who wants logs. The log does not say whether he may.
	Review Part = "review"
)

// Coverage is what a log holds.
type Coverage struct {
	From, To time.Time // of the first and the last request; zero where there is none
	Days     behavior.Days
	Events   int // about requests that were answered, or are being answered
	Begun    int // about the beginning of requests, which say less and are passed over
	// Reviews are requests by which other programs ask whether somebody may do something;
	// of Hidden the log does not say what.
	Reviews, Hidden int
	// Unread are events that could not be read, of which Problems tell the first.
	Unread   int
	Problems []error
}

// unread counts what could not be read.
func (c *Coverage) unread(err error) {
	if c.Unread++; len(c.Problems) < toldProblems {
		c.Problems = append(c.Problems, err)
	}
}

const toldProblems = 5

func (c *Coverage) saw(at time.Time) {
	if c.Events++; c.Events == 1 || at.Before(c.From) {
		c.From = at
	}
	if at.After(c.To) {
		c.To = at
	}
	c.Days.Add(behavior.At(at).Day())
}

// user is who made a request, as the log has it.
type user struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// caller is who that is, and the groups that do not follow of the name.
func (u *user) caller() (access.Subject, []string) {
	subject := access.User(u.Username)
	groups := slices.DeleteFunc(slices.Clone(u.Groups), func(group string) bool {
		for implied := range subject.Groups() {
			if implied.Name == group {
				return true
			}
		}
		return false
	})
	slices.Sort(groups)
	return subject, slices.Compact(groups)
}

// event is what is read of an audit event, audit.k8s.io/v1.
type event struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       user   `json:"user"`

	ImpersonatedUser *user `json:"impersonatedUser"`
	ObjectRef        *struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus *struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestObject  body      `json:"requestObject"`
	StageTimestamp time.Time `json:"stageTimestamp"`
	Annotations    struct {
		Decision string `json:"authorization.k8s.io/decision"`
		Reason   string `json:"authorization.k8s.io/reason"`
	} `json:"annotations"`
	AuthenticationMetadata struct {
		ImpersonationConstraint string `json:"impersonationConstraint"`
	} `json:"authenticationMetadata"`

	Items []event `json:"items"` // of an EventList
}

// request is what was authorized.
func (e *event) request() access.Request {
	q := access.Request{Verb: e.Verb}
	if e.ObjectRef == nil || e.ObjectRef.Resource == "" {
		q.URL, _, _ = strings.Cut(e.RequestURI, "?")
		return q
	}
	o := e.ObjectRef
	q.Group, q.Resource, q.Subresource, q.Namespace, q.Name = o.APIGroup, o.Resource, o.Subresource, o.Namespace, o.Name
	if q.Verb == "create" && q.Subresource == "" {
		q.Name = "" // which the log takes from the object that was posted
	}
	return q
}

func (e *event) code() int {
	if e.ResponseStatus == nil {
		return 0
	}
	return e.ResponseStatus.Code
}

// allowed reports whether the request was authorized. An API server that authorizes
// nothing does not say so.
func (e *event) allowed() bool {
	if d := e.Annotations.Decision; d != "" {
		return d == "allow"
	}
	return e.code() != 401 && e.code() != 403
}

// entries yields what the event tells of.
func (e *event) entries(yield func(*Entry)) {
	who := &e.User
	if e.ImpersonatedUser != nil {
		e.impersonations(yield)
		who = e.ImpersonatedUser
	}
	by, groups := who.caller()
	base := Entry{At: e.StageTimestamp, By: by, Groups: groups, Request: e.request(), Allowed: e.allowed(), Reason: e.Annotations.Reason, Part: Itself}
	itself := base
	yield(&itself)
	if !base.Allowed {
		return
	}
	base.Reason = ""
	switch q := &base.Request; {
	case q.URL != "":
	case (q.Verb == "update" || q.Verb == "patch") && e.code() == 201:
		q.Verb, base.Part = "create", Creation
		yield(&base)
	case q.Verb == "get" && q.Resource == "pods" && slices.Contains([]string{"exec", "attach", "portforward"}, q.Subresource):
		q.Verb, base.Part = "create", Upgrade
		yield(&base)
	}
}
