package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

type portList = []intstr.IntOrString

// resolver is the peers and their ports by which pods look up names.
type resolver struct {
	peers   []string
	ports   PortSet
	because string
	assumed bool // nothing that resolves names was read
}

const assumedResolver = "the pods that resolve names were not read: port 53 of those in kube-system with the label k8s-app: kube-dns is assumed, which is not so on OpenShift"

func resolverOf(s *model.Snapshot) resolver {
	var r resolver
	for o := range s.Kind(model.ServiceKind) {
		selector, ok := ServiceSelector(o)
		if !ok || !resolves(o) {
			continue
		}
		var by podSelector
		for i := range selector.Children() {
			by.labels = append(by.labels, labelValue{selector.Children()[i].Key(), selector.Children()[i].Str()})
		}
		found := PortSet(nil)
		for _, w := range s.Workloads(o.Key.Namespace).Select(model.MatchLabels(selector)) {
			for _, number := range resolverPorts(o) {
				found = found.union(targetPorts(o.Root.Get("spec"), w.Pod, number))
			}
		}
		if found.Empty() {
			continue // its pods were not read, or declare no such port
		}
		r.peers, r.ports = append(r.peers, podPeerText(o.Key.Namespace, by)), r.ports.union(found)
		r.because = fmt.Sprintf("%s answers on %s of its pods", o.Key, found)
	}
	if len(r.peers) == 0 {
		r = resolver{
			[]string{podPeerText("kube-system", podSelector{labels: []labelValue{{"k8s-app", "kube-dns"}}})},
			portsFrom(UDP, 53, 53).union(portsFrom(TCP, 53, 53)), "assumed: the pods that resolve names were not read", true,
		}
	}
	if nodesResolve(s) {
		r.peers = append(r.peers, blockText(netip.MustParsePrefix("169.254.20.10/32")))
	}
	return r
}

// resolves reports whether a Service is one by which pods look up names.
func resolves(o *model.Object) bool {
	return (o.Key.Namespace == "kube-system" || o.Key.Namespace == "openshift-dns") && len(resolverPorts(o)) > 0
}

func resolverPorts(o *model.Object) []*tree.Node {
	var ports []*tree.Node
	list := o.Root.Dig("spec", "ports")
	for i := range list.Children() {
		if number, _ := list.At(i).Get("port").Int(); number == 53 {
			ports = append(ports, list.At(i).Get("port"))
		}
	}
	return ports
}

// nodesResolve reports whether nodes cache names at an address of their own.
func nodesResolve(s *model.Snapshot) bool {
	index := s.Workloads("kube-system")
	return index != nil && slices.ContainsFunc(index.Workloads, func(w model.Workload) bool {
		return w.Pod.Labels().Get("k8s-app").Str() == "node-local-dns"
	})
}

// ask lists what nobody declares.
func (b *isolator) ask() {
	for _, gr := range b.groups {
		for _, w := range gr.members {
			in := b.covered.any(w.Object, func(d *model.Declaration) bool { return d.Peers.In != nil })
			out := b.covered.any(w.Object, declaresOut)
			if listens := b.listens(w); !in && listens != "" {
				b.question(w.Object, "who connects to it? It declares no peers.in (%s)", listens)
			}
			if hints := b.hints(w); !out {
				text := "what does it connect to? It declares no peers.out"
				if len(hints) > 0 {
					text += ", and its settings name " + strings.Join(hints, ", ")
				}
				b.question(w.Object, "%s", text)
			}
		}
	}
	b.askOthers()
}

func declaresOut(d *model.Declaration) bool { return d.Peers.Out != nil }

// askOthers lists workloads of other namespaces whose settings name Services of
// this one, while nothing is declared of them.
func (b *isolator) askOthers() {
	for _, ns := range b.snapshot.Namespaces() {
		if ns == b.Namespace {
			continue
		}
		for _, w := range b.workloads(ns) {
			for _, hint := range b.hints(w) {
				if !strings.HasPrefix(hint, "Service/"+b.Namespace+"/") {
					continue
				}
				if !b.covered.any(w.Object, declaresOut) {
					b.question(w.Object, "does it connect to %s? Its settings name it, and it declares no peers.out", hint)
				}
			}
		}
	}
}

// listens says on what a workload is known to listen, "" when nothing is.
func (b *isolator) listens(w model.Workload) string {
	var parts []string
	for _, l := range b.exposure.leads(w) {
		parts = append(parts, fmt.Sprintf("%s: %s", l.Key, l.ports(w.Pod, nil)))
	}
	if ports := DeclaredPorts(w.Pod); len(parts) == 0 && !ports.Empty() {
		parts = append(parts, "container ports "+ports.String())
	}
	return strings.Join(parts, "; ")
}

// hints returns the Services that settings of a workload name: environment
// variables, arguments, and ConfigMaps it takes them from. Secret values are in no
// snapshot.
func (b *isolator) hints(w model.Workload) []string {
	var found []string
	look := func(text string) {
		for host := range hosts(text) {
			if key := b.serviceNamed(w.Object, host); key != "" && !slices.Contains(found, key) {
				found = append(found, key)
			}
		}
	}
	for _, list := range model.ContainerLists {
		for i := range w.Pod.Spec.Get(list).Children() {
			c := w.Pod.Spec.Get(list).At(i)
			for _, key := range []string{"args", "command"} {
				for _, a := range c.Get(key).Children() {
					look(a.Str())
				}
			}
			for _, e := range c.Get("env").Children() {
				look(e.Get("value").Str())
				b.lookConfig(w.Object, e.Dig("valueFrom", "configMapKeyRef", "name"), e.Dig("valueFrom", "configMapKeyRef", "key").Str(), look)
			}
			for _, e := range c.Get("envFrom").Children() {
				b.lookConfig(w.Object, e.Dig("configMapRef", "name"), "", look)
			}
		}
	}
	slices.Sort(found)
	return found
}

func (b *isolator) lookConfig(o *model.Object, name *tree.Node, key string, look func(string)) {
	config := b.snapshot.Get(model.Key{Cluster: o.Key.Cluster, Namespace: o.Key.Namespace, GroupKind: model.ConfigMapKind, Name: name.Str()})
	if name.Str() == "" || config == nil {
		return
	}
	for _, n := range config.Root.Get("data").Children() {
		if key == "" || n.Key() == key {
			look(n.Str())
		}
	}
}

// hosts yields the words of a text that can be the names of hosts: those with a
// dot, and those before a port or behind the slashes of a URL.
func hosts(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for start := 0; start < len(text); {
			if !inHost(text[start]) {
				start++
				continue
			}
			end := start
			for end < len(text) && inHost(text[end]) {
				end++
			}
			word := strings.Trim(strings.ToLower(text[start:end]), ".-")
			port := end+1 < len(text) && text[end] == ':' && text[end+1] >= '0' && text[end+1] <= '9'
			url := strings.HasSuffix(text[:start], "//") || strings.HasSuffix(text[:start], "@")
			if (strings.Contains(word, ".") || port || url || start == 0 && end == len(text)) && !yield(word) {
				return
			}
			start = end
		}
	}
}

func inHost(c byte) bool {
	return c == '.' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// serviceNamed returns the Service that a name means to a pod, or "".
func (b *isolator) serviceNamed(o *model.Object, host string) string {
	parts := strings.Split(host, ".")
	namespace := o.Key.Namespace
	switch {
	case len(parts) == 1:
	case len(parts) == 2 || parts[2] == "svc":
		namespace = parts[1]
	default:
		return ""
	}
	key := model.Key{Cluster: o.Key.Cluster, Namespace: namespace, GroupKind: model.ServiceKind, Name: parts[0]}
	if b.snapshot.Get(key) == nil {
		return ""
	}
	return key.String()
}
