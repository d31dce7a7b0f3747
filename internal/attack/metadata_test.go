package attack

import (
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

const egress = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}, {ipBlock: {cidr: '::/0'}}]}]}
`

// livePod is a Pod with the addresses that a cluster shows.
func livePod(ips string) string {
	return "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: other}, spec: {nodeName: one, containers: [{name: c, image: x}]}, status: {podIPs: [" + ips + "]}}"
}

// TestMetadata says how certain the way to the metadata service is, and why.
func TestMetadata(t *testing.T) {
	pod := deploy("web", "", web)
	node := func(id string) string { return strings.Replace(cloud, "aws:///a/i-1", id, 1) }
	closed := strings.Replace(egress, "cidr: '::/0'", "cidr: '::/0', except: ['fd00:ec2::254/128']", 1)
	for _, c := range []struct {
		name, yaml string
		unread     bool // Nodes
		certainty  string
		why        string // part of what is told
	}{
		{"no nodes", pod, false, "unknown", "is not in the input: no Node is in the input"},
		{"nodes unread", pod, true, "unknown", "is not in the input: the test did not read Nodes"},
		{"no provider", pod + strings.Replace(cloud, "providerID: 'aws:///a/i-1'", "", 1), false, "unknown", "Node/one has no providerID"},
		{"another provider", pod + node("own:///1"), false, "unknown", "of a provider that is not known here: own:///1"},
		{"no cloud", pod + node("kind://a/b"), false, "", ""},
		{"one of two", pod + node("kind://a/b") + strings.Replace(cloud, "name: one", "name: two", 1), false, "unknown", "Node/two: providerID: aws:///a/i-1"},
		{"a cloud", pod + cloud, false, "unknown", "EC2 keeps them out where IMDSv2 is required with a hop limit of 1"},
		{"a cloud by an account", pod + cloudAccount, false, "unknown", "ServiceAccount/shop/web: eks.amazonaws.com/role-arn"},
		{"on its node's network", deploy("web", "hostNetwork: true", web) + cloud + closed, false, "likely", "hostNetwork of Deployment/shop/web"},
		{"on its node's network, somewhere", deploy("web", "hostNetwork: true", web), false, "unknown", "no Node is in the input"},
		{"closed but for IPv6", pod + cloud + egress, false, "unknown", "but not fd00:ec2::254, where the service of EC2 answers when IPv6 is switched on for it; whether pods have IPv6 is not in the input"},
		{"closed but for IPv6, which pods have", pod + cloud + egress + livePod("{ip: 10.0.0.1}, {ip: 'fd00::1'}"), false, "unknown", "IPv6 is switched on for it"},
		{"closed but for IPv6, which no pod has", pod + cloud + egress + livePod("{ip: 10.0.0.1}"), false, "", ""},
		{"closed but for IPv6 of Google Cloud", pod + node("gce://p/z/i") + egress, false, "unknown", "but not fd20:ce::254, where the service of Google Cloud answers"},
		{"closed but for IPv6 of another cloud", pod + node("gce://p/z/i") + strings.Replace(egress, "cidr: '::/0'", "cidr: '::/0', except: ['fd20:ce::254/128']", 1), false, "", ""},
		{"closed but for IPv6, in a cloud without", pod + node("azure:///s") + egress, false, "", ""},
		{"closed but for IPv6 of the other cloud, nodes unread", pod + closed, true, "unknown", "but not fd20:ce::254"},
		{"closed but for IPv6, nodes unread", pod + egress, false, "unknown", "fd00:ec2::254"},
		{"closed", pod + cloud + closed, false, "", ""},
		{"closed in every cloud", pod + strings.Replace(egress, "cidr: '::/0'", "cidr: '::/0', except: ['fd00:ec2::254/128', 'fd20:ce::254/128']", 1), true, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var gaps []model.Gap
			if c.unread {
				gaps = append(gaps, model.Gap{Kind: model.NodeKind, Reason: "the test did not read Nodes"})
			}
			s := model.NewSnapshot(parse(t, c.yaml), true, gaps...)
			g := graphFrom(s)
			var found []Edge
			for i := range g.edges {
				if e := &g.edges[i]; e.kind == NodeMetadata && g.vertices[e.from].kind == Position && g.Vertex(e.from).Namespace == "shop" {
					found = append(found, g.public(e))
				}
			}
			if len(found) != map[bool]int{true: 0, false: 1}[c.certainty == ""] {
				t.Fatalf("edges %v, want %q", found, c.certainty)
			}
			if len(found) == 0 {
				return
			}
			step := g.Explain(found[0])
			if got := step.Certainty.String(); got != c.certainty {
				t.Errorf("certainty %s, want %s", got, c.certainty)
			}
			if !slices.ContainsFunc(step.Evidence, func(e Evidence) bool { return strings.Contains(e.Text, c.why) }) {
				t.Errorf("evidence %+v, want %q", step.Evidence, c.why)
			}
		})
	}
}

// TestCloseMetadata proposes a policy that closes both addresses, and promises
// what it does.
func TestCloseMetadata(t *testing.T) {
	for _, more := range []string{"", egress} {
		g := graphOf(t, true, parse(t, deploy("web", "", web)+cloud+more)...)
		remedies, err := g.Remedies(Query{From: "pod/shop/web", To: "cloud-identity"}, 3)
		if err != nil {
			t.Fatal(err)
		}
		const title = "add a NetworkPolicy that keeps Deployment/shop/web from 169.254.169.254, fd00:ec2::254 and fd20:ce::254"
		closes := slices.ContainsFunc(remedies, func(r Remedy) bool { return r.Title == title && r.Closed == 1 })
		if want := more == ""; closes != want { // another policy lets IPv6 pass all the same
			t.Errorf("with %q: closes %t, want %t: %+v", more, closes, want, remedies)
		}
	}
}
