package model

import (
	"fmt"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

// refusalRow has a value that the API server refuses, and one as odd that it takes.
type refusalRow struct{ kind, refused, where, taken string }

const cluster = "spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, "

var refusalRows = []refusalRow{
	{"np", "spec: {podSelector: {matchExpressions: [{key: a, operator: Foo}]}}", "spec.podSelector.matchExpressions[0].operator", "spec: {podSelector: {matchExpressions: [{key: a, operator: Exists}]}}"},
	{"np", "spec: {podSelector: {matchExpressions: [{key: a, operator: In}]}}", "spec.podSelector.matchExpressions[0]", "spec: {podSelector: {matchExpressions: [{key: a, operator: In, values: [\"\"]}]}}"},
	{"np", "spec: {podSelector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}", "spec.podSelector.matchExpressions[0].values", "spec: {podSelector: {matchExpressions: [{key: a, operator: DoesNotExist, values: []}]}}"},
	{"np", "spec: {podSelector: {matchExpressions: [{operator: Exists}]}}", "spec.podSelector.matchExpressions[0]", "spec: {podSelector: {matchExpressions: []}}"},
	{"np", "spec: {podSelector: {matchLabels: {\"a b\": c}}}", "spec.podSelector.matchLabels.a b", "spec: {podSelector: {matchLabels: {example.com/a_b: \"\"}}}"},
	{"np", "spec: {podSelector: {matchLabels: {a: \"b c\"}}}", "spec.podSelector.matchLabels.a", "spec: {podSelector: {matchLabels: {a: B_c.d-e}}}"},
	{"np", "spec: {podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [-x]}]}}", "spec.podSelector.matchExpressions[0].values[0]", "spec: {podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [x]}]}}"},
	{"np", "spec: {podSelector: {}, policyTypes: [ingress]}", "spec.policyTypes[0]", "spec: {podSelector: {}, policyTypes: [Ingress, Ingress]}"},
	{"np", "spec: {podSelector: {}, policyTypes: [Ingress, Egress, Egress]}", "spec.policyTypes", "spec: {podSelector: {}, policyTypes: []}"},
	{"np", "spec: {podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 0}]}]}", "spec.ingress[0].ports[0].port", "spec: {podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 1}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{port: 70000}]}]}", "spec.ingress[0].ports[0].port", "spec: {podSelector: {}, ingress: [{ports: [{port: 65535}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{port: \"80\"}]}]}", "spec.ingress[0].ports[0].port", "spec: {podSelector: {}, ingress: [{ports: [{port: http-80}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 79}]}]}", "spec.ingress[0].ports[0].endPort", "spec: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 80}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 70000}]}]}", "spec.ingress[0].ports[0].endPort", "spec: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: null}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{endPort: 80}]}]}", "spec.ingress[0].ports[0].endPort", "spec: {podSelector: {}, ingress: [{ports: [{}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{port: http, endPort: 80}]}]}", "spec.ingress[0].ports[0].endPort", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}", "spec.ingress[0].ports[0].protocol", "spec: {podSelector: {}, ingress: [{ports: [{protocol: SCTP}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{ports: [{protocol: tcp}]}]}", "spec.ingress[0].ports[0].protocol", "spec: {podSelector: {}, ingress: [{ports: [{protocol: null}]}]}"},
	{"np", "spec: {podSelector: {}, ingress: [{from: [{}]}]}", "spec.ingress[0].from[0]", "spec: {podSelector: {}, ingress: [{from: []}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}", "spec.egress[0].to[0].ipBlock", "spec: {podSelector: {}, egress: [{to: [{podSelector: {}, namespaceSelector: {}}]}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}", "spec.egress[0].to[0].ipBlock.cidr", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/32}}]}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 192.0.2.1}}]}]}", "spec.egress[0].to[0].ipBlock.cidr", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: \"2001:db8::/32\"}}]}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {}}]}]}", "spec.egress[0].to[0].ipBlock", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: \"::/0\"}}]}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [192.168.0.0/16]}}]}]}", "spec.egress[0].to[0].ipBlock.except[0]", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]}]}"},
	{"np", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}", "spec.egress[0].to[0].ipBlock.except[0]", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: []}}]}]}"},

	{"anp", "spec: {priority: 2000, subject: {namespaces: {}}}", "spec.priority", "spec: {priority: 1000, subject: {namespaces: {}}}"},
	{"anp", "spec: {priority: -1, subject: {namespaces: {}}}", "spec.priority", "spec: {priority: 0, subject: {namespaces: {}}}"},
	{"anp", "spec: {priority: 1, subject: {}}", "spec.subject", "spec: {priority: 1, subject: {pods: {namespaceSelector: {}, podSelector: {}}}}"},
	{"anp", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Reject, from: [{namespaces: {}}]}]}", "spec.ingress[0].action", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}]}]}"},
	{"anp", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny}]}", "spec.ingress[0]", "spec: {priority: 1, subject: {namespaces: {}}, ingress: []}"},
	{"anp", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], port: []}]}", "spec.ingress[0].port", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [{namedPort: http}]}]}"},
	{"anp", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {port: 70000}}]}]}", "spec.ingress[0].ports[0].portNumber.port", "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}]}]}"},
	{"banp", "metadata: {name: x}\nspec: {subject: {namespaces: {}}}", "metadata.name", "metadata: {name: default}\nspec: {subject: {namespaces: {}}}"},
	{"banp", "metadata: {name: default}\nspec: {subject: {namespaces: {}}, egress: [{action: Pass, to: [{namespaces: {}}]}]}", "spec.egress[0].action", "metadata: {name: default}\nspec: {subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}]}]}"},
	{"cnp", "spec: {tier: Platform, priority: 1, subject: {namespaces: {}}}", "spec.tier", "spec: {tier: Baseline, priority: 1, subject: {namespaces: {}}}"},
	{"cnp", cluster + "ingress: [{action: Allow, from: [{namespaces: {}}]}]}", "spec.ingress[0].action", cluster + "ingress: [{action: Accept, from: [{namespaces: {}}]}]}"},
	{"cnp", cluster + "ingress: [{action: Deny, from: [{}]}]}", "spec.ingress[0].from[0]", cluster + "egress: [{action: Deny, to: [{nodes: {}}]}]}"},
	{"cnp", cluster + "egress: [{action: Deny, to: [{networks: [10.0.0.0]}]}]}", "spec.egress[0].to[0].networks[0]", cluster + "egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]}"},
	{"cnp", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: []}]}", "spec.egress[0].protocols", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]}"},
	{"cnp", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{icmp: {}}]}]}", "spec.egress[0].protocols[0].icmp", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{sctp: {destinationPort: {number: 1}}}]}]}"},
	{"cnp", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 2, end: 1}}}}]}]}", "spec.egress[0].protocols[0].tcp.destinationPort.range", cluster + "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 1, end: 2}}}}]}]}"},
	{"anp", "spec: {priority: 1, subject: {pods: {podSelector: {}}}}", "spec.subject.pods", "spec: {priority: 1, subject: {namespaces: {}}, ingress: null}"},
	{"anp", adminIn + "name: " + long + ", from: [{namespaces: {}}]}]}", "spec.ingress[0].name", adminIn + "name: " + long[1:] + ", from: [{namespaces: {}}]}]}"},
	{"anp", adminIn + "from: [{namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}]}]}", "spec.ingress[0].from[0]", adminIn + "from: [{pods: {namespaceSelector: {}, podSelector: {}}}]}]}"},
	{"anp", adminIn + "from: [" + times(101, "{namespaces: {}}") + "]}]}", "spec.ingress[0].from", adminIn + "from: [" + times(100, "{namespaces: {}}") + "]}]}"},
	{"anp", adminIn + "from: [{namespaces: {}}], ports: [" + times(101, "{namedPort: http}") + "]}]}", "spec.ingress[0].ports", adminIn + "from: [{namespaces: {}}], ports: [" + times(100, "{namedPort: http}") + "]}]}"},
	{"anp", "spec: {priority: 1, subject: {namespaces: {}}, egress: [" + times(101, "{action: Deny, to: [{namespaces: {}}]}") + "]}", "spec.egress", "spec: {priority: 1, subject: {namespaces: {}}, egress: [" + times(100, "{action: Deny, to: [{namespaces: {}}]}") + "]}"},
	{"anp", adminTo + "{networks: []}]}]}", "spec.egress[0].to[0].networks", adminTo + "{networks: [0.0.0.0/0]}]}]}"},
	{"anp", adminTo + "{networks: [" + ranges(26) + "]}]}]}", "spec.egress[0].to[0].networks", adminTo + "{networks: [" + ranges(25) + "]}]}]}"},
	{"anp", adminTo + "{networks: [10.0.0.0/8, 10.0.0.0/8]}]}]}", "spec.egress[0].to[0].networks[1]", adminTo + "{networks: [10.0.0.0/8, 10.0.0.0/9]}]}]}"},
	{"anp", adminTo + "{networks: [10.0.0.0/08]}]}]}", "spec.egress[0].to[0].networks[0]", adminTo + "{networks: [10.1.2.3/8]}]}]}"},
	{"anp", adminTo + "{domainNames: [localhost]}]}]}", "spec.egress[0].to[0].domainNames[0]", adminTo + "{domainNames: [example.com.]}]}]}"},
	{"anp", adminTo + "{domainNames: [www.*.com]}]}]}", "spec.egress[0].to[0].domainNames[0]", adminTo + "{domainNames: [\"*.Example.com\", a_b.example.com]}]}]}"},
	{"anp", adminTo + "{domainNames: []}]}]}", "spec.egress[0].to[0].domainNames", adminTo + "{domainNames: [a.b]}]}]}"},
	{"anp", adminTo + "{domainNames: [a.b, a.b]}]}]}", "spec.egress[0].to[0].domainNames[1]", adminTo + "{domainNames: [a.b, a.B]}]}]}"},
	{"anp", adminTo + "{networks: [10.0.0.0/8]}], ports: [{namedPort: http}]}]}", "spec.egress[0].ports[0].namedPort", adminTo + "{namespaces: {}}], ports: [{namedPort: http}]}]}"},
	{"anp", adminTo + "{nodes: {}}], ports: [{namedPort: http}]}]}", "spec.egress[0].ports[0].namedPort", adminTo + "{nodes: {matchExpressions: [{key: a, operator: Foo}]}}]}]}"},
	{"anp", adminIn + "from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP}}]}]}", "spec.ingress[0].ports[0].portNumber", adminIn + "from: [{namespaces: {}}], ports: [{portNumber: {protocol: ICMP, port: 80}}]}]}"},
	{"anp", adminIn + "from: [{namespaces: {}}], ports: [{portRange: {start: 1}}]}]}", "spec.ingress[0].ports[0].portRange", adminIn + "from: [{namespaces: {}}], ports: [{portRange: {start: 2, end: 1}}]}]}"},
	{"anp", adminIn + "from: [{namespaces: {}}], ports: [{namedPort: http, portNumber: {port: 80}}]}]}", "spec.ingress[0].ports[0]", adminIn + "from: [{namespaces: {}}], ports: [{namedPort: \"\"}]}]}"},
	{"anp", adminIn + "from: [{namespaces: {matchExpressions: [{operator: In}]}}]}]}", "spec.ingress[0].from[0].namespaces.matchExpressions[0]", adminIn + "from: [{namespaces: {matchExpressions: [{key: a, operator: In}], matchLabels: {a b: c d}}}]}]}"},
	{"cnp", "spec: {tier: Admin, priority: 1, subject: {pods: {namespaceSelector: {}}}}", "spec.subject.pods", "spec: {tier: Admin, priority: 1, subject: {pods: {podSelector: {}}}}"},
	{"cnp", cluster + "egress: [" + times(26, "{action: Deny, to: [{namespaces: {}}]}") + "]}", "spec.egress", cluster + "egress: [" + times(25, "{action: Deny, to: [{namespaces: {}}]}") + "]}"},
	{"cnp", cluster + "ingress: [{action: Deny, from: [" + times(26, "{namespaces: {}}") + "]}]}", "spec.ingress[0].from", cluster + "ingress: [{action: Deny, from: [" + times(25, "{namespaces: {}}") + "]}]}"},
	{"cnp", cluster + "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [" + times(26, "{destinationNamedPort: http}") + "]}]}", "spec.ingress[0].protocols", cluster + "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [" + times(25, "{destinationNamedPort: http}") + "]}]}"},
	{"cnp", cluster + "egress: [{action: Accept, to: [{domainNames: [\"*\"]}]}]}", "spec.egress[0].to[0].domainNames[0]", cluster + "egress: [{action: Deny, to: [{domainNames: [\"*.a.b\"]}]}]}"},
	{"cnp", cluster + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {}}]}]}", "spec.egress[0].protocols[0].tcp", cluster + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 65535}}}]}]}"},
	{"cnp", cluster + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}]}]}", "spec.egress[0].protocols[0]", cluster + "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 1}}}, {udp: {destinationPort: {number: 1}}}]}]}"},

	{"slice", "addressType: IPv5\nendpoints: []", "addressType", "addressType: FQDN\nendpoints: []"},
	{"slice", "endpoints: []", "has no addressType", "addressType: IPv4"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: []}]", "endpoints[0].addresses", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1, 10.0.0.1]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [\"2001:db8::1\"]}]", "endpoints[0].addresses[0]", "addressType: IPv6\nendpoints: [{addresses: [\"2001:db8::1\"]}]"},
	{"slice", "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]", "endpoints[0].addresses[0]", "addressType: IPv6\nendpoints: [{addresses: [\"2001:db8::2\"]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nendpoints: [{addresses: [225.0.0.1]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [169.254.0.1]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nendpoints: [{addresses: [255.255.255.255]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [0.0.0.0]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nendpoints: [{addresses: [0.0.0.1]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [224.0.0.1]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nendpoints: []"},
	{"slice", "addressType: IPv6\nendpoints: [{addresses: [\"fe80::1\"]}]", "endpoints[0].addresses[0]", "addressType: IPv6\nendpoints: [{addresses: [\"fd00::1\"]}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [example.com]}]", "endpoints[0].addresses[0]", "addressType: FQDN\nendpoints: [{addresses: [example.com]}]"},
	{"slice", "addressType: FQDN\nendpoints: [{addresses: [localhost]}]", "endpoints[0].addresses[0]", "addressType: FQDN\nendpoints: [{addresses: [a.b]}]"},
	{"slice", "addressType: IPv4\nports: [{port: 1}, {port: 2}]", "ports[1]", "addressType: IPv4\nports: [{port: 1}, {name: a, port: 2}]"},
	{"slice", "addressType: IPv4\nports: [{name: A, port: 1}]", "ports[0].name", "addressType: IPv4\nports: [{name: a-1, port: 1}]"},
	{"slice", "addressType: IPv4\nports: [{protocol: tcp, port: 1}]", "ports[0].protocol", "addressType: IPv4\nports: [{protocol: SCTP}]"},
	{"slice", "addressType: IPv4\nports: [{appProtocol: a b}]", "ports[0].appProtocol", "addressType: IPv4\nports: [{appProtocol: example.com/a}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hostname: A.b}]", "endpoints[0].hostname", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hostname: a, nodeName: a.b}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: a_b}]", "endpoints[0].nodeName", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: a.b-c}]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [" + addressList(101) + "]}]", "endpoints[0].addresses", "addressType: IPv4\nendpoints: [{addresses: [" + addressList(100) + "]}]"},
	{"slice", "addressType: IPv4\nendpoints: [" + times(1001, "{addresses: [10.0.0.1]}") + "]", "endpoints", "addressType: IPv4\nendpoints: [" + times(1000, "{addresses: [10.0.0.1]}") + "]"},
	{"slice", "addressType: IPv4\nendpoints: [{addresses: [010.0.0.1]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nports: [{port: 70000}]"},
	{"slice", "addressType: IPv6\nendpoints: [{addresses: [\"::ffff:10.0.0.1\"]}]", "endpoints[0].addresses[0]", "addressType: IPv4\nports: [{port: 0}, {name: a, port: null}]"},
}

const (
	adminIn = "spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, "
	adminTo = "spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Allow, to: ["
)

var long = strings.Repeat("a", 101)

// times returns the items of a list that are all alike.
func times(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+", ", n), ", ") }

func ranges(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("10.%d.0.0/16", i))
	}
	return strings.Join(list, ", ")
}

func addressList(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("10.0.0.%d", i+1))
	}
	return strings.Join(list, ", ")
}

// manifest returns an object of the row's kind.
func (v refusalRow) manifest(text string) string {
	head := map[string]string{
		"np":    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n",
		"anp":   "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\n",
		"banp":  "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\n",
		"slice": "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n",
		"cnp":   "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n",
	}[v.kind]
	if !strings.HasPrefix(text, "metadata:") {
		head += "metadata: {name: x}\n"
	}
	return head + text + "\n"
}

func TestRefusedNetworkPolicies(t *testing.T) {
	for _, row := range refusalRows {
		root, source := parse(t, row.manifest(row.refused))
		path := row.where
		if _, err := NewObject(root, source, "", "a"); err == nil || !strings.Contains(err.Error(), "the API server would refuse it: "+path) {
			t.Errorf("%s\ngives %v\nwant %s", row.refused, err, path)
		}
		root, _ = parse(t, row.manifest(row.refused))
		if o, err := NewLiveObject(root, Live{Interner: tree.NewInterner()}); err != nil || o == nil {
			t.Errorf("%s\nof a cluster: %v", row.refused, err)
		}
		root, source = parse(t, row.manifest(row.taken))
		if _, err := NewObject(root, source, "", "a"); err != nil {
			t.Errorf("%s\ngives %v", row.taken, err)
		}
	}
}
