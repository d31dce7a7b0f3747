package model

import "ullage.dev/ullage/internal/tree"

var (
	matchDefaults = []field{
		optional("matchPolicy", "Equivalent"), optional("namespaceSelector", tree.MapOf()), optional("objectSelector", tree.MapOf()),
	}
	webhookDefaults     = append([]field{optional("failurePolicy", "Fail"), optional("timeoutSeconds", 10)}, matchDefaults...)
	betaWebhookDefaults = append([]field{
		optional("failurePolicy", "Ignore"), optional("timeoutSeconds", 30), optional("matchPolicy", "Exact"), optional("sideEffects", "Unknown"),
	}, matchDefaults[1:]...)
	reinvocationDefaults = []field{optional("reinvocationPolicy", "Never")}
	reviewVersions       = implied("admissionReviewVersions", list("v1beta1"))
	ruleDefaults         = []field{optional("scope", "*")}
	webhookPortDefaults  = []field{optional("port", 443)}

	admissionPolicyDefaults = []field{optional("failurePolicy", "Fail")}
	paramRefDefaults        = []field{optional("parameterNotFoundAction", "Deny")}
)

func completeAdmission(root, spec *tree.Node, kind, apiVersion string) {
	switch kind {
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		webhooks := root.Get("webhooks").Children()
		for i := range webhooks {
			completeWebhook(&webhooks[i], kind, apiVersion)
		}
	case "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy":
		complete(spec, admissionPolicyDefaults)
		completeMatch(spec.Get("matchConstraints"))
	case "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding":
		completeMatch(spec.Get("matchResources"))
		if apiVersion == "admissionregistration.k8s.io/v1alpha1" {
			complete(spec.Get("paramRef"), paramRefDefaults)
		}
	}
}

func completeWebhook(w *tree.Node, kind, apiVersion string) {
	if !w.Is(tree.Map) {
		return
	}
	if apiVersion == "admissionregistration.k8s.io/v1beta1" {
		complete(w, betaWebhookDefaults)
		if emptyChild(w, "admissionReviewVersions") {
			set(w, "admissionReviewVersions", reviewVersions)
		}
	} else {
		complete(w, webhookDefaults)
	}
	if kind == "MutatingWebhookConfiguration" {
		complete(w, reinvocationDefaults)
	}
	completeEach(w.Get("rules"), ruleDefaults)
	complete(w.Dig("clientConfig", "service"), webhookPortDefaults)
}

func completeMatch(match *tree.Node) {
	complete(match, matchDefaults)
	completeEach(match.Get("resourceRules"), ruleDefaults)
	completeEach(match.Get("excludeResourceRules"), ruleDefaults)
}
