package reach

import "slices"

func (r *maker) ciliumSelector(peer bool) m {
	prefix := pick(r, "", "k8s:", "any:")
	s := r.selector(prefix)
	labels, _ := s["matchLabels"].(m)
	if labels == nil {
		labels = m{}
	}
	if peer && r.chance(3) {
		labels["k8s:io.kubernetes.pod.namespace"] = pick(r, namespaces...)
	}
	if r.chance(4) {
		labels["k8s:io.cilium.k8s.namespace.labels."+pick(r, "app", "tier")] = pick(r, "a", "b")
	}
	if !peer && r.chance(6) {
		labels[pick(r, "", "k8s:")+"io.kubernetes.pod.namespace"] = pick(r, namespaces...)
	}
	if r.chance(5) {
		key := pick(r, "io.kubernetes.pod.namespace", "k8s:io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels.app")
		without := m{"key": key, "operator": "DoesNotExist"}
		if r.chance(2) {
			without = m{"key": key, "operator": "NotIn", "values": []any{pick(r, append(slices.Clone(namespaces), "a")...)}}
		}
		list, _ := s["matchExpressions"].([]any)
		if s["matchExpressions"] = append(list, without); r.chance(2) {
			s = m{"matchExpressions": []any{without}}
			labels = m{}
		}
	}
	s["matchLabels"] = labels
	return s
}

// cilium makes the spec of a policy for one namespace or for all.
func (r *maker) cilium(wide bool) m {
	spec := m{}
	if wide && r.chance(8) {
		spec["nodeSelector"] = m{}
	} else {
		spec["endpointSelector"] = r.ciliumSelector(wide)
	}
	for _, key := range []string{"ingress", "egress"} {
		prefix := map[string]string{"ingress": "from", "egress": "to"}[key]
		if r.chance(2) {
			spec[key] = r.atLeastOne(2, func() any { return r.ciliumRule(prefix, true) })
		}
		if r.chance(3) {
			spec[key+"Deny"] = r.atLeastOne(2, func() any { return r.ciliumRule(prefix, false) })
		}
	}
	if r.chance(5) {
		spec["enableDefaultDeny"] = m{pick(r, "ingress", "egress"): r.chance(2)}
	}
	return spec
}

func (r *maker) ciliumRule(prefix string, allow bool) any {
	n := m{}
	switch r.IntN(9) {
	case 0:
		n[prefix+"CIDR"] = []string{r.cidr()}
	case 1:
		n[prefix+"CIDRSet"] = []any{r.block(), r.block()}
	case 2:
		n[prefix+"Entities"] = pick(r, []string{"all"}, []string{"world"}, []string{"cluster"}, []string{"host"}, []string{"host", "remote-node"},
			[]string{"kube-apiserver"}, []string{"world-ipv4"}, []string{"world-ipv6", "host"})
	case 3:
		if prefix == "to" && allow {
			n["toFQDNs"] = pick(r, []any{m{"matchName": "a.example.test"}}, []any{m{"matchPattern": "*.example.test"}, m{"matchName": "b.test"}}, []any{m{"matchPattern": "*"}})
		}
	case 4:
		if prefix == "to" {
			n["toServices"] = []any{m{"k8sService": m{"serviceName": "in", "namespace": "n1"}}}
		}
	case 5:
		n[prefix+"Endpoints"] = []any{}
	default:
		n[prefix+"Endpoints"] = r.atLeastOne(2, func() any { return r.ciliumSelector(true) })
	}
	if r.chance(12) {
		n[prefix+"Requires"] = []any{m{"matchLabels": m{"app": "a"}}}
	}
	switch r.IntN(6) {
	case 0:
		n["icmps"] = []any{m{"fields": []any{m{"type": 8}}}}
	case 1, 2, 3:
		n["toPorts"] = r.atLeastOne(2, func() any { return m{"ports": r.atLeastOne(2, r.ciliumPort)} })
	}
	return n
}

func (r *maker) ciliumPort() any {
	p := m{"port": pick(r, "80", "81", "8080", "http", "0")}
	if p["port"] == "80" && r.chance(2) {
		p["endPort"] = pick(r, 90, 8080)
	}
	if !r.chance(3) {
		p["protocol"] = pick(r, "TCP", "UDP", "SCTP", "ANY")
	}
	return p
}
