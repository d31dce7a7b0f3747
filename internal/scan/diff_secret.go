package scan

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/image"
	"ullage.dev/ullage/internal/signature"
)

// SecretChange is a place with a secret in one of the images only.
type SecretChange struct {
	Kind   Kind // Added or Removed
	Secret *image.Secret
}

// compareSecrets tells the places with secrets that are in one of the images only:
// those of files where both were searched, and those of the configuration. Layers do
// not tell them apart, so that what is built anew is the same.
func compareSecrets(from, to *image.Image, files bool) []SecretChange {
	type key struct{ kind, path, where, shown string }
	keyOf := func(s *image.Secret) key { return key{s.Kind, s.Path, s.Where, s.Shown} }
	left := map[key]int{}
	for i := range from.Secrets {
		left[keyOf(&from.Secrets[i])]++
	}
	var all []SecretChange
	add := func(kind Kind, s *image.Secret) {
		if files || s.Path == "" {
			all = append(all, SecretChange{kind, s})
		}
	}
	for i := range to.Secrets {
		if k := keyOf(&to.Secrets[i]); left[k] > 0 {
			left[k]--
		} else {
			add(Added, &to.Secrets[i])
		}
	}
	for i := range from.Secrets {
		if k := keyOf(&from.Secrets[i]); left[k] > 0 {
			left[k]--
			add(Removed, &from.Secrets[i])
		}
	}
	slices.SortStableFunc(all, func(a, b SecretChange) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Secret.Doubt, b.Secret.Doubt), int(b.Secret.Severity)-int(a.Secret.Severity),
			strings.Compare(a.Secret.Path, b.Secret.Path), strings.Compare(a.Secret.Where, b.Secret.Where), a.Secret.Line-b.Secret.Line)
	})
	return all
}

// lessTrusted says whether the first image is known to be signed as was asked for,
// and the second is known not to be.
func lessTrusted(signed [2]signature.State) bool {
	return signed[0] == signature.Verified && (signed[1] == signature.Unsigned || signed[1] == signature.NotVerified)
}
