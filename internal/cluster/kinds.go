package cluster

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// wanted are the resources that are read, by API group: those that a rule or an
// analysis looks at, and custom ones that are known to make pods, so that these
// are judged once and not replica by replica. Everything else is left alone: to
// read every custom resource would need the right to list everything, Secrets
// with their values included, and what runs in a cluster runs as Pods anyway.
var wanted = map[string]string{
	"": "configmaps limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods podtemplates replicationcontrollers" +
		" resourcequotas secrets serviceaccounts services",
	"admissionregistration.k8s.io": "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations" +
		" validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations",
	"apiextensions.k8s.io":         "customresourcedefinitions",
	"apiregistration.k8s.io":       "apiservices",
	"apps":                         "daemonsets deployments replicasets statefulsets",
	"autoscaling":                  "horizontalpodautoscalers",
	"batch":                        "cronjobs jobs",
	"certificates.k8s.io":          "certificatesigningrequests",
	"discovery.k8s.io":             "endpointslices",
	"flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
	"networking.k8s.io":            "ingressclasses ingresses networkpolicies",
	"node.k8s.io":                  "runtimeclasses",
	"policy":                       "poddisruptionbudgets",
	"rbac.authorization.k8s.io":    "clusterrolebindings clusterroles rolebindings roles",
	"resource.k8s.io":              "deviceclasses resourceclaims resourceclaimtemplates",
	"scheduling.k8s.io":            "priorityclasses",
	"storage.k8s.io":               "csidrivers storageclasses volumeattachments volumeattributesclasses",

	// Networks.
	"cilium.io":                 "ciliumcidrgroups ciliumclusterwidenetworkpolicies ciliumnetworkpolicies",
	"crd.antrea.io":             "clusternetworkpolicies networkpolicies",
	"crd.projectcalico.org":     "globalnetworkpolicies networkpolicies",
	"gateway.networking.k8s.io": "gatewayclasses gateways grpcroutes httproutes referencegrants tcproutes tlsroutes udproutes",
	"k8s.ovn.org":               "egressfirewalls",
	"network.openshift.io":      "egressnetworkpolicies",
	"networking.k8s.aws":        "applicationnetworkpolicies clusternetworkpolicies",
	"policy.networking.k8s.io":  "adminnetworkpolicies baselineadminnetworkpolicies clusternetworkpolicies",
	"projectcalico.org":         "globalnetworkpolicies networkpolicies",
	"route.openshift.io":        "routes",

	// Secrets and storage.
	"bitnami.com":                "sealedsecrets",
	"cert-manager.io":            "certificates clusterissuers issuers",
	"external-secrets.io":        "clusterexternalsecrets clusterpushsecrets clustersecretstores externalsecrets pushsecrets secretstores",
	"onepassword.com":            "onepassworditems",
	"secrets-store.csi.x-k8s.io": "secretproviderclasses",
	"secrets.hashicorp.com":      "vaultauths vaultconnections vaultdynamicsecrets vaultpkisecrets vaultstaticsecrets",
	"snapshot.storage.k8s.io":    "volumesnapshotclasses volumesnapshotcontents volumesnapshots",

	// What makes pods.
	"apps.kruise.io":      "clonesets daemonsets statefulsets",
	"apps.openshift.io":   "deploymentconfigs",
	"argoproj.io":         "rollouts",
	"keda.sh":             "scaledjobs scaledobjects",
	"serving.knative.dev": "configurations services",
}

// wants reports whether a resource is read.
func wants(group, resource string) bool {
	return slices.Contains(strings.Fields(wanted[group]), resource)
}

// omitted are the fields that no answer depends on, and that would take most of
// the memory; "" is for all resources without an entry.
var omitted = map[string]tree.Fields{
	"": {"metadata": {"managedFields": nil}},
	"pods": {"metadata": {"managedFields": nil},
		"status": {"conditions": nil, "containerStatuses": nil, "initContainerStatuses": nil, "ephemeralContainerStatuses": nil}},
	"nodes": {"metadata": {"managedFields": nil}, "status": {"images": nil, "conditions": nil}},
	"endpointslices": {"metadata": {"managedFields": nil},
		"endpoints": {"conditions": nil, "deprecatedTopology": nil, "hints": nil, "nodeName": nil, "zone": nil, "targetRef": {"uid": nil}}},
	"customresourcedefinitions": {"metadata": {"managedFields": nil}, "spec": {"versions": {"schema": nil}}},
	// Whatever the server may send for Secrets, their values are not looked at.
	"secrets": {"apiVersion": nil, "kind": nil, "data": nil, "stringData": nil, "type": nil,
		"metadata": {"managedFields": nil, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": nil}}},
}

func omittedOf(r resource) tree.Fields {
	if fields, ok := omitted[r.name]; ok && r.builtin() {
		return fields
	}
	return omitted[""]
}
