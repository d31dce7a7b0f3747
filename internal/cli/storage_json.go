package cli

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/storage"
)

// The JSON form of ullage storage, as docs/storage.md describes it.

type volumeIDJSON struct {
	Kind      storage.Kind `json:"kind"`
	Namespace string       `json:"namespace,omitempty"`
	Name      string       `json:"name"`
	Workload  string       `json:"workload,omitempty"`
}

type volumeJSON struct {
	volumeIDJSON
	Place      *model.Place     `json:"place,omitempty"`
	Users      []volumeUserJSON `json:"users"`
	Claim      *claimJSON       `json:"claim,omitempty"`
	Persistent *persistentJSON  `json:"persistentVolume,omitempty"`
	Class      string           `json:"class,omitempty"`
	Provision  string           `json:"provisioner,omitempty"`
	NodePath   string           `json:"nodePath,omitempty"`
	Exposures  []exposureJSON   `json:"exposures,omitempty"`
	Holds      []string         `json:"holds,omitempty"`
	Encryption *encryptionJSON  `json:"encryption,omitempty"`
	Data       string           `json:"data,omitempty"`
	Findings   []findingJSON    `json:"findings"`
	Unknown    []string         `json:"unknown,omitempty"`
}

// dataJSON are data that several volumes have.
type dataJSON struct {
	Name       string         `json:"name"`
	Volumes    []volumeIDJSON `json:"volumes"`
	PartOf     string         `json:"partOf,omitempty"`
	Namespaces []string       `json:"namespaces"`
}

func asData(d *storage.Data) dataJSON {
	j := dataJSON{Name: d.Name, Namespaces: append([]string{}, d.Namespaces...)}
	if d.Around != nil {
		j.PartOf = d.Around.Name
	}
	for _, id := range d.Volumes {
		j.Volumes = append(j.Volumes, asVolumeID(id))
	}
	return j
}

type volumeUserJSON struct {
	Workload string       `json:"workload"`
	Account  string       `json:"serviceAccount"`
	Ended    bool         `json:"ended,omitempty"`
	Volume   string       `json:"volume"`
	ReadOnly bool         `json:"readOnly"`
	Place    *model.Place `json:"place"`
	Mounts   []mountJSON  `json:"mounts"`
	PathType string       `json:"hostPathType,omitempty"`
	Gain     *gainJSON    `json:"gain,omitempty"`
}

// gainJSON is the most that the mounts give of the node.
type gainJSON struct {
	Text      string `json:"text"`
	TakesNode bool   `json:"takesNode"`
}

type mountJSON struct {
	Container   string       `json:"container"`
	Role        storage.Role `json:"role"`
	Path        string       `json:"path"`
	Device      bool         `json:"device,omitempty"`
	ReadOnly    bool         `json:"readOnly"`
	Recursive   bool         `json:"recursiveReadOnly,omitempty"`
	SubPath     string       `json:"subPath,omitempty"`
	SubPathExpr string       `json:"subPathExpr,omitempty"`
	Propagation string       `json:"propagation,omitempty"`
}

type claimJSON struct {
	AccessModes []string       `json:"accessModes"`
	Block       bool           `json:"block,omitempty"`
	Class       string         `json:"class,omitempty"`
	Attributes  string         `json:"attributesClass,omitempty"`
	Template    bool           `json:"template,omitempty"`
	Copies      *copiesJSON    `json:"copies,omitempty"`
	Read        bool           `json:"read"`
	Phase       string         `json:"phase,omitempty"`
	Source      *sourceRefJSON `json:"filledFrom,omitempty"`
}

// copiesJSON is how many claims a claim template stands for.
type copiesJSON struct {
	Count *int64 `json:"count"` // null where it is not known
	Doubt string `json:"doubt,omitempty"`
}

func asCopies(c *storage.Copies) *copiesJSON {
	if c == nil {
		return nil
	}
	j := &copiesJSON{Doubt: c.Doubt}
	if c.Known {
		j.Count = &c.Count
	}
	return j
}

type sourceRefJSON struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type persistentJSON struct {
	Name    string `json:"name"`
	Driver  string `json:"driver"`
	Handle  string `json:"handle,omitempty"`
	Reclaim string `json:"reclaim"`
	Phase   string `json:"phase,omitempty"`
}

type exposureJSON struct {
	Path       string `json:"path"`
	Read       string `json:"read,omitempty"`
	Write      string `json:"write,omitempty"`
	ReadTakes  bool   `json:"readTakesNode"`
	WriteTakes bool   `json:"writeTakesNode"`
	Needs      string `json:"needs,omitempty"`
	Socket     bool   `json:"socket,omitempty"`
	Device     bool   `json:"device,omitempty"` // which privileged containers alone open
}

type encryptionJSON struct {
	State  storage.State `json:"state"`
	Reason string        `json:"reason"`
}

type classJSON struct {
	Name        string          `json:"name"`
	Provisioner string          `json:"provisioner"`
	Reclaim     string          `json:"reclaim"`
	Default     bool            `json:"default"`
	Encryption  *encryptionJSON `json:"encryption"`
	Place       *model.Place    `json:"place"`
	Findings    []findingJSON   `json:"findings"`
}

// namedClassJSON is a VolumeSnapshotClass or a VolumeAttributesClass.
type namedClassJSON struct {
	Name     string       `json:"name"`
	Driver   string       `json:"driver"`
	Deletion string       `json:"deletionPolicy,omitempty"`
	Place    *model.Place `json:"place"`
}

func asNamedClasses(objects []*model.Object) []namedClassJSON {
	all := []namedClassJSON{}
	for _, o := range objects {
		driver := o.Root.Get("driver").Str()
		if driver == "" {
			driver = o.Root.Get("driverName").Str()
		}
		all = append(all, namedClassJSON{o.Key.Name, driver, o.Root.Get("deletionPolicy").Str(), placeOf(o)})
	}
	return all
}

type volumeSnapshotJSON struct {
	Namespace  string          `json:"namespace"`
	Name       string          `json:"name"`
	Claim      string          `json:"claim,omitempty"`
	Class      string          `json:"class,omitempty"`
	Driver     string          `json:"driver,omitempty"`
	Handle     string          `json:"handle,omitempty"`
	Deletion   string          `json:"deletionPolicy,omitempty"`
	RestoredBy []sourceRefJSON `json:"restoredBy"`
	Elsewhere  []string        `json:"restorableIn"`
	Findings   []findingJSON   `json:"findings"`
	Unknown    []string        `json:"unknown,omitempty"`
}

func (view *storageListing) json() any {
	doc := struct {
		Version    int                  `json:"version"`
		Volumes    []volumeJSON         `json:"volumes"`
		Data       []dataJSON           `json:"data"`
		Snapshots  []volumeSnapshotJSON `json:"snapshots"`
		Classes    []classJSON          `json:"classes"`
		OfSnapshot []namedClassJSON     `json:"snapshotClasses"`
		Attributes []namedClassJSON     `json:"attributesClasses"`
		Unknown    []string             `json:"unknown"`
	}{1, []volumeJSON{}, []dataJSON{}, []volumeSnapshotJSON{}, []classJSON{}, asNamedClasses(view.SnapshotClasses), asNamedClasses(view.AttributesClasses), append([]string{}, view.Unknowns...)}
	for i := range view.volumes {
		doc.Volumes = append(doc.Volumes, asVolume(&view.volumes[i]))
	}
	for _, d := range view.Data {
		doc.Data = append(doc.Data, asData(d))
	}
	for i := range view.snapshots {
		doc.Snapshots = append(doc.Snapshots, asVolumeSnapshot(&view.snapshots[i]))
	}
	for i := range view.classes {
		c := &view.classes[i]
		doc.Classes = append(doc.Classes, classJSON{c.Object.Key.Name, c.Provisioner, c.Reclaim, c.Default, asEncryption(c.Encryption), placeOf(c.Object), c.asJSON()})
	}
	return doc
}

func asVolumeID(id storage.ID) volumeIDJSON {
	j := volumeIDJSON{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
	if id.Workload.Name != "" {
		j.Workload = id.Workload.String()
	}
	return j
}

func asEncryption(e storage.Encryption) *encryptionJSON {
	if e.State == "" {
		return nil
	}
	return &encryptionJSON{e.State, e.Reason}
}

func asVolume(v *listedVolume) volumeJSON {
	j := volumeJSON{volumeIDJSON: asVolumeID(v.ID), Place: placeOf(v.Object), Users: []volumeUserJSON{}, NodePath: v.NodePath, Holds: v.Holds,
		Encryption: asEncryption(v.Encryption), Findings: v.asJSON(), Unknown: together(v.Unknowns, v.unknowns)}
	for i := range v.Users {
		j.Users = append(j.Users, asVolumeUser(&v.Users[i], v.NodePath))
	}
	if c := v.Claim; c != nil {
		j.Claim = &claimJSON{AccessModes: append([]string{}, c.AccessModes...), Block: c.Block, Class: c.ClassName, Attributes: c.Attributes, Template: c.Template, Copies: asCopies(v.Copies), Read: c.Node != nil, Phase: c.Phase}
		if c.Source != nil {
			j.Claim.Source = &sourceRefJSON{c.Source.Kind, c.Source.Namespace, c.Source.Name}
		}
	}
	if p := v.Persistent; p != nil {
		j.Persistent = &persistentJSON{p.Object.Key.Name, p.Driver, p.Handle, p.Reclaim, p.Phase}
	}
	if v.Class != nil {
		j.Class, j.Provision = v.Class.Object.Key.Name, v.Class.Provisioner
	}
	for _, e := range v.Exposures {
		j.Exposures = append(j.Exposures, exposureJSON{e.Path, e.Read, e.Write, e.ReadTakes, e.WriteTakes, e.Needs, e.Socket, e.Device})
	}
	if v.Data != nil {
		j.Data = v.Data.Name
	}
	return j
}

func asVolumeUser(u *storage.User, nodePath string) volumeUserJSON {
	place := u.Workload.Source.Place(u.Workload.Root.Nearest(u.Path))
	j := volumeUserJSON{u.Workload.Key.String(), u.Account, u.Workload.Ended(), u.Volume, u.ReadOnly, &place, []mountJSON{}, u.PathType, nil}
	if nodePath != "" {
		if gain := u.Gain(nodePath); gain.Text != "" {
			j.Gain = &gainJSON{gain.Text, gain.TakesNode}
		}
	}
	for _, m := range u.Mounts {
		j.Mounts = append(j.Mounts, mountJSON{m.Container, m.Role, m.MountPath, m.Device, m.ReadOnly, m.Recursive, m.SubPath, m.SubPathExpr, m.Propagation})
	}
	return j
}

func asVolumeSnapshot(s *listedSnapshot) volumeSnapshotJSON {
	j := volumeSnapshotJSON{Namespace: s.Namespace, Name: s.Name, Claim: s.Claim, Class: s.ClassName, Driver: s.Driver, Handle: s.Handle, Deletion: s.DeletionPolicy,
		RestoredBy: []sourceRefJSON{}, Elsewhere: append([]string{}, s.Elsewhere...), Findings: s.asJSON(), Unknown: together(s.Unknowns, s.unknowns)}
	for _, r := range s.RestoredBy {
		j.RestoredBy = append(j.RestoredBy, sourceRefJSON{"PersistentVolumeClaim", r.Namespace, r.Name})
	}
	return j
}
