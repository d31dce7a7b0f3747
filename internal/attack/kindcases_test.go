package attack

import (
	"fmt"
	"strings"
)

// kindCase makes one edge, and does not with each of the replacements.
type kindCase struct {
	kind EdgeKind
	yaml string
	want string   // the edge, without its kind
	not  []string // "old => new"; with ~ a less certain edge is left
}

const service = `
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: %s, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`

const otherPolicy = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: nothing}}, policyTypes: [Ingress, Egress]}
`

const denied = `
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress]}}
`

const otherNamespace = `
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: ops, labels: {app: agent}}, spec: {serviceAccountName: agent, containers: [{name: c, image: i}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: ops}, spec: {podSelector: {matchLabels: {app: other}}, policyTypes: [Egress]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: agent, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: agent, namespace: ops}]}
`

const cloudAccount = `
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/web'}}}
`

const bootstrapSecret = `
---
{apiVersion: v1, kind: Secret, type: bootstrap.kubernetes.io/token, metadata: {name: bootstrap-token-abcdef, namespace: kube-system}}
`

const bootstrapRole = `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: join}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:node-bootstrapper'}
subjects: [{kind: Group, name: 'system:bootstrappers:join', apiGroup: rbac.authorization.k8s.io}]
`

const daemon = `
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: "registry.example/agent:1"}]}}}
`

const cronJob = `
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly, namespace: shop}, spec: {schedule: "0 0 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}}}}
`

const crd = `
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: backups.ops.example.com}, spec: {group: ops.example.com, names: {kind: Backup, plural: backups}}}
`

// hostVolume is the claim data of namespace shop, bound to a path of the node.
const hostVolume = `
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {volumeName: disk}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}, spec: {hostPath: {path: /etc}, claimRef: {namespace: shop, name: data}}}
`

// matched is the claim data of namespace shop, and a path of the node that it gets
// by its class and size.
const matched = `
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}, spec: {storageClassName: manual, capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /etc}}}
`

const claim = "volumes: [{name: host, persistentVolumeClaim: {claimName: data}}]"

const webhook = `
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: mw}, webhooks: []}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: vw}, webhooks: []}
`

const boundPolicy = `
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicy, metadata: {name: mp}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicyBinding, metadata: {name: mp}, spec: {policyName: mp}}
`

const onNodeOne = `
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop}, spec: {nodeName: one, serviceAccountName: db, containers: [{name: c, image: x, envFrom: [{secretRef: {name: key}}]}]}}
`

var asNodeOne = role(true, "{apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: ['system:node:one']}",
	"{apiGroups: [''], resources: [groups], verbs: [impersonate], resourceNames: ['system:nodes']}")

// unauthenticated lets those without a login read secrets.
var unauthenticated = strings.NewReplacer("{kind: ServiceAccount, name: default, namespace: shop}", "{kind: Group, name: 'system:unauthenticated', apiGroup: rbac.authorization.k8s.io}",
	"name: r}", "name: u}", "name: b}", "name: ub}", "name: r\n", "name: u\n").Replace(role(true, rule("get", "", "secrets")))

// signs are the rights to have a certificate in any name.
var signs = role(true, rule("create", csrGroup, csrResource), rule("update", csrGroup, csrResource+"/approval"),
	"{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}")

// clients is a policy that lets in pods with a label, and teams one that lets in pods of
// namespaces with one.
const (
	clients = "\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]}}\n"
	teams   = "\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}}\n"
)

var kindCases = []kindCase{
	{ExposeService, deploy("web", "", web) + fmt.Sprintf(service, "LoadBalancer") + otherPolicy, "the internet -> container app of Deployment shop/web, needs an exploit",
		[]string{"type: LoadBalancer => type: ClusterIP", "~app: nothing => app: web", "selector: {app: web}, ports => selector: {app: other}, ports", "~namespace: shop}\nspec: {type => namespace: shop, annotations: {service.beta.kubernetes.io/aws-load-balancer-internal: 'true'}}\nspec: {type", "~selector: {app: web}, ports => loadBalancerSourceRanges: [10.0.0.0/8], selector: {app: web}, ports"}},
	{ExposeService, deploy("web", "", web) + fmt.Sprintf(service, "NodePort"), "the internet -> container app of Deployment shop/web, unknown", []string{"NodePort => ClusterIP"}},
	{ExposeService, deploy("web", "", web) + strings.Replace(fmt.Sprintf(service, "LoadBalancer"), "targetPort: http", "targetPort: 8081", 1), "the internet -> container app of Deployment shop/web, needs an exploit",
		[]string{"targetPort: 8081 => targetPort: admin", "type: LoadBalancer => type: ClusterIP"}},
	{ExploitService, deploy("web", "", web) + deploy("db", "", "ports: [{containerPort: 5432}]") + otherPolicy + `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{port: 5433}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}, ports: [{port: 5433}]}}
`, "Deployment shop/web -> container app of Deployment shop/db, needs an exploit",
		[]string{"selector: {app: db}, ports => selector: {app: db, tier: one}, ports", "namespace: shop}, spec: {selector => namespace: other}, spec: {selector", "{port: 5433}]}} => {port: 5434}]}}"}},
	{ExposeIngress, deploy("web", "", web) + fmt.Sprintf(service, "ClusterIP") + `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}
`, "the internet -> container app of Deployment shop/web, needs an exploit", []string{"service: {name: web => service: {name: other", "port: {name: http} => port: {name: other}"}},
	{ExposeIngress, deploy("web", "", web) + fmt.Sprintf(service, "ClusterIP") + `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}
`, "the internet -> container app of Deployment shop/web, unknown", []string{"port: 80}]}] => port: 81}]}]", "{name: web, port => {kind: Other, name: web, port"}},
	{ExposeHost, deploy("web", "", "ports: [{containerPort: 8080, hostPort: 80}]"), "the internet -> container app of Deployment shop/web, unknown", []string{", hostPort: 80 => ", "hostPort: 80 => hostPort: 80, hostIP: 127.0.0.1"}},
	{ExposeHost, deploy("web", "hostNetwork: true", web), "the internet -> container app of Deployment shop/web, unknown", []string{"hostNetwork: true => hostNetwork: false"}},
	{AnonymousAPI, strings.Replace(role(true, rule("get", "", "secrets")), "{kind: ServiceAccount, name: default, namespace: shop}", "{kind: Group, name: 'system:unauthenticated', apiGroup: rbac.authorization.k8s.io}", 1),
		"the internet -> group system:unauthenticated, unknown", []string{"system:unauthenticated => system:authenticated", "[get] => [delete]"}},
	{AnonymousAPI, strings.Replace(role(true, rule("get", "", "secrets")), "{kind: ServiceAccount, name: default, namespace: shop}", "{kind: Group, name: 'system:unauthenticated', apiGroup: rbac.authorization.k8s.io}", 1),
		"group system:authenticated -> group system:unauthenticated, likely", []string{"system:unauthenticated => system:others", "[get] => [delete]"}},
	{ExploitService, deploy("web", "", web) + deploy("db", "", "ports: [{containerPort: 5432}]") + otherPolicy, "Deployment shop/web -> container app of Deployment shop/db, needs an exploit",
		[]string{"app: nothing => app: db", "app: nothing => app: web", "ports: [{containerPort: 5432}] => tty: false"}},
	{ForwardPorts, role(false, rule("create", "", "pods/portforward")), "service account shop/default -> ports of pods in namespace shop, certain", []string{"pods/portforward => pods/log"}},
	{ProxyService, deploy("web", "", web) + role(false, rule("create", "", "pods/portforward")), "ports of pods in namespace shop -> container app of Deployment shop/web, needs an exploit", []string{"ports: [{name: http, containerPort: 8080}] => tty: false"}},
	{EscapeMount, deploy("web", "hostUsers: true", "securityContext: {runAsUser: 0, privileged: true}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"privileged: true => privileged: false", "hostUsers: true => hostUsers: false"}},
	{EscapeNsenter, deploy("web", "hostPID: true", "securityContext: {runAsUser: 0, privileged: true}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"privileged: true => privileged: false", "hostPID: true => hostPID: false"}},
	{EscapeModule, deploy("web", "hostUsers: true", "securityContext: {runAsUser: 0, capabilities: {add: [SYS_MODULE]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely",
		[]string{"SYS_MODULE => SYS_TIME", "runAsUser: 0 => runAsUser: 1", "hostUsers: true => hostUsers: false"}},
	{EscapePtrace, deploy("web", "hostPID: true", "securityContext: {runAsUser: 0, appArmorProfile: {type: Unconfined}, capabilities: {add: [CAP_SYS_PTRACE]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"SYS_PTRACE => SYS_TIME", "hostPID: true => hostPID: false", "hostPID: true => hostPID: true\n      hostUsers: false", "runAsUser: 0 => runAsUser: 1", "~type: Unconfined => type: RuntimeDefault", "~runAsUser: 0, => "}},
	{EscapePtrace, deploy("web", "hostPID: true\n      securityContext: {appArmorProfile: {type: Unconfined}}", "securityContext: {runAsUser: 0, capabilities: {add: [SYS_PTRACE]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"~Unconfined => Localhost", "~add: [SYS_PTRACE]} => add: [SYS_PTRACE]}, appArmorProfile: {type: RuntimeDefault}"}},
	{EscapeCgroup, deploy("web", "hostUsers: true", "securityContext: {runAsUser: 0, capabilities: {add: [SYS_ADMIN]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely",
		[]string{"SYS_ADMIN => SYS_TIME", "runAsUser: 0 => runAsUser: 1", "hostUsers: true => hostUsers: false"}},
	{EscapeCgroup, deploy("web", "", "securityContext: {runAsUser: 0, capabilities: {add: [sys_admin]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely", []string{"sys_admin => sys_time"}},
	{EscapeModule, deploy("web", "", "securityContext: {runAsUser: 0, capabilities: {add: [cap_sys_module]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely", []string{"cap_sys_module => sys_time"}},
	{EscapeFileHandle, deploy("web", "", "securityContext: {runAsUser: 0, capabilities: {add: [all]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely", []string{"[all] => [kill]"}},
	{EscapeFileHandle, deploy("web", "hostUsers: true", "securityContext: {runAsUser: 0, capabilities: {add: [DAC_READ_SEARCH]}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, likely",
		[]string{"DAC_READ_SEARCH => DAC_OVERRIDE", "runAsUser: 0 => runAsUser: 1", "hostUsers: true => hostUsers: false"}},
	{EscapeCorePattern, deploy("web", at("/proc/sys/kernel"), mounted), "container app of Deployment shop/web -> a node of Deployment shop/web, likely",
		[]string{"/proc/sys/kernel => /opt/data", "mountPath: /host => mountPath: /host, readOnly: true", "runAsUser: 0 => runAsUser: 1", "volumes: => hostUsers: false\n      volumes:"}},
	{EscapeCorePattern, deploy("web", at("/"), strings.Replace(mounted, "/host}", "/host, readOnly: true}", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, likely",
		[]string{"readOnly: true => readOnly: true, recursiveReadOnly: Enabled"}},
	{EscapeLogSymlink, deploy("web", at("/var/log"), mounted) + role(false, rule("get", "", "pods/log")), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"pods/log => pods", "mountPath: /host => mountPath: /host, readOnly: true", "runAsUser: 0 => runAsUser: 1", "path: /var/log => path: /opt/data", "volumes: => automountServiceAccountToken: false\n      volumes:"}},
	{EscapeSocket, deploy("web", at("/var/run/docker.sock"), strings.Replace(mounted, "/host}", "/host, readOnly: true}", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"docker.sock => other.sock", "runAsUser: 0 => runAsUser: 1", "name: host, mountPath => name: other, mountPath"}},
	{EscapeSocket, deploy("web", at("/run/containerd"), mounted), "container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"/run/containerd => /run/other"}},
	{EscapeHostWrite, deploy("web", at("/etc"), mounted), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"path: /etc => path: /opt/data", "mountPath: /host => mountPath: /host, readOnly: true", "runAsUser: 0 => runAsUser: 1", "~path: /etc => path: /etc/profile.d", "~path: /etc => path: /home"}},
	{EscapeHostWrite, deploy("web", at("/dev/sda"), strings.Replace(mounted, "0}", "0, privileged: true}", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{", privileged: true => , capabilities: {add: [MKNOD]}", "/dev/sda => /dev/null"}},
	{EscapeHostRead, deploy("web", at("/dev"), strings.Replace(mounted, "0}", "0, privileged: true}", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{", privileged: true => "}},
	{EscapeHostWrite, deploy("web", claim, mounted) + hostVolume, "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"path: /etc => path: /opt/data", "mountPath: /host => mountPath: /host, readOnly: true", "claimName: data => claimName: other", "runAsUser: 0 => runAsUser: 1",
			"claimRef: {namespace: shop => claimRef: {namespace: other", "hostPath: {path => nfs: {path"}},
	{EscapeHostWrite, deploy("web", claim, mounted) + strings.NewReplacer("hostPath:", "local:", ", claimRef: {namespace: shop, name: data}", "").Replace(hostVolume),
		"container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"volumeName: disk => volumeName: other"}},
	{EscapeHostWrite, strings.NewReplacer("kind: Deployment", "kind: StatefulSet", "  template:", "  volumeClaimTemplates: [{metadata: {name: host}}]\n  template:").Replace(deploy("web", "", mounted)) +
		"\n---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}, spec: {hostPath: {path: /etc}, claimRef: {namespace: shop, name: host-web-0}}}",
		"container app of StatefulSet shop/web -> a node of StatefulSet shop/web, certain", []string{"host-web-0 => host-web-x"}},
	{EscapeHostRead, deploy("web", at("/var/lib/kubelet"), strings.Replace(mounted, "/host}", "/host, readOnly: true}", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"/var/lib/kubelet => /opt/data", "runAsUser: 0 => runAsUser: 1", "readOnly: true} => readOnly: true, subPath: ../../../opt}"}},
	{ControlPlanePath, deploy("web", at("/var/lib/etcd")+"\n      nodeSelector: {node-role.kubernetes.io/control-plane: ''}", mounted), "container app of Deployment shop/web -> cluster-admin, certain",
		[]string{"nodeSelector: {node-role.kubernetes.io/control-plane: ''} => nodeSelector: {disk: fast}", "/var/lib/etcd => /opt/data"}},
	{EscapeHostWrite, deploy("web", claim, mounted) + matched, "container app of Deployment shop/web -> a node of Deployment shop/web, unknown",
		[]string{"10Gi => 2Gi", "manual, capacity => other, capacity", "[ReadWriteOnce], hostPath => [ReadOnlyMany], hostPath", "{path: /etc} => {path: /srv}",
			"resources: => selector: {matchLabels: {disk: fast}}, resources:", "resources: => volumeMode: Block, resources:"}},
	{EscapeSocket, deploy("web", "securityContext: {supplementalGroups: [998]}\n      "+at("/var/run/docker.sock"), strings.Replace(mounted, "runAsUser: 0", "runAsUser: 1000", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, unknown",
		[]string{"supplementalGroups: [998] => runAsNonRoot: true", "/var/run/docker.sock => /opt/data", "/var/run/docker.sock => /etc"}},
	{EscapeSocket, deploy("web", "securityContext: {fsGroup: 998}\n      "+at("/"), strings.Replace(mounted, "runAsUser: 0", "runAsUser: 1000", 1)), "container app of Deployment shop/web -> a node of Deployment shop/web, unknown",
		[]string{"fsGroup: 998 => runAsNonRoot: true"}},
	{HostProcess, deploy("web", "hostNetwork: true\n      securityContext: {windowsOptions: {hostProcess: true, runAsUserName: 'NT AUTHORITY\\SYSTEM'}}", ""), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"hostProcess: true => hostProcess: false", "~SYSTEM => LocalService", "image: registry.example/app:1 => securityContext: {windowsOptions: {hostProcess: false}}"}},
	{HostProcess, deploy("web", "", "securityContext: {windowsOptions: {hostProcess: true}}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"hostProcess: true => hostProcess: false"}},
	{SharedProcesses, deploy("web", "shareProcessNamespace: true", "securityContext: {runAsUser: 0}\n        - {name: side, image: 'registry.example/side:1', securityContext: {runAsUser: 5}}"),
		"container app of Deployment shop/web -> the processes of Deployment shop/web, certain", []string{"shareProcessNamespace: true => shareProcessNamespace: false", "runAsUser: 0 => runAsNonRoot: true", "~runAsUser: 0 => runAsGroup: 0"}},
	{Member, deploy("web", "shareProcessNamespace: true", "securityContext: {runAsUser: 0}\n        - {name: side, image: 'registry.example/side:1', securityContext: {runAsUser: 5}}"),
		"the processes of Deployment shop/web -> container side of Deployment shop/web, given", []string{"shareProcessNamespace: true => shareProcessNamespace: false"}},
	{NodePlacement, deploy("web", "tolerations: [{operator: Exists}]", "securityContext: {runAsUser: 0, privileged: true}"), "a node of Deployment shop/web -> a control-plane node, unknown",
		[]string{"tolerations: [{operator: Exists}] => tolerations: [{key: disk, operator: Exists}]", "privileged: true => privileged: false", "tolerations: => nodeSelector: {disk: fast}\n      tolerations:"}},
	{NodePlacement, deploy("web", "", "") + cloud, "the files of node one -> the files of some node, unknown", []string{"spec:\n  selector => spec:\n  replicas: 0\n  selector", "providerID: => taints: [{key: team, effect: NoSchedule}], providerID:"}},
	{NodePlacement, deploy("web", "", "") + cloud, "node one -> some node, unknown", []string{"spec:\n  selector => spec:\n  replicas: 0\n  selector", "providerID: => taints: [{key: team, effect: NoSchedule}], providerID:"}},
	{NodeContainers, deploy("web", "nodeSelector: {disk: fast}", ""), "some node -> Deployment shop/web, unknown", []string{"nodeSelector: {disk: fast} => nodeSelector: {node-role.kubernetes.io/control-plane: ''}"}},
	{NodeContainers, deploy("web", "nodeName: one", ""), "node one -> Deployment shop/web, certain", []string{gone}},
	{NodePods, deploy("web", "nodeSelector: {disk: fast}", ""), "the files of some node -> Deployment shop/web, unknown", []string{"nodeSelector: {disk: fast} => nodeSelector: {node-role.kubernetes.io/control-plane: ''}"}},
	{NodeControlPlane, `{apiVersion: v1, kind: Node, metadata: {name: one, labels: {node-role.kubernetes.io/control-plane: ''}}}`, "the files of node one -> cluster-admin, certain", []string{"control-plane => worker"}},
	{KubeletCredentials, strings.Replace(role(true, rule("get", "", "secrets")), "{kind: ServiceAccount, name: default, namespace: shop}", "{kind: Group, name: 'system:nodes', apiGroup: rbac.authorization.k8s.io}", 1),
		"the files of some node -> group system:nodes, certain", []string{"system:nodes => system:others"}},
	{TokenMount, deploy("web", "serviceAccountName: web", "") + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop}}", "container app of Deployment shop/web -> service account shop/web, certain",
		[]string{"serviceAccountName: web => automountServiceAccountToken: false", "kind: ServiceAccount, => kind: ServiceAccount, automountServiceAccountToken: false,"}},
	{TokenMount, deploy("web", "automountServiceAccountToken: false\n      volumes: [{name: host, projected: {sources: [{serviceAccountToken: {path: token}}]}}]", mounted), "container app of Deployment shop/web -> service account shop/default, certain",
		[]string{"path: token => path: token, audience: vault", "name: host, mountPath => name: other, mountPath"}},
	{SecretMount, deploy("web", "volumes: [{name: host, secret: {secretName: key}}]", mounted), "container app of Deployment shop/web -> secret shop/key, certain", []string{"name: host, mountPath => name: other, mountPath", "secretName => other"}},
	{SecretMount, deploy("web", "", "env: [{name: P, valueFrom: {secretKeyRef: {name: key, key: p}}}]"), "container app of Deployment shop/web -> secret shop/key, certain", []string{"secretKeyRef => configMapKeyRef"}},
	{SecretMount, deploy("web", "", "envFrom: [{secretRef: {name: key}}]"), "container app of Deployment shop/web -> secret shop/key, certain", []string{"secretRef => configMapRef"}},
	{SecretMount, deploy("web", "imagePullSecrets: [{name: pull}]", ""), "Deployment shop/web -> secret shop/pull, certain", []string{"imagePullSecrets => other"}},
	{SecretToken, "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: web}}}", "secret shop/t -> service account shop/web, certain",
		[]string{"type: kubernetes.io/service-account-token => type: Opaque", "service-account.name => other", "namespace: shop, => namespace: shop, labels: {kubernetes.io/legacy-token-invalid-since: '2026-01-02'},"}},
	{VolumeMount, deploy("web", "volumes: [{name: host, persistentVolumeClaim: {claimName: data}}]", mounted), "container app of Deployment shop/web -> volume shop/data, certain", []string{"name: host, mountPath => name: other, mountPath"}},
	{VolumeMount, deploy("web", claim, "volumeDevices: [{name: host, devicePath: /dev/xvda}]"), "container app of Deployment shop/web -> volume shop/data, certain", []string{"name: host, devicePath => name: other, devicePath"}},
	{VolumeTaint, deploy("web", claim, "volumeDevices: [{name: host, devicePath: /dev/xvda}]") + deploy("reader", claim, "volumeDevices: [{name: host, devicePath: /dev/xvda}]"),
		"shared volume shop/data -> container app of Deployment shop/reader, needs an exploit", []string{"claimName: data => claimName: other"}},
	{EscapeHostWrite, deploy("web", claim, "securityContext: {runAsUser: 0}\n          volumeDevices: [{name: host, devicePath: /dev/xvda}]") + strings.Replace(hostVolume, "path: /etc", "path: /dev/sda", 1),
		"container app of Deployment shop/web -> a node of Deployment shop/web, unknown", []string{"volumeDevices: [{name: host, devicePath => volumeMounts: [{name: host, mountPath", "runAsUser: 0 => runAsUser: 1", "path: /dev/sda => path: /opt/data"}},
	{VolumeTaint, deploy("web", "volumes: [{name: host, persistentVolumeClaim: {claimName: data}}]", mounted) +
		deploy("reader", "volumes: [{name: host, persistentVolumeClaim: {claimName: other, readOnly: true}}]", mounted) +
		deploy("reader2", "volumes: [{name: host, persistentVolumeClaim: {claimName: data, readOnly: true}}]", mounted),
		"shared volume shop/data -> container app of Deployment shop/reader2, needs an exploit", []string{"claimName: data} => claimName: data, readOnly: true}", "claimName: data} => claimName: mine}"}},
	{CloudRole, deploy("web", "serviceAccountName: web\n      automountServiceAccountToken: false", "") + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/web'}}}",
		"container app of Deployment shop/web -> cloud identity arn:aws:iam::1:role/web, likely", []string{"eks.amazonaws.com => eks.example.com", "serviceAccountName: web => serviceAccountName: other"}},
	{CloudRole, strings.Replace(deploy("web", "serviceAccountName: web", ""), "labels: {app: web}}\n    spec", "labels: {app: web, azure.workload.identity/use: 'true'}}\n    spec", 1) +
		"\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, annotations: {azure.workload.identity/client-id: id}}}",
		"container app of Deployment shop/web -> cloud identity azure:id, likely", []string{"use: 'true' => use: 'false'"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") + "\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, annotations: {iam.gke.io/gcp-service-account: web@p.iam.gserviceaccount.com}}}",
		"container app of Deployment shop/web -> cloud identity web@p.iam.gserviceaccount.com, likely", []string{"iam.gke.io => iam.example.com", "serviceAccountName: web => serviceAccountName: other"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") +
		"\n---\n{apiVersion: eks.services.k8s.aws/v1alpha1, kind: PodIdentityAssociation, metadata: {name: web, namespace: ack}, spec: {clusterName: c, namespace: shop, serviceAccount: web, roleARN: 'arn:aws:iam::1:role/web'}}",
		"container app of Deployment shop/web -> cloud identity arn:aws:iam::1:role/web, likely", []string{"namespace: shop, serviceAccount => namespace: ack, serviceAccount", "serviceAccount: web, => serviceAccount: other,", "kind: PodIdentityAssociation => kind: Addon"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") +
		"\n---\n{apiVersion: eks.aws.upbound.io/v1beta1, kind: PodIdentityAssociation, metadata: {name: web}, spec: {forProvider: {clusterName: c, namespace: shop, serviceAccount: web, roleArn: 'arn:aws:iam::1:role/web'}}}",
		"container app of Deployment shop/web -> cloud identity arn:aws:iam::1:role/web, likely", []string{"forProvider => other", "roleArn => roleARN"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") +
		"\n---\n{apiVersion: eks.services.k8s.aws/v1alpha1, kind: PodIdentityAssociation, metadata: {name: web, namespace: ack}, spec: {clusterName: c, namespace: shop, serviceAccount: web, roleARN: 'arn:aws:iam::1:role/hop', targetRoleARN: 'arn:aws:iam::2:role/web'}}",
		"container app of Deployment shop/web -> cloud identity arn:aws:iam::2:role/web, likely", []string{"serviceAccount: web, => serviceAccount: other,"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") +
		"\n---\n{apiVersion: eks.services.k8s.aws/v1alpha1, kind: PodIdentityAssociation, metadata: {name: web, namespace: ack}, spec: {clusterName: c, namespace: shop, serviceAccount: web, roleRef: {from: {name: web-role}}}}",
		"container app of Deployment shop/web -> cloud identity role web-role, likely", []string{"roleRef => other"}},
	{CloudRole, deploy("web", "serviceAccountName: web", "") +
		"\n---\n{apiVersion: eks.aws.m.upbound.io/v1beta1, kind: PodIdentityAssociation, metadata: {name: web}, spec: {forProvider: {clusterName: c, namespace: shop, serviceAccount: web, roleArnRef: {name: hop}, targetRoleArn: 'arn:aws:iam::2:role/web'}}}",
		"container app of Deployment shop/web -> cloud identity arn:aws:iam::2:role/web, likely", []string{"serviceAccount: web, => serviceAccount: other,"}},
	{NodeMetadata, deploy("web", "", web) + otherPolicy + "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}, spec: {providerID: 'aws:///a/i-1'}}", "Deployment shop/web -> cloud identity of nodes, unknown",
		[]string{"app: nothing => app: web", "aws:/// => kind:///"}},
	{NodeMetadata, deploy("web", "", web) + otherPolicy, "Deployment shop/web -> cloud identity of nodes, unknown", []string{"app: nothing => app: web"}},
	{NodeMetadata, deploy("web", "hostNetwork: true", web) + cloud, "Deployment shop/web -> cloud identity of nodes, likely", []string{"aws:/// => kind:///", "~aws:/// => own:///", "~hostNetwork: true => hostNetwork: false"}},
	{RunAs, role(false, rule("create", "", "pods")), "own pods in namespace shop -> all service accounts in namespace shop, certain", []string{"[create] => [get]"}},
	{RunAs, cloudAccount + role(false, rule("create", "", "pods")), "own pods in namespace shop -> cloud identity arn:aws:iam::1:role/web, likely", []string{"[create] => [get]", "eks.amazonaws.com => eks.example.com"}},
	{MountAny, role(false, rule("create", "apps", "deployments")), "own pods in namespace shop -> all secrets in namespace shop, certain", []string{"[create] => [get]"}},
	{RunEscape, namespaceOf("shop", enforce+"privileged") + role(false, rule("create", "", "pods")), "own pods in namespace shop -> any node, certain",
		[]string{"enforce: privileged => enforce: baseline", "enforce: privileged => enforce: restricted", "enforce: privileged => enforce: misspelt", "resources: [pods] => resources: [services]"}},
	{RunEscape, namespaceOf("shop", "") + role(false, rule("create", "", "pods")), "own pods in namespace shop -> any node, likely", nil},
	{RunEscape, role(false, rule("create", "", "pods")), "own pods in namespace shop -> any node, unknown", nil},
	{ClaimEscape, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + hostVolume, "own pods in namespace shop -> any node, certain",
		[]string{"path: /etc => path: /dev/sda", "enforce: baseline => enforce: restricted", "path: /etc => path: /opt/data", "claimRef: {namespace: shop => claimRef: {namespace: other", "[create] => [get]"}},
	{ClaimEscape, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}}" +
		strings.Replace(hostVolume, "spec: {hostPath", "spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [one]}]}]}}, hostPath", 1),
		"own pods in namespace shop -> node one, certain", []string{"path: /etc => path: /opt/data"}},
	{ClaimEscape, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}}" +
		strings.Replace(hostVolume, "spec: {hostPath", "spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [two]}]}]}}, hostPath", 1),
		"own pods in namespace shop -> some node, certain", []string{"path: /etc => path: /opt/data"}},
	{DebugEscape, namespaceOf("shop", enforce+"privileged") + deploy("web", "", "") + role(false, rule("patch", "", "pods/ephemeralcontainers")), "running pods in namespace shop -> a node of Deployment shop/web, certain",
		[]string{"enforce: privileged => enforce: baseline", "pods/ephemeralcontainers => pods/log"}},
	{Everything, role(true, rule("'*'", "*", "'*'")), "service account shop/default -> cluster-admin, certain", []string{"verbs: ['*'] => verbs: [get]", "kind: ClusterRole => kind: Role"}},
	{UseAdmin, role(true, rule("'*'", "*", "'*'")) + "\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}}", "cluster-admin -> volume shop/data, certain", []string{"kind: PersistentVolumeClaim => kind: ConfigMap"}},
	{ReadSecrets, role(false, rule("list", "", "secrets")), "service account shop/default -> all secrets in namespace shop, certain", []string{"[list] => [create]", "[secrets] => [configmaps]"}},
	{ReadSecrets, role(false, rule("patch", "", "secrets")), "service account shop/default -> all secrets in namespace shop, certain", []string{"[patch] => [update]", "[patch] => [delete]"}},
	{ReadSecrets, role(false, rule("deletecollection", "", "secrets")), "service account shop/default -> all secrets in namespace shop, certain", []string{"[deletecollection] => [delete]"}},
	{ReadSecrets, role(false, "{apiGroups: [''], resources: [secrets], verbs: [patch], resourceNames: [key]}"), "service account shop/default -> secret shop/key, certain", []string{"[patch] => [update]"}},
	{ForgeToken, role(false, rule("create, patch", "", "secrets")), "service account shop/default -> all service accounts in namespace shop, certain", []string{"[create, patch] => [create, update]"}},
	{ForgeToken, role(false, rule("create", "", "secrets"), "{apiGroups: [''], resources: [secrets], verbs: [patch], resourceNames: [own]}"), "service account shop/default -> all service accounts in namespace shop, certain", []string{"[patch] => [update]"}},
	{ReadSecrets, role(false, "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [key]}"), "service account shop/default -> secret shop/key, certain", []string{"[secrets] => [configmaps]", "[get] => [update]"}},
	{ExecPods, role(false, rule("create", "", "pods/exec")), "service account shop/default -> all pods in namespace shop, certain", []string{"pods/exec => pods", "[create] => [list]", "~[create] => [get]"}},
	{ExecPods, role(false, rule("get", "", "pods/attach")), "service account shop/default -> all pods in namespace shop, unknown", []string{"pods/attach => pods", "[get] => [list]"}},
	{ExecPods, "---\n{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop}, spec: {containers: [{name: c, image: x}]}}" +
		role(false, "{apiGroups: [''], resources: [pods/exec], verbs: [create], resourceNames: [db]}"), "service account shop/default -> Pod shop/db, certain", []string{"[db] => [web]", "~[create] => [get]"}},
	{ForwardPorts, role(true, rule("get", "", "pods/portforward")), "service account shop/default -> ports of pods of the cluster, unknown", []string{"[get] => [list]"}},
	{DebugPods, role(false, rule("patch", "", "pods/ephemeralcontainers")), "service account shop/default -> running pods in namespace shop, certain", []string{"[patch] => [get]"}},
	{PatchPods, role(false, rule("patch", "", "pods")), "service account shop/default -> all pods in namespace shop, certain", []string{"[patch] => [get]"}},
	{CreatePods, role(false, rule("create", "batch", "jobs")), "service account shop/default -> own pods in namespace shop, certain", []string{"[create] => [get]", "batch => other"}},
	{CreatePods, role(false, "{apiGroups: [''], resources: [pods], verbs: [create, patch], resourceNames: [own]}"), "service account shop/default -> own pods in namespace shop, certain", []string{"create, patch => create", "create, patch => patch"}},
	{CreatePods, role(true, "{apiGroups: [batch], resources: [jobs], verbs: [create], resourceNames: [own]}, {apiGroups: [batch], resources: [jobs], verbs: [patch], resourceNames: [own]}"),
		"service account shop/default -> own pods of the cluster, certain", []string{"[patch], resourceNames: [own] => [patch], resourceNames: [other]", "[patch] => [update]", "[create] => [get]"}},
	{CreatePods, role(true, "{apiGroups: [batch], resources: [jobs], verbs: [create], resourceNames: [own]}") +
		other(false, "{kind: ServiceAccount, name: default, namespace: shop}", "{apiGroups: [batch], resources: [jobs], verbs: [patch], resourceNames: [own]}"),
		"service account shop/default -> own pods in namespace data, certain", []string{"[patch], resourceNames: [own] => [patch], resourceNames: [other]", "[patch] => [update]", "[create] => [get]"}},
	{ChangeWorkloads, deploy("web", "", "") + role(false, rule("patch", "apps", "deployments")), "service account shop/default -> own pods in namespace shop, certain", []string{"[patch] => [get]", "[deployments] => [statefulsets]", "namespace: shop}\nspec:\n  selector => namespace: other}\nspec:\n  selector"}},
	{ChangeWorkloads, deploy("web", "", "") + role(false, rule("patch", "apps", "replicasets")), "service account shop/default -> own pods in namespace shop, certain", []string{"[patch] => [get]", "kind: Deployment => kind: StatefulSet"}},
	{ChangeWorkloads, cronJob + role(false, rule("patch", "batch", "cronjobs")), "service account shop/default -> own pods in namespace shop, certain", []string{"[patch] => [get]", "[cronjobs] => [jobs]"}},
	{ChangeWorkloads, role(true, rule("patch", "apps", "daemonsets")), "service account shop/default -> all pods in namespace kube-system, likely",
		[]string{"[patch] => [get]", "daemonsets => statefulsets", "kind: ClusterRole\nmetadata: {name: r}\nrules => kind: ClusterRole\nmetadata: {name: cluster-admin}\nrules",
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n => ---\n{apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: kube-system}, spec: {containers: [{name: c, image: x}]}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"}},
	{ChangeWorkloads, strings.ReplaceAll(role(false, rule("update", "apps", "deployments")), "namespace: shop}\n", "namespace: kube-system}\n"),
		"service account shop/default -> own pods in namespace kube-system, likely", []string{"[update] => [list]", "namespace: kube-system}\nroleRef => namespace: shop}\nroleRef"}},
	{ProxyKubelet, role(true, rule("get", "", "nodes/proxy")), "service account shop/default -> all pods of the cluster, certain", []string{"nodes/proxy => nodes/stats", "kind: ClusterRole => kind: Role"}},
	{MintToken, role(false, rule("create", "", "serviceaccounts/token")), "service account shop/default -> all service accounts in namespace shop, certain", []string{"[create] => [get]"}},
	{MintToken, role(false, "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [web]}"), "service account shop/default -> service account shop/web, certain", []string{"[create] => [get]", "serviceaccounts/token => serviceaccounts"}},
	{MintToken, cloudAccount + role(false, rule("create", "", "serviceaccounts/token")), "service account shop/default -> cloud identity arn:aws:iam::1:role/web, likely",
		[]string{"[create] => [get]", "name: web, namespace: shop => name: web, namespace: other"}},
	{MintToken, cloudAccount + role(false, "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [web]}"), "service account shop/default -> cloud identity arn:aws:iam::1:role/web, likely",
		[]string{"[web] => [default]", "serviceaccounts/token => serviceaccounts"}},
	{ForgeToken, role(false, rule("create, get", "", "secrets")), "service account shop/default -> all service accounts in namespace shop, certain", []string{"[create, get] => [create]", "[create, get] => [get]"}},
	{ImpersonateAccount, role(false, rule("impersonate", "", "serviceaccounts")), "service account shop/default -> all service accounts in namespace shop, certain", []string{"[impersonate] => [get]"}},
	{ImpersonateUser, role(true, rule("impersonate", "", "users")), "service account shop/default -> any user, certain", []string{"[impersonate] => [get]", "kind: ClusterRole => kind: Role"}},
	{ImpersonateUser, role(true, "{apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: [jo]}"), "service account shop/default -> user jo, certain", []string{"[impersonate] => [get]"}},
	{ImpersonateGroup, role(true, rule("impersonate", "", "groups, users")), "service account shop/default -> group system:masters, certain", []string{"[groups, users] => [users]"}},
	{GrantRole, role(true, rule("bind", "rbac.authorization.k8s.io", "clusterroles"), rule("create", "rbac.authorization.k8s.io", "clusterrolebindings, rolebindings")), "service account shop/default -> cluster-admin, certain",
		[]string{"[bind] => [get]", "[create] => [get]"}},
	{RewriteRole, role(true, rule("escalate, update", "rbac.authorization.k8s.io", "clusterroles, roles")), "service account shop/default -> cluster-admin, certain", []string{"escalate, update => escalate", "escalate, update => update"}},
	{ForgeCertificate, role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests"), rule("update", "certificates.k8s.io", "certificatesigningrequests/approval"),
		"{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}"), "service account shop/default -> any user, group and service account, certain",
		[]string{"verbs: [create] => verbs: [get]", "certificatesigningrequests/approval => other", "kubernetes.io/kube-apiserver-client] => kubernetes.io/kubelet-serving]", "kubernetes.io/kube-apiserver-client] => kubernetes.io/kube-apiserver-client-kubelet]"}},
	{KubeletCertificate, role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests"), rule("update", "certificates.k8s.io", "certificatesigningrequests/approval"),
		"{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client-kubelet]}"), "service account shop/default -> the kubelet of any node, certain",
		[]string{"verbs: [create] => verbs: [get]", "certificatesigningrequests/approval => other", "[approve] => [sign]", "kubernetes.io/kube-apiserver-client-kubelet] => kubernetes.io/kubelet-serving]"}},
	{KubeletCertificate, role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests, certificatesigningrequests/nodeclient")), "service account shop/default -> the kubelet of any node, likely",
		[]string{"[certificatesigningrequests, => [", "/nodeclient => /selfnodeclient", "[create] => [get]", "kind: ClusterRole => kind: Role"}},
	{ActAsKubelet, deploy("web", "serviceAccountName: web", "") + role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests, certificatesigningrequests/nodeclient")),
		"the kubelet of any node -> service account shop/web, certain", []string{"/nodeclient => /selfnodeclient", gone}},
	{ActAsKubelet, deploy("web", "", "envFrom: [{secretRef: {name: key}}]") + role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests, certificatesigningrequests/nodeclient")),
		"the kubelet of any node -> secret shop/key, certain", []string{"/nodeclient => /selfnodeclient", "secretRef => configMapRef"}},
	{ActAsKubelet, deploy("web", "imagePullSecrets: [{name: pull}]", "") + role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests, certificatesigningrequests/nodeclient")),
		"the kubelet of any node -> secret shop/pull, certain", []string{"imagePullSecrets => other"}},
	{BootstrapToken, bootstrapSecret + bootstrapRole, "secret kube-system/bootstrap-token-abcdef -> group system:bootstrappers:join, likely",
		[]string{"bootstrap.kubernetes.io/token => Opaque", "namespace: kube-system => namespace: shop", "system:bootstrappers:join => system:others"}},
	{ForgeBootstrapToken, bootstrapRole + strings.ReplaceAll(role(false, rule("create", "", "secrets")), "namespace: shop}\n", "namespace: kube-system}\n"),
		"service account shop/default -> group system:bootstrappers:join, likely", []string{"namespace: kube-system}\nroleRef => namespace: shop}\nroleRef", "resources: [secrets] => resources: [configmaps]", "system:bootstrappers:join => system:bootstrapped"}},
	{StealPods, daemon + deploy("db", "serviceAccountName: db", "") + role(true, rule("patch", "", "nodes")), "some node -> the pods that can move, likely",
		[]string{"resources: [nodes] => resources: [pods]", "[patch] => [get]", "kind: ClusterRole => kind: Role", "spec: {containers: [{name: c => spec: {automountServiceAccountToken: false, containers: [{name: c"}},
	{Member, daemon + deploy("db", "serviceAccountName: db", "") + role(true, rule("patch", "", "nodes")), "the pods that can move -> Deployment shop/db, given", []string{"kind: Deployment => kind: DaemonSet"}},
	{HijackAPI, role(true, rule("update", "apiregistration.k8s.io", "apiservices")), "service account shop/default -> cluster-admin, likely", []string{"[update] => [delete]", "kind: ClusterRole => kind: Role", "apiservices => others"}},
	{HijackConversion, role(true, rule("patch", "apiextensions.k8s.io", "customresourcedefinitions")), "service account shop/default -> the custom objects of the cluster, likely",
		[]string{"[patch] => [delete]", "[patch] => [create]", "kind: ClusterRole => kind: Role"}},
	{DrivenBy, crd + role(true, rule("patch", "apiextensions.k8s.io", "customresourcedefinitions"), rule("watch", "ops.example.com", "backups")), "the custom objects of the cluster -> service account shop/default, needs an exploit",
		[]string{"[watch] => [create]", "ops.example.com'] => other.example.com']", "group: ops => group: net", "[patch] => [get]"}},
	{ChangePolicies, role(true, rule("create", "admissionregistration.k8s.io", "mutatingadmissionpolicies, mutatingadmissionpolicybindings")), "service account shop/default -> cluster-admin, likely",
		[]string{"[create] => [delete]", ", mutatingadmissionpolicybindings => ", "mutatingadmissionpolicies, => ", "kind: ClusterRole => kind: Role"}},
	{ChangeWebhooks, role(true, rule("update", "admissionregistration.k8s.io", "mutatingwebhookconfigurations")), "service account shop/default -> cluster-admin, likely",
		[]string{"[update] => [get]", "[update] => [delete]", "mutatingwebhook => validatingwebhook", "kind: ClusterRole => kind: Role"}},
	{ReadByWebhook, role(true, rule("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations")), "service account shop/default -> all secrets of the cluster, likely",
		[]string{"[create] => [get]", "[create] => [delete]", "validatingwebhook => mutatingwebhook", "kind: ClusterRole => kind: Role"}},
	{OpenNetwork, deploy("web", "", web) + denied + role(false, rule("create", "networking.k8s.io", "networkpolicies")), "service account shop/default -> ports of pods in namespace shop, certain",
		[]string{"[create] => [get]", "[Ingress] => [Egress]", "networking.k8s.io'] => example.com']", "~spec:\n      \n      containers => spec:\n      automountServiceAccountToken: false\n      containers"}},
	{OpenNetwork, deploy("web", "", web) + denied + role(true, rule("delete", "networking.k8s.io", "networkpolicies")), "service account shop/default -> ports of pods of the cluster, certain",
		[]string{"[delete] => [watch]", "[Ingress] => [Egress]", "resources: [networkpolicies] => resources: [ingresses]"}},
	{OpenNetwork, deploy("web", "", web) + denied + otherNamespace + role(false, rule("patch", "networking.k8s.io", "networkpolicies")), "service account ops/agent -> ports of pods in namespace shop, certain",
		[]string{"~name: out, namespace: ops}, spec: {podSelector: {matchLabels: {app: other} => name: out, namespace: ops}, spec: {podSelector: {matchLabels: {app: agent}"}},
	{OpenNetwork, deploy("web", "", web) + denied + everybody(rule("update", "networking.k8s.io", "networkpolicies")), "group system:serviceaccounts -> ports of pods of the cluster, likely", []string{"[update] => [get]"}},
	{OpenNetwork, deploy("web", "", web) + denied + "\n---\n{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: a}, spec: {priority: 1, subject: {namespaces: {}}}}" +
		role(false, rule("update", "networking.k8s.io", "networkpolicies")), "service account shop/default -> ports of pods in namespace shop, unknown", []string{"[update] => [get]"}},
	{MapAWSIdentity, strings.ReplaceAll(role(false, rule("update", "", "configmaps")), "namespace: shop}\n", "namespace: kube-system}\n") + "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}",
		"service account shop/default -> cluster-admin, likely", []string{"[update] => [get]", "name: aws-auth => name: other", "namespace: kube-system}\nroleRef => namespace: shop}\nroleRef"}},
	{ChangeWebhooks, webhook + role(true, "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [patch], resourceNames: [mw]}"), "service account shop/default -> cluster-admin, likely",
		[]string{"[patch] => [get]", "[mutatingweb => [validatingweb", "kind: ClusterRole => kind: Role"}},
	{ReadByWebhook, webhook + role(true, "{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [patch], resourceNames: [vw]}"), "service account shop/default -> all secrets of the cluster, likely",
		[]string{"[patch] => [delete]", "[validatingweb => [mutatingweb"}},
	{ChangePolicies, boundPolicy + role(true, "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingadmissionpolicies], verbs: [patch], resourceNames: [mp]}"), "service account shop/default -> cluster-admin, likely",
		[]string{"[patch] => [delete]", "policyName: mp => policyName: other", "resourceNames: [mp] => resourceNames: [other]"}},
	{ChangePolicies, strings.Replace(boundPolicy, "policyName: mp", "policyName: other", 1) + role(true, "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingadmissionpolicies], verbs: [patch], resourceNames: [mp]}",
		rule("create", admissionGroup, "mutatingadmissionpolicybindings")), "service account shop/default -> cluster-admin, likely", []string{"[patch] => [get]", "[create] => [get]"}},
	{ChangePolicies, boundPolicy + role(true, rule("create", admissionGroup, "mutatingadmissionpolicies"), "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingadmissionpolicybindings], verbs: [patch], resourceNames: [mp]}"),
		"service account shop/default -> cluster-admin, likely", []string{"[patch] => [get]", "[create] => [get]"}},
	{ChangePolicies, boundPolicy + role(true, rule("update", "admissionregistration.k8s.io", "mutatingadmissionpolicies")), "service account shop/default -> cluster-admin, likely", []string{"[update] => [delete]", "policyName: mp => policyName: other"}},
	{HijackAPI, role(true, "{apiGroups: [apiregistration.k8s.io], resources: [apiservices], verbs: [patch], resourceNames: [v1.rbac.authorization.k8s.io]}"), "service account shop/default -> cluster-admin, likely", []string{"[patch] => [delete]"}},
	{HijackAPI, role(true, rule("create", "apiregistration.k8s.io", "apiservices")), "service account shop/default -> cluster-admin, unknown", []string{"[create] => [delete]"}},
	{HijackConversion, crd + role(true, "{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [patch], resourceNames: [backups.ops.example.com]}"), "service account shop/default -> the custom objects of the cluster, likely",
		[]string{"[patch] => [delete]", "kind: ClusterRole => kind: Role"}},
	{ProxyKubelet, onNodeOne + role(true, "{apiGroups: [''], resources: [nodes/proxy], verbs: [get], resourceNames: [one]}"), "service account shop/default -> Pod shop/db, certain",
		[]string{"nodes/proxy => nodes/stats", "~nodeName: one, => ", "nodeName: one => nodeName: two"}},
	{ActAsKubelet, onNodeOne + asNodeOne, "service account shop/default -> service account shop/db, certain", []string{"'system:node:one' => 'system:node:two'", "'system:nodes' => 'system:masters'", "nodeName: one => nodeName: two"}},
	{ActAsKubelet, onNodeOne + asNodeOne, "service account shop/default -> secret shop/key, certain", []string{"'system:node:one' => 'system:node:two'", "'system:nodes' => 'system:masters'", "secretRef => configMapRef"}},
	{MapAWSIdentity, strings.ReplaceAll(role(false, "{apiGroups: [''], resources: [configmaps], verbs: [patch], resourceNames: [aws-auth]}"), "namespace: shop}\n", "namespace: kube-system}\n"),
		"service account shop/default -> cluster-admin, unknown", []string{"[patch] => [get]", "[aws-auth] => [other]"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods"), "{apiGroups: [''], resources: [namespaces/status], verbs: [patch], resourceNames: [shop]}"), "service account shop/default -> any node, certain",
		[]string{"[patch] => [get]", "[shop] => [other]", "[create] => [get]"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods"), rule("patch", "", "namespaces/status")), "service account shop/default -> any node, certain", []string{"[patch] => [get]"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods"), rule("update", "", "namespaces/finalize")), "service account shop/default -> any node, certain", []string{"[update] => [patch]"}},
	{SystemAccounts, role(true, rule("create", "", "serviceaccounts/token")), "all service accounts in namespace kube-system -> cluster-admin, likely",
		[]string{"kind: ClusterRole\nmetadata: {name: r}\nrules => kind: ClusterRole\nmetadata: {name: cluster-admin}\nrules"}},
	{SystemPods, role(true, rule("get", "", "nodes/proxy")), "all pods in namespace kube-system -> any node, likely",
		[]string{"kind: ClusterRole\nmetadata: {name: r}\nrules => kind: ClusterRole\nmetadata: {name: cluster-admin}\nrules",
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n => ---\n{apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: kube-system}, spec: {containers: [{name: c, image: x}]}}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods"), rule("patch", "", "namespaces")), "service account shop/default -> any node, certain",
		[]string{"[patch] => [get]", "[create] => [get]"}},
	{HostPathVolume, namespaceOf("shop", enforce+"baseline") + role(true, rule("create", "", "pods, persistentvolumes")), "service account shop/default -> any node, likely",
		[]string{"pods, persistent => services, persistent", ", persistentvolumes => "}},
	{HostPathVolume, namespaceOf("shop", enforce+"baseline") + everybody(rule("create", "", "persistentvolumes")) + role(false, rule("create", "", "pods")), "service account shop/default -> any node, likely",
		[]string{"[pods] => [services]", "resources: [persistentvolumes] => resources: [services]", "~enforce: baseline => enforce: restricted"}},

	// What holds without a step, and what steps of some kinds lead to besides.
	{Member, deploy("web", "", ""), "Deployment shop/web -> container app of Deployment shop/web, given", []string{gone}},
	{Member, deploy("web", "", ""), "container app of Deployment shop/web -> Deployment shop/web, given", []string{gone}},
	{Member, deploy("web", "", ""), "Deployment shop/web -> Deployment shop/web, given", []string{gone}},
	{Member, deploy("web", "", ""), "all pods in namespace shop -> Deployment shop/web, given", []string{gone}},
	{Member, deploy("web", "", "securityContext: {privileged: true}"), "a node of Deployment shop/web -> some node, given", []string{"privileged: true => privileged: false"}},
	{Member, deploy("web", "", "securityContext: {privileged: true}"), "a node of Deployment shop/web -> the files of some node, given", []string{"privileged: true => privileged: false"}},
	{Member, cloud, "node one -> the files of node one, given", []string{"kind: Node => kind: Namespace"}},
	{Member, cloud, "any node -> node one, given", []string{"kind: Node => kind: Namespace"}},
	{Member, secret, "all secrets in namespace shop -> secret shop/key, given", []string{"kind: Secret => kind: ConfigMap"}},
	{Member, secret, "all secrets of the cluster -> all secrets in namespace shop, given", []string{"namespace: shop => namespace: kube-system"}},
	{Member, secret, "all pods of the cluster -> all pods in namespace shop, given", []string{"namespace: shop => namespace: kube-system"}},
	{Member, secret, "all service accounts of the cluster -> all service accounts in namespace shop, given", []string{"namespace: shop => namespace: kube-system"}},
	{Member, cloudAccount, "all service accounts in namespace shop -> service account shop/web, given", []string{"kind: ServiceAccount => kind: ConfigMap"}},
	{Member, role(true, rule("create", "", "pods")), "own pods of the cluster -> own pods in namespace shop, given", []string{"kind: ClusterRole => kind: Role", nobody}},
	{Member, role(false, rule("create", "", "pods")), "own pods in namespace shop -> pods with labels of its choice in namespace shop, given", []string{"[create] => [get]"}},
	{Member, deploy("web", "", web) + clients + role(true, rule("patch", "", "pods")), "pods with labels of its choice of the cluster -> pods with labels of its choice in namespace shop, given", []string{"kind: ClusterRole => kind: Role", gone}},
	{RelabelPods, deploy("web", "", web) + clients + role(false, rule("patch", "", "pods")), "service account shop/default -> pods with labels of its choice in namespace shop, certain",
		[]string{"[patch] => [get]", gone, "podSelector: {matchLabels: {role: client}} => podSelector: {}", "spec:\n      \n      containers => spec:\n      hostNetwork: true\n      containers"}},
	{RelabelPods, deploy("web", "", web) + clients + role(true, rule("patch", "", "pods")), "service account shop/default -> pods with labels of its choice of the cluster, certain", []string{"[patch] => [get]"}},
	{ExploitService, deploy("web", "", web) + clients + role(false, rule("patch", "", "pods")), "pods with labels of its choice in namespace shop -> container app of Deployment shop/web, needs an exploit",
		[]string{"[patch] => [get]", "{from: => {ports: [{port: 1}], from:", "ports: [{name: http, containerPort: 8080}] => tty: true"}},
	{RelabelToReach, deploy("web", "", web) + teams + role(true, rule("patch", "", "namespaces")), "service account shop/default -> its pods in the relabelled namespace shop, certain",
		[]string{"[patch] => [get]", "team: x => kubernetes.io/metadata.name: x", nobody, "spec:\n      \n      containers => spec:\n      automountServiceAccountToken: false\n      containers"}},
	{RelabelToReach, deploy("web", "", web) + teams + role(true, only("patch", "", "namespaces", "shop")), "service account shop/default -> its pods in the relabelled namespace shop, certain", []string{"resourceNames: ['shop'] => resourceNames: ['other']"}},
	{RelabelToReach, deploy("web", "", web) + teams + strings.ReplaceAll(role(false, rule("patch", "", "namespaces"), rule("create", "", "pods")), "{kind: ServiceAccount, name: default, namespace: shop}", "{kind: User, name: jo}"),
		"user jo -> pods with labels of its choice in the relabelled namespace shop, certain", []string{"[patch] => [get]", "[create] => [get]"}},
	{ExploitService, deploy("web", "", web) + teams + role(true, rule("patch", "", "namespaces")), "its pods in the relabelled namespace shop -> container app of Deployment shop/web, needs an exploit",
		[]string{"[patch] => [get]", "team: x}} => team: x}}, podSelector: {matchLabels: {role: other}}"}},
	{NodeMetadata, cloud + role(false, rule("create", "", "pods")), "pods with labels of its choice in namespace shop -> cloud identity of nodes, unknown",
		[]string{"aws:/// => kind:///", "[create] => [get]"}},
	{NodeMetadata, cloud + role(false, rule("create", "", "pods")) + closedEgress("app: web", ""), "pods with labels of its choice in namespace shop -> cloud identity of nodes, unknown", []string{"{matchLabels: {app: web}} => {}"}},
	{Member, role(true, rule("create", "", "pods/portforward")), "ports of pods of the cluster -> ports of pods in namespace shop, given", []string{"kind: ClusterRole => kind: Role", nobody}},
	{Member, role(true, rule("patch", "", "pods/ephemeralcontainers")), "running pods of the cluster -> running pods in namespace shop, given", []string{"kind: ClusterRole => kind: Role", nobody}},
	{Member, deploy("web", "", "") + role(false, rule("create", "", "pods")), "own pods in namespace shop -> Deployment shop/web, given", []string{gone, "[create] => [get]"}},
	{Member, deploy("web", "", "") + role(false, rule("patch", "", "pods/ephemeralcontainers")), "running pods in namespace shop -> Deployment shop/web, given", []string{gone, "[patch] => [get]"}},
	{Member, role(true, rule("impersonate", "", "users")), "any user -> user system:kube-controller-manager, given", []string{"[impersonate] => [get]"}},
	{Member, role(true, rule("impersonate", "", "users")) + unauthenticated, "any user -> group system:unauthenticated, given", []string{"[impersonate] => [get]", "'system:unauthenticated' => 'system:others'"}},
	{Member, signs, "any user, group and service account -> any user, given", []string{"[approve] => [get]"}},
	{Member, signs, "any user, group and service account -> all service accounts of the cluster, given", []string{"[approve] => [get]"}},
	{Member, signs + strings.Replace(unauthenticated, "unauthenticated", "others", 1), "any user, group and service account -> group system:others, given", []string{"[approve] => [get]"}},
	{ImpersonateGroup, role(true, rule("impersonate", "", "users"), "{apiGroups: [''], resources: [groups], verbs: [impersonate], resourceNames: ['system:nodes']}"),
		"service account shop/default -> the kubelet of any node, certain", []string{"resources: [users] => resources: [uids]", "'system:nodes' => 'system:others'"}},
	{Member, role(true, rule("impersonate", "", "users"), "{apiGroups: [''], resources: [groups], verbs: [impersonate], resourceNames: ['system:nodes']}"),
		"the kubelet of any node -> group system:nodes, given", []string{"resources: [users] => resources: [uids]", "'system:nodes' => 'system:others'"}},
	{Member, everybody(rule("get", "", "secrets")) + role(false, rule("create", "", "pods")), "service account shop/default -> group system:serviceaccounts, given", []string{"'system:serviceaccounts' => 'others'", "[get] => [delete]"}},
	{CloudRole, cloudAccount + deploy("web", "serviceAccountName: web", ""), "Deployment shop/web -> cloud identity arn:aws:iam::1:role/web, likely", []string{"eks.amazonaws.com => eks.example.com", gone}},
	{TokenMount, deploy("web", "serviceAccountName: web", ""), "Deployment shop/web -> service account shop/web, certain", []string{"serviceAccountName: web => automountServiceAccountToken: false", gone}},
	{VolumeMount, deploy("web", claim, mounted), "Deployment shop/web -> volume shop/data, certain", []string{"name: host, mountPath => name: other, mountPath"}},
	{VolumeMount, deploy("web", claim, mounted) + deploy("reader", claim, mounted), "container app of Deployment shop/web -> shared volume shop/data, certain",
		[]string{"mountPath: /host => mountPath: /host, readOnly: true", "claimName: data => claimName: other"}},
	{MountAny, pvc + role(false, rule("create", "", "pods")), "own pods in namespace shop -> volume shop/data, certain", []string{"kind: PersistentVolumeClaim => kind: ConfigMap", "[create] => [get]"}},
	{NodeMetadata, cloud, "node one -> cloud identity of nodes, certain", []string{"aws:/// => kind:///"}},
	{SystemPods, role(true, rule("patch", "", "pods/ephemeralcontainers")), "running pods in namespace kube-system -> any node, likely", []string{"kind: ClusterRole => kind: Role", "[patch] => [get]"}},
	{NodePlacement, deploy("web", "tolerations: [{operator: Exists}]", "securityContext: {privileged: true}"), "a node of Deployment shop/web -> the files of a control-plane node, unknown",
		[]string{"tolerations: [{operator: Exists}] => tolerations: [{key: disk, operator: Exists}]"}},
	{ForgeCertificate, role(true, rule("create", "certificates.k8s.io", "certificatesigningrequests"), rule("update", "certificates.k8s.io", "certificatesigningrequests/approval"),
		"{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], resourceNames: [kubernetes.io/kube-apiserver-client]}"), "service account shop/default -> the kubelet of any node, certain",
		[]string{"verbs: [create] => verbs: [get]", "certificatesigningrequests/approval => other"}},
	{ExecPods, role(true, rule("bind", rbac, "clusterroles"), rule("create", rbac, "rolebindings")), "ClusterRole cluster-admin in every namespace -> all pods of the cluster, certain", []string{"[bind] => [get]", "[create] => [get]"}},
	{ReadSecrets, role(true, rule("bind", rbac, "clusterroles"), rule("create", rbac, "rolebindings")), "ClusterRole cluster-admin in every namespace -> all secrets of the cluster, certain", []string{"[bind] => [get]", "[create] => [get]"}},
	{MintToken, role(true, rule("bind", rbac, "clusterroles"), rule("create", rbac, "rolebindings")), "ClusterRole cluster-admin in every namespace -> all service accounts of the cluster, certain", []string{"[bind] => [get]", "[create] => [get]"}},
	{CreatePods, role(true, rule("bind", rbac, "clusterroles"), rule("create", rbac, "rolebindings")), "ClusterRole cluster-admin in every namespace -> own pods of the cluster, certain", []string{"[bind] => [get]", "[create] => [get]"}},
	{ImpersonateConstrained, secret + role(true, strings.Replace(rule("'impersonate:user-info'", authnGroup, "users"), "}", ", resourceNames: [jo]}", 1), only("'impersonate-on:user-info:get'", "", "secrets", "key")) + other(true, "{kind: User, name: jo}", rule("get", "", "secrets")),
		"service account shop/default -> secret shop/key, likely", []string{"impersonate:user-info => impersonate:other", "impersonate-on:user-info => impersonate-on:other", "[get] => [list]", "resourceNames: ['key'] => resourceNames: ['lock']", "kind: Secret => kind: ConfigMap"}},
	{ImpersonateConstrained, secret + role(true, strings.Replace(rule("'impersonate:user-info'", authnGroup, "users"), "}", ", resourceNames: [jo]}", 1), rule("'impersonate-on:user-info:get'", "", "secrets")) + other(true, "{kind: User, name: jo}", only("get", "", "secrets", "key")),
		"service account shop/default -> secret shop/key, likely", []string{"impersonate:user-info => impersonate:other", "impersonate-on:user-info => impersonate-on:other", "verbs: [get] => verbs: [list]", "resourceNames: ['key'] => resourceNames: ['lock']"}},
	{ImpersonateConstrained, role(true, strings.Replace(rule("'impersonate:user-info'", authnGroup, "users"), "}", ", resourceNames: [jo]}", 1), rule("'impersonate-on:user-info:get'", "", "secrets")) + other(true, "{kind: User, name: jo}", rule("get", "", "secrets")),
		"service account shop/default -> all secrets of the cluster, likely", []string{"impersonate:user-info => impersonate:other", "impersonate-on:user-info => impersonate-on:other", "[get] => [list]"}},
}
