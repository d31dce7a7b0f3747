package access

import (
	"math/bits"
	"strings"
)

// Right is something that is dangerous to be allowed.
type Right uint8

// Rights is a set of rights.
type Rights uint64

// Has reports whether the set holds a right.
func (s Rights) Has(r Right) bool { return s>>r&1 != 0 }

// All returns the rights of the set in the order of the catalogue.
func (s Rights) All() []Right {
	l := make([]Right, 0, bits.OnesCount64(uint64(s)))
	for ; s != 0; s &= s - 1 {
		l = append(l, Right(bits.TrailingZeros64(uint64(s))))
	}
	return l
}

func (r Right) String() string { return catalogue[r].name }

// Names returns the names of all rights, in the order of the catalogue.
func Names() []string {
	names := make([]string, len(catalogue))
	for i := range catalogue {
		names[i] = catalogue[i].name
	}
	return names
}

// Needs returns the definition of a right: holding any of them gives it. It is
// nil for the rights about wildcards, which are about how a rule is written.
func (r Right) Needs() []Need { return catalogue[r].needs }

// Need is a set of requests any of which gives a right, for every name. A rule
// that is restricted to names gives it only when it allows one of Names.
type Need struct {
	Verbs     []string
	Group     string
	Resources []string // with subresource, such as pods/exec
	Cluster   bool     // means nothing in a grant for one namespace
	Names     []string // names that alone give the right
}

type definition struct {
	name  string
	needs []Need
}

func words(s string) []string { return strings.Split(s, ",") }

func inNamespaces(verbs, group, resources string) Need {
	return Need{Verbs: words(verbs), Group: group, Resources: words(resources)}
}

func clusterWide(verbs, group, resources string) Need {
	return Need{Verbs: words(verbs), Group: group, Resources: words(resources), Cluster: true}
}

func (n Need) named(names ...string) Need {
	n.Names = names
	return n
}

// Rights whose place in the catalogue the code knows.
const (
	wildcardAll Right = iota
	wildcardResources
	wildcardVerbs
	readAll
)

const (
	write   = "create,update,patch"
	change  = "update,patch"
	control = "create,update,patch,delete,deletecollection" // where taking away does harm too
	read    = "get,list,watch"
	run     = "create,get" // over WebSocket the API server asks for get

	rbacGroup      = "rbac.authorization.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
	csrGroup       = "certificates.k8s.io"
)

// catalogue defines the rights. The order is that of reports.
var catalogue = [...]definition{
	wildcardAll:       {name: "wildcard-all"},
	wildcardResources: {name: "wildcard-resources"},
	wildcardVerbs:     {name: "wildcard-verbs"},
	readAll:           {name: "read-all"},
	{"read-secrets", []Need{inNamespaces(read, "", "secrets")}},
	{"list-secrets", []Need{inNamespaces("list,watch", "", "secrets")}},
	{"write-secrets", []Need{inNamespaces(write, "", "secrets")}},
	{"exec-pods", []Need{inNamespaces(run, "", "pods/exec,pods/attach")}},
	{"create-pods", []Need{inNamespaces("create", "", "pods")}},
	{"create-workloads", []Need{
		inNamespaces("create", "apps", "deployments,statefulsets,daemonsets,replicasets"),
		inNamespaces("create", "batch", "jobs,cronjobs"),
		inNamespaces("create", "", "replicationcontrollers"),
	}},
	{"modify-workloads", []Need{
		inNamespaces(change, "apps", "deployments,statefulsets,daemonsets,replicasets"),
		inNamespaces(change, "batch", "jobs,cronjobs"),
		inNamespaces(change, "", "replicationcontrollers,pods"),
	}},
	{"ephemeral-containers", []Need{inNamespaces(change, "", "pods/ephemeralcontainers")}},
	{"port-forward", []Need{inNamespaces(run, "", "pods/portforward")}},
	{"impersonate", []Need{
		inNamespaces("impersonate", "", "serviceaccounts"),
		clusterWide("impersonate", "", "users").named("system:admin"),
		clusterWide("impersonate", "", "groups").named("system:masters"),
		clusterWide("impersonate", "authentication.k8s.io", "uids"),
	}},
	{"bind-roles", []Need{inNamespaces("bind", rbacGroup, "roles,clusterroles").named("cluster-admin")}},
	{"escalate-roles", []Need{inNamespaces("escalate", rbacGroup, "roles"), clusterWide("escalate", rbacGroup, "clusterroles")}},
	{"write-roles", []Need{inNamespaces(write, rbacGroup, "roles"), clusterWide(write, rbacGroup, "clusterroles")}},
	{"write-bindings", []Need{inNamespaces(write, rbacGroup, "rolebindings"), clusterWide(write, rbacGroup, "clusterrolebindings")}},
	{"mint-tokens", []Need{inNamespaces("create", "", "serviceaccounts/token")}},
	{"csr-create", []Need{clusterWide("create", csrGroup, "certificatesigningrequests")}},
	{"approve-csr", []Need{
		clusterWide(change, csrGroup, "certificatesigningrequests/approval"),
		clusterWide("approve", csrGroup, "signers").named(clientSigners...),
	}},
	{"sign-csr", []Need{
		clusterWide(change, csrGroup, "certificatesigningrequests/status"),
		clusterWide("sign", csrGroup, "signers").named(clientSigners...),
	}},
	{"node-proxy", []Need{clusterWide("get,create,update,patch,delete", "", "nodes/proxy")}},
	{"write-nodes", []Need{clusterWide(control, "", "nodes"), clusterWide(change, "", "nodes/status")}},
	{"write-persistent-volumes", []Need{clusterWide(write, "", "persistentvolumes")}},
	{"write-namespaces", []Need{clusterWide(write, "", "namespaces"), clusterWide("update", "", "namespaces/finalize")}},
	{"write-network-policies", []Need{
		inNamespaces(control, "networking.k8s.io", "networkpolicies"),
		inNamespaces(control, "cilium.io", "ciliumnetworkpolicies"),
		inNamespaces(control, "projectcalico.org", "networkpolicies"),
		inNamespaces(control, "crd.projectcalico.org", "networkpolicies"),
		clusterWide(control, "cilium.io", "ciliumclusterwidenetworkpolicies"),
		clusterWide(control, "projectcalico.org", "globalnetworkpolicies"),
		clusterWide(control, "crd.projectcalico.org", "globalnetworkpolicies"),
		clusterWide(control, "policy.networking.k8s.io", "adminnetworkpolicies,baselineadminnetworkpolicies,clusternetworkpolicies"),
	}},
	{"write-webhooks", []Need{clusterWide(control, admissionGroup, "validatingwebhookconfigurations,mutatingwebhookconfigurations")}},
	{"write-admission-policies", []Need{clusterWide(control, admissionGroup,
		"validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings")}},
	{"write-crds", []Need{clusterWide(control, "apiextensions.k8s.io", "customresourcedefinitions")}},
	{"write-apiservices", []Need{clusterWide(control, "apiregistration.k8s.io", "apiservices")}},
	{"delete-events", []Need{
		inNamespaces("delete,deletecollection", "", "events"),
		inNamespaces("delete,deletecollection", "events.k8s.io", "events"),
	}},
}

// clientSigners issue certificates with which one may log in to the cluster.
var clientSigners = []string{"kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/*"}
