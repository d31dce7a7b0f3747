package attack

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/reach"
)

// TestAssumed asks for what is not in the input: it is reached by rights over all
// of its kind or over its name, in a namespace that there is, and is no place of
// what was read as a whole.
func TestAssumed(t *testing.T) {
	byName := func(cluster bool, resource, verb, name string) string {
		return role(cluster, "{apiGroups: [''], resources: ["+resource+"], verbs: ["+verb+"], resourceNames: ["+name+"]}")
	}
	const clusterRead = "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]}"
	const in = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: quiet, namespace: data}}"
	secrets := model.Gap{Kind: model.SecretKind, Reason: "secrets may not be listed"}
	for _, c := range []struct {
		name, yaml, to        string
		closed                bool
		gaps                  []model.Gap
		path, unknown, unread bool // unknown: the target is none of the input
	}{
		{"list", role(false, rule("list", "", "secrets")), "secret/shop/none", false, nil, true, false, false},
		{"list elsewhere", role(false, rule("list", "", "secrets")) + in, "secret/data/none", false, nil, false, false, false},
		{"list in the cluster", role(true, rule("list", "", "secrets")) + in, "secret/data/none", false, nil, true, false, false},
		{"by name in the cluster", byName(true, "secrets", "get", "none") + in, "secret/data/none", false, nil, true, false, false},
		{"by another name", byName(true, "secrets", "get", "other") + in, "secret/data/none", false, nil, false, false, false},
		{"by name in its namespace", byName(false, "secrets", "get", "none"), "secret/shop/none", false, nil, true, false, false},
		{"nothing but the binding is there", strings.Replace(role(false, rule("list", "", "secrets")), "metadata: {name: b, namespace: shop}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role,",
			"metadata: {name: b, namespace: data}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole,", 1) + clusterRead, "secret/data/none", false, nil, true, false, false},
		{"its namespace is nowhere", role(true, rule("list", "", "secrets")), "secret/data/none", false, nil, false, true, false},
		{"all was read", role(false, rule("list", "", "secrets")), "secret/shop/none", true, nil, false, true, false},
		{"secrets were not read", role(false, rule("list", "", "secrets")), "secret/shop/none", true, []model.Gap{secrets}, true, false, true},
		{"secrets were not read, and no right", role(false, rule("list", "", "services")), "secret/shop/none", true, []model.Gap{secrets}, false, false, true},
		{"pods mount claims", role(false, rule("create", "", "pods")), "volume/shop/none", false, nil, true, false, false},
		{"no pods", role(false, rule("get", "", "pods")), "volume/shop/none", false, nil, false, false, false},
		{"tokens", role(false, rule("create", "", "serviceaccounts/token")), "sa/shop/none", false, nil, true, false, false},
		{"tokens of others", byName(false, "serviceaccounts/token", "create", "other"), "sa/shop/none", false, nil, false, false, false},
	} {
		s := model.NewSnapshot(parse(t, c.yaml), c.closed, c.gaps...)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37, Target: c.to})
		q := Query{From: "sa/shop/default", To: c.to}
		ends, err := g.Ends(q)
		if got := errors.Is(err, ErrUnknownPlace); got != c.unknown {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, assumed := g.Assumed(); assumed == c.unknown {
			t.Errorf("%s: assumed %t", c.name, assumed)
		}
		if got := g.UnreadEnd(q) != ""; got != c.unread {
			t.Errorf("%s: unread %t", c.name, got)
		}
		if got := err == nil && len(g.Distances(ends.To...).Paths(ends.From, 1)) > 0; got != c.path {
			t.Errorf("%s: path %t", c.name, got)
		}
		if !c.path {
			continue
		}
		if remedies, err := g.Remedies(q, 3); err != nil || len(remedies) == 0 || remedies[0].Closed != 1 ||
			!slices.ContainsFunc(remedies, func(m Remedy) bool { return strings.HasPrefix(m.Title, "remove ") }) { // also where nothing else is in the namespace
			t.Errorf("%s: %v, %v", c.name, remedies, err)
		}
	}
}

// TestThere holds that what a pod, a binding or Kubernetes itself names is not
// doubted, nor what is in the input and nothing leads to.
func TestThere(t *testing.T) {
	const account = "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: quiet, namespace: shop}}"
	yaml := deploy("web", claim, "envFrom: [{secretRef: {name: key}}]\n          volumeMounts: [{name: host, mountPath: /d}]") + strings.Replace(role(false, rule("get", "", "pods")), "name: default", "name: robot", 1) + account
	for _, to := range []string{"secret/shop/key", "volume/shop/data", "sa/shop/default", "sa/shop/quiet", "sa/shop/robot", "sa/default/default"} {
		s := model.NewSnapshot(parse(t, yaml), false)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37, Target: to})
		v, assumed := g.Assumed()
		if _, err := g.Target(to); err != nil || assumed {
			t.Errorf("%s: %v, assumed %s", to, err, v)
		}
	}
}

// TestUnreadCloud holds that a cloud identity may be one of an account that was not
// read.
func TestUnreadCloud(t *testing.T) {
	q := Query{From: "internet", To: "cloud-identity/arn:aws:iam::1:role/web"}
	for _, gap := range []model.Gap{{Kind: model.ServiceAccountKind, Reason: "x"}, {Kind: associations[0].kind, Reason: "x"}, {Kind: model.ConfigMapKind, Reason: "x"}} {
		s := model.NewSnapshot(parse(t, deploy("web", "", "")), true, gap)
		g := New(s, reach.New(s), access.New(s), Options{KubernetesMinor: 37, Target: q.To})
		if got := g.UnreadEnd(q) != ""; got != (gap.Kind != model.ConfigMapKind) {
			t.Errorf("%s: unread %t", gap.Kind, got)
		}
	}
}
