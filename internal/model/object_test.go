package model

import (
	"strings"
	"testing"

	"ullage.dev/ullage/internal/tree"
)

const deploymentText = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop
  labels:
    app.kubernetes.io/name: checkout
    app.kubernetes.io/part-of: shop
    team: payments
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: checkout
  template:
    metadata:
      labels:
        app.kubernetes.io/name: checkout
        app.kubernetes.io/part-of: shop
    spec:
      serviceAccountName: checkout
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: web
          image: registry.example/shop/checkout:2.14.1
          args: ["--listen", ":8080", "--log-level=info"]
          ports:
            - name: http
              containerPort: 8080
            - name: metrics
              containerPort: 9090
          env:
            - name: DATABASE_HOST
              value: postgres.shop.svc
            - name: DATABASE_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: checkout-db
                  key: password
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
          livenessProbe:
            httpGet:
              path: /healthz
              port: http
          readinessProbe:
            httpGet:
              path: /ready
              port: http
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir: {}
        - name: config
          configMap:
            name: checkout
`

func TestNewObject(t *testing.T) {
	o := object(t, deploymentText)
	if want := (Key{Namespace: "shop", GroupKind: GroupKind{"apps", "Deployment"}, Name: "checkout"}); o.Key != want {
		t.Errorf("key %v, want %v", o.Key, want)
	}
	if got := o.Place().String(); got != "test.yaml:4:3" {
		t.Errorf("place %s", got)
	}
	if o.Owner() != "payments" || o.Annotation("prometheus.io/port") != "9090" || o.Labels().Len() != 3 || o.System {
		t.Errorf("owner %q, annotation %q, labels %d, system %v", o.Owner(), o.Annotation("prometheus.io/port"), o.Labels().Len(), o.System)
	}
	if len(o.Credentials) != 0 || len(o.UnknownFields) != 0 {
		t.Errorf("credentials %v, unknown fields %v", o.Credentials, o.UnknownFields)
	}
}

func TestNamesAndNamespaces(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", "Pod/default/p"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: null}\n", "Pod/default/p"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-, namespace: x}\n", "Pod/x/p-*"},
		{"apiVersion: v1\nkind: Namespace\nmetadata: {name: web, namespace: x}\n", "Namespace/web"},
		{"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\n", "Thing.example.com/default/t"},
	} {
		if got := object(t, test.text).Key.String(); got != test.want {
			t.Errorf("key %s, want %s", got, test.want)
		}
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for text, want := range map[string]string{
		"services: {web: {image: x}}\n":                                 "",
		"apiVersion: v2\nname: chart\n":                                 "",
		"[1, 2]\n":                                                      "",
		"apiVersion: v1\nkind: Config\nclusters: []\n":                  "",
		"apiVersion: v1\nkind: DeleteOptions\n":                         "",
		"apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n": "",
		"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmetadata: {creationTimestamp: null}\n": "",
		"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n":                                 "",
		"apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\nnodes: []\n":                                               "",
		"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n":                                                       "",
		"apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n":                                      "",
		"apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\n":                                    "",
		"apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest: {}\n":                                        "",
		"apiVersion: authorization.k8s.io/v1\nkind: SubjectAccessReview\nspec: {user: a}\n":                            "",
		"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n":                                              "",
		"apiVersion: skaffold/v4beta6\nkind: Config\nmetadata: {name: x}\n":                                            "",
		"apiVersion: example.com/v1\nkind: Thing\nsettings: {}\n":                                                      "",
		"apiVersion: example.com/v1\nkind: Thing\nspec: {}\n":                                                          "Thing: metadata is missing or not a map",
		"apiVersion: extensions/v1beta1\nkind: Deployment\n":                                                           "Deployment: metadata is missing or not a map",
		"apiVersion: v1\nkind: ConfigMap\ndata: {}\n":                                                                  "ConfigMap: metadata is missing or not a map",
		"apiVersion: example.com/v1\nkind: Thing\nmetadata: x\n":                                                       "Thing: metadata is missing or not a map",
		"apiVersion: v1\nkind: Pod\n":                                                                                  "test.yaml:1:1: Pod: metadata is missing or not a map",
		"apiVersion: v1\nkind: Pod\nmetadata: {}\n":                                                                    "test.yaml:3:1: Pod: metadata has neither name nor generateName",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n":                                                             "test.yaml:3:12: Pod: metadata.name is an integer",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: [a]}\n":                                                "metadata.labels is a list, not a map",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: yes}}\n":                                           "metadata.labels[\"a\"] is a boolean, not a string (quote it)",
	} {
		root, source := parse(t, text)
		o, err := NewObject(root, source, "", "")
		if want == "" && (o != nil || err != nil) {
			t.Errorf("%q: %v, %v", text, o, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestPlaceOfRenderedText(t *testing.T) {
	root, source := parse(t, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n")
	source.Origin = &Origin{Renderer: "helm", Root: "chart", Lines: []OriginLine{{}, {}, {"chart/templates/pod.yaml", 7}, {"chart/templates/_name.tpl", 2}}}
	o, err := NewObject(root, source, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Place(); got != (Place{File: "chart/templates/_name.tpl", Line: 2, Rendered: "helm"}) {
		t.Errorf("place %+v", got)
	}
	if got := source.Place(root); got.String() != "chart" {
		t.Errorf("place of a line of unknown origin: %s", got)
	}
}

func TestSystemObjects(t *testing.T) {
	for text, want := range map[string]bool{
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: kube-system}\n":                                           true,
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n":                                                   true,
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n":                                                          false,
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:node'}\n":                     true,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {priorityClassName: system-node-critical}\n":                  false,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: quay.io/cilium/cilium:v1}]}\n": true,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: nginx}]}\n":                    false,
	} {
		if got := object(t, text).System; got != want {
			t.Errorf("%s: system is %v", text, got)
		}
	}
}

// TestDefaultedObjectsAreEqual holds for what follows from the order of the
// stages: what the file leaves out and what it writes out come to the same.
func TestDefaultedObjectsAreEqual(t *testing.T) {
	short := object(t, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n")
	long := object(t, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: ClusterIP, sessionAffinity: None, internalTrafficPolicy: Cluster, ports: [{port: 80, targetPort: 80, protocol: TCP}]}\n")
	if short.Root.Hash() != long.Root.Hash() {
		t.Error("hashes differ")
	}
	if n := short.Root.Dig("spec", "type"); !n.Has(tree.Implied) || long.Root.Dig("spec", "type").Has(tree.Implied) {
		t.Error("implied and written values are not told apart")
	}
}

// eachObject times run on trees that were parsed outside of the timer, as a
// tree can be used once.
func eachObject(b *testing.B, run func(root *tree.Node, source *Source)) {
	b.Helper()
	const batch = 500
	roots, sources := make([]*tree.Node, batch), make([]*Source, batch)
	b.ReportAllocs()
	for done := 0; done < b.N; done += batch {
		b.StopTimer()
		for i := range roots {
			roots[i], sources[i] = parse(b, deploymentText)
		}
		b.StartTimer()
		for i := range min(batch, b.N-done) {
			run(roots[i], sources[i])
		}
	}
}

func BenchmarkNewObject(b *testing.B) {
	eachObject(b, func(root *tree.Node, source *Source) {
		if _, err := NewObject(root, source, "", ""); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkStages times the parts of NewObject alone.
func BenchmarkStages(b *testing.B) {
	for name, stage := range map[string]func(o *Object){
		"checkTypes":    func(o *Object) { _, _ = checkTypes(o) },
		"redact":        redact,
		"applyDefaults": applyDefaults,
		"seal":          func(o *Object) { o.Root.Seal() },
	} {
		b.Run(name, func(b *testing.B) {
			eachObject(b, func(root *tree.Node, source *Source) {
				stage(&Object{APIVersion: "apps/v1", Root: root, Source: source, Key: Key{GroupKind: GroupKind{"apps", "Deployment"}}})
			})
		})
	}
}
