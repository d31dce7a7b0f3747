package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// Policies refuse a dangerous pod as long as they are there.

const (
	validatingPolicies = "validatingadmissionpolicies"
	validatingBindings = "validatingadmissionpolicybindings"
)

// dropVerbs are those by which somebody takes a policy, or its binding, out of the way.
var dropVerbs = []string{"delete", "update", "patch", "deletecollection"}

// dropping leads from who may take admission policies away, and start pods, to the
// nodes, in namespaces where these policies refuse dangerous ones.
func (b *builder) dropping(plain func() *guards) {
	known := map[string]*guards{}
	for _, v := range b.droppers {
		s := b.accounts[b.vertices[v].at]
		policies, proofs := b.drops(s)
		if len(policies) == 0 {
			continue
		}
		key := strings.Join(policies, "\n")
		if known[key] == nil {
			known[key] = b.newGuards(policies...)
		}
		best, in := Given, ""
		held := b.access.Rights(s)
		for ns, name := range b.namespaces {
			if held.In(name)&runs == 0 {
				continue
			}
			with, without := plain().judgeAs(int32(ns), s).certainty, known[key].judgeAs(int32(ns), s).certainty
			if without != Given && (with == Given || without < with) && (best == Given || without < best) {
				best, in = without, name
			}
		}
		if best == Given {
			continue
		}
		for _, right := range (held.In(in) & runs).All() {
			if p, ok := b.access.Prove(s, right, in); ok {
				proofs = append(proofs, p)
				break
			}
		}
		b.proven(v, b.anyNode(), DropPolicies, best, proofs)
	}
}

// drops returns the names of the validating admission policies that a subject may take
// out of the way, itself or all its bindings, in order, and what proves it.
func (b *builder) drops(s access.Subject) (policies []string, proofs []access.Proof) {
	may := func(resource, name string) []access.Proof {
		p, _ := b.asked(s, access.Request{Group: admissionGroup, Resource: resource, Name: name}, dropVerbs...)
		return p
	}
	for o := range b.snapshot.Kind(model.PolicyKind) {
		p := may(validatingPolicies, o.Key.Name)
		if p == nil {
			p = b.dropsBindings(o.Key.Name, may)
		}
		if p != nil {
			policies = append(policies, o.Key.Name)
			proofs = append(proofs, p...)
		}
	}
	slices.Sort(policies)
	return policies, proofs
}

// dropsBindings returns what proves that all bindings of a policy may be taken out of
// the way, or nil.
func (b *builder) dropsBindings(policy string, may func(resource, name string) []access.Proof) []access.Proof {
	var all []access.Proof
	for o := range b.snapshot.Kind(model.PolicyBindingKind) {
		if o.Root.Get("spec").Get("policyName").Str() != policy {
			continue
		}
		p := may(validatingBindings, o.Key.Name)
		if p == nil {
			return nil
		}
		all = append(all, p...)
	}
	return all
}
