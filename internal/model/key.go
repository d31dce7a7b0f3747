// Package model holds the nouns that every analysis shares: objects, workloads,
// the snapshot they live in, and the findings made about them.
//
// A [Snapshot] is immutable; [Snapshot.With] makes a changed one. Nothing in
// this package reads a clock, a file or the network.
package model

import (
	"strings"
)

// GroupKind names a type of object without its version, as versions of one
// type hold the same object.
type GroupKind struct {
	Group string // "" for the core group
	Kind  string
}

// String writes Kind for the groups that Kubernetes serves itself, and
// Kind.group for all others.
func (gk GroupKind) String() string {
	if gk.Builtin() {
		return gk.Kind
	}
	return gk.Kind + "." + gk.Group
}

// Builtin reports whether Kubernetes serves the group itself.
func (gk GroupKind) Builtin() bool {
	return !strings.Contains(gk.Group, ".") || strings.HasSuffix(gk.Group, ".k8s.io") && !strings.Contains(gk.Group, ".x-k8s.io") &&
		builtinGroups[strings.TrimSuffix(gk.Group, ".k8s.io")]
}

var builtinGroups = map[string]bool{
	"admissionregistration": true, "apiextensions": true, "apiregistration": true, "authentication": true, "authorization": true,
	"certificates": true, "coordination": true, "discovery": true, "events": true, "flowcontrol.apiserver": true, "internal.apiserver": true, "lifecycle": true,
	"networking": true, "node": true, "rbac.authorization": true, "resource": true, "scheduling": true, "storage": true, "storagemigration": true,
}

// Key identifies an object across snapshots.
type Key struct {
	Cluster   string // "" for objects read from files
	Namespace string // "" for cluster-scoped objects
	GroupKind
	Name string
}

// String writes the key for people: Kind/namespace/name.
func (k Key) String() string {
	s := k.GroupKind.String() + "/"
	if k.Namespace != "" {
		s += k.Namespace + "/"
	}
	return s + k.Name
}

// Compare orders keys by namespace, kind and name.
func (k Key) Compare(o Key) int {
	for _, part := range [...][2]*string{{&k.Cluster, &o.Cluster}, {&k.Namespace, &o.Namespace}, {&k.Kind, &o.Kind}, {&k.Group, &o.Group}} {
		if c := strings.Compare(*part[0], *part[1]); c != 0 {
			return c
		}
	}
	return strings.Compare(k.Name, o.Name)
}

// GroupOf returns the API group of an apiVersion; that of the core API is "".
func GroupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// MaxListDepth bounds lists within lists: what lies deeper is not looked at.
const MaxListDepth = 8
