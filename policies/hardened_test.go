package policies_test

import (
	"fmt"
	"slices"
	"testing"

	"ullage.dev/ullage/internal/check"
	"ullage.dev/ullage/internal/model"
	"ullage.dev/ullage/internal/policy"
	"ullage.dev/ullage/internal/tree"
	"ullage.dev/ullage/policies"
)

// hardened is a workload with which the whole library is content.
const hardened = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {team: payments, env: production, data-class: internal}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      automountServiceAccountToken: false
      hostUsers: false
      enableServiceLinks: false
      runtimeClassName: gvisor
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile: {type: RuntimeDefault}
        appArmorProfile: {type: RuntimeDefault}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: registry.example/web:1.4.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
        ports: [{containerPort: 8080, name: http}]
        readinessProbe: {httpGet: {port: http, path: /ready}}
        livenessProbe: {httpGet: {port: http, path: /healthz}}
        resources:
          requests: {cpu: 100m, memory: 64Mi, ephemeral-storage: 1Gi}
          limits: {cpu: 1, memory: 128Mi, ephemeral-storage: 1Gi}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
      volumes: [{name: data, emptyDir: {sizeLimit: 1Gi}}]
`

// TestOneFaultIsOneFinding breaks the hardened workload in one place at a time:
// people see the cause, and what follows from it only below it.
func TestOneFaultIsOneFinding(t *testing.T) {
	rules, err := policy.LoadLibrary(policies.Files, "policies")
	if err != nil {
		t.Fatal(err)
	}
	const container = "spec.template.spec.containers[0]."
	type fault struct {
		path  string
		value any // nil removes
		want  []string
	}
	var tests []fault
	var objects []*model.Object
	for _, test := range []fault{
		{"metadata.annotations", map[string]any{"example.com/note": "checked"}, nil},
		{container + "securityContext.privileged", true, []string{"privileged-container"}},
		{container + "securityContext.allowPrivilegeEscalation", nil, []string{"privilege-escalation"}},
		{container + "securityContext.readOnlyRootFilesystem", false, []string{"read-only-root-fs"}},
		{container + "securityContext.capabilities.drop", nil, []string{"capabilities-not-dropped"}},
		{container + "securityContext.capabilities.add", []string{"NET_BIND_SERVICE"}, nil},
		{container + "securityContext.capabilities.add", []string{"CHOWN"}, []string{"capabilities-added-restricted"}},
		{container + "securityContext.capabilities.add", []string{"NET_RAW"}, []string{"capabilities-added"}},
		{container + "securityContext.capabilities.add", []string{"SYS_ADMIN"}, []string{"capability-sys-admin"}},
		{container + "securityContext.seccompProfile", map[string]any{"type": "Unconfined"}, []string{"seccomp-unconfined"}},
		{container + "securityContext.appArmorProfile", map[string]any{"type": "Unconfined"}, []string{"apparmor-unconfined"}},
		{container + "image", "registry.example/web:latest", []string{"image-latest-tag"}},
		{container + "resources.limits.memory", nil, []string{"memory-limits"}},
		{"spec.template.spec.securityContext.seccompProfile.type", "Unconfined", []string{"pod-seccomp-unconfined"}},
		{"spec.template.spec.securityContext.seccompProfile", nil, []string{"seccomp-profile"}},
		{"spec.template.spec.securityContext.appArmorProfile.type", "Unconfined", []string{"pod-apparmor-unconfined"}},
		{"spec.template.spec.shareProcessNamespace", true, []string{"share-process-namespace"}},
		{"spec.template.spec.volumes", []any{map[string]any{"name": "data", "hostPath": map[string]any{"path": "/run/containerd/containerd.sock"}}}, []string{"runtime-socket"}},
		{"spec.template.spec.volumes", []any{map[string]any{"name": "data", "hostPath": map[string]any{"path": "/"}}}, []string{"host-path-sensitive"}},
		{"spec.template.spec.volumes", []any{map[string]any{"name": "data", "hostPath": map[string]any{"path": "/srv/web"}}}, []string{"host-path"}},
		{"spec.template.spec.volumes", []any{map[string]any{"name": "data", "gitRepo": map[string]any{"repository": "https://git.example/web.git"}}}, []string{"gitrepo-volume"}},
	} {
		o := edited(t, test.path, test.value)
		o.Key.Namespace = fmt.Sprintf("shop-%d", len(objects)) // a world of its own
		objects = append(objects, o)
		tests = append(tests, test)
	}
	r, err := check.Run(t.Context(), objects, check.Options{Rules: rules, KubernetesMinor: newestMinor})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	got := map[*model.Object][]string{}
	for _, finding := range r.Findings {
		got[finding.Object] = append(got[finding.Object], finding.Rule.ID)
	}
	for i, test := range tests {
		if !slices.Equal(got[objects[i]], test.want) {
			t.Errorf("%s = %v: findings %q, want %q", test.path, test.value, got[objects[i]], test.want)
		}
	}
}

// edited returns the hardened workload after one edit; nil removes.
func edited(t *testing.T, path string, value any) *model.Object {
	t.Helper()
	f := &tree.File{Name: "web.yaml", Text: hardened}
	for doc := range tree.Parse(f) {
		if doc.Err != nil {
			t.Fatal(doc.Err)
		}
		p, err := tree.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		var n *tree.Node
		if value != nil {
			of := tree.Of(value)
			n = &of
		}
		root, err := tree.Apply(doc.Root, p, n, false)
		if err != nil {
			t.Fatal(err)
		}
		o, err := model.NewObject(root, &model.Source{File: f}, "", "default")
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Fatal("no document")
	return nil
}
