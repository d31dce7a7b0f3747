package access

import (
	"slices"
	"strings"
	"sync"
)

// Granted is a subject once it has gone ways to rights that it does not hold. The
// Analysis of [Analysis.Granting] answers about it as about any subject: it has what
// its base has, and the roles of the ways.
type Granted struct {
	Subject Subject // stands for it; of no kind that the API server knows
	Base    Subject // who goes the ways; it may be a Granted itself
	Ways    []Takeover
	Parts   []Subject // where there are several ways, the Granted of each
}

const kindGranted = "Granted"

// Bounds of what is looked at of subjects that give themselves rights, and then more.
const (
	mostGranted = 1 << 14
	grantSteps  = 3
)

// grants are what an Analysis knows of subjects that have given themselves rights.
type grants struct {
	list       []Granted
	ids        map[Subject]int32
	subject    int32            // id of the first
	binding    int32            // position of the first binding that they would make
	namespaces map[string]int32 // of these bindings
	anything   int32            // a role of every right, or none
	more       bool             // there are more than are looked at
}

// Granting returns an Analysis that knows also what subjects hold once they have given
// themselves rights. Where nobody can that is this one.
func (a *Analysis) Granting() *Analysis { return a.granting() }

// Granted returns the subjects that have given themselves rights, each behind its base
// and its parts. more says that there are more than are looked at.
func (a *Analysis) Granted() (list []Granted, more bool) {
	if a.grants == nil {
		return nil, false
	}
	return a.grants.list, a.grants.more
}

// Base returns who has given itself rights, where the subject stands for one that has,
// else the subject itself.
func (a *Analysis) Base(s Subject) Subject {
	for s.Granted() {
		s = a.grantedBy(s).Base
	}
	return s
}

// WaysOf returns the ways that a subject has gone that has given itself rights.
func (a *Analysis) WaysOf(s Subject) []Takeover {
	if a.grants.id(s) == none {
		return nil
	}
	return a.grantedBy(s).Ways
}

// Granted reports whether the subject stands for one that has given itself rights.
func (s Subject) Granted() bool { return s.Kind == kindGranted }

func (g *grants) id(s Subject) int32 {
	if g != nil {
		if id, ok := g.ids[s]; ok {
			return id
		}
	}
	return none
}

func (a *Analysis) grantedBy(s Subject) *Granted {
	return &a.grants.list[a.grants.ids[s]-a.grants.subject]
}

// grow goes the ways of subjects, and those that open then.
func (a *Analysis) grow() *Analysis {
	var next []Granted
	for s, ways := range a.Takeovers() {
		next = append(next, a.branch(s, ways)...)
	}
	at := a
	for step := 0; len(next) > 0 && step < grantSteps && !(step > 0 && at.grants.more); step++ {
		at = at.with(next)
		next = at.beyond(len(next))
	}
	if len(next) > 0 {
		at.grants.more = true
	}
	return at
}

// branch returns what a subject is by each of some ways to roles that it does not
// have, and by all where they may give something together.
func (a *Analysis) branch(s Subject, ways []Takeover) []Granted {
	var all []Granted
	whole := Granted{Subject: Subject{Kind: kindGranted, Name: s.String() + " by all ways"}, Base: s}
	type held struct{ role, namespace string }
	has := map[held]bool{}
	for b := range a.Bindings(s) {
		has[held{roleText(b.Role()), b.Namespace()}] = true
	}
	seen, known, together := map[string]bool{}, map[Subject]bool{}, false
	for _, w := range ways {
		if role := roleText(w.Role); w.Role != nil && (has[held{role, inCluster}] || has[held{role, w.Namespace}]) {
			continue
		}
		g := Granted{Subject: Subject{Kind: kindGranted, Name: s.String() + " by " + roleText(w.Role) + " in " + w.Namespace}, Base: s, Ways: []Takeover{w}}
		if known[g.Subject] {
			continue
		}
		known[g.Subject] = true
		all = append(all, g)
		if w.Administers() {
			continue
		}
		wide := w.Namespace == inCluster || w.Namespace == AnyNamespace
		together = together || len(seen) > 0 && (wide || seen[w.Namespace] || seen[inCluster] || seen[AnyNamespace])
		seen[w.Namespace] = true
		whole.Ways, whole.Parts = append(whole.Ways, w), append(whole.Parts, g.Subject)
	}
	if together {
		all = append(all, whole)
	}
	return all
}

// roleText names the role of a way.
func roleText(r *Role) string {
	if r == nil {
		return "any role"
	}
	return r.Kind() + " " + strings.TrimPrefix(r.Namespace+"/"+r.Name, "/")
}

// with returns the Analysis with further subjects. What it adds to lists is behind
// what this one has.
func (a *Analysis) with(next []Granted) *Analysis {
	at := *a
	at.grants = &grants{ids: map[Subject]int32{}, subject: int32(len(a.subjects)), binding: int32(len(a.bindings)), namespaces: map[string]int32{}, anything: none}
	if a.grants != nil {
		*at.grants = *a.grants
	}
	at.grants.list = slices.Clip(at.grants.list)
	at.subjects, at.bindings, at.holders, at.namespaces = slices.Clip(a.subjects), slices.Clip(a.bindings), slices.Clip(a.holders), slices.Clip(a.namespaces)
	at.held, at.heldStart, at.cluster = slices.Clip(a.held), slices.Clip(a.heldStart), slices.Clip(a.cluster)
	at.scoped, at.scopedStart, at.roles = slices.Clip(a.scoped), slices.Clip(a.scopedStart), slices.Clip(a.roles)
	at.lookups = &lookups{} // numbers of subjects that are made mean others elsewhere
	made := map[Subject]int32{}
	for _, n := range next {
		if len(at.grants.list) == mostGranted {
			at.grants.more = true
			break
		}
		at.grant(n, made)
	}
	at.byRole = sync.OnceValue(at.indexRoles)
	at.powers = sync.OnceValue(func() *powerIndex {
		x := *a.powers()
		x.a = &at
		return &x
	})
	at.granting = func() *Analysis { return &at }
	return &at
}

// grant adds a subject, and the bindings that it makes.
func (a *Analysis) grant(n Granted, made map[Subject]int32) {
	id := int32(len(a.subjects))
	a.grants.ids[n.Subject] = id
	a.grants.list = append(a.grants.list, n)
	a.subjects = append(a.subjects, subject{n.Subject.Name, 0, granted})
	var h Held
	for i := range n.Ways {
		w := &n.Ways[i]
		at := int32(len(a.bindings))
		if len(n.Parts) > 0 {
			at = made[n.Parts[i]]
		} else {
			b := binding{namespace: a.grantNamespace(w.Namespace), role: a.grantRole(w), first: int32(len(a.holders))}
			b.last = b.first + 1
			a.bindings, a.holders = append(a.bindings, b), append(a.holders, id)
			made[n.Subject] = at
		}
		a.held = append(a.held, at)
		h.add(a.roles[a.bindings[at].role].givesIn(w.Namespace))
	}
	slices.Sort(a.held[a.heldStart[id]:])
	a.heldStart = append(a.heldStart, int32(len(a.held)))
	a.cluster = append(a.cluster, h.Cluster)
	a.scoped = append(a.scoped, h.Namespaces...)
	a.scopedStart = append(a.scopedStart, int32(len(a.scoped)))
}

// givesIn returns the rights that a role gives where a binding holds.
func (r *Role) givesIn(namespace string) Held {
	switch namespace {
	case inCluster:
		return Held{Cluster: r.gives.cluster}
	case AnyNamespace: // every right in namespaces is not every right
		return Held{Cluster: r.gives.namespaced &^ (1 << WildcardAll)}
	}
	return Held{Namespaces: []Scoped{{namespace, r.gives.namespaced}}}
}

func (a *Analysis) grantNamespace(name string) int32 {
	if name == inCluster {
		return 0
	}
	id, ok := a.grants.namespaces[name]
	if !ok {
		id = int32(len(a.namespaces))
		a.grants.namespaces[name] = id
		a.namespaces = append(a.namespaces, name)
	}
	return id
}

// grantRole returns the position of the role of a way. Into which the subject writes
// what it likes, for that stands a role without a name that gives every right.
func (a *Analysis) grantRole(w *Takeover) int32 {
	if w.Role != nil {
		return w.Role.id
	}
	if a.grants.anything == none {
		all := builtinRoles()[slices.IndexFunc(builtins, func(b builtin) bool { return b.name == clusterAdmin })]
		all.Name, all.id = "", int32(len(a.roles))
		a.grants.anything = all.id
		a.roles = append(a.roles, all)
	}
	return a.grants.anything
}

// beyond returns what the last subjects may give themselves and their bases may not.
func (a *Analysis) beyond(last int) []Granted {
	var next []Granted
	list := a.grants.list
	for _, g := range list[max(0, len(list)-last):] {
		if slices.ContainsFunc(g.Ways, func(w Takeover) bool { return w.Rights == everything }) {
			continue
		}
		t := a.takerOf(g)
		if t.reshapes() {
			t.look()
			next = append(next, a.branch(g.Subject, t.takeovers(t.ways))...)
		}
	}
	return next
}

// takerOf looks for ways of a subject that has given itself rights. What its bases
// have is as what groups have: a way of its own takes a role that it got.
func (a *Analysis) takerOf(g Granted) *taker {
	x := a.powers()
	t := &taker{x: x, subject: g.Subject, own: x.powers(a.id(g.Subject))}
	add := func(s Subject) {
		if id := a.id(s); id != none {
			t.groups, t.groupNames = append(t.groups, x.powers(id)), append(t.groupNames, s)
		}
	}
	base := g.Base
	for ; base.Granted(); base = a.grantedBy(base).Base {
		add(base)
	}
	add(base)
	for group := range base.Groups() {
		add(group)
	}
	return t
}

// Administers reports whether the way leads to every right in the cluster.
func (w *Takeover) Administers() bool { return w.Namespace == inCluster && w.Rights == everything }

// made reports whether the binding is one that a subject would make.
func (a *Analysis) made(binding int32) bool { return a.grants != nil && binding >= a.grants.binding }

// Made reports whether the binding is none of the input: somebody who gives itself
// rights makes it, or joins one.
func (b Binding) Made() bool { return b.a.made(b.id) }
