package attack

import (
	"fmt"
	"strings"
)

// freeVolume is a path of the node that no claim has.
const freeVolume = `
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}, spec: {storageClassName: manual, accessModes: [ReadWriteOnce], hostPath: {path: /etc}}, status: {phase: Available}}
`

const scratch = "volumes: [{name: d, emptyDir: {}}]"

const nodeOne = "\n---\n{apiVersion: v1, kind: Node, metadata: {name: one}}"

// served writes a webhook with a Service that leads to the Deployment web.
func served(kind, resources, namespaces string) string {
	if namespaces != "" {
		namespaces = ", namespaceSelector: " + namespaces
	}
	return fmt.Sprintf(`
---
{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 443, targetPort: 8080}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: %sWebhookConfiguration
metadata: {name: hook}
webhooks: [{name: hook.example.com, sideEffects: None, clientConfig: {service: {name: hook, namespace: shop}}, rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [CREATE], resources: [%s]}]%s}]
`, kind, resources, namespaces)
}

// byURL has a webhook be asked at a URL.
func byURL(yaml, at string) string {
	return strings.Replace(yaml, "clientConfig: {service: {name: hook, namespace: shop}}", "clientConfig: {url: '"+at+"'}", 1)
}

// hookService is a Service that leads to the Deployment web.
const hookService = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 443, targetPort: 8080}]}}"

func apiService(name, group string) string {
	return fmt.Sprintf("\n---\n{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: %s}, spec: {version: v1, group: %s, service: {name: hook, namespace: shop}}}", name, group)
}

func noQuota(of, amount string) string {
	return fmt.Sprintf("\n---\n{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: shop}, spec: {hard: {%s: '%s'}}}", of, amount)
}

// closedEgress writes a policy that lets leave pods with some labels only what rules say.
func closedEgress(labels, rules string) string {
	return fmt.Sprintf("\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: shop}, spec: {policyTypes: [Egress], podSelector: {matchLabels: {%s}}, egress: [%s]}}\n", labels, rules)
}

// pair writes a Deployment in namespace shop with a container app and another one.
func pair(volumes, app, other string) string {
	if !strings.Contains(other, "image:") {
		other += ", image: 'registry.example/other:1'"
	}
	return deploy("web", volumes, app) + fmt.Sprintf("        - {name: other, %s}\n", other)
}

// spareRole is a Role in namespace shop that nothing binds.
func spareRole(verbs, group, resources string) string {
	return fmt.Sprintf("\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: spare, namespace: shop}\nrules: [%s]\n", rule(verbs, group, resources))
}

// pathCases are cases of steps that follow two moves.
var pathCases = []kindCase{
	{ServeWebhook, deploy("web", "", web) + served("Mutating", "pods", ""), "container app of Deployment shop/web -> all pods of the cluster, likely",
		[]string{"Mutating => Validating", "resources: [pods] => resources: [services]", "[CREATE] => [DELETE]", "selector: {app: web}, ports => selector: {app: other}, ports", "service: {name: hook => service: {name: other",
			"~sideEffects: None => objectSelector: {matchLabels: {inject: 'yes'}}", "~sideEffects: None => matchConditions: [{name: c, expression: 'true'}]"}},
	{ServeWebhook, pair("", web, "tty: true") + served("Mutating", "'*/*'", ""), "container app of Deployment shop/web -> all pods of the cluster, likely", []string{"'*/*' => '*/status'"}},
	{ServeWebhook, pair("", "ports: [{containerPort: 9090}]", "tty: true") + served("Mutating", "pods", ""), "container other of Deployment shop/web -> all pods of the cluster, likely", []string{"containerPort: 9090 => containerPort: 8080"}},
	{ServeWebhook, namespaceOf("shop", ", inject: enabled") + deploy("web", "", web) + served("Mutating", "pods", "{matchLabels: {inject: enabled}}"), "container app of Deployment shop/web -> all pods in namespace shop, likely",
		[]string{", inject: enabled}} => }}", "~kind: Namespace => kind: ConfigMap"}},
	{SeeByWebhook, deploy("web", "", web) + served("Validating", "secrets", ""), "container app of Deployment shop/web -> all secrets of the cluster, likely", []string{"[secrets] => [pods]", "selector: {app: web}, ports => selector: {app: other}, ports"}},
	{SeeByWebhook, namespaceOf("shop", ", inject: enabled") + deploy("web", "", web) + served("Mutating", "secrets", "{matchLabels: {inject: enabled}}"), "container app of Deployment shop/web -> all secrets in namespace shop, likely", []string{", inject: enabled}} => }}"}},
	{AnonymousAPI, deploy("web", "", "") + closedEgress("app: nothing", "") + unauthenticated, "Deployment shop/web -> group system:unauthenticated, likely",
		[]string{"app: nothing => app: web", "system:unauthenticated => system:authenticated", gone}},
	{AnonymousAPI, deploy("web", "hostNetwork: true", "") + unauthenticated, "Deployment shop/web -> group system:unauthenticated, likely", []string{gone}},
	{AnonymousAPI, deploy("web", "", "") + closedEgress("app: web", "{ports: [{port: 6443}]}") + unauthenticated, "Deployment shop/web -> group system:unauthenticated, likely",
		[]string{"port: 6443 => port: 53"}},
	{LocalService, pair("", "", "ports: [{containerPort: 8080}]") + closedEgress("app: web", ""), "the inside of Deployment shop/web -> container other of Deployment shop/web, needs an exploit", []string{"ports: [{containerPort: 8080}] => tty: true"}},
	{Member, pair("", "", "ports: [{containerPort: 8080}]"), "container app of Deployment shop/web -> the inside of Deployment shop/web, given", []string{"ports: [{containerPort: 8080}] => tty: true"}},
	{Member, pair("volumes: [{name: d, emptyDir: {}}]", "volumeMounts: [{name: d, mountPath: /a}]", "volumeMounts: [{name: d, mountPath: /b, readOnly: true}]"), "files that containers of Deployment shop/web share -> container other of Deployment shop/web, given",
		[]string{"mountPath: /a => mountPath: /a, readOnly: true", "{name: d, mountPath: /b, => {name: e, mountPath: /b,"}},
	{LocalService, pair("", "", "tty: true") + strings.Replace(fmt.Sprintf(service, "ClusterIP"), "targetPort: http", "targetPort: 8081", 1), "the inside of Deployment shop/web -> container other of Deployment shop/web, needs an exploit",
		[]string{"{app: web}, ports => {app: other}, ports"}},
	{LocalFiles, pair("volumes: [{name: d, emptyDir: {}}]", "volumeMounts: [{name: d, mountPath: /a}]", "volumeMounts: [{name: d, mountPath: /b}]"), "container app of Deployment shop/web -> files that containers of Deployment shop/web share, needs an exploit",
		[]string{"mountPath: /a => mountPath: /a, readOnly: true", "emptyDir: {} => configMap: {name: c}", "{name: d, mountPath: /b} => {name: e, mountPath: /b}"}},
	{UseDocker, pair("", "", "args: [dockerd, '--host=tcp://0.0.0.0:2375', --tls=false]"), "container app of Deployment shop/web -> container other of Deployment shop/web, certain",
		[]string{"dockerd => nginx", "2375 => 2376", "--tls=false => --tlsverify"}},
	{UseDocker, pair("", "", "command: [sh, -c, 'dockerd -H tcp://127.0.0.1:2375 & wait']"), "container app of Deployment shop/web -> container other of Deployment shop/web, certain", []string{"-H => &&"}},
	{UseDocker, pair("", "", "env: [{name: DOCKER_TLS_CERTDIR, value: ''}], image: 'docker:27-dind'"), "container app of Deployment shop/web -> container other of Deployment shop/web, likely",
		[]string{"value: '' => value: /certs", "docker:27-dind => docker:27-cli"}},
	{UseDocker, pair("", "", "ports: [{containerPort: 2375}], image: 'docker:27-dind'"), "container app of Deployment shop/web -> container other of Deployment shop/web, likely", []string{"2375 => 2376"}},
	{UseDocker, pair("", "env: [{name: DOCKER_HOST, value: 'tcp://localhost:2375'}]", "image: 'docker:27-dind'"), "container app of Deployment shop/web -> container other of Deployment shop/web, likely", []string{"2375 => 2376", "docker:27-dind => docker:27-cli"}},
	{UseDocker, pair(scratch, "securityContext: {runAsUser: 0}\n          volumeMounts: [{name: d, mountPath: /docker}]", "image: 'docker:dind', volumeMounts: [{name: d, mountPath: /var/run}]"),
		"container app of Deployment shop/web -> container other of Deployment shop/web, certain",
		[]string{"mountPath: /var/run => mountPath: /tmp", "docker:dind => docker:cli", "name: d, mountPath: /docker => name: e, mountPath: /docker", "~runAsUser: 0 => runAsUser: 1", "~runAsUser: 0 => runAsNonRoot: false"}},
	{UseDocker, pair(scratch, "env: [{name: DOCKER_HOST, value: 'unix:///sock/docker.sock'}]\n          securityContext: {runAsUser: 1001}\n          volumeMounts: [{name: d, mountPath: /sock}]",
		"args: [dockerd, '--host=unix:///sock/docker.sock', '--group=123'], volumeMounts: [{name: d, mountPath: /sock}]"), "container app of Deployment shop/web -> container other of Deployment shop/web, likely",
		[]string{"args: [dockerd, '--host=unix:///sock => args: [dockerd, '--host=unix:///other"}},
	{UseDocker, pair(scratch, "volumeMounts: [{name: d, mountPath: /certs/client}]", "image: 'docker:dind', volumeMounts: [{name: d, mountPath: /certs/client}]"), "container app of Deployment shop/web -> container other of Deployment shop/web, likely",
		[]string{"image: 'docker:dind', volumeMounts: [{name: d, mountPath: /certs/client} => image: 'docker:dind', volumeMounts: [{name: d, mountPath: /certs/ca}"}},
	{UseProxy, pair("serviceAccountName: web", "", "command: [/usr/bin/kubectl, proxy, '--port=8001']"), "container app of Deployment shop/web -> service account shop/web, likely",
		[]string{"kubectl, proxy => kubectl, get", "serviceAccountName: web => automountServiceAccountToken: false", "--port=8001 => --unix-socket=/tmp/s"}},
	{UseProxy, pair("serviceAccountName: web\n      automountServiceAccountToken: false\n      volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: token}}]}}]", "",
		"image: 'registry.example/kubectl:1', args: [proxy], volumeMounts: [{name: t, mountPath: /t}]"), "container app of Deployment shop/web -> service account shop/web, likely",
		[]string{"args: [proxy] => args: [get]", "serviceAccountToken => configMap"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"baseline") + role(false, rule("bind", rbac, "clusterroles"), rule("create", rbac, "rolebindings")), "ClusterRole cluster-admin in namespace shop -> any node, certain",
		[]string{"[bind] => [get]", "[create] => [get]"}},
	{RelabelNamespace, namespaceOf("shop", enforce+"baseline") + role(false, rule("escalate, update", rbac, "roles")), "a role with every right in namespace shop -> any node, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{RelabelNamespace, role(false, rule("create", "", "pods"), rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("patch", "", "namespaces"), "Role spare in namespace shop -> any node, certain",
		[]string{"resources: [pods] => resources: [services]", "[namespaces] => [services]", "[bind] => [get]", "name: spare, namespace: shop => name: spare, namespace: other"}},
	{RelabelNamespace, role(true, "{apiGroups: [''], resources: [namespaces], verbs: [patch], resourceNames: [shop]}", rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "", "pods"),
		"Role spare in namespace shop -> any node, certain", []string{"resourceNames: [shop] => resourceNames: [other]", "[pods] => [services]", "[bind] => [get]"}},
	{ForgeToken, role(false, rule("create", "", "secrets"), rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("get", "", "secrets"), "Role spare in namespace shop -> all service accounts in namespace shop, certain",
		[]string{"resources: [secrets], verbs: [create] => resources: [secrets], verbs: [update]", "[bind] => [get]", "resources: [secrets], verbs: [get] => resources: [services], verbs: [get]"}},
	{ChangeWorkloads, deploy("web", "", "") + role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("patch", "apps", "deployments"), "Role spare in namespace shop -> own pods in namespace shop, certain",
		[]string{"apiVersion: apps/v1\nkind: Deployment => apiVersion: batch/v1\nkind: Job", "[deployments] => [services]"}},
	{MintToken, cloudAccount + role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "", "serviceaccounts/token"), "Role spare in namespace shop -> cloud identity arn:aws:iam::1:role/web, likely",
		[]string{"serviceaccounts/token => serviceaccounts", "eks.amazonaws.com => eks.example.com", "name: web, namespace: shop => name: web, namespace: other"}},
	{MapAWSIdentity, "{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}" + strings.ReplaceAll(role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings"))+spareRole("patch", "", "configmaps"),
		"namespace: shop}\n", "namespace: kube-system}\n"), "Role spare in namespace kube-system -> cluster-admin, likely", []string{"kind: ConfigMap => kind: Pod", "[configmaps] => [services]", "name: aws-auth => name: others"}},
	{MintToken, role(false, rule("escalate, update", rbac, "roles")), "a role with every right in namespace shop -> all service accounts in namespace shop, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{CreatePods, role(false, rule("escalate, update", rbac, "roles")), "a role with every right in namespace shop -> own pods in namespace shop, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{ReadSecrets, role(false, rule("escalate, update", rbac, "roles")), "a role with every right in namespace shop -> all secrets in namespace shop, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{ExecPods, role(false, rule("escalate, update", rbac, "roles")), "a role with every right in namespace shop -> all pods in namespace shop, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{HostPathVolume, namespaceOf("shop", enforce+"baseline") + role(true, rule("create", "", "persistentvolumes"), rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "", "pods"),
		"Role spare in namespace shop -> any node, likely", []string{"[persistentvolumes] => [services]", "[pods] => [services]", "[bind] => [get]"}},
	{FreeVolume, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "apps", "statefulsets")) + freeVolume, "own pods in namespace shop -> any node, certain",
		[]string{"phase: Available => phase: Released", "path: /etc => path: /opt/data", "[create] => [get]", "enforce: baseline => enforce: restricted", "hostPath: => claimRef: {namespace: other, name: data}, hostPath:",
			"~, status: {phase: Available} => ", "metadata: {name: disk} => metadata: {name: disk, deletionTimestamp: '2026-01-01T00:00:00Z'}"}},
	{FreeVolume, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + freeVolume + "\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: other}, spec: {volumeName: others}}",
		"own pods in namespace shop -> any node, certain", []string{"volumeName: others => volumeName: disk", "~volumeName: others => storageClassName: manual"}},
	{FreeVolume, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + strings.Replace(freeVolume, "hostPath", "claimRef: {namespace: shop, name: data}, hostPath", 1) +
		"\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: other, namespace: shop}}",
		"own pods in namespace shop -> any node, certain", []string{"name: data} => name: data, uid: u}", "name: other, namespace: shop}} => name: data, namespace: shop}}"}},
	{FreeVolume, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods")) + strings.Replace(freeVolume, "/etc", "/run/containerd", 1), "own pods in namespace shop -> any node, unknown", []string{"/run/containerd => /etc"}},
	{FreeVolume, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "", "pods")) + nodeOne +
		strings.Replace(freeVolume, "hostPath", "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [one]}]}]}}, local", 1),
		"own pods in namespace shop -> node one, certain", []string{"path: /etc => path: /opt/data"}},
	{ClaimEscape, namespaceOf("shop", enforce+"restricted") + role(false, rule("create", "", "pods")) + strings.Replace(hostVolume, "path: /etc", "path: /", 1), "own pods in namespace shop -> any node, unknown",
		[]string{"path: / => path: /etc", "[create] => [get]"}}, {SeeByWebhook, deploy("web", "", web) + byURL(served("Validating", "secrets", ""), "https://hook.shop.svc:443/see"), "container app of Deployment shop/web -> all secrets of the cluster, unknown",
		[]string{"hook.shop.svc:443 => hook.shop.example.com:443", "hook.shop.svc => hook.other.svc"}},
	{ServeWebhook, deploy("web", "", web) + byURL(served("Mutating", "pods", ""), "https://hook.shop.svc.cluster.local/"), "container app of Deployment shop/web -> all pods of the cluster, unknown", []string{"hook.shop => other.shop"}},
	{ServeConversion, deploy("web", "", web) + hookService + strings.Replace(crd, "names:", "conversion: {strategy: Webhook, webhook: {clientConfig: {service: {name: hook, namespace: shop}}}}, names:", 1),
		"container app of Deployment shop/web -> the custom objects of the cluster, likely", []string{"strategy: Webhook => strategy: None", "service: {name: hook => service: {name: other"}},
	{ServeAPI, deploy("web", "", web) + hookService + apiService("v1.stats.example.com", "stats.example.com"), "container app of Deployment shop/web -> the custom objects of the cluster, likely", []string{"service: {name: hook => service: {name: other"}},
	{ServeAPI, deploy("web", "", web) + hookService + apiService("v1.apps", "apps"), "container app of Deployment shop/web -> cluster-admin, likely", []string{"service: {name: hook => service: {name: other", "metadata: {name: v1.apps} => metadata: {name: v1.apps.example.com}"}},
	{HijackAPI, apiService("v1.stats.example.com", "stats.example.com") + role(true, only("patch", "apiregistration.k8s.io", "apiservices", "v1.stats.example.com")), "service account shop/default -> the custom objects of the cluster, likely",
		[]string{"verbs: [patch] => verbs: [delete]"}},
	{DrivenBy, apiService("v1.stats.example.com", "stats.example.com") + deploy("web", "", web) + hookService + role(true, rule("list", "stats.example.com", "rates")), "the custom objects of the cluster -> service account shop/default, needs an exploit",
		[]string{"['stats.example.com'] => ['*']", ", service: {name: hook, namespace: shop} => "}},
	{TokenMount, deploy("web", "volumes: [{name: d, emptyDir: {}}]", "volumeMounts: [{name: d, mountPath: /tmp}]"), "container app of Deployment shop/web -> service account shop/default, certain",
		[]string{"mountPath: /tmp => mountPath: /var/run/secrets/kubernetes.io/serviceaccount"}},
	{TokenMount, deploy("web", "volumes: [{name: d, emptyDir: {}}]", "volumeMounts: [{name: d, mountPath: /tmp}]"), "Deployment shop/web -> service account shop/default, certain",
		[]string{"mountPath: /tmp => mountPath: /var/run/secrets/kubernetes.io/serviceaccount"}},
	{EscapeMount, deploy("web", "runtimeClassName: fast", "securityContext: {privileged: true}") + "\n---\n{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: fast}, handler: crun}",
		"container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"~handler: crun => handler: runsc", "~runtimeClassName: fast => runtimeClassName: kata-qemu", "~privileged: true => privileged: true, runAsUser: 1000", "privileged: true => privileged: false"}},
	{EscapeSocket, deploy("web", "runtimeClassName: crun\n      "+at("/run/containerd/containerd.sock"), mounted), "container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"~runtimeClassName: crun => runtimeClassName: gvisor", "/run/containerd/containerd.sock => /opt/data"}},
	{EscapeHostWrite, deploy("web", "runtimeClassName: gvisor\n      "+at("/etc"), mounted), "container app of Deployment shop/web -> a node of Deployment shop/web, certain", []string{"/etc => /opt/data"}},
	{EscapeMount, namespaceOf("shop", enforce+"privileged") + deploy("web", "", "securityContext: {privileged: true}"), "container app of Deployment shop/web -> a node of Deployment shop/web, certain",
		[]string{"~enforce: privileged => enforce: baseline", "~enforce: privileged => enforce: restricted", "privileged: true => privileged: false"}},
	{DropPolicies, namespaceOf("shop", enforce+"privileged") + admission(deny, noPrivileged, noHostPath, noAdded) + role(true, rule("create", "", "pods"), only("delete", admissionGroup, "validatingadmissionpolicybindings", "pods")),
		"service account shop/default -> any node, certain", []string{"verbs: [delete] => verbs: [get]", "resourceNames: ['pods'] => resourceNames: ['others']", "~enforce: privileged => enforce: baseline", "resources: [pods], verbs: [create] => resources: [services], verbs: [create]", deny + " => validationActions: [Audit]"}},
	{DropPolicies, namespaceOf("shop", enforce+"privileged") + admission(deny, noPrivileged, noHostPath, noAdded) + role(true, rule("create", "", "pods"), rule("patch", admissionGroup, "validatingadmissionpolicies")),
		"service account shop/default -> any node, certain", []string{"verbs: [patch] => verbs: [get]", "policyName: pods => policyName: other"}},
	{RunAs, role(false, rule("create", "", "pods")) + noQuota("pods", "10"), "own pods in namespace shop -> all service accounts in namespace shop, certain", []string{"~'10' => '0'"}},
	{RunEscape, namespaceOf("shop", enforce+"privileged") + role(false, rule("create", "", "pods")) + noQuota("count/pods", "1"), "own pods in namespace shop -> any node, certain", []string{"~'1' => '0'"}},
	{FreeVolume, namespaceOf("shop", enforce+"baseline") + role(false, rule("create", "apps", "statefulsets")) + freeVolume + noQuota("persistentvolumeclaims", "5"), "own pods in namespace shop -> any node, certain", []string{"~'5' => '0'"}},
	{RunAs, role(false, rule("create", "", "pods")) + strings.Replace(noQuota("pods", "0"), "hard", "scopes: [BestEffort], hard", 1), "own pods in namespace shop -> all service accounts in namespace shop, certain", []string{"~scopes: [BestEffort], => "}},
	// What a subject may give itself leads on as what it has.
	{GrantRole, grants(nothing, rule("create", "", "pods")), "service account shop/default -> ClusterRole spare, certain", []string{"verbs: [bind] => verbs: [get]", "[clusterrolebindings] => [roles]"}},
	{Member, grants(nothing, rule("create", "", "pods")), "ClusterRole spare -> service account shop/default, given", []string{"verbs: [bind] => verbs: [get]"}},
	{RewriteRole, role(false, rule("escalate, update", rbac, "roles")), "service account shop/default -> a role with every right in namespace shop, certain", []string{"escalate, update => escalate", "[roles] => [rolebindings]"}},
	{ChangeWebhooks, grants(nothing, rule("create", admissionGroup, "mutatingwebhookconfigurations")), "ClusterRole spare -> cluster-admin, likely", []string{"verbs: [bind] => verbs: [get]", "mutatingwebhook => validatingwebhook"}},
	{HijackAPI, grants(nothing, rule("update", "apiregistration.k8s.io", "apiservices")), "ClusterRole spare -> cluster-admin, likely", []string{"verbs: [bind] => verbs: [get]", "verbs: [update] => verbs: [delete]"}},
	{ForgeCertificate, grants(rule("create", csrGroup, csrResource), rule("update", csrGroup, csrResource+"/approval")+", "+rule("approve", csrGroup, "signers")), "ClusterRole spare -> any user, group and service account, certain",
		[]string{"verbs: [bind] => verbs: [get]", "[certificatesigningrequests], verbs: [create] => [certificatesigningrequests], verbs: [get]", "verbs: [approve] => verbs: [sign]"}},
	{ImpersonateGroup, grants(nothing, rule("impersonate", "", "groups, users")), "ClusterRole spare -> group system:masters, certain", []string{"[groups, users] => [users]", "verbs: [bind] => verbs: [get]"}},
	{ImpersonateUser, grants(nothing, rule("impersonate", "", "users")), "ClusterRole spare -> any user, certain", []string{"[users] => [uids]", "verbs: [bind] => verbs: [get]"}},
	{MintToken, grants(nothing, rule("create", "", "serviceaccounts/token")), "ClusterRole spare -> all service accounts of the cluster, certain", []string{"serviceaccounts/token => serviceaccounts", "verbs: [bind] => verbs: [get]"}},
	{ReadSecrets, secret + strings.Replace(grants(nothing, rule("get", "", "secrets")), "[secrets], verbs: [get]", "[secrets], resourceNames: [key], verbs: [get]", 1), "ClusterRole spare -> secret shop/key, certain",
		[]string{"resourceNames: [key] => resourceNames: [other]", "verbs: [bind] => verbs: [get]"}},
	{StealPods, deploy("web", "", "") + strings.Replace(onNodeOne, "serviceAccountName: db, ", "", 1) + grants(nothing, rule("patch", "", "nodes")), "node one -> the pods that can move, likely", []string{"verbs: [bind] => verbs: [get]", "[nodes] => [pods]"}},
	{OpenNetwork, deploy("web", "", web) + denied + role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "networking.k8s.io", "networkpolicies"),
		"Role spare in namespace shop -> ports of pods in namespace shop, certain", []string{"[networkpolicies] => [services]", "[bind] => [get]"}},
	// One role after the other, and both together.
	{GrantRole, grants(nothing, rule("bind, escalate, update", rbac, "clusterroles")), "ClusterRole spare -> cluster-admin, certain", []string{"verbs: [bind, escalate, update] => verbs: [get]"}},
	{GrantRole, role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "", "secrets") + strings.ReplaceAll(spareRole("get", "", "secrets"), "spare", "other"),
		"Role spare in namespace shop -> Role other in namespace shop, and Role spare in namespace shop, certain", []string{"[bind] => [get]", "name: other, namespace: shop => name: other, namespace: other"}},
	{ForgeToken, role(false, rule("bind", rbac, "roles"), rule("create", rbac, "rolebindings")) + spareRole("create", "", "secrets") + strings.ReplaceAll(spareRole("get", "", "secrets"), "spare", "other"),
		"Role other in namespace shop, and Role spare in namespace shop -> all service accounts in namespace shop, certain", []string{"[bind] => [get]", "[secrets], verbs: [get] => [services], verbs: [get]"}},
}

// grants gives a ClusterRole of some rules that the subject may bind itself to, in the
// whole cluster, beside a rule that it has.
func grants(own, rules string) string {
	return role(true, own, only("bind", rbac, "clusterroles", "spare"), rule("create", rbac, "clusterrolebindings")) +
		"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: spare}, rules: [" + rules + "]}"
}

var nothing = rule("get", "", "services")
