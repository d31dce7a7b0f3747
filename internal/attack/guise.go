package attack

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// Network policies know pods by their labels and those of their namespaces. Who makes
// pods chooses the ones, and who may change namespaces, or pods that there are, takes
// others. Where such pods may connect to is not stored.

// guise is pods in a namespace with other labels than were read.
type guise struct {
	reach.Guest
	namespace int32
	workload  int32 // whose pods these are; none where labels are chosen
}

// renamer is a subject that may change the labels of a namespace.
type renamer struct {
	subject   ID
	namespace int32
}

// guestOf returns the pods that a vertex stands for, if they are of other labels than
// those that were read.
func (g *Graph) guestOf(id ID) (reach.Guest, bool) {
	switch v := &g.vertices[id]; {
	case v.kind == Relabelled:
		return g.guises[v.at].Guest, true
	case v.kind == Labelled && v.at != none:
		return reach.Guest{Namespace: g.namespaces[v.at]}, true
	}
	return reach.Guest{}, false
}

// findGuests lists the vertices that stand for such pods.
func (b *builder) findGuests() {
	for i := range b.vertices {
		if k := b.vertices[i].kind; k == Labelled || k == Relabelled {
			if guest, ok := b.guestOf(ID(i)); ok {
				b.guests, b.guestAt = append(b.guests, guest), append(b.guestAt, ID(i))
			}
		}
	}
}

// relabelsPods reports whether it is worth following that pods of a namespace, or of
// all, get other labels: there are some, and policies look at labels.
func (b *builder) relabelsPods(ns int32) bool {
	return b.tells().pods && (ns == none || b.hasPods(ns))
}

// discerned says whether policies look at labels of pods, and of namespaces.
type discerned struct{ pods, namespaces bool }

func (b *builder) tells() discerned {
	if b.discerned == nil {
		pods, namespaces := b.network.Discerns()
		b.discerned = &discerned{pods, namespaces}
	}
	return *b.discerned
}

// hasPods reports whether pods of a namespace are in the network of pods.
func (b *builder) hasPods(ns int32) bool {
	for w := b.inNamespace[ns].first; w < b.inNamespace[ns].last; w++ {
		if x := &b.Graph.workloads[w]; x.hostNetwork == nil && !x.sleeps() {
			return true
		}
	}
	return false
}

// inGuise leads from who may make or relabel pods to those pods, and from there to the
// metadata service of the cloud.
func (b *builder) inGuise() {
	for ns := range b.namespaces {
		if b.hasWide(RunPods, int32(ns)) {
			b.edge(b.at(RunPods, int32(ns)), b.at(Labelled, int32(ns)), Member, Given, none)
		}
		if b.hasWide(Labelled, none) && b.hasPods(int32(ns)) {
			b.edge(b.at(Labelled, none), b.at(Labelled, int32(ns)), Member, Given, none)
		}
		if b.hasWide(Labelled, int32(ns)) {
			b.guestMetadata(int32(ns))
		}
	}
	b.relabelledNamespaces()
}

// guestMetadata adds the metadata service for pods with labels of choice.
func (b *builder) guestMetadata(ns int32) {
	if b.inCloud.in == no {
		return
	}
	guest := reach.Guest{Namespace: b.namespaces[ns]}
	asks := func(at netip.Addr) bool { return b.guestAsks(guest, at) != reach.No }
	if asks(metadataAddress) || b.byIPv6(asks) != nil {
		b.because(b.at(Labelled, ns), b.nodeIdentity, NodeMetadata, Unknown, b.namespaceObject(guest.Namespace), nil)
	}
}

// guestAsks reports whether pods with labels of choice may connect to an address of the
// metadata service.
func (g *Graph) guestAsks(guest reach.Guest, at netip.Addr) reach.Answer {
	return g.network.Passage(guest, g.network.Address(at), []reach.Port{metadataPort}).Answer
}

// relabelledNamespaces leads from who may change the labels of a namespace to pods in
// it: those that run as the subject, and those that it makes or relabels.
func (b *builder) relabelledNamespaces() {
	if len(b.renamers) == 0 || !b.tells().namespaces {
		return
	}
	running := map[int32][]int32{}
	for i := range b.Graph.workloads {
		if w := &b.Graph.workloads[i]; w.mounts && !w.sleeps() && w.hostNetwork == nil {
			running[w.account] = append(running[w.account], int32(i))
		}
	}
	at := map[reach.Guest]ID{}
	for _, r := range b.renamers {
		s := b.accounts[b.vertices[r.subject].at]
		for _, w := range running[b.vertices[r.subject].at] {
			if ns := b.Graph.workloads[w].namespace; s.Kind == "ServiceAccount" && (r.namespace == none || r.namespace == ns) {
				b.rename(at, r.subject, ns, w)
			}
		}
		held := b.access.Rights(s)
		if r.namespace != none {
			if held.In(b.namespaces[r.namespace])&(runs|1<<access.ModifyPods) != 0 {
				b.rename(at, r.subject, r.namespace, none)
			}
			continue
		}
		for _, in := range held.Namespaces {
			if in.Rights&(runs|1<<access.ModifyPods) != 0 {
				b.rename(at, r.subject, b.namespace(in.Namespace), none)
			}
		}
	}
}

// rename leads from a subject to pods of a namespace with labels of its choice: to
// those of a workload, or where that is none to pods whose labels it chooses, too.
func (b *builder) rename(at map[reach.Guest]ID, subject ID, ns, w int32) {
	name := b.namespaces[ns]
	proofs, ok := b.asked(b.accounts[b.vertices[subject].at], access.Request{Resource: "namespaces", Namespace: name, Name: name}, change[1:]...)
	if !ok {
		return
	}
	x := guise{reach.Guest{Namespace: name, Relabelled: true}, ns, w}
	if w != none {
		x.Labels = b.Graph.workloads[w].Pod.Labels()
	}
	if _, known := at[x.Guest]; !known {
		at[x.Guest] = b.vertex(Relabelled, int32(len(b.guises)), 0)
		b.guises = append(b.guises, x)
	}
	b.proven(subject, at[x.Guest], RelabelToReach, Certain, proofs)
}

// passes says how pods connect to a port of a container.
func (g *Graph) passes(of reach.Guest, c int32) (best reach.Passage) {
	for _, to := range g.endpointsOf(g.containers[c].workload) {
		if p := g.network.Passage(of, to, g.ports(c)); p.Answer > best.Answer {
			best = p
		}
	}
	if best.Answer == reach.Yes && !g.listening(c) {
		best.Answer = reach.Maybe
	}
	if best.Answer == reach.Maybe && g.options.Known {
		best.Answer = reach.No
	}
	return best
}

// whyPasses says why pods of a guise connect to a container.
func (g *Graph) whyPasses(of reach.Guest, c int32) []Evidence {
	p, to := g.passes(of, c), &g.workloads[g.containers[c].workload]
	node := g.containers[c].ports
	if node == nil {
		node = g.containers[c].node
	}
	var ports []string
	for _, port := range g.ports(c) {
		ports = append(ports, port.String())
	}
	listens := " listens on "
	if s := g.containers[c].declared; s.first == s.last {
		listens = " may listen where a Service leads to: "
	}
	all := []Evidence{{"container " + g.containers[c].name + listens + strings.Join(ports, ", "), to.Object, node}}
	return append(all, whyLets(&p, to)...)
}

// whyLets says with which labels, and by which policy, pods of a guise connect.
func whyLets(p *reach.Passage, to *workload) []Evidence {
	var all []Evidence
	if len(p.Labels) > 0 {
		all = append(all, Evidence{Text: "with the labels " + listed(p.Labels) + " at the pods"})
	}
	if len(p.NamespaceLabels) > 0 {
		all = append(all, Evidence{Text: "with the labels " + listed(p.NamespaceLabels) + " at the namespace"})
	}
	if p.Policy != nil && p.Rule != nil {
		all = append(all, Evidence{p.Policy.Object.Key.String() + " lets the connection pass", p.Policy.Object, p.Rule})
	} else {
		all = append(all, Evidence{Text: "no network policy limits ingress of " + to.Object.Key.String()})
	}
	return all
}

// whyGuestAsks says why pods with labels of choice may connect to the metadata service.
func (g *Graph) whyGuestAsks(of reach.Guest, why evidence) Evidence {
	e := Evidence{Text: "no network policy closes 169.254.169.254 to pods of every label in namespace " + of.Namespace, Object: why.object}
	asks := func(at netip.Addr) bool { return g.guestAsks(of, at) != reach.No }
	if s := g.byIPv6(asks); s != nil && !asks(metadataAddress) {
		e.Text = g.closedButIPv6("pods of namespace "+of.Namespace, s)
	}
	return e
}

func listed(labels map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, fmt.Sprintf("%s: %s", key, labels[key]))
	}
	return strings.Join(all, ", ")
}

// String names the pods of a guise.
func (x *guise) String() string {
	if x.workload == none {
		return "pods with labels of its choice in the relabelled namespace " + x.Namespace
	}
	return "its pods in the relabelled namespace " + x.Namespace
}

// guiseObject returns the workload whose pods a guise is of, or nil.
func (g *Graph) guiseObject(x *guise) *model.Object {
	if x.workload == none {
		return nil
	}
	return g.workloads[x.workload].Object
}
