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
	return orphaned(v.Findings, v.Unknowns)
}

func (f *Facts) contentOrphaned(o *model.Object) tree.Node {
	sn := f.storage().snapshots[o.Key]
	switch {
	case sn == nil:
		return unknown(notInView)
	case sn.Object != nil:
		return sealed(tree.Of(""))
	}
	return orphaned(sn.Findings, sn.Unknowns)
}

// orphaned says why nobody owns data any more, by what was found of them.
func orphaned(findings []storage.Finding, doubts []string) tree.Node {
	for i := range findings {
		if id := findings[i].ID; id == "orphaned" || id == "snapshot-orphaned" {
			return sealed(tree.Of(findings[i].Text))
		}
	}
	if len(doubts) > 0 {
		return unknown(doubts[0])
	}
	return sealed(tree.Of(""))
}

// snapshotCopies says by what the data of a VolumeSnapshot get into other
// namespaces.
func (f *Facts) snapshotCopies(o *model.Object) tree.Node {
	sn := f.storage().snapshots[o.Key]
	if sn == nil {
		return unknown(notInView)
	}
	var items []tree.Node
	for i := range sn.Findings {
		switch sn.Findings[i].ID {
		case "snapshot-granted", "snapshot-restored-elsewhere", "snapshot-in-namespaces":
			items = append(items, tree.Of(sn.Findings[i].Text))
		}
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
	if len(namespaces) < 2 && !f.snapshot.Complete("", claimKind, volumeKind) {
		return unknown(f.whyOpen("no other namespace here has these data, and one that does may live elsewhere", "", claimKind, volumeKind))
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
		items = append(items, entries("volume", v.Volume, "path", path, "takes", v.User.TakesNode(path)))
	}
	return list(items)
}
