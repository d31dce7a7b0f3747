package reach

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// The oracle reads the documentation of NetworkPolicy word by word, over the
// API's own types: pod by pod, port by port.

type network struct {
	namespaces []corev1.Namespace
	pods       []corev1.Pod
	policies   []networkingv1.NetworkPolicy
}

// doubt says how the oracle decides what cannot be known.
type doubt bool

const (
	strict  doubt = false // against the connection
	lenient doubt = true  // for it
)

func (n *network) connects(from, to *corev1.Pod, d doubt) bool {
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		for _, port := range testPorts {
			if n.side(networkingv1.PolicyTypeEgress, from, to, to, protocol, port, d) && n.side(networkingv1.PolicyTypeIngress, to, from, to, protocol, port, d) {
				return true
			}
		}
	}
	return false
}

// side decides for the policies of one side.
func (n *network) side(direction networkingv1.PolicyType, self, peer, to *corev1.Pod, protocol corev1.Protocol, port int32, d doubt) bool {
	isolated := false
	for i := range n.policies {
		p := &n.policies[i]
		if p.Namespace != self.Namespace || !selects(&p.Spec.PodSelector, self.Labels) || !slices.Contains(types(p), direction) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeIngress {
			for _, r := range p.Spec.Ingress {
				if n.anyPeer(p, r.From, peer, d) && anyPort(r.Ports, to, protocol, port) {
					return true
				}
			}
		} else {
			for _, r := range p.Spec.Egress {
				if n.anyPeer(p, r.To, peer, d) && anyPort(r.Ports, to, protocol, port) {
					return true
				}
			}
		}
	}
	return !isolated || self.Spec.HostNetwork && d == lenient
}

func types(p *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if len(p.Spec.PolicyTypes) > 0 {
		return p.Spec.PolicyTypes
	}
	if len(p.Spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

func (n *network) anyPeer(p *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, pod *corev1.Pod, d doubt) bool {
	if len(peers) == 0 {
		return true
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if d == lenient && (pod.Spec.HostNetwork || mayHoldPods(peer.IPBlock)) {
				return true
			}
			continue
		}
		if pod.Spec.HostNetwork && d == strict {
			continue
		}
		there := pod.Namespace == p.Namespace
		if peer.NamespaceSelector != nil {
			there = selects(peer.NamespaceSelector, n.labels(pod.Namespace))
		}
		if there && (peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)) {
			return true
		}
	}
	return false
}

func (n *network) labels(namespace string) map[string]string {
	all := map[string]string{"kubernetes.io/metadata.name": namespace}
	for _, ns := range n.namespaces {
		if ns.Name == namespace {
			for k, v := range ns.Labels {
				all[k] = v
			}
		}
	}
	return all
}

func selects(s *metav1.LabelSelector, l map[string]string) bool {
	compiled, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && compiled.Matches(labels.Set(l))
}

// podAddresses are private addresses, one on each side of every boundary of
// the blocks that the tests make.
var podAddresses = []string{"10.0.0.1", "10.127.0.1", "10.128.0.1", "10.200.0.1", "172.16.0.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"}

func mayHoldPods(block *networkingv1.IPBlock) bool {
	for _, a := range podAddresses {
		addr := netip.MustParseAddr(a)
		in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(addr) }
		if in(block.CIDR) && !slices.ContainsFunc(block.Except, in) {
			return true
		}
	}
	return false
}

func anyPort(ports []networkingv1.NetworkPolicyPort, to *corev1.Pod, protocol corev1.Protocol, port int32) bool {
	if len(ports) == 0 {
		return true
	}
	for _, p := range ports {
		if p.Protocol != nil && *p.Protocol != protocol || p.Protocol == nil && protocol != corev1.ProtocolTCP {
			continue
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.Int && p.EndPort != nil:
			if p.Port.IntVal <= port && port <= *p.EndPort {
				return true
			}
		case p.Port.Type == intstr.Int:
			if p.Port.IntVal == port {
				return true
			}
		default:
			for _, c := range to.Spec.Containers {
				for _, declared := range c.Ports {
					if declared.Name == p.Port.StrVal && declared.Protocol == protocol && declared.ContainerPort == port {
						return true
					}
				}
			}
		}
	}
	return false
}

// testPorts are one on each side of every boundary that the tests make.
var testPorts = []int32{1, 79, 80, 81, 90, 91, 443, 8080, 9090, 65535}

// want counts what pods of a namespace reach in others.
func (n *network) want(namespace string, d doubt) (workloads, namespaces int) {
	in := map[string]bool{}
	for i := range n.pods {
		to := &n.pods[i]
		if to.Namespace == namespace {
			continue
		}
		for j := range n.pods {
			if from := &n.pods[j]; from.Namespace == namespace && n.connects(from, to, d) {
				workloads++
				in[to.Namespace] = true
				break
			}
		}
	}
	return workloads, len(in)
}

type maker struct{ *rand.Rand }

func (m maker) chance(n int) bool { return m.IntN(n) == 0 }

func pick[T any](m maker, list ...T) T { return list[m.IntN(len(list))] }

func (m maker) selector() metav1.LabelSelector {
	var s metav1.LabelSelector
	if m.chance(2) {
		s.MatchLabels = map[string]string{pick(m, "app", "tier"): pick(m, "a", "b")}
	}
	if m.chance(3) {
		r := metav1.LabelSelectorRequirement{Key: pick(m, "app", "tier", "env"), Operator: pick(m,
			metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
			r.Values = pick(m, []string{"a"}, []string{"a", "b"}, []string{"c"})
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	return s
}

func (m maker) namespaceSelector() metav1.LabelSelector {
	s := m.selector()
	if m.chance(3) {
		s.MatchLabels = map[string]string{"kubernetes.io/metadata.name": pick(m, "n0", "n1", "n2")}
	}
	return s
}

func (m maker) peers() []networkingv1.NetworkPolicyPeer {
	var l []networkingv1.NetworkPolicyPeer
	for range m.IntN(3) {
		var p networkingv1.NetworkPolicyPeer
		switch m.IntN(5) {
		case 0:
			p.IPBlock = &networkingv1.IPBlock{CIDR: pick(m, "0.0.0.0/0", "10.0.0.0/8", "10.128.0.0/9", "203.0.113.0/24", "::/0")}
			if p.IPBlock.CIDR == "0.0.0.0/0" {
				p.IPBlock.Except = pick(m, nil, []string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "10.128.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"},
					[]string{"10.0.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"})
			}
		case 1:
			s := m.namespaceSelector()
			p.NamespaceSelector = &s
		case 2:
			s, t := m.namespaceSelector(), m.selector()
			p.NamespaceSelector, p.PodSelector = &s, &t
		default:
			s := m.selector()
			p.PodSelector = &s
		}
		l = append(l, p)
	}
	return l
}

func (m maker) ports() []networkingv1.NetworkPolicyPort {
	var l []networkingv1.NetworkPolicyPort
	for range m.IntN(3) {
		var p networkingv1.NetworkPolicyPort
		if m.chance(2) {
			p.Protocol = new(pick(m, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP))
		}
		switch m.IntN(5) {
		case 0:
		case 1:
			p.Port = new(intstr.FromString(pick(m, "http", "metrics")))
		case 2:
			p.Port, p.EndPort = new(intstr.FromInt32(80)), new(pick[int32](m, 80, 90, 8080))
		default:
			p.Port = new(intstr.FromInt32(pick[int32](m, 80, 81, 443, 8080)))
		}
		l = append(l, p)
	}
	return l
}

func (m maker) policy(name, namespace string) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}}
	p.Name, p.Namespace = name, namespace
	p.Spec.PodSelector = m.selector()
	p.Spec.PolicyTypes = pick(m, nil, []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"}, []networkingv1.PolicyType{"Ingress", "Egress"})
	for range m.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: m.peers(), Ports: m.ports()})
	}
	for range m.IntN(3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: m.peers(), Ports: m.ports()})
	}
	return p
}

func (m maker) network() *network {
	n := &network{}
	for i := range 4 {
		ns := corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
		ns.Name, ns.Labels = fmt.Sprint("n", i), m.labels()
		n.namespaces = append(n.namespaces, ns)
		for j := range m.IntN(4) {
			n.pods = append(n.pods, m.pod(fmt.Sprint("p", j), ns.Name))
		}
		for j := range m.IntN(4) {
			n.policies = append(n.policies, m.policy(fmt.Sprint("np", j), ns.Name))
		}
	}
	return n
}

func (m maker) labels() map[string]string {
	l := map[string]string{}
	for _, key := range []string{"app", "tier", "env", "unused"} {
		if m.chance(2) {
			l[key] = pick(m, "a", "b", "c")
		}
	}
	return l
}

func (m maker) pod(name, namespace string) corev1.Pod {
	p := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	p.Name, p.Namespace, p.Labels = name, namespace, m.labels()
	p.Spec.HostNetwork = m.chance(12)
	c := corev1.Container{Name: "c", Image: "registry.example/a:1"}
	for _, port := range []string{"http", "metrics"} {
		if m.chance(2) {
			c.Ports = append(c.Ports, corev1.ContainerPort{Name: port, ContainerPort: pick[int32](m, 80, 8080, 9090), Protocol: pick(m, corev1.ProtocolTCP, corev1.ProtocolUDP)})
		}
	}
	p.Spec.Containers = []corev1.Container{c}
	return p
}

// snapshot writes the network as YAML and reads it as the product does, without
// the Namespaces that are not to be read.
func (n *network) snapshot(t testing.TB, closed bool, read func(namespace string) bool) *model.Snapshot {
	var objects []*model.Object
	add := func(v any) {
		text, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, parse(t, string(text))...)
	}
	for _, ns := range n.namespaces {
		if read(ns.Name) {
			add(ns)
		}
	}
	for _, p := range n.pods {
		add(p)
	}
	for _, p := range n.policies {
		add(p)
	}
	return model.NewSnapshot(objects, closed)
}

func parse(t testing.TB, text string) []*model.Object {
	t.Helper()
	file := &tree.File{Name: "test.yaml", Text: text}
	var objects []*model.Object
	for doc := range tree.Parse(file) {
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "default")
		if doc.Err != nil || err != nil || o == nil {
			t.Fatal(doc.Err, err, text)
		}
		objects = append(objects, o)
	}
	return objects
}

func everything(string) bool { return true }

func TestReachAsDocumented(t *testing.T) {
	known, unknown, some := 0, 0, 0
	for seed := range uint64(200) {
		n := maker{rand.New(rand.NewPCG(seed, 1))}.network()
		s := n.snapshot(t, true, everything)
		g := New(s)
		for _, ns := range n.namespaces {
			got := g.Reach(ns.Name)
			var want Reach
			want.Workloads.Least, want.Namespaces.Least = n.want(ns.Name, strict)
			want.Workloads.Most, want.Namespaces.Most = n.want(ns.Name, lenient)
			want.Why = got.Why
			if got != want {
				t.Fatalf("seed %d, from %s: got %+v, want %+v", seed, ns.Name, got, want)
			}
			if (got.Why == "") != got.Workloads.Known() {
				t.Fatalf("seed %d, from %s: %+v", seed, ns.Name, got)
			}
			if got.Workloads.Known() {
				known++
			} else {
				unknown++
			}
			some += got.Workloads.Least
		}
	}
	if known < 200 || unknown < 50 || some < 300 {
		t.Errorf("%d known, %d unknown, %d reached: the test shows little", known, unknown, some)
	}
}

func TestConnectsAsDocumented(t *testing.T) {
	for seed := range uint64(60) {
		n := maker{rand.New(rand.NewPCG(seed, 2))}.network()
		s := n.snapshot(t, true, everything)
		g := New(s)
		for _, ns := range n.namespaces {
			for i := range n.pods {
				to := &n.pods[i]
				want := No
				for j := range n.pods {
					if from := &n.pods[j]; from.Namespace == ns.Name {
						if n.connects(from, to, strict) {
							want = Yes
						} else if n.connects(from, to, lenient) {
							want = max(want, Maybe)
						}
					}
				}
				o := s.Get(model.Key{Namespace: to.Namespace, GroupKind: model.GroupKind{Kind: "Pod"}, Name: to.Name})
				got, why := g.Connects(ns.Name, model.Workload{Object: o, Pod: o.Pods()[0]})
				if got != want || (got == Maybe) != (why != "") {
					t.Fatalf("seed %d, %s to %s/%s: %s (%s), want %s", seed, ns.Name, to.Namespace, to.Name, got, why, want)
				}
			}
		}
	}
}

// Whatever labels a Namespace has that was not read, what is then true lies
// within what was said before.
func TestUnreadNamespacesAreAllowedFor(t *testing.T) {
	doubted := 0
	for seed := range uint64(80) {
		m := maker{rand.New(rand.NewPCG(seed, 3))}
		n := m.network()
		open := New(n.snapshot(t, false, func(ns string) bool { return ns == "n0" }))
		for range 3 {
			for i := range n.namespaces {
				if i > 0 {
					n.namespaces[i].Labels = m.labels()
				}
			}
			closed := New(n.snapshot(t, true, everything))
			for _, ns := range n.namespaces {
				said, is := open.Reach(ns.Name), closed.Reach(ns.Name)
				if is.Workloads.Least < said.Workloads.Least || is.Workloads.Most > said.Workloads.Most ||
					is.Namespaces.Least < said.Namespaces.Least || is.Namespaces.Most > said.Namespaces.Most {
					t.Fatalf("seed %d, from %s: said %+v, is %+v", seed, ns.Name, said, is)
				}
				if said.Workloads != is.Workloads {
					doubted++
				}
			}
		}
	}
	if doubted < 20 {
		t.Errorf("labels mattered %d times only: the test shows little", doubted)
	}
}

func TestPoliciesAsDocumented(t *testing.T) {
	for seed := range uint64(200) {
		n := maker{rand.New(rand.NewPCG(seed, 4))}.network()
		s := n.snapshot(t, true, everything)
		g := New(s)
		for i := range n.pods {
			pod := &n.pods[i]
			o := s.Get(model.Key{Namespace: pod.Namespace, GroupKind: model.GroupKind{Kind: "Pod"}, Name: pod.Name})
			for d, direction := range []networkingv1.PolicyType{"Ingress", "Egress"} {
				var want, got []string
				for j := range n.policies {
					if p := &n.policies[j]; p.Namespace == pod.Namespace && selects(&p.Spec.PodSelector, pod.Labels) && slices.Contains(types(p), direction) {
						want = append(want, p.Name)
					}
				}
				for _, p := range g.Policies(pod.Namespace, &o.Pods()[0], Direction(d)) {
					got = append(got, p.Object.Key.Name)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, %s of %s/%s: %v, want %v", seed, direction, pod.Namespace, pod.Name, got, want)
				}
			}
		}
	}
}
