package model

import (
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// NewImageObject makes the object that stands for an image which is judged by
// itself: a container of which nothing is said but its image. repository names
// it in findings and their fingerprints, so it should be without tag and digest;
// reference is how it was asked for.
func NewImageObject(repository, reference string) *Object {
	const apiVersion = "ullage.dev/v1alpha1"
	root := tree.MapOf(
		tree.Entry("apiVersion", apiVersion), tree.Entry("kind", ImageKind.Kind),
		tree.Entry("metadata", tree.MapOf(tree.Entry("name", repository))), tree.Entry("image", reference),
	)
	return &Object{
		APIVersion: apiVersion, Key: Key{GroupKind: ImageKind, Name: repository},
		Root: root.Seal(), Source: &Source{Live: reference},
	}
}

// DigestOfImageID takes the digest out of what a runtime says which image a
// container has (imageID of a container's status): a reference with the digest of
// an index or a manifest, or the digest of a configuration alone. It is "" for what
// has none.
func DigestOfImageID(imageID string) string {
	_, id, ok := strings.Cut(imageID, "://") // docker://, docker-pullable://
	if !ok {
		id = imageID
	}
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		id = id[i+1:]
	}
	algorithm, hex, ok := strings.Cut(id, ":")
	if !ok { // as CRI-O says it
		algorithm, hex = "sha256", id
	}
	if len(hex) < 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return ""
	}
	return algorithm + ":" + hex
}

// Named finds the item of a list that has a name; nil when there is none.
func Named(list *tree.Node, name string) *tree.Node {
	for i := range list.Children() {
		if item := list.At(i); item.Get("name").Str() == name {
			return item
		}
	}
	return nil
}
