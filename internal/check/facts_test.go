package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// world reads objects and makes a snapshot of them. The first is returned too.
func world(t testing.TB, text string, closed bool) (*model.Object, *model.Snapshot) {
	t.Helper()
	file := &tree.File{Name: "test.yaml", Text: text}
	var objects []*model.Object
	for doc := range tree.Parse(file) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "shop")
		if err != nil || o == nil {
			t.Fatalf("not an object: %v\n%s", err, text)
		}
		objects = append(objects, o)
	}
	return objects[0], model.NewSnapshot(objects, closed)
}

// show writes a fact for comparison: unknown values as a question mark.
func show(n *tree.Node) string {
	var parts []string
	for i := range n.Children() {
		kid := &n.Children()[i]
		if n.Is(tree.Map) {
			parts = append(parts, kid.Key()+":"+show(kid))
		} else {
			parts = append(parts, show(kid))
		}
	}
	switch n.Kind() {
	case tree.Map:
		return "{" + strings.Join(parts, " ") + "}"
	case tree.List:
		return "[" + strings.Join(parts, " ") + "]"
	case tree.Unknown:
		return "?"
	}
	return n.Text()
}

// workload writes a workload of namespace shop with more lines for its pod spec.
func workload(kind, name string, podSpec ...string) string {
	version := "apps/v1"
	if kind == "Job" {
		version = "batch/v1"
	}
	return fmt.Sprintf(`---
apiVersion: %s
kind: %s
metadata: {name: %s}
spec:
  selector: {matchLabels: {app: %[3]s}}
  template:
    metadata: {labels: {app: %[3]s, tier: back}}
    spec:
      %s
      containers:
      - {name: main, image: "registry.example/a:1", ports: [{name: http, containerPort: 8080}]}
`, version, kind, name, strings.Join(podSpec, "\n      "))
}

func object(version, kind, name, rest string) string {
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s}\n%s\n", version, kind, name, rest)
}

const rbac = "rbac.authorization.k8s.io/v1"

func binding(kind, name, roleKind, role, subjects string) string {
	return object(rbac, kind, name, fmt.Sprintf("roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s}\nsubjects: [%s]", roleKind, role, subjects))
}

const (
	accountWeb  = "{kind: ServiceAccount, name: web, namespace: shop}"
	secretRules = `rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]`
	denyAll     = "spec: {podSelector: {}, policyTypes: [Ingress, Egress]}"
)

// factCase asks for a fact of the first object in both worlds.
type factCase struct {
	name, fact, text, open, closed string // closed is as open when empty
}

var factCases = []factCase{
	{"services none", "services", workload("Deployment", "web"), "?", "[]"},
	{"services", "services", workload("Deployment", "web") +
		object("v1", "Service", "b", "spec: {selector: {app: web}, type: NodePort, ports: [{port: 80}]}") +
		object("v1", "Service", "a", "spec: {selector: {app: web, tier: back}, ports: [{port: 80}]}") +
		object("v1", "Service", "other", "spec: {selector: {app: web, tier: front}, ports: [{port: 80}]}") +
		object("v1", "Service", "manual", "spec: {ports: [{port: 80}]}") +
		object("v1", "Service", "outside", "spec: {type: ExternalName, externalName: example.org, selector: {app: web}}"),
		"[{name:a type:ClusterIP} {name:b type:NodePort}]", ""},
	{"services of another namespace", "services", workload("Deployment", "web") +
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: other}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n", "?", "[]"},
	{"exposure none", "exposure", workload("Deployment", "web") + object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80}]}"), "?", "[]"},
	{"exposure by services", "exposure", workload("Deployment", "web") +
		object("v1", "Service", "a", "spec: {selector: {app: web}, type: LoadBalancer, ports: [{port: 80}]}") +
		object("v1", "Service", "b", "spec: {selector: {app: web}, externalIPs: [192.0.2.1], ports: [{port: 80}]}"),
		"[{via:LoadBalancer name:a} {via:ExternalIP name:b}]", ""},
	{"exposure by routes", "exposure", workload("Deployment", "web") +
		object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80}]}") +
		object("networking.k8s.io/v1", "Ingress", "in", "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}") +
		object("networking.k8s.io/v1", "Ingress", "elsewhere", "spec: {defaultBackend: {service: {name: b, port: {number: 80}}}}") +
		object("gateway.networking.k8s.io/v1", "HTTPRoute", "route", "spec: {rules: [{backendRefs: [{name: a, port: 80}, {name: a, port: 81}]}]}"),
		"[{via:Ingress name:in} ?]", ""},
	{"exposure by a route of a Gateway that was read", "exposure", workload("Deployment", "web") +
		object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80}]}") + object("gateway.networking.k8s.io/v1", "Gateway", "g", "spec: {listeners: [{name: l, port: 80, protocol: HTTP}]}") +
		object("gateway.networking.k8s.io/v1", "HTTPRoute", "route", "spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: a, port: 80}]}]}"),
		"[{via:Gateway name:route}]", ""},
	{"exposure by a route that may lead nowhere", "exposure", workload("Deployment", "web") +
		object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80}]}") +
		object("gateway.networking.k8s.io/v1", "HTTPRoute", "route", "spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: a, port: 81}]}]}"),
		"?", "[]"},
	{"exposure on the node", "exposure", strings.Replace(workload("DaemonSet", "web", "hostNetwork: false"), "containerPort: 8080", "containerPort: 8080, hostPort: 80", 1),
		"[{via:HostPort name:80}]", ""},
	{"policies none", "ingressPolicies", workload("Deployment", "web"), "?", "[]"},
	{"policies", "ingressPolicies", workload("Deployment", "web") +
		object("networking.k8s.io/v1", "NetworkPolicy", "all", denyAll) +
		object("networking.k8s.io/v1", "NetworkPolicy", "out", "spec: {podSelector: {}, policyTypes: [Egress]}") +
		object("networking.k8s.io/v1", "NetworkPolicy", "other", "spec: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}"),
		"[all]", ""},
	{"policies out", "egressPolicies", workload("Deployment", "web") +
		object("networking.k8s.io/v1", "NetworkPolicy", "implied", "spec: {podSelector: {matchLabels: {app: web}}, egress: [{}]}") +
		object("networking.k8s.io/v1", "NetworkPolicy", "in", "spec: {podSelector: {}}"),
		"[implied]", ""},
	{"policies of other kinds", "ingressPolicies", workload("Deployment", "web") + object("projectcalico.org/v3", "NetworkPolicy", "c", "spec: {}"), "?", "?"},
	{"policies of Cilium", "ingressPolicies", workload("Deployment", "web") + object("cilium.io/v2", "CiliumNetworkPolicy", "c", "spec: {endpointSelector: {}, ingress: [{}]}"), "[c]", ""},
	{"policies that deny something", "ingressPolicies", workload("Deployment", "web") + object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "c",
		"spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "?", "?"},
	{"budgets none", "disruptionBudgets", workload("Deployment", "web") + object("policy/v1", "PodDisruptionBudget", "nothing", "spec: {minAvailable: 1}"), "?", "[]"},
	{"budgets", "disruptionBudgets", workload("Deployment", "web") +
		object("policy/v1", "PodDisruptionBudget", "web", "spec: {selector: {matchLabels: {app: web}}}") +
		object("policy/v1", "PodDisruptionBudget", "all", "spec: {selector: {}}"),
		"[all web]", ""},
	{"autoscalers none", "autoscalers", workload("Deployment", "web") +
		object("autoscaling/v2", "HorizontalPodAutoscaler", "h", "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: web}}"), "?", "[]"},
	{"autoscalers", "autoscalers", workload("Deployment", "web") +
		object("autoscaling/v2", "HorizontalPodAutoscaler", "h", "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}") +
		object("keda.sh/v1alpha1", "ScaledObject", "k", "spec: {scaleTargetRef: {name: web}}"),
		"[h k]", ""},
	{"rights none", "rights", workload("Deployment", "web", "serviceAccountName: web"), "?", "[]"},
	{"rights", "rights", workload("Deployment", "web", "serviceAccountName: web") +
		object(rbac, "Role", "reader", secretRules) + binding("RoleBinding", "b", "Role", "reader", accountWeb),
		"[{right:read-secrets scope:shop role:reader binding:b}]", ""},
	{"rights through a group, in the cluster", "rights", workload("Deployment", "web") +
		object(rbac, "ClusterRole", "reader", secretRules) + binding("ClusterRoleBinding", "b", "ClusterRole", "reader", `{kind: Group, name: "system:serviceaccounts:shop"}`),
		"[{right:read-secrets scope:cluster role:reader binding:b}]", ""},
	{"rights of a role that was not read", "rights", workload("Deployment", "web", "serviceAccountName: web") +
		binding("RoleBinding", "b", "ClusterRole", "gone", accountWeb),
		"[{right:? scope:shop role:gone binding:b}]", "[]"},
	{"rights of a role that every cluster has", "rights", object("v1", "ServiceAccount", "web", "") +
		binding("RoleBinding", "b", "ClusterRole", "view", accountWeb), "?", "[]"},
	{"account not read", "serviceAccount", workload("Deployment", "web"), "?", "{apiVersion:v1 kind:ServiceAccount metadata:{name:default namespace:shop}}"},
	{"account", "serviceAccount", workload("Deployment", "web", "serviceAccountName: web") + object("v1", "ServiceAccount", "web", "automountServiceAccountToken: false"),
		"{apiVersion:v1 kind:ServiceAccount metadata:{name:web} automountServiceAccountToken:false}", ""},
	{"default account not read, and bound", "serviceAccount", workload("Deployment", "web") +
		binding("ClusterRoleBinding", "b", "ClusterRole", "view", "{kind: ServiceAccount, name: default, namespace: shop}"),
		"{apiVersion:v1 kind:ServiceAccount metadata:{name:default namespace:shop}}", ""},
	{"default account of another namespace bound", "serviceAccount", workload("Deployment", "web") +
		binding("ClusterRoleBinding", "b", "ClusterRole", "view", "{kind: ServiceAccount, name: default, namespace: other}"),
		"?", "{apiVersion:v1 kind:ServiceAccount metadata:{name:default namespace:shop}}"},
	{"account not read, and bound", "serviceAccount", workload("Deployment", "web", "serviceAccountName: web") +
		binding("ClusterRoleBinding", "b", "ClusterRole", "view", accountWeb), "?", "{apiVersion:v1 kind:ServiceAccount metadata:{name:web namespace:shop}}"},
	{"bound", "bound", workload("Deployment", "web", "serviceAccountName: web") + binding("RoleBinding", "b", "Role", "gone", accountWeb), "true", ""},
	{"bound as a user", "bound", object("v1", "ServiceAccount", "web", "") +
		binding("ClusterRoleBinding", "b", "ClusterRole", "gone", `{kind: User, name: "system:serviceaccount:shop:web"}`), "true", ""},
	{"bound by a group only", "bound", workload("Deployment", "web", "serviceAccountName: web") +
		binding("ClusterRoleBinding", "b", "ClusterRole", "view", `{kind: Group, name: "system:serviceaccounts"}`) +
		binding("ClusterRoleBinding", "c", "ClusterRole", "view", "{kind: ServiceAccount, name: web, namespace: other}"), "?", "false"},
	{"volumes of its own", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, emptyDir: {}}]"), "[]", ""},
	{"volumes alone", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]"), "?", "[]"},
	{"volumes shared", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, persistentVolumeClaim: {claimName: data}}, {name: h, hostPath: {path: /srv/}}]") +
		workload("Deployment", "same", "volumes: [{name: w, persistentVolumeClaim: {claimName: data}}]") +
		workload("Deployment", "host", "serviceAccountName: other", "volumes: [{name: w, hostPath: {path: /srv}}]"),
		"[{volume:v claim:data hostPath: export: with:Deployment/shop/same what:the claim data too sameServiceAccount:true sameNamespace:true} {volume:h claim: hostPath:/srv export: with:Deployment/shop/host what:the path /srv of the node too sameServiceAccount:false sameNamespace:true}]", ""},
	{"volumes of an NFS export", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, nfs: {server: s, path: /e}}]") +
		workload("Deployment", "same", "volumes: [{name: w, nfs: {server: s, path: /e}}]") + workload("Deployment", "other", "volumes: [{name: w, nfs: {server: s, path: /x}}]"),
		"[{volume:v claim: hostPath: export:s:/e with:Deployment/shop/same what:s:/e too sameServiceAccount:true sameNamespace:true}]", ""},
	{"volumes within volumes", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, hostPath: {path: /data/x}}, {name: e, nfs: {server: s, path: /e}}, {name: l, hostPath: {path: /var/log/web}}]") +
		workload("Deployment", "outer", "volumes: [{name: w, hostPath: {path: /data/}}, {name: beside, hostPath: {path: /data/xy}}, {name: all, hostPath: {path: /}}, {name: logs, hostPath: {path: /var/log}}]") +
		object("v1", "PersistentVolumeClaim", "c", "spec: {volumeName: p}") +
		object("v1", "PersistentVolume", "p", "spec: {csi: {driver: nfs.csi.k8s.io, volumeHandle: h, volumeAttributes: {Server: s, share: /e/, subDir: x}}, claimRef: {namespace: shop, name: c}}") +
		workload("Deployment", "part", "serviceAccountName: other", "volumes: [{name: w, persistentVolumeClaim: {claimName: c}}]"),
		"[{volume:v claim: hostPath:/data/x export: with:Deployment/shop/outer what:the path /data of the node, around the path /data/x of the node sameServiceAccount:true sameNamespace:true}" +
			" {volume:e claim: hostPath: export:s:/e with:Deployment/shop/part what:the claim c, a part of s:/e sameServiceAccount:false sameNamespace:true}]", ""},
	{"volumes of one export", "sharedVolumes", workload("Deployment", "web", "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]") +
		object("v1", "PersistentVolumeClaim", "c", "spec: {volumeName: p}") + object("v1", "PersistentVolume", "p", "spec: {nfs: {server: s, path: /e}, claimRef: {namespace: shop, name: c}}") +
		strings.Replace(workload("Deployment", "far", "volumes: [{name: w, nfs: {server: s, path: /e/}}]"), "name: far", "name: far, namespace: far", 1),
		"[{volume:v claim:c hostPath: export: with:Deployment/far/far what:s:/e, which is the claim c too sameServiceAccount:false sameNamespace:false}]", ""},
	{"volumes of a replica", "sharedVolumes", workload("Deployment", "backup", "volumes: [{name: v, persistentVolumeClaim: {claimName: data-db-0}}]") +
		"---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {spec: {containers: []}}, volumeClaimTemplates: [{metadata: {name: data}}]}\n",
		"[{volume:v claim:data-db-0 hostPath: export: with:StatefulSet/shop/db what:the claim data-db-0 too sameServiceAccount:true sameNamespace:true}]", ""},
	{"consumers in doubt", "consumers", object("v1", "Secret", "s", "") +
		object("v1", "PersistentVolume", "p", "spec: {cephfs: {monitors: [m], secretRef: {name: s}}}"), "?", "?"},
	{"one pod", "onePod", object("v1", "PersistentVolumeClaim", "c", "spec: {}") +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: w}\nspec: {containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}\n", "?", "Pod/shop/w"},
	{"left behind", "leftBehind", object("v1", "PersistentVolumeClaim", "data-db-1", "spec: {}") +
		"---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {replicas: 1, template: {spec: {containers: []}}, volumeClaimTemplates: [{metadata: {name: data}}]}\n",
		"?", "StatefulSet/shop/db"},
	{"outlives", "outlives", object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", "spec: {source: {persistentVolumeClaimName: c}}"), "?", "true"},
	{"outlives nothing", "outlives", object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", "spec: {source: {persistentVolumeClaimName: c}}") +
		object("v1", "PersistentVolumeClaim", "c", "spec: {}"), "false", "false"},
	{"selected none", "selected", object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80}]}"), "?", "[]"},
	{"selected without selector", "selected", object("v1", "Service", "a", "spec: {ports: [{port: 80}]}"), "[]", ""},
	{"selected by a Service", "selected", object("v1", "Service", "a", "spec: {selector: {tier: back}, ports: [{port: 80}]}") + workload("Deployment", "web") + workload("Job", "batch"),
		"[{kind:Deployment name:web} {kind:Job name:batch}]", ""},
	{"selected by a policy", "selected", object("networking.k8s.io/v1", "NetworkPolicy", "a", denyAll) + workload("Deployment", "web"), "[{kind:Deployment name:web}]", ""},
	{"selected by a budget", "selected", object("policy/v1", "PodDisruptionBudget", "a", "spec: {selector: {matchLabels: {app: nobody}}}") + workload("Deployment", "web"), "?", "[]"},
	{"selected by an autoscaler", "selected", object("autoscaling/v2", "HorizontalPodAutoscaler", "h", "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}") +
		workload("Deployment", "web"), "[{kind:Deployment name:web}]", ""},
	{"routes none", "routes", object("v1", "Service", "a", "spec: {ports: [{port: 80}]}"), "?", "[]"},
	{"routes", "routes", object("v1", "Service", "a", "spec: {ports: [{port: 80}]}") +
		object("networking.k8s.io/v1", "Ingress", "in", "spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}"), "[{kind:Ingress name:in}]", ""},
	{"deny none", "defaultDeny", object("v1", "Namespace", "shop", ""), "{ingress:? egress:?}", "{ingress:false egress:false}"},
	{"deny", "defaultDeny", object("v1", "Namespace", "shop", "") + object("networking.k8s.io/v1", "NetworkPolicy", "a", "spec: {podSelector: {}}"),
		"{ingress:true egress:?}", "{ingress:true egress:false}"},
	{"deny that allows", "defaultDeny", object("v1", "Namespace", "shop", "") + object("networking.k8s.io/v1", "NetworkPolicy", "a", "spec: {podSelector: {}, ingress: [{}]}"),
		"{ingress:? egress:?}", "{ingress:false egress:false}"},
	{"reach", "reach", object("v1", "Namespace", "shop", "") + workload("Deployment", "web") +
		strings.Replace(workload("Deployment", "far"), "name: far}", "name: far, namespace: other}", 1), "?", "{workloads:1 namespaces:1}"},
	{"reach past other policies", "reach", object("v1", "Namespace", "shop", "") + workload("Deployment", "web") +
		strings.Replace(workload("Deployment", "far"), "name: far}", "name: far, namespace: other}", 1) + object("projectcalico.org/v3", "NetworkPolicy", "c", "spec: {}"), "?", "{workloads:? namespaces:?}"},
	{"deny by another tier", "defaultDeny", object("v1", "Namespace", "shop", "") + object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "c",
		"spec: {tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"), "{ingress:? egress:?}", "{ingress:? egress:false}"},
	{"workloads none", "workloads", object("v1", "Namespace", "shop", ""), "?", "0"},
	{"workloads", "workloads", object("v1", "Namespace", "shop", "") + workload("Deployment", "web") + workload("Job", "batch"), "2", ""},
	{"holders none", "holders", object(rbac, "Role", "r", secretRules), "?", "[]"},
	{"holders", "holders", object(rbac, "ClusterRole", "r", secretRules) + workload("Deployment", "web", "serviceAccountName: web") + workload("Deployment", "two") +
		binding("RoleBinding", "rb", "ClusterRole", "r", accountWeb) +
		binding("ClusterRoleBinding", "crb", "ClusterRole", "r", `{kind: Group, name: "system:authenticated"}, {kind: User, name: jo}`),
		"[{kind:Group name:system:authenticated namespace: binding:crb scope:cluster workloads:2} {kind:User name:jo namespace: binding:crb scope:cluster workloads:0}" +
			" {kind:ServiceAccount name:web namespace:shop binding:rb scope:shop workloads:1}]", ""},
	{"holders through aggregation", "holders", "---\napiVersion: " + rbac + "\nkind: ClusterRole\nmetadata: {name: extra, labels: {rbac.authorization.k8s.io/aggregate-to-view: \"true\"}}\n" + secretRules + "\n" +
		binding("RoleBinding", "rb", "ClusterRole", "edit", accountWeb),
		"[{kind:ServiceAccount name:web namespace:shop binding:rb scope:shop workloads:0}]", ""},
	{"grants", "grants", object(rbac, "Role", "r", `rules: [{apiGroups: ["", apps], resources: [secrets, deployments, nodes/proxy], verbs: [get, create]}]`),
		"[{right:read-secrets resources:[secrets]} {right:write-secrets resources:[secrets]} {right:create-workloads resources:[deployments]} {right:forge-token resources:[]}]", ""},
	{"grants none", "grants", object(rbac, "Role", "r", `rules: [{apiGroups: [""], resources: [secrets], resourceNames: [one], verbs: [get]}]`), "[]", ""},
	{"grants of an empty aggregate", "grants", object(rbac, "ClusterRole", "r", "aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}\nrules: []"), "?", "[]"},
	{"grants of a binding", "grants", binding("ClusterRoleBinding", "b", "ClusterRole", "r", accountWeb) + object(rbac, "ClusterRole", "r", `rules: [{apiGroups: [""], resources: [nodes/proxy], verbs: [get]}]`),
		"[{right:node-proxy resources:[nodes/proxy]}]", ""},
	{"grants of a binding in a namespace", "grants", binding("RoleBinding", "b", "ClusterRole", "r", accountWeb) + object(rbac, "ClusterRole", "r", `rules: [{apiGroups: [""], resources: [nodes/proxy], verbs: [get]}]`),
		"[]", ""},
	{"grants of a binding to what was not read", "grants", binding("RoleBinding", "b", "Role", "r", accountWeb), "?", "[]"},
	{"consumers none", "consumers", object("v1", "Secret", "s", ""), "?", "[]"},
	{"consumers of a Secret", "consumers", object("v1", "Secret", "s", "") +
		workload("Deployment", "web", "imagePullSecrets: [{name: s}]", "volumes: [{name: v, secret: {secretName: s}}, {name: p, projected: {sources: [{secret: {name: s}}]}}]",
			"initContainers: [{name: i, image: a, envFrom: [{secretRef: {name: s}}], env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]") +
		object("v1", "ServiceAccount", "a", "imagePullSecrets: [{name: s}]") +
		object("networking.k8s.io/v1", "Ingress", "in", "spec: {tls: [{secretName: s}]}"),
		"[{kind:Deployment name:web namespace:shop how:mount account:default keys:[]} {kind:Deployment name:web namespace:shop how:env account:default keys:[k]}" +
			" {kind:Deployment name:web namespace:shop how:envFrom account:default keys:[]} {kind:Deployment name:web namespace:shop how:imagePull account:default keys:[]}" +
			" {kind:Ingress name:in namespace:shop how:tls account: keys:[]} {kind:ServiceAccount name:a namespace:shop how:imagePull account:a keys:[]}]", ""},
	{"used by nothing", "used", object("v1", "Secret", "s", ""), "?", "false"},
	{"used by a pod", "used", object("v1", "Secret", "s", "") + workload("Deployment", "web", "imagePullSecrets: [{name: s}]"), "true", ""},
	{"used by name", "used", object("v1", "Secret", "s", "") + workload("Deployment", "web", "initContainers: [{name: i, image: a, args: [--tls-secret=s]}]"), "?", ""},
	{"used by the API", "used", object("v1", "Secret", "s", "") + workload("Deployment", "web", "serviceAccountName: web") +
		object(rbac, "Role", "r", secretRules) + binding("RoleBinding", "rb", "Role", "r", accountWeb), "?", ""},
	{"used by the API of another namespace", "used", object("v1", "Secret", "s", "") + workload("Deployment", "web") +
		object(rbac, "ClusterRole", "r", secretRules) + binding("ClusterRoleBinding", "rb", "ClusterRole", "r", "{kind: ServiceAccount, name: far, namespace: far}"), "?", "false"},
	{"used by one whom a rule names it to", "used", object("v1", "Secret", "s", "") +
		object(rbac, "Role", "r", `rules: [{apiGroups: [""], resources: [secrets], resourceNames: [s], verbs: [get]}]`) + binding("RoleBinding", "rb", "Role", "r", "{kind: User, name: jo}"), "?", ""},
	{"consumers of keys", "consumers", object("v1", "Secret", "s", "") +
		workload("Deployment", "web", "volumes: [{name: v, secret: {secretName: s, items: [{key: a, path: a}]}}, {name: w, secret: {secretName: s}}]",
			"initContainers: [{name: i, image: a, env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: s, key: l}}}]}]"),
		"[{kind:Deployment name:web namespace:shop how:mount account:default keys:[]} {kind:Deployment name:web namespace:shop how:env account:default keys:[k l]}]", ""},
	{"consumers of a ConfigMap", "consumers", object("v1", "ConfigMap", "s", "") + workload("Deployment", "web", "volumes: [{name: v, configMap: {name: s}}, {name: w, secret: {secretName: s}}]"),
		"[{kind:Deployment name:web namespace:shop how:mount}]", ""},
	{"consumers of the default account", "consumers", object("v1", "ServiceAccount", "default", "") + workload("Deployment", "web"), "[{kind:Deployment name:web namespace:shop how:serviceAccount}]", ""},
	{"consumers of a template's claim", "consumers", object("v1", "PersistentVolumeClaim", "data-db-0", "spec: {}") +
		strings.Replace(workload("StatefulSet", "db"), "  template:", "  volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]\n  template:", 1),
		"[{kind:StatefulSet name:db namespace:shop how:mount}]", ""},
	{"encryption asked for", "encryption", object("storage.k8s.io/v1", "StorageClass", "c", "provisioner: driver.longhorn.io\nparameters: {encrypted: \"true\"}"),
		`{state:yes reason:the class says encrypted: "true"}`, ""},
	{"encryption of a claim", "encryption", object("v1", "PersistentVolumeClaim", "p", "spec: {storageClassName: c}") +
		object("storage.k8s.io/v1", "StorageClass", "c", "provisioner: pxd.portworx.com"), `{state:no reason:neither the class nor the claim sets secure to "true"}`, ""},
	{"encryption of a volume", "encryption", object("v1", "PersistentVolume", "p", "spec: {nfs: {server: s, path: /a}}"), "{state:? reason:the NFS server decides}", ""},
	{"orphaned by status", "orphaned", object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}\nstatus: {phase: Released}"),
		"claim shop/c is gone and its data are still there (reclaim policy Retain)", ""},
	{"orphaned in doubt", "orphaned", object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}"),
		"?", "claim shop/c does not exist and the volume is kept for it (reclaim policy Retain)"},
	{"orphaned and owned", "orphaned", object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}") +
		object("v1", "PersistentVolumeClaim", "c", "spec: {volumeName: p}"), "", ""},
	{"orphaned content", "orphaned", object("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", "c", "spec: {deletionPolicy: Retain, volumeSnapshotRef: {namespace: shop, name: s}}"),
		"?", "its VolumeSnapshot is gone and the data are still there (deletion policy Retain)"},
	{"copies none", "copies", object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", "spec: {source: {persistentVolumeClaimName: c}}"), "?", "[]"},
	{"copies by a grant", "copies", object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", "spec: {source: {persistentVolumeClaimName: c}}") +
		object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "g",
			"spec: {from: [{group: \"\", kind: PersistentVolumeClaim, namespace: far}], to: [{group: snapshot.storage.k8s.io, kind: VolumeSnapshot}]}"),
		"[whoever makes claims in namespace far may restore it there and read the data]", ""},
	{"namespaces of one volume", "dataNamespaces", object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}"), "?", "[shop]"},
	{"namespaces of the same share", "dataNamespaces", object("v1", "PersistentVolume", "p", "spec: {claimRef: {namespace: shop, name: c}, nfs: {server: s, path: /a}}") +
		object("v1", "PersistentVolume", "q", "spec: {claimRef: {namespace: far, name: c}, nfs: {server: s, path: /a}}"), "[far shop]", ""},
	{"node paths", "nodePaths", workload("Deployment", "web", "volumes: [{name: v, hostPath: {path: /var/run/docker.sock}}, {name: w, hostPath: {path: /srv}}, {name: x, hostPath: {path: /}}, {name: c, persistentVolumeClaim: {claimName: c}}]",
		"initContainers: [{name: i, image: a, volumeMounts: [{name: v, mountPath: /v, readOnly: true}, {name: w, mountPath: /w}, {name: c, mountPath: /c, readOnly: true}]}]") +
		object("v1", "PersistentVolumeClaim", "c", "spec: {volumeName: p}") + object("v1", "PersistentVolume", "p", "spec: {local: {path: /etc/cron.d}}"),
		"[{volume:v path:/run/docker.sock takes:true} {volume:w path:/srv takes:false} {volume:c path:/etc/cron.d takes:false}]", ""},
	{"readers none", "readers", object("v1", "Secret", "s", ""), "?", "[]"},
	{"readers", "readers", object("v1", "Secret", "s", "") + workload("Deployment", "web", "serviceAccountName: web", "volumes: [{name: v, secret: {secretName: s}}]") +
		object(rbac, "Role", "r", secretRules) + binding("RoleBinding", "rb", "Role", "r", accountWeb+", {kind: User, name: jo}") +
		object(rbac, "ClusterRole", "one", `rules: [{apiGroups: [""], resources: [secrets], resourceNames: [s], verbs: [get]}]`) +
		binding("ClusterRoleBinding", "crb", "ClusterRole", "one", "{kind: ServiceAccount, name: far, namespace: far}"),
		"[{subject:sa:far/far bindingKind:ClusterRoleBinding binding:crb byName:true serviceAccount:true consumes:false}" +
			" {subject:sa:shop/web bindingKind:RoleBinding binding:rb byName:false serviceAccount:true consumes:true}" +
			" {subject:user:jo bindingKind:RoleBinding binding:rb byName:false serviceAccount:false consumes:false}]", ""},
	{"idle", "idle", object("networking.k8s.io/v1", "NetworkPolicy", "a", denyAll), "?", "[{policy:true path:}]"},
	{"idle rule", "idle", object("networking.k8s.io/v1", "NetworkPolicy", "a", "spec: {podSelector: {}, ingress: [{}, {from: [{podSelector: {matchLabels: {app: gone}}}]}]}") + workload("Deployment", "web"),
		"?", "[{policy:false path:spec.ingress[1]}]"},
	{"idle not", "idle", object("networking.k8s.io/v1", "NetworkPolicy", "a", "spec: {podSelector: {}, ingress: [{}]}") + workload("Deployment", "web"), "[]", ""},
	{"idle of another kind", "idle", object("projectcalico.org/v3", "NetworkPolicy", "a", "spec: {}"), "?", ""},
	{"ties none", "ties", object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a", tied) + object("v1", "Namespace", "shop", "") + workload("Deployment", "web"), "?", "[]"},
	{"ties", "ties", object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a", tied) + object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "b", tied) +
		object("v1", "Namespace", "shop", "") + workload("Deployment", "web"), "[b]", ""},
	{"ties of other priorities", "ties", object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a", tied) +
		object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "b", strings.Replace(tied, "7", "8", 1)) + object("v1", "Namespace", "shop", "") + workload("Deployment", "web"), "?", "[]"},
	{"ties without pods", "ties", object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a", tied) + object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "b", tied), "?", "[]"},
	{"ties of what has no order", "ties", object("networking.k8s.io/v1", "NetworkPolicy", "a", denyAll) + object("networking.k8s.io/v1", "NetworkPolicy", "b", denyAll) + workload("Deployment", "web"), "[]", ""},
	{"rights that others make together", "rights", workload("Deployment", "web", "serviceAccountName: web") +
		object(rbac, "Role", "ns", `rules: [{apiGroups: [""], resources: [namespaces], verbs: [patch]}]`) + object(rbac, "ClusterRole", "run", `rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]`) +
		binding("RoleBinding", "one", "Role", "ns", accountWeb) + binding("ClusterRoleBinding", "two", "ClusterRole", "run", accountWeb),
		"[{right:create-pods scope:cluster role:run binding:two} {right:write-namespaces scope:shop role:ns binding:one}" +
			" {right:bypass-pod-security scope:shop role:ns and run binding:one and two}]", ""},
	{"grants that others make together", "grants", object(rbac, "ClusterRole", "r", `rules: [{apiGroups: [""], resources: [secrets], verbs: [get, create]}]`),
		"[{right:read-secrets resources:[secrets]} {right:write-secrets resources:[secrets]} {right:forge-token resources:[]}]", ""},
	{"attack paths", "attackPaths", exposedWeb + adminWeb, "{clusterAdmin:[{steps:3 story:takes the token of service account shop/web from the container; does everything that the API can do shorter:false}] node:[{steps:4 story:takes the token of service account shop/web from the container; does everything that the API can do; uses the administrator's rights over some node shorter:false}]}", ""},
	{"attack paths without rights", "attackPaths", exposedWeb, "{clusterAdmin:? node:?}", "{clusterAdmin:[] node:[]}"},
	{"attack paths of what nobody reaches", "attackPaths", workload("Deployment", "web") + adminWeb, "{clusterAdmin:? node:?}", "{clusterAdmin:[] node:[]}"},
	{"attack paths over a node port", "attackPaths", strings.Replace(exposedWeb, "LoadBalancer", "NodePort", 1) + adminWeb, "{clusterAdmin:? node:?}", ""},
	{"choke of all", "attackChoke", workload("Deployment", "hub", "serviceAccountName: hub") + passerby + hubAdmin, "{of:? every:?}", "{of:1 every:true}"},
	{"choke of none", "attackChoke", workload("Deployment", "hub") + passerby + hubAdmin, "{of:? every:?}", "{of:0 every:false}"},
	{"choke of one of two", "attackChoke", workload("Deployment", "hub", "serviceAccountName: hub") + workload("Deployment", "twin", "serviceAccountName: hub") + passerby + hubAdmin, "{of:? every:?}", "{of:1 every:false}"},
	{"choke of some", "attackChoke", workload("Deployment", "hub", "serviceAccountName: hub") + passerby + hubAdmin + exposedWeb + adminWeb, "{of:? every:?}", "{of:2 every:false}"},
	{"choke where nothing is exposed", "attackChoke", workload("Deployment", "hub", "serviceAccountName: hub") + hubAdmin, "{of:? every:?}", "{of:0 every:false}"},
	{"choke at the beginning itself", "attackChoke", exposedWeb + adminWeb, "{of:? every:?}", "{of:1 every:false}"},
	{"takeover", "takeover", object("v1", "ServiceAccount", "web", "") + adminWeb, "[{steps:1 story:does everything that the API can do shorter:false}]", ""},
	{"takeover of an account without rights", "takeover", object("v1", "ServiceAccount", "idle", "") + adminWeb, "?", "[]"},
	{"declared nothing", "declared", workload("Deployment", "web"), "null", ""},
	{"unknown fields none", "unknownFields", object("v1", "ConfigMap", "c", ""), "[]", ""},
	{"credentials none", "credentials", object("v1", "ConfigMap", "c", ""), "[]", ""},
}

var (
	exposedWeb = workload("Deployment", "web", "serviceAccountName: web") + object("v1", "Service", "web", "spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}")
	passerby   = workload("Deployment", "passerby", "automountServiceAccountToken: false") + object("v1", "Service", "passerby", "spec: {type: LoadBalancer, selector: {app: passerby}, ports: [{port: 80, targetPort: 8080}]}")
	hubAdmin   = binding("ClusterRoleBinding", "hub", "ClusterRole", "cluster-admin", "{kind: ServiceAccount, name: hub, namespace: shop}")
	adminWeb   = binding("ClusterRoleBinding", "admin", "ClusterRole", "cluster-admin", accountWeb)
)

const tied = "spec: {priority: 7, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"

func TestFacts(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range factCases {
		covered[c.fact] = true
		if c.closed == "" {
			c.closed = c.open
		}
		for _, w := range []struct {
			closed bool
			want   string
		}{{false, c.open}, {true, c.closed}} {
			o, s := world(t, c.text, w.closed)
			value, ok := NewFacts(s, nil).Fact(o, nil, c.fact)
			if !ok {
				t.Errorf("%s: no fact %s", c.name, c.fact)
				continue
			}
			got := show(&value)
			if got != w.want {
				t.Errorf("%s, closed %t:\n got %s\nwant %s", c.name, w.closed, got, w.want)
			}
			checkSealed(t, c.name, &value)
		}
	}
	for _, name := range FactNames() {
		if !covered[name] {
			t.Errorf("fact %s has no case", name)
		}
	}
}

func checkSealed(t *testing.T, name string, n *tree.Node) {
	t.Helper()
	if n.Hash() == 0 {
		t.Errorf("%s: the fact is not sealed", name)
	}
	if n.Is(tree.Unknown) && !strings.Contains(n.Text(), " ") {
		t.Errorf("%s: unknown without a reason in words: %q", name, n.Text())
	}
	for i := range n.Children() {
		checkSealed(t, name, &n.Children()[i])
	}
}

func TestFactsExistWhereListed(t *testing.T) {
	kinds := []string{
		workload("Deployment", "a"), object("v1", "Service", "a", ""), object("v1", "ServiceAccount", "a", ""), object("v1", "Secret", "a", ""),
		object("v1", "ConfigMap", "a", ""), object("v1", "PersistentVolumeClaim", "a", ""), object("v1", "Namespace", "a", ""),
		object("v1", "PersistentVolume", "a", ""), object("storage.k8s.io/v1", "StorageClass", "a", ""), object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "a", ""),
		object("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", "a", ""), object("cilium.io/v2", "CiliumNetworkPolicy", "a", ""),
		object("networking.k8s.io/v1", "NetworkPolicy", "a", ""), object("policy/v1", "PodDisruptionBudget", "a", ""),
		object("autoscaling/v2", "HorizontalPodAutoscaler", "a", ""), object(rbac, "Role", "a", ""), object(rbac, "ClusterRole", "a", ""),
		object(rbac, "RoleBinding", "a", ""), object(rbac, "ClusterRoleBinding", "a", ""), object("example.org/v1", "Widget", "a", ""),
	}
	for _, text := range kinds {
		o, s := world(t, text, false)
		f := NewFacts(s, nil)
		for _, info := range FactInfos() {
			want := info.All || info.Pods && len(o.Pods()) > 0 || slices.Contains(info.Kinds, o.Key.GroupKind)
			if _, ok := f.Fact(o, nil, info.Name); ok != want {
				t.Errorf("%s of %s exists: %t, listed: %t", info.Name, o.Key, ok, want)
			}
		}
		if _, ok := f.Fact(o, nil, "nonsense"); ok {
			t.Error("a fact that is not listed exists")
		}
	}
}

func TestFactOfOnePodOfSeveral(t *testing.T) {
	o, s := world(t, object("example.org/v1", "Widget", "w", `spec:
  one: {metadata: {labels: {app: one}}, spec: {containers: [{name: a, image: b}]}}
  two: {metadata: {labels: {app: two}}, spec: {containers: [{name: a, image: b}]}}
`)+object("v1", "Service", "s", "spec: {selector: {app: two}, ports: [{port: 80}]}"), true)
	f := NewFacts(s, nil)
	for i, want := range []string{"[]", "[{name:s type:ClusterIP}]"} {
		value, _ := f.Fact(o, &o.Pods()[i], "services")
		if got := show(&value); got != want {
			t.Errorf("pod %d: %s, want %s", i, got, want)
		}
	}
	if value, ok := f.Fact(o, nil, "services"); !ok || !value.Is(tree.Unknown) {
		t.Errorf("of the object as a whole: %s, %t", show(&value), ok)
	}
}

func TestNamespaceOfObject(t *testing.T) {
	text := workload("Deployment", "web")
	o, s := world(t, text, false)
	if n := NewFacts(s, nil).Namespace(o); !n.Is(tree.Unknown) {
		t.Errorf("open: %s", show(n))
	}
	o, s = world(t, text, true)
	if n := NewFacts(s, nil).Namespace(o); n.Dig("metadata", "labels", "kubernetes.io/metadata.name").Str() != "shop" {
		t.Errorf("closed: %s", show(n))
	}
	o, s = world(t, text+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n", false)
	if n := NewFacts(s, nil).Namespace(o); n.Dig("metadata", "labels", "a").Str() != "b" {
		t.Errorf("read: %s", show(n))
	}
	o, s = world(t, object(rbac, "ClusterRole", "r", ""), false)
	if n := NewFacts(s, nil).Namespace(o); n != nil {
		t.Errorf("of a cluster-scoped object: %s", show(n))
	}
}

func TestDeclaredCredentialsAndUnknownFields(t *testing.T) {
	o, s := world(t, workload("Deployment", "web"), false)
	path := tree.Keys("spec", "nonsense")
	o.UnknownFields = []tree.Path{path}
	o.Credentials = []model.Credential{{Path: path, Type: "token"}}
	spec := tree.MapOf(tree.Entry("owner", "payments"))
	f := NewFacts(s, func(asked *model.Object) *tree.Node {
		if asked == o {
			return spec.Seal()
		}
		return nil
	})
	for name, want := range map[string]string{
		"declared": "{owner:payments}", "unknownFields": "[spec.nonsense]", "credentials": "[{path:spec.nonsense type:token}]",
	} {
		if value, _ := f.Fact(o, nil, name); show(&value) != want {
			t.Errorf("%s: %s, want %s", name, show(&value), want)
		}
	}
}
