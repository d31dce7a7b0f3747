package cli

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/reach"
	"ullage.dev/ullage/internal/tree"
)

// endText writes an endpoint for people.
func endText(e *reach.Endpoint) string {
	switch {
	case e.Kind == reach.Pods:
		return e.Workload.Object.Key.String()
	case e.Kind == reach.Addresses:
		return rangesText(e.Prefixes)
	case e.Kind == reach.Name && e.Name == "":
		return "any other name outside"
	case e.Kind == reach.Node:
		return "a node"
	case e.Kind == reach.APIServer:
		return "the API server"
	}
	return e.String()
}

// The parts of the address space that have names, those of two spaces first.
var spaceNames = []struct {
	spaces []reach.Space
	name   string
}{
	{[]reach.Space{reach.InternetIPv4, reach.InternetIPv6}, "the internet"},
	{[]reach.Space{reach.InternetIPv4}, "the IPv4 internet"},
	{[]reach.Space{reach.InternetIPv6}, "the IPv6 internet"},
	{[]reach.Space{reach.PrivateIPv4, reach.PrivateIPv6}, "private addresses"},
	{[]reach.Space{reach.PrivateIPv4}, "private IPv4 addresses"},
	{[]reach.Space{reach.PrivateIPv6}, "private IPv6 addresses"},
}

// mostTold is how many ranges are written out.
const mostTold = 6

// rangesText names ranges by the spaces that they hold, wholly or for the most
// part. What is in others is written out, up to a length.
func rangesText(ranges []netip.Prefix) string {
	return sharesText(reach.Shares(ranges), func(told func(reach.Space) bool) []netip.Prefix {
		return slices.DeleteFunc(slices.Clone(ranges), func(p netip.Prefix) bool { return told(reach.SpaceOf(p)) })
	})
}

// sharesText names spaces by the shares of them; rest returns the ranges of those
// that are not told.
func sharesText(shares [4]reach.Share, rest func(told func(reach.Space) bool) []netip.Prefix) string {
	var parts []string
	told := map[reach.Space]bool{}
	for _, s := range spaceNames {
		for _, share := range []reach.Share{reach.Whole, reach.Most} {
			if slices.ContainsFunc(s.spaces, func(s reach.Space) bool { return told[s] || shares[s] != share }) {
				continue
			}
			for _, s := range s.spaces {
				told[s] = true
			}
			name := s.name
			if share == reach.Most {
				name = strings.Replace("most "+name, "most the", "most of the", 1)
			}
			parts = append(parts, name)
		}
	}
	covers := coversOf(rest(func(s reach.Space) bool { return told[s] }))
	for i, c := range covers {
		if i == mostTold && len(covers) > mostTold+1 {
			parts = append(parts, fmt.Sprintf("%d more ranges", len(covers)-i))
			break
		}
		parts = append(parts, c.String())
	}
	return strings.Join(parts, ", ")
}

// naming writes lists of endpoints: whole namespaces, and the internet, by their
// names.
type naming struct {
	all    []*reach.Endpoint // by id
	sizes  map[string]int    // workloads by namespace
	ranges map[uint64]string // texts of lists of addresses
	tally  map[*reach.Endpoint]reach.Tally
}

// names are those of the endpoints of the network.
func (n *network) names() *naming {
	x := n.sizes()
	for e := range n.Graph.Endpoints() {
		x.all = append(x.all, &e)
	}
	return x
}

// sizes names endpoints of this and of other networks, whose namespaces have as many
// workloads as this one says.
func (n *network) sizes() *naming {
	x := &naming{sizes: map[string]int{}, ranges: map[uint64]string{}, tally: map[*reach.Endpoint]reach.Tally{}}
	for id := range n.workloads() {
		x.sizes[n.Endpoint(id).Workload.Object.Key.Namespace]++
	}
	return x
}

// longest is how many workloads of a namespace are named one by one.
const longest = 12

// list names endpoints of the network.
func (x *naming) list(ids []reach.ID) string {
	ends := make([]*reach.Endpoint, len(ids))
	for i, id := range ids {
		ends[i] = x.all[id]
	}
	return x.ends(ends)
}

// ends names endpoints: workloads by their namespaces, and then what else there is.
func (x *naming) ends(list []*reach.Endpoint) string {
	var order []string
	members := map[string][]string{}
	others, list := x.addresses(list)
	for _, e := range list {
		if e.Kind != reach.Pods {
			others = append(others, endText(e))
			continue
		}
		key := e.Workload.Object.Key
		if members[key.Namespace] == nil {
			order = append(order, key.Namespace)
		}
		members[key.Namespace] = append(members[key.Namespace], key.Name)
	}
	parts := x.workloads(order, members)
	if extra := len(others) - longest; extra > longest {
		others = append(others[:longest], fmt.Sprintf("and %d more names", extra))
	}
	return strings.Join(append(parts, others...), ", ")
}

func (x *naming) workloads(order []string, members map[string][]string) []string {
	var whole, parts []string
	for _, ns := range order {
		switch list := members[ns]; {
		case len(list) == x.sizes[ns] && len(list) > 1:
			whole = append(whole, ns)
		case len(list) > longest:
			parts = append(parts, fmt.Sprintf("%d of %d in %s", len(list), max(x.sizes[ns], len(list)), ns))
		default:
			parts = append(parts, ns+"/"+strings.Join(list, ", "+ns+"/"))
		}
	}
	switch {
	case len(whole) > 0 && len(whole) == len(x.sizes):
		parts = append([]string{"every workload"}, parts...)
	case len(whole) > 2*longest:
		parts = append([]string{fmt.Sprintf("all of %d of %d namespaces", len(whole), len(x.sizes))}, parts...)
	case len(whole) > 0:
		parts = append([]string{"all of " + strings.Join(whole, ", all of ")}, parts...)
	}
	if extra := len(parts) - 2*longest; extra > longest {
		parts = append(parts[:2*longest], fmt.Sprintf("and in %d more namespaces", extra))
	}
	return parts
}

// addresses names addresses together, and returns what else there is.
func (x *naming) addresses(list []*reach.Endpoint) (names []string, rest []*reach.Endpoint) {
	first := slices.IndexFunc(list, isAddresses)
	if first < 0 {
		return nil, list
	}
	name := uint64(0)
	for _, e := range list[first:] {
		if isAddresses(e) {
			name = tree.Mix(name, maphash.Comparable(endSeed, e))
		}
	}
	text, ok := x.ranges[name]
	if !ok {
		text = x.addressesText(slices.DeleteFunc(slices.Clone(list[first:]), func(e *reach.Endpoint) bool { return !isAddresses(e) }))
		x.ranges[name] = text
	}
	return []string{text}, slices.DeleteFunc(slices.Clone(list), isAddresses)
}

// addressesText names the addresses of endpoints, each of which is in one space.
func (x *naming) addressesText(list []*reach.Endpoint) string {
	var sum reach.Tally
	for _, e := range list {
		t, ok := x.tally[e]
		if !ok {
			t = reach.TallyOf(e)
			x.tally[e] = t
		}
		sum.Add(t)
	}
	return sharesText(sum.Shares(), func(told func(reach.Space) bool) (rest []netip.Prefix) {
		for _, e := range list {
			if !told(reach.SpaceOf(e.Prefixes[0])) {
				rest = append(rest, e.Prefixes...)
			}
		}
		return rest
	})
}

func isAddresses(e *reach.Endpoint) bool { return e.Kind == reach.Addresses }
