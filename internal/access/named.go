package access

import (
	"slices"
)

// Named is a right over objects of some names only.
type Named struct {
	Right    Right
	Resource string   // such as secrets
	Names    []string // as written in the rule
	cluster  bool     // means nothing in a grant for one namespace
	hash     uint64   // of Names
}

// namedKey tells rights over some names apart.
type namedKey struct {
	right    Right
	resource string
	names    uint64
}

func (n *Named) key() namedKey { return namedKey{n.Right, n.Resource, n.hash} }

// namedRights are rights over some names and the roles that they are written in,
// as far as they are listed.
type namedRights struct {
	list []namedFrom
	more Rights // over more names than are listed
}

type namedFrom struct {
	Named
	role *Role
}

// named returns the rights over objects of some names only that come by the
// component, in the order of roles by name, at most MaxNamed for each right.
func (c *component) named() namedRights {
	return c.names.get(func() namedRights {
		var all namedRights
		for _, r := range c.roles {
			for _, n := range r.own.named {
				all.list = append(all.list, namedFrom{n, r})
			}
		}
		for _, other := range c.next {
			of := other.named()
			all.list = append(all.list, of.list...)
			all.more |= of.more
		}
		slices.SortStableFunc(all.list, func(x, y namedFrom) int { return compareRoles(x.role, y.role) })
		var count [rightCount]int
		seen := map[namedKey]bool{}
		all.list = slices.Clip(slices.DeleteFunc(all.list, func(n namedFrom) bool {
			if seen[n.key()] {
				return true
			}
			seen[n.key()] = true
			if count[n.Right]++; count[n.Right] > MaxNamed {
				all.more |= 1 << n.Right
			}
			return count[n.Right] > MaxNamed
		}))
		return all
	})
}

// Named returns the rights over objects of some names only that the role gives:
// all that are written in it, and some of those that come by aggregation, at most
// MaxNamed for each right. more are the rights that it gives over more names.
func (r *Role) Named() (list []Named, more Rights) {
	if r.component == nil {
		return r.own.named, 0
	}
	seen := map[namedKey]bool{}
	for _, n := range r.own.named {
		seen[n.key()] = true
		list = append(list, n)
	}
	by := r.component.named()
	for _, n := range by.list {
		if !seen[n.key()] {
			seen[n.key()] = true
			list = append(list, n.Named)
		}
	}
	return list, by.more
}
