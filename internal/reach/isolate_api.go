package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The API server is no pod that a policy could name: what it needs, and what needs
// it, is allowed by addresses.

// apiAccess lets those connect to the API server who declare rights to it, when
// its address was read.
func (b *isolator) apiAccess() {
	api := side{text: "the API server"}
	ports := PortSet(nil)
	for _, e := range b.exposure.hand().services[apiService] {
		p := netip.PrefixFrom(e.addr, e.addr.BitLen())
		api.ranges, api.peer = append(api.ranges, p), append(api.peer, blockText(p))
		for _, p := range e.ports {
			ports = ports.union(PortsOf(p.Port))
		}
	}
	slices.Sort(api.peer)
	api.peer = slices.Compact(api.peer)
	if len(api.peer) == 0 {
		return
	}
	b.eachMember(func(w model.Workload) {
		if b.declaresAPI(w.Object) {
			b.flow(b.sideOf(w), api, ports, "it declares rights to the Kubernetes API")
		}
	})
}

func (b *isolator) eachMember(do func(model.Workload)) {
	for _, gr := range b.groups {
		for _, w := range gr.members {
			do(w)
		}
	}
}

func (b *isolator) declaresAPI(o *model.Object) bool {
	return b.covered.any(o, func(d *model.Declaration) bool { return len(d.API) > 0 })
}

// apiPorts are those on which API servers listen, in clusters of several makers.
var apiPorts = PortsOf(Port{TCP, 443}).union(PortsOf(Port{TCP, 6443})).union(PortsOf(Port{TCP, 8443})).union(PortsOf(Port{TCP, 16443}))

// proveAPI looks up whether those reach the API server who declare rights to it, and
// asks about those who have some and declare nothing.
func (b *isolator) proveAPI(rights Rights) {
	after := b.Proof.Graph
	const declare = "declare the addresses of the API server under peers.out as cidr, with the port behind the Service (often 6443)"
	b.eachMember(func(w model.Workload) {
		declared := b.declaresAPI(w.Object)
		if !declared && (rights == nil || !b.mountsToken(w) || !rights(w.Object.Key.Namespace, w.Pod.ServiceAccount())) {
			return
		}
		for _, id := range after.Find(w.Object.Key) {
			if !after.Ports(id, after.APIServer()).May.intersect(apiPorts).Empty() {
				continue
			}
			if declared {
				b.Kept = append(b.Kept, Kept{From: w.Object.Key.String(), To: "the API server", Ports: apiPorts, Because: "it declares rights to the Kubernetes API", Answer: No, Why: []string{"where the API server runs is in no manifest: " + declare}})
			} else {
				b.question(w.Object, "does it connect to the API server? Bindings give rights to its service account %s, and it declares none under api: %s", w.Pod.ServiceAccount(), declare)
			}
			return
		}
	})
}

// mountsToken reports whether pods have the token of their service account, as far
// as was read.
func (b *isolator) mountsToken(w model.Workload) bool {
	if n := w.Pod.Spec.Get("automountServiceAccountToken"); n != nil {
		return n.True()
	}
	account := b.snapshot.Get(model.Key{Cluster: w.Object.Key.Cluster, Namespace: w.Object.Key.Namespace, GroupKind: model.ServiceAccountKind, Name: w.Pod.ServiceAccount()})
	return account == nil || !account.Root.Get("automountServiceAccountToken").False()
}

// apiCall is a connection of the API server to a Service that an object asks for.
type apiCall struct {
	by    *model.Object
	ref   *tree.Node // names the Service and, unless it is 443, its port
	fails string     // what becomes of it when the Service does not answer
}

// apiCalls returns the connections of the API server to Services of a namespace.
func apiCalls(s *model.Snapshot, namespace string) []apiCall {
	var calls []apiCall
	add := func(by *model.Object, ref *tree.Node, fails string) {
		if ref.Get("namespace").Str() == namespace {
			calls = append(calls, apiCall{by, ref, fails})
		}
	}
	for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
		for o := range s.Kind(model.GroupKind{Group: "admissionregistration.k8s.io", Kind: kind}) {
			webhooks := o.Root.Get("webhooks")
			for i := range webhooks.Children() {
				fails := "failurePolicy Fail: requests that it is for are refused while it does not answer"
				if webhooks.At(i).Get("failurePolicy").Str() == "Ignore" {
					fails = "failurePolicy Ignore: requests that it is for pass it by while it does not answer"
				}
				add(o, webhooks.At(i).Dig("clientConfig", "service"), fails)
			}
		}
	}
	for o := range s.Kind(model.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}) {
		add(o, o.Root.Dig("spec", "service"), "its API answers nobody while it does not answer")
	}
	for o := range s.Kind(model.CustomKind) {
		add(o, o.Root.Dig("spec", "conversion", "webhook", "clientConfig", "service"), "objects are not converted between versions while it does not answer")
	}
	return calls
}

// askAPI asks about those to whom the API server connects and is not let in.
func (b *isolator) askAPI() {
	after := b.Proof.Graph
	for _, call := range apiCalls(b.snapshot, b.Namespace) {
		service := b.snapshot.Get(model.Key{Cluster: call.by.Key.Cluster, Namespace: b.Namespace, GroupKind: model.ServiceKind, Name: call.ref.Get("name").Str()})
		if service == nil {
			continue
		}
		leads, _ := after.Leads(b.exposure, service, cmp.Or(call.ref.Get("port").Text(), "443"))
		for _, l := range leads {
			if end := after.Endpoint(l.ID); end.Kind == Pods && b.groupOf(end.Workload) != nil && after.Ports(after.APIServer(), l.ID).covers(l.Ports) == No {
				b.needed(end.Workload.Object, fmt.Sprintf("%s has the API server connect to it on %s (%s): declare the addresses of the API server, often those of control-plane nodes, under peers.in as cidr",
					call.by.Key, l.Ports, call.fails))
			}
		}
	}
}

func (b *isolator) needed(o *model.Object, text string) {
	if q := (Question{o, text, true}); !b.said[q] {
		b.said[q] = true
		b.Questions = append(b.Questions, q)
	}
}
