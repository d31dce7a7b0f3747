package storage

import (
	"iter"
	"path"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Data are files that several volumes have, wholly or in part: those of one handle
// of a driver, of one NFS export, of one path of the node.
type Data struct {
	Name    string // such as "efs.csi.aws.com fs-1"
	Volumes []ID   // that have just these files
	// Around are the files that these are among, the nearest, and Parts those among
	// these that other volumes have. A path of the node below which there is a
	// sensitive place is around none: whoever has it has more than the files of others.
	Around     *Data
	Parts      []*Data
	Namespaces []string // see [Volume.Namespaces]; nothing in [Shares]
}

// meeting yields the volumes that have some of the files: just these, a part of
// them, or more.
func (d *Data) meeting(yield func(ID) bool) {
	if !d.inside(yield) {
		return
	}
	for d = d.Around; d != nil; d = d.Around {
		for _, id := range d.Volumes {
			if !yield(id) {
				return
			}
		}
	}
}

// inside yields the volumes that have files of the data and no others.
func (d *Data) inside(yield func(ID) bool) bool {
	for _, id := range d.Volumes {
		if !yield(id) {
			return false
		}
	}
	for _, part := range d.Parts {
		if !part.inside(yield) {
			return false
		}
	}
	return true
}

// Namespaces returns the namespaces that have some of the files of a volume, in
// order: those of claims and of those who mount one, parts of the platform on a path
// of the node left out. The result must not be changed.
func (v *Volume) Namespaces() []string {
	if v.Data != nil {
		return v.Data.Namespaces
	}
	return namespaces(v)
}

func namespaces(volumes ...*Volume) []string {
	var found model.Names
	for _, v := range volumes {
		found.Add(v.Namespace)
		if v.Persistent != nil {
			found.Add(v.Persistent.ClaimNamespace)
		}
	}
	for _, u := range mounting(volumes) {
		found.Add(u.Workload.Key.Namespace)
	}
	slices.Sort(found.List)
	return slices.DeleteFunc(found.List, func(namespace string) bool { return namespace == "" })
}

// origin is where the files of a volume come from. Those of one medium have a path,
// and what is below a path is a part of it.
type origin struct {
	name, medium, path string
}

// originOf returns what is behind a volume; the name is "" where that is not known.
func originOf(id ID, p *Persistent) origin {
	switch {
	case id.Kind == KindHostPath:
		return origin{"hostPath " + id.Name, "hostPath", id.Name}
	case id.Kind == "nfs":
		server, at, _ := strings.Cut(id.Name, ":/")
		return export(server, at)
	case p == nil:
		return origin{}
	case p.Driver == "hostPath":
		return origin{"hostPath " + p.nodePath(), "hostPath", p.nodePath()}
	case p.Driver == "nfs":
		server, at, _ := strings.Cut(p.Handle, ":/")
		return export(server, at)
	case p.Driver == "nfs.csi.k8s.io":
		return p.csiExport()
	case p.Driver == "smb.csi.k8s.io":
		return p.csiShare()
	case p.Driver == "efs.csi.aws.com" && p.Handle != "":
		return fileSystem(p.Handle)
	case p.Handle != "":
		return origin{name: p.Driver + " " + p.Handle, medium: p.Driver + " " + p.Handle, path: "/"}
	}
	return origin{}
}

func export(server, at string) origin {
	at = path.Clean("/" + at)
	return origin{"nfs " + server + ":" + at, "nfs " + server, at}
}

// csiExport reads what the NFS driver mounts from the attributes of the volume: its
// handle is only a name.
func (p *Persistent) csiExport() origin {
	attributes := p.Object.Root.Dig("spec", "csi", "volumeAttributes")
	server, share := attribute(attributes, "server"), attribute(attributes, "share")
	if server == "" || share == "" {
		return origin{name: p.Driver + " " + p.Handle, medium: p.Driver + " " + p.Handle, path: "/"}
	}
	return export(server, path.Join(share, attribute(attributes, "subdir")))
}

// csiShare is csiExport for the SMB driver.
func (p *Persistent) csiShare() origin {
	attributes := p.Object.Root.Dig("spec", "csi", "volumeAttributes")
	server, share, ok := strings.Cut(strings.Trim(strings.ReplaceAll(attribute(attributes, "source"), `\`, "/"), "/"), "/")
	if !ok {
		return origin{name: p.Driver + " " + p.Handle, medium: p.Driver + " " + p.Handle, path: "/"}
	}
	at := path.Join("/", share, attribute(attributes, "subdir"))
	return origin{"smb //" + server + at, "smb " + server, at}
}

// attribute returns an attribute of a volume, whose name is the same in any case.
func attribute(attributes *tree.Node, name string) string {
	for i := range attributes.Children() {
		if n := &attributes.Children()[i]; strings.EqualFold(n.Key(), name) {
			return n.Str()
		}
	}
	return ""
}

// fileSystem reads a handle of EFS: a file system, perhaps with a directory, perhaps
// with an access point, of which it is not known to what directory it leads.
func fileSystem(handle string) origin {
	name := "efs.csi.aws.com " + handle
	id, rest, _ := strings.Cut(handle, ":")
	at, point, _ := strings.Cut(rest, ":")
	at = path.Clean("/" + at)
	if point != "" {
		at = path.Join("/", "access point "+point, at)
	}
	return origin{name, "efs.csi.aws.com " + id, at}
}

// below puts what is below a path after it and before all others.
func (o origin) below(other origin) int {
	byPart := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	if c := strings.Compare(o.medium, other.medium); c != 0 {
		return c
	}
	return strings.Compare(byPart(o.path), byPart(other.path))
}

// shareData finds volumes that have files in common. The result is in the order of
// their origins: what is around some files comes before them.
func shareData(volumes iter.Seq2[ID, *Persistent]) []*Data {
	byOrigin := map[[2]string]*Data{}
	origins := map[*Data]origin{}
	var all []*Data
	for id, p := range volumes {
		from := originOf(id, p)
		if from.name == "" {
			continue
		}
		at := [2]string{from.medium, from.path}
		d := byOrigin[at]
		if d == nil {
			d = &Data{Name: from.name}
			byOrigin[at], origins[d] = d, from
			all = append(all, d)
		}
		d.Volumes = append(d.Volumes, id)
	}
	slices.SortFunc(all, func(a, b *Data) int { return origins[a].below(origins[b]) })
	nest(all, origins)
	for _, d := range all {
		slices.SortFunc(d.Volumes, ID.compare)
	}
	return slices.DeleteFunc(all, func(d *Data) bool { return len(d.Volumes) == 1 && d.Around == nil && d.Parts == nil })
}

// meet finds which volumes of the builder have files in common, and says which
// namespaces do; see [View.Data].
func (b *builder) meet() []*Data {
	all := shareData(func(yield func(ID, *Persistent) bool) {
		for _, v := range b.order {
			if !yield(v.ID, v.Persistent) {
				return
			}
		}
	})
	above, below := make(map[*Data]*model.Names, len(all)), make(map[*Data]*model.Names, len(all))
	for _, d := range all {
		volumes := make([]*Volume, len(d.Volumes))
		for i, id := range d.Volumes {
			volumes[i] = b.volumes[id]
			volumes[i].Data = d
		}
		own := namespaces(volumes...)
		above[d], below[d] = &model.Names{}, &model.Names{}
		above[d].Add(own...)
		below[d].Add(own...)
		if d.Around != nil {
			above[d].Add(above[d.Around].List...)
		}
	}
	for _, d := range slices.Backward(all) {
		if d.Around != nil {
			below[d.Around].Add(below[d].List...)
		}
	}
	for _, d := range all {
		above[d].Add(below[d].List...)
		d.Namespaces = above[d].List
		slices.Sort(d.Namespaces)
	}
	slices.SortFunc(all, func(a, b *Data) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// nest finds of which data others are a part. They are in the order of their
// origins: what is around some files comes before them.
func nest(all []*Data, origins map[*Data]origin) {
	var open []*Data
	for _, d := range all {
		from := origins[d]
		for len(open) > 0 {
			outer := origins[open[len(open)-1]]
			if outer.medium == from.medium && within(from.path, outer.path) {
				break
			}
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			d.Around = open[len(open)-1]
			d.Around.Parts = append(d.Around.Parts, d)
		}
		if from.medium != "hostPath" || !holdsSensitive(from.path) {
			open = append(open, d)
		}
	}
}

// holdsSensitive reports whether a path of the node is a sensitive place or holds
// one. What is only inside of one does not.
func holdsSensitive(at string) bool {
	return slices.ContainsFunc(HostPath(at), func(e Exposure) bool { return within(e.Path, at) })
}
