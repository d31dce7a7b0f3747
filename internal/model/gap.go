package model

import (
	"iter"
	"maps"
	"slices"
)

// Gap is a kind of which a closed snapshot may lack objects all the same: a
// cluster did not let them be read.
type Gap struct {
	// Kind of the objects. Without a Kind it is all kinds of the Group.
	Kind GroupKind
	// Except are namespaces of which the snapshot has all objects of the kind.
	Except []string
	Reason string // a clause, such as "secrets may not be listed"
	// Resource is the plural of the kind where it is known, such as secrets.
	Resource string
	// Told says that a problem of its own tells of the gap.
	Told bool
}

// Holds reports whether the gap is in a kind.
func (g *Gap) Holds(gk GroupKind) bool {
	return g.Kind == gk || g.Kind == GroupKind{Group: gk.Group}
}

func byKind(gaps []Gap) map[GroupKind]*Gap {
	index := make(map[GroupKind]*Gap, len(gaps))
	for i := range gaps {
		if g := &gaps[i]; index[g.Kind] == nil {
			index[g.Kind] = g
		}
	}
	return index
}

// Complete reports whether the snapshot holds all objects that there are of the
// kinds in a namespace, so that what it lacks does not exist. The namespace ""
// means all of the cluster; it is also that of cluster-scoped kinds.
func (s *Snapshot) Complete(namespace string, kinds ...GroupKind) bool {
	return s.Closed && s.Gap(namespace, kinds...) == nil
}

// Gap returns the first gap in the kinds, or nil, whether or not the snapshot is
// closed. For the namespace see [Snapshot.Complete].
func (s *Snapshot) Gap(namespace string, kinds ...GroupKind) *Gap {
	if len(s.gaps) == 0 {
		return nil
	}
	for _, gk := range kinds {
		for _, at := range []GroupKind{gk, {Group: gk.Group}} {
			if g := s.gaps[at]; g != nil && g.In(namespace) {
				return g
			}
		}
	}
	return nil
}

// Gaps yields all gaps, by kind.
func (s *Snapshot) Gaps() iter.Seq[*Gap] {
	return func(yield func(*Gap) bool) {
		kinds := slices.SortedFunc(maps.Keys(s.gaps), func(a, b GroupKind) int { return Key{GroupKind: a}.Compare(Key{GroupKind: b}) })
		for _, gk := range kinds {
			if !yield(s.gaps[gk]) {
				return
			}
		}
	}
}

// In reports whether objects of a namespace may be missing. For the namespace see
// [Snapshot.Complete].
func (g *Gap) In(namespace string) bool {
	return namespace == "" || !slices.Contains(g.Except, namespace)
}
