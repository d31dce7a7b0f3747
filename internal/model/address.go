package model

import (
	"net/netip"
	"slices"
)

// PodAddresses returns the addresses of a pod of its own; on the host network it has
// those of its node.
func PodAddresses(o *Object) []netip.Addr {
	if o.Root.Dig("spec", "hostNetwork").True() {
		return nil
	}
	status := o.Root.Get("status")
	texts := []string{status.Get("podIP").Str()}
	for _, ip := range status.Get("podIPs").Children() {
		texts = append(texts, ip.Get("ip").Str())
	}
	return addresses(texts)
}

// ServiceAddresses returns the addresses of a Service within the cluster, as far as
// they were read.
func ServiceAddresses(o *Object) []netip.Addr {
	spec := o.Root.Get("spec")
	texts := []string{spec.Get("clusterIP").Str()}
	for _, ip := range spec.Get("clusterIPs").Children() {
		texts = append(texts, ip.Str())
	}
	return addresses(texts)
}

func addresses(texts []string) (found []netip.Addr) {
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	return found
}
