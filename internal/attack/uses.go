package attack

import (
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// use is something that a container has: it was found by following the names in
// its mounts and its environment.
type use struct {
	kind      useKind
	readOnly  bool
	recursive bool       // read-only below other mounts as well
	device    bool       // a raw block device, which the container may open
	hash      uint64     // of name
	name      string     // of a Secret or a claim; the path on the node
	node      *tree.Node // where it stands
	subPath   string
}

type useKind uint8

const (
	useSecret useKind = iota
	useToken          // of the pod's service account
	useClaim
	useHost    // a path of the node
	useScratch // an emptyDir, which the containers of a pod share
)

// collect finds what a container uses.
func (r *podReader) collect(w *workload, c *container) {
	c.uses.first = int32(len(r.Graph.uses))
	for i := range c.mounts.Children() {
		r.mount(w, c.mounts.At(i), false)
	}
	c.hidesToken, r.hides = r.hides, false
	for i := range c.devices.Children() {
		r.mount(w, c.devices.At(i), true)
	}
	for i := range c.env.Children() {
		if source := c.env.At(i).Get("valueFrom"); source != nil {
			r.secretUse(source.Get("secretKeyRef").Get("name"))
		}
	}
	for i := range c.envFrom.Children() {
		r.secretUse(c.envFrom.At(i).Get("secretRef").Get("name"))
	}
	c.uses.last = int32(len(r.Graph.uses))
}

func (r *podReader) secretUse(name *tree.Node) {
	if name.Str() != "" {
		r.Graph.uses = append(r.Graph.uses, use{kind: useSecret, hash: name.Hash(), name: name.Str(), node: name})
	}
}

// mount follows a mount, or a device, to its volume.
func (r *podReader) mount(w *workload, mount *tree.Node, device bool) {
	u := use{node: mount, device: device}
	var name string
	kids := mount.Children()
	for i := range kids {
		switch kid := &kids[i]; kid.Key() {
		case "name":
			name = kid.Str()
		case "mountPath":
			r.hides = r.hides || kid.Str() == tokenPath
		case "readOnly":
			u.readOnly = kid.True()
		case "recursiveReadOnly":
			u.recursive = kid.Str() == "Enabled"
		case "subPath":
			u.subPath = kid.Str()
		case "subPathExpr":
			u.subPath, _, _ = strings.Cut(kid.Str(), "$(")
		}
	}
	for i := range w.volumes.Children() {
		if v := w.volumes.At(i); v.Get("name").Str() == name {
			r.volumeUse(w, v, u)
			return
		}
	}
	for i := range w.templates.Children() {
		if t := w.templates.At(i).Get("metadata").Get("name"); t.Str() == name && name != "" {
			u.kind, u.name = useClaim, name+"-"+w.Object.Key.Name
			u.hash = nameHash(u.name)
			r.Graph.uses = append(r.Graph.uses, u)
			return
		}
	}
}

func (r *podReader) volumeUse(w *workload, volume *tree.Node, u use) {
	kids := volume.Children()
	for i := range kids {
		switch source := &kids[i]; source.Key() {
		case "secret":
			r.secretUse(source.Get("secretName"))
		case "projected":
			sources := source.Get("sources")
			for j := range sources.Children() {
				r.secretUse(sources.At(j).Get("secret").Get("name"))
				if token := sources.At(j).Get("serviceAccountToken"); token != nil && forAPI(token.Get("audience").Str()) {
					r.Graph.uses = append(r.Graph.uses, use{kind: useToken, node: token})
				}
			}
		case "persistentVolumeClaim":
			if name := source.Get("claimName"); name.Str() != "" {
				u.kind, u.name, u.hash, u.readOnly = useClaim, name.Str(), name.Hash(), u.readOnly || source.Get("readOnly").True()
				r.Graph.uses = append(r.Graph.uses, u)
			}
		case "emptyDir":
			if w.last-w.first > 1 {
				u.kind, u.name = useScratch, volume.Get("name").Str()
				r.Graph.uses = append(r.Graph.uses, u)
			}
		case "hostPath":
			if at := source.Get("path"); at.Str() != "" {
				u.kind, u.name, u.node = useHost, at.Str(), at
				r.Graph.uses = append(r.Graph.uses, u)
			}
		}
	}
}

// forAPI reports whether the API server takes tokens for an audience, as far as
// its name tells.
func forAPI(audience string) bool {
	return audience == "" || audience == "api" || strings.Contains(audience, "kubernetes.default")
}
