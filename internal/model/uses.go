package model

import (
	"slices"

	"ullage.dev/ullage/internal/tree"
)

// Use is a name by which a pod refers to another object, in the pod's namespace
// or in the cluster.
type Use struct {
	Kind     GroupKind
	Name     string
	Path     tree.Path // from the root of the object that holds the pod to the name
	Optional bool      // the pod starts without it
	How      UseKind
	Keys     []KeyUse // entries of the Secret or ConfigMap that the pod names; none stands for all or for not known
}

// UseKind says in which way a pod consumes an object.
type UseKind string

// The ways. What is named and not consumed, such as a PriorityClass, has "".
const (
	UseMount          UseKind = "mount"
	UseEnv            UseKind = "env"
	UseEnvFrom        UseKind = "envFrom"
	UseImagePull      UseKind = "imagePull"
	UseServiceAccount UseKind = "serviceAccount"
)

// KeyUse is the name of an entry of a Secret or ConfigMap.
type KeyUse struct {
	Name string
	Path tree.Path
}

// Uses returns the names by which a pod refers to objects, in the order of
// fields. The service account default, which pods get that name none, is not
// among them.
func (p *PodTemplate) Uses() []Use {
	c := useCollector{path: slices.Clip(p.SpecPath)}
	spec := p.Spec
	c.items(spec, "volumes", c.volume)
	for _, key := range ContainerLists {
		c.items(spec, key, c.container)
	}
	c.items(spec, "imagePullSecrets", func(n *tree.Node) { c.add(SecretKind, n, "name", UseImagePull) })
	account := "serviceAccountName"
	if spec.Get(account).Str() == "" {
		account = "serviceAccount"
	}
	c.add(ServiceAccountKind, spec, account, UseServiceAccount)
	c.add(GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, spec, "priorityClassName", "")
	c.add(GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}, spec, "runtimeClassName", "")
	c.items(spec, "resourceClaims", func(n *tree.Node) {
		c.add(GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaim"}, n, "resourceClaimName", "")
		c.add(GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaimTemplate"}, n, "resourceClaimTemplateName", "")
	})
	return c.found
}

// useCollector gathers the uses of one pod. Most of a pod refers to nothing, so
// that paths are only copied for what is found.
type useCollector struct {
	path  tree.Path // of the node that is looked at
	found []Use
}

// field looks at the value of a key, if there is one.
func (c *useCollector) field(n *tree.Node, key string, look func(*tree.Node)) {
	if value := n.Get(key); value != nil {
		c.path = append(c.path, tree.Step{Key: key})
		look(value)
		c.path = c.path[:len(c.path)-1]
	}
}

// items looks at the items of the list under a key.
func (c *useCollector) items(n *tree.Node, key string, look func(*tree.Node)) {
	list := n.Get(key)
	if !list.Is(tree.List) {
		return
	}
	depth := len(c.path)
	for i := range list.Children() {
		c.path = append(c.path, tree.Step{Key: key}, tree.Step{Index: i})
		look(list.At(i))
		c.path = c.path[:depth]
	}
}

// add records the name under a key of n, if it is written there.
func (c *useCollector) add(gk GroupKind, n *tree.Node, key string, how UseKind, keys ...KeyUse) {
	name := n.Get(key)
	if name.Str() == "" || name.Has(tree.Implied) {
		return
	}
	c.found = append(c.found, Use{Kind: gk, Name: name.Str(), Path: c.at(key), Optional: n.Get("optional").True(), How: how, Keys: keys})
}

// at returns the path of a key of the node that is looked at.
func (c *useCollector) at(key string) tree.Path { return c.path.Join(tree.Step{Key: key}) }

// driverSecrets are the volume sources whose drivers read Secrets, and the fields
// that name them: secretName holds the name itself, others a reference.
var driverSecrets = map[string][]string{
	"azureFile": {"secretName"}, "cephfs": {"secretRef"}, "flexVolume": {"secretRef"}, "iscsi": {"secretRef"}, "rbd": {"secretRef"},
	"scaleIO": {"secretRef"}, "storageos": {"secretRef"},
	"csi": {"controllerExpandSecretRef", "controllerPublishSecretRef", "nodeExpandSecretRef", "nodePublishSecretRef", "nodeStageSecretRef"},
}

// DriverSecret is a Secret that the driver of a volume reads.
type DriverSecret struct {
	Namespace string     // "" when the volume does not say it; that of the pod or of the claim is meant
	Name      *tree.Node // a text that is not empty
	Path      tree.Path  // to Name, from the volume of a pod or the spec of a PersistentVolume
}

// DriverSecrets returns the Secrets that the driver of a volume reads. The volume
// is one of a pod or the spec of a PersistentVolume.
func DriverSecrets(volume *tree.Node) []DriverSecret {
	var found []DriverSecret
	for i := range volume.Children() {
		source := &volume.Children()[i]
		for _, field := range driverSecrets[source.Key()] {
			secret := DriverSecret{Name: source.Get(field), Path: tree.Keys(source.Key(), field)}
			if field == "secretName" {
				secret.Namespace = source.Get("secretNamespace").Str()
			} else {
				secret.Namespace, secret.Name, secret.Path = secret.Name.Get("namespace").Str(), secret.Name.Get("name"), tree.Keys(source.Key(), field, "name")
			}
			if secret.Name.Str() != "" {
				found = append(found, secret)
			}
		}
	}
	return found
}

func (c *useCollector) volume(v *tree.Node) {
	c.field(v, "secret", func(n *tree.Node) { c.source(n, SecretKind, "secretName") })
	c.field(v, "configMap", func(n *tree.Node) { c.source(n, ConfigMapKind, "name") })
	c.field(v, "persistentVolumeClaim", func(n *tree.Node) { c.add(PersistentVolumeClaimKind, n, "claimName", UseMount) })
	c.field(v, "projected", func(n *tree.Node) {
		c.items(n, "sources", func(n *tree.Node) {
			c.field(n, "secret", func(n *tree.Node) { c.source(n, SecretKind, "name") })
			c.field(n, "configMap", func(n *tree.Node) { c.source(n, ConfigMapKind, "name") })
		})
	})
	for _, secret := range DriverSecrets(v) {
		if !secret.Name.Has(tree.Implied) {
			c.found = append(c.found, Use{Kind: SecretKind, Name: secret.Name.Str(), Path: c.path.Join(secret.Path...), How: UseMount})
		}
	}
	c.field(v, "csi", func(n *tree.Node) {
		if n.Get("driver").Str() == "secrets-store.csi.k8s.io" {
			c.field(n, "volumeAttributes", func(n *tree.Node) { c.add(SecretProviderClassKind, n, "secretProviderClass", "") })
		}
	})
	c.field(v, "ephemeral", func(n *tree.Node) {
		c.field(n, "volumeClaimTemplate", func(n *tree.Node) {
			c.field(n, "spec", func(n *tree.Node) { c.add(StorageClassKind, n, "storageClassName", "") })
		})
	})
}

// source records a Secret or ConfigMap as the source of a volume, with the
// entries that it takes.
func (c *useCollector) source(n *tree.Node, gk GroupKind, nameKey string) {
	var keys []KeyUse
	c.items(n, "items", func(item *tree.Node) {
		keys = append(keys, KeyUse{item.Get("key").Str(), c.at("key")})
	})
	c.add(gk, n, nameKey, UseMount, keys...)
}

func (c *useCollector) container(n *tree.Node) {
	c.items(n, "env", func(n *tree.Node) {
		c.field(n, "valueFrom", func(from *tree.Node) {
			for i := range from.Children() {
				switch key := from.Children()[i].Key(); key {
				case "secretKeyRef":
					c.field(from, key, func(n *tree.Node) { c.entry(n, SecretKind) })
				case "configMapKeyRef":
					c.field(from, key, func(n *tree.Node) { c.entry(n, ConfigMapKind) })
				}
			}
		})
	})
	c.items(n, "envFrom", func(n *tree.Node) {
		c.field(n, "secretRef", func(n *tree.Node) { c.add(SecretKind, n, "name", UseEnvFrom) })
		c.field(n, "configMapRef", func(n *tree.Node) { c.add(ConfigMapKind, n, "name", UseEnvFrom) })
	})
}

// entry records one entry of a Secret or ConfigMap as an environment variable.
func (c *useCollector) entry(n *tree.Node, gk GroupKind) {
	c.add(gk, n, "name", UseEnv, KeyUse{n.Get("key").Str(), c.at("key")})
}
