package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// netEnd is SRC or DST as people name it: some endpoints, and for a destination
// the ports asked about.
type netEnd struct {
	text    string
	ids     []reach.ID
	service *model.Object
	behind  map[reach.ID]reach.PortSet // service: the ports that are asked about
	port    string                     // "" for any; a number or a name
	proto   reach.Protocol
	note    string
	dead    string       // service: why the port that is asked about leads nowhere
	missing reach.Answer // service: whether it may lead somewhere, when there are no ids
	unread  bool         // nothing of that name was read, and it may be there
}

// portsAt returns the ports that are asked about at one destination, and false when
// any will do.
func (e *netEnd) portsAt(n *network, id reach.ID) (reach.PortSet, bool) {
	end := n.Graph.Endpoint(id)
	if e.service != nil {
		return e.behind[id], true
	}
	if e.port == "" {
		return nil, false
	}
	if number, err := strconv.ParseUint(e.port, 10, 16); err == nil {
		return reach.PortsOf(reach.Port{Protocol: e.proto, Number: uint16(number)}), true
	}
	if end.Kind != reach.Pods {
		return nil, true
	}
	return reach.NamedPorts(end.Workload.Pod, e.port), true
}

// portText says what is asked about, with the colon before it.
func (e *netEnd) portText() string {
	if e.port == "" {
		return ""
	}
	if e.proto != reach.TCP {
		return ":" + e.port + "/" + e.proto.String()
	}
	return ":" + e.port
}

// destination reads DST[:PORT[/PROTOCOL]].
func (n *network) destination(text string) (*netEnd, error) {
	name, port, proto := text, "", reach.TCP
	if strings.Contains(text, "://") {
		return nil, malformed(text)
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !isAddress(text) {
		name, port = text[:i], text[i+1:]
		if strings.Contains(name, ":") && !strings.HasPrefix(name, "[") && !isAddress(name) {
			return nil, malformed(text)
		}
		if number, protocol, ok := strings.Cut(port, "/"); ok {
			var known bool
			if proto, known = reach.ParseProtocol(protocol); !known {
				return nil, fmt.Errorf("protocol %q is none of TCP, UDP, SCTP", protocol)
			}
			port = number
		}
		number, err := strconv.Atoi(port)
		if port == "" || err == nil && (number < 1 || number > 65535) || err != nil && len(validation.IsValidPortName(port)) > 0 {
			return nil, fmt.Errorf("port %q of %q is no port: write a number from 1 to 65535, or the name of a container port", port, text)
		}
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	e, err := n.end(bare, true)
	if err != nil {
		return nil, err
	}
	if e.text == bare {
		e.text = name // with the brackets of an address
	}
	e.port, e.proto = port, proto
	if e.service != nil && port != "" && len(e.ids) > 0 {
		open := false
		e.behind = map[reach.ID]reach.PortSet{}
		leads, _ := n.Leads(n.exposure, e.service, port)
		for _, l := range leads {
			e.behind[l.ID] = e.behind[l.ID].Union(l.Ports)
			open = open || !l.Ports.Empty()
		}
		if open {
			return e, nil
		}
		own := servicePort(e.service, port)
		if own == nil {
			return nil, fmt.Errorf("%s has no port %s; it has %s", printable(e.service.Key.String()), printable(port), servicePorts(e.service))
		}
		e.dead = "port " + port + " of " + e.service.Key.String() + " leads to no port of the pods behind it"
		if target := own.Get("targetPort").Str(); target != "" {
			e.dead += ", which declare none named " + target
		}
	}
	return e, nil
}

func isAddress(text string) bool {
	_, notPrefix := netip.ParsePrefix(text)
	_, notAddress := netip.ParseAddr(text)
	return notPrefix == nil || notAddress == nil
}

// likeAddress reports whether text can be meant as addresses only: it has a colon,
// or starts with numbers and dots.
func likeAddress(text string) bool {
	first, _, _ := strings.Cut(text, "/")
	return strings.Contains(text, ":") || strings.Contains(first, ".") && strings.Trim(first, "0123456789.") == ""
}

func malformed(text string) error {
	switch i := strings.LastIndexByte(text, ':'); {
	case strings.Contains(text, "://"):
		return fmt.Errorf("%q is a URL: write the host and the port, such as api.example.com:443", text)
	case i > 0 && !strings.Contains(text[:i], ":"):
		return fmt.Errorf("%q has a port, which only the destination may have: leave it out of the source", text)
	}
	return fmt.Errorf("%q is a malformed address: write one such as 192.0.2.7 or 2001:db8::7, or a range such as 192.0.2.0/24", text)
}

// servicePort returns the port of a Service that is meant, by number or name.
func servicePort(o *model.Object, port string) *tree.Node {
	ports := o.Root.Dig("spec", "ports")
	for i := range ports.Children() {
		if p := ports.At(i); p.Get("port").Text() == port || p.Get("name").Str() == port {
			return p
		}
	}
	return nil
}

func servicePorts(o *model.Object) string {
	var all []string
	for _, port := range o.Root.Dig("spec", "ports").Children() {
		text := port.Get("port").Text()
		if name := port.Get("name").Str(); name != "" {
			text += " (" + name + ")"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "none"
	}
	return printable(strings.Join(all, ", "))
}

// end reads SRC, or DST without its port.
func (n *network) end(text string, destination bool) (*netEnd, error) {
	e := &netEnd{text: text}
	switch strings.ToLower(text) {
	case "":
		return nil, fmt.Errorf("an end is empty: write a namespace, NAMESPACE/NAME, an address or internet")
	case "internet":
		e.ids = n.Graph.Internet()
		return e, nil
	case "node", "nodes":
		e.ids = []reach.ID{n.Graph.Node()}
		return e, nil
	case "api-server", "apiserver":
		e.ids = []reach.ID{n.APIServer()}
		return e, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return n.address(e, a.Unmap())
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		e.ids = n.Within(p)
		return e, nil
	}
	if likeAddress(text) {
		return nil, malformed(text)
	}
	if strings.Contains(text, "/") {
		return e, n.object(e)
	}
	if ids := n.Graph.InNamespace(text); len(ids) > 0 {
		e.text, e.ids = "namespace "+text, ids
		return e, nil
	}
	if slices.Contains(n.Namespaces(), text) {
		return nil, fmt.Errorf("namespace %s has no workloads", text)
	}
	return e, n.name(e, destination)
}

// address finds what has an address: a pod, a node, a Service, or nobody here.
func (n *network) address(e *netEnd, a netip.Addr) (*netEnd, error) {
	for o := range n.Kind(model.PodKind) {
		if !slices.Contains(model.PodAddresses(o), a) {
			continue
		}
		if o.Ended() { // and another may have its address by now
			continue
		}
		if e.ids = n.ofObject(o); len(e.ids) > 0 {
			e.note = a.String() + " is the address of " + o.Key.String()
			return e, nil
		}
	}
	for o := range n.Kind(model.NodeKind) {
		for _, ip := range o.Root.Dig("status", "addresses").Children() {
			if b, err := netip.ParseAddr(ip.Get("address").Str()); err == nil && a == b {
				e.ids, e.note = []reach.ID{n.Graph.Node()}, a.String()+" is the address of "+o.Key.String()
				return e, nil
			}
		}
	}
	for o := range n.Kind(model.ServiceKind) {
		if slices.Contains(model.ServiceAddresses(o), a) {
			e.note = a.String() + " is the address of " + o.Key.String()
			return e, n.ofService(e, o)
		}
	}
	e.ids = []reach.ID{n.Address(a)}
	return e, nil
}

// ofObject returns the endpoints of an object, or of what made it.
func (n *network) ofObject(o *model.Object) []reach.ID {
	if ids := n.Find(o.Key); len(ids) > 0 {
		return ids
	}
	return n.Find(n.Controller(o).Key)
}

// object finds NAMESPACE/NAME or KIND/NAMESPACE/NAME.
func (n *network) object(e *netEnd) error {
	parts := strings.Split(e.text, "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return fmt.Errorf("%q is not NAMESPACE/NAME or KIND/NAMESPACE/NAME", e.text)
	}
	kind := ""
	if len(parts) == 3 {
		kind = strings.ToLower(parts[0])
		if gk, ok := model.WorkloadCalled(kind); ok {
			kind = strings.ToLower(gk.Kind)
		} else if kind == "svc" {
			kind = "service"
		}
		parts = parts[1:]
	}
	var service *model.Object
	var known *model.Object
	for _, o := range n.Snapshot.All() {
		if o.Key.Namespace != parts[0] {
			continue
		}
		own := strings.ToLower(o.Key.Kind)
		if o.Key.Name != parts[1] || kind != "" && own != kind && own+"s" != kind {
			continue
		}
		known = o
		switch {
		case len(o.Pods()) > 0:
			e.ids = append(e.ids, n.ofObject(o)...)
		case own == "service":
			service = o
		}
	}
	slices.Sort(e.ids)
	e.ids = slices.Compact(e.ids)
	switch {
	case len(e.ids) > 0:
		return nil
	case service != nil:
		return n.ofService(e, service)
	case known != nil && known.Ended():
		return fmt.Errorf("%s has ended: nothing of it runs", e.text)
	case known != nil:
		return fmt.Errorf("%s has no pods", e.text)
	}
	if kind == "pod" { // that of a workload stands for its pods
		bare := &netEnd{text: strings.Join(parts, "/")}
		if err := n.object(bare); err == nil && bare.service == nil {
			e.ids = bare.ids
			return nil
		}
	}
	if gap := n.Snapshot.Gap(parts[0], endKinds(kind)...); gap != nil {
		e.unread, e.note = true, e.text+" was not read: "+gap.Reason
		return nil
	}
	return fmt.Errorf("%s is not there%s", e.text, n.suggest(e.text))
}

// endKinds returns the types that a word stands for, all that an end may be for "".
func endKinds(word string) []model.GroupKind {
	return slices.DeleteFunc(append(model.WorkloadKinds(), model.ServiceKind), func(gk model.GroupKind) bool {
		own := strings.ToLower(gk.Kind)
		return word != "" && own != word && own+"s" != word
	})
}

func (n *network) ofService(e *netEnd, o *model.Object) error {
	if name := o.Root.Dig("spec", "externalName").Str(); name != "" {
		return fmt.Errorf("%s stands for %s, outside the cluster: ask about that", printable(o.Key.String()), printable(name))
	}
	leads, known := n.Leads(n.exposure, o, "")
	_, selects := reach.ServiceSelector(o)
	e.service, e.behind = o, map[reach.ID]reach.PortSet{}
	if len(leads) == 0 {
		e.missing = reach.No
		switch {
		case selects:
			e.note = "no pods were read that " + o.Key.String() + " selects"
			if !n.closed {
				e.missing = reach.Maybe
			}
		case known:
			e.note = o.Key.String() + " selects no pods, and its endpoints have no addresses: it leads nowhere"
		default:
			e.note, e.missing = o.Key.String()+" selects no pods, and no EndpointSlice of it was read: where it leads to is not known", reach.Maybe
		}
		return nil
	}
	var addresses []string
	for _, l := range leads {
		e.ids = append(e.ids, l.ID)
		e.behind[l.ID] = e.behind[l.ID].Union(l.Ports)
		if end := n.Endpoint(l.ID); end.Kind == reach.Pods {
			addresses = append(addresses, endText(&end))
		} else if l.Address.IsValid() {
			addresses = append(addresses, l.Address.String())
		}
	}
	slices.Sort(e.ids)
	e.ids = slices.Compact(e.ids)
	if !selects && len(addresses) > 0 {
		if len(addresses) > longest {
			addresses = append(addresses[:longest], fmt.Sprintf("%d more", len(addresses)-longest))
		}
		e.note = strings.TrimPrefix(e.note+"; ", "; ") + o.Key.String() + " selects no pods; its endpoints are " + strings.Join(addresses, ", ")
	}
	return nil
}

// name finds the name of a Service in the cluster, or one outside.
func (n *network) name(e *netEnd, destination bool) error {
	parts := strings.Split(e.text, ".")
	if len(parts) >= 3 && parts[2] == "svc" || len(parts) == 2 && n.isService(parts[1], parts[0]) {
		e.text = "service/" + parts[1] + "/" + parts[0]
		return n.object(e)
	}
	switch {
	case len(parts) < 2:
		return fmt.Errorf("%q is no namespace%s", e.text, n.suggest(e.text))
	case !destination:
		return fmt.Errorf("%q is a name, and names are destinations only: connections come from addresses", e.text)
	case strings.ContainsFunc(e.text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`\"'()<>;`, r) }):
		return fmt.Errorf("%q is no name", e.text)
	}
	id, exact := n.Name(e.text)
	if e.ids = []reach.ID{id}; !exact {
		e.note = "no policy names " + e.text + ", so the answer is that for all such names"
		if like := n.Endpoint(id).Name; like != "" {
			e.note = "the answer is that for all names like " + like + " that no policy names"
		}
	}
	return nil
}

func (n *network) isService(namespace, name string) bool {
	for o := range n.Kind(model.ServiceKind) {
		if o.Key.Namespace == namespace && o.Key.Name == name {
			return true
		}
	}
	return false
}

// suggest names what is spelt most like a text.
func (n *network) suggest(text string) string {
	best, distance := "", max(2, len(text)/3)+1
	try := func(name string) {
		if d := editDistance(strings.ToLower(text), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	namespaces := n.Namespaces()
	for _, ns := range namespaces {
		try(ns)
	}
	if best == "" && len(text) > 2 {
		for _, ns := range namespaces {
			if best == "" && strings.HasPrefix(ns, strings.ToLower(text)) {
				best, distance = ns, 1
			}
		}
	}
	for id := range n.workloads() {
		key := n.Endpoint(id).Workload.Object.Key
		if abs(len(key.Name)+len(key.Namespace)+1-len(text)) < distance {
			try(key.Namespace + "/" + key.Name)
		} else if strings.Count(text, "/") == 2 {
			try(strings.ToLower(key.Kind) + "/" + key.Namespace + "/" + key.Name)
		}
		if key.Name == text {
			return printable("; did you mean " + key.Namespace + "/" + key.Name + "?")
		}
	}
	if best != "" {
		return printable("; did you mean " + best + "?")
	}
	if len(namespaces) > 12 {
		namespaces = append(namespaces[:12:12], "...")
	}
	return printable("; there are the namespaces " + strings.Join(namespaces, ", "))
}

func abs(n int) int { return max(n, -n) }

// editDistance counts the letters to insert, delete or replace between two words, and
// the neighbours to swap.
func editDistance(a, b string) int {
	if len(a) > 200 || len(b) > 200 {
		return 200
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
