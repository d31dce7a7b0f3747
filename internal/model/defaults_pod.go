package model

import (
	"reflect"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"ullage.dev/ullage/internal/tree"
)

var (
	podDefaults = []field{
		nonZero("dnsPolicy", "ClusterFirst"),
		nonZero("restartPolicy", "Always"),
		optional("securityContext", tree.MapOf()),
		optional("terminationGracePeriodSeconds", 30),
		nonZero("schedulerName", "default-scheduler"),
	}
	barePodDefaults = []field{optional("enableServiceLinks", true)}
	gracePeriodOne  = implied("terminationGracePeriodSeconds", 1)

	containerDefaults = []field{
		nonZero("imagePullPolicy", "IfNotPresent"),
		nonZero("terminationMessagePath", "/dev/termination-log"),
		nonZero("terminationMessagePolicy", "File"),
	}
	latestContainerDefaults = append([]field{nonZero("imagePullPolicy", "Always")}, containerDefaults[1:]...)

	protocolDefaults = []field{nonZero("protocol", "TCP")}
	probeDefaults    = []field{
		nonZero("timeoutSeconds", 1), nonZero("periodSeconds", 10),
		nonZero("successThreshold", 1), nonZero("failureThreshold", 3),
	}
	httpGetDefaults  = []field{nonZero("path", "/"), nonZero("scheme", "HTTP")}
	grpcDefaults     = []field{optional("service", "")}
	fieldRefDefaults = []field{nonZero("apiVersion", "v1")}
	fileKeyDefaults  = []field{optional("optional", false)}

	fileModeDefaults      = []field{optional("defaultMode", 0o644)}
	tokenDefaults         = []field{optional("expirationSeconds", 3600)}
	hostPathDefaults      = []field{optional("type", "")}
	emptyDirDefaults      = []field{optional("emptyDir", tree.MapOf())}
	imageDefaults         = []field{nonZero("pullPolicy", "IfNotPresent")}
	latestImageDefaults   = []field{nonZero("pullPolicy", "Always")}
	claimDefaults         = []field{optional("volumeMode", "Filesystem")}
	legacyVolumesDefaults = map[string][]field{
		"iscsi": {nonZero("iscsiInterface", "default")},
		"rbd":   {nonZero("pool", "rbd"), nonZero("user", "admin"), nonZero("keyring", "/etc/ceph/keyring")},
		"azureDisk": {
			optional("cachingMode", "ReadWrite"), optional("fsType", "ext4"),
			optional("readOnly", false), optional("kind", "Shared"),
		},
		"scaleIO": {nonZero("storageMode", "ThinProvisioned"), nonZero("fsType", "xfs")},
	}
)

// completePod does what holds for Pods and not for pod templates, and then
// what holds for both.
func completePod(spec *tree.Node) {
	if seconds, ok := spec.Get("terminationGracePeriodSeconds").Int(); ok && seconds < 0 {
		set(spec, "terminationGracePeriodSeconds", gracePeriodOne)
	}
	complete(spec, barePodDefaults)
	hostNetwork := spec.Get("hostNetwork").True()
	for _, name := range ContainerLists[:2] {
		containers := spec.Get(name).Children()
		for i := range containers {
			requestLimits(&containers[i])
			if hostNetwork {
				takeHostPorts(&containers[i])
			}
		}
	}
	completePodSpec(spec)
}

// requestLimits lets a container request what it is limited to.
func requestLimits(container *tree.Node) {
	resources := container.Get("resources")
	limits := resources.Get("limits")
	if limits.Len() == 0 {
		return
	}
	if !resources.Get("requests").Is(tree.Map) {
		set(resources, "requests", tree.ImpliedBy(limits))
		return
	}
	fillFrom(resources, "requests", "limits")
}

func takeHostPorts(container *tree.Node) {
	ports := container.Get("ports").Children()
	for i := range ports {
		p := &ports[i]
		if hostPort := p.Get("hostPort"); hostPort.Kind() != tree.Null && hostPort.Text() != "0" {
			continue
		}
		if port := p.Get("containerPort"); port.Is(tree.Int) {
			set(p, "hostPort", tree.ImpliedBy(port))
		}
	}
}

// completeTemplate completes a pod template.
func completeTemplate(template *tree.Node) { completePodSpec(template.Get("spec")) }

func completePodSpec(spec *tree.Node) {
	if !spec.Is(tree.Map) {
		return
	}
	complete(spec, podDefaults)
	syncServiceAccount(spec)
	for _, name := range ContainerLists {
		containers := spec.Get(name).Children()
		for i := range containers {
			completeContainer(&containers[i])
		}
	}
	volumes := spec.Get("volumes").Children()
	for i := range volumes {
		completeVolume(&volumes[i])
	}
}

// syncServiceAccount keeps serviceAccountName and its old name equal.
func syncServiceAccount(spec *tree.Node) {
	name, old := spec.Get("serviceAccountName"), spec.Get("serviceAccount")
	switch {
	case name.Str() != "":
		if old.Str() != name.Str() {
			set(spec, "serviceAccount", tree.ImpliedBy(name))
		}
	case old.Str() != "":
		set(spec, "serviceAccountName", tree.ImpliedBy(old))
	}
}

func completeContainer(c *tree.Node) {
	defaults := containerDefaults
	if isLatest(c.Get("image").Str()) {
		defaults = latestContainerDefaults
	}
	complete(c, defaults)
	entries := c.Children()
	for i := range entries {
		switch e := &entries[i]; e.Key() {
		case "ports":
			completeEach(e, protocolDefaults)
		case "env":
			completeEnv(e)
		case "livenessProbe", "readinessProbe", "startupProbe":
			complete(e, probeDefaults)
			complete(e.Get("httpGet"), httpGetDefaults)
			complete(e.Get("grpc"), grpcDefaults)
		case "lifecycle":
			complete(e.Dig("postStart", "httpGet"), httpGetDefaults)
			complete(e.Dig("preStop", "httpGet"), httpGetDefaults)
		}
	}
}

func completeEnv(env *tree.Node) {
	items := env.Children()
	for i := range items {
		if from := items[i].Get("valueFrom"); from != nil {
			complete(from.Get("fieldRef"), fieldRefDefaults)
			complete(from.Get("fileKeyRef"), fileKeyDefaults)
		}
	}
}

func completeVolume(v *tree.Node) {
	empty := true
	entries := v.Children()
	for i := range entries {
		source := &entries[i]
		if !source.Is(tree.Map) {
			continue
		}
		switch source.Key() {
		case "secret", "configMap":
			complete(source, fileModeDefaults)
		case "downwardAPI":
			complete(source, fileModeDefaults)
			completeDownward(source)
		case "projected":
			completeProjected(source)
		case "hostPath":
			complete(source, hostPathDefaults)
		case "image":
			completeImageVolume(source)
		case "ephemeral":
			complete(source.Dig("volumeClaimTemplate", "spec"), claimDefaults)
		case "emptyDir", "persistentVolumeClaim", "csi":
		default:
			if !volumeSources()[source.Key()] {
				continue
			}
			complete(source, legacyVolumesDefaults[source.Key()])
		}
		empty = false
	}
	if empty {
		complete(v, emptyDirDefaults)
	}
}

// volumeSources are the names of all kinds of volume.
var volumeSources = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	builtin.mu.Lock()
	defer builtin.mu.Unlock()
	for name := range builtin.describe(reflect.TypeFor[corev1.VolumeSource]()).fields {
		names[name] = true
	}
	return names
})

func completeProjected(source *tree.Node) {
	complete(source, fileModeDefaults)
	parts := source.Get("sources").Children()
	for i := range parts {
		completeDownward(parts[i].Get("downwardAPI"))
		complete(parts[i].Get("serviceAccountToken"), tokenDefaults)
	}
}

func completeDownward(source *tree.Node) {
	items := source.Get("items").Children()
	for i := range items {
		complete(items[i].Get("fieldRef"), fieldRefDefaults)
	}
}

func completeImageVolume(source *tree.Node) {
	if isLatest(source.Get("reference").Str()) {
		complete(source, latestImageDefaults)
	} else {
		complete(source, imageDefaults)
	}
}
