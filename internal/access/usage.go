package access

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// Usage tells which of the rights that an [Analysis] knows were used. It is filled by
// [Usage.Add] and is for one goroutine.
//
// What is kept of a request is what rules tell apart: names of objects only where a
// rule names them, and a few more to be shown. So a log of any length takes as much
// memory as there are different requests in it, up to a bound.
type Usage struct {
	a       *Analysis
	named   map[string]bool // names that rules are restricted to
	callers map[string]int32
	list    []caller
	seen    map[usedBy]*Used
	order   []usedBy
	over    int
}

// caller is somebody in groups.
type caller struct {
	subject Subject
	groups  []string
}

type usedBy struct {
	caller  int32
	request Request
}

// Used is a request that was made, and when.
type Used struct {
	Request     Request // its name is [OtherName] for objects that no rule names
	First, Last time.Time
	Names       []string // of the objects, the first few different ones
	More        bool     // there were more

	by      int32
	allowed bool // by a rule that was read
}

// OtherName stands in a [Used] for the names of objects that no rule names.
const OtherName = "*"

const (
	mostUsed  = 200_000 // different requests that are kept
	mostNames = 8       // that are shown of one
)

// NewUsage returns a Usage of an analysis of which nothing is known to be used.
func NewUsage(a *Analysis) *Usage {
	u := &Usage{a: a, named: map[string]bool{}, callers: map[string]int32{}, seen: map[usedBy]*Used{}}
	for i := range a.roles {
		for rule := range a.roles[i].written() {
			for _, name := range rule.Names() {
				u.named[name] = true
			}
		}
	}
	return u
}

// Add adds a request that somebody made, who is in some groups beside those by his
// name. The groups must be sorted.
func (u *Usage) Add(s Subject, groups []string, q Request, at time.Time) {
	key := usedBy{u.caller(s, groups), q}
	if name := &key.request.Name; *name != "" && !u.named[*name] {
		*name = OtherName
	}
	known := u.seen[key]
	if known == nil {
		if len(u.seen) >= mostUsed {
			u.over++
			return
		}
		known = &Used{Request: key.request, First: at, Last: at, by: key.caller}
		u.seen[key] = known
		u.order = append(u.order, key)
	}
	if at.Before(known.First) {
		known.First = at
	}
	if at.After(known.Last) {
		known.Last = at
	}
	if q.Name != "" && !slices.Contains(known.Names, q.Name) {
		if len(known.Names) < mostNames {
			known.Names = append(known.Names, q.Name)
		} else {
			known.More = true
		}
	}
}

func (u *Usage) caller(s Subject, groups []string) int32 {
	key := s.String() + "\x00" + strings.Join(groups, "\x00")
	id, known := u.callers[key]
	if !known {
		id = int32(len(u.list))
		u.callers[strings.Clone(key)] = id
		u.list = append(u.list, caller{s.canonical(), slices.Clone(groups)})
	}
	return id
}

// Over is how many requests were not kept, because there were too many different
// ones: what was used is not known then.
func (u *Usage) Over() int { return u.over }

// Unexplained yields the requests that were made and that no rule allows that was
// read, with who made them: the rights changed since, not all were read, or another
// authorizer allows them. It is complete after [Usage.Grants].
func (u *Usage) Unexplained() iter.Seq2[Subject, *Used] {
	return func(yield func(Subject, *Used) bool) {
		for _, key := range u.order {
			if used := u.seen[key]; !used.allowed && !yield(u.list[used.by].subject, used) {
				return
			}
		}
	}
}

// All yields the requests that were made and allowed by a rule that was read, with
// who made them and the groups that he was in. It is complete after [Usage.Grants].
func (u *Usage) All() iter.Seq2[*Used, func() (Subject, []string)] {
	return func(yield func(*Used, func() (Subject, []string)) bool) {
		for _, key := range u.order {
			if used := u.seen[key]; used.allowed && !yield(used, func() (Subject, []string) {
				c := &u.list[used.by]
				return c.subject, c.groups
			}) {
				return
			}
		}
	}
}

// GrantUse is a binding of a role to a subject, and which of its rights were used.
type GrantUse struct {
	Subject Subject // as the binding names it
	Binding Binding
	Rights  []RightUse
}

// Requests are those that a right allows: any of what one entry of each list of a
// rule names. "*" stands for all.
type Requests struct {
	Verb     string
	Group    string
	Resource string // with subresource, as rules have it
	URL      string // of requests without a resource
	Names    []string
	// Namespace is the one of the binding; "" stands for all, and for those of no
	// namespace.
	Namespace string
}

// RightUse is a part of a rule and what was used of it.
type RightUse struct {
	Requests
	Source *Role // that the rule is written in
	Rule   Rule
	Used   []*Used
	Blind  Blind
}

// Wide reports whether the right has a wildcard, so that it may be used in part.
func (r *RightUse) Wide() bool {
	return r.Verb == "*" || r.Group == "*" || strings.Contains(r.Resource, "*") || strings.HasSuffix(r.URL, "*")
}

// Grants returns the bindings and which of their rights were used, in the order of
// bindings and their subjects. A request uses each right that allows it, by each
// binding that holds for who made it.
func (u *Usage) Grants() []GrantUse {
	by := u.attribute()
	var grants []GrantUse
	for b := range u.a.All() {
		role := b.Role()
		if role == nil {
			continue
		}
		for _, s := range b.Subjects() {
			grants = append(grants, GrantUse{s, b, u.rights(b, role, by[holding{b.id, s}])})
		}
	}
	return grants
}

// holding is a subject by a binding.
type holding struct {
	binding int32
	subject Subject
}

// attribute finds the bindings by which requests were allowed.
func (u *Usage) attribute() map[holding][]*Used {
	type question struct {
		role    int32
		request Request
	}
	allows := map[question]bool{}
	by := map[holding][]*Used{}
	for _, key := range u.order {
		c, used := &u.list[key.caller], u.seen[key]
		q := &used.Request
		for b := range u.a.mayCover(q, c.subject, c.groups) {
			role := b.Role()
			if role == nil || !b.covers(q) {
				continue
			}
			ask := question{role.id, *q}
			yes, known := allows[ask]
			if !known {
				yes = role.allows(q)
				allows[ask] = yes
			}
			if yes {
				used.allowed = true
				for s := range b.named(c) {
					by[holding{b.id, s}] = append(by[holding{b.id, s}], used)
				}
			}
		}
	}
	return by
}

func (r *Role) allows(q *Request) bool {
	for _, rule := range r.Rules() {
		if rule.Allows(q) {
			return true
		}
	}
	return false
}

// named yields the subjects of the binding that somebody is, or is a member of.
func (b Binding) named(c *caller) iter.Seq[Subject] {
	return func(yield func(Subject) bool) {
		for _, s := range b.Subjects() {
			is := s == c.subject || s.Kind == kindGroup && (slices.Contains(c.groups, s.Name) || slices.Contains(groupsOf(c.subject), s.Name))
			if is && !yield(s) {
				return
			}
		}
	}
}

// rights takes the rules of a role apart.
func (u *Usage) rights(b Binding, role *Role, uses []*Used) []RightUse {
	var rights []RightUse
	asked := usedFor(uses)
	add := func(r RightUse) {
		r.Namespace, r.Names = b.Namespace(), r.Rule.Names()
		for _, used := range uses {
			if r.allows(&used.Request) {
				r.Used = append(r.Used, used)
			}
		}
		if len(r.Used) == 0 && r.nothing(r.Rule, b.Namespace() == "") {
			return
		}
		if len(r.Used) == 0 || r.Wide() {
			r.Blind = blind(&r.Requests, asked)
		}
		rights = append(rights, r)
	}
	for source, rule := range role.Rules() {
		for _, verb := range rule.Verbs() {
			for _, url := range rule.URLs() {
				add(RightUse{Requests: Requests{Verb: verb, URL: url}, Source: source, Rule: rule})
			}
			for _, group := range rule.Groups() {
				for _, resource := range rule.Resources() {
					add(RightUse{Requests: Requests{Verb: verb, Group: group, Resource: resource}, Source: source, Rule: rule})
				}
			}
		}
	}
	slices.SortStableFunc(rights, func(a, b RightUse) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
	})
	return rights
}
