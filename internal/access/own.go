package access

import (
	"iter"
	"slices"
)

// Own are the rights of a subject by bindings that name it, and what these make
// together with those of its groups.
type Own struct {
	Held
	Inherited Rights // what its groups have in the whole cluster
}

// Own yields the subjects that bindings name, each once. With what it yields for
// the groups, that is all that [Analysis.Rights] has, and nothing of a group is
// repeated for its members, nor of who has given itself rights what it has without.
func (a *Analysis) Own() iter.Seq2[Subject, Own] {
	return func(yield func(Subject, Own) bool) {
		groups := map[string]*shared{} // by the last of a subject's groups, which tells the others
		everybody := newShared(a.everybody)
		for id := range a.subjects {
			s := a.subject(int32(id))
			of := everybody
			if s.Granted() {
				of = newShared(a.Rights(a.grantedBy(s).Base))
			} else if s.Kind != kindAccount || a.accountsIn[a.subjects[id].namespace] != none {
				names, last := groupsOf(s), ""
				if len(names) > 0 {
					last = names[len(names)-1]
				}
				if of = groups[last]; of == nil {
					of = newShared(a.members(names...))
					groups[last] = of
				}
			}
			own := of.with(a.own(int32(id)))
			if s.Granted() {
				own = a.whole(s, of, own)
			}
			if !yield(s, Own{own, of.Cluster}) {
				return
			}
		}
	}
}

// whole takes out of what ways give what the subject has without them, and what one of
// several ways gives.
func (a *Analysis) whole(s Subject, of *shared, own Held) Held {
	all := []Held{of.Held}
	for _, part := range a.grantedBy(s).Parts {
		all = append(all, of.with(a.own(a.id(part))))
	}
	whole := own
	own.Namespaces = slices.Clone(own.Namespaces)
	for i := range own.Namespaces {
		own.Namespaces[i].Rights = whole.In(own.Namespaces[i].Namespace)
	}
	for _, h := range all {
		own.Cluster &^= h.Cluster
		for i := range own.Namespaces {
			own.Namespaces[i].Rights &^= h.In(own.Namespaces[i].Namespace)
		}
	}
	own.Namespaces = slices.DeleteFunc(own.Namespaces, func(in Scoped) bool { return in.Rights == 0 })
	return own
}

// shared are the rights of a subject's groups.
type shared struct {
	Held
	all Rights // in the whole cluster or in some namespace
}

func newShared(h Held) *shared {
	g := &shared{h, h.Cluster}
	for _, scoped := range h.Namespaces {
		g.all |= scoped.Rights
	}
	return g
}

// with returns rights of a member, and what they make together with these.
func (g *shared) with(own Held) Held {
	h := Held{Cluster: (own.Cluster | more(own.Cluster, g.Cluster)).Complete(), Namespaces: own.Namespaces}
	var together []Scoped
	add := func(namespace string, own, others Rights) {
		if r := more(own, others) &^ h.Cluster; r != 0 {
			together = append(together, Scoped{namespace, r})
		}
	}
	for _, scoped := range own.Namespaces {
		if rights := own.Cluster | scoped.Rights; g.mixes(rights) {
			add(scoped.Namespace, rights, g.In(scoped.Namespace))
		}
	}
	h.Namespaces, together = merge(h.Namespaces, together), nil
	if g.mixes(own.Cluster) {
		for _, scoped := range g.Namespaces {
			add(scoped.Namespace, own.Cluster, g.Cluster|scoped.Rights)
		}
	}
	h.Namespaces = merge(h.Namespaces, together)
	return h
}

// more returns what some rights make together with others, and others alone do not.
func more(own, others Rights) Rights {
	return (own | others).Complete() &^ others.Complete() &^ own
}

// mixes reports whether some rights may make others together with those of the
// groups: each has a part.
func (g *shared) mixes(own Rights) bool {
	for _, r := range ((own | g.all).Complete() & Combined).All() {
		has, lacks := false, false
		for _, any := range r.Together() {
			has, lacks = has || own&any != 0, lacks || own&any == 0
		}
		if has && lacks {
			return true
		}
	}
	return false
}
