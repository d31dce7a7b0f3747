package storage

import (
	"iter"

	"ullage.dev/ullage/internal/model"
)

// Shares say which pods have which files. They are what [New] knows of volumes that
// several pods can have, and cost a small part of it.
type Shares struct {
	users map[ID][]Sharer
	data  map[ID]*Data
}

// Sharer is a workload whose pods have a volume, whether a container mounts it or
// not. Workloads that have ended are none.
type Sharer struct {
	Workload *model.Object
	Account  string // service account, by name
}

// ReadShares reads the shares of a snapshot, which holds the objects of one cluster.
func ReadShares(s *model.Snapshot) *Shares {
	shares := &Shares{users: map[ID][]Sharer{}, data: map[ID]*Data{}}
	add := func(id ID, user Sharer) {
		if users := shares.users[id]; len(users) == 0 || users[len(users)-1] != user {
			shares.users[id] = append(users, user)
		}
	}
	for o, pod := range s.PodTemplates() {
		if o.Ended() {
			continue
		}
		user := Sharer{o, pod.ServiceAccount()}
		volumes := pod.Spec.Get("volumes")
		for i := range volumes.Children() {
			if id, ok := SharedID(o, volumes.At(i)); ok && id.Name != "" {
				add(id, user)
			}
		}
		templates := o.Root.Dig("spec", "volumeClaimTemplates")
		for i := range templates.Children() {
			add(TemplateID(o, templates.At(i)), user)
		}
	}
	for _, d := range shareData(shares.volumes(s)) {
		for _, id := range d.Volumes {
			shares.data[id] = d
		}
	}
	return shares
}

// volumes yields the volumes of pods, and the claims that pods of a StatefulSet have
// without naming them, with what they are bound to.
func (sh *Shares) volumes(s *model.Snapshot) iter.Seq2[ID, *Persistent] {
	return func(yield func(ID, *Persistent) bool) {
		bindings := ReadBindings(s)
		for id := range sh.users {
			if id.Kind != KindClaim && !yield(id, nil) {
				return
			}
		}
		if len(bindings.All()) == 0 {
			return
		}
		for o := range s.Kind(model.PersistentVolumeClaimKind) {
			if p := bindings.Of(o.Key.Namespace, o.Key.Name, o); p != nil && !yield(ID{Kind: KindClaim, Namespace: o.Key.Namespace, Name: o.Key.Name}, p) {
				return
			}
		}
	}
}

// Of yields who has some of the files of a volume, and by which volume: by itself
// first, then by others. The StatefulSet of whose replica a claim is has it, too.
func (sh *Shares) Of(id ID) iter.Seq2[ID, Sharer] {
	return func(yield func(ID, Sharer) bool) {
		users := func(by ID) bool {
			for _, user := range sh.users[by] {
				if !yield(by, user) {
					return false
				}
			}
			if template, ok := TemplateOf(by); ok {
				for _, user := range sh.users[template] {
					if !yield(by, user) {
						return false
					}
				}
			}
			return true
		}
		if !users(id) {
			return
		}
		if d := sh.data[id]; d != nil {
			d.meeting(func(by ID) bool { return by == id || users(by) })
		}
	}
}

// Relation says what of the files of a volume another one has, which shares some.
func (sh *Shares) Relation(of, other ID) Relation {
	d, whole := sh.data[other], sh.data[of]
	if d == whole {
		return Same
	}
	for outer := d.Around; outer != nil; outer = outer.Around {
		if outer == whole {
			return Part
		}
	}
	return More
}

// Relation is of the files of a volume to those of another one.
type Relation int

// The relations.
const (
	Same Relation = iota // they are the same files
	Part                 // they are among those of the other
	More                 // the others are among them
)
