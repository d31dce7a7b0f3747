package attack

import (
	"slices"
	"strings"
	"testing"
)

const argo = "\n---\n{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: cd, namespace: argocd}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: cd, containers: [{name: c, image: 'quay.io/argoproj/argocd:v3', args: [/usr/local/bin/argocd-application-controller]}]}}}}\n"

const flux = "\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: kc, namespace: flux-system}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: kc, containers: [{name: c, image: 'ghcr.io/fluxcd/kustomize-controller:v1', args: [--watch-all-namespaces]}]}}}}\n"

// bound binds the service account that Helm releases are made with.
const bound = "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: hc}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: helm-controller, namespace: flux-system}]}\n"

// some is a rule about objects of one name.
func some(verbs, group, resources string) string {
	return strings.Replace(rule(verbs, group, resources), "verbs:", "resourceNames: [one], verbs:", 1)
}

var operatorCases = []kindCase{
	{StartByOperator, role(false, some("patch", "argoproj.io", "rollouts")), "service account shop/default -> own pods in namespace shop, unknown", []string{"[patch] => [get]", "resources: [rollouts] => resources: [analysistemplates]", "[patch] => [create]"}},
	{StartMachine, role(false, some("update", "kubevirt.io", "virtualmachines")), "service account shop/default -> all secrets in namespace shop, unknown", []string{"[update] => [get]", "kubevirt.io => ''"}},
	{StartMachine, role(false, some("update", "kubevirt.io", "virtualmachines")), "service account shop/default -> all service accounts in namespace shop, unknown", []string{"[update] => [get]", "kubevirt.io => ''"}},
	{DriveDeployer, argo + role(true, some("patch", "argoproj.io", "applications")), "service account shop/default -> service account argocd/cd, unknown",
		[]string{"[patch] => [get]", "bin/argocd-application-controller => bin/argocd-server", "resources: [applications] => resources: [appprojects]"}},
	{DriveDeployer, strings.Replace(flux, "--watch-all-namespaces", "--default-service-account=default", 1) + role(false, some("patch", "kustomize.toolkit.fluxcd.io", "kustomizations")),
		"service account shop/default -> all service accounts in namespace shop, unknown", []string{"[patch] => [get]", "--default-service-account=default => --watch-all-namespaces"}},
	{DriveDeployer, role(false, some("patch", "helm.cattle.io", "helmcharts")), "service account shop/default -> cluster-admin, unknown", []string{"[patch] => [get]", "resources: [helmcharts] => resources: [charts]"}},
	{StartByOperator, role(false, rule("create", "argoproj.io", "workflows")), "service account shop/default -> own pods in namespace shop, likely",
		[]string{"[create] => [get]", "argoproj.io => example.org", "resources: [workflows] => resources: [workflowtemplates]", "~[create] => [patch]"}},
	{StartByOperator, role(true, rule("create", "tekton.dev", "taskruns")), "service account shop/default -> own pods of the cluster, likely",
		[]string{"[create] => [get]", "resources: [taskruns] => resources: [tasks]", "tekton.dev => ''"}},
	{StartMachine, role(false, rule("create", "kubevirt.io", "virtualmachines")), "service account shop/default -> all service accounts in namespace shop, likely", []string{"[create] => [get]", "kubevirt.io => ''"}},
	{StartMachine, role(false, rule("create", "kubevirt.io", "virtualmachines")), "service account shop/default -> all secrets in namespace shop, likely", []string{"[create] => [get]", "kubevirt.io => ''"}},
	{DriveDeployer, argo + role(false, rule("patch", "argoproj.io", "applications")), "service account shop/default -> service account argocd/cd, unknown",
		[]string{"[patch] => [get]", "bin/argocd-application-controller => bin/argocd-server"}},
	{DriveDeployer, argo + role(true, rule("create", "argoproj.io", "applications")), "service account shop/default -> service account argocd/cd, likely",
		[]string{"[create] => [get]", "bin/argocd-application-controller => bin/argocd-server", "resources: [applications] => resources: [appprojects]"}},
	{DriveDeployer, flux + role(false, rule("create", "kustomize.toolkit.fluxcd.io", "kustomizations")), "service account shop/default -> service account flux-system/kc, likely",
		[]string{"[create] => [get]", "kustomize-controller:v1 => source-controller:v1", "--watch-all-namespaces => --default-service-account=default"}},
	{DriveDeployer, strings.Replace(flux, "--watch-all-namespaces", "--default-service-account=default", 1) + role(false, rule("create", "kustomize.toolkit.fluxcd.io", "kustomizations")),
		"service account shop/default -> all service accounts in namespace shop, likely", []string{"[create] => [get]", "--default-service-account=default => --watch-all-namespaces"}},
	{DriveDeployer, bound + role(false, rule("create", "helm.toolkit.fluxcd.io", "helmreleases")), "service account shop/default -> service account flux-system/helm-controller, likely",
		[]string{"[create] => [get]", "name: helm-controller => name: source-controller"}},
	{DriveDeployer, role(false, rule("create", "helm.cattle.io", "helmcharts")), "service account shop/default -> cluster-admin, likely", []string{"[create] => [get]", "resources: [helmcharts] => resources: [charts]"}},
	{ExceptPods, strings.Replace(cloud, "aws:///a/i-1", "azure:///s/m", 1) + role(false, rule("create", "aadpodidentity.k8s.io", "azurepodidentityexceptions"), rule("create", "", "pods")),
		"service account shop/default -> cloud identity of nodes, likely", []string{"resources: [azurepodidentityexceptions] => resources: [azureidentitybindings]", "resources: [pods] => resources: [configmaps]", "azure:///s/m => aws:///a/i-1"}},
	{WriteRoute, role(false, rule("create", "networking.k8s.io", "ingresses")), "service account shop/default -> ports of pods behind Services in namespace shop, likely",
		[]string{"[create] => [get]", "networking.k8s.io => extensions"}},
	{WriteRoute, deploy("web", "", web) + denied + role(false, rule("create", "gateway.networking.k8s.io", "httproutes")), "service account shop/default -> ports of pods behind Services in namespace shop, unknown",
		[]string{"[create] => [get]", "resources: [httproutes] => resources: [referencegrants]"}},
	{WriteRoute, role(true, rule("create", "networking.k8s.io", "ingresses")), "service account shop/default -> ports of pods behind Services of the cluster, likely", []string{"[create] => [get]"}},
	{WriteRoute, role(false, rule("create", "networking.k8s.io", "ingresses"), rule("create", "", "services")), "service account shop/default -> ports of pods in namespace shop, likely",
		[]string{"[create] => [get]", "resources: [services] => resources: [endpoints]"}},
	{WriteRoute, role(true, rule("create", "networking.k8s.io", "ingresses"), rule("create", "", "services")), "service account shop/default -> ports of pods of the cluster, likely",
		[]string{"[create] => [get]", "resources: [services] => resources: [endpoints]"}},
	{Member, role(true, rule("create", "networking.k8s.io", "ingresses")), "ports of pods behind Services of the cluster -> ports of pods behind Services in namespace shop, given", []string{"[create] => [get]", nobody}},
	{ProxyService, deploy("web", "", web) + hookService + role(false, rule("create", "networking.k8s.io", "ingresses")), "ports of pods behind Services in namespace shop -> container app of Deployment shop/web, needs an exploit",
		[]string{"[create] => [get]", "selector: {app: web}, ports => selector: {app: other}, ports"}},
}

// TestUnknownOperators holds that a cluster that was read, and does not know a resource,
// has no operator for it.
func TestUnknownOperators(t *testing.T) {
	const crd = "\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: workflows.argoproj.io}, spec: {group: argoproj.io, names: {kind: Workflow, plural: workflows}}}\n"
	const want = "start-by-operator: service account shop/default -> own pods in namespace shop, likely"
	yaml := role(false, rule("create", "argoproj.io", "workflows"))
	for text, there := range map[string]bool{yaml: false, yaml + crd: true, yaml + strings.ReplaceAll(crd, "workflows", "applications"): false} {
		if got := slices.Contains(graphOf(t, true, parse(t, text)...).told(), want); got != there {
			t.Errorf("%t of %s", got, text)
		}
		if !slices.Contains(graphOf(t, false, parse(t, text)...).told(), want) {
			t.Errorf("nothing in an open world of %s", text)
		}
	}
}

// TestOperatedByName follows rights over one custom object where the cluster knows the
// resource, and where it may.
func TestOperatedByName(t *testing.T) {
	const known = "\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: rollouts.argoproj.io}, spec: {group: argoproj.io, scope: Namespaced, names: {plural: rollouts, kind: Rollout}, versions: []}}"
	const edge = "start-by-operator: service account shop/default -> own pods in namespace shop, unknown"
	yaml := role(false, some("patch", "argoproj.io", "rollouts"))
	for _, c := range []struct {
		name, yaml   string
		closed, want bool
	}{
		{"the resource may be known", yaml, false, true}, {"it is known", yaml + known, true, true}, {"it is not", yaml, true, false},
		{"another is", yaml + strings.ReplaceAll(known, "rollouts", "workflows"), true, false},
	} {
		if told := graphOf(t, c.closed, parse(t, c.yaml)...).told(); slices.Contains(told, edge) != c.want {
			t.Errorf("%s: want %t, of\n%s", c.name, c.want, strings.Join(told, "\n"))
		}
	}
}
