package storage

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
)

// doubt records why something is not known, once.
func (v *Volume) doubt(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(v.Unknowns, text) {
		v.Unknowns = append(v.Unknowns, text)
	}
}

// judge says what becomes of a volume and its data, as far as its users and its
// claim tell.
func (b *builder) judge(v *Volume) {
	if v.Kind == KindClaim {
		b.judgeClaim(v)
	}
	if v.Kind == KindPersistent && v.Persistent != nil {
		b.judgeData(v)
	}
}

// judgeClaim looks at who uses a claim.
func (b *builder) judgeClaim(v *Volume) {
	v.OnePod = b.onePod(v)
	v.LeftBehind = b.leftBehind(v)
}

// onePod returns the workload that is all that mounts a claim, when it has one pod
// and no more.
func (b *builder) onePod(v *Volume) *model.Object {
	var o *model.Object
	for i := range v.Users {
		if v.Users[i].Workload.Ended() {
			continue
		}
		if o != nil {
			return nil
		}
		o = v.Users[i].Workload
	}
	if o == nil {
		return nil
	}
	replicas, ok := o.Root.Dig("spec", "replicas").Int()
	if o.Key.GroupKind == model.PodKind || o.Key.GroupKind == model.DeploymentKind && ok && replicas <= 1 && !b.scaled(o) {
		return o
	}
	return nil
}

// scaled reports whether an autoscaler may set the replicas of a workload. What
// KEDA scales has an autoscaler in the cluster.
func (b *builder) scaled(o *model.Object) bool {
	return b.scaler(o) != nil || !b.s.Complete(o.Key.Namespace, model.AutoscalerKind)
}

// scaler returns the autoscaler that was read and sets the replicas of a workload,
// or nil.
func (b *builder) scaler(o *model.Object) *model.Object {
	return b.scalers()[model.Key{Cluster: o.Key.Cluster, Namespace: o.Key.Namespace, GroupKind: model.GroupKind{Kind: o.Key.Kind}, Name: o.Key.Name}]
}

func (b *builder) indexScalers() map[model.Key]*model.Object {
	index := map[model.Key]*model.Object{}
	for _, gk := range []model.GroupKind{{Group: "keda.sh", Kind: "ScaledObject"}, model.AutoscalerKind} {
		for a := range b.s.Kind(gk) {
			ref := a.Root.Dig("spec", "scaleTargetRef")
			kind := cmp.Or(ref.Get("kind").Str(), "Deployment") // KEDA's default
			index[model.Key{Cluster: a.Key.Cluster, Namespace: a.Key.Namespace, GroupKind: model.GroupKind{Kind: kind}, Name: ref.Get("name").Str()}] = a
		}
	}
	return index
}

// copies says how many claims a StatefulSet makes of each of its claim templates.
func (b *builder) copies(set *model.Object) *Copies {
	if by := b.scaler(set); by != nil {
		return &Copies{Doubt: by.Key.Kind + " " + by.Key.Name + " sets the replicas"}
	}
	count, ok := set.Root.Dig("spec", "replicas").Int()
	switch {
	case !ok:
		return &Copies{Doubt: set.Key.Kind + " " + set.Key.Name + " does not say how many replicas it has"}
	case !b.s.Complete(set.Key.Namespace, model.AutoscalerKind):
		return &Copies{Count: count, Known: true, Doubt: "an autoscaler that was not read may set the replicas"}
	}
	return &Copies{Count: count, Known: true}
}

// leftBehind returns the StatefulSet that has no more the replica that a claim is
// of.
func (b *builder) leftBehind(v *Volume) *model.Object {
	id, ok := TemplateOf(v.ID)
	if !ok || b.templates[id] == nil || v.Object == nil {
		return nil
	}
	set := b.templates[id].Users[0].Workload
	replicas, known := set.Root.Dig("spec", "replicas").Int()
	start, _ := set.Root.Dig("spec", "ordinals", "start").Int()
	var ordinal int64
	if _, err := fmt.Sscan(v.Name[strings.LastIndexByte(v.Name, '-')+1:], &ordinal); err != nil || !known || set.Key.GroupKind != model.StatefulSetKind {
		return nil
	}
	if ordinal >= start && ordinal < start+replicas || b.scaled(set) {
		return nil
	}
	return set
}

// judgeData looks for data that nobody owns any more.
func (b *builder) judgeData(v *Volume) {
	p := v.Persistent
	claim := "claim " + p.ClaimNamespace + "/" + p.ClaimName
	switch {
	case p.Phase == "Released":
		v.Orphaned = fmt.Sprintf("%s is gone and its data are still there (reclaim policy %s)", claim, p.Reclaim)
	case p.Phase == "Failed":
		v.Orphaned = claim + " is gone and the volume could not be reclaimed, so its data may still be there"
	case p.ClaimName == "" && p.Phase == "Available": // no claim is bound to it
	case p.ClaimName == "":
		v.doubt("whether a claim is bound to it was not read")
	case !b.s.Complete(p.ClaimNamespace, model.PersistentVolumeClaimKind):
		v.doubt("%s was not read, and may live elsewhere", claim)
	default:
		v.Orphaned = fmt.Sprintf("%s does not exist and the volume is kept for it (reclaim policy %s)", claim, p.Reclaim)
	}
}

// Gain is what a workload has of a path of the node.
type Gain struct {
	Text      string // such as "reads /etc/kubernetes of the node: ..."; "" when that is nothing known
	TakesNode bool   // it may give the node; the text says what else that needs
	Writes    bool   // by writing, or by connecting to a socket
}

// Gain returns the most that the containers of a user have of a path of the node
// that the volume is.
func (u *User) Gain(nodePath string) Gain {
	v := Volume{NodePath: nodePath, Exposures: HostPath(nodePath)}
	var most Gain
	best := 0
	for i := range u.Mounts {
		m := &u.Mounts[i]
		for _, e := range m.exposures(&v) {
			gain, rank := e.gain(m)
			if rank <= best {
				continue
			}
			if m.ReadOnly && gain.Writes {
				what := "socket"
				if e.Device {
					what = "device"
				}
				gain.Text += "; that the mount is read-only does not help, as a " + what + " can be written to"
			}
			most, best = gain, rank
		}
	}
	return most
}

// exposures returns what is exposed at a mount.
func (m *Mount) exposures(v *Volume) []Exposure {
	if v.NodePath == "" || m.SubPath == "" {
		return v.Exposures
	}
	return HostPath(path.Join(v.NodePath, m.SubPath))
}

// gain says what a mount gives, and ranks it.
func (e Exposure) gain(m *Mount) (g Gain, rank int) {
	writes := !m.ReadOnly || e.Device && m.Privileged
	needs, takes := "", 5
	if e.Needs != "" {
		needs, takes = "; to have the node, "+e.Needs, 4
	}
	switch {
	case e.Device && m.Device: // whose disk it is, is not known
		return Gain{"opens " + e.Path + " of the node as a raw device: all that is on it", false, writes}, 3
	case e.Device && !m.Privileged:
		return Gain{}, 0
	case e.Socket && e.WriteTakes:
		return Gain{"reaches " + e.Path + " of the node: " + e.Write + needs, true, true}, takes
	case writes && e.WriteTakes:
		return Gain{"writes to " + e.Path + " of the node: " + e.Write + needs, true, true}, takes
	case e.ReadTakes:
		return Gain{"reads " + e.Path + " of the node: " + e.Read + needs, true, false}, takes
	case writes && e.Write != "":
		return Gain{"writes to " + e.Path + " of the node: " + e.Write, false, true}, 3
	case e.Read != "":
		return Gain{"reads " + e.Path + " of the node: " + e.Read, false, false}, 2
	}
	return Gain{}, 0
}

// mounting returns those who mount one of the volumes, by workload. Those that have
// ended are left out, and parts of the platform where it is a path of the node.
func mounting(volumes []*Volume) []*User {
	var users []*User
	for _, v := range volumes {
		for i := range v.Users {
			if u := &v.Users[i]; len(u.Mounts) > 0 && !u.Workload.Ended() && !(v.Kind == KindHostPath && u.Workload.System) {
				users = append(users, u)
			}
		}
	}
	slices.SortStableFunc(users, func(a, b *User) int { return a.Workload.Key.Compare(b.Workload.Key) })
	return users
}
