package attack

// Label says in a few words what the attacker does, for drawings: at most
// labelLength characters, and a clause as [Step].Does is.
func (k EdgeKind) Label() string { return edgeLabels[k] }

const labelLength = 24

var edgeLabels = [edgeKinds]string{
	Member: "has", ExposeService: "exploits its Service", ExposeIngress: "exploits it by a route", ExposeHost: "exploits it by the node", AnonymousAPI: "asks without a login",
	ExploitService: "connects and exploits it", ForwardPorts: "forwards ports", ProxyService: "exploits it",
	EscapeMount: "mounts the node's disk", EscapeNsenter: "enters the node", EscapeModule: "loads a kernel module", EscapePtrace: "injects into processes", EscapeCgroup: "escapes by a cgroup",
	EscapeFileHandle: "opens files by handle", EscapeCorePattern: "sets the core pattern", EscapeLogSymlink: "links logs to files", EscapeSocket: "uses the runtime socket",
	EscapeHostWrite: "writes host files", EscapeHostRead: "reads host files", ControlPlanePath: "reads the cluster's keys", HostProcess: "is processes of the node", SharedProcesses: "reaches its processes",
	NodePlacement: "is placed there", NodePods: "takes what the pods have", NodeControlPlane: "takes admin credentials", KubeletCredentials: "takes kubelet's key",
	TokenMount: "takes its token", SecretMount: "reads the Secret", SecretToken: "uses the token in it", VolumeMount: "reads the volume", VolumeTaint: "changes shared data",
	BootstrapToken: "joins as a node", ActAsKubelet: "asks as the kubelet", DrivenBy: "drives its controller", CloudRole: "trades its token", NodeMetadata: "asks the cloud metadata",
	SystemAccounts: "acts as a controller", SystemPods: "enters system pods", RunAs: "runs a pod as it", MountAny: "mounts it in a pod", RunEscape: "runs a privileged pod",
	DebugEscape: "debugs with privileges", ClaimEscape: "mounts a host volume", Everything: "may do everything", UseAdmin: "uses admin rights",
	ReadSecrets: "reads it by the API", ExecPods: "runs commands in it", DebugPods: "adds a debug container", PatchPods: "replaces the image", CreatePods: "makes pods", ChangeWorkloads: "rewrites a workload",
	ProxyKubelet: "asks the kubelet", MintToken: "has a token made", ForgeToken: "makes a token Secret", ImpersonateAccount: "impersonates it", ImpersonateUser: "impersonates", ImpersonateGroup: "impersonates the group",
	GrantRole: "binds itself to a role", RewriteRole: "rewrites its role", ForgeCertificate: "signs a certificate", MapAWSIdentity: "maps its AWS identity", RelabelNamespace: "relabels the namespace",
	HostPathVolume: "makes a host volume", ForgeBootstrapToken: "makes a bootstrap token", ChangeWebhooks: "adds a webhook", ChangePolicies: "adds a mutating policy", HijackAPI: "hijacks an API group",
	HijackConversion: "hijacks conversion", KubeletCertificate: "gets a node certificate", StealPods: "draws pods to its node", ReadByWebhook: "sees it written", OpenNetwork: "opens the network", ImpersonateConstrained: "acts as another for it",
}
