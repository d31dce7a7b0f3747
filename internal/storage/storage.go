// Package storage answers what storage there is in a snapshot: who mounts it and
// how, who shares it, what it is bound to, whether it is encrypted, what becomes
// of its data, and what a path of the node gives to those who mount it.
//
// [New] reads all volumes, claims, persistent volumes, classes and volume
// snapshots. [HostPath] is the catalogue of sensitive paths of a node.
//
// In an open snapshot more may live elsewhere, and in a closed one with gaps in
// what could not be read. What depends on that is in Unknowns. The status of objects is used where it was read, and only there.
// Parameters of storage drivers are judged as far as the documents of the driver
// say what they do; everything else is unknown.
package storage

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Kind says what a volume is. Volumes that are none of the kinds named here have
// the name of their source in the pod, such as emptyDir, projected or csi.
type Kind string

// The kinds that are more than a source in a pod.
const (
	KindClaim      Kind = "claim"            // a PersistentVolumeClaim, with what it is bound to
	KindPersistent Kind = "persistentVolume" // a PersistentVolume that no claim here is bound to
	KindHostPath   Kind = "hostPath"
	KindEphemeral  Kind = "ephemeral"  // a claim that lives as long as its pod
	KindUndeclared Kind = "undeclared" // named by a mount, and not by the pod
)

// ID identifies a volume within a snapshot. Pods whose volumes have the same ID
// share them.
type ID struct {
	Kind Kind
	// Namespace and Name are those of a claim; Name is also that of a persistent
	// volume, the path of a hostPath, server:path of an nfs volume, and else the
	// name in the pod. The name of a claim that a StatefulSet makes for each
	// replica ends in "-*".
	Namespace, Name string
	// Workload and Spec say whose volume it is, when no other pod template can have it.
	Workload model.Key
	Spec     string // path of the pod spec
}

// Volume is a piece of storage.
type Volume struct {
	ID
	Object *model.Object // the claim or the persistent volume; nil for others, and for what was not read
	Users  []User        // by workload
	Claim  *Claim        // of claims and ephemeral volumes
	Copies *Copies       // of a claim template that stands for the claims of replicas; nil for all others
	// Persistent is the PersistentVolume, when there is one in the snapshot.
	Persistent *Persistent
	Class      *Class // the StorageClass, when it is known which one
	// NodePath is the path of the node that is mounted, and Exposures what that
	// gives; see [HostPath].
	NodePath  string
	Exposures []Exposure
	// Holds lists what of the API the volume holds, such as "Secret db (keys
	// password)", and how it is made, such as "memory".
	Holds      []string
	Encryption Encryption
	// Data are those behind the volume, when other volumes here have the same; nil
	// for all others.
	Data *Data
	// Orphaned says why nobody owns the data of a persistent volume any more; "" when
	// somebody does, or it is not known: then Unknowns says why.
	Orphaned string
	// OnePod is the workload that is all that was read to mount the claim, when it
	// has but one pod. LeftBehind is the StatefulSet of whose replicas the claim was
	// and that has fewer now.
	OnePod, LeftBehind *model.Object
	Unknowns           []string
}

// User is a pod template that has a volume. A pod that a workload made is one only
// for what its ephemeral containers mount.
type User struct {
	Workload *model.Object
	Pod      *model.PodTemplate
	Account  string    // service account, by name
	Volume   string    // name in the pod
	Path     tree.Path // of the volume, from the root of Workload; of the claim template, when that names it
	ReadOnly bool      // no container can write
	// PathType is the type of a hostPath, which the kubelet checks: such as Directory or
	// Socket, or DirectoryOrCreate, which makes the path on the node where there is none.
	PathType string
	Mounts   []Mount // in the order of fields; none when no container mounts it
}

// Writes reports whether a container can write to the volume.
func (u *User) Writes() bool {
	for i := range u.Mounts {
		if !u.Mounts[i].ReadOnly {
			return true
		}
	}
	return false
}

// Mount is a place of a container where a volume is seen.
type Mount struct {
	Container string
	Role      Role
	MountPath string // or, for a Device, its path
	Device    bool   // a raw block device
	// Privileged says that the container is: then it opens every device of the node.
	Privileged bool
	ReadOnly   bool // by the mount or by the volume
	// Recursive says that a read-only mount is so with all that is mounted below it;
	// else, of a hostPath, other file systems of the node below it can be written to.
	Recursive bool
	// SubPath is a directory of the volume; SubPathExpr one that may depend on
	// environment variables.
	SubPath, SubPathExpr string
	Propagation          string    // "" stands for None
	Path                 tree.Path // from the root of the workload
}

// Role is what a container is for.
type Role string

// The roles. A sidecar is an init container that keeps running.
const (
	RoleMain      Role = "main"
	RoleInit      Role = "init"
	RoleSidecar   Role = "sidecar"
	RoleEphemeral Role = "ephemeral"
)

// Claim is a PersistentVolumeClaim, or the template of one.
type Claim struct {
	Node *tree.Node // with metadata and spec; nil when the claim was not read
	// Template says that it is made of the template of a StatefulSet or of an
	// ephemeral volume.
	Template    bool
	AccessModes []string
	Block       bool   // a device without a file system
	ClassName   string // as written or, for a claim that names none, of the default class; "" when there is none
	Attributes  string // VolumeAttributesClass
	VolumeName  string // of the PersistentVolume, when bound
	Phase       string // of the status, "" when that was not read
	Source      *DataSource
}

// Copies is how many claims a StatefulSet makes of a claim template: one for each
// replica.
type Copies struct {
	Count int64 // as the StatefulSet says; nothing unless Known
	Known bool
	// Doubt says why there may be others, or why nothing is known; "" where Count is a
	// fact.
	Doubt string
}

// DataSource is what a claim is filled with.
type DataSource struct {
	model.GroupKind
	Namespace, Name string
}

// Persistent is a PersistentVolume.
type Persistent struct {
	Object  *model.Object
	Driver  string // of CSI, and else the name of the source
	Handle  string // what the driver knows the storage by
	Reclaim string // Retain, Delete or Recycle
	Phase   string // of the status, "" when that was not read
	// ClaimNamespace and ClaimName are those of the claim that it is reserved for.
	ClaimNamespace, ClaimName string
}

// Class is a StorageClass.
type Class struct {
	Object      *model.Object
	Provisioner string
	Reclaim     string
	Default     bool
	Encryption  Encryption // of volumes that it makes
}

// View is the storage of a snapshot.
type View struct {
	Volumes   []*Volume   // by ID
	Data      []*Data     // by name
	Snapshots []*Snapshot // VolumeSnapshots and contents without one, by name
	Classes   []*Class    // by name
	// SnapshotClasses are the VolumeSnapshotClasses, and AttributesClasses the
	// VolumeAttributesClasses, by name.
	SnapshotClasses, AttributesClasses []*model.Object
	// Unknowns say what was not read of which everything here may depend.
	Unknowns []string
}
