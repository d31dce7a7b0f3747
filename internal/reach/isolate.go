package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// Isolation is NetworkPolicies that isolate the pods of a namespace and keep what
// is declared, with the proof: the network recomputed with them.
type Isolation struct {
	Namespace string
	Policies  []Generated
	Kept      []Kept     // every declared connection of the namespace
	Questions []Question // what nobody declares, and so is not allowed
	Notes     []string   // what was assumed or widened, as sentences without a full stop
	Proof     Proof
}

// Generated is one policy. Object is what Text says.
type Generated struct {
	Object *model.Object
	Text   string // YAML, with the reason of each rule as a comment
}

// Kept is a declared connection.
type Kept struct {
	From, To string
	Ports    PortSet
	Because  string
	Answer   Answer // whether it is open with the policies
	Why      []string
}

// Question is something that may be needed and that nobody declares.
type Question struct {
	Workload *model.Object
	Text     string
	// Needed says that an object that was read needs what the policies close.
	Needed bool
}

// Rights reports whether bindings give a service account rights of its own, so that
// what runs as it is there to use the API.
type Rights func(namespace, account string) bool

// Isolate makes the policies for a namespace. declarations are those that were
// read; x is the exposure of s, and g its network; rights may be nil. A namespace
// without workloads has an Isolation without policies.
//
// Pods on the host network are left out: policies hold for them in some network
// plugins only.
func Isolate(s *model.Snapshot, g *Graph, x *Exposure, declarations []*model.Declaration, namespace string, rights Rights) *Isolation {
	b := &isolator{Isolation: &Isolation{Namespace: namespace}, snapshot: s, graph: g, exposure: x,
		spaces: map[string]*space{}, groupBy: map[*tree.Node]*podGroup{}, said: map[any]bool{}, rows: map[int32]row{}, lists: map[listKey]*knownList{}}
	b.group()
	if len(b.groups) == 0 {
		return b.Isolation
	}
	b.cover(declarations)
	b.declared()
	b.exposed()
	b.apiAccess()
	b.ask()
	b.write()
	b.prove()
	b.proveAPI(rights)
	b.askAPI()
	return b.Isolation
}

// isolator makes an Isolation.
type isolator struct {
	*Isolation
	snapshot *model.Snapshot
	graph    *Graph
	exposure *Exposure
	groups   []*podGroup
	spaces   map[string]*space
	groupBy  map[*tree.Node]*podGroup // by pod spec
	said     map[any]bool             // notes and questions that were told
	flows    []declaredFlow
	lost     []Kept        // declared connections with an end that is not known
	rows     map[int32]row // by signature: see untranslated
	lists    map[listKey]*knownList
	covered  coverage
}

// podGroup is workloads of the namespace whose pods have the same labels.
type podGroup struct {
	members  []model.Workload
	selector podSelector
	allows   [2][]allowance    // by Direction
	rules    [2]map[string]int // of allows, by what writes the peer
}

// allowance is one peer and the ports allowed with it.
type allowance struct {
	peer    []string // entries of from or to; none for everybody
	ports   PortSet
	because []string
}

// declaredFlow is a declared connection, to be looked up once the policies are
// there. A side has workloads or ranges, or a name.
type declaredFlow struct {
	from, to side
	ports    PortSet
	because  string
}

// side is one end of a declared connection.
type side struct {
	text      string
	workloads []model.Workload
	ranges    []netip.Prefix
	name      string
	peer      []string
	wide      string // why the peer is wider than what is declared

	service *model.Object // whose endpoints are made by hand
	hand    []handPort    // of those
}

// group divides the workloads of the namespace by what policies can tell apart.
func (b *isolator) group() {
	byLabels := map[string]*podGroup{}
	here := b.space(b.Namespace)
	for i, w := range here.workloads {
		if w.Pod.Spec.Get("hostNetwork").True() {
			b.note("%s is on the host network, so network plugins differ in whether policies hold for it", w.Object.Key)
			continue
		}
		key := labelsText(here.labels[i])
		if byLabels[key] == nil {
			byLabels[key] = &podGroup{}
			b.groups = append(b.groups, byLabels[key])
		}
		byLabels[key].members = append(byLabels[key].members, w)
		b.groupBy[w.Pod.Spec] = byLabels[key]
	}
	for _, gr := range b.groups {
		gr.selector = b.selectorOf(gr.members[0])
		if len(gr.members) > 1 {
			b.note("%s have the same labels, so what is allowed to one is allowed to all", keysOf(gr.members))
		}
	}
}

func keysOf(list []model.Workload) string {
	var names []string
	for _, w := range list {
		names = append(names, w.Object.Key.String())
	}
	if len(names) > 4 {
		names = append(names[:4:4], fmt.Sprintf("%d more", len(names)-4))
	}
	return strings.Join(names, ", ")
}

func (b *isolator) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !b.said[text] {
		b.said[text] = true
		b.Notes = append(b.Notes, text)
	}
}

func (b *isolator) question(o *model.Object, format string, args ...any) {
	q := Question{Workload: o, Text: fmt.Sprintf(format, args...)}
	if !b.said[q] {
		b.said[q] = true
		b.Questions = append(b.Questions, q)
	}
}

// workloads returns the workloads of a namespace as the network sees them.
func (b *isolator) workloads(namespace string) []model.Workload { return b.space(namespace).workloads }

// groupOf returns the group of a workload of the namespace, or nil.
func (b *isolator) groupOf(w model.Workload) *podGroup { return b.groupBy[w.Pod.Spec] }

// allow lets a group connect with a peer. What has the same peer is one rule.
func (gr *podGroup) allow(d Direction, peer []string, ports PortSet, because string) {
	if ports.Empty() {
		return
	}
	key := strings.Join(peer, "\n")
	if i, ok := gr.rules[d][key]; ok {
		a := &gr.allows[d][i]
		a.ports = a.ports.union(ports)
		if !slices.Contains(a.because, because) {
			a.because = append(a.because, because)
		}
		return
	}
	if gr.rules[d] == nil {
		gr.rules[d] = map[string]int{}
	}
	gr.rules[d][key] = len(gr.allows[d])
	gr.allows[d] = append(gr.allows[d], allowance{peer, ports, []string{because}})
}

// flow allows a connection at those of its ends that are in the namespace.
func (b *isolator) flow(from, to side, ports PortSet, because string) {
	here := false
	for _, gr := range b.groupsOf(from.workloads) {
		gr.allow(Egress, to.peer, ports, because)
		here = true
	}
	for _, gr := range b.groupsOf(to.workloads) {
		gr.allow(Ingress, from.peer, ports, because)
		here = true
	}
	if !here {
		return
	}
	for _, s := range []side{from, to} {
		if s.wide != "" {
			b.note("%s", s.wide)
		}
	}
	b.flows = append(b.flows, declaredFlow{from, to, ports, because})
}

// lose notes a declared connection of a workload of the namespace that is not
// allowed, as its other end is not known.
func (b *isolator) lose(p model.Peer, of model.Workload, d Direction, because string) {
	if b.groupOf(of) == nil {
		return
	}
	namespace := cmp.Or(p.Namespace, of.Object.Key.Namespace)
	k := Kept{From: "workload " + namespace + "/" + p.Workload, To: of.Object.Key.String(), Ports: b.podPorts(of, p.Ports), Because: because, Answer: No,
		Why: []string{"which pods the declared end means is not known, so nothing is allowed by it"}}
	if p.Service != "" {
		k.From = "Service/" + namespace + "/" + p.Service
	}
	if d == Egress {
		k.From, k.To = k.To, k.From
	}
	b.lost = append(b.lost, k)
}

func (b *isolator) sideOf(w model.Workload) side {
	s := side{text: w.Object.Key.String(), workloads: []model.Workload{w}}
	selector := b.selectorOf(w)
	s.peer = []string{podPeerText(w.Object.Key.Namespace, selector)}
	if selector.others != "" {
		s.wide = fmt.Sprintf("the labels of %s select %s too", w.Object.Key, selector.others)
	}
	if w.Pod.Spec.Get("hostNetwork").True() {
		s.wide = fmt.Sprintf("%s is on the host network, so selectors may not match it: use the addresses of nodes instead", w.Object.Key)
	}
	return s
}

// side finds a declared peer of a workload.
func (b *isolator) side(p model.Peer, of model.Workload) (side, bool) {
	namespace := cmp.Or(p.Namespace, of.Object.Key.Namespace)
	here := of.Object.Key.Namespace == b.Namespace || namespace == b.Namespace
	switch {
	case p.CIDR != "":
		prefix, _ := netip.ParsePrefix(p.CIDR)
		prefix = prefix.Masked()
		return side{text: p.CIDR, ranges: []netip.Prefix{prefix}, peer: []string{blockText(prefix)}}, true
	case p.DNS != "":
		return side{text: p.DNS, name: p.DNS, peer: publicPeer(), wide: "a NetworkPolicy cannot name " + p.DNS + ", so all public addresses are allowed on its ports"}, true
	case p.Service != "":
		return b.serviceSide(namespace, p.Service, of, here)
	case p.Workload == "":
		return side{text: "namespace " + namespace, workloads: b.workloads(namespace), peer: []string{podPeerText(namespace, podSelector{})}}, true
	}
	var found side
	for _, w := range b.space(namespace).named[p.Workload] {
		s := b.sideOf(w)
		found.text, found.workloads, found.peer, found.wide = s.text, append(found.workloads, w), append(found.peer, s.peer...), s.wide
	}
	if len(found.workloads) == 0 {
		if here {
			b.question(of.Object, "the declared peer %s was not read in namespace %s, so its labels are not known and it is not allowed", p.Workload, namespace)
		}
		return side{}, false
	}
	slices.Sort(found.peer)
	found.peer = slices.Compact(found.peer)
	return found, true
}

func (b *isolator) serviceSide(namespace, name string, of model.Workload, here bool) (side, bool) {
	o := b.snapshot.Get(model.Key{Cluster: of.Object.Key.Cluster, Namespace: namespace, GroupKind: model.ServiceKind, Name: name})
	if o != nil && o.Root.Dig("spec", "type").Str() == "ExternalName" {
		target := o.Root.Dig("spec", "externalName").Str()
		return side{text: o.Key.String(), name: target, peer: publicPeer(), wide: "a NetworkPolicy cannot name " + target + ", so all public addresses are allowed on its ports"}, true
	}
	if o != nil {
		if s, ok := b.handmadeSide(o); ok {
			return s, true
		}
	}
	var selector podSelector
	if o != nil {
		if labels, ok := ServiceSelector(o); ok {
			for i := range labels.Children() {
				selector.labels = append(selector.labels, labelValue{labels.Children()[i].Key(), labels.Children()[i].Str()})
			}
			s := side{text: o.Key.String(), workloads: b.snapshot.Workloads(namespace).Select(model.MatchLabels(labels)), peer: []string{podPeerText(namespace, selector)}}
			return s, true
		}
	}
	if here {
		reason := "was not read, so which pods are behind it is not known"
		if o != nil {
			reason = "selects no pods"
		}
		b.question(of.Object, "the declared Service %s/%s %s, and it is not allowed", namespace, name, reason)
	}
	return side{}, false
}

// handmadeSide returns what the endpoints of a Service lead to that were made by
// hand.
func (b *isolator) handmadeSide(o *model.Object) (side, bool) {
	found := side{text: o.Key.String(), service: o}
	if _, selects := ServiceSelector(o); selects {
		return side{}, false
	}
	for _, e := range b.exposure.hand().services[objectName{o.Key.Namespace, o.Key.Name}] {
		for _, o := range e.pods {
			for _, id := range b.graph.ofPod(b.exposure, o) {
				w := b.graph.workloads[id]
				s := b.sideOf(w)
				if _, ok := b.graph.standIn[o.Key]; ok { // whose labels may be others
					s = b.sideOf(model.Workload{Object: o, Pod: o.Pods()[0]})
				}
				found.workloads, found.peer, found.wide = append(found.workloads, w), append(found.peer, s.peer...), cmp.Or(found.wide, s.wide)
			}
		}
		if len(e.pods) == 0 || e.onNode || e.onAPI {
			p := netip.PrefixFrom(e.addr, e.addr.BitLen())
			found.ranges, found.peer = append(found.ranges, p), append(found.peer, blockText(p))
		}
		found.hand = append(found.hand, e.ports...)
	}
	slices.Sort(found.peer)
	found.peer = slices.Compact(found.peer)
	return found, len(found.peer) > 0
}

// podPorts returns the ports of a pod that a declaration means: those of a Service
// stand for the ports behind it.
func (b *isolator) podPorts(w model.Workload, ports portList) PortSet {
	if ports == nil {
		return everyPort
	}
	declared := DeclaredPorts(w.Pod)
	var set PortSet
	for _, p := range ports {
		number, protocol, ok := model.SplitPort(p)
		proto, known := ParseProtocol(protocol)
		if !ok || !known {
			continue
		}
		one := portsFrom(proto, uint16(number), uint16(number))
		if !declared.Contains(Port{proto, uint16(number)}) {
			if behind := b.behind(w, Port{proto, uint16(number)}); !behind.Empty() {
				one = behind
			}
		}
		set = set.union(one)
	}
	return set
}

// behind returns the ports of a pod to which a port of its Services leads.
func (b *isolator) behind(w model.Workload, port Port) PortSet {
	var set PortSet
	for _, l := range b.exposure.leads(w) {
		ports := l.Root.Dig("spec", "ports")
		for i := range ports.Children() {
			protocol, _ := protocolOf(ports.At(i).Get("protocol"))
			if number, _ := ports.At(i).Get("port").Int(); number == int64(port.Number) && protocol == port.Protocol {
				set = set.union(l.ports(w.Pod, ports.At(i).Get("port")))
			}
		}
	}
	return set
}

// peerPorts returns the ports of a declared peer.
func (b *isolator) peerPorts(to side, p model.Peer) PortSet {
	set := b.listPorts(to.workloads, p.Ports)
	if len(to.workloads) == 0 {
		set = b.podPorts(model.Workload{Object: &model.Object{}}, p.Ports)
	}
	if to.service == nil || len(to.workloads) > 0 || p.Ports == nil {
		return set
	}
	var translated PortSet
	for _, r := range set.Ranges() { // each is one declared port or neighbours
		for number := int(r.First); number <= int(r.Last); number++ {
			behind := handPorts(to.service.Root.Get("spec"), to.hand, onlyPort(strconv.Itoa(number)))
			if behind.Empty() {
				behind = PortsOf(Port{r.Protocol, uint16(number)})
			}
			translated = translated.union(behind)
		}
	}
	return translated
}
