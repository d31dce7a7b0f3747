package attack

import (
	"slices"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/storage"
	"ullage.dev/ullage/internal/tree"
)

// nodeVolumes are the persistent volumes that are paths of a node. Pod Security
// does not see them: it looks at pods, and those name a claim.
type nodeVolumes struct {
	bindings *storage.Bindings // nil where there are none
	sets     map[uint64]*storage.Persistent
	taking   []*storage.Persistent // those that give their node to a root user who mounts them
}

func (b *builder) readNodeVolumes() {
	bindings := storage.ReadBindings(b.snapshot)
	for _, p := range bindings.All() {
		if p.NodePath() == nil {
			continue
		}
		b.nodeVolumes.bindings = bindings
		if givesNode(p) != Given {
			b.nodeVolumes.taking = append(b.nodeVolumes.taking, p)
		}
		if set, ok := setOf(p.ClaimName); ok {
			if b.nodeVolumes.sets == nil {
				b.nodeVolumes.sets = map[uint64]*storage.Persistent{}
			}
			b.nodeVolumes.sets[tree.Mix(nameHash(p.ClaimNamespace), nameHash(set))] = p
		}
	}
}

// nodeVolume returns the persistent volume of a claim that a workload mounts, or
// of nil, where it is a path of a node; else nil. For the claims of a
// StatefulSet's replicas their template stands.
func (b *builder) nodeVolume(w *workload, volume int32) *storage.Persistent {
	if b.nodeVolumes.bindings == nil {
		return nil
	}
	v := &b.Graph.volumes[volume]
	p := b.nodeVolumes.bindings.Of(b.namespaces[v.namespace], v.name, v.object)
	if p == nil && v.object == nil && w != nil && w.templates.Len() > 0 {
		p = b.nodeVolumes.sets[tree.Mix(b.namespaceHash[v.namespace], nameHash(v.name))]
	}
	if p == nil || p.NodePath() == nil {
		return nil
	}
	return p
}

// fittingVolumes calls do for the paths of a node that a claim may be bound to,
// and makes what it adds unknown.
func (b *builder) fittingVolumes(volume int32, do func(*storage.Persistent)) {
	if b.nodeVolumes.bindings == nil {
		return
	}
	v, first := &b.Graph.volumes[volume], len(b.made)
	for _, p := range b.nodeVolumes.bindings.Fitting(b.namespaces[v.namespace], v.name) {
		if p.NodePath() != nil {
			do(p)
		}
	}
	for i := first; i < len(b.made); i++ {
		if e := &b.made[i]; b.vertices[e.from].kind == Container {
			e.certainty = Unknown
		}
	}
}

// claimEscapes leads from pods of the attacker's making to the nodes of which a
// volume is a part that a claim of the namespace is bound to.
func (b *builder) claimEscapes(ns int32, g *guards) {
	for _, volume := range b.volumesIn[ns] {
		p := b.nodeVolume(nil, volume)
		if p != nil && givesNode(p) != Given {
			b.takesVolume(ns, p, ClaimEscape, g.admitsClaim(ns, b.Graph.volumes[volume].name, p))
		}
	}
	for _, p := range b.nodeVolumes.taking {
		free := b.nodeVolumes.bindings.Free(p, b.namespaces[ns])
		if free == storage.Never {
			continue
		}
		c := g.admitsClaim(ns, "new", p)
		switch {
		case c == Given:
		case free == storage.Perhaps:
			c = Unknown
		case p.Phase == "" && !b.snapshot.Closed: // a claim that was not read may have it
			c = max(c, Likely)
		}
		b.takesVolume(ns, p, FreeVolume, c)
	}
}

// takesVolume leads from pods of the attacker's making to the nodes of a volume,
// unless c is Given.
func (b *builder) takesVolume(ns int32, p *storage.Persistent, kind EdgeKind, c Certainty) {
	if c == Given {
		return
	}
	c = max(c, givesNode(p))
	for _, node := range b.nodesOfVolume(p) {
		b.because(b.at(RunPods, ns), node, kind, c, p.Object, p.NodePath())
	}
}

// givesNode says how certain it is that who writes to a volume as root has its node.
// Given says that it does not.
func givesNode(p *storage.Persistent) Certainty {
	c := Given
	for _, e := range storage.HostPath(p.NodePath().Str()) {
		switch {
		case !e.WriteTakes || e.Device:
		case e.Needs == "":
			return Certain
		default:
			c = Likely
		}
	}
	return c
}

// givesGroups reports whether a user other than root may have the node by a volume,
// in groups of its choice: by a socket, or because the kubelet hands local volumes
// to the group of a pod.
func givesGroups(p *storage.Persistent) bool {
	return p.Driver == "local" || slices.ContainsFunc(storage.HostPath(p.NodePath().Str()), func(e storage.Exposure) bool { return e.Socket && e.WriteTakes })
}

// persistentVolumes adds host path volumes, for who may make the volume and a pod:
// the claim is made for the pod, as an ephemeral volume.
func (b *builder) persistentVolumes(g func() *guards) {
	for _, maker := range b.hostVolumes {
		held, best := b.access.Rights(b.accounts[b.vertices[maker].at]), Given
		for ns, name := range b.namespaces {
			if held.In(name)&runs == 0 {
				continue
			}
			c := g().admitsClaim(int32(ns), "new", nil)
			if c != Given && (c != Unknown || b.namespaceObject(name) == nil) {
				c = Likely
			}
			if c != Given && (best == Given || c < best) {
				best = c
			}
		}
		if best != Given {
			b.give(maker, b.anyNode(), HostPathVolume, best, access.WritePersistentVolumes, none)
		}
	}
}

// nodesOfVolume returns root on the nodes that a volume says it is on.
func (b *builder) nodesOfVolume(p *storage.Persistent) []ID {
	terms := p.Object.Root.Dig("spec", "nodeAffinity", "required", "nodeSelectorTerms")
	if terms.Len() == 0 {
		return []ID{b.anyNode()}
	}
	var all []ID
	for i := range terms.Children() {
		rules := terms.At(i).Get("matchExpressions")
		for j := range rules.Children() {
			if r := rules.At(j); r.Get("key").Str() == "kubernetes.io/hostname" && r.Get("operator").Str() == "In" {
				values := r.Get("values")
				for k := range values.Children() {
					if n, ok := b.nodeIDs["node "+values.At(k).Str()]; ok {
						all = append(all, b.nodes[n].root)
					}
				}
			}
		}
	}
	if len(all) == 0 {
		return []ID{b.nodes[someNode].root}
	}
	return all
}

// admitsClaim says how certain it is that a namespace lets a pod in that has its
// node by the volume of a claim, or by any of its choice where that is nil; it is
// Given where it does not. The level restricted wants another user than root.
func (g *guards) admitsClaim(ns int32, claim string, p *storage.Persistent) Certainty {
	name := g.namespaces[ns]
	open, restricts, _, level := g.level(name)
	if restricts && level.node.Str() != "baseline" {
		if p != nil && !givesGroups(p) {
			return Given
		}
		open = Unknown
	}
	key := g.question(name)
	key.claim = claim
	return g.remembering(key, func() guardVerdict {
		g.admit(name, false, access.Subject{})
		refused := g.refused(asMain, "claim "+claim, name, func() tree.Node { return claimSpec(claim) })
		if refused.answer == yes {
			return guardVerdict{}
		}
		return guardVerdict{certainty: refused.certainty(open)}
	}).certainty
}
