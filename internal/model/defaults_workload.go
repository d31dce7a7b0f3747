package model

import (
	"math"

	"ullage.dev/ullage/internal/tree"
)

var (
	replicasDefaults        = []field{optional("replicas", 1)}
	deploymentDefaults      = deploymentFields(10, 600)
	betaDeploymentDefaults  = deploymentFields(2, 600)
	extDeploymentDefaults   = deploymentFields(math.MaxInt32, math.MaxInt32)
	surgeDefaults           = []field{optional("maxUnavailable", "25%"), optional("maxSurge", "25%")}
	extSurgeDefaults        = []field{optional("maxUnavailable", 1), optional("maxSurge", 1)}
	daemonSetDefaults       = []field{optional("revisionHistoryLimit", 10)}
	daemonSurgeDefaults     = []field{optional("maxUnavailable", 1), optional("maxSurge", 0)}
	statefulSetDefaults     = []field{nonZero("podManagementPolicy", "OrderedReady"), optional("replicas", 1), optional("revisionHistoryLimit", 10)}
	partitionDefaults       = []field{optional("partition", 0), optional("maxUnavailable", 1)}
	claimRetentionDefaults  = []field{nonZero("whenDeleted", "Retain"), nonZero("whenScaled", "Retain")}
	rollingUpdateType       = []field{nonZero("type", "RollingUpdate")}
	onDeleteType            = []field{nonZero("type", "OnDelete")}
	jobDefaults             = []field{optional("parallelism", 1), optional("backoffLimit", 6), optional("completionMode", "NonIndexed"), optional("suspend", false), optional("podReplacementPolicy", "TerminatingOrFailed"), optional("manualSelector", false)}
	completionsDefaults     = []field{optional("completions", 1)}
	perIndexBackoffDefaults = []field{optional("backoffLimit", math.MaxInt32)}
	failurePolicyDefaults   = []field{optional("podReplacementPolicy", "Failed")}
	podConditionDefaults    = []field{nonZero("status", "True")}
	cronJobDefaults         = []field{nonZero("concurrencyPolicy", "Allow"), optional("suspend", false), optional("successfulJobsHistoryLimit", 3), optional("failedJobsHistoryLimit", 1)}
)

func deploymentFields(history, deadline int) []field {
	return []field{optional("replicas", 1), optional("revisionHistoryLimit", history), optional("progressDeadlineSeconds", deadline)}
}

// completeApps completes the workloads of apps and of its ancestor extensions,
// whose old versions have defaults of their own.
func completeApps(o *Object, spec *tree.Node) {
	if !spec.Is(tree.Map) {
		return
	}
	old := o.APIVersion == "apps/v1beta1" || o.Key.Group == "extensions"
	switch o.Key.Kind {
	case "Deployment":
		completeDeployment(spec, o.APIVersion)
	case "DaemonSet":
		complete(spec, daemonSetDefaults)
		kind := rollingUpdateType
		if old {
			kind = onDeleteType
		}
		if strategy := ensure(spec, "updateStrategy"); rolling(strategy, kind) {
			complete(ensure(strategy, "rollingUpdate"), daemonSurgeDefaults)
		}
	case "ReplicaSet":
		complete(spec, replicasDefaults)
	case "StatefulSet":
		completeStatefulSet(spec, old)
	case "NetworkPolicy", "Ingress":
		completeNetworking(spec, o.Key.Kind, o.APIVersion)
		return
	default:
		return
	}
	if old {
		adoptLabels(o.Root, spec)
	}
	completeTemplate(spec.Get("template"))
}

func completeDeployment(spec *tree.Node, apiVersion string) {
	defaults, surge := deploymentDefaults, surgeDefaults
	switch apiVersion {
	case "apps/v1beta1":
		defaults = betaDeploymentDefaults
	case "extensions/v1beta1":
		defaults, surge = extDeploymentDefaults, extSurgeDefaults
	}
	complete(spec, defaults)
	strategy := ensure(spec, "strategy")
	if rolling(strategy, rollingUpdateType) || apiVersion == "extensions/v1beta1" && strategy.Get("rollingUpdate").Is(tree.Map) {
		complete(ensure(strategy, "rollingUpdate"), surge)
	}
}

func completeStatefulSet(spec *tree.Node, old bool) {
	complete(spec, statefulSetDefaults)
	strategy := ensure(spec, "updateStrategy")
	switch kind := strategy.Get("type").Str(); {
	case kind == "" && old:
		complete(strategy, onDeleteType)
	case kind == "":
		complete(strategy, rollingUpdateType)
		complete(ensure(strategy, "rollingUpdate"), partitionDefaults)
	case kind == "RollingUpdate":
		complete(strategy.Get("rollingUpdate"), partitionDefaults)
	}
	complete(ensure(spec, "persistentVolumeClaimRetentionPolicy"), claimRetentionDefaults)
	claims := spec.Get("volumeClaimTemplates").Children()
	for i := range claims {
		complete(claims[i].Get("spec"), claimDefaults)
	}
}

// ensure returns an entry of a map, made a map where it is absent. It returns nil
// when n is not a map, which the types of versions not known here do not refuse.
func ensure(n *tree.Node, key string) *tree.Node {
	if !n.Is(tree.Map) {
		return nil
	}
	child := n.Get(key)
	if child == nil {
		n.Add(key, tree.Defaulted(tree.MapOf()))
		child = &n.Children()[n.Len()-1]
	} else if child.Is(tree.Null) {
		child.Replace(tree.Defaulted(tree.MapOf()))
	}
	return child
}

// rolling completes the type of an update strategy and reports whether it is a
// rolling update.
func rolling(strategy *tree.Node, kind []field) bool {
	complete(strategy, kind)
	return strategy.Get("type").Str() == "RollingUpdate"
}

// adoptLabels gives an object without labels those of its pods, and one
// without a selector a selector of them.
func adoptLabels(root, spec *tree.Node) {
	labels := spec.Dig("template", "metadata", "labels")
	if !labels.Is(tree.Map) {
		return
	}
	if spec.Get("selector").Kind() == tree.Null {
		set(spec, "selector", tree.Defaulted(tree.MapOf(tree.Entry("matchLabels", tree.ImpliedBy(labels)))))
	}
	copyLabels(root, spec.Dig("template", "metadata", "labels"))
}

func copyLabels(root, labels *tree.Node) {
	if metadata := root.Get("metadata"); labels.Len() > 0 && emptyChild(metadata, "labels") {
		set(metadata, "labels", tree.ImpliedBy(labels))
	}
}

func completeBatch(root, spec *tree.Node, kind string) {
	switch {
	case !spec.Is(tree.Map):
	case kind == "Job":
		completeJob(spec)
		copyLabels(root, spec.Dig("template", "metadata", "labels"))
		completeTemplate(spec.Get("template"))
	case kind == "CronJob":
		complete(spec, cronJobDefaults)
		job := spec.Dig("jobTemplate", "spec")
		completeFailurePolicy(job)
		completeTemplate(job.Get("template"))
	}
}

func completeJob(spec *tree.Node) {
	if spec.Get("completions").Kind() == tree.Null && spec.Get("parallelism").Kind() == tree.Null {
		complete(spec, completionsDefaults)
	}
	if spec.Get("backoffLimitPerIndex").Kind() != tree.Null {
		complete(spec, perIndexBackoffDefaults)
	}
	if spec.Get("podFailurePolicy").Kind() != tree.Null {
		complete(spec, failurePolicyDefaults)
		completeFailurePolicy(spec)
	}
	complete(spec, jobDefaults)
}

func completeFailurePolicy(job *tree.Node) {
	rules := job.Dig("podFailurePolicy", "rules").Children()
	for i := range rules {
		completeEach(rules[i].Get("onPodConditions"), podConditionDefaults)
	}
}
