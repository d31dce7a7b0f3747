package storage

import (
	"slices"
	"testing"
)

// TestMatch holds which volume a claim that names none gets.
func TestMatch(t *testing.T) {
	const (
		claim  = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}\n"
		other  = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d}\nspec: {storageClassName: manual, accessModes: [ReadWriteOnce]}\n"
		volume = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec: {storageClassName: manual, capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce, ReadOnlyMany], hostPath: {path: /etc}}\n"
		second = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: q}\nspec: {storageClassName: manual, capacity: {storage: 3Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /srv}}\n"
		small  = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: q}\nspec: {storageClassName: manual, capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /srv}}\n"
		fits   = "PersistentVolume p fits the claim and may be bound to it"
	)
	for _, c := range []struct {
		what, text string
		closed     bool
		path       string
		unknown    []string
	}{
		{"the one", claim + volume, true, "/etc", nil},
		{"the one that is large enough", claim + volume + small, true, "/etc", nil},
		{"others may live elsewhere", claim + volume, false, "", []string{fits}},
		{"one of two", claim + volume + second, true, "", []string{fits, "PersistentVolume q fits the claim and may be bound to it"}},
		{"two claims", claim + other + volume, true, "", []string{fits}},
		{"claims to come", claim + volume + "---\n" + chain, true, "", []string{fits}},
		{"too small", claim + small, true, "", nil},
	} {
		v := find(t, view(t, c.closed, c.text), KindClaim, "c")
		if v.NodePath != c.path || !slices.Equal(v.Unknowns, c.unknown) {
			t.Errorf("%s: %q %q", c.what, v.NodePath, v.Unknowns)
		}
	}
}
