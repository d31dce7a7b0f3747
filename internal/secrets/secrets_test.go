package secrets

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/tree"
)

func objects(t testing.TB, text string) []*model.Object {
	t.Helper()
	file := &tree.File{Name: "test.yaml", Text: text}
	var found []*model.Object
	for doc := range tree.Parse(file) {
		o, err := model.NewObject(doc.Root, &model.Source{File: file}, "", "shop")
		if doc.Err != nil || err != nil || o == nil {
			t.Fatal(doc.Err, err)
		}
		found = append(found, o)
	}
	return found
}

func view(t testing.TB, closed bool, text string, readers ...Reader) *View {
	t.Helper()
	return New(model.NewSnapshot(objects(t, text), closed), func(Name) ([]Reader, []string) { return readers, nil })
}

func find(t *testing.T, v *View, name string) *Secret {
	t.Helper()
	for _, s := range v.Secrets {
		if s.Name.String() == name {
			return s
		}
	}
	t.Fatalf("no Secret %s", name)
	return nil
}

const podSpec = `
apiVersion: v1
kind: Pod
metadata: {name: w, annotations: %s}
spec: {serviceAccountName: web, containers: [{name: main, image: i%s}]%s}
`

func podWith(annotations, container, spec string) string {
	return fmt.Sprintf(podSpec, annotations, container, spec)
}

// Every way to consume a Secret.
func TestConsumers(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"volume", podWith("{}", ", volumeMounts: [{name: v, mountPath: /m}]", ", volumes: [{name: v, secret: {secretName: s}}]"),
			"shop/s mount [] web [main] spec.volumes[0].secret.secretName"},
		{"items", podWith("{}", "", ", volumes: [{name: v, secret: {secretName: s, items: [{key: a, path: a}]}}]"), "shop/s mount [a] web [] spec.volumes[0].secret.secretName"},
		{"projected", podWith("{}", ", volumeMounts: [{name: v, mountPath: /m}]", ", volumes: [{name: v, projected: {sources: [{secret: {name: s}}]}}]"),
			"shop/s mount [] web [main] spec.volumes[0].projected.sources[0].secret.name"},
		{"env", podWith("{}", ", env: [{name: E, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}]", ""),
			"shop/s env [k] web [main] spec.containers[0].env[0].valueFrom.secretKeyRef.name optional"},
		{"envFrom", podWith("{}", ", envFrom: [{secretRef: {name: s}}]", ""), "shop/s envFrom [] web [main] spec.containers[0].envFrom[0].secretRef.name"},
		{"image pull", podWith("{}", "", ", imagePullSecrets: [{name: s}]"), "shop/s imagePull [] web [] spec.imagePullSecrets[0].name"},
		{"CSI", podWith("{}", "", ", volumes: [{name: v, csi: {driver: d, nodePublishSecretRef: {name: s}}}]"), "shop/s mount [] web [] spec.volumes[0].csi.nodePublishSecretRef.name"},
		{"Vault agent", podWith(`{vault.hashicorp.com/agent-inject: "true", vault.hashicorp.com/tls-secret: s}`, "", ""),
			`shop/s mount [] web [] metadata.annotations["vault.hashicorp.com/tls-secret"]`},
		{"service account", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\nsecrets: [{name: t}]\nimagePullSecrets: [{name: s}]\n",
			"shop/t serviceAccount [] web [] secrets[0].name; shop/s imagePull [] web [] imagePullSecrets[0].name"},
		{"Ingress", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {tls: [{secretName: s}, {hosts: [h]}]}\n", "shop/s tls []  [] spec.tls[0].secretName"},
		{"Gateway", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {listeners: [{name: l, tls: {certificateRefs: [{name: s}, {name: o, namespace: other}, {kind: X, group: x.example, name: n}]}}]}\n",
			"shop/s tls []  [] spec.listeners[0].tls.certificateRefs[0].name; other/o tls []  [] spec.listeners[0].tls.certificateRefs[1].name"},
		{"persistent volume", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {csi: {driver: d, volumeHandle: h, nodeStageSecretRef: {name: s, namespace: csi}}}\n",
			"csi/s storageDriver []  [] spec.csi.nodeStageSecretRef.name"},
		{"persistent volume, Azure", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {azureFile: {secretName: s, secretNamespace: azure, shareName: x}}\n",
			"azure/s storageDriver []  [] spec.azureFile.secretName"},
		{"persistent volume, Azure, of its claim", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {claimRef: {namespace: shop, name: c}, azureFile: {secretName: s, shareName: x}}\n",
			"shop/s storageDriver []  [] spec.azureFile.secretName"},
		{"persistent volume without a namespace", "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {cephfs: {monitors: [m], secretRef: {name: s}}}\n",
			"/s storageDriver []  [] spec.cephfs.secretRef.name"},
		{"old account field", "apiVersion: db.example/v1\nkind: Runner\nmetadata: {name: r}\nspec: {template: {spec: {serviceAccount: web, containers: [{name: main, image: i, envFrom: [{secretRef: {name: s}}]}]}}}\n",
			"shop/s envFrom [] web [main] spec.template.spec.containers[0].envFrom[0].secretRef.name"},
		{"class", "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: d\nparameters: {csi.storage.k8s.io/provisioner-secret-name: s, csi.storage.k8s.io/provisioner-secret-namespace: csi, csi.storage.k8s.io/node-stage-secret-name: '${pvc.name}', csi.storage.k8s.io/node-stage-secret-namespace: csi}\n",
			`csi/s storageDriver []  [] parameters["csi.storage.k8s.io/provisioner-secret-name"]`},
		{"secret store", "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: st}\nspec: {provider: {vault: {server: x, caProvider: {type: ConfigMap, name: ca, key: k}, auth: {tokenSecretRef: {name: s, key: token}}}}}\n",
			"shop/s secretManager [token]  [] spec.provider.vault.auth.tokenSecretRef.name"},
		{"Azure store", "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: st}\nspec: {provider: {azurekv: {authSecretRef: {clientId: {name: s, key: id, namespace: eso}}}}}\n",
			"eso/s secretManager [id]  [] spec.provider.azurekv.authSecretRef.clientId.name"},
		{"Kubernetes store", "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: st}\nspec: {provider: {kubernetes: {server: {caProvider: {type: Secret, name: ca, key: k}}, auth: {token: {bearerToken: {name: s, key: t}}, serviceAccount: {name: n}}}}}\n",
			"shop/ca secretManager [k]  [] spec.provider.kubernetes.server.caProvider.name; shop/s secretManager [t]  [] spec.provider.kubernetes.auth.token.bearerToken.name"},
		{"push", "apiVersion: external-secrets.io/v1alpha1\nkind: PushSecret\nmetadata: {name: p}\nspec: {selector: {secret: {name: s}}}\n", "shop/s secretManager []  [] spec.selector.secret.name"},
		{"issuer", "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: i}\nspec: {ca: {secretName: s}}\n", "shop/s secretManager []  [] spec.ca.secretName"},
		{"issuer's account", "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: i}\nspec: {acme: {privateKeySecretRef: {name: s}}}\n", ""},
		{"annotated Ingress", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {nginx.ingress.kubernetes.io/auth-secret: s, nginx.ingress.kubernetes.io/proxy-ssl-secret: infra/p}}\nspec: {tls: [{secretName: t}]}\n",
			`shop/t tls []  [] spec.tls[0].secretName; shop/s ingress []  [] metadata.annotations["nginx.ingress.kubernetes.io/auth-secret"]; infra/p ingress []  [] metadata.annotations["nginx.ingress.kubernetes.io/proxy-ssl-secret"]`},
		{"Gateway to backends", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {tls: {backend: {clientCertificateRef: {name: s}}}}\n", "shop/s tls []  [] spec.tls.backend.clientCertificateRef.name"},
		{"KEDA", "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: t}\nspec: {secretTargetRef: [{parameter: p, name: s, key: k}]}\n", "shop/s customResource [k]  [] spec.secretTargetRef[0].name"},
		{"other resource", "apiVersion: db.example/v1\nkind: Database\nmetadata: {name: d}\nspec: {adminSecretName: s, users: [{passwordSecretRef: {name: u, key: k}}], ref: {kind: Secret, name: r}, image: {imagePullSecrets: [{name: p}]}}\n",
			"shop/s customResource []  [] spec.adminSecretName; shop/u customResource [k]  [] spec.users[0].passwordSecretRef.name; shop/r customResource []  [] spec.ref.name; shop/p customResource []  [] spec.image.imagePullSecrets[0].name"},
		{"service monitor", "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m}\nspec: {endpoints: [{basicAuth: {password: {name: s, key: k}}, tlsConfig: {ca: {configMap: {name: c, key: k}}}}, {bearerTokenSecret: {name: t, key: k}}]}\n",
			"shop/s customResource [k]  [] spec.endpoints[0].basicAuth.password.name; shop/t customResource [k]  [] spec.endpoints[1].bearerTokenSecret.name"},
		{"credentials by their name", "apiVersion: db.example/v1\nkind: Database\nmetadata: {name: d}\nspec: {superuserSecret: {name: s}, credential: {name: t}, owner: {name: o}, headers: [{name: h, key: k, value: v}]}\n",
			"shop/s customResource []  [] spec.superuserSecret.name; shop/t customResource []  [] spec.credential.name"},
		{"Alertmanager", "apiVersion: monitoring.coreos.com/v1\nkind: Alertmanager\nmetadata: {name: main}\nspec: {secrets: [etcd, s]}\n",
			"shop/etcd customResource []  [] spec.secrets[0]; shop/s customResource []  [] spec.secrets[1]; shop/alertmanager-main customResource []  [] metadata.name optional"},
		{"Alertmanager with a Secret of its own", "apiVersion: monitoring.coreos.com/v1\nkind: Alertmanager\nmetadata: {name: main}\nspec: {configSecret: s}\n", "shop/s customResource []  [] spec.configSecret"},
		{"Traefik", "apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: m}\nspec: {basicAuth: {secret: s}, forwardAuth: {tls: {caSecret: ca}}}\n",
			"shop/s customResource []  [] spec.basicAuth.secret; shop/ca customResource []  [] spec.forwardAuth.tls.caSecret"},
		{"Traefik's transport", "apiVersion: traefik.io/v1alpha1\nkind: ServersTransport\nmetadata: {name: m}\nspec: {certificatesSecrets: [s]}\n", "shop/s customResource []  [] spec.certificatesSecrets[0]"},
		{"a value of another resource", "apiVersion: db.example/v1\nkind: Database\nmetadata: {name: m}\nspec: {auth: {secret: s, secrets: [t]}}\n", ""},
		{"names in a list", "apiVersion: db.example/v1\nkind: Database\nmetadata: {name: m}\nspec: {tls: {secretNames: [s]}}\n", "shop/s customResource []  [] spec.tls.secretNames[0]"},
		{"HAProxy", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {haproxy.org/auth-secret: infra/s, haproxy.org/auth-secret-type: x}}\nspec: {}\n",
			`infra/s ingress []  [] metadata.annotations["haproxy.org/auth-secret"]`},
		{"Istio", "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {selector: {istio: in}, servers: [{tls: {credentialName: s}}, {tls: {credentialNames: [t, 'configmap://ns/x']}}]}\n",
			"/s tls []  [] spec.servers[0].tls.credentialName; /t tls []  [] spec.servers[1].tls.credentialNames[0]"},
		// What a resource has made it does not consume.
		{"external secret", "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: s}\nspec: {secretStoreRef: {name: st, kind: SecretStore}, target: {name: s}, data: [{secretKey: a, remoteRef: {key: b}}]}\n", ""},
		{"certificate", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: s, issuerRef: {name: i}}\n", ""},
		{"provider class", "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: c}\nspec: {provider: vault, secretObjects: [{secretName: s, type: Opaque}]}\n", ""},
	} {
		o := objects(t, c.text)[0]
		var got []string
		for _, u := range Consumed(o) {
			word := fmt.Sprintf("%s %s %v %s %v %s", u.Name, u.How, u.Keys, u.Account, u.Containers, u.Path)
			if u.Optional {
				word += " optional"
			}
			got = append(got, word)
			if name := o.Root.Follow(u.Path).Str(); name != u.Name.Name && name != u.Name.String() && "alertmanager-"+name != u.Name.Name {
				t.Errorf("%s: path %s leads to %q", c.what, u.Path, name)
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, s, c.want)
		}
	}
}

func TestCreated(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e}\nspec: {target: {creationPolicy: Orphan}}\n", "shop/e"},
		{"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e}\nspec: {target: {name: s, creationPolicy: Merge}}\n", ""},
		{"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: s}\nspec: {encryptedData: {a: b}}\n", "shop/s"},
		{"apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: s}\n", "shop/s"},
		{"apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: c}\nspec: {acme: {privateKeySecretRef: {name: s}}}\n", "shop/s"},
		{"apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: c}\nspec: {secretObjects: [{secretName: a}, {secretName: b}]}\n", "shop/a shop/b"},
		{"apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: {name: c}\nspec: {destination: {name: s, create: true}}\n", "shop/s"},
		{"apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultDynamicSecret\nmetadata: {name: c}\nspec: {destination: {name: s}}\n", ""},
		{"apiVersion: onepassword.com/v1\nkind: OnePasswordItem\nmetadata: {name: c}\nspec: {}\n", "shop/c"},
		{"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {cert-manager.io/issuer: x}}\nspec: {tls: [{secretName: s}]}\n", "shop/s"},
		{"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {tls: [{secretName: s}]}\n", ""},
		{"apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {name: c}\nspec: {externalSecretName: e, namespaceSelectors: [{matchLabels: {team: shop}}], namespaces: [data], externalSecretSpec: {target: {name: s}}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: shop}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n", "data/s shop/s"},
	} {
		var got []string
		for _, s := range view(t, true, c.text).Secrets {
			if s.State == Made && len(s.MadeBy) == 1 {
				got = append(got, s.Name.String())
			}
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q, want %q:\n%s", s, c.want, c.text)
		}
	}
}

func TestManagers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: c}\nspec: {provider: {aws: {service: SecretsManager}}}\n", "External Secrets Operator 1 [aws]"},
		{"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: s}\nspec: {}\n", "Sealed Secrets 1 []"},
		{"apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: {name: c}\nspec: {}\n", "Vault Secrets Operator 1 []"},
		{podWith(`{vault.hashicorp.com/agent-inject: "true"}`, "", ""), "Vault Agent injector 1 []"},
		{podWith(`{vault.hashicorp.com/agent-inject: "false"}`, "", ""), ""},
		{podWith("{}", "", ", volumes: [{name: v, csi: {driver: secrets-store.csi.k8s.io}}]") + "---\napiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: c}\nspec: {provider: azure}\n", "Secrets Store CSI driver 2 [azure]"},
		{"apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: s}\n", "cert-manager 1 []"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: 'ENC[AES256_GCM,data:x,type:str]'}\nsops: {mac: 'ENC[AES256_GCM,data:y,type:str]'}\n", "SOPS 1 []"},
		{podWith("{}", "", ""), ""},
	} {
		var got []string
		for _, m := range view(t, true, c.text).Managers {
			got = append(got, fmt.Sprintf("%s %d %v", m.Name, len(m.Objects), m.Backends))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%q, want %q:\n%s", s, c.want, c.text)
		}
	}
}

const opaque = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nimmutable: true\n"

// What is absent is only absent where nothing can be elsewhere.
func TestWorlds(t *testing.T) {
	named := podWith("{}", ", envFrom: [{secretRef: {name: s}}]", "")
	for _, c := range []struct {
		closed bool
		state  State
	}{{false, Unread}, {true, Absent}} {
		v := view(t, c.closed, named)
		if s := find(t, v, "shop/s"); s.State != c.state || len(v.Unknowns) == 0 == !c.closed {
			t.Errorf("closed %v: %s %q", c.closed, s.State, v.Unknowns)
		}
	}
	for _, gap := range []model.GroupKind{model.SecretKind, model.IngressKind} {
		closed := model.NewSnapshot(objects(t, named), true, model.Gap{Kind: gap, Reason: "they may not be listed"})
		v := New(closed, nil)
		if !slices.Contains(v.Unknowns, "they may not be listed") {
			t.Errorf("gap in %s: %q", gap, v.Unknowns)
		}
		if s := find(t, v, "shop/s"); gap == model.SecretKind && s.State != Unread || gap == model.IngressKind && s.State != Absent {
			t.Errorf("gap in %s: %s", gap, s.State)
		}
	}
}

// That something may live elsewhere is said once; other doubts about readers are
// said too.
func TestElsewhereIsSaidOnce(t *testing.T) {
	doubts := func(Name) ([]Reader, []string) {
		return nil, []string{"bindings and roles may live elsewhere", "ClusterRole x could not be read"}
	}
	open := New(model.NewSnapshot(objects(t, opaque), false), doubts).Unknowns
	if len(open) != 2 || !strings.Contains(open[0], "more subjects may read them") || open[1] != "ClusterRole x could not be read" {
		t.Errorf("%q", open)
	}
}

// Of a live Secret nothing but metadata is known.
func TestLive(t *testing.T) {
	read := func(text string) *model.Object {
		for doc := range tree.Parse(&tree.File{Text: text}) {
			o, err := model.NewLiveObject(doc.Root, model.Live{Cluster: "c", Interner: tree.NewInterner()})
			if err != nil || o == nil {
				t.Fatal(err)
			}
			return o
		}
		return nil
	}
	token := read("apiVersion: v1\nkind: Secret\nmetadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: ci}}\n")
	plain := read("apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\n")
	v := New(model.NewSnapshot([]*model.Object{token, plain}, true), nil)
	s := find(t, v, "shop/t")
	if s.Type != tokenType || s.KeysKnown {
		t.Errorf("token: %+v", s)
	}
	if s = find(t, v, "shop/s"); s.KeysKnown || s.Type != "" {
		t.Errorf("plain: %+v", s)
	}
}

// What is made by a controller is made once: pods of a workload add nothing, and
// the order of objects does not matter.
func TestOrder(t *testing.T) {
	all := objects(t, opaque+"---\n"+podWith("{}", ", envFrom: [{secretRef: {name: s}}, {secretRef: {name: t}}]", "")+`---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: t}
spec: {}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec: {tls: [{secretName: u}]}
`)
	write := func() string {
		text := ""
		v := New(model.NewSnapshot(all, true), nil)
		for _, s := range v.Secrets {
			text += fmt.Sprintln(s.Name, s.State, len(s.MadeBy))
			for _, c := range s.Consumers {
				text += fmt.Sprintln(" ", c.Object.Key, c.How, c.Path)
			}
		}
		return text
	}
	want := write()
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := write(); got != want {
			t.Fatalf("the order of objects matters:\n%s\n%s", got, want)
		}
	}
}

// Debug containers are in pods and not in the templates that these are made of.
func TestDebugContainers(t *testing.T) {
	s := find(t, view(t, true, opaque+`---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, uid: u1}
spec: {selector: {}, template: {spec: {containers: [{name: web, image: i, envFrom: [{secretRef: {name: s}}]}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u1, controller: true}]}
spec:
  containers: [{name: web, image: i, envFrom: [{secretRef: {name: s}}]}]
  ephemeralContainers: [{name: debug, image: i, env: [{name: E, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]
`), "shop/s")
	var got []string
	for _, c := range s.Consumers {
		got = append(got, fmt.Sprint(c.Object.Key.Name, c.Containers))
	}
	if strings.Join(got, " ") != "web-1[debug] web[web]" {
		t.Errorf("%q", got)
	}
}

// Who may consume a Secret and was not read may be the one that does. Each kind of
// which Consumed tells a use is left out once.
func TestUnusedWithGaps(t *testing.T) {
	const more = "metadata: {name: x, namespace: shop}\n"
	users := []string{
		"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {csi: {driver: d, volumeHandle: h, nodeStageSecretRef: {name: s, namespace: shop}}}\n",
		"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: d\nparameters: {x-secret-name: s, x-secret-namespace: shop}\n",
		"apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: c}\ndriver: d\nparameters: {x-secret-name: s, x-secret-namespace: shop}\n",
		"apiVersion: v1\nkind: ServiceAccount\n" + more + "imagePullSecrets: [{name: s}]\n",
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\n" + more + "spec: {tls: [{secretName: s}]}\n",
		"apiVersion: extensions/v1beta1\nkind: Ingress\n" + more + "spec: {tls: [{secretName: s}]}\n",
		"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n" + more + "spec: {listeners: [{name: l, tls: {certificateRefs: [{name: s}]}}]}\n",
		"apiVersion: networking.istio.io/v1\nkind: Gateway\n" + more + "spec: {servers: [{tls: {credentialName: s}}]}\n",
		"apiVersion: networking.istio.io/v1\nkind: DestinationRule\n" + more + "spec: {trafficPolicy: {tls: {credentialName: s}}}\n",
		"apiVersion: external-secrets.io/v1\nkind: SecretStore\n" + more + "spec: {provider: {vault: {auth: {tokenSecretRef: {name: s, key: token}}}}}\n",
		"apiVersion: cert-manager.io/v1\nkind: Issuer\n" + more + "spec: {ca: {secretName: s}}\n",
		"apiVersion: db.example/v1\nkind: Database\n" + more + "spec: {adminSecretName: s}\n",
	}
	for _, gk := range model.WorkloadKinds() {
		spec := "{containers: [{name: main, image: i, envFrom: [{secretRef: {name: s}}]}]}"
		path := gk.PodSpecPath()
		for i := len(path) - 1; i >= 0; i-- {
			spec = "{" + path[i].Key + ": " + spec + "}"
		}
		users = append(users, fmt.Sprintf("apiVersion: %s\nkind: %s\n", strings.TrimPrefix(gk.Group+"/v1", "/"), gk.Kind)+more+spec[1:len(spec)-1]+"\n")
	}
	covered := map[model.GroupKind]bool{}
	for _, text := range users {
		o := objects(t, text)[0]
		if uses := Consumed(o); len(uses) == 0 || uses[0].Name.String() != "shop/s" && uses[0].Name.String() != "/s" {
			t.Errorf("%s: %v", o.Key, uses)
		}
		gk := o.Key.GroupKind
		covered[gk] = true
		abroad := gk != model.ServiceAccountKind && gk.PodSpecPath() == nil
		for _, c := range []struct {
			gap     model.Gap
			unknown bool
		}{{model.Gap{Kind: gk}, true}, {model.Gap{Kind: model.GroupKind{Group: gk.Group}}, true}, {model.Gap{Kind: gk, Except: []string{"shop"}}, abroad}} {
			c.gap.Reason = "they may not be listed"
			v := New(model.NewSnapshot(objects(t, opaque), true, c.gap), nil)
			gap := Gap(model.NewSnapshot(nil, true, c.gap), "shop")
			if unknown := gap != nil && gap.Reason == c.gap.Reason; unknown != c.unknown {
				t.Errorf("without %s (%v): %v", gk, c.gap.Except, gap)
			}
			if len(v.Unknowns) != 1 {
				t.Errorf("without %s: the view says %q", gk, v.Unknowns)
			}
		}
	}
	for gk := range sources {
		if !covered[gk] {
			t.Errorf("%s is not tried", gk)
		}
	}
	for _, gk := range []model.GroupKind{{Kind: "Event"}, {Group: "coordination.k8s.io", Kind: "Lease"}, {Group: "discovery.k8s.io"}} {
		v := New(model.NewSnapshot(objects(t, opaque), true, model.Gap{Kind: gk, Reason: "they are not read"}), nil)
		if gap := Gap(model.NewSnapshot(nil, true, model.Gap{Kind: gk}), "shop"); gap != nil || len(v.Unknowns) > 0 {
			t.Errorf("without %s: %v %q", gk, gap, v.Unknowns)
		}
	}
}

// A Secret that is named without its namespace is no Secret of its own.
func TestNamespaceNotSaid(t *testing.T) {
	for _, text := range []string{
		"---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {cephfs: {monitors: [m], secretRef: {name: s}}}\n",
		"---\napiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: p}\nspec: {ca: {secretName: s}}\n",
	} {
		v := view(t, true, opaque+"---\n"+strings.Replace(opaque, "name: s", "name: other", 1)+text)
		if len(v.Secrets) != 2 || len(find(t, v, "shop/s").Consumers) > 0 {
			t.Errorf("%d Secrets", len(v.Secrets))
		}
	}
}

// Keys in both fields are one.
func TestKeys(t *testing.T) {
	s := find(t, view(t, false, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {b: '', a: ''}\nstringData: {c: '', a: ''}\n"), "shop/s")
	if strings.Join(s.Keys, " ") != "a b c" {
		t.Errorf("%q", s.Keys)
	}
}
