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
	var f inventory
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
			s, err := f.read(cmd, p, args)
			if err != nil {
				return err
			}
			view := storage.New(s)
			f.filterStorage(view)
			if f.output == "json" {
				err = writeJSON(p.Stdout, storageJSON(view))
			} else {
				err = f.printer(p).storage(view)
			}
			if err != nil {
				return err
			}
			return f.end()
		},
	}
	f.flags(cmd)
	return cmd
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

func storageFindings(all []storage.Finding) []found {
	var list []found
	for _, f := range all {
		list = append(list, found(f))
	}
	return list
}

func (p *inventoryPrinter) storage(view *storage.View) error {
	var all []found
	quiet := map[string]int{}
	data := view.Data // with findings before the volumes that have none as bad
	for _, v := range view.Volumes {
		for len(data) > 0 && len(data[0].Findings) > 0 && (len(v.Findings) == 0 || data[0].Findings[0].Severity >= v.Findings[0].Severity) {
			all = append(all, storageFindings(data[0].Findings)...)
			p.data(data[0])
			data = data[1:]
		}
		all = append(all, storageFindings(v.Findings)...)
		if !p.verbose && ofOnePod[v.Kind] && (len(v.Findings) == 0 || v.Findings[0].Severity == model.Info) {
			quiet[string(v.Kind)]++
			continue
		}
		p.volume(v)
	}
	for _, d := range data { // what is in order
		p.data(d)
	}
	for _, s := range view.Snapshots {
		all = append(all, storageFindings(s.Findings)...)
		p.volumeSnapshot(s)
	}
	p.rest()
	p.classes(view)
	if len(quiet) > 0 {
		p.wrapped(0, dim, "Nothing to say of these volumes: "+plural(quiet)+"; --verbose lists them.")
	}
	for _, reason := range view.Unknowns {
		p.wrapped(0, dim, "Not known: "+reason+".")
	}
	p.summary(counted(len(view.Volumes), "volume")+", "+counted(len(view.Snapshots), "volume snapshot"), all)
	return p.w.Flush()
}

// ofOnePod are the kinds of volumes that a pod has for itself, or has from the API.
var ofOnePod = map[storage.Kind]bool{
	"emptyDir": true, "secret": true, "configMap": true, "projected": true, "downwardAPI": true, "image": true,
}

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

func (p *inventoryPrinter) volume(v *storage.Volume) {
	severity, style := verdict(storageFindings(v.Findings), len(v.Unknowns) > 0 || v.Encryption.State == storage.Unknown)
	if !p.room(severity) {
		return
	}
	p.head(severity, style, volumeTitle(v.ID), "")
	p.findings(storageFindings(v.Findings))
	p.users(v)
	if len(v.Holds) > 0 {
		p.label("holds", strings.Join(v.Holds, ", "))
	}
	if bound := boundTo(v); bound != "" {
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
		p.label("data", v.Data.Name+", as of "+counted(len(v.Data.Volumes)-1, "other volume"))
	}
	if v.Encryption.State != "" && (p.verbose || v.Kind != storage.KindHostPath && v.Kind != "emptyDir") {
		p.label("encrypted", string(v.Encryption.State)+": "+v.Encryption.Reason)
	}
	for _, reason := range v.Unknowns {
		p.label("not known", reason)
	}
	fmt.Fprintln(p.w)
}

// data writes what is wrong with data that several volumes have.
func (p *inventoryPrinter) data(d *storage.Data) {
	if len(d.Findings) == 0 && !p.verbose {
		return
	}
	severity, style := verdict(storageFindings(d.Findings), false)
	if !p.room(severity) {
		return
	}
	p.head(severity, style, "data "+d.Name, "")
	p.findings(storageFindings(d.Findings))
	for i, v := range d.Volumes {
		if i == shownUsers && !p.verbose {
			p.label("", fmt.Sprintf("and %d more; --verbose lists them", len(d.Volumes)-i))
			break
		}
		name := "volumes"
		if i > 0 {
			name = ""
		}
		p.label(name, volumeTitle(v.ID))
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
		text := fmt.Sprintf("%s (service account %s)", u.Workload.Key, u.Account)
		if len(u.Mounts) == 0 {
			text += ", in no container"
		}
		p.label(name, text)
		for j := range u.Mounts {
			p.label("", "  "+mountText(&u.Mounts[j]))
		}
	}
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

func (p *inventoryPrinter) volumeSnapshot(s *storage.Snapshot) {
	severity, style := verdict(storageFindings(s.Findings), len(s.Unknowns) > 0)
	if !p.room(severity) {
		return
	}
	p.head(severity, style, "VolumeSnapshot "+s.Namespace+"/"+s.Name, "")
	p.findings(storageFindings(s.Findings))
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
	for _, reason := range s.Unknowns {
		p.label("not known", reason)
	}
	fmt.Fprintln(p.w)
}

func (p *inventoryPrinter) classes(view *storage.View) {
	if len(view.Classes)+len(view.SnapshotClasses)+len(view.AttributesClasses) == 0 {
		return
	}
	p.line(0, bold, "Classes")
	for _, c := range view.Classes {
		name := c.Object.Key.Name
		if c.Default {
			name += " (default)"
		}
		p.wrapped(2, "", fmt.Sprintf("StorageClass %s: %s, reclaim %s, encrypted %s: %s", name, c.Provisioner, c.Reclaim, c.Encryption.State, c.Encryption.Reason))
	}
	for _, c := range asNamedClasses(view.SnapshotClasses) {
		p.wrapped(2, "", fmt.Sprintf("VolumeSnapshotClass %s: %s, deletion policy %s", c.Name, c.Driver, c.Deletion))
	}
	for _, c := range asNamedClasses(view.AttributesClasses) {
		p.wrapped(2, "", fmt.Sprintf("VolumeAttributesClass %s: %s", c.Name, c.Driver))
	}
	fmt.Fprintln(p.w)
}
