package policy

import (
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// scope says how long what a path starts from stays the same. The items of a
// subject's levels have scopes from itemScope on, by depth.
type scope int

const (
	objectScope scope = iota
	podScope
	itemScope
)

// input is a path of footprints that start from the same variable: its digest is
// made once for all the groups of rules that read it.
type input struct {
	Access
	scope  scope
	serial int // in digests
}

// digest is that of what stood at an input when its scope was bound at that time.
type digest struct{ at, hash uint64 }

// inputs finds the inputs of a footprint for a subject, making those that are
// new. Call with the engine's lock held.
func (e *Engine) inputs(fp Footprint, s *Subject) []*input {
	var all []*input
	for _, a := range fp {
		in := input{Access: a, scope: s.scope(a.Root)}
		key := inputKey{in.scope, a.String()}
		if e.known[key] == nil {
			in.serial = len(e.known)
			e.known[key] = &in
		}
		all = append(all, e.known[key])
	}
	return all
}

type inputKey struct {
	scope
	access string
}

// scope returns that of a variable.
func (s *Subject) scope(root string) scope {
	switch root {
	case "podSpec", "podMetadata", "containers", "related":
		return podScope
	}
	if root == imageName && s.Image {
		return itemScope // it is the container's
	}
	names := s.variables()
	if i := slices.Index(names, root); i >= 0 {
		return itemScope + scope(i)
	}
	return objectScope
}

// bind notes that what a scope stands for changes now.
func (f *frame) bind(s scope) {
	for len(f.bindAt) <= int(s) {
		f.bindAt = append(f.bindAt, 0)
	}
	f.clock++
	f.bindAt[s] = f.clock
}

// hash digests all that the inputs lead to.
func (f *frame) hash(inputs []*input) uint64 {
	h := uint64(len(inputs))
	for _, in := range inputs {
		for len(f.digests) <= in.serial {
			f.digests = append(f.digests, digest{})
		}
		d := &f.digests[in.serial]
		if at := f.bindAt[in.scope]; d.at != at {
			*d = digest{at, f.digest(in)}
		}
		h = tree.Mix(h, d.hash)
	}
	return h
}

// digest hashes what an input leads to.
func (f *frame) digest(in *input) uint64 {
	switch in.Root {
	case "object":
		return hash(f.object.Root, in.Steps)
	case "podSpec":
		return hash(f.pod.Spec, in.Steps)
	case "podMetadata":
		return hash(f.pod.Metadata, in.Steps)
	case "namespaceObject":
		return hash(f.facts.Namespace(f.object), in.Steps)
	case "related":
		return hash(f.fact(in.Steps[0]), in.Steps[1:])
	case imageName:
		return hash(f.image(), in.Steps)
	case "request":
		return hash(f.request, in.Steps)
	case "oldObject":
		return hash(f.request.Get("operation"), in.Steps[:0])
	case "authorizer", "authorizer.requestResource":
		return f.request.Hash()
	case "containers":
		h := uint64(0)
		for _, list := range model.ContainerLists {
			h = tree.Mix(h, hash(f.pod.Spec.Get(list), in.Steps))
		}
		return h
	}
	if in.scope >= itemScope {
		return hash(f.bound[in.scope-itemScope].node, in.Steps)
	}
	return hash(nil, in.Steps) // constant for a rule: params
}
