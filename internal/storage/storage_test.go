package storage

import (
	"fmt"
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

func view(t testing.TB, closed bool, text string) *View {
	t.Helper()
	return New(model.NewSnapshot(objects(t, text), closed))
}

// pod writes a Deployment with one container, its mounts and volumes.
func pod(name, account, mounts, volumes string) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec:
      serviceAccountName: %s
      containers: [{name: main, image: registry.example/app:1, volumeMounts: [%s]}]
      volumes: [%s]
`, name, name, name, account, mounts, volumes)
}

// text writes what a volume comes to, in one line.
func text(v *Volume) string {
	var parts []string
	for _, u := range v.Users {
		for _, m := range u.Mounts {
			access := "rw"
			if m.ReadOnly {
				access = "ro"
			}
			parts = append(parts, fmt.Sprintf("%s/%s/%s %s %s", u.Workload.Key.Name, m.Role, m.Container, m.MountPath, access))
		}
	}
	for _, u := range v.Users {
		if u.PathType != "" {
			parts = append(parts, "as "+u.PathType)
		}
	}
	parts = append(parts, v.Holds...)
	if v.Encryption.State != "" {
		parts = append(parts, "encrypted "+string(v.Encryption.State))
	}
	if v.Orphaned != "" {
		parts = append(parts, "orphaned")
	}
	for i := range v.Users {
		if g := v.Users[i].Gain(v.NodePath); v.NodePath != "" && g.Text != "" {
			parts = append(parts, fmt.Sprintf("%.6s %v", g.Text, g.TakesNode))
		}
	}
	return strings.Join(parts, "; ")
}

// Every source that a volume may have.
func TestVolumeKinds(t *testing.T) {
	for _, c := range []struct {
		source string
		kind   Kind
		want   string
	}{
		{`emptyDir: {}`, "emptyDir", "w/main/main /m rw; encrypted unknown"},
		{``, "emptyDir", "w/main/main /m rw; encrypted unknown"},
		{`emptyDir: null`, "emptyDir", "w/main/main /m rw; encrypted unknown"},
		{`emptyDir: {medium: Memory, sizeLimit: 1Gi}`, "emptyDir", "w/main/main /m rw; memory; at most 1Gi"},
		{`secret: {secretName: db}`, "secret", "w/main/main /m ro; Secret db"},
		{`secret: {secretName: db, items: [{key: password, path: p}]}`, "secret", "w/main/main /m ro; Secret db (password)"},
		{`configMap: {name: c}`, "configMap", "w/main/main /m ro; ConfigMap c"},
		{`downwardAPI: {items: []}`, "downwardAPI", "w/main/main /m ro"},
		{`image: {reference: "registry.example/data:1"}`, "image", "w/main/main /m ro; image registry.example/data:1"},
		{`projected: {sources: [{secret: {name: s}}, {configMap: {name: c, items: [{key: k, path: k}]}}, {serviceAccountToken: {path: t, audience: vault, expirationSeconds: 7200}}, {downwardAPI: {}}]}`,
			"projected", "w/main/main /m ro; Secret s; ConfigMap c (k); a service account token for vault, 2h; fields of the pod"},
		{`csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: vault}}`, "csi",
			"w/main/main /m ro; driver secrets-store.csi.k8s.io; SecretProviderClass vault"},
		{`csi: {driver: x.example}`, "csi", "w/main/main /m rw; driver x.example; encrypted unknown"},
		{`ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: pd}}}`, KindEphemeral, "w/main/main /m rw; encrypted yes"},
		{`persistentVolumeClaim: {claimName: data}`, KindClaim, "w/main/main /m rw; encrypted yes"},
		{`persistentVolumeClaim: {claimName: data, readOnly: true}`, KindClaim, "w/main/main /m ro; encrypted yes"},
		{`nfs: {server: filer, path: /exports}`, "nfs", "w/main/main /m rw; encrypted unknown"},
		{`hostPath: {path: /srv/app}`, KindHostPath, "w/main/main /m rw; encrypted unknown"},
		{`hostPath: {path: /var/run/docker.sock}`, KindHostPath, "w/main/main /m rw; encrypted unknown; reache true"},
		{`hostPath: {path: /srv/app, type: DirectoryOrCreate}`, KindHostPath, "w/main/main /m rw; as DirectoryOrCreate; encrypted unknown"},
		{`hostPath: {path: /var/log}`, KindHostPath, "w/main/main /m rw; encrypted unknown; writes false"},
		{`gitRepo: {repository: "https://git.example/app"}`, "gitRepo", "w/main/main /m rw"},
	} {
		volume := "{name: v, " + c.source + "}"
		if c.source == "" {
			volume = "{name: v}"
		}
		v := view(t, true, pod("w", "web", "{name: v, mountPath: /m}", volume)+`---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: pd}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: pd}
provisioner: pd.csi.storage.gke.io
`)
		at := slices.IndexFunc(v.Volumes, func(v *Volume) bool { return len(v.Users) > 0 })
		if len(v.Volumes) > 2 || at < 0 {
			t.Errorf("%s: %d volumes", c.source, len(v.Volumes))
			continue
		}
		if got := v.Volumes[at]; got.Kind != c.kind || text(got) != c.want {
			t.Errorf("%s: %s %s, want %s %s", c.source, got.Kind, text(got), c.kind, c.want)
		}
	}
}

func TestMounts(t *testing.T) {
	v := view(t, true, `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  initContainers:
  - {name: setup, image: i, volumeMounts: [{name: data, mountPath: /init, subPath: a}]}
  - {name: proxy, image: i, restartPolicy: Always, volumeMounts: [{name: data, mountPath: /side, subPathExpr: $(NAME), readOnly: true}]}
  containers:
  - {name: app, image: i, volumeMounts: [{name: data, mountPath: /d, mountPropagation: Bidirectional}, {name: lost, mountPath: /l}]}
  - {name: raw, image: i, volumeDevices: [{name: disk, devicePath: /dev/xvda}]}
  ephemeralContainers:
  - {name: debug, image: i, volumeMounts: [{name: data, mountPath: /debug, mountPropagation: HostToContainer}]}
  volumes: [{name: data, emptyDir: {}}, {name: disk, persistentVolumeClaim: {claimName: disk}}, {name: idle, emptyDir: {}}]
`)
	var got []string
	for _, v := range v.Volumes {
		for _, u := range v.Users {
			for _, m := range u.Mounts {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %v %v %s%s %s", v.Kind, m.Role, m.Container, m.MountPath, m.Device, m.ReadOnly, m.SubPath, m.SubPathExpr, m.Propagation)))
			}
		}
	}
	want := []string{
		"claim main raw /dev/xvda true false", "emptyDir main app /d false false  Bidirectional", "emptyDir init setup /init false false a",
		"emptyDir sidecar proxy /side false true $(NAME)", "emptyDir ephemeral debug /debug false false  HostToContainer", "undeclared main app /l false false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

func find(t *testing.T, v *View, kind Kind, name string) *Volume {
	t.Helper()
	for _, volume := range v.Volumes {
		if volume.Kind == kind && volume.Name == name {
			return volume
		}
	}
	t.Fatalf("no %s %s among %d volumes", kind, name, len(v.Volumes))
	return nil
}

// What is absent is only told where nothing can be elsewhere.
func TestWorlds(t *testing.T) {
	const lonely = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {accessModes: [ReadWriteOnce]}\n"
	const volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {claimRef: {namespace: shop, name: gone}, nfs: {server: s, path: /}, persistentVolumeReclaimPolicy: Retain}\n"
	absent := pod("w", "x", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: c}}")
	const notRead = "claim shop/gone was not read, and may live elsewhere"
	for _, c := range []struct {
		what, text string
		closed     bool
		orphaned   bool
		unknown    []string
	}{
		{"kept", volume, true, true, nil},
		{"kept, open", volume, false, false, []string{notRead}},
		{"released", volume + "status: {phase: Released}\n", false, true, nil},
		{"failed", volume + "status: {phase: Failed}\n", false, true, nil},
		{"waiting", strings.Replace(volume, "claimRef: {namespace: shop, name: gone}, ", "", 1) + "status: {phase: Available}\n", false, false, nil},
		{"not told", strings.Replace(volume, "claimRef: {namespace: shop, name: gone}, ", "", 1), true, false, []string{"whether a claim is bound to it was not read"}},
	} {
		v := view(t, c.closed, c.text).Volumes[0]
		if (v.Orphaned != "") != c.orphaned || !slices.Equal(v.Unknowns, c.unknown) {
			t.Errorf("%s: %q %q", c.what, v.Orphaned, v.Unknowns)
		}
	}
	for _, gap := range []model.GroupKind{model.PersistentVolumeClaimKind, model.DeploymentKind} {
		s := model.NewSnapshot(objects(t, lonely+"---\n"+volume+absent), true, model.Gap{Kind: gap, Reason: "they may not be listed"})
		if v := New(s); !slices.Contains(v.Unknowns, "they may not be listed") {
			t.Errorf("gap in %s: %q", gap, v.Unknowns)
		}
	}
}

// TestClaimFacts asks who is left of those that a claim was made for.
func TestClaimFacts(t *testing.T) {
	claim := func(name string) string {
		return "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " + name + "}\nspec: {accessModes: [ReadWriteMany]}\n"
	}
	mounting := func(name string) string {
		return pod(name, "a", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: c}}")
	}
	scaler := func(kind, name string) string {
		return "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {scaleTargetRef: {kind: " + kind + ", name: " + name + "}, maxReplicas: 3}\n"
	}
	const set = `---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {replicas: 2, selector: {}, ordinals: {start: 1}, template: {spec: {containers: [{name: a, image: i}]}}, volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]}
`
	for _, c := range []struct {
		what, text, claim, want string
		closed                  bool
	}{
		{"one pod", claim("c") + mounting("w"), "c", "Deployment/shop/w ", true},
		{"two workloads", claim("c") + mounting("w") + mounting("x"), "c", " ", true},
		{"replicas", claim("c") + strings.Replace(mounting("w"), "spec:\n", "spec:\n  replicas: 2\n", 1), "c", " ", true},
		{"scaled", claim("c") + mounting("w") + scaler("Deployment", "w"), "c", " ", true},
		{"another scaled", claim("c") + mounting("w") + scaler("Deployment", "x"), "c", "Deployment/shop/w ", true},
		{"perhaps scaled", claim("c") + mounting("w"), "c", " ", false},
		{"before the first", claim("data-db-0") + set, "data-db-0", " StatefulSet/shop/db", true},
		{"a replica's", claim("data-db-2") + set, "data-db-2", " ", true},
		{"left behind", claim("data-db-3") + set, "data-db-3", " StatefulSet/shop/db", true},
		{"left behind, perhaps scaled", claim("data-db-3") + set, "data-db-3", " ", false},
		{"of another name", claim("data-db-x") + set, "data-db-x", " ", true},
	} {
		v := find(t, view(t, c.closed, c.text), KindClaim, c.claim)
		name := func(o *model.Object) string {
			if o == nil {
				return ""
			}
			return o.Key.String()
		}
		if got := name(v.OnePod) + " " + name(v.LeftBehind); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// A claim template stands for as many claims as there are replicas.
func TestCopies(t *testing.T) {
	set := func(replicas string) string {
		return "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {" + replicas + "selector: {}, template: {spec: {containers: [{name: a, image: i}]}}, " +
			"volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]}\n"
	}
	const scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {scaleTargetRef: {kind: StatefulSet, name: db}, maxReplicas: 3}\n"
	const keda = "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: k}\nspec: {scaleTargetRef: {kind: StatefulSet, name: db}}\n"
	for _, c := range []struct {
		text   string
		closed bool
		want   Copies
	}{
		{set("replicas: 3, "), true, Copies{3, true, ""}},
		{set("replicas: 0, "), true, Copies{0, true, ""}},
		{set(""), true, Copies{1, true, ""}},
		{set("replicas: 3, "), false, Copies{3, true, "an autoscaler that was not read may set the replicas"}},
		{set("replicas: 3, ") + scaler, true, Copies{0, false, "HorizontalPodAutoscaler h sets the replicas"}},
		{set("") + keda, false, Copies{0, false, "ScaledObject k sets the replicas"}},
		{set("") + strings.Replace(scaler, "name: db", "name: other", 1), true, Copies{1, true, ""}},
	} {
		v := find(t, view(t, c.closed, c.text), KindClaim, "data-db-*")
		if v.Copies == nil || *v.Copies != c.want {
			t.Errorf("%s: %+v, want %+v", c.text, v.Copies, c.want)
		}
	}
}

// Debug containers are in pods and not in the templates that these are made of.
func TestDebugContainers(t *testing.T) {
	const template = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, uid: u1}
spec:
  selector: {}
  template: {spec: {containers: [{name: db, image: i, volumeMounts: [{name: data, mountPath: /d}]}], volumes: [{name: data, persistentVolumeClaim: {claimName: c}}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u1, controller: true}]}
spec:
  containers: [{name: db, image: i, volumeMounts: [{name: data, mountPath: /d}]}]
  %s
  volumes: [{name: data, persistentVolumeClaim: {claimName: c}}]
`
	without := find(t, view(t, false, fmt.Sprintf(template, "dnsPolicy: Default")), KindClaim, "c")
	with := find(t, view(t, false, fmt.Sprintf(template, "ephemeralContainers: [{name: debug, image: i, volumeMounts: [{name: data, mountPath: /x, readOnly: true}]}]")), KindClaim, "c")
	if text(without) != "db/main/db /d rw; encrypted unknown" || text(with) != "db-0/ephemeral/debug /x ro; db/main/db /d rw; encrypted unknown" {
		t.Errorf("%s\n%s", text(without), text(with))
	}
}
