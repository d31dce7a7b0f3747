package reach

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"ullage.dev/ullage/internal/model"
)

// upstreamCase is a case of the tables in testdata.
type upstreamCase struct {
	Name       string
	Pods       string
	Outside    string // addresses, which are asked for as destinations
	Namespaces map[string]map[string]string
	Labels     map[string]map[string]string
	Policies   []struct {
		In, Kind string
		Spec     map[string]any
	}
	Expect []string // "80/TCP x/a > y/* no"
}

func readCases(t *testing.T, file string) []upstreamCase {
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []upstreamCase
	if err := yaml.UnmarshalStrict(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestKubernetesTables(t *testing.T) {
	for _, c := range readCases(t, "kubernetes.yaml") {
		c.check(t, c.graph(t), "yes")
	}
}

func TestConformanceTables(t *testing.T) {
	old := 0
	for _, c := range readCases(t, "conformance.yaml") {
		c.check(t, c.graph(t), "")
		if c.translate() {
			old++
			c.Name += " in v1alpha1"
			c.check(t, c.graph(t), "")
		}
	}
	if old < 20 {
		t.Errorf("%d cases in v1alpha1 only", old)
	}
}

func (c *upstreamCase) graph(t *testing.T) *Graph {
	r := &maker{t: t}
	var ports []any
	for _, protocol := range []string{"TCP", "UDP", "SCTP"} {
		for _, number := range []int{80, 81} {
			ports = append(ports, m{"name": fmt.Sprintf("serve-%d-%s", number, strings.ToLower(protocol)), "containerPort": number, "protocol": protocol})
		}
	}
	seen := map[string]bool{}
	for _, pod := range strings.Fields(c.Pods) {
		namespace, name, _ := strings.Cut(pod, "/")
		if !seen[namespace] {
			seen[namespace] = true
			labels := m{}
			for k, v := range c.Namespaces[namespace] {
				labels[k] = v
			}
			r.add("v1", "Namespace", namespace, "", labels, m{})
		}
		labels := m{"pod": name}
		for k, v := range c.Labels[pod] {
			labels[k] = v
		}
		r.add("v1", "Pod", name, namespace, labels, m{"containers": []any{m{"name": "c", "image": "registry.example/a:1", "ports": ports}}})
	}
	for i, p := range c.Policies {
		name := fmt.Sprint("p", i)
		switch p.Kind {
		case "":
			r.add("networking.k8s.io/v1", "NetworkPolicy", name, p.In, nil, p.Spec)
		case "BaselineAdminNetworkPolicy":
			r.add("policy.networking.k8s.io/v1alpha1", p.Kind, "default", "", nil, p.Spec)
		case "ClusterNetworkPolicy":
			r.add("policy.networking.k8s.io/v1alpha2", p.Kind, name, "", nil, p.Spec)
		default:
			r.add("policy.networking.k8s.io/v1alpha1", p.Kind, name, "", nil, p.Spec)
		}
	}
	return New(r.snapshot(true))
}

// check asks for every pair of pods on the ports that the case speaks of. For
// pairs of which it does not speak it wants otherwise, and nothing when that is
// "".
func (c *upstreamCase) check(t *testing.T, g *Graph, otherwise string) {
	t.Helper()
	ports := map[string]bool{}
	for _, line := range c.Expect {
		ports[strings.Fields(line)[0]] = true
	}
	for text := range ports {
		var number uint16
		var name string
		if _, err := fmt.Sscanf(text, "%d/%s", &number, &name); err != nil {
			t.Fatal(c.Name, err)
		}
		protocol, _ := ParseProtocol(name)
		for _, from := range strings.Fields(c.Pods) {
			for _, to := range strings.Fields(c.Pods + " " + c.Outside) {
				if from == to {
					continue
				}
				got := g.Ports(oddEnd(t, g, from), oddEnd(t, g, to)).On(Port{protocol, number})
				if want := c.want(t, text, from, to, otherwise); want != "" && got.String() != want {
					t.Errorf("%s: %s to %s on %s: %s, want %s", c.Name, from, to, text, got, want)
				}
			}
		}
	}
}

func find(t *testing.T, g *Graph, pod string) ID {
	namespace, name, _ := strings.Cut(pod, "/")
	ids := g.Find(model.Key{Namespace: namespace, GroupKind: model.PodKind, Name: name})
	if len(ids) != 1 {
		t.Fatalf("%s: %d endpoints", pod, len(ids))
	}
	return ids[0]
}

func (c *upstreamCase) want(t *testing.T, port, from, to, otherwise string) string {
	want := otherwise
	is := func(pattern, pod string) bool {
		namespace, rest, _ := strings.Cut(pattern, "/")
		return pattern == "*" || pattern == pod || rest == "*" && strings.HasPrefix(pod, namespace+"/")
	}
	for _, line := range c.Expect {
		f := strings.Fields(line)
		if len(f) != 5 || f[2] != ">" {
			t.Fatalf("%s: %q", c.Name, line)
		}
		if f[0] == port && is(f[1], from) && is(f[3], to) {
			want = f[4]
		}
	}
	return want
}

// translate turns the policies of a case into the kinds of v1alpha1. It reports
// false when there is nothing to turn, or these kinds cannot say it.
func (c *upstreamCase) translate() bool {
	turned, baseline := false, false
	for i := range c.Policies {
		p := &c.Policies[i]
		if p.Kind != "ClusterNetworkPolicy" {
			continue
		}
		turned = true
		p.Kind = map[any]string{"Admin": "AdminNetworkPolicy", "Baseline": "BaselineAdminNetworkPolicy"}[p.Spec["tier"]]
		delete(p.Spec, "tier")
		if p.Kind == "BaselineAdminNetworkPolicy" { // there is but one
			if baseline {
				return false
			}
			baseline = true
			delete(p.Spec, "priority")
		}
		for _, key := range []string{"ingress", "egress"} {
			rules, _ := p.Spec[key].([]any)
			for _, rule := range rules {
				translateRule(rule.(m))
				if p.Kind == "BaselineAdminNetworkPolicy" && rule.(m)["action"] == "Pass" {
					return false
				}
			}
		}
	}
	return turned
}

func translateRule(rule m) {
	if rule["action"] == "Accept" {
		rule["action"] = "Allow"
	}
	protocols, ok := rule["protocols"].([]any)
	if !ok {
		return
	}
	var ports []any
	for _, p := range protocols {
		for protocol, at := range p.(m) {
			if name, isName := at.(string); isName {
				ports = append(ports, m{"namedPort": name})
			} else {
				ports = append(ports, m{"portNumber": m{"protocol": strings.ToUpper(protocol), "port": at.(m)["destinationPort"].(m)["number"]}})
			}
		}
	}
	delete(rule, "protocols")
	rule["ports"] = ports
}
