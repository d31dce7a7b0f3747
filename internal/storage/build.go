package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// builder gathers the volumes of one snapshot, which holds the objects of one
// cluster.
type builder struct {
	s       *model.Snapshot
	volumes map[ID]*Volume
	order   []*Volume // as found
	classes map[string]*Class
	// defaults are the classes for claims that name none.
	defaults []*Class
	// scalers are what autoscalers scale, and restores the claims that are filled
	// from each VolumeSnapshot; both are indexed when first asked for.
	scalers  func() map[model.Key]*model.Object
	restores func() map[[2]string][]Restore
	// templates are the claim templates of StatefulSets, by the ID that stands for
	// the claims of all replicas.
	templates map[ID]*Volume
}

// New reads the storage of a snapshot, which holds the objects of one cluster.
func New(s *model.Snapshot) *View {
	b := &builder{s: s, volumes: map[ID]*Volume{}, classes: map[string]*Class{}, templates: map[ID]*Volume{}}
	b.scalers, b.restores = sync.OnceValue(b.indexScalers), sync.OnceValue(b.indexRestores)
	view := &View{Classes: b.readClasses()}
	for o := range s.Kind(model.PersistentVolumeClaimKind) {
		b.volume(ID{Kind: KindClaim, Namespace: o.Key.Namespace, Name: o.Key.Name}).claimed(o)
	}
	for o, pod := range s.PodTemplates() {
		for _, v := range PodVolumes(o, pod) {
			b.use(v)
		}
	}
	b.debuggers()
	b.spread()
	b.adopt()
	b.bind()
	for _, v := range b.order {
		b.describe(v)
	}
	for _, v := range b.order {
		b.judge(v)
	}
	view.Data = b.meet()
	view.Volumes = b.order
	slices.SortFunc(view.Volumes, compareIDs)
	view.Snapshots = b.snapshots()
	view.SnapshotClasses = slices.Collect(s.Kind(model.VolumeSnapshotClassKind))
	view.AttributesClasses = slices.Collect(s.Kind(model.VolumeAttributesClassKind))
	view.Unknowns = b.notRead()
	return view
}

// volume returns the volume with an ID, a new one where there is none.
func (b *builder) volume(id ID) *Volume {
	v := b.volumes[id]
	if v == nil {
		v = &Volume{ID: id}
		b.volumes[id] = v
		b.order = append(b.order, v)
	}
	return v
}

// use records that a pod template has a volume.
func (b *builder) use(p PodVolume) {
	if p.Kind == KindClaim && p.ClaimTemplate != nil {
		t := b.templates[p.ID]
		if t == nil {
			t = &Volume{ID: p.ID, Claim: readClaim(p.ClaimTemplate, true)}
			b.templates[p.ID] = t
		}
		t.Users = append(t.Users, p.User)
		return
	}
	v := b.volume(p.ID)
	v.Users = append(v.Users, p.User)
	if v.Holds == nil {
		v.Holds = holds(&p)
	}
	switch {
	case p.Kind == KindEphemeral:
		v.Claim = readClaim(p.ClaimTemplate, true)
	case p.Kind == KindClaim && v.Claim == nil:
		v.Claim = &Claim{}
	}
	if v.Kind == "emptyDir" && p.Source.Get("medium").Str() == "" || v.Kind == KindHostPath {
		v.Encryption = unknownBecause(ofNode)
	} else if v.Kind == "nfs" {
		v.Encryption = made{driver: "nfs"}.encryption()
	} else if v.Kind == "csi" && p.Source.Get("driver").Str() != "secrets-store.csi.k8s.io" { // which writes to memory
		v.Encryption = made{driver: p.Source.Get("driver").Str(), static: true}.encryption()
	}
}

// debuggers adds what ephemeral containers mount: they are put into pods, and are
// not in the templates of the workloads that made these.
func (b *builder) debuggers() {
	for _, o := range b.s.All() {
		pods := o.Pods()
		if !b.s.Made(o) {
			continue
		}
		for i := range pods {
			if pods[i].Spec.Get("ephemeralContainers").Len() == 0 {
				continue
			}
			for _, v := range PodVolumes(o, &pods[i]) {
				v.Mounts = slices.DeleteFunc(v.Mounts, func(m Mount) bool { return m.Role != RoleEphemeral })
				if v.ReadOnly = !v.Writes(); len(v.Mounts) > 0 {
					b.use(v)
				}
			}
		}
	}
}

// spread gives the claims of a StatefulSet's replicas the user that its template
// has. Where there are none yet, the template stands for them.
func (b *builder) spread() {
	taken := map[ID]bool{}
	for _, v := range slices.Clone(b.order) {
		if id, ok := TemplateOf(v.ID); ok && b.templates[id] != nil && b.leftBehind(v) == nil {
			v.Users = append(v.Users, b.templates[id].Users...)
			if v.Object == nil { // somebody else mounts what the StatefulSet will make
				v.Claim = b.templates[id].Claim
			} else {
				taken[id] = true
			}
		}
	}
	for _, t := range sortedTemplates(b.templates) {
		if !taken[t.ID] {
			t.Copies = b.copies(t.Users[0].Workload)
			b.volumes[t.ID] = t
			b.order = append(b.order, t)
		}
	}
}

func sortedTemplates(templates map[ID]*Volume) []*Volume {
	var all []*Volume
	for _, t := range templates {
		all = append(all, t)
	}
	slices.SortFunc(all, compareIDs)
	return all
}

// TemplateOf returns the ID of the claim template of a StatefulSet of which a claim
// may be made, by its name. ok is false for what no StatefulSet makes.
func TemplateOf(id ID) (template ID, ok bool) {
	i := strings.LastIndexByte(id.Name, '-')
	if id.Kind != KindClaim || i < 0 || i+1 == len(id.Name) || strings.Trim(id.Name[i+1:], "0123456789") != "" {
		return ID{}, false
	}
	id.Name = id.Name[:i] + "-*"
	return id, true
}

// adopt gives the claims that were made for the ephemeral volume of a pod the
// user that the volume has.
func (b *builder) adopt() {
	for _, v := range slices.Clone(b.order) {
		pod := b.ownerPod(v)
		if pod == nil {
			continue
		}
		top := b.s.Controller(pod)
		for i := range top.Pods() {
			name := strings.TrimPrefix(v.Name, pod.Key.Name+"-")
			template := b.volumes[ID{Kind: KindEphemeral, Name: name, Workload: top.Key, Spec: top.Pods()[i].SpecPath.String()}]
			if template != nil {
				v.Users = append(v.Users, template.Users...)
			}
		}
	}
}

// ownerPod returns the pod for which a claim was made, if it is in the snapshot.
func (b *builder) ownerPod(v *Volume) *model.Object {
	if v.Kind != KindClaim || v.Object == nil {
		return nil
	}
	refs := v.Object.Root.Dig("metadata", "ownerReferences")
	for i := range refs.Children() {
		if ref := refs.At(i); ref.Get("kind").Str() == "Pod" && ref.Get("controller").True() {
			key := v.Object.Key
			key.GroupKind, key.Name = model.PodKind, ref.Get("name").Str()
			return b.s.Get(key)
		}
	}
	return nil
}

// describe fills in what follows from what a volume is bound to.
func (b *builder) describe(v *Volume) {
	slices.SortStableFunc(v.Users, func(a, b User) int { return a.Workload.Key.Compare(b.Workload.Key) })
	if v.Kind == KindHostPath {
		v.NodePath = v.Name
	}
	if v.NodePath != "" {
		v.Exposures = HostPath(v.NodePath)
	}
	if v.Claim == nil && v.Persistent == nil {
		return
	}
	m := made{class: v.Class.root()}
	if v.Claim != nil {
		m.annotations = v.Claim.Node.Dig("metadata", "annotations")
	}
	switch p := v.Persistent; {
	case p != nil:
		m.driver, m.attributes = p.Driver, p.Object.Root.Dig("spec", "csi", "volumeAttributes")
		m.static = v.Class == nil && className(p.Object.Root) == ""
	case v.Class != nil && v.Class.Provisioner == "kubernetes.io/no-provisioner":
		v.Encryption = unknownBecause("the volume will be one that was made by hand")
		return
	case v.Class != nil:
		m.driver = v.Class.Provisioner
	default:
		v.Encryption = unknownBecause(b.noClass(v))
		return
	}
	v.Encryption = m.encryption()
}

// noClass says why nothing is known of how a claim is provisioned.
func (b *builder) noClass(v *Volume) string {
	switch c := v.Claim; {
	case c.Node == nil:
		return "the claim was not read"
	case c.VolumeName != "" && b.s.Get(model.Key{Cluster: v.Object.Key.Cluster, GroupKind: model.PersistentVolumeKind, Name: c.VolumeName}) != nil:
		return "PersistentVolume " + c.VolumeName + " is reserved for another claim, or for one of this name that is gone"
	case c.VolumeName != "":
		return "PersistentVolume " + c.VolumeName + " was not read"
	case c.ClassName != "":
		return "StorageClass " + c.ClassName + " was not read"
	case c.Node.Dig("spec", "storageClassName").Is(tree.String):
		return "the claim waits for a volume that is made by hand"
	}
	if n := len(b.defaults); n > 1 {
		return fmt.Sprintf("the claim names no class, and %d are marked as the default: it gets the newest, and which one that is was not read", n)
	}
	return "the claim names no class, and no default class was read"
}

func (c *Class) root() *tree.Node {
	if c == nil {
		return nil
	}
	return c.Object.Root
}

// notRead says what may live elsewhere.
func (b *builder) notRead() []string {
	if !b.s.Closed {
		if len(b.order) == 0 {
			return nil
		}
		return []string{"other objects may live elsewhere: more workloads may mount these volumes, and claims, volumes and classes that are not here may exist"}
	}
	var reasons []string
	for _, gk := range append([]model.GroupKind{model.PersistentVolumeClaimKind, model.PersistentVolumeKind, model.StorageClassKind, model.VolumeSnapshotKind, model.VolumeSnapshotContentKind}, model.WorkloadKinds()...) {
		if gap := b.s.Gap("", gk); gap != nil && !slices.Contains(reasons, gap.Reason) {
			reasons = append(reasons, gap.Reason)
		}
	}
	return reasons
}

func compareIDs(a, b *Volume) int { return a.ID.compare(b.ID) }

func (id ID) compare(other ID) int {
	return cmp.Or(strings.Compare(string(id.Kind), string(other.Kind)), strings.Compare(id.Namespace, other.Namespace), id.Workload.Compare(other.Workload),
		strings.Compare(id.Spec, other.Spec), strings.Compare(id.Name, other.Name))
}
