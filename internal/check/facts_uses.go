package check

import (
	"iter"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// podUse is a name by which a pod refers to an object.
type podUse struct {
	kind     model.GroupKind
	name     string
	path     tree.Path // from the object's root to the name
	optional bool      // the pod starts without it
	how      string    // mount, env, envFrom, imagePull or serviceAccount; "" for what is not consumed
	keys     []keyUse  // entries of the Secret or ConfigMap that the pod needs
}

// keyUse is the name of an entry of a Secret or ConfigMap.
type keyUse struct {
	name string
	path tree.Path
}

// items yields the items of the list at a path, with their own paths.
func items(root *tree.Node, at tree.Path) iter.Seq2[tree.Path, *tree.Node] {
	return func(yield func(tree.Path, *tree.Node) bool) {
		l := root.Follow(at)
		if !l.Is(tree.List) {
			return
		}
		for i := range l.Children() {
			if !yield(at.Join(tree.Step{Index: i}), l.At(i)) {
				return
			}
		}
	}
}

// useCollector gathers the uses of one pod template.
type useCollector struct {
	root  *tree.Node
	found []podUse
}

// add records the name under key of the map at a path, if it is written there.
func (c *useCollector) add(gk model.GroupKind, at tree.Path, key, how string, optional bool, keys ...keyUse) {
	n := c.root.Follow(at).Get(key)
	if n.Str() == "" || n.Has(tree.Implied) {
		return
	}
	c.found = append(c.found, podUse{gk, n.Str(), at.Join(tree.Step{Key: key}), optional, how, keys})
}

// podUses returns the names by which a pod refers to objects, in the order of
// fields. root is that of the object. The service account default, which pods
// get that name none, is not among them.
func podUses(root *tree.Node, pod *model.PodTemplate) []podUse {
	c := useCollector{root: root}
	at := func(key string) tree.Path { return pod.SpecPath.Join(tree.Step{Key: key}) }
	for path, v := range items(root, at("volumes")) {
		c.volume(path, v)
	}
	for _, key := range model.ContainerLists {
		for path, n := range items(root, at(key)) {
			c.container(path, n)
		}
	}
	for path := range items(root, at("imagePullSecrets")) {
		c.add(secretKind, path, "name", "imagePull", false)
	}
	account := "serviceAccountName"
	if pod.Spec.Get(account).Str() == "" {
		account = "serviceAccount"
	}
	c.add(serviceAccountKind, pod.SpecPath, account, "serviceAccount", false)
	c.add(model.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, pod.SpecPath, "priorityClassName", "", false)
	c.add(model.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}, pod.SpecPath, "runtimeClassName", "", false)
	for path := range items(root, at("resourceClaims")) {
		c.add(model.GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaim"}, path, "resourceClaimName", "", false)
		c.add(model.GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaimTemplate"}, path, "resourceClaimTemplateName", "", false)
	}
	return c.found
}

// driverSecrets are the volume sources whose drivers read a Secret, and under
// which key they name it.
var driverSecrets = map[string]string{
	"azureFile": "secretName", "cephfs": "secretRef", "flexVolume": "secretRef", "iscsi": "secretRef", "rbd": "secretRef",
	"scaleIO": "secretRef", "storageos": "secretRef",
}

func (c *useCollector) volume(at tree.Path, v *tree.Node) {
	in := func(keys ...string) tree.Path { return at.Join(tree.Keys(keys...)...) }
	c.source(in("secret"), secretKind, "secretName", "mount")
	c.source(in("configMap"), configMapKind, "name", "mount")
	c.add(claimKind, in("persistentVolumeClaim"), "claimName", "mount", false)
	for path := range items(c.root, in("projected", "sources")) {
		c.source(path.Join(tree.Step{Key: "secret"}), secretKind, "name", "mount")
		c.source(path.Join(tree.Step{Key: "configMap"}), configMapKind, "name", "mount")
	}
	for i := range v.Children() {
		switch source := v.Children()[i].Key(); driverSecrets[source] {
		case "secretName":
			c.add(secretKind, in(source), "secretName", "mount", false)
		case "secretRef":
			c.add(secretKind, in(source, "secretRef"), "name", "mount", false)
		}
	}
	c.add(secretKind, in("csi", "nodePublishSecretRef"), "name", "mount", false)
	if v.Dig("csi", "driver").Str() == "secrets-store.csi.k8s.io" {
		c.add(secretProviderKind, in("csi", "volumeAttributes"), "secretProviderClass", "", false)
	}
	c.add(storageClassKind, in("ephemeral", "volumeClaimTemplate", "spec"), "storageClassName", "", false)
}

// source records a Secret or ConfigMap as the source of a volume, with the
// entries that it takes.
func (c *useCollector) source(at tree.Path, gk model.GroupKind, nameKey, how string) {
	n := c.root.Follow(at)
	if n == nil {
		return
	}
	var keys []keyUse
	for path, item := range items(c.root, at.Join(tree.Step{Key: "items"})) {
		keys = append(keys, keyUse{item.Get("key").Str(), path.Join(tree.Step{Key: "key"})})
	}
	c.add(gk, at, nameKey, how, n.Get("optional").True(), keys...)
}

func (c *useCollector) container(at tree.Path, _ *tree.Node) {
	for path, env := range items(c.root, at.Join(tree.Step{Key: "env"})) {
		from := env.Get("valueFrom")
		for i := range from.Children() {
			ref := &from.Children()[i]
			gk := secretKind
			switch ref.Key() {
			case "secretKeyRef":
			case "configMapKeyRef":
				gk = configMapKind
			default:
				continue
			}
			place := path.Join(tree.Keys("valueFrom", ref.Key())...)
			key := keyUse{ref.Get("key").Str(), place.Join(tree.Step{Key: "key"})}
			c.add(gk, place, "name", "env", ref.Get("optional").True(), key)
		}
	}
	for path, from := range items(c.root, at.Join(tree.Step{Key: "envFrom"})) {
		c.add(secretKind, path.Join(tree.Step{Key: "secretRef"}), "name", "envFrom", from.Dig("secretRef", "optional").True())
		c.add(configMapKind, path.Join(tree.Step{Key: "configMapRef"}), "name", "envFrom", from.Dig("configMapRef", "optional").True())
	}
}

// accountName returns the name of the service account that a pod runs as.
func accountName(pod *model.PodTemplate) string {
	for _, key := range []string{"serviceAccountName", "serviceAccount"} {
		if name := pod.Spec.Get(key).Str(); name != "" {
			return name
		}
	}
	return "default"
}
