package model

import (
	"slices"
	"testing"
)

func TestGroupKinds(t *testing.T) {
	for _, test := range []struct {
		gk            GroupKind
		text          string
		builtin, wide bool
	}{
		{GroupKind{"", "Pod"}, "Pod", true, false},
		{GroupKind{"", "Namespace"}, "Namespace", true, true},
		{GroupKind{"apps", "Deployment"}, "Deployment", true, false},
		{GroupKind{"networking.k8s.io", "NetworkPolicy"}, "NetworkPolicy", true, false},
		{GroupKind{"rbac.authorization.k8s.io", "ClusterRole"}, "ClusterRole", true, true},
		{GroupKind{"gateway.networking.k8s.io", "Gateway"}, "Gateway.gateway.networking.k8s.io", false, false},
		{GroupKind{"gateway.networking.k8s.io", "GatewayClass"}, "GatewayClass.gateway.networking.k8s.io", false, true},
		{GroupKind{"kueue.x-k8s.io", "Workload"}, "Workload.kueue.x-k8s.io", false, false},
		{GroupKind{"argoproj.io", "Rollout"}, "Rollout.argoproj.io", false, false},
		{GroupKind{"cilium.io", "CiliumClusterwideNetworkPolicy"}, "CiliumClusterwideNetworkPolicy.cilium.io", false, true},
	} {
		if test.gk.String() != test.text || test.gk.Builtin() != test.builtin || test.gk.ClusterScoped() != test.wide {
			t.Errorf("%v: %q, built-in %v, cluster-scoped %v", test.gk, test.gk, test.gk.Builtin(), test.gk.ClusterScoped())
		}
	}
	for apiVersion := range builtinVersions {
		if gk := (GroupKind{GroupOf(apiVersion), "X"}); !gk.Builtin() {
			t.Errorf("%s is not built-in", apiVersion)
		}
	}
}

func TestKeys(t *testing.T) {
	web := Key{Namespace: "shop", GroupKind: GroupKind{"apps", "Deployment"}, Name: "web"}
	if web.String() != "Deployment/shop/web" {
		t.Errorf("key %q", web)
	}
	wide := Key{GroupKind: GroupKind{"", "Namespace"}, Name: "shop"}
	if wide.String() != "Namespace/shop" {
		t.Errorf("key %q", wide)
	}
	other := web
	other.Cluster = "b"
	pod := Key{Namespace: "shop", GroupKind: GroupKind{"", "Pod"}, Name: "a"}
	keys := []Key{other, pod, web, wide}
	slices.SortFunc(keys, Key.Compare)
	if want := []Key{wide, web, pod, other}; !slices.Equal(keys, want) {
		t.Errorf("order %v, want %v", keys, want)
	}
	if web.Compare(web) != 0 || web.Compare(pod) != -pod.Compare(web) {
		t.Error("Compare is no order")
	}
}
