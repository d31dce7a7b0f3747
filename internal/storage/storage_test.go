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

const chain = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: i, volumeMounts: [{name: data, mountPath: /d}]}]}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: ceph}}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: ceph}
provisioner: rook-ceph.rbd.csi.ceph.com
parameters: {pool: p}
`

const replicaClaims = `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-db-0}
spec: {accessModes: [ReadWriteOnce], storageClassName: ceph, volumeName: pv-0}
status: {phase: Bound}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-db-1}
spec: {accessModes: [ReadWriteOnce], storageClassName: ceph, volumeName: pv-1}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-0}
spec:
  storageClassName: ceph
  persistentVolumeReclaimPolicy: Delete
  claimRef: {namespace: shop, name: data-db-0}
  csi: {driver: rook-ceph.rbd.csi.ceph.com, volumeHandle: h0, volumeAttributes: {encrypted: "true"}}
`

func TestChain(t *testing.T) {
	// Before the controller has made claims, the template stands for them.
	v := find(t, view(t, true, chain), KindClaim, "data-db-*")
	if text(v) != "db/main/db /d rw; encrypted no; medium not-encrypted" || !v.Claim.Template || v.Class == nil || v.Users[0].Path.String() != "spec.volumeClaimTemplates[0]" {
		t.Errorf("template: %s %+v", text(v), v)
	}
	all := view(t, true, chain+replicaClaims)
	if len(all.Volumes) != 2 {
		t.Errorf("%d volumes, want the two claims", len(all.Volumes))
	}
	v = find(t, all, KindClaim, "data-db-0")
	if text(v) != "db/main/db /d rw; encrypted yes" || v.Persistent.Object.Key.Name != "pv-0" || v.Persistent.Reclaim != "Delete" {
		t.Errorf("bound claim: %s %+v", text(v), v.Persistent)
	}
	if v = find(t, all, KindClaim, "data-db-1"); text(v) != "db/main/db /d rw; encrypted no; medium not-encrypted; low left-behind" {
		t.Errorf("claim beyond the replicas: %s", text(v))
	}
	// Who mounts one replica's claim meets the StatefulSet there.
	v = find(t, view(t, true, chain+pod("backup", "backup", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: data-db-0}}")), KindClaim, "data-db-0")
	if text(v) != "backup/main/main /m rw; db/main/db /d rw; encrypted no; medium shared-across-accounts; medium not-encrypted" {
		t.Errorf("shared replica: %s", text(v))
	}
}

func TestDefaultClass(t *testing.T) {
	const claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {accessModes: [ReadWriteOnce]%s}\n"
	const class = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: %s, annotations: {storageclass.kubernetes.io/is-default-class: \"true\"}}\nprovisioner: disk.csi.azure.com\n"
	for _, c := range []struct{ more, classes, want, reason string }{
		{"", fmt.Sprintf(class, "a"), "a", "Azure encrypts all managed disks"},
		{"", fmt.Sprintf(class, "a") + fmt.Sprintf(class, "b"), "", "the claim names no class, and no default class was read"},
		{", storageClassName: ''", fmt.Sprintf(class, "a"), "", "the claim waits for a volume that is made by hand"},
		{", storageClassName: gone", fmt.Sprintf(class, "a"), "gone", "StorageClass gone was not read"},
		{", volumeName: pv", fmt.Sprintf(class, "a"), "", "PersistentVolume pv was not read"},
	} {
		v := find(t, view(t, true, fmt.Sprintf(claim, c.more)+c.classes), KindClaim, "c")
		if v.Claim.ClassName != c.want || v.Encryption.Reason != c.reason {
			t.Errorf("%s: class %q, %s", c.more, v.Claim.ClassName, v.Encryption.Reason)
		}
	}
}

func TestEncryption(t *testing.T) {
	for _, c := range []struct {
		driver, parameters string
		want               State
	}{
		{"ebs.csi.aws.com", `{encrypted: "true"}`, Yes}, {"ebs.csi.aws.com", `{Encrypted: "TRUE", kmsKeyId: k}`, Yes},
		{"ebs.csi.aws.com", `{encrypted: "false"}`, Unknown}, {"ebs.csi.aws.com", `{}`, Unknown}, {"kubernetes.io/aws-ebs", `{encrypted: "true"}`, Yes},
		{"efs.csi.aws.com", `{}`, Unknown}, {"pd.csi.storage.gke.io", `{}`, Yes}, {"pd.csi.storage.gke.io", `{disk-encryption-kms-key: k}`, Yes},
		{"disk.csi.azure.com", `{}`, Yes}, {"file.csi.azure.com", `{protocol: nfs}`, Yes},
		{"rook-ceph.rbd.csi.ceph.com", `{}`, No}, {"cephfs.csi.ceph.com", `{encrypted: "true"}`, Yes}, {"evilrbd.csi.ceph.com", `{encrypted: "true"}`, Unknown},
		{"driver.longhorn.io", `{encrypted: "false"}`, No}, {"driver.longhorn.io", `{encrypted: "true"}`, Yes},
		{"pxd.portworx.com", `{secure: "true"}`, Yes}, {"pxd.portworx.com", `{}`, No},
		{"storage.csi.upcloud.com", `{encryption: data-at-rest}`, Yes}, {"storage.csi.upcloud.com", `{}`, Unknown},
		{"csi.cloudscale.ch", `{csi.cloudscale.ch/luks-encrypted: "true"}`, Yes}, {"cinder.csi.openstack.org", `{type: luks}`, Unknown},
		{"csi.vsphere.vmware.com", `{StoragePolicyName: p}`, Unknown}, {"disk.csi.example", `{encrypted: "true"}`, Unknown},
	} {
		class := objects(t, "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: "+c.driver+"\nparameters: "+c.parameters+"\n")[0]
		got := made{driver: c.driver, class: class.Root}.encryption()
		if got.State != c.want || got.Reason == "" {
			t.Errorf("%s %s: %+v, want %s", c.driver, c.parameters, got, c.want)
		}
	}
	for _, driver := range []string{"ebs.csi.aws.com", "driver.longhorn.io"} {
		if got := (made{driver: driver}).encryption(); got.State != Unknown {
			t.Errorf("%s without its class: %+v", driver, got)
		}
		if got := (made{driver: driver, static: true}).encryption(); got.State != Unknown || !strings.Contains(got.Reason, "not made of a class") {
			t.Errorf("%s without a class: %+v", driver, got)
		}
	}
}

func TestSharing(t *testing.T) {
	claim := func(name, account, mount string) string {
		return pod(name, account, mount, "{name: v, persistentVolumeClaim: {claimName: c}}")
	}
	const rw, ro = "{name: v, mountPath: /m}", "{name: v, mountPath: /m, readOnly: true}"
	elsewhere := func(s string) string {
		return strings.Replace(s, "metadata: {name: ", "metadata: {namespace: other, name: ", 1)
	}
	host := func(name, account, mount, at string) string {
		return pod(name, account, mount, "{name: v, hostPath: {path: "+at+"}}")
	}
	for _, c := range []struct {
		what, text string
		kind       Kind
		want       string
	}{
		{"one", claim("a", "one", rw), KindClaim, ""},
		{"workloads", claim("a", "one", rw) + claim("b", "one", ro), KindClaim, "low shared-across-workloads"},
		{"accounts", claim("a", "one", rw) + claim("b", "two", ro), KindClaim, "medium shared-across-accounts"},
		{"readers", claim("a", "one", ro) + claim("b", "two", ro), KindClaim, "low shared-across-accounts"},
		{"mounted by one", claim("a", "one", rw) + claim("b", "two", ""), KindClaim, "low unmounted"},
		{"claims of one name", claim("a", "one", rw) + elsewhere(claim("b", "two", rw)), KindClaim, ""},
		{"host path", host("a", "one", rw, "/srv/x") + elsewhere(host("b", "two", ro, "/srv//x/")), KindHostPath, "high shared-across-namespaces"},
		{"host path, readers", host("a", "one", ro, "/srv/x") + elsewhere(host("b", "two", ro, "/srv/x")), KindHostPath, ""},
		{"host paths", host("a", "one", rw, "/srv/x") + host("b", "two", rw, "/srv/y"), KindHostPath, ""},
		{"nfs", pod("a", "one", rw, "{name: v, nfs: {server: s, path: /e}}") + pod("b", "two", rw, "{name: v, nfs: {server: s, path: /e}}"), "nfs", "medium shared-across-accounts"},
		{"empty directories", pod("a", "one", rw, "{name: v, emptyDir: {}}") + pod("b", "two", rw, "{name: v, emptyDir: {}}"), "emptyDir", ""},
	} {
		for _, v := range view(t, false, c.text).Volumes {
			var got []string
			for _, f := range v.Findings {
				got = append(got, f.Severity.String()+" "+f.ID)
			}
			if v.Kind != c.kind || strings.Join(got, "; ") != c.want {
				t.Errorf("%s: %s %q, want %q", c.what, v.Kind, got, c.want)
			}
		}
	}
}

// Two volumes with the same data behind them are shared, though their claims are
// in different namespaces.
func TestSameData(t *testing.T) {
	var text string
	for i, ns := range []string{"shop", "other"} {
		text += strings.ReplaceAll(pod("w", "x", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: c}}"), "metadata: {name: w}", "metadata: {name: w, namespace: "+ns+"}")
		text += fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: %s}\nspec: {accessModes: [ReadWriteMany], storageClassName: '', volumeName: pv%d}\n", ns, i)
		text += fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv%d}\nspec: {csi: {driver: efs.csi.aws.com, volumeHandle: fs-1}, claimRef: {namespace: %s, name: c}}\n", i, ns)
	}
	v := view(t, true, text)
	if len(v.Volumes) != 2 {
		t.Fatalf("%d volumes", len(v.Volumes))
	}
	for _, volume := range v.Volumes {
		if len(volume.SameData) != 1 || volume.Findings[0].ID != "shared-across-namespaces" || volume.Findings[0].Severity != model.High {
			t.Errorf("%v: same data %v, %+v", volume.ID, volume.SameData, volume.Findings)
		}
	}
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
	for _, gap := range []model.GroupKind{claimKind, {Group: "apps", Kind: "Deployment"}} {
		s := model.NewSnapshot(objects(t, lonely+"---\n"+volume+absent), true, model.Gap{Kind: gap, Reason: "they may not be listed"})
		if v := New(s); !slices.Contains(v.Unknowns, "they may not be listed") {
			t.Errorf("gap in %s: %q", gap, v.Unknowns)
		}
	}
}

// A claim that a pod made for its ephemeral volume is used by the pod's workload.
func TestEphemeralClaim(t *testing.T) {
	v := view(t, true, `
apiVersion: v1
kind: Pod
metadata: {name: w, uid: u1}
spec:
  containers: [{name: main, image: i, volumeMounts: [{name: cache, mountPath: /c}]}]
  volumes: [{name: cache, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: w-cache, ownerReferences: [{apiVersion: v1, kind: Pod, name: w, uid: u1, controller: true}]}
spec: {accessModes: [ReadWriteOnce]}
`)
	if c := find(t, v, KindClaim, "w-cache"); len(c.Users) != 1 || len(c.Findings) > 0 {
		t.Errorf("%s", text(c))
	}
}

func TestSnapshots(t *testing.T) {
	const taken = `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: nightly, namespace: shop}
spec: {volumeSnapshotClassName: keep, source: {persistentVolumeClaimName: gone}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata: {name: keep}
driver: ebs.csi.aws.com
deletionPolicy: Retain
`
	const grant = `---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: shop}
spec:
  from: [{group: "", kind: PersistentVolumeClaim, namespace: lab}]
  to: [{group: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: %s}]
`
	const restored = `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: copy, namespace: lab}
spec: {accessModes: [ReadWriteOnce], dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: nightly, namespace: shop}}
`
	const contents = `---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata: {name: a}
spec: {driver: ebs.csi.aws.com, deletionPolicy: Retain, source: {snapshotHandle: snap-1}, volumeSnapshotRef: {namespace: shop, name: nightly}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata: {name: b}
spec: {driver: ebs.csi.aws.com, deletionPolicy: Retain, source: {snapshotHandle: snap-1}, volumeSnapshotRef: {namespace: lab, name: old}}
`
	for _, c := range []struct {
		what, text string
		closed     bool
		want       string // of each snapshot
		elsewhere  []string
	}{
		{"plain", taken, true, "low snapshot-outlives", nil},
		{"plain, open", taken, false, "", nil},
		{"granted", taken + fmt.Sprintf(grant, "nightly"), false, "medium snapshot-granted", []string{"lab"}},
		{"another granted", taken + fmt.Sprintf(grant, "weekly"), false, "", nil},
		{"restored", taken + fmt.Sprintf(grant, "nightly") + restored, false, "medium snapshot-granted; medium snapshot-restored-elsewhere", []string{"lab"}},
		{"restored without a grant", taken + restored, true, "low snapshot-outlives", nil},
		{"one handle", taken + contents, true, "medium snapshot-orphaned; medium snapshot-in-namespaces | medium snapshot-in-namespaces; low snapshot-outlives", nil},
	} {
		v := view(t, c.closed, c.text)
		var all []string
		for _, sn := range v.Snapshots {
			var got []string
			for _, f := range sn.Findings {
				got = append(got, f.Severity.String()+" "+f.ID)
			}
			all = append(all, strings.Join(got, "; "))
		}
		if got := strings.Join(all, " | "); got != c.want || !slices.Equal(v.Snapshots[0].Elsewhere, c.elsewhere) {
			t.Errorf("%s: %s, want %s; elsewhere %v", c.what, got, c.want, v.Snapshots[0].Elsewhere)
		}
		if sn := v.Snapshots[len(v.Snapshots)-1]; sn.DeletionPolicy != "Retain" || sn.Driver != "ebs.csi.aws.com" {
			t.Errorf("%s: %+v", c.what, sn)
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

// The controller puts the claim in the place of a volume of the same name.
func TestClaimTemplateWins(t *testing.T) {
	v := view(t, true, strings.Replace(chain, "spec: {containers:", "spec: {volumes: [{name: data, emptyDir: {}}], containers:", 1))
	if got := find(t, v, KindClaim, "data-db-*"); len(got.Users[0].Mounts) != 1 {
		t.Errorf("%s", text(got))
	}
	if got := find(t, v, "emptyDir", "data"); len(got.Users[0].Mounts) != 0 {
		t.Errorf("%s", text(got))
	}
}

// A persistent volume that was kept for an earlier claim of the same name is not
// that of the new one.
func TestEarlierClaim(t *testing.T) {
	const text = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c, uid: new}
spec: {accessModes: [ReadWriteOnce]}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {nfs: {server: s, path: /}, claimRef: {namespace: shop, name: c, uid: %s}}
status: {phase: %s}
`
	if v := view(t, true, fmt.Sprintf(text, "new", "Bound")); len(v.Volumes) != 1 || v.Volumes[0].Persistent == nil {
		t.Errorf("its own: %d volumes", len(v.Volumes))
	}
	v := view(t, true, fmt.Sprintf(text, "old", "Released"))
	if len(v.Volumes) != 2 || find(t, v, KindClaim, "c").Persistent != nil || find(t, v, KindPersistent, "pv").Findings[0].ID != "orphaned" {
		t.Errorf("an earlier one's: %d volumes", len(v.Volumes))
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
