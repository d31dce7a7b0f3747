package reach

import (
	"fmt"
	"slices"
)

// world says how each coin falls. Coins are numbered as they are met; a world
// that meets a new one notes that there is one more.
type world struct {
	coins uint
	met   map[string]int
}

func (w *world) coin(name string) bool {
	i, ok := w.met[name]
	if !ok {
		i = len(w.met)
		w.met[name] = i
	}
	return w.coins>>i&1 != 0
}

func (w *world) decide(t tri, name string) bool {
	return t == yes || t == maybe && w.coin(name)
}

// outcomes goes through all worlds and tells whether there is one that allows,
// and one that denies.
func outcomes(run func(*world) bool) (allow, deny bool) {
	met := map[string]int{}
	for coins := uint(0); ; coins++ {
		w := &world{coins, met}
		if run(w) {
			allow = true
		} else {
			deny = true
		}
		if len(met) > 16 {
			panic("too many coins for this test")
		}
		if coins+1 >= 1<<len(met) {
			return allow, deny
		}
	}
}

type verdictOf struct{ must, may bool }

// connects returns whether a connection is allowed in every and in some world.
func (o *oracle) connects(from, to oEnd, protocol string, port int) verdictOf {
	out := o.side("egress", from, to, to, protocol, port)
	in := o.side("ingress", to, from, to, protocol, port)
	v := verdictOf{out.must && in.must, out.may && in.may}
	if from.pod != nil && from.pod == to.pod && from.pod.kind == "Pod" {
		v.may = true // a pod with itself
	}
	return v
}

// side asks the policies of one end.
func (o *oracle) side(direction string, self, peer, to oEnd, protocol string, port int) verdictOf {
	if self.pod == nil && !self.node {
		return verdictOf{true, true}
	}
	allow, deny := o.policyOutcomes(direction, self, peer, to, protocol, port)
	if direction == "ingress" && self.pod != nil && self.pod.translated[fmt.Sprint(protocol, " ", port)] && (peer.addr.IsValid() || peer.name != "") {
		_, d := o.policyOutcomes(direction, self, oEnd{node: true}, to, protocol, port)
		allow, deny = true, deny || d // the node may be that of the pod
	}
	if direction == "ingress" && (peer.node || peer.pod != nil && peer.pod.spec.HostNetwork) {
		allow = true // a node reaches its pods
	}
	return verdictOf{!deny, allow}
}

func (o *oracle) policyOutcomes(direction string, self, peer, to oEnd, protocol string, port int) (allow, deny bool) {
	q := &question{o, direction, self, peer, to, protocol, port}
	allow, deny = outcomes(func(w *world) bool { return q.run(w) })
	for _, p := range o.policies {
		if q.foreign(p) {
			allow, deny = true, true
		}
		if q.partlyRead(p) {
			deny = true
		}
	}
	return allow, deny
}

// question is about one side of one connection.
type question struct {
	*oracle
	direction      string
	self, peer, to oEnd
	protocol       string
	port           int
}

func (q *question) host() bool { return q.self.pod == nil || q.self.pod.spec.HostNetwork }

// run decides in one world, tier by tier.
func (q *question) run(w *world) bool {
	switch q.admin(w, "Admin") {
	case "Accept", "Allow":
		return true
	case "Deny":
		return false
	}
	switch q.network(w) {
	case "Allow":
		return true
	case "Deny":
		return false
	}
	return q.admin(w, "Baseline") != "Deny"
}

// admin returns what the policies of a tier do: of those with one priority that
// match, any.
func (q *question) admin(w *world, tier string) string {
	byPriority := map[int][]string{}
	for i, p := range q.policies {
		if tierOf(p) != tier || q.host() {
			continue
		}
		name := p.Metadata.Name + string(rune(i))
		if !w.decide(q.subject(p), "subject "+name) {
			continue
		}
		if action := q.firstRule(w, p, name); action != "" {
			priority := p.Spec.Priority
			if p.Kind == "BaselineAdminNetworkPolicy" {
				priority = 0 // it has none
			}
			byPriority[priority] = append(byPriority[priority], action)
		}
	}
	for priority := range 1001 {
		for i, action := range byPriority[priority] {
			if i == len(byPriority[priority])-1 || w.coin(tier+" any of "+string(rune(priority))+" at "+string(rune(i))) {
				return action
			}
		}
	}
	return ""
}

func tierOf(p *oObject) string {
	switch p.Kind {
	case "AdminNetworkPolicy":
		return "Admin"
	case "BaselineAdminNetworkPolicy":
		return "Baseline"
	}
	return p.Spec.Tier
}

func (q *question) subject(p *oObject) tri {
	return q.choice(p.Spec.Subject.Namespaces, p.Spec.Subject.Pods, q.self.pod)
}

func (q *question) choice(namespaces *oSelector, pods *oPods, pod *oPod) tri {
	if namespaces != nil {
		return q.namespaceIs(namespaces, pod.namespace)
	}
	return min(q.namespaceIs(&pods.NamespaceSelector, pod.namespace), q.podIs(&pods.PodSelector, pod))
}

func (q *question) rules(p *oObject) []oRule {
	if q.direction == "ingress" {
		return p.Spec.Ingress
	}
	return p.Spec.Egress
}

func (r *oRule) peers() []oPeer { return append(slices.Clone(r.From), r.To...) }

// firstRule returns the action of the first rule that matches.
func (q *question) firstRule(w *world, p *oObject, name string) string {
	for i := range q.rules(p) {
		r := &q.rules(p)[i]
		if !q.adminPorts(r) {
			continue
		}
		best := no
		for _, peer := range r.peers() {
			best = max(best, q.adminPeer(&peer, r.Action))
		}
		if w.decide(best, "rule "+name+string(rune(i))) {
			return r.Action
		}
	}
	return ""
}

// network returns what NetworkPolicies and Cilium's policies do together.
func (q *question) network(w *world) string {
	if q.host() && w.coin("the host network is left alone") {
		return ""
	}
	isolated, denied, allowed := false, false, false
	for i, p := range q.policies {
		name := p.Metadata.Name + string(rune(i))
		switch p.Kind {
		case "NetworkPolicy":
			if p.APIVersion == "networking.k8s.io/v1" && q.self.pod != nil && p.Metadata.Namespace == q.self.pod.namespace &&
				slices.Contains(q.types(p), q.direction) && w.decide(q.podIs(&p.Spec.PodSelector, q.self.pod), "subject "+name) {
				own := q.direction == "egress" && (q.peer.node || q.peer.pod != nil && q.peer.pod.spec.HostNetwork) && w.coin("to the node of the pod")
				isolated = isolated || !own
				allowed = q.allows(w, p, name) || allowed
			}
		case "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy":
			if !q.host() && w.decide(q.ciliumSubject(p), "subject "+name) {
				isolated = q.ciliumIsolates(p) || isolated
				denied = q.ciliumRules(w, p, q.pick(p.Spec.IngressDeny, p.Spec.EgressDeny), "deny "+name) || denied
				allowed = q.ciliumRules(w, p, q.rules(p), "allow "+name) || allowed
			}
		}
	}
	switch {
	case denied:
		return "Deny"
	case allowed:
		return "Allow"
	case isolated:
		return "Deny"
	}
	return ""
}

func (q *question) pick(ingress, egress []oRule) []oRule {
	if q.direction == "ingress" {
		return ingress
	}
	return egress
}

func (q *question) types(p *oObject) []string {
	if len(p.Spec.PolicyTypes) > 0 {
		var types []string
		for _, t := range p.Spec.PolicyTypes {
			types = append(types, map[string]string{"Ingress": "ingress", "Egress": "egress"}[t])
		}
		return types
	}
	if len(p.Spec.Egress) > 0 {
		return []string{"ingress", "egress"}
	}
	return []string{"ingress"}
}

func (q *question) allows(w *world, p *oObject, name string) bool {
	any := false
	for i := range q.rules(p) {
		r := &q.rules(p)[i]
		if !q.networkPorts(r.Ports) {
			continue
		}
		best := sure(len(r.peers()) == 0)
		for _, peer := range r.peers() {
			best = max(best, q.networkPeer(&peer, p.Metadata.Namespace))
		}
		any = w.decide(best, "rule "+name+string(rune(i))) || any
	}
	return any
}

func (q *question) networkPorts(ports []oPort) bool {
	for _, p := range ports {
		protocol := p.Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		if protocol != q.protocol {
			continue
		}
		switch v := p.Port.(type) {
		case nil:
			return true
		case float64:
			if int(v) == q.port || p.EndPort > 0 && int(v) <= q.port && q.port <= p.EndPort {
				return true
			}
		case string:
			if q.named(v, protocol) {
				return true
			}
		}
	}
	return len(ports) == 0
}

// named reports whether the destination calls the port by a name.
func (q *question) named(name, protocol string) bool {
	if q.to.pod == nil {
		return false
	}
	for _, c := range q.to.pod.spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name && p.Protocol == q.protocol && p.Protocol == protocol && p.ContainerPort == q.port {
				return true
			}
		}
	}
	return false
}

func (q *question) adminPorts(r *oRule) bool {
	for _, p := range r.Ports {
		switch {
		case p.PortNumber != nil && p.PortNumber.Protocol == q.protocol && p.PortNumber.Port == q.port,
			p.PortRange != nil && p.PortRange.Protocol == q.protocol && p.PortRange.Start <= q.port && q.port <= p.PortRange.End,
			p.NamedPort != "" && q.named(p.NamedPort, q.protocol):
			return true
		}
	}
	for _, p := range r.Protocols {
		d := map[string]*oDestination{"TCP": p.TCP, "UDP": p.UDP, "SCTP": p.SCTP}[q.protocol]
		if d != nil && (d.DestinationPort.Range == nil && d.DestinationPort.Number == q.port ||
			d.DestinationPort.Range != nil && d.DestinationPort.Range.Start <= q.port && q.port <= d.DestinationPort.Range.End) {
			return true
		}
		if p.DestinationNamedPort != "" && q.named(p.DestinationNamedPort, q.protocol) {
			return true
		}
	}
	return len(r.Ports) == 0 && len(r.Protocols) == 0
}
