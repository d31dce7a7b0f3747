package attack

import (
	"fmt"
	"strings"
)

// docked is a Docker daemon at a port.
func docked(name, more string) string {
	return deploy(name, "", "command: [dockerd, '-H', 'tcp://0.0.0.0:2375']\n          "+more)
}

// system is a pod of the control plane.
func system(image, command string) string {
	return fmt.Sprintf("\n---\n{apiVersion: v1, kind: Pod, metadata: {name: etcd, namespace: kube-system}, spec: {hostNetwork: true, containers: [{name: c, image: %q, command: [%s]}]}}\n", image, command)
}

// openCases are cases of programs that ask for no login.
var openCases = []kindCase{
	{ConnectOpen, docked("dock", "") + deploy("web", "", ""), "Deployment shop/web -> a port without a login of Deployment shop/dock, certain",
		[]string{"tcp://0.0.0.0:2375 => tcp://127.0.0.1:2375", "tcp://0.0.0.0:2375 => tcp://[::1]:2375", "dockerd => nginx", "'tcp://0.0.0.0:2375' => 'tcp://0.0.0.0:2375', --tlsverify", "'-H' => '-G'"}},
	{ConnectOpen, docked("dock", "") + deploy("web", "", "") + otherPolicy, "Deployment shop/web -> a port without a login of Deployment shop/dock, certain", []string{"{matchLabels: {app: nothing}} => {}", "~networking.k8s.io/v1 => crd.projectcalico.org/v1"}},
	{ConnectOpen, docked("dock", "") + deploy("web", "", "") + "\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {}, ingress: [{ports: [{port: 2375}]}]}}",
		"Deployment shop/web -> a port without a login of Deployment shop/dock, certain", []string{"port: 2375}] => port: 2376}]"}},
	{ConnectOpen, docked("web", web) + strings.Replace(fmt.Sprintf(service, "LoadBalancer"), "targetPort: http", "targetPort: 2375", 1), "the internet -> a port without a login of Deployment shop/web, certain",
		[]string{"LoadBalancer => ClusterIP", "targetPort: 2375 => targetPort: 2376", "~type: LoadBalancer => type: NodePort"}},
	{ConnectOpen, docked("dock", "") + role(false, rule("create", "", "pods")) + labelPolicy, "pods with labels of its choice in namespace shop -> a port without a login of Deployment shop/dock, certain",
		[]string{"ports: [{port: 2375}] => ports: [{port: 2376}]", "[create] => [get]"}},
	{ConnectOpen, docked("dock", "") + relabels, "its pods in the relabelled namespace ops -> a port without a login of Deployment shop/dock, certain", []string{"verbs: [patch] => verbs: [get]", "port: 2375 => port: 2376"}},
	{Member, docked("dock", "") + role(false, rule("create", "", "pods/portforward")), "ports of pods in namespace shop -> a port without a login of Deployment shop/dock, given", []string{"pods/portforward => pods/log", "dockerd => nginx"}},
	{Member, docked("web", web) + strings.Replace(fmt.Sprintf(service, "ClusterIP"), "targetPort: http", "targetPort: 2375", 1) + role(false, rule("create", "networking.k8s.io", "ingresses")),
		"ports of pods behind Services in namespace shop -> a port without a login of Deployment shop/web, given", []string{"targetPort: 2375 => targetPort: 2376", "[ingresses] => [networkpolicies]"}},

	{DockerPort, docked("dock", ""), "a port without a login of Deployment shop/dock -> container app of Deployment shop/dock, certain", []string{"tcp:// => unix://", "2375' => 2375', '--tlsverify=true'"}},
	{DockerPort, strings.Replace(docked("dock", ""), "'-H', 'tcp://0.0.0.0:2375'", "'--host=tcp://$(IP):2375', --tlsverify=false]\n          env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}", 1),
		"a port without a login of Deployment shop/dock -> container app of Deployment shop/dock, certain", []string{"~status.podIP => metadata.name", "valueFrom: {fieldRef: {fieldPath: status.podIP}} => value: 127.0.0.1"}},
	{DockerPort, strings.Replace(deploy("dock", "", "env: [{name: DOCKER_TLS_CERTDIR, value: ''}]"), "registry.example/app:1", "docker:27-dind", 1), "a port without a login of Deployment shop/dock -> container app of Deployment shop/dock, likely",
		[]string{"value: '' => value: /certs", "docker:27-dind => docker:27-cli", "value: ''}] => value: ''}]\n          args: ['--host=unix:///var/run/docker.sock']"}},
	{ProxyPort, deploy("proxy", "serviceAccountName: web", "command: [kubectl, proxy, '--address=0.0.0.0', '--accept-hosts=.*']"), "a port without a login of Deployment shop/proxy -> service account shop/web, likely",
		[]string{"0.0.0.0 => 127.0.0.1", "kubectl, proxy => kubectl, get", "serviceAccountName: web => automountServiceAccountToken: false", "'--accept-hosts=.*' => '--unix-socket=/s'", "'--accept-hosts=.*' => '--port=0'", "--address= => --addresses=", "~0.0.0.0 => $(WHERE)"}},
	{EtcdPort, system("registry.k8s.io/etcd:3.5.9-0", "etcd, '--listen-client-urls=http://0.0.0.0:2379'"), "a port without a login of Pod kube-system/etcd -> cluster-admin, likely",
		[]string{"0.0.0.0 => 127.0.0.1", "hostNetwork: true => hostIPC: true", "namespace: kube-system => namespace: shop", "http:// => unix://", "~0.0.0.0 => $(WHERE)"}},
	{EtcdPort, system("registry.k8s.io/etcd:3.5.9-0", "etcd, '--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379', '--cert-file=/a'"), "a port without a login of Pod kube-system/etcd -> cluster-admin, likely",
		[]string{"--cert-file=/a => --client-cert-auth", "--cert-file=/a => --client-cert-auth=true", "--cert-file=/a => --trusted-ca-file=/a", ",https://10.0.0.1:2379 => ,https://[::1]:2379", "--cert-file=/a => --config-file=/a"}},
	{EtcdPort, strings.Replace(system("registry.k8s.io/etcd:3.5.9-0", "etcd"), "command: [etcd]", "env: [{name: ETCD_LISTEN_CLIENT_URLS, value: 'http://10.0.0.1:2379'}, {name: OTHER, value: 'true'}]", 1), "a port without a login of Pod kube-system/etcd -> cluster-admin, likely",
		[]string{"http: => https://10.0.0.1:2379'}, {name: ETCD_CLIENT_CERT_AUTH, value: 'true'}, {name: X, value: 'http:", "ETCD_LISTEN_CLIENT_URLS => ETCD_LISTEN_PEER_URLS"}},
	{InsecurePort, system("registry.k8s.io/kube-apiserver:v1.19.16", "kube-apiserver, '--insecure-bind-address=0.0.0.0', '--insecure-port=8080'"), "a port without a login of Pod kube-system/etcd -> cluster-admin, certain",
		[]string{":v1.19.16 => :v1.20.0", ":v1.19.16 => :latest", "0.0.0.0 => 127.0.0.1", "'--insecure-port=8080' => '--insecure-port=0'", "'--insecure-bind-address=0.0.0.0' => '--bind-address=0.0.0.0'"}},
	{ConsolePort, strings.Replace(deploy("board", "serviceAccountName: web", "args: [--enable-skip-login, --auto-generate-certificates]"), "registry.example/app:1", "kubernetesui/dashboard:v2.7.0", 1),
		"a port without a login of Deployment shop/board -> service account shop/web, likely", []string{"--enable-skip-login => --enable-skip-login=false", "kubernetesui/dashboard => kubernetesui/metrics-scraper", "serviceAccountName: web => automountServiceAccountToken: false"}},
	{ConsolePort, deploy("argo", "serviceAccountName: web", "command: [argo, server, '--auth-mode=server']"), "a port without a login of Deployment shop/argo -> service account shop/web, likely",
		[]string{"--auth-mode=server => --auth-mode=client", "--auth-mode=server => --secure", "argo, server => argo, submit"}},
	{AnonymousAPI, unauthenticated + system("registry.k8s.io/kube-apiserver:v1.37.0", "kube-apiserver, '--anonymous-auth=true'"), "the internet -> group system:unauthenticated, unknown", []string{"--anonymous-auth=true => --anonymous-auth=false"}},
	{AnonymousAPI, unauthenticated + system("registry.k8s.io/kube-apiserver:v1.37.0", "kube-apiserver, '--anonymous-auth=false'") + strings.Replace(system("registry.k8s.io/kube-apiserver:v1.37.0", "kube-apiserver, '--v=2'"), "name: etcd", "name: second", 1),
		"the internet -> group system:unauthenticated, unknown", []string{"--v=2 => --anonymous-auth=false"}},
	{AnonymousKubelet, deploy("web", "", "") + openKubelet, "Deployment shop/web -> all pods of the cluster, likely",
		[]string{"enabled: true => enabled: false", "AlwaysAllow => Webhook", "name: kubelet-config => name: kube-proxy", "~10.0.0.1 => one.example.com"}},
	{AnonymousKubelet, deploy("web", "", "") + openKubelet + closedEgress("app: web", "{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}"), "Deployment shop/web -> all pods of the cluster, likely", []string{"cidr: 10.0.0.0/8 => cidr: 10.1.0.0/16"}},
	{NotebookPort, deploy("notes", "", `command: [start-notebook.sh, "--NotebookApp.token=''"]`), "a port without a login of Deployment shop/notes -> container app of Deployment shop/notes, certain",
		[]string{"token='' => token='$(TOKEN)'", "--NotebookApp.token='' => --NotebookApp.port=8888", "start-notebook.sh => start.py"}},
	{NotebookPort, deploy("notes", "", `command: [jupyter, lab, --ip=0.0.0.0, --ServerApp.token=, --ServerApp.password=]`), "a port without a login of Deployment shop/notes -> container app of Deployment shop/notes, certain",
		[]string{"--ip=0.0.0.0 => --ip=127.0.0.1", "--ip=0.0.0.0 => --no-browser", "password= => password=argon2"}},
}

const labelPolicy = `
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {matchLabels: {app: dock}}, ingress: [{from: [{podSelector: {matchLabels: {role: builder}}}], ports: [{port: 2375}]}]}}
`

const relabels = `
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}], ports: [{port: 2375}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: ops}, spec: {serviceAccountName: agent, containers: [{name: c, image: i}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: rename}, rules: [{apiGroups: [''], resources: [namespaces], verbs: [patch]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: rename}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: rename}, subjects: [{kind: ServiceAccount, name: agent, namespace: ops}]}
`

const openKubelet = `
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: kubelet-config, namespace: kube-system}, data: {kubelet: "kind: KubeletConfiguration\nauthentication: {anonymous: {enabled: true}}\nauthorization: {mode: AlwaysAllow}\n"}}
---
{apiVersion: v1, kind: Node, metadata: {name: one}, status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}
`
