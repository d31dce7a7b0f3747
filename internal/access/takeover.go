package access

import (
	"iter"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Takeover is a way of a subject to rights that it does not hold, by what it may
// do with roles and bindings.
type Takeover struct {
	Right Right // GrantAnyRole or RewriteRoles
	// Namespace is where the rights then hold: "" is the whole cluster, and
	// AnyNamespace each namespace, without what is outside of them.
	Namespace string
	Rights    Rights // with those that they make together
	Role      *Role  // that gives them, or nil for one into which it writes what it likes
	Proofs    []Proof
}

const (
	inCluster    = ""
	clusterAdmin = "cluster-admin"
)

// Takeovers yields the subjects that may escalate or bind, those of them left out
// that hold every right, with the ways that lead somewhere; of two ways by the same
// right, not the one that the other makes needless. What a group may by itself, its
// members may too: a way of a member is one that takes a binding of its own.
//
// A role gives its rights to who is bound to it, where the binding holds. So to
// write all rights into a role helps those who are bound to it or may bind
// themselves to it, to make one helps where a binding names it already or a bound
// role aggregates it, and a RoleBinding gives nothing outside of its namespace.
// Who may write into a role may bind itself to it: it takes the rules out before.
func (a *Analysis) Takeovers() iter.Seq2[Subject, []Takeover] {
	return func(yield func(Subject, []Takeover) bool) {
		x := a.powers()
		groups := map[int32]*powers{}
		known := map[uint64][]way{}
		n := int32(len(a.subjects))
		if a.grants != nil {
			n = a.grants.subject
		}
		for id := range n {
			t := taker{x: x, subject: a.subject(id), own: x.powers(id)}
			sign := tree.Mix(uint64(len(t.own.held)), a.signature(t.own.held))
			for _, name := range groupsOf(t.subject) {
				in := a.id(Group(name))
				if in == none {
					continue
				}
				if groups[in] == nil {
					groups[in] = x.powers(in)
				}
				t.groups, t.groupNames = append(t.groups, groups[in]), append(t.groupNames, Group(name))
				sign = tree.Mix(sign, uint64(in))
			}
			if !t.reshapes() || a.rights(id).Cluster.Has(WildcardAll) {
				continue
			}
			ways, ok := known[sign]
			if !ok {
				t.look()
				ways = t.ways
				known[sign] = ways
			}
			if len(ways) > 0 && !yield(t.subject, t.takeovers(ways)) {
				return
			}
		}
	}
}

// signature returns a hash of the roles that bindings give and where. Subjects with
// equal ones, in the same groups, have the same ways.
func (a *Analysis) signature(held []int32) uint64 {
	var sign uint64
	for _, id := range held {
		kind, name := Binding{a, id}.RoleRef()
		sign = tree.Mix(sign, tree.Mix(uint64(a.bindings[id].namespace), identity(hashOf(kind), hashOf(name.Namespace), hashOf(name.Name))))
	}
	return sign
}

// way is a Takeover with what is asked for, in place of the proofs.
type way struct {
	right     Right
	namespace string
	rights    Rights
	role      *Role
	asks      []ask
}

// scopedRight is a right in a scope.
type scopedRight struct {
	right     Right
	namespace string
}

// taker finds the takeovers of a subject.
type taker struct {
	x          *powerIndex
	subject    Subject
	own        *powers
	groups     []*powers
	groupNames []Subject
	ways       []way
	found      map[scopedRight]Rights // by the ways
}

// all returns the powers of the groups and those of the subject's own bindings.
func (t *taker) all() []*powers { return append(slices.Clip(t.groups), t.own) }

// reshapes reports whether there may be a way.
func (t *taker) reshapes() bool {
	var set powerSet
	for _, p := range t.all() {
		set |= p.set
	}
	const some = 1<<powerResources - 1
	any := func(v powerVerb) bool { return set>>v.on(0)&some != 0 }
	return (any(verbEscalate) || any(verbBind)) && (any(verbCreate) || any(verbUpdate) || any(verbPatch))
}

// first returns the first binding that allows a request: one of a group, where there
// is one, else one of the subject's own.
func (t *taker) first(q ask) (binding int32, by Subject) {
	first := int32(none)
	for i, p := range t.groups {
		if at := p.first(t.x, q); at != none && (first == none || at < first) {
			first, by = at, t.groupNames[i]
		}
	}
	if first == none {
		first, by = t.own.first(t.x, q), t.subject
	}
	return first, by
}

var (
	toEscalate = []powerVerb{verbEscalate}
	toBind     = []powerVerb{verbBind}
	toCreate   = []powerVerb{verbCreate}
	toChange   = []powerVerb{verbUpdate, verbPatch}
)

// may returns what is asked for requests with each of the verbs, if all of them are
// allowed, else nil; a verb may be several, any of which will do.
func (t *taker) may(resource powerResource, namespace, name string, verbs ...[]powerVerb) []ask {
	var all []ask
	for _, any := range verbs {
		found := false
		for _, verb := range any {
			q := ask{verb.on(resource), namespace, name}
			if at, _ := t.first(q); at != none {
				all, found = append(all, q), true
				break
			}
		}
		if !found {
			return nil
		}
	}
	return all
}

// direct reports whether a way takes a binding of the subject's own.
func (t *taker) direct(asks []ask) bool {
	return slices.ContainsFunc(asks, func(q ask) bool {
		_, by := t.first(q)
		return by == t.subject
	})
}

// take keeps a way, unless known ones by the same right give all that it does. A role
// may give rights over some names besides.
func (t *taker) take(r Right, namespace string, rights Rights, role *Role, asks []ask) {
	known := t.found[scopedRight{r, namespace}] | t.found[scopedRight{r, inCluster}]
	if namespace != inCluster {
		known |= t.found[scopedRight{r, AnyNamespace}]
	}
	if known&rights == rights && (known == everything || !role.hasNamed() || t.takes(r, namespace, role)) {
		return
	}
	if t.found == nil {
		t.found = map[scopedRight]Rights{}
	}
	t.found[scopedRight{r, namespace}] |= rights
	t.ways = append(t.ways, way{r, namespace, rights, role, asks})
}

// takes reports whether a way to a role is known.
func (t *taker) takes(r Right, namespace string, role *Role) bool {
	return slices.ContainsFunc(t.ways, func(w way) bool {
		return w.right == r && w.role == role && (w.namespace == namespace || w.namespace == inCluster || w.namespace == AnyNamespace)
	})
}

func (r *Role) hasNamed() bool {
	if r == nil {
		return false
	}
	list, _ := r.Named()
	return len(list) > 0
}

// done reports whether no further way by a right can lead anywhere.
func (t *taker) done(r Right) bool {
	return t.found[scopedRight{r, inCluster}] == everything
}

// takeovers proves ways.
func (t *taker) takeovers(ways []way) []Takeover {
	all := make([]Takeover, len(ways))
	for i, w := range ways {
		all[i] = Takeover{w.right, w.namespace, w.rights, w.role, make([]Proof, 0, len(w.asks))}
		for _, q := range w.asks {
			at, by := t.first(q)
			b := Binding{t.x.a, at}
			request := q.request()
			source, rule, _ := request.finder().In(b.Role())
			all[i].Proofs = append(all[i].Proofs, Proof{by, b, source, rule})
		}
	}
	return all
}

// Alone returns the rights that a role gives by itself to who is bound to it and to
// nothing else, those included that its rights make together: in the whole cluster,
// or in a namespace where that is not "".
func (a *Analysis) Alone(role *Role, namespace string) Rights {
	rights := role.Rights(namespace == "").Complete() &^ ByRoles
	if rights.Has(WildcardAll) {
		return rights | ByRoles
	}
	t := taker{x: a.powers(), own: &powers{}}
	t.own.add(t.x, role, namespace, 0)
	if !t.reshapes() {
		return rights
	}
	t.rewriteBound(role.resource(), role.RoleName, role, namespace, true)
	t.scopes()
	for _, way := range t.ways {
		if way.rights == everything {
			rights |= 1 << way.right
		}
	}
	return rights
}

// resource returns the resource of the RBAC API that a role is of.
func (r *Role) resource() powerResource { return resourceOf(r.Kind()) }

// resourceOf returns the resource of roles of a kind.
func resourceOf(kind string) powerResource {
	if kind == model.RoleKind.Kind {
		return onRoles
	}
	return onClusterRoles
}

func everywhere(scope string) string {
	if scope == inCluster {
		return AnyNamespace
	}
	return scope
}
