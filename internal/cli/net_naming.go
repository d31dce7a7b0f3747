package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/reach"
)

// addressSet is all endpoints of some addresses.
type addressSet struct {
	name string
	ids  []reach.ID
}

// naming writes lists of endpoints: whole namespaces by their name.
type naming struct {
	*network
	sizes     map[string]int // workloads by namespace
	addressed []addressSet   // sets of addresses that have a name
	isAddress map[reach.ID]bool
}

func (n *network) names() *naming {
	x := &naming{network: n, sizes: map[string]int{}}
	internet := n.Graph.Internet()
	sets := []addressSet{{"the internet", internet}, {name: "the IPv4 internet"}, {name: "the IPv6 internet"}, {name: "private addresses"}}
	for e := range n.Graph.Endpoints() {
		switch {
		case e.Kind != reach.Addresses:
		case !slices.Contains(internet, e.ID):
			sets[3].ids = append(sets[3].ids, e.ID)
		default:
			if slices.ContainsFunc(e.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() }) {
				sets[1].ids = append(sets[1].ids, e.ID)
			}
			if slices.ContainsFunc(e.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
				sets[2].ids = append(sets[2].ids, e.ID)
			}
		}
	}
	x.addressed, x.isAddress = sets, map[reach.ID]bool{}
	for _, set := range sets {
		for _, id := range set.ids {
			x.isAddress[id] = true
		}
	}
	for id := range n.workloads() {
		x.sizes[n.Endpoint(id).Workload.Object.Key.Namespace]++
	}
	return x
}

// longest is how many workloads of a namespace are named one by one.
const longest = 12

func (x *naming) list(ids []reach.ID) string {
	var order []string
	others, ids := x.addresses(ids)
	members := map[string][]string{}
	for _, id := range ids {
		e := x.Endpoint(id)
		if e.Kind != reach.Pods {
			others = append(others, endText(&e))
			continue
		}
		key := e.Workload.Object.Key
		if members[key.Namespace] == nil {
			order = append(order, key.Namespace)
		}
		members[key.Namespace] = append(members[key.Namespace], key.Name)
	}
	var whole, parts []string
	for _, ns := range order {
		switch list := members[ns]; {
		case len(list) == x.sizes[ns] && len(list) > 1:
			whole = append(whole, ns)
		case len(list) > longest:
			parts = append(parts, fmt.Sprintf("%d of %d in %s", len(list), x.sizes[ns], ns))
		default:
			parts = append(parts, ns+"/"+strings.Join(list, ", "+ns+"/"))
		}
	}
	if len(whole) > 0 && len(whole) == len(x.sizes) {
		parts = append([]string{"every workload"}, parts...)
	} else if len(whole) > 2*longest {
		parts = append([]string{fmt.Sprintf("all of %d of %d namespaces", len(whole), len(x.sizes))}, parts...)
	} else if len(whole) > 0 {
		parts = append([]string{"all of " + strings.Join(whole, ", all of ")}, parts...)
	}
	if extra := len(parts) - 2*longest; extra > longest {
		parts = append(parts[:2*longest], fmt.Sprintf("and in %d more namespaces", extra))
	}
	if extra := len(others) - longest; extra > longest {
		others = append(others[:longest], fmt.Sprintf("and %d more ranges or names", extra))
	}
	return strings.Join(append(parts, others...), ", ")
}

// addresses names those addresses that have a name together, and returns what else
// there is.
func (x *naming) addresses(ids []reach.ID) (names []string, rest []reach.ID) {
	left := map[reach.ID]bool{}
	for _, id := range ids {
		if x.isAddress[id] {
			left[id] = true
		}
	}
	if len(left) == 0 {
		return nil, ids
	}
	for _, kind := range x.addressed {
		if len(kind.ids) == 0 || slices.ContainsFunc(kind.ids, func(id reach.ID) bool { return !left[id] }) {
			continue
		}
		names = append(names, kind.name)
		for _, id := range kind.ids {
			delete(left, id)
		}
	}
	return names, slices.DeleteFunc(slices.Clone(ids), func(id reach.ID) bool { return x.isAddress[id] && !left[id] })
}
