package attack

import (
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// kubeadm keeps the configuration of kubelets in a ConfigMap, from which nodes take it
// when they join.

// kubeletConfig is the ConfigMap, and its only key; before 1.24 its name ended in the
// version.
const (
	kubeletConfig    = "kubelet-config"
	kubeletConfigKey = "kubelet"
)

var kubeletPort = reach.Port{Number: 10250}

// openKubelets leads to the pods from who may connect to nodes, where kubelets ask for no
// login and let everybody do everything.
func (b *builder) openKubelets() {
	why := b.openKubelet()
	if why.object == nil {
		return
	}
	nodes := b.nodeAddresses()
	for i := range b.Graph.workloads {
		answer := reach.No
		for _, from := range b.endpointsOf(int32(i)) {
			for _, to := range nodes {
				answer = max(answer, b.network.Ports(from, to).On(kubeletPort))
			}
		}
		switch {
		case len(nodes) == 0, answer == reach.Maybe, answer == reach.Yes && b.unread != nil:
			b.because(b.workloadVertex(int32(i), positionAt), b.at(AnyPod, none), AnonymousKubelet, Unknown, why.object, why.node)
		case answer == reach.Yes:
			b.because(b.workloadVertex(int32(i), positionAt), b.at(AnyPod, none), AnonymousKubelet, Likely, why.object, why.node)
		}
	}
}

// openKubelet returns what says that kubelets let everybody do everything, or nothing.
func (b *builder) openKubelet() evidence {
	for o := range b.snapshot.InNamespace(b.cluster(), systemNamespace, model.ConfigMapKind) {
		if o.Key.Name != kubeletConfig && !strings.HasPrefix(o.Key.Name, kubeletConfig+"-1.") {
			continue
		}
		n := o.Root.Dig("data", kubeletConfigKey)
		for doc := range tree.Parse(&tree.File{Name: kubeletConfigKey, Text: n.Str()}) {
			if doc.Err == nil && doc.Root.Dig("authentication", "anonymous", "enabled").True() && doc.Root.Dig("authorization", "mode").Str() == "AlwaysAllow" {
				return evidence{o, n}
			}
		}
	}
	return evidence{}
}

// nodeAddresses returns the places of nodes in the network, as far as they are known.
func (b *builder) nodeAddresses() []reach.ID {
	var all []reach.ID
	for i := range b.nodes {
		if b.nodes[i].object == nil {
			continue
		}
		addresses := b.nodes[i].object.Root.Dig("status", "addresses")
		for j := range addresses.Children() {
			if at, err := netip.ParseAddr(addresses.At(j).Get("address").Str()); err == nil {
				if id := b.network.Address(at); !slices.Contains(all, id) {
					all = append(all, id)
				}
			}
		}
	}
	return all
}
