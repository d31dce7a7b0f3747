package access

import "ullage.dev/ullage/internal/model"

// The rights. Those up to DeleteEvents are part of the rule language: their
// names and order stay.
const (
	WildcardAll Right = iota
	WildcardResources
	WildcardVerbs
	ReadAll
	ReadSecrets
	ListSecrets
	WriteSecrets
	ExecPods
	CreatePods
	CreateWorkloads
	ModifyWorkloads
	EphemeralContainers
	PortForward
	Impersonate
	BindRoles
	EscalateRoles
	WriteRoles
	WriteBindings
	MintTokens
	CreateCSR
	ApproveCSR
	SignCSR
	NodeProxy
	WriteNodes
	WritePersistentVolumes
	WriteNamespaces
	WriteNetworkPolicies
	WriteWebhooks
	WriteAdmissionPolicies
	WriteCRDs
	WriteAPIServices
	DeleteEvents

	ImpersonateUsers
	ImpersonateGroups
	ImpersonateAccounts
	ImpersonateExtras
	CreateSecrets
	ModifyPods
	ModifyControllers
	UpdateApproval
	ApproveSigners
	PatchNamespaces
	WriteAWSAuth
	WriteServiceAccounts
	ProxyPods
	ReadNodeLogs
	PodStatus
	BindPods
	ServiceStatus
	WriteServices
	WriteEndpoints
	DeletePods
	DeleteWorkloads
	ReviewTokens
	ReadLogs
	ImpersonateConstrained
	WriteRoutes
	CustomWorkloads
	WriteReleases

	GrantAnyRole
	RewriteRoles
	ForgeCertificate
	ForgeToken
	BypassPodSecurity

	rightCount
	firstTogether = GrantAnyRole
)

const controllers = "deployments,statefulsets,daemonsets,replicasets"

// clientSigners issue certificates with which one may log in to the cluster.
var clientSigners = []string{"kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/*"}

// catalogue defines the rights.
var catalogue = [rightCount]definition{
	WildcardAll: {name: "wildcard-all", group: "everything", severity: model.Critical, attack: "T1078,T1098.006",
		gain: "Does everything that the API can do, and what it will learn to do; it ends every other boundary."},
	WildcardResources: {name: "wildcard-resources", group: "everything", severity: model.Medium, attack: "T1078",
		gain: "Acts on every resource of an API group, those of future versions included."},
	WildcardVerbs: {name: "wildcard-verbs", group: "everything", severity: model.Low, attack: "T1078",
		gain: "Uses every verb on a resource, deleting whole collections included."},
	ReadAll: {name: "read-all", group: "everything", severity: model.High, attack: "T1552.007,T1613",
		gain: "Reads every object, so all secrets and tokens in them."},
	// The API server answers an empty patch, and the deletion of a collection that is
	// only tried (dryRun), with the whole objects. An update returns what was sent.
	ReadSecrets: {name: "read-secrets", group: "read secrets", severity: model.High, attack: "T1552.007",
		gain:  "Reads passwords, keys and long-lived tokens, and goes on as their owners.",
		needs: []Need{inNamespaces(read+",patch,deletecollection", "", "secrets")}},
	ListSecrets: {name: "list-secrets", group: "read secrets", severity: model.High, attack: "T1552.007", part: "read-secrets",
		gain:  "Reads the content of all secrets at once without knowing a name.",
		needs: []Need{inNamespaces("list,watch,deletecollection", "", "secrets")}},
	WriteSecrets: {name: "write-secrets", group: "read secrets", severity: model.Medium, attack: "T1556,T1565",
		gain:  "Replaces credentials and certificates by ones that the attacker knows.",
		needs: []Need{inNamespaces(write, "", "secrets")}},
	ExecPods: {name: "exec-pods", group: "run code", severity: model.High, attack: "T1609",
		gain:  "Runs commands in running containers, with their tokens, secrets and network place; with get alone before Kubernetes 1.35.",
		needs: []Need{inNamespaces(run, "", "pods/exec,pods/attach")}},
	CreatePods: {name: "create-pods", group: "run code", severity: model.High, attack: "T1610",
		gain:  "Starts a pod of its own making, as any service account of the namespace and with any of its secrets mounted.",
		needs: []Need{inNamespaces("create", "", "pods")}},
	CreateWorkloads: {name: "create-workloads", group: "run code", severity: model.High, attack: "T1610,T1053.007",
		gain: "Lets a controller start pods of its own making, as any service account of the namespace.",
		needs: []Need{
			inNamespaces("create", "apps", controllers),
			inNamespaces("create", "batch", "jobs,cronjobs"),
			inNamespaces("create", "", "replicationcontrollers"),
		}},
	ModifyWorkloads: {name: "modify-workloads", group: "run code", severity: model.High, attack: "T1610,T1525",
		gain: "Puts another image or command into what runs already.",
		needs: []Need{
			inNamespaces(change, "apps", controllers),
			inNamespaces(change, "batch", "cronjobs"), // the template of a Job stays
			inNamespaces(change, "", "replicationcontrollers,pods"),
		}},
	EphemeralContainers: {name: "ephemeral-containers", group: "run code", severity: model.High, attack: "T1609,T1610",
		gain:  "Adds a debug container to a running pod and uses the pod's identity and volumes.",
		needs: []Need{inNamespaces(change, "", "pods/ephemeralcontainers")}},
	PortForward: {name: "port-forward", group: "reach the network", severity: model.Medium, attack: "T1572",
		gain:  "Connects to any port of a pod through the API server, past network policies; with get alone before Kubernetes 1.35.",
		needs: []Need{inNamespaces(run, "", "pods/portforward")}},
	Impersonate: {name: "impersonate", group: "become someone", severity: model.Critical, attack: "T1548,T1078",
		gain: "Acts as somebody else by a request header.",
		needs: []Need{
			inNamespaces("impersonate", "", "serviceaccounts"),
			clusterWide("impersonate", "", "users").named("system:admin"),
			clusterWide("impersonate", "", "groups").named("system:masters"),
			clusterWide("impersonate", authnGroup, "uids"),
		}},
	BindRoles: {name: "bind-roles", group: "become someone", severity: model.High, attack: "T1098.006",
		gain:  "May name roles in bindings whose rights it does not hold; with the right to write bindings that is any right.",
		named: "May name such a role in bindings without holding its rights; with the right to write bindings these are its own.",
		needs: []Need{inNamespaces("bind", rbacGroup, "roles,clusterroles").named("cluster-admin")}},
	EscalateRoles: {name: "escalate-roles", group: "become someone", severity: model.High, attack: "T1098.006",
		gain:  "May write rules into roles that it does not hold itself; with the right to write roles that is any right.",
		named: "May write rules into such a role that it does not hold itself; with the right to write the role, who is bound to it has any right.",
		needs: []Need{inNamespaces("escalate", rbacGroup, "roles"), clusterWide("escalate", rbacGroup, "clusterroles")}},
	WriteRoles: {name: "write-roles", group: "become someone", severity: model.High, attack: "T1098.006",
		gain:  "Changes what roles allow, as far as it holds the rights itself, and so hands them to all who are bound.",
		needs: []Need{inNamespaces(write, rbacGroup, "roles"), clusterWide(write, rbacGroup, "clusterroles")}},
	WriteBindings: {name: "write-bindings", group: "become someone", severity: model.High, attack: "T1098.006",
		gain:  "Gives roles whose rights it holds to others, which keeps a way back in.",
		needs: []Need{inNamespaces(write, rbacGroup, "rolebindings"), clusterWide(write, rbacGroup, "clusterrolebindings")}},
	MintTokens: {name: "mint-tokens", group: "become someone", severity: model.Critical, attack: "T1528,T1550.001",
		gain:  "Has a token made for any service account, and acts as it from anywhere.",
		named: "Has a token made for such a service account, and acts as it from anywhere.",
		needs: []Need{inNamespaces("create", "", "serviceaccounts/token")}},
	CreateCSR: {name: "csr-create", group: "become someone", severity: model.Low, attack: "T1649",
		gain:  "Asks for certificates in any name; somebody must still approve them.",
		needs: []Need{clusterWide("create", csrGroup, "certificatesigningrequests")}},
	ApproveCSR: {name: "approve-csr", group: "become someone", severity: model.High, attack: "T1649",
		gain: "Has a hand in approving certificate requests.",
		needs: []Need{
			clusterWide(change, csrGroup, "certificatesigningrequests/approval"),
			clusterWide("approve", csrGroup, "signers").named(clientSigners...),
		}},
	SignCSR: {name: "sign-csr", group: "become someone", severity: model.High, attack: "T1649",
		gain: "Writes certificates into requests, or may act as a signer; what it signs is believed by those who trust that signer.",
		needs: []Need{
			clusterWide(change, csrGroup, "certificatesigningrequests/status"),
			clusterWide("sign", csrGroup, "signers").named(clientSigners...),
		}},
	NodeProxy: {name: "node-proxy", group: "reach nodes", severity: model.Critical, attack: "T1609,T1611", one: true,
		gain:  "Talks to every kubelet: runs commands in any container, with no trace in the audit log of the API server.",
		needs: []Need{clusterWide("get,create,update,patch,delete", "", "nodes/proxy")}},
	WriteNodes: {name: "write-nodes", group: "reach nodes", severity: model.High, attack: "T1578,T1562",
		gain:  "Changes labels and taints, so that chosen pods come to a node that the attacker holds; or takes nodes away.",
		needs: []Need{clusterWide(control, "", "nodes"), clusterWide(change, "", "nodes/status")}},
	WritePersistentVolumes: {name: "write-persistent-volumes", group: "reach nodes", severity: model.High, attack: "T1611",
		gain: "Makes a volume of any host directory, which a claim then mounts past Pod Security.",
		// The source of a volume cannot be changed.
		needs: []Need{clusterWide("create", "", "persistentvolumes")}},
	WriteNamespaces: {name: "write-namespaces", group: "change the rules", severity: model.High, attack: "T1562.001",
		gain: "Makes namespaces, or changes the labels of one.",
		// The API server takes the namespace of a request about a namespace from
		// its name: a RoleBinding allows to change its own.
		needs: []Need{clusterWide("create", "", "namespaces"), inNamespaces(change, "", "namespaces,namespaces/status"), inNamespaces("update", "", "namespaces/finalize")}},
	WriteNetworkPolicies: {name: "write-network-policies", group: "change the rules", severity: model.Medium, attack: "T1562.007",
		gain: "Opens the network between workloads, or closes it.",
		needs: []Need{
			inNamespaces(control, "networking.k8s.io", "networkpolicies"),
			inNamespaces(control, "cilium.io", "ciliumnetworkpolicies"),
			inNamespaces(control, "projectcalico.org", "networkpolicies"),
			inNamespaces(control, "crd.projectcalico.org", "networkpolicies"),
			clusterWide(control, "cilium.io", "ciliumclusterwidenetworkpolicies"),
			clusterWide(control, "projectcalico.org", "globalnetworkpolicies"),
			clusterWide(control, "crd.projectcalico.org", "globalnetworkpolicies"),
			clusterWide(control, "policy.networking.k8s.io", "adminnetworkpolicies,baselineadminnetworkpolicies,clusternetworkpolicies"),
		}},
	WriteWebhooks: {name: "write-webhooks", group: "change the rules", severity: model.Critical, attack: "T1562.001,T1556", one: true,
		gain:  "With create or update, sees every object on its way in, secrets included, and changes it; with delete, takes away the webhook that would refuse it.",
		needs: []Need{clusterWide(control, admissionGroup, "validatingwebhookconfigurations,mutatingwebhookconfigurations")}},
	WriteAdmissionPolicies: {name: "write-admission-policies", group: "change the rules", severity: model.High, attack: "T1562.001", one: true,
		gain: "Takes away the policies that refuse dangerous objects, or adds ones that change objects.",
		needs: []Need{clusterWide(control, admissionGroup,
			"validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings")}},
	WriteCRDs: {name: "write-crds", group: "change the rules", severity: model.High, attack: "T1562.001,T1485", one: true,
		gain:  "With update, sends all objects of a custom kind through a conversion webhook of its own; with delete, deletes them with their kind.",
		needs: []Need{clusterWide(control, "apiextensions.k8s.io", "customresourcedefinitions")}},
	WriteAPIServices: {name: "write-apiservices", group: "change the rules", severity: model.Critical, attack: "T1557", one: true,
		gain:  "With create or update, has the API server send the requests of a whole API group, with the callers' names, to a server of its own; with delete, takes the group away.",
		needs: []Need{clusterWide(control, "apiregistration.k8s.io", "apiservices")}},
	DeleteEvents: {name: "delete-events", group: "disturb", severity: model.Low, attack: "T1070",
		gain: "Removes the events that tell what happened.",
		needs: []Need{
			inNamespaces(erase, "", "events"),
			inNamespaces(erase, "events.k8s.io", "events"),
		}},

	ImpersonateUsers: {name: "impersonate-users", group: "become someone", severity: model.Critical, attack: "T1548,T1078", part: "impersonate",
		gain:  "Acts as any user by a request header, such as kube-controller-manager, which makes tokens for every service account.",
		named: "Acts as such a user by a request header.",
		needs: []Need{clusterWide("impersonate", "", "users")}},
	ImpersonateGroups: {name: "impersonate-groups", group: "become someone", severity: model.Critical, attack: "T1548,T1078", part: "impersonate",
		gain:  "Acts as a member of any group; with the right to impersonate a user or account that is system:masters, which no rule limits.",
		needs: []Need{clusterWide("impersonate", "", "groups").named("system:masters")}},
	ImpersonateAccounts: {name: "impersonate-accounts", group: "become someone", severity: model.High, attack: "T1548,T1078", part: "impersonate",
		gain:  "Acts as any service account by a request header.",
		needs: []Need{inNamespaces("impersonate", "", "serviceaccounts")}},
	ImpersonateExtras: {name: "impersonate-extras", group: "become someone", severity: model.Medium, attack: "T1548", part: "impersonate",
		gain: "Sets the uid or the extra fields of whom it impersonates, on which webhooks and other authorizers may rely.",
		needs: []Need{
			clusterWide("impersonate", authnGroup, "uids"),
			clusterWide("impersonate", authnGroup, extras+"/KEY"),
		}},
	// Groups take a user besides, and are not asked for by themselves.
	ImpersonateConstrained: {name: "impersonate-constrained", group: "become someone", severity: model.Medium, attack: "T1548,T1078",
		gain: "Acts as somebody else for the requests that verbs such as impersonate-on:user-info:get name, from Kubernetes 1.36; without such verbs it gives nothing.",
		needs: []Need{
			clusterWide("impersonate:user-info", authnGroup, "users"),
			inNamespaces("impersonate:serviceaccount", authnGroup, "serviceaccounts"),
			clusterWide("impersonate:arbitrary-node,impersonate:associated-node", authnGroup, "nodes"),
		}},
	WriteRoutes: {name: "write-routes", group: "reach the network", severity: model.Medium, attack: "T1133,T1557",
		gain: "Leads requests from outside to a Service of the namespace, or takes those that are for the host name of somebody else, with what they carry.",
		needs: []Need{
			inNamespaces(write, "networking.k8s.io", "ingresses"),
			inNamespaces(write, "gateway.networking.k8s.io", "gateways,httproutes,grpcroutes,tlsroutes,tcproutes,udproutes"),
			inNamespaces(write, "networking.istio.io", "gateways,virtualservices"),
			inNamespaces(write, "route.openshift.io", "routes"),
			inNamespaces(write, "traefik.io", "ingressroutes,ingressroutetcps,ingressrouteudps"),
			inNamespaces(write, "projectcontour.io", "httpproxies"),
		}},
	// Operators that make pods by templates that whoever writes the object chooses, or
	// at least by an account, containers or Secrets that it names.
	CustomWorkloads: {name: "write-custom-workloads", group: "run code", severity: model.High, attack: "T1610",
		gain: "Has an operator start pods of its own making, as service accounts of the namespace and with its Secrets.",
		needs: []Need{
			inNamespaces(write, "argoproj.io", "workflows,cronworkflows,rollouts,experiments,analysisruns"),
			inNamespaces(write, "tekton.dev", "pipelineruns,taskruns"),
			inNamespaces(write, "serving.knative.dev", "services,configurations"),
			inNamespaces(write, "sources.knative.dev", "containersources"),
			inNamespaces(write, "serving.kserve.io", "inferenceservices"),
			inNamespaces(write, "kubevirt.io", "virtualmachines,virtualmachineinstances,virtualmachineinstancereplicasets"),
			inNamespaces(write, "batch.volcano.sh", "jobs"),
			inNamespaces(write, "jobset.x-k8s.io", "jobsets"),
			inNamespaces(write, "leaderworkerset.x-k8s.io", "leaderworkersets"),
			inNamespaces(write, "kubeflow.org", "notebooks,pytorchjobs,tfjobs,mpijobs,xgboostjobs,paddlejobs,jaxjobs"),
			inNamespaces(write, "sparkoperator.k8s.io", "sparkapplications,scheduledsparkapplications"),
			inNamespaces(write, "ray.io", "rayclusters,rayjobs,rayservices"),
			inNamespaces(write, "apps.kruise.io", "clonesets,statefulsets,daemonsets,broadcastjobs,advancedcronjobs"),
			inNamespaces(write, "keda.sh", "scaledjobs"),
			inNamespaces(write, "actions.github.com", "autoscalingrunnersets,ephemeralrunnersets,ephemeralrunners"),
			inNamespaces(write, "monitoring.coreos.com", "prometheuses,prometheusagents,alertmanagers,thanosrulers"),
			inNamespaces(write, "apps.openshift.io", "deploymentconfigs"),
		}},
	WriteReleases: {name: "write-releases", group: "become someone", severity: model.High, attack: "T1072",
		gain: "Has a controller that deploys, such as those of Argo CD and Flux, make objects of its choice with the controller's rights, which are often all.",
		needs: []Need{
			inNamespaces(write, "argoproj.io", "applications,applicationsets"),
			inNamespaces(write, "kustomize.toolkit.fluxcd.io", "kustomizations"),
			inNamespaces(write, "helm.toolkit.fluxcd.io", "helmreleases"),
			inNamespaces(write, "helm.cattle.io", "helmcharts,helmchartconfigs"),
		}},
	CreateSecrets: {name: "create-secrets", group: "read secrets", severity: model.Medium, attack: "T1528", part: "write-secrets",
		gain:  "Makes a token secret for any service account; who can also read or mount it has the token.",
		needs: []Need{inNamespaces("create", "", "secrets")}},
	ModifyPods: {name: "modify-pods", group: "run code", severity: model.High, attack: "T1525", part: "modify-workloads",
		gain:  "Puts another image into a running pod, whose containers restart with it.",
		needs: []Need{inNamespaces(change, "", "pods")}},
	ModifyControllers: {name: "modify-controllers", group: "run code", severity: model.High, attack: "T1610", part: "modify-workloads",
		gain: "Rewrites the pod template of a workload: image, command, service account, mounts.",
		needs: []Need{
			inNamespaces(change, "apps", controllers),
			inNamespaces(change, "batch", "cronjobs"),
			inNamespaces(change, "", "replicationcontrollers"),
		}},
	UpdateApproval: {name: "update-csr-approval", group: "become someone", severity: model.Medium, attack: "T1649", part: "approve-csr",
		gain:  "Marks certificate requests as approved, for the signers that it may approve for.",
		needs: []Need{clusterWide(change, csrGroup, "certificatesigningrequests/approval")}},
	ApproveSigners: {name: "approve-signers", group: "become someone", severity: model.Medium, attack: "T1649", part: "approve-csr",
		gain:  "May approve for the signers whose certificates log in to the cluster.",
		needs: []Need{clusterWide("approve", csrGroup, "signers").named(clientSigners...)}},
	PatchNamespaces: {name: "patch-namespaces", group: "change the rules", severity: model.High, attack: "T1562.001", part: "write-namespaces",
		gain: "Changes the labels of a namespace: Pod Security and policies that select by them no longer hold there.",
		// The API server takes labels from requests for these subresources as well.
		needs: []Need{inNamespaces(change, "", "namespaces,namespaces/status"), inNamespaces("update", "", "namespaces/finalize")}},
	WriteAWSAuth: {name: "write-aws-auth", group: "become someone", severity: model.Critical, attack: "T1098.006",
		gain:  "Maps an AWS identity of its own to system:masters, on EKS clusters that read the ConfigMap aws-auth.",
		needs: []Need{inNamespaces(change, "", "configmaps").named("aws-auth")}},
	WriteServiceAccounts: {name: "write-service-accounts", group: "become someone", severity: model.Medium, attack: "T1098",
		gain: "Gives a service account the annotations that make it a cloud identity, or other image pull secrets; or pods an identity of Azure, by the objects of AAD Pod Identity.",
		needs: []Need{
			inNamespaces(write, "", "serviceaccounts"),
			inNamespaces(write, "aadpodidentity.k8s.io", "azurepodidentityexceptions,azureidentitybindings"),
		}},
	ProxyPods: {name: "proxy-pods", group: "reach the network", severity: model.Medium, attack: "T1090",
		gain:  "Sends HTTP requests to pods and services through the API server, past network policies.",
		needs: []Need{inNamespaces("get,create,update,patch,delete", "", "pods/proxy,services/proxy")}},
	ReadNodeLogs: {name: "read-node-logs", group: "reach nodes", severity: model.Medium, attack: "T1552.001",
		gain:  "Reads below the log directory of every node, and by a link in it that a root container makes, any file.",
		needs: []Need{clusterWide("get", "", "nodes/log")}},
	PodStatus: {name: "write-pod-status", group: "disturb", severity: model.Low, attack: "T1565,T1499",
		gain:  "Makes pods seem ready or failed, so that traffic moves and controllers replace them.",
		needs: []Need{inNamespaces(change, "", "pods/status")}},
	BindPods: {name: "bind-pods", group: "run code", severity: model.Medium, attack: "T1610",
		gain:  "Puts waiting pods on a node of its choice, past the scheduler and taints that only it honors.",
		needs: []Need{inNamespaces("create", "", "pods/binding,bindings")}},
	ServiceStatus: {name: "write-service-status", group: "reach the network", severity: model.Medium, attack: "T1557",
		gain:  "Gives a service the address of somebody else, whose traffic then comes to it (CVE-2020-8554).",
		needs: []Need{inNamespaces(change, "", "services/status")}},
	WriteServices: {name: "write-services", group: "reach the network", severity: model.Medium, attack: "T1557,T1133",
		gain:  "Leads the traffic of a service elsewhere, takes foreign addresses by externalIPs, or opens a port to the outside.",
		needs: []Need{inNamespaces(write, "", "services")}},
	WriteEndpoints: {name: "write-endpoints", group: "reach the network", severity: model.Medium, attack: "T1557",
		gain:  "Leads the traffic of a service to any address, and reaches addresses that network policies keep it from.",
		needs: []Need{inNamespaces(write, "", "endpoints"), inNamespaces(write, "discovery.k8s.io", "endpointslices")}},
	DeletePods: {name: "delete-pods", group: "disturb", severity: model.Low, attack: "T1489",
		gain:  "Ends pods, so that they restart elsewhere, on a node that the attacker holds.",
		needs: []Need{inNamespaces(erase, "", "pods"), inNamespaces("create", "", "pods/eviction")}},
	DeleteWorkloads: {name: "delete-workloads", group: "disturb", severity: model.Low, attack: "T1485,T1489",
		gain: "Takes workloads and the data of claims away.",
		needs: []Need{
			inNamespaces(erase, "apps", controllers),
			inNamespaces(erase, "batch", "jobs,cronjobs"),
			inNamespaces(erase, "", "replicationcontrollers,persistentvolumeclaims"),
			clusterWide(erase, "", "namespaces"),
		}},
	ReviewTokens: {name: "review-tokens", group: "learn", severity: model.Low, attack: "T1087",
		gain: "Tries out whether tokens are good, or asks what others may do.",
		needs: []Need{
			clusterWide("create", authnGroup, "tokenreviews"),
			clusterWide("create", "authorization.k8s.io", "subjectaccessreviews"),
		}},
	ReadLogs: {name: "read-logs", group: "learn", severity: model.Low, attack: "T1552,T1613",
		gain:  "Reads what programs log, which now and then holds tokens and personal data.",
		needs: []Need{inNamespaces("get", "", "pods/log")}},

	GrantAnyRole: {name: "grant-any-role", group: "become someone", severity: model.Critical, attack: "T1098.006",
		gain: "Binds itself to any role: cluster-admin in the scope of the binding.",
		all:  []Rights{1 << BindRoles, 1 << WriteBindings}},
	RewriteRoles: {name: "rewrite-roles", group: "become someone", severity: model.Critical, attack: "T1098.006",
		gain: "Writes any rule into a role that it is bound to, or binds itself to.",
		all:  []Rights{1 << EscalateRoles, 1 << WriteRoles}},
	ForgeCertificate: {name: "forge-certificate", group: "become someone", severity: model.Critical, attack: "T1649",
		gain: "Asks for a client certificate in any name and approves it: any user, any node.",
		all:  []Rights{1 << CreateCSR, 1 << UpdateApproval, 1 << ApproveSigners}},
	ForgeToken: {name: "forge-token", group: "become someone", severity: model.High, attack: "T1528",
		gain: "Makes a token secret for any service account of the namespace and reads the token, which does not expire.",
		all:  []Rights{1 << CreateSecrets, 1<<ReadSecrets | 1<<CreatePods | 1<<CreateWorkloads}},
	BypassPodSecurity: {name: "bypass-pod-security", group: "reach nodes", severity: model.Critical, attack: "T1611,T1562.001",
		gain: "Takes the Pod Security label off the namespace and starts a privileged pod there.",
		all:  []Rights{1 << PatchNamespaces, 1<<CreatePods | 1<<CreateWorkloads | 1<<ModifyControllers}},
}
