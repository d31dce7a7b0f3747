package check

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// storageIndex finds what the storage of the snapshot is by its objects.
type storageIndex struct {
	volumes   map[storage.ID]*storage.Volume
	objects   map[model.Key]*storage.Volume // by claim, and by persistent volume
	classes   map[model.Key]*storage.Class
	snapshots map[model.Key]*storage.Snapshot // by VolumeSnapshot, and by its content
	// namespaces are those that have data of several volumes, which share the list.
	namespaces map[*storage.Data]tree.Node
}

func (f *Facts) indexStorage() *storageIndex {
	view := storage.New(f.snapshot)
	x := &storageIndex{map[storage.ID]*storage.Volume{}, map[model.Key]*storage.Volume{}, map[model.Key]*storage.Class{}, map[model.Key]*storage.Snapshot{}, map[*storage.Data]tree.Node{}}
	for _, v := range view.Volumes {
		x.volumes[v.ID] = v
		if v.Object != nil {
			x.objects[v.Object.Key] = v
		}
		if v.Persistent != nil {
			x.objects[v.Persistent.Object.Key] = v
		}
	}
	for _, d := range view.Data {
		x.namespaces[d] = texts(d.Namespaces)
	}
	for _, c := range view.Classes {
		x.classes[c.Object.Key] = c
	}
	for _, sn := range view.Snapshots {
		for _, o := range []*model.Object{sn.Object, sn.Content} {
			if o != nil {
				x.snapshots[o.Key] = sn
			}
		}
	}
	return x
}

const notInView = "the object is not part of what was read"

func (f *Facts) classEncryption(o *model.Object) tree.Node {
	if c := f.storage().classes[o.Key]; c != nil {
		return encryption(c.Encryption)
	}
	return unknown(notInView)
}

func (f *Facts) volumeEncryption(o *model.Object) tree.Node {
	if v := f.storage().objects[o.Key]; v != nil {
		return encryption(v.Encryption)
	}
	return unknown(notInView)
}

func encryption(e storage.Encryption) tree.Node {
	state := any(string(e.State))
	if e.State != storage.Yes && e.State != storage.No {
		state = tree.UnknownBecause(e.Reason)
	}
	return sealed(entries("state", state, "reason", e.Reason))
}

func (f *Facts) volumeOrphaned(o *model.Object) tree.Node {
	v := f.storage().objects[o.Key]
	if v == nil {
		return unknown(notInView)
	}
	if v.Kind != storage.KindPersistent {
		return sealed(tree.Of(""))
	}
	return orphaned(v.Orphaned, v.Unknowns)
}

func (f *Facts) contentOrphaned(o *model.Object) tree.Node {
	sn := f.storage().snapshots[o.Key]
	switch {
	case sn == nil:
		return unknown(notInView)
	case sn.Object != nil:
		return sealed(tree.Of(""))
	}
	return orphaned(sn.Orphaned, sn.Unknowns)
}

// orphaned says why nobody owns data any more.
func orphaned(why string, doubts []string) tree.Node {
	if why == "" && len(doubts) > 0 {
		return unknown(doubts[0])
	}
	return sealed(tree.Of(why))
}

// claimOnePod names the workload that is all that mounts a claim, when it has but
// one pod; else it is "".
func (f *Facts) claimOnePod(o *model.Object) tree.Node {
	return f.claimWorkload(o, "what else mounts this claim may live elsewhere", func(v *storage.Volume) *model.Object { return v.OnePod })
}

// claimLeftBehind names the StatefulSet that has no more the replica of a claim;
// else it is "".
func (f *Facts) claimLeftBehind(o *model.Object) tree.Node {
	return f.claimWorkload(o, "the StatefulSet of this claim, and what scales it, may live elsewhere", func(v *storage.Volume) *model.Object { return v.LeftBehind })
}

func (f *Facts) claimWorkload(o *model.Object, reason string, of func(*storage.Volume) *model.Object) tree.Node {
	v := f.storage().objects[o.Key]
	kinds := append([]model.GroupKind{model.AutoscalerKind}, workloadKinds...)
	switch {
	case v == nil:
		return unknown(notInView)
	case !f.snapshot.Complete(o.Key.Namespace, kinds...):
		return unknown(f.whyOpen(reason, o.Key.Namespace, kinds...))
	case of(v) == nil:
		return sealed(tree.Of(""))
	}
	return sealed(tree.Of(of(v).Key.String()))
}

// snapshotOutlives reports whether the claim that a VolumeSnapshot was taken of is
// gone.
func (f *Facts) snapshotOutlives(o *model.Object) tree.Node {
	sn := f.storage().snapshots[o.Key]
	switch {
	case sn == nil:
		return unknown(notInView)
	case sn.Claim != "" && !f.snapshot.Complete(sn.Namespace, model.PersistentVolumeClaimKind) && f.get(o, model.PersistentVolumeClaimKind, sn.Namespace, sn.Claim) == nil:
		return unknown(f.whyOpen("the claim that it was taken of was not read, and may live elsewhere", sn.Namespace, model.PersistentVolumeClaimKind))
	}
	return sealed(tree.Of(sn.Outlives))
}

// snapshotCopies says by what the data of a VolumeSnapshot get into other
// namespaces.
func (f *Facts) snapshotCopies(o *model.Object) tree.Node {
	sn := f.storage().snapshots[o.Key]
	if sn == nil {
		return unknown(notInView)
	}
	var items []tree.Node
	for _, copied := range sn.Copies {
		items = append(items, tree.Of(copied))
	}
	return f.listOr(items, "nothing here gives the data to another namespace, and what does may live elsewhere", "", copyKinds...)
}

// volumeNamespaces lists the namespaces that have the data of a
// PersistentVolume, by this one or by another volume of the same storage.
func (f *Facts) volumeNamespaces(o *model.Object) tree.Node {
	x := f.storage()
	v := x.objects[o.Key]
	if v == nil {
		return unknown(notInView)
	}
	namespaces := v.Namespaces()
	if len(namespaces) < 2 && !f.snapshot.Complete("", model.PersistentVolumeClaimKind, model.PersistentVolumeKind) {
		return unknown(f.whyOpen("no other namespace here has these data, and one that does may live elsewhere", "", model.PersistentVolumeClaimKind, model.PersistentVolumeKind))
	}
	if v.Data != nil {
		return x.namespaces[v.Data]
	}
	return texts(namespaces)
}

func texts(all []string) tree.Node {
	items := make([]tree.Node, len(all))
	for i := range all {
		items[i] = tree.Of(all[i])
	}
	return list(items)
}

// podNodePaths lists the paths of the node that containers of the pods mount,
// by claims too where what they are bound to was read.
func (f *Facts) podNodePaths(o *model.Object, pod *model.PodTemplate) tree.Node {
	var items []tree.Node
	for _, v := range storage.PodVolumes(o, pod) {
		path := ""
		switch v.Kind {
		case storage.KindHostPath:
			path = v.Name
		case storage.KindClaim:
			if f.anyPersistent() { // else there is nothing that a claim is bound to
				if of := f.storage().volumes[v.ID]; of != nil {
					path = of.NodePath
				}
			}
		}
		if path == "" || len(v.Mounts) == 0 {
			continue
		}
		items = append(items, entries("volume", v.Volume, "path", path, "takes", v.User.Gain(path).TakesNode))
	}
	return list(items)
}
