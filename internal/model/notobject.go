package model

import (
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// configGroups are API groups of configuration files and of requests: what they
// name is read by a program, and no cluster keeps it as an object.
var configGroups = map[string]bool{
	"admission.k8s.io": true, "apiserver.k8s.io": true, "audit.k8s.io": true, "client.authentication.k8s.io": true, "eventratelimit.admission.k8s.io": true,
	"imagepolicy.k8s.io": true, "kind.x-k8s.io": true, "kubeadm.k8s.io": true, "skaffold": true,
}

// noObject reports whether a document with an apiVersion and a kind is none of
// a Kubernetes object: one of a configuration group, a request that the API
// server answers and forgets, or one without metadata whose kind is not known
// and that has no spec either.
func noObject(root *tree.Node, apiVersion, kind string) bool {
	group := GroupOf(apiVersion)
	if configGroups[group] || strings.HasSuffix(group, ".config.k8s.io") {
		return true
	}
	metadata := root.Get("metadata")
	if group == "authentication.k8s.io" || group == "authorization.k8s.io" {
		return metadata.Get("name") == nil // reviews need no name
	}
	if metadata != nil && !metadata.Is(tree.Null) {
		return false
	}
	known := builtin.lookup(apiVersion, kind) != nil || (GroupKind{group, kind}).PodSpecPath() != nil
	return !known && root.Get("spec") == nil
}
