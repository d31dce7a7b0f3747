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

// refuses returns why Pod Security refuses the pods of a workload, or nil. Only what
// opens their node is looked at.
func (b *builder) refuses(w *workload) *refusedPods {
	if !b.daring(w) {
		return nil
	}
	o := b.namespaceObject(w.Object.Key.Namespace)
	if o == nil {
		return nil
	}
	restricts, minor, label := enforced(o.Root, b.options.KubernetesMinor)
	if !restricts || baseline(w.Pod.Metadata, w.Pod.Spec, minor) {
		return nil
	}
	return &refusedPods{o.Key.String() + " enforces the level " + label.Text() + ", which refuses its pods", o, label}
}

// lackAccounts finds the workloads whose service account is not there, which holds for
// all accounts that are not read. Files that hold none leave them out.
func (b *builder) lackAccounts(there []bool) {
	if len(b.memory.accounts) == 0 {
		return
	}
	for ns, in := range b.inNamespace {
		if in.first == in.last || !b.snapshot.Complete(b.namespaces[ns], model.ServiceAccountKind) {
			continue
		}
		for i := in.first; i < in.last; i++ {
			w := &b.Graph.workloads[i]
			if int(w.account) < len(there) && there[w.account] || w.accountHash == b.defaultHash {
				continue
			}
			name := model.Key{Namespace: b.namespaces[ns], GroupKind: model.ServiceAccountKind, Name: b.accounts[w.account].Name}.String()
			w.refused = &refusedPods{name + " does not exist, and pods that run as it are refused", w.Object, w.Pod.Spec.Get("serviceAccountName")}
			b.sleepers = true
		}
	}
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
