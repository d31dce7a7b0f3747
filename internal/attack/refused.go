package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// refusedPods says why the API server refuses the pods of a workload. Those that were
// made before may run.
type refusedPods struct {
	text   string // a clause
	object *model.Object
	node   *tree.Node
}

// refuses returns why the pods of a workload are refused, or nil. Only what steps start
// from is looked at: what Pod Security closes, and service accounts.
func (b *builder) refuses(w *workload) *refusedPods {
	namespace := w.Object.Key.Namespace
	if account := b.accounts[w.account].Name; account != "default" && b.holdsAccounts() && b.snapshot.Complete(namespace, model.ServiceAccountKind) {
		if b.snapshot.Get(model.Key{Cluster: w.Object.Key.Cluster, Namespace: namespace, GroupKind: model.ServiceAccountKind, Name: account}) == nil {
			return &refusedPods{"ServiceAccount/" + namespace + "/" + account + " does not exist, and pods that run as it are refused", w.Object, w.Pod.Spec.Get("serviceAccountName")}
		}
	}
	if !b.daring(w) {
		return nil
	}
	o := b.namespaceObject(namespace)
	if o == nil {
		return nil
	}
	restricts, minor, label := enforced(o.Root, b.options.KubernetesMinor)
	if !restricts || baseline(w.Pod.Metadata, w.Pod.Spec, minor) {
		return nil
	}
	return &refusedPods{o.Key.String() + " enforces the level " + label.Text() + ", which refuses its pods", o, label}
}

// holdsAccounts reports whether the input holds service accounts: files that hold none
// leave them out.
func (b *builder) holdsAccounts() bool {
	for shard := range b.snapshot.Shards(model.ServiceAccountKind) {
		if len(shard.Objects()) > 0 {
			return true
		}
	}
	return false
}

// daring reports whether a workload has something that opens its node.
func (b *builder) daring(w *workload) bool {
	if w.hostPID != nil || w.hostNetwork != nil || w.windows != nil {
		return true
	}
	return slices.ContainsFunc(b.Graph.containers[w.first:w.last], func(k container) bool {
		return k.privileged != nil || k.capabilities != nil || k.windows != nil ||
			slices.ContainsFunc(b.uses[k.uses.first:k.uses.last], func(u use) bool { return u.kind == useHost })
	})
}

var runtimeClassKind = model.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}

// sandboxes are parts of the names of handlers that run pods in a virtual machine, or on
// a kernel of their own.
var sandboxes = []string{"runsc", "gvisor", "kata", "firecracker", "aws-fc", "edera", "quark"}

// sandboxOf returns the handler of the class of a workload where that is a sandbox, or
// the name of the class where it was not read and says so.
func (b *builder) sandboxOf(w *workload) string {
	handler := w.class.Str()
	if handler == "" {
		return ""
	}
	if o := b.snapshot.Get(model.Key{Cluster: w.Object.Key.Cluster, GroupKind: runtimeClassKind, Name: handler}); o != nil {
		handler = o.Root.Get("handler").Str()
	}
	if slices.ContainsFunc(sandboxes, func(word string) bool { return strings.Contains(handler, word) }) {
		return handler
	}
	return ""
}
