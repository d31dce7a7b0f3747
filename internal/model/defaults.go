package model

import (
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// applyDefaults completes the tree with what the API server of Kubernetes 1.37
// would fill in. Filled-in values have the style Implied. A written value stays
// as it is, unless the server takes it for absent (null, and for most fields
// also "" and 0) or overrides it: then the implied value takes its place and
// keeps its position.
//
// Completed are the kinds that policies and analyses read. Not completed are:
// status, which controllers write and the server drops on creation; parts that
// the object must have and lacks, for the server refuses the object; quantities
// finer than a thousandth, which the server rounds up; empty lists and maps
// that mean the same as none; certificate requests, device claims, pod groups
// and flow control.
func applyDefaults(o *Object) {
	completeSpec(o)
	root, spec := o.Root, o.Root.Get("spec")
	switch o.Key.Group {
	case "":
		completeCore(root, spec, o.Key.Kind)
	case "apps", "extensions":
		completeApps(o, spec)
	case "batch":
		completeBatch(root, spec, o.Key.Kind)
	case "autoscaling":
		completeAutoscaler(spec, o.APIVersion)
	case "networking.k8s.io":
		completeNetworking(spec, o.Key.Kind, o.APIVersion)
	case "rbac.authorization.k8s.io":
		completeBinding(root, o.Key.Kind, o.APIVersion)
	case "admissionregistration.k8s.io":
		completeAdmission(root, spec, o.Key.Kind, o.APIVersion)
	case "storage.k8s.io":
		completeStorage(root, spec, o.Key.Kind)
	case "discovery.k8s.io":
		if o.Key.Kind == "EndpointSlice" {
			completeEach(root.Get("ports"), endpointPortDefaults)
		}
	case "scheduling.k8s.io":
		if o.Key.Kind == "PriorityClass" {
			complete(root, priorityClassDefaults)
		}
	}
}

var specDefault = []field{optional("spec", map[string]any{})}

// completeSpec gives an object an empty spec if its kind has one: the server
// cannot tell it from none. Workloads must have theirs.
func completeSpec(o *Object) {
	if t := builtin.lookup(o.APIVersion, o.Key.Kind); t == nil || o.Key.PodSpecPath() != nil {
		return
	} else if spec := t.fields["spec"]; spec != nil && spec.shape == shapeObject {
		complete(o.Root, specDefault)
	}
}

// field is the default of one field of a map. The node is sealed, so that all
// trees can share what is below it.
type field struct {
	node tree.Node
	// zero says that the server cannot tell "", 0 and false from absent: the
	// field is not a pointer in Go.
	zero bool
}

// optional is the default of a field that holds whatever is written, if it is
// not null.
func optional(key string, value any) field { return field{node: implied(key, value)} }

// nonZero is the default of a field that counts as absent when it is "" or 0.
func nonZero(key string, value any) field { return field{node: implied(key, value), zero: true} }

func implied(key string, value any) tree.Node {
	n := tree.Defaulted(tree.Entry(key, value))
	n.Seal()
	return n
}

// absentIn reports whether the server takes n for absent.
func (f *field) absentIn(n *tree.Node) bool {
	switch n.Kind() {
	case tree.Null:
		return true
	case tree.String:
		return f.zero && n.Str() == ""
	case tree.Int:
		return f.zero && n.Text() == "0"
	}
	return false
}

// complete gives a map the defaults that it lacks. Pointers to its entries
// taken before are invalid afterwards.
func complete(n *tree.Node, defaults []field) {
	if !n.Is(tree.Map) {
		return
	}
	var missing uint32 // bits; no list has more than 32 entries
	count := 0
	for i := range defaults {
		f := &defaults[i]
		switch written := n.Get(f.node.Key()); {
		case written == nil:
			missing |= 1 << i
			count++
		case f.absentIn(written):
			written.Replace(f.node)
		}
	}
	if count == 0 {
		return
	}
	n.Grow(count)
	for i := range defaults {
		if missing&(1<<i) != 0 {
			n.Add(defaults[i].node.Key(), defaults[i].node)
		}
	}
}

// completeEach completes the maps of a list.
func completeEach(list *tree.Node, defaults []field) {
	items := list.Children()
	for i := range items {
		complete(&items[i], defaults)
	}
}

// set gives a map a value, whatever was written.
func set(n *tree.Node, key string, value tree.Node) {
	if written := n.Get(key); written != nil {
		written.Replace(value)
	} else if n.Is(tree.Map) {
		n.Add(key, value)
	}
}

// emptyChild reports whether a map lacks an entry, or it is null or has
// nothing in it.
func emptyChild(n *tree.Node, key string) bool {
	c := n.Get(key)
	return c.Kind() == tree.Null || c.Len() == 0 && (c.Is(tree.Map) || c.Is(tree.List))
}

// list makes a list value for a default.
func list(items ...string) tree.Node { return tree.Of(slices.Clip(items)) }
