package model

import (
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
}

// manifest returns an object of the row's kind.
func (v refusalRow) manifest(text string) string {
	head := map[string]string{
		"np":   "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n",
		"anp":  "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\n",
		"banp": "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\n",
		"cnp":  "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n",
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
		if _, err := NewObject(root, source, "", "a"); err == nil || !strings.Contains(err.Error(), "the API server would refuse it: "+path+" ") {
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
