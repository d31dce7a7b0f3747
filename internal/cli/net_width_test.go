package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestNetworkLinesFit holds that lines of answers about networks are no wider than
// the terminal, but for words that cannot be broken.
func TestNetworkLinesFit(t *testing.T) {
	example := filepath.Join("..", "..", "examples", "chandlery")
	dir := write(t, map[string]string{"odd.yaml": `apiVersion: v1
kind: Pod
metadata: {name: gateway-of-the-whole-shop, namespace: checkout-production, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: c, image: a, ports: [{containerPort: 8080, hostPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: another-gateway-of-the-whole-shop, namespace: checkout-production, labels: {app: other}}
spec: {containers: [{name: c, image: a, ports: [{containerPort: 8080, hostPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway-of-the-whole-shop, namespace: checkout-production}
spec: {type: LoadBalancer, selector: {app: other}, ports: [{name: one, port: 80, targetPort: none-at-all}, {name: web-socket, port: 8080}], loadBalancerSourceRanges: [203.0.113.0/24, 198.51.100.0/24, 192.0.2.0/24, "2001:db8::/32"]}
---
apiVersion: v1
kind: Service
metadata: {name: what-is-elsewhere, namespace: checkout-production}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: what-is-elsewhere, namespace: checkout-production, labels: {kubernetes.io/service-name: what-is-elsewhere}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.7]}]
ports: [{port: 8080}, {port: 9090, name: a}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: what-administrators-want}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}, {action: Pass, from: [{namespaces: {}}]}], egress: [{action: Deny, to: [{networks: [198.51.100.0/24, 192.0.2.0/25]}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody-but-some-ranges, namespace: checkout-production}
spec: {podSelector: {matchLabels: {app: other}}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: 10.1.0.0/16}}]}]}
`})
	odd := filepath.Join(dir, "odd.yaml")
	commands := [][]string{
		{"list", odd}, {"list", example}, {"exposed", "-v", odd}, {"exposed", "-v", example, "--closed-world"}, {"diff", odd, example}, {"diff", example, odd, "-n", "checkout-production"},
		{"blast", "-v", "checkout-production", "-f", odd}, {"blast", "storefront", "-f", example},
		{"why", "internet", "svc/checkout-production/gateway-of-the-whole-shop:8080", "-f", odd}, {"why", "checkout-production", "checkout-production:8080", "-f", odd, "--closed-world"},
		{"can", "identity", "internet:443", "-f", example}, {"isolate", "checkout-production", "-f", odd},
	}
	for _, width := range []int{60, 80, 100} {
		for _, args := range commands {
			var stdout, stderr strings.Builder
			p := &Program{Args: append([]string{"net"}, args...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }, Terminal: Terminal{Width: width}}
			Run(t.Context(), p)
			if stdout.Len() == 0 {
				t.Errorf("%v: nothing: %s", args, stderr.String())
			}
			for line := range strings.Lines(stdout.String()) {
				line = strings.TrimRight(line, "\n")
				if line == "---" || strings.HasPrefix(line, "    apiVersion:") {
					break // policies follow
				}
				if columns := utf8.RuneCountInString(line); columns > width && breakable(line, width) {
					t.Errorf("%v at %d: %d columns: %s", args, width, columns, line)
				}
			}
		}
	}
}

// breakable reports whether some word of a line ends within the width, and another
// begins there behind it.
func breakable(line string, width int) bool {
	text := strings.TrimLeft(line, " -+#")
	at := strings.LastIndex(fmt.Sprintf("%.*s", width+1-(len(line)-len(text)), text), " ")
	return at > 0
}
