package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/storage"
)

func storageCommand(p *Program) *cobra.Command {
	f := inventory{kinds: append(model.WorkloadKinds(), model.PersistentVolumeClaimKind, model.PersistentVolumeKind, model.VolumeSnapshotKind, model.VolumeSnapshotContentKind)}
	cmd := &cobra.Command{
		Use:   "storage [PATH...] | --cluster | --from FILE",
		Short: "Which storage is there, who mounts and shares it, is it encrypted?",
		Long: `List the volumes of manifests (default the working directory) or of a cluster,
worst first: who mounts each and how, who shares it, what it is bound to, whether
it is encrypted, what becomes of its data, and what a path of the node gives.

Exit code: 0 told, 2 usage or internal error, 3 something could not be read.`,
		Example: `  ullage storage deploy/
  ullage storage -n shop --cluster
  ullage storage -o json deploy/ | jq '.volumes[] | select(.encryption.state == "no")'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, p, args, func(j judgements) judgedList {
				view := storage.New(f.world)
				f.filterStorage(view)
				return newStorageListing(view, j, f.world.Closed)
			})
		},
	}
	f.flags(cmd)
	return cmd
}

// storageListing is the storage with what the rules say of it, worst first.
type storageListing struct {
	*storage.View
	volumes   []listedVolume
	snapshots []listedSnapshot
	classes   []listedClass
}

type listedVolume struct {
	*storage.Volume
	verdict
	absent bool // a claim that does not exist
}

type listedSnapshot struct {
	*storage.Snapshot
	verdict
}

type listedClass struct {
	*storage.Class
	verdict
}

func newStorageListing(view *storage.View, j judgements, closed bool) *storageListing {
	l := &storageListing{View: view}
	for _, v := range view.Volumes {
		said := j.of(volumeSpots(v)...)
		absent := closed && v.Kind == storage.KindClaim && v.Claim.Node == nil && len(said.unknowns) == 0
		if v.Encryption.State == storage.Unknown && !absent && !ofNode(v) && !slices.Contains(said.unknowns, v.Encryption.Reason) {
			said.unknowns = append(said.unknowns, v.Encryption.Reason)
		}
		l.volumes = append(l.volumes, listedVolume{v, said, absent})
	}
	for _, s := range view.Snapshots {
		said := j.of(spot{object: s.Object}, spot{object: s.Content})
		for _, reason := range s.Unknowns {
			if !slices.Contains(said.unknowns, reason) {
				said.unknowns = append(said.unknowns, reason)
			}
		}
		l.snapshots = append(l.snapshots, listedSnapshot{s, said})
	}
	for _, c := range view.Classes {
		l.classes = append(l.classes, listedClass{c, j.of(spot{object: c.Object})})
	}
	slices.SortStableFunc(l.volumes, func(a, b listedVolume) int { return b.worst() - a.worst() })
	slices.SortStableFunc(l.snapshots, func(a, b listedSnapshot) int { return b.worst() - a.worst() })
	return l
}

func (l *storageListing) tally() *tally {
	t := &tally{seen: map[*model.Finding]bool{}}
	for i := range l.volumes {
		t.add(&l.volumes[i].verdict)
	}
	for i := range l.snapshots {
		t.add(&l.snapshots[i].verdict)
	}
	for i := range l.classes {
		t.add(&l.classes[i].verdict)
	}
	return t
}

// volumeSpots are the places that say what a volume is like: the claim and what is
// behind it, and where pods have it.
func volumeSpots(v *storage.Volume) []spot {
	spots := []spot{{object: v.Object}}
	if v.Persistent != nil {
		spots = append(spots, spot{object: v.Persistent.Object})
	}
	if v.Class != nil {
		spots = append(spots, spot{object: v.Class.Object})
	}
	for i := range v.Users {
		u := &v.Users[i]
		if v.Kind != storage.KindUndeclared { // else it is the list of all volumes
			spots = append(spots, spot{u.Workload, u.Path})
		}
		for j := range u.Mounts {
			spots = append(spots, spot{u.Workload, u.Mounts[j].Path})
		}
	}
	return spots
}

// filterStorage leaves what is in the namespaces asked for, or used there.
func (f *inventory) filterStorage(view *storage.View) {
	view.Volumes = slices.DeleteFunc(view.Volumes, func(v *storage.Volume) bool {
		namespaces := []string{v.Namespace}
		for i := range v.Users {
			namespaces = append(namespaces, v.Users[i].Workload.Key.Namespace)
		}
		if v.Persistent != nil {
			namespaces = append(namespaces, v.Persistent.ClaimNamespace)
		}
		return !f.wants(namespaces...)
	})
	shown := map[*storage.Data]bool{}
	for _, v := range view.Volumes {
		shown[v.Data] = true
	}
	view.Data = slices.DeleteFunc(view.Data, func(d *storage.Data) bool { return !shown[d] })
	view.Snapshots = slices.DeleteFunc(view.Snapshots, func(s *storage.Snapshot) bool {
		namespaces := append([]string{s.Namespace}, s.Elsewhere...)
		for _, r := range s.RestoredBy {
			namespaces = append(namespaces, r.Namespace)
		}
		return !f.wants(namespaces...)
	})
}

func (l *storageListing) text(p *inventoryPrinter) error {
	quiet := map[string]int{}
	for i := range l.volumes {
		v := &l.volumes[i]
		if ofOnePod[v.Kind] && !v.bad() && !p.verbose {
			quiet[string(v.Kind)]++
			continue
		}
		p.volume(v)
	}
	for i := range l.snapshots {
		p.volumeSnapshot(&l.snapshots[i])
	}
	p.rest()
	p.data(l.Data)
	p.classes(l)
	if len(quiet) > 0 {
		p.wrapped(0, dim, "Nothing to say of these volumes: "+plural(quiet)+"; --verbose lists them.")
	}
	for _, reason := range l.Unknowns {
		p.wrapped(0, dim, "Not known: "+reason+".")
	}
	p.summary(counted(len(l.volumes), "volume")+", "+counted(len(l.snapshots), "volume snapshot"), l.tally())
	return p.w.Flush()
}

// ofOnePod are the kinds of volumes that a pod has for itself, or has from the API.
var ofOnePod = map[storage.Kind]bool{
	"emptyDir": true, "secret": true, "configMap": true, "projected": true, "downwardAPI": true, "image": true,
}

// ofNode reports whether the files of a volume are on the node's own disk, of which
// nothing can be known here.
func ofNode(v *storage.Volume) bool { return v.Kind == storage.KindHostPath || v.Kind == "emptyDir" }

// volumeTitle names a volume.
func volumeTitle(id storage.ID) string {
	switch id.Kind {
	case storage.KindClaim:
		return "claim " + id.Namespace + "/" + id.Name
	case storage.KindPersistent:
		return "PersistentVolume " + id.Name
	case storage.KindHostPath, "nfs":
		return string(id.Kind) + " " + id.Name
	}
	return fmt.Sprintf("%s %s of %s", id.Kind, id.Name, id.Workload)
}

func (p *inventoryPrinter) volume(v *listedVolume) {
	severity, style := v.word()
	if !p.room(severity) {
		return
	}
	more := ""
	switch {
	case v.absent:
		more = "does not exist"
	case v.Kind == storage.KindClaim && v.Claim.Node == nil:
		more = "not among what was read"
	}
	p.head(severity, style, volumeTitle(v.ID), more)
	p.findings(&v.verdict)
	p.users(v.Volume)
	if v.Copies != nil {
		p.label("claims", copiesText(v.Copies))
	}
	if len(v.Holds) > 0 {
		p.label("holds", strings.Join(v.Holds, ", "))
	}
	if bound := boundTo(v.Volume); bound != "" {
		p.label("bound to", bound)
	}
	if c := v.Claim; c != nil && c.Node != nil {
		p.label("access", claimAccess(c))
	}
	if v.Persistent != nil {
		p.label("reclaim", reclaimWords[v.Persistent.Reclaim])
	} else if v.Class != nil {
		p.label("reclaim", reclaimWords[v.Class.Reclaim])
	}
	if v.Data != nil {
		p.label("data", sameData(v.Volume))
	}
	if v.Encryption.State != "" && !v.absent && (p.verbose || !ofNode(v.Volume)) {
		p.label("encrypted", string(v.Encryption.State)+": "+v.Encryption.Reason)
	}
	others := verdict{unknowns: slices.DeleteFunc(slices.Clone(v.unknowns), func(reason string) bool { return reason == v.Encryption.Reason })}
	p.unknowns(&others, v.Unknowns...)
	fmt.Fprintln(p.w)
}

// copiesText says how many claims a claim template stands for.
func copiesText(c *storage.Copies) string {
	text := "one for each replica"
	if c.Known {
		text = fmt.Sprintf("%d, %s", c.Count, text)
	}
	if c.Doubt != "" {
		text += "; " + c.Doubt
	}
	return text
}

// sameData says which other volumes have data of one.
func sameData(v *storage.Volume) string {
	text := v.Data.Name
	if n := len(v.Data.Volumes) - 1; n > 0 {
		text += ", as of " + counted(n, "other volume")
	}
	if v.Data.Around != nil {
		text += ", a part of " + v.Data.Around.Name
	}
	if n := len(v.Data.Parts); n > 0 {
		text += ", around " + v.Data.Parts[0].Name
		if n > 1 {
			text += fmt.Sprintf(" and %d more", n-1)
		}
	}
	return text
}

// data writes which volumes have the same data, and whose they are.
func (p *inventoryPrinter) data(all []*storage.Data) {
	if len(all) == 0 {
		return
	}
	p.line(0, bold, "Data of several volumes")
	for i, d := range all {
		if i == shownUsers && !p.verbose {
			p.line(2, dim, fmt.Sprintf("and %d more; --verbose lists them", len(all)-i))
			break
		}
		var names []string
		for _, id := range d.Volumes[:min(len(d.Volumes), shownUsers)] {
			names = append(names, volumeTitle(id))
		}
		text := d.Name
		if d.Around != nil {
			text += ", a part of " + d.Around.Name
		}
		text += ": " + strings.Join(names, ", ")
		if n := len(d.Volumes) - len(names); n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		if len(d.Namespaces) > 0 {
			text += "; of " + counted(len(d.Namespaces), "namespace") + ": " + strings.Join(d.Namespaces[:min(len(d.Namespaces), shownUsers)], ", ")
		}
		p.wrapped(2, "", text)
	}
	fmt.Fprintln(p.w)
}

var reclaimWords = map[string]string{
	"Delete": "Delete: the data go with the claim", "Retain": "Retain: the data stay when the claim is gone", "Recycle": "Recycle: the files are deleted for the next claim",
}

// boundTo says what is behind a claim.
func boundTo(v *storage.Volume) string {
	var parts []string
	if v.Persistent != nil && v.Kind != storage.KindPersistent {
		parts = append(parts, "PersistentVolume "+v.Persistent.Object.Key.Name)
	}
	if v.Persistent != nil {
		parts = append(parts, strings.TrimSpace(v.Persistent.Driver+" "+v.Persistent.Handle))
	}
	if v.NodePath != "" && v.Kind != storage.KindHostPath {
		parts = append(parts, v.NodePath+" of the node")
	}
	switch {
	case v.Class != nil:
		parts = append(parts, fmt.Sprintf("StorageClass %s (%s)", v.Class.Object.Key.Name, v.Class.Provisioner))
	case v.Claim != nil && v.Claim.ClassName != "":
		parts = append(parts, "StorageClass "+v.Claim.ClassName)
	}
	return strings.Join(parts, ", ")
}

func claimAccess(c *storage.Claim) string {
	text := strings.Join(c.AccessModes, ", ")
	if c.Block {
		text += ", a raw device"
	}
	if c.Attributes != "" {
		text += ", VolumeAttributesClass " + c.Attributes
	}
	if c.Phase != "" {
		text += ", " + c.Phase
	}
	if c.Source != nil {
		text += ", filled from " + c.Source.Kind + " "
		if c.Source.Namespace != "" {
			text += c.Source.Namespace + "/"
		}
		text += c.Source.Name
	}
	return strings.TrimPrefix(text, ", ")
}

func (p *inventoryPrinter) users(v *storage.Volume) {
	if len(v.Users) == 0 {
		return
	}
	for i := range v.Users {
		if i == shownUsers && !p.verbose {
			p.label("", fmt.Sprintf("and %s more; --verbose lists them", counted(len(v.Users)-i, "workload")))
			break
		}
		u := &v.Users[i]
		name := "mounted by"
		if i > 0 {
			name = ""
		}
		text := fmt.Sprintf("%s (service account %s)%s", u.Workload.Key, u.Account, hasEnded(u.Workload))
		if u.PathType != "" {
			text += ", as " + u.PathType
		}
		if len(u.Mounts) == 0 {
			text += ", in no container"
		}
		p.label(name, text)
		for j := range u.Mounts {
			p.label("", "  "+mountText(&u.Mounts[j]))
		}
		if gain := u.Gain(v.NodePath); v.NodePath != "" && gain.Text != "" {
			p.label("", "  "+gain.Text)
		}
	}
}

// hasEnded says of what runs no more that it does not.
func hasEnded(o *model.Object) string {
	if o.Ended() {
		return ", which has ended"
	}
	return ""
}

// mountText says how a container has a volume.
func mountText(m *storage.Mount) string {
	text := m.Container
	if m.Role != storage.RoleMain {
		text += " (" + string(m.Role) + ")"
	}
	text += " at " + m.MountPath
	switch {
	case m.Device:
		text += ", a raw device"
	case m.ReadOnly:
		text += ", read-only"
	default:
		text += ", read-write"
	}
	if m.SubPath != "" {
		text += ", only " + m.SubPath + " in it"
	}
	if m.SubPathExpr != "" {
		text += ", only " + m.SubPathExpr + " in it"
	}
	if m.Propagation != "" {
		text += ", mounts propagate " + m.Propagation
	}
	return text
}

func (p *inventoryPrinter) volumeSnapshot(s *listedSnapshot) {
	severity, style := s.word()
	if !p.room(severity) {
		return
	}
	p.head(severity, style, "VolumeSnapshot "+s.Namespace+"/"+s.Name, "")
	p.findings(&s.verdict)
	if s.Claim != "" {
		p.label("taken of", "claim "+s.Namespace+"/"+s.Claim)
	}
	if s.Driver != "" {
		p.label("kept by", strings.TrimSpace(s.Driver+" "+s.Handle))
	}
	if s.DeletionPolicy != "" {
		p.label("deletion", s.DeletionPolicy)
	}
	for _, r := range s.RestoredBy {
		p.label("restored by", "claim "+r.Namespace+"/"+r.Name)
	}
	p.unknowns(&s.verdict, s.Unknowns...)
	fmt.Fprintln(p.w)
}

// inUse reports whether a volume of the list is of a class: then what is wrong with
// the class is said there.
func (l *storageListing) inUse(c *storage.Class) bool {
	return slices.ContainsFunc(l.volumes, func(v listedVolume) bool { return v.Class == c })
}

func (p *inventoryPrinter) classes(view *storageListing) {
	if len(view.classes)+len(view.SnapshotClasses)+len(view.AttributesClasses) == 0 {
		return
	}
	p.line(0, bold, "Classes")
	for i := range view.classes {
		c := &view.classes[i]
		name := c.Object.Key.Name
		if c.Default {
			name += " (default)"
		}
		p.wrapped(2, "", fmt.Sprintf("StorageClass %s: %s, reclaim %s, encrypted %s: %s", name, c.Provisioner, c.Reclaim, c.Encryption.State, c.Encryption.Reason))
		if !view.inUse(c.Class) || p.verbose {
			p.findingsAt(4, &c.verdict)
		}
	}
	for _, c := range asNamedClasses(view.SnapshotClasses) {
		p.wrapped(2, "", fmt.Sprintf("VolumeSnapshotClass %s: %s, deletion policy %s", c.Name, c.Driver, c.Deletion))
	}
	for _, c := range asNamedClasses(view.AttributesClasses) {
		p.wrapped(2, "", fmt.Sprintf("VolumeAttributesClass %s: %s", c.Name, c.Driver))
	}
	fmt.Fprintln(p.w)
}
