package check

import (
	"strings"
	"testing"
)

// referenceCase asks for the references of the first object: one line each of
// kind, name, namespace where there is one, optional where it is, and what
// found is in the open and in the closed world.
type referenceCase struct{ name, text, want string }

var referenceCases = []referenceCase{
	{"nothing", workload("Deployment", "web"), ""},
	{"volumes", workload("Deployment", "web", "volumes:",
		"- {name: a, secret: {secretName: s, optional: true}}",
		"- {name: b, configMap: {name: c}}",
		"- {name: c, persistentVolumeClaim: {claimName: p}}",
		"- {name: d, projected: {sources: [{secret: {name: s2}}, {configMap: {name: kube-root-ca.crt}}, {serviceAccountToken: {path: t}}]}}",
		"- {name: e, csi: {driver: secrets-store.csi.k8s.io, nodePublishSecretRef: {name: np}, volumeAttributes: {secretProviderClass: vault}}}",
		"- {name: f, cephfs: {monitors: [m], secretRef: {name: ceph}}}",
		"- {name: g, azureFile: {secretName: azure, shareName: x}}",
		"- {name: h, emptyDir: {}}"),
		`Secret s shop optional ? false
ConfigMap c shop ? false
PersistentVolumeClaim p shop ? false
Secret s2 shop ? false
ConfigMap kube-root-ca.crt shop true true
Secret np shop ? false
SecretProviderClass vault shop ? false
Secret ceph shop ? false
Secret azure shop ? false`},
	{"environment", workload("Deployment", "web", "initContainers:",
		"- {name: i, image: a, envFrom: [{secretRef: {name: s, optional: true}}, {configMapRef: {name: c}}]}",
		"- {name: j, image: a, env: [{name: A, value: b}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: C, valueFrom: {configMapKeyRef: {name: c, key: k, optional: true}}}]}"),
		"Secret s shop optional ? false\nConfigMap c shop ? false\nSecret s shop ? false\nConfigMap c shop optional ? false"},
	{"keys of what was read", workload("Deployment", "web", "volumes: [{name: v, configMap: {name: c, items: [{key: there, path: p}, {key: gone, path: q}]}}]",
		"initContainers: [{name: j, image: a, env: [{name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: filled, key: k}}}]}]") +
		object("v1", "ConfigMap", "c", "data: {there: x}") + object("v1", "Secret", "s", "stringData: {other: x}") + object("v1", "Secret", "filled", ""),
		`ConfigMap c shop true true
ConfigMapKey c/there shop true true
ConfigMapKey c/gone shop false false
Secret s shop true true
SecretKey s/k shop false false
Secret filled shop true true`},
	{"pod", workload("Deployment", "web", "serviceAccountName: web", "imagePullSecrets: [{name: pull}]", "priorityClassName: system-node-critical",
		"runtimeClassName: gvisor", "resourceClaims: [{name: r, resourceClaimName: gpu}]"),
		`Secret pull shop ? false
ServiceAccount web shop ? false
PriorityClass system-node-critical true true
RuntimeClass gvisor ? false
ResourceClaim gpu shop ? false`},
	{"the default account is always there", workload("Deployment", "web", "serviceAccountName: default"), "ServiceAccount default shop true true"},
	{"StatefulSet", strings.Replace(workload("StatefulSet", "db", "volumes: [{name: v, persistentVolumeClaim: {claimName: data-db-0}}]"), "  template:",
		"  serviceName: db\n  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast}}]\n  template:", 1),
		"PersistentVolumeClaim data-db-0 shop true true\nService db shop ? false\nStorageClass fast ? false"},
	{"Service", object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 81, targetPort: gone}, {port: 82, targetPort: 9}]}") + workload("Deployment", "web"),
		"ContainerPort http shop true true\nContainerPort gone shop false false"},
	{"Service that selects nothing", object("v1", "Service", "a", "spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}"), "ContainerPort http shop ? false"},
	{"Ingress", object("networking.k8s.io/v1", "Ingress", "i", `spec:
  ingressClassName: nginx
  tls: [{secretName: cert}]
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}, {path: /b, pathType: Prefix, backend: {service: {name: a, port: {name: gone}}}}]}}]
  defaultBackend: {service: {name: b, port: {number: 80}}}`) + object("v1", "Service", "a", "spec: {ports: [{name: http, port: 80}]}"),
		`Service b shop ? false
Service a shop true true
ServicePort a:80 shop true true
Service a shop true true
ServicePort a:gone shop false false
IngressClass nginx ? false
Secret cert shop ? false`},
	{"Ingress whose certificate is made for it", "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {cert-manager.io/cluster-issuer: ca}}\nspec: {tls: [{secretName: cert}]}\n",
		"Secret cert shop true true"},
	{"HTTPRoute", object("gateway.networking.k8s.io/v1", "HTTPRoute", "r", "spec: {parentRefs: [{name: gw, namespace: infra}], rules: [{backendRefs: [{name: a, namespace: other, port: 80}, {name: x, kind: Bucket, group: example.org}]}]}"),
		"Service a other ? false\nGateway gw infra ? false"},
	{"Gateway", object("gateway.networking.k8s.io/v1", "Gateway", "g", "spec: {gatewayClassName: envoy, listeners: [{name: l, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}]}"),
		"GatewayClass envoy ? false\nSecret cert shop ? false"},
	{"bindings", binding("RoleBinding", "b", "Role", "r", accountWeb+`, {kind: User, name: jo}, {kind: ServiceAccount, name: default, namespace: other}`),
		"Role r shop ? false\nServiceAccount web shop ? false\nServiceAccount default other true true"},
	{"binding to what every cluster has", binding("ClusterRoleBinding", "b", "ClusterRole", "cluster-admin", accountWeb), "ClusterRole cluster-admin true true\nServiceAccount web shop ? false"},
	{"autoscaler", object("autoscaling/v2", "HorizontalPodAutoscaler", "h", "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}") + workload("Deployment", "web"),
		"Deployment web shop true true"},
	{"claim and volume", object("v1", "PersistentVolumeClaim", "c", "spec: {volumeName: v, storageClassName: fast}"), "PersistentVolume v ? false\nStorageClass fast ? false"},
	{"claim without a class", object("v1", "PersistentVolumeClaim", "c", `spec: {storageClassName: ""}`), ""},
	{"volume and claim", object("v1", "PersistentVolume", "v", "spec: {claimRef: {name: c, namespace: other}, storageClassName: manual}"), "PersistentVolumeClaim c other ? false"},
	{"account", object("v1", "ServiceAccount", "a", "secrets: [{name: s}]\nimagePullSecrets: [{name: t}]"), "Secret s shop ? false\nSecret t shop ? false"},
	{"token", "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {kubernetes.io/service-account.name: a}}\ntype: kubernetes.io/service-account-token\n", "ServiceAccount a shop ? false"},
	{"webhook", object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "w", "webhooks: [{name: a.b.c, clientConfig: {service: {name: hook, namespace: infra}}}, {name: d.e.f, clientConfig: {url: \"https://hook.example\"}}]") +
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: hook, namespace: infra}\nspec: {ports: [{port: 8443}]}\n",
		"Service hook infra true true\nServicePort hook:443 infra false false"},
	{"policy binding", object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "b", "spec: {policyName: p, validationActions: [Deny]}"), "ValidatingAdmissionPolicy p ? false"},
	{"external secret", object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {secretStoreRef: {kind: ClusterSecretStore, name: vault}}"), "ClusterSecretStore vault ? false"},
	{"external secret into another's", object("external-secrets.io/v1", "ExternalSecret", "e", `spec: {data: [{secretKey: k, sourceRef: {storeRef: {name: near}}}],
  target: {creationPolicy: Merge, name: s, template: {templateFrom: [{configMap: {name: c, items: [{key: k}]}}, {secret: {name: t, items: [{key: k}]}}]}}}`),
		"SecretStore near shop ? false\nConfigMap c shop ? false\nSecret s shop ? false\nSecret t shop ? false"},
	{"external secret into one of its name", object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {target: {creationPolicy: Merge}}"), "Secret e shop ? false"},
	{"external secret that another makes", object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {target: {creationPolicy: Merge, name: s}}") +
		object("external-secrets.io/v1", "ExternalSecret", "s", ""), "Secret s shop true true"},
	{"external secret of its own", object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {target: {creationPolicy: Orphan, name: s}}"), ""},
	{"external secret into what is none", object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {target: {creationPolicy: Merge, manifest: {apiVersion: v1, kind: ConfigMap}}}"), ""},
	{"external secret for all namespaces", object("external-secrets.io/v1", "ClusterExternalSecret", "e", `spec: {externalSecretSpec: {secretStoreRef: {kind: ClusterSecretStore, name: vault},
  data: [{sourceRef: {storeRef: {name: near}}}], target: {creationPolicy: Merge}}}`) + object("v1", "Secret", "e", ""), "ClusterSecretStore vault ? false\nSecret e ? ?"},
	{"Vault's into another's", object("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "v", "spec: {destination: {name: s}}"), "Secret s shop ? false"},
	{"Vault's of its own", object("secrets.hashicorp.com/v1beta1", "VaultDynamicSecret", "v", "spec: {destination: {name: s, create: true}}"), ""},
	{"certificate", object("cert-manager.io/v1", "Certificate", "c", "spec: {secretName: s, issuerRef: {name: ca}, keystores: {jks: {create: true, passwordSecretRef: {name: p, key: k}}}}"),
		"Issuer ca shop ? false\nSecret p shop ? false"},
	{"secret store", object("external-secrets.io/v1", "SecretStore", "s", `spec: {provider: {vault: {server: x, caProvider: {type: ConfigMap, name: kube-root-ca.crt, key: k},
  auth: {kubernetes: {serviceAccountRef: {name: eso}, secretRef: {name: t, key: k}}}}, webhook: {caProvider: {type: Secret, name: c, key: k}}}}`),
		"ConfigMap kube-root-ca.crt shop true true\nServiceAccount eso shop ? false\nSecret t shop ? false\nSecret c shop ? false"},
	{"cluster-wide secret store", object("external-secrets.io/v1", "ClusterSecretStore", "s", `spec: {provider: {gcpsm: {auth: {workloadIdentity: {serviceAccountRef: {name: eso, namespace: eso}},
  secretRef: {secretAccessKeySecretRef: {name: there, key: k}}}}, aws: {auth: {secretRef: {accessKeyIDSecretRef: {name: nowhere, key: k}, secretAccessKeySecretRef: {name: nowhere, key: l, namespace: eso}}}}}}`) +
		object("v1", "Secret", "there", ""),
		"ServiceAccount eso eso ? false\nSecret there ? ?\nSecret nowhere ? false\nSecret nowhere eso ? false"},
	{"pushed secret", object("external-secrets.io/v1alpha1", "PushSecret", "p", "spec: {selector: {secret: {name: s}}}"), "Secret s shop ? false"},
	{"issuer", object("cert-manager.io/v1", "Issuer", "i", "spec: {vault: {auth: {kubernetes: {role: r, serviceAccountRef: {name: v}}}, caBundleSecretRef: {name: ca, key: k}}}"),
		"ServiceAccount v shop ? false\nSecret ca shop ? false"},
	{"issuer for all namespaces", object("cert-manager.io/v1", "ClusterIssuer", "i", `spec: {acme: {privateKeySecretRef: {name: account}, solvers: [{dns01: {cloudflare: {apiTokenSecretRef: {name: token, key: k}}}}]}}`),
		"Secret token ? false"},
	{"a field of a resource that nobody knows", object("db.example/v1", "Database", "d", "spec: {adminSecretName: s}"), ""},
	{"annotations of an Ingress", "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {nginx.ingress.kubernetes.io/auth-secret: p, nginx.ingress.kubernetes.io/auth-tls-secret: infra/ca}}\nspec: {}\n",
		"Secret p shop ? false\nSecret ca infra ? false"},
	{"Gateway's other ends", object("gateway.networking.k8s.io/v1", "Gateway", "g", `spec:
  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: options}}
  tls:
    backend: {clientCertificateRef: {name: own}}
    frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: a}]}}, perPort: [{port: 443, tls: {validation: {caCertificateRefs: [{name: b, namespace: infra}]}}}]}
  listeners: [{name: l, port: 443, protocol: HTTPS, tls: {frontendValidation: {caCertificateRefs: [{kind: Bundle, group: x.example, name: c}, {kind: Secret, group: "", name: d}]}}}]`),
		"ConfigMap options shop ? false\nSecret d shop ? false\nConfigMap a shop ? false\nConfigMap b infra ? false\nSecret own shop ? false"},
	{"TLS to backends", object("gateway.networking.k8s.io/v1", "BackendTLSPolicy", "b", "spec: {targetRefs: [{group: '', kind: Service, name: web}, {group: x.example, kind: Bucket, name: y}], validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}}"),
		"Service web shop ? false\nConfigMap ca shop ? false"},
	{"volume with a driver's Secret", object("v1", "PersistentVolume", "v", "spec: {csi: {driver: d, volumeHandle: h, nodeStageSecretRef: {name: s, namespace: csi}}}"), "Secret s csi ? false"},
	{"class with a driver's Secret", object("storage.k8s.io/v1", "StorageClass", "c", "provisioner: d\nparameters: {csi.storage.k8s.io/node-stage-secret-name: s, csi.storage.k8s.io/node-stage-secret-namespace: csi, csi.storage.k8s.io/provisioner-secret-name: '${pvc.name}'}"), "Secret s csi ? false"},
	{"policy parameters", object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "b", "spec: {policyName: p, paramRef: {name: c, namespace: other, parameterNotFoundAction: Allow}}") +
		object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "p", "spec: {paramKind: {apiVersion: v1, kind: ConfigMap}, validations: []}"),
		"ValidatingAdmissionPolicy p true true\nConfigMap c other optional ? false"},
	{"authorities to inject", "---\napiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.x, annotations: {cert-manager.io/inject-ca-from: infra/cert}}\nspec: {service: {name: s, namespace: infra}}\n",
		"Service s infra ? false\nCertificate cert infra ? false"},
}

func TestReferences(t *testing.T) {
	for _, c := range referenceCases {
		open, closed := referenceLines(t, c.text, false), referenceLines(t, c.text, true)
		var got []string
		for i := range open {
			got = append(got, open[i]+" "+closed[i][strings.LastIndexByte(closed[i], ' ')+1:])
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, text, c.want)
		}
	}
}

func referenceLines(t *testing.T, text string, closed bool) []string {
	o, s := world(t, text, closed)
	var lines []string
	for _, r := range NewFacts(s, nil).References(o) {
		v := &r.Value
		line := []string{v.Get("kind").Str(), v.Get("name").Str()}
		if ns := v.Get("namespace").Str(); ns != "" {
			line = append(line, ns)
		}
		if v.Get("optional").True() {
			line = append(line, "optional")
		}
		found := v.Get("found")
		lines = append(lines, strings.Join(append(line, show(found)), " "))
		checkSealed(t, text, v)
		if v.Get("path").Str() != r.Path.String() {
			t.Errorf("path %s is said to be %s", r.Path, v.Get("path").Str())
		}
		// The path leads to the name, or to the key within the object named.
		// Annotations write the namespace before it.
		if at := o.Root.Follow(r.Path); at == nil || !strings.Contains(v.Get("namespace").Str()+"/"+v.Get("name").Str(), at.Text()) {
			t.Errorf("path %s does not lead to %s", r.Path, v.Get("name").Str())
		}
	}
	return lines
}

func TestSecretsThatControllersMake(t *testing.T) {
	uses := workload("Deployment", "web", "volumes: [{name: v, secret: {secretName: s}}]")
	for _, c := range []struct{ made, want string }{
		{object("external-secrets.io/v1", "ExternalSecret", "s", "spec: {}"), "true"},
		{object("external-secrets.io/v1", "ExternalSecret", "e", "spec: {target: {name: s}}"), "true"},
		{object("external-secrets.io/v1", "ExternalSecret", "s", "spec: {target: {creationPolicy: Merge}}"), "false"},
		{object("external-secrets.io/v1", "ExternalSecret", "s", "spec: {target: {name: other}}"), "false"},
		{object("bitnami.com/v1alpha1", "SealedSecret", "s", "spec: {}"), "true"},
		{object("cert-manager.io/v1", "Certificate", "c", "spec: {secretName: s}"), "true"},
		{object("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "c", "spec: {secretObjects: [{secretName: s}]}"), "true"},
		{object("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "c", "spec: {destination: {name: s, create: true}}"), "true"},
		{object("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "c", "spec: {destination: {name: s}}"), "false"},
		{strings.Replace(object("bitnami.com/v1alpha1", "SealedSecret", "s", "spec: {}"), "name: s", "name: s, namespace: other", 1), "false"},
	} {
		o, s := world(t, uses+c.made, true)
		refs := NewFacts(s, nil).References(o)
		if len(refs) != 1 || show(refs[0].Value.Get("found")) != c.want {
			t.Errorf("want found %s with\n%s", c.want, c.made)
		}
	}
}
