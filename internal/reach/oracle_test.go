package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The oracle reads the same YAML into types of its own and does what the APIs'
// documentation says, word by word: pair by pair, port by port. Whatever cannot
// be known is a coin, and every way in which the coins may fall is gone through.

type oSelector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	} `json:"matchExpressions"`
}

type oPods struct {
	NamespaceSelector oSelector `json:"namespaceSelector"`
	PodSelector       oSelector `json:"podSelector"`
}

type oPeer struct {
	// networking.k8s.io
	NamespaceSelector *oSelector `json:"namespaceSelector"`
	PodSelector       *oSelector `json:"podSelector"`
	IPBlock           *oBlock    `json:"ipBlock"`
	// policy.networking.k8s.io
	Namespaces  *oSelector `json:"namespaces"`
	Pods        *oPods     `json:"pods"`
	Nodes       *oSelector `json:"nodes"`
	Networks    []string   `json:"networks"`
	DomainNames []string   `json:"domainNames"`
}

type oBlock struct {
	CIDR   string   `json:"cidr"`
	Except []string `json:"except"`
}

type oPort struct {
	Protocol   string
	Port       any
	EndPort    int
	PortNumber *struct {
		Protocol string
		Port     int
	} `json:"portNumber"`
	PortRange *struct {
		Protocol   string
		Start, End int
	} `json:"portRange"`
	NamedPort string `json:"namedPort"`
}

type oDestination struct {
	DestinationPort *struct {
		Number int
		Range  *struct{ Start, End int }
	} `json:"destinationPort"`
}

type oProtocol struct {
	TCP, UDP, SCTP       *oDestination
	DestinationNamedPort string `json:"destinationNamedPort"`
}

type oRule struct {
	Action    string
	From, To  []oPeer
	Ports     []oPort
	Protocols []oProtocol

	// cilium.io
	FromEndpoints, ToEndpoints []oSelector
	FromCIDR, ToCIDR           []string
	FromCIDRSet, ToCIDRSet     []oBlock
	FromEntities, ToEntities   []string
	FromRequires, ToRequires   []oSelector
	ToFQDNs                    []struct{ MatchName, MatchPattern string } `json:"toFQDNs"`
	ToServices                 []struct {
		K8sService struct{ ServiceName, Namespace string } `json:"k8sService"`
	} `json:"toServices"`
	ICMPs   []any `json:"icmps"`
	ToPorts []struct {
		Ports []struct {
			Port     string
			EndPort  int
			Protocol string
		}
		Rules any
	} `json:"toPorts"`
}

type oSpec struct {
	PodSelector       oSelector `json:"podSelector"`
	PolicyTypes       []string  `json:"policyTypes"`
	Ingress, Egress   []oRule
	IngressDeny       []oRule `json:"ingressDeny"`
	EgressDeny        []oRule `json:"egressDeny"`
	EndpointSelector  *oSelector
	NodeSelector      *oSelector
	EnableDefaultDeny struct{ Ingress, Egress *bool }
	Tier              string
	Priority          int
	Subject           oPeer

	// of pods and services
	HostNetwork bool `json:"hostNetwork"`
	Containers  []struct {
		Ports []struct {
			Name          string
			Protocol      string
			ContainerPort int
		}
	}
	Template *struct {
		Metadata struct{ Labels map[string]string }
		Spec     oSpec
	}
	Type                  string
	Selector              any
	ExternalTrafficPolicy string
	ExternalIPs           []string `json:"externalIPs"`
	Ports                 []struct {
		Port       int
		TargetPort any
	}
}

type oObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Spec oSpec
}

// oracle holds what was read.
type oracle struct {
	namespaces map[string]map[string]string // labels of those that were read
	pods       []*oPod
	policies   []*oObject
	services   []*oObject
	closed     bool
	names      []string
	addresses  []netip.Addr
}

type oPod struct {
	kind, namespace, name string
	labels                map[string]string
	spec                  oSpec
	translated            map[string]bool // "TCP 80": from outside it may come with the address of a node
}

// oEnd is one end of a connection: a pod, an address, a name, or else a node or
// the API server.
type oEnd struct {
	pod  *oPod
	addr netip.Addr
	name string
	node bool
}

func readOracle(t testing.TB, docs []string, closed bool) *oracle {
	o := &oracle{namespaces: map[string]map[string]string{}, closed: closed}
	for _, doc := range docs {
		var object oObject
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Fatal(err, doc)
		}
		m := &object.Metadata
		switch object.Kind {
		case "Namespace":
			o.namespaces[m.Name] = m.Labels
		case "Pod":
			o.pods = append(o.pods, &oPod{object.Kind, m.Namespace, m.Name, m.Labels, object.Spec, map[string]bool{}})
		case "Deployment", "StatefulSet":
			o.pods = append(o.pods, &oPod{object.Kind, m.Namespace, m.Name, object.Spec.Template.Metadata.Labels, object.Spec.Template.Spec, map[string]bool{}})
		case "Service":
			o.services = append(o.services, &object)
		default:
			o.policies = append(o.policies, &object)
		}
	}
	for _, s := range o.services {
		for _, p := range o.pods {
			if o.serves(s, p) && s.Spec.ExternalTrafficPolicy != "Local" && (s.Spec.Type == "NodePort" || s.Spec.Type == "LoadBalancer" || len(s.Spec.ExternalIPs) > 0) {
				o.translate(s, p)
			}
		}
	}
	o.gather(docs)
	return o
}

// translate notes the ports of a pod to which a Service leads.
func (o *oracle) translate(s *oObject, p *oPod) {
	for _, port := range s.Spec.Ports {
		switch target := port.TargetPort.(type) {
		case nil:
			p.translated[fmt.Sprint("TCP ", port.Port)] = true
		case float64:
			p.translated[fmt.Sprint("TCP ", target)] = true
		case string:
			for _, c := range p.spec.Containers {
				for _, has := range c.Ports {
					if has.Name == target && has.Protocol == "TCP" {
						p.translated[fmt.Sprint("TCP ", has.ContainerPort)] = true
					}
				}
			}
		}
	}
}

func (o *oracle) serves(s *oObject, p *oPod) bool {
	wanted, _ := s.Spec.Selector.(map[string]any)
	for k, v := range wanted {
		if p.labels[k] != v {
			return false
		}
	}
	return len(wanted) > 0 && p.namespace == s.Metadata.Namespace
}

// gather finds the addresses at which something may change, and the names.
func (o *oracle) gather(docs []string) {
	addrs := map[netip.Addr]bool{netip.MustParseAddr("198.51.100.7"): true, netip.MustParseAddr("2001:db8::7"): true}
	names := map[string]bool{"other.example.net": true}
	for _, doc := range docs {
		for _, word := range strings.FieldsFunc(doc, func(r rune) bool { return strings.ContainsRune(" \n\t'\"[],{}", r) }) {
			if p, err := netip.ParsePrefix(word); err == nil {
				first := p.Masked().Addr()
				addrs[first] = true
				if before := first.Prev(); before.IsValid() {
					addrs[before] = true
				}
				if end, ok := after(p); ok {
					addrs[end] = true
					addrs[end.Prev()] = true
				}
			} else if strings.HasSuffix(word, ".test") {
				names[strings.ReplaceAll(word, "*", "*")] = true
			}
		}
	}
	for a := range addrs {
		o.addresses = append(o.addresses, a)
	}
	slices.SortFunc(o.addresses, netip.Addr.Compare)
	for n := range names {
		o.names = append(o.names, n)
	}
	slices.Sort(o.names)
}

// after returns the address behind a range.
func after(p netip.Prefix) (netip.Addr, bool) {
	a := p.Masked().Addr().As16()
	bit := p.Bits() + 128 - p.Addr().BitLen()
	for bit > 0 {
		bit--
		if a[bit/8]&(0x80>>(bit%8)) == 0 {
			a[bit/8] |= 0x80 >> (bit % 8)
			addr := netip.AddrFrom16(a)
			if p.Addr().Is4() {
				addr = addr.Unmap()
			}
			return addr, addr.Is4() == p.Addr().Is4()
		}
		a[bit/8] &^= 0x80 >> (bit % 8)
	}
	return netip.Addr{}, false
}

// tri is no, maybe, yes.
type tri int

const (
	no tri = iota
	maybe
	yes
)

func sure(b bool) tri {
	if b {
		return yes
	}
	return no
}

// selects says whether labels meet a selector; unknown says of which keys
// nothing is known.
func (s *oSelector) selects(labels map[string]string, unknown func(string) bool) tri {
	best := yes
	one := func(key string, ok func(value string, there bool) bool) {
		value, there := labels[key]
		if !there && unknown(key) {
			best = min(best, maybe)
		} else {
			best = min(best, sure(ok(value, there)))
		}
	}
	for k, v := range s.MatchLabels {
		one(k, func(value string, there bool) bool { return there && value == v })
	}
	for _, e := range s.MatchExpressions {
		one(e.Key, func(value string, there bool) bool {
			in := there && slices.Contains(e.Values, value)
			switch e.Operator {
			case "In":
				return in
			case "NotIn":
				return !in
			case "Exists":
				return there
			}
			return !there
		})
	}
	return best
}

func (o *oracle) namespaceIs(s *oSelector, name string) tri {
	labels, read := o.namespaces[name]
	all := map[string]string{}
	for k, v := range labels {
		all[k] = v
	}
	all["kubernetes.io/metadata.name"] = name
	return s.selects(all, func(string) bool { return !read && !o.closed })
}

func (o *oracle) podIs(s *oSelector, p *oPod) tri {
	return s.selects(p.labels, func(key string) bool {
		return p.kind == "StatefulSet" && key == "statefulset.kubernetes.io/pod-name"
	})
}
