// Package secrets answers who consumes each Secret of a snapshot, and who may read
// it. What is wrong with that, rules say.
//
// [New] holds the consumers of each Secret, found by [Consumed], against its
// readers by RBAC, which the caller hands in. It also tells which external secret
// managers are in use, and which Secrets they make: [Created].
//
// No value of a Secret is ever here: the model takes them out when it reads. Of
// the Secrets of a live cluster only the metadata are read, so that their keys
// and types are not known.
package secrets

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Name names a Secret.
type Name struct{ Namespace, Name string }

func (n Name) String() string { return n.Namespace + "/" + n.Name }

// How says in which way a Secret is consumed.
type How string

// The ways.
const (
	Mount     How = "mount"          // files of a volume, a projected one included
	Env       How = "env"            // single environment variables
	EnvFrom   How = "envFrom"        // all keys as environment variables
	ImagePull How = "imagePull"      // the credentials for a registry
	Account   How = "serviceAccount" // listed by a ServiceAccount as one of its own
	TLS       How = "tls"            // the certificate of an Ingress or a Gateway
	Ingress   How = "ingress"        // what the annotations of an Ingress have its controller take, such as passwords
	Driver    How = "storageDriver"  // the credentials of a storage driver
	Manager   How = "secretManager"  // the credentials for an external secret manager, or what it pushes there
	Custom    How = "customResource" // named by a custom resource of which no more is known
)

// Use is a place of an object that names a Secret in order to consume it.
type Use struct {
	Name     // the namespace may be empty: see [Consumed]
	How      How
	Keys     []string // that are taken; none means all, or not known
	Optional bool
	// Account is the service account of the pods, Containers those that see it.
	// Both are empty for what is no pod.
	Account    string
	Containers []string
	Path       tree.Path // to the name, from the root of the object
}

// Consumer is an object with a use.
type Consumer struct {
	Object *model.Object
	Use
}

// Reader may read a Secret by RBAC.
type Reader struct {
	Subject string    // such as sa:build/ci-runner
	Verbs   []string  // get, list, watch; each of the last two gives the values, too
	Binding model.Key // that allows it
	// ByName says that it is allowed this one Secret and not all of them: it may well
	// use it, by the API.
	ByName bool
	// ServiceAccount says that the subject is one, or a group of them: what a pod
	// may be.
	ServiceAccount bool
	// Everybody is set for groups that nobody is put into by hand: whom it means.
	Everybody string
	// Anonymous says that no login is needed.
	Anonymous bool
	System    bool // a part of Kubernetes itself
}

// Readers returns who may read a Secret, and why there may be more; such reasons
// are told once, in the Unknowns of the View.
type Readers func(Name) (readers []Reader, doubts []string)

// State says what is known of whether a Secret exists.
type State string

// The states.
const (
	Present State = "present" // it is in the snapshot
	Made    State = "made"    // an object of the snapshot has a controller make it
	Absent  State = "absent"
	Unread  State = "unknown" // it is not in the snapshot, and may live elsewhere
)

// Secret is a Secret that is in the snapshot or that something there names.
type Secret struct {
	Name
	State  State
	Object *model.Object   // when Present
	MadeBy []*model.Object // have a controller make it
	// Type is the type, "" when it is not known.
	Type string
	// Keys are the keys; KeysKnown is false where they were not read.
	Keys      []string
	KeysKnown bool
	Immutable bool
	Consumers []Consumer // by object
	Readers   []Reader
}

// View is the Secrets of a snapshot.
type View struct {
	Secrets  []*Secret       // by namespace and name
	Managers []*ManagerInUse // by name
	// Unknowns say what was not read of which everything here may depend.
	Unknowns []string
}
