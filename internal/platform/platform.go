// Package platform finds the components that a cluster itself is made of, such as
// kubelet, containerd and the kernel of each node, in what the cluster says of them,
// and holds their versions against advisories.
//
// It is pure: nodes, pods and advisories are given. What a cluster does not tell (the
// version of runc, a control plane that somebody else runs) is named as not known.
package platform

import (
	"cmp"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/internal/vuln"
)

// Component is a part of the platform in one version.
type Component struct {
	Name    string // kubelet, containerd, kernel
	Version string // as the cluster says it
	System  string // of a kernel: the node's system, as the node says it
	// Where are the nodes or pods that say so, sorted; for the API server itself
	// nothing.
	Where []string
	// Vendor is what a vendor added to the version, "" when it is the project's own.
	// A vendor may have brought fixes into it, which the version does not tell.
	Vendor string
	// Unknown says why it cannot be held against advisories, "" when it can.
	Unknown string

	release vuln.Release
	// low and high are what sources know the component as, at the lowest and the
	// highest version that the cluster's word can stand for. Both are the same but for
	// kernels.
	low, high []vuln.Package
	// later are the names of its later major versions, where these have names of their own.
	later []string
}

// Components finds the components in the objects of a cluster. server is the version
// that its API server says.
func Components(s *model.Snapshot, server string) []Component {
	f := finder{found: map[[3]string]*Component{}}
	if server != "" {
		f.add("kube-apiserver", server, "")
	}
	for node := range s.Kind(model.GroupKind{Kind: "Node"}) {
		f.node(node)
	}
	for o, t := range s.PodTemplates() {
		if !o.Ended() {
			f.pods(o, t)
		}
	}
	for _, c := range expected {
		if !f.named(c.name) {
			f.found[[3]string{c.name}] = &Component{Name: c.name, Unknown: c.why}
		}
	}
	list := make([]Component, 0, len(f.found))
	for _, c := range f.found {
		slices.Sort(c.Where)
		c.Where = slices.Compact(c.Where)
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Component) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.System, b.System))
	})
	return list
}

// expected are components that every cluster has, and why they may not be seen.
var expected = []struct{ name, why string }{
	{"kube-controller-manager", unseen}, {"kube-scheduler", unseen}, {"etcd", unseen},
	{"runc", "no cluster says which version its nodes have"},
}

const unseen = "it does not run as a pod that can be seen: whoever runs the control plane knows its version"

// ByHand returns a component by its name and a version.
func ByHand(name, version string) (Component, bool) {
	f := finder{found: map[[3]string]*Component{}}
	if !slices.Contains(Names(), name) {
		return Component{}, false
	}
	return *f.add(name, version, ""), true
}

type finder struct{ found map[[3]string]*Component }

func (f *finder) named(name string) bool {
	for key := range f.found {
		if key[0] == name {
			return true
		}
	}
	return false
}

// add notes a component, where it was seen.
func (f *finder) add(name, version, where string) *Component {
	key := [3]string{name, strings.TrimPrefix(version, "v")}
	c := f.found[key]
	if c == nil {
		c = known(name, version)
		f.found[key] = c
	}
	if where != "" {
		c.Where = append(c.Where, where)
	}
	return c
}

// node takes what a node says of itself.
func (f *finder) node(o *model.Object) {
	info := o.Root.Dig("status", "nodeInfo")
	where := "node " + o.Key.Name
	if v := info.Get("kubeletVersion").Str(); v != "" {
		f.add("kubelet", v, where)
	}
	if name, version, ok := strings.Cut(info.Get("containerRuntimeVersion").Str(), "://"); ok {
		f.add(strings.ToLower(name), version, where)
	}
	kernel, system := info.Get("kernelVersion").Str(), info.Get("osImage").Str()
	if kernel == "" {
		return
	}
	key := [3]string{"kernel", kernel, system}
	c := f.found[key]
	if c == nil {
		c = kernelOf(kernel, system, info.Get("operatingSystem").Str())
		f.found[key] = c
	}
	c.Where = append(c.Where, where)
}

// systemNamespaces are those in which images are components by their name.
// Elsewhere, etcd is anybody's.
var systemNamespaces = []string{"kube-system", "kube-flannel", "calico-system", "calico-apiserver", "cilium", "tigera-operator"}

func (f *finder) pods(o *model.Object, t *model.PodTemplate) {
	if !slices.Contains(systemNamespaces, o.Key.Namespace) {
		return
	}
	for _, list := range []string{"initContainers", "containers"} {
		for i := range t.Spec.Get(list).Children() {
			f.image(o, t.Spec.Get(list).Children()[i].Get("image"))
		}
	}
}

func (f *finder) image(o *model.Object, image *tree.Node) {
	name, tag, ok := repository(image.Str())
	if !ok {
		return
	}
	for component, names := range images {
		if slices.ContainsFunc(names, func(n string) bool { return name == n || strings.HasSuffix(name, "/"+n) }) {
			f.add(component, tag, strings.ToLower(o.Key.Kind)+" "+o.Key.Namespace+"/"+o.Key.Name)
		}
	}
}

// repository takes an image reference apart. ok is false when it has no tag that
// could be a version.
func repository(image string) (name, tag string, ok bool) {
	name, _, _ = strings.Cut(image, "@")
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.Contains(name[i:], "/") {
		return "", "", false
	}
	name, tag = name[:i], name[i+1:]
	for _, arch := range []string{"-amd64", "-arm64"} {
		name = strings.TrimSuffix(name, arch)
	}
	return name, tag, strings.ContainsAny(tag, "0123456789")
}
