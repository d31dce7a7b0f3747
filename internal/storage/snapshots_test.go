package storage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

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
		{"plain", taken, true, "outlives", nil},
		{"plain, open", taken, false, "", nil},
		{"granted", taken + fmt.Sprintf(grant, "nightly"), false, "[whoever makes claims in namespace lab may restore it there and read the data]", []string{"lab"}},
		{"another granted", taken + fmt.Sprintf(grant, "weekly"), false, "", nil},
		{"restored", taken + fmt.Sprintf(grant, "nightly") + restored, false, "[whoever makes claims in namespace lab may restore it there and read the data claim lab/copy holds a copy of the data]", []string{"lab"}},
		{"restored without a grant", taken + restored, true, "outlives", nil},
		{"one handle", taken + contents, true, "orphaned; [the same data are a snapshot in namespace shop too] | outlives; [the same data are a snapshot in namespace lab too]", nil},
	} {
		v := view(t, c.closed, c.text)
		var all []string
		for _, sn := range v.Snapshots {
			var got []string
			if sn.Orphaned != "" {
				got = append(got, "orphaned")
			}
			if sn.Outlives {
				got = append(got, "outlives")
			}
			if len(sn.Copies) > 0 {
				got = append(got, fmt.Sprint(sn.Copies))
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
