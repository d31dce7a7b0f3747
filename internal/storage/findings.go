package storage

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func (v *Volume) find(id string, severity model.Severity, o *model.Object, at tree.Path, format string, args ...any) {
	v.Findings = append(v.Findings, Finding{ID: id, Severity: severity, Text: fmt.Sprintf(format, args...), Object: o, Path: at})
}

// doubt records why something is not known, once.
func (v *Volume) doubt(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(v.Unknowns, text) {
		v.Unknowns = append(v.Unknowns, text)
	}
}

// judge looks for what is wrong with a volume.
func (b *builder) judge(v *Volume) {
	for i := range v.Users {
		v.judgeUser(&v.Users[i])
	}
	if v.Data == nil {
		v.Findings = append(v.Findings, b.judgeSharing(v)...)
	}
	b.judgeClaim(v)
	b.judgeData(v)
	if v.Encryption.State == No {
		v.find("not-encrypted", model.Medium, v.Object, nil, "it is not encrypted: %s", v.Encryption.Reason)
	}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
}

// judgeUser looks at one workload's mounts alone.
func (v *Volume) judgeUser(u *User) {
	of := u.Workload
	if v.Kind == KindUndeclared {
		v.find("undeclared", model.Low, of, u.Path, "%s mounts it and has no volume of that name, so the API server refuses the pods", of.Key)
		return
	}
	if len(u.Mounts) == 0 {
		severity := model.Info
		if _, shared := SharedID(of, of.Root.Follow(u.Path)); shared {
			severity = model.Low
		}
		v.find("unmounted", severity, of, u.Path, "%s has it and no container mounts it", of.Key)
	}
	for i := range u.Mounts {
		if m := &u.Mounts[i]; m.Propagation == "Bidirectional" {
			v.find("mount-propagation", own(of, model.High), of, m.Path,
				"container %s of %s mounts it Bidirectional: what it mounts inside appears on the node and in other pods", m.Container, of.Key)
		}
	}
	v.judgeNodePath(u)
}

// own lowers the severity for parts of the platform, which need what
// applications do not.
func own(o *model.Object, s model.Severity) model.Severity {
	if o.System {
		return model.Info
	}
	return s
}

// judgeNodePath says the worst that a workload gains from a path of the node.
func (v *Volume) judgeNodePath(u *User) {
	var found Finding
	for i := range u.Mounts {
		m := &u.Mounts[i]
		for _, e := range m.exposures(v) {
			id, severity, text := e.gain(!m.ReadOnly)
			if text == "" || found.Text != "" && severity <= found.Severity {
				continue
			}
			text = fmt.Sprintf("%s %s", u.Workload.Key, text)
			if m.ReadOnly && e.Socket && e.WriteTakes {
				text += "; that the mount is read-only does not help, as a socket can be written to"
			}
			found = Finding{ID: id, Severity: severity, Text: text, Object: u.Workload, Path: m.Path}
		}
	}
	if found.Text != "" {
		found.Severity = own(u.Workload, found.Severity)
		v.Findings = append(v.Findings, found)
	}
}

// exposures returns what is exposed at a mount.
func (m *Mount) exposures(v *Volume) []Exposure {
	if v.NodePath == "" || m.SubPath == "" {
		return v.Exposures
	}
	return HostPath(path.Join(v.NodePath, m.SubPath))
}

// gain says what a mount gives, and how bad that is.
func (e Exposure) gain(writes bool) (id string, severity model.Severity, text string) {
	switch {
	case e.Socket && e.WriteTakes:
		return "host-path-write", model.Critical, "reaches " + e.Path + " of the node: " + e.Write
	case writes && e.WriteTakes:
		return "host-path-write", model.Critical, "writes to " + e.Path + " of the node: " + e.Write
	case e.ReadTakes:
		return "host-path-read", model.Critical, "reads " + e.Path + " of the node: " + e.Read
	case writes && e.Write != "":
		return "host-path-write", model.High, "writes to " + e.Path + " of the node: " + e.Write
	case e.Read != "":
		return "host-path-read", model.Medium, "reads " + e.Path + " of the node: " + e.Read
	}
	return "", 0, ""
}

// judgeSharing looks at who meets in volumes behind which the same data are.
func (b *builder) judgeSharing(volumes ...*Volume) []Finding {
	var namespaces, accounts, workloads, writers distinct
	for _, u := range mounting(volumes) {
		namespace, workload := u.Workload.Key.Namespace, b.s.Controller(u.Workload).Key.String()
		namespaces.add(namespace)
		accounts.add(namespace + "/" + u.Account)
		workloads.add(workload)
		if u.Writes() {
			writers.add(workload)
		}
	}
	ofNode := slices.ContainsFunc(volumes, func(v *Volume) bool { return v.NodePath != "" })
	if ofNode && len(writers.list) == 0 { // that many read the node is no meeting
		return nil
	}
	effect, severity := "who gets into one of them reads the data of all", model.Low
	if len(writers.list) > 0 {
		effect, severity = "what "+listed(writers.list)+" writes, the others read", model.Medium
	}
	f := Finding{ID: "shared-across-workloads", Severity: model.Low}
	switch {
	case len(namespaces.list) > 1:
		f = Finding{ID: "shared-across-namespaces", Severity: severity + 1, Text: "namespaces " + listed(namespaces.list)}
	case len(accounts.list) > 1:
		f = Finding{ID: "shared-across-accounts", Severity: severity, Text: "service accounts " + listed(accounts.list)}
	case len(workloads.list) > 1:
		f.Text = listed(workloads.list)
	default:
		return nil
	}
	f.Text += " share it: " + effect
	return []Finding{f}
}

// mounting returns those who mount one of the volumes, by workload. Parts of the
// platform are left out where it is a path of the node.
func mounting(volumes []*Volume) []*User {
	var users []*User
	for _, v := range volumes {
		for i := range v.Users {
			if u := &v.Users[i]; len(u.Mounts) > 0 && !(v.Kind == KindHostPath && u.Workload.System) {
				users = append(users, u)
			}
		}
	}
	slices.SortStableFunc(users, func(a, b *User) int { return a.Workload.Key.Compare(b.Workload.Key) })
	return users
}

// Namespaces returns the namespaces that have the data behind a volume, in order:
// those of claims and of those who mount one, parts of the platform on a path of
// the node left out. The result must not be changed.
func (v *Volume) Namespaces() []string {
	if v.Data != nil {
		return v.Data.Namespaces
	}
	return namespaces(v)
}

func namespaces(volumes ...*Volume) []string {
	var found distinct
	for _, v := range volumes {
		found.add(v.Namespace)
		if v.Persistent != nil {
			found.add(v.Persistent.ClaimNamespace)
		}
	}
	for _, u := range mounting(volumes) {
		found.add(u.Workload.Key.Namespace)
	}
	slices.Sort(found.list)
	return slices.DeleteFunc(found.list, func(namespace string) bool { return namespace == "" })
}

// distinct is a list without duplicates, in the order of the first ones.
type distinct struct {
	list []string
	has  map[string]bool
}

func (d *distinct) add(s string) {
	if d.has == nil {
		d.has = map[string]bool{}
	}
	if !d.has[s] {
		d.has[s] = true
		d.list = append(d.list, s)
	}
}

const mostListed = 4

// listed names the first of a list and counts the rest.
func listed(list []string) string { return listedOf(list, len(list)) }

// listedOf is listed for a list of which the first are given.
func listedOf(first []string, total int) string {
	if total > mostListed {
		return fmt.Sprintf("%s and %d more", strings.Join(first[:mostListed], ", "), total-mostListed)
	}
	if total > 1 {
		return strings.Join(first[:total-1], ", ") + " and " + first[total-1]
	}
	return strings.Join(first, "")
}

// judgeClaim looks at a claim and at who should use it.
func (b *builder) judgeClaim(v *Volume) {
	if v.Kind != KindClaim {
		return
	}
	c := v.Claim
	if c.Node == nil {
		b.judgeMissing(v)
		return
	}
	if source := c.Source; source != nil && source.Namespace != "" && source.Namespace != v.Namespace {
		v.find("filled-from-elsewhere", model.Low, v.Object, nil, "it is filled from %s %s of namespace %s", source.Kind, source.Name, source.Namespace)
	}
	if c.Phase == "Lost" {
		v.find("lost", model.Medium, v.Object, nil, "the PersistentVolume that it was bound to is gone")
	}
	switch whole := b.s.Complete(v.Namespace, model.WorkloadKinds()...); {
	case len(v.Users) == 0 && !whole:
		v.doubt("nothing here mounts it, and what does may live elsewhere")
	case len(v.Users) == 0 && b.ownerPod(v) == nil:
		v.find("unused", model.Low, v.Object, nil, "nothing mounts it: its data are kept for nobody")
	case whole:
		b.judgeModes(v)
	}
	b.judgeReplica(v)
}

func (b *builder) judgeMissing(v *Volume) {
	if !b.s.Complete(v.Namespace, model.PersistentVolumeClaimKind) {
		v.doubt("the claim was not read, and may live elsewhere")
		return
	}
	u := &v.Users[0]
	v.find("missing", model.Medium, u.Workload, u.Path, "the claim does not exist, so the pods of %s cannot start", u.Workload.Key)
}

// judgeModes looks for an access mode that is wider than what mounts the claim.
func (b *builder) judgeModes(v *Volume) {
	if len(v.Users) != 1 || !slices.Contains(v.Claim.AccessModes, "ReadWriteMany") {
		return
	}
	o := v.Users[0].Workload
	replicas, ok := o.Root.Dig("spec", "replicas").Int()
	if o.Key.Kind == "Pod" || o.Key.Kind == "Deployment" && ok && replicas <= 1 && !b.scaled(o) {
		v.find("access-mode-wide", model.Low, v.Object, nil, "it may be mounted on many nodes (ReadWriteMany), and one pod of %s is all that mounts it: ReadWriteOncePod is enough", o.Key)
	}
}

// scaled reports whether an autoscaler may set the replicas of a workload. What
// KEDA scales has an autoscaler in the cluster.
func (b *builder) scaled(o *model.Object) bool {
	if !b.s.Complete(o.Key.Namespace, model.AutoscalerKind) {
		return true
	}
	return b.scalers()[model.Key{Cluster: o.Key.Cluster, Namespace: o.Key.Namespace, GroupKind: model.GroupKind{Kind: o.Key.Kind}, Name: o.Key.Name}]
}

func (b *builder) indexScalers() map[model.Key]bool {
	index := map[model.Key]bool{}
	for a := range b.s.Kind(model.AutoscalerKind) {
		ref := a.Root.Dig("spec", "scaleTargetRef")
		index[model.Key{Cluster: a.Key.Cluster, Namespace: a.Key.Namespace, GroupKind: model.GroupKind{Kind: ref.Get("kind").Str()}, Name: ref.Get("name").Str()}] = true
	}
	return index
}

// judgeReplica looks for claims of replicas that a StatefulSet has no more.
func (b *builder) judgeReplica(v *Volume) {
	id, ok := templateID(v.ID)
	if !ok || b.templates[id] == nil || v.Object == nil {
		return
	}
	set := b.templates[id].Users[0].Workload
	replicas, known := set.Root.Dig("spec", "replicas").Int()
	start, _ := set.Root.Dig("spec", "ordinals", "start").Int()
	var ordinal int64
	if _, err := fmt.Sscan(v.Name[strings.LastIndexByte(v.Name, '-')+1:], &ordinal); err != nil || !known || set.Key.GroupKind != model.StatefulSetKind {
		return
	}
	if ordinal >= start+replicas && !b.scaled(set) {
		v.find("left-behind", model.Low, v.Object, nil, "%s has %d replicas, and this is the claim of one that is gone", set.Key, replicas)
	}
}

// judgeData looks for data that nobody owns any more.
func (b *builder) judgeData(v *Volume) {
	p := v.Persistent
	if p == nil || v.Kind != KindPersistent {
		return
	}
	claim := "claim " + p.ClaimNamespace + "/" + p.ClaimName
	switch {
	case p.Phase == "Released":
		v.find("orphaned", model.Medium, p.Object, nil, "%s is gone and its data are still there (reclaim policy %s)", claim, p.Reclaim)
	case p.Phase == "Failed":
		v.find("orphaned", model.Medium, p.Object, nil, "%s is gone and the volume could not be reclaimed, so its data may still be there", claim)
	case p.ClaimName == "" && p.Phase == "Available":
		v.find("unbound", model.Info, p.Object, nil, "no claim is bound to it, and the next one that fits gets it with what is in it")
	case p.ClaimName == "":
		v.doubt("whether a claim is bound to it was not read")
	case !b.s.Complete(p.ClaimNamespace, model.PersistentVolumeClaimKind):
		v.doubt("%s was not read, and may live elsewhere", claim)
	default:
		v.find("orphaned", model.Medium, p.Object, nil, "%s does not exist and the volume is kept for it (reclaim policy %s)", claim, p.Reclaim)
	}
}

// TakesNode reports whether what the containers of a user mount of a path of the
// node gives them the node.
func (u *User) TakesNode(nodePath string) bool {
	v := Volume{NodePath: nodePath, Exposures: HostPath(nodePath)}
	for i := range u.Mounts {
		for _, e := range u.Mounts[i].exposures(&v) {
			if _, severity, _ := e.gain(!u.Mounts[i].ReadOnly); severity == model.Critical {
				return true
			}
		}
	}
	return false
}
