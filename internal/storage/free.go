package storage

import "ullage.dev/ullage/internal/model"

// Chance says whether something is so.
type Chance uint8

// The chances.
const (
	Never Chance = iota
	Perhaps
	Surely
)

// Free says whether a claim that is made anew in a namespace gets a persistent
// volume when it asks for it: nothing is bound to the volume, and it waits for no
// claim of another namespace or for one that is there. A claim that fits the volume
// as well may get it first. Claims that were not read do not count.
func (b *Bindings) Free(p *Persistent, namespace string) Chance {
	switch {
	case p.Phase != "" && p.Phase != "Available" && p.Phase != "Pending", p.Object.Root.Dig("metadata", "deletionTimestamp") != nil:
		return Never
	case p.ClaimName != "":
		claim := model.Key{Cluster: p.Object.Key.Cluster, Namespace: namespace, GroupKind: model.PersistentVolumeClaimKind, Name: p.ClaimName}
		if p.ClaimNamespace != namespace || p.Object.Root.Dig("spec", "claimRef", "uid").Str() != "" || b.snapshot.Get(claim) != nil {
			return Never
		}
		return Surely
	}
	return Surely - b.taken[p]
}
