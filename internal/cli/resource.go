package cli

import (
	"fmt"
	"slices"
	"strings"

	"ullage.dev/ullage/internal/access"
	"ullage.dev/ullage/internal/model"
)

// resource is a type of objects as requests name it.
type resource struct {
	group, name string
	cluster     bool
	other       []string // singular and short names
}

// resources are those that Kubernetes serves and people ask about: group, then
// names, each with its other names behind slashes. A star marks those that are in
// no namespace.
var resources = parseResources(`
: bindings configmaps/configmap/cm endpoints/ep events/event/ev limitranges/limitrange/limits *namespaces/namespace/ns *nodes/node/no
: persistentvolumeclaims/persistentvolumeclaim/pvc *persistentvolumes/persistentvolume/pv pods/pod/po podtemplates/podtemplate
: replicationcontrollers/replicationcontroller/rc resourcequotas/resourcequota/quota secrets/secret serviceaccounts/serviceaccount/sa services/service/svc
: *users/user *groups/group
authentication.k8s.io: *tokenreviews/tokenreview *selfsubjectreviews *uids *userextras
authorization.k8s.io: localsubjectaccessreviews *subjectaccessreviews *selfsubjectaccessreviews *selfsubjectrulesreviews
admissionregistration.k8s.io: *validatingwebhookconfigurations *mutatingwebhookconfigurations *validatingadmissionpolicies
admissionregistration.k8s.io: *validatingadmissionpolicybindings *mutatingadmissionpolicies *mutatingadmissionpolicybindings
apiextensions.k8s.io: *customresourcedefinitions/customresourcedefinition/crd/crds
apiregistration.k8s.io: *apiservices/apiservice
apps: controllerrevisions daemonsets/daemonset/ds deployments/deployment/deploy replicasets/replicaset/rs statefulsets/statefulset/sts
autoscaling: horizontalpodautoscalers/horizontalpodautoscaler/hpa
batch: cronjobs/cronjob/cj jobs/job
certificates.k8s.io: *certificatesigningrequests/certificatesigningrequest/csr *signers/signer *clustertrustbundles podcertificaterequests
coordination.k8s.io: leases/lease leasecandidates
discovery.k8s.io: endpointslices/endpointslice
flowcontrol.apiserver.k8s.io: *flowschemas/flowschema *prioritylevelconfigurations/prioritylevelconfiguration
networking.k8s.io: ingresses/ingress/ing *ingressclasses/ingressclass networkpolicies/networkpolicy/netpol *ipaddresses *servicecidrs
node.k8s.io: *runtimeclasses/runtimeclass
policy: poddisruptionbudgets/poddisruptionbudget/pdb
rbac.authorization.k8s.io: roles/role rolebindings/rolebinding *clusterroles/clusterrole *clusterrolebindings/clusterrolebinding
resource.k8s.io: resourceclaims/resourceclaim resourceclaimtemplates *deviceclasses *resourceslices
scheduling.k8s.io: *priorityclasses/priorityclass/pc
storage.k8s.io: *storageclasses/storageclass/sc *csidrivers *csinodes csistoragecapacities *volumeattachments *volumeattributesclasses
`)

func parseResources(text string) []resource {
	var all []resource
	for line := range strings.Lines(text) {
		group, names, _ := strings.Cut(line, ":")
		for _, entry := range strings.Fields(names) {
			words := strings.Split(strings.TrimPrefix(entry, "*"), "/")
			all = append(all, resource{group, words[0], strings.HasPrefix(entry, "*"), words[1:]})
		}
	}
	return all
}

// subresources are the words that RESOURCE/WORD takes for a subresource and not
// for a name.
var subresources = strings.Fields(`approval attach binding ephemeralcontainers eviction exec finalize finalizers log metrics portforward proxy resize
	scale stats status token configz healthz`)

// parseRequest makes a request of VERB and RESOURCE[.GROUP][/SUB][/NAME], or of
// VERB and a URL path. scoped reports whether the resource is in namespaces.
func parseRequest(s *model.Snapshot, verb, text string) (q *access.Request, scoped bool, err error) {
	if verb == "" || strings.ContainsAny(verb, "/.: ") {
		return nil, false, fmt.Errorf("verb %q is none: write for example get, list, create, delete, impersonate or *", verb)
	}
	if strings.HasPrefix(text, "/") {
		return &access.Request{Verb: verb, URL: text}, false, nil
	}
	parts := strings.Split(text, "/")
	q = &access.Request{Verb: verb}
	switch {
	case len(parts) > 3 || slices.Contains(parts, ""):
		return nil, false, fmt.Errorf("resource %q is not RESOURCE[.GROUP][/SUBRESOURCE][/NAME]", text)
	case len(parts) == 3:
		q.Subresource, q.Name = parts[1], parts[2]
	case len(parts) == 2 && slices.Contains(subresources, parts[1]):
		q.Subresource = parts[1]
	case len(parts) == 2:
		q.Name = parts[1]
	}
	name, group, grouped := strings.Cut(parts[0], ".")
	if name == "*" {
		if !grouped {
			group = "*" // which only a rule with a star allows
		}
		q.Resource, q.Group = name, group
		return q, true, nil
	}
	// As everywhere in Kubernetes, a name without a group is first that of a built-in
	// resource: custom ones are often called the same.
	for _, r := range slices.Concat(resources, customResources(s)) {
		if (r.name == name || slices.Contains(r.other, name)) && (!grouped || r.group == group) {
			q.Resource, q.Group = r.name, r.group
			return q, !r.cluster, nil
		}
	}
	if !grouped {
		return nil, false, fmt.Errorf("resource %q is not known: write the plural, and its group if it is a custom one, such as certificates.cert-manager.io", name)
	}
	q.Resource, q.Group = name, group
	return q, true, nil
}

// customResources returns what the CustomResourceDefinitions of a snapshot
// define.
func customResources(s *model.Snapshot) []resource {
	var all []resource
	for o := range s.Kind(model.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}) {
		spec := o.Root.Get("spec")
		names := spec.Get("names")
		r := resource{group: spec.Get("group").Str(), name: names.Get("plural").Str(), cluster: spec.Get("scope").Str() == "Cluster"}
		r.other = append(r.other, names.Get("singular").Str())
		for i := range names.Get("shortNames").Children() {
			r.other = append(r.other, names.Get("shortNames").At(i).Str())
		}
		all = append(all, r)
	}
	return all
}
