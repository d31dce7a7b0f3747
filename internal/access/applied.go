package access

import (
	"iter"
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// What nothing allows to create without a name, who may create and patch it by its
// name makes by apply. These may be two rules.

// eachRight calls give for each right that a rule of a list gives, by itself or,
// for some names, with others of the list; and wait for those that it gives with
// rules of other roles only.
func eachRight(rules *tree.Node, give, wait func(Rule, given)) {
	var others applier
	for i := range rules.Children() {
		rule := Rule{rules.At(i)}
		rule.rights(func(g given) {
			if g.unapplied {
				if others.rules == nil {
					others = applier{rules, map[appliedTo]*patchable{}}
				}
				var waiting []string
				if g.some, waiting = others.names(rule, g.need); len(waiting) > 0 {
					waits := g
					waits.some = waiting
					wait(rule, waits)
				}
				if len(g.some) == 0 {
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

// names returns those of a rule's names that may be patched, and the others.
func (a *applier) names(rule Rule, n *need) (names, others []string) {
	to := appliedTo{n.group, n.resource}
	if a.found[to] == nil {
		a.found[to] = a.patchable(to)
	}
	for i := range rule.Node.Get("resourceNames").Children() {
		name := rule.Node.Get("resourceNames").At(i)
		if p := a.found[to]; p.all || p.names[name.Hash()] {
			names = append(names, name.Str())
		} else {
			others = append(others, name.Str())
		}
	}
	return names, others
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

// AppliedRight is a right over objects of some names only, which a subject makes by
// apply: one role allows to create them, another to patch them.
type AppliedRight struct {
	Named
	Namespace string  // "" for the whole cluster
	Proofs    []Proof // of both
}

// Applied yields the rights that subjects have over some names by two roles, one of
// which binds the subject by its name and allows to create them, as far as that is
// written in the role itself. What one role gives, [Analysis.Restricted] yields.
func (a *Analysis) Applied() iter.Seq2[Subject, AppliedRight] {
	return func(yield func(Subject, AppliedRight) bool) {
		for b := range a.All() {
			role := b.Role()
			if role == nil || len(role.own.waiting) == 0 {
				continue
			}
			for _, s := range b.Subjects() {
				for i := range role.own.waiting {
					w := &role.own.waiting[i]
					for _, n := range a.apply(s, b, w) {
						n.Proofs = append([]Proof{{s, b, role, w.rule}}, n.Proofs...)
						if !yield(s, n) {
							return
						}
					}
				}
			}
		}
	}
}

// apply returns where a subject may patch which of the names that a binding allows it
// to create: in the scope of the binding, and otherwise in the namespaces of others.
func (a *Analysis) apply(s Subject, b Binding, w *waiting) []AppliedRight {
	if w.cluster && b.Namespace() != inCluster {
		return nil
	}
	scopes := []string{b.Namespace()}
	if b.Namespace() == inCluster && !w.cluster {
		seen := map[string]bool{inCluster: true}
		for other := range a.Bindings(s) {
			if namespace := other.Namespace(); !seen[namespace] {
				seen[namespace] = true
				scopes = append(scopes, namespace)
			}
		}
	}
	var all []AppliedRight
	everywhere := map[string]bool{} // patched in the whole cluster
	for _, scope := range scopes {
		n := AppliedRight{Named: w.Named, Namespace: scope}
		n.Names = nil
		for _, name := range w.Names {
			q := Request{Verb: "patch", Group: w.group, Resource: w.Resource, Namespace: scope, Name: name}
			if everywhere[name] {
				continue
			}
			if proof, ok := a.Allows(s, &q); ok && proof != nil {
				everywhere[name] = scope == inCluster
				n.Names, n.Proofs = append(n.Names, name), append(n.Proofs, *proof)
			}
		}
		n.Proofs = slices.Compact(n.Proofs)
		if len(n.Names) > 0 {
			all = append(all, n)
		}
	}
	return all
}
