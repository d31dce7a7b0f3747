package storage

import (
	"fmt"
	"strings"
	"testing"
)

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
	if text(v) != "db/main/db /d rw; encrypted no" || !v.Claim.Template || v.Class == nil || v.Users[0].Path.String() != "spec.volumeClaimTemplates[0]" {
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
	if v = find(t, all, KindClaim, "data-db-1"); text(v) != "encrypted no" || v.LeftBehind == nil {
		t.Errorf("claim beyond the replicas: %s", text(v))
	}
	// Who mounts one replica's claim meets the StatefulSet there.
	v = find(t, view(t, true, chain+pod("backup", "backup", "{name: v, mountPath: /m}", "{name: v, persistentVolumeClaim: {claimName: data-db-0}}")), KindClaim, "data-db-0")
	if text(v) != "backup/main/main /m rw; db/main/db /d rw; encrypted no" {
		t.Errorf("shared replica: %s", text(v))
	}
}

func TestDefaultClass(t *testing.T) {
	const claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {accessModes: [ReadWriteOnce]%s}\n"
	const class = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: %s, annotations: {storageclass.kubernetes.io/is-default-class: \"true\"}}\nprovisioner: disk.csi.azure.com\n"
	for _, c := range []struct{ more, classes, want, reason string }{
		{"", fmt.Sprintf(class, "a"), "a", "Azure encrypts all managed disks"},
		{"", fmt.Sprintf(class, "a") + fmt.Sprintf(class, "b"), "", "the claim names no class, and 2 are marked as the default: it gets the newest, and which one that is was not read"},
		{"", "", "", "the claim names no class, and no default class was read"},
		{", storageClassName: ''", fmt.Sprintf(class, "a"), "", "the claim waits for a volume that is made by hand"},
		{", storageClassName: gone", fmt.Sprintf(class, "a"), "gone", "StorageClass gone was not read"},
		{", volumeName: pv", fmt.Sprintf(class, "a"), "", "PersistentVolume pv was not read"},
		{", volumeName: pv", "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {claimRef: {namespace: shop, name: other}, nfs: {server: s, path: /e}}\n", "",
			"PersistentVolume pv is reserved for another claim, or for one of this name that is gone"},
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
		{"ebs.csi.aws.com", `{encrypted: "true"}`, Yes}, {"ebs.csi.aws.com", `{Encrypted: "true", kmsKeyId: k}`, Yes},
		{"ebs.csi.aws.com", `{encrypted: "True"}`, Unknown}, {"kubernetes.io/aws-ebs", `{encrypted: "1"}`, Unknown},
		{"rook-ceph.rbd.csi.ceph.com", `{encrypted: "True"}`, Unknown}, {"driver.longhorn.io", `{encrypted: "1"}`, Unknown}, {"pxd.portworx.com", `{secure: "TRUE"}`, Unknown},
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
		if strings.Contains(c.parameters, "True") && !strings.Contains(got.Reason, `encrypted: "True"`) {
			t.Errorf("%s %s: %s quotes something else", c.driver, c.parameters, got.Reason)
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
	if len(v.Volumes) != 2 || find(t, v, KindClaim, "c").Persistent != nil || find(t, v, KindPersistent, "pv").Orphaned == "" {
		t.Errorf("an earlier one's: %d volumes", len(v.Volumes))
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
	if c := find(t, v, KindClaim, "w-cache"); len(c.Users) != 1 {
		t.Errorf("%s", text(c))
	}
}
