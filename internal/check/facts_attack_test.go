package check

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
)

// TestAttackGraphOnDemand holds that no graph is made for what no path may begin
// at: a check of one file pays nothing.
func TestAttackGraphOnDemand(t *testing.T) {
	for _, c := range []struct {
		fact, text string
		graph      bool
	}{
		{"attackPaths", workload("Deployment", "web") + adminWeb, false},
		{"attackPaths", exposedWeb, true},
		{"attackChoke", workload("Deployment", "web") + adminWeb, false},
		{"attackChoke", workload("Deployment", "other") + exposedWeb, true},
		{"takeover", object("v1", "ServiceAccount", "idle", "") + exposedWeb + adminWeb, false},
		{"takeover", object("v1", "ServiceAccount", "web", "") + adminWeb, true},
	} {
		for _, closed := range []bool{false, true} {
			graph := c.graph && (closed || c.fact != "attackChoke") // which an open world never answers
			o, s := world(t, c.text, closed)
			f := NewFacts(s, nil)
			made := 0
			f.attack = func() *attackIndex {
				made++
				return f.indexAttack()
			}
			f.Fact(o, nil, c.fact)
			if (made > 0) != graph {
				t.Errorf("%s of %s: %d graphs\n%s", c.fact, o.Key, made, c.text)
			}
		}
	}
}

// TestAttackFactsWithGaps leaves out one kind at a time: that there is no path is
// then unknown, and that there is one where network policies may close it.
func TestAttackFactsWithGaps(t *testing.T) {
	account := object("v1", "ServiceAccount", "idle", "")
	none := map[string]struct{ text, complete, gap string }{
		"attackPaths": {exposedWeb, "{clusterAdmin:[] node:[]}", "{clusterAdmin:? node:?}"},
		"attackChoke": {exposedWeb, "{of:0 every:false}", "{of:? every:?}"},
		"takeover":    {account, "[]", "?"},
	}
	for fact, c := range none {
		_, s := world(t, c.text, true)
		var objects []*model.Object
		for _, o := range s.All() {
			objects = append(objects, o)
		}
		o, _ := world(t, c.text, true)
		ask := func(gaps ...model.Gap) string {
			value, _ := NewFacts(model.NewSnapshot(objects, true, gaps...), nil).Fact(s.Get(o.Key), nil, fact)
			return show(&value)
		}
		if got := ask(); got != c.complete {
			t.Errorf("%s: %s, want %s", fact, got, c.complete)
		}
		for _, gk := range attackKinds {
			if got := ask(model.Gap{Kind: gk, Reason: "the test did not read it"}); got != c.gap {
				t.Errorf("%s without %s: %s, want %s", fact, gk, got, c.gap)
			}
		}
	}
	o, s := world(t, exposedWeb+adminWeb, true)
	var objects []*model.Object
	for _, object := range s.All() {
		objects = append(objects, object)
	}
	f := NewFacts(model.NewSnapshot(objects, true, model.Gap{Kind: model.NetworkPolicyKind, Reason: "the test did not read it"}), nil)
	if value, _ := f.Fact(o, nil, "attackPaths"); show(&value) != "{clusterAdmin:? node:?}" {
		t.Errorf("without NetworkPolicies: %s", show(&value))
	}
}

// TestAttackPathsOfOnePodOfSeveral holds that what leads over one pod template says
// nothing of another one of the same object.
func TestAttackPathsOfOnePodOfSeveral(t *testing.T) {
	o, s := world(t, object("example.org/v1", "Widget", "w", `spec:
  one: {metadata: {labels: {app: one}}, spec: {automountServiceAccountToken: false, containers: [{name: a, image: b, ports: [{containerPort: 8080}]}]}}
  two: {metadata: {labels: {app: two}}, spec: {serviceAccountName: web, containers: [{name: a, image: b, ports: [{containerPort: 8080}]}]}}
`)+object("v1", "Service", "one", "spec: {type: LoadBalancer, selector: {app: one}, ports: [{port: 80, targetPort: 8080}]}")+
		object("v1", "Service", "two", "spec: {type: LoadBalancer, selector: {app: two}, ports: [{port: 80, targetPort: 8080}]}")+
		object("networking.k8s.io/v1", "NetworkPolicy", "np", "spec: {podSelector: {matchLabels: {app: one}}, policyTypes: [Egress], egress: []}")+adminWeb, true)
	f := NewFacts(s, nil)
	for i, leads := range []bool{false, true} {
		paths, _ := f.Fact(o, &o.Pods()[i], "attackPaths")
		if got := paths.Get("clusterAdmin").Len() > 0; got != leads {
			t.Errorf("pod %s: %s", o.Pods()[i].SpecPath, show(&paths))
		}
	}
}

// TestAttackPathsHaveTheFewestSteps holds that a longer way of surer steps does not
// hide a short one.
func TestAttackPathsHaveTheFewestSteps(t *testing.T) {
	short := exposedWeb + workload("Deployment", "db", "serviceAccountName: db") + binding("ClusterRoleBinding", "db", "ClusterRole", "cluster-admin", "{kind: ServiceAccount, name: db, namespace: shop}")
	long := object(rbac, "Role", "r", `rules: [{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [b]}]`) +
		object(rbac, "Role", "s", `rules: [{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [c]}]`) +
		object("v1", "ServiceAccount", "b", "") + object("v1", "ServiceAccount", "c", "") + object("v1", "ServiceAccount", "web", "") + object("v1", "ServiceAccount", "db", "") +
		binding("RoleBinding", "r", "Role", "r", accountWeb) + binding("RoleBinding", "s", "Role", "s", "{kind: ServiceAccount, name: b, namespace: shop}") +
		binding("ClusterRoleBinding", "c", "ClusterRole", "cluster-admin", "{kind: ServiceAccount, name: c, namespace: shop}")
	steps := func(text string) string {
		o, s := world(t, text, true)
		paths, _ := NewFacts(s, nil).Fact(o, nil, "attackPaths")
		return paths.Get("clusterAdmin").At(0).Get("steps").Text()
	}
	alone, both := steps(short), steps(short+long)
	if only := steps(exposedWeb + long); alone == "" || alone >= only {
		t.Fatalf("%s steps are not fewer than %s", alone, only)
	}
	if both != alone {
		t.Errorf("%s steps, want %s", both, alone)
	}
}

// TestUnreadEndpointsLeaveAttackPathsOpen holds that pods may be reached over a
// Service without a selector whose endpoints were not read.
func TestUnreadEndpointsLeaveAttackPathsOpen(t *testing.T) {
	o, s := world(t, strings.Replace(exposedWeb, "selector: {app: web}, ports", "ports", 1)+adminWeb, true)
	var objects []*model.Object
	for _, object := range s.All() {
		objects = append(objects, object)
	}
	gap := model.Gap{Kind: model.GroupKind{Group: "discovery.k8s.io", Kind: "EndpointSlice"}, Reason: "the test did not read it"}
	f := NewFacts(model.NewSnapshot(objects, true, gap), nil)
	if value, _ := f.Fact(o, nil, "attackPaths"); show(&value) != "{clusterAdmin:? node:?}" {
		t.Errorf("without EndpointSlices: %s", show(&value))
	}
}
