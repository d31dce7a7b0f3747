package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// PodTemplate is where an object describes pods.
type PodTemplate struct {
	Metadata *tree.Node // the pods' metadata; nil when the template has none
	Spec     *tree.Node // the PodSpec
	SpecPath tree.Path  // leads from the object's root to Spec
}

// podSpecPaths lead to the PodSpec of the built-in workload kinds.
var podSpecPaths = map[GroupKind]tree.Path{
	{"", "Pod"}:                   tree.Keys("spec"),
	{"", "PodTemplate"}:           tree.Keys("template", "spec"),
	{"", "ReplicationController"}: tree.Keys("spec", "template", "spec"),
	{"apps", "Deployment"}:        tree.Keys("spec", "template", "spec"),
	{"apps", "ReplicaSet"}:        tree.Keys("spec", "template", "spec"),
	{"apps", "StatefulSet"}:       tree.Keys("spec", "template", "spec"),
	{"apps", "DaemonSet"}:         tree.Keys("spec", "template", "spec"),
	{"batch", "Job"}:              tree.Keys("spec", "template", "spec"),
	{"batch", "CronJob"}:          tree.Keys("spec", "jobTemplate", "spec", "template", "spec"),
}

// PodSpecPath returns where objects of a built-in workload kind keep their
// PodSpec, or nil.
func (gk GroupKind) PodSpecPath() tree.Path {
	if gk.Group == "extensions" { // before Kubernetes 1.16
		gk.Group = "apps"
	}
	return podSpecPaths[gk]
}

// findPodTemplates looks where the kind keeps its PodSpec. In custom resources
// it takes every map below spec that looks like one, so that operators' own
// workload kinds are covered. Policies that hold patterns of pods have none.
func findPodTemplates(o *Object) []PodTemplate {
	if path := o.Key.PodSpecPath(); path != nil {
		if spec := o.Root.Follow(path); spec.Is(tree.Map) {
			return []PodTemplate{podTemplate(o.Root, path)}
		}
		return nil
	}
	if o.Key.Builtin() || policyGroup(o.Key.Group) {
		return nil
	}
	var found []PodTemplate
	var walk func(n *tree.Node, path tree.Path)
	walk = func(n *tree.Node, path tree.Path) {
		if looksLikePodSpec(n) {
			found = append(found, podTemplate(o.Root, path.Join()))
			return
		}
		for i := range n.Children() {
			kid := &n.Children()[i]
			if kid.Is(tree.Map) || kid.Is(tree.List) {
				step := tree.Step{Key: kid.Key(), Index: i}
				walk(kid, append(path, step))
			}
		}
	}
	walk(o.Root.Get("spec"), tree.Keys("spec"))
	return found
}

// policyGroup reports groups of policy engines, whose resources hold patterns
// of pods and no pods.
func policyGroup(group string) bool {
	return group == "kyverno.io" || strings.HasSuffix(group, ".kyverno.io") || strings.HasSuffix(group, ".gatekeeper.sh")
}

func podTemplate(root *tree.Node, specPath tree.Path) PodTemplate {
	return PodTemplate{
		Metadata: root.Follow(specPath[:len(specPath)-1]).Get("metadata"),
		Spec:     root.Follow(specPath),
		SpecPath: specPath,
	}
}

// looksLikePodSpec reports whether a map has a list of containers that each name
// an image; some kinds let the container's name be left out. Under a key other
// than spec the key must speak of pods, and every field be one of a PodSpec:
// single containers and lists of steps are other things.
func looksLikePodSpec(n *tree.Node) bool {
	containers := n.Get("containers")
	if !containers.Is(tree.List) || containers.Len() == 0 {
		return false
	}
	for i := range containers.Children() {
		if containers.At(i).Get("image").Str() == "" {
			return false
		}
	}
	return n.Key() == "spec" || speaksOfPods(n.Key()) && onlyPodSpecFields(n)
}

func speaksOfPods(key string) bool {
	key = strings.ToLower(key)
	return strings.Contains(key, "pod") || strings.Contains(key, "template") || strings.HasSuffix(key, "spec")
}

func onlyPodSpecFields(n *tree.Node) bool {
	fields := builtin.lookup("v1", "Pod").fields["spec"].fields
	for i := range n.Children() {
		if fields[n.Children()[i].Key()] == nil {
			return false
		}
	}
	return true
}

// namesContainers reports whether there is an image or a security context below
// the root, the metadata and the status aside.
func namesContainers(root *tree.Node) bool {
	var within func(n *tree.Node) bool
	within = func(n *tree.Node) bool {
		for i := range n.Children() {
			kid := &n.Children()[i]
			switch key := kid.Key(); {
			case n == root && (key == "metadata" || key == "status"):
			case key == "image" && kid.Str() != "", key == "securityContext" && kid.Is(tree.Map), within(kid):
				return true
			}
		}
		return false
	}
	return within(root)
}

// ContainerLists are the fields of a PodSpec that hold containers.
var ContainerLists = []string{"containers", "initContainers", "ephemeralContainers"}

// Labels returns the labels that the pods carry.
func (p PodTemplate) Labels() *tree.Node { return p.Metadata.Get("labels") }

// ServiceAccount returns the name of the service account that the pods run as.
func (p PodTemplate) ServiceAccount() string {
	for _, key := range []string{"serviceAccountName", "serviceAccount"} { // the second is its old name
		if name := p.Spec.Get(key).Str(); name != "" {
			return name
		}
	}
	return "default"
}

// systemNamespaces hold the platform's own workloads.
var systemNamespaces = map[string]bool{
	"kube-system": true, "kube-public": true, "kube-node-lease": true, "calico-system": true, "calico-apiserver": true, "tigera-operator": true,
	"cilium": true, "cilium-secrets": true, "kube-flannel": true, "gmp-system": true, "gke-managed-system": true, "amazon-cloudwatch": true,
	"openshift-etcd": true, "openshift-kube-apiserver": true, "openshift-ovn-kubernetes": true, "longhorn-system": true, "rook-ceph": true,
	"metallb-system": true, "istio-cni": true,
}

// systemImages are words in image names of network, storage and node drivers.
var systemImages = []string{
	"kube-proxy", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "/etcd", "coredns", "cilium/cilium", "calico/node", "calico/cni",
	"flannel", "weave-kube", "csi-node-driver-registrar", "-csi-driver", "csi-attacher", "csi-provisioner", "node-driver-registrar", "aws-k8s-cni",
	"azure-cns", "kindnetd", "multus", "kube-vip", "metallb/speaker", "istio/install-cni", "node-local-dns", "k8s-dns-node-cache",
}

// isSystem trusts no priority class: whoever may use system-node-critical in
// a namespace gives it to an application as well.
func isSystem(o *Object) bool {
	if systemNamespaces[o.Key.Namespace] || o.Key.Kind == "Namespace" && systemNamespaces[o.Key.Name] {
		return true
	}
	if strings.HasPrefix(o.Key.Name, "system:") && strings.HasPrefix(o.Key.Group, "rbac.") {
		return true
	}
	for _, p := range o.pods {
		containers := p.Spec.Get("containers")
		for i := range containers.Children() {
			image := containers.At(i).Get("image").Str()
			for _, word := range systemImages {
				if strings.Contains(image, word) {
					return true
				}
			}
		}
	}
	return false
}

// Ended reports whether the pods of an object run no more and never will again, as
// the status of a Pod or a Job says. A status counts where the object has the uid
// that a cluster gave it: in a manifest, the API server drops it.
func (o *Object) Ended() bool {
	if o.Key.GroupKind != PodKind && o.Key.GroupKind != JobKind {
		return false
	}
	status := o.Root.Get("status")
	if status.Len() == 0 || o.Root.Dig("metadata", "uid").Str() == "" {
		return false
	}
	if o.Key.GroupKind == PodKind {
		phase := status.Get("phase").Str()
		return phase == "Succeeded" || phase == "Failed"
	}
	conditions := status.Get("conditions")
	for i := range conditions.Children() {
		c := conditions.At(i)
		if kind := c.Get("type").Str(); (kind == "Complete" || kind == "Failed") && c.Get("status").Str() == "True" {
			return true
		}
	}
	return false
}

// WorkloadKinds returns the built-in kinds that have pods, in order.
func WorkloadKinds() []GroupKind {
	return slices.SortedFunc(maps.Keys(podSpecPaths), func(a, b GroupKind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind))
	})
}

// Capability returns the name of a Linux capability as container runtimes read
// it, in upper case and without the prefix CAP_; they know ALL, too.
func Capability(written string) string {
	return strings.TrimPrefix(strings.ToUpper(written), "CAP_")
}
