package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Protocol is one that ports belong to.
type Protocol uint8

// The protocols.
const (
	TCP Protocol = iota
	UDP
	SCTP

	anyProtocol // of named ports that any protocol may have
)

func (p Protocol) String() string { return [...]string{"TCP", "UDP", "SCTP", "any protocol"}[p] }

// ParseProtocol reads the name of a protocol, in any case.
func ParseProtocol(s string) (Protocol, bool) {
	for _, p := range [...]Protocol{TCP, UDP, SCTP} {
		if strings.EqualFold(s, p.String()) {
			return p, true
		}
	}
	return 0, false
}

// Port is a port of a protocol.
type Port struct {
	Protocol Protocol
	Number   uint16
}

func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Protocol) }

func (p Port) point() uint32 { return uint32(p.Protocol)<<16 | uint32(p.Number) }

// PortRange holds the ports of a protocol from First to Last.
type PortRange struct {
	Protocol    Protocol
	First, Last uint16
}

const maxPort = 0xffff

// interval holds ports from first to last, each with its protocol in the bits
// above.
type interval struct{ first, last uint32 }

// PortSet is a set of ports: intervals in order that neither overlap nor touch.
// The zero PortSet is empty.
type PortSet []interval

var everyPort = PortSet{{0, uint32(SCTP)<<16 | maxPort}}

func portsFrom(p Protocol, first, last uint16) PortSet {
	return PortSet{{Port{p, first}.point(), Port{p, last}.point()}}
}

// Empty reports whether there is no port in the set.
func (s PortSet) Empty() bool { return len(s) == 0 }

// All reports whether every port of every protocol is in the set.
func (s PortSet) All() bool { return slices.Equal(s, everyPort) }

// Contains reports whether a port is in the set.
func (s PortSet) Contains(p Port) bool {
	i, _ := slices.BinarySearchFunc(s, p.point(), func(i interval, p uint32) int { return cmp.Compare(i.last, p) })
	return i < len(s) && s[i].first <= p.point()
}

// Intersect returns the ports that are in both sets.
func (s PortSet) Intersect(t PortSet) PortSet { return s.intersect(t) }

// Minus returns what is in the first set and not in the second.
func (s PortSet) Minus(t PortSet) PortSet { return s.minus(t) }

// Union returns what is in one of two sets.
func (s PortSet) Union(t PortSet) PortSet { return s.union(t) }

// PortsOf returns the set of one port.
func PortsOf(p Port) PortSet { return portsFrom(p.Protocol, p.Number, p.Number) }

// Equal reports whether two sets hold the same ports.
func (s PortSet) Equal(t PortSet) bool { return slices.Equal(s, t) }

// Ranges returns the set as ranges in order, none across protocols.
func (s PortSet) Ranges() []PortRange {
	var ranges []PortRange
	for _, i := range s {
		for p := Protocol(i.first >> 16); p <= Protocol(i.last>>16); p++ {
			first, last := max(i.first, uint32(p)<<16), min(i.last, uint32(p)<<16|maxPort)
			ranges = append(ranges, PortRange{p, uint16(first), uint16(last)})
		}
	}
	return ranges
}

// String writes the set for people, such as "TCP 80,8000-8010; UDP 53".
func (s PortSet) String() string {
	switch {
	case s.Empty():
		return "none"
	case s.All():
		return "all"
	}
	var b strings.Builder
	last := anyProtocol
	for _, r := range s.Ranges() {
		switch {
		case r.Protocol == last:
			b.WriteString(",")
		case last != anyProtocol:
			b.WriteString("; ")
		}
		if r.Protocol != last {
			b.WriteString(r.Protocol.String() + " ")
		}
		last = r.Protocol
		switch {
		case r.First == 0 && r.Last == maxPort:
			b.WriteString("all")
		case r.First == r.Last:
			fmt.Fprint(&b, r.First)
		default:
			fmt.Fprintf(&b, "%d-%d", max(r.First, 1), r.Last) // nothing connects to port 0
		}
	}
	return b.String()
}

func (s PortSet) union(t PortSet) PortSet {
	return append(slices.Clone(s), t...).normal()
}

// normal makes a set of intervals in any order. It changes s.
func (s PortSet) normal() PortSet {
	slices.SortFunc(s, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	var merged PortSet
	for _, i := range s {
		if n := len(merged); n > 0 && i.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, i.last)
		} else {
			merged = append(merged, i)
		}
	}
	return merged
}

func (s PortSet) intersect(t PortSet) PortSet {
	var common PortSet
	for len(s) > 0 && len(t) > 0 {
		if first, last := max(s[0].first, t[0].first), min(s[0].last, t[0].last); first <= last {
			common = append(common, interval{first, last})
		}
		if s[0].last < t[0].last {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return common
}

func (s PortSet) minus(t PortSet) PortSet {
	var rest PortSet
	for _, i := range s {
		for len(t) > 0 && t[0].last < i.first {
			t = t[1:]
		}
		for _, cut := range t {
			if cut.first > i.last {
				break
			}
			if i.first < cut.first {
				rest = append(rest, interval{i.first, cut.first - 1})
			}
			i.first = cut.last + 1
		}
		if i.first <= i.last {
			rest = append(rest, i)
		}
	}
	return rest
}

// at returns the ports at a destination that declares some.
func (s portSpec) at(ports []declared) PortSet {
	set := s.set
	for _, n := range s.named {
		for _, d := range ports {
			if d.name == n.name && (n.protocol == anyProtocol || n.protocol == d.port.Protocol) {
				set = set.union(portsFrom(d.port.Protocol, d.port.Number, d.port.Number))
			}
		}
	}
	return set
}
