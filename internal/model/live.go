package model

import (
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// Live is what the maker of an object of a cluster knows beside its tree.
type Live struct {
	Cluster string
	// Resource is [Object.Resource].
	Resource string
	// Credentials that were taken out of the tree before, when it was saved.
	Credentials []Credential
	// Interner shares the tree's memory with other objects; it must be set.
	Interner *tree.Interner
}

// NewLiveObject makes an object of what a cluster returned, as [NewObject] does
// of a document. The tree has no positions. The object holds no memory of the
// text that the tree was made of.
func NewLiveObject(root *tree.Node, l Live) (*Object, error) {
	metadata := root.Get("metadata")
	key := Key{Namespace: metadata.Get("namespace").Str(), GroupKind: GroupKind{GroupOf(root.Get("apiVersion").Str()), root.Get("kind").Str()}, Name: metadata.Get("name").Str()}
	source := &Source{File: &tree.File{}, Live: key.String() + " (cluster " + l.Cluster + ")"}
	o, err := identify(root, source, l.Cluster, "")
	if o == nil || err != nil {
		return nil, err
	}
	if !o.Key.Builtin() {
		o.Resource = l.Resource
	}
	o.UnknownFields = nil // the server dropped what it does not know: these are fields that are newer than we are
	redact(o)
	o.Credentials = append(slices.Clone(l.Credentials), o.Credentials...)
	o.complete(l.Interner)
	o.intern(l.Interner)
	return o, nil
}

// intern lets go of the memory that strings outside of the tree share with the
// text that was read.
func (o *Object) intern(x *tree.Interner) {
	for _, text := range []*string{&o.APIVersion, &o.Resource, &o.Key.Namespace, &o.Key.Group, &o.Key.Kind, &o.Key.Name} {
		*text = x.Text(*text)
	}
	var paths []tree.Path
	for i := range o.Credentials {
		paths = append(paths, o.Credentials[i].Path)
	}
	for i := range o.pods {
		if o.Key.PodSpecPath() == nil { // those of built-in kinds are constant
			paths = append(paths, o.pods[i].SpecPath)
		}
	}
	for _, p := range paths {
		for i := range p {
			p[i].Key = x.Text(p[i].Key)
		}
	}
}
