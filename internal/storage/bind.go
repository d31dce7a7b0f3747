package storage

import (
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// claimed makes the volume that of a claim.
func (v *Volume) claimed(o *model.Object) {
	v.Object, v.Claim = o, readClaim(o.Root, false)
}

// readClaim reads a claim or a template of one.
func readClaim(n *tree.Node, template bool) *Claim {
	spec := n.Get("spec")
	c := &Claim{
		Node: n, Template: template, Block: spec.Get("volumeMode").Str() == "Block", AccessModes: texts(spec.Get("accessModes")),
		ClassName: className(n), Attributes: spec.Get("volumeAttributesClassName").Str(), VolumeName: spec.Get("volumeName").Str(),
		Phase: n.Dig("status", "phase").Str(),
	}
	for _, key := range []string{"dataSourceRef", "dataSource"} {
		if source := spec.Get(key); source.Is(tree.Map) {
			c.Source = &DataSource{
				GroupKind: model.GroupKind{Group: source.Get("apiGroup").Str(), Kind: source.Get("kind").Str()},
				Namespace: source.Get("namespace").Str(), Name: source.Get("name").Str(),
			}
			break
		}
	}
	return c
}

// className returns the class that a claim or volume names; before it was a
// field it was an annotation.
func className(n *tree.Node) string {
	if name := n.Dig("spec", "storageClassName").Str(); name != "" {
		return name
	}
	return n.Dig("metadata", "annotations", "volume.beta.kubernetes.io/storage-class").Str()
}

func texts(n *tree.Node) []string {
	var all []string
	for i := range n.Children() {
		all = append(all, n.At(i).Str())
	}
	return all
}

func (b *builder) readClasses() []*Class {
	var all []*Class
	for o := range b.s.Kind(model.StorageClassKind) {
		c := &Class{Object: o, Provisioner: o.Root.Get("provisioner").Str(), Reclaim: o.Root.Get("reclaimPolicy").Str(), Default: isDefault(o)}
		if c.Reclaim == "" {
			c.Reclaim = "Delete"
		}
		c.Encryption = made{driver: c.Provisioner, class: o.Root}.encryption()
		b.classes[o.Key.Name] = c
		all = append(all, c)
		if c.Default {
			b.defaults = append(b.defaults, c)
		}
	}
	return all
}

func isDefault(class *model.Object) bool {
	return class.Annotation("storageclass.kubernetes.io/is-default-class") == "true" || class.Annotation("storageclass.beta.kubernetes.io/is-default-class") == "true"
}

// classOf returns the class of a claim and records its name where the claim
// leaves it to the default. With several default classes the API server takes
// the newest, which files do not tell.
func (b *builder) classOf(c *Claim) *Class {
	if c.ClassName != "" || c.Node == nil || c.Node.Dig("spec", "storageClassName").Is(tree.String) {
		return b.classes[c.ClassName]
	}
	if len(b.defaults) != 1 || c.VolumeName != "" {
		return nil
	}
	c.ClassName = b.defaults[0].Object.Key.Name
	return b.defaults[0]
}

// Bindings are the persistent volumes of a snapshot, by the claims that they are
// bound to.
type Bindings struct {
	all     []*Persistent
	byName  map[string]*Persistent
	byClaim map[ID]*Persistent
	fitting map[ID][]*Persistent // see match
	sure    map[ID]bool          // the one that fits is the one that is bound

	snapshot *model.Snapshot
	taken    map[*Persistent]Chance // by claims that name the volume, or fit it
}

// ReadBindings reads the persistent volumes of a snapshot.
func ReadBindings(s *model.Snapshot) *Bindings {
	b := &Bindings{byName: map[string]*Persistent{}, byClaim: map[ID]*Persistent{}, snapshot: s, taken: map[*Persistent]Chance{}}
	for o := range s.Kind(model.PersistentVolumeKind) {
		p := readPersistent(o)
		b.all, b.byName[o.Key.Name] = append(b.all, p), p
		if p.ClaimName != "" {
			b.byClaim[ID{Kind: KindClaim, Namespace: p.ClaimNamespace, Name: p.ClaimName}] = p
		}
	}
	b.match(s)
	return b
}

// All returns the persistent volumes, in the order of the snapshot; the list may
// not be changed.
func (b *Bindings) All() []*Persistent { return b.all }

// Of returns the persistent volume of a claim, or nil. The object is that of the
// claim, nil where it was not read.
func (b *Bindings) Of(namespace, name string, object *model.Object) *Persistent {
	c := &Claim{}
	if object != nil {
		c = readClaim(object.Root, false)
	}
	return b.of(ID{Kind: KindClaim, Namespace: namespace, Name: name}, c)
}

func (b *Bindings) of(id ID, c *Claim) *Persistent {
	p := b.byName[c.VolumeName]
	if p == nil && id.Kind == KindClaim {
		p = b.byClaim[id]
	}
	if p == nil && b.sure[id] {
		return b.fitting[id][0]
	}
	if p == nil || !p.holds(id, c) {
		return nil
	}
	return p
}

// bind connects claims, persistent volumes and classes.
func (b *builder) bind() {
	bindings := ReadBindings(b.s)
	bound := map[*Persistent]bool{}
	for _, v := range b.order {
		if v.Claim == nil {
			continue
		}
		if p := bindings.of(v.ID, v.Claim); p != nil {
			v.Persistent, bound[p] = p, true
			v.NodePath = p.nodePath()
			if v.Claim.ClassName == "" {
				v.Claim.ClassName = className(p.Object.Root)
			}
		}
		if fitting := bindings.Fitting(v.Namespace, v.Name); v.Persistent == nil && v.Kind == KindClaim {
			for _, p := range fitting {
				v.doubt("PersistentVolume %s fits the claim and may be bound to it", p.Object.Key.Name)
			}
		}
		v.Class = b.classOf(v.Claim)
	}
	for _, p := range bindings.all {
		if !bound[p] {
			v := b.volume(ID{Kind: KindPersistent, Name: p.Object.Key.Name})
			v.Object, v.Persistent, v.NodePath = p.Object, p, p.nodePath()
			v.Class = b.classes[className(p.Object.Root)]
		}
	}
}

func readPersistent(o *model.Object) *Persistent {
	spec := o.Root.Get("spec")
	p := &Persistent{Object: o, Reclaim: spec.Get("persistentVolumeReclaimPolicy").Str(), Phase: o.Root.Dig("status", "phase").Str()}
	if p.Reclaim == "" {
		p.Reclaim = "Retain" // what the API server fills in
	}
	p.ClaimNamespace, p.ClaimName = spec.Dig("claimRef", "namespace").Str(), spec.Dig("claimRef", "name").Str()
	source := persistentSource(spec)
	p.Driver = source.Key()
	switch p.Driver {
	case "csi":
		p.Driver, p.Handle = source.Get("driver").Str(), source.Get("volumeHandle").Str()
	case "nfs":
		p.Handle = exportOf(source)
	}
	return p
}

// persistentSource returns the source of a PersistentVolume: the entry of its
// spec that is about none of the other things.
func persistentSource(spec *tree.Node) *tree.Node {
	for i := range spec.Children() {
		n := &spec.Children()[i]
		switch n.Key() {
		case "capacity", "claimRef", "nodeAffinity":
		default:
			if n.Is(tree.Map) {
				return n
			}
		}
	}
	return nil
}

// holds reports whether a persistent volume is that of a claim, and not of one
// that had the name before.
func (p *Persistent) holds(id ID, c *Claim) bool {
	if p.ClaimName == "" {
		return c.VolumeName == p.Object.Key.Name
	}
	if p.ClaimNamespace != id.Namespace || p.ClaimName != id.Name {
		return false
	}
	uid, want := c.Node.Dig("metadata", "uid").Str(), p.Object.Root.Dig("spec", "claimRef", "uid").Str()
	return uid == "" || want == "" || uid == want
}

// Class returns the name of the volume's class, or "".
func (p *Persistent) Class() string { return className(p.Object.Root) }

// NodePath returns the field with the path of the node that the volume is, or nil.
func (p *Persistent) NodePath() *tree.Node {
	for _, key := range []string{"hostPath", "local"} {
		if at := p.Object.Root.Dig("spec", key, "path"); at.Str() != "" {
			return at
		}
	}
	return nil
}

func (p *Persistent) nodePath() string {
	if at := p.NodePath(); at != nil {
		return nodePath(at.Str())
	}
	return ""
}
