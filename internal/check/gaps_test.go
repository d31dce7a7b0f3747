package check

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// TestFactsWithGaps asks each fact of a closed snapshot in which one kind at a
// time was not read: a fact that is made of objects of that kind must not say that
// there are none.
func TestFactsWithGaps(t *testing.T) {
	rbac := func(kind string) model.GroupKind {
		return model.GroupKind{Group: "rbac.authorization.k8s.io", Kind: kind}
	}
	kinds := map[string]struct {
		gk    model.GroupKind
		facts string // that must become unknown
	}{
		"Service":                 {model.ServiceKind, "services exposure"},
		"Ingress":                 {model.IngressKind, "exposure routes consumers used"},
		"HTTPRoute":               {model.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}, "exposure routes consumers used"},
		"NetworkPolicy":           {model.NetworkPolicyKind, "ingressPolicies egressPolicies"},
		"GlobalNetworkPolicy":     {model.GroupKind{Group: "projectcalico.org", Kind: "GlobalNetworkPolicy"}, "ingressPolicies egressPolicies consumers used"},
		"EgressFirewall":          {model.GroupKind{Group: "k8s.ovn.org", Kind: "EgressFirewall"}, "ingressPolicies egressPolicies consumers used"},
		"PodDisruptionBudget":     {model.BudgetKind, "disruptionBudgets"},
		"HorizontalPodAutoscaler": {model.AutoscalerKind, "autoscalers"},
		"RoleBinding":             {rbac("RoleBinding"), "rights bound readers used"},
		"ClusterRoleBinding":      {rbac("ClusterRoleBinding"), "rights bound readers used"},
		"ServiceAccount":          {model.ServiceAccountKind, "serviceAccount consumers used"},
		"Deployment":              {model.DeploymentKind, "consumers used selected idle"},
		"Pod":                     {model.PodKind, "consumers used selected idle"},
		"Namespace":               {model.NamespaceKind, "namespace idle"},
		"ConfigMap":               {model.ConfigMapKind, ""},
		"PersistentVolumeClaim":   {model.PersistentVolumeClaimKind, "orphaned dataNamespaces copies"},
		"PersistentVolume":        {model.PersistentVolumeKind, "dataNamespaces consumers used"},
		"ReferenceGrant":          {model.ReferenceGrantKind, "copies consumers used"},
	}
	subjects := []string{
		workload("StatefulSet", "web", "serviceAccountName: web"), object("v1", "Service", "s", "spec: {selector: {app: none}}"),
		object("v1", "Secret", "s", ""), object("networking.k8s.io/v1", "NetworkPolicy", "np", denyAll), object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", ""),
		object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}"),
	}
	for name, c := range kinds {
		for _, subject := range subjects {
			o, s := world(t, subject, true)
			facts := NewFacts(s, nil)
			gap := model.Gap{Kind: c.gk, Reason: "the test did not read it"}
			gapped := NewFacts(model.NewSnapshot([]*model.Object{o}, true, gap), nil)
			elsewhere := gap
			elsewhere.Except = []string{"shop"}
			within := NewFacts(model.NewSnapshot([]*model.Object{o}, true, elsewhere), nil)
			for _, fact := range append(FactNames(), "namespace") {
				ask := func(f *Facts) (tree.Node, bool) {
					if fact == "namespace" && o.Key.Namespace == "" {
						return tree.Node{}, false
					}
					if fact == "namespace" {
						return *f.Namespace(o), true
					}
					return f.Fact(o, nil, fact)
				}
				want, ok := ask(facts)
				if !ok {
					continue
				}
				got, _ := ask(gapped)
				unknown := got.Is(tree.Unknown)
				if expect := strings.Contains(" "+c.facts+" ", " "+fact+" "); expect && !unknown && want.Len() == 0 {
					t.Errorf("%s of %s without %ss: %s, want unknown", fact, o.Key, name, show(&got))
				} else if !expect && unknown && !want.Is(tree.Unknown) {
					if fact != "sharedVolumes" {
						t.Errorf("%s of %s without %ss is unknown: %s", fact, o.Key, name, got.Text())
					}
				}
				if unknown && !want.Is(tree.Unknown) && !strings.Contains(got.Text(), "was not read") && got.Text() != gap.Reason {
					t.Errorf("%s of %s: reason %q", fact, o.Key, got.Text())
				}
				if fact == "services" || fact == "disruptionBudgets" || fact == "serviceAccount" {
					if near, _ := ask(within); near.Is(tree.Unknown) {
						t.Errorf("%s of %s: unknown for want of %ss of other namespaces", fact, o.Key, name)
					}
				}
			}
		}
	}
}

// TestReferencesWithGaps looks for what an object names and a cluster did not show.
func TestReferencesWithGaps(t *testing.T) {
	text := workload("Deployment", "web", "volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: p}]}}, {name: c, configMap: {name: c}}]")
	found := func(objects []*model.Object, gaps ...model.Gap) map[string]string {
		all := map[string]string{}
		for _, r := range NewFacts(model.NewSnapshot(objects, true, gaps...), nil).References(objects[0]) {
			n := r.Value.Get("found")
			all[r.Value.Get("kind").Str()] = show(n)
		}
		return all
	}
	o, _ := world(t, text, true)
	got := found([]*model.Object{o}, model.Gap{Kind: model.SecretKind, Reason: "secrets may not be listed"})
	if got["Secret"] != "?" || got["ConfigMap"] != "false" {
		t.Errorf("found %v", got)
	}
	root := tree.MapOf(tree.Entry("apiVersion", "v1"), tree.Entry("kind", "Secret"), tree.Entry("metadata", tree.MapOf(tree.Entry("name", "s"), tree.Entry("namespace", "shop"))),
		tree.Entry("type", tree.UnknownBecause("not read")), tree.Entry("data", tree.UnknownBecause("not read")))
	secret, err := model.NewObject(&root, &model.Source{File: &tree.File{}}, "", "shop")
	if err != nil {
		t.Fatal(err)
	}
	got = found([]*model.Object{o, secret})
	if got["Secret"] != "true" || got["SecretKey"] != "?" {
		t.Errorf("found %v", got)
	}
}

// A short path may be over what was not read, when only a long one is known.
func TestShorterPathMayBeOverAGap(t *testing.T) {
	const text = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, automountServiceAccountToken: true, containers: [{name: web, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
`
	_, s := world(t, text, true)
	var objects []*model.Object
	for _, o := range s.All() {
		objects = append(objects, o)
	}
	shorter := func(gaps ...model.Gap) string {
		o := s.Get(model.Key{Namespace: "shop", GroupKind: model.DeploymentKind, Name: "web"})
		paths, _ := NewFacts(model.NewSnapshot(objects, true, gaps...), nil).Fact(o, &o.Pods()[0], "attackPaths")
		path := paths.Get("clusterAdmin").At(0)
		if steps, ok := path.Get("steps").Int(); !ok || steps == 0 {
			t.Fatalf("no path is known: %s", show(&paths))
		}
		return show(path.Get("shorter"))
	}
	if got := shorter(); got != "false" {
		t.Errorf("all was read: %s", got)
	}
	if got := shorter(model.Gap{Kind: model.RoleKind, Reason: "roles may not be listed"}); got != "?" {
		t.Errorf("roles were not read: %s", got)
	}
}
