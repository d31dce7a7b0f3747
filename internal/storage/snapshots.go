package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// Snapshot is a VolumeSnapshot, a VolumeSnapshotContent, or both: a copy of the
// data of a claim.
type Snapshot struct {
	Object, Content *model.Object // one of them may be nil
	Namespace, Name string        // of the VolumeSnapshot, or where its content says that it is
	Claim           string        // what it was taken of, in Namespace; "" when it was imported, or is not known
	ClassName       string
	Driver, Handle  string
	DeletionPolicy  string // Retain or Delete; "" when it is not known
	// RestoredBy are claims, and claim templates, that are filled from it.
	RestoredBy []Restore
	// Elsewhere are other namespaces whose claims a ReferenceGrant lets restore it.
	Elsewhere []string
	// Copies say by what the data get into other namespaces, one sentence each.
	Copies []string
	// Orphaned says why nobody owns the data any more, or is "". Outlives says that
	// the claim which it was taken of is gone.
	Orphaned string
	Outlives bool
	Unknowns []string
}

// Restore is a claim that is filled from a volume snapshot.
type Restore struct {
	Namespace, Name string
	Granted         bool // is in the same namespace, or a ReferenceGrant allows it
	Object          *model.Object
}

// snapshots reads the volume snapshots.
func (b *builder) snapshots() []*Snapshot {
	var all []*Snapshot
	byName := map[[2]string]*Snapshot{}
	for o := range b.s.Kind(model.VolumeSnapshotKind) {
		spec := o.Root.Get("spec")
		sn := &Snapshot{Object: o, Namespace: o.Key.Namespace, Name: o.Key.Name, Claim: spec.Dig("source", "persistentVolumeClaimName").Str(),
			ClassName: spec.Get("volumeSnapshotClassName").Str()}
		byName[[2]string{sn.Namespace, sn.Name}] = sn
		all = append(all, sn)
	}
	for o := range b.s.Kind(model.VolumeSnapshotContentKind) {
		ref := o.Root.Dig("spec", "volumeSnapshotRef")
		name := [2]string{ref.Get("namespace").Str(), ref.Get("name").Str()}
		sn := byName[name]
		if sn == nil || sn.Content != nil || !sameObject(sn.Object, ref.Get("uid").Str()) {
			sn = &Snapshot{Namespace: name[0], Name: name[1]}
			all = append(all, sn)
		}
		sn.content(o)
	}
	for _, sn := range all {
		b.describeSnapshot(sn)
	}
	b.judgeSnapshots(all)
	slices.SortStableFunc(all, func(a, b *Snapshot) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return all
}

// sameObject reports whether an object may have a uid; one of a file has none.
func sameObject(o *model.Object, uid string) bool {
	own := o.Root.Dig("metadata", "uid").Str()
	return own == "" || uid == "" || own == uid
}

func (sn *Snapshot) content(o *model.Object) {
	spec := o.Root.Get("spec")
	sn.Content, sn.Driver, sn.DeletionPolicy = o, spec.Get("driver").Str(), spec.Get("deletionPolicy").Str()
	if sn.ClassName == "" {
		sn.ClassName = spec.Get("volumeSnapshotClassName").Str()
	}
	sn.Handle = spec.Dig("source", "snapshotHandle").Str()
	if sn.Handle == "" {
		sn.Handle = o.Root.Dig("status", "snapshotHandle").Str()
	}
}

// describeSnapshot fills in what other objects say.
func (b *builder) describeSnapshot(sn *Snapshot) {
	if sn.Content == nil {
		key := model.Key{Cluster: sn.Object.Key.Cluster, GroupKind: model.VolumeSnapshotClassKind, Name: sn.ClassName}
		if class := b.s.Get(key); class != nil {
			sn.Driver, sn.DeletionPolicy = class.Root.Get("driver").Str(), class.Root.Get("deletionPolicy").Str()
		} else {
			sn.Unknowns = append(sn.Unknowns, "its content and class were not read, so whether the data outlive it is not known")
		}
	}
	if sn.Object == nil {
		return
	}
	sn.Elsewhere = b.grantedTo(sn)
	for _, r := range b.restores()[[2]string{sn.Namespace, sn.Name}] {
		r.Granted = r.Namespace == sn.Namespace || slices.Contains(sn.Elsewhere, r.Namespace)
		sn.RestoredBy = append(sn.RestoredBy, r)
	}
	slices.SortFunc(sn.RestoredBy, func(a, b Restore) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

// indexRestores finds the claims that are filled from each VolumeSnapshot, by its
// namespace and name.
func (b *builder) indexRestores() map[[2]string][]Restore {
	index := map[[2]string][]Restore{}
	for _, v := range b.order {
		c := v.Claim
		if c == nil || c.Source == nil || c.Source.GroupKind != model.VolumeSnapshotKind {
			continue
		}
		o, home := v.Object, v.Namespace
		if o == nil {
			if len(v.Users) == 0 {
				continue
			}
			o = v.Users[0].Workload
			home = o.Key.Namespace
		}
		of := [2]string{cmp.Or(c.Source.Namespace, home), c.Source.Name}
		index[of] = append(index[of], Restore{Namespace: home, Name: v.Name, Object: o})
	}
	return index
}

// grantedTo returns the namespaces to which ReferenceGrants give a snapshot.
func (b *builder) grantedTo(sn *Snapshot) []string {
	var found model.Names
	for grant := range b.s.InNamespace(sn.Object.Key.Cluster, sn.Namespace, model.ReferenceGrantKind) {
		to := grant.Root.Dig("spec", "to")
		given := false
		for i := range to.Children() {
			n := to.At(i)
			name := n.Get("name").Str()
			given = given || n.Get("group").Str() == model.VolumeSnapshotKind.Group && n.Get("kind").Str() == model.VolumeSnapshotKind.Kind && (name == "" || name == sn.Name)
		}
		from := grant.Root.Dig("spec", "from")
		for i := range from.Children() {
			n := from.At(i)
			if namespace := n.Get("namespace").Str(); given && n.Get("group").Str() == "" && n.Get("kind").Str() == model.PersistentVolumeClaimKind.Kind && namespace != sn.Namespace {
				found.Add(namespace)
			}
		}
	}
	slices.Sort(found.List)
	return found.List
}

func (b *builder) judgeSnapshots(all []*Snapshot) {
	byHandle := map[string]*model.Names{} // the namespaces
	for _, sn := range all {
		if key := sn.Driver + " " + sn.Handle; sn.Handle != "" {
			if byHandle[key] == nil {
				byHandle[key] = &model.Names{}
			}
			byHandle[key].Add(sn.Namespace)
		}
	}
	for _, sn := range all {
		sn.judge(b)
		if of := byHandle[sn.Driver+" "+sn.Handle]; of != nil && len(of.List) > 1 {
			others := slices.DeleteFunc(slices.Clone(of.List[:min(len(of.List), model.MostListed+1)]), func(namespace string) bool { return namespace == sn.Namespace })
			sn.Copies = append(sn.Copies, "the same data are a snapshot in "+spaces(others, len(of.List)-1)+" too")
		}
	}
}

func (sn *Snapshot) judge(b *builder) {
	if sn.Object == nil {
		if b.s.Complete(sn.Namespace, model.VolumeSnapshotKind) {
			sn.Orphaned = fmt.Sprintf("its VolumeSnapshot is gone and the data are still there (deletion policy %s)", sn.DeletionPolicy)
		} else {
			sn.Unknowns = append(sn.Unknowns, "its VolumeSnapshot was not read, and may live elsewhere")
		}
		return
	}
	if len(sn.Elsewhere) > 0 {
		sn.Copies = append(sn.Copies, "whoever makes claims in "+spaces(sn.Elsewhere, len(sn.Elsewhere))+" may restore it there and read the data")
	}
	for _, r := range sn.RestoredBy {
		switch {
		case r.Namespace == sn.Namespace:
		case r.Granted:
			sn.Copies = append(sn.Copies, fmt.Sprintf("claim %s/%s holds a copy of the data", r.Namespace, r.Name))
		case !b.s.Complete(sn.Namespace, model.ReferenceGrantKind):
			sn.Unknowns = append(sn.Unknowns, fmt.Sprintf("claim %s/%s is to be filled from it, and whether a ReferenceGrant allows that was not read", r.Namespace, r.Name))
		}
	}
	sn.Outlives = sn.Claim != "" && !b.hasClaim(sn.Namespace, sn.Claim) && b.s.Complete(sn.Namespace, model.PersistentVolumeClaimKind)
}

// hasClaim reports whether a claim is in the snapshot, or will be made by a
// StatefulSet in it.
func (b *builder) hasClaim(namespace, name string) bool {
	id := ID{Kind: KindClaim, Namespace: namespace, Name: name}
	template, _ := TemplateOf(id)
	return b.volumes[id] != nil && b.volumes[id].Claim.Node != nil || b.templates[template] != nil
}

// spaces names namespaces, of which the first are given.
func spaces(first []string, total int) string {
	if total == 1 {
		return "namespace " + first[0]
	}
	return "namespaces " + model.Listed(first, total)
}
