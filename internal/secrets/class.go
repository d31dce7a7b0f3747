package secrets

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Uses finds the uses of Secrets in the objects of one snapshot, as [Consumed] does,
// and fills in what the parameters of a class take from its claims and snapshots. It
// is safe for concurrent use.
type Uses struct {
	s          *model.Snapshot
	namespaces func() map[className][]string
}

// className names a StorageClass or a VolumeSnapshotClass; "" is the default one.
type className struct {
	kind model.GroupKind
	name string
}

// UsesIn returns the uses in a snapshot.
func UsesIn(s *model.Snapshot) *Uses {
	u := &Uses{s: s}
	u.namespaces = sync.OnceValue(u.byClass)
	return u
}

// byClass returns the namespaces of claims, of what makes claims, and of volume
// snapshots, by their class.
func (u *Uses) byClass() map[className][]string {
	found := map[className][]string{}
	add := func(class className, namespace string) {
		if !slices.Contains(found[class], namespace) {
			found[class] = append(found[class], namespace)
		}
	}
	claim := func(n *tree.Node, namespace string) {
		name := n.Dig("spec", "storageClassName")
		class := cmp.Or(name.Str(), n.Dig("metadata", "annotations", "volume.beta.kubernetes.io/storage-class").Str())
		if class != "" || !name.Is(tree.String) { // an empty name is no class
			add(className{model.StorageClassKind, class}, namespace)
		}
	}
	for o := range u.s.Kind(model.PersistentVolumeClaimKind) {
		claim(o.Root, o.Key.Namespace)
	}
	for o, pod := range u.s.PodTemplates() {
		each(o.Root, tree.Keys("spec", "volumeClaimTemplates"), func(_ tree.Path, n *tree.Node) { claim(n, o.Key.Namespace) })
		each(pod.Spec, tree.Keys("volumes"), func(_ tree.Path, n *tree.Node) {
			if template := n.Dig("ephemeral", "volumeClaimTemplate"); template != nil {
				claim(template, o.Key.Namespace)
			}
		})
	}
	for o := range u.s.Kind(model.VolumeSnapshotKind) {
		add(className{model.VolumeSnapshotClassKind, o.Root.Dig("spec", "volumeSnapshotClassName").Str()}, o.Key.Namespace)
	}
	return found
}

// Of returns the uses in an object. Where the Secret of a class depends on its claims,
// there is one for each namespace that has such a claim; one without a namespace
// stands for those of claims that were not read. The Secrets of a Gateway of Istio
// are in the namespaces of its proxies, when these were read.
func (u *Uses) Of(o *model.Object) []Use {
	found := Consumed(o)
	if o.Key.GroupKind == istioGatewayKind && len(found) > 0 {
		return u.ofProxies(o, found)
	}
	if o.Key.GroupKind != model.StorageClassKind && o.Key.GroupKind != model.VolumeSnapshotClassKind {
		return found
	}
	of, read := "${pvc.", model.PersistentVolumeClaimKind
	if o.Key.GroupKind == model.VolumeSnapshotClassKind {
		of, read = "${volumesnapshot.", model.VolumeSnapshotKind
	}
	var all []Use
	for _, use := range found {
		prefix, _ := strings.CutSuffix(use.Path[len(use.Path)-1].Key, "-secret-name")
		if use.Namespace != "" || o.Root.Get("parameters").Get(prefix+"-secret-namespace").Str() != of+"namespace}" {
			all = append(all, use)
			continue
		}
		all = append(all, u.ofClaims(o, use)...)
		if u.s.Gap("", read) != nil {
			all = append(all, use)
		}
	}
	return all
}

// ofProxies places the Secrets of a Gateway of Istio in the namespaces of the pods
// that it selects, with the authorities that stand beside them (NAME-cacert).
func (u *Uses) ofProxies(o *model.Object, found []Use) []Use {
	labels := o.Root.Dig("spec", "selector")
	if labels.Len() == 0 {
		return found
	}
	selector := model.MatchLabels(labels)
	var namespaces []string
	for of, pod := range u.s.PodTemplates() {
		if !slices.Contains(namespaces, of.Key.Namespace) && selector.Matches(pod.Metadata.Get("labels")) {
			namespaces = append(namespaces, of.Key.Namespace)
		}
	}
	if len(namespaces) == 0 {
		return found
	}
	slices.Sort(namespaces)
	var all []Use
	for _, use := range found {
		for _, use.Namespace = range namespaces {
			all = append(all, use)
			beside := use
			beside.Name.Name += "-cacert"
			if u.s.Get(model.Key{Cluster: o.Key.Cluster, Namespace: beside.Namespace, GroupKind: model.SecretKind, Name: beside.Name.Name}) != nil {
				all = append(all, beside)
			}
		}
	}
	return all
}

// ofClaims returns a use of a class for each namespace that has one of its claims.
func (u *Uses) ofClaims(o *model.Object, use Use) []Use {
	namespaces := u.namespaces()[className{o.Key.GroupKind, o.Key.Name}]
	if isDefault(o) {
		namespaces = append(slices.Clip(namespaces), u.namespaces()[className{o.Key.GroupKind, ""}]...)
		slices.Sort(namespaces)
		namespaces = slices.Compact(namespaces)
	}
	var all []Use
	for _, use.Namespace = range namespaces {
		all = append(all, use)
	}
	return all
}

// isDefault reports whether a class is that of claims and snapshots that name none.
func isDefault(class *model.Object) bool {
	for _, annotation := range []string{"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class", "snapshot.storage.kubernetes.io/is-default-class"} {
		if class.Annotation(annotation) == "true" {
			return true
		}
	}
	return false
}
