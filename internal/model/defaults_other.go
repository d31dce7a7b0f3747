package model

import (
	"ullage.dev/ullage/internal/tree"
)

var (
	volumeDefaults = []field{nonZero("persistentVolumeReclaimPolicy", "Retain"), optional("volumeMode", "Filesystem")}
	secretDefaults = []field{nonZero("type", "Opaque")}

	serviceDefaults         = []field{nonZero("sessionAffinity", "None"), nonZero("type", "ClusterIP")}
	internalTrafficDefaults = []field{optional("internalTrafficPolicy", "Cluster")}
	externalTrafficDefaults = []field{nonZero("externalTrafficPolicy", "Cluster")}
	loadBalancerDefaults    = []field{optional("allocateLoadBalancerNodePorts", true)}
	noAffinityConfig        = implied("sessionAffinityConfig", nil)
	clientIPAffinityConfig  = implied("sessionAffinityConfig",
		tree.MapOf(tree.Entry("clientIP", tree.MapOf(tree.Entry("timeoutSeconds", 10800)))))

	policyTypesIngress    = implied("policyTypes", list("Ingress"))
	policyTypesBoth       = implied("policyTypes", list("Ingress", "Egress"))
	pathTypeDefaults      = []field{optional("pathType", "ImplementationSpecific")}
	classScopeDefaults    = []field{optional("scope", "Cluster")}
	endpointPortDefaults  = []field{optional("name", ""), optional("protocol", "TCP")}
	rbacGroupDefaults     = []field{nonZero("apiGroup", "rbac.authorization.k8s.io")}
	priorityClassDefaults = []field{optional("preemptionPolicy", "PreemptLowerPriority")}

	minReplicasDefaults = []field{optional("minReplicas", 1)}
	cpuMetric           = implied("metrics", []tree.Node{tree.MapOf(
		tree.Entry("type", "Resource"),
		tree.Entry("resource", tree.MapOf(
			tree.Entry("name", "cpu"),
			tree.Entry("target", tree.MapOf(tree.Entry("type", "Utilization"), tree.Entry("averageUtilization", 80))),
		)),
	)})
	scaleUpDefaults = []field{
		optional("stabilizationWindowSeconds", 0), optional("selectPolicy", "Max"),
		optional("policies", []tree.Node{scalingPolicy("Pods", 4), scalingPolicy("Percent", 100)}),
	}
	scaleDownDefaults = []field{
		optional("selectPolicy", "Max"), optional("policies", []tree.Node{scalingPolicy("Percent", 100)}),
	}

	storageClassDefaults = []field{optional("reclaimPolicy", "Delete"), optional("volumeBindingMode", "Immediate")}
	csiDriverDefaults    = []field{
		optional("attachRequired", true), optional("podInfoOnMount", false), optional("storageCapacity", false),
		optional("fsGroupPolicy", "ReadWriteOnceWithFSType"), optional("requiresRepublish", false),
		optional("seLinuxMount", false), optional("preventPodSchedulingIfMissing", false),
	}
	persistentLifecycle = implied("volumeLifecycleModes", list("Persistent"))
)

func scalingPolicy(kind string, value int) tree.Node {
	return tree.MapOf(tree.Entry("type", kind), tree.Entry("value", value), tree.Entry("periodSeconds", 15))
}

func completeCore(root, spec *tree.Node, kind string) {
	switch kind {
	case "Pod":
		completePod(spec)
	case "PodTemplate":
		completeTemplate(root.Get("template"))
	case "ReplicationController":
		completeReplicationController(root, spec)
	case "Service":
		completeService(spec)
	case "Secret":
		complete(root, secretDefaults)
	case "Namespace":
		completeNamespace(root)
	case "PersistentVolumeClaim":
		complete(spec, claimDefaults)
	case "PersistentVolume":
		complete(spec, volumeDefaults)
		completeVolumeSources(spec)
	case "Endpoints":
		subsets := root.Get("subsets").Children()
		for i := range subsets {
			completeEach(subsets[i].Get("ports"), protocolDefaults)
		}
	case "LimitRange":
		limits := spec.Get("limits").Children()
		for i := range limits {
			completeLimits(&limits[i])
		}
	}
}

func completeVolumeSources(n *tree.Node) {
	sources := n.Children()
	for i := range sources {
		if defaults := legacyVolumesDefaults[sources[i].Key()]; defaults != nil {
			complete(&sources[i], defaults)
		} else if sources[i].Key() == "hostPath" {
			complete(&sources[i], hostPathDefaults)
		}
	}
}

func completeReplicationController(root, spec *tree.Node) {
	complete(spec, replicasDefaults)
	labels := spec.Dig("template", "metadata", "labels")
	copyLabels(root, labels)
	if labels.Len() > 0 && emptyChild(spec, "selector") {
		set(spec, "selector", tree.ImpliedBy(labels))
	}
	completeTemplate(spec.Get("template"))
}

// completeNamespace sets the label by which selectors find a namespace.
func completeNamespace(root *tree.Node) {
	const label = "kubernetes.io/metadata.name"
	metadata := root.Get("metadata")
	name := metadata.Get("name")
	if name.Str() == "" || metadata.Dig("labels", label).Str() == name.Str() {
		return
	}
	value := tree.ImpliedBy(name)
	set(ensure(metadata, "labels"), label, value)
}

func completeLimits(item *tree.Node) {
	if item.Get("type").Str() != "Container" {
		return
	}
	fillFrom(item, "default", "max")
	fillFrom(item, "defaultRequest", "default")
	fillFrom(item, "defaultRequest", "min")
}

// fillFrom copies the entries of one map of n that another map of n lacks.
// Both are lists of resources, which are short.
func fillFrom(n *tree.Node, to, from string) {
	if count := n.Get(from).Len(); count == 0 || count > maxResources {
		return
	}
	target := ensure(n, to)
	source := n.Get(from)
	for i := range source.Children() {
		if value := &source.Children()[i]; target.Get(value.Key()) == nil {
			target.Add(value.Key(), tree.ImpliedBy(value))
		}
	}
}

// maxResources is far above what a cluster offers; a longer list is hostile.
const maxResources = 1000

func completeService(spec *tree.Node) {
	if !spec.Is(tree.Map) {
		return
	}
	complete(spec, serviceDefaults)
	completeAffinity(spec)
	ports := spec.Get("ports").Children()
	for i := range ports {
		p := &ports[i]
		complete(p, protocolDefaults)
		target := p.Get("targetPort")
		if port := p.Get("port"); port.Is(tree.Int) && (target.Kind() == tree.Null || target.Text() == "" || target.Is(tree.Int) && target.Text() == "0") {
			set(p, "targetPort", tree.ImpliedBy(port))
		}
	}
	kind := spec.Get("type").Str()
	reached := kind == "LoadBalancer" || kind == "NodePort"
	if reached || kind == "ClusterIP" && spec.Get("externalIPs").Len() > 0 {
		complete(spec, externalTrafficDefaults)
	}
	if reached || kind == "ClusterIP" {
		complete(spec, internalTrafficDefaults)
	}
	if kind == "LoadBalancer" {
		complete(spec, loadBalancerDefaults)
	}
}

func completeAffinity(spec *tree.Node) {
	switch config := spec.Get("sessionAffinityConfig"); spec.Get("sessionAffinity").Str() {
	case "None":
		if config.Kind() != tree.Null {
			config.Replace(noAffinityConfig)
		}
	case "ClientIP":
		if config.Dig("clientIP", "timeoutSeconds").Kind() == tree.Null {
			set(spec, "sessionAffinityConfig", clientIPAffinityConfig)
		}
	}
}

func completeAutoscaler(spec *tree.Node, apiVersion string) {
	complete(spec, minReplicasDefaults)
	if apiVersion != "autoscaling/v2" || !spec.Is(tree.Map) {
		return
	}
	if emptyChild(spec, "metrics") {
		set(spec, "metrics", cpuMetric)
	}
	if behavior := spec.Get("behavior"); behavior.Is(tree.Map) {
		complete(ensure(behavior, "scaleUp"), scaleUpDefaults)
		complete(ensure(behavior, "scaleDown"), scaleDownDefaults)
	}
}

func completeNetworking(spec *tree.Node, kind, apiVersion string) {
	switch {
	case !spec.Is(tree.Map):
	case kind == "NetworkPolicy":
		completePolicyPorts(spec.Get("ingress"))
		completePolicyPorts(spec.Get("egress"))
		if emptyChild(spec, "policyTypes") {
			if spec.Get("egress").Len() > 0 {
				set(spec, "policyTypes", policyTypesBoth)
			} else {
				set(spec, "policyTypes", policyTypesIngress)
			}
		}
	case kind == "Ingress" && apiVersion != "networking.k8s.io/v1": // where it must be written
		rules := spec.Get("rules").Children()
		for i := range rules {
			completeEach(rules[i].Dig("http", "paths"), pathTypeDefaults)
		}
	case kind == "IngressClass" && apiVersion == "networking.k8s.io/v1":
		complete(spec.Get("parameters"), classScopeDefaults)
	}
}

func completePolicyPorts(rules *tree.Node) {
	items := rules.Children()
	for i := range items {
		completeEach(items[i].Get("ports"), policyPortDefaults)
	}
}

var policyPortDefaults = []field{optional("protocol", "TCP")}

func completeBinding(root *tree.Node, kind, apiVersion string) {
	if kind != "RoleBinding" && kind != "ClusterRoleBinding" {
		return
	}
	complete(root.Get("roleRef"), rbacGroupDefaults)
	if apiVersion == "rbac.authorization.k8s.io/v1alpha1" {
		return // its subjects have no apiGroup
	}
	subjects := root.Get("subjects").Children()
	for i := range subjects {
		if kind := subjects[i].Get("kind").Str(); kind == "User" || kind == "Group" {
			complete(&subjects[i], rbacGroupDefaults)
		}
	}
}

func completeStorage(root, spec *tree.Node, kind string) {
	switch kind {
	case "StorageClass":
		complete(root, storageClassDefaults)
	case "VolumeAttachment":
		completeVolumeSources(spec.Dig("source", "inlineVolumeSpec"))
	case "CSIDriver":
		complete(spec, csiDriverDefaults)
		if spec.Is(tree.Map) && emptyChild(spec, "volumeLifecycleModes") {
			set(spec, "volumeLifecycleModes", persistentLifecycle)
		}
	}
}
