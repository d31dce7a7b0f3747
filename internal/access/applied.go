package access

import (
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// What nothing allows to create without a name, who may create and patch it by its
// name makes by apply. These may be two rules.

// eachRight calls give for each right that a rule of a list gives, by itself or,
// for some names, with others of the list.
func eachRight(rules *tree.Node, give func(Rule, given)) {
	var others applier
	for i := range rules.Children() {
		rule := Rule{rules.At(i)}
		rule.rights(func(g given) {
			if g.unapplied {
				if others.rules == nil {
					others = applier{rules, map[appliedTo]*patchable{}}
				}
				if g.some = others.names(rule, g.need); len(g.some) == 0 {
					return
				}
			}
			give(rule, g)
		})
	}
}

// names returns the names for which a rule gives the right, where it does not for
// all.
func (g *given) names(rule Rule) []string {
	if g.unapplied {
		return g.some
	}
	return rule.Names()
}

// hashOf tells lists of names apart.
func (g *given) hashOf(rule Rule) uint64 {
	names := rule.Node.Get("resourceNames")
	if !g.unapplied || len(g.some) == names.Len() {
		return names.Hash()
	}
	hash := emptyHash
	for _, name := range g.some {
		hash = tree.Mix(hash, hashOf(name))
	}
	return hash
}

// applier finds the names that rules allow to patch. It looks at each rule once for
// each resource that a right allows to create.
type applier struct {
	rules *tree.Node
	found map[appliedTo]*patchable
}

type appliedTo struct {
	group    uint64
	resource string
}

// patchable are names that may be patched.
type patchable struct {
	all   bool
	names map[uint64]bool
}

// names returns those of a rule's names that may be patched.
func (a *applier) names(rule Rule, n *need) []string {
	to := appliedTo{n.group, n.resource}
	if a.found[to] == nil {
		a.found[to] = a.patchable(to)
	}
	var names []string
	for i := range rule.Node.Get("resourceNames").Children() {
		name := rule.Node.Get("resourceNames").At(i)
		if p := a.found[to]; p.all || p.names[name.Hash()] {
			names = append(names, name.Str())
		}
	}
	return names
}

func (a *applier) patchable(to appliedTo) *patchable {
	p, resource, patch := &patchable{names: map[uint64]bool{}}, hashOf(to.resource), hashOf("patch")
	in := func(list *tree.Node, hash uint64) bool {
		return slices.ContainsFunc(list.Children(), func(n tree.Node) bool { return n.Hash() == hash || n.Hash() == star })
	}
	for i := range a.rules.Children() {
		rule := a.rules.At(i)
		if !in(rule.Get("verbs"), patch) || !in(rule.Get("apiGroups"), to.group) || !in(rule.Get("resources"), resource) {
			continue
		}
		names := rule.Get("resourceNames").Children()
		p.all = p.all || len(names) == 0
		for j := range names {
			p.names[names[j].Hash()] = true
		}
	}
	return p
}
