package reach

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/model"
)

// maker makes random clusters, as maps.
type maker struct {
	*rand.Rand
	t    testing.TB
	docs []string
}

type m = map[string]any

func pick[T any](r *maker, list ...T) T { return list[r.IntN(len(list))] }

func (r *maker) chance(n int) bool { return r.IntN(n) == 0 }

func (r *maker) add(apiVersion, kind, name, namespace string, labels m, spec any) {
	meta := m{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	if labels != nil {
		meta["labels"] = labels
	}
	text, err := yaml.Marshal(m{"apiVersion": apiVersion, "kind": kind, "metadata": meta, "spec": spec})
	if err != nil {
		r.t.Fatal(err)
	}
	r.docs = append(r.docs, string(text))
}

// some returns up to n of what make makes, or nil.
func (r *maker) some(n int, make func() any) []any {
	var list []any
	for range r.IntN(n + 1) {
		list = append(list, make())
	}
	return list
}

func (r *maker) atLeastOne(n int, make func() any) []any {
	return append(r.some(n-1, make), make())
}

var namespaces = []string{"n0", "n1", "n2"}

func (r *maker) labels() m {
	l := m{}
	for _, key := range []string{"app", "tier", "unused"} {
		if r.chance(2) {
			l[key] = pick(r, "a", "b", "a", "b", "c", "d") // no selector names the last two
		}
	}
	return l
}

func (r *maker) selector(prefix string) m {
	s := m{}
	if r.chance(2) {
		s["matchLabels"] = m{prefix + pick(r, "app", "tier"): pick(r, "a", "b")}
	}
	if r.chance(3) {
		key := pick(r, "app", "tier", "env")
		if r.chance(6) {
			key = "statefulset.kubernetes.io/pod-name"
		}
		e := m{"key": prefix + key, "operator": pick(r, "In", "NotIn", "Exists", "DoesNotExist")}
		if op := e["operator"]; op == "In" || op == "NotIn" {
			e["values"] = pick(r, []string{"a"}, []string{"a", "b"}, []string{"w-0"})
		}
		s["matchExpressions"] = []any{e}
	}
	return s
}

func (r *maker) namespaceSelector() m {
	if r.chance(3) {
		return m{"matchLabels": m{"kubernetes.io/metadata.name": pick(r, namespaces...)}}
	}
	return r.selector("")
}

func (r *maker) cidr() string {
	return pick(r, "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.128.0.0/9", "203.0.113.0/24", "2001:db8::/32", "198.51.100.0/25")
}

func (r *maker) block() m {
	b := m{"cidr": r.cidr()}
	if b["cidr"] == "0.0.0.0/0" && r.chance(2) {
		b["except"] = pick(r, []string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "10.128.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"}, []string{"203.0.113.128/25"})
	}
	if b["cidr"] == "2001:db8::/32" && r.chance(2) {
		b["except"] = []string{"2001:db8:8000::/33"}
	}
	return b
}

// portNumbers are one on each side of every boundary that the tests make.
var portNumbers = []int{79, 80, 81, 90, 91, 443, 8080, 9090}

func (r *maker) cluster(mode int) *maker {
	for _, n := range namespaces {
		if !r.chance(4) {
			r.add("v1", "Namespace", n, "", r.labels(), m{})
		}
	}
	for i := range 5 {
		r.pod(i)
	}
	if r.chance(2) {
		out := m{"selector": m{"app": "a"}, "ports": []any{pick(r, m{"port": 80}, m{"port": 7, "targetPort": 8080}, m{"port": 7, "targetPort": "http"})}}
		if kind := pick(r, "NodePort", "LoadBalancer", "ClusterIP"); kind != "ClusterIP" {
			out["type"] = kind
		} else {
			out["externalIPs"] = []string{"192.0.2.1"}
		}
		if r.chance(4) {
			out["externalTrafficPolicy"] = "Local"
		}
		r.add("v1", "Service", "out", "n0", nil, out)
		r.add("v1", "Service", "in", "n1", nil, m{"selector": m{"tier": "b"}, "ports": []any{m{"port": 80}}})
	}
	for i := range r.IntN(4) {
		r.add("networking.k8s.io/v1", "NetworkPolicy", fmt.Sprint("np", i), pick(r, namespaces...), nil, r.networkPolicy())
	}
	for i := range 1 + r.IntN(3) {
		name := fmt.Sprint("p", i)
		switch mode {
		case 1:
			kind := "AdminNetworkPolicy"
			if i == 0 && r.chance(2) { // there is but one
				kind, name = "BaselineAdminNetworkPolicy", "default"
			}
			r.add("policy.networking.k8s.io/v1alpha1", kind, name, "", nil, r.adminPolicy(kind))
		case 2:
			r.add("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", name, "", nil, r.adminPolicy("ClusterNetworkPolicy"))
		case 3:
			if r.chance(2) {
				r.add("cilium.io/v2", "CiliumNetworkPolicy", name, pick(r, namespaces...), nil, r.cilium(false))
			} else {
				r.add("cilium.io/v2", "CiliumClusterwideNetworkPolicy", name, "", nil, r.cilium(true))
			}
		case 4:
			r.add("projectcalico.org/v3", "NetworkPolicy", name, "n1", nil, m{"selector": "all()"})
		}
	}
	return r
}

func (r *maker) pod(i int) {
	spec := m{}
	if r.chance(8) {
		spec["hostNetwork"] = true
	}
	var ports []any
	for _, name := range []string{"http", "metrics"} {
		if r.chance(2) {
			ports = append(ports, m{"name": name, "containerPort": pick(r, 80, 8080, 9090), "protocol": pick(r, "TCP", "UDP")})
		}
	}
	spec["containers"] = []any{m{"name": "c", "image": "registry.example/a:1", "ports": ports}}
	name, namespace := fmt.Sprint("w-", i), pick(r, namespaces...)
	if kind := pick(r, "Pod", "Deployment", "StatefulSet"); kind != "Pod" {
		labels := r.labels()
		r.add("apps/v1", kind, name, namespace, nil, m{"selector": m{"matchLabels": labels}, "template": m{"metadata": m{"labels": labels}, "spec": spec}})
	} else {
		r.add("v1", kind, name, namespace, r.labels(), spec)
	}
}

func (r *maker) networkPolicy() m {
	spec := m{"podSelector": r.selector("")}
	if types := pick(r, nil, []string{"Ingress"}, []string{"Egress"}, []string{"Ingress", "Egress"}); types != nil {
		spec["policyTypes"] = types
	}
	spec["ingress"] = r.some(2, func() any { return m{"from": r.some(2, r.networkPeer), "ports": r.some(2, r.networkPort)} })
	spec["egress"] = r.some(2, func() any { return m{"to": r.some(2, r.networkPeer), "ports": r.some(2, r.networkPort)} })
	return spec
}

func (r *maker) networkPeer() any {
	switch r.IntN(5) {
	case 0:
		return m{"ipBlock": r.block()}
	case 1:
		return m{"namespaceSelector": r.namespaceSelector()}
	case 2:
		return m{"namespaceSelector": r.namespaceSelector(), "podSelector": r.selector("")}
	}
	return m{"podSelector": r.selector("")}
}

func (r *maker) networkPort() any {
	p := m{}
	if r.chance(2) {
		p["protocol"] = pick(r, "TCP", "UDP", "SCTP")
	}
	switch r.IntN(5) {
	case 0:
	case 1:
		p["port"] = pick(r, "http", "metrics")
	case 2:
		p["port"], p["endPort"] = 80, pick(r, 80, 90, 8080)
	default:
		p["port"] = pick(r, 80, 81, 443, 8080)
	}
	return p
}

func (r *maker) adminPods() m {
	if r.chance(2) {
		return m{"namespaces": r.namespaceSelector()}
	}
	return m{"pods": m{"namespaceSelector": r.namespaceSelector(), "podSelector": r.selector("")}}
}

// adminPolicy makes the spec of an old (v1alpha1) or new policy.
func (r *maker) adminPolicy(kind string) m {
	spec := m{"priority": 1 + r.IntN(3), "subject": r.adminPods()}
	old, hand := true, "Pass"
	switch kind {
	case "ClusterNetworkPolicy":
		old = false
		spec["tier"] = pick(r, "Admin", "Baseline")
	case "BaselineAdminNetworkPolicy":
		hand = "Deny"
		delete(spec, "priority")
	}
	rule := func(key string, peer func() any) func() any {
		return func() any {
			accept := "Accept"
			if old {
				accept = "Allow"
			}
			n := m{"action": pick(r, accept, "Deny", "Deny", hand), key: r.atLeastOne(2, peer)}
			if r.chance(2) {
				if old {
					n["ports"] = r.atLeastOne(2, func() any { return r.oldPort(onlyPods(n[key])) })
				} else {
					n["protocols"] = r.atLeastOne(2, r.newPort)
				}
			}
			return n
		}
	}
	spec["ingress"] = r.some(3, rule("from", func() any { return r.adminPods() }))
	spec["egress"] = r.some(3, rule("to", r.egressPeer))
	return spec
}

func (r *maker) egressPeer() any {
	switch r.IntN(7) {
	case 0:
		return m{"networks": pick(r, []string{r.cidr()}, []string{"0.0.0.0/0", "::/0"}, slices.Compact([]string{r.cidr(), r.cidr()}))}
	case 1:
		return m{"nodes": r.selector("")}
	case 2:
		return m{"domainNames": pick(r, []string{"a.example.test"}, []string{"*.example.test"}, []string{"*.a.example.test", "b.test"})}
	}
	return r.adminPods()
}

// onlyPods reports whether peers are all of kinds whose ports may be named.
func onlyPods(peers any) bool {
	return !slices.ContainsFunc(peers.([]any), func(p any) bool { return p.(m)["namespaces"] == nil && p.(m)["pods"] == nil })
}

func (r *maker) oldPort(named bool) any {
	protocol := pick(r, "TCP", "UDP", "SCTP")
	if named && r.chance(3) {
		return m{"namedPort": pick(r, "http", "metrics")}
	}
	return pick(r, m{"portNumber": m{"protocol": protocol, "port": pick(r, 80, 81, 443, 8080)}},
		m{"portRange": m{"protocol": protocol, "start": 80, "end": pick(r, 81, 90, 8080)}})
}

func (r *maker) newPort() any {
	protocol := pick(r, "tcp", "udp", "sctp")
	return pick(r, m{protocol: m{"destinationPort": m{"number": pick(r, 80, 81, 443, 8080)}}},
		m{protocol: m{"destinationPort": m{"range": m{"start": 80, "end": pick(r, 81, 90, 8080)}}}}, m{"destinationNamedPort": pick(r, "http", "metrics")})
}

// snapshot reads what was made as the product does.
func (r *maker) snapshot(closed bool) *model.Snapshot {
	var objects []*model.Object
	for _, doc := range r.docs {
		objects = append(objects, parse(r.t, doc)...)
	}
	return model.NewSnapshot(objects, closed)
}
