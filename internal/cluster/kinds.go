package cluster

import (
	"slices"
	"strings"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

// ignored are the resources that are known and not read, by API group: no rule and
// no analysis looks at them.
//
// What is not known is left alone, too: to read every custom resource would need
// the right to list everything, Secrets with their values included, and what runs
// in a cluster runs as Pods anyway. Custom resources that are known to make pods
// are read, so that these are judged once and not replica by replica.
var ignored = map[string]string{
	"":                          "bindings componentstatuses endpoints events",
	"apps":                      "controllerrevisions",
	"authentication.k8s.io":     "*",
	"authorization.k8s.io":      "*",
	"certificates.k8s.io":       "clustertrustbundles podcertificaterequests",
	"coordination.k8s.io":       "*",
	"events.k8s.io":             "*",
	"internal.apiserver.k8s.io": "*",
	"networking.k8s.io":         "ipaddresses servicecidrs",
	"policy":                    "podsecuritypolicies", // no server that is still kept serves them
	"resource.k8s.io":           "devicetaintrules resourcepoolstatusrequests resourceslices",
	"storage.k8s.io":            "csinodes csistoragecapacities",
	"storagemigration.k8s.io":   "*",
	"karpenter.sh":              "*",
	"kyverno.io":                "*",
}

// wanted are the resources that are read, by API group.
var wanted = func() map[string][]string {
	groups := map[string][]string{}
	for r := range model.Resources() {
		not := strings.Fields(ignored[r.Group])
		if !slices.Contains(not, "*") && !slices.Contains(not, r.Plural) {
			groups[r.Group] = append(groups[r.Group], r.Plural)
		}
	}
	return groups
}()

// wants reports whether a resource is read.
func wants(group, resource string) bool { return slices.Contains(wanted[group], resource) }

// omitted are the fields that no answer depends on, and that would take most of
// the memory; "" is for all resources without an entry.
var omitted = map[string]tree.Fields{
	"": {"metadata": {"managedFields": nil}},
	"pods": {"metadata": {"managedFields": nil},
		"status": {"conditions": nil, "containerStatuses": ofStatus, "initContainerStatuses": ofStatus, "ephemeralContainerStatuses": ofStatus}},
	"nodes": {"metadata": {"managedFields": nil}, "status": {"images": nil, "conditions": nil}},
	"endpointslices": {"metadata": {"managedFields": nil},
		"endpoints": {"conditions": nil, "deprecatedTopology": nil, "hints": nil, "nodeName": nil, "zone": nil, "targetRef": {"uid": nil}}},
	"customresourcedefinitions": {"metadata": {"managedFields": nil}, "spec": {"versions": {"schema": nil}}},
	// Whatever the server may send for Secrets, their values are not looked at.
	"secrets": {"apiVersion": nil, "kind": nil, "data": nil, "stringData": nil, "type": nil,
		"metadata": {"managedFields": nil, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": nil}}},
}

// ofStatus leaves of a container's status which image it has and whether it runs.
var ofStatus = tree.Fields{"allocatedResources": nil, "allocatedResourcesStatus": nil, "containerID": nil, "image": nil, "lastState": nil, "ready": nil, "resources": nil,
	"restartCount": nil, "started": nil, "stopSignal": nil, "user": nil, "volumeMounts": nil,
	"state": {"running": {"startedAt": nil}, "waiting": {"message": nil, "reason": nil},
		"terminated": {"containerID": nil, "exitCode": nil, "finishedAt": nil, "message": nil, "reason": nil, "signal": nil, "startedAt": nil}}}

func omittedOf(r resource) tree.Fields {
	if fields, ok := omitted[r.name]; ok && r.builtin() {
		return fields
	}
	return omitted[""]
}
