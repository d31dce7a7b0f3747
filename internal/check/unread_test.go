package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ullage.dev/ullage/internal/manifest"
	"ullage.dev/ullage/internal/model"
)

// asLive makes of objects what a cluster shows of them: with the Pods and ReplicaSets
// that its controllers make, which name their owners.
func asLive(t *testing.T, objects []*model.Object) []*model.Object {
	t.Helper()
	var live []*model.Object
	add := func(o map[string]any) {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		live = append(live, parse(t, string(text))...)
	}
	make := func(owner map[string]any, kind, version, name string, spec any, labels any) map[string]any {
		of := owner["metadata"].(map[string]any)
		o := map[string]any{"apiVersion": version, "kind": kind, "spec": spec, "metadata": map[string]any{
			"name": name, "namespace": of["namespace"], "uid": kind + name, "labels": labels,
			"ownerReferences": []any{map[string]any{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": of["name"], "uid": of["uid"], "controller": true}},
		}}
		add(o)
		return o
	}
	for _, o := range objects {
		root := o.Root.Native().(map[string]any)
		metadata := root["metadata"].(map[string]any)
		metadata["uid"] = o.Key.String()
		if !o.Key.ClusterScoped() {
			metadata["namespace"] = o.Key.Namespace
		}
		add(root)
		spec, _ := root["spec"].(map[string]any)
		template, _ := spec["template"].(map[string]any)
		if template == nil || o.Key.GroupKind == model.PodKind || !o.Key.Builtin() {
			continue
		}
		labels := any(map[string]any{})
		if of, ok := template["metadata"].(map[string]any); ok {
			labels = of["labels"]
		}
		owner := root
		if o.Key.GroupKind == model.DeploymentKind {
			owner = make(root, "ReplicaSet", "apps/v1", o.Key.Name+"-5d4f", map[string]any{"selector": spec["selector"], "template": template}, labels)
		}
		for i := range 2 {
			make(owner, "Pod", "v1", fmt.Sprintf("%s-%d", owner["metadata"].(map[string]any)["name"], i), template["spec"], labels)
		}
	}
	return live
}

// answers are what is found and what is not known, by rule and object.
type answers struct{ findings, unknown map[string]model.GroupKind }

func answersOf(t *testing.T, objects []*model.Object, gaps ...model.Gap) answers {
	t.Helper()
	r, err := Run(t.Context(), objects, Options{Rules: library(t), KubernetesMinor: 37, Closed: true, Gaps: gaps})
	if err != nil {
		t.Fatal(err)
	}
	a := answers{map[string]model.GroupKind{}, map[string]model.GroupKind{}}
	for _, f := range r.Findings {
		a.findings[f.Rule.ID+" "+f.Object.Key.String()] = f.Object.Key.GroupKind
	}
	for _, u := range r.Unknowns {
		if u.Question.Rule != nil {
			a.unknown[u.Question.Rule.ID+" "+u.Object.Key.String()] = u.Object.Key.GroupKind
		}
	}
	return a
}

// TestKindsUnread leaves out one kind after the other, as a cluster does that refuses
// to list it: nothing is wrong then that was right, and nothing that was wrong is
// right, only unknown.
func TestKindsUnread(t *testing.T) {
	in, err := manifest.Load(t.Context(), []string{"../../examples/chandlery"}, manifest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(31, 32))
	worlds := map[string][]*model.Object{"chandlery": in.Objects}
	for i := range 3 {
		worlds[fmt.Sprint("random ", i)] = parse(t, randomWorld(r))
	}
	changed := 0
	for _, name := range slices.Sorted(maps.Keys(worlds)) {
		objects := asLive(t, worlds[name])
		full := answersOf(t, objects)
		kinds := map[model.GroupKind]bool{}
		for _, o := range objects {
			kinds[o.Key.GroupKind] = true
		}
		for kind := range kinds {
			rest := slices.DeleteFunc(slices.Clone(objects), func(o *model.Object) bool { return o.Key.GroupKind == kind })
			part := answersOf(t, rest, model.Gap{Kind: kind, Reason: "the test did not read " + kind.Kind})
			changed += compareUnread(t, name, kind, full, part)
		}
	}
	if changed < 50 {
		t.Errorf("only %d answers became unknown: this shows nothing", changed)
	}
}

func compareUnread(t *testing.T, world string, kind model.GroupKind, full, part answers) (changed int) {
	t.Helper()
	for at, of := range part.findings {
		if _, ok := full.findings[at]; !ok && !judgedAlone(at, of) {
			t.Errorf("%s without %s: %s is found, and is right", world, kind.Kind, at)
		}
	}
	for at, of := range full.findings {
		_, found := part.findings[at]
		_, unknown := part.unknown[at]
		switch {
		case found || of == kind:
		case unknown:
			changed++
		default:
			t.Errorf("%s without %s: %s is neither found nor unknown", world, kind.Kind, at)
		}
	}
	for at, of := range full.unknown {
		_, found := part.findings[at]
		if _, unknown := part.unknown[at]; !unknown && !found && of != kind {
			t.Errorf("%s without %s: %s is unknown no more", world, kind.Kind, at)
		}
	}
	return changed
}

// judgedAlone are findings that a gap brings and that are right all the same: of what
// is judged by itself where its owner was not read, and the lesser of two findings
// where the graver one is unknown.
func judgedAlone(at string, of model.GroupKind) bool {
	rule, _, _ := strings.Cut(at, " ")
	return of == model.PodKind || of == model.ReplicaSetKind ||
		slices.Contains([]string{"network-policy-missing-ingress", "attack-path-node", "attack-path-cluster-admin-long"}, rule)
}

// randomWorld writes workloads that share Secrets, claims, paths of nodes and accounts.
func randomWorld(r *rand.Rand) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	var b strings.Builder
	for i := range 12 {
		kind, more := pick("Deployment", "Deployment", "StatefulSet", "DaemonSet"), ""
		if kind != "DaemonSet" {
			more = pick("", ", replicas: 1", ", replicas: 3")
		}
		if kind == "StatefulSet" {
			more += ", serviceName: none"
		}
		name := fmt.Sprintf("w%d", i)
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: %[1]s
metadata: {name: %[2]s, namespace: %[3]s}
spec: {selector: {matchLabels: {app: %[2]s}}%[4]s, template: {metadata: {labels: {app: %[2]s}}, spec: {serviceAccountName: %[5]s, containers: [{name: c, image: "registry.example/c:1",
  ports: [{name: http, containerPort: 8080}], env: [{name: E, valueFrom: {%[6]s: {name: %[7]s, key: %[8]s}}}], envFrom: [{secretRef: {name: %[9]s}}], volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, %[10]s}]}}}
`, kind, name, pick("a", "a", "b"), more, pick("default", "one", "two"), pick("secretKeyRef", "configMapKeyRef"), pick("s1", "s2", "gone"), pick("k", "other"), pick("s1", "s2", "s3"),
			pick("persistentVolumeClaim: {claimName: data}", "persistentVolumeClaim: {claimName: logs}", "hostPath: {path: /srv/data}", "configMap: {name: c1}", "nfs: {server: nfs.example, path: /x}"))
	}
	for _, ns := range []string{"a", "b"} {
		for _, name := range []string{"s1", "s2", "s3", "s4"} {
			fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Secret, metadata: {name: %s, namespace: %s}, data: {k: ''}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c%[1]s, namespace: %[2]s}, data: {k: v}}\n", name, ns)
		}
		for _, claim := range []string{"data", "logs", "spare"} {
			fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s, namespace: %s}, spec: {storageClassName: %s, accessModes: [%s], resources: {requests: {storage: 1Gi}}}}\n", claim, ns,
				pick("fast", "manual", "gone"), pick("ReadWriteOnce", "ReadWriteMany"))
		}
		fmt.Fprintf(&b, `---
{apiVersion: v1, kind: Namespace, metadata: {name: %[1]s}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: one, namespace: %[1]s}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: %[1]s}, spec: {type: %[2]s, selector: {app: w%[3]d}, ports: [{port: 80, targetPort: http}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: %[1]s}, spec: {podSelector: %[4]s, policyTypes: [Ingress]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: %[1]s}, spec: {minAvailable: 1, selector: {matchLabels: {app: w%[3]d}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h, namespace: %[1]s}, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: w%[3]d}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %[5]s, name: %[6]s}
subjects: [{kind: ServiceAccount, name: one, namespace: %[1]s}]
`, ns, pick("ClusterIP", "LoadBalancer"), r.IntN(12), pick("{}", "{matchLabels: {app: none}}"), pick("Role", "ClusterRole"), pick("r", "gone"))
	}
	return b.String() + `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list]}]}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}, provisioner: d}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}, spec: {storageClassName: manual, capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce, ReadWriteMany], nfs: {server: nfs.example, path: /y}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: left}, spec: {storageClassName: fast, capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], claimRef: {namespace: a, name: was}, hostPath: {path: /srv/data}}}
`
}
