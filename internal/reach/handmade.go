package reach

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// A Service leads to addresses: to those of the pods that it selects, which a
// controller writes down, and to those that somebody else wrote down in an
// EndpointSlice or, before there were those, in Endpoints.

var (
	sliceKind     = model.GroupKind{Group: "discovery.k8s.io", Kind: "EndpointSlice"}
	endpointsKind = model.GroupKind{Kind: "Endpoints"}
)

// EndpointKinds returns the kinds of objects that say where Services lead to that
// select no pods. Endpoints are not among them: the API server's own controller
// copies those to EndpointSlices.
func EndpointKinds() []model.GroupKind { return []model.GroupKind{sliceKind} }

const (
	sliceService    = "kubernetes.io/service-name"
	sliceManager    = "endpointslice.kubernetes.io/managed-by"
	sliceController = "endpointslice-controller.k8s.io"
	skipMirror      = "endpointslice.kubernetes.io/skip-mirror"
)

// byHand is an address that is written down for a Service, and what has it.
type byHand struct {
	object *model.Object // the EndpointSlice or Endpoints
	node   *tree.Node    // of the address
	addr   netip.Addr
	pods   []*model.Object
	onNode bool // the address is that of a node
	onAPI  bool // or of the API server
	ports  []handPort
}

// handPort is a port of endpoints. It belongs to the port of the Service that has
// the same name and protocol, whatever targetPort says.
type handPort struct {
	name string
	Port
}

// handIndex knows what was made by hand, by Service and by what it leads to.
type handIndex struct {
	services map[objectName][]byHand
	sliced   map[objectName]bool      // Services of which an EndpointSlice was read
	pods     map[model.Key][]handLead // pods, and the controllers of their chain that are at the top
}

// handLead is a Service that leads to a pod by hand.
type handLead struct {
	service *model.Object
	ports   []handPort
}

// readHandmade reads the endpoints of a snapshot that were made by hand. Whether
// they are ready is left aside, as it comes and goes. Names (FQDN) are: nothing in
// Kubernetes itself connects to them.
func readHandmade(s *model.Snapshot) *handIndex {
	x := &handIndex{services: map[objectName][]byHand{}, sliced: map[objectName]bool{}, pods: map[model.Key][]handLead{}}
	for o := range s.Kind(sliceKind) {
		name := o.Labels().Get(sliceService).Str()
		if name != "" && !(kept(o) && selectsPods(s, o, name)) {
			x.sliced[objectName{o.Key.Namespace, name}] = true
			x.add(objectName{o.Key.Namespace, name}, o, o.Root.Get("endpoints"), readHandPorts(o.Root.Get("ports")))
		}
	}
	for o := range s.Kind(endpointsKind) {
		if o.Labels().Get(skipMirror).Str() == "true" || selectsPods(s, o, o.Key.Name) {
			continue
		}
		subsets := o.Root.Get("subsets")
		for i := range subsets.Children() {
			ports := readHandPorts(subsets.At(i).Get("ports"))
			for _, key := range []string{"addresses", "notReadyAddresses"} {
				x.add(objectName{o.Key.Namespace, o.Key.Name}, o, subsets.At(i).Get(key), ports)
			}
		}
	}
	if len(x.services) > 0 {
		x.find(s)
		x.turn(s)
	}
	return x
}

// kept reports whether the controller that follows the selectors of Services keeps
// an EndpointSlice, so that it says nothing that those do not.
func kept(slice *model.Object) bool { return slice.Labels().Get(sliceManager).Str() == sliceController }

// selectsPods reports whether the Service that endpoints are of selects pods, so
// that a controller keeps them.
func selectsPods(s *model.Snapshot, endpoints *model.Object, name string) bool {
	service := s.Get(model.Key{Cluster: endpoints.Key.Cluster, Namespace: endpoints.Key.Namespace, GroupKind: model.ServiceKind, Name: name})
	return service != nil && service.Root.Dig("spec", "selector").Len() > 0
}

// add adds the entries of a list, which have addresses or are one.
func (x *handIndex) add(to objectName, o *model.Object, list *tree.Node, ports []handPort) {
	for i := range list.Children() {
		entry := list.At(i)
		addresses := entry.Get("addresses").Children()
		if ip := entry.Get("ip"); ip != nil {
			addresses = []tree.Node{*ip}
		}
		for j := range addresses {
			addr, err := netip.ParseAddr(addresses[j].Str())
			if err != nil || addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
				continue // the API server refuses those
			}
			x.services[to] = append(x.services[to], byHand{object: o, node: entry, addr: addr, ports: ports})
		}
	}
}

func readHandPorts(list *tree.Node) []handPort {
	var ports []handPort
	for i := range list.Children() {
		p := list.At(i)
		protocol, ok := protocolOf(p.Get("protocol"))
		if number, isNumber := p.Get("port").Int(); ok && isNumber && number > 0 && number <= maxPort {
			ports = append(ports, handPort{p.Get("name").Str(), Port{protocol, uint16(number)}})
		}
	}
	return ports
}

// holders is what has an address.
type holders struct {
	pods          []*model.Object
	onNode, onAPI bool
}

// find finds what has the addresses. Files do not know the addresses of pods: there
// the reference beside an address counts.
func (x *handIndex) find(s *model.Snapshot) {
	by := map[netip.Addr]*holders{}
	for name, list := range x.services {
		for i := range list {
			h := by[list[i].addr]
			if h == nil {
				h = &holders{}
				by[list[i].addr] = h
			}
			h.onAPI = h.onAPI || name == apiService
		}
	}
	for o := range s.Kind(model.PodKind) {
		if o.Ended() {
			continue
		}
		for _, text := range addressesOf(o) {
			if addr, err := netip.ParseAddr(text); err == nil && by[addr] != nil && !slices.Contains(by[addr].pods, o) {
				by[addr].pods = append(by[addr].pods, o)
			}
		}
	}
	for o := range s.Kind(model.NodeKind) {
		addresses := o.Root.Dig("status", "addresses")
		for i := range addresses.Children() {
			if addr, err := netip.ParseAddr(addresses.At(i).Get("address").Str()); err == nil && by[addr] != nil {
				by[addr].onNode = true
			}
		}
	}
	for _, list := range x.services {
		for i := range list {
			e, h := &list[i], by[list[i].addr]
			e.onNode, e.onAPI = h.onNode && !h.onAPI, h.onAPI
			for _, o := range h.pods {
				if !e.onNode && !e.onAPI || e.mayServe(o) {
					e.pods = append(e.pods, o)
				}
			}
			if len(h.pods) == 0 && !e.onNode && !e.onAPI {
				e.refer(s)
			}
		}
	}
}

// hashes returns the hashes of where each Service leads, in the order of their
// names: of an address, what has it, and the ports.
func (x *handIndex) hashes() []uint64 {
	var hashes []uint64
	names := slices.SortedFunc(maps.Keys(x.services), func(a, b objectName) int {
		return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name))
	})
	for _, name := range names {
		for _, e := range x.services[name] {
			text := fmt.Sprint(name, e.addr, e.onNode, e.onAPI, e.ports)
			for _, o := range e.pods {
				text += " " + o.Key.String()
			}
			hashes = append(hashes, maphash.String(termSeed, text))
		}
	}
	return hashes
}

// apiService is the Service of the API server, which writes its endpoints itself.
var apiService = objectName{"default", "kubernetes"}

func addressesOf(o *model.Object) []string {
	status := o.Root.Get("status")
	texts := []string{status.Get("podIP").Str()}
	for _, ip := range status.Get("podIPs").Children() {
		texts = append(texts, ip.Get("ip").Str())
	}
	return texts
}

// mayServe reports whether it may be a pod, of those that share the address of
// their node, that listens.
func (e *byHand) mayServe(o *model.Object) bool {
	declared := DeclaredPorts(o.Pods()[0])
	return declared.Empty() || slices.ContainsFunc(e.ports, func(p handPort) bool { return declared.Contains(p.Port) })
}

// refer takes the pod that an entry names, unless that has other addresses.
func (e *byHand) refer(s *model.Snapshot) {
	ref := e.node.Get("targetRef")
	if ref.Get("kind").Str() != "Pod" {
		return
	}
	key := model.Key{Cluster: e.object.Key.Cluster, Namespace: ref.Get("namespace").Str(), GroupKind: model.PodKind, Name: ref.Get("name").Str()}
	if key.Namespace == "" {
		key.Namespace = e.object.Key.Namespace
	}
	if o := s.Get(key); o != nil && len(addressesOf(o)) == 1 && addressesOf(o)[0] == "" {
		e.pods = append(e.pods, o)
	}
}

// turn notes for pods, and for what made them, which Services lead to them.
func (x *handIndex) turn(s *model.Snapshot) {
	for name, list := range x.services {
		for i := range list {
			service := s.Get(model.Key{Cluster: list[i].object.Key.Cluster, Namespace: name.namespace, GroupKind: model.ServiceKind, Name: name.name})
			if service == nil || service.Root.Dig("spec", "type").Str() == "ExternalName" {
				continue
			}
			for _, o := range list[i].pods {
				x.lead(o.Key, service, list[i].ports)
				if top := s.Controller(o); top != o {
					x.lead(top.Key, service, list[i].ports)
				}
			}
		}
	}
}

func (x *handIndex) lead(to model.Key, service *model.Object, ports []handPort) {
	for i := range x.pods[to] {
		l := &x.pods[to][i]
		if l.service != service {
			continue
		}
		for _, p := range ports {
			if !slices.Contains(l.ports, p) {
				l.ports = append(slices.Clip(l.ports), p)
			}
		}
		return
	}
	x.pods[to] = append(x.pods[to], handLead{service, ports})
}

// handPorts returns the ports of endpoints to which those of a Service lead; with a
// port given only that one, by number or name. A headless Service that names none
// leads to all of them.
func handPorts(spec *tree.Node, ports []handPort, only *tree.Node) PortSet {
	var set PortSet
	add := func(name string, protocol Protocol, all bool) {
		for _, p := range ports {
			if all || p.name == name && p.Protocol == protocol {
				set = set.union(PortsOf(p.Port))
			}
		}
	}
	if spec.Get("ports").Len() == 0 && headless(spec) && only == nil {
		add("", TCP, true)
	}
	eachServicePort(spec, only, func(p *tree.Node, protocol Protocol) { add(p.Get("name").Str(), protocol, false) })
	return set
}

// headless reports whether a Service has no address of its own: names lead to the
// addresses of its endpoints, and ports are not translated.
func headless(spec *tree.Node) bool { return spec.Get("clusterIP").Str() == "None" }

// Lead is an end to which a Service leads.
type Lead struct {
	ID      ID
	Ports   PortSet
	Address netip.Addr // that was made by hand; not valid when the Service selects the pods
}

// Leads returns the ends to which a Service leads, with the ports of those; with a
// port given to that one, by number or name. It is false when the Service selects
// no pods and where it leads to is not known. An ExternalName leads nowhere. x must
// be of the snapshot of g.
func (g *Graph) Leads(x *Exposure, o *model.Object, port string) (leads []Lead, known bool) {
	spec := o.Root.Get("spec")
	if spec.Get("type").Str() == "ExternalName" {
		return nil, true
	}
	only := onlyPort(port)
	if selector, ok := ServiceSelector(o); ok {
		known = true
		matches := model.MatchLabels(selector)
		for _, id := range g.InNamespace(o.Key.Namespace) {
			if pod := g.workloads[id].Pod; matches.Matches(pod.Labels()) {
				leads = append(leads, Lead{ID: id, Ports: untranslated(spec, targetPorts(spec, pod, only), port)})
			}
		}
	}
	for _, e := range x.hand().services[objectName{o.Key.Namespace, o.Key.Name}] {
		known = true
		for _, id := range g.ofHand(x, &e) {
			leads = append(leads, Lead{id, untranslated(spec, handPorts(spec, e.ports, only), port), e.addr})
		}
	}
	if len(leads) == 0 && isAPI(o) {
		return []Lead{{ID: g.APIServer(), Ports: targetPorts(spec, model.PodTemplate{}, only)}}, true
	}
	return leads, known || x.known(objectName{o.Key.Namespace, o.Key.Name})
}

// untranslated returns the port that was asked for by number where a Service is
// headless, else what it leads to.
func untranslated(spec *tree.Node, found PortSet, port string) PortSet {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || !headless(spec) {
		return found
	}
	protocol := TCP
	if ranges := found.Ranges(); len(ranges) > 0 {
		protocol = ranges[0].Protocol
	}
	return PortsOf(Port{protocol, uint16(number)})
}

func isAPI(o *model.Object) bool {
	return objectName{o.Key.Namespace, o.Key.Name} == apiService && o.Root.Dig("spec", "selector").Len() == 0
}

func onlyPort(port string) *tree.Node {
	if port == "" {
		return nil
	}
	n := tree.Of(port)
	return &n
}

// ofHand returns the endpoints that have an address.
func (g *Graph) ofHand(x *Exposure, e *byHand) []ID {
	var ids []ID
	for _, o := range e.pods {
		ids = append(ids, g.ofPod(x, o)...)
	}
	switch {
	case e.onAPI:
		ids = append(ids, g.APIServer())
	case e.onNode:
		ids = append(ids, g.Node())
	case len(e.pods) == 0:
		ids = append(ids, g.Address(e.addr))
	}
	return ids
}

// ofPod returns the endpoints of a pod, or of what made it.
func (g *Graph) ofPod(x *Exposure, o *model.Object) []ID {
	if ids := g.Find(o.Key); len(ids) > 0 {
		return ids
	}
	return g.Find(x.snapshot.Controller(o).Key)
}

// Handmade is a Service that is open to the outside and leads, by endpoints made
// by hand, to something else than pods.
type Handmade struct {
	Service *model.Object
	Known   bool // else no EndpointSlice of it was read, and there may be some
	To      []HandmadeEnd
}

// HandmadeEnd is what such a Service leads to.
type HandmadeEnd struct {
	Kind    Kind // Node, APIServer or Addresses
	Address netip.Addr
	Ports   PortSet
	Object  *model.Object // the EndpointSlice or Endpoints
	Node    *tree.Node    // where in Object
}

// known reports whether the endpoints made by hand of a Service are. Endpoints alone
// do not tell, as there may be EndpointSlices beside those.
func (x *Exposure) known(name objectName) bool {
	return x.hand().sliced[name] || x.snapshot.Complete(name.namespace, sliceKind)
}

// Handmade returns those Services in key order.
func (x *Exposure) Handmade() []Handmade {
	var found []Handmade
	for _, o := range x.handmade {
		name := objectName{o.Key.Namespace, o.Key.Name}
		h := Handmade{Service: o, Known: x.known(name)}
		for _, e := range x.hand().services[name] {
			end := HandmadeEnd{Kind: Addresses, Address: e.addr, Ports: handPorts(o.Root.Get("spec"), e.ports, nil), Object: e.object, Node: e.node}
			switch {
			case e.onAPI:
				end.Kind = APIServer
			case e.onNode:
				end.Kind = Node
			}
			if len(e.pods) == 0 || end.Kind != Addresses {
				h.To = append(h.To, end)
			}
		}
		if !h.Known || len(h.To) > 0 {
			found = append(found, h)
		}
	}
	return found
}
