package model

import "ullage.dev/ullage/internal/tree"

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
