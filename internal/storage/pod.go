package storage

import (
	"fmt"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// PodVolume is a volume as one pod template has it.
type PodVolume struct {
	ID
	Source *tree.Node // below its key, such as hostPath; nil for claim templates and undeclared volumes
	// ClaimTemplate is the template in a StatefulSet or in an ephemeral volume.
	ClaimTemplate *tree.Node
	User
}

// PodVolumes returns the volumes of a pod template of an object with all mounts,
// in the order of fields: those of the pod, those that a StatefulSet makes of its
// claim templates, and those that mounts name and that there are not.
func PodVolumes(o *model.Object, pod *model.PodTemplate) []PodVolume {
	r := podReader{o: o, pod: pod, account: pod.ServiceAccount(), byName: map[string]int{}}
	templates := o.Root.Dig("spec", "volumeClaimTemplates")
	for i := range templates.Children() {
		r.template(templates.At(i), tree.Path{{Key: "spec"}, {Key: "volumeClaimTemplates"}, {Index: i}})
	}
	volumes := pod.Spec.Get("volumes")
	for i := range volumes.Children() {
		r.volume(volumes.At(i), pod.SpecPath.Join(tree.Step{Key: "volumes"}, tree.Step{Index: i}))
	}
	for _, list := range model.ContainerLists {
		containers := pod.Spec.Get(list)
		for i := range containers.Children() {
			r.container(containers.At(i), list, pod.SpecPath.Join(tree.Step{Key: list}, tree.Step{Index: i}))
		}
	}
	for i := range r.found {
		v := &r.found[i]
		v.ReadOnly = !v.Writes()
	}
	return r.found
}

type podReader struct {
	o       *model.Object
	pod     *model.PodTemplate
	account string
	found   []PodVolume
	byName  map[string]int // the first volume of a name has the mounts
}

func (r *podReader) add(v PodVolume, path tree.Path) {
	v.User.Workload, v.User.Pod, v.Account, v.Path = r.o, r.pod, r.account, path
	if _, taken := r.byName[v.Volume]; !taken {
		r.byName[v.Volume] = len(r.found)
	}
	r.found = append(r.found, v)
}

// own returns the ID of a volume that no other pod template has.
func (r *podReader) own(kind Kind, name string) ID {
	return ID{Kind: kind, Name: name, Workload: r.o.Key, Spec: r.pod.SpecPath.String()}
}

// template takes a claim template of a StatefulSet, which wins over a volume of
// the same name.
func (r *podReader) template(n *tree.Node, path tree.Path) {
	r.add(PodVolume{ID: TemplateID(r.o, n), ClaimTemplate: n, User: User{Volume: n.Dig("metadata", "name").Str()}}, path)
}

// TemplateID returns the ID that stands for the claims that a StatefulSet makes of a
// claim template; see [TemplateOf].
func TemplateID(set *model.Object, template *tree.Node) ID {
	return ID{Kind: KindClaim, Namespace: set.Key.Namespace, Name: template.Dig("metadata", "name").Str() + "-" + set.Key.Name + "-*"}
}

func (r *podReader) volume(n *tree.Node, path tree.Path) {
	v := PodVolume{User: User{Volume: n.Get("name").Str()}, Source: sourceOf(n)}
	id, shared := SharedID(r.o, n)
	switch kind := Kind(v.Source.Key()); {
	case shared:
		v.ID = id
		if kind == KindHostPath {
			v.PathType = v.Source.Get("type").Str()
		}
	case kind == "":
		v.ID = r.own("emptyDir", v.Volume) // what the API server makes of it
	case kind == KindEphemeral:
		v.ID, v.ClaimTemplate = r.own(kind, v.Volume), v.Source.Get("volumeClaimTemplate")
	default:
		v.ID = r.own(kind, v.Volume)
	}
	r.add(v, path)
}

// SharedID returns the ID of a volume of a pod of o that other pods may have too:
// a claim, a path of the node, an NFS export. ok is false for others.
func SharedID(o *model.Object, volume *tree.Node) (id ID, ok bool) {
	source := sourceOf(volume)
	switch source.Key() {
	case "persistentVolumeClaim":
		return ID{Kind: KindClaim, Namespace: o.Key.Namespace, Name: source.Get("claimName").Str()}, true
	case "hostPath":
		return ID{Kind: KindHostPath, Name: nodePath(source.Get("path").Str())}, true
	case "nfs":
		return ID{Kind: "nfs", Name: exportOf(source)}, true
	}
	return ID{}, false
}

// sourceOf returns the first source of a volume that is not null.
func sourceOf(volume *tree.Node) *tree.Node {
	for i := range volume.Children() {
		if n := &volume.Children()[i]; n.Key() != "name" && n.Is(tree.Map) {
			return n
		}
	}
	return nil
}

// fromAPI are sources that are read-only by their nature.
var fromAPI = map[Kind]bool{"secret": true, "configMap": true, "projected": true, "downwardAPI": true, "image": true}

func (r *podReader) container(c *tree.Node, list string, path tree.Path) {
	role := map[string]Role{"containers": RoleMain, "initContainers": RoleInit, "ephemeralContainers": RoleEphemeral}[list]
	if role == RoleInit && c.Get("restartPolicy").Str() == "Always" {
		role = RoleSidecar
	}
	privileged := c.Dig("securityContext", "privileged").True()
	for _, key := range []string{"volumeMounts", "volumeDevices"} {
		mounts := c.Get(key)
		for i := range mounts.Children() {
			n := mounts.At(i)
			m := Mount{Container: c.Get("name").Str(), Role: role, Privileged: privileged, Path: path.Join(tree.Step{Key: key}, tree.Step{Index: i})}
			if key == "volumeDevices" {
				m.Device, m.MountPath = true, n.Get("devicePath").Str()
			} else {
				m.MountPath, m.ReadOnly = n.Get("mountPath").Str(), n.Get("readOnly").True()
				m.Recursive = n.Get("recursiveReadOnly").Str() == "Enabled"
				m.SubPath, m.SubPathExpr, m.Propagation = n.Get("subPath").Str(), n.Get("subPathExpr").Str(), propagation(n)
			}
			v := r.named(n.Get("name").Str())
			m.ReadOnly = m.ReadOnly || fromAPI[v.Kind] || v.Source.Get("readOnly").True()
			v.Mounts = append(v.Mounts, m)
		}
	}
}

func propagation(mount *tree.Node) string {
	if p := mount.Get("mountPropagation").Str(); p != "None" {
		return p
	}
	return ""
}

// named returns the volume of a name; one that there is not is made.
func (r *podReader) named(name string) *PodVolume {
	i, ok := r.byName[name]
	if !ok {
		i = len(r.found)
		r.add(PodVolume{ID: r.own(KindUndeclared, name), User: User{Volume: name}}, r.pod.SpecPath.Join(tree.Step{Key: "volumes"}))
	}
	return &r.found[i]
}

// holds says in words what of the API a volume holds, and how it is made.
func holds(v *PodVolume) []string {
	source := v.Source
	switch v.Kind {
	case "secret":
		return []string{taken("Secret", source.Get("secretName").Str(), source)}
	case "configMap":
		return []string{taken("ConfigMap", source.Get("name").Str(), source)}
	case "projected":
		return projected(source.Get("sources"))
	case "emptyDir":
		var found []string
		if source.Get("medium").Str() == "Memory" {
			found = append(found, "memory")
		}
		if limit := source.Get("sizeLimit").Text(); limit != "" {
			found = append(found, "at most "+limit)
		}
		return found
	case "csi":
		found := []string{"driver " + source.Get("driver").Str()}
		if class := source.Dig("volumeAttributes", "secretProviderClass").Str(); class != "" {
			found = append(found, "SecretProviderClass "+class)
		}
		return found
	case "image":
		return []string{"image " + source.Get("reference").Str()}
	}
	return nil
}

func projected(sources *tree.Node) []string {
	var found []string
	for i := range sources.Children() {
		n := sources.At(i)
		if s := n.Get("secret"); s != nil {
			found = append(found, taken("Secret", s.Get("name").Str(), s))
		}
		if c := n.Get("configMap"); c != nil {
			found = append(found, taken("ConfigMap", c.Get("name").Str(), c))
		}
		if t := n.Get("serviceAccountToken"); t != nil {
			found = append(found, tokenWords(t))
		}
		if n.Get("downwardAPI") != nil {
			found = append(found, "fields of the pod")
		}
		if c := n.Get("clusterTrustBundle"); c != nil {
			found = append(found, strings.TrimSpace("ClusterTrustBundle "+c.Get("name").Str()))
		}
		if n.Get("podCertificate") != nil {
			found = append(found, "a certificate of the pod")
		}
	}
	return found
}

// taken names an object and the keys that are taken of it.
func taken(kind, name string, source *tree.Node) string {
	items := source.Get("items")
	if items.Len() == 0 {
		return kind + " " + name
	}
	var keys []string
	for i := range items.Children() {
		keys = append(keys, items.At(i).Get("key").Str())
	}
	return fmt.Sprintf("%s %s (%s)", kind, name, strings.Join(keys, ", "))
}

func tokenWords(t *tree.Node) string {
	text := "a service account token"
	if audience := t.Get("audience").Str(); audience != "" {
		text += " for " + audience
	}
	if seconds, ok := t.Get("expirationSeconds").Int(); ok {
		text += ", " + lifetime(seconds)
	}
	return text
}

func lifetime(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{24 * 3600, "d"}, {3600, "h"}, {60, "min"}} {
		if seconds >= unit.seconds && seconds%unit.seconds == 0 {
			return strconv.FormatInt(seconds/unit.seconds, 10) + unit.name
		}
	}
	return strconv.FormatInt(seconds, 10) + "s"
}
