package access

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// Danger is a right and who holds it.
type Danger struct {
	Right   Right
	Holders []Holder // applications first, the whole cluster first, then by name
	// More says that roles which aggregate others give the right over more names
	// than are listed.
	More bool
}

// Holder holds a right in a scope.
type Holder struct {
	Subject   Subject
	Namespace string   // "" for the whole cluster
	Names     []string // over objects of these names only; none means all
	Proofs    []Proof  // one, or one for each right that makes the right
	System    bool     // a part of Kubernetes itself
}

// Dangers returns who holds which dangerous right, in the order of the
// catalogue. Who holds wildcard-all in a scope is not repeated there under the
// rights that follow from it. A subject holds what bindings give it by its name;
// what a group holds, all its members do.
func (a *Analysis) Dangers() []Danger {
	l := lister{a: a, roles: map[*Role]listed{}}
	for b := range a.All() {
		if role := b.Role(); role != nil {
			l.binding(b, role)
		}
	}
	for id := range a.subjects {
		l.together(int32(id))
	}
	for s, ways := range a.Takeovers() {
		l.takeovers(s, ways)
	}
	for s, n := range a.Applied() {
		if rights := a.Rights(s).In(n.Namespace); !rights.Has(n.Right) && !rights.Has(WildcardAll) {
			l.holders[n.Right] = append(l.holders[n.Right], Holder{s, n.Namespace, n.Names, n.Proofs, s.System()})
		}
	}
	var dangers []Danger
	for r, holders := range l.holders {
		if len(holders) == 0 {
			continue
		}
		slices.SortStableFunc(holders, func(x, y Holder) int {
			return cmp.Or(order(x.System, y.System), order(x.Namespace != "", y.Namespace != ""), strings.Compare(x.Namespace, y.Namespace),
				strings.Compare(x.Subject.Kind, y.Subject.Kind), strings.Compare(x.Subject.Namespace, y.Subject.Namespace), strings.Compare(x.Subject.Name, y.Subject.Name))
		})
		dangers = append(dangers, Danger{Right(r), holders, l.more.Has(Right(r))})
	}
	return dangers
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// lister collects holders.
type lister struct {
	a       *Analysis
	roles   map[*Role]listed
	holders [rightCount][]Holder
	more    Rights
}

// source is where a role gets a right from.
type source struct {
	right   Right
	role    *Role
	rule    Rule
	names   []string
	named   uint64 // hash of names
	cluster bool
}

// listed are sources, as far as they are listed.
type listed struct {
	sources []source
	more    Rights // for more names than are listed
}

// sources returns the first rule that gives each right, in the whole cluster
// and in a namespace, and those that give it for some names: of others that the
// role aggregates only some for each right. The rules of the role
// itself are the first, then come those of others by name.
func (r *Role) sources() listed {
	own := r.ownSources()
	if r.component == nil {
		return listed{sources: own}
	}
	all := r.component.first()
	return listed{firstOf(slices.Concat(own, all.sources)), all.more}
}

func (r *Role) ownSources() []source {
	var all []source
	eachRight(r.rules, func(rule Rule, g given) {
		s := source{right: g.right, role: r, rule: rule, cluster: g.cluster}
		if g.named {
			s.names, s.named = g.names(rule), g.hashOf(rule)
		}
		all = append(all, s)
	}, func(Rule, given) {})
	return firstOf(all)
}

// firstOf returns the sources that count, in order.
func firstOf(sources []source) []source {
	type key struct {
		right   Right
		rule    Rule
		cluster bool
		named   uint64
	}
	var all []source
	var wide, narrow Rights
	seen := map[key]bool{}
	for _, s := range sources {
		k := key{s.right, s.rule, s.cluster, s.named}
		if seen[k] || s.names == nil && wide.Has(s.right) && (s.cluster || narrow.Has(s.right)) {
			continue
		}
		if s.names == nil {
			wide |= 1 << s.right
			if !s.cluster {
				narrow |= 1 << s.right
			}
		}
		seen[k] = true
		all = append(all, s)
	}
	return all
}

func (l *lister) binding(b Binding, role *Role) {
	sources, ok := l.roles[role]
	if !ok {
		sources = role.sources()
		l.roles[role] = sources
	}
	namespace := b.Namespace()
	rights := role.Rights(namespace == "")
	if !rights.Has(WildcardAll) {
		l.more |= sources.more &^ rights
	}
	var wide Rights
	for _, s := range sources.sources {
		if s.cluster && namespace != "" || !l.a.relevant(s, namespace) || rights.Has(WildcardAll) && s.right != WildcardAll {
			continue
		}
		if s.names == nil {
			if wide.Has(s.right) {
				continue
			}
			wide |= 1 << s.right
		} else if rights.Has(s.right) {
			continue // it has the right over all names
		}
		for _, subject := range b.Subjects() {
			l.holders[s.right] = append(l.holders[s.right], Holder{subject, namespace, s.names, []Proof{{subject, b, s.role, s.rule}}, subject.System()})
		}
	}
}

// relevant leaves out the right to map AWS identities where no cluster is known
// to read them from a ConfigMap.
func (a *Analysis) relevant(s source, namespace string) bool {
	if s.right != WriteAWSAuth {
		return true
	}
	const name, in = "aws-auth", "kube-system"
	key := model.Key{Cluster: a.clusterName, Namespace: in, GroupKind: model.ConfigMapKind, Name: name}
	return s.names == nil && (namespace == "" || namespace == in) && (slices.Contains(s.rule.Names(), name) || a.snapshot.Get(key) != nil)
}

// ByRoles are what [Analysis.Takeovers] decides by looking at the roles.
const ByRoles Rights = 1<<GrantAnyRole | 1<<RewriteRoles

// together lists the rights that others make together, where a binding of the
// subject's own gives one of these.
func (l *lister) together(id int32) {
	held, subject := l.a.rights(id), l.a.subject(id)
	if held.Cluster.Has(WildcardAll) {
		return
	}
	for _, r := range (held.Cluster & Combined &^ ByRoles).All() {
		l.combined(r, subject, "")
	}
	own := l.a.own(id)
	for _, scoped := range held.Namespaces {
		if !own.In(scoped.Namespace).partOfCombined() {
			continue
		}
		if rights := held.In(scoped.Namespace); !rights.Has(WildcardAll) {
			for _, r := range (rights & Combined &^ ByRoles &^ held.Cluster).All() {
				l.combined(r, subject, scoped.Namespace)
			}
		}
	}
}

// takeovers lists ways to every right: where there is one in the whole cluster,
// or in each namespace, no others.
func (l *lister) takeovers(s Subject, ways []Takeover) {
	held := l.a.Rights(s)
	wide := map[Right]bool{}
	slices.SortStableFunc(ways, func(x, y Takeover) int {
		rank := func(w Takeover) int { return slices.Index([]string{inCluster, AnyNamespace, w.Namespace}, w.Namespace) }
		return cmp.Compare(rank(x), rank(y))
	})
	for _, w := range ways {
		if w.Rights != everything || wide[w.Right] || held.In(w.Namespace).Has(WildcardAll) {
			continue
		}
		namespace := w.Namespace
		if namespace == inCluster || namespace == AnyNamespace {
			wide[w.Right], namespace = true, inCluster
		}
		l.holders[w.Right] = append(l.holders[w.Right], Holder{Subject: s, Namespace: namespace, Proofs: w.Proofs, System: s.System()})
	}
}

func (l *lister) combined(r Right, subject Subject, namespace string) {
	h := Holder{Subject: subject, Namespace: namespace, System: subject.System()}
	direct := false
	for _, any := range r.Together() {
		for _, part := range any.All() {
			if p, ok := l.a.Prove(subject, part, namespace); ok {
				h.Proofs = append(h.Proofs, p)
				direct = direct || p.Subject == subject
				break
			}
		}
	}
	if direct { // else a group holds it, and is listed itself
		l.holders[r] = append(l.holders[r], h)
	}
}

// Prove returns by what a subject holds a right in a namespace, or in the whole
// cluster where namespace is "". It finds no proof of rights that others make
// together; prove those.
func (a *Analysis) Prove(s Subject, r Right, namespace string) (Proof, bool) {
	for b := range a.BindingsIn(namespace, s) {
		role := b.Role()
		if role == nil || !role.Rights(b.Namespace() == "").Has(r) {
			continue
		}
		if from, ok := role.source(r, b.Namespace() == ""); ok {
			return Proof{b.As(s, nil), b, from.role, from.rule}, true
		}
	}
	return Proof{}, false
}

// source returns the first rule that gives a right for every name.
func (r *Role) source(right Right, clusterWide bool) (first source, found bool) {
	for rule := range r.written() {
		rule.rights(func(g given) {
			if !found && g.right == right && !g.named && (clusterWide || !g.cluster) {
				first, found = source{right: right, role: r, rule: rule}, true
			}
		})
		if found {
			return first, true
		}
	}
	if r.component == nil {
		return source{}, false
	}
	for _, s := range r.component.first().sources {
		if s.right == right && s.names == nil && (clusterWide || !s.cluster) {
			return s, true
		}
	}
	return source{}, false
}
