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
	parts = append(parts, v.Holds...)
	if v.Encryption.State != "" {
		parts = append(parts, "encrypted "+string(v.Encryption.State))
	}
	for _, f := range v.Findings {
		parts = append(parts, f.Severity.String()+" "+f.ID)
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
			"w/main/main /m ro; driver secrets-store.csi.k8s.io; SecretProviderClass vault; encrypted unknown"},
		{`ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: pd}}}`, KindEphemeral, "w/main/main /m rw; encrypted yes"},
		{`persistentVolumeClaim: {claimName: data}`, KindClaim, "w/main/main /m rw; encrypted yes"},
		{`persistentVolumeClaim: {claimName: data, readOnly: true}`, KindClaim, "w/main/main /m ro; encrypted yes"},
		{`nfs: {server: filer, path: /exports}`, "nfs", "w/main/main /m rw; encrypted unknown"},
		{`hostPath: {path: /srv/app}`, KindHostPath, "w/main/main /m rw; encrypted unknown"},
		{`hostPath: {path: /var/run/docker.sock}`, KindHostPath, "w/main/main /m rw; encrypted unknown; critical host-path-write"},
		{`hostPath: {path: /var/log}`, KindHostPath, "w/main/main /m rw; encrypted unknown; high host-path-write"},
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
		for _, f := range v.Findings {
			got = append(got, f.Severity.String()+" "+f.ID)
		}
	}
	want := []string{
		"emptyDir main app /d false false  Bidirectional", "emptyDir init setup /init false false a",
		"emptyDir sidecar proxy /side false true $(NAME)", "emptyDir ephemeral debug /debug false false  HostToContainer", "high mount-propagation",
		"claim main raw /dev/xvda true false", "medium missing", "undeclared main app /l false false", "low undeclared", "info unmounted",
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

// What is absent is only wrong where nothing can be elsewhere.
func TestWorlds(t *testing.T) {
	const lonely = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {accessModes: [ReadWriteOnce]}\n"
	const volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {claimRef: {namespace: shop, name: gone}, nfs: {server: s, path: /}, persistentVolumeReclaimPolicy: Retain}\n"
	absent := pod("w", "x", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: c}}")
	for _, c := range []struct {
		what, text, closed, open string
	}{
		{"unused", lonely, "unused", "nothing here mounts it, and what does may live elsewhere"},
		{"orphaned", volume, "orphaned", "claim shop/gone was not read, and may live elsewhere"},
		{"missing", absent, "missing", "the claim was not read, and may live elsewhere"},
		{"released", volume + "status: {phase: Released}\n", "orphaned", ""},
	} {
		v := view(t, true, c.text).Volumes[0]
		if len(v.Findings) != 1 || v.Findings[0].ID != c.closed || len(v.Unknowns) > 0 {
			t.Errorf("%s, closed: %+v %q", c.what, v.Findings, v.Unknowns)
		}
		v = view(t, false, c.text).Volumes[0]
		if c.open != "" && (len(v.Findings) > 0 || !slices.Equal(v.Unknowns, []string{c.open})) {
			t.Errorf("%s, open: %+v %q", c.what, v.Findings, v.Unknowns)
		}
		if c.open == "" && len(v.Findings) != 1 {
			t.Errorf("%s, open: %+v", c.what, v.Findings)
		}
	}
	for _, gap := range []model.GroupKind{model.PersistentVolumeClaimKind, model.DeploymentKind} {
		s := model.NewSnapshot(objects(t, lonely+"---\n"+volume+absent), true, model.Gap{Kind: gap, Reason: "they may not be listed"})
		if v := New(s); !slices.Contains(v.Unknowns, "they may not be listed") {
			t.Errorf("gap in %s: %q", gap, v.Unknowns)
		}
	}
}

func TestWorstFirst(t *testing.T) {
	const mount = "{name: v, mountPath: /m}"
	v := view(t, false, pod("a", "one", mount, "{name: v, emptyDir: {}}")+pod("b", "one", "", "{name: v, emptyDir: {}}")+
		pod("c", "one", mount, "{name: v, hostPath: {path: /}}")+pod("d", "one", mount, "{name: v, hostPath: {path: /var/log}}"))
	var got []string
	for _, volume := range v.Volumes {
		got = append(got, volume.Users[0].Workload.Key.Name)
	}
	if strings.Join(got, " ") != "c d b a" {
		t.Errorf("%q", got)
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
