package attack

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

const (
	bootstrapGroup  = "system:bootstrappers"
	systemNamespace = "kube-system"
)

var bootstrapType = nameHash("bootstrap.kubernetes.io/token")

// heldIn is a right that a subject has in a namespace, or in all.
type heldIn struct {
	subject   ID
	namespace int32
}

func (h heldIn) holdsIn(ns int32) bool { return h.namespace == none || h.namespace == ns }

// noteRights remembers rights whose targets are known only when all are read.
func (b *builder) noteRights(v ID, rights access.Rights, ns int32) {
	if rights.Has(access.CreateSecrets) && (ns == none || b.namespaces[ns] == systemNamespace) {
		b.secretMakers = append(b.secretMakers, heldIn{v, ns})
	}
	if rights.Has(access.MintTokens) {
		b.minters = append(b.minters, heldIn{v, ns})
	}
	b.writesNodes = b.writesNodes || ns == none && rights.Has(access.WriteNodes)
}

// bootstrap leads from bootstrap tokens, and from who may make them, to the groups
// that they are members of. Which these are stands in the token's data, which is
// not kept: all that have rights may be.
func (b *builder) bootstrap() {
	var groups []ID
	for id, s := range b.accounts {
		if s.Kind == "Group" && b.accountVertex[id] != none && (s.Name == bootstrapGroup || strings.HasPrefix(s.Name, bootstrapGroup+":")) {
			groups = append(groups, b.accountVertex[id])
		}
	}
	for _, group := range groups {
		for _, secret := range b.bootstraps {
			o := b.Graph.secrets[secret].object
			b.because(b.secretVertex[secret], group, BootstrapToken, Likely, o, o.Root.Get("type"))
		}
		for _, maker := range b.secretMakers {
			b.give(maker.subject, group, ForgeBootstrapToken, Likely, access.CreateSecrets, maker.namespace)
		}
	}
}

// kubelet returns the vertex of who may be the kubelet of any node, and makes it.
func (b *builder) kubelet() ID { return b.one(&b.anyKubelet, Kubelet) }

// kubeletEdges leads from the kubelet of any node to what the Node authorizer
// allows it: tokens for the service accounts of its pods, and their secrets.
func (b *builder) kubeletEdges() {
	if b.anyKubelet == none {
		return
	}
	if b.nodeRights != none {
		b.edge(b.anyKubelet, b.nodeRights, Member, Given, none)
	}
	accounts, secrets := make([]bool, len(b.accounts)), make([]bool, len(b.Graph.secrets))
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		if !accounts[w.account] {
			accounts[w.account] = true
			b.because(b.anyKubelet, b.accountAt(w.account), ActAsKubelet, Certain, w.Object, w.Pod.Spec)
		}
		b.secretsOf(w, func(hash uint64, name *tree.Node, text string) {
			if secret := b.secret(w.namespace, hash, text, nil); !secrets[secret] {
				secrets[secret] = true
				b.because(b.anyKubelet, b.secretVertex[secret], ActAsKubelet, Certain, w.Object, name)
			}
		})
	}
}

// startingNode adds what the Node authorizer allows the kubelet of the node that paths
// begin at.
func (b *builder) startingNode() {
	_, name := model.CutPlace(b.options.Source)
	node, ok := strings.CutPrefix(name, nodePrefix)
	if _, known := b.nodeIDs["node "+node]; !ok || !known {
		return
	}
	v := b.subject(access.User(name))
	b.onNode(node, func(i int32, c Certainty) {
		w := &b.Graph.workloads[i]
		b.because(v, b.accountAt(w.account), ActAsKubelet, c, w.Object, w.Pod.Spec)
		b.secretsOf(w, func(hash uint64, name *tree.Node, text string) {
			b.because(v, b.secretVertex[b.secret(w.namespace, hash, text, nil)], ActAsKubelet, c, w.Object, name)
		})
	})
}

// secretsOf calls take for the secrets that the kubelet fetches for a workload.
func (b *builder) secretsOf(w *workload, take func(hash uint64, name *tree.Node, text string)) {
	for c := w.first; c < w.last; c++ {
		k := &b.Graph.containers[c]
		for j := k.uses.first; j < k.uses.last; j++ {
			if u := &b.uses[j]; u.kind == useSecret {
				take(u.hash, u.node, u.name)
			}
		}
	}
	for j := range w.pull.Children() {
		if name := w.pull.At(j).Get("name"); name.Str() != "" {
			take(name.Hash(), name, name.Str())
		}
	}
}

// stealing leads from nodes on which pods hold a token with the right to write
// nodes to the pods that can be drawn there.
func (b *builder) stealing() {
	if !b.writesNodes {
		return
	}
	pods := ID(none)
	for i := range b.Graph.workloads {
		w := &b.Graph.workloads[i]
		if !w.mounts {
			continue
		}
		proofs := b.writingNodes(b.accounts[w.account])
		if proofs == nil {
			continue
		}
		if pods == none {
			pods = b.movablePods()
		}
		for _, n := range b.placements[w.placed.first:w.placed.last] {
			b.proven(b.nodes[n].root, pods, StealPods, Likely, proofs)
		}
		if w.placed.first == w.placed.last && w.onControl != yes {
			c := Unknown
			if w.everyNode {
				c = Likely
			}
			b.proven(b.nodes[someNode].root, pods, StealPods, c, proofs)
		}
	}
}

// writingNodes returns what proves that a subject may write nodes, or gives itself the
// right to; nil where it may not, or may do everything.
func (b *builder) writingNodes(s access.Subject) []access.Proof {
	if held := b.access.Rights(s).Cluster; held.Has(access.WildcardAll) {
		return nil
	} else if p, ok := b.access.Prove(s, access.WriteNodes, ""); ok && held.Has(access.WriteNodes) {
		return []access.Proof{p}
	}
	list, _ := b.access.Granted()
	for i := range list {
		if g := &list[i]; g.Base == s && len(g.Parts) == 0 {
			if p, ok := b.access.Prove(g.Subject, access.WriteNodes, ""); ok {
				return append(slices.Clone(g.Ways[0].Proofs), p)
			}
		}
	}
	return nil
}

// movablePods makes the vertex of the pods that the scheduler may put elsewhere.
func (b *builder) movablePods() ID {
	pods := b.vertex(MovablePods, none, 0)
	for i := range b.Graph.workloads {
		if w := &b.Graph.workloads[i]; w.Object.Key.Kind != "DaemonSet" && w.Object.Key.GroupKind != model.PodKind {
			b.edge(pods, b.workloadVertex(int32(i), podDataAt), Member, Given, none)
		}
	}
	return pods
}
