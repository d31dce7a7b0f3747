package attack

// VertexKind says what an attacker holds.
type VertexKind uint8

// The kinds of vertices.
const (
	Internet      VertexKind = iota // a connection from anywhere outside
	Container                       // code in a container
	AnyContainer                    // code in a container of its choice of a workload
	PodData                         // what the node holds of a pod: tokens, secrets, volumes, its place in the network
	Position                        // the place of a workload's pods in the network
	NodesOf                         // root on a node that runs a workload
	FilesOf                         // all files of such a node
	NodeRoot                        // root on a node
	NodeFiles                       // all files of a node
	AnyNode                         // root on a node of its choice
	Account                         // to act as a service account
	User                            // to act as a user
	Group                           // to act as a member of a group
	Granted                         // to act as one of these with roles that it gave itself
	AnyUser                         // to act as any user, in the groups that all are in
	AnyIdentity                     // to act as any user or service account, and as a member of any group
	Secret                          // the content of a Secret
	Volume                          // the data of a volume
	SharedVolume                    // to change the data of a volume that others read
	CloudIdentity                   // to act as an identity of the cloud
	NodeIdentity                    // to act as the cloud identity of nodes
	Kubelet                         // to act as the kubelet of a node of its choice
	MovablePods                     // pods that can be drawn to a node
	Processes                       // the processes of a pod, or those of one user
	Inside                          // the network that the containers of a pod share
	Scratch                         // to change files that containers of a pod share
	OpenPort                        // a connection to a port at which a program asks for no login
	CustomObjects                   // to change the custom objects of the cluster
	Relabelled                      // the place of pods in the network once their namespace has other labels
	ClusterAdmin                    // everything in the cluster
	AnyPod                          // code in any pod of a namespace, or of all
	AnyAccount                      // to act as any service account there
	AnySecret                       // the content of all Secrets there
	RunPods                         // to start pods of its own there
	Connect                         // a connection to any pod there
	Debug                           // a container of its own in running pods there
	Labelled                        // the place in the network of pods there with labels of its choice
	Routed                          // a connection to any pod there that is behind a Service
	vertexKinds

	firstWide = AnyPod
	wideKinds = vertexKinds - firstWide
)

func (k VertexKind) String() string { return vertexNames[k] }

var vertexNames = [vertexKinds]string{
	Internet: "internet", Container: "container", AnyContainer: "workload", PodData: "pod", Position: "network position",
	NodesOf: "node of workload", FilesOf: "files of node of workload", NodeRoot: "node", NodeFiles: "node files", AnyNode: "any node",
	Account: "service account", User: "user", Group: "group", Granted: "granted roles", AnyUser: "any user", AnyIdentity: "any user, group and service account", Secret: "secret", Volume: "volume", SharedVolume: "shared volume",
	CloudIdentity: "cloud identity", NodeIdentity: "cloud identity of nodes", Kubelet: "kubelet of any node", MovablePods: "pods that can move", Processes: "processes", Inside: "inside of pod", Scratch: "shared files", OpenPort: "open port", CustomObjects: "custom objects", Relabelled: "pods of a relabelled namespace", ClusterAdmin: "cluster-admin", AnyPod: "any pod", AnyAccount: "any service account",
	AnySecret: "any secret", RunPods: "own pods", Connect: "any port", Debug: "debug containers", Labelled: "labelled pods", Routed: "ports behind Services",
}

// Certainty says what a step hangs on. It is the weight of the edge as well.
type Certainty uint8

// The certainties.
const (
	Given        Certainty = iota // no step at all: what is held holds this too
	Certain                       // configuration alone allows it
	Likely                        // it works in most clusters
	NeedsExploit                  // it takes a flaw in a program
	Unknown                       // what it hangs on is not in the snapshot
)

func (c Certainty) String() string {
	return [...]string{"given", "certain", "likely", "needs an exploit", "unknown"}[c]
}

// MarshalText writes the certainty's name.
func (c Certainty) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// EdgeKind says what an attacker does.
type EdgeKind uint8

// The kinds of edges. Member is no step: it leads from many to each.
const (
	Member EdgeKind = iota
	ExposeService
	ExposeIngress
	ExposeHost
	AnonymousAPI
	ExploitService
	ProxyService
	EscapeMount // the first of those that a user namespace closes
	EscapeNsenter
	EscapeModule
	EscapePtrace
	EscapeCgroup
	EscapeFileHandle
	EscapeCorePattern // the last of these
	EscapeLogSymlink
	EscapeSocket
	EscapeHostWrite
	EscapeHostRead
	ControlPlanePath
	HostProcess
	SharedProcesses
	UseDocker
	UseProxy
	ConnectOpen
	DockerPort
	ProxyPort
	EtcdPort
	InsecurePort
	ConsolePort
	NotebookPort
	AnonymousKubelet
	LocalService
	LocalFiles
	NodePlacement
	NodePods
	NodeContainers
	NodeControlPlane
	KubeletCredentials
	TokenMount
	SecretMount
	SecretToken
	VolumeMount
	VolumeTaint
	BootstrapToken
	ActAsKubelet
	DrivenBy
	ServeWebhook
	SeeByWebhook
	ServeConversion
	ServeAPI
	CloudRole
	NodeMetadata
	SystemAccounts
	SystemPods
	RunAs
	MountAny
	RunEscape
	DebugEscape
	ClaimEscape
	FreeVolume
	Everything
	UseAdmin
	ReadSecrets
	ExecPods
	DebugPods
	PatchPods
	RelabelPods
	ForwardPorts
	CreatePods
	ChangeWorkloads
	ProxyKubelet
	MintToken
	ForgeToken
	ImpersonateAccount
	ImpersonateUser
	ImpersonateGroup
	GrantRole
	RewriteRole
	ForgeCertificate
	MapAWSIdentity
	RelabelNamespace
	HostPathVolume
	ForgeBootstrapToken
	WriteRoute
	// What is asked for as requests and not as a right of the catalogue follows.
	ChangeWebhooks
	ChangePolicies
	DropPolicies
	HijackAPI
	HijackConversion
	KubeletCertificate
	StealPods
	ReadByWebhook
	OpenNetwork
	ImpersonateConstrained
	RelabelToReach
	StartByOperator
	StartMachine
	DriveDeployer
	ExceptPods
	edgeKinds

	firstProven = ChangeWebhooks
)

func (k EdgeKind) String() string { return edgeTable[k].name }

// Label says in a few words what the attacker does, for drawings: at most
// labelLength characters, and a clause as [Step].Does is.
func (k EdgeKind) Label() string { return edgeTable[k].label }

const labelLength = 24

// edgeInfo describes a kind of edge. In its texts FROM and TO stand for the ends.
type edgeInfo struct {
	name   string // permanent
	label  string // what the attacker does, see EdgeKind.Label
	attack string // MITRE ATT&CK Enterprise techniques, with commas
	does   string // what the attacker does
	needs  string // precondition
	closes string // what would close it
}

// asGroup is a part of what steps by volumes need.
const asGroup = "; as another user, which the level restricted asks for, it hangs on what a group may do there"

// Techniques are checked against ATT&CK v16 for Enterprise and Containers.
var edgeTable = [edgeKinds]edgeInfo{
	Member: {"member", "has", "", "", "", ""},
	ExposeService: {"expose-service", "exploits its Service", "T1190", "connects from the internet to TO and exploits it",
		"a LoadBalancer, a NodePort or an external address leads to a port of its pods, no policy closes it, and the program has a flaw", "make the Service internal, or restrict its source ranges with allocateLoadBalancerNodePorts: false"},
	ExposeIngress: {"expose-ingress", "exploits it by a route", "T1190", "sends requests from the internet to TO and exploits it",
		"an Ingress or a route leads to its Service, and the program has a flaw", "take the route away, or put authentication before it"},
	ExposeHost: {"expose-host", "exploits it by the node", "T1190,T1133", "connects to a port of the node on which TO listens and exploits it",
		"the node's address can be reached from outside, and the program has a flaw", "use no host port and no host network"},
	AnonymousAPI: {"anonymous-api", "asks without a login", "T1190,T1078", "sends requests to the API server without logging in",
		"the API server can be reached and allows anonymous requests", "switch anonymous authentication off, or remove the binding to anonymous"},
	ExploitService: {"exploit-service", "connects and exploits it", "T1210", "connects to TO and exploits it",
		"network policies allow a connection to a port on which it listens, and the program has a flaw", "add a network policy that admits only the peers it needs"},
	ForwardPorts: {"forward-ports", "forwards ports", "T1572,T1090", "connects through the API server to TO, past network policies", "",
		"remove the rights to pods/portforward and to pods/proxy and services/proxy"},
	ProxyService: {"proxy-service", "exploits it", "T1210", "exploits TO through that connection",
		"the program that listens has a flaw", "remove the right that gives the connection"},
	EscapeMount: {"escape-mount", "mounts the node's disk", "T1611", "mounts the node's disk in the privileged container",
		"the container is privileged, outside of a user namespace", "remove privileged: true, or set hostUsers: false"},
	EscapeNsenter: {"escape-nsenter", "enters the node", "T1611", "enters the namespaces of the node's first process",
		"the container is privileged and shares the node's process namespace", "remove privileged: true and hostPID: true"},
	EscapeModule: {"escape-kernel-module", "loads a kernel module", "T1611,T1547.006", "loads a kernel module",
		"the container has the capability SYS_MODULE, outside of a user namespace, and the kernel loads unsigned modules", "drop SYS_MODULE"},
	EscapePtrace: {"escape-ptrace", "injects into processes", "T1611,T1055.008", "injects code into a process of the node",
		"the container shares the node's process namespace, runs as root and has SYS_PTRACE, and AppArmor does not refuse it", "remove hostPID: true, or drop SYS_PTRACE"},
	EscapeCgroup: {"escape-cgroup", "escapes by a cgroup", "T1611", "mounts a cgroup and sets the program that the node runs at its release",
		"the container has SYS_ADMIN and root, cgroup v1 is in use, and AppArmor does not refuse the mount", "drop SYS_ADMIN, or set hostUsers: false"},
	EscapeFileHandle: {"escape-file-handle", "opens files by handle", "T1611", "opens files of the node by their handles",
		"the container has DAC_READ_SEARCH and root, outside of a user namespace", "drop DAC_READ_SEARCH"},
	EscapeCorePattern: {"escape-core-pattern", "sets the core pattern", "T1611", "sets the program that the kernel runs at a crash, and crashes",
		"/proc/sys/kernel of the node is mounted so that root can write to it", "remove the host path"},
	EscapeLogSymlink: {"escape-log-symlink", "links logs to files", "T1611,T1552.001", "puts a link below /var/log and reads any file of the node as a log",
		"/var/log of the node is mounted writable, the container runs as root, and its service account may read logs", "remove the host path, or the right to read logs"},
	EscapeSocket: {"escape-runtime-socket", "uses the runtime socket", "T1611,T1610", "starts a privileged container through the node's runtime socket",
		"a socket of the node's runtime or services is mounted and the container may connect to it; a read-only mount does not protect", "remove the host path"},
	EscapeHostWrite: {"escape-host-write", "writes host files", "T1611", "writes to the node's files and so runs code as root",
		"a sensitive host path is mounted writable and the container runs as root", "remove the host path"},
	EscapeHostRead: {"escape-host-read", "reads host files", "T1611,T1552.001", "reads credentials from the node's files",
		"a sensitive host path is mounted and the container runs as root", "remove the host path"},
	ControlPlanePath: {"control-plane-path", "reads the cluster's keys", "T1611,T1552.004", "reads the cluster's keys or state from the control plane's files",
		"the files of etcd or the control plane are mounted, the container runs as root and on such a node", "remove the host path, or keep the pod from control-plane nodes"},
	HostProcess: {"host-process", "is processes of the node", "T1611", "runs commands as processes of the Windows node, as which the container runs",
		"the pod is a HostProcess pod, which nothing separates from its node", "remove hostProcess: true"},
	SharedProcesses: {"shared-processes", "reaches its processes", "T1057,T1055", "reaches into the other containers of the pod through their processes",
		"the pod's containers share a process namespace, and the attacker's runs as root or as the same user", "remove shareProcessNamespace: true"},
	UseDocker: {"use-docker", "uses its Docker daemon", "T1610,T1609", "has the Docker daemon in TO start a container with the rights of that one",
		"the containers of a pod share its network, where no policy holds, and its emptyDirs; the daemon asks for no login there", "build images without a Docker daemon, or give the daemon a pod of its own and TLS"},
	UseProxy: {"use-proxy", "uses the kubectl proxy", "T1528,T1090", "sends requests through the kubectl proxy in its pod, which adds the token of TO",
		"the containers of a pod share its network, where no policy holds", "take the proxy out of the pod, or bind the account to fewer rights"},
	ConnectOpen: {"connect-open", "connects without login", "T1133,T1046", "connects to TO",
		"network policies allow the connection, and the program asks for no login, as its arguments or environment say", "have the program ask for a login, or listen at 127.0.0.1; add a network policy that admits only the peers it needs"},
	DockerPort: {"docker-port", "uses its Docker daemon", "T1610,T1609", "has the Docker daemon start a container with the rights of TO",
		"the daemon has a port without certificates of clients", "give the daemon --tlsverify, or build images without a Docker daemon"},
	ProxyPort: {"proxy-port", "uses the kubectl proxy", "T1528,T1090", "sends requests through the kubectl proxy, which adds the token of TO",
		"the proxy listens at an address of the pod; the hosts that it accepts are a header which the attacker writes", "have the proxy listen at 127.0.0.1, or bind the account to fewer rights"},
	EtcdPort: {"etcd-port", "writes to etcd", "T1552,T1565.001", "reads and writes every object of the cluster in etcd",
		"it is the etcd of the cluster, and has no users of its own", "have etcd ask for certificates of clients: --client-cert-auth and --trusted-ca-file"},
	InsecurePort: {"insecure-port", "asks past all checks", "T1190,T1078", "sends requests to the port of the API server that checks no login and no right",
		"the API server is older than 1.20 and has the port", "set --insecure-port=0"},
	ConsolePort: {"console-port", "uses it without login", "T1133,T1078", "does through the program what TO may do",
		"the program asks nobody for a login, and sends requests with the token of its pod", "have the program ask for a login, or bind the account to fewer rights"},
	NotebookPort: {"notebook-port", "opens a notebook", "T1133,T1059", "runs code in a notebook, and so in TO",
		"the server has neither a token nor a password", "give the server a token"},
	AnonymousKubelet: {"anonymous-kubelet", "asks the kubelet", "T1609,T1613", "runs commands in any container through the kubelet, which asks for no login",
		"network policies let it connect to nodes, and these took their kubelet's configuration from the ConfigMap", "set authentication.anonymous.enabled: false and authorization.mode: Webhook in the configuration of kubelets"},
	LocalService: {"local-service", "exploits it locally", "T1210", "connects to TO at 127.0.0.1 and exploits it",
		"the containers of a pod share its network, where no policy holds, and the program has a flaw", "put TO into a pod of its own"},
	LocalFiles: {"local-files", "changes shared files", "T1080", "changes files in an emptyDir so that TO, which reads it, runs or believes them",
		"both mount the emptyDir, the attacker's side writable, and the reader has a flaw", "mount the emptyDir read-only on the writing side, or give each its own"},
	NodePlacement: {"node-placement", "is placed there", "T1611", "finds itself on TO",
		"such nodes are open to its pods, which the input does not say", "keep pods from such nodes"},
	NodePods: {"node-pods", "takes what the pods have", "T1552.001,T1528", "takes tokens, secrets and volumes of TO from the node",
		"a pod of it runs on the node", "keep it off nodes that run exposed or privileged pods"},
	NodeContainers: {"node-containers", "enters its containers", "T1609,T1055", "runs commands in TO as root of its node",
		"a pod of it runs on the node", "keep it off nodes that run exposed or privileged pods"},
	NodeControlPlane: {"node-control-plane", "takes admin credentials", "T1552.004,T1078", "uses the administrator's credentials on the control-plane node",
		"the node runs the control plane", "keep other pods off control-plane nodes"},
	KubeletCredentials: {"kubelet-credentials", "takes kubelet's key", "T1552.004,T1078", "acts as the node with its kubelet's credentials",
		"the kubelet's credentials are on the node", "bind no roles to system:nodes"},
	TokenMount: {"token-mount", "takes its token", "T1528,T1552.001", "takes the token of TO from the container",
		"the token is mounted into the container", "set automountServiceAccountToken: false"},
	SecretMount: {"secret-mount", "reads the Secret", "T1552.001", "reads TO in the container",
		"the container has it as a file or in its environment", "give the container only what it needs"},
	SecretToken: {"secret-token", "uses the token in it", "T1528,T1552.007", "uses the long-lived token in the Secret as TO",
		"the Secret is a service account token, which does not expire", "delete the Secret and use bound tokens"},
	VolumeMount: {"volume-mount", "reads the volume", "T1005", "reads TO", "the volume is mounted", "mount the volume only where it is needed"},
	VolumeTaint: {"volume-taint", "changes shared data", "T1080", "changes shared data so that TO, which reads it, runs or believes it",
		"both mount the volume, the attacker's side writable, and the reader has a flaw", "mount the volume read-only on the writing side, or split it"},
	BootstrapToken: {"bootstrap-token", "joins as a node", "T1078,T1552.007", "joins the cluster with the bootstrap token in the Secret, as a member of TO",
		"the API server takes bootstrap tokens, the token has not expired and is in the group", "delete the Secret once the nodes have joined"},
	ActAsKubelet: {"act-as-kubelet", "asks as the kubelet", "T1528,T1078", "takes TO with the rights of a kubelet over the pods on its node",
		"a pod that uses it is on the node; who may have a certificate for any node is on all", "let nobody but the controllers of the control plane approve certificates for kubelets"},
	DrivenBy: {"driven-by", "drives its controller", "T1080,T1565", "changes custom objects so that the controller that runs as TO does what the attacker wants",
		"the controller does as custom objects say, as far as its rights reach", "give the controller only the rights that it needs"},
	ServeWebhook: {"serve-webhook", "changes new pods", "T1556,T1610", "changes, as the server of a webhook, pods that are made, and so has TO",
		"the API server shows them to the webhook and takes its changes, and some are made sooner or later", "narrow the rules and the namespaceSelector of the webhook, and keep others out of its server"},
	SeeByWebhook: {"see-by-webhook", "sees it written", "T1557,T1552.007", "sees, as the server of a webhook, secrets as they are written, and so reads TO",
		"the API server shows them to the webhook, and they are written from then on", "take secrets out of the rules of the webhook, and keep others out of its server"},
	ServeConversion: {"serve-conversion", "converts custom objects", "T1557,T1565.002", "changes, as the server of a conversion webhook, custom objects on their way, and so has TO",
		"the API server has every object of a kind of the CustomResourceDefinition pass through it", "keep others out of the server of the webhook"},
	ServeAPI: {"serve-api", "answers for an API group", "T1557,T1556", "answers, as the server of an API group, what it likes to who reads objects of it, and so has TO",
		"the API server sends the requests of the group to it", "keep others out of the server of the API group"},
	CloudRole: {"cloud-role", "trades its token", "T1078.004,T1528", "exchanges the service account's token for TO",
		"the service account is mapped to the identity, and the cloud trusts the mapping", "narrow or remove the identity of the service account"},
	NodeMetadata: {"node-metadata", "asks the cloud metadata", "T1552.005", "asks the instance metadata service for the node's cloud credentials",
		"policies do not close each address of the service, 169.254.169.254 and that of IPv6, the nodes run in a cloud, and its service answers pods", "add an egress policy that excludes 169.254.169.254, fd00:ec2::254 and fd20:ce::254"},
	SystemAccounts: {"system-accounts", "acts as a controller", "T1078,T1098.006", "acts as a controller of Kubernetes itself that may change every role, such as clusterrole-aggregation-controller",
		"the controllers have service accounts in kube-system, which the input does not hold, as in most clusters", "close the ways to the service accounts of kube-system"},
	SystemPods: {"system-pods", "enters system pods", "T1609,T1611", "enters a privileged pod of the cluster itself, such as that of kube-proxy or of the network, and takes its node",
		"the namespace kube-system runs such pods, which the input does not hold, as in most clusters", "close the ways into the pods of kube-system"},
	RunAs:    {"run-as", "runs a pod as it", "T1610,T1528", "starts a pod that runs as TO", "", "remove the right to make pods there"},
	MountAny: {"mount-any", "mounts it in a pod", "T1610,T1552.007", "starts a pod that mounts TO", "", "remove the right to make pods there"},
	RunEscape: {"run-escape", "runs a privileged pod", "T1610,T1611", "starts a privileged pod on a node of its choice",
		"neither the Pod Security level of the namespace nor an admission policy refuses such a pod", "enforce the Pod Security level baseline in the namespace"},
	DebugEscape: {"debug-escape", "debugs with privileges", "T1610,T1611", "adds a privileged debug container to TO",
		"neither the Pod Security level of the namespace nor an admission policy refuses it", "enforce the Pod Security level baseline in the namespace"},
	ClaimEscape: {"claim-escape", "mounts a host volume", "T1610,T1611", "starts a pod with a claim of the namespace whose volume is a part of the node's file system, and so takes TO",
		"the claim is bound to such a volume, and neither the Pod Security level nor an admission policy refuses a pod that mounts it as root" + asGroup, "remove the volume, or enforce the Pod Security level restricted in the namespace"},
	FreeVolume: {"free-volume", "claims a host volume", "T1610,T1611", "starts a pod with a claim of its own, which gets a volume that is a part of the node's file system, and so takes TO",
		"the volume is free, and neither the Pod Security level nor an admission policy refuses a pod that mounts it as root" + asGroup, "remove the volume, or enforce the Pod Security level restricted in the namespace"},
	UseAdmin:    {"use-admin", "uses admin rights", "T1078", "uses the administrator's rights over TO", "", "close the ways to cluster-admin"},
	Everything:  {"everything", "may do everything", "T1078,T1098.006", "does everything that the API can do", "", "bind a role with the rights that are needed"},
	ReadSecrets: {"read-secrets", "reads it by the API", "T1552.007", "reads TO through the API", "", "remove the right to get, list, watch and patch secrets, and to delete collections of them"},
	ExecPods:    {"exec-pods", "runs commands in it", "T1609", "runs commands in TO", "it may create pods/exec or pods/attach, or get them where the API server is older than 1.35", "remove the right to pods/exec and pods/attach"},
	DebugPods:   {"debug-pods", "adds a debug container", "T1609,T1610", "adds a debug container to TO", "", "remove the right to pods/ephemeralcontainers"},
	PatchPods:   {"patch-pods", "replaces the image", "T1525,T1610", "replaces the image of TO", "", "remove the right to change pods"},
	RelabelPods: {"relabel-pods", "relabels pods", "T1562.007", "gives pods labels by which network policies let them pass", "network policies tell pods by labels, which may change while they run",
		"remove the right to change pods"},
	CreatePods:         {"create-pods", "makes pods", "T1610", "makes pods of its own", "", "remove the right to create pods and workloads"},
	ChangeWorkloads:    {"change-workloads", "rewrites a workload", "T1610,T1525", "rewrites the pod template of a workload", "the namespace has a workload", "remove the right to change workloads"},
	ProxyKubelet:       {"proxy-kubelet", "asks the kubelet", "T1609,T1613", "runs commands in any container through the kubelet's API, which the audit log does not show", "", "remove the right to nodes/proxy; use nodes/metrics and nodes/stats"},
	MintToken:          {"mint-token", "has a token made", "T1528,T1550.001", "has a token made for TO", "", "remove the right to serviceaccounts/token"},
	ForgeToken:         {"forge-token", "makes a token Secret", "T1528", "makes a token secret for TO and reads it", "", "remove the right to create secrets"},
	ImpersonateAccount: {"impersonate-account", "impersonates it", "T1548,T1078", "sends requests as TO", "", "remove the right to impersonate"},
	ImpersonateUser:    {"impersonate-user", "impersonates", "T1548,T1078", "sends requests as TO", "", "remove the right to impersonate"},
	ImpersonateGroup:   {"impersonate-group", "impersonates the group", "T1548,T1078", "sends requests as a member of TO", "it may also impersonate some user", "remove the right to impersonate"},
	GrantRole:          {"grant-role", "binds itself to a role", "T1098.006", "binds itself to TO", "", "remove the right to bind roles, or to write bindings"},
	RewriteRole:        {"rewrite-role", "rewrites its role", "T1098.006", "writes all rights into a role that it is bound to", "", "remove the right to escalate, or to write roles"},
	ForgeCertificate:   {"forge-certificate", "signs a certificate", "T1649", "requests and approves a client certificate in the name of TO", "", "remove the right to approve certificate requests"},
	MapAWSIdentity: {"map-aws-identity", "maps its AWS identity", "T1098.006", "maps its own AWS identity to cluster administrator in aws-auth",
		"the cluster reads the ConfigMap aws-auth", "remove the right to change aws-auth; use access entries"},
	RelabelNamespace: {"relabel-namespace", "relabels the namespace", "T1562.001,T1611", "takes the Pod Security label off the namespace and starts a privileged pod",
		"no admission policy refuses the pod or the change", "remove the right to change namespaces"},
	ForgeBootstrapToken: {"forge-bootstrap-token", "makes a bootstrap token", "T1098,T1078", "makes a bootstrap token and joins the cluster with it as a member of TO",
		"the API server takes bootstrap tokens", "remove the right to create secrets in kube-system"},
	WriteRoute: {"write-route", "writes a route", "T1133,T1090", "has requests from outside led to TO by a route of its own",
		"a controller serves such routes, and network policies let it in", "remove the right to write Ingresses and routes"},
	ChangeWebhooks: {"change-webhooks", "adds a webhook", "T1562.001,T1556", "has a webhook of its own see and change every object",
		"the API server reaches a server of the attacker's", "remove the right to write webhook configurations"},
	ChangePolicies: {"change-policies", "adds a mutating policy", "T1562.001,T1556", "has a mutating admission policy of its own change every object",
		"the API server serves MutatingAdmissionPolicy", "remove the right to write admission policies"},
	DropPolicies: {"drop-policies", "drops admission policies", "T1562.001,T1611", "takes the admission policies away that refuse it, and starts a privileged pod",
		"the Pod Security level of the namespace does not refuse the pod", "remove the right to write admission policies"},
	HijackAPI: {"hijack-api", "hijacks an API group", "T1557,T1556", "has the API server send the requests of a whole API group to a server of its own, and answers kubelets and controllers there",
		"the attacker's server stands behind a Service, as a pod of its own does", "remove the right to write APIServices"},
	HijackConversion: {"hijack-conversion", "hijacks conversion", "T1557,T1565.002", "has every custom object of a kind pass through a conversion webhook of its own",
		"the API server reaches a server of the attacker's", "remove the right to write CustomResourceDefinitions"},
	KubeletCertificate: {"kubelet-certificate", "gets a node certificate", "T1649", "gets a client certificate in the name of any node",
		"the request is approved: by itself, or by the controller manager for who may create certificatesigningrequests/nodeclient", "remove the right to request, or to approve, certificates for nodes"},
	StealPods: {"steal-pods", "draws pods to its node", "T1578,T1610", "changes the labels, taints or capacity of nodes so that pods come to the one that it holds",
		"it has a token with the right to write nodes on a node that it holds, and other nodes can be made unfit", "remove the right to write nodes"},
	ReadByWebhook: {"read-by-webhook", "sees it written", "T1557,T1552.007", "has a webhook of its own see every object that is written, and so reads TO",
		"the API server reaches a server of the attacker's, and the secrets are written from then on", "remove the right to write webhook configurations"},
	OpenNetwork: {"open-network", "opens the network", "T1562.007", "has network policies let its own pods in, and connects to TO",
		"it is in the network of the cluster with a pod that policies let out, and what closes the connection is a network policy, to which any other adds", "remove the right to write network policies"},
	ImpersonateConstrained: {"impersonate-constrained", "acts as another for it", "T1548,T1078", "sends requests as somebody else, of the kinds that its rights name, and so gets TO",
		"the API server has the feature ConstrainedImpersonation, which is on by default from 1.36", "remove the rights to impersonate:... or to impersonate-on:..."},
	RelabelToReach: {"relabel-to-reach", "relabels the namespace", "T1562.007", "gives the namespace of its pods labels by which network policies let them pass",
		"it has pods in the namespace, and network policies tell namespaces by labels", "remove the right to change namespaces, or select namespaces by kubernetes.io/metadata.name"},
	StartByOperator: {"start-by-operator", "has an operator run pods", "T1610", "has an operator start pods of its own making",
		"the operator of these objects runs, and starts pods as they say", "remove the right to write these objects"},
	StartMachine: {"start-machine", "has a machine started", "T1610,T1552.007", "starts a virtual machine that has TO as a disk",
		"KubeVirt runs, and attaches the service accounts and Secrets that a machine names", "remove the right to write virtual machines"},
	DriveDeployer: {"drive-deployer", "has it deployed", "T1072", "has a controller that deploys make objects of its choice with the rights of TO",
		"the controller runs and takes what it deploys from where the object says, which projects and its settings may limit", "remove the right to write releases, or give the controller only the rights that it needs"},
	ExceptPods: {"except-pods", "excepts its pods", "T1552.005,T1562", "excepts pods of its own from AAD Pod Identity, and asks the instance metadata service for the node's cloud credentials",
		"AAD Pod Identity keeps other pods from the service, and policies do not", "remove the right to write AzurePodIdentityExceptions; use workload identity"},
	HostPathVolume: {"host-path-volume", "makes a host volume", "T1611", "makes a volume of the node's file system and mounts it with a claim, which Pod Security lets pass",
		"it may make persistent volumes, and pods, for which claims are made" + asGroup, "remove the right to create persistent volumes"},
}
