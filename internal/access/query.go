package access

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// Verdict is the answer to a question that may not have one.
type Verdict uint8

// The verdicts.
const (
	No Verdict = iota
	Yes
	Unknown
)

func (v Verdict) String() string { return [...]string{"no", "yes", "unknown"}[v] }

// MarshalText writes the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Proof says by what a subject is allowed something: the binding names the
// subject, or a group that it is in, and the rule is written in Source, which is
// the role of the binding or one that it aggregates.
type Proof struct {
	Subject Subject // as the binding names it
	Binding Binding
	Source  *Role
	Rule    Rule
}

// Answer answers a request.
type Answer struct {
	Verdict Verdict
	Proof   *Proof // why yes; nil for the group system:masters, which needs no rule
	// Elsewhere are namespaces in which the request is allowed, when it is not
	// across all of them.
	Elsewhere []string
	// Reasons say why a verdict is unknown.
	Reasons []string
	// Replaced are rules that would allow it, each with its role, if the controller
	// did not replace them; see [Role.Replaced]. There are none where it is allowed.
	Replaced []WrittenRule
	// Open says that it is so only because the snapshot is open.
	Open bool
}

// WrittenRule is a rule and the role that it is written in.
type WrittenRule struct {
	Source *Role
	Rule   Rule
}

// covers reports whether a binding's scope holds the request.
func (b Binding) covers(q *Request) bool {
	namespace := b.Namespace()
	return namespace == "" || q.URL == "" && (namespace == q.Namespace || q.Namespace == AnyNamespace || namespace == AnyNamespace && q.Namespace != "")
}

// allowed is a rule that matches, and the role that it is written in; nil when
// none does.
type allowed struct {
	source *Role
	rule   Rule
}

// Finder finds rules that match in roles. It asks each rule once, however many
// roles aggregate it, and is for one goroutine.
type Finder struct {
	match func(Rule) bool
	known map[*component]allowed
}

// NewFinder returns a Finder of rules for which match answers true.
func NewFinder(match func(Rule) bool) *Finder {
	return &Finder{match, map[*component]allowed{}}
}

func (q *Request) finder() *Finder {
	return NewFinder(func(rule Rule) bool { return rule.Allows(q) })
}

// In returns the first rule of a role that matches, and the role that it is
// written in: this one before those that it aggregates, and these by name.
func (f *Finder) In(r *Role) (source *Role, rule Rule, ok bool) {
	answer := f.itself(r)
	if answer.source == nil && r.component != nil {
		answer = f.below(r.component)
	}
	return answer.source, answer.rule, answer.source != nil
}

func (f *Finder) itself(r *Role) allowed {
	for rule := range r.written() {
		if f.match(rule) {
			return allowed{r, rule}
		}
	}
	return allowed{}
}

// below returns the answer of the first role by name.
func (f *Finder) below(c *component) allowed {
	if answer, ok := f.known[c]; ok {
		return answer
	}
	var first allowed
	add := func(answer allowed) {
		if answer.source != nil && (first.source == nil || compareRoles(answer.source, first.source) < 0) {
			first = answer
		}
	}
	for _, r := range c.roles {
		add(f.itself(r))
	}
	for _, other := range c.next {
		add(f.below(other))
	}
	f.known[c] = first
	return first
}

// Can answers whether a subject may make a request. Besides the groups that
// Kubernetes puts it into by its name, it is in those given.
//
// In an open snapshot what nothing allows is unknown: what does may live
// elsewhere.
func (a *Analysis) Can(s Subject, q *Request, groups ...string) Answer {
	if s == Group(masters) || slices.Contains(groups, masters) {
		return Answer{Verdict: Yes}
	}
	var answer Answer
	find := q.finder()
	for b := range a.mayCover(q, s, groups) {
		if !b.covers(q) {
			namespaces := answer.Elsewhere // the bindings come by namespace
			if r := b.Role(); r != nil && (len(namespaces) == 0 || namespaces[len(namespaces)-1] != b.Namespace()) {
				if _, _, ok := find.In(r); ok {
					answer.Elsewhere = append(answer.Elsewhere, b.Namespace())
				}
			}
			continue
		}
		role := b.Role()
		if role != nil {
			if source, rule, ok := find.In(role); ok {
				return Answer{Verdict: Yes, Proof: &Proof{b.As(s, groups), b, source, rule}}
			}
		}
		answer.Reasons = append(answer.Reasons, a.doubts(b)...)
		for rule := range role.Replaced() {
			if rule.Allows(q) {
				answer.Replaced = append(answer.Replaced, WrittenRule{role, rule})
			}
		}
	}
	node := s.canonical().isNode() || slices.Contains(groups, nodes)
	if node {
		answer.Reasons = append(answer.Reasons, "the Node authorizer allows nodes what the pods on them need")
	}
	if why := a.open(q.deciding()); why != "" {
		answer.Reasons = append(answer.Reasons, "nothing that was read allows it, but "+why)
	}
	if len(answer.Reasons) > 0 {
		answer.Verdict, answer.Open = Unknown, !node && !a.snapshot.Closed
	}
	return answer
}

// mayCover yields the bindings of a subject that hold a request, and, where it is
// across all namespaces, those that hold in one.
func (a *Analysis) mayCover(q *Request, s Subject, groups []string) iter.Seq[Binding] {
	switch {
	case q.URL != "":
		return a.BindingsIn("", s, groups...)
	case q.Namespace == "" || q.Namespace == AnyNamespace:
		return a.Bindings(s, groups...)
	}
	return a.BindingsIn(q.Namespace, s, groups...)
}

// covering yields all bindings that hold a request.
func (a *Analysis) covering(q *Request) iter.Seq[Binding] {
	return func(yield func(Binding) bool) {
		parts := []span{{0, a.clusterWide}}
		switch {
		case q.URL != "" || q.Namespace == "":
		case q.Namespace == AnyNamespace:
			parts = []span{{0, int32(len(a.bindings))}}
		default:
			parts = append(parts, a.inside(q.Namespace))
		}
		for _, part := range parts {
			for id := part.first; id < part.last; id++ {
				if !yield(Binding{a, id}) {
					return
				}
			}
		}
	}
}

func (s Subject) isNode() bool {
	return s.Kind == kindUser && strings.HasPrefix(s.Name, nodePrefix) || s == Group(nodes)
}

var (
	bindingKinds = []model.GroupKind{model.ClusterRoleBindingKind, model.RoleBindingKind}
	roleKinds    = []model.GroupKind{model.ClusterRoleKind, model.RoleKind}
)

// deciding returns the kinds of bindings that decide a request, and the namespace
// that they are in, "" for all.
func (q *Request) deciding() (namespace string, kinds []model.GroupKind) {
	switch q.Namespace {
	case "":
		return "", bindingKinds[:1]
	case AnyNamespace:
		return "", bindingKinds
	}
	return q.Namespace, bindingKinds
}

// open says why objects of the kinds may be missing, in a clause; "" when none
// are.
func (a *Analysis) open(namespace string, kinds []model.GroupKind) string {
	switch gap := a.snapshot.Gap(namespace, kinds...); {
	case gap != nil && a.snapshot.Closed:
		return gap.Reason
	case !a.snapshot.Closed:
		return "bindings and roles may live elsewhere"
	}
	return ""
}

// Unread says why roles or bindings may be missing that were not read, in a
// clause; "" when none are.
func (a *Analysis) Unread() string {
	return a.open("", slices.Concat(bindingKinds, roleKinds))
}

// doubts returns why a binding may give more than is known.
func (a *Analysis) doubts(b Binding) []string {
	role := b.Role()
	if role == nil {
		kind, name := b.RoleRef()
		if a.open(name.Namespace, roleKinds) == "" {
			return nil
		}
		return []string{fmt.Sprintf("%s %s is bound by %s %s and was not read", kind, name.Name, b.Kind(), b.Name())}
	}
	if role.Aggregated && role.Object != nil && a.open("", roleKinds[:1]) != "" {
		return []string{fmt.Sprintf("ClusterRole %s aggregates others, which may live elsewhere", role.Name)}
	}
	return nil
}

// As returns the subject by which a binding holds for s, who is in further groups
// beside those that Kubernetes puts it into: s itself, or one of the groups.
func (b Binding) As(s Subject, groups []string) Subject {
	s = s.canonical()
	named := b.Subjects()
	for ; !slices.Contains(named, s) && s.Granted(); s = b.a.grantedBy(s).Base {
	}
	if slices.Contains(named, s) {
		return s
	}
	for _, group := range slices.Concat(groupsOf(s), groups) {
		if slices.Contains(named, Group(group)) {
			return Group(group)
		}
	}
	return s
}

// WhoCan returns who may make a request, in the order of the bindings: each
// subject that a binding names, once for each binding by which it may. The group
// system:masters may without a binding and is not among them. reasons say why
// there may be more; in an open snapshot there always may.
func (a *Analysis) WhoCan(q *Request) (proofs []Proof, reasons []string) {
	outcomes := map[int32]allowed{}
	find := q.finder()
	for b := range a.covering(q) {
		reasons = append(reasons, a.doubts(b)...)
		role := b.Role()
		if role == nil {
			continue
		}
		known, asked := outcomes[role.id]
		if !asked {
			known.source, known.rule, _ = find.In(role)
			outcomes[role.id] = known
		}
		if known.source == nil {
			continue
		}
		for _, s := range b.Subjects() {
			proofs = append(proofs, Proof{s, b, known.source, known.rule})
		}
	}
	if why := a.open(q.deciding()); why != "" {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	return proofs, slices.Compact(reasons)
}

// WhoCanByName returns the subjects that may make a request about a collection,
// or about any object, for objects of some names only, and are not among those of
// [Analysis.WhoCan]. They are in the order of the bindings. Of a request with a
// name there are none.
func (a *Analysis) WhoCanByName(q *Request) []Subject {
	if q.Name != "" || q.URL != "" || q.Verb == "create" && q.Subresource == "" {
		return nil
	}
	find := NewFinder(func(rule Rule) bool {
		names := rule.Node.Get("resourceNames")
		if names.Len() == 0 {
			return false
		}
		one := *q
		one.Name = names.Children()[0].Str()
		return rule.Allows(&one)
	})
	seen := map[Subject]bool{}
	all, _ := a.WhoCan(q)
	for _, proof := range all {
		seen[proof.Subject] = true
	}
	var subjects []Subject
	for b := range a.covering(q) {
		role := b.Role()
		if role == nil {
			continue
		}
		if _, _, ok := find.In(role); !ok {
			continue
		}
		for _, s := range b.Subjects() {
			if !seen[s] {
				seen[s] = true
				subjects = append(subjects, s)
			}
		}
	}
	return subjects
}

// SecretVerbs returns the verbs by which the content of a Secret is read, get
// first. It is a new slice.
func SecretVerbs() []string { return slices.Clone(catalogue[ReadSecrets].needs[0].Verbs) }

// NamesRead returns the names that rules about reading Secrets are restricted to.
// work is what answering one question about a name in a
// namespace takes: how many bindings hold there, and how many names the rules of
// their roles have. It is for one goroutine.
func (a *Analysis) NamesRead() (names map[string]bool, work func(namespace string) int) {
	names = map[string]bool{}
	inRole := make([]int, len(a.roles))
	for i := range a.roles {
		for rule := range a.roles[i].written() {
			if rule.Node.Get("resourceNames").Len() == 0 || !rule.readsSecrets() {
				continue
			}
			for _, name := range rule.Names() {
				names[name] = true
				inRole[i]++
			}
		}
	}
	known := map[string]int{}
	return names, func(namespace string) int {
		total, ok := known[namespace]
		if !ok {
			for b := range a.covering(&Request{Namespace: namespace}) {
				total++
				if role := b.Role(); role != nil {
					total += inRole[role.id]
				}
			}
			known[namespace] = total
		}
		return total
	}
}

func (r Rule) readsSecrets() bool {
	q := Request{Resource: "secrets"}
	return slices.ContainsFunc(SecretVerbs(), func(verb string) bool { return holds(r.Node.Get("verbs"), verb) }) &&
		holds(r.Node.Get("apiGroups"), q.Group) && r.hasResource(&q)
}

// NamesVerb reports whether a rule that was read, or that every cluster has, names
// a verb.
func (a *Analysis) NamesVerb(verb string) bool {
	for i := range a.roles {
		for rule := range a.roles[i].written() {
			if has(rule.Node.Get("verbs"), verb) {
				return true
			}
		}
	}
	return false
}
